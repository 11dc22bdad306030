//! Early stopping by the loss of held-out patients, within the sum that is charged anyway.

use haima_dp::noise::NoiseScale;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::results::network::Network;
use haima_fl_core::sum::{PlainSum, drive};
use haima_fl_core::task::{Site, SiteState};

use crate::common::{open, rng, schema};
use crate::planted::{SCHEMA, hospital, log_loss, square, train};

fn hospitals() -> Vec<Cohort> {
    (1..=3).map(|seed| hospital(seed, 200, square, |a, b| 4.0 * a - b)).collect()
}

fn params(strategy: &str, stopping: &str) -> String {
    format!(
        "seed = 1\nsteps = 40\nholdout = 0.3\nexpected_patients = 420\n\
         model = {{ name = \"logistic\", columns = [\"a\", \"b\"], outcome = \"ill\" }}\n\
         strategy = {{ {strategy} }}\nearly_stopping = {{ {stopping} }}"
    )
}

/// The loss of the patients that a result's seed holds out.
fn held_out_loss(network: &Network, hospitals: &[Cohort]) -> f64 {
    let trained = Trained::new("test", &schema(SCHEMA), network).expect("a model");
    let held: Vec<Cohort> = hospitals
        .iter()
        .map(|cohort| cohort.select(|patient| trained.holds_out(cohort, patient)))
        .collect();
    log_loss(network, &held)
}

/// The first figure is that of the start, log 2 for a model of zeros; steps far too large then make
/// it worse, training ends, and the result has the weights of the least figure.
#[test]
fn training_ends_when_the_held_out_loss_gets_no_better_and_gives_the_best_weights() {
    let hospitals = hospitals();
    for strategy in ["clip = 1.0, learning_rate = 40.0", "name = \"fedavg\", learning_rate = 40.0"]
    {
        let network =
            train(&params(strategy, "patience = 3, cap = 30.0"), &schema(SCHEMA), &hospitals);
        let seen = network.early_stopping.as_ref().expect("figures");
        let figures: Vec<f64> =
            seen.history.iter().map(|figure| figure.expect("held out")).collect();
        assert!((figures[0] - 2f64.ln()).abs() < 2e-3, "{figures:?}");
        assert!(seen.stopped && network.steps < 40, "{figures:?}");
        let best = seen.best.expect("a best") as usize;
        assert!(figures.iter().all(|figure| *figure >= figures[best]), "{figures:?}");
        assert_eq!(figures.len(), best + 4, "three more, none better: {figures:?}");
        let again = held_out_loss(&network, &hospitals);
        assert!((again - figures[best]).abs() < 2e-3, "{again} of {figures:?}");
    }
}

#[test]
fn good_training_goes_to_its_last_step_and_figures_join_rounds() {
    let strategy = "clip = 1.0, learning_rate = 0.05, momentum = 0.0";
    let network =
        train(&params(strategy, "patience = 2, every = 3"), &schema(SCHEMA), &hospitals());
    let seen = network.early_stopping.expect("figures");
    assert_eq!((network.steps, seen.stopped, seen.history.len()), (40, false, 13));
    let falling = seen.history.windows(2).all(|pair| pair[1] < pair[0]);
    assert!(falling, "{:?}", seen.history);
}

/// S2: removing any one patient, who trains or is held out, moves all blocks together by at most D;
/// and a held-out patient moves the metric alone.
#[test]
fn a_patient_moves_the_training_or_the_metric_and_neither_by_more_than_d() {
    let cohort = hospital(5, 40, square, |a, b| 4.0 * a - b);
    let params = params("clip = 0.5", "patience = 2, cap = 0.5");
    let run = open("train", &params, &schema(SCHEMA)).expect("task");
    let query = run.query().expect("a question");
    let d = query.sensitivity.expect("bounded") as f64;
    let answer = |cohort: &Cohort| {
        let site = Site { cohort, capacity: 64, max_patients: 64, min_local_rows: 0 };
        run.contribute(&site, &mut SiteState::default(), &mut rng()).expect("an answer").values
    };
    let all = answer(&cohort);
    let (mut training, mut held) = (0, 0);
    for left in 0..cohort.len() {
        let rest = answer(&cohort.select(|patient| patient != left));
        let moved: Vec<f64> = all.iter().zip(rest.iter()).map(|(x, y)| (x - y) as f64).collect();
        let norm = moved.iter().map(|value| value * value).sum::<f64>().sqrt();
        assert!(norm <= d, "{norm} of {d}");
        let (gradient, metric) = moved.split_at(3);
        match metric.iter().any(|value| *value != 0.0) {
            true => {
                held += 1;
                assert!(gradient.iter().all(|value| *value == 0.0), "{moved:?}");
                // Scaled to what was charged, not to less.
                assert!(norm > 0.7 * d, "{norm} of {d}");
            }
            false => training += 1,
        }
    }
    assert!(held > 3 && training > 20, "{held} {training}");
}

/// Without noise the loss of few held-out patients would be theirs, whatever strategy trains beside it.
#[test]
fn a_site_below_its_floor_of_held_out_patients_adds_zeros_to_the_metric_alone() {
    let cohort = hospital(5, 40, square, |a, b| 4.0 * a - b);
    let run = open("train", &params("clip = 0.5", "patience = 2"), &schema(SCHEMA)).expect("task");
    let metric = |min_local_rows: u64| {
        let site = Site { cohort: &cohort, capacity: 0, max_patients: 64, min_local_rows };
        let answer = run.contribute(&site, &mut SiteState::default(), &mut rng());
        let values = answer.expect("an answer").values;
        let (gradient, metric) = values.split_at(3);
        assert!(gradient.iter().any(|value| *value != 0));
        metric.to_vec()
    };
    assert!(metric(0).iter().all(|value| *value != 0));
    // 40 patients, of whom 30 % are held out: fewer than 20, and 20 at least train.
    assert_eq!(metric(20), [0, 0]);
}

/// A checkpoint of nobody's making is refused before its counters are counted on.
#[test]
fn a_checkpoint_with_more_figures_than_steps_is_refused() {
    let params = params("clip = 1.0", "patience = 2");
    let mut run = open("train", &params, &schema(SCHEMA)).expect("task");
    let saved = run.save().expect("a state");
    assert!(run.restore(&saved));
    for (counter, value) in [
        ("rounds", serde_json::json!(u32::MAX)),
        ("since", serde_json::json!(41)),
        ("history", serde_json::json!(vec![None::<f64>; 41])),
        ("best", serde_json::json!({ "figure": 0, "loss": 1.0, "weights": [0.0, 0.0, 0.0] })),
    ] {
        let mut hostile = saved.clone();
        hostile["watch"][counter] = value;
        assert!(!run.restore(&hostile), "{counter}");
    }
}

/// Under noise the figure is as noisy as a patient's part is small beside it.
#[test]
fn a_noised_figure_lies_near_the_exact_one() {
    let hospitals = hospitals();
    let params = params("clip = 1.0", "patience = 40");
    let open = || open("train", &params, &schema(SCHEMA));
    let mut run = open().expect("task");
    let d = run.query().and_then(|query| query.sensitivity).expect("bounded");
    let scale = NoiseScale::new(d).expect("scale");
    let sums = PlainSum::new(&hospitals, 1000, 1, rng(), open).expect("sums");
    let mut sums = sums.with_simulated_noise(scale, 2, [3; 32]);
    let network: Network =
        serde_json::from_value(drive(run.as_mut(), &mut sums).expect("result")).expect("a network");
    let seen = network.early_stopping.expect("figures");
    let first = seen.history[0].expect("a figure");
    // 180 held-out patients; the noise is worth about 2, each of up to the cap of 5.
    assert!((first - 2f64.ln()).abs() < 0.3 && first != 2f64.ln(), "{first}");
}

#[test]
fn nobody_held_out_gives_no_figure_and_stops_nothing() {
    let params = params("clip = 1.0", "patience = 1").replace("holdout = 0.3", "holdout = 1e-12");
    let network = train(&params, &schema(SCHEMA), &hospitals());
    let seen = network.early_stopping.expect("figures");
    assert!(seen.history.len() == 40 && seen.history.iter().all(Option::is_none));
    assert!(!seen.stopped && seen.best.is_none() && network.steps == 40);
    assert!(network.weights.iter().any(|weight| *weight != 0.0), "the last weights");
}

#[test]
fn what_cannot_be_watched_is_refused_by_name() {
    let refused = |params: &str| match open("train", params, &schema(SCHEMA)) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{params} was not refused"),
    };
    let good = params("clip = 1.0", "patience = 1");
    assert!(refused(&good.replace("holdout = 0.3", "")).contains("`holdout`"));
    assert!(refused(&good.replace("patience = 1", "patience = 0")).contains("patience"));
    assert!(refused(&good.replace("patience = 1", "patience = 1, every = 0")).contains("every"));
    assert!(refused(&good.replace("patience = 1", "patience = 1, cap = -1.0")).contains("cap"));
    let site = params("name = \"dp-fedavg\", sites = 3", "patience = 1");
    assert!(refused(&site).contains("unit"));
}
