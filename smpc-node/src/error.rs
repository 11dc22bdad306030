//! The crate's one error type. Each variant says what, where and what to do; a refusal of a peer
//! names the peer and the rule that it broke, so that it can be told apart from a local failure.

#[cfg(feature = "server")]
use std::sync::atomic::{AtomicU64, Ordering};

/// Why something was refused or could not be done.
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
    /// A file, or a setting, whose content cannot be used.
    #[error("{file}: {problem}")]
    Config {
        /// File or setting.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A manifest that does not parse or contradicts itself.
    #[error("manifest{}: {problem}", field.as_ref().map(|f| format!(", {f}")).unwrap_or_default())]
    Manifest {
        /// Field, where one is to blame.
        field: Option<String>,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A manifest that a party has not signed, or not this one.
    #[error("approval of the manifest by {party}: {problem}")]
    Approval {
        /// Whose signature, or which file.
        party: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A party that the manifest does not name.
    #[error("{name} is not in the manifest as a {role}; ask the coordinator for an amendment")]
    UnknownParty {
        /// Name as given.
        name: String,
        /// Role in which it appeared.
        role: &'static str,
    },
    /// A round that goes beyond the manifest or contradicts an earlier one.
    #[error("round spec refused by {party}: {problem}")]
    Spec {
        /// Who refuses.
        party: String,
        /// Field and figure, and what the manifest allows.
        problem: String,
    },
    /// A submission that does not belong.
    #[error("submission of {site} refused: {problem}")]
    Submission {
        /// Site, by its TLS key.
        site: String,
        /// Which check failed.
        problem: String,
    },
    /// A peer's message that fails verification.
    #[error("message of {peer} refused: {problem}")]
    Peer {
        /// Who sent it.
        peer: String,
        /// Which check failed.
        problem: String,
    },
    /// The round ended without a release, for good.
    #[error("round {round} failed at {party}: {reason}")]
    RoundFailed {
        /// Round, short digest.
        round: String,
        /// Who says so.
        party: String,
        /// Why.
        reason: String,
    },
    /// A peer has signed that it gave the round up without having committed: nobody can release it.
    #[error("round {round} failed at {party}: {reason}")]
    GivenUp {
        /// Round, short digest.
        round: String,
        /// Who says so.
        party: String,
        /// The peer, and its reason.
        reason: String,
    },
    /// A party that cannot be reached.
    #[error("{party} at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Name in the manifest.
        party: String,
        /// Address in the manifest.
        address: String,
        /// What the connection said.
        reason: String,
    },
    /// A party that is not ready yet; the caller may ask again.
    #[error("{party} is not ready: {reason}")]
    NotReady {
        /// Who.
        party: String,
        /// What it waits for.
        reason: String,
    },
    /// An answer of a remote party that refuses.
    #[error("{party} refused: {message}")]
    Refused {
        /// Who refused.
        party: String,
        /// Its own words.
        message: String,
        /// Whether it could not do it now: the same may be asked again.
        for_now: bool,
    },
    /// A TLS or key problem on this side.
    #[error("keys of {party}: {problem}")]
    Key {
        /// Whose keys.
        party: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A step of a round that was taken already: by another replica of this node.
    #[error("round {round}: its state does not allow a {step}; another replica took the step")]
    Superseded {
        /// Round, short digest.
        round: String,
        /// The step.
        step: &'static str,
    },
    /// The database failed; nothing was answered.
    #[error("store: {0}")]
    Store(String),
    /// A cryptographic check or encoding failed.
    #[error(transparent)]
    Crypto(#[from] haima_crypto::Error),
    /// Noise, journal or ledger failed.
    #[error(transparent)]
    Dp(#[from] haima_dp::Error),
}

impl Error {
    /// A file whose content cannot be used.
    pub fn config(path: &std::path::Path, problem: &impl std::fmt::Display) -> Self {
        let problem = problem.to_string().trim().to_owned();
        Self::Config { file: path.display().to_string(), problem }
    }

    /// A failed file operation.
    pub fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }
}

/// Errors of databases in this process so far. After one, a store looks whether its connection is
/// still sound.
#[cfg(feature = "server")]
pub(crate) static DATABASE_ERRORS: AtomicU64 = AtomicU64::new(0);

#[cfg(feature = "server")]
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        DATABASE_ERRORS.fetch_add(1, Ordering::Relaxed);
        Self::Store(error.to_string())
    }
}
