//! Concordance from public bins, against the comparison of all pairs.

use std::collections::BTreeMap;

use haima_dp::norms::norm_squared;
use haima_fl_core::results::{Concordance, HazardModel};
use haima_fl_core::sum::Sum;
use haima_fl_core::task::{Site, SiteState};
use haima_fl_core::tasks::hazard::model::Predictor;
use haima_fl_core::{cohort::Cohort, registry, schema::Schema};
use proptest::prelude::*;
use serde_json::Value;

use crate::common;
use crate::simulation::{harrell, hazard_params, leuksurv, run, scored, train};

const PARAMS: &str = "model = \"network\"\ntime = \"time_days\"\nevent = \"death\"\n";

fn finished(output: Value) -> BTreeMap<String, Value> {
    BTreeMap::from([("network".to_owned(), output)])
}

fn concordance(
    more: &str,
    schema: &Schema,
    finished: &BTreeMap<String, Value>,
    cohorts: &[Cohort],
) -> Concordance {
    let params = format!("{PARAMS}{more}");
    serde_json::from_value(run("concordance", &params, schema, finished, cohorts, None)).unwrap()
}

#[test]
fn the_table_gives_the_c_of_all_pairs_of_the_binned_values() {
    let (schema, cohorts) = leuksurv();
    let output = train(&hazard_params(1, "steps = 30"), &schema, &cohorts, None);
    let model: HazardModel = serde_json::from_value(output.clone()).unwrap();
    let (low, high) = Predictor::new("test", &model, &schema).unwrap().risk_range();
    let finished = finished(output.clone());
    // The default axis of time: a day, later 8 % of the time.
    let mut edges = vec![0.0f64];
    while edges[edges.len() - 1] < 5000.0 {
        let left = edges[edges.len() - 1];
        edges.push(left + (0.08 * left).max(1.0));
    }
    for (subset, all) in [("holdout", false), ("all", true)] {
        let patients = scored(&output, &schema, &cohorts, all);
        let binned: Vec<(usize, bool, usize)> = patients
            .iter()
            .map(|&(time, event, risk)| {
                let bin = ((risk - low) / (high - low) * 100.0) as usize;
                (edges.iter().position(|edge| time <= *edge).unwrap(), event, bin.min(99))
            })
            .collect();
        let ours = concordance(&format!("subset = \"{subset}\""), &schema, &finished, &cohorts);
        let (c, pairs) = harrell(&binned);
        assert_eq!(ours.comparable, pairs);
        assert!((ours.c_index - c).abs() < 1e-12, "{} {c}", ours.c_index);
        assert_eq!(ours.n as usize, patients.len());
        assert_eq!(ours.events as usize, patients.iter().filter(|p| p.1).count());
        assert_eq!(ours.subset, subset);

        // Against the scores and times themselves: the bins cost less than 0.003.
        let (exact, _) = harrell(&patients);
        println!("{subset}: C {exact:.4}, by the default bins {:.4}", ours.c_index);
        assert!((ours.c_index - exact).abs() < 0.003, "{} {exact}", ours.c_index);
    }
}

/// S2: with noise to come, one patient is one count.
#[test]
fn removing_a_patient_moves_the_table_by_one_whatever_the_sites_floor() {
    let schema = common::schema(common::LEUKSURV);
    let text = common::data("leuksurv.csv");
    let lines: Vec<&str> = text.lines().collect();
    let cohort =
        |rows: &[&str]| common::cohort(&schema, &format!("{}\n{}\n", lines[0], rows.join("\n")));
    let all = cohort(&lines[1..40]);
    let finished = finished(train(&hazard_params(1, "steps = 2"), &schema, &[all], None));
    let answer = |more: &str, rows: &[&str]| {
        let params = common::table(&format!("{PARAMS}subset = \"all\"\n{more}"));
        let run = registry::open("concordance", 1, &params, &schema, &finished).unwrap();
        let cohort = cohort(rows);
        let site = Site { cohort: &cohort, capacity: 0, max_patients: 100, min_local_rows: 10 };
        let mut state = SiteState::default();
        let values = run.contribute(&site, &mut state, &mut common::rng()).unwrap().values;
        (run.query().unwrap().sensitivity, values)
    };
    for patients in [2, 5, 10, 11, 39] {
        let (d, with) = answer("release = \"noised\"", &lines[1..=patients]);
        let (_, without) = answer("release = \"noised\"", &lines[2..=patients]);
        let moved: Vec<i64> = with.iter().zip(without.iter()).map(|(a, b)| a - b).collect();
        assert_eq!(d, Some(1));
        assert_eq!(norm_squared(&moved), 1);
    }
    // The exact class has the floor instead, and no D that a ledger could charge.
    let (d, nine) = answer("", &lines[1..10]);
    assert_eq!((d, nine.iter().sum::<i64>()), (None, 0));
    assert_eq!(answer("", &lines[1..11]).1.iter().sum::<i64>(), 10);
}

/// The floor is that of the patients who are counted, not of all.
#[test]
fn a_site_with_few_held_out_patients_counts_none_of_them_without_noise() {
    let (schema, cohorts) = leuksurv();
    let finished = finished(train(&hazard_params(1, "steps = 2"), &schema, &cohorts[..1], None));
    let counted = |subset: &str, min_local_rows: u64| {
        let params = common::table(&format!("{PARAMS}subset = \"{subset}\""));
        let run = registry::open("concordance", 1, &params, &schema, &finished).unwrap();
        let site = Site { cohort: &cohorts[0], capacity: 0, max_patients: 10_000, min_local_rows };
        let answer = run.contribute(&site, &mut SiteState::default(), &mut common::rng()).unwrap();
        answer.values.iter().sum::<i64>()
    };
    let (held_out, all) = (counted("holdout", 1), counted("all", 1));
    assert!(0 < held_out && held_out < all, "{held_out} of {all}");
    let few = held_out.unsigned_abs() + 1;
    assert_eq!((counted("holdout", few - 1), counted("holdout", few)), (held_out, 0));
    assert_eq!(counted("all", few), all);
}

/// S4: the weights come from a finished task and nowhere else.
#[test]
fn a_model_that_no_task_finished_is_refused() {
    let (schema, cohorts) = leuksurv();
    let output = train(&hazard_params(1, "steps = 2"), &schema, &cohorts[..1], None);
    let refused = |more: &str, output: &Value| {
        let params = common::table(&format!("{PARAMS}{more}"));
        let finished = finished(output.clone());
        let run = registry::open("concordance", 1, &params, &schema, &finished);
        run.err().unwrap_or_else(|| panic!("accepted: {more}")).to_string()
    };
    let other = common::table(&PARAMS.replace("network", "other"));
    let finished = finished(output.clone());
    assert!(registry::open("concordance", 1, &other, &schema, &finished).is_err());
    assert!(refused("seed = 2", &output).contains("seed"));
    assert!(refused("holdout = 0.3", &output).contains("holdout"));
    assert!(refused("covariates = [\"age\"]", &output).contains("covariates"));
    assert!(refused("growth = 0.0", &output).contains("grid"));
    assert!(refused("grid = -1.0", &output).contains("grid"));
    assert!(refused("growth = nan", &output).contains("growth"));
    assert!(refused("grid = nan", &output).contains("grid"));
    assert!(refused("bins = 0", &output).contains("bins"));
    assert!(refused("", &Value::Null).contains("network"));
    for (field, value) in [
        ("weights", serde_json::json!([1.0])),
        ("weights", serde_json::json!([null])),
        ("hidden", serde_json::json!(u32::MAX)),
        ("inputs", serde_json::json!(["age", "male", "wbc", "height"])),
        ("inputs", serde_json::json!([])),
    ] {
        let mut changed = output.clone();
        changed[field] = value;
        assert!(refused("", &changed).contains("model"), "{field}");
    }
    // What the manifest repeats rightly is accepted.
    let more = "seed = 1\nholdout = 0.25\ncovariates = [\"age\", \"male\", \"wbc\", \"tpi\"]";
    let params = common::table(&format!("{PARAMS}{more}"));
    assert!(registry::open("concordance", 1, &params, &schema, &finished).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever a sum holds, C is between 0 and 1 or the reason is given.
    #[test]
    fn no_table_makes_absorb_panic(values in proptest::collection::vec(any::<i128>(), 24)) {
        let schema = common::schema(common::LEUKSURV);
        let params = format!("{PARAMS}bins = 2\ngrid = 1000.0\ngrowth = 0.0");
        let rows = "patient,time_days,death,district,age,male,wbc,tpi\np1,3,1,1,60,1,9,0\n";
        let cohort = common::cohort(&schema, rows);
        let output = train(&hazard_params(1, "steps = 1"), &schema, &[cohort], None);
        let finished = finished(output);
        let params = common::table(&params);
        let mut run = registry::open("concordance", 1, &params, &schema, &finished).unwrap();
        let query = run.query().unwrap();
        prop_assert_eq!(query.dimension(), 24);
        if let Ok(Some(output)) = run.absorb(&Sum::new(&query, values, 1).unwrap()) {
            let c = output["c_index"].as_f64().unwrap();
            prop_assert!((0.0..=1.0).contains(&c));
        }
    }
}
