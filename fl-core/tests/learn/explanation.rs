//! What one patient's prediction is made of.

use haima_fl_core::learn::trained::Trained;
use haima_fl_core::results::network::Network;

use crate::common::schema;
use crate::planted::{SCHEMA, hospital, square, train};

fn trained(network: &Network) -> Trained {
    Trained::new("test", &schema(SCHEMA), network).expect("a model")
}

fn network(model: &str, steps: u32) -> Network {
    let hospitals: Vec<_> = (1..=3)
        .map(|seed| hospital(seed, 150, square, |a, b| 2.5 * a - b * b + 1.5 * a * b))
        .collect();
    let params = format!(
        "seed = 1\nexpected_patients = 450\nsteps = {steps}\n\
         strategy = {{ clip = 10.0, learning_rate = 0.5 }}\nmodel = {model}"
    );
    train(&params, &schema(SCHEMA), &hospitals)
}

const MLP: &str = "{ name = \"mlp\", columns = [\"a\", \"b\"], outcome = \"ill\" }";
const DEEP: &str = "{ name = \"deepsurv\", columns = [\"a\", \"b\"], time = \"time\", \
    event = \"died\", cuts = [10, 30, 100], hidden = [8, 4] }";
const COX: &str = "{ name = \"cox\", columns = [\"a\", \"b\"], time = \"time\", \
    event = \"died\", cuts = [10, 30, 100] }";

#[test]
fn contributions_add_up_to_the_difference_from_the_centre() {
    let cohort = hospital(9, 40, square, |a, _| a);
    for model in [MLP, DEEP, COX] {
        let trained = trained(&network(model, 60));
        let mut apart: f64 = 0.0;
        for patient in 0..cohort.len() {
            let found = trained.explain(&cohort, patient).expect("complete");
            let sum: f64 = found.contributions.iter().map(|(_, value)| value).sum();
            let difference = found.effect - found.centre;
            assert!((sum - difference).abs() < 1e-3, "{model}: {sum} for {difference}");
            apart = apart.max(difference.abs());
            let predicted = trained.predict(&cohort, patient).expect("complete")[0];
            let effect =
                if found.log_odds { (predicted / (1.0 - predicted)).ln() } else { predicted };
            assert!((found.effect - effect).abs() < 1e-9, "{model}");
        }
        assert!(apart > 0.3, "{model}: the model says something of patients");
    }
}

#[test]
fn a_linear_models_contributions_are_coefficients_times_inputs() {
    let network = network(COX, 60);
    let trained = trained(&network);
    let cohort = hospital(9, 10, square, |a, _| a);
    for patient in 0..cohort.len() {
        let found = trained.explain(&cohort, patient).expect("complete");
        for ((name, value), weight) in found.contributions.iter().zip(&network.weights) {
            // The range [-1, 1] is the standardised one.
            let x = f64::from(cohort.value(name, patient).expect("known") as f32);
            assert_eq!(*value, weight * x, "{name}");
        }
    }
}

#[test]
fn a_patient_with_a_missing_input_or_none_at_all_is_not_explained() {
    let trained = trained(&network(COX, 1));
    let cohort = hospital(9, 3, square, |a, _| a);
    assert!(trained.explain(&cohort, 3).is_none());
    assert!(trained.explain(&cohort, 2).is_some());
}
