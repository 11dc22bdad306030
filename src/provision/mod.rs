//! Keys, certificates and the manifest of a new study.
//!
//! `study` is the template that a study's initiator writes: schema, tasks, floors, words. Together
//! with the parties' public keys it becomes the manifest. In this version all keys are made by the
//! caller of this module (the demo); provisioning in which every party makes its own comes later.

mod parties;
pub mod plan;
mod study;

pub use parties::{PartyFolder, make_party};
pub use study::{Privacy, Study, TaskTemplate, Timing};
