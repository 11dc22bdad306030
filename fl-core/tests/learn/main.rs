//! Training of networks over sums.

#[path = "../common/mod.rs"]
mod common;
mod artificial;
mod newton;
mod planted;
mod strategies;
