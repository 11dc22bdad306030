//! How a command of `haima` ends: each error has one of the codes that all programs of a study share
//! ([`haima_smpc_node::cli::exit`]), and each code has a page, which the program carries with it.

use haima_crypto::secagg::Error as Masked;
use haima_fl_core::Error as Task;
use haima_fl_core::error::IntakeProblem;
pub use haima_smpc_node::cli::exit::{Exit, help};
use haima_smpc_node::cli::exit::{of, of_crypto, of_dp, of_source};

use crate::Error;

impl Error {
    /// How a command ends that failed with this.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::File { .. } => Exit::Files,
            Self::Config { file, .. } => of_source(file),
            Self::Budget { .. } => Exit::Budget,
            Self::Data { .. } => Exit::Data,
            Self::Floor { .. } | Self::NoRelease { .. } => Exit::NoRelease,
            Self::Found { .. } => Exit::Found,
            Self::Refused { .. } | Self::Forbidden { .. } | Self::Withheld { .. } => Exit::Refused,
            Self::Absent { .. } => Exit::Network,
            // A party that is a program of ours has told its own code in its last line.
            Self::Stopped { reason, .. } => Exit::told(reason).unwrap_or(Exit::Network),
            Self::Interrupted => Exit::Interrupted,
            Self::Node(error) => of(error),
            Self::Unfit { .. } => Exit::Task,
            Self::Task(error) => of_task(error),
            Self::Dp(error) => of_dp(error),
            Self::Masked(error) => of_masked(error),
            Self::Crypto(error) => of_crypto(error),
        }
    }

    /// The number that a command ends with that failed with this.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.exit().code()
    }
}

fn of_task(error: &Task) -> Exit {
    match error {
        Task::Intake { problem: IntakeProblem::Unreadable { .. }, .. } => Exit::Files,
        Task::Intake { .. } => Exit::Data,
        Task::Fit { .. } => Exit::Task,
        Task::Params { .. }
        | Task::Cohort { .. }
        | Task::UnknownTask { .. }
        | Task::UnknownColumn { .. }
        | Task::Schema { .. }
        | Task::BoundOverflow { .. }
        | Task::Encoding { .. } => Exit::Configuration,
        Task::NotTheReplayedQuery { .. } | Task::SumLength { .. } | Task::QueryBytes { .. } => {
            Exit::Refused
        }
        // What remains is this program's own doing.
        _ => Exit::Fault,
    }
}

fn of_masked(error: &Masked) -> Exit {
    match error {
        Masked::TooFewSites { .. } | Masked::TooFewConfirmations { .. } => Exit::NoRelease,
        Masked::Sites { .. }
        | Masked::Roster { .. }
        | Masked::Threshold { .. }
        | Masked::Corrupt { .. }
        | Masked::Terms { .. } => Exit::Configuration,
        Masked::Crypto(error) => of_crypto(error),
        // What remains is what another party sent.
        _ => Exit::Refused,
    }
}

/// The page of a code, as in `docs/errors`; `None` of the one that is no error.
#[must_use]
pub fn page(exit: Exit) -> Option<&'static str> {
    Some(match exit {
        Exit::Done => return None,
        Exit::Fault => include_str!("../docs/errors/01-fault.md"),
        Exit::Usage => include_str!("../docs/errors/02-usage.md"),
        Exit::Configuration => include_str!("../docs/errors/03-configuration.md"),
        Exit::Data => include_str!("../docs/errors/04-data.md"),
        Exit::Budget => include_str!("../docs/errors/05-budget.md"),
        Exit::NoRelease => include_str!("../docs/errors/06-no-release.md"),
        Exit::Network => include_str!("../docs/errors/07-network.md"),
        Exit::Refused => include_str!("../docs/errors/08-refused.md"),
        Exit::Files => include_str!("../docs/errors/09-files.md"),
        Exit::Keys => include_str!("../docs/errors/10-keys.md"),
        Exit::Task => include_str!("../docs/errors/11-task.md"),
        Exit::Found => include_str!("../docs/errors/12-found.md"),
        Exit::Damaged => include_str!("../docs/errors/13-damaged.md"),
        Exit::Interrupted => include_str!("../docs/errors/130-interrupted.md"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(reason: &str) -> Exit {
        Error::Stopped { party: "hospital-1".into(), reason: reason.into() }.exit()
    }

    #[test]
    fn a_party_that_stopped_is_told_by_its_own_code() {
        assert_eq!(stopped("haima: E-04: cohort.csv, line 5"), Exit::Data);
        assert_eq!(stopped("smpc-node: E-10: keys of node-1: others can read it"), Exit::Keys);
        for reason in ["killed", "no log", "the site said haima: E-04: x"] {
            assert_eq!(stopped(reason), Exit::Network, "{reason}");
        }
    }

    #[test]
    fn an_option_a_file_and_its_patients_end_with_different_codes() {
        let path = std::path::Path::new("a.csv");
        assert_eq!(Error::config(std::path::Path::new("--site"), "is no column").code(), 2);
        assert_eq!(Error::config(path, "is no table").code(), 3);
        assert_eq!(Error::data(path, "no column").code(), 4);
        assert_eq!(Error::file(path, std::io::ErrorKind::NotFound.into()).code(), 9);
        let unreadable =
            |problem| Task::Intake { file: "a.csv".into(), line: 0, field: String::new(), problem };
        let reason = "permission denied".to_owned();
        let unread = Error::Task(unreadable(IntakeProblem::Unreadable { reason }));
        assert_eq!((unread.code(), Error::Task(unreadable(IntakeProblem::NoRows)).code()), (9, 4));
    }

    #[test]
    fn every_code_but_that_of_success_has_its_page() {
        for exit in Exit::ALL {
            let Some(page) = page(exit) else {
                assert_eq!(exit, Exit::Done);
                continue;
            };
            assert!(page.starts_with(&format!("# {exit}: ")), "{exit}: {page}");
        }
    }
}
