//! Training of networks over sums.

#[path = "../common/mod.rs"]
mod common;
mod competing;
mod fusion;
mod images;
mod passes;
mod planted;
mod sensitivity;
mod strategies;
mod vae;
