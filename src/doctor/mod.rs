//! What a person wants to know before the first study, or when something is wrong: machine, clock,
//! disk, configuration, study, keys, policy, data, ledger, journal, peers. Each check is fine, or says
//! what is wrong and what to do.
//!
//! `machine` looks at what holds for every party, `study` at manifest, signatures and keys, `kept` at
//! journals, `network` at names, addresses and peers; `site` and `coordinator` put them together, and `node` asks the
//! node's own preflight.
//!
//! # Security
//! Findings are pasted into messages to others. No finding holds a secret, a patient's value or a
//! number of patients, and what can be a password is cut out of whatever is repeated here
//! (`secrets`). It reads, and leaves nothing behind: a probe of a folder is removed again, and no
//! party is joined.

mod coordinator;
mod kept;
mod machine;
mod network;
mod node;
mod secrets;
mod site;
mod study;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Error;

/// Form of a diagnosis.
pub const SCHEMA: &str = "haima.doctor/1";

/// Configurations that are looked for where none is named.
const HERE: [&str; 3] = ["site.toml", "coordinator.toml", "node.toml"];

/// How a check came out, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing to do.
    Ok,
    /// It works, but somebody should look.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// How it came out.
    pub level: Level,
    /// What was found, and what to do.
    pub finding: String,
}

/// Which party a configuration is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// A hospital.
    Site,
    /// The coordinator.
    Coordinator,
    /// An SMPC node.
    Node,
}

/// Everything that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The configuration, where there is one.
    pub config: Option<String>,
    /// Whose it is, where that can be told.
    pub party: Option<Party>,
    /// The worst of the checks.
    pub level: Level,
    /// The checks, in the order in which one builds on another.
    pub checks: Vec<Check>,
}

impl Check {
    fn new(what: &str, level: Level, finding: &str) -> Self {
        Self { what: what.to_owned(), level, finding: secrets::without(finding) }
    }

    fn ok(what: &str, finding: &str) -> Self {
        Self::new(what, Level::Ok, finding)
    }

    fn warn(what: &str, finding: &str) -> Self {
        Self::new(what, Level::Warn, finding)
    }

    fn fail(what: &str, finding: &str) -> Self {
        Self::new(what, Level::Fail, finding)
    }

    /// What was found, or an error with what to do.
    fn of(what: &str, found: Result<String, Error>, remedy: &str) -> Self {
        match found {
            Ok(finding) => Self::ok(what, &finding),
            Err(error) => {
                // First, so that what is cut out of the error takes nothing of the remedy along.
                let error = secrets::without(error.to_string().trim_end());
                let finding = format!("{error}; {remedy}");
                Self { what: what.to_owned(), level: Level::Fail, finding }
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        // What a parser says has lines of its own.
        let finding = self.finding.replace('\n', "\n      ");
        write!(f, "{level}  {}: {finding}", self.what)
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checks.iter().try_for_each(|check| writeln!(f, "{check}"))
    }
}

/// Looks at everything that the configuration names; without one, at that of this folder, if there is
/// any, and at the machine. What needs what an earlier check did not find is left out. Peers that do
/// not answer cost some twenty seconds in all.
pub async fn examine(config: Option<&Path>) -> Diagnosis {
    let mut checks = vec![machine::program(), machine::clock()];
    let here = || HERE.iter().map(PathBuf::from).find(|path| path.is_file());
    let path = config.map(Path::to_path_buf).or_else(here);
    let mut party = None;
    match &path {
        None => {
            checks.push(machine::disk(Path::new("."), 0));
            let finding = "none here, so no party was looked at; give --config FILE, or make one: \
                           docs/guides";
            checks.push(Check::ok("configuration", finding));
        }
        Some(path) => match party_of(path) {
            Err(error) => checks.push(Check::of("configuration", Err(error), "see docs/guides")),
            Ok(found) => {
                party = Some(found);
                checks.extend(match found {
                    Party::Site => site::examine(path).await,
                    Party::Coordinator => coordinator::examine(path).await,
                    Party::Node => node::examine(path).await,
                });
            }
        },
    }
    let level = checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok);
    let config = path.map(|path| path.display().to_string());
    Diagnosis { schema: SCHEMA, config, party, level, checks }
}

/// Whose configuration a file is, by the fields that it has.
fn party_of(path: &Path) -> Result<Party, Error> {
    /// Longer than any configuration.
    const MOST: u64 = 1 << 20;
    let meta = std::fs::metadata(path).map_err(|e| Error::file(path, e))?;
    // A pipe would be waited for, and has no size.
    if !meta.is_file() {
        return Err(Error::config(path, machine::NO_FILE));
    }
    let size = meta.len();
    if size > MOST {
        return Err(Error::config(path, format!("{size} bytes; no configuration is so long")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
    let table: toml::Table =
        text.parse().map_err(|e: toml::de::Error| Error::config(path, e.to_string()))?;
    let has = |fields: &[&str]| fields.iter().any(|field| table.contains_key(*field));
    if has(&["noise_key", "epoch_key", "store"]) {
        Ok(Party::Node)
    } else if has(&["policy", "data", "state"]) {
        Ok(Party::Site)
    } else if has(&["out"]) {
        Ok(Party::Coordinator)
    } else {
        let problem = "is no configuration of a site (it has `policy`, `data`, `state`), a \
                       coordinator (`out`) or a node (`store`, `noise_key`)";
        Err(Error::config(path, problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_party_is_told_by_the_fields_and_a_file_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        for (text, party) in [
            ("manifest = 'm'\nout = 'out'", Party::Coordinator),
            ("policy = 'p'\nstate = 's'", Party::Site),
            ("store = 'node.db'\nnoise_key = 'k'", Party::Node),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(party_of(&path).unwrap(), party, "{text}");
        }
        for text in ["", "study = 'x'", "out = ", "\u{0}"] {
            std::fs::write(&path, text).unwrap();
            assert!(party_of(&path).is_err(), "{text:?}");
        }
        std::fs::write(&path, " ".repeat(2 << 20)).unwrap();
        assert!(party_of(&path).unwrap_err().to_string().contains("so long"));
    }

    /// Nobody writes into it, so whoever reads it waits for ever.
    #[test]
    fn a_pipe_is_no_configuration_and_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe.toml");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let named = [("policy", path.as_path())];
            let found = (party_of(&path).map_err(|e| e.to_string()), machine::no_files(&named));
            let _ = tell.send(found);
        });
        let (party, checks) = told.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        assert!(party.unwrap_err().contains("is no file"));
        assert!(checks.len() == 1 && checks[0].finding.contains("`policy`"), "{checks:?}");
        let fine =
            machine::no_files(&[("data", Path::new("Cargo.toml")), ("key", Path::new("none"))]);
        assert!(fine.is_empty(), "{fine:?}");
    }

    #[test]
    fn no_finding_repeats_a_password() {
        let error =
            Error::config(Path::new("a.toml"), "store: postgres://haima:s3cret@db: refused");
        let finding = Check::of("store", Err(error), "see docs/guides").finding;
        assert!(!finding.contains("s3cret") && finding.ends_with("; see docs/guides"), "{finding}");
    }

    #[test]
    fn the_worst_check_is_the_level_of_all_and_each_has_a_line() {
        assert!(Level::Ok < Level::Warn && Level::Warn < Level::Fail);
        let check = Check::fail("policy", "line 1\nline 2");
        assert_eq!(check.to_string(), "fail  policy: line 1\n      line 2");
    }
}
