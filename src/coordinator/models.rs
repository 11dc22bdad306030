//! The models that a study's trainings left, and its generators of virtual patients, a file each
//! beside the report: `models/TASK.haima`.
//!
//! What is said of one comes from the manifest, which all parties signed, from the record of the task's
//! own sums, and from what later tasks of the study found of it ([`said`]). Whom the study is about,
//! where its data are from and its warnings stand in the coordinator's own configuration, which nobody
//! else signed. The coordinator has seen no patient, so it counts none.

mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use haima_crypto::encode::Digest;
use haima_fl_core::learn::strategies::Unit;
use haima_fl_core::results::generator::{self, Generator};
use haima_fl_core::results::network::{self, Network};
use haima_fl_core::tasks::{synthesize, train};
use haima_smpc_node::manifest::{Manifest, TaskEntry};
use serde::Deserialize as _;
use serde_json::Value;

use super::config::About;
use super::events::Event;
use crate::Error;
use crate::model_file::{Figure, ModelFile, making};
use crate::report::Committed;
use crate::synth::file::SynthFile;

/// Folder of the files, beside the report.
const FOLDER: &str = "models";

/// A study that has ended, as far as its models are concerned.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    /// The manifest.
    pub(super) manifest: &'a Manifest,
    /// What is said of the study besides numbers.
    pub(super) about: &'a About,
    /// Results by task id.
    pub(super) results: &'a BTreeMap<String, Value>,
    /// All that happened.
    pub(super) log: &'a [Event],
    /// How sums were formed, in words.
    pub(super) mode: &'a str,
    /// The plan of all private tasks together.
    pub(super) committed: Option<&'a Committed>,
    /// Digest of the last record of the coordinator's journal.
    pub(super) journal: Digest,
}

/// What a task left that becomes a file.
enum Made {
    Network(Box<Network>),
    Generator(Box<Generator>),
}

/// The file that it becomes.
enum File {
    Model(ModelFile),
    Generator(SynthFile),
}

impl Ended<'_> {
    /// Writes a file for each generator, and for each training that left a whole model, into `models`
    /// of a folder. Those that an earlier run left there go.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub(super) fn write(&self, out: &Path) -> Result<(), Error> {
        let folder = out.join(FOLDER);
        remove_earlier(self.manifest, &folder)?;
        for entry in &self.manifest.tasks {
            let Some(result) = self.results.get(&entry.id) else { continue };
            let Some(file) = self.file(entry, result)? else { continue };
            if let Err(error) = file.check() {
                tracing::warn!(task = %entry.id, %error, "the task leaves no model file");
                continue;
            }
            std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, e))?;
            file.write(&file_of(&folder, entry))?;
        }
        Ok(())
    }

    /// The file of a task's result; `None` where it is no model.
    fn file(&self, entry: &TaskEntry, result: &Value) -> Result<Option<File>, Error> {
        let Some(made) = Made::of(entry, result)? else { return Ok(None) };
        let (provenance, study_schema) =
            (self.provenance(entry, &made)?, self.manifest.schema.clone());
        Ok(Some(match made {
            Made::Network(_) => {
                File::Model(ModelFile { network: result.clone(), study_schema, provenance })
            }
            Made::Generator(_) => File::Generator(SynthFile {
                study: self.manifest.study.clone(),
                generator: result.clone(),
                study_schema,
                provenance,
            }),
        }))
    }
}

impl Made {
    fn of(entry: &TaskEntry, result: &Value) -> Result<Option<Self>, Error> {
        Ok(match result.get("schema").and_then(Value::as_str) {
            Some(network::SCHEMA) => {
                let network = Network::deserialize(result).map_err(|error| Error::Config {
                    file: format!("task {}", entry.id),
                    problem: format!("the result is no network: {error}"),
                })?;
                Some(Self::Network(Box::new(network)))
            }
            Some(generator::SCHEMA) => Some(Self::Generator(Box::new(Generator::read(result)?))),
            _ => None,
        })
    }

    /// Whether its noise hides a whole hospital's update instead of a patient.
    fn hides_hospital(&self) -> bool {
        match self {
            Self::Network(network) => network.unit == Unit::Site,
            Self::Generator(_) => false,
        }
    }

    /// Share of patients kept out of its making.
    fn holdout(&self) -> f64 {
        match self {
            Self::Network(network) => network.holdout,
            Self::Generator(generator) => generator.holdout,
        }
    }

    /// The network that it is, or that its rows are drawn from.
    fn network(&self) -> Option<&Network> {
        match self {
            Self::Network(network) => Some(network),
            Self::Generator(generator) => generator.network(),
        }
    }

    /// Bins of its columns and figures of its inputs, public or of earlier tasks.
    fn figures(&self) -> Vec<Figure> {
        let bins = match self {
            Self::Network(_) => Vec::new(),
            Self::Generator(generator) => making::of_domain(&generator.domain, false),
        };
        let inputs = self.network().map(|network| making::of_inputs(network, false));
        bins.into_iter().chain(inputs.into_iter().flatten()).collect()
    }

    /// The earlier tasks whose figures its inputs use.
    fn built_on(&self) -> BTreeSet<&str> {
        let terms = self.network().into_iter().flat_map(|network| &network.model.terms);
        let used = terms.flat_map(|term| &term.figures);
        used.map(|used| used.task.as_str()).collect()
    }
}

impl File {
    /// Whether whoever has it can use it.
    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Model(model) => model.open().map(drop),
            Self::Generator(generator) => generator.open().map(drop),
        }
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Model(model) => model.write(path),
            Self::Generator(generator) => generator.write(path).map(drop),
        }
    }
}

/// Copies the models that a study's coordinator left in one folder to another. Those that an earlier
/// run left there go.
///
/// # Errors
/// When a file cannot be copied or removed.
#[cfg(feature = "demo")]
pub(crate) fn copy(manifest: &Manifest, made: &Path, out: &Path) -> Result<(), Error> {
    let (from, to) = (made.join(FOLDER), out.join(FOLDER));
    remove_earlier(manifest, &to)?;
    if !from.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(&to).map_err(|e| Error::file(&to, e))?;
    for entry in std::fs::read_dir(&from).map_err(|e| Error::file(&from, e))? {
        let entry = entry.map_err(|e| Error::file(&from, e))?;
        let copied = std::fs::copy(entry.path(), to.join(entry.file_name()));
        copied.map_err(|e| Error::file(&entry.path(), e))?;
    }
    Ok(())
}

/// Removes the files of a study's trainings and generators: a task of this run may leave none, and
/// what stands beside a report is taken for its own.
fn remove_earlier(manifest: &Manifest, folder: &Path) -> Result<(), Error> {
    let leaves_one = |entry: &&TaskEntry| [train::NAME, synthesize::NAME].contains(&&*entry.task);
    for entry in manifest.tasks.iter().filter(leaves_one) {
        let file = file_of(folder, entry);
        if let Err(error) = std::fs::remove_file(&file)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(Error::file(&file, error));
        }
    }
    Ok(())
}

fn file_of(folder: &Path, entry: &TaskEntry) -> PathBuf {
    folder.join(format!("{}.haima", entry.id))
}

#[cfg(test)]
mod tests;
