//! Each strategy does what it is for, and not what another does.

use crate::common::schema;
use crate::planted::{SCHEMA, hospital, square, train};

const LOGISTIC: &str = "seed = 1\nexpected_patients = 600\n\
     model = { name = \"logistic\", columns = [\"a\", \"b\"], outcome = \"ill\" }\n";

fn hospitals() -> Vec<haima_fl_core::cohort::Cohort> {
    (1..=3).map(|seed| hospital(seed, 200, square, |a, b| 2.0 * a - 1.0 * b + 0.5)).collect()
}

/// The planted coefficients (2, -1, 0.5), as far as 600 patients tell.
fn near(weights: &[f64]) -> bool {
    weights.iter().zip([2.0, -1.0, 0.5]).all(|(w, truth)| (w - truth).abs() < 0.4)
}

#[test]
fn dp_sgd_without_noise_and_federated_averaging_find_a_planted_law() {
    let hospitals = hospitals();
    let steps = "steps = 150\nstrategy = { name = \"dp-sgd\", clip = 10.0, learning_rate = 0.5 }";
    let network = train(&format!("{LOGISTIC}{steps}"), &schema(SCHEMA), &hospitals);
    assert!(near(&network.weights), "{:?}", network.weights);
    let steps = "steps = 20\nstrategy = { name = \"fedavg\", epochs = 2, learning_rate = 0.3 }";
    let network = train(&format!("{LOGISTIC}{steps}"), &schema(SCHEMA), &hospitals);
    assert!(near(&network.weights), "{:?}", network.weights);
}

#[test]
fn the_cox_network_finds_planted_log_hazard_ratios() {
    let params = "seed = 1\nexpected_patients = 600\nsteps = 300\n\
        model = { name = \"cox\", columns = [\"a\", \"b\"], time = \"time\", event = \"died\", \
            cuts = [5, 10, 20, 30, 50, 70, 100] }\n\
        strategy = { clip = 10.0, learning_rate = 0.3 }";
    let network = train(params, &schema(SCHEMA), &hospitals());
    let found = &network.weights[..2];
    let near =
        found.iter().zip([2.0, -1.0]).all(|(w, truth): (&f64, f64)| (w - truth).abs() < 0.25);
    assert!(near, "{found:?}");
}
