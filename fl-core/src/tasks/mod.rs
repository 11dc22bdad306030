//! The tasks that are compiled into this binary, one a file. [`crate::registry`] opens them by
//! name and version.

pub mod clusters;
mod columns;
pub mod comutation;
pub mod concordance;
pub mod cox;
pub mod hazard;
pub mod km;
mod layout;
pub mod logistic;
pub mod newton;
pub mod pca;
pub mod scan;
mod survival;
pub mod table1;
