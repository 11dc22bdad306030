//! The comparison with dpmm: its public bins and split (`benches/python/synthetic.json`, which the
//! Python script reads, too), and the figures that the script printed.
//!
//! The figure of both sides is the mean total variation distance over all 3-way tables of the columns
//! between virtual and held-out patients, where time and event are two columns. How a generator takes
//! them is its own matter: ours has (time bin x event) as one attribute.

use std::collections::BTreeMap;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::synth::domain::{Domain, Kind};
use haima_fl_core::synth::metrics::distance::total_variation;
use haima_fl_core::synth::metrics::workload::Workload;
use serde::Deserialize;
use serde_json::Value;

use super::Context;
use super::columns::{Columns, fault};
use super::figure::number;
use super::holdout::spread;
use crate::Error;

const BINS: &str = include_str!("../../benches/python/synthetic.json");
const DPMM: &str = include_str!("../../benches/python/synthetic-dpmm.jsonl");
const FILE: &str = "benches/python/synthetic.json";

/// Patients as levels, `[patients, attributes]`.
pub(super) type Rows = Vec<Vec<u16>>;

/// A data set of the comparison.
pub(super) struct Compared {
    pub(super) schema: Schema,
    /// Parameters of the task that describe the domain.
    pub(super) params: toml::Table,
    pub(super) domain: Domain,
    /// The training rows in one place.
    pub(super) training: [Cohort; 1],
    pub(super) training_rows: Rows,
    pub(super) heldout: Rows,
    /// Epsilon and delta.
    pub(super) target: (f64, f64),
}

/// A data set in the file. Its other keys are for readers.
#[derive(Deserialize)]
struct Described {
    file: String,
    columns: Vec<Column>,
    survival: Vec<Times>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(default)]
    edges: Vec<f64>,
    #[serde(default)]
    levels: Vec<String>,
    missing: bool,
    #[serde(default)]
    flag: bool,
    #[serde(default)]
    ordered: bool,
}

#[derive(Deserialize)]
struct Times {
    time: String,
    event: String,
}

impl Column {
    /// The column in a public schema, whose bins are the comparison's.
    fn in_schema(&self) -> toml::Value {
        let (name, missing) = (self.name.clone(), self.missing);
        let mut column = toml::toml! {
            name = name
            missing = missing
        };
        let mut set = |key: &str, value: toml::Value| column.insert(key.to_owned(), value);
        match (self.edges.as_slice(), self.flag) {
            ([first, .., last], _) => {
                set("kind", "numeric".into());
                set("range", vec![*first, *last].into());
                set("bins", self.edges.clone().into());
            }
            (_, true) => {
                set("kind", "flag".into());
            }
            (_, false) => {
                set("kind", "category".into());
                set("levels", self.levels.clone().into());
            }
        }
        toml::Value::Table(column)
    }
}

impl Described {
    fn schema(&self) -> Result<Schema, Error> {
        let mut schema = toml::toml! { one_row_per_patient = true };
        let columns = self.columns.iter().map(Column::in_schema).collect();
        schema.insert("column".into(), toml::Value::Array(columns));
        Ok(Schema::from_toml(&schema)?)
    }

    fn params(&self) -> toml::Table {
        let times = |Times { time, event }: &Times| {
            let found = self.columns.iter().find(|column| column.name == *time);
            let cuts = found.map(|column| column.edges.clone()).unwrap_or_default();
            let (time, event) = (time.clone(), event.clone());
            toml::Value::Table(toml::toml! {
                time = time
                event = event
                cuts = cuts
            })
        };
        let survival = toml::Value::Array(self.survival.iter().map(times).collect());
        let ordered = self.columns.iter().filter(|column| column.ordered);
        let ordered: Vec<String> = ordered.map(|column| column.name.clone()).collect();
        toml::toml! {
            survival = survival
            ordered = ordered
        }
    }
}

impl Compared {
    /// Reads a data set and splits it.
    ///
    /// # Errors
    /// When it is not there, or a value has no bin.
    pub(super) fn read(context: &Context, name: &str) -> Result<Self, Error> {
        let all: Value = serde_json::from_str(BINS).map_err(|e| fault(FILE, &e.to_string()))?;
        let own = all.get(name).cloned().unwrap_or_default();
        let own: Described =
            serde_json::from_value(own).map_err(|e| fault(name, &e.to_string()))?;
        let (schema, params) = (own.schema()?, own.params());
        let domain = Domain::of_params(&params, &schema)?;
        let mut columns = Columns::read(&context.shared(&format!("data/{}", own.file))?)?;
        columns.keep(|name| own.columns.iter().any(|column| column.name == name));
        let whole = |pointer: &str| number(&all, pointer) as usize;
        let (modulo, equals) = (whole("/heldout/modulo").max(1), whole("/heldout/equals"));
        let out = |row: usize| row % modulo == equals;
        let cohort = |name: &str, takes: &dyn Fn(usize) -> bool| {
            Ok::<_, Error>(Cohort::from_reader(name, columns.csv(takes)?.as_bytes(), &schema)?)
        };
        let training = [cohort("training", &|row| !out(row))?];
        let [all_training] = &training;
        let training_rows = rows(&domain, all_training)?;
        let heldout = rows(&domain, &cohort("held out", &out)?)?;
        let target = (number(&all, "/epsilon"), number(&all, "/delta"));
        Ok(Self { schema, params, domain, training, training_rows, heldout, target })
    }
}

/// All patients as levels.
///
/// # Errors
/// When one has a value outside of the domain.
pub(super) fn rows(domain: &Domain, cohort: &Cohort) -> Result<Rows, Error> {
    let all: Option<Rows> = (0..cohort.len()).map(|i| domain.encode(cohort, i)).collect();
    all.ok_or_else(|| fault("rows", "one with a value outside of the public bins"))
}

/// Mean total variation distance of two sets of rows over all 3-way tables, time and event apart.
///
/// # Errors
/// When there are too many tables.
pub(super) fn three_way(
    domain: &Domain,
    left: &[Vec<u16>],
    right: &[Vec<u16>],
) -> Result<f64, Error> {
    let workload = Workload::new(&sizes_apart(domain), 3, usize::MAX, 0);
    let workload = workload.map_err(|problem| fault("3-way tables", &problem))?;
    let counts = |rows: &[Vec<u16>]| {
        let apart: Rows = rows.iter().map(|row| apart(domain, row)).collect();
        workload.counts(&apart)
    };
    let (left, right) = (counts(left), counts(right));
    let tables = workload.tables().iter().filter(|table| table.attributes.len() == 3);
    let found: Vec<f64> =
        tables.map(|table| total_variation(table.of(&left), table.of(&right))).collect();
    Ok(spread(&found).0)
}

/// A row with each time to event as two columns; missing is one more level of both.
fn apart(domain: &Domain, row: &[u16]) -> Vec<u16> {
    let mut columns = Vec::new();
    for (attribute, &level) in domain.attributes.iter().zip(row) {
        let Kind::Survival { events, .. } = &attribute.kind else {
            columns.push(level);
            continue;
        };
        let of = u16::try_from(events.len()).unwrap_or(u16::MAX).max(1);
        let missing = attribute.missing_level() == Some(level);
        columns.push(level / of);
        columns.push(if missing { of } else { level % of });
    }
    columns
}

fn sizes_apart(domain: &Domain) -> Vec<usize> {
    let mut sizes = Vec::new();
    for attribute in &domain.attributes {
        let missing = usize::from(attribute.missing);
        match &attribute.kind {
            Kind::Survival { edges, events, .. } => {
                sizes.push(edges.len().saturating_sub(1) + missing);
                sizes.push(events.len() + missing);
            }
            Kind::Number { .. } | Kind::Levels { .. } => sizes.push(attribute.levels()),
        }
    }
    sizes
}

/// What dpmm's generator of that name reached with these data: the best of its settings that were
/// run, by the mean of its runs.
///
/// # Errors
/// When no run was kept.
pub(super) fn dpmm(data: &str, method: &str) -> Result<String, Error> {
    let none = || fault("benches/python/synthetic-dpmm.jsonl", "no run of that method");
    let mut settings: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in DPMM.lines() {
        let run: Value = serde_json::from_str(line).map_err(|e| fault("dpmm", &e.to_string()))?;
        let is = |key: &str, wanted: &str| run.get(key).and_then(Value::as_str) == Some(wanted);
        if !is("data", data) || !is("method", &format!("dpmm {method}")) {
            continue;
        }
        let mut setting = String::new();
        if let Some(degree) = run.get("degree").and_then(Value::as_u64) {
            setting += &format!(", workload of degree {degree}");
        }
        if is("survival", "joint") {
            setting += ", time x event as one column";
        }
        settings.entry(setting).or_default().push(number(&run, "/tv3"));
    }
    let best = settings.iter().min_by(|a, b| spread(a.1).0.total_cmp(&spread(b.1).0));
    let (setting, runs) = best.ok_or_else(none)?;
    Ok(format!("{:.4} (mean of {} runs{setting})", spread(runs).0, runs.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_event_come_apart_again() {
        let described: Described = serde_json::from_str(
            r#"{
                "file": "", "survival": [{"time": "t", "event": "e"}],
                "columns": [
                    {"name": "t", "kind": "number", "edges": [0, 1, 2, 3], "missing": false},
                    {"name": "e", "kind": "levels", "levels": ["0", "1"], "flag": true, "missing": false},
                    {"name": "x", "kind": "number", "edges": [0, 5, 10], "missing": true}
                ]
            }"#,
        )
        .unwrap();
        let schema = described.schema().unwrap();
        let domain = Domain::of_params(&described.params(), &schema).unwrap();
        let cohort =
            Cohort::from_reader("a", "t,e,x\n2.5,1,\n0,0,7\n".as_bytes(), &schema).unwrap();
        let rows = rows(&domain, &cohort).unwrap();
        assert_eq!(
            sizes_apart(&domain),
            [3, 3, 2],
            "x with its missing level first, then the times"
        );
        let apart: Rows = rows.iter().map(|row| apart(&domain, row)).collect();
        assert_eq!(apart, [[2, 2, 1], [1, 0, 0]]);
    }

    /// Two patients of four in another cell of the one table.
    #[test]
    fn the_distance_is_the_share_that_would_have_to_move() {
        let described: Described = serde_json::from_str(
            r#"{
                "file": "", "survival": [],
                "columns": [
                    {"name": "a", "levels": ["0", "1"], "flag": true, "missing": false},
                    {"name": "b", "levels": ["0", "1"], "flag": true, "missing": false},
                    {"name": "c", "levels": ["x", "y", "z"], "missing": false}
                ]
            }"#,
        )
        .unwrap();
        let domain = Domain::of_params(&described.params(), &described.schema().unwrap()).unwrap();
        let left = vec![vec![0, 0, 0], vec![0, 0, 0], vec![1, 1, 2], vec![1, 1, 2]];
        let right = vec![vec![0, 0, 0], vec![0, 1, 0], vec![1, 1, 2], vec![1, 0, 2]];
        assert_eq!(three_way(&domain, &left, &right).unwrap(), 0.5);
        assert_eq!(three_way(&domain, &left, &left).unwrap(), 0.0);
    }

    #[test]
    fn both_data_sets_are_described_and_have_dpmms_figures() {
        for data in ["flchain", "mgus2"] {
            for method in ["mst", "aim"] {
                assert!(dpmm(data, method).unwrap().starts_with("0."));
            }
        }
        assert!(dpmm("flchain", "other").is_err());
    }
}
