//! Targets by their names. `fuzz/whole` takes this file in by its path.

use super::targets;

/// Runs a target.
///
/// # Panics
/// When there is no such target, and when it finds a fault.
pub fn run(name: &str, bytes: &[u8]) {
    let target = targets::ALL.iter().find(|target| target.name == name);
    (target.expect("a target of this crate").run)(bytes);
}

/// Name and valid inputs of each target.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    targets::ALL.iter().map(|target| (target.name, (target.seeds)())).collect()
}
