//! What a node needs: its own preflight, told as the other parties' checks are.

use std::path::Path;

use haima_smpc_node::server::Config;
use haima_smpc_node::server::preflight::{Outcome, preflight};

use super::{Check, Level, machine};
use crate::Error;

/// Looks at a node's configuration, with what the environment sets, and all that it names.
pub(super) async fn examine(path: &Path) -> Vec<Check> {
    let text = |pair: (std::ffi::OsString, std::ffi::OsString)| {
        Some((pair.0.into_string().ok()?, pair.1.into_string().ok()?))
    };
    let config = match Config::layered(path, std::env::vars_os().filter_map(text), &[]) {
        Ok(config) => config,
        Err(error) => {
            let remedy = "docs/guides has every field";
            return vec![Check::of("configuration", Err(Error::from(error)), remedy)];
        }
    };
    let what = format!("of the node {}, {}", config.name, path.display());
    let mut checks = vec![Check::ok("configuration", &what)];
    let no_files = machine::no_files(&[
        ("manifest", config.manifest.as_path()),
        ("identity", config.identity.as_path()),
        ("tls_certificate", config.tls_certificate.as_path()),
        ("tls_key", config.tls_key.as_path()),
        ("noise_key", config.noise_key.as_path()),
        ("epoch_key", config.epoch_key.as_path()),
        ("journal", config.journal.as_path()),
    ]);
    if !no_files.is_empty() {
        checks.extend(no_files);
        return checks;
    }
    checks.extend(preflight(&config).await.into_iter().map(|check| {
        let level = match check.outcome {
            Outcome::Passed => Level::Ok,
            Outcome::Warning => Level::Warn,
            Outcome::Failed => Level::Fail,
        };
        Check::new(&check.name, level, &check.finding)
    }));
    checks
}
