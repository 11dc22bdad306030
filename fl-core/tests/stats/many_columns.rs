//! The rules that bind the tasks over many columns at once: bounds (S2, S5), answers that do not
//! tell of the data (S5), replay (X3), and sums that no honest site made.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::sum::{PlainSum, SecureSum, Sum, drive};
use haima_fl_core::task::{Query, Run, Site, SiteState};
use haima_fl_core::{Error, tasks};
use proptest::prelude::*;

use crate::common::{cohort, open, rng, schema, table};

const SCHEMA: &str = r#"
    patient = "id"
    [[column]]
    name = "case"
    kind = "flag"
    missing = true
    [[column]]
    name = "age"
    kind = "numeric"
    range = [20, 100]
    missing = true
    [[column]]
    name = "hb"
    kind = "numeric"
    range = [0, 20]
    missing = true
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M"]
    [[column]]
    name = "a"
    kind = "flag"
    missing = true
    [[column]]
    name = "b"
    kind = "flag"
    [[column]]
    name = "dose"
    kind = "numeric"
    range = [0, 2]
    missing = true
"#;

const TASKS: [(&str, &str); 7] = [
    ("pca", "columns = [\"age\", \"hb\", \"a\"]"),
    ("clusters", "method = \"kmeans\"\ncolumns = [\"age\", \"hb\"]\nk = 3\nseed = 1"),
    ("clusters", "method = \"gmm\"\ncolumns = [\"age\", \"hb\", \"a\"]\nk = 2\nseed = 1"),
    (
        "clusters",
        "method = \"gmm\"\ncovariance = \"diagonal\"\ncolumns = [\"age\", \"hb\"]\n\
         k = 2\nseed = 1",
    ),
    (
        "scan",
        "outcome = \"case\"\ncovariates = [\"age\", \"sex\"]\nvariants = [\"a\", \"b\", \"dose\"]\n\
         burden = { set = [\"a\", \"b\"] }",
    ),
    (
        "scan",
        "outcome = \"hb\"\ncovariates = [\"age\"]\nvariants = [\"a\", \"dose\"]\n\
         burden = { set = [\"a\", \"b\"] }",
    ),
    ("comutation", "genes = [\"a\", \"b\", \"case\"]\nby = \"sex\""),
];

const HEADER: &str = "id,case,age,hb,sex,a,b,dose\n";

/// Ends of the public ranges, values between them, and missing ones.
fn patient() -> impl Strategy<Value = String> {
    let flag = || prop_oneof![4 => Just("0"), 4 => Just("1"), 1 => Just("")];
    let number = |low: i32, high: i32| {
        prop_oneof![
            3 => Just(low.to_string()),
            3 => Just(high.to_string()),
            3 => (low * 10..=high * 10).prop_map(|x| (f64::from(x) / 10.0).to_string()),
            1 => Just(String::new()),
        ]
    };
    let sex = prop_oneof![Just("F"), Just("M")];
    let b = prop_oneof![Just("0"), Just("1")];
    (flag(), number(20, 100), number(0, 20), sex, flag(), b, number(0, 2)).prop_map(
        |(case, age, hb, sex, a, b, dose)| format!("{case},{age},{hb},{sex},{a},{b},{dose}\n"),
    )
}

fn hospital(rows: &[String]) -> Cohort {
    let lines = rows.iter().enumerate().map(|(i, row)| format!("{i},{row}"));
    cohort(&schema(SCHEMA), &format!("{HEADER}{}", lines.collect::<String>()))
}

/// Hospitals of which every task finds something.
fn ordinary() -> Vec<Cohort> {
    let rows: Vec<String> = (0..48)
        .map(|i| {
            let (age, hb) = (30 + (i * 37) % 60, 5 + (i * 11) % 13);
            let sex = if i % 3 == 0 { "F" } else { "M" };
            let bit = |k: i32| u8::from((i * k + i / 3) % 5 < 2);
            format!("{},{age},{hb},{sex},{},{},{}\n", bit(7), bit(2), bit(3), i % 3)
        })
        .collect();
    rows.chunks(16).map(hospital).collect()
}

fn task(name: &str, params: &str) -> Box<dyn Run> {
    open(name, params, &schema(SCHEMA)).expect("task")
}

/// What a site of exactly `max_patients` complete rows sends stays within each block's bound, and
/// none of it had to be zeroed.
fn within_bounds(run: &dyn Run, cohort: &Cohort) {
    let query = run.query().expect("running");
    let n = cohort.len() as u64;
    let site = Site { cohort, capacity: 0, max_patients: n, min_local_rows: 1 };
    let answer = run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("own query");
    let incomplete = "fewer complete rows than the site's floor of 1";
    assert!(answer.note.as_deref().is_none_or(|note| note == incomplete), "{:?}", answer.note);
    assert_eq!(answer.values.len(), query.dimension());
    let mut rest = &answer.values[..];
    for block in &query.blocks {
        let (values, after) = rest.split_at(block.len as usize);
        let norm = values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>().sqrt();
        let bound = block.patient_bound as f64 * n as f64;
        assert!(norm <= bound, "{} {}: {norm} > {bound}", query.task, block.name);
        rest = after;
    }
    let bound = query.site_bound(100_000).expect("fits 63 bits");
    assert!(bound < 1 << 62, "{}: {bound}", query.task);
}

fn integer() -> impl Strategy<Value = i128> {
    prop_oneof![
        Just(i128::MIN),
        Just(i128::MAX),
        Just(0),
        Just(1),
        any::<i128>(),
        -100..100i128,
        any::<i64>().prop_map(i128::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// S2 and S5: B = max_patients * C cannot be passed by an honest site, in any round that other
    /// hospitals' sums lead to.
    #[test]
    fn no_cohort_passes_the_bounds_in_any_round(
        rows in prop::collection::vec(patient(), 1..30),
        which in 0..TASKS.len(),
        rounds in 0..8usize,
    ) {
        let (name, params) = TASKS[which];
        let others = ordinary();
        let mut run = task(name, params);
        let mut sums = PlainSum::new(&others, 1000, 1, rng(), || Ok(task(name, params))).unwrap();
        for _ in 0..rounds {
            let query = run.query().expect("running");
            let sum = sums.sum(&query).expect("sum");
            if run.absorb(&sum).expect("absorbed").is_some() {
                run = task(name, params);
                break;
            }
        }
        within_bounds(run.as_ref(), &hospital(&rows));
    }

    #[test]
    fn no_sum_panics_a_task(
        which in 0..TASKS.len(),
        integers in prop::collection::vec(integer(), 1..64),
        honest in 0..3usize,
    ) {
        let (name, params) = TASKS[which];
        let others = ordinary();
        let mut run = task(name, params);
        let mut sums = PlainSum::new(&others, 1000, 1, rng(), || Ok(task(name, params))).unwrap();
        let mut supply = integers.iter().copied().cycle();
        for round in 0..8 {
            let Some(query) = run.query() else { break };
            let sum = if round < honest {
                sums.sum(&query).expect("sum")
            } else {
                let integers: Vec<i128> = supply.by_ref().take(query.dimension()).collect();
                Sum::new(&query, integers, 3).expect("length")
            };
            let site = Site { cohort: &others[0], capacity: 0, max_patients: 1000, min_local_rows: 1 };
            run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("an answer");
            if run.absorb(&sum).is_err() {
                break;
            }
        }
    }
}

/// S5: whatever the data are, an answer has the query's length; below the floor or past the cap it
/// is zero, and the reason stays with the vector's owner.
#[test]
fn the_length_of_an_answer_does_not_depend_on_the_data() {
    let row = |text: &str| format!("{text}\n");
    let constant = hospital(&vec![row("1,50,10,M,1,1,2"); 3]);
    let missing = hospital(&vec![row(",,,M,,1,"); 3]);
    let others = ordinary();
    for (name, params) in TASKS {
        let run = task(name, params);
        let length = run.query().expect("running").dimension();
        for (cohort, floor, cap, zero) in [
            (&others[0], 1, 1000, false),
            (&constant, 1, 1000, false),
            (&missing, 1, 1000, true),
            (&others[0], 40, 1000, true),
            (&others[0], 1, 2, true),
        ] {
            let site = Site { cohort, capacity: 0, max_patients: cap, min_local_rows: floor };
            let answer =
                run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("an answer");
            assert_eq!(answer.values.len(), length, "{name}");
            assert_eq!(answer.values.iter().all(|value| *value == 0), zero, "{name} {params}");
            assert_eq!(answer.note.is_some(), zero, "{name}");
        }
    }
}

/// S5: hospitals without complete rows, or below their floor, change neither the result nor the
/// number of sites that it reports.
#[test]
fn a_hospital_without_complete_rows_changes_nothing() {
    let all = |cohorts: &[Cohort], name: &str, params: &str| {
        let mut sums = PlainSum::new(cohorts, 1000, 2, rng(), || Ok(task(name, params))).unwrap();
        drive(task(name, params).as_mut(), &mut sums).expect("output")
    };
    for (name, params) in TASKS {
        let mut cohorts = ordinary();
        let without = all(&cohorts, name, params);
        cohorts.push(hospital(&vec![",,,M,,1,\n".to_owned(); 5]));
        cohorts.push(hospital(&["1,50,10,M,1,1,2\n".to_owned()]));
        assert_eq!(all(&cohorts, name, params), without, "{name}");
        assert_eq!(without["sites"], 3, "{name}");
    }
}

/// X3: a replay of the sums gives the same queries and result, in whichever order hospitals
/// answer; another iterate is refused.
#[test]
fn queries_are_the_absorbed_earlier_sums() {
    let forward = ordinary();
    let mut backward = ordinary();
    backward.reverse();
    for (name, params) in TASKS {
        let open = || Ok(task(name, params));
        let mut one = PlainSum::new(&forward, 1000, 1, rng(), open).unwrap();
        let mut two = PlainSum::new(&backward, 1000, 1, rng(), open).unwrap();
        let (mut run, mut replay) = (task(name, params), task(name, params));
        loop {
            let query = run.query().expect("running");
            assert_eq!(replay.query().as_ref(), Some(&query), "{name}");
            if !query.bytes.is_empty() {
                let mut chosen = query.clone();
                chosen.bytes[..8].copy_from_slice(&0.123f64.to_le_bytes());
                let refused = Error::NotTheReplayedQuery { task: name.to_owned() };
                assert_eq!(one.sum(&chosen), Err(refused));
            }
            let sum = one.sum(&query).expect("sum");
            assert_eq!(two.sum(&query).as_ref(), Ok(&sum), "{name}");
            let output = run.absorb(&sum).expect("absorbed");
            assert_eq!(replay.absorb(&sum), Ok(output.clone()), "{name}");
            if output.is_some() {
                break;
            }
        }
    }
}

/// A query whose iterate is cut short is refused before it is read.
#[test]
fn an_iterate_of_another_length_is_refused() {
    fn check<T: haima_fl_core::task::Task>(task: &T) {
        let mut query: Query = task.query(&task.start());
        query.bytes.extend([0; 3]);
        let cohort = &ordinary()[0];
        let site = Site { cohort, capacity: 0, max_patients: 100, min_local_rows: 1 };
        let answer = task.contribute(&query, &site, &mut SiteState::default(), &mut rng());
        assert!(matches!(answer, Err(Error::QueryBytes { .. })), "{answer:?}");
    }
    let schema = schema(SCHEMA);
    check(&tasks::pca::Pca::new(&table(TASKS[0].1), &schema).expect("pca"));
    for (_, params) in &TASKS[4..6] {
        check(&tasks::scan::Scan::new(&table(params), &schema).expect("scan"));
    }
    let comutation = tasks::comutation::Comutation::new(&table(TASKS[6].1), &schema);
    check(&comutation.expect("comutation"));
    for (_, params) in &TASKS[1..4] {
        check(&tasks::clusters::Clusters::new(&table(params), &schema).expect("clusters"));
    }
}
