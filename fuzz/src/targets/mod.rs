//! What takes bytes from outside, a target each, with valid inputs to start from.
//!
//! A target must neither panic nor hang on any bytes; and where it says so, what it accepts has one
//! encoding, a refusal changes nothing, or what passes one check passes the next. The first byte of
//! most inputs chooses among the decoders of a target.
//!
//! What is not shown: that the bytes of a valid input *mean* what they should (other tests), and
//! anything of the crates that decode before ours does (TLS, HTTP/2, TOML, protobuf): they are run
//! here, as far as a target leads through them, but are not the subject.

pub(crate) mod fixture;
pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod pine;
pub(crate) mod planted;
pub(crate) mod records;
pub(crate) mod sealed;
pub(crate) mod secagg;
pub(crate) mod shares;
pub(crate) mod texts;
pub(crate) mod tools;
pub(crate) mod wire;

use tools::Target;

/// All of them.
pub(crate) static ALL: [Target; 9] = [
    Target { name: "secagg", run: secagg::run, seeds: secagg::seeds },
    Target { name: "shares", run: shares::run, seeds: shares::seeds },
    Target { name: "sealed", run: sealed::run, seeds: sealed::seeds },
    Target { name: "pine", run: pine::run, seeds: pine::seeds },
    Target { name: "records", run: records::run, seeds: records::seeds },
    Target { name: "texts", run: texts::run, seeds: texts::seeds },
    Target { name: "journal", run: journal::run, seeds: journal::seeds },
    Target { name: "ledger", run: ledger::run, seeds: ledger::seeds },
    Target { name: "wire", run: wire::run, seeds: wire::seeds },
];
