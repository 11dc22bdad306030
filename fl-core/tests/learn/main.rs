//! Training of networks over sums.

#[path = "../common/mod.rs"]
mod common;
mod evaluation;
mod explain;
mod explanation;
mod planted;
mod strategies;
