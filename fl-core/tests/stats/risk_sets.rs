//! The rules, for the tasks whose risk sets span hospitals: bounds (S5), replay (X3), and that no
//! sum or parameter panics them.

use haima_fl_core::Error;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::sum::{PlainSum, SecureSum, Sum, drive};
use haima_fl_core::task::{Query, Run, Site, SiteState};
use proptest::prelude::*;
use serde_json::Value;

use crate::common::{MGUS2_EVENT, cohort, cohorts, deal, mgus2_event, open, rng, schema};

const TASKS: [(&str, &str); 7] = [
    ("cif", "time = \"etime\"\nevent = \"event\"\ngrid = 12.0\nby = \"sex\""),
    (
        "multistate",
        "illness_time = \"ptime\"\nillness = \"pstat\"\ntime = \"futime\"\nevent = \"death\"\n\
         grid = 12.0",
    ),
    (
        "cox",
        "strata = \"none\"\ngrid = 12.0\ntime = \"futime\"\nevent = \"death\"\n\
         covariates = [\"age\", \"sex\", \"mspike\"]",
    ),
    (
        "cox",
        "strata = \"none\"\ngrid = 12.0\ntime = \"etime\"\nevent = \"event\"\ncause = \"pcm\"\n\
         ties = \"breslow\"\ncovariates = [\"age\", \"sex\", \"mspike\"]",
    ),
    (
        "cox",
        "strata = \"none\"\ngrid = 12.0\ntime = \"futime\"\nentry = \"ptime\"\nevent = \"death\"\n\
         covariates = [\"age\", \"hgb\"]",
    ),
    (
        "finegray",
        "time = \"etime\"\nevent = \"event\"\ncause = \"pcm\"\ngrid = 12.0\n\
         covariates = [\"age\", \"sex\", \"mspike\"]",
    ),
    (
        "finegray",
        "time = \"etime\"\nevent = \"event\"\ncause = \"death\"\ngrid = 1.0\n\
         covariates = [\"age\"]",
    ),
];
const HEADER: &str = "id,age,sex,dxyr,hgb,creat,mspike,ptime,pstat,futime,death,etime,event\n";

fn task(which: usize) -> Box<dyn Run> {
    let (name, params) = TASKS[which];
    open(name, params, &schema(MGUS2_EVENT)).expect("task")
}

#[derive(Clone, Debug)]
struct Patient {
    age: f64,
    male: bool,
    mspike: f64,
    ptime: u32,
    pstat: bool,
    futime: u32,
    death: bool,
    event: usize,
}

fn patient() -> impl Strategy<Value = Patient> {
    let end = |low: f64, high: f64| prop_oneof![Just(low), Just(high), low..high];
    let time = || prop_oneof![Just(0u32), Just(480), Just(12), 0..480u32];
    (
        (end(18.0, 110.0), any::<bool>(), end(0.0, 10.0), time()),
        (any::<bool>(), time(), any::<bool>(), 0..3usize),
    )
        .prop_map(|((age, male, mspike, ptime), (pstat, futime, death, event))| Patient {
            age,
            male,
            mspike,
            ptime,
            pstat,
            futime,
            death,
            event,
        })
}

fn hospital(patients: &[Patient]) -> Cohort {
    let mut text = HEADER.to_owned();
    for (i, p) in patients.iter().enumerate() {
        let sex = if p.male { "M" } else { "F" };
        let (pstat, death) = (u8::from(p.pstat), u8::from(p.death));
        let event = ["censored", "pcm", "death"][p.event];
        text.push_str(&format!(
            "{i},{},{sex},1980,{},1,{},{},{pstat},{},{death},{},{event}\n",
            p.age,
            3.0 + p.mspike,
            p.mspike,
            p.ptime,
            p.futime,
            p.futime
        ));
    }
    cohort(&schema(MGUS2_EVENT), &text)
}

/// A site of exactly as many patients as the cap stays within each block's bound and the site's,
/// and nothing of it had to be zeroed.
fn within_bounds(query: &Query, run: &dyn Run, cohort: &Cohort) {
    let n = cohort.len() as u64;
    let site = Site { cohort, capacity: 0, max_patients: n, min_local_rows: 0 };
    let answer = run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("own query");
    assert_eq!(answer.values.len(), query.dimension());
    if answer.note.as_deref().is_some_and(|note| note.contains("floor")) {
        return; // No complete row.
    }
    assert_eq!(answer.note, None);
    let norm = |values: &[i64]| values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>().sqrt();
    let mut rest = &answer.values[..];
    for block in &query.blocks {
        let (values, after) = rest.split_at(block.len as usize);
        let bound = block.patient_bound as f64 * n as f64;
        assert!(norm(values) <= bound, "{}: {} > {bound}", block.name, norm(values));
        rest = after;
    }
    assert!(norm(&answer.values) <= query.site_bound(n).expect("fits") as f64);
}

/// Runs over real cohorts and holds another cohort's answer to each query against the bounds.
fn all_rounds_within_bounds(which: usize, others: &[Cohort]) -> usize {
    let schema = schema(MGUS2_EVENT);
    let real = cohorts(&schema, &deal(&mgus2_event(), 3));
    let mut sums = PlainSum::new(&real, 100_000, 1, rng(), || Ok(task(which))).expect("sites");
    let mut run = task(which);
    for round in 1.. {
        let query = run.query().expect("running");
        assert!(query.site_bound(100_000).expect("fits 63 bits") < 1 << 62);
        for other in others {
            within_bounds(&query, run.as_ref(), other);
        }
        let sum = sums.sum(&query).expect("a sum");
        if run.absorb(&sum).expect("absorbed").is_some() {
            return round;
        }
    }
    unreachable!()
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
        (any::<i64>()).prop_map(i128::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// S5, in every round of every task: what a cohort sends does not depend on its being like the
    /// others'.
    #[test]
    fn no_cohort_passes_the_bounds_of_risk_sets(
        which in 0..TASKS.len(),
        patients in prop::collection::vec(patient(), 1..40),
    ) {
        all_rounds_within_bounds(which, &[hospital(&patients)]);
    }

    #[test]
    fn no_first_sum_panics_a_task_of_risk_sets(
        which in 0..TASKS.len(),
        integers in prop::collection::vec(integer(), 1..64),
    ) {
        let mut run = task(which);
        let mut supply = integers.iter().copied().cycle();
        for _ in 0..6 {
            let Some(query) = run.query() else { break };
            let integers: Vec<i128> = supply.by_ref().take(query.dimension()).collect();
            if run.absorb(&Sum::new(&query, integers, 3).expect("length")).is_err() {
                break;
            }
        }
    }

    /// After honest first rounds: arbitrary moments and outer products, with the honest counts, so
    /// that the sum is read to its end.
    #[test]
    fn no_later_sum_panics_a_task_of_risk_sets(
        which in 2..TASKS.len(),
        honest in 1..8usize,
        integers in prop::collection::vec(integer(), 1..64),
    ) {
        let schema = schema(MGUS2_EVENT);
        let real = cohorts(&schema, &deal(&mgus2_event(), 2));
        let mut sums = PlainSum::new(&real, 100_000, 1, rng(), || Ok(task(which))).expect("sites");
        let mut run = task(which);
        for _ in 0..honest {
            let sum = sums.sum(&run.query().expect("running")).expect("a sum");
            if run.absorb(&sum).expect("absorbed").is_some() {
                return Ok(());
            }
        }
        let query = run.query().expect("running");
        let honest = sums.sum(&query).expect("a sum");
        let forged = honest.integers().iter().take(3).copied()
            .chain(integers.iter().copied().cycle())
            .take(query.dimension())
            .collect();
        let _ = run.absorb(&Sum::new(&query, forged, 2).expect("length"));
    }

    #[test]
    fn no_parameters_panic_a_task_of_risk_sets(
        name in "cif|cox|finegray|multistate|km",
        keys in prop::collection::vec((
            prop_oneof![
                Just("time"), Just("event"), Just("by"), Just("grid"), Just("covariates"),
                Just("ties"), Just("strata"), Just("cause"), Just("entry"), Just("illness"),
                Just("illness_time"), Just("max_iterations"), Just("surprise"),
            ],
            prop_oneof![
                Just("\"etime\""), Just("\"event\""), Just("\"death\""), Just("\"pstat\""),
                Just("\"sex\""), Just("[\"age\", \"hgb\", \"sex\"]"), Just("[]"), Just("nan"),
                Just("-inf"), Just("1e-300"), Just("0"), Just("0.0005"), Just("5.0"), Just("1e300"),
                Just("\"efron\""), Just("\"none\""), Just("\"pcm\""), Just("\"censored\""),
            ],
        ), 0..9),
    ) {
        let mut params = toml::Table::new();
        for (key, value) in keys {
            if let Ok(one) = format!("{key} = {value}").parse::<toml::Table>() {
                params.extend(one);
            }
        }
        let opened = haima_fl_core::registry::open(
            &name, 1, &params, &schema(MGUS2_EVENT), &std::collections::BTreeMap::new(),
        );
        if let Ok(run) = opened {
            prop_assert!(run.query().is_some_and(|query| query.dimension() < 1 << 22));
        }
    }
}

/// S5: crafted cohorts: all at one end of the ranges, all with one ending, at one time.
#[test]
fn crafted_cohorts_stay_within_the_bounds_of_risk_sets() {
    let at = |high: bool, event: usize, futime: u32| Patient {
        age: if high { 110.0 } else { 18.0 },
        male: high,
        mspike: if high { 10.0 } else { 0.0 },
        ptime: 0,
        pstat: event == 1,
        futime,
        death: event == 2,
        event,
    };
    let mut crafted = Vec::new();
    for high in [false, true] {
        for event in 0..3 {
            for futime in [1, 30, 480] {
                crafted.push(hospital(&vec![at(high, event, futime); 25]));
            }
        }
    }
    for which in 0..TASKS.len() {
        let rounds = all_rounds_within_bounds(which, &crafted);
        assert_eq!(rounds > 1, which > 1);
    }
}

/// S5: sites without events, below their floor or past the cap send vectors of the same length.
#[test]
fn the_length_of_an_answer_of_risk_sets_does_not_depend_on_the_data() {
    let text = mgus2_event();
    let schema = schema(MGUS2_EVENT);
    let real = cohorts(&schema, &deal(&text, 2));
    let ordinary = cohort(&schema, &text.lines().take(400).collect::<Vec<_>>().join("\n"));
    let quiet = cohort(&schema, &format!("{HEADER}1,60,F,1980,13,1,1,0,0,9,0,9,censored\n"));
    for which in 0..TASKS.len() {
        let mut sums = PlainSum::new(&real, 100_000, 1, rng(), || Ok(task(which))).expect("sites");
        let mut run = task(which);
        loop {
            let query = run.query().expect("running");
            for (cohort, floor, cap, zero) in [
                (&ordinary, 1, 1000, false),
                (&quiet, 1, 100, false),
                (&ordinary, 500, 1000, true),
                (&ordinary, 1, 5, true),
            ] {
                let site = Site { cohort, capacity: 0, max_patients: cap, min_local_rows: floor };
                let answer =
                    run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("answer");
                assert_eq!(answer.values.len(), query.dimension());
                assert_eq!(answer.values.iter().all(|value| *value == 0), zero, "{query:?}");
                assert_eq!(answer.note.is_some(), zero);
            }
            if run.absorb(&sums.sum(&query).expect("a sum")).expect("absorbed").is_some() {
                break;
            }
        }
    }
}

struct Recorded<'a> {
    inner: PlainSum<'a>,
    log: Vec<(Query, Sum)>,
}

impl SecureSum for Recorded<'_> {
    type Error = Error;

    fn sum(&mut self, query: &Query) -> Result<Sum, Error> {
        let sum = self.inner.sum(query)?;
        self.log.push((query.clone(), sum.clone()));
        Ok(sum)
    }
}

fn recorded(which: usize, cohorts: &[Cohort]) -> (Value, Vec<(Query, Sum)>) {
    let inner = PlainSum::new(cohorts, 100_000, 1, rng(), || Ok(task(which))).expect("sites");
    let mut sums = Recorded { inner, log: Vec::new() };
    let output = drive(task(which).as_mut(), &mut sums).expect("output");
    (output, sums.log)
}

/// X3: whoever replays the released sums arrives at the same queries and result, whatever the
/// order of the sites.
#[test]
fn a_replay_of_risk_sets_gives_the_same_queries_and_result() {
    let schema = schema(MGUS2_EVENT);
    let mut files = deal(&mgus2_event(), 4);
    let forward = cohorts(&schema, &files);
    files.reverse();
    let backward = cohorts(&schema, &files);
    for which in 0..TASKS.len() {
        let (output, log) = recorded(which, &forward);
        assert_eq!(recorded(which, &backward), (output.clone(), log.clone()));
        let mut replay = task(which);
        let mut last = None;
        for (query, sum) in &log {
            assert_eq!(replay.query().as_ref(), Some(query));
            last = replay.absorb(sum).expect("the same sum");
        }
        assert_eq!(last, Some(output));
    }
}

/// X3: a coordinator may choose neither the iterate nor the marks. S5: for an iterate past the cap
/// the bounds do not hold, so it is answered by zero.
#[test]
fn a_chosen_iterate_or_mark_of_risk_sets_is_refused() {
    let schema = schema(MGUS2_EVENT);
    let real = cohorts(&schema, &deal(&mgus2_event(), 2));
    for which in 2..TASKS.len() {
        let mut sums = PlainSum::new(&real, 100_000, 1, rng(), || Ok(task(which))).expect("sites");
        let mut run = task(which);
        let sum = sums.sum(&run.query().expect("running")).expect("a sum");
        run.absorb(&sum).expect("absorbed");
        let own = run.query().expect("running");
        for place in [0, own.bytes.len() - 8] {
            let mut chosen = own.clone();
            chosen.bytes[place..place + 8].copy_from_slice(&7f64.to_le_bytes());
            let refused = Error::NotTheReplayedQuery { task: own.task.clone() };
            assert_eq!(sums.sum(&chosen), Err(refused));
        }
    }
}

#[test]
fn an_iterate_past_the_cap_of_risk_sets_is_answered_by_zero() {
    use haima_fl_core::task::Task;
    use haima_fl_core::tasks::{finegray::FineGray, gridded_cox::GriddedCox};

    fn check<T: Task>(task: &T, cohort: &Cohort) {
        let site = Site { cohort, capacity: 0, max_patients: 100, min_local_rows: 1 };
        let ask = |numbers: &[f64], cut: usize| {
            let mut query = task.query(&task.start());
            query.bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            query.bytes.truncate(query.bytes.len() - cut);
            task.contribute(&query, &site, &mut SiteState::default(), &mut rng())
        };
        for beta in [64.5, f64::NAN, f64::INFINITY, -1e300] {
            let answer = ask(&[beta, 0.0, 0.0, 5.0, 9.0], 0).expect("an answer");
            assert!(answer.values.iter().all(|value| *value == 0) && answer.note.is_some());
        }
        for (numbers, cut) in [(&[0.0, 0.0][..], 0), (&[0.0, 0.0, 0.0, 5.0][..], 3)] {
            assert!(matches!(ask(numbers, cut), Err(Error::QueryBytes { .. })));
        }
        // Marks that no grid has.
        ask(&[0.0, 0.0, 0.0, f64::NAN, -1.0, 1e300], 0).expect("an answer");
    }

    let schema = schema(MGUS2_EVENT);
    let cohort = cohort(&schema, &mgus2_event().lines().take(9).collect::<Vec<_>>().join("\n"));
    let params = |which: usize| TASKS[which].1.parse().expect("TOML");
    check(&GriddedCox::new(&params(2), &schema).expect("cox"), &cohort);
    check(&FineGray::new(&params(5), &schema).expect("finegray"), &cohort);
}

/// A hospital that falls out between two sums would mix two cohorts.
#[test]
fn sums_over_different_hospitals_are_refused() {
    let schema = schema(MGUS2_EVENT);
    let real = cohorts(&schema, &deal(&mgus2_event(), 3));
    for which in 2..TASKS.len() {
        let (_, all) = recorded(which, &real);
        let mut run = task(which);
        run.absorb(&all[0].1).expect("absorbed");
        let query = run.query().expect("running");
        let mut integers = vec![0i128; query.dimension()];
        for cohort in &real[..2] {
            let site = Site { cohort, capacity: 0, max_patients: 100_000, min_local_rows: 1 };
            let answer = run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("own");
            integers.iter_mut().zip(answer.values.iter()).for_each(|(s, v)| *s += i128::from(*v));
        }
        let error = run.absorb(&Sum::new(&query, integers, 3).expect("length")).expect_err("mixed");
        assert!(error.to_string().contains("fixed roster"), "{error}");
    }
}
