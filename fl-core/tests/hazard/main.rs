//! The hazard network and its concordance, on the shipped leukaemia registry and on crafted sites.

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod concordance;
mod rules;
mod simulation;
mod training;
