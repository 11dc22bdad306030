//! Virtual patients: generators that are fitted to secure sums and carry their guarantee.
//!
//! [`domain`] turns a schema's columns into attributes with levels, [`rounds`] says what is measured
//! and ends with a model of [`core`], [`network`] draws from a network instead, [`condition`] says which
//! patients are wanted, [`metrics`] how much they are like real ones.

pub mod condition;
pub mod core;
pub mod domain;
pub mod metrics;
pub mod network;
pub mod rounds;
