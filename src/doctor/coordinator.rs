//! What a coordinator needs: its folder, its address, and nodes that answer.

use std::path::Path;

use haima_smpc_node::manifest::Manifest;

use super::study::{self, Files};
use super::{Check, kept, machine, network};
use crate::coordinator::Config;

/// Looks at a coordinator's configuration and all that it names.
pub(super) async fn examine(path: &Path) -> Vec<Check> {
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(error) => {
            return vec![Check::of("configuration", Err(error), "docs/guides has every field")];
        }
    };
    let mut checks =
        vec![Check::ok("configuration", &format!("of the coordinator, {}", path.display()))];
    let no_files = machine::no_files(&[
        ("manifest", config.manifest.as_path()),
        ("identity", config.identity.as_path()),
        ("tls_certificate", config.tls_certificate.as_path()),
        ("tls_key", config.tls_key.as_path()),
    ]);
    if !no_files.is_empty() {
        checks.extend(no_files);
        return checks;
    }
    let manifest = study::manifest(&config.manifest, &mut checks);
    let files = Files {
        identity: &config.identity,
        certificate: &config.tls_certificate,
        key: &config.tls_key,
        proxy: config.proxy.as_deref(),
    };
    let tls = study::keys(&files, None, manifest.as_deref(), &mut checks);
    checks.push(machine::takes_files("out", &config.out));
    checks.push(machine::disk(&config.out, manifest.as_deref().map_or(0, largest_round)));
    let Some(manifest) = manifest else { return checks };
    checks.extend(study::tasks(&manifest, true));
    let floor = manifest.min_sites;
    if let Some(sites) = config.wait_sites.filter(|sites| *sites < floor) {
        let finding = format!(
            "`wait_sites` = {sites} starts before a sum can be made, which needs {floor} hospitals; \
             raise it"
        );
        checks.push(Check::warn("configuration", &finding));
    }
    checks.push(journal(&config, &manifest));
    checks.push(network::listens(&manifest.coordinator.address).await);
    if let Some(tls) = tls {
        checks.extend(network::nodes(&manifest, &tls, config.proxy.is_some()).await);
    }
    checks
}

/// Bytes that a round leaves: a sum of each node, and what is made of them.
fn largest_round(manifest: &Manifest) -> u64 {
    let vector = u64::from(manifest.max_dimension).saturating_mul(16);
    vector.saturating_mul(manifest.nodes.len() as u64 + 2)
}

fn journal(config: &Config, manifest: &Manifest) -> Check {
    let name = &manifest.coordinator.name;
    kept::journal(&config.out.join("audit.log"), name, manifest.identity(name)).0
}
