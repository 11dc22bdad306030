//! The tasks that are compiled into this binary, one a file. [`crate::registry`] opens them by
//! name and version.

pub mod concordance;
pub mod cox;
pub mod hazard;
pub mod km;
mod layout;
mod linear_predictor;
pub mod logistic;
pub mod meta;
pub mod newton;
mod survival;
pub mod table1;
pub mod validate;
