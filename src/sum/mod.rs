//! Where the halves meet: queries of `haima-fl-core` become rounds of `haima-smpc-node`.
//!
//! [`plan`] is the one function that turns a query into a round's spec; coordinator and sites both
//! call it and compare. [`run`] takes a task's steps and attempts one after the other, over [`nodes`]
//! or by [`masked`] aggregation; [`release`] is what comes out, as everybody verifies it. By
//! [`socket`] somebody else's framework hands in a site's vectors.

pub mod masked;
pub mod network;
pub mod nodes;
pub mod plan;
pub mod release;
pub mod run;
pub mod socket;
