//! Real and virtual patients side by side: what `haima synth report` collects for the page of
//! [`crate::report::synthetic`].
//!
//! The real side is computed by the tasks of a study over sums of local hospitals, in the exact class:
//! all rows are on this machine. A network does the same with the tasks `fidelity`, `km` and `cox` of
//! its manifest. The virtual side is the same tasks over the drawn rows.
//!
//! [`attack()`] takes as long as many fits, so it is asked for apart from [`collect`].

mod attack;
mod compare;
mod left_out;
mod tasks;

use std::path::PathBuf;

use haima_fl_core::registry::Finished;
use haima_fl_core::results::fidelity::Fidelity;
use haima_fl_core::results::generator::Generator;
use haima_fl_core::schema::{Kind as Column, PatientKey, Schema};
use haima_fl_core::selection;
use haima_fl_core::synth::domain::{Attribute, Kind};
use haima_fl_core::tasks::fidelity;
use serde_json::Value;

use super::file::SynthFile;
use super::sample::{self, Asked};
use crate::Error;
use crate::pooled::Table;
use crate::report::synthetic::{SCHEMA, Sample, SyntheticReport};
use crate::report::{Floors, Wording};
use crate::stats::hospitals::Hospitals;
use crate::stats::{self, Sites};
pub use attack::{FEWEST, attack};
use compare::Pairs;
use tasks::{Part, Real, Virtual};

/// Manifest id of the generator among the finished tasks.
const GENERATOR: &str = "generator";
/// What has its real side from the task `fidelity`.
const TABLES: &str = "Tables, distances and trees";
/// Covariates of a Cox model where none are named.
const MOST_COVARIATES: usize = 12;
/// Levels of a category that have a label of their own.
const MOST_LEVELS: usize = 64;

/// What to compare, and with whom.
#[derive(Clone, Debug)]
pub struct Request {
    /// Generator file.
    pub model: PathBuf,
    /// A pooled CSV of real patients.
    pub data: PathBuf,
    /// How its rows become hospitals.
    pub sites: Sites,
    /// Virtual patients to draw.
    pub asked: Asked,
    /// Columns by whose groups survival is shown, beside that of all.
    pub by: Vec<String>,
    /// Covariates of the Cox models; the first columns of the domain where empty.
    pub covariates: Vec<String>,
    /// A difference in C that was agreed to be small.
    pub tolerance: Option<f64>,
    /// Fewest hospitals in a sum, fewest rows of one, and the display rule.
    pub floors: Floors,
}

/// Draws, compares, and returns all that the page shows but for [`attack()`].
///
/// # Errors
/// When model and data do not fit one another, too few hospitals have enough patients, or the
/// comparison of tables fails. A curve or a model that cannot be had becomes a warning.
pub fn collect(request: &Request) -> Result<SyntheticReport, Error> {
    let (file, digest) = SynthFile::read(&request.model)?;
    let generator = file.open()?;
    check_columns(&generator, request)?;
    let hospitals = hospitals(&file, request)?;
    let fidelity_params = fidelity_params(&file, &generator, request)?;
    let finished = Finished::from([(GENERATOR.to_owned(), file.generator.clone())]);
    let mut real = Real::new(&hospitals, &request.floors, &request.data);
    let mut warnings = Vec::new();
    let split = generator.split(&hospitals.schema);
    let has_cohort = fidelity_params.contains_key(selection::KEY);
    let part = Part { name: TABLES, of_whom: of_whom(split.is_some(), has_cohort) };
    let task = (fidelity::NAME, fidelity::VERSION);
    let found = real.run(part, task, &fidelity_params, &finished)?;
    let fidelity = serde_json::from_value::<Fidelity>(found)
        .map_err(|error| Error::config(&request.model, format!("fidelity: {error}")))?;
    let rows = sample::rows(&generator, &request.asked)?;
    let virtual_side = Virtual::new(&generator, &rows)?;
    let mut pairs = Pairs { survival: Vec::new(), ratios: Vec::new(), utility: Vec::new() };
    for attribute in &generator.domain.attributes {
        if let Kind::Survival { .. } = attribute.kind {
            let question = compare::Question {
                attribute,
                covariates: covariates(&generator, request),
                cohort: fidelity_params.get(selection::KEY),
                split: split.clone(),
            };
            pairs.add(&question, &mut real, &virtual_side, request, &mut warnings);
        }
    }
    warnings.extend(real.left_out.in_words(hospitals.cohorts.len()));
    Ok(SyntheticReport {
        schema: SCHEMA.to_owned(),
        title: file.study.clone(),
        sample: Sample {
            method: generator.method.clone(),
            model_digest: digest,
            rows: request.asked.rows as u64,
            seed: request.asked.seed,
            conditions: request.asked.conditions.clone(),
        },
        wording: wording(&generator, &hospitals.schema),
        provenance: file.provenance,
        fidelity: Some(fidelity),
        survival: pairs.survival,
        ratios: pairs.ratios,
        utility: pairs.utility,
        membership: None,
        min_cell: request.floors.min_cell,
        warnings,
    })
}

/// Whose rows a hospital's floor counts.
fn of_whom(is_held_out: bool, has_cohort: bool) -> &'static str {
    match (is_held_out, has_cohort) {
        (false, false) => "",
        (false, true) => "of the cohort",
        (true, false) => "who were kept out of the fit",
        (true, true) => "of the cohort who were kept out of the fit",
    }
}

/// Columns that the request names, told with those that there are.
fn check_columns(generator: &Generator, request: &Request) -> Result<(), Error> {
    let header = generator.domain.header();
    for (option, names) in [("--by", &request.by), ("--covariates", &request.covariates)] {
        if let Some(unknown) = names.iter().find(|name| !header.contains(name)) {
            let problem = format!(
                "{option}: the generator has no column {unknown}; it has {}",
                header.join(", ")
            );
            return Err(Error::config(&request.model, problem));
        }
    }
    let groups = |name: &String| {
        let of = |own: &&Attribute| own.name == *name;
        let found = generator.domain.attributes.iter().find(of);
        matches!(found.map(|own| &own.kind), Some(Kind::Levels { .. }))
    };
    match request.by.iter().find(|name| !groups(name)) {
        Some(other) => {
            let problem = format!("--by: {other} has no groups; name a category or a flag");
            Err(Error::config(&request.model, problem))
        }
        None => Ok(()),
    }
}

/// The hospitals of the data, by the schema of the generator's study; further columns are not read.
fn hospitals(file: &SynthFile, request: &Request) -> Result<Hospitals, Error> {
    let table = Table::read(&request.data)?;
    let (site, of_row) = stats::rows_of(&table, &request.sites)?;
    let mut text = file.study_schema.clone();
    let schema = Schema::from_toml(&text)?;
    let known = |name: &str| {
        let key = matches!(&schema.patient, PatientKey::Column(key) if key == name);
        key || schema.column(name).is_ok() || schema.ignore.iter().any(|ignored| ignored == name)
    };
    // A header may say a unit: `hb [g/L]`.
    let foreign = table.columns().filter(|column| {
        Some(*column) != site && !known(column.split(" [").next().unwrap_or(column))
    });
    let foreign: Vec<toml::Value> = foreign.map(toml::Value::from).collect();
    let ignore = text.entry("ignore").or_insert_with(|| toml::Value::Array(Vec::new()));
    if let toml::Value::Array(ignore) = ignore {
        ignore.extend(foreign);
    }
    let schema = Schema::from_toml(&text)?;
    Hospitals::of_table(&table, site, &of_row, text, schema)
}

/// Parameters of `fidelity` for the drawn rows, and for real patients as the fit and the conditions
/// describe them.
fn fidelity_params(
    file: &SynthFile,
    generator: &Generator,
    request: &Request,
) -> Result<toml::Table, Error> {
    let Asked { rows, conditions, seed } = &request.asked;
    let whole = |number: u64| {
        let problem = "seeds and rows of a report are whole numbers below 2^63";
        i64::try_from(number).map_err(|_| Error::config(&request.model, problem))
    };
    let mut params = toml::Table::new();
    params.insert("of".into(), GENERATOR.into());
    params.insert("rows".into(), whole(*rows as u64)?.into());
    params.insert("seed".into(), whole(*seed)?.into());
    params.insert("release".into(), "exact".into());
    let mut cohort = match file.provenance.cohort() {
        Some(toml::Value::Table(cohort)) => cohort.clone(),
        _ => toml::Table::new(),
    };
    if !conditions.is_empty() {
        params.insert("conditions".into(), conditions.clone().into());
        let include = cohort.entry("include").or_insert_with(|| toml::Value::Array(Vec::new()));
        if let toml::Value::Array(include) = include {
            let predicates = conditions.iter().map(|text| generator.domain.as_predicate(text));
            include.extend(predicates.map(toml::Value::from));
        }
    }
    if !cohort.is_empty() {
        params.insert(selection::KEY.into(), cohort.into());
    }
    Ok(params)
}

/// The named covariates, or the first columns that are no times or events.
fn covariates(generator: &Generator, request: &Request) -> Vec<String> {
    if !request.covariates.is_empty() {
        return request.covariates.clone();
    }
    let own = generator.domain.attributes.iter();
    let own = own.filter(|attribute| !matches!(attribute.kind, Kind::Survival { .. }));
    own.map(|attribute| attribute.name.clone()).take(MOST_COVARIATES).collect()
}

/// Labels and units as the schema has them, of columns, levels and times to event.
fn wording(generator: &Generator, schema: &Schema) -> Wording {
    let mut wording = Wording::default();
    let labels = &mut wording.labels;
    for column in generator.domain.header() {
        if let Ok(own) = schema.column(&column) {
            for (level, said) in said_levels(&own.kind) {
                let label = format!("{}: {said}", own.label);
                // A group of its patients, and a term of a model.
                labels.insert(format!("{column}={level}"), label.clone());
                if own.kind != Column::Flag {
                    labels.entry(format!("{column}{level}")).or_insert(label);
                }
            }
            labels.insert(column, own.label.clone());
        }
    }
    for attribute in &generator.domain.attributes {
        if let Kind::Survival { time, event, .. } = &attribute.kind {
            let of = |name: &String| labels.get(name).unwrap_or(name).clone();
            let both = format!("{} and {}", of(time), of(event));
            labels.insert(attribute.name.clone(), both);
        }
    }
    let time = generator.domain.attributes.iter().find_map(|attribute| match &attribute.kind {
        Kind::Survival { time, .. } => Some(time),
        Kind::Number { .. } | Kind::Levels { .. } => None,
    });
    if let Some(column) = time.and_then(|time| schema.column(time).ok()) {
        wording.time_unit = column.unit().to_owned();
    }
    wording
}

/// Levels of a flag or a category, and what each means.
fn said_levels(kind: &Column) -> Vec<(&str, &str)> {
    match kind {
        Column::Numeric { .. } => Vec::new(),
        Column::Flag => vec![("0", "no"), ("1", "yes")],
        Column::Category { levels } => {
            levels.iter().take(MOST_LEVELS).map(|level| (level.as_str(), level.as_str())).collect()
        }
    }
}

/// What a task's value is read as.
fn read<T: serde::de::DeserializeOwned>(value: Value, task: &str) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::Config {
        file: format!("task {task}"),
        problem: format!("its result cannot be read: {error}"),
    })
}
