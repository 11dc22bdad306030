//! The tasks that are compiled into this binary, one a file. [`crate::registry`] opens them by
//! name and version.

pub mod cif;
pub mod concordance;
pub mod cox;
pub mod finegray;
pub mod glm;
pub mod gridded_cox;
pub mod hazard;
pub mod km;
mod layout;
pub mod multistate;
pub mod newton;
mod risk_sets;
mod survival;
pub mod table1;
mod time_grid;
