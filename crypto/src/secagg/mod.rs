//! Masked aggregation: the sum of the vectors of 3 to 200 sites by one coordinator, who
//! learns that sum alone, and whose word it is.
//!
//! Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning" (CCS
//! 2017), figure 4 with the parts for the malicious model, on the full graph. Sans-IO: each step is
//! a type that consumes the one before, and takes and gives messages; who waits for whom, and for
//! how long, is the caller's. The two sides share no state.
//!
//! | | site | message | coordinator |
//! |---|---|---|---|
//! | epoch | [`Advertising`] | [`Advertisement`], to all | relays |
//! | | [`Agreeing`] | [`Agreement`], to each site later in the roster | relays |
//! | | [`PairKeys`] | | |
//! | round | [`Shared`] | [`SharesMessage`] | [`Collecting`] |
//! | | [`Ready`] | [`Delivery`] (to the site) | [`Relaying`] |
//! | | [`Masked`] | [`MaskedInput`] | [`Summing`] |
//! | | [`Confirmed`] | [`Partition`] (to the site), [`Confirmation`] | [`Confirming`] |
//! | | [`Answered`] | [`UnmaskRequest`] (to the site), [`UnmaskShares`] | [`Unmasking`], [`Sum`] |
//!
//! [`mask`] is what hides a vector; [`graph`] the sparse graph that replaces the full one above a few
//! hundred sites, which no step here uses yet.
//!
//! A round ends with the integer sum of the survivors' vectors when max(t, floor) sites have sent
//! theirs, and t of them confirm and answer with right shares. Wrong shares need more answers.
//!
//! # Security
//! A site's vector is hidden, beyond the sum over one set of at least max(t, floor) survivors, from
//! the coordinator and up to c other sites, all malicious, where c < 2t - n and t > 2n/3 (rule M1).
//! It rests on Ed25519, on X25519 *or* ML-KEM-768, on SHA3-256, HKDF-SHA256, AES-256-GCM and the
//! mask's expansion. Each site computes the [`RoundContext`] for itself from the manifest and the
//! round's spec, never from what the coordinator says; all that is signed carries its digest, so
//! another roster, threshold, floor, model or length is another round.
//!
//! Not promised: that the sum is right (rule M3), and that a round ends. A coordinator may tell any
//! sum, and a site may add any vector; one that backs up other subkeys than it uses, under the key
//! that it shared, and vanishes spoils the sum as well, unseen. A site that deals bad shares or a
//! backup that does not open, or withholds its messages, can fail a round; what shows it names it
//! to who sees it ([`Error::culprits`]).
//!
//! # What the caller must do
//! All that a site is to remember is on its disk before it sends what follows from it.
//! * *One round for one place.* A record of (study, task, run, step, attempt) -> round, which
//!   outlives the epoch's keys. A second round for one place is refused, and a number that goes
//!   back: the [`PairKeys`] know digests of one epoch alone.
//! * *Exact sums over one set of survivors*, or their difference is a vector (rule X2). The set is
//!   stored before the *answer* leaves, and checked before a confirmation. Two sums that were both
//!   told had t answers each, so at least 2t - n - c > 0 honest sites answered both. With another
//!   roster that argument is gone: exact sums over it are a new release, to be approved.
//! * *Keys of one process.* Pair keys that came from a backup, or are used by two processes, have
//!   forgotten rounds: a new epoch is begun.
//! * *Short epochs*, and no backup of the keys' file. There is no forward secrecy within an epoch:
//!   who gets the file and what the coordinator relayed opens the site's vectors of all its rounds.
//! * *Terms that mean something.* Honest sites in a sum are at least t - c, which may be 1: then the
//!   sum over the honest ones is a vector. Noise is charged by t - c as well (rule M2).
//! * *An expansion that lasts.* Pairs are secret by ML-KEM-768; masks of AES-128 have no more than
//!   NIST category 1 against a quantum search. [`Prg::ChaCha20`] where that matters.
//! * *Room at the coordinator.* It relays quadratically in n, about 17 MB a round at n = 200 besides
//!   vectors; what a site sends and gets is linear.
//! * *No blame on one report*: see [`Error::culprits`].
//!
//! # Departures from the paper
//! * Keys are agreed once an epoch; each round's subkeys are derived. What is shared, and told of a
//!   vanished site, is a key to a backup of that round's subkeys (rule M4; see `client.rs`).
//! * Survivors sign the whole partition of the roster, and the sharers' headers with it.
//! * A site begins a round once: [`PairKeys`] remembers, and the caller stores it.
//! * Dealers commit to their seeds, so that a wrong reconstruction is seen, and wrong shares are
//!   found when more than t have answered.

mod answer;
mod client;
mod context;
mod coordinator;
mod epoch;
mod error;
pub mod graph;
pub mod mask;
mod messages;
mod pairs;
mod partition;
#[cfg(test)]
mod secrecy;
mod secrets;
#[cfg(test)]
mod testing;
mod unmasking;

pub use answer::{Answered, Confirmed, Masked};
pub use client::{Ready, Shared};
pub use context::{MAX_NAME, Member, Roster, RoundContext, Terms};
pub use coordinator::{Collecting, Confirming, Relaying, Summing};
pub use epoch::{Advertisement, Advertising, Agreeing, Agreement, EpochContext};
pub use error::{Error, Party};
pub use mask::{Prg, Ring};
pub use messages::{Delivery, Envelope, Header, MaskedInput, Origin, SharesMessage};
pub use pairs::{MAX_ROUNDS, PairKeys};
pub use partition::{Confirmation, Partition, UnmaskRequest, UnmaskShares};
pub use secrets::Secret;
pub use unmasking::{Dispute, Seeds, Sum, Unmasking};

/// Fewest sites of a roster.
pub const MIN_SITES: usize = 3;
/// Most sites of a roster.
pub const MAX_SITES: usize = 200;
