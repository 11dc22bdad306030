//! The models that a study's trainings left, a file each beside the report: `models/TASK.haima`.
//!
//! What its card says comes from the manifest, which all parties signed, from the record of the
//! training's own sums, and from what later tasks of the study found of the model. Whom the study is
//! about, where its data are from and its warnings stand in the coordinator's own configuration, which
//! nobody else signed. The coordinator has seen no patient, so it counts none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use haima_crypto::encode::Digest;
use haima_fl_core::learn::strategies::Unit;
use haima_fl_core::results::network::{Network, SCHEMA};
use haima_fl_core::schema::Schema;
use haima_fl_core::selection::Selection;
use haima_fl_core::tasks::{concordance, train, validate};
use haima_smpc_node::manifest::{Manifest, TaskEntry};
use haima_smpc_node::plan::{Plan, TaskPlan};
use serde::Deserialize as _;
use serde_json::Value;

use super::config::About;
use super::events::Event;
use super::record::{absences, of_task};
use crate::Error;
use crate::card::SUBJECT;
use crate::model_file::guarantee::{Coalition, Terms};
use crate::model_file::{
    Data, Figure, Guarantee, Metric, ModelFile, PROVENANCE_SCHEMA, Provenance, making, metrics,
};
use crate::report::{Committed, numbers};

/// Folder of the files, beside the report.
const FOLDER: &str = "models";
/// Where a study's public numbers stand.
const MANIFEST: &str = "the manifest";

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

impl Ended<'_> {
    /// Writes a file for each training that left a whole model into `models` of a folder. Those that
    /// an earlier run left there go.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub(super) fn write(&self, out: &Path) -> Result<(), Error> {
        let folder = out.join(FOLDER);
        remove_earlier(self.manifest, &folder)?;
        for entry in &self.manifest.tasks {
            let Some(result) = self.results.get(&entry.id) else { continue };
            if result.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
                continue;
            }
            let model = self.model(entry, result)?;
            if let Err(error) = model.open() {
                tracing::warn!(task = %entry.id, %error, "the training leaves no model file");
                continue;
            }
            std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, e))?;
            model.write(&file_of(&folder, entry))?;
        }
        Ok(())
    }

    fn model(&self, entry: &TaskEntry, result: &Value) -> Result<ModelFile, Error> {
        let manifest = self.manifest;
        let network = Network::deserialize(result).map_err(|error| Error::Config {
            file: format!("task {}", entry.id),
            problem: format!("the result is no network: {error}"),
        })?;
        let plan = Plan::of(manifest);
        let own: Vec<&Event> = of_task(self.log, &entry.id).collect();
        let (excluded, warnings) = absences(manifest, &own);
        let mut notes = self.notes(entry, &own, of_plan(&plan, &entry.id).is_some());
        notes.extend(warnings);
        notes.extend(self.charges(entry, &network, &plan)?);
        let mut task = making::task(&entry.task, entry.version, &entry.params);
        if !self.about.subject.is_empty() {
            task.insert(SUBJECT.into(), self.about.subject.as_str().into());
        }
        let provenance = Provenance {
            schema: PROVENANCE_SCHEMA.into(),
            task,
            mode: self.mode.into(),
            data: Data {
                hospitals: manifest.sites.len().saturating_sub(excluded.len()) as u64,
                excluded,
                patients: None,
                cohort: self.cohort(entry)?.to_string(),
                schema_digest: making::schema_digest(&manifest.schema)?,
                schema_inferred: false,
            },
            privacy: self.guarantee(of_plan(&plan, &entry.id), &network)?,
            figures: self.figures(entry, &network),
            metrics: self.metrics(&entry.id, &network, &plan)?,
            notes,
            journal: Some(self.journal.to_string()),
        };
        Ok(ModelFile { network: result.clone(), study_schema: manifest.schema.clone(), provenance })
    }

    fn cohort(&self, entry: &TaskEntry) -> Result<Selection, Error> {
        Ok(Selection::of_params(&entry.params, &Schema::from_toml(&self.manifest.schema)?)?)
    }

    fn guarantee(&self, plan: Option<&TaskPlan>, network: &Network) -> Result<Guarantee, Error> {
        let Some(plan) = plan else { return Ok(Guarantee::exact()) };
        let terms = Terms {
            coalition: match self.manifest.masking {
                Some(masking) => Coalition::Masked(Some(masking.corrupt)),
                None => Coalition::Nodes,
            },
            hides_hospital: network.unit == Unit::Site,
            hospitals_per_patient: self.manifest.hospitals_per_patient,
            simulated: false,
            note: "the promise of the committed plan, whatever number of its rounds ran",
        };
        Guarantee::of(plan, &terms)
    }

    /// Every number that the manifest gives to the training, and every figure of an input (rule S4).
    fn figures(&self, entry: &TaskEntry, network: &Network) -> Vec<Figure> {
        let manifest = self.manifest;
        let mut figures = making::of_params(&entry.params, MANIFEST);
        let own = [
            ("max_steps", entry.max_steps.into()),
            ("spare_attempts", entry.spare_attempts.into()),
            ("min_sites", manifest.min_sites.into()),
            ("max_patients", manifest.max_patients()),
            ("hospitals_per_patient", manifest.hospitals_per_patient.into()),
        ];
        let public = |(name, value): (&str, u64)| making::public(name, value.to_string(), MANIFEST);
        figures.extend(own.map(public));
        figures.extend(making::of_inputs(network, false));
        figures
    }

    /// What later tasks of the study found of a model.
    fn metrics(&self, id: &str, network: &Network, plan: &Plan) -> Result<Vec<Metric>, Error> {
        let mut found = Vec::new();
        let schema = Schema::from_toml(&self.manifest.schema)?;
        for entry in &self.manifest.tasks {
            let text = |key: &str| entry.params.get(key).and_then(toml::Value::as_str);
            let Some(result) = self.results.get(&entry.id).filter(|_| text("model") == Some(id))
            else {
                continue;
            };
            let subset = result.get("subset").and_then(Value::as_str).or(text("subset"));
            let whom = metrics::whom(subset, network.holdout);
            let over = self.over(entry, result, whom, of_plan(plan, &entry.id))?;
            found.extend(match entry.task.as_str() {
                validate::NAME => {
                    let unit = metrics::unit_of_time(&entry.params, &schema);
                    metrics::of_validation(result, &over, unit)
                }
                concordance::NAME => metrics::of_concordance(result, &over),
                _ => Vec::new(),
            });
        }
        Ok(found)
    }

    /// Over whom a task judged a model, and by what kind of sums.
    fn over(
        &self,
        entry: &TaskEntry,
        result: &Value,
        whom: &str,
        plan: Option<&TaskPlan>,
    ) -> Result<String, Error> {
        let number = |key: &str| result.get(key).and_then(Value::as_u64);
        let mut over = numbers::counted(number("n").unwrap_or(0), "patient", "patients");
        if let Some(sites) = number("sites") {
            over += &format!(" of {}", numbers::counted(sites, "hospital", "hospitals"));
        }
        over += &match plan {
            None => format!(", {whom}, exact sums, task {}", entry.id),
            Some(plan) => {
                format!(", {whom}, sums under noise ({}), task {}", promise(plan)?, entry.id)
            }
        };
        for predicate in self.cohort(entry)?.to_string().lines() {
            over += &format!(", {predicate}");
        }
        Ok(over)
    }

    /// The study, and how the training's own sums went.
    fn notes(&self, entry: &TaskEntry, own: &[&Event], is_charged: bool) -> Vec<String> {
        let manifest = self.manifest;
        let mut notes = vec![
            format!("task {} of the study {}", entry.id, manifest.study),
            format!("manifest {}, signed by every party", manifest.digest()),
        ];
        if !self.about.data.is_empty() {
            notes.push(format!("data: {}", self.about.data));
        }
        notes.extend(self.about.warnings.iter().cloned());
        let accepted = own.iter().filter_map(|event| match event {
            Event::Released { accepted, .. } => Some(accepted.len()),
            _ => None,
        });
        if let (Some(least), Some(most)) = (accepted.clone().min(), accepted.max())
            && least < most
        {
            notes.push(format!("its sums have {least} to {most} hospitals each"));
        }
        let failed = own.iter().filter(|event| matches!(event, Event::Failed { .. })).count();
        if failed > 0 {
            let attempts = numbers::counted(failed as u64, "attempt", "attempts");
            let price = if is_charged { ", each charged as a release is" } else { "" };
            notes.push(format!("{attempts} failed{price}"));
        }
        notes
    }

    /// What else the study's patients were charged, or were not.
    fn charges(
        &self,
        entry: &TaskEntry,
        network: &Network,
        plan: &Plan,
    ) -> Result<Vec<String>, Error> {
        if of_plan(plan, &entry.id).is_none() {
            return Ok(vec![
                "a hospital below its own floor of rows adds zeros, and is counted all the same"
                    .to_owned(),
            ]);
        }
        let mut notes = Vec::new();
        let used = network.model.terms.iter().flat_map(|term| &term.figures);
        for id in used.map(|used| used.task.as_str()).collect::<BTreeSet<_>>() {
            notes.push(match of_plan(plan, id) {
                Some(plan) => {
                    format!("figures of task {id} were charged apart: {}", promise(plan)?)
                }
                None => format!(
                    "inputs use figures of task {id}, released without noise: the promise does not \
                     cover them"
                ),
            });
        }
        if let Some(Committed { delta, best_coalition: best, .. }) = self.committed {
            let (epsilon, delta) = (rounded_up(best.epsilon), numbers::scientific(*delta));
            notes.push(format!(
                "all private tasks of the study together: epsilon {epsilon} at delta {delta} against \
                 the same adversary ({})",
                best.method
            ));
        }
        let is_exact =
            |event: &&Event| matches!(event, Event::Released { round, .. } if round.exact);
        let exact = self.log.iter().filter(is_exact).count();
        if exact > 0 {
            let sums = numbers::counted(exact as u64, "exact sum", "exact sums");
            notes.push(format!("besides, the study released {sums}, which no epsilon covers"));
        }
        Ok(notes)
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

/// Removes the files of a study's trainings: a training of this run may leave none, and what stands
/// beside a report is taken for its own.
fn remove_earlier(manifest: &Manifest, folder: &Path) -> Result<(), Error> {
    for entry in manifest.tasks.iter().filter(|entry| entry.task == train::NAME) {
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

fn of_plan<'a>(plan: &'a Plan, id: &str) -> Option<&'a TaskPlan> {
    plan.tasks.iter().find(|task| task.id == id)
}

/// What the attempts of a task are charged.
fn promise(plan: &TaskPlan) -> Result<String, Error> {
    let (epsilon, delta) = (plan.charged()?.epsilon.get(), numbers::scientific(plan.noise.delta));
    Ok(format!("epsilon {} at delta {delta}", rounded_up(epsilon)))
}

/// An epsilon that is never shown smaller than it is.
fn rounded_up(epsilon: f64) -> String {
    format!("{:.3}", (epsilon * 1000.0).ceil() / 1000.0)
}

#[cfg(test)]
mod tests;
