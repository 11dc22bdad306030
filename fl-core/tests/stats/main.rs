//! The statistical tasks, run over plain sums of real cohorts and held against R.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod cox;
mod glm;
mod glm_families;
mod glm_noised;
mod glm_rules;
mod golden;
mod heart;
mod hostile;
mod km;
mod penalised;
mod rules;
mod table1;
