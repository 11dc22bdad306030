//! How well a model does at hospitals, by sums of them: the task `validate` with the model as its
//! earlier task.
//!
//! The class is exact, over sums in this process: a study evaluates under its own budget, by a task
//! `validate` after its `train`. Patients that the training used are not counted where the model kept
//! others out. A hospital that is left out for having too few of them is named, on the card too: how
//! well a model does is then said of the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::model::Kind;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::network::Network;
use haima_fl_core::schema::Schema;
use haima_fl_core::selection;
use haima_fl_core::sum::drive;
use haima_fl_core::tasks::validate;
use serde_json::{Value, json};

use crate::Error;
use crate::model_file::patients::Patients;
use crate::model_file::{Metric, ModelFile, Provenance, metrics};
use crate::pooled::Table;
use crate::report::{Excluded, Floors, numbers};
use crate::stats::hospitals::{Hospitals, plain_sums};
use crate::stats::{self, Sites};

/// Id of the model among the finished tasks.
const MODEL: &str = "model";
/// Columns by which a model says what it predicts.
const OUTCOME: [&str; 3] = ["outcome", "time", "event"];
/// Files that are named as those of the patients.
const MOST_NAMED: usize = 2;
/// How a task's note of a floor begins; it does not know of whom.
const BELOW: &str = "fewer complete rows than the site's floor";

/// What to evaluate on, and how.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// A pooled CSV, or one a hospital.
    pub data: Vec<PathBuf>,
    /// How rows of a pooled file become hospitals; `None`: a file is a hospital.
    pub sites: Option<Sites>,
    /// Fewest hospitals in a sum, fewest rows of one.
    pub floors: Floors,
    /// Of whom: `holdout`, `training`, `all`; by default those kept out, where there are any.
    pub subset: Option<String>,
    /// Horizons of a survival model.
    pub horizons: Vec<f64>,
}

/// What an evaluation found.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The task's result.
    pub result: Value,
    /// Its figures, for the card.
    pub metrics: Vec<Metric>,
    /// Hospitals that took part.
    pub hospitals: usize,
    /// Hospitals left out.
    pub excluded: Vec<Excluded>,
    /// Of whom the figures are.
    pub whom: &'static str,
    /// Over whom, with the files that they are from, as the card says it.
    pub over: String,
    /// Why a figure is missing that could be had elsewhere.
    pub notes: Vec<String>,
}

impl Evaluated {
    /// Adds the figures to a model's card, with the hospitals that are left out. Earlier figures of
    /// other patients stay.
    pub fn add_to(&self, provenance: &mut Provenance) {
        provenance.metrics.retain(|metric| metric.over != self.over);
        provenance.metrics.extend(self.metrics.iter().cloned());
        let of = metrics::left_out_of(&self.over);
        provenance.notes.retain(|note| !note.starts_with(&of));
        provenance.notes.extend(self.excluded.iter().map(|out| {
            // How many rows it has in all is no matter of the card's readers.
            let reason = out.reason.split(" (").next().unwrap_or_default();
            metrics::left_out(&self.over, &out.site, reason)
        }));
    }
}

/// Evaluates a model over sums of hospitals.
///
/// # Errors
/// When the data do not fit the model's schema (with file, line and column), too few hospitals have
/// enough patients, or the model predicts nothing that `validate` judges.
pub fn evaluate(model: &ModelFile, path: &Path, with: &Evaluation) -> Result<Evaluated, Error> {
    can_be_judged(model, path)?;
    let network = model.parsed()?;
    let whom = metrics::whom(with.subset.as_deref(), network.holdout);
    let hospitals = hospitals(model, path, with)?;
    let params = params(model, &network, with);
    let finished: Finished = BTreeMap::from([(MODEL.to_owned(), model.network.clone())]);
    let open =
        || registry::open(validate::NAME, validate::VERSION, &params, &hospitals.schema, &finished);
    let mut run = open().map_err(|error| Error::config(path, error.to_string()))?;
    let file = with.data.first().map_or(path, PathBuf::as_path);
    let (taken, mut excluded) =
        hospitals.floors(run.as_ref(), &with.floors, file).map_err(|error| match error {
            Error::Floor { file, problem } => {
                Error::Floor { file, problem: of_whom(&problem, whom) + " (--min-local-rows)" }
            }
            error => error,
        })?;
    for out in &mut excluded {
        out.reason = of_whom(&out.reason, whom);
    }
    let cohorts = hospitals.of(&taken);
    let mut sums = plain_sums(&cohorts, hospitals.max_patients, &with.floors, open)?;
    let mut result = drive(run.as_mut(), &mut sums)?;
    let patients = result.get("n").and_then(Value::as_u64).unwrap_or(0);
    let mut over = format!(
        "{} of {} ({}), {whom}, exact sums",
        numbers::counted(patients, "patient", "patients"),
        numbers::counted(taken.len() as u64, "hospital", "hospitals"),
        names(&with.data)
    );
    if !excluded.is_empty() {
        over += &format!(", {} left out", excluded.len());
    }
    let unit = metrics::unit_of_time(&params, &hospitals.schema);
    let metrics = metrics::of_validation(&result, &over, unit);
    if let Some(result) = result.as_object_mut() {
        result.insert("mode".into(), stats::Summing::Plain.mode().into());
        result.insert("excluded".into(), json!(excluded));
        let note = "exact: no differential privacy";
        result.insert("privacy".into(), json!({ "class": "exact", "note": note }));
    }
    let mut notes = notes(&result, unit);
    let words = |(_, words): (&Metric, String)| format!("{words}, by more than chance explains");
    notes.extend(metrics::off(&metrics).map(words));
    if with.subset.is_none() && network.holdout > 0.0 {
        notes.push(kept_out(model, &hospitals)?);
    }
    Ok(Evaluated { result, metrics, hospitals: taken.len(), excluded, whom, over, notes })
}

/// Whom an evaluation is over when nobody says: the training's seed knows no patients of elsewhere.
fn kept_out(model: &ModelFile, hospitals: &Hospitals) -> Result<String, Error> {
    let trained = model.open()?;
    let held = |cohort: &Cohort| {
        (0..cohort.len()).filter(|patient| trained.holds_out(cohort, *patient)).count()
    };
    let held: usize = hospitals.cohorts.values().map(held).sum();
    let rows: usize = hospitals.cohorts.values().map(Cohort::len).sum();
    Ok(format!(
        "these are the patients that the training's seed keeps out: {held} of {rows} rows; for other \
         patients than the training's say --subset all"
    ))
}

/// What patients' files are called, without folder and ending.
fn names(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut names = files.iter().take(MOST_NAMED).map(name).collect::<Vec<_>>().join(", ");
    if let more @ 1.. = files.len().saturating_sub(MOST_NAMED) {
        names += &format!(" and {more} more");
    }
    names
}

/// Refuses what `validate` has no question for.
fn can_be_judged(model: &ModelFile, path: &Path) -> Result<(), Error> {
    let trained = model.open()?;
    let outputs = trained.model().outputs();
    match trained.model().kind() {
        Kind::Binary | Kind::Classes | Kind::Survival => Ok(()),
        Kind::Competing => {
            let risks: Vec<&str> = outputs
                .iter()
                .map(String::as_str)
                .filter(|name| name.starts_with("risk_"))
                .collect();
            let problem = format!(
                "predicts competing risks, and `haima evaluate` judges one outcome. In a study, \
                 `validate` ranks one cause at a time: `class` one of {}, and as `event` a flag of \
                 that cause; `haima predict --json` has every patient's incidences",
                risks.join(", ")
            );
            Err(Error::config(path, problem))
        }
        Kind::Reconstruction => {
            let problem = "predicts no outcome, only its own inputs again: there is nothing to judge \
                           it by";
            Err(Error::config(path, problem))
        }
    }
}

/// A reason of the floor, saying whose number it is.
fn of_whom(reason: &str, whom: &str) -> String {
    let patients = if whom.starts_with("all") { "complete patients" } else { whom };
    reason.replace(BELOW, &format!("fewer {patients} than the floor"))
}

/// Why a validation lacks a figure; its times are in `unit`.
fn notes(result: &Value, unit: &str) -> Vec<String> {
    let list = |path: &str| result.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let own = list("/binary/probability/notes").filter_map(Value::as_str).map(str::to_owned);
    let at = list("/survival/horizons").filter_map(|horizon| {
        let note = horizon.get("note")?.as_str()?;
        Some(format!("at {}: {note}", metrics::in_unit(horizon.get("time")?.as_f64()?, unit)))
    });
    own.chain(at).collect()
}

fn hospitals(model: &ModelFile, path: &Path, with: &Evaluation) -> Result<Hospitals, Error> {
    let text = &model.study_schema;
    let schema = Schema::from_toml(text)?;
    let (mut texts, mut cohorts) = (BTreeMap::new(), BTreeMap::new());
    match (with.data.as_slice(), &with.sites) {
        ([file], Some(sites)) => {
            let table = Table::read(file)?;
            let (_, of_row) = stats::rows_of(&table, sites)?;
            // All rows at once, so that a fault is told with its line in this file.
            Patients::open(file)?.read(&schema)?;
            for name in stats::distinct(&of_row) {
                if name.is_empty() {
                    let problem = "a row has no value in the column of hospitals";
                    return Err(Error::config(file, problem));
                }
                let own = |row: usize| of_row.get(row).is_some_and(|of| of == name);
                let text = table.select(own).text()?;
                let cohort = Patients::of(file, text.as_bytes())?.read(&schema)?;
                cohorts.insert(name.to_owned(), cohort);
                texts.insert(name.to_owned(), text);
            }
        }
        ([], _) => return Err(Error::config(path, "give the hospitals' patients by --data")),
        ([file, ..], Some(_)) => {
            let problem = "--site and --deal split one file; several files are a hospital each";
            return Err(Error::config(file, problem));
        }
        (files, None) => {
            for file in files {
                let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let cohort = Patients::open(file)?.read(&schema)?;
                if cohorts.insert(name.clone(), cohort).is_some() {
                    let problem = format!("two files give the hospital {name}; rename one");
                    return Err(Error::config(file, problem));
                }
            }
        }
    }
    let largest = cohorts.values().map(Cohort::len).max().unwrap_or(0);
    let max_patients = stats::round_up(largest);
    let (schema_text, public) = (text.clone(), stats::Public::default());
    Ok(Hospitals { schema_text, schema, texts, cohorts, max_patients, public })
}

/// `validate`'s parameters for what the model predicts.
fn params(model: &ModelFile, network: &Network, with: &Evaluation) -> toml::Table {
    let mut params = toml::Table::new();
    // Of the patients that it was trained on, no others.
    if let Some(cohort) = model.provenance.cohort() {
        params.insert(selection::KEY.into(), cohort.clone());
    }
    params.insert("model".into(), MODEL.into());
    for key in OUTCOME {
        if let Some(column) = network.model.params.get(key) {
            params.insert(key.into(), column.clone());
        }
    }
    let mut horizons = with.horizons.clone();
    if let Some(horizon) = network.model.params.get("horizon")
        && let Some(horizon) = horizon.as_float().or(horizon.as_integer().map(|h| h as f64))
    {
        horizons.push(horizon);
    }
    horizons.sort_by(f64::total_cmp);
    horizons.dedup();
    if !horizons.is_empty() {
        params.insert("horizons".into(), horizons.into());
    }
    if let Some(subset) = &with.subset {
        params.insert("subset".into(), subset.as_str().into());
    }
    params
}
