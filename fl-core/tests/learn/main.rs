//! Training of networks over sums.

#[path = "../common/mod.rs"]
mod common;
mod competing;
mod passes;
mod planted;
mod strategies;
