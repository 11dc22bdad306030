//! The noised forms of regression: what they estimate, and the rules that a site's answer keeps.

use haima_dp::norms::norm_squared;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::results::Fit;
use haima_fl_core::task::{Contribution, Query, Site, SiteState, Task};
use haima_fl_core::tasks::glm::Glm;
use proptest::prelude::*;

use crate::common::{LEUKSURV, close, cohort, cohorts, data, deal, rng, run, schema, table};
use crate::penalised::r;

const COVARIATES: &str = "covariates = [\"age\", \"male\", \"tpi\"]\nrelease = \"noised\"\n";
const LOGISTIC: &str = "outcome = \"death\"\nexpected_patients = 1000\n";
const LINEAR: &str = "family = \"linear\"\noutcome = \"wbc\"\nexpected_patients = 1000\n";

fn fit(params: &str, floor: u64) -> Fit {
    let schema = schema(LEUKSURV);
    let sites = cohorts(&schema, &deal(&data("leuksurv.csv"), 4));
    let output = run("glm", params, &schema, &sites, floor).expect("fit");
    serde_json::from_value(output).expect("haima.fit/1")
}

fn against(what: &str, fit: &Fit, tolerance: f64) {
    let r = &r()["weighted"][what]["coef"];
    let ours: Vec<f64> = fit.terms.iter().map(|t| t.coef).collect();
    let theirs: Vec<f64> =
        fit.terms.iter().map(|t| r[&t.name].as_f64().expect("term of R")).collect();
    eprintln!("{what}, no noise: {:.1e}", close(what, &ours, &theirs, tolerance));
}

/// Without noise, clipping and ridge the forms solve R's weighted estimating equations.
#[test]
fn without_noise_the_noised_forms_equal_rs_weighted_fits() {
    let exact = "ridge = 0.0\nfrac_bits = 40\n";
    let linear = fit(&format!("{LINEAR}{COVARIATES}{exact}"), 10);
    against("linear", &linear, 1e-5);
    assert_eq!(linear.iterations, 1);
    let more = "clip = 1.0\nsteps = 1000\nlearning_rate = 2.0\n";
    against("logistic", &fit(&format!("{LOGISTIC}{COVARIATES}{exact}{more}"), 10), 1e-5);
}

#[test]
fn nothing_that_was_not_charged_stands_in_the_result() {
    let fit = fit(&format!("{LOGISTIC}{COVARIATES}"), 10);
    assert_eq!((fit.n, fit.events, fit.sites, fit.iterations), (0, 0, 0, 8));
    assert!(fit.loglik.is_nan() && fit.terms.iter().all(|t| t.se.is_nan() && t.p.is_nan()));
    let noised = fit.noised.expect("noised");
    assert_eq!((noised.steps, noised.sensitivity, noised.clip), (8, 1 << 19, 0.5));
    let age = &fit.terms[1];
    assert!(age.name == "age" && age.coef > 0.0, "the old die sooner");
}

/// S2: a floor on rows would let one patient move the sum by a whole hospital.
#[test]
fn the_floor_on_rows_does_not_apply() {
    let params = format!("{LOGISTIC}{COVARIATES}");
    assert_eq!(fit(&params, 1).terms[0].coef, fit(&params, 100_000).terms[0].coef);
}

fn task(params: &str) -> Glm {
    Glm::new(&table(params), &schema(LEUKSURV)).expect("glm")
}

fn answer(task: &Glm, query: &Query, cohort: &Cohort, cap: u64) -> Contribution {
    let site = Site { cohort, capacity: 0, max_patients: cap, min_local_rows: 10 };
    task.contribute(query, &site, &mut SiteState::default(), &mut rng()).expect("own query")
}

fn hospital(lines: &[String]) -> Cohort {
    let text = format!("patient,time_days,death,age,male,wbc,tpi\n{}\n", lines.join("\n"));
    cohort(&schema(LEUKSURV), &text)
}

fn query(task: &Glm, beta: &[f64]) -> Query {
    let mut query = task.query(&task.start());
    query.bytes = beta.iter().flat_map(|b| b.to_le_bytes()).collect();
    query
}

/// S5, S2: a useless iterate, a cohort past the cap: a vector of the same length.
#[test]
fn whatever_a_site_holds_or_is_asked_its_answer_has_one_form() {
    let rows = ["1,5,1,50,1,10,0".to_owned(), "2,9,0,61,0,20,1".to_owned()];
    for (params, beta) in [(LOGISTIC, 4), (LINEAR, 4)] {
        let task = task(&format!("{params}{COVARIATES}"));
        let start = task.query(&task.start());
        assert_eq!(
            answer(&task, &start, &hospital(&rows), 1).values.to_vec(),
            vec![0; start.dimension()]
        );
        for value in [f64::NAN, f64::INFINITY, 1e300, -1e300, 0.0] {
            let answer = answer(&task, &query(&task, &vec![value; beta]), &hospital(&rows), 100);
            assert_eq!(answer.values.len(), start.dimension());
            let bound = u128::from(start.sensitivity.expect("D"));
            assert!(norm_squared(&answer.values) <= (2 * bound).pow(2));
        }
    }
}

/// S2: the default clips of both families are proven bounds where they claim to be.
#[test]
fn nobody_is_clipped_at_the_start() {
    let text = data("leuksurv.csv");
    let schema = schema(LEUKSURV);
    let whole = cohort(&schema, &text);
    for params in [LOGISTIC, LINEAR] {
        let narrow = task(&format!("{params}{COVARIATES}"));
        let clip = if params == LINEAR { 2f64.sqrt() } else { 0.5 };
        let wide = task(&format!("{params}{COVARIATES}clip = {}", 1000.0 * clip));
        let [a, b] = [narrow, wide].map(|t| answer(&t, &t.query(&t.start()), &whole, 2000).values);
        assert_eq!(a, b);
        assert!(a.iter().all(|value| *value != 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// S2: the integer distance of neighbouring sites never passes the D that is charged; and a
    /// site adds what its patients would add alone, in any order.
    #[test]
    fn neighbouring_sites_differ_by_at_most_d(
        people in prop::collection::vec(
            (any::<bool>(), prop_oneof![Just(0.0), Just(110.0), 0.0..110.0f64], any::<bool>(),
                prop_oneof![Just(0.0), Just(500.0), 0.0..500.0f64],
                prop_oneof![Just(-10.0), Just(15.0), -10.0..15.0f64]),
            2..30,
        ),
        leaver in any::<prop::sample::Index>(),
        beta in prop::collection::vec(-80.0..80.0f64, 4),
        clip in 0.01..4.0f64,
        bits in 0u8..40,
        linear in any::<bool>(),
    ) {
        let family = if linear { LINEAR } else { LOGISTIC };
        let task = task(&format!("{family}{COVARIATES}clip = {clip:?}\nfrac_bits = {bits}"));
        let query = query(&task, &beta);
        let mut rows: Vec<String> = people
            .iter()
            .enumerate()
            .map(|(i, (death, age, male, wbc, tpi))| {
                format!("{i},9,{},{age},{},{wbc},{tpi}", u8::from(*death), u8::from(*male))
            })
            .collect();
        let with = answer(&task, &query, &hospital(&rows), 1000).values;
        rows.reverse();
        prop_assert_eq!(&with, &answer(&task, &query, &hospital(&rows), 1000).values);
        let one = rows.remove(leaver.index(rows.len()));
        let without = answer(&task, &query, &hospital(&rows), 1000).values;
        let alone = answer(&task, &query, &hospital(&[one]), 1000).values;
        let moved: Vec<i64> = with.iter().zip(without.iter()).map(|(a, b)| a - b).collect();
        prop_assert_eq!(&moved, &alone.to_vec());
        let d = u128::from(query.sensitivity.expect("D"));
        prop_assert!(norm_squared(&moved) <= d * d);
        let bound = u128::from(query.site_bound(1000).expect("fits"));
        prop_assert!(norm_squared(&with) <= bound * bound);
    }
}
