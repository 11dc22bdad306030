//! Masked aggregation: the sum of the vectors of 3 to 200 sites by one coordinator, who is trusted
//! with nothing but to be there.
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
