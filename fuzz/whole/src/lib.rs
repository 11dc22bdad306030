//! The functions behind the fuzz targets, as a fuzzer calls them. They are shared with
//! `tests/hostile_bytes`, which takes `targets` in by its path; so all of it is private but for these
//! two.

#[path = "../../src/api.rs"]
mod api;
mod targets;

pub use api::{run, seeds};
