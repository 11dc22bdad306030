//! Parquet wherever a table goes in: files as pyarrow writes them (`parquet/make.py`), and our own.

use haima::data::source;

use super::{haima, haima_in, repository, text};

const FOLDER: &str = "tests/data_cli/parquet";

#[test]
fn files_of_another_program_are_read_field_by_field() {
    let expected = std::fs::read_to_string(repository(&format!("{FOLDER}/expected.csv"))).unwrap();
    for packed in ["snappy", "gzip", "plain"] {
        let path = repository(&format!("{FOLDER}/{packed}.parquet"));
        assert_eq!(source::text(&path).unwrap(), expected, "{packed}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_the_column_and_what_to_do() {
    for (name, says) in [
        ("zstd", "is packed by zstd; write it with snappy, gzip or none"),
        ("nested", "column `visits` holds lists or structures"),
    ] {
        let path = format!("{FOLDER}/{name}.parquet");
        let said = haima(&["data", "infer", &path]).log;
        assert!(said.contains(says) && said.contains(name), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_schema_is_drafted_and_the_file_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = repository(&format!("{FOLDER}/snappy.parquet"));
    let own = |arguments: &[&str]| haima_in(folder.path(), arguments);
    own(&["data", "infer", text(&file), "--out", "schema.toml"]).succeeds();
    let draft = std::fs::read_to_string(folder.path().join("schema.toml")).unwrap();
    for said in [
        "unit = \"g/dL\" # as the header says",
        "name = \"death\"\nkind = \"flag\"",
        "patient = \"id\"",
    ] {
        assert!(draft.contains(said), "{said}\n{draft}");
    }
    let said = own(&["data", "check", text(&file), "--schema", "schema.toml"]).succeeds();
    assert!(said.contains("12 rows, 12 patients") && said.contains("No faults"), "{said}");
    // The second row is 34 years old.
    let at = draft.find("name = \"age\"").unwrap();
    let from = at + draft[at..].find("range = [").unwrap();
    let to = from + draft[from..].find(']').unwrap() + 1;
    let narrow = format!("{}range = [40, 80]{}", &draft[..from], &draft[to..]);
    std::fs::write(folder.path().join("narrow.toml"), narrow).unwrap();
    let output = own(&["data", "check", text(&file), "--schema", "narrow.toml"]);
    assert_eq!(output.code, 12, "{}", output.log);
    assert!(output.out.contains("line 3, `age`: `34` lies outside"), "{}", output.out);
    assert!(output.out.contains("first row of a Parquet file counts as line 2"), "{}", output.out);
}

/// An analysis over hospitals gives the same of the same patients, whatever the file's form.
#[test]
fn an_analysis_of_a_parquet_file_is_that_of_the_csv() {
    let folder = tempfile::tempdir().unwrap();
    let path = repository(&format!("{FOLDER}/snappy.parquet"));
    std::fs::write(folder.path().join("p.csv"), source::text(&path).unwrap()).unwrap();
    let schema = "[schema]\npatient = \"id\"\n\
        ignore = [\"sex\", \"born\", \"seen\", \"dose\", \"count\", \"score\"]\n\
        [[schema.column]]\nname = \"age\"\nkind = \"numeric\"\nrange = [0, 110]\n\
        [[schema.column]]\nname = \"hb\"\nkind = \"numeric\"\nunit = \"g/dL\"\nrange = [2, 22]\n\
        missing = true\n[[schema.column]]\nname = \"death\"\nkind = \"flag\"\n";
    std::fs::write(folder.path().join("schema.toml"), schema).unwrap();
    let table = |data: &str| {
        let own = ["stats", "table1", "--data", data, "--schema", "schema.toml", "--deal", "3"];
        let floors = ["--min-local-rows", "1", "--columns", "age,death", "--json"];
        haima_in(folder.path(), &[&own[..], &floors].concat()).json()
    };
    assert_eq!(table(text(&path)), table("p.csv"));
}

#[test]
fn virtual_patients_in_parquet_come_back_as_they_were_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("m.haima");
    let fit = ["synth", "fit", "--data", "data/leuksurv.csv", "--site", "district", "--schema"];
    let of = ["data/leuksurv.study.toml", "--survival", "time_days,death", "--exact"];
    let how = ["--method", "mst", "--out", text(&model)];
    haima(&[&fit[..], &of, &how].concat()).succeeds();
    for name in ["v.csv", "v.parquet"] {
        let sample = ["synth", "sample", "m.haima", "--rows", "40", "--seed", "3", "--out", name];
        haima_in(folder.path(), &sample).succeeds();
    }
    let [csv, parquet] = ["v.csv", "v.parquet"].map(|name| {
        let text = source::text(&folder.path().join(name)).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<Vec<String>> =
            reader.records().map(|row| row.unwrap().iter().map(plain).collect()).collect();
        (reader.headers().unwrap().clone(), rows)
    });
    assert_eq!(csv, parquet);
}

/// A number without zeros behind its point, which a number in Parquet does not keep.
fn plain(field: &str) -> String {
    field.parse::<f64>().map_or_else(|_| field.to_owned(), |number| number.to_string())
}
