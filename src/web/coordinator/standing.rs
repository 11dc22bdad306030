//! All that a coordinator's pages show, read from its files at one moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use haima_crypto::encode::Canonical as _;
use haima_dp::journal::Journal;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::plan::Plan;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::study::Study;

use super::rounds::{Progress, Round, progress, rounds};
use super::told::Told;
use crate::Error;
use crate::card::{Card, GeneratorCard};
use crate::coordinator::rounds::LABEL;
use crate::coordinator::{Config, record};
use crate::model_file::{ModelFile, is_generator};
use crate::report::{Step, StepResult, StudyReport};
use crate::synth::file::SynthFile;
use crate::web::journal::Log;
use crate::web::read::{Part, files, mark};

/// Bytes of a report that are read.
const MOST_REPORT: u64 = 256 << 20;

/// What stands in the files, and what the daemon told.
pub(super) struct Standing {
    pub(super) manifest: Arc<Manifest>,
    /// Of the whole study where it has ended, else of the tasks whose results are known.
    pub(super) report: Arc<StudyReport>,
    /// The report in the folder, whether it is shown or of an earlier run.
    written: Part<Option<Arc<StudyReport>>>,
    /// Whether the report is the daemon's own, of a study that has ended.
    pub(super) ended: bool,
    pub(super) rounds: Vec<Round>,
    pub(super) progress: Vec<Progress>,
    /// Verified.
    pub(super) journal: Log,
    /// Sites that have joined, and sites of the study, once the daemon said.
    pub(super) joined: Option<(usize, usize)>,
    /// Of each site the last round whose sum it is in, as the daemon told.
    pub(super) last_in: BTreeMap<String, u64>,
    /// The folder's files with their sizes and times.
    pub(super) files: Vec<File>,
}

/// A file of the coordinator's folder.
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// Last change, unix seconds.
    pub(super) at: u64,
    /// Whether it is a model or a generator, which has a card.
    pub(super) model: bool,
}

impl Standing {
    /// Reads it all; `before` is what was read last.
    ///
    /// # Errors
    /// When the study, its journal or its report cannot be used.
    pub(super) fn read(config: &Config, told: Told, before: Option<&Self>) -> Result<Self, Error> {
        let manifest = Study::read(&config.manifest)?.manifest();
        let name = &manifest.coordinator.name;
        let (path, key) = (config.out.join("audit.log"), manifest.identity(name)?);
        let journal = Log::read(&path, name, key, before.map(|before| &before.journal))?;
        let rounds = rounds(&announced(config)?, &journal.records);
        let last_ms = journal.records.last().map_or(0, |record| record.at_ms);
        let written = written(config, &manifest, before.map(|before| &before.written))?;
        let finished = written.as_ref().filter(|report| {
            // What was journaled after it belongs to a run that has not ended.
            !told.running && report.finished.saturating_add(1).saturating_mul(1000) >= last_ms
        });
        let ended = finished.is_some();
        let report = match finished {
            Some(report) => Arc::clone(report),
            None => Arc::new(so_far(config, &manifest, &told, &rounds)?),
        };
        let done =
            |task: &str| report.steps.iter().any(|step| step.id == task && step.result.is_some());
        Ok(Self {
            progress: progress(&manifest, &rounds, ended, done),
            joined: told.joined,
            last_in: told.last_in,
            files: files(&config.out).iter().filter_map(|path| file(path)).collect(),
            manifest,
            report,
            written,
            ended,
            rounds,
            journal,
        })
    }

    /// Heading of a task.
    pub(super) fn title<'a>(&'a self, config: &'a Config, task: &'a str) -> &'a str {
        config.about.heading(&self.manifest, task)
    }
}

fn announced(config: &Config) -> Result<Vec<RoundSpec>, Error> {
    let path = config.out.join("rounds.log");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let entries = Journal::read(&path, LABEL)?;
    Ok(entries.iter().map(|entry| RoundSpec::from_bytes(entry)).collect::<Result<_, _>>()?)
}

/// The report that the daemon wrote, if it is of this manifest.
fn written(
    config: &Config,
    manifest: &Manifest,
    before: Option<&Part<Option<Arc<StudyReport>>>>,
) -> Result<Part<Option<Arc<StudyReport>>>, Error> {
    let path = config.out.join("report.json");
    let mark = mark([path.as_path(), config.manifest.as_path()]);
    Part::try_renewed(before, mark, || {
        let Ok(meta) = std::fs::metadata(&path) else { return Ok(None) };
        if meta.len() > MOST_REPORT {
            let problem = format!("{} bytes; at most {MOST_REPORT} are read", meta.len());
            return Err(Error::config(&path, problem));
        }
        let bytes = std::fs::read(&path).map_err(|e| Error::file(&path, e))?;
        let report: StudyReport =
            serde_json::from_slice(&bytes).map_err(|e| Error::config(&path, e.to_string()))?;
        let own = report.manifest_digest == manifest.digest().to_string();
        Ok(own.then(|| Arc::new(report)))
    })
}

/// A report of the tasks whose results are known.
fn so_far(
    config: &Config,
    manifest: &Manifest,
    told: &Told,
    rounds: &[Round],
) -> Result<StudyReport, Error> {
    let plan = Plan::of(manifest);
    let mut report = record::outline(manifest, &plan, &config.about)?;
    for entry in &manifest.tasks {
        let Some(result) = told.results.get(&entry.id) else { continue };
        let ends = || {
            let own = rounds.iter().filter(|round| round.task == entry.id);
            own.filter_map(|round| round.end.as_ref())
        };
        let count = |released: bool| ends().filter(|end| end.released == released).count();
        let title = config.about.heading(manifest, &entry.id);
        report.steps.push(Step {
            id: entry.id.clone(),
            title: title.to_owned(),
            task: entry.task.clone(),
            class: record::class(manifest, &plan, entry)?,
            cohort: record::cohort(manifest, entry)?,
            rounds: u32::try_from(count(true)).unwrap_or(u32::MAX),
            attempts_failed: u32::try_from(count(false)).unwrap_or(u32::MAX),
            seconds: 0.0,
            bytes_sent_by_sites: 0,
            bytes_received_by_nodes: 0,
            bytes_released: 0,
            result: Some(StepResult::read(result)),
        });
    }
    Ok(report)
}

fn file(path: &Path) -> Option<File> {
    let meta = std::fs::metadata(path).ok()?;
    let since = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(File {
        name: path.file_name()?.to_str()?.to_owned(),
        bytes: meta.len(),
        at: since.as_secs(),
        model: is_model(path),
    })
}

/// Whether a file is named as a model or a generator.
pub(super) fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "haima")
}

/// The card of a model or a generator, as Markdown.
///
/// # Errors
/// When it is none.
pub(super) fn card(path: &Path) -> Result<String, Error> {
    if is_generator(path) {
        let (file, digest) = SynthFile::read(path)?;
        return Ok(GeneratorCard::of(&file, &digest)?.markdown());
    }
    Ok(Card::of(&ModelFile::read(path)?)?.markdown())
}
