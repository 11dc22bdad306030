//! The functions behind the fuzz targets. They are shared with `smpc-node/tests/hostile_bytes`,
//! which takes `targets` in by its path; so all of it is private but for these three.

mod targets;

/// Runs a target.
///
/// # Panics
/// When there is no such target, and when it finds a fault.
pub fn run(name: &str, bytes: &[u8]) {
    let target = targets::ALL.iter().find(|target| target.name == name);
    (target.expect("a target of this crate").run)(bytes);
}

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
    let all = targets::ALL.iter().map(|target| (target.name, (target.seeds)()));
    all.chain([("planted", vec![targets::planted::seed()])]).collect()
}
