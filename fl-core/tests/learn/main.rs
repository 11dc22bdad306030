//! Training of networks over sums.

#[path = "../common/mod.rs"]
mod common;
mod explanation;
mod planted;
mod strategies;
