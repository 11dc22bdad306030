//! Clinical statistics and learning as sequences of secure sums.
//!
//! Every computation here is a [`task::Task`]: a state machine that emits a public
//! [`task::Query`], to which each hospital answers with a bounded integer vector, and that absorbs
//! the [`sum::Sum`] of all answers. How the sum is made (secret shares among nodes, masking, or in
//! the clear for a simulation) is not this crate's business.
//!
//! The way in: a [`schema::Schema`] that the network agreed on, a [`cohort::Cohort`] read by
//! [`cohort::Cohort::read_csv`], a run from [`registry::open`], and [`sum::drive`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod asked;
pub mod cohort;
pub mod design;
pub mod error;
mod intake;
pub mod learn;
pub mod linalg;
pub mod nn;
pub mod registry;
pub mod results;
pub mod schema;
pub mod selection;
pub mod stat;
pub mod sum;
pub mod synth;
pub mod task;
pub mod tasks;

pub use error::Error;
pub use intake::quality;
