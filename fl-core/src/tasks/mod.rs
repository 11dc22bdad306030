//! The tasks that are compiled into this binary, one a file. [`crate::registry`] opens them by
//! name and version.

pub mod cif;
pub mod clusters;
mod columns;
pub mod combat;
pub mod comutation;
pub mod concordance;
pub mod cox;
pub mod explain;
pub mod fidelity;
pub mod finegray;
pub mod glm;
pub mod gridded_cox;
pub mod hazard;
pub mod km;
pub(crate) mod layout;
mod linear_predictor;
pub mod meta;
pub mod multistate;
mod network_score;
pub mod newton;
pub mod pca;
pub mod prepare;
mod risk_sets;
pub mod scan;
pub(crate) mod survival;
pub mod synthesize;
pub mod table1;
mod time_grid;
pub mod train;
pub mod validate;
pub mod vector_sum;
mod weights;
