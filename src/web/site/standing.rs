//! All that a site's pages show, read from its files at one moment. What cannot be read says why, and
//! the rest stands. What follows from files that have not changed is not computed again.

use std::path::{Path, PathBuf};

use haima_dp::ledger::{self, Ledger};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::tls;

use super::asked::{self, Asked};
use super::sent::{Sent, sent};
use crate::Error;
use crate::site::{Config, Policy};
use crate::web::journal::Log;
use crate::web::read::{Part, mark};

/// Bytes of a policy that are shown.
const MOST_POLICY: u64 = 1 << 20;

/// What stands in the files.
pub(super) struct Standing {
    /// The policy as it is written, once it can be read.
    pub(super) policy: Result<String, String>,
    pub(super) asked: Part<Result<Asked, String>>,
    /// None before the first charge.
    pub(super) spending: Part<Result<Option<Spending>, String>>,
    /// Nor is one that has lost records.
    pub(super) journal: Result<Log, String>,
    /// The journal as it was read, whatever is to be said of it.
    seen: Option<Log>,
    pub(super) sent: Vec<Sent>,
    pub(super) certificate: Result<Certificate, String>,
}

/// A population's ledger.
pub(super) struct Spending {
    pub(super) population: String,
    pub(super) standing: ledger::Standing,
}

/// The TLS certificate.
pub(super) struct Certificate {
    /// Whether its key is the one that the manifest pins.
    pub(super) pinned: bool,
    /// The date that it states, unix seconds.
    pub(super) until: u64,
}

impl Standing {
    /// Reads it all; `before` is what was read last.
    pub(super) fn read(config: &Config, draft: Option<&Path>, before: Option<&Self>) -> Self {
        let say = |error: Error| error.to_string();
        let manifest = Manifest::read(&config.manifest).map_err(Error::from);
        let policy = Policy::read(&config.policy);
        let (journal, certificate) = match &manifest {
            Ok(manifest) => {
                let log = before.and_then(|before| before.seen.as_ref());
                (journal(config, manifest, log), certificate(config, manifest))
            }
            Err(error) => {
                let again = || Error::config(&config.manifest, error.to_string());
                (Err(again()), Err(again()))
            }
        };
        let path = draft.unwrap_or(&config.manifest);
        let beside = asked::files_of(config, path);
        let named = [config.manifest.as_path(), path].into_iter();
        let asked_of = mark(named.chain(beside.iter().map(PathBuf::as_path)));
        let spent_of = match &policy {
            Ok(policy) => ledger_of(config, policy).map(|(_, path)| path).ok(),
            Err(_) => None,
        };
        let spent_of =
            mark([Some(config.policy.as_path()), spent_of.as_deref()].into_iter().flatten());
        let spending = || match &policy {
            Ok(policy) => spending(config, policy).map_err(say),
            Err(error) => Err(error.to_string()),
        };
        Self {
            asked: Part::renewed(before.map(|before| &before.asked), asked_of, || {
                asked::read(config, draft).map_err(say)
            }),
            spending: Part::renewed(before.map(|before| &before.spending), spent_of, spending),
            policy: policy
                .as_ref()
                .map_err(ToString::to_string)
                .and_then(|_| text(&config.policy).map_err(say)),
            sent: journal.as_ref().map(|log| sent(&log.records)).unwrap_or_default(),
            journal: match &journal {
                Ok(log) => log.lost().map_or_else(|| Ok(log.clone()), Err),
                Err(error) => Err(error.to_string()),
            },
            // What cannot be read for a moment does not make the page forget what it read.
            seen: journal.ok().or_else(|| before.and_then(|before| before.seen.clone())),
            certificate: certificate.map_err(say),
        }
    }
}

fn text(path: &Path) -> Result<String, Error> {
    let size = std::fs::metadata(path).map_err(|e| Error::file(path, e))?.len();
    if size > MOST_POLICY {
        return Err(Error::config(path, format!("{size} bytes; at most {MOST_POLICY} are shown")));
    }
    std::fs::read_to_string(path).map_err(|e| Error::file(path, e))
}

/// The population that the daemon charges, and its ledger.
fn ledger_of(config: &Config, policy: &Policy) -> Result<(String, PathBuf), Error> {
    let population = config.population.as_ref().unwrap_or(&policy.default_population).clone();
    let path = config.state.join(Ledger::file_name(&population)?);
    Ok((population, path))
}

fn spending(config: &Config, policy: &Policy) -> Result<Option<Spending>, Error> {
    let (population, path) = ledger_of(config, policy)?;
    if !path.exists() {
        return Ok(None);
    }
    let standing = ledger::standing(&path, &population)?;
    Ok(Some(Spending { population, standing }))
}

/// The ledger in words, for whoever looks at all of it; none before the first charge.
///
/// # Errors
/// When policy or ledger cannot be used.
pub(super) fn ledger_in_words(config: &Config) -> Result<Option<String>, Error> {
    let (population, path) = ledger_of(config, &Policy::read(&config.policy)?)?;
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(ledger::export(&path, &population)?))
}

fn journal(config: &Config, manifest: &Manifest, before: Option<&Log>) -> Result<Log, Error> {
    let path = config.state.join("audit.log");
    Log::read(&path, &config.name, manifest.identity(&config.name)?, before)
}

fn certificate(config: &Config, manifest: &Manifest) -> Result<Certificate, Error> {
    let path = &config.tls_certificate;
    let pem = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
    let pin = tls::pin_of_pem(&config.name, &pem)?;
    let fault = || Error::config(path, "no certificate in PEM form");
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|_| fault())?;
    let certificate = block.parse_x509().map_err(|_| fault())?;
    let until = certificate.validity().not_after.timestamp();
    Ok(Certificate {
        pinned: manifest.pins().get(&config.name) == Some(&pin),
        until: u64::try_from(until).unwrap_or(0),
    })
}
