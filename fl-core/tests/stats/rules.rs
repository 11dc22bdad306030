//! The rules that bind these tasks: what a site sends does not tell of its data (S5), and a query
//! is the deterministic absorb of the earlier sums (X3).

use haima_fl_core::Error;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::sum::{PlainSum, SecureSum, Sum, drive};
use haima_fl_core::task::{Contribution, Query, Run, Site, SiteState};

use crate::common::{LEUKSURV, cohort, cohorts, data, deal, open, rng, schema, split};

const TASKS: [(&str, &str); 4] = [
    ("table1", "columns = [\"age\", \"wbc\", \"male\"]\nby = \"male\""),
    ("km", "time = \"time_days\"\nevent = \"death\"\ngrid = 30.0\nby = \"male\""),
    ("cox", "time = \"time_days\"\nevent = \"death\"\ncovariates = [\"age\", \"male\", \"wbc\"]"),
    ("glm", "outcome = \"death\"\ncovariates = [\"age\", \"male\", \"wbc\"]"),
];

fn task(name: &str, params: &str) -> Box<dyn Run> {
    open(name, params, &schema(LEUKSURV)).expect("task")
}

fn hospital(rows: &[&str]) -> Cohort {
    let mut text = "patient,time_days,death,age,male,wbc,tpi\n".to_owned();
    for (i, row) in rows.iter().enumerate() {
        text.push_str(&format!("{i},{row}\n"));
    }
    cohort(&schema(LEUKSURV), &text)
}

fn answer(run: &dyn Run, cohort: &Cohort, floor: u64, cap: u64) -> Contribution {
    let site = Site { cohort, capacity: 0, max_patients: cap, min_local_rows: floor };
    run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("an answer")
}

/// S5: a hospital without events, one with constant columns, one below its floor, one past its cap
/// and an ordinary one send vectors of the same length; the reason stays with the vector's owner.
#[test]
fn the_length_of_an_answer_does_not_depend_on_the_data() {
    let ordinary = hospital(&["1,1,50,1,10,0", "2,0,60,0,20,1", "3,1,70,1,5,2"]);
    let no_event = hospital(&["1,0,50,1,10,0", "2,0,60,0,20,1", "3,0,70,1,5,2"]);
    let constant = hospital(&["1,1,50,1,10,0", "1,1,50,1,10,0", "1,1,50,1,10,0"]);
    for (name, params) in TASKS {
        let run = task(name, params);
        let length = run.query().expect("running").dimension();
        for cohort in [&ordinary, &no_event, &constant] {
            let answer = answer(run.as_ref(), cohort, 1, 1000);
            assert_eq!((answer.values.len(), &answer.note), (length, &None), "{name}");
            assert!(answer.values.iter().any(|value| *value != 0), "{name}");
        }
        for (floor, cap) in [(4, 1000), (1, 2)] {
            let answer = answer(run.as_ref(), &ordinary, floor, cap);
            assert_eq!(answer.values.len(), length, "{name}");
            assert!(answer.values.iter().all(|value| *value == 0), "{name}");
            assert!(answer.note.is_some(), "{name}");
        }
    }
}

/// S5: neither the values nor the reason of a zero vector can be printed by accident.
#[test]
fn an_answer_prints_as_redacted() {
    let cohort = hospital(&["1,1,50,1,10,0", "2,0,60,0,20,1"]);
    let (name, params) = TASKS[1];
    for floor in [1, 10] {
        let printed = format!("{:?}", answer(task(name, params).as_ref(), &cohort, floor, 1000));
        assert!(printed.contains("redacted") && !printed.contains("rows"), "{printed}");
    }
    assert_eq!(format!("{cohort:?}"), "Cohort { columns: 6, patients: <redacted> }");
}

/// S5: the count block of a zero vector counts no site, so a hospital below its floor is left out
/// of the reported number.
#[test]
fn a_hospital_below_its_floor_is_not_counted() {
    let schema = schema(LEUKSURV);
    let mut files = deal(&data("leuksurv.csv"), 3);
    files.push("patient,time_days,death,district,age,male,wbc,tpi\n1,5,1,1,60,1,10,0\n".to_owned());
    let cohorts = cohorts(&schema, &files);
    for (name, params) in TASKS {
        let mut run = task(name, params);
        let mut sums =
            PlainSum::new(&cohorts, 100_000, 10, rng(), || Ok(task(name, params))).unwrap();
        let output = drive(run.as_mut(), &mut sums).expect("output");
        assert_eq!(output["sites"], 3, "{name}");
    }
}

/// Keeps what was asked and answered.
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

fn recorded(
    name: &str,
    params: &str,
    cohorts: &[Cohort],
) -> (serde_json::Value, Vec<(Query, Sum)>) {
    let inner = PlainSum::new(cohorts, 100_000, 1, rng(), || Ok(task(name, params))).unwrap();
    let mut sums = Recorded { inner, log: Vec::new() };
    let output = drive(task(name, params).as_mut(), &mut sums).expect("output");
    (output, sums.log)
}

/// X3: whoever replays the released sums arrives at the same queries, bit for bit, and result.
#[test]
fn a_replay_of_the_sums_gives_the_same_queries_and_result() {
    let schema = schema(LEUKSURV);
    let cohorts = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    for (name, params) in TASKS {
        let (output, log) = recorded(name, params, &cohorts);
        let mut replay = task(name, params);
        let mut last = None;
        for (query, sum) in &log {
            assert_eq!(last, None, "{name} ended early");
            assert_eq!(replay.query().as_ref(), Some(query), "{name}");
            last = replay.absorb(sum).expect("the same sum");
        }
        assert_eq!(last, Some(output), "{name}");
        assert_eq!(replay.query(), None);
        assert_eq!(replay.absorb(&log[0].1), Err(Error::RunOver));
    }
}

/// X3 and "determinism": integer sums do not depend on the order in which hospitals answer.
#[test]
fn the_order_of_hospitals_changes_nothing() {
    let schema = schema(LEUKSURV);
    let mut files = split(&data("leuksurv.csv"), "district");
    let forward = cohorts(&schema, &files);
    files.reverse();
    let backward = cohorts(&schema, &files);
    for (name, params) in TASKS {
        assert_eq!(recorded(name, params, &forward), recorded(name, params, &backward), "{name}");
    }
}

/// X3: a coordinator may not choose beta.
#[test]
fn a_chosen_iterate_is_refused() {
    let schema = schema(LEUKSURV);
    let cohorts = cohorts(&schema, &deal(&data("leuksurv.csv"), 3));
    for (name, params) in &TASKS[2..] {
        let mut sums =
            PlainSum::new(&cohorts, 100_000, 1, rng(), || Ok(task(name, params))).unwrap();
        let mut chosen = task(name, params).query().expect("running");
        chosen.bytes[..8].copy_from_slice(&50f64.to_le_bytes());
        let refused = Error::NotTheReplayedQuery { task: (*name).to_owned() };
        assert_eq!(sums.sum(&chosen), Err(refused));
    }
}

/// X3: another version, grid or bound is another query.
#[test]
fn a_query_of_another_layout_is_refused() {
    let schema = schema(LEUKSURV);
    let cohorts = cohorts(&schema, &deal(&data("leuksurv.csv"), 3));
    let (name, params) = TASKS[2];
    let own = task(name, params).query().expect("running");
    let changes: [fn(&mut Query); 3] = [
        |query| query.version += 1,
        |query| query.blocks[2].frac_bits += 1,
        |query| query.blocks[2].patient_bound *= 2,
    ];
    for change in changes {
        let mut query = own.clone();
        change(&mut query);
        let mut sums =
            PlainSum::new(&cohorts, 100_000, 1, rng(), || Ok(task(name, params))).unwrap();
        assert!(matches!(sums.sum(&query), Err(Error::NotTheReplayedQuery { .. })));
    }
}

/// S5: an iterate outside the public cap, for which the bounds do not hold, is answered by zero.
#[test]
fn an_iterate_past_the_cap_is_answered_by_zero() {
    use haima_fl_core::task::Task;
    use haima_fl_core::tasks::{cox::Cox, glm::Glm};

    fn check<T: Task>(task: &T, cohort: &Cohort) {
        for beta in [64.5, f64::NAN, f64::INFINITY, -1e300] {
            let mut query = task.query(&task.start());
            query.bytes[..8].copy_from_slice(&f64::to_le_bytes(beta));
            let site = Site { cohort, capacity: 0, max_patients: 100, min_local_rows: 1 };
            let answer = task.contribute(&query, &site, &mut SiteState::default(), &mut rng());
            let answer = answer.expect("an answer");
            assert!(answer.values.iter().all(|value| *value == 0) && answer.note.is_some());
        }
        let mut query = task.query(&task.start());
        let expected = query.bytes.len();
        query.bytes.pop();
        let site = Site { cohort, capacity: 0, max_patients: 100, min_local_rows: 1 };
        assert_eq!(
            task.contribute(&query, &site, &mut SiteState::default(), &mut rng()),
            Err(Error::QueryBytes { task: query.task.clone(), expected, got: expected - 1 })
        );
    }

    let cohort = hospital(&["1,1,50,1,10,0", "2,0,60,0,20,1", "3,1,70,1,5,2"]);
    let schema = schema(LEUKSURV);
    let params = |at: usize| TASKS[at].1.parse().expect("TOML");
    check(&Cox::new(&params(2), &schema).expect("cox"), &cohort);
    check(&Glm::new(&params(3), &schema).expect("glm"), &cohort);
}

#[test]
fn a_task_or_version_that_is_not_compiled_in_is_named_with_those_that_are() {
    use std::collections::BTreeMap;
    let empty = toml::Table::new();
    for (name, version) in [("cox", 2), ("train_anything", 1)] {
        let error = haima_fl_core::registry::open(
            name,
            version,
            &empty,
            &schema(LEUKSURV),
            &BTreeMap::new(),
        );
        let Err(Error::UnknownTask { task, known, .. }) = error else { panic!("opened {name}") };
        assert_eq!(task, name);
        assert!(known.contains("cox 1") && known.contains("table1 1"), "{known}");
    }
}
