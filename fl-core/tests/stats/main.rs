//! The statistical tasks, run over plain sums of real cohorts and held against R.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod competing;
mod cox;
mod finegray;
mod glm;
mod golden;
mod gridded_cox;
mod hostile;
mod km;
mod multistate;
mod noised;
mod rules;
mod table1;
