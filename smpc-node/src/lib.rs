//! The SMPC node of haima: an independent party that holds one share of every contribution, adds
//! noise to the sum of its shares, and releases that sum once.
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
//! | [`noise`] | noise from the epoch key, the round and the accepted set (rules N1, N3) |
//! | [`tls`] | mutual TLS by keys pinned in the manifest; no certificate authority |
//! | [`durable`] | durable writes, counted |
//! | [`crash`] | points at which tests end the process (feature `failpoints`) |
//! | [`wire`] | versions of the protocol, and no unknown field in any message |
//! | [`audit`] | a party's signed, hash-chained journal |
//! | [`crosscheck`] | several parties' journals against one another |
//! | [`keyfile`] | private keys on disk |
//! | [`client`] | how sites, coordinator and other nodes talk to a node |
//! | [`server`] | the service and its store (feature `server`) |
//! | [`cli`] | the command line of the service (feature `server`) |
//! | [`terminal`] | output whose reader may have gone (feature `server`) |
//!
//! Shares travel sealed to the node's epoch key, inside mutual TLS, and are stored sealed. Every
//! submission carries a proof that its norm is within the round's bound.
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
pub const PROTOCOL: u32 = 7;

/// Milliseconds since 1970 by this machine's clock. The one place where the crate asks for it.
#[must_use]
pub fn unix_millis() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
