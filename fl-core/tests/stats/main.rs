//! The statistical tasks, run over plain sums of real cohorts and held against R.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod clusters;
mod competing;
mod comutation;
mod cox;
mod every_task;
mod finegray;
mod glm;
mod glm_families;
mod glm_noised;
mod glm_rules;
mod golden;
mod golden_fits;
mod gridded_cox;
mod guide;
mod heart;
mod hostile;
mod km;
mod many_columns;
mod meta;
mod multistate;
mod noised;
mod panel;
mod pca;
mod penalised;
mod planted;
mod risk_sets;
mod rules;
mod scan;
mod table1;
mod validate;
mod validate_bounds;
mod weighted;
