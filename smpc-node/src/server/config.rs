//! A node's configuration: one TOML file; paths are relative to its folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::store::is_url;
use crate::Error;
use crate::tls::TlsIdentity;

/// Configuration of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This node's name in the manifest.
    pub name: String,
    /// The study's manifest.
    pub manifest: PathBuf,
    /// Ed25519 identity key.
    pub identity: PathBuf,
    /// TLS certificate, PEM.
    pub tls_certificate: PathBuf,
    /// TLS private key, PEM.
    pub tls_key: PathBuf,
    /// Epoch noise key: `noise.key` is the file `noise-<manifest>.key`, one an epoch, drawn when
    /// the epoch begins and destroyed when it ends. Keep it out of the store's backups.
    pub noise_key: PathBuf,
    /// Epoch key, behind sealing and verify keys: a file an epoch, as of the noise key. Keep it out
    /// of the store's backups.
    pub epoch_key: PathBuf,
    /// Path of a SQLite database, made when it does not exist; or `postgres://…`.
    pub store: String,
    /// Signed, hash-chained journal; made when it does not exist.
    pub journal: PathBuf,
    /// Where to listen, when not at the manifest's address.
    #[serde(default)]
    pub listen: Option<String>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When the file is missing or does not parse.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        let mut config: Self = toml::from_str(&text).map_err(|e| Error::Manifest {
            field: Some(path.display().to_string()),
            problem: e.to_string().trim().to_owned(),
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for path in [
            &mut config.manifest,
            &mut config.identity,
            &mut config.tls_certificate,
            &mut config.tls_key,
            &mut config.noise_key,
            &mut config.epoch_key,
            &mut config.journal,
        ] {
            *path = folder.join(&*path);
        }
        if !is_url(&config.store) {
            config.store = folder.join(&config.store).to_string_lossy().into_owned();
        }
        Ok(config)
    }

    /// The node's TLS identity.
    ///
    /// # Errors
    /// When a key file cannot be used.
    pub fn tls(&self) -> Result<TlsIdentity, Error> {
        TlsIdentity::read(&self.tls_certificate, &self.tls_key)
    }
}
