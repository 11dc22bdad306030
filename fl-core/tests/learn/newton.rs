//! Noisy Newton: its D holds, without noise it is Newton's method, and it is for linear models only.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::network::Network;
use haima_fl_core::task::{Run, Site, SiteState};
use proptest::prelude::*;

use crate::common::{self, LEUKSURV, cohort, cohorts, data, rng, schema, split, table};
use crate::planted::{SCHEMA, hospital, square, train};

/// Coefficients on the columns' own scales, and the intercept.
fn natural(network: &Network) -> (Vec<f64>, f64) {
    let terms = &network.model.terms;
    let coef: Vec<f64> = network.weights.iter().zip(terms).map(|(w, t)| w / t.scale).collect();
    let shift: f64 = coef.iter().zip(terms).map(|(coef, term)| coef * term.center).sum();
    (coef, network.weights.get(terms.len()).copied().unwrap_or(0.0) - shift)
}

#[test]
fn without_noise_the_fit_is_that_of_r() {
    let Some(truth) = common::oracle("truth/survival_r_curves.json") else { return };
    let truth = &truth["glm"]["leuksurv_1y_logistic"]["coef"];
    let schema = schema(LEUKSURV);
    let hospitals = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    let params = "seed = 1\nexpected_patients = 1015\nsteps = 25\n\
        model = { name = \"logistic\", columns = [\"age\", \"male\", \"wbc\", \"tpi\"], \
            time = \"time_days\", event = \"death\", horizon = 365 }\n\
        strategy = { name = \"dp-newton\", clip = 100.0, hessian_clip = 100.0, damping = 1e-4, \
            trust = 10.0 }";
    let (coef, intercept) = natural(&train(params, &schema, &hospitals));
    let names = ["age", "male", "wbc", "tpi", "(Intercept)"];
    for (name, ours) in names.iter().zip(coef.into_iter().chain([intercept])) {
        let theirs = truth[*name].as_f64().unwrap();
        assert!((ours - theirs).abs() < 1e-4, "{name}: {ours}, R {theirs}");
    }
}

/// The gradient is zero at the fixed point, so a run of many small gradient steps ends there too.
#[test]
fn a_cox_fit_in_few_rounds_is_where_gradient_descent_ends() {
    let hospitals: Vec<Cohort> =
        (1..=3).map(|seed| hospital(seed, 100, square, |a, b| 2.0 * a - b)).collect();
    let fit = |rest: &str| {
        let params = format!(
            "seed = 1\nexpected_patients = 300\n{rest}\n\
             model = {{ name = \"cox\", columns = [\"a\", \"b\"], time = \"time\", \
                event = \"died\", cuts = [10, 30, 100] }}"
        );
        train(&params, &schema(SCHEMA), &hospitals).weights
    };
    let newton =
        fit("steps = 20\nstrategy = { name = \"dp-newton\", clip = 100.0, hessian_clip = 100.0, \
         damping = 1e-3, trust = 5.0 }");
    let descent = fit("steps = 1500\nstrategy = { clip = 100.0, learning_rate = 0.3 }");
    for (newton, descent) in newton.iter().zip(&descent) {
        assert!((newton - descent).abs() < 1e-3, "{newton} {descent}");
    }
    assert!((newton[0] - 2.0).abs() < 0.4 && (newton[1] + 1.0).abs() < 0.4, "{newton:?}");
}

const CLIPPED: &str = "seed = 1\nexpected_patients = 3\nsteps = 2\n\
    model = { name = \"cox\", columns = [\"a\", \"b\"], time = \"time\", event = \"died\", \
        cuts = [10, 30, 100] }\n\
    strategy = { name = \"dp-newton\", clip = 0.7, hessian_clip = 0.3, frac_bits = 12 }";

fn run(params: &str) -> Result<Box<dyn Run>, haima_fl_core::Error> {
    registry::open("train", 1, &table(params), &schema(SCHEMA), &Finished::new())
}

fn answer(run: &dyn Run, rows: &[String], capacity: u64) -> Vec<i64> {
    let cohort = cohort(&schema(SCHEMA), &format!("id,a,b,ill,time,died\n{}\n", rows.join("\n")));
    let site = Site { cohort: &cohort, capacity, max_patients: 1000, min_local_rows: 0 };
    let mut state = SiteState::default();
    run.contribute(&site, &mut state, &mut rng()).expect("an answer").values.to_vec()
}

proptest! {
    /// S2: a patient more moves the whole vector, gradient and Hessian, by at most the D that is
    /// charged; and S5: padding adds nothing.
    #[test]
    fn a_patient_moves_the_sum_by_at_most_d(
        rows in prop::collection::vec((-1.0..1.0, -1.0..1.0, 1.0..100.0, 0u8..2), 2..6),
    ) {
        let run = run(CLIPPED).unwrap();
        let d = i128::from(run.query().unwrap().sensitivity.unwrap());
        let row = |(i, (a, b, time, died)): (usize, &(f64, f64, f64, u8))| {
            format!("{i},{a},{b},0,{time},{died}")
        };
        let rows: Vec<String> = rows.iter().enumerate().map(row).collect();
        let with = answer(run.as_ref(), &rows, 0);
        prop_assert_eq!(&with, &answer(run.as_ref(), &rows, 10));
        let without = answer(run.as_ref(), &rows[1..], 0);
        let moved: i128 =
            with.iter().zip(&without).map(|(a, b)| i128::from(a - b) * i128::from(a - b)).sum();
        prop_assert!(moved <= d * d, "{} beyond {}", moved, d * d);
        prop_assert!(moved > 0);
    }
}

#[test]
fn a_network_with_hidden_layers_is_refused() {
    let params = CLIPPED.replace("\"cox\"", "\"deepsurv\"");
    let error = run(&params).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("without hidden layers"), "{error}");
}

#[test]
fn sums_that_are_too_large_are_refused_when_the_task_is_opened() {
    let refused = |params: &str| run(params).map(|_| ()).unwrap_err().to_string();
    let fine = CLIPPED.replace("frac_bits = 12", "frac_bits = 38");
    assert!(refused(&fine).contains("lower `frac_bits`"));
    let columns: String =
        (0..1500).map(|i| format!("[[column]]\nname = \"x{i}\"\nkind = \"flag\"\n")).collect();
    let wide = schema(&format!("{SCHEMA}\n{columns}"));
    let params = "seed = 1\nexpected_patients = 3\nsteps = 2\n\
        model = { name = \"logistic\", columns = [\"x*\"], outcome = \"ill\" }\n\
        strategy = { name = \"dp-newton\" }";
    let opened = registry::open("train", 1, &table(params), &wide, &Finished::new());
    let error = opened.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("the Hessian of 1501 weights"), "{error}");
}

/// D is proven up to a public number of patients; without noise a site keeps its floor.
#[test]
fn a_cap_past_the_proof_or_too_few_patients_get_zeros_with_a_note() {
    let run = run(CLIPPED).unwrap();
    let rows: String = (0..4).map(|i| format!("{i},0.5,-0.5,0,20,1\n")).collect();
    let cohort = cohort(&schema(SCHEMA), &format!("id,a,b,ill,time,died\n{rows}"));
    let note = |max_patients: u64, min_local_rows: u64| {
        let site = Site { cohort: &cohort, capacity: 0, max_patients, min_local_rows };
        let answer = run.contribute(&site, &mut SiteState::default(), &mut rng()).unwrap();
        assert_eq!(answer.note.is_some(), answer.values.iter().all(|value| *value == 0));
        answer.note
    };
    assert_eq!(note(100_000, 0), None);
    assert_eq!(note(100_000, 4), None);
    assert!(note(100_000, 5).is_some_and(|note| note.contains("floor")));
    assert!(note(100_001, 0).is_some_and(|note| note.contains("proven")));
}
