//! What an operator wants to know before a node runs: keys, manifest, store, journal, disk, peers,
//! clock. Each check passes, or says what is wrong and how to mend it.

use std::path::{Path, PathBuf};

use haima_crypto::encode::Digest;
use serde::Serialize;

use super::config::Config;
use super::store::{Store, is_url};
use crate::client::NodeClient;
use crate::manifest::Manifest;
use crate::spec::FieldKind;
use crate::study::Study;
use crate::{Error, audit, keyfile, unix_millis};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Nothing to do.
    Passed,
    /// The node runs, but somebody should look.
    Warning,
    /// The node will not run, or not well.
    Failed,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found, and how to mend it.
    pub finding: String,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let outcome = match self.outcome {
            Outcome::Passed => "PASSED ",
            Outcome::Warning => "WARNING",
            Outcome::Failed => "FAILED ",
        };
        write!(f, "{outcome}  {}: {}", self.name, self.finding)
    }
}

fn check(name: &str, result: Result<String, Error>, mend: &str) -> Check {
    let name = name.to_owned();
    match result {
        Ok(finding) => Check { name, outcome: Outcome::Passed, finding },
        Err(error) => {
            let finding = format!("{error}; {mend}");
            Check { name, outcome: Outcome::Failed, finding }
        }
    }
}

/// Runs all checks; those that need what an earlier one did not find are left out.
pub async fn preflight(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    let study = Study::read(&config.manifest);
    let manifest = study.as_ref().ok().map(Study::manifest);
    checks.push(check(
        "manifest",
        study.map(|study| {
            format!("signed by all its parties, {}", study.manifest().digest().short())
        }),
        "get manifest.toml and manifest.sig from whoever drafted the study",
    ));
    let Some(manifest) = manifest else { return checks };
    checks.push(check(
        "keys",
        keys(config, &manifest),
        "keep key files at mode 600, and run the node with the keys that it sent in its request",
    ));
    checks.push(check(
        "store",
        store(config).await,
        "see that the folder or the server exists and takes writes from this user",
    ));
    checks.push(check(
        "journal",
        journal(config, &manifest),
        "restore it whole; a damaged journal is never repaired by cutting",
    ));
    checks.push(disk(config, &manifest));
    checks.extend(peers(config, &manifest).await);
    checks
}

fn keys(config: &Config, manifest: &Manifest) -> Result<String, Error> {
    let (_, party) = manifest.node(&config.name)?;
    let wrong = |what: &str| Error::Key {
        party: config.name.clone(),
        problem: format!("its {what} is not the one in the manifest"),
    };
    if keyfile::read_identity(&config.identity)?.public().to_string()
        != party.identity.to_lowercase()
    {
        return Err(wrong("identity key"));
    }
    if config.tls()?.pin()?.to_string() != party.tls.to_lowercase() {
        return Err(wrong("TLS key"));
    }
    for path in [&config.noise_key, &config.epoch_key] {
        let path = keyfile::of_epoch(path, &manifest.digest());
        if path.exists() {
            keyfile::read_private(&path)?;
        }
    }
    Ok("private, and those of the manifest; pinned keys have no date at which they expire".into())
}

async fn store(config: &Config) -> Result<String, Error> {
    let store = Store::open(&config.store).await?;
    store.check_writable().await?;
    let last = store.last_number().await?;
    let kind = if store.shared() { "PostgreSQL" } else { "SQLite, fully synchronous" };
    Ok(format!("{kind}; takes writes; last round {last}"))
}

fn journal(config: &Config, manifest: &Manifest) -> Result<String, Error> {
    if !config.journal.exists() {
        return Ok("none yet".into());
    }
    let key = manifest.identity(&config.name)?;
    let records = audit::verify(&config.journal, &config.name, &key)?;
    Ok(format!("{records} records verified"))
}

/// The largest round of the manifest: a share a site, the preparation shares, and the sum.
fn largest_round(manifest: &Manifest, position: usize) -> u64 {
    let element = FieldKind::Bits128.bytes() as u64;
    let vector = u64::from(manifest.max_dimension).saturating_mul(element);
    // The first node holds the vector share, with the proof's: about half as much again.
    let share = if position == 0 { vector.saturating_add(vector / 2) } else { 4096 };
    share.saturating_mul(manifest.sites.len() as u64).saturating_add(vector.saturating_mul(2))
}

fn disk(config: &Config, manifest: &Manifest) -> Check {
    let name = "disk".to_owned();
    if is_url(&config.store) {
        let finding = "the store is a server's; watch its disk there".to_owned();
        return Check { name, outcome: Outcome::Passed, finding };
    }
    let position = manifest.node(&config.name).map_or(0, |(position, _)| position);
    let (need, folder) = (largest_round(manifest, position), folder(Path::new(&config.store)));
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    match fs4::available_space(&folder) {
        Err(error) => Check {
            name,
            outcome: Outcome::Failed,
            finding: format!("{}: {error}", folder.display()),
        },
        Ok(free) if free < need => Check {
            name,
            outcome: Outcome::Warning,
            finding: format!(
                "{} MiB are free, the largest round that the manifest allows takes {} MiB; a round \
                 that does not fit fails",
                mib(free),
                mib(need)
            ),
        },
        Ok(free) => Check {
            name,
            outcome: Outcome::Passed,
            finding: format!("{} MiB free, at most {} MiB a round", mib(free), mib(need)),
        },
    }
}

fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

async fn peers(config: &Config, manifest: &Manifest) -> Vec<Check> {
    let digest: Digest = manifest.digest();
    let mut checks = Vec::new();
    let Ok(tls) = config.tls() else { return checks };
    for node in manifest.nodes.iter().filter(|node| node.name != config.name) {
        let asked = async {
            let client = NodeClient::new(node, &tls)?;
            client.check_status(&digest, unix_millis()).await?;
            Ok("reached by its pinned key; same manifest; clocks agree".to_owned())
        };
        let mut found = check(
            &format!("node {}", node.name),
            asked.await,
            "it may not run yet; else check address, firewall and clock with its operator",
        );
        // Somebody has to be first.
        if found.outcome == Outcome::Failed && found.finding.contains("cannot be reached") {
            found.outcome = Outcome::Warning;
        }
        checks.push(found);
    }
    checks
}
