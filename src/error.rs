//! The crate's one error type: what, where (file, party or round), and what to do. How a command ends
//! that failed with one is in [`crate::exit`].

use std::io::ErrorKind;
use std::path::Path;

/// Why a daemon stopped, a round was refused or a study failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("{path}: {source}{}", remedy(.source))]
    File {
        /// Path of the file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A configuration, policy or study file that does not parse or contradicts itself.
    #[error("{file}: {problem}")]
    Config {
        /// The file; an option of the command line where it begins with `--`.
        file: String,
        /// Field and figure, and what to do.
        problem: String,
    },
    /// A policy whose budget is not the one in force.
    #[error("{file}: {problem}")]
    Budget {
        /// The policy's file.
        file: String,
        /// Both budgets, and what to do.
        problem: String,
    },
    /// A file of patients that cannot be used as it is.
    #[error("{file}: {problem}")]
    Data {
        /// The file.
        file: String,
        /// Line and column, and what to do.
        problem: String,
    },
    /// Fewer hospitals or patients than a sum has to have.
    #[error("{file}: {problem}")]
    Floor {
        /// The file of their data, or the study.
        file: String,
        /// How many there are, how many are needed, and what to do.
        problem: String,
    },
    /// A check that was asked for, and found something.
    #[error("{what}: {problem}")]
    Found {
        /// What was checked.
        what: String,
        /// What was found, and what to do.
        problem: String,
    },
    /// A site will not answer a round. The text is public: policy and manifest, never data.
    #[error("{site} refuses round {round}: {reason}")]
    Refused {
        /// The site.
        site: String,
        /// Short digest of the round.
        round: String,
        /// Which rule or policy forbids it.
        reason: String,
    },
    /// A site will answer no attempt at a round, until its policy, its budget or a decision there is
    /// changed. The reason is public, as that of [`Error::Refused`].
    #[error("{site} refuses round {round}: {reason}{here}")]
    Forbidden {
        /// The site.
        site: String,
        /// Short digest of the round.
        round: String,
        /// Which field of the policy, or which limit, forbids it.
        reason: String,
        /// What follows for the site's own people; no coordinator is told it. Mostly empty.
        here: String,
    },
    /// Hospitals refuse every attempt at a step, and without them it has no sum.
    #[error(
        "task {task}, step {step}: no sum without {refusals}. Their operators decide; when that is \
         changed, start this again with the same configuration: it takes up what was asked"
    )]
    Withheld {
        /// Manifest id of the task.
        task: String,
        /// Step.
        step: u32,
        /// Each hospital with its reason.
        refusals: String,
    },
    /// A step could not be released within its attempts.
    #[error(
        "task {task}, step {step}: no release after {attempts} attempts; the last: {reason}. Its spare \
         attempts are used up: mend the reason, then ask it anew in another run or an amended study"
    )]
    NoRelease {
        /// Manifest id of the task.
        task: String,
        /// Step.
        step: u32,
        /// Attempts made at this step.
        attempts: u32,
        /// Why the last one failed.
        reason: String,
    },
    /// Not all parties of a study were there in time.
    #[error("{missing} did not join within {seconds} s; see their logs, or set wait_sites")]
    Absent {
        /// Names of the missing parties.
        missing: String,
        /// Time waited.
        seconds: u64,
    },
    /// A party, or this program's own part of one, ended when it should not.
    #[error("{party} stopped: {reason}")]
    Stopped {
        /// Name of the party.
        party: String,
        /// Last line of its log, or its exit status.
        reason: String,
    },
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
    /// The node protocol.
    #[error(transparent)]
    Node(#[from] haima_smpc_node::Error),
    /// A task of a study that cannot be fitted; the tasks beside it ran.
    #[error("{id}: {error}")]
    Unfit {
        /// Manifest id of the task.
        id: String,
        /// Why.
        error: Box<haima_fl_core::Error>,
    },
    /// A cohort or a task.
    #[error(transparent)]
    Task(#[from] haima_fl_core::Error),
    /// Noise, ledger or journal.
    #[error(transparent)]
    Dp(#[from] haima_dp::Error),
    /// Masked aggregation.
    #[error(transparent)]
    Masked(#[from] haima_crypto::secagg::Error),
    /// Keys, shares or encoding.
    #[error(transparent)]
    Crypto(#[from] haima_crypto::Error),
}

impl Error {
    /// A failed file operation.
    pub fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    /// A faulty configuration.
    pub fn config(file: &Path, problem: impl Into<String>) -> Self {
        Self::Config { file: file.display().to_string(), problem: problem.into() }
    }

    /// Fewer hospitals or patients than a sum has to have.
    pub fn floor(file: &Path, problem: impl Into<String>) -> Self {
        Self::Floor { file: file.display().to_string(), problem: problem.into() }
    }

    /// A key that is not the one that it has to be.
    pub fn key(file: &Path, problem: impl Into<String>) -> Self {
        let (party, problem) = (file.display().to_string(), problem.into());
        Self::Node(haima_smpc_node::Error::Key { party, problem })
    }

    /// A file of patients that cannot be used as it is.
    pub fn data(file: &Path, problem: impl Into<String>) -> Self {
        Self::Data { file: file.display().to_string(), problem: problem.into() }
    }
}

/// What to do about a failed file operation, where the system's words do not say it.
fn remedy(source: &std::io::Error) -> &'static str {
    match source.kind() {
        ErrorKind::NotFound => "; check the path",
        ErrorKind::PermissionDenied => "; give this user the right to it",
        ErrorKind::AlreadyExists => "; give another name, or remove it",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room on the disk",
        ErrorKind::ReadOnlyFilesystem => "; choose a folder that takes writes",
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => "; check the path",
        _ => "",
    }
}
