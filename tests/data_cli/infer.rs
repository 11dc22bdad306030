//! A draft of a schema fits the file that it was made from, and says what came from the data.

use super::{DATA, haima, haima_in, repository, text};

#[test]
fn the_draft_of_each_file_here_is_a_schema_that_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    for (data, site) in [
        (DATA, Some("district")),
        ("data/bmt_klein.csv", Some("hospital")),
        ("data/mgus2.csv", None),
    ] {
        let out = folder.path().join("schema.toml");
        let site: Vec<&str> = site.iter().flat_map(|site| ["--site", *site]).collect();
        let infer = ["data", "infer", data, "--out", text(&out)];
        let said = haima(&[&infer[..], &site].concat()).succeeds();
        assert!(said.contains("haima data check") && said.contains("edit it"), "{said}");
        // Its ranges and levels are those of patients.
        let mode = std::fs::metadata(&out).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
        let check = ["data", "check", data, "--schema", text(&out)];
        let said = haima(&[&check[..], &site].concat()).succeeds();
        assert!(said.contains("\nNo faults: "), "{data}: {said}");
        std::fs::remove_file(&out).unwrap();
    }
}

#[test]
fn a_draft_says_beside_each_line_where_it_comes_from() {
    let draft = haima(&["data", "infer", DATA, "--site", "district"]).succeeds();
    for said in [
        "# Draft of a schema, made from leuksurv.csv (1,043 rows).",
        "patient = \"patient\"",
        "\"district\" names the hospital of a row",
        "name = \"time_days\"\nkind = \"numeric\"\nunit = \"days\" # a guess by the name\n",
        "# From the data: replace by what is plausible for the disease, before any private task",
        "range = [0, 5000]",
        "name = \"death\"\nkind = \"flag\" # 0 or 1\n",
        "range = [-7, 10]",
    ] {
        assert!(draft.contains(said), "{said}\n{draft}");
    }
    assert!(!draft.contains("name = \"district\""), "{draft}");
}

#[test]
fn a_draft_takes_no_other_files_place() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("schema.toml");
    std::fs::write(&out, "# edited for hours\n").unwrap();
    let said = haima(&["data", "infer", DATA, "--out", text(&out)]).refusal(9);
    assert!(said.contains("schema.toml") && said.contains("give another name"), "{said}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "# edited for hours\n");
}

#[test]
fn what_has_to_be_done_to_the_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..20)
        .map(|i| format!("{i},{}.5,{},2021-01-{:02},{}\n", 8 + i % 4, i % 2, 1 + i, 40 + i))
        .collect();
    let file = format!("id,Hb (g/dL),male,first seen,Age\n{}", rows.replacen("8.5", "n/a", 1));
    std::fs::write(folder.path().join("p.csv"), file).unwrap();
    let output = haima_in(folder.path(), &["data", "infer", "p.csv", "--json"]);
    let log = output.log.clone();
    let found = output.json();
    assert!(log.contains("call the column \"Hb (g/dL)\" \"Hb [g/dL]\""), "{log}");
    assert!(log.contains("empty the fields of `Hb` that say `n/a`"), "{log}");
    assert_eq!(found["schema"], "haima.data-draft/1");
    assert_eq!((&found["patient"], &found["rows"]), (&"id".into(), &20.into()));
    let column = |at: usize| &found["columns"][at];
    assert_eq!((&column(0)["kind"], &column(0)["unit"]), (&"numeric".into(), &"g/dL".into()));
    assert_eq!(column(0)["missing_spellings"]["n/a"], 1);
    assert_eq!(column(1)["kind"], "flag");
    assert_eq!((&column(2)["kind"], &column(2)["why"]), (&"left".into(), &"dates".into()));
    assert_eq!((&column(3)["kind"], &column(3)["unit"]), (&"numeric".into(), &"years".into()));
    // Done, the draft takes the file.
    haima_in(folder.path(), &["data", "infer", "p.csv", "--out", "schema.toml"]).succeeds();
    let mended = std::fs::read_to_string(folder.path().join("p.csv")).unwrap();
    let mended = mended.replace("n/a", "").replace("Hb (g/dL)", "Hb [g/dL]");
    let mended = mended.replace("first seen", "first_seen");
    std::fs::write(folder.path().join("q.csv"), mended).unwrap();
    let check = haima_in(folder.path(), &["data", "check", "q.csv", "--schema", "schema.toml"]);
    assert!(check.succeeds().contains("No faults"));
}

#[test]
fn what_is_no_table_is_refused_with_the_file() {
    let said = haima(&["data", "infer", "data/none.csv"]).refusal(9);
    assert!(said.contains("data/none.csv") && said.contains("check the path"), "{said}");
    let said = haima(&["data", "infer", DATA, "--site", "ward"]).log;
    assert!(said.contains("no column \"ward\""), "{said}");
    assert!(repository(DATA).is_file());
}
