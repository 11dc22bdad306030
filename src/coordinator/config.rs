//! The coordinator's configuration: one TOML file; paths are relative to its folder.

use std::path::{Path, PathBuf};

use haima_smpc_node::config_file;
use haima_smpc_node::manifest::{Manifest, TaskEntry};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::report::Wording;

/// Configuration of a coordinator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The study's manifest.
    pub manifest: PathBuf,
    /// Ed25519 identity key.
    pub identity: PathBuf,
    /// TLS certificate, PEM.
    pub tls_certificate: PathBuf,
    /// TLS private key, PEM.
    pub tls_key: PathBuf,
    /// HTTP proxy, `host:port`, through which connections outward go; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Folder for results, releases and the report; made when it does not exist.
    pub out: PathBuf,
    /// Which run of the tasks this is; sites answer an exact task once (rule X2).
    #[serde(default = "first")]
    pub run: u32,
    /// How long to wait for sites and nodes at the start, in seconds.
    #[serde(default = "a_minute")]
    pub wait_s: u64,
    /// Start when this many sites have joined; all when absent.
    #[serde(default)]
    pub wait_sites: Option<u32>,
    /// What the report says of the study.
    #[serde(default)]
    pub about: About,
}

/// What the report says of the study besides numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct About {
    /// Whom the study is about, e.g. `patients with acute myeloid leukaemia`.
    pub subject: String,
    /// Source, citation and licence of the data.
    pub data: String,
    /// What a reader must know first.
    pub warnings: Vec<String>,
    /// Heading of a task by its manifest id, in the place of the one that all parties signed.
    pub titles: std::collections::BTreeMap<String, String>,
    /// Words for columns and times.
    pub wording: Wording,
}

impl About {
    /// Heading of a task: these words', else the manifest's, else its id.
    #[must_use]
    pub fn heading<'a>(&'a self, manifest: &'a Manifest, id: &'a str) -> &'a str {
        let own = self.titles.get(id).map(String::as_str);
        own.or_else(|| manifest.task(id).ok().map(TaskEntry::heading)).unwrap_or(id)
    }
}

fn first() -> u32 {
    1
}

fn a_minute() -> u64 {
    60
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
            &mut config.out,
        ] {
            *path = folder.join(&*path);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::{About, Config};
    use crate::coordinator::refusals::tests::manifest;

    #[test]
    fn a_task_is_called_by_the_coordinators_words_then_by_the_manifests_then_by_its_id() {
        let mut manifest = manifest();
        let mut about = About::default();
        assert_eq!(about.heading(&manifest, "who"), "Who", "of the template");
        about.titles.insert("who".into(), "Ages".into());
        assert_eq!(about.heading(&manifest, "who"), "Ages");
        about.titles.clear();
        manifest.tasks[0].title = None;
        assert_eq!(about.heading(&manifest, "who"), "who");
        assert_eq!(about.heading(&manifest, "other"), "other");
    }

    #[test]
    fn a_configuration_that_is_longer_than_any_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coordinator.toml");
        std::fs::write(&path, "#".repeat(2 << 20)).unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains("coordinator.toml") && error.contains("so long"), "{error}");
    }
}
