//! Training of networks over sums.

mod artificial;
#[path = "../common/mod.rs"]
mod common;
mod newton;
mod planted;
mod strategies;
mod timed;
