//! The quality report: every fault of a file at once, and what intake cannot refuse.

mod common;

use common::schema;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::quality::{self, Alike, By, Quality};
use proptest::prelude::*;

const SCHEMA: &str = r#"
    patient = "id"
    [[column]]
    name = "age"
    kind = "numeric"
    range = [0, 110]
    [[column]]
    name = "hb"
    kind = "numeric"
    unit = "g/dL"
    range = [3, 22]
    missing = true
    accepts = { "g/L" = 0.1 }
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M"]
    [[column]]
    name = "died"
    kind = "flag"
"#;

fn check(text: impl AsRef<[u8]>) -> Quality {
    quality::check("site.csv", text.as_ref(), &schema(SCHEMA))
}

const FAULTY: &str = "id,age,hb,sex,died\n\
    A,50,135,F,0\n\
    B,200,141,male,0\n\
    C,61,150,F,0\n\
    A,61,,M,0\n\
    D,x,120,F,0\n\
    E,70,128\n\
    F,110,99,M,0\n";

#[test]
fn all_faults_are_listed_in_the_files_order_and_columns_are_described() {
    let report = check(FAULTY);
    assert_eq!((report.rows, report.patients, report.accepted), (7, 5, false));
    let places: Vec<(u64, &str)> =
        report.faults.iter().map(|fault| (fault.line, fault.field.as_str())).collect();
    let expected = [
        (2, "hb"),
        (3, "age"),
        (3, "hb"),
        (3, "sex"),
        (4, "hb"),
        (5, "id"),
        (6, "age"),
        (6, "hb"),
        (7, ""),
        (8, "hb"),
    ];
    assert_eq!(places, expected);
    assert_eq!(report.fault_count, 10);
    let [age, hb, sex, died] = &report.columns[..] else { panic!("four columns") };
    let numbers = age.numbers.expect("numbers");
    assert_eq!((age.present, age.unreadable), (6, 1));
    assert_eq!((numbers.min, numbers.max, numbers.outside, numbers.at_ends), (50.0, 200.0, 1, 1));
    assert_eq!((hb.missing, hb.numbers.expect("numbers").outside), (1, 5));
    let unit = hb.unit.as_ref().expect("a unit that looks wrong");
    assert_eq!((unit.factor, unit.unit.as_deref()), (0.1, Some("g/L")));
    assert_eq!(sex.unknown.get("male"), Some(&1));
    assert!(died.constant && !age.constant);
}

#[test]
fn a_file_that_intake_takes_has_no_fault_and_may_still_be_odd() {
    let text = "id,age,hb [g/L],sex,died\n007,50,135,F,0\n7,51,140,F,0\nB,50,135,F,0\nC,60,,M,1\n";
    assert!(Cohort::from_reader("site.csv", text.as_bytes(), &schema(SCHEMA)).is_ok());
    let report = check(text);
    assert!(report.accepted && report.faults.is_empty());
    let alike =
        [Alike { line: 3, first: 2, by: By::Key }, Alike { line: 4, first: 2, by: By::Values }];
    assert_eq!(report.alike, alike);
    assert_eq!(report.columns[1].header.as_deref(), Some("hb [g/L]"));
    assert_eq!(report.columns[1].factor, 0.1);
    assert!(report.columns[1].unit.is_none());
}

#[test]
fn headers_and_broken_files_are_faults_like_others() {
    let fields = |text: &str| -> Vec<String> {
        let report = check(text);
        assert!(!report.accepted, "{text}");
        report.faults.into_iter().map(|fault| fault.field).collect()
    };
    assert_eq!(fields("id,age,hb [mg],extra,died\nA,1,2,3,0\n"), ["hb [mg]", "extra", "sex"]);
    assert_eq!(fields(""), [""]);
    assert_eq!(fields("id,age,hb,sex,died\n"), [""]);
    // Before the quote that never closes, the first row was read.
    let open = check("id,age,hb,sex,died\nA,1,5,F,0\nB,\"2,5,F,0\n");
    assert_eq!((open.rows, open.faults.len()), (1, 1));
}

/// All in range, and ten times too small: no fault, but a hint.
#[test]
fn values_far_below_their_range_are_pointed_out() {
    let rows: String = (0..8).map(|i| format!("{i},{},10,F,{}\n", 4 + i % 2, i % 2)).collect();
    let report = check(format!("id,age,hb,sex,died\n{rows}"));
    assert!(report.accepted);
    assert_eq!(report.columns[0].unit.as_ref().map(|unit| unit.factor), Some(10.0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bytes, there is a report, and it has no fault exactly where intake takes the file.
    #[test]
    fn the_report_and_intake_agree_on_any_file(
        rows in prop::collection::vec("[A-C]{0,2},[0-9x]{0,3},[0-9.]{0,4},(F|M|male|),[012]{0,1}(,x)?", 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..12),
        broken in any::<bool>(),
    ) {
        let mut file = b"id,age,hb,sex,died\n".to_vec();
        rows.iter().for_each(|row| file.extend(format!("{row}\n").bytes()));
        if broken {
            file.extend(tail);
        }
        let taken = Cohort::from_reader("f", &file[..], &schema(SCHEMA)).is_ok();
        prop_assert_eq!(check(&file).accepted, taken);
    }
}
