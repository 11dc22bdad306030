//! Networks trained over secure sums: what a model is, what a site does with it, and what is done
//! with the sum.
//!
//! The data of one round walk through these modules in one direction:
//!
//! ```text
//! cohort ──inputs──▶ encoded patients ──model + nn──▶ per-patient gradients
//!                                                        │ strategy: what this site sends
//!                                                        ▼
//! weights ◀──strategy: what is done with it── secure sum of all sites' blocks
//! ```
//!
//! - [`inputs`]: a patient as standardised numbers, by public figures alone (rule S4);
//! - [`bodies`]: networks from inputs to scores; [`outcomes`]: losses and predictions from scores;
//! - [`model`]: the two joined behind one trait, and [`models`] the table of those compiled in:
//!   named and versioned, since no code travels;
//! - [`local`]: a site's patients, fed to a model so that none leaks into another (rule S2);
//! - [`trained`]: a model with its weights, for all that uses one, and [`explanation`]: what one of
//!   its predictions is made of;
//! - [`strategies`]: FedAvg and its kin, per-step DP-SGD, personalised models, behind one trait.
//!
//! The task that drives them is [`crate::tasks::train`]. What all parties replay (rule X3: the
//! start, the strategies' `absorb`) is plain scalar arithmetic; burn runs at a site only.

pub mod bodies;
pub mod explanation;
pub mod inputs;
pub mod local;
pub mod model;
pub mod models;
pub mod outcomes;
pub mod strategies;
pub mod trained;
