//! Training of networks over sums.

#[path = "../common/mod.rs"]
mod common;
mod harmonise;
mod planted;
mod prepare;
mod strategies;
