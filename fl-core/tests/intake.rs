//! Every fault of a patient file gives its own error, with file, line, field and what to do.

mod common;

use common::{data, schema, table};
use haima_fl_core::cohort::Cohort;
use haima_fl_core::error::{Error, IntakeProblem as Problem};
use haima_fl_core::schema::{Kind, PatientKey, Schema};
use proptest::prelude::*;

const SCHEMA: &str = r#"
    patient = "id"
    ignore = ["note"]
    [[column]]
    name = "age"
    kind = "numeric"
    range = [0, 110]
    [[column]]
    name = "hgb"
    kind = "numeric"
    range = [3, 22]
    missing = true
    [[column]]
    name = "male"
    kind = "flag"
    [[column]]
    name = "stage"
    kind = "category"
    levels = ["low", "high"]
"#;

fn keyless() -> String {
    SCHEMA.replace("patient = \"id\"", "one_row_per_patient = true")
}

fn read(text: impl AsRef<[u8]>) -> Result<Cohort, Error> {
    Cohort::from_reader("site.csv", text.as_ref(), &schema(SCHEMA))
}

fn refused(text: impl AsRef<[u8]>, line: u64, field: &str, problem: Problem) {
    let shown = String::from_utf8_lossy(text.as_ref()).chars().take(200).collect::<String>();
    let expected =
        Error::Intake { file: "site.csv".to_owned(), line, field: field.to_owned(), problem };
    match read(text) {
        Err(error) => assert_eq!(error, expected, "{shown:?}"),
        Ok(_) => panic!("read: {shown:?}"),
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn a_proper_file_is_read_by_column_and_patient() {
    let cohort = read(
        "id,age,hgb,male,stage,note\nA,50,12.5,1,high,x\nB,61.5,,0,low,\n\"C,3\",110,3,1.0,low,\"a \
         \"\"b\"\"\nc\"\n",
    )
    .expect("proper");
    assert_eq!(cohort.len(), 3);
    assert_eq!(cohort.values("age"), Some(&[50.0, 61.5, 110.0][..]));
    assert_eq!(cohort.values("male"), Some(&[1.0, 0.0, 1.0][..]));
    assert_eq!(cohort.values("stage"), Some(&[1.0, 0.0, 0.0][..]));
    assert!(cohort.values("hgb").expect("hgb")[1].is_nan());
    assert_eq!((cohort.value("hgb", 0), cohort.value("hgb", 1)), (Some(12.5), None));
    assert_eq!((cohort.key(0), cohort.key(2), cohort.key(3)), ("A", "C,3", ""));
    assert_eq!(cohort.values("note"), None, "ignored columns are not kept");
    assert_eq!(format!("{cohort:?}"), "Cohort { columns: 4, patients: <redacted> }");
}

#[test]
fn columns_may_stand_in_any_order_with_a_byte_order_mark_and_either_line_end() {
    for file in [
        "\u{feff}male,id,age,hgb,stage\n0,A,1,3,low\n1,B,2,4,high\n",
        "male,id,age,hgb,stage\r\n0,A,1,3,low\r\n1,B,2,4,high",
        "\n\nmale,id,age,hgb,stage\n\n0,A,1,3,low\r\n\r\n1,B,2,4,high\n\n",
    ] {
        assert_eq!(read(file).expect("proper").values("age"), Some(&[1.0, 2.0][..]));
    }
}

#[test]
fn a_file_that_cannot_be_opened_says_so() {
    let missing = tempfile::tempdir().expect("folder").path().join("cohort.csv");
    let error = Cohort::read_csv(&missing, &schema(SCHEMA)).expect_err("no file");
    assert!(matches!(
        error,
        Error::Intake { ref file, line: 0, problem: Problem::Unreadable { .. }, .. }
            if file == "cohort.csv"
    ));
}

#[test]
fn headers_are_checked() {
    refused("", 0, "", Problem::EmptyFile);
    refused("\n\n", 0, "", Problem::EmptyFile);
    refused("id,age,hgb,male,stage\n", 0, "", Problem::NoRows);
    refused("id,age,hgb,male\n", 1, "stage", Problem::MissingColumn);
    refused("age,hgb,male,stage\n", 1, "id", Problem::MissingColumn);
    refused("id,age,hgb,male,stage,name\n", 1, "name", Problem::ExtraColumn);
    refused("id,age,hgb,male,stage,age\n", 1, "age", Problem::RepeatedColumn);
    refused(b"id,age,hgb,male,stage,gr\xf6sse\n", 1, "gr\u{fffd}sse", Problem::NotUtf8);
    // A spreadsheet's semicolons.
    refused(
        "id;age;hgb;male;stage\nA;1;3;0;low\n",
        1,
        "id;age;hgb;male;stage",
        Problem::ExtraColumn,
    );
}

#[test]
fn fields_are_checked() {
    let head = "id,age,hgb,male,stage\nA,50,12,1,low\n";
    let row = |row: &str| format!("{head}{row}\n");
    let number = |t: &str| Problem::NotNumeric { text: text(t) };
    refused(row("B,fifty,12,1,low"), 3, "age", number("fifty"));
    refused(row("B,NaN,12,1,low"), 3, "age", number("NaN"));
    refused(row("B,50,inf,1,low"), 3, "hgb", number("inf"));
    refused(row("B,1e999,12,1,low"), 3, "age", number("1e999"));
    refused(row("B, 50,12,1,low"), 3, "age", number(" 50"));
    refused(row("B,\"50,5\",12,1,low"), 3, "age", number("50,5"));
    refused(row("B,,12,1,low"), 3, "age", Problem::Empty);
    refused(row("B,50,12,,low"), 3, "male", Problem::Empty);
    refused(row(",50,12,1,low"), 3, "id", Problem::Empty);
    let range = |t: &str, range: &str| Problem::OutOfRange { text: text(t), range: text(range) };
    refused(row("B,111,12,1,low"), 3, "age", range("111", "[0, 110]"));
    refused(row("B,50,-12,1,low"), 3, "hgb", range("-12", "[3, 22]"));
    refused(row("B,50,12,2,low"), 3, "male", Problem::NotAFlag { text: text("2") });
    refused(row("B,50,12,yes,low"), 3, "male", Problem::NotAFlag { text: text("yes") });
    let level = Problem::UnknownLevel { text: text("Low"), levels: text("low, high") };
    refused(row("B,50,12,1,Low"), 3, "stage", level);
    refused([head.as_bytes(), b"B,5\xff,12,1,low\n"].concat(), 3, "age", Problem::NotUtf8);
    refused([head.as_bytes(), b"\xfe,5,12,1,low\n"].concat(), 3, "id", Problem::NotUtf8);
}

#[test]
fn rows_are_checked() {
    let head = "id,age,hgb,male,stage\nA,50,12,1,low\n";
    let row = |row: &str| format!("{head}{row}\n");
    refused(row("B,50,12,1"), 3, "", Problem::Ragged { expected: 5, got: 4 });
    refused(row("B,50,12,1,low,"), 3, "", Problem::Ragged { expected: 5, got: 6 });
    refused(row("B,5\"0,12,1,low"), 3, "age", Problem::StrayQuote);
    refused(
        row("B,x,12,1,low\nC,5\"0,12,1,low"),
        3,
        "age",
        Problem::NotNumeric { text: text("x") },
    );
    refused(row("B,\"5\"0,12,1,low"), 3, "age", Problem::StrayQuote);
    refused(row("B,50,12,1,\"low"), 4, "stage", Problem::OpenQuote);
    let huge = "9".repeat(5000);
    refused(row(&format!("B,{huge},12,1,low")), 3, "age", Problem::FieldTooLong { max: 4096 });
    let quoted = format!("B,\"{}\",12,1,low", "\n".repeat(5000));
    assert!(matches!(
        read(row(&quoted)),
        Err(Error::Intake { ref field, problem: Problem::FieldTooLong { max: 4096 }, .. })
            if field == "age"
    ));
    let wide = format!("B{}", ",".repeat(5_000_000));
    refused(row(&wide), 3, "", Problem::FieldTooLong { max: 1 << 22 });
}

/// The CSV reader alone is a line behind where lines end in CR LF, or after blank lines.
#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let number = || Problem::NotNumeric { text: text("x") };
    refused("id,age,hgb,male,stage\r\nA,50,12,1,low\r\nB,x,12,1,low\r\n", 3, "age", number());
    refused("id,age,hgb,male,stage\n\n\nA,50,12,1,low\n\nB,x,12,1,low\n", 6, "age", number());
    refused(
        "id,age,hgb,male,stage,note\nA,5,12,1,low,\"a\nb\"\nB,x,12,1,low,\n",
        4,
        "age",
        number(),
    );
}

/// S1: one row a patient.
#[test]
fn a_patient_who_comes_twice_is_refused() {
    let file = "id,age,hgb,male,stage\nA,50,12,1,low\nB,50,12,1,low\nA,51,12,1,low\n";
    refused(file, 4, "id", Problem::DuplicateKey { first: 2 });
}

/// S1: without a key, intake refuses the duplicates that it can see; an ignored column counts.
#[test]
fn two_identical_rows_are_refused_where_there_is_no_key() {
    let read = |text: &str| Cohort::from_reader("site.csv", text.as_bytes(), &schema(&keyless()));
    let file = "age,hgb,male,stage,note\n50,,1,low,a\n51,,1,low,a\n50,,1,low,a\n";
    let error = read(file).expect_err("the first and the third are the same");
    assert_eq!(
        error,
        Error::Intake {
            file: text("site.csv"),
            line: 4,
            field: String::new(),
            problem: Problem::IdenticalRow { first: 2 },
        }
    );
    let cohort = read("age,hgb,male,stage,note\n50,,1,low,a\n50,,1,low,b\n").expect("two patients");
    assert_eq!((cohort.len(), cohort.key(1)), (2, "2"));
}

#[test]
fn errors_say_where_and_what_to_do_and_stay_short() {
    let huge = "x".repeat(4000);
    let error = read(format!("id,age,hgb,male,stage\nA,{huge},12,1,low\n")).expect_err("text");
    let message = error.to_string();
    assert!(message.starts_with("site.csv, line 2, field `age`: `xxx"), "{message}");
    assert!(message.contains("write it with a decimal point") && message.len() < 220, "{message}");
    // Control characters of a field do not reach a terminal.
    let error = read("id,age,hgb,male,stage\nA,\u{1b}[2J,12,1,low\n").expect_err("escape");
    assert!(!error.to_string().contains('\u{1b}'));
}

#[test]
fn shipped_cohorts_are_read() {
    for (file, text, patients) in [
        ("leuksurv.csv", common::LEUKSURV, 1043),
        ("bmt_klein.csv", common::BMT, 137),
        ("mgus2.csv", common::MGUS2, 1384),
    ] {
        let cohort = common::cohort(&schema(text), &data(file));
        assert_eq!(cohort.len(), patients, "{file}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing in a file can panic intake.
    #[test]
    fn no_bytes_panic_intake(rows in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&rows);
        let _ = read([b"id,age,hgb,male,stage\n", &rows[..]].concat());
    }

    /// Nearly proper files, with quotes, separators and line ends in the wrong places.
    #[test]
    fn no_misplaced_quote_panics_intake(rows in "([ABab0-9\",\r\n.-]|low|high|,1,){0,80}") {
        let _ = read(format!("id,age,hgb,male,stage\n{rows}"));
        let _ = Cohort::from_reader("s", rows.as_bytes(), &schema(&keyless()));
    }
}

#[test]
fn a_schema_is_read_with_its_defaults() {
    let schema = schema(SCHEMA);
    assert_eq!(schema.patient, PatientKey::Column(text("id")));
    let age = schema.column("age").expect("age");
    assert_eq!((age.label.as_str(), age.unit(), age.missing), ("age", "", false));
    let Kind::Numeric { bins, range, .. } = &age.kind else { panic!("numeric") };
    assert_eq!((bins.len(), bins[0], bins[10], bins[20]), (21, 0.0, 55.0, 110.0));
    assert_eq!(*range, (0.0, 110.0));
    let unknown = schema.column("weight").expect_err("no such column");
    assert_eq!(
        unknown.to_string(),
        "no column `weight` in the schema; it has age, hgb, male, stage"
    );
}

#[test]
fn schemas_that_cannot_be_used_are_refused_with_what_to_do() {
    let age = "[[column]]\nname = \"age\"\nkind = \"numeric\"\nrange = [0, 1]\n";
    for (bad, hint) in [
        (text(age), "patient"),
        (format!("patient = \"id\"\none_row_per_patient = true\n{age}"), "keep one"),
        (text("patient = \"id\""), "column"),
        (format!("patient = \"age\"\n{age}"), "twice"),
        (format!("patient = \"id\"\n{age}{age}"), "twice"),
        (format!("patient = \"id\"\nignore = [\"age\"]\n{age}"), "twice"),
        (format!("patient = \"id\"\nsurprise = 1\n{age}"), "surprise"),
        (format!("patient = \"id\"\n{age}levels = [\"a\", \"b\"]"), "categories"),
        (format!("patient = \"id\"\n{age}bins = [0, 0.5]"), "ascend"),
        (format!("patient = \"id\"\n{age}bins = [0, 0.5, 0.5, 1]"), "ascend"),
        (format!("patient = \"id\"\n{}", age.replace("[0, 1]", "[1, 1]")), "ascending"),
        (format!("patient = \"id\"\n{}", age.replace("[0, 1]", "[0, inf]")), "finite"),
        (format!("patient = \"id\"\n{}", age.replace("range = [0, 1]", "")), "needs `range"),
        (format!("patient = \"id\"\n{}", age.replace("\"age\"", "\"a b\"")), "letters"),
        (format!("patient = \"id\"\n{}", age.replace("numeric", "flag")), "numeric columns"),
        (text("patient = \"id\"\n[[column]]\nname = \"s\"\nkind = \"category\""), "levels"),
        (
            text(
                "patient = \"id\"\n[[column]]\nname = \"s\"\nkind = \"category\"\nlevels = [\"a\", \"a\"]",
            ),
            "distinct",
        ),
        (format!("patient = \"id\"\n{age}label = \"a\\u001B[2J\""), "control character"),
        (format!("patient = \"id\"\n{age}unit = \"mg\\n\""), "control character"),
        (
            text(
                "patient = \"id\"\n[[column]]\nname = \"s\"\nkind = \"category\"\nlevels = [\"a\", \"\\u009B\"]",
            ),
            "control character",
        ),
    ] {
        let error = Schema::from_toml(&table(&bad)).expect_err(&bad);
        assert!(error.to_string().contains(hint), "{bad}: {error}");
    }
}

/// Haemoglobin in g/dL, or g/L by a tenth; sex in two languages.
const HARMONISED: &str = r#"
    patient = "id"
    [[column]]
    name = "hb"
    kind = "numeric"
    unit = "g/dL"
    range = [3, 22]
    accepts = { "g/L" = 0.1, "mmol/L" = 1.611 }
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M"]
    synonyms = { "male" = "M", "female" = "F", "w" = "F" }
"#;

fn harmonised(text: &str) -> Result<Cohort, Error> {
    Cohort::from_reader("site.csv", text.as_bytes(), &schema(HARMONISED))
}

#[test]
fn a_file_in_another_unit_is_out_of_range_until_its_header_says_so() {
    let rows = "A,135,male\nB,220,w\nC,30,F\n";
    let Err(Error::Intake { line: 2, field, problem, .. }) =
        harmonised(&format!("id,hb,sex\n{rows}"))
    else {
        panic!("135 g/dL was taken")
    };
    assert_eq!((field.as_str(), matches!(problem, Problem::OutOfRange { .. })), ("hb", true));
    let cohort = harmonised(&format!("id,hb [g/L],sex\n{rows}")).expect("converted");
    let values = cohort.values("hb").expect("by the schema's name");
    assert!(values.iter().zip([13.5, 22.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{values:?}");
    // Both ends of the range, whatever the multiplication rounds to.
    assert!(values.iter().all(|value| (3.0..=22.0).contains(value)));
    assert_eq!(cohort.values("sex"), Some(&[1.0, 0.0, 0.0][..]));
    let own = harmonised("id,hb [g/dL],sex\nA,13.5,M\n").expect("the schema's own unit");
    assert_eq!(own.value("hb", 0), Some(13.5));
}

#[test]
fn an_unknown_unit_names_file_header_and_what_is_accepted() {
    let error = harmonised("id,hb [mg/L],sex\nA,13.5,M\n").expect_err("unknown");
    let text = error.to_string();
    for part in ["site.csv", "hb [mg/L]", "g/dL, g/L, mmol/L"] {
        assert!(text.contains(part), "{text}");
    }
    let problem = |text: &str| match harmonised(text) {
        Err(Error::Intake { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    let none = "no unit for this column".to_owned();
    assert_eq!(
        problem("id,hb,sex [x]\nA,13,M\n"),
        Problem::UnknownUnit { unit: "x".to_owned(), accepted: none }
    );
    assert_eq!(problem("id,hb,hb [g/L],sex\nA,13,130,M\n"), Problem::RepeatedColumn);
    assert_eq!(problem("id,hb[g/L],sex\nA,13,M\n"), Problem::ExtraColumn);
    assert_eq!(
        problem("id,hb [g/L],sex\nA,13.5,M\n"),
        Problem::OutOfRange {
            text: "13.5".to_owned(),
            range: "[3, 22] after conversion by 0.1".to_owned()
        }
    );
    assert!(matches!(problem("id,hb,sex\nA,13.5,Male\n"), Problem::UnknownLevel { .. }));
}

#[test]
fn rules_that_contradict_the_schema_are_refused() {
    for (from, to) in [
        ("\"g/L\" = 0.1", "\"g/L\" = 0.0"),
        ("\"g/L\" = 0.1", "\"g/L\" = -1.0"),
        ("\"g/L\" = 0.1", "\"g/L\" = inf"),
        ("\"g/L\" = 0.1", "\"g/dL\" = 0.1"),
        ("\"g/L\" = 0.1", "\"\" = 0.1"),
        ("\"g/L\" = 0.1", "\"g]\" = 0.1"),
        ("unit = \"g/dL\"", ""),
        ("\"w\" = \"F\"", "\"w\" = \"X\""),
        ("\"w\" = \"F\"", "\"M\" = \"F\""),
        ("\"w\" = \"F\"", "\"\" = \"F\""),
    ] {
        let text = HARMONISED.replace(from, to);
        assert_ne!(text, HARMONISED);
        let refused = Schema::from_toml(&table(&text));
        assert!(matches!(refused, Err(Error::Schema { .. })), "{to}");
    }
}
