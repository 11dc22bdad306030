//! Journals and ledgers. They are readable by the user that runs the party alone, so whoever looks may
//! not be let in: that is no fault of theirs, and says nothing of what they hold.

use std::io::{Error as IoError, ErrorKind};
use std::path::Path;

use haima_crypto::identity::IdentityPublic;
use haima_smpc_node::audit;
use haima_smpc_node::record::AuditRecord;

use super::Check;
use crate::Error;

/// That a file cannot be looked at, where it may be there or not.
pub(super) fn unseen(what: &str, path: &Path, error: &IoError) -> Check {
    let path = path.display();
    let remedy = "run this as the user that runs the party";
    Check::warn(what, &format!("{path} cannot be looked at: {error}; {remedy}"))
}

/// The error of the system where it did not let this user read.
pub(super) fn denied(error: &Error) -> Option<IoError> {
    let (Error::Dp(error) | Error::Node(haima_smpc_node::Error::Dp(error))) = error else {
        return None;
    };
    match error {
        haima_dp::Error::Io { kind: ErrorKind::PermissionDenied, detail, .. } => {
            Some(IoError::new(ErrorKind::PermissionDenied, detail.clone()))
        }
        _ => None,
    }
}

/// A party's journal, and its records where it can be read.
pub(super) fn journal(
    path: &Path,
    party: &str,
    key: Result<IdentityPublic, haima_smpc_node::Error>,
) -> (Check, Vec<AuditRecord>) {
    let what = "journal";
    match path.try_exists() {
        Err(error) => return (unseen(what, path, &error), Vec::new()),
        Ok(false) => {
            return (Check::ok(what, "none yet; the first run makes it"), Vec::new());
        }
        Ok(true) => {}
    }
    let read = key.and_then(|key| audit::read_with_head(path, party, &key)).map_err(Error::from);
    match read {
        Ok((records, head)) => {
            let finding = format!("{} records verified, head {}", records.len(), head.short());
            (Check::ok(what, &finding), records)
        }
        Err(error) => {
            let check = match denied(&error) {
                Some(error) => unseen(what, path, &error),
                None => {
                    let remedy = "restore it whole; a damaged journal is never cut";
                    Check::of(what, Err(error), remedy)
                }
            };
            (check, Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    fn io(kind: ErrorKind) -> haima_dp::Error {
        haima_dp::Error::Io { path: "a".into(), action: "open it", kind, detail: "no".into() }
    }

    #[test]
    fn who_is_not_let_in_is_told_apart_from_what_is_damaged() {
        assert!(denied(&Error::Dp(io(ErrorKind::PermissionDenied))).is_some());
        let of_node = haima_smpc_node::Error::Dp(io(ErrorKind::PermissionDenied));
        assert!(denied(&Error::Node(of_node)).is_some());
        assert!(denied(&Error::Dp(io(ErrorKind::NotFound))).is_none());
        assert!(denied(&Error::Interrupted).is_none());
        let check = unseen("ledger", Path::new("a"), &ErrorKind::PermissionDenied.into());
        assert!(check.level == Level::Warn && check.finding.contains("cannot be looked at"));
    }
}
