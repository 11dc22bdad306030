//! Whom a file would show, on patients of whom three columns are known.

use super::{DATA, SCHEMA, STUDY, haima};

const ASKED: [&str; 5] = ["data", "anonymity", DATA, "--schema", SCHEMA];

#[test]
fn unique_patients_are_counted_before_and_after_a_generalisation() {
    let quasi = ["--quasi", "age,male", "--sensitive", "death", "--generalise", "age=10", "--json"];
    let found = haima(&[&ASKED[..], &quasi].concat()).json();
    assert_eq!(found["schema"], "haima.anonymity/1");
    assert_eq!((&found["rows"], &found["generalised"][0]), (&1043.into(), &"age=10".into()));
    // By hand, from the file itself.
    let text = std::fs::read_to_string(super::repository(DATA)).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|l| l.split(',').collect()).collect();
    let alone = |width: u32| {
        let mut classes = std::collections::BTreeMap::<(u32, &str), u64>::new();
        for row in &rows {
            *classes.entry((row[4].parse::<u32>().unwrap() / width, row[5])).or_insert(0) += 1;
        }
        (classes.values().filter(|n| **n == 1).count() as u64, *classes.values().min().unwrap())
    };
    for (side, width) in [("before", 1), ("after", 10)] {
        let (unique, k) = alone(width);
        let own = &found[side];
        assert_eq!((&own["unique_rows"], &own["k"]), (&unique.into(), &k.into()), "{side}");
        let of_bands: u64 = own["sizes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|band| band["rows"].as_u64().unwrap())
            .sum();
        assert_eq!(of_bands, 1043, "{side}");
    }
    assert!(found["before"]["unique_rows"].as_u64() > found["after"]["unique_rows"].as_u64());
    assert!(found["note"].as_str().unwrap().contains("it belongs where the file is"));
    assert_eq!(found["before"]["diversity"][0]["column"], "death");
}

#[test]
fn a_pooled_files_hospital_is_not_read_and_the_text_says_what_would_help() {
    let asked = ["data", "anonymity", DATA, "--schema", STUDY, "--quasi", "age,male,wbc,tpi"];
    let output = haima(&asked);
    assert!(output.log.contains("`district` names the hospital"), "{}", output.log);
    let said = output.succeeds();
    assert!(said.starts_with("leuksurv.csv: 1,043 rows, by age, male, wbc, tpi\n"), "{said}");
    assert!(said.contains("helps most") && said.contains("wbc=*"), "{said}");
    let coarse = ["--generalise", "age=20", "wbc=*", "tpi=*"];
    let said = haima(&[&asked[..], &coarse].concat()).succeeds();
    assert!(said.contains("Generalised: age=20, wbc=*, tpi=*"), "{said}");
}

#[test]
fn a_pooled_file_and_the_schema_drafted_of_it_go_together_by_one_option() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.toml");
    let schema = super::text(&schema);
    haima(&["data", "infer", DATA, "--site", "district", "--out", schema]).succeeds();
    let asked = ["data", "anonymity", DATA, "--schema", schema, "--quasi", "age,male"];
    let said = haima(&asked).refusal(4);
    assert!(said.contains("district"), "{said}");
    for option in ["--site", "--site-column"] {
        let output = haima(&[&asked[..], &[option, "district"]].concat());
        assert!(output.log.contains("`district` names the hospital"), "{}", output.log);
        let said = output.succeeds();
        assert!(said.starts_with("leuksurv.csv: 1,043 rows, by age, male\n"), "{said}");
    }
}

#[test]
fn what_does_not_fit_ends_as_a_fault_of_the_command_line() {
    let cases: [(&[&str], &str); 4] = [
        (&["--quasi", "weight"], "no column `weight`"),
        (&["--quasi", "age", "--generalise", "male=*"], "`male` is in neither"),
        (&["--quasi", "age", "--generalise", "age"], "COLUMN=WIDTH"),
        (&["--quasi", "age", "--generalise", "age=A|B"], "a number has bins of a width"),
    ];
    for (options, says) in cases {
        let said = haima(&[&ASKED[..], options].concat()).refusal(2);
        assert!(said.contains(says), "{says}: {said}");
    }
}
