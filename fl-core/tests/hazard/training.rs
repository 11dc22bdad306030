//! Training: what it reaches, and that it is a function of the released sums.

use haima_fl_core::results::HazardModel;
use haima_fl_core::sum::Sum;
use haima_fl_core::task::{Next, Task};
use haima_fl_core::tasks::hazard::Hazard;
use haima_fl_core::tasks::hazard::model::Predictor;
use proptest::prelude::*;

use crate::common;
use crate::simulation::{harrell, hazard_params, leuksurv, scored, train};

#[test]
fn training_over_plain_sums_ranks_held_out_patients() {
    let (schema, cohorts) = leuksurv();
    let output = common::run("hazard", &hazard_params(1, ""), &schema, &cohorts, 10).unwrap();
    assert_eq!(output["schema"], "haima.hazard/1");
    assert_eq!(output["inputs"], serde_json::json!(["age", "male", "wbc", "tpi"]));
    let patients = scored(&output, &schema, &cohorts, false);
    let share = patients.len() as f64 / 1043.0;
    assert!((share - 0.25).abs() < 0.05, "{share}");
    let (c, _) = harrell(&patients);
    println!("held-out C without noise: {c:.4} over {} patients", patients.len());
    assert!(c > 0.62, "{c}");
    // The sum is the same whoever adds it.
    assert_eq!(output, train(&hazard_params(1, ""), &schema, &cohorts, None));
}

#[test]
fn predicted_survival_falls_from_one_and_orders_patients_by_risk() {
    let (schema, cohorts) = leuksurv();
    let output = train(&hazard_params(2, "steps = 10"), &schema, &cohorts, None);
    let model: HazardModel = serde_json::from_value(output).unwrap();
    let predictor = Predictor::new("test", &model, &schema).unwrap();
    let (low, high) = predictor.risk_range();
    let curves: Vec<(f64, Vec<f64>)> = [-1.0, 0.0, 1.0]
        .iter()
        .map(|&x| (predictor.risk(&[x; 4]), predictor.survival(&[x; 4])))
        .collect();
    for (risk, curve) in &curves {
        assert!((low..=high).contains(risk), "{risk} outside {low}..{high}");
        assert_eq!(curve.len(), model.cuts.len());
        assert!(curve.windows(2).all(|pair| pair[1] < pair[0]) && curve[0] < 1.0);
        assert!(curve.iter().all(|survival| *survival > 0.0));
    }
    for (a, b) in [(0, 1), (1, 2)] {
        assert_eq!(curves[a].0 < curves[b].0, curves[a].1[5] > curves[b].1[5]);
    }
    assert!(predictor.risk(&[0.0; 3]).is_nan());
}

/// X3: absorb is plain arithmetic on the released sums, the same on every machine. The digest was
/// also computed outside this project, from the documentation alone.
#[test]
fn absorbed_weights_have_the_bits_that_stand_here() {
    let schema = common::schema(common::LEUKSURV);
    let task = Hazard::new(&common::table(&hazard_params(3, "")), &schema).unwrap();
    let mut state = task.start();
    for step in 0..36i128 {
        let query = task.query(&state);
        let sums = (0..query.dimension() as i128).map(|i| (i - 30) * 9_991 * (step - 15)).collect();
        let Next::Continue(next) =
            task.absorb(state, &Sum::new(&query, sums, 24).unwrap()).unwrap()
        else {
            panic!("36 of 40 steps")
        };
        state = next;
    }
    let bytes = task.query(&state).bytes;
    let digest = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    assert_eq!(digest, 0xe05d_b1e6_4ec2_17e5, "{digest:#x}");
}

/// N4: the seed decides the start, and nothing else does.
#[test]
fn two_runs_of_a_seed_ask_the_same_first_question() {
    let schema = common::schema(common::LEUKSURV);
    let first = |seed| {
        common::open("hazard", &hazard_params(seed, ""), &schema).unwrap().query().unwrap().bytes
    };
    assert_eq!(first(4), first(4));
    assert_ne!(first(4), first(5));
}

#[test]
fn parameters_that_cannot_be_used_are_refused_with_the_reason() {
    let schema = common::schema(common::LEUKSURV);
    let reason = |more: &str| {
        let params = hazard_params(1, more);
        let error = common::open("hazard", &params, &schema).err().map(|error| error.to_string());
        error.unwrap_or_else(|| panic!("accepted: {more}"))
    };
    for (more, word) in [
        ("hidden = 0", "hidden"),
        ("hidden = 200000", "hidden"),
        ("steps = 0", "steps"),
        ("learning_rate = -1.0", "learning_rate"),
        ("learning_rate = nan", "learning_rate"),
        ("momentum = 1.0", "momentum"),
        ("clip = 0.0", "clip"),
        ("clip = inf", "clip"),
        ("frac_bits = 53", "53"),
        ("holdout = 1.0", "holdout"),
        ("sample_rate = 0.0", "sample_rate"),
        ("sample_rate = 1.5", "sample_rate"),
        ("sample_rate = nan", "sample_rate"),
        ("baseline_scale = 0.0", "baseline_scale"),
        ("baseline_hazard = 1.0", "baseline_hazard"),
        ("baseline_rate = inf", "baseline_rate"),
        ("sigma = 1.0", "sigma"),
    ] {
        assert!(reason(more).contains(word), "{}", reason(more));
    }
    let swapped = |from: &str, to: &str| {
        let params = hazard_params(1, "").replace(from, to);
        common::open("hazard", &params, &schema).err().expect("refused").to_string()
    };
    assert!(swapped("\"death\"", "\"age\"").contains("age"));
    assert!(swapped("\"age\"", "\"death\"").contains("outcome"));
    assert!(swapped("= 800", "= 0").contains("expected_patients"));
    assert!(swapped("15, 30", "30, 15").contains("cuts"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a sum holds, the run goes on, ends, or says why not.
    #[test]
    fn no_sum_makes_absorb_panic(
        sums in proptest::collection::vec(proptest::collection::vec(any::<i128>(), 60), 1..6),
        rate in 0.001f64..1e300,
    ) {
        let schema = common::schema(common::LEUKSURV);
        let more = format!("steps = 5\nlearning_rate = {rate:e}");
        let mut run = common::open("hazard", &hazard_params(1, &more), &schema).unwrap();
        for integers in sums {
            let Some(query) = run.query() else { break };
            if run.absorb(&Sum::new(&query, integers, 1).unwrap()).is_err() {
                prop_assert!(run.query().is_none());
            }
        }
    }
}
