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

/// Two groups of patients, wide apart in `a` and `b`, and a flag that moves `c` in both.
const GROUPS: &str = r#"
    patient = "id"
    [[column]]
    name = "a"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "b"
    kind = "numeric"
    range = [-1, 1]
    [[column]]
    name = "relapse"
    kind = "flag"
    [[column]]
    name = "c"
    kind = "numeric"
    range = [0, 10]
"#;

/// Of all patients: those in the right group, those with a relapse, and the means of `c` without and
/// with one.
const LAW: Figures = Figures { right: 0.65, relapse: 0.3, c: [3.0, 7.0], between: 0.0 };

/// Rows of relapse, a, b, c, as the model draws them: the outcome first.
fn grouped(seed: u64, n: usize) -> Vec<[f64; 4]> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    // Nearly normal: the sum of three uniform numbers has standard deviation 1, and ends at 3.
    let mut about = |mean: f64, sd: f64| {
        let sum: f64 = (0..3).map(|_| 2.0 * unit(&mut random) - 1.0).sum();
        mean + sd * sum
    };
    let row = |i: usize| {
        // Both shares are exact in every two hundred, and the two are independent.
        let side = if i % 20 < 13 { 1.0 } else { -1.0 };
        let relapse = f64::from(u8::from(i / 20 % 10 < 3));
        [
            relapse,
            about(0.6 * side, 0.08),
            about(-0.5 * side, 0.08),
            about(3.0 + 4.0 * relapse, 0.7),
        ]
    };
    (0..n).map(row).collect()
}

struct Figures {
    right: f64,
    relapse: f64,
    c: [f64; 2],
    /// Share of the patients in neither group.
    between: f64,
}

impl Figures {
    fn of(rows: &[[f64; 4]]) -> Self {
        let with = |level: f64| -> Vec<[f64; 4]> {
            rows.iter().filter(|row| row[0] == level).copied().collect()
        };
        Self {
            right: mean(rows, |row| f64::from(u8::from(row[1] > 0.0))),
            relapse: mean(rows, |row| row[0]),
            c: [mean(&with(0.0), |row| row[3]), mean(&with(1.0), |row| row[3])],
            between: mean(rows, |row| f64::from(u8::from(row[1].abs() < 0.3))),
        }
    }

    /// The larger of the two distances of `c` from the law's.
    fn off_in_c(&self) -> f64 {
        (self.c[0] - LAW.c[0]).abs().max((self.c[1] - LAW.c[1]).abs())
    }
}

/// A model over the groups, conditional on the relapse, trained without noise.
fn trained_on_groups(components: usize) -> Trained {
    let site = |seed: u64| {
        let mut text = String::from("id,relapse,a,b,c\n");
        for (i, [relapse, a, b, c]) in grouped(seed, 200).into_iter().enumerate() {
            text += &format!("{seed}-{i},{relapse},{a},{b},{c}\n");
        }
        cohort(&schema(GROUPS), &text)
    };
    let params = format!(
        "seed = 1\nexpected_patients = 400\nsteps = 200\n\
         model = {{ name = \"vae\", columns = [\"*\"], outcome = \"relapse\", hidden = [12], \
         components = {components} }}\n\
         strategy = {{ clip = 100.0, learning_rate = 0.03, optimiser = \"adam\" }}"
    );
    let network = train(&params, &schema(GROUPS), &[site(1), site(2)]);
    Trained::new("t", &schema(GROUPS), &network).expect("a model")
}

/// Weights with which the decoder does not see the outcome.
fn deaf(trained: &Trained) -> Vec<f64> {
    let (mut weights, mut from) = (trained.weights().to_vec(), 0);
    for layer in trained.model().layers() {
        if layer.name == "decoder.0.weight" {
            // By rows: two of z, two of the outcome.
            let width = layer.shape[1];
            assert_eq!(layer.shape[0], 4);
            weights[from + 2 * width..from + 4 * width].fill(0.0);
        }
        from += layer.len();
    }
    weights
}

/// The outcome's share, both groups and the column that the outcome moves are all in the weights:
/// without the outcome in the decoder, or without a mixture, a part of them is lost.
#[test]
fn draws_follow_the_outcome_and_keep_to_the_groups() {
    let (mixture, normal) = (trained_on_groups(4), trained_on_groups(1));
    let of = |trained: &Trained, weights: &[f64]| Figures::of(&drawn(trained.model(), weights));
    let good = of(&mixture, mixture.weights());
    let plain = of(&normal, normal.weights());
    let blind = of(&mixture, &deaf(&mixture));
    eprintln!(
        "vae: {:.3} right of {:.3}, {:.3} relapse of {:.3}, c {:.2?} of {:.2?}, {:.3} between \
         ({:.3} with one component), c {:.2?} without the outcome",
        good.right,
        LAW.right,
        good.relapse,
        LAW.relapse,
        good.c,
        LAW.c,
        good.between,
        plain.between,
        blind.c
    );
    assert!((good.relapse - LAW.relapse).abs() < 0.04);
    assert!((good.right - LAW.right).abs() < 0.05);
    assert!(good.off_in_c() < 0.4 && blind.off_in_c() > 1.5);
    assert!(good.between < LAW.between + 0.04 && plain.between > 2.0 * good.between.max(0.02));
}
