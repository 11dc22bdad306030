//! The crate's one error type: what, which party, and what to do.

use std::path::Path;

/// Why a daemon stopped, a round was refused or a study failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Path of the file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A configuration, policy or study file that does not parse or contradicts itself.
    #[error("{file}: {problem}")]
    Config {
        /// The file.
        file: String,
        /// Field and figure, and what to do.
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
    /// A step could not be released within its attempts.
    #[error("task {task}, step {step}: no release after {attempts} attempts; the last: {reason}")]
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
    #[error("{missing} did not join within {seconds} s; see their logs")]
    Absent {
        /// Names of the missing parties.
        missing: String,
        /// Time waited.
        seconds: u64,
    },
    /// A process of the demo or of a test network ended when it should not.
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
}
