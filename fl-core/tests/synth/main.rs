//! Virtual patients: the domain, the model, and how rows compare with those of a cohort.

#[path = "../common/mod.rs"]
mod common;
mod domain;
mod fidelity;
mod generator;
mod metrics;
mod network;
