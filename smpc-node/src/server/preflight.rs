//! What an operator wants to know before a node runs: keys, manifest, store, journal, disk, peers,
//! clock. Each check passes, or says what is wrong and how to mend it. What stops `run` fails; what
//! other nodes lack is a warning, since somebody has to be first.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use haima_crypto::secret::Seed;
use serde::Serialize;

use super::config::Config;
use super::store::{Store, is_url};
use crate::client::NodeClient;
use crate::epoch::Keys;
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
    let (found, keys) = match config.existing_store().await {
        Ok(Some(store)) => {
            (described(&store).await, Some(epoch_keys(config, &manifest, Some(&store)).await))
        }
        Ok(None) => {
            (makeable(Path::new(&config.store)), Some(epoch_keys(config, &manifest, None).await))
        }
        Err(error) => (Err(error), None),
    };
    checks.push(check(
        "store",
        found,
        "see that the folder or the server exists and takes writes from this user",
    ));
    let mend = "keep them at mode 600; where one is lost for good, the study is amended";
    checks.extend(keys.map(|keys| check("epoch keys", keys, mend)));
    checks.push(check(
        "journal",
        journal(config, &manifest),
        "restore it whole; a damaged journal is never repaired by cutting",
    ));
    checks.push(disk(config, &manifest));
    let own = manifest.node(&config.name).map_or("", |(_, party)| party.address.as_str());
    checks.push(listening("listen", config.listen.as_deref().unwrap_or(own)).await);
    if let Some(address) = &config.metrics {
        checks.push(listening("metrics", address).await);
    }
    if let (Some(_), false) = (&config.telemetry, cfg!(feature = "otel")) {
        let finding = "this program was built without the feature `otel`; leave it out".into();
        checks.push(Check { name: "telemetry".into(), outcome: Outcome::Failed, finding });
    }
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
    Ok("private, and those of the manifest; pinned keys have no date at which they expire".into())
}

/// Whether the first run can make a store: its folder takes a file, which is removed again.
fn makeable(path: &Path) -> Result<String, Error> {
    let probe = folder(path).join(format!(".preflight-{}", std::process::id()));
    let fault = |e| Error::file(&probe, e);
    std::fs::File::create_new(&probe).map_err(fault)?;
    std::fs::remove_file(&probe).map_err(fault)?;
    Ok("none yet; `smpc-node run` makes it".into())
}

async fn described(store: &Store) -> Result<String, Error> {
    store.check_writable().await?;
    let last = store.last_number().await?;
    let kind = if store.shared() { "PostgreSQL" } else { "SQLite, fully synchronous" };
    Ok(format!("{kind}; takes writes; last round {last}"))
}

/// The keys of the epoch that the store has begun: another noise key would break rule N3, another
/// epoch key opens nothing.
async fn epoch_keys(
    config: &Config,
    manifest: &Manifest,
    store: Option<&Store>,
) -> Result<String, Error> {
    let fault = |problem: String| Error::Key { party: config.name.clone(), problem };
    let digest = manifest.digest();
    let [noise, epoch] =
        [&config.noise_key, &config.epoch_key].map(|path| keyfile::of_epoch(path, &digest));
    let record = match store {
        Some(store) => store.epoch_record(&digest).await?,
        None => None,
    };
    if record.is_some()
        && let Some(path) = [&noise, &epoch].into_iter().find(|path| !path.exists())
    {
        return Err(fault(format!(
            "{} is missing, but the store's epoch was set up with it; restore the file",
            path.display()
        )));
    }
    let read = |path: &Path, key: fn(&Path) -> Result<Seed, Error>| {
        path.exists().then(|| key(path)).transpose()
    };
    read(&noise, keyfile::read_noise)?;
    let key = read(&epoch, keyfile::read_epoch)?;
    let (Some(record), Some(key)) = (record, key) else {
        return Ok("the store has no epoch yet; they are drawn when it begins".into());
    };
    let begun = record.verify(manifest)?;
    if begun.offer(&config.name)?.sealing != Keys::new(&key)?.sealing.public() {
        return Err(fault("the epoch key is not the one of the store's epoch; restore it".into()));
    }
    Ok("private, and those of the store's epoch".into())
}

/// Whether the node can listen at an address; lets go of it at once.
async fn listening(name: &str, address: &str) -> Check {
    let (outcome, finding) = match tokio::net::TcpListener::bind(address).await {
        Ok(_) => (Outcome::Passed, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            (Outcome::Warning, format!("{address} is taken; by this node, if it runs already"))
        }
        Err(error) => {
            let mend = format!("set `{name}` to a host:port of this machine");
            (Outcome::Failed, format!("{address:?}: {error}; {mend}"))
        }
    };
    Check { name: name.to_owned(), outcome, finding }
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

/// Asks all other nodes at a time: one that does not answer holds up none.
async fn peers(config: &Config, manifest: &Manifest) -> Vec<Check> {
    let Ok(tls) = config.tls() else { return Vec::new() };
    let digest = manifest.digest();
    let others = manifest.nodes.iter().filter(|node| node.name != config.name);
    let asked: Vec<_> = others
        .map(|node| {
            let client = NodeClient::new(node, &tls);
            let ask = |client: NodeClient| async move {
                client.check_status(&digest, unix_millis()).await
            };
            (format!("node {}", node.name), client.map(|client| tokio::spawn(ask(client))))
        })
        .collect();
    let mut checks = Vec::new();
    for (name, asked) in asked {
        let answer = match asked {
            Ok(answer) => answer.await,
            Err(error) => {
                checks.push(check(&name, Err(error), "the manifest has to be amended"));
                continue;
            }
        };
        let (outcome, finding) = match answer {
            Ok(Ok(_)) => {
                (Outcome::Passed, "reached by its pinned key; same manifest; clocks agree".into())
            }
            Ok(Err(error)) => (Outcome::Warning, format!("{error}; {}", with_its_operator(&error))),
            Err(error) => (Outcome::Warning, format!("not asked: {error}")),
        };
        checks.push(Check { name, outcome, finding });
    }
    checks
}

fn with_its_operator(error: &Error) -> &'static str {
    match error {
        Error::Unreachable { .. } => {
            "it may not run yet; else check address and firewall with its operator"
        }
        _ => "settle it with its operator: no round opens before",
    }
}
