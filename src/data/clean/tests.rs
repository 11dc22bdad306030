use super::*;

fn cleaned(bytes: &[u8], plan: &Plan) -> Result<Cleaned, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.csv");
    std::fs::write(&path, bytes).unwrap();
    clean(&path, plan).map_err(|error| error.to_string())
}

fn comma() -> Plan {
    Plan { decimal: vec![",".parse().unwrap()], ..Plan::default() }
}

#[test]
fn an_export_of_excel_becomes_a_table_that_intake_takes() {
    let text = "sep=;\r\nPat-Nr; Alter bei Diagnose ;Hb (g/dL);Blasten_%;Tod;Diagnose;Kontakt;\r\n\
                P1;70,5;9,8;1.234,5;ja;31.03.2021;10.04.2021;\r\n\r\n\
                P2;k.A.;10;20;nein;01.04.2021;;\r\n;;;;;;;\r\n";
    let plan = Plan {
        missing: vec!["k.A.".parse().unwrap()],
        flags: vec!["Tod=ja/nein".parse().unwrap()],
        renames: vec!["Alter bei Diagnose=Alter [years]".parse().unwrap()],
        intervals: vec!["FU=Diagnose..Kontakt".parse().unwrap()],
        ..comma()
    };
    let Cleaned { csv, report } = cleaned(text.as_bytes(), &plan).unwrap();
    assert_eq!(
        csv,
        "Pat-Nr,Alter [years],Hb [g/dL],Blasten [%],Tod,FU [days]\n\
         P1,70.5,9.8,1234.5,1,10\n\
         P2,,10,20,0,\n"
    );
    assert_eq!((report.separator, report.rows, report.blank_rows), (';', 2, 1));
    let changes =
        |header: &str| &report.columns.iter().find(|own| own.header == header).unwrap().changes;
    assert_eq!(changes("Alter bei Diagnose")["missing values emptied"], 1);
    assert_eq!(changes("Tod")["yes and no written as 1 and 0"], 2);
    assert_eq!(changes("Diagnose to Kontakt")["rows with both dates"], 1);
    let shown = show(&report);
    assert!(shown.starts_with("export.csv: 2 rows, utf-8, semicolons\n1 row without"), "{shown}");
    assert!(shown.contains("Hb (g/dL) -> Hb [g/dL]"), "{shown}");
}

#[test]
fn nothing_that_may_be_two_things_is_written_and_all_of_it_is_told() {
    let text = "id;gew;krea;sex;Datum;plt\n\
                1;1,5;3;m;31.03.2021;120\n\
                2;2,0;4;k.A.;01.04.2021;<10\n\
                3;2,5;-99;w;02.04.2021;80\n";
    let said = cleaned(text.as_bytes(), &Plan::default()).unwrap_err();
    for expected in [
        "line 2, column `gew`: `1,5` has a comma",
        "line 3, column `sex`: `k.A.` looks like a missing value",
        "line 4, column `krea`: `-99` looks like a code",
        "line 2, column `Datum`: `31.03.2021` is a date",
        "line 3, column `plt`: `<10` stands among numbers",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(said.contains("nothing was written"), "{said}");
    // Decided one by one, all of it is taken.
    let plan = Plan {
        missing: ["k.A.", "krea=-99", "plt=<10"].map(|text| text.parse().unwrap()).to_vec(),
        drop: vec!["Datum".into()],
        ..comma()
    };
    let csv = cleaned(text.as_bytes(), &plan).unwrap().csv;
    assert_eq!(csv, "id,gew,krea,sex,plt\n1,1.5,3,m,120\n2,2.0,4,,\n3,2.5,,w,80\n");
}

#[test]
fn a_point_that_may_stand_between_thousands_is_told_until_somebody_says() {
    let text = "id;LDH (U/L);Hb\n1;993;9.8\n2;1.361;10.2\n3;2.104;11\n";
    let said = |plan: &Plan| cleaned(text.as_bytes(), plan).unwrap_err();
    let told = "line 3, column `LDH (U/L)`: `1.361` may be a thousand or a decimal point";
    for plan in [
        Plan::default(),
        // Of all columns it says nothing of this one.
        Plan { decimal: vec![".".parse().unwrap()], ..Plan::default() },
    ] {
        let said = said(&plan);
        assert!(said.contains(told) && said.contains("--decimal LDH=. (1 more"), "{said}");
    }
    assert!(cleaned(b"id,plt\n1,950\n2,1.361\n", &Plan::default()).is_err(), "commas as well");
    let thousands = Plan { thousands: Some('.'), ..Plan::default() };
    // Then the points of the other column are none.
    assert!(said(&thousands).contains("line 2, column `Hb`: `9.8` has a decimal point where"));
    let plan = Plan { decimal: vec!["Hb=.".parse().unwrap()], ..thousands.clone() };
    let csv = cleaned(text.as_bytes(), &plan).unwrap().csv;
    assert_eq!(csv, "id,LDH [U/L],Hb\n1,993,9.8\n2,1361,10.2\n3,2104,11\n");
    let plan = Plan { decimal: vec!["LDH=.".parse().unwrap()], ..Plan::default() };
    let csv = cleaned(text.as_bytes(), &plan).unwrap().csv;
    assert_eq!(csv, "id,LDH [U/L],Hb\n1,993,9.8\n2,1.361,10.2\n3,2.104,11\n");
    let both = Plan { decimal: vec![".".parse().unwrap()], ..thousands };
    assert!(said(&both).contains("--thousands: `.` is the --decimal of all columns"));
}

#[test]
fn words_that_may_mean_a_missing_value_are_noted_and_stay() {
    let text = "id;Risiko;tod;Krea\n1;Unbekannt;ja;5\n2;hoch;nein;7\n3;Unbekannt;ja;-99\n";
    let said = cleaned(text.as_bytes(), &Plan::default()).unwrap_err();
    let note = "`Risiko` has `Unbekannt` in 2 fields, which stays as it is: if it means *not recorded*, \
                --missing 'Risiko=Unbekannt' empties it";
    // What is no decision shows with the decisions, and these may not be all.
    for expected in [note, "--flag tod=ja/nein", "more may show after these", "`-99`"] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let plan = Plan { missing: vec!["Krea=-99".parse().unwrap()], ..Plan::default() };
    let own = cleaned(text.as_bytes(), &plan).unwrap();
    assert!(own.report.notes.iter().any(|own| own == note), "{:?}", own.report.notes);
    assert!(own.csv.contains("1,Unbekannt,ja,5"), "{}", own.csv);
    let missing = ["Krea=-99", "Risiko=unbekannt"].map(|text| text.parse().unwrap()).to_vec();
    let own = cleaned(text.as_bytes(), &Plan { missing, ..Plan::default() }).unwrap();
    assert!(own.csv.contains("1,,ja,5") && own.report.notes.len() == 1, "{:?}", own.report.notes);
}

#[test]
fn a_column_of_text_stays_as_it_is() {
    let text = "id;codes\n1;1,2\n2;NA\n";
    let plan = Plan { text: vec!["codes".into()], missing: vec!["NA".parse().unwrap()], ..comma() };
    assert_eq!(cleaned(text.as_bytes(), &plan).unwrap().csv, "id,codes\n1,\"1,2\"\n2,NA\n");
}

#[test]
fn headers_and_options_that_do_not_fit_are_told() {
    let say = |text: &str, plan: &Plan| cleaned(text.as_bytes(), plan).unwrap_err();
    let none = Plan::default();
    assert!(say("a b;a_b\n1;2\n", &none).contains("would both be called `a_b`; say --rename"));
    assert!(say("a;a\n1;2\n", &none).contains("rename one in the file"));
    assert!(say("a;\n1;2\n", &none).contains("line 1: column 2 has values and no name"));
    assert!(
        say("a;b\n1;2;3\n", &Plan { separator: Some(b';'), ..none.clone() })
            .contains("line 2: 3 fields where the header has 2")
    );
    assert!(say("a;b\n1;2;3\n4\n", &none).contains("say --separator"));
    assert!(say("Hb, venous;age\n7,5;60\n", &none).contains("commas or semicolons may separate"));
    assert!(say("\n", &none).contains("is empty") && say("a;b\n", &none).contains("no patient"));
    let flags = Plan { flags: vec!["dead=ja/nein".parse().unwrap()], ..none.clone() };
    assert!(say("a;b\n1;2\n", &flags).contains("--flag: no column \"dead\"; it has a, b"));
    let renames = Plan { renames: vec!["a=a b".parse().unwrap()], ..none.clone() };
    assert!(say("a;b\n1;2\n", &renames).contains("`a b` is no name of a schema"));
    let decimal = Plan { decimal: vec![";".parse().unwrap()], ..none };
    assert!(say("a;b\n1;2\n", &decimal).contains("no decimal mark"));
}

#[test]
fn days_that_may_be_two_and_years_of_two_digits_are_faults() {
    let plan =
        |dates| Plan { intervals: vec!["os=from..to".parse().unwrap()], dates, ..Plan::default() };
    let text = "from,to\n03/04/2021,03/05/2021\n01.04.21,\n";
    let said = cleaned(text.as_bytes(), &plan(None)).unwrap_err();
    assert!(said.contains("line 2, column `from`: `03/04/2021` may be two days"), "{said}");
    assert!(said.contains("line 3, column `from`: `01.04.21` has two digits"), "{said}");
    let text = "from,to\n03/04/2021,03/05/2021\n04/04/2021,01/04/2021\n";
    let day_first = cleaned(text.as_bytes(), &plan(Some(DateOrder::DayFirst))).unwrap();
    assert_eq!(day_first.csv, "os [days]\n30\n-3\n");
    let made = day_first.report.columns.first().unwrap();
    assert_eq!(made.changes["rows below 0: look at them"], 1);
    let month_first = cleaned(text.as_bytes(), &plan(Some(DateOrder::MonthFirst))).unwrap();
    assert_eq!(month_first.csv, "os [days]\n1\n-90\n");
}

#[test]
fn columns_that_may_be_flags_are_noted() {
    let text = "id;tod;sex\n1;ja;1\n2;nein;2\n";
    let notes = cleaned(text.as_bytes(), &Plan::default()).unwrap().report.notes;
    assert!(notes.iter().any(|note| note.contains("--flag tod=ja/nein")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("--flag sex=1/2 or sex=2/1")), "{notes:?}");
}

#[test]
fn letters_of_windows_are_read_where_it_is_said() {
    let text = b"id;Pr\xFCfung\n1;gr\xF6\xDFer\n2;kleiner\n";
    let said = cleaned(text, &Plan::default()).unwrap_err();
    assert!(said.contains("line 1: is not UTF-8") && said.contains("`Prüfung`"), "{said}");
    let plan = Plan { encoding: Some(Encoding::Windows1252), ..Plan::default() };
    assert_eq!(cleaned(text, &plan).unwrap().csv, "id,Prüfung\n1,größer\n2,kleiner\n");
}

proptest::proptest! {
    /// Whatever an export holds, it becomes a table that reads back with as many rows, or words.
    #[test]
    fn any_export_becomes_a_table_or_words(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        text in "[0-9a-c;,.\"\n -]{0,120}",
    ) {
        let _ = cleaned(&bytes, &comma());
        if let Ok(found) = cleaned(text.as_bytes(), &comma()) {
            let read = records("a.csv", found.csv.as_bytes(), b',').unwrap();
            proptest::prop_assert!(read.len() <= found.report.rows + 1);
        }
    }
}
