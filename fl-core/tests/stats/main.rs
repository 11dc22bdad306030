//! The statistical tasks, run over plain sums of real cohorts and held against R.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod clusters;
mod comutation;
mod cox;
mod golden;
mod hostile;
mod km;
mod logistic;
mod many_columns;
mod panel;
mod pca;
mod planted;
mod rules;
mod scan;
mod table1;
