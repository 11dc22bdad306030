//! What is said of a model's making, from its task file and its result.

use haima_crypto::encode::{Digest, Encoder};
use haima_fl_core::learn::figures::Class;
use haima_fl_core::results::network::Network;
use haima_fl_core::selection::Selection;
use serde::Deserialize as _;
use serde_json::Value;

use super::Prepared;
use crate::Error;
use crate::model_file::{Data, Figure, Guarantee, PROVENANCE_SCHEMA, Provenance};
use crate::report::Excluded;

/// Values of a list that a figure quotes.
const MOST_QUOTED: usize = 200;

/// The provenance of a result.
pub(super) fn of(
    prepared: &Prepared<'_>,
    result: &Value,
    privacy: Guarantee,
    hospitals: usize,
    excluded: Vec<Excluded>,
) -> Result<Provenance, Error> {
    let network = Network::deserialize(result).map_err(|error| {
        Error::config(&prepared.request.task, format!("the result is no network: {error}"))
    })?;
    let own = &prepared.hospitals;
    let exact = matches!(privacy, Guarantee::Exact { .. });
    let cohorts = own.cohorts.iter().filter(|(name, _)| !excluded.iter().any(|e| e.site == **name));
    let rows: usize = cohorts.map(|(_, cohort)| cohort.len()).sum();
    let schema = serde_json::to_string(&own.schema_text)
        .map_err(|error| Error::config(&prepared.request.task, error.to_string()))?;
    Ok(Provenance {
        schema: PROVENANCE_SCHEMA.into(),
        task: task(prepared),
        mode: prepared.request.summing.mode().into(),
        data: Data {
            hospitals: hospitals as u64,
            excluded,
            // Under privacy the number of patients is itself a figure of patients (rule S6).
            patients: exact.then_some(rows as u64),
            cohort: Selection::of_params(&prepared.task.params, &own.schema)?.to_string(),
            schema_digest: digest("haima schema text 1", &schema).to_string(),
            schema_inferred: prepared.schema_inferred,
        },
        privacy,
        figures: figures(prepared, &network),
        metrics: Vec::new(),
        notes: prepared.notes.clone(),
    })
}

/// Digest of a text under a label.
pub(super) fn digest(label: &str, text: &str) -> Digest {
    let mut to = Encoder::new(label);
    to.str(text);
    Digest::of(&to.finish())
}

fn task(prepared: &Prepared<'_>) -> toml::Table {
    let mut task = toml::Table::new();
    task.insert("name".into(), prepared.task.name.as_str().into());
    task.insert("version".into(), i64::from(prepared.task.version).into());
    task.insert("params".into(), prepared.task.params.clone().into());
    task
}

/// Every number of the task file, and every figure of an input (rule S4).
fn figures(prepared: &Prepared<'_>, network: &Network) -> Vec<Figure> {
    let mut figures = Vec::new();
    let table = toml::Value::Table(prepared.task.params.clone());
    collect("", &table, &mut figures);
    let floors = &prepared.floors;
    let floors =
        [("min_sites", u64::from(floors.min_sites)), ("min_local_rows", floors.min_local_rows)];
    figures.extend(floors.map(|(name, floor)| Figure {
        name: name.into(),
        value: floor.to_string(),
        origin: "public: the floors of the training".into(),
    }));
    let range = match prepared.schema_inferred {
        true => "local: a range inferred from the patients, without a charge",
        false => "public: the schema's range and levels",
    };
    for term in &network.model.terms {
        let missing = term.missing.map_or(String::new(), |value| format!(", missing is {value}"));
        let origins: Vec<String> = term
            .figures
            .iter()
            .map(|used| match used.class {
                Class::Charged => format!("charged: task {}", used.task),
                Class::Exact => format!("exact, not charged: task {}", used.task),
            })
            .collect();
        figures.push(Figure {
            name: format!("input {}", term.name),
            value: format!("center {}, scale {}{missing}", term.center, term.scale),
            origin: if origins.is_empty() { range.into() } else { origins.join("; ") },
        });
    }
    figures
}

fn collect(path: &str, value: &toml::Value, to: &mut Vec<Figure>) {
    let is_number = |value: &toml::Value| value.is_integer() || value.is_float();
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(&path, value, to);
            }
        }
        toml::Value::Array(items) if items.iter().any(is_number) => {
            let mut texts: Vec<String> =
                items.iter().take(MOST_QUOTED).map(ToString::to_string).collect();
            if let more @ 1.. = items.len().saturating_sub(MOST_QUOTED) {
                texts.push(format!("and {more} more"));
            }
            to.push(public(path, texts.join(", ")));
        }
        toml::Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(&format!("{path}[{at}]"), item, to);
            }
        }
        value if is_number(value) => to.push(public(path, value.to_string())),
        _ => {}
    }
}

fn public(name: &str, value: String) -> Figure {
    Figure { name: name.into(), value, origin: "public: the task file".into() }
}
