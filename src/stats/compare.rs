//! The same analysis over all rows in one place, and how far the federated one is from it.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::{Schema, check_name};
use serde_json::{Map, Value, json};

use super::{Prepared, Request, Sites, Task, fault, open, plain, round_up};
use crate::Error;
use crate::pooled::told;
use crate::report::Floors;

/// Column of the pooled rows that holds each row's stratum.
const STRATUM: &str = "pooled.stratum";
/// What the column of hospitals is called where no schema can have its name.
const SITE: &str = "pooled.site";
/// What differs by nature: who took part and how often, and names of strata.
const NOT_COMPARED: [&str; 5] = ["sites", "iterations", "formula", "strata", "schema"];

/// The pooled result with `max_difference: {value, at}`, relative where the pooled number is beyond
/// 1.
pub(super) fn pooled(
    request: &Request,
    prepared: &Prepared,
    taken: &[String],
    federated: &Map<String, Value>,
) -> Result<Value, Error> {
    if prepared.task.name == "meta" {
        let problem = "a meta-analysis has no pooled form: it combines each hospital's own model; \
                       leave out --pooled, or run the model itself (haima stats cox --pooled)";
        return Err(fault(&prepared.task, problem.into()));
    }
    let (task, schema, table) = one_hospital(prepared, &request.sites)?;
    let rows = table.select(|row| prepared.of_row.get(row).is_some_and(|of| taken.contains(of)));
    let file = request.data.display().to_string();
    let cohort = Cohort::from_reader(&file, rows.text()?.as_bytes(), &schema)?;
    let floors = Floors { min_local_rows: 1, ..request.floors };
    let most = round_up(cohort.len());
    let result = plain(&task, &schema, &[cohort], most, &floors)?;
    let Value::Object(mut result) = result else {
        return Err(fault(&task, "its result is no JSON object".into()));
    };
    let mut worst = Worst::default();
    worst.object(federated, &result, "");
    result.insert("max_difference".into(), json!({ "value": worst.value, "at": worst.at }));
    Ok(Value::Object(result))
}

/// Task, schema and rows as one hospital has them: strata by hospital become a column's.
fn one_hospital(
    prepared: &Prepared,
    sites: &Sites,
) -> Result<(Task, Schema, crate::pooled::Table), Error> {
    let mut task = prepared.task.clone();
    let mut schema = prepared.hospitals.schema_text.clone();
    let strata = match (task.name.as_str(), task.text("strata")) {
        (_, Some("none")) | ("km", None) => None,
        // Cox alone is stratified where nothing is said.
        ("cox", None) | (_, Some("site")) => Some(None),
        ("cox", Some(column)) => Some(Some(column.to_owned())),
        _ => None,
    };
    let mut ignored: Vec<toml::Value> = match schema.remove("ignore") {
        Some(toml::Value::Array(names)) => names,
        _ => Vec::new(),
    };
    // A schema can name it whatever the file calls it.
    let mut table = prepared.table.clone();
    if let Sites::Column(column) = sites {
        let is = |header: &str| header == column || told(header).0 == column;
        let name = if check_name(column).is_ok() { column.as_str() } else { SITE };
        ignored.push(name.into());
        let renamed =
            table.renamed(|_, header| (is(header) && header != name).then(|| name.to_owned()));
        table = renamed.unwrap_or(table);
    }
    schema.insert("ignore".into(), ignored.into());
    let Some(column) = strata else {
        return Ok((task, Schema::from_toml(&schema)?, table));
    };
    let mut names = prepared.of_row.clone();
    if let Some(column) = &column {
        for (name, level) in names.iter_mut().zip(prepared.table.column(column)?) {
            // A row without a level is in no stratum, as at the hospital.
            *name = if level.is_empty() { String::new() } else { format!("{name} x {level}") };
        }
    }
    let levels: Vec<&str> = super::distinct(&names).filter(|name| !name.is_empty()).collect();
    if levels.len() > 1 {
        let mut stratum = toml::Table::new();
        stratum.insert("name".into(), STRATUM.into());
        stratum.insert("kind".into(), "category".into());
        stratum.insert("missing".into(), true.into());
        stratum.insert("levels".into(), levels.into());
        if let Some(toml::Value::Array(columns)) = schema.get_mut("column") {
            columns.push(toml::Value::Table(stratum));
        }
        task.params.insert("strata".into(), STRATUM.into());
    }
    let table = table.with_column(STRATUM, names.iter().map(String::as_str));
    let schema = Schema::from_toml(&schema)?;
    open(&task, &schema)?;
    Ok((task, schema, table))
}

/// The largest difference so far, and where.
#[derive(Debug, Default)]
struct Worst {
    value: f64,
    at: String,
}

impl Worst {
    fn object(&mut self, ours: &Map<String, Value>, theirs: &Map<String, Value>, path: &str) {
        for (key, ours) in ours.iter().filter(|(key, _)| !NOT_COMPARED.contains(&key.as_str())) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.value(ours, theirs.get(key).unwrap_or(&Value::Null), &path);
        }
    }

    fn value(&mut self, ours: &Value, theirs: &Value, path: &str) {
        match (ours, theirs) {
            (Value::Object(ours), Value::Object(theirs)) => self.object(ours, theirs, path),
            (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
                for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                    self.value(ours, theirs, &format!("{path}.{i}"));
                }
            }
            (Value::Number(ours), Value::Number(theirs)) => {
                let (ours, theirs) = (ours.as_f64(), theirs.as_f64());
                // Beyond 1 it is relative: a likelihood of thousands has no more digits than others.
                let difference = |(a, b): (f64, f64)| (a - b).abs() / b.abs().max(1.0);
                self.see(ours.zip(theirs).map_or(f64::MAX, difference), path);
            }
            _ if ours == theirs => {}
            // Something that the other has not.
            _ => self.see(f64::MAX, path),
        }
    }

    fn see(&mut self, difference: f64, path: &str) {
        if difference > self.value {
            (self.value, self.at) = (difference, path.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_difference_is_found_wherever_it_is() {
        let ours = json!({ "n": 3, "terms": [{ "coef": 1.0 }, { "coef": 2.0 }], "sites": 4 });
        let theirs = json!({ "n": 3, "terms": [{ "coef": 1.0 }, { "coef": 2.5 }], "sites": 1 });
        let mut worst = Worst::default();
        worst.value(&ours, &theirs, "");
        assert_eq!((worst.value, worst.at.as_str()), (0.2, "terms.1.coef"));
        let mut worst = Worst::default();
        worst.value(&json!([1.0]), &json!([1.0, 2.0]), "curve");
        assert_eq!(worst.value, f64::MAX, "another length is no agreement");
    }
}
