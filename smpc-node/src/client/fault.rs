//! What went wrong with a call, in words for a person.

use crate::Error;

/// A peer's text, cut to a length that a log can bear.
pub(super) fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

/// Tells an unreachable party from one that refuses, in words for a person.
#[must_use]
pub fn call_error(party: &str, address: &str, status: &tonic::Status) -> Error {
    use std::error::Error as _;
    match status.code() {
        tonic::Code::Unavailable
        | tonic::Code::DeadlineExceeded
        | tonic::Code::Unknown
        | tonic::Code::Cancelled => {
            // The innermost cause says what happened ("connection refused", the TLS alert).
            let mut reason = status.message().to_owned();
            let mut source = status.source();
            while let Some(cause) = source {
                reason = cause.to_string();
                source = cause.source();
            }
            Error::Unreachable {
                party: party.to_owned(),
                address: address.to_owned(),
                reason: clip(&reason),
            }
        }
        code => Error::Refused {
            party: party.to_owned(),
            message: clip(status.message()),
            for_now: matches!(code, tonic::Code::ResourceExhausted | tonic::Code::Internal),
        },
    }
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::*;

    #[test]
    fn a_party_that_cannot_do_it_now_is_told_from_one_that_refuses() {
        let of = |code| call_error("node-1", "north:1", &Status::new(code, "its words"));
        for code in [Code::Unavailable, Code::DeadlineExceeded] {
            assert!(matches!(of(code), Error::Unreachable { .. }), "{code}");
        }
        for code in [Code::ResourceExhausted, Code::Internal] {
            let error = of(code);
            assert!(matches!(error, Error::Refused { for_now: true, .. }), "{code}");
            assert_eq!(error.to_string(), "node-1 refused: its words");
        }
        for code in [Code::FailedPrecondition, Code::InvalidArgument, Code::PermissionDenied] {
            assert!(matches!(of(code), Error::Refused { for_now: false, .. }), "{code}");
        }
    }
}
