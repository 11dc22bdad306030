//! Where the halves meet: queries of `haima-fl-core` become rounds of `haima-smpc-node`.
//!
//! [`plan`] is the one function that turns a query into a round's spec; coordinator and sites both
//! call it and compare. [`nodes`] is the secure sum over SMPC nodes.

pub mod nodes;
pub mod plan;
