//! The statistical tasks, run over plain sums of real cohorts and held against R.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod clusters;
mod cox;
mod golden;
mod hostile;
mod km;
mod logistic;
mod many_columns;
mod pca;
mod planted;
mod rules;
mod table1;
