//! haima: hospitals train models and run clinical statistics together over secure sums; no patient
//! row and no single hospital's result leaves a hospital.
//!
//! This crate joins the halves: below, `haima-smpc-node` and `haima-crypto` move shares; above,
//! `haima-fl-core` turns clinical questions into sums. Nothing else converts between them.
//!
//! | module | what it is for |
//! |---|---|
//! | [`sum`] | queries to round specs, and the secure sum over nodes |
//! | [`site`] | a hospital's daemon: policy, ledger, replay, contribution |
//! | [`coordinator`] | the study's daemon: runs tasks, serves sites |
//! | [`provision`] | keys, certificates and the manifest of a new study |
//! | [`budget`] | what a plan costs |
//! | [`model_file`] | a trained model as a file |
//! | [`card`] | the model card |
//! | [`pooled`] | one CSV dealt out to local hospitals |
//! | [`report`] | the study's report |
//! | [`stats`] | one analysis over local hospitals (feature `demo`) |
//! | [`train`] | training over local hospitals (feature `demo`) |
//! | [`synth`] | virtual patients: generators, rows, files, report (feature `cli`) |
//! | [`reproduce`] | the rows of `docs/results.md` (feature `demo`) |
//! | [`bench_load`] | rounds as fast as they go (feature `demo`) |
//! | [`demo`] | a whole network on one machine (feature `demo`) |
//! | [`cli`] | the command line (feature `cli`) |
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "cli")]
#[macro_use]
mod terminal;

#[cfg(feature = "demo")]
pub mod bench_load;
pub mod budget;
pub mod card;
#[cfg(feature = "cli")]
pub mod cli;
pub mod coordinator;
#[cfg(feature = "demo")]
pub mod demo;
mod error;
pub mod model_file;
pub mod pooled;
pub mod provision;
pub mod report;
#[cfg(feature = "demo")]
pub mod reproduce;
pub mod site;
#[cfg(feature = "demo")]
pub mod stats;
pub mod sum;
pub mod synth;
#[cfg(any(feature = "cli", feature = "demo"))]
mod text;
#[cfg(feature = "demo")]
mod throttle;
#[cfg(feature = "demo")]
pub mod train;

/// Messages and stubs generated from `proto/haima/coordinator/v1/coordinator.proto`.
pub mod proto {
    #![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
    tonic::include_proto!("haima.coordinator.v1");

    /// The service's description, for gRPC reflection.
    pub const DESCRIPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/coordinator.bin"));
}

pub use error::Error;

/// Name and version of this program, as files that it writes say.
pub(crate) fn version() -> String {
    format!("haima {}", env!("CARGO_PKG_VERSION"))
}
