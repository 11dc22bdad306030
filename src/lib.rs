//! haima: hospitals train models and run clinical statistics together over secure sums; no patient
//! row and no single hospital's result leaves a hospital.
//!
//! This crate joins the halves: below, `haima-smpc-node` and `haima-crypto` move shares; above,
//! `haima-fl-core` turns clinical questions into sums. Nothing else converts between them.
//!
//! A study's template says what is asked, and what noise follows from its targets:
//!
//! ```
//! use haima::provision::Study;
//!
//! let study = r#"
//!     study = "example"
//!     min_sites = 3
//!     max_patients = 100
//!     max_dimension = 1000
//!     schema = { one_row_per_patient = true, column = [{ name = "age", kind = "numeric", range = [0, 110] }] }
//!
//!     [[task]]
//!     id = "ages"
//!     task = "table1"
//!     version = 1
//!     title = "Ages"
//!     max_steps = 1
//!     spare_attempts = 1
//!     privacy = { epsilon = 1.0, delta = 1e-5 }
//!     params = { columns = ["age"], release = "noised" }
//! "#;
//! let study: Study = toml::from_str(study).expect("a study");
//! let plan = study.plan(5)?; // of five hospitals
//! let noise = plan.tasks[0].noise;
//! assert!(noise.s > noise.sensitivity);
//! # Ok::<(), haima::Error>(())
//! ```
//!
//! `examples/embed_a_site.rs` runs a hospital's site inside a program of one's own; the features `cli` and
//! `demo` are for the command line and can be left out. What is promised, against whom, stands in
//! `docs/security/threat-model.md`: nothing of a hospital's contribution beyond the released sum, and a
//! patient's (epsilon, delta) where a task has noise. It is an unaudited prototype.
//!
//! | module | what it is for |
//! |---|---|
//! | [`sum`] | queries to round specs, the secure sum over nodes or masks, and the local socket for others' frameworks |
//! | [`site`] | a hospital's daemon: policy, ledger, replay, contribution |
//! | [`coordinator`] | the study's daemon: runs tasks, serves sites |
//! | [`provision`] | keys, certificates and the manifest of a new study |
//! | [`budget`] | what a plan costs |
//! | [`model_file`] | a trained model as a file |
//! | [`card`] | the model card |
//! | [`catalogue`] | a platform's registry: who offers what, studies, models, reports (feature `cli`) |
//! | [`data`] | a hospital's file before a study: schema, faults, anonymity |
//! | [`convert`] | Phenopackets, FHIR, VCF and radiomics to tables and back (feature `cli`) |
//! | [`pooled`] | one CSV dealt out to local hospitals |
//! | [`report`] | the study's report |
//! | [`stats`] | one analysis over local hospitals (feature `demo`) |
//! | [`train`] | training over local hospitals (feature `demo`) |
//! | [`synth`] | virtual patients: generators, rows, files, report (feature `cli`) |
//! | [`reproduce`] | the rows of `docs/results.md` (feature `demo`) |
//! | [`bench_load`] | rounds as fast as they go (feature `demo`) |
//! | [`demo`] | a whole network on one machine (feature `demo`) |
//! | [`web`] | web pages of a site, a coordinator and a node's operator (feature `web`) |
//! | [`cli`] | the command line (feature `cli`) |
//! | [`init`] | the first hour: from an empty folder to a party that may run (feature `cli`) |
//! | [`exit`] | how a command ends: codes and their pages (feature `cli`) |
//! | [`doctor`] | what has to be in order before a study (feature `cli`) |
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
pub mod catalogue;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod convert;
pub mod coordinator;
pub mod data;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "cli")]
pub mod doctor;
mod error;
#[cfg(feature = "cli")]
pub mod exit;
#[cfg(feature = "cli")]
pub mod init;
pub mod model_file;
pub mod pooled;
#[cfg(feature = "cli")]
mod private_file;
pub mod provision;
pub mod report;
#[cfg(feature = "demo")]
pub mod reproduce;
pub mod site;
#[cfg(feature = "demo")]
pub mod stats;
pub mod sum;
pub mod synth;
#[cfg(feature = "web")]
mod text;
#[cfg(feature = "demo")]
mod throttle;
#[cfg(feature = "demo")]
pub mod train;
#[cfg(feature = "web")]
pub mod web;

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
