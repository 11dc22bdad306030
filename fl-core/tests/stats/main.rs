//! The statistical tasks, run over plain sums of real cohorts and held against R.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod cox;
mod glm;
mod golden;
mod hostile;
mod km;
mod noised;
mod rules;
mod table1;
