//! The statistical tasks, run over plain sums of real cohorts and held against R.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod competing;
mod cox;
mod finegray;
mod golden;
mod gridded_cox;
mod hostile;
mod km;
mod logistic;
mod multistate;
mod risk_sets;
mod rules;
mod table1;
