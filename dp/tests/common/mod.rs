//! What several of the tests need; each uses a part.
#![allow(dead_code)]

pub(crate) mod process;
pub(crate) mod shared;
pub(crate) mod statistics;
