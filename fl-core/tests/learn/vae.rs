//! The variational autoencoder draws patients like those it learned from.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::model::Model;
use haima_fl_core::learn::trained::Trained;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::common::{cohort, schema};
use crate::passes::open;
use crate::planted::{train, unit};

const SCHEMA: &str = r#"
    patient = "id"
    [[column]]
    name = "a"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "b"
    kind = "numeric"
    range = [0, 10]
    [[column]]
    name = "ill"
    kind = "flag"
    [[column]]
    name = "stage"
    kind = "category"
    levels = ["I", "II", "III"]
"#;

const MODEL: &str = "{ name = \"vae\", columns = [\"*\"], hidden = [12], latent = 2 }";

/// b follows a; the ill have a large a; stages are its thirds, unequal.
fn rows(seed: u64, n: usize) -> Vec<[f64; 4]> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let draw = |_| {
        let a = 2.0 * unit(&mut random) - 1.0;
        let b = (5.0 + 4.0 * a + 2.0 * (unit(&mut random) - 0.5)).clamp(0.0, 10.0);
        let ill = f64::from(u8::from(unit(&mut random) < if a > 0.2 { 0.8 } else { 0.1 }));
        let stage = if a < 0.0 { 0.0 } else { f64::from(1 + u8::from(a > 0.6)) };
        [a, b, ill, stage]
    };
    (0..n).map(draw).collect()
}

fn hospital(seed: u64) -> Cohort {
    let mut text = String::from("id,a,b,ill,stage\n");
    for (i, [a, b, ill, stage]) in rows(seed, 300).into_iter().enumerate() {
        let stage = ["I", "II", "III"][stage as usize];
        text += &format!("{seed}-{i},{a},{b},{ill},{stage}\n");
    }
    cohort(&schema(SCHEMA), &text)
}

fn drawn(model: &dyn Model, weights: &[f64]) -> Vec<[f64; 4]> {
    let draw = |seed| -> [f64; 4] {
        let row = model.sample(weights, seed).expect("a row");
        row.try_into().expect("four columns")
    };
    (0..4000).map(draw).collect()
}

fn mean(rows: &[[f64; 4]], of: impl Fn(&[f64; 4]) -> f64) -> f64 {
    rows.iter().map(of).sum::<f64>() / rows.len() as f64
}

fn correlation(rows: &[[f64; 4]], i: usize, j: usize) -> f64 {
    let (mi, mj) = (mean(rows, |r| r[i]), mean(rows, |r| r[j]));
    let moment = |i: usize, j: usize, mi: f64, mj: f64| mean(rows, |r| (r[i] - mi) * (r[j] - mj));
    moment(i, j, mi, mj) / (moment(i, i, mi, mi) * moment(j, j, mj, mj)).sqrt()
}

/// The largest distance of a correlation, and of a marginal, from the law's.
fn distances(rows: &[[f64; 4]], law: &[[f64; 4]]) -> (f64, f64) {
    let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
    let worst = |distances: Vec<f64>| distances.into_iter().fold(0.0, f64::max);
    let of_pair = |(i, j)| (correlation(rows, i, j) - correlation(law, i, j)).abs();
    let marginals: [fn(&[f64; 4]) -> f64; 6] = [
        |r| r[0],
        |r| r[0] * r[0],
        |r| r[1] / 5.0,
        |r| r[2],
        |r| f64::from(u8::from(r[3] == 0.0)),
        |r| f64::from(u8::from(r[3] == 2.0)),
    ];
    let of_marginal = |of: &fn(&[f64; 4]) -> f64| (mean(rows, of) - mean(law, of)).abs();
    (worst(pairs.map(of_pair).to_vec()), worst(marginals.iter().map(of_marginal).collect()))
}

#[test]
fn patients_drawn_have_the_planted_correlations_and_marginals() {
    let hospitals: Vec<Cohort> = (1..=3).map(hospital).collect();
    let params = format!(
        "seed = 1\nexpected_patients = 900\nsteps = 200\nmodel = {MODEL}\n\
         strategy = {{ clip = 100.0, learning_rate = 0.03, optimiser = \"adam\" }}"
    );
    let schema = schema(SCHEMA);
    let network = train(&params, &schema, &hospitals);
    let trained = Trained::new("t", &schema, &network).expect("a model");
    let law = rows(99, 20_000);
    let (correlations, marginals) = distances(&drawn(trained.model(), trained.weights()), &law);
    let untrained = open(&schema, MODEL).expect("a model");
    let start = distances(&drawn(untrained.as_ref(), &untrained.initial(1)), &law);
    // Columns drawn one by one: the right marginals, no correlation.
    let mut apart = law.clone();
    for column in 1..4 {
        let values: Vec<f64> = law.iter().map(|row| row[column]).collect();
        let moved = values.iter().cycle().skip(997 * column);
        apart.iter_mut().zip(moved).for_each(|(row, value)| row[column] = *value);
    }
    let apart = distances(&apart, &law);
    eprintln!(
        "vae: trained {correlations:.3} {marginals:.3}, start {start:.3?}, apart {apart:.3?}"
    );
    assert!(correlations < 0.15 && 4.0 * correlations < start.0.min(apart.0));
    assert!(marginals < 0.1 && 2.0 * marginals < start.1);
}
