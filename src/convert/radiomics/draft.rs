//! The schema's part for a table of features, as a person edits it.
//!
//! A schema is public, so nothing of it may come from patients (rule S4). Where the range of a feature
//! follows from its definition, that is what stands here; else that of the file, with a word beside
//! it.

use std::fmt::Write as _;

use haima_fl_core::schema::Schema;

use super::feature::Name;
use super::{PATIENT, Radiomics, SCANNER};
use crate::Error;
use crate::data::guess::range;
use crate::data::infer::{comment, number, quoted};
use crate::report::numbers::counted;

/// The draft.
pub(super) fn text(found: &Radiomics) -> Result<String, Error> {
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "Draft of a schema's part for radiomics, made from {} ({}). Edit it: a range that is \"from \
             the data\" tells of patients, and a schema is public. Put in what such a feature can be for \
             any image that the study takes, made by the study's parameter file (rule S4).",
            found.file,
            counted(found.table.rows.len() as u64, "patient", "patients"),
        ),
    );
    comment(
        &mut text,
        "A study's template takes it as it stands, or with the columns of other files behind it: its \
         part [schema].",
    );
    let _ = writeln!(text, "\n[schema]\npatient = {}", quoted(PATIENT));
    let columns = columns(found);
    let left: Vec<&str> =
        columns.iter().filter(|own| own.kind.is_none()).map(|own| own.name).collect();
    if !left.is_empty() {
        comment(
            &mut text,
            "Without a value here, or one scanner alone: say what they are, or leave them here.",
        );
        let names: Vec<String> = left.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(text, "ignore = [{}]", names.join(", "));
    }
    for Column { name, kind, missing } in &columns {
        let Some(kind) = kind else { continue };
        let _ = write!(text, "\n[[schema.column]]\nname = {}\n{kind}", quoted(name));
        let _ = writeln!(text, "missing = {missing}");
    }
    let fault = |problem: String| Error::Stopped { party: "the draft".into(), reason: problem };
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| fault(e.to_string()))?;
    let own = table.get("schema").and_then(toml::Value::as_table);
    Schema::from_toml(own.unwrap_or(&table)).map_err(|error| fault(error.to_string()))?;
    Ok(text)
}

/// A column of the draft.
struct Column<'a> {
    name: &'a str,
    /// Its lines; none where nothing can be said of it.
    kind: Option<String>,
    missing: bool,
}

fn columns(found: &Radiomics) -> Vec<Column<'_>> {
    let headers = found.table.header.iter().enumerate().skip(1);
    let columns = headers.map(|(at, name)| {
        let texts = found.table.rows.iter().map(|row| row.get(at).map_or("", String::as_str));
        let values: Vec<f64> = texts.filter_map(|text| text.parse().ok()).collect();
        let kind = match Name::of(name) {
            Some(own) => feature(own, &values),
            None => scanner(name, found),
        };
        let missing = Name::of(name).is_some() && values.len() < found.table.rows.len();
        Column { name, kind, missing }
    });
    columns.collect()
}

/// The batch by which `combat` harmonises.
fn scanner(name: &str, found: &Radiomics) -> Option<String> {
    if name != SCANNER || found.scanners.len() < 2 {
        return None;
    }
    let mut text = String::new();
    comment(
        &mut text,
        "From the data: the scanners of all hospitals have to stand here, each written in one way. It \
         is the `batch` of `combat`.",
    );
    let levels: Vec<String> = found.scanners.keys().map(|level| quoted(level)).collect();
    let _ = writeln!(text, "kind = \"category\"\nlevels = [{}]", levels.join(", "));
    Some(text)
}

fn feature(own: Name<'_>, values: &[f64]) -> Option<String> {
    if values.is_empty() {
        return None;
    }
    let by_definition =
        own.range().filter(|(low, high)| values.iter().all(|value| (low..=high).contains(&value)));
    let ((low, high), why) = match by_definition {
        Some(range) => (range, "by its definition"),
        None => (range(values, false), "from the data: replace"),
    };
    let text = format!("kind = \"numeric\"\nrange = [{}, {}] # {why}\n", number(low), number(high));
    Some(text)
}
