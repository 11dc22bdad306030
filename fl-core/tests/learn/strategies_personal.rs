//! Personalised models, on hospitals between which the law is turned round.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::results::network::Network;

use crate::common::schema;
use crate::planted::{
    SCHEMA, distance, hospital, log_loss, pooled_optimum, square, train, train_and_keep,
};

/// What makes a patient of one hospital ill keeps one of the other well.
fn turned(first: u64) -> Vec<Cohort> {
    vec![
        hospital(first, 200, square, |a, b| 5.0 * a + b),
        hospital(first + 1, 200, square, |a, b| -5.0 * a + b),
    ]
}

/// Mean loss over patients that no one trained on, each hospital's by its own model.
fn own_loss(network: &Network, own: &[Option<Vec<f64>>]) -> f64 {
    let unseen = turned(101);
    let losses = own.iter().zip(&unseen).map(|(weights, cohort)| {
        let weights = weights.clone().unwrap_or_else(|| network.weights.clone());
        // A hospital's own model is whole, whatever strategy left it there.
        let strategy = toml::Table::new();
        let own = Network { weights, strategy, ..network.clone() };
        log_loss(&own, std::slice::from_ref(cohort))
    });
    losses.sum::<f64>() / unseen.len() as f64
}

fn params(model: &str, strategy: &str) -> String {
    format!(
        "seed = 1\nsteps = 30\n\
         model = {{ {model}, columns = [\"a\", \"b\"], outcome = \"ill\" }}\n\
         strategy = {{ {strategy}, epochs = 5, learning_rate = 0.5 }}"
    )
}

const MLP: &str = "name = \"mlp\", hidden = [8]";

#[test]
fn heads_at_home_learn_a_law_that_differs_between_hospitals() {
    let hospitals = turned(1);
    let keep = |strategy: &str| train_and_keep(&params(MLP, strategy), &schema(SCHEMA), &hospitals);
    let (common, none) = keep("name = \"fedavg\"");
    let average = own_loss(&common, &none);
    assert!(average > 0.6, "one model cannot serve both: {average}");
    let (network, own) = keep("name = \"fedper\"");
    let refused = Trained::new("test", &schema(SCHEMA), &network).expect_err("no head").to_string();
    assert!(refused.contains("`fedper`") && refused.contains("at the hospitals"), "{refused}");
    let personal = own_loss(&network, &own);
    assert!(personal < 0.5, "{personal} against {average}");

    // 2 x 8 weights and 8 biases are the body, the other 9 the head.
    let start = train(
        &params(MLP, "name = \"fedper\"").replace("steps = 30", "steps = 1"),
        &schema(SCHEMA),
        &hospitals,
    );
    assert_eq!(network.weights[24..], start.weights[24..], "no head reaches the sum");
    assert!(distance(&network.weights[..24], &start.weights[..24]) > 0.1, "the body has learned");
    let [Some(one), Some(other)] = own.as_slice() else { panic!("{own:?}") };
    assert!(distance(&one[24..], &other[24..]) > 1.0, "{one:?} {other:?}");
}

#[test]
fn a_linear_model_which_is_all_head_is_refused_by_name() {
    let params = params("name = \"logistic\"", "name = \"fedper\"");
    let error = crate::common::open("train", &params, &schema(SCHEMA)).err().expect("refused");
    assert!(error.to_string().contains("all head"), "{error}");
}

#[test]
fn ditto_fits_each_hospital_and_its_common_model_is_that_of_federated_averaging() {
    let hospitals = turned(1);
    let keep = |strategy: &str| {
        train_and_keep(&params("name = \"logistic\"", strategy), &schema(SCHEMA), &hospitals)
    };
    let (average, none) = keep("name = \"fedavg\"");
    assert!(own_loss(&average, &none) > 0.6);
    let (common, own) = keep("name = \"ditto\", lambda = 0.02");
    assert_eq!(common.weights, average.weights, "own models do not touch the common one");
    let off = distance(&common.weights, &pooled_optimum(&hospitals));
    assert!(off < 0.3, "the common model converges: {off}");
    let loss = own_loss(&common, &own);
    assert!(loss < 0.5, "{loss}");
    // The stronger the pull, the closer to the common model.
    let (_, pulled) = keep("name = \"ditto\", lambda = 2.0");
    for (own, pulled) in own.iter().zip(&pulled) {
        let far = |weights: &Option<Vec<f64>>| {
            distance(weights.as_ref().expect("an own model"), &common.weights)
        };
        assert!(far(pulled) < 0.3 * far(own), "{} {}", far(pulled), far(own));
    }
}
