//! A site's configuration: one TOML file; paths are relative to its folder.

use std::path::{Path, PathBuf};

use haima_smpc_node::config_file;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Configuration of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This site's name in the manifest.
    pub name: String,
    /// The study's manifest.
    pub manifest: PathBuf,
    /// Ed25519 identity key.
    pub identity: PathBuf,
    /// TLS certificate, PEM.
    pub tls_certificate: PathBuf,
    /// TLS private key, PEM.
    pub tls_key: PathBuf,
    /// What this hospital allows.
    pub policy: PathBuf,
    /// The cohort, CSV by the manifest's schema.
    pub data: PathBuf,
    /// Population that the cohort belongs to; the policy's default when absent (rule L3).
    #[serde(default)]
    pub population: Option<String>,
    /// HTTP proxy, `host:port`, through which connections outward go; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Folder of ledger, journal and outbox; made when it does not exist.
    pub state: PathBuf,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When the file is missing or does not parse.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = config_file::read(path).map_err(|e| Error::file(path, e))?;
        let mut config: Self =
            toml::from_str(&text).map_err(|e| Error::config(path, e.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for path in [
            &mut config.manifest,
            &mut config.identity,
            &mut config.tls_certificate,
            &mut config.tls_key,
            &mut config.policy,
            &mut config.data,
            &mut config.state,
        ] {
            *path = folder.join(&*path);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn a_configuration_that_is_longer_than_any_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.toml");
        std::fs::write(&path, "#".repeat(2 << 20)).unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains("site.toml") && error.contains("so long"), "{error}");
    }
}
