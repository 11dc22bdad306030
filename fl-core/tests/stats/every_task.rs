//! The rules that bind every task of this binary, whatever it computes (S5, X3), over one list of
//! examples that must name them all; a task that is not in it fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use haima_fl_core::Error;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::sum::{PlainSum, SecureSum, Sum, drive};
use haima_fl_core::task::{Contribution, Query, Run, Site, SiteState};
use proptest::prelude::*;

use crate::common::{cohort, rng, schema, table};

mod cases;

pub(crate) use cases::CASES;

const SCHEMA: &str = r#"
    patient = "id"
    [[column]]
    name = "entry"
    kind = "numeric"
    range = [0, 100]
    [[column]]
    name = "time"
    kind = "numeric"
    range = [0, 100]
    [[column]]
    name = "died"
    kind = "flag"
    [[column]]
    name = "ending"
    kind = "category"
    levels = ["censored", "relapse", "death"]
    [[column]]
    name = "ill_time"
    kind = "numeric"
    range = [0, 100]
    [[column]]
    name = "ill"
    kind = "flag"
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
    missing = true
    [[column]]
    name = "a"
    kind = "flag"
    missing = true
    [[column]]
    name = "b"
    kind = "flag"
    missing = true
    [[column]]
    name = "p"
    kind = "numeric"
    range = [0, 1]
    missing = true
"#;
const HEADER: &str = "id,entry,time,died,ending,ill_time,ill,age,hb,sex,a,b,p\n";

fn hospital(rows: impl IntoIterator<Item = String>) -> Cohort {
    let lines = rows.into_iter().enumerate().map(|(i, row)| format!("{i},{row}\n"));
    cohort(&schema(SCHEMA), &format!("{HEADER}{}", lines.collect::<String>()))
}

/// Patients in whom every task finds something.
fn patients(from: usize, number: usize) -> impl Iterator<Item = String> {
    (from..from + number).map(|i| {
        let (time, entry) = (10 + (i * 29) % 83, (i * 7) % 9);
        let died = (i * 7 + i / 3) % 5 < 3;
        let ending = ["censored", "relapse", "death"][if died { 1 + i % 2 } else { 0 }];
        let ill = (i * 3 + i / 5) % 4 < 2;
        let ill_time = if ill { time / 2 } else { time };
        let (age, hb) = (25 + (i * 37) % 70, 5 + (i * 11) % 13);
        let sex = if (i * 5 + i / 7) % 3 == 0 { "F" } else { "M" };
        let bit = |k: usize, every: usize| u8::from((i * k + i / every) % 5 < 2);
        let p = f64::from(u32::try_from((i * 13) % 19).expect("small")) / 20.0 + 0.02;
        let (died, ill) = (u8::from(died), u8::from(ill));
        format!(
            "{entry},{time},{died},{ending},{ill_time},{ill},{age},{hb},{sex},{},{},{p}",
            bit(7, 3),
            bit(2, 4)
        )
    })
}

/// Three ordinary hospitals.
fn ordinary() -> Vec<Cohort> {
    (0..3).map(|site| hospital(patients(site * 40, 40))).collect()
}

/// Trained networks of the study, by their manifest id.
const NETWORKS: &[(&str, &str)] = &[
    ("logistic", "name = \"logistic\", columns = [\"age\", \"sex\"], outcome = \"died\""),
    ("mlp", "name = \"mlp\", columns = [\"age\", \"hb\"], outcome = \"died\", hidden = [2]"),
    ("classes", "name = \"mlp\", columns = [\"age\"], outcome = \"ending\", hidden = [2]"),
    (
        "deep",
        "name = \"deepsurv\", columns = [\"age\"], time = \"time\", event = \"died\", \
         cuts = [20, 50, 100], hidden = [2]",
    ),
];

/// What earlier tasks of the study left: a logistic fit `fit`, a hazard network `net`, the sites'
/// batch terms `bat`, generators `generator` and `charged`, and [`NETWORKS`].
pub(crate) fn finished() -> &'static Finished {
    static FINISHED: OnceLock<Finished> = OnceLock::new();
    FINISHED.get_or_init(|| {
        let hospitals = ordinary();
        let result = |name: &str, params: &str| {
            let open =
                || registry::open(name, 1, &table(params), &schema(SCHEMA), &BTreeMap::new());
            let mut own = open().expect("task");
            let mut sums = PlainSum::new(&hospitals, 1000, 1, rng(), open).expect("sums");
            drive(own.as_mut(), &mut sums).expect("result")
        };
        let fit = result("glm", "outcome = \"a\"\ncovariates = [\"age\", \"hb\"]");
        let net = CASES.iter().find(|(name, _)| *name == "hazard").expect("an example").1;
        let bat = result("combat", "columns = [\"age\", \"hb\"]\nbatch = \"site\"");
        let networks = NETWORKS.iter().map(|(id, model)| {
            let params = format!(
                "steps = 3\nseed = 3\nexpected_patients = 60\n\
                 strategy = {{ clip = 5.0 }}\nmodel = {{ {model} }}"
            );
            ((*id).to_owned(), result("train", &params))
        });
        let made = |release: &str| {
            let domain = "columns = [\"age\", \"sex\", \"a\", \"b\"]\nbins = { age = 4 }";
            result("synthesize", &format!("{domain}\nrelease = \"{release}\""))
        };
        let others = [
            ("fit", fit),
            ("net", result("hazard", net)),
            ("bat", bat),
            ("generator", made("exact")),
            ("charged", made("noised")),
        ];
        others.map(|(id, result)| (id.to_owned(), result)).into_iter().chain(networks).collect()
    })
}

pub(crate) fn task(name: &str, params: &str) -> Box<dyn Run> {
    registry::open(name, 1, &table(params), &schema(SCHEMA), finished())
        .unwrap_or_else(|error| panic!("{name} {params}: {error}"))
}

fn answer(run: &dyn Run, cohort: &Cohort, max_patients: u64, min_local_rows: u64) -> Contribution {
    let site = Site { cohort, capacity: 0, max_patients, min_local_rows };
    run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("an answer")
}

fn sums<'a>(cohorts: &'a [Cohort], name: &'static str, params: &'static str) -> PlainSum<'a> {
    PlainSum::new(cohorts, 1000, 1, rng(), move || Ok(task(name, params))).expect("sums")
}

#[test]
fn every_task_of_this_binary_has_an_example_here() {
    let known: BTreeSet<&str> = registry::known().map(|(name, _)| name).collect();
    let examples: BTreeSet<&str> = CASES.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, examples);
}

/// S5: in every round of every task, whatever the data are, the call succeeds and the answer has the
/// query's length. Asked about nobody, or about more than the public cap, an exact task gets zeros.
#[test]
fn no_data_change_the_form_of_an_answer_of_any_task() {
    let hospitals = ordinary();
    let no_event = "0,50,0,censored,50,0,60,10,M,1,0,0.5";
    let constant = "0,50,1,death,50,0,60,10,M,1,1,0.5";
    let at_the_ends = "0,0,1,relapse,0,1,100,20,F,1,1,1";
    let missing = hospital(vec!["0,50,1,death,50,1,,,,,,".to_owned(); 20]);
    let odd: Vec<Cohort> = [no_event, constant, at_the_ends]
        .map(|row| hospital(vec![row.to_owned(); 20]))
        .into_iter()
        .chain([hospital(patients(0, 1)), hospital(patients(0, 2))])
        .collect();
    for (name, params) in CASES {
        let (mut run, mut sums) = (task(name, params), sums(&hospitals, name, params));
        while let Some(query) = run.query() {
            let length = query.dimension();
            for cohort in odd.iter().chain([&missing, &hospitals[0]]) {
                assert_eq!(answer(run.as_ref(), cohort, 1000, 1).values.len(), length, "{name}");
            }
            if query.sensitivity.is_none() {
                for refused in [
                    answer(run.as_ref(), &hospitals[0], 1000, 41),
                    answer(run.as_ref(), &hospitals[0], 39, 1),
                ] {
                    assert_eq!(refused.values.len(), length, "{name}");
                    assert!(refused.values.iter().all(|value| *value == 0), "{name} {params}");
                    assert!(refused.note.is_some(), "{name}");
                }
            }
            let sum = sums.sum(&query).expect("sum");
            run.absorb(&sum).unwrap_or_else(|error| panic!("{name} {params}: {error}"));
        }
    }
}

/// X3: in every round of every task a site refuses another iterate, layout, rate, cohort or bound
/// than its own replay has; a replay of the sums, in whatever order hospitals answered, comes to the
/// same queries and the same result.
#[test]
fn a_chosen_question_of_any_task_is_refused_and_a_replay_comes_to_the_same() {
    let hospitals = ordinary();
    let mut backward = ordinary();
    backward.reverse();
    let changes: [fn(&mut Query); 6] = [
        |query| match query.bytes.get_mut(..8) {
            Some(first) => first.copy_from_slice(&50f64.to_le_bytes()),
            None => query.bytes.extend(50f64.to_le_bytes()),
        },
        |query| query.version += 1,
        |query| query.blocks[0].frac_bits += 1,
        |query| query.blocks[0].patient_bound *= 2,
        |query| query.rate /= 2.0,
        |query| query.cohort = "include age > 50\n".to_owned(),
    ];
    for (name, params) in CASES {
        let (mut run, mut replay) = (task(name, params), task(name, params));
        let mut one = sums(&hospitals, name, params);
        let mut two = sums(&backward, name, params);
        while let Some(query) = run.query() {
            for change in changes {
                let mut chosen = query.clone();
                change(&mut chosen);
                let refused = Error::NotTheReplayedQuery { task: (*name).to_owned() };
                assert_eq!(one.sum(&chosen), Err(refused), "{name} {params}");
            }
            let sum = one.sum(&query).expect("sum");
            if query.rate == 1.0 && query.sensitivity.is_none() {
                assert_eq!(two.sum(&query).as_ref(), Ok(&sum), "{name} {params}");
            }
            let output = run.absorb(&sum).expect("absorbed");
            assert_eq!(replay.absorb(&sum), Ok(output), "{name} {params}");
            assert_eq!(replay.query(), run.query(), "{name} {params}");
        }
    }
}

/// Patients at the ends of the public ranges, between them, and with missing values.
fn extreme() -> impl Strategy<Value = String> {
    let number = |low: u32, high: u32| prop_oneof![Just(low), Just(high), low..=high];
    let flag = || 0..2u8;
    let maybe = |text: std::ops::RangeInclusive<u32>| {
        let (low, high) = (*text.start(), *text.end());
        prop_oneof![
            8 => prop_oneof![Just(low), Just(high), low..=high].prop_map(|x| x.to_string()),
            1 => Just(String::new()),
        ]
    };
    let ending = prop::sample::select(vec!["censored", "relapse", "death"]);
    let sex = prop::sample::select(vec!["F", "M", ""]);
    (
        (number(0, 100), number(0, 100), flag(), ending, number(0, 100), flag()),
        (maybe(20..=100), maybe(0..=20), sex, maybe(0..=1), maybe(0..=1), maybe(0..=1)),
    )
        .prop_map(|((entry, time, died, ending, ill_time, ill), (age, hb, sex, a, b, p))| {
            format!("{entry},{time},{died},{ending},{ill_time},{ill},{age},{hb},{sex},{a},{b},{p}")
        })
}

fn integer() -> impl Strategy<Value = i128> {
    prop_oneof![
        Just(i128::MIN),
        Just(i128::MAX),
        Just(0),
        Just(1),
        Just(-1),
        any::<i128>(),
        -100..100i128,
        any::<i64>().prop_map(i128::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// S2 and S5: in any round that other hospitals' sums lead to, no cohort within the public ranges
    /// passes a block's bound, and none is zeroed for it.
    #[test]
    fn no_cohort_passes_the_bounds_of_any_task(
        which in 0..CASES.len(),
        rows in prop::collection::vec(extreme(), 1..30),
        rounds in 0..6usize,
    ) {
        let (name, params) = CASES[which];
        let others = ordinary();
        let (mut run, mut sums) = (task(name, params), sums(&others, name, params));
        for _ in 0..rounds {
            let sum = sums.sum(&run.query().expect("running")).expect("sum");
            if run.absorb(&sum).expect("absorbed").is_some() {
                run = task(name, params);
                break;
            }
        }
        let (query, n) = (run.query().expect("running"), rows.len() as u64);
        let own = answer(run.as_ref(), &hospital(rows), n, 1);
        let note = own.note.unwrap_or_default();
        prop_assert!(!note.contains("passes the bound"), "{name} {params}: {note}");
        let mut rest = &own.values[..];
        for block in &query.blocks {
            let (values, after) = rest.split_at(block.len as usize);
            let norm = values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>().sqrt();
            let bound = block.patient_bound as f64 * n as f64;
            prop_assert!(norm <= bound, "{name} {params} {}: {norm} > {bound}", block.name);
            rest = after;
        }
    }

    /// After any number of honest rounds, a sum that no honest site made panics neither who absorbs
    /// it nor a hospital that is then asked.
    #[test]
    fn no_sum_panics_any_task(
        which in 0..CASES.len(),
        integers in prop::collection::vec(integer(), 1..64),
        honest in 0..4usize,
    ) {
        let (name, params) = CASES[which];
        let hospitals = ordinary();
        let (mut run, mut sums) = (task(name, params), sums(&hospitals, name, params));
        let mut supply = integers.iter().copied().cycle();
        for round in 0..8 {
            let Some(query) = run.query() else { break };
            let sum = if round < honest {
                sums.sum(&query).expect("sum")
            } else {
                let integers: Vec<i128> = supply.by_ref().take(query.dimension()).collect();
                Sum::new(&query, integers, 3).expect("length")
            };
            if run.absorb(&sum).is_err() {
                break;
            }
            if run.query().is_some() {
                answer(run.as_ref(), &hospitals[0], 1000, 1);
            }
        }
    }

    /// A counterfeit first count, so that what follows it is read as well.
    #[test]
    fn no_sum_of_a_plausible_count_panics_any_task(
        which in 0..CASES.len(),
        integers in prop::collection::vec(integer(), 1..64),
        counts in prop::array::uniform3(0..200i128),
    ) {
        let (name, params) = CASES[which];
        let mut run = task(name, params);
        let mut supply = integers.iter().copied().cycle();
        for _ in 0..6 {
            let Some(query) = run.query() else { break };
            let mut integers: Vec<i128> = supply.by_ref().take(query.dimension()).collect();
            if query.sensitivity.is_none() && integers.len() >= 3 {
                integers[..3].copy_from_slice(&counts);
            }
            if run.absorb(&Sum::new(&query, integers, 3).expect("length")).is_err() {
                break;
            }
        }
    }

    /// Any of a task's own examples, with keys dropped, mistyped or taken from another task.
    #[test]
    fn no_parameters_panic_any_task(
        which in 0..CASES.len(),
        other in 0..CASES.len(),
        drop in prop::collection::vec(0..8usize, 0..3),
        changed in prop::collection::vec((0..12usize, prop::sample::select(vec![
            "\"age\"", "\"died\"", "\"sex\"", "\"\"", "[]", "[\"age\", \"age\"]", "[\"sex\"]",
            "[\"a:\", \"b\"]", "0", "-1", "1", "1e300", "1e-300", "nan", "-inf", "255",
            "9223372036854775807", "true", "[[0.5, 0.5]]", "{ x = [\"a\"] }", "\"none\"",
            "\"noised\"", "[3, 2, 1]", "[0, 1e9]",
        ])), 0..4),
    ) {
        let (name, params) = CASES[which];
        let mut params = table(params);
        let mut foreign: Vec<(String, toml::Value)> = table(CASES[other].1).into_iter().collect();
        for at in drop {
            if let Some(key) = params.keys().nth(at).cloned() {
                params.remove(&key);
            }
        }
        let mut keys: Vec<String> = params.keys().cloned().collect();
        keys.extend(foreign.iter().map(|(key, _)| key.clone()));
        for (at, value) in changed {
            if let Some(key) = keys.get(at % keys.len().max(1)) {
                params.extend(table(&format!("{key} = {value}")));
            }
        }
        if let Some((key, value)) = foreign.pop() {
            params.entry(key).or_insert(value);
        }
        if let Ok(run) = registry::open(name, 1, &params, &schema(SCHEMA), finished()) {
            prop_assert!(run.query().is_some_and(|query| query.dimension() < 1 << 22));
        }
    }
}
