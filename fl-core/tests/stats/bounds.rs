//! The closed-form bounds hold for random and for crafted cohorts, and the grids are as fine as
//! they may be.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::results::Fit;
use haima_fl_core::sum::Sum;
use haima_fl_core::task::{Next, Query, Site, SiteState, Task};
use haima_fl_core::tasks::{cox::Cox, glm::Glm, km::KaplanMeier, table1::Describe};
use proptest::prelude::*;

use crate::common::{LEUKSURV, cohort, rng, schema, table};

const COVARIATES: &str = "covariates = [\"age\", \"male\", \"wbc\", \"tpi\"]";
const SURVIVAL: &str = "time = \"time_days\"\nevent = \"death\"";
/// The public cap on the sum of absolute standardised coefficients.
const CAP: f64 = 64.0;

#[derive(Clone, Debug)]
struct Patient {
    time: u32,
    event: bool,
    age: f64,
    male: bool,
    wbc: f64,
    tpi: f64,
}

fn patient() -> impl Strategy<Value = Patient> {
    // The ends of the public ranges, and a few values between them.
    let end = |low: f64, high: f64| prop_oneof![Just(low), Just(high), low..high];
    (
        prop_oneof![Just(0u32), Just(5000), Just(30), 0..5000u32],
        any::<bool>(),
        end(0.0, 110.0),
        any::<bool>(),
        end(0.0, 500.0),
        end(-10.0, 15.0),
    )
        .prop_map(|(time, event, age, male, wbc, tpi)| Patient {
            time,
            event,
            age,
            male,
            wbc,
            tpi,
        })
}

fn hospital(patients: &[Patient]) -> Cohort {
    let mut text = "patient,time_days,death,age,male,wbc,tpi\n".to_owned();
    for (i, p) in patients.iter().enumerate() {
        let (event, male) = (u8::from(p.event), u8::from(p.male));
        text.push_str(&format!("{i},{},{event},{},{male},{},{}\n", p.time, p.age, p.wbc, p.tpi));
    }
    cohort(&schema(LEUKSURV), &text)
}

/// Coefficients whose absolute values sum to the cap, or to a share of it.
fn coefficients(width: usize) -> impl Strategy<Value = Vec<f64>> {
    (prop::collection::vec(-1.0..1.0f64, width), prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64])
        .prop_map(|(beta, share)| {
            let size: f64 = beta.iter().map(|b| b.abs()).sum();
            // A little below the cap, so that rounding does not pass it.
            beta.iter().map(|b| b / size.max(1e-9) * share * CAP * (1.0 - 1e-12)).collect()
        })
}

/// What a site of exactly `max_patients` patients sends stays within each block's bound and
/// within the site's, and none of it had to be zeroed.
fn within_bounds<T: Task>(task: &T, iterate: Option<&[f64]>, cohort: &Cohort) -> Vec<i64> {
    let mut query = task.query(&task.start());
    if let Some(beta) = iterate {
        query.bytes = beta.iter().flat_map(|b| b.to_le_bytes()).collect();
    }
    answer_within(task, &query, cohort)
}

/// The same for a query of any step.
fn answer_within<T: Task>(task: &T, query: &Query, cohort: &Cohort) -> Vec<i64> {
    let n = cohort.len() as u64;
    let site = Site { cohort, capacity: 0, max_patients: n, min_local_rows: 1 };
    let answer =
        task.contribute(query, &site, &mut SiteState::default(), &mut rng()).expect("own query");
    assert_eq!(answer.note, None);
    assert_eq!(answer.values.len(), query.dimension());
    let norm = |values: &[i64]| values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>().sqrt();
    let mut rest = &answer.values[..];
    for block in &query.blocks {
        let (values, after) = rest.split_at(block.len as usize);
        let bound = block.patient_bound as f64 * n as f64;
        assert!(norm(values) <= bound, "{}: {} > {bound}", block.name, norm(values));
        rest = after;
    }
    let bound = query.site_bound(n).expect("fits") as f64;
    assert!(norm(&answer.values) <= bound);
    answer.values.to_vec()
}

fn cox(ties: &str) -> Cox {
    let params = format!("{SURVIVAL}\n{COVARIATES}\nties = \"{ties}\"");
    Cox::new(&table(&params), &schema(LEUKSURV)).expect("cox")
}

/// A model with robust standard errors; its propensity model is a made-up one that reaches far.
fn robust(ties: &str, weighted: bool) -> Cox {
    let terms: Vec<_> = [("(Intercept)", -1.0), ("age", 0.2), ("tpi", -0.3)]
        .map(|(name, coef)| haima_fl_core::stat::wald(name, coef, 0.1))
        .into();
    let model = Fit {
        schema: "haima.fit/1".to_owned(),
        model: "logistic".to_owned(),
        formula: "male ~ age + tpi".to_owned(),
        terms,
        ..Fit::default()
    };
    let finished = [("ps".to_owned(), serde_json::to_value(model).expect("JSON"))].into();
    let weights = match weighted {
        true => "weights = { propensity = \"ps\", treatment = \"male\", cap = 50.0 }",
        false => "robust = true",
    };
    let params = format!("{SURVIVAL}\n{COVARIATES}\nties = \"{ties}\"\n{weights}");
    Cox::weighted(&table(&params), &schema(LEUKSURV), &finished).expect("cox")
}

/// The last question of a run, which asks for outer products.
fn closing_query(task: &Cox) -> Query {
    let patients: Vec<Patient> = (0..60)
        .map(|i| {
            let at = f64::from(i * 37 % 60);
            let (event, male) = (i % 3 > 0, i * 5 % 7 < 3);
            let (wbc, tpi) = (f64::from(i * i * 7 % 101), f64::from(i * 13 % 11));
            Patient { time: 10 + i, event, age: 20.0 + at, male, wbc, tpi }
        })
        .collect();
    let cohort = hospital(&patients);
    let site = Site { cohort: &cohort, capacity: 0, max_patients: 60, min_local_rows: 1 };
    let mut state = task.start();
    loop {
        let query = task.query(&state);
        if query.blocks.len() == 2 {
            return query;
        }
        let answer = task.contribute(&query, &site, &mut SiteState::default(), &mut rng());
        let integers = answer.expect("own query").values.iter().map(|z| i128::from(*z)).collect();
        let sum = Sum::new(&query, integers, 1).expect("its length");
        state = match task.absorb(state, &sum).expect("a step") {
            Next::Continue(state) => state,
            Next::Done(_) => panic!("done without outer products"),
        };
    }
}

fn logistic() -> Glm {
    let params = format!("outcome = \"death\"\n{COVARIATES}");
    Glm::new(&table(&params), &schema(LEUKSURV)).expect("glm")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// S5: B = max_patients * C cannot be passed by an honest site.
    #[test]
    fn no_cohort_passes_the_bound_of_cox(
        patients in prop::collection::vec(patient(), 1..40),
        beta in coefficients(4),
        ties in prop_oneof![Just("breslow"), Just("efron")],
    ) {
        within_bounds(&cox(ties), Some(&beta), &hospital(&patients));
    }

    /// S5, for outer products of score residuals, weighted by the treatment.
    #[test]
    fn no_cohort_passes_the_bound_of_the_sandwich(
        patients in prop::collection::vec(patient(), 1..40),
        beta in coefficients(4),
        ties in prop_oneof![Just("breslow"), Just("efron")],
        weighted in any::<bool>(),
    ) {
        let task = robust(ties, weighted);
        let mut query = closing_query(&task);
        query.bytes = beta.iter().flat_map(|b| b.to_le_bytes()).collect();
        answer_within(&task, &query, &hospital(&patients));
        within_bounds(&task, Some(&beta), &hospital(&patients));
    }

    /// S5, for the logistic task.
    #[test]
    fn no_cohort_passes_the_bound_of_logistic(
        patients in prop::collection::vec(patient(), 1..40),
        beta in coefficients(5),
    ) {
        within_bounds(&logistic(), Some(&beta), &hospital(&patients));
    }

    /// S5, for the counting tasks.
    #[test]
    fn no_cohort_passes_the_bound_of_counts(patients in prop::collection::vec(patient(), 1..40)) {
        let hospital = hospital(&patients);
        let schema = schema(LEUKSURV);
        let km = format!("{SURVIVAL}\ngrid = 30.0\nby = \"male\"");
        within_bounds(&KaplanMeier::new(&table(&km), &schema).expect("km"), None, &hospital);
        let stratified = format!("{km}\nstrata = \"site\"");
        within_bounds(&KaplanMeier::new(&table(&stratified), &schema).expect("km"), None, &hospital);
        let table1 = "columns = [\"age\", \"wbc\", \"tpi\", \"male\", \"death\"]\nby = \"male\"";
        within_bounds(&Describe::new(&table(table1), &schema).expect("table1"), None, &hospital);
    }
}

/// S5: the worst cohort of each block comes near its bound, so the bounds are not loose by much.
#[test]
fn the_worst_cohort_comes_near_the_bound_and_stays_below() {
    let at = |event, age| Patient { time: 10, event, age, male: false, wbc: 0.0, tpi: -10.0 };
    // The first to die has eta = -64; all others, eta = 64, live on.
    let mut patients = vec![at(true, 0.0)];
    patients.extend(vec![at(false, 110.0); 30]);
    let hospital = hospital(&patients);
    let only_age =
        Cox::new(&table(&format!("{SURVIVAL}\ncovariates = [\"age\"]")), &schema(LEUKSURV))
            .expect("cox");
    let values = within_bounds(&only_age, Some(&[CAP]), &hospital);
    let query = only_age.query(&only_age.start());
    let step = (1u64 << query.blocks[1].frac_bits) as f64;
    // -2 * 64 - log 30, and a gradient of -2, of one event.
    assert!((values[3] as f64 / step + 128.0 + 30f64.ln()).abs() < 1e-9);
    assert!((values[4] as f64 / step + 2.0).abs() < 1e-9);
    assert!(values[3].unsigned_abs() <= query.blocks[1].patient_bound);
    assert!(values[4].unsigned_abs() <= query.blocks[2].patient_bound);
}

#[test]
fn efron_ties_that_all_die_together_stay_within_the_bound() {
    let at = |age| Patient { time: 10, event: true, age, male: true, wbc: 500.0, tpi: 15.0 };
    for ages in [[0.0, 110.0], [0.0, 0.0], [110.0, 110.0]] {
        let patients: Vec<Patient> = (0..60).map(|i| at(ages[i % 2])).collect();
        let beta = [CAP, 0.0, 0.0, 0.0];
        within_bounds(&cox("efron"), Some(&beta), &hospital(&patients));
        within_bounds(&cox("efron"), Some(&beta.map(|b: f64| -b)), &hospital(&patients));
    }
}

fn finest(query: &Query) {
    let bound = query.site_bound(100_000).expect("fits 63 bits");
    assert!(bound < 1 << 62, "{}: {bound}", query.task);
    let bits = query.blocks.iter().map(|block| block.frac_bits).max().expect("blocks");
    let mut finer = query.clone();
    for block in finer.blocks.iter_mut().filter(|block| block.frac_bits > 0) {
        block.patient_bound *= 2;
    }
    let room = finer.site_bound(100_000).is_ok_and(|bound| bound < 1 << 61);
    assert!(bits == 40 || bits == 0 || !room, "{}: 2^-{bits} could be finer", query.task);
    eprintln!("{}: 2^-{bits}, B(100 000) = 2^{:.2}", query.task, (bound as f64).log2());
}

#[test]
fn grids_are_as_fine_as_a_hundred_thousand_patients_allow() {
    let schema = schema(LEUKSURV);
    let cox = cox("efron");
    finest(&cox.query(&cox.start()));
    let logistic = logistic();
    finest(&logistic.query(&logistic.start()));
    let km = format!("{SURVIVAL}\ngrid = 1.0");
    finest(&KaplanMeier::new(&table(&km), &schema).expect("km").query(&()));
    let table1 = "columns = [\"age\", \"wbc\", \"tpi\", \"male\"]\nby = \"male\"";
    finest(&Describe::new(&table(table1), &schema).expect("table1").query(&()));
    for block in cox.query(&cox.start()).blocks.iter().skip(1) {
        assert!(block.frac_bits >= 30, "{}", block.name);
    }
}

/// A category of 400 levels: 399 coefficients, 80 600 numbers a round.
#[test]
fn a_wide_design_still_fits() {
    let levels: Vec<String> = (0..400).map(|i| format!("L{i}")).collect();
    let text = format!(
        "{LEUKSURV}\n[[column]]\nname = \"centre\"\nkind = \"category\"\nlevels = {levels:?}"
    );
    let params = format!("{SURVIVAL}\ncovariates = [\"centre\"]");
    let cox = Cox::new(&table(&params), &schema(&text)).expect("cox");
    finest(&cox.query(&cox.start()));
}
