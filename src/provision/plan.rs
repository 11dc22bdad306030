//! The plan as a file: what a study commits to before anything runs, for people and accountants.
//!
//! Written next to the manifest, which names its digest. The file is a reading copy: rounds are bound
//! to the manifest's digest, and [`read`] refuses a file that says something else.

use std::path::Path;

use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::plan::Plan;

use crate::Error;

/// Name of the file.
pub const FILE: &str = "plan.toml";

const HEAD: &str = "\
# Every private release that this study may make: steps and spare attempts of each task, and the
# noise scale s of each node (in masked mode of each site), sampling rate q, sensitivity D and delta of every attempt.
# The study's manifest names this plan by the digest";

/// Writes the plan of a manifest into a folder.
///
/// # Errors
/// When the file cannot be written.
pub fn write(folder: &Path, manifest: &Manifest) -> Result<(), Error> {
    let path = folder.join(FILE);
    let plan = Plan::of(manifest);
    let body = toml::to_string(&plan).map_err(|e| Error::config(&path, e.to_string()))?;
    let text = format!("{HEAD}\n# {}\n\n{body}", plan.digest());
    std::fs::write(&path, text).map_err(|e| Error::file(&path, e))
}

/// Reads the plan of a manifest.
///
/// # Errors
/// When the file cannot be read or is not the plan that the manifest names.
pub fn read(path: &Path, manifest: &Manifest) -> Result<Plan, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
    let plan: Plan = toml::from_str(&text).map_err(|e| Error::config(path, e.to_string()))?;
    let digest = plan.digest();
    if digest.to_string() == manifest.plan.to_lowercase() {
        Ok(plan)
    } else {
        let problem = format!("its digest is {digest}; the manifest names {}", manifest.plan);
        Err(Error::config(path, problem))
    }
}
