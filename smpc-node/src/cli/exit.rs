//! Exit codes: one table for every program of a study, so that a script, a service manager or a
//! person at a telephone can tell a faulty file from an absent party.
//!
//! A code stands with the error on standard error, as in `smpc-node: E-10: ...`, and each has a page
//! in `docs/errors/` with what it means and what to do. The numbers are an interface: none is given
//! another meaning, and new ones come at the end.

use std::fmt;
use std::process::ExitCode;

use crate::Error;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// All was done.
    Done = 0,
    /// A fault of the program or the machine that no other code names.
    Fault = 1,
    /// A command line that cannot be understood.
    Usage = 2,
    /// A configuration, policy, study or figure that cannot be used.
    Configuration = 3,
    /// A file of patients that was refused.
    Data = 4,
    /// The privacy budget does not allow it.
    Budget = 5,
    /// No sum was released: too few hospitals, or all attempts are used up.
    NoRelease = 6,
    /// A party cannot be reached, is not there in time, or stopped.
    Network = 7,
    /// A party refused what another asked or sent.
    Refused = 8,
    /// A file, a disk or a database cannot be read or written.
    Files = 9,
    /// A key or a signature is not what it has to be.
    Keys = 10,
    /// A task ran, and its sum gives no result.
    Task = 11,
    /// A check was made, and found something.
    Found = 12,
    /// A journal, a ledger or a message is damaged.
    Damaged = 13,
    /// Interrupted by the user: 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

impl Exit {
    /// Every code, in order.
    pub const ALL: [Self; 15] = [
        Self::Done,
        Self::Fault,
        Self::Usage,
        Self::Configuration,
        Self::Data,
        Self::Budget,
        Self::NoRelease,
        Self::Network,
        Self::Refused,
        Self::Files,
        Self::Keys,
        Self::Task,
        Self::Found,
        Self::Damaged,
        Self::Interrupted,
    ];

    /// The number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Its name, as in the name of its page.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Fault => "fault",
            Self::Usage => "usage",
            Self::Configuration => "configuration",
            Self::Data => "data",
            Self::Budget => "budget",
            Self::NoRelease => "no-release",
            Self::Network => "network",
            Self::Refused => "refused",
            Self::Files => "files",
            Self::Keys => "keys",
            Self::Task => "task",
            Self::Found => "found",
            Self::Damaged => "damaged",
            Self::Interrupted => "interrupted",
        }
    }

    /// What it means, in one line.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "all was done",
            Self::Fault => "a fault of the program or the machine that no other code names",
            Self::Usage => "the command line cannot be understood",
            Self::Configuration => "a configuration, policy, study or figure that cannot be used",
            Self::Data => "a file of patients was refused",
            Self::Budget => "the privacy budget does not allow it",
            Self::NoRelease => "no sum was released: too few hospitals, or no attempt is left",
            Self::Network => "a party cannot be reached, is not there in time, or stopped",
            Self::Refused => "a party refused what another asked or sent",
            Self::Files => "a file, disk or database cannot be read or written",
            Self::Keys => "a key or a signature is not what it has to be",
            Self::Task => "a task ran, and its sum gives no result",
            Self::Found => "a check was made, and found something",
            Self::Damaged => "a journal, a ledger or a message is damaged",
            Self::Interrupted => "interrupted by the user",
        }
    }

    /// The code that a program of a study told in its last line, as in `haima: E-04: ...`.
    #[must_use]
    pub fn told(line: &str) -> Option<Self> {
        let rest =
            ["haima: E-", "smpc-node: E-"].iter().find_map(|head| line.strip_prefix(head))?;
        let (digits, _) = rest.split_once(':')?;
        let code: u8 = digits.parse().ok()?;
        Self::ALL.into_iter().find(|exit| exit.code() == code && *exit != Self::Done)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E-{:02}", self.code())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table for a program's help.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("Exit codes (docs/errors has a page on each):\n");
    for exit in Exit::ALL {
        text.push_str(&format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
    }
    text
}

/// How a command ends that failed with this error.
#[must_use]
pub fn of(error: &Error) -> Exit {
    match error {
        Error::File { .. } | Error::Store(_) => Exit::Files,
        Error::Config { file, .. } => of_source(file),
        Error::Manifest { .. } | Error::UnknownParty { .. } => Exit::Configuration,
        Error::Approval { .. } | Error::Key { .. } => Exit::Keys,
        Error::Spec { .. }
        | Error::Submission { .. }
        | Error::Peer { .. }
        | Error::Refused { .. } => Exit::Refused,
        Error::RoundFailed { .. } | Error::GivenUp { .. } => Exit::NoRelease,
        Error::Unreachable { .. } | Error::NotReady { .. } => Exit::Network,
        Error::Superseded { .. } => Exit::Fault,
        Error::Crypto(error) => of_crypto(error),
        Error::Dp(error) => of_dp(error),
    }
}

/// Of what cannot be used: an option of the command line where its name begins with `--`, else a
/// file, or a setting of one.
#[must_use]
pub fn of_source(file: &str) -> Exit {
    if file.starts_with("--") { Exit::Usage } else { Exit::Configuration }
}

/// Of an error about noise, a ledger or a journal.
#[must_use]
pub fn of_dp(error: &haima_dp::Error) -> Exit {
    use haima_dp::Error as Dp;
    match error {
        Dp::Io { .. } | Dp::Locked { .. } | Dp::Closed { .. } => Exit::Files,
        Dp::WrongLabel { .. } | Dp::BadHeader { .. } | Dp::Damaged { .. } | Dp::BadEntry { .. } => {
            Exit::Damaged
        }
        Dp::Overspend { .. }
        | Dp::ExactNotAllowed { .. }
        | Dp::BudgetChanged { .. }
        | Dp::KeyReused { .. }
        | Dp::DeltaTooLarge { .. }
        | Dp::CannotCalibrate { .. }
        | Dp::OutOfReach { .. }
        | Dp::NoBound { .. } => Exit::Budget,
        Dp::RecordTooLarge { .. } => Exit::Fault,
        // All others are figures and names that were given and cannot be used.
        _ => Exit::Configuration,
    }
}

/// Of an error about keys, shares or encoding.
#[must_use]
pub fn of_crypto(error: &haima_crypto::Error) -> Exit {
    use haima_crypto::Error as Crypto;
    match error {
        Crypto::PublicKey { .. } | Crypto::Signature { .. } | Crypto::SealingKey | Crypto::Open => {
            Exit::Keys
        }
        Crypto::Encoding { .. }
        | Crypto::Version { .. }
        | Crypto::NotReduced { .. }
        | Crypto::Length { .. } => Exit::Damaged,
        // What remains is told of vectors and shares that this program made itself.
        _ => Exit::Fault,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_number_and_a_name_of_its_own_and_stands_in_the_help() {
        let codes: BTreeSet<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        let names: BTreeSet<&str> = Exit::ALL.iter().map(|exit| exit.name()).collect();
        assert_eq!((codes.len(), names.len()), (Exit::ALL.len(), Exit::ALL.len()));
        assert!(Exit::ALL.is_sorted());
        let help = help();
        for exit in Exit::ALL {
            assert!(help.contains(&format!(" {}  {}\n", exit.code(), exit.meaning())), "{exit}");
        }
    }

    #[test]
    fn a_code_is_read_where_a_program_told_it_and_nowhere_else() {
        for exit in Exit::ALL.into_iter().skip(1) {
            for program in ["haima", "smpc-node"] {
                assert_eq!(Exit::told(&format!("{program}: {exit}: a problem")), Some(exit));
            }
        }
        for line in [
            "",
            "haima: E-",
            "haima: E-04",
            "haima: E-00: done",
            "haima: E-99: unknown",
            "haima: E-400: too large",
            "a site says haima: E-04: x",
        ] {
            assert_eq!(Exit::told(line), None, "{line}");
        }
    }

    #[test]
    fn kinds_of_errors_end_with_different_codes() {
        let config = |file: &str| Error::Config { file: file.into(), problem: "is no name".into() };
        let key = Error::Key { party: "a".into(), problem: "of another".into() };
        let away = Error::Unreachable {
            party: "a".into(),
            address: "a:1".into(),
            reason: "connection refused".into(),
        };
        let over = haima_dp::Error::ExactNotAllowed { study: "s".into() };
        let damaged = haima_dp::Error::BadHeader { path: "a".into(), what: "it is too short" };
        let file = Error::file(std::path::Path::new("a"), std::io::ErrorKind::NotFound.into());
        for (error, exit) in [
            (config("--name"), Exit::Usage),
            (config("node.toml"), Exit::Configuration),
            (key, Exit::Keys),
            (away, Exit::Network),
            (Error::Dp(over), Exit::Budget),
            (Error::Dp(damaged), Exit::Damaged),
            (Error::Store("disk full".into()), Exit::Files),
            (file, Exit::Files),
        ] {
            assert_eq!(of(&error), exit, "{error}");
        }
    }
}
