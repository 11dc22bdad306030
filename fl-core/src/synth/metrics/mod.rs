//! How like real patients virtual ones are, and how close to single ones: pure functions of counts,
//! rows of levels, curves and fits.
//!
//! | module | what it measures |
//! |---|---|
//! | [`distance`] | two histograms: total variation, Kolmogorov-Smirnov, and what chance alone gives |
//! | [`association`] | two columns: Cramer's V and rank correlation of their table |
//! | [`workload`] | which one-, two- and three-way tables are counted |
//! | [`nearest`] | a patient's distance from the closest virtual ones |
//! | [`forest`] | whether trees can tell the two apart (classifier two-sample test) |
//! | [`survival`] | two Kaplan-Meier curves |
//! | [`fits`] | two Cox or logistic fits |
//! | [`edges`] | edges of bins as people read them |
//! | [`summary`] | all that counts tell, as one result |
//!
//! The task `fidelity` computes the real side at hospitals and hands over sums; a CSV of one's own
//! goes through the same functions without any ([`summary::pooled`]).

pub mod association;
pub mod distance;
pub mod edges;
pub mod fits;
pub mod forest;
pub mod nearest;
pub mod summary;
pub mod survival;
pub mod workload;
