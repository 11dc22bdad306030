//! The statistical tasks, run over plain sums of real cohorts and held against R.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod cox;
mod golden;
mod hostile;
mod km;
mod logistic;
mod meta;
mod rules;
mod table1;
mod validate;
mod validate_bounds;
