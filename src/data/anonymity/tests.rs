use super::*;

const SCHEMA: &str = "one_row_per_patient = true\n\
    [[column]]\nname = \"age\"\nkind = \"numeric\"\nrange = [0, 110]\nmissing = true\n\
    [[column]]\nname = \"stage\"\nkind = \"category\"\nlevels = [\"I\", \"II\", \"III\"]\n\
    [[column]]\nname = \"dead\"\nkind = \"flag\"\nmissing = true\n\
    [[column]]\nname = \"row\"\nkind = \"numeric\"\nrange = [0, 100]\n";

fn schema() -> Schema {
    Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap()
}

/// Rows of age, stage and dead.
fn report(rows: &[&str], question: &Question) -> Result<Report, Error> {
    let rows: String = rows.iter().enumerate().map(|(at, row)| format!("{row},{at}\n")).collect();
    let text = format!("age,stage,dead,row\n{rows}");
    let cohort = Cohort::from_reader("p.csv", text.as_bytes(), &schema()).unwrap();
    Report::of("p.csv", &cohort, &schema(), question)
}

fn asks(quasi: &[&str], sensitive: &[&str], generalised: &[&str]) -> Question {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Question {
        quasi: owned(quasi),
        sensitive: owned(sensitive),
        generalised: generalised.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

/// The table of Sweeney's and Machanavajjhala's papers in small: one alone, a pair that agrees on what
/// is sensitive, a triple that does not.
const ROWS: [&str; 6] = ["41,I,1", "52,I,0", "52,I,0", "63,II,0", "63,II,1", "63,II,1"];

#[test]
fn the_smallest_class_and_what_it_tells_are_found() {
    let found = report(&ROWS, &asks(&["age", "stage"], &["dead"], &[])).unwrap();
    let own = &found.before;
    assert_eq!((own.classes, own.unique_rows, own.k), (3, 1, 1));
    assert!((own.unique_share - 1.0 / 6.0).abs() < 1e-12);
    let sizes: Vec<(u64, u64, u64)> =
        own.sizes.iter().map(|band| (band.from, band.classes, band.rows)).collect();
    assert_eq!(sizes[..4], [(1, 1, 1), (2, 1, 2), (3, 1, 3), (5, 0, 0)]);
    let [dead] = own.diversity.as_slice() else { panic!("{own:?}") };
    assert_eq!((dead.l, dead.told_rows, dead.told_rows_in_groups), (Some(1), 3, 2));
    assert_eq!(found.after, None);
}

#[test]
fn a_public_generalisation_puts_rows_together() {
    let found = report(&ROWS, &asks(&["age", "stage"], &["dead"], &["age=20"])).unwrap();
    let own = found.after.as_ref().unwrap();
    // 40 to 59 of stage I, 60 to 79 of stage II.
    assert_eq!((own.classes, own.unique_rows, own.k), (2, 0, 3));
    assert_eq!(own.diversity[0].l, Some(2));
    assert_eq!(found.before.k, 1);

    let merged = report(&ROWS, &asks(&["stage"], &[], &["stage=I|II"])).unwrap();
    assert_eq!(merged.after.unwrap().classes, 1);
    let out = report(&ROWS, &asks(&["age", "stage"], &[], &["age=*"])).unwrap();
    assert_eq!(out.after.unwrap().k, 3);
}

#[test]
fn a_missing_value_is_a_class_and_tells_nothing_sensitive() {
    let rows = [",I,1", ",I,", "50,I,", "50,I,"];
    let found = report(&rows, &asks(&["age"], &["dead"], &[])).unwrap();
    assert_eq!((found.before.classes, found.before.k), (2, 2));
    let dead = &found.before.diversity[0];
    // One known value beside a missing one is told; a class without any is none.
    assert_eq!((dead.l, dead.told_rows), (Some(1), 2));
    let out = report(&rows, &asks(&["age"], &[], &["age=*"])).unwrap();
    assert_eq!(out.after.unwrap().k, 4);
}

#[test]
fn the_column_that_sets_rows_apart_is_suggested_first() {
    let rows: Vec<String> =
        (0..60).map(|i| format!("{},{},0", 20 + i, ["I", "II"][i % 2])).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let found = report(&rows, &asks(&["stage", "age"], &[], &[])).unwrap();
    assert_eq!(found.before.unique_rows, 60);
    let asked: Vec<&str> = found.suggestions.iter().map(|own| own.generalise.as_str()).collect();
    assert_eq!(asked, ["age=2", "age=5", "age=10", "age=20", "age=*", "stage=*"]);
    let left: Vec<u64> = found.suggestions.iter().map(|own| own.unique_rows).collect();
    assert_eq!((left[4], left[5]), (0, 60));
    assert!(left[0] >= left[1] && left[1] >= left[2], "{left:?}");
    // What each promises is what comes of it.
    for own in &found.suggestions {
        let question = asks(&["stage", "age"], &[], &[own.generalise.as_str()]);
        let after = report(&rows, &question).unwrap().after.unwrap();
        assert_eq!((after.unique_rows, after.k), (own.unique_rows, own.k), "{}", own.generalise);
    }
    let further = report(&rows, &asks(&["stage", "age"], &[], &["age=5"])).unwrap();
    let asked: Vec<&str> = further.suggestions.iter().map(|own| own.generalise.as_str()).collect();
    assert!(!asked.contains(&"age=2") && !asked.contains(&"age=5"), "{asked:?}");
}

#[test]
fn the_text_says_what_it_tells_and_to_whom_it_belongs() {
    let question = asks(&["age", "stage"], &["dead"], &["age=20"]);
    let text = show(&report(&ROWS, &question).unwrap());
    let words: Vec<String> =
        text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for said in [
        "p.csv: 6 rows, by age, stage",
        "k, rows of the smallest class 1 3",
        "of 3 to 4 1 2",
        "l of dead, values of the least diverse class 1 2",
        "Generalised: age=20",
        "No row is alone.",
    ] {
        assert!(words.iter().any(|line| line == said), "{said}\n{text}");
    }
    assert!(text.contains("it belongs where the file is"), "{text}");
    let bare = show(&report(&ROWS, &asks(&["age"], &[], &[])).unwrap());
    assert!(bare.contains("(`age` helps most; * leaves a column out)"), "{bare}");
}

#[test]
fn what_does_not_fit_is_told_with_the_option() {
    type Names = &'static [&'static str];
    let cases: [(Names, Names, Names, &str); 9] = [
        (&[], &[], &[], "--quasi: name the columns"),
        (&["weight"], &[], &[], "--quasi: no column `weight`"),
        (&["age"], &["age"], &[], "--sensitive: `age` is named twice"),
        (&["age"], &[], &["stage=*"], "--generalise: `stage` is in neither"),
        (&["age"], &[], &["age=I|II"], "a number has bins of a width (age=10)"),
        (&["stage"], &[], &["stage=10"], "levels are put together (stage=A|B;C|D)"),
        (&["stage"], &[], &["stage=I|IV"], "no level `IV`; it has I, II, III"),
        (&["age"], &["dead"], &["dead=2"], "a flag can only be left out (dead=*)"),
        (&["age"], &[], &["age=5", "age=10"], "`age` is named twice"),
    ];
    for (quasi, sensitive, generalised, says) in cases {
        let said = report(&ROWS, &asks(quasi, sensitive, generalised)).unwrap_err().to_string();
        assert!(said.contains(says), "{says}: {said}");
    }
}
