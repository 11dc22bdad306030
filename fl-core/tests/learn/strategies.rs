//! Each strategy does what it is for, and not what another does.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::results::network::Network;
use haima_fl_core::sum::Sum;
use rand_chacha::ChaCha20Rng;

use crate::common::{open, schema};
use crate::planted::{SCHEMA, distance, hospital, log_loss, pooled_optimum, square, train, unit};

const LOGISTIC: &str = "seed = 1\nexpected_patients = 600\n\
     model = { name = \"logistic\", columns = [\"a\", \"b\"], outcome = \"ill\" }\n";

fn hospitals() -> Vec<Cohort> {
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

/// Trains the logistic model by a strategy.
fn by(strategy: &str, steps: u32, hospitals: &[Cohort]) -> Network {
    let params = format!("{LOGISTIC}steps = {steps}\nstrategy = {{ {strategy} }}");
    train(&params, &schema(SCHEMA), hospitals)
}

/// Federated averaging with one full pass a round is gradient descent on the pooled rows.
#[test]
fn federated_averaging_of_hospitals_that_are_alike_comes_to_the_pooled_optimum() {
    let hospitals = hospitals();
    let network = by("name = \"fedavg\", batch = 1000, learning_rate = 2.0", 150, &hospitals);
    let off = distance(&network.weights, &pooled_optimum(&hospitals));
    assert!(off < 0.02, "{off}: {:?}", network.weights);
}

/// A column that hardly differs between patients, and one that does.
fn narrow(random: &mut ChaCha20Rng) -> (f64, f64) {
    (0.6 * unit(random) - 0.3, 2.0 * unit(random) - 1.0)
}

/// Two hospitals whose own optima are far apart, the one that disagrees with the pooled rows knowing
/// little (its patients hardly differ in `a`): the mean of their optima is far from the pooled one.
fn unlike() -> Vec<Cohort> {
    vec![
        hospital(1, 300, square, |a, _| 3.0 * a),
        hospital(2, 300, narrow, |a, b| -8.0 * a + 2.0 * b + 1.0),
    ]
}

/// Client drift: after many local steps federated averaging stops near the mean of local optima;
/// SCAFFOLD comes to the pooled optimum all the same, FedProx stays near it.
#[test]
fn scaffold_takes_out_client_drift_and_fedprox_limits_it() {
    let hospitals = unlike();
    let optimum = pooled_optimum(&hospitals);
    let off = |strategy: &str| {
        let training = "batch = 1000, epochs = 50, learning_rate = 1.0, clip = 100.0";
        let network = by(&format!("{strategy}, {training}"), 40, &hospitals);
        distance(&network.weights, &optimum)
    };
    let drift = off("name = \"fedavg\"");
    assert!(drift > 0.6, "the drift was to be planted: {drift}");
    let scaffold = off("name = \"scaffold\", control_clip = 100.0");
    assert!(scaffold < 0.05, "{scaffold} of {drift}");
    let prox = off("name = \"fedprox\", mu = 0.3");
    assert!(prox < 0.5 * drift, "{prox} of {drift}");
    // Without its term it is federated averaging.
    let none = off("name = \"fedprox\", mu = 0.0");
    assert!((none - drift).abs() < 1e-12, "{none} and {drift}");
}

fn flat(random: &mut ChaCha20Rng) -> (f64, f64) {
    (2.0 * unit(random) - 1.0, 0.3 * unit(random) - 0.15)
}

/// A coefficient ten times as large as the other, of a column with a seventh of its spread.
fn badly_scaled() -> Vec<Cohort> {
    (1..=3).map(|seed| hospital(seed, 200, flat, |a, b| 2.0 * a + 20.0 * b)).collect()
}

/// Server momentum and adaptive steps come within 0.02 of the least loss in 60 rounds, where
/// federated averaging is twice as far off after 180.
#[test]
fn momentum_and_adaptive_steps_need_fewer_rounds_on_a_badly_scaled_problem() {
    let hospitals = badly_scaled();
    let training = "batch = 1000, epochs = 5, learning_rate = 0.5";
    let after = |strategy: &str, steps| by(&format!("{strategy}, {training}"), steps, &hospitals);
    let mut best = after("name = \"fedavg\"", 1);
    best.weights = pooled_optimum(&hospitals).to_vec();
    let least = log_loss(&best, &hospitals);
    let average = log_loss(&after("name = \"fedavg\"", 180), &hospitals) - least;
    assert!(average > 0.04, "{average}");
    let mut found: Vec<Vec<f64>> = Vec::new();
    for strategy in [
        "name = \"fedavg\", momentum = 0.9",
        "name = \"fedadagrad\", server_rate = 3.0",
        "name = \"fedadam\", server_rate = 1.0",
        "name = \"fedyogi\", server_rate = 1.0",
    ] {
        let network = after(strategy, 60);
        let more = log_loss(&network, &hospitals) - least;
        assert!(more < 0.02, "{strategy}: {more}");
        assert!(!found.contains(&network.weights), "{strategy} does what another does");
        found.push(network.weights);
    }
}

/// Two rounds of the adaptive rules, on updates of 1 and -0.5, by hand from algorithm 2 of the paper.
#[test]
fn the_adaptive_rules_are_those_of_the_paper() {
    let (tau, rate) = (0.1, 0.5);
    for (name, beta1) in [("fedadagrad", 0.0), ("fedadam", 0.9), ("fedyogi", 0.9)] {
        let params = format!(
            "{LOGISTIC}steps = 2\nstrategy = {{ name = \"{name}\", tau = {tau}, server_rate = {rate}, \
             frac_bits = 20 }}"
        );
        let mut run = open("train", &params, &schema(SCHEMA)).expect("task");
        let (mut m, mut v, mut w) = (0.0, tau * tau, 0.0);
        let mut last = None;
        for update in [1.0, -0.5] {
            // One site of two patients: the sum holds twice the update.
            let steps = (update * 2.0 * f64::from(1 << 20)) as i128;
            let integers = vec![1, 2, 0, steps, steps, steps];
            let query = run.query().expect("running");
            last = run.absorb(&Sum::new(&query, integers, 1).expect("length")).expect("absorbed");
            let square = update * update;
            m = beta1 * m + (1.0 - beta1) * update;
            v = match name {
                "fedadagrad" => v + square,
                "fedadam" => 0.99 * v + 0.01 * square,
                _ if v > square => v - 0.01 * square,
                _ => v + 0.01 * square,
            };
            w += rate * m / (v.sqrt() + tau);
        }
        let weights = &last.expect("done")["weights"];
        let first = weights[0].as_f64().expect("a number");
        assert!((first - w).abs() < 1e-12, "{name}: {first}, by hand {w}");
    }
}
