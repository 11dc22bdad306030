//! A node's configuration: a TOML file, over it the environment (`HAIMA_NODE_<FIELD>`), over that
//! the command line (`--set field=value`). Paths are relative to the file's folder.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::store::{Store, is_url};
use crate::tls::TlsIdentity;
use crate::{Error, config_file};

/// Configuration of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This node's name in the manifest.
    pub name: String,
    /// The study's manifest, with its signatures beside it.
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
    /// Signed, hash-chained journal; made when it does not exist. One a replica.
    pub journal: PathBuf,
    /// Where to listen, when not at the manifest's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Where Prometheus may fetch metrics, `host:port`; nowhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// HTTP proxy, `host:port`, through which connections outward go; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// OpenTelemetry collector that spans of rounds go to, `http://host:4317` (OTLP over gRPC);
    /// none when absent. Needs a program with the feature `otel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<String>,
    /// Days for which sums and evidence of ended rounds are kept; for good when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// How the log is written.
    #[serde(default)]
    pub log_format: LogFormat,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line an event, for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// What the name of a setting in the environment begins with.
pub const ENVIRONMENT: &str = "HAIMA_NODE_";

impl Config {
    /// Reads a configuration file alone.
    ///
    /// # Errors
    /// When the file is missing or does not parse.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::layered(path, [], &[])
    }

    /// Reads a configuration file, then settings from the environment (pairs whose name begins with
    /// [`ENVIRONMENT`]), then settings `field=value` of a command line; later ones win.
    ///
    /// # Errors
    /// When the file is missing, does not parse, or a setting names no field, with its source.
    pub fn layered(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
        settings: &[String],
    ) -> Result<Self, Error> {
        let text = config_file::read(path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                Error::config(path, &"missing; give --config, or make one with `smpc-node init`")
            }
            _ => Error::file(path, e),
        })?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|e| Error::config(path, &e))?;
        // The file by itself first, so that an error names it.
        let mut config = Self::of(table.clone()).map_err(|e| Error::config(path, &e))?;
        let from_environment = environment.into_iter().filter_map(|(name, value)| {
            let field = name.strip_prefix(ENVIRONMENT)?.to_lowercase();
            Some((name, field, value))
        });
        let from_line = settings.iter().map(|setting| {
            let (field, value) = setting.split_once('=').unwrap_or((setting, ""));
            (format!("--set {setting}"), field.to_owned(), value.to_owned())
        });
        for (source, field, value) in from_environment.chain(from_line) {
            let value = match value.parse::<i64>() {
                Ok(number) if field == "retention_days" => toml::Value::Integer(number),
                _ => toml::Value::String(value),
            };
            table.insert(field, value);
            let fault = |problem: String| Error::Config { file: source, problem };
            config = Self::of(table.clone()).map_err(|e| fault(e.trim().to_owned()))?;
        }
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

    /// Opens the store where there is one: who only looks makes none.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn existing_store(&self) -> Result<Option<Store>, Error> {
        if !is_url(&self.store) && !Path::new(&self.store).exists() {
            return Ok(None);
        }
        Store::open(&self.store).await.map(Some)
    }

    fn of(table: toml::Table) -> Result<Self, String> {
        toml::Value::Table(table).try_into().map_err(|e| e.to_string())
    }

    /// The node's TLS identity.
    ///
    /// # Errors
    /// When a key file cannot be used.
    pub fn tls(&self) -> Result<TlsIdentity, Error> {
        TlsIdentity::read(&self.tls_certificate, &self.tls_key)?.through(self.proxy.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        let mut text = String::from("name = \"a\"\nstore = \"node.db\"\nlisten = \"file:1\"\n");
        for field in [
            "manifest",
            "identity",
            "tls_certificate",
            "tls_key",
            "noise_key",
            "epoch_key",
            "journal",
        ] {
            text += &format!("{field} = \"{field}\"\n");
        }
        std::fs::write(&path, &text).unwrap();
        let alone = Config::read(&path).unwrap();
        assert_eq!(alone.listen.as_deref(), Some("file:1"));
        assert_eq!(alone.store, folder.path().join("node.db").to_str().unwrap());
        let environment = || {
            [("HAIMA_NODE_LISTEN", "env:1"), ("HAIMA_NODE_STORE", "postgres://x"), ("PATH", "x")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let with = Config::layered(&path, environment(), &[]).unwrap();
        assert_eq!((with.listen.as_deref(), &*with.store), (Some("env:1"), "postgres://x"));
        let line = ["listen=line:1".to_owned(), "retention_days=30".to_owned()];
        let with = Config::layered(&path, environment(), &line).unwrap();
        assert_eq!((with.listen.as_deref(), with.retention_days), (Some("line:1"), Some(30)));
        for wrong in ["lissten=x", "retention_days=many", "listen"] {
            let error = Config::layered(&path, [], &[wrong.to_owned()]);
            if wrong == "listen" {
                assert_eq!(error.unwrap().listen.as_deref(), Some(""));
                continue;
            }
            assert!(error.unwrap_err().to_string().contains("--set"), "{wrong}");
        }
        let unknown = [("HAIMA_NODE_LISSTEN".to_owned(), "x".to_owned())];
        let error = Config::layered(&path, unknown, &[]).unwrap_err().to_string();
        assert!(error.contains("HAIMA_NODE_LISSTEN") && error.contains("lissten"), "{error}");
        std::fs::write(&path, text + "more = 1\n").unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains("node.toml") && error.contains("more"), "{error}");
        std::fs::write(&path, "#".repeat(2 << 20)).unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains("node.toml") && error.contains("so long"), "{error}");
        let error = Config::read(&path.with_file_name("none.toml")).unwrap_err().to_string();
        assert!(error.contains("none.toml: missing; give --config"), "{error}");
    }
}
