//! Training on what no one should train on: named errors, or what is defined.

use haima_dp::noise::NoiseScale;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::sum::{PlainSum, SecureSum as _, drive};
use haima_fl_core::task::{Contribution, Run, Site, SiteState};

use crate::common::{open, rng, schema};
use crate::planted::{SCHEMA, hospital, square, train};

fn params(strategy: &str) -> String {
    format!(
        "seed = 1\nsteps = 30\nexpected_patients = 400\n\
         model = {{ name = \"logistic\", columns = [\"a\", \"b\"], outcome = \"ill\" }}\n\
         strategy = {{ {strategy} }}"
    )
}

fn hospitals() -> Vec<Cohort> {
    (1..=2).map(|seed| hospital(seed, 200, square, |a, b| 4.0 * a - b)).collect()
}

/// The error in which a training ends.
fn fails(params: &str, hospitals: &[Cohort]) -> String {
    let open = || open("train", params, &schema(SCHEMA));
    let mut run = open().expect("task");
    let mut sums = PlainSum::new(hospitals, 1000, 1, rng(), open).expect("sums");
    drive(run.as_mut(), &mut sums).expect_err("no result").to_string()
}

fn answer(run: &dyn Run, cohort: &Cohort, floor: u64) -> Contribution {
    let site = Site { cohort, capacity: 0, max_patients: 1000, min_local_rows: floor };
    run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("an answer")
}

fn is_zero(answer: &Contribution) -> bool {
    answer.values.iter().all(|value| *value == 0)
}

#[test]
fn steps_that_overflow_the_model_end_it_and_say_what_to_do() {
    let error = fails(&params("learning_rate = 1e308, momentum = 0.99"), &hospitals());
    assert!(error.contains("lower the learning rate"), "{error}");
}

/// Norms that explode at a site stay within the public norm of its update.
#[test]
fn exploding_updates_are_shortened() {
    for name in ["fedavg", "fedprox", "scaffold", "ditto"] {
        let strategy = format!("name = \"{name}\", learning_rate = 1e6, clip = 2.0");
        let network = train(&params(&strategy), &schema(SCHEMA), &hospitals());
        let norm = network.weights.iter().map(|w| w * w).sum::<f64>().sqrt();
        assert!(norm <= 2.0 * 30.0 + 1e-6, "{name}: {norm}");
    }
}

/// A loss that is no number makes a site's update none: it sends zeros, says so to its own log, and
/// keeps nothing of the attempt; when all do, the run ends with a reason.
#[test]
fn a_loss_that_is_no_number_sends_zeros_with_a_note() {
    let hospitals = hospitals();
    for name in ["fedavg", "fedprox", "scaffold", "fedadam", "ditto"] {
        let params = params(&format!("name = \"{name}\", learning_rate = 1e300"));
        let run = open("train", &params, &schema(SCHEMA)).expect("task");
        let site =
            Site { cohort: &hospitals[0], capacity: 0, max_patients: 1000, min_local_rows: 1 };
        let mut state = SiteState::default();
        let answer = run.contribute(&site, &mut state, &mut rng()).expect("an answer");
        assert!(is_zero(&answer) && answer.note.is_some(), "{name}");
        assert!(
            state.values.keys().all(|key| key == "packing"),
            "{name}: {:?}",
            state.values.keys()
        );
        let error = fails(&params, &hospitals);
        assert!(error.contains("no site sent an update"), "{name}: {error}");
    }
}

/// S5: a Poisson sample of nobody is answered as any other, with zeros that noise hides.
#[test]
fn an_empty_sample_answers_without_a_note_and_gets_its_noise() {
    let params = params("sample_rate = 0.01");
    let nobody = vec![hospitals()[0].select(|_| false)];
    let run = open("train", &params, &schema(SCHEMA)).expect("task");
    let own = answer(run.as_ref(), &nobody[0], 0);
    assert!(is_zero(&own) && own.note.is_none(), "{:?}", own.note);
    let query = run.query().expect("a question");
    let scale = NoiseScale::new(query.sensitivity.expect("bounded")).expect("scale");
    let sums = PlainSum::new(&nobody, 1000, 1, rng(), || open("train", &params, &schema(SCHEMA)));
    let mut sums = sums.expect("sums").with_simulated_noise(scale, 2, [1; 32]);
    let sum = sums.sum(&query).expect("a sum");
    assert!(sum.integers().iter().any(|value| *value != 0));
}

/// S2: with the floor of 0 that a site has under noise, the last patient moves the sum by no more than D;
/// a floor there would move it by all that the others add.
#[test]
fn a_simulated_noise_takes_the_floor_away_as_a_site_does() {
    let few = vec![hospitals()[0].select(|patient| patient < 9)];
    let params = params("clip = 1.0");
    let open = || open("train", &params, &schema(SCHEMA));
    let query = open().expect("task").query().expect("a question");
    let d = query.sensitivity.expect("bounded");
    let sum = |noise: Option<NoiseScale>| {
        let mut sums = PlainSum::new(&few, 1000, 10, rng(), open).expect("sums");
        if let Some(scale) = noise {
            sums = sums.with_simulated_noise(scale, 1, [1; 32]);
        }
        sums.sum(&query).expect("a sum").integers().to_vec()
    };
    assert!(sum(None).iter().all(|value| *value == 0));
    let run = open().expect("task");
    let exact = answer(run.as_ref(), &few[0], 0).values;
    // Hardly any noise: what is left is the patients'.
    let noised = sum(Some(NoiseScale::new(4).expect("scale")));
    let near = noised.iter().zip(exact.iter()).all(|(a, b)| (a - i128::from(*b)).abs() < 100);
    assert!(near && exact.iter().any(|value| value.unsigned_abs() > 1000), "{noised:?}");
    let fewer = answer(run.as_ref(), &few[0].select(|patient| patient > 0), 0).values;
    let moved: Vec<i64> = exact.iter().zip(fewer.iter()).map(|(a, b)| a - b).collect();
    assert!(haima_dp::norms::norm_squared(&moved) <= u128::from(d) * u128::from(d));
}

/// Under noise a floor would let one patient move the sum by more than D (rule S2).
#[test]
fn a_site_with_one_patient_counts_under_noise_and_keeps_its_floor_without() {
    let one = hospitals()[0].select(|patient| patient == 0);
    let private = ["clip = 1.0", "name = \"dp-newton\"", "name = \"dp-fedavg\", sites = 2"];
    for strategy in private {
        let run = open("train", &params(strategy), &schema(SCHEMA)).expect("task");
        let own = answer(run.as_ref(), &one, 0);
        assert!(!is_zero(&own) && own.note.is_none(), "{strategy}");
    }
    let exact = ["fedavg", "fedprox", "scaffold", "fedyogi", "ditto"]
        .map(|own| format!("name = \"{own}\""));
    for name in private.map(str::to_owned).into_iter().chain(exact) {
        let params = params(&name);
        let exact = open("train", &params, &schema(SCHEMA)).expect("task");
        let silent = answer(exact.as_ref(), &one, 10);
        assert!(
            is_zero(&silent) && silent.note.is_some_and(|note| note.contains("floor")),
            "{name}"
        );
        assert!(!is_zero(&answer(exact.as_ref(), &one, 1)), "{name}");
    }
}

#[test]
fn without_any_site_an_average_ends_with_a_reason_and_a_noised_sum_goes_nowhere() {
    assert!(fails(&params("name = \"fedavg\""), &[]).contains("no site sent an update"));
    for strategy in ["clip = 1.0", "name = \"dp-fedavg\", sites = 2"] {
        let network = train(&params(strategy), &schema(SCHEMA), &[]);
        assert!(network.weights.iter().all(|weight| *weight == 0.0), "{:?}", network.weights);
    }
}

#[test]
fn parameters_that_are_missing_or_of_another_strategy_are_named() {
    let refused = |params: &str| match open("train", params, &schema(SCHEMA)) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{params} was not refused"),
    };
    let without = params("clip = 1.0").replace("expected_patients = 400\n", "");
    assert!(refused(&without).contains("expected_patients"));
    assert!(refused(&params("name = \"fedavg\", mu = 1.0")).contains("`mu`"));
    assert!(refused(&params("name = \"dp-fedavg\"")).contains("sites"));
    assert!(refused(&params("name = \"fedbest\"")).contains("scaffold"));
    for bad in ["learning_rate = nan", "epochs = 0", "batch = 0", "clip = -1.0", "frac_bits = 60"] {
        let name = bad.split(' ').next().unwrap_or_default();
        let error = refused(&params(&format!("name = \"scaffold\", {bad}")));
        assert!(error.contains(name), "{error}");
    }
}
