//! Training of networks over sums.

mod bad_training;
#[path = "../common/mod.rs"]
mod common;
mod images;
mod artificial;
mod newton;
mod planted;
mod sensitivity;
mod stopping;
mod strategies;
mod strategies_personal;
mod strategies_site;
