//! `haima predict` and `haima card`: a model file at work on one machine, where no row leaves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use haima_fl_core::learn::explanation::Explanation;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::schema::Schema;
use serde_json::{Value, json};

use crate::Error;
use crate::card::{Card, GeneratorCard};
use crate::data::source::Source;
use crate::model_file::patients::Patients;
use crate::model_file::{ModelFile, is_generator};
use crate::private_file;
use crate::synth::file::SynthFile;
use crate::text::printable;

/// Options of `haima predict`.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// Model file (.haima).
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Patients as CSV or Parquet: the model's columns; others are not read, the outcome need not be
    /// there.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Say for each patient what makes the prediction: the inputs that move it most; all of them with
    /// --out and --json.
    #[arg(long)]
    explain: bool,
    /// Write the predictions as CSV.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Options of `haima card`.
#[derive(Debug, Args)]
pub(super) struct ShowCard {
    /// Model or generator file (.haima).
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the card of a model or of a generator.
pub(super) fn card(options: &ShowCard) -> Result<(), Error> {
    let path = &options.model;
    let (object, page) = if is_generator(path) {
        let (file, digest) = SynthFile::read(path)?;
        let card = GeneratorCard::of(&file, &digest)?;
        (json!(card), card.markdown())
    } else {
        let card = Card::of(&ModelFile::read(path)?)?;
        (json!(card), card.markdown())
    };
    if options.json {
        println!("{object}");
    } else {
        print!("{page}");
    }
    Ok(())
}

/// What was found for the rows of a file.
struct Predictions {
    /// Name of the key column, or `row`.
    key: String,
    /// Names of the figures.
    outputs: Vec<String>,
    /// Key and figures of each row.
    rows: Vec<(String, Vec<f64>)>,
    /// What makes them, in the order of the rows; empty where nobody asked.
    explained: Vec<Option<Explanation>>,
    /// Keys of rows without one, and the needed columns that they lack.
    missing: Vec<(String, Vec<String>)>,
}

/// Predicts, and prints or writes what came out.
pub(super) fn predict(options: &Predict) -> Result<(), Error> {
    let model = ModelFile::read(&options.model)?;
    let found = predictions(&model, &options.data, options.explain)?;
    let cohort = model.provenance.cohort().map(|_| model.provenance.data.cohort.as_str());
    if let Some(cohort) = cohort {
        let cohort: String = cohort.escape_debug().take(200).collect();
        eprintln!("note: trained on patients with {cohort}; for others it is no estimate");
    }
    for (key, columns) in &found.missing {
        let columns = columns.join(", ");
        let row = format!("no prediction for {} {key}: no value of {columns}", found.key);
        eprintln!("{}", printable(&row));
    }
    if let Some(out) = &options.out {
        private_file::whole(out, csv(&found, &options.data)?.as_bytes())?;
        let (rows, missing) = (found.rows.len(), found.missing.len());
        eprintln!("{rows} predictions in {}, {missing} rows without one", out.display());
    }
    if options.json {
        println!("{}", object(&found, cohort));
    } else if options.out.is_none() {
        print!("{}", printable(&table(&found)));
    }
    Ok(())
}

fn predictions(model: &ModelFile, data: &Path, explain: bool) -> Result<Predictions, Error> {
    let trained = model.open()?;
    let needed = needed(&trained);
    let patients = Patients::open(data)?;
    let (schema, key) = schema_of_inputs(&model.study_schema, &needed, &patients)?;
    let cohort = patients.read(&schema)?;
    let (mut rows, mut explained, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for patient in 0..cohort.len() {
        let name = cohort.key(patient).to_owned();
        match trained.predict(&cohort, patient) {
            Some(figures) => {
                rows.push((name, figures));
                explained.extend(explain.then(|| trained.explain(&cohort, patient)));
            }
            None => {
                let absent = |column: &&String| cohort.value(column, patient).is_none();
                missing.push((name, needed.iter().filter(absent).cloned().collect()));
            }
        }
    }
    let outputs = trained.model().outputs();
    Ok(Predictions { key: key.unwrap_or_else(|| "row".into()), outputs, rows, explained, missing })
}

/// Columns that a prediction reads.
fn needed(trained: &Trained) -> BTreeSet<String> {
    trained.model().inputs().columns().into_iter().map(str::to_owned).collect()
}

/// The study's schema with the model's inputs alone, in which any may be missing, and the name of
/// the key, where the file has it.
fn schema_of_inputs(
    study: &toml::Table,
    needed: &BTreeSet<String>,
    patients: &Patients<'_, Source>,
) -> Result<(Schema, Option<String>), Error> {
    let mut schema = study.clone();
    let key = schema.remove("patient").and_then(|key| key.as_str().map(str::to_owned));
    let key = key.filter(|key| patients.has(key));
    schema.remove("one_row_per_patient");
    schema.remove("rows_per_patient");
    schema.remove("ignore");
    match &key {
        Some(key) => schema.insert("patient".into(), key.clone().into()),
        None => schema.insert("one_row_per_patient".into(), true.into()),
    };
    if let Some(toml::Value::Array(columns)) = schema.get_mut("column") {
        let name = |column: &toml::Value| {
            column.get("name").and_then(toml::Value::as_str).map(str::to_owned)
        };
        columns.retain(|column| name(column).is_some_and(|name| needed.contains(&name)));
        for column in columns.iter_mut().filter_map(toml::Value::as_table_mut) {
            column.insert("missing".into(), true.into());
        }
    }
    Ok((Schema::from_toml(&schema)?, key))
}

fn csv(found: &Predictions, data: &Path) -> Result<String, Error> {
    let fault = |problem: String| Error::config(data, problem);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let parts = parts(found);
    let head = std::iter::once(&found.key).chain(&found.outputs).chain(&parts);
    writer.write_record(head).map_err(|e| fault(e.to_string()))?;
    let empty = vec![String::new(); found.outputs.len() + parts.len()];
    let rows = found.rows.iter().enumerate().map(|(at, (key, figures))| {
        let mut cells: Vec<String> = figures.iter().map(ToString::to_string).collect();
        if let Some(Some(explained)) = found.explained.get(at) {
            cells.extend([explained.output.clone(), explained.centre.to_string()]);
            cells.extend(explained.contributions.iter().map(|(_, by)| by.to_string()));
        }
        cells.resize(empty.len(), String::new());
        (key, cells)
    });
    for (key, figures) in rows.chain(found.missing.iter().map(|(key, _)| (key, empty.clone()))) {
        let record = std::iter::once(key).chain(&figures);
        writer.write_record(record).map_err(|e| fault(e.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|e| fault(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| fault(e.to_string()))
}

/// Names of a file's columns that say what makes a prediction: which output, its effect at the public
/// centre, and what each input adds to that. None where nobody asked.
fn parts(found: &Predictions) -> Vec<String> {
    let Some(explained) = found.explained.iter().flatten().next() else { return Vec::new() };
    let own = ["explained".to_owned(), "explained_centre".to_owned()];
    let inputs = explained.contributions.iter().map(|(name, _)| format!("contribution_{name}"));
    own.into_iter().chain(inputs).collect()
}

fn object(found: &Predictions, cohort: Option<&str>) -> Value {
    let row = |(at, (key, figures)): (usize, &(String, Vec<f64>))| {
        let mut row = json!({ "key": key, "figures": figures });
        if let (Some(Some(explained)), Some(row)) = (found.explained.get(at), row.as_object_mut()) {
            let explanation = json!({
                "output": explained.output,
                "scale": scale(explained),
                "centre": explained.centre,
                "effect": explained.effect,
                "contributions": explained.contributions,
            });
            row.insert("explanation".into(), explanation);
        }
        row
    };
    let rows: Vec<Value> = found.rows.iter().enumerate().map(row).collect();
    let missing: Vec<Value> = found
        .missing
        .iter()
        .map(|(key, columns)| json!({ "key": key, "columns": columns }))
        .collect();
    json!({
        "schema": "haima.predictions/1",
        "trained_on": cohort,
        "key": found.key,
        "outputs": found.outputs,
        "rows": rows,
        "missing": missing,
    })
}

fn table(found: &Predictions) -> String {
    let mut cells: Vec<Vec<String>> =
        vec![std::iter::once(&found.key).chain(&found.outputs).cloned().collect()];
    for (key, figures) in &found.rows {
        let figures = figures.iter().map(|figure| format!("{figure:.4}"));
        cells.push(std::iter::once(key.clone()).chain(figures).collect());
    }
    if let Some(explained) = found.explained.iter().flatten().next() {
        let head = format!("moved most ({} of {})", scale(explained), explained.output);
        let lines = std::iter::once(head).chain(found.explained.iter().map(largest));
        cells.iter_mut().zip(lines).for_each(|(row, line)| row.push(line));
    }
    let width = |column: usize| {
        let of = |row: &Vec<String>| row.get(column).map_or(0, |cell| cell.chars().count());
        cells.iter().map(of).max().unwrap_or(0)
    };
    let columns = cells.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &cells {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        text += &padded.collect::<Vec<_>>().join("  ");
        text.push('\n');
    }
    text
}

/// Of what an explanation speaks.
fn scale(explained: &Explanation) -> &'static str {
    if explained.log_odds { "log-odds" } else { "risk score" }
}

/// The inputs that move a prediction most, with what each adds to that of the public centre.
fn largest(explained: &Option<Explanation>) -> String {
    const MOST: usize = 4;
    let Some(explained) = explained else { return "-".to_owned() };
    let mut parts: Vec<&(String, f64)> = explained.contributions.iter().collect();
    parts.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    let texts = parts.iter().take(MOST).map(|(name, by)| format!("{name} {by:+.2}"));
    texts.collect::<Vec<_>>().join(", ")
}
