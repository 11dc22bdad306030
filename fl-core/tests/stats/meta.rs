//! Meta-analysis of hospitals' own fits, against R's metafor (`tests/oracles/meta.R`).

use haima_fl_core::results::meta::Meta;
use haima_fl_core::sum::Sum;
use haima_fl_core::task::{Run, Site, SiteState};
use haima_fl_core::{Error, cohort::Cohort, schema::Schema};
use proptest::prelude::*;
use serde_json::Value;

use crate::common::{
    BMT, LEUKSURV, close, cohort, cohorts, data, numbers, open, rng, run, schema, split,
};
use crate::validate_bounds::within_bounds;

const COX: &str = "model = \"cox\"\ntime = \"time_days\"\nevent = \"death\"\n\
                   covariates = [\"age\", \"male\", \"wbc\", \"tpi\"]\n";
const LOGISTIC: &str =
    "model = \"logistic\"\noutcome = \"death\"\ncovariates = [\"age\", \"male\"]\n";

fn meta_r() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracles/meta.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("oracle")).expect("JSON")
}

fn meta(params: &str, schema: &Schema, sites: &[Cohort]) -> Result<Meta, Error> {
    let value = run("meta", params, schema, sites, 1)?;
    Ok(serde_json::from_value(value).expect("haima.meta/1"))
}

fn equals_metafor(what: &str, ours: &Meta, r: &Value) {
    assert_eq!(Some(ours.sites), r["sites"].as_u64(), "{what}");
    assert_eq!(Some(ours.n), r["n"].as_u64(), "{what}");
    let rows = r["terms"].as_array().expect("terms");
    assert_eq!(ours.terms.len(), rows.len(), "{what}");
    let mut worst = 0.0f64;
    for (ours, r) in ours.terms.iter().zip(rows) {
        assert_eq!(Some(ours.random.name.as_str()), r["name"].as_str());
        let what = format!("{what} {}", ours.random.name);
        let mut compare = |ours: &[f64], theirs: &Value, tolerance: f64| {
            worst = worst.max(close(&what, ours, &numbers(theirs), tolerance));
        };
        let random = &ours.random;
        let row = [random.coef, random.se, random.lo.ln(), random.hi.ln(), random.p];
        compare(&row, &r["random"], 1e-5);
        compare(&[ours.fixed.coef, ours.fixed.se], &r["fixed"], 1e-5);
        let single = |key: &str| Value::Array(vec![r[key].clone()]);
        compare(&[ours.tau2], &single("tau2"), 1e-5);
        compare(&[ours.q], &single("q"), 1e-4);
        compare(&[ours.q_p], &single("q_p"), 1e-5);
        compare(&[ours.i2], &single("i2"), 1e-3);
        compare(&[ours.h2], &single("h2"), 1e-5);
        let interval = numbers(&r["pi"]);
        close(&what, &[ours.pi_lo / interval[0], ours.pi_hi / interval[1]], &[1.0, 1.0], 1e-5);
    }
    eprintln!("{what}: {worst:.1e}");
}

#[test]
fn hospitals_own_cox_fits_are_pooled_as_by_metafor() {
    let schema = schema(LEUKSURV);
    let sites = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    let ours = meta(COX, &schema, &sites).expect("meta-analysis");
    equals_metafor("leuksurv", &ours, &meta_r()["leuksurv_cox"]);
    assert_eq!(ours.formula, "Surv(time_days, death) ~ age + male + wbc + tpi");
    assert_eq!((ours.method.as_str(), ours.model.as_str(), ours.events), ("DL", "cox", 879));
    let one = meta(&format!("{COX}term = \"wbc\""), &schema, &sites).expect("one term");
    assert_eq!(one.terms.len(), 1);
    close("one term", &[one.terms[0].random.coef], &[ours.terms[2].random.coef], 1e-9);
    assert!(one.terms[0].tau2 > 0.0 && one.terms[0].random.se > one.terms[0].fixed.se);
}

#[test]
fn four_hospitals_that_differ_are_pooled_as_by_metafor() {
    let schema = schema(BMT);
    let sites = cohorts(&schema, &split(&data("bmt_klein.csv"), "hospital"));
    let params = "model = \"cox\"\ntime = \"dfs_days\"\nevent = \"dfs_event\"\n\
                  covariates = [\"patient_age\", \"donor_age\", \"fab_4_5_aml\"]";
    let ours = meta(params, &schema, &sites).expect("meta-analysis");
    equals_metafor("bmt", &ours, &meta_r()["bmt_cox"]);
    assert!(ours.terms[2].i2 > 50.0 && ours.terms[2].pi_lo < ours.terms[2].random.lo);
}

/// Four of the 24 districts have no maximum: all died, or the outcomes are separated.
#[test]
fn hospitals_without_a_fit_are_left_out_as_from_metafor() {
    let schema = schema(LEUKSURV);
    let sites = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    let ours = meta(LOGISTIC, &schema, &sites).expect("meta-analysis");
    assert_eq!((ours.sites, ours.formula.as_str()), (20, "death ~ age + male"));
    equals_metafor("leuksurv logistic", &ours, &meta_r()["leuksurv_logistic"]);
}

/// A hospital of (time, death, age, male).
fn hospital(rows: &[(u32, bool, f64, bool)]) -> Cohort {
    let mut text = "patient,time_days,death,age,male,wbc,tpi\n".to_owned();
    for (i, (time, death, age, male)) in rows.iter().enumerate() {
        let (death, male) = (u8::from(*death), u8::from(*male));
        text.push_str(&format!("{i},{time},{death},{age},{male},10,0\n"));
    }
    cohort(&schema(LEUKSURV), &text)
}

const TWO: &str = "model = \"cox\"\ntime = \"time_days\"\nevent = \"death\"\n\
                   covariates = [\"age\", \"male\"]";

/// Twelve patients with a fit, the more alike the smaller `spread`.
fn proper(spread: f64) -> Vec<(u32, bool, f64, bool)> {
    let age = |i: u32| 60.0 + spread * f64::from((i * 7) % 12) - f64::from(i);
    (0..12).map(|i| (10 + 3 * i, i % 3 != 0, age(i), i % 2 == 0)).collect()
}

#[test]
fn a_hospital_that_has_no_fit_adds_zero_whatever_the_reason() {
    let schema = schema(LEUKSURV);
    let good = [proper(1.0), proper(2.0), proper(3.0)];
    let sites: Vec<Cohort> = good.iter().map(|rows| hospital(rows)).collect();
    let ours = meta(TWO, &schema, &sites).expect("meta-analysis");
    assert_eq!((ours.sites, ours.n), (3, 36));
    let no_event = proper(1.0).iter().map(|row| (row.0, false, row.2, row.3)).collect();
    let constant = proper(1.0).iter().map(|row| (row.0, row.1, row.2, true)).collect();
    // Who is male dies first.
    let separated = (0..12).map(|i| (10 + i, true, f64::from(50 + (i * 5) % 7), i < 6)).collect();
    let fewer_than_covariates = proper(1.0)[..2].to_vec();
    for (what, rows) in [
        ("no event", no_event),
        ("a constant column", constant),
        ("separation", separated),
        ("two patients", fewer_than_covariates),
    ] {
        let rows: Vec<_> = rows;
        let mut more: Vec<Cohort> = good.iter().map(|rows| hospital(rows)).collect();
        more.push(hospital(&rows));
        assert_eq!(meta(TWO, &schema, &more).as_ref(), Ok(&ours), "{what}");
        let site = Site { cohort: &more[3], capacity: 0, max_patients: 100, min_local_rows: 1 };
        let run = open("meta", TWO, &schema).expect("task");
        let answer = run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("answer");
        assert!(answer.note.is_some() && answer.values.iter().all(|value| *value == 0), "{what}");
    }
}

/// With two fits, each of the two hospitals would know the other's.
#[test]
fn two_hospitals_sum_nothing_but_their_number() {
    let schema = schema(LEUKSURV);
    let sites = [hospital(&proper(1.0)), hospital(&proper(2.0))];
    let error = meta(TWO, &schema, &sites).expect_err("two");
    assert!(matches!(&error, Error::Fit { reason, .. } if reason.contains("fewer than 3")));

    // A site does not answer a query that claims less, either.
    let mut run = open("meta", TWO, &schema).expect("task");
    let site = Site { cohort: &sites[0], capacity: 0, max_patients: 100, min_local_rows: 1 };
    let answer = |run: &dyn Run| {
        run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("answer")
    };
    let query = run.query().expect("query");
    assert_eq!(query.dimension(), 3, "the first sum counts only");
    run.absorb(&Sum::new(&query, vec![3, 36, 24], 3).expect("length")).expect("goes on");
    assert_eq!(answer(run.as_ref()).note, None);
    let query = run.query().expect("query");
    let mut fewer = vec![0; query.dimension()];
    fewer[..3].copy_from_slice(&[4, 48, 30]);
    let error = run.absorb(&Sum::new(&query, fewer, 4).expect("length")).expect_err("another set");
    assert!(matches!(&error, Error::Fit { reason, .. } if reason.contains("another number")));
}

#[test]
fn parameters_that_make_no_meta_analysis_are_refused() {
    for params in [
        "time = \"time_days\"\nevent = \"death\"\ncovariates = [\"age\"]",
        "model = \"km\"\ncovariates = [\"age\"]",
        "model = \"cox\"\ntime = \"time_days\"\nevent = \"death\"",
        "model = \"logistic\"\noutcome = \"death\"\ncovariates = [\"age\"]\nterm = \"male\"",
        "model = \"logistic\"\noutcome = \"death\"\ncovariates = [\"age\"]\nridge = 1.0",
        "model = \"logistic\"\noutcome = \"death\"\ncovariates = [\"age\"]\nevent = \"death\"",
    ] {
        let error = run("meta", params, &schema(LEUKSURV), &[], 1).expect_err(params);
        assert!(matches!(error, Error::Params { .. }), "{params}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// S5: B = max_patients * C cannot be passed by an honest site, in any of the sums.
    #[test]
    fn no_cohort_passes_the_bounds_of_meta(
        rows in prop::collection::vec((
            prop_oneof![Just(0u32), Just(30), Just(5000), 0..5000u32],
            any::<bool>(),
            prop_oneof![Just(0.0), Just(110.0), 0.0..110.0f64],
            any::<bool>(),
        ), 1..40),
        logistic in any::<bool>(),
    ) {
        let mut run =
            open("meta", if logistic { LOGISTIC } else { TWO }, &schema(LEUKSURV)).expect("task");
        within_bounds(run.as_mut(), &hospital(&rows), 3);
    }

    #[test]
    fn no_sum_panics_a_meta_analysis(
        sites in 0..9i128,
        integers in prop::collection::vec(
            prop_oneof![Just(i128::MIN), Just(i128::MAX), any::<i128>(), -100..100i128], 1..64),
    ) {
        let mut run = open("meta", COX, &schema(LEUKSURV)).expect("task");
        let mut supply = integers.iter().copied().cycle();
        for _ in 0..4 {
            let Some(query) = run.query() else { break };
            let mut integers: Vec<i128> = supply.by_ref().take(query.dimension()).collect();
            integers[0] = sites;
            if run.absorb(&Sum::new(&query, integers, 3).expect("length")).is_err() {
                break;
            }
        }
    }
}

/// The bound of an inverse variance is met: ages at both ends, events as often as not.
#[test]
fn the_largest_inverse_variance_comes_near_its_bound() {
    let params = "model = \"logistic\"\noutcome = \"death\"\ncovariates = [\"age\"]";
    let rows: Vec<_> = (0..400u32)
        .map(|i| (10, (i / 2) % 2 == 0, if i % 2 == 0 { 0.0 } else { 110.0 }, false))
        .collect();
    let hospital = hospital(&rows);
    let mut run = open("meta", params, &schema(LEUKSURV)).expect("task");
    let query = run.query().expect("query");
    run.absorb(&Sum::new(&query, vec![3, 1200, 600], 3).expect("length")).expect("goes on");
    let query = run.query().expect("query");
    let site = Site { cohort: &hospital, capacity: 0, max_patients: 400, min_local_rows: 1 };
    let answer = run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("answer");
    let weight = answer.values[3] as f64 / (1u64 << query.blocks[1].frac_bits) as f64;
    assert!((weight - 100.0).abs() < 1e-6, "{weight}");
    let bound = 400.0 * query.blocks[1].patient_bound as f64;
    assert!(answer.values[3] as f64 <= bound && answer.values[3] as f64 > 0.999 * bound);
}
