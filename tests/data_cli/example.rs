//! Ready schemas and artificial rows are there, say what they are, and can be used at once.

use super::{haima_in, repository};

#[test]
fn artificial_rows_are_written_checked_and_analysed() {
    let folder = tempfile::tempdir().unwrap();
    let own = |arguments: &[&str]| haima_in(folder.path(), arguments);
    for (disease, schema, rows) in [
        ("aml", "try/aml.schema.toml", "try/artificial-aml.csv"),
        ("sickle-cell", "try/sickle-cell.schema.toml", "try/artificial-sickle-cell.csv"),
    ] {
        let example = ["data", "example", disease, "--rows", "300", "--seed", "4", "--out", "try"];
        let said = own(&example).succeeds();
        assert!(said.contains("made up, of no patient") && said.contains(rows), "{said}");
        let said = own(&["data", "check", rows, "--schema", schema]).succeeds();
        assert!(said.contains("300 rows, 300 patients") && said.contains("No faults"), "{said}");
        let text = std::fs::read_to_string(folder.path().join(rows)).unwrap();
        assert!(text.lines().nth(1).unwrap().starts_with("artificial-1,"), "{text}");
        let shipped = repository(&format!("data/schemas/{disease}.toml"));
        let written = std::fs::read(folder.path().join(schema)).unwrap();
        assert!(written == std::fs::read(shipped).unwrap(), "{disease}: another schema");
        let said = own(&example).refusal(9);
        assert!(said.contains("give another name, or remove it"), "{said}");
    }
    let cox = [
        "stats",
        "cox",
        "--data",
        "try/artificial-aml.csv",
        "--deal",
        "4",
        "--schema",
        "try/aml.schema.toml",
        "--time",
        "os_days",
        "--event",
        "os_status",
        "--covariates",
        "age,sex",
        "--json",
    ];
    let found = own(&cox).json();
    let age = &found["terms"][0];
    assert_eq!(age["name"], "age");
    assert!(age["hr"].as_f64().unwrap() > 1.0, "older patients die sooner: {age}");
}

#[test]
fn what_was_written_is_one_object() {
    let folder = tempfile::tempdir().unwrap();
    let example = ["data", "example", "sickle-cell", "--out", "x", "--json"];
    let found = haima_in(folder.path(), &example).json();
    assert_eq!(
        (&found["schema"], &found["artificial"]),
        (&"haima.data-example/1".into(), &true.into())
    );
    assert_eq!((&found["rows"], &found["seed"]), (&500.into(), &1.into()));
    let readme = found["files"]["readme"].as_str().unwrap();
    let readme = std::fs::read_to_string(folder.path().join(readme)).unwrap();
    assert!(readme.contains("no patient is in them"), "{readme}");
    let many = ["data", "example", "aml", "--rows", "100001", "--out", "y"];
    assert!(haima_in(folder.path(), &many).refusal(2).contains("ask for 1 to 100000"));
}
