//! All that a site's pages show, read from its files at one moment. What cannot be read says why, and
//! the rest stands.

use std::path::Path;

use haima_dp::ledger::{self, Ledger};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::{audit, tls};

use super::asked::{self, Asked};
use super::sent::{Sent, sent};
use crate::Error;
use crate::site::{Config, Policy};

/// Bytes of a policy that are shown.
const MOST_POLICY: u64 = 1 << 20;

/// What stands in the files.
pub(super) struct Standing {
    /// The policy as it is written, once it can be read.
    pub(super) policy: Result<String, String>,
    pub(super) asked: Result<Asked, String>,
    /// None before the first charge.
    pub(super) spending: Result<Option<Spending>, String>,
    pub(super) journal: Result<Vec<AuditRecord>, String>,
    pub(super) sent: Vec<Sent>,
    pub(super) certificate: Result<Certificate, String>,
}

/// A population's ledger.
pub(super) struct Spending {
    pub(super) population: String,
    pub(super) standing: ledger::Standing,
    /// The ledger in words.
    pub(super) words: String,
}

/// The TLS certificate.
pub(super) struct Certificate {
    /// Whether its key is the one that the manifest pins.
    pub(super) pinned: bool,
    /// The date that it states, unix seconds.
    pub(super) until: u64,
}

impl Standing {
    /// Reads it all.
    pub(super) fn read(config: &Config, draft: Option<&Path>) -> Self {
        let say = |error: Error| error.to_string();
        let manifest = Manifest::read(&config.manifest).map_err(Error::from);
        let policy = Policy::read(&config.policy);
        let spending = match &policy {
            Ok(policy) => spending(config, policy).map_err(say),
            Err(error) => Err(error.to_string()),
        };
        let (journal, certificate) = match &manifest {
            Ok(manifest) => (journal(config, manifest), certificate(config, manifest)),
            Err(error) => {
                let again = || Error::config(&config.manifest, error.to_string());
                (Err(again()), Err(again()))
            }
        };
        Self {
            policy: policy.and_then(|_| text(&config.policy)).map_err(say),
            asked: asked::read(config, draft).map_err(say),
            spending,
            sent: journal.as_deref().map(sent).unwrap_or_default(),
            journal: journal.map_err(say),
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

fn spending(config: &Config, policy: &Policy) -> Result<Option<Spending>, Error> {
    let population = config.population.as_ref().unwrap_or(&policy.default_population).clone();
    let path = config.state.join(Ledger::file_name(&population)?);
    if !path.exists() {
        return Ok(None);
    }
    let standing = ledger::standing(&path, &population)?;
    let words = ledger::export(&path, &population)?;
    Ok(Some(Spending { population, standing, words }))
}

fn journal(config: &Config, manifest: &Manifest) -> Result<Vec<AuditRecord>, Error> {
    let path = config.state.join("audit.log");
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(audit::read(&path, &config.name, &manifest.identity(&config.name)?)?)
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
