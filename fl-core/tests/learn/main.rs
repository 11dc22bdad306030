//! Training of networks over sums.

#[path = "../common/mod.rs"]
mod common;
mod images;
mod explanation;
mod planted;
mod sensitivity;
mod strategies;
