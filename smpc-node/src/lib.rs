//! The SMPC node of haima: an independent party that holds one share of every contribution, adds
//! noise to the sum of its shares, and releases that sum once.
//!
//! Every party keeps a journal of what it saw and did, which others hold against theirs:
//!
//! ```
//! use haima_crypto::encode::Digest;
//! use haima_crypto::identity::IdentityKey;
//! use haima_smpc_node::audit::{self, Audit};
//! # let folder = tempfile::tempdir().expect("a folder");
//! # let path = folder.path().join("audit.log");
//!
//! let key = IdentityKey::generate(&mut haima_smpc_node::randomness::system());
//! let (journal, _) = Audit::open(&path, "north", &key.public())?;
//! let round = Digest::of(b"the canonical bytes of a round's spec");
//! journal.write(&key, "opened", &round, "cox", &Digest::default(), "")?; // on disk from here on
//! drop(journal);
//!
//! // Signatures and chain, as any other party checks them.
//! assert_eq!(audit::verify(&path, "north", &key.public())?, 1);
//! # Ok::<(), haima_smpc_node::Error>(())
//! ```
//!
//! Without the feature `server` there is no service and no database: what sites and coordinators link.
//!
//! # Modules
//!
//! | module | what it is for |
//! |---|---|
//! | [`manifest`] | the study as every party knows it, and its digest |
//! | [`study`] | a manifest with the signatures of all its parties; what daemons take |
//! | [`changes`] | what an amendment changes |
//! | [`provision`] | keys, requests, and a manifest in words |
//! | [`plan`] | the private releases that a manifest commits to, and their digest |
//! | [`spec`] | [`spec::RoundSpec`]: all that a charge depends on (rule R1) |
//! | [`epoch`] | the nodes' sealing keys and verify keys (rules R5, R6) |
//! | [`proof`] | PINE, as a round's spec asks for it (rules R4, R7) |
//! | [`header`] | a site's signed header over its shares (rule R2) |
//! | [`submission`] | shares sealed to their nodes, under one header (rule R2) |
//! | [`record`] | what nodes sign: held sets, accepted sets, releases (rules R3, N3) |
//! | [`bundle`] | all nodes' releases of a round, verified and combined |
//! | [`round`] | the round as a state machine without I/O |
//! | [`randomness`] | the operating system's, for all keys, seeds and nonces (rule N4) |
//! | [`noise`] | noise from the epoch key, the round and the accepted set (rules N1, N3) |
//! | [`tls`] | mutual TLS by keys pinned in the manifest; no certificate authority |
//! | [`durable`] | durable writes, counted |
//! | [`crash`] | points at which tests end the process (feature `failpoints`) |
//! | [`wire`] | versions of the protocol, and no unknown field in any message |
//! | [`audit`] | a party's signed, hash-chained journal |
//! | [`crosscheck`] | several parties' journals against one another |
//! | [`keyfile`] | private keys on disk |
//! | [`config_file`] | a party's configuration, read up to a length |
//! | [`client`] | how sites, coordinator and other nodes talk to a node |
//! | [`server`] | the service and its store (feature `server`) |
//! | [`cli`] | the command line of the service (feature `server`) |
//! | [`terminal`] | output whose reader may have gone (feature `server`) |
//!
//! Shares travel sealed to the node's epoch key, inside mutual TLS, and are stored sealed. Every
//! submission carries a proof that its norm is within the round's bound.
//!
//! # What a node promises, and what it does not
//!
//! - It adds full noise to every noised round from a key that dies with the epoch, signs one accepted
//!   set a round, and releases once; a re-send is the stored answer (rules N1, N3, R3).
//! - It checks the manifest's floors and caps for itself, whoever asks.
//! - It sees shares, proofs and who took part. All nodes *together* see every contribution; any fewer
//!   see nothing of it.
//! - A node that deviates can spoil a sum, which is not noticed unless shares are released by Shamir's
//!   scheme with more points than a quorum; it cannot learn a contribution by it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "server")]
#[macro_use]
pub mod terminal;

pub mod audit;
pub mod bundle;
pub mod changes;
#[cfg(feature = "server")]
pub mod cli;
pub mod client;
pub mod config_file;
pub mod crash;
pub mod crosscheck;
pub mod durable;
pub mod epoch;
mod error;
pub mod header;
pub mod keyfile;
pub mod manifest;
pub mod masking;
pub mod noise;
pub mod plan;
pub mod proof;
pub mod provision;
pub mod randomness;
pub mod record;
pub mod round;
#[cfg(feature = "server")]
pub mod server;
pub mod spec;
pub mod study;
pub mod submission;
pub mod tls;
pub mod wire;

/// Messages and stubs generated from `proto/haima/node/v1/node.proto`.
pub mod proto {
    #![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
    tonic::include_proto!("haima.node.v1");

    /// The service's description, for gRPC reflection.
    pub const DESCRIPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/node.bin"));
}

pub use error::Error;

/// Version of the protocol that this crate speaks; part of every round's digest.
pub const PROTOCOL: u32 = 8;

/// Milliseconds since 1970 by this machine's clock. The one place where the crate asks for it.
#[must_use]
pub fn unix_millis() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
