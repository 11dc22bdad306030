//! The functions behind the fuzz targets, as a fuzzer calls them. They are shared with
//! `smpc-node/tests/hostile_bytes`, which takes `targets` in by its path; so all of it is private but
//! for these three.

mod api;
mod targets;

pub use api::run;

/// Runs the target with a planted fault.
///
/// # Panics
/// When it finds the fault.
pub fn run_planted(bytes: &[u8]) {
    targets::planted::run(bytes);
}

/// Name and valid inputs of each target.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mut all = api::seeds();
    all.push(("planted", vec![targets::planted::seed()]));
    all
}
