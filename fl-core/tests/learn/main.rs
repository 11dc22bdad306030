//! Training of networks over sums.

mod artificial;
mod bad_training;
#[path = "../common/mod.rs"]
mod common;
mod competing;
mod evaluation;
mod explain;
mod explanation;
mod fusion;
mod harmonise;
mod images;
mod newton;
mod passes;
mod planted;
mod prepare;
mod sensitivity;
mod stopping;
mod strategies;
mod strategies_personal;
mod strategies_site;
mod timed;
mod vae;
