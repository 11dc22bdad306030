use haima_fl_core::quality;

use super::*;

fn draft(csv: &str, site: Option<&str>) -> Result<Draft, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patients.csv");
    std::fs::write(&path, csv).unwrap();
    Draft::of(&path, site)
}

fn guess<'a>(draft: &'a Draft, column: &str) -> &'a Guess {
    &draft.columns.iter().find(|own| own.column == column).unwrap().guess
}

/// Comments of several lines as one.
fn flat(toml: &str) -> String {
    toml.replace("\n    # ", " ").replace("\n# ", " ")
}

/// Twelve patients with what files commonly hold.
fn patients() -> String {
    let row = |i: usize| {
        let (sex, stage) = (if i.is_multiple_of(2) { "F" } else { "M" }, ["I", "II", "III"][i % 3]);
        let hb = if i == 3 { "NA".to_owned() } else { format!("{}.{}", 8 + i % 5, i % 10) };
        let death = u8::from(i.is_multiple_of(4));
        format!("{i},2021-03-{:02},{sex},{stage},{hb},{},{death},Smith {i},{i}00\n", i + 1, i % 4)
    };
    let rows: String = (1..13).map(row).collect();
    format!("id,diagnosed,sex,stage,hb [g/dL],ECOG,death,surname,time_days\n{rows}")
}

#[test]
fn kinds_units_ranges_and_keys_are_drafted() {
    let draft = draft(&patients(), None).unwrap();
    assert_eq!(draft.patient.as_deref(), Some("id"));
    assert_eq!(draft.other_keys, ["surname", "time_days"]);
    let numeric =
        |unit: &str, unit_told, range| Guess::Numeric { unit: Some(unit.into()), unit_told, range };
    let Guess::Numeric { unit, unit_told: true, range } = guess(&draft, "hb") else {
        panic!("{draft:?}")
    };
    assert_eq!(unit.as_deref(), Some("g/dL"));
    assert!(range.0 <= 8.0 && range.1 >= 12.0 && range.1.fract() == 0.0, "{range:?}");
    assert_eq!(guess(&draft, "time_days"), &numeric("days", false, (0.0, 1200.0)));
    assert_eq!(guess(&draft, "death"), &Guess::Flag);
    assert_eq!(
        guess(&draft, "stage"),
        &Guess::Category { levels: ["I", "II", "III"].map(str::to_owned).to_vec() }
    );
    assert_eq!(guess(&draft, "diagnosed"), &Guess::Left { why: Why::Dates });
    assert_eq!(guess(&draft, "surname"), &Guess::Left { why: Why::People });
    assert_eq!(draft.to_do(), ["empty the fields of `hb` that say `NA`"]);
}

#[test]
fn words_that_may_mean_a_missing_value_are_remarked_on_and_sure_ones_are_to_be_emptied() {
    let rows: String = (0..20)
        .map(|i| {
            let risk = ["hoch", "mittel", "unbekannt", "niedrig"][i % 4];
            let dead = if i == 7 { "Unknown".to_owned() } else { (i % 2).to_string() };
            let stage = if i == 3 { "k.A." } else { ["I", "II"][i % 2] };
            format!("{i},{risk},{dead},{stage}\n")
        })
        .collect();
    let draft = draft(&format!("id,Risiko,tod,Stadium\n{rows}"), None).unwrap();
    let remarks = |column: &str| {
        let own = draft.columns.iter().find(|own| own.column == column).unwrap();
        own.remarks.join("; ")
    };
    let risk = remarks("Risiko");
    for expected in [
        "5 rows say `unbekannt`. This is kept as a category of its own",
        "If it means *not recorded*, run `haima data clean --missing 'Risiko=unbekannt'`",
        "delete it from `levels`",
    ] {
        assert!(risk.contains(expected), "{expected}: {risk}");
    }
    let dead = remarks("tod");
    assert!(dead.contains("1 row says `Unknown`, which is no number. If it means"), "{dead}");
    assert!(dead.ends_with("run `haima data clean --missing 'tod=Unknown'`"), "{dead}");
    assert!(!remarks("Stadium").contains("not recorded"));
    let empty = "empty the fields of `Stadium` that say `k.A.`";
    assert!(draft.to_do().iter().any(|own| own == empty), "{:?}", draft.to_do());
    assert!(flat(&draft.toml().unwrap()).contains("Look: 5 rows say `unbekannt`."));
}

#[test]
fn the_commonest_german_headers_of_a_key_are_keys() {
    let of = |header: &str, last: &str| {
        let text = format!("{header},sex,hb\nA1,m,7.5\nA2,w,8.5\n{last},m,9.5\n");
        draft(&text, None).unwrap().patient
    };
    for header in ["Pat.-Nr.", "Pat-Nr", "PATNR", "Patienten-Nr."] {
        assert_eq!(of(header, "A2").as_deref(), Some(header), "a patient may have two rows");
    }
    // Of stays a patient may have several: a key where no value stands twice.
    assert_eq!(of("Fall-Nr.", "A3").as_deref(), Some("Fall-Nr."));
    assert_eq!(of("Fall-Nr.", "A2"), None);
}

#[test]
fn the_draft_is_a_schema_that_takes_the_file_once_what_it_says_is_done() {
    let text = patients();
    let draft = draft(&text, None).unwrap();
    let toml = draft.toml().unwrap();
    for said in [
        "patient = \"id\"",
        "unit = \"g/dL\" # as the header says",
        "unit = \"days\" # a guess by the name",
        "From the data: replace by what is plausible for the disease, before any private task (rule S4).",
        "range = [0, 1200]",
        "dates say who someone is: give the days between two of them",
        "(written as 2021-03-31):\n    \"diagnosed\",",
        "Look: few whole numbers: if they are codes or grades, say kind = \"category\"",
        "levels = [\"F\", \"M\"]",
        "missing = true # from the data: 1 row without a value",
    ] {
        assert!(flat(&toml).contains(said), "{said}\n{toml}");
    }
    assert!(toml.lines().all(|line| line.chars().count() <= 100), "{toml}");
    let table: toml::Table = toml.parse().unwrap();
    let schema = Schema::from_toml(table["schema"].as_table().unwrap()).unwrap();
    assert!(!quality::check("p", text.as_bytes(), &schema).accepted);
    let mended = text.replace(",NA,", ",,");
    let report = quality::check("p", mended.as_bytes(), &schema);
    assert!(report.accepted, "{:?}", report.faults);
}

#[test]
fn headers_that_no_schema_can_name_are_renamed_and_units_are_told_from_names() {
    let rows: String =
        (0..8).map(|i| format!("{i},{},1{i}.5,{},{}\n", i % 2, 20 + i, i % 2)).collect();
    let draft = draft(&format!("nr,del(5q),Hb (g/dL),Age at diagnosis,t(8;21)\n{rows}"), None);
    let draft = draft.unwrap();
    let renamed: Vec<(&str, Option<&str>)> =
        draft.columns.iter().map(|own| (own.column.as_str(), own.rename.as_deref())).collect();
    assert_eq!(
        renamed,
        [
            ("nr", None),
            ("del_5q", Some("del_5q")),
            ("Hb", Some("Hb [g/dL]")),
            ("Age_at_diagnosis", Some("Age_at_diagnosis")),
            ("t_8_21", Some("t_8_21")),
        ]
    );
    assert_eq!(draft.patient, None);
    let toml = draft.toml().unwrap();
    assert!(toml.contains("# - call the column \"Hb (g/dL)\" \"Hb [g/dL]\""), "{toml}");
    assert!(toml.contains("one_row_per_patient = true"), "{toml}");
    assert!(flat(&toml).contains("If one of nr is a patient's key"), "{toml}");
}

#[test]
fn rows_of_one_patient_are_seen_and_left_to_the_person() {
    let rows: String = (0..9).map(|i| format!("p{},{i}.5\n", i / 3)).collect();
    let draft = draft(&format!("patient_id,creatinine\n{rows}"), None).unwrap();
    assert_eq!((draft.patient.as_deref(), draft.rows_per_patient), (Some("patient_id"), 3));
    assert!(draft.toml().unwrap().contains("\n# rows_per_patient = 3\n"));
}

#[test]
fn what_tells_of_people_or_holds_text_is_left_out() {
    let rows: String = (0..40)
        .map(|i| format!("{i},note {i} of one's own,x,,{},20210{}01\n", i % 2, 1 + i % 9))
        .collect();
    let draft = draft(&format!("id,remarks,country,empty,male,date\n{rows}"), None).unwrap();
    for (column, why) in [
        ("remarks", Why::Text),
        ("country", Why::Constant),
        ("empty", Why::Empty),
        ("date", Why::Dates),
    ] {
        assert_eq!(guess(&draft, column), &Guess::Left { why }, "{column}");
    }
    assert_eq!(draft.read().count(), 1);
}

#[test]
fn a_file_that_is_no_table_is_told_with_what_to_do() {
    for (csv, says) in [
        ("id;age\n1;60\n", "separate columns by commas"),
        ("id,age,age\n1,60,60\n", "two columns are called \"age\""),
        ("id,note\n1,x\n2,x\n", "has no column that a schema can have"),
        ("id,age\n", "no patients in it"),
    ] {
        let said = draft(csv, None).unwrap_err().to_string();
        assert!(said.contains(says), "{csv}: {said}");
    }
    let said = draft("id,age\n1,60\n", Some("ward")).unwrap_err().to_string();
    assert!(said.contains("no column \"ward\""), "{said}");
}

#[test]
fn a_pooled_files_hospitals_are_no_part_of_the_schema() {
    let draft = draft("id,ward,age\n1,a,60\n2,b,70\n", Some("ward")).unwrap();
    assert!(draft.columns.iter().all(|own| own.column != "ward"));
    let toml = draft.toml().unwrap();
    assert!(flat(&toml).contains("site_column = \"ward\""), "{toml}");
}

proptest::proptest! {
    /// Whatever a file of texts holds, what comes out is a schema or an error in words.
    #[test]
    fn any_table_of_texts_gives_a_schema_or_words(
        header in proptest::collection::vec("[a-zA-Z0-9 ,\"\\[\\]();äß\n]{0,12}", 1..6),
        cells in proptest::collection::vec("[0-9a-c,.\"'\\\\\n# -]{0,6}", 1..40),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&header).unwrap();
        for row in cells.chunks_exact(header.len()) {
            writer.write_record(row).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        if let Ok(draft) = draft(&text, None) {
            let toml = draft.toml();
            proptest::prop_assert!(toml.is_ok(), "{toml:?}");
        }
    }
}
