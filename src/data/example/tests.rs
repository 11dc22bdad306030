use std::collections::BTreeMap;

use haima_fl_core::quality;
use haima_fl_core::schema::Kind;

use super::*;

const BOTH: [Disease; 2] = [Disease::Aml, Disease::SickleCell];

/// Columns of made-up rows.
fn columns(disease: Disease, rows: u32, seed: u64) -> BTreeMap<String, Vec<String>> {
    let bytes = disease.rows(rows, seed).unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in reader.records() {
        for (name, field) in header.iter().zip(&row.unwrap()) {
            columns.entry(name.clone()).or_default().push(field.to_owned());
        }
    }
    columns
}

#[test]
fn the_rows_fit_their_schema_and_fill_each_of_its_columns() {
    for disease in BOTH {
        let (schema, rows) = (disease.schema().unwrap(), disease.rows(2000, 3).unwrap());
        let report = quality::check("rows", rows.as_slice(), &schema);
        assert!(report.accepted, "{disease:?}: {:?}", &report.faults[..report.faults.len().min(5)]);
        for column in &report.columns {
            assert!(column.present > 10, "{disease:?}: `{}` is never filled", column.column);
            let numeric = schema.column(&column.column).unwrap();
            let numeric = matches!(numeric.kind, Kind::Numeric { .. });
            assert!(!column.constant, "{disease:?}: `{}` never differs", column.column);
            // Nothing piles up at the ends of a range but what is bounded by nature.
            let ends = column.numbers.map_or(0, |numbers| numbers.at_ends);
            let natural = ["units", "hydroxyurea_dose", "pain_crises", "spo2", "age", "pb_blasts"];
            assert!(
                !numeric || ends < 20 || natural.contains(&column.column.as_str()),
                "{disease:?}: {ends} of `{}` at the ends",
                column.column
            );
        }
    }
}

#[test]
fn the_leukaemia_schema_has_the_columns_that_were_published() {
    let schema = Disease::Aml.schema().unwrap();
    let with = |prefix: &str| {
        schema.columns.iter().filter(|column| column.name.starts_with(prefix)).count()
    };
    // 37 clinical ones with the key; 52 of the karyotype with its letters; 55 genes.
    let (karyotype, genes) = (with("kar_"), with("gene_"));
    assert_eq!((karyotype + schema.ignore.len(), genes), (52, 55));
    assert_eq!(schema.columns.len() - karyotype - genes + 1, 37);
    assert!(Disease::SickleCell.schema().unwrap().columns.len() >= 20);
}

#[test]
fn a_seed_gives_its_rows_and_another_seed_others() {
    for disease in BOTH {
        let of = |seed| disease.rows(50, seed).unwrap();
        assert!(of(1) == of(1) && of(1) != of(2), "{disease:?}");
        let ids = &columns(disease, 50, 1)["id"];
        assert_eq!((ids[0].as_str(), ids[49].as_str()), ("artificial-1", "artificial-50"));
        // More rows are further rows.
        let more = disease.rows(60, 1).unwrap();
        assert!(more.starts_with(&of(1)), "{disease:?}");
    }
}

#[test]
fn what_depends_in_patients_depends_in_the_rows() {
    let rows = columns(Disease::Aml, 4000, 5);
    let number = |name: &str, at: usize| rows[name][at].parse::<f64>().ok();
    let died_within = |days: f64, of: &dyn Fn(usize) -> bool| {
        let own: Vec<usize> = (0..4000).filter(|at| of(*at)).collect();
        let dead = own.iter().filter(|at| {
            rows["os_status"][**at] == "1" && number("os_days", **at).unwrap() <= days
        });
        dead.count() as f64 / own.len() as f64
    };
    let all = &rows;
    let risk = |name: &'static str| move |at: usize| all["eln_2022"][at] == name;
    let (good, bad) = (risk("favourable"), risk("adverse"));
    assert!(died_within(365.0, &bad) > died_within(365.0, &good) + 0.15);
    let old = |at: usize| number("age", at).unwrap() >= 70.0;
    let young = |at: usize| number("age", at).unwrap() < 55.0;
    assert!(died_within(365.0, &old) > died_within(365.0, &young) + 0.1);
    for at in 0..4000 {
        let (os, efs) = (number("os_days", at).unwrap(), number("efs_days", at).unwrap());
        assert!(efs <= os, "row {at}");
        assert_eq!(number("rfs_days", at).is_some(), number("cr_days", at).is_some());
        assert_eq!(rows["efs_event"][at] == "none", rows["efs_status"][at] == "0");
        if let Some(transplanted) = number("hsct_days", at) {
            assert!(transplanted <= os && rows["allo_hsct"][at] == "1", "row {at}");
        }
        if rows["gene_npm1"][at] == "1" {
            assert_eq!(rows["icc_2022"][at], "NPM1");
        }
    }

    let rows = columns(Disease::SickleCell, 4000, 5);
    let mean = |name: &str, genotype: &str| {
        let own = (0..4000).filter(|at| rows["genotype"][*at] == genotype);
        let values: Vec<f64> = own.filter_map(|at| rows[name][at].parse().ok()).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert!(mean("hb", "HbSC") > mean("hb", "HbSS") + 2.0);
    assert!(mean("pain_crises", "HbSS") > mean("pain_crises", "HbSC"));
    let crises = mean("pain_crises", "HbSS");
    assert!((0.4..1.2).contains(&crises), "{crises}");
}

#[test]
fn files_say_that_they_are_artificial_and_take_no_others_place() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("try");
    let written = Disease::SickleCell.write(20, 7, &into).unwrap();
    assert!(written.rows.ends_with("artificial-sickle-cell.csv"));
    let readme = std::fs::read_to_string(&written.readme).unwrap();
    assert!(readme.starts_with("# Artificial rows: no patient is in them"), "{readme}");
    assert!(readme.contains("20 made-up rows of sickle cell disease"), "{readme}");
    assert!(readme.contains("from the seed 7"), "{readme}");
    let again = Disease::SickleCell.write(20, 7, &into).unwrap_err().to_string();
    assert!(again.contains("artificial") || again.contains("schema.toml"), "{again}");
    Disease::Aml.write(5, 1, &into).unwrap();
    assert_eq!(std::fs::read_dir(&into).unwrap().count(), 6);
    for rows in [0, MOST_ROWS + 1] {
        let said = Disease::Aml.write(rows, 1, &into).unwrap_err().to_string();
        assert!(said.contains("ask for 1 to"), "{said}");
    }
}
