//! Training of networks over sums.

#[path = "../common/mod.rs"]
mod common;
mod planted;
mod strategies;
