//! Files of patients: schema, CSV and Parquet intake, predicates, and the draft of a schema
//! (`haima_fl_core::{schema, selection}`, `haima::data`).

use haima::data::infer::Draft;
use haima::data::source;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::selection::Predicate;

use super::tools::{Cut, folder, tagged};

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    let own = || Schema::from_toml(&super::schema()).expect("a schema");
    match tag % 6 {
        // A schema, a zero, and a table that may be one of its kind.
        0 => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            let (text, csv) = bytes.split_at(end);
            let table = std::str::from_utf8(text).ok().and_then(|text| toml::from_str(text).ok());
            if let Some(Ok(schema)) = table.map(|table: toml::Table| Schema::from_toml(&table)) {
                let _ = Cohort::from_reader("a table", csv.get(1..).unwrap_or_default(), &schema);
            }
        }
        1 => {
            let _ = Cohort::from_reader("a table", bytes, &own());
        }
        2 => {
            if let Ok(text) = std::str::from_utf8(bytes)
                && let Ok(predicate) = Predicate::parse(text, &own())
            {
                // What is shown of it is the same predicate.
                let shown = predicate.to_string();
                assert!(Predicate::parse(&shown, &own()).is_ok_and(|it| it.to_string() == shown));
            }
        }
        tag => {
            let folder = folder();
            let name = if tag == 3 { "table.parquet" } else { "table.csv" };
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("a file");
            if tag == 5 {
                if let Ok(draft) = Draft::of(&path, None) {
                    let _ = draft.toml();
                }
            } else {
                let _ = (source::cohort(&path, &own()), source::text(&path));
            }
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let csv = include_str!("../../../../data/leuksurv.csv");
    let csv: Vec<&str> = csv.lines().take(6).collect();
    let csv = csv.join("\n") + "\n";
    let schema = toml::to_string(&super::schema()).unwrap();
    vec![
        tagged(0, format!("{schema}\0{csv}").as_bytes()),
        tagged(1, csv.as_bytes()),
        tagged(2, b"age >= 65"),
        tagged(2, b"age is missing"),
        tagged(3, include_bytes!("../../../../tests/data_cli/parquet/plain.parquet")),
        tagged(3, include_bytes!("../../../../tests/data_cli/parquet/snappy.parquet")),
        tagged(3, include_bytes!("../../../../tests/data_cli/parquet/gzip.parquet")),
        tagged(4, csv.as_bytes()),
        tagged(5, csv.as_bytes()),
    ]
}
