//! Keys, certificates and the manifest of a new study.
//!
//! `study` is the template that a study's initiator writes: schema, tasks, floors, words. Together
//! with the parties' requests, which carry public keys alone, it becomes the manifest, which each of
//! them signs ([`haima_smpc_node::provision`], [`haima_smpc_node::study`]).

mod check;
mod draft;
mod parties;
pub mod plan;
mod study;

pub use check::check;
pub use draft::{Draft, MANIFEST, collect};
pub use parties::{PartyFolder, make_party};
pub use study::{Accountant, Privacy, Study, TaskTemplate, Timing};
