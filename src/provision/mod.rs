//! Keys, certificates and the manifest of a new study.
//!
//! `study` is the template that a study's initiator writes: schema, tasks, floors, words. Together
//! with the parties' requests, which carry public keys alone, it becomes the manifest; `words` says
//! what the manifest commits its parties to, and each of them signs it
//! ([`haima_smpc_node::study`]).

mod parties;
pub mod plan;
mod request;
mod study;
mod words;

pub use parties::{Keys, PartyFolder, make_keys, make_party};
pub use request::{Request, Role};
pub use study::{Privacy, Study, TaskTemplate, Timing};
pub use words::in_words;
