//! What is wrong with a file is told with its line, and each column has its place in the summary.

use super::{DATA, SCHEMA, STUDY, haima, haima_in, repository, text};

#[test]
fn each_column_stands_with_type_unit_range_and_what_the_file_holds() {
    let said = haima(&["data", "check", DATA, "--schema", SCHEMA]).succeeds();
    let line = |name: &str| {
        let line = said.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("{name}\n{said}"))
    };
    let heading = line("column");
    for word in ["type", "unit", "range", "missing", "outside", "unreadable"] {
        assert!(heading.contains(word), "{heading}");
    }
    let age = line("age").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(age.starts_with("age numeric years 0 to 110 0.0 % 14 "), "{age}");
    assert!(line("death").contains("flag"), "{said}");
    assert!(said.contains("No faults: a site takes this file."), "{said}");
}

#[test]
fn faults_are_told_with_line_and_field_and_end_as_a_check_that_found_something() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines: Vec<String> =
        std::fs::read_to_string(repository(DATA)).unwrap().lines().map(str::to_owned).collect();
    lines[4] = "4,10,1,7,old,0,12.0,1.0".into();
    lines[8] = "8,10,1,7,200,0,12.0,1.0".into();
    std::fs::write(folder.path().join("p.csv"), lines.join("\n")).unwrap();
    let schema = repository(SCHEMA);
    let arguments = ["data", "check", "p.csv", "--schema", text(&schema)];
    let output = haima_in(folder.path(), &arguments);
    assert_eq!(output.code, 12, "{}", output.log);
    assert!(output.out.contains("line 5, `age`: `old` is not a finite number"), "{}", output.out);
    assert!(output.out.contains("line 9, `age`: `200` lies outside"), "{}", output.out);
    assert!(output.log.contains("2 faults; a site would refuse this file"), "{}", output.log);
    let json = haima_in(folder.path(), &[&arguments[..], &["--json"]].concat());
    let found: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&found["schema"], &found["fault_count"]), (&"haima.quality/1".into(), &2.into()));
    assert_eq!((&found["faults"][0]["line"], json.code), (&5.into(), 12));
}

#[test]
fn the_short_name_is_the_same_command() {
    for arguments in [[DATA, "--schema", SCHEMA], [DATA, "--schema", STUDY]] {
        let long = haima(&[&["data", "check"][..], &arguments].concat());
        let short = haima(&[&["check"][..], &arguments].concat());
        assert_eq!(long.log, short.log);
        assert_eq!(long.succeeds(), short.succeeds());
    }
}
