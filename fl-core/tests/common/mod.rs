//! What the tests share: the shipped cohorts with their schemas, and the oracles beside the
//! repository.

#![allow(dead_code)] // Each test binary uses its own part.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use haima_fl_core::cohort::Cohort;
use haima_fl_core::error::Error;
use haima_fl_core::registry;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use haima_fl_core::task::Run;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;

pub(crate) const LEUKSURV: &str = r#"
    patient = "patient"
    ignore = ["district"]
    [[column]]
    name = "time_days"
    kind = "numeric"
    unit = "days"
    range = [0, 5000]
    [[column]]
    name = "death"
    kind = "flag"
    [[column]]
    name = "age"
    kind = "numeric"
    unit = "years"
    range = [0, 110]
    label = "Age"
    [[column]]
    name = "male"
    kind = "flag"
    label = "Male sex"
    [[column]]
    name = "wbc"
    kind = "numeric"
    range = [0, 500]
    [[column]]
    name = "tpi"
    kind = "numeric"
    range = [-10, 15]
"#;

pub(crate) const BMT: &str = r#"
    one_row_per_patient = true
    ignore = ["hospital", "patient_male", "donor_male", "patient_cmv", "donor_cmv", "wait_days",
        "mtx_prophylaxis", "os_days", "death", "relapse", "agvhd_days", "agvhd", "cgvhd_days",
        "cgvhd", "platelet_recovery_days", "platelet_recovery"]
    [[column]]
    name = "dfs_days"
    kind = "numeric"
    range = [0, 3000]
    [[column]]
    name = "dfs_event"
    kind = "flag"
    [[column]]
    name = "disease_group"
    kind = "category"
    levels = ["ALL", "AML_high_risk", "AML_low_risk"]
    [[column]]
    name = "fab_4_5_aml"
    kind = "flag"
    [[column]]
    name = "patient_age"
    kind = "numeric"
    range = [0, 80]
    [[column]]
    name = "donor_age"
    kind = "numeric"
    range = [0, 80]
"#;

pub(crate) const MGUS2: &str = r#"
    patient = "id"
    ignore = ["dxyr", "ptime", "pstat"]
    [[column]]
    name = "age"
    kind = "numeric"
    range = [18, 110]
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M"]
    [[column]]
    name = "hgb"
    kind = "numeric"
    unit = "g/dL"
    range = [3, 22]
    missing = true
    [[column]]
    name = "creat"
    kind = "numeric"
    range = [0, 30]
    missing = true
    [[column]]
    name = "mspike"
    kind = "numeric"
    range = [0, 10]
    missing = true
    [[column]]
    name = "futime"
    kind = "numeric"
    unit = "months"
    range = [0, 480]
    [[column]]
    name = "death"
    kind = "flag"
"#;

/// [`MGUS2`] with the first event of each patient, as [`mgus2_event`] derives it.
pub(crate) const MGUS2_EVENT: &str = r#"
    patient = "id"
    ignore = ["dxyr"]
    [[column]]
    name = "age"
    kind = "numeric"
    range = [18, 110]
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M"]
    [[column]]
    name = "hgb"
    kind = "numeric"
    range = [3, 22]
    missing = true
    [[column]]
    name = "creat"
    kind = "numeric"
    range = [0, 30]
    missing = true
    [[column]]
    name = "mspike"
    kind = "numeric"
    range = [0, 10]
    missing = true
    [[column]]
    name = "ptime"
    kind = "numeric"
    range = [0, 480]
    [[column]]
    name = "pstat"
    kind = "flag"
    [[column]]
    name = "futime"
    kind = "numeric"
    range = [0, 480]
    [[column]]
    name = "death"
    kind = "flag"
    [[column]]
    name = "etime"
    kind = "numeric"
    range = [0, 480]
    [[column]]
    name = "event"
    kind = "category"
    levels = ["censored", "pcm", "death"]
"#;

/// Disease-free survival of bmt_klein with the event that ended it, as [`bmt_ending`] derives it.
pub(crate) const BMT_ENDING: &str = r#"
    one_row_per_patient = true
    ignore = ["hospital", "patient_male", "donor_male", "patient_cmv", "donor_cmv", "wait_days",
        "mtx_prophylaxis", "os_days", "death", "relapse", "agvhd_days", "agvhd", "cgvhd_days",
        "cgvhd", "platelet_recovery_days", "platelet_recovery", "dfs_event", "donor_age"]
    [[column]]
    name = "dfs_days"
    kind = "numeric"
    range = [0, 3000]
    [[column]]
    name = "disease_group"
    kind = "category"
    levels = ["ALL", "AML_high_risk", "AML_low_risk"]
    [[column]]
    name = "fab_4_5_aml"
    kind = "flag"
    [[column]]
    name = "patient_age"
    kind = "numeric"
    range = [0, 80]
    [[column]]
    name = "ending"
    kind = "category"
    levels = ["censored", "relapse", "death"]
"#;

pub(crate) const MYELOMA: &str = r#"
    patient = "id"
    [[column]]
    name = "year"
    kind = "numeric"
    range = [40, 100]
    [[column]]
    name = "entry"
    kind = "numeric"
    range = [0, 10000]
    [[column]]
    name = "futime"
    kind = "numeric"
    range = [0, 12000]
    [[column]]
    name = "death"
    kind = "flag"
"#;

pub(crate) fn table(text: &str) -> toml::Table {
    text.parse().expect("TOML")
}

pub(crate) fn schema(text: &str) -> Schema {
    Schema::from_toml(&table(text)).expect("schema")
}

/// The folder of oracles that is not part of the repository. Where it is absent, says so, and the
/// test returns.
pub(crate) fn shared(what: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("HAIMA_SHARED").map_or(beside, PathBuf::from);
    let path = root.join(what);
    if path.exists() {
        return Some(path);
    }
    eprintln!("ORACLE absent: {what}");
    None
}

/// An oracle's JSON.
pub(crate) fn oracle(what: &str) -> Option<Value> {
    let text = std::fs::read_to_string(shared(what)?).expect("readable oracle");
    Some(serde_json::from_str(&text).expect("JSON oracle"))
}

/// A shipped data file.
pub(crate) fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An oracle that is part of the repository, in `tests/oracles/`.
pub(crate) fn shipped_oracle(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/oracles").join(name);
    let text = std::fs::read_to_string(path).expect("shipped oracle");
    serde_json::from_str(&text).expect("JSON oracle")
}

/// A file with columns appended: `derive` makes them from each row.
pub(crate) fn derived(
    text: &str,
    columns: &str,
    derive: impl Fn(&BTreeMap<String, String>) -> String,
) -> String {
    let header = text.lines().next().expect("header");
    let rows = text.lines().skip(1).zip(records(text));
    std::iter::once(format!("{header},{columns}\n"))
        .chain(rows.map(|(line, record)| format!("{line},{}\n", derive(&record))))
        .collect()
}

/// mgus2 with `etime` and `event`, progression or else death, as in survival's vignette `compete`.
pub(crate) fn mgus2_event() -> String {
    derived(&data("mgus2.csv"), "etime,event", |row| {
        match (row["pstat"].as_str(), row["death"].as_str()) {
            ("1", _) => format!("{},pcm", row["ptime"]),
            (_, "1") => format!("{},death", row["futime"]),
            _ => format!("{},censored", row["futime"]),
        }
    })
}

/// bmt_klein with `ending`: relapse, or else death, or else censored.
pub(crate) fn bmt_ending() -> String {
    derived(&data("bmt_klein.csv"), "ending", |row| {
        let ending = match (row["relapse"].as_str(), row["dfs_event"].as_str()) {
            ("1", _) => "relapse",
            (_, "1") => "death",
            _ => "censored",
        };
        ending.to_owned()
    })
}

/// Rows of a file as maps from column to text.
pub(crate) fn records(text: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.expect("row")).collect()
}

/// A file cut into one file a value of a column, as if each were a hospital.
pub(crate) fn split(text: &str, column: &str) -> Vec<String> {
    let header = text.lines().next().expect("header");
    let place = header.split(',').position(|name| name == column).expect("site column");
    let mut sites: BTreeMap<&str, String> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let site = line.split(',').nth(place).expect("field");
        let file = sites.entry(site).or_insert_with(|| format!("{header}\n"));
        file.push_str(line);
        file.push('\n');
    }
    sites.into_values().collect()
}

/// A file dealt out row by row to a number of hospitals.
pub(crate) fn deal(text: &str, sites: usize) -> Vec<String> {
    let header = text.lines().next().expect("header");
    let mut files = vec![format!("{header}\n"); sites];
    for (i, line) in text.lines().skip(1).enumerate() {
        files[i % sites].push_str(line);
        files[i % sites].push('\n');
    }
    files
}

pub(crate) fn cohort(schema: &Schema, text: &str) -> Cohort {
    Cohort::from_reader("test.csv", text.as_bytes(), schema).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn cohorts(schema: &Schema, files: &[String]) -> Vec<Cohort> {
    files.iter().map(|text| cohort(schema, text)).collect()
}

pub(crate) fn open(task: &str, params: &str, schema: &Schema) -> Result<Box<dyn Run>, Error> {
    registry::open(task, 1, &table(params), schema, &BTreeMap::new())
}

pub(crate) fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

/// Runs a task over the plain sum of cohorts.
pub(crate) fn run(
    task: &str,
    params: &str,
    schema: &Schema,
    cohorts: &[Cohort],
    min_local_rows: u64,
) -> Result<Value, Error> {
    let mut own = open(task, params, schema)?;
    let replay = || open(task, params, schema);
    let mut sums = PlainSum::new(cohorts, 100_000, min_local_rows, rng(), replay)?;
    drive(own.as_mut(), &mut sums)
}

/// The largest absolute difference; fails with `what` when it passes the tolerance.
pub(crate) fn close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= tolerance, "{what}: off by {worst:e}");
    worst
}

/// Numbers of a JSON array; `null` is NaN.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    let array = value.as_array().unwrap_or_else(|| panic!("no array: {value}"));
    array.iter().map(|item| item.as_f64().unwrap_or(f64::NAN)).collect()
}
