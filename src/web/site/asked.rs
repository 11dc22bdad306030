//! What a manifest asks of this hospital, and its answer: `approval-NAME.toml` as `haima approve --sign`
//! writes it, or `refusal-NAME.toml`, a note of its own that is sent to nobody.
//!
//! Whoever approves has seen the manifest of this very digest: another one in its place, even between
//! the look and the click, is not signed.

use std::path::{Path, PathBuf};

use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::provision::in_words;
use haima_smpc_node::study::{Approvals, Study};
use haima_smpc_node::{keyfile, tls, unix_millis};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::provision;
use crate::site::Config;

/// Letters of a reason.
const MOST_REASON: usize = 500;
/// Bytes of a refusal that are read.
const MOST_BYTES: u64 = 16 << 10;

/// A manifest, and how far it is from being in force.
pub(super) struct Asked {
    pub(super) manifest: Manifest,
    pub(super) digest: String,
    /// As `haima approve` prints it.
    pub(super) words: String,
    /// What is odd about it, or why its tasks cannot run.
    pub(super) notes: Vec<String>,
    /// Parties whose signature is beside the manifest.
    pub(super) signed: Vec<String>,
    /// The others.
    pub(super) missing: Vec<String>,
    pub(super) own: Own,
}

/// What this hospital has said.
pub(super) enum Own {
    /// All parties have signed.
    InForce,
    /// It has approved: the file that says so.
    Approved(PathBuf),
    /// It has refused.
    Refused(Refusal),
    /// Nothing yet.
    Open,
}

/// A refusal, for this hospital's own eyes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refusal {
    /// Digest of the manifest.
    pub(super) manifest: String,
    /// Why.
    pub(super) reason: String,
    /// When, unix milliseconds.
    pub(super) at_ms: u64,
}

fn beside(config: &Config, manifest: &Path, what: &str) -> PathBuf {
    let folder = manifest.parent().unwrap_or(Path::new("."));
    folder.join(format!("{what}-{}.toml", config.name))
}

/// Files besides the manifest that the answer depends on.
pub(super) fn files_of(config: &Config, manifest: &Path) -> [PathBuf; 3] {
    [
        Study::signatures_of(manifest),
        beside(config, manifest, "approval"),
        beside(config, manifest, "refusal"),
    ]
}

/// Reads what is asked; `draft` is the manifest that is to be approved, where it is not the configured
/// one.
///
/// # Errors
/// When the manifest is not sound, or does not name this site.
pub(super) fn read(config: &Config, draft: Option<&Path>) -> Result<Asked, Error> {
    let path = draft.unwrap_or(&config.manifest);
    let manifest = Manifest::read(path)?;
    manifest.site(&config.name)?;
    // The one that it amends shows what changes; any other old one does not.
    let old = draft.and_then(|_| Manifest::read(&config.manifest).ok());
    let words = match in_words(&manifest, old.as_ref()) {
        Err(_) if old.is_some() => in_words(&manifest, None)?,
        words => words?,
    };
    let notes = match provision::check(&manifest, true) {
        Ok(notes) => notes,
        Err(error) => vec![format!("as it stands this study fails at {error}")],
    };
    let mut approvals = Approvals::new(&manifest);
    let [signatures, approval, refusal] = files_of(config, path);
    if signatures.exists() {
        approvals.add(&manifest, &Approvals::read(&signatures)?)?;
    }
    let missing = approvals.missing(&manifest);
    let own = match refused(&refusal, &manifest) {
        _ if missing.is_empty() => Own::InForce,
        Some(refusal) => Own::Refused(refusal),
        None if !missing.contains(&config.name) => Own::Approved(signatures),
        None if approved(&approval, &manifest, &config.name) => Own::Approved(approval),
        None => Own::Open,
    };
    let signed = approvals.signatures.into_keys().collect();
    Ok(Asked {
        digest: manifest.digest().to_string(),
        manifest,
        words,
        notes,
        signed,
        missing,
        own,
    })
}

/// Whether a file holds this party's approval of this very manifest.
fn approved(path: &Path, manifest: &Manifest, name: &str) -> bool {
    let Ok(approval) = Approvals::read(path) else { return false };
    approval.check(manifest).is_ok() && approval.signatures.contains_key(name)
}

/// A refusal of this very manifest.
fn refused(path: &Path, manifest: &Manifest) -> Option<Refusal> {
    let size = std::fs::metadata(path).ok()?.len();
    let text = (size <= MOST_BYTES).then(|| std::fs::read_to_string(path).ok())??;
    let refusal: Refusal = toml::from_str(&text).ok()?;
    (refusal.manifest == manifest.digest().to_string()).then_some(refusal)
}

/// The manifest that was shown.
fn shown(path: &Path, digest: &str) -> Result<Manifest, Error> {
    let manifest = Manifest::read(path)?;
    let now = manifest.digest().to_string();
    if now == digest {
        return Ok(manifest);
    }
    let problem = "is another manifest than the one that was shown; read it again, then answer";
    Err(Error::config(path, problem))
}

/// Signs the manifest that was shown, with this site's identity key.
///
/// # Errors
/// When it is another one by now, has other keys for this site, or the approval cannot be written.
pub(super) fn approve(config: &Config, path: &Path, digest: &str) -> Result<PathBuf, Error> {
    let manifest = shown(path, digest)?;
    let name = &config.name;
    manifest.site(name)?;
    let certificate = &config.tls_certificate;
    let pem = std::fs::read_to_string(certificate).map_err(|e| Error::file(certificate, e))?;
    if manifest.pins().get(name) != Some(&tls::pin_of_pem(name, &pem)?) {
        let problem = format!("it has another TLS key for {name} than {}", certificate.display());
        return Err(Error::config(path, problem));
    }
    let key = keyfile::read_identity(&config.identity)?;
    let mut approvals = Approvals::new(&manifest);
    approvals.sign(&manifest, name, &key)?;
    let out = beside(config, path, "approval");
    approvals.write(&out)?;
    keyfile::remove(&beside(config, path, "refusal"))?;
    tracing::info!(study = %manifest.study, %digest, "the manifest is approved at the page");
    Ok(out)
}

/// Notes that the manifest that was shown is refused, and why.
///
/// # Errors
/// When it is another one by now, was approved, or the note cannot be written.
pub(super) fn refuse(
    config: &Config,
    path: &Path,
    digest: &str,
    reason: &str,
) -> Result<(), Error> {
    let manifest = shown(path, digest)?;
    if approved(&beside(config, path, "approval"), &manifest, &config.name) {
        let problem = "this site has signed it; a signature that was sent cannot be taken back here. \
                       Tell whoever drafted the study, and stop the daemon";
        return Err(Error::config(path, problem));
    }
    let reason = crate::text::printable(reason).replace('\n', " ");
    let reason = reason.trim().chars().take(MOST_REASON).collect();
    let refusal = Refusal { manifest: digest.to_owned(), reason, at_ms: unix_millis() };
    let file = beside(config, path, "refusal");
    let text = toml::to_string(&refusal).map_err(|e| Error::config(&file, e.to_string()))?;
    let (folder, name) = (file.parent().unwrap_or(Path::new(".")), file.file_name());
    let name = name.unwrap_or_default().to_string_lossy();
    crate::report::place(folder, &name, text.as_bytes()).map_err(|e| Error::file(&file, e))?;
    tracing::info!(study = %manifest.study, %digest, "the manifest is refused at the page");
    Ok(())
}

/// Takes the note of a refusal back.
///
/// # Errors
/// When it cannot be removed.
pub(super) fn take_back(config: &Config, path: &Path) -> Result<(), Error> {
    Ok(keyfile::remove(&beside(config, path, "refusal"))?)
}
