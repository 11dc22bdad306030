//! Made-up hospitals with a planted law, for tests that must fail when training does nothing.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::trained::Trained;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::network::Network;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use haima_fl_core::task::SiteState;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::common::{cohort, rng, schema, table};

/// Two numbers in [-1, 1], a flag that follows from them, and a time to death.
pub(crate) const SCHEMA: &str = r#"
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
    name = "ill"
    kind = "flag"
    [[column]]
    name = "time"
    kind = "numeric"
    range = [0, 100]
    [[column]]
    name = "died"
    kind = "flag"
"#;

/// A uniform number in [0, 1).
pub(crate) fn unit(random: &mut ChaCha20Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A hospital of `n` patients; `draw` gives (a, b), and `law` the log-odds of being ill and the log
/// hazard of dying.
pub(crate) fn hospital(
    seed: u64,
    n: usize,
    draw: impl Fn(&mut ChaCha20Rng) -> (f64, f64),
    law: impl Fn(f64, f64) -> f64,
) -> Cohort {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut text = String::from("id,a,b,ill,time,died\n");
    for i in 0..n {
        let (a, b) = draw(&mut random);
        let eta = law(a, b);
        let ill = u8::from(unit(&mut random) < 1.0 / (1.0 + (-eta).exp()));
        let death = -(1.0 - unit(&mut random)).ln() * 30.0 * (-eta).exp();
        let censored = 20.0 + 80.0 * unit(&mut random);
        let (time, died) = (death.min(censored), u8::from(death <= censored));
        text += &format!("{seed}-{i},{a},{b},{ill},{time},{died}\n");
    }
    cohort(&schema(SCHEMA), &text)
}

/// Uniform on the square.
pub(crate) fn square(random: &mut ChaCha20Rng) -> (f64, f64) {
    (2.0 * unit(random) - 1.0, 2.0 * unit(random) - 1.0)
}

/// Trains over plain sums without noise.
pub(crate) fn train(params: &str, schema: &Schema, cohorts: &[Cohort]) -> Network {
    train_and_keep(params, schema, cohorts).0
}

/// The same, with the own model that each hospital kept, if any.
pub(crate) fn train_and_keep(
    params: &str,
    schema: &Schema,
    cohorts: &[Cohort],
) -> (Network, Vec<Option<Vec<f64>>>) {
    let open = || registry::open("train", 1, &table(params), schema, &Finished::new());
    let mut run = open().expect("task");
    let mut sums = PlainSum::new(cohorts, 1000, 1, rng(), open).expect("sums");
    let result = drive(run.as_mut(), &mut sums).expect("result");
    let own = sums.kept().map(|state| {
        let bytes = state.values.get(SiteState::PERSONAL)?;
        let (numbers, _) = bytes.as_chunks::<8>();
        Some(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    });
    (serde_json::from_value(result).expect("a network"), own.collect())
}

/// Mean log-loss of `ill` over all patients of some hospitals, from the model's predictions.
pub(crate) fn log_loss(network: &Network, cohorts: &[Cohort]) -> f64 {
    let trained = Trained::new("test", &schema(SCHEMA), network).expect("a model");
    let patients = cohorts.iter().flat_map(|cohort| (0..cohort.len()).map(move |i| (cohort, i)));
    let losses: Vec<f64> = patients
        .map(|(cohort, i)| {
            let p = trained.predict(cohort, i).expect("complete")[0];
            let ill = cohort.value("ill", i).expect("known");
            -(ill * p + (1.0 - ill) * (1.0 - p)).ln()
        })
        .collect();
    losses.iter().sum::<f64>() / losses.len() as f64
}

/// The pooled optimum of the logistic model `ill ~ a + b`, by Newton's steps in this file's own
/// arithmetic: coefficients of a and b, and the intercept.
pub(crate) fn pooled_optimum(cohorts: &[Cohort]) -> [f64; 3] {
    let mut w = [0.0; 3];
    for _ in 0..30 {
        let (mut slope, mut curvature) = ([0.0; 3], [[0.0; 4]; 3]);
        for cohort in cohorts {
            for i in 0..cohort.len() {
                let value = |name: &str| cohort.value(name, i).expect("known");
                let x = [value("a"), value("b"), 1.0];
                let eta: f64 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                let p = 1.0 / (1.0 + (-eta).exp());
                for j in 0..3 {
                    slope[j] += x[j] * (value("ill") - p);
                    for k in 0..3 {
                        curvature[j][k] += x[j] * x[k] * p * (1.0 - p);
                    }
                }
            }
        }
        // Gauss and Jordan, on a matrix that is positive definite.
        let mut rows = curvature;
        for (row, slope) in rows.iter_mut().zip(slope) {
            row[3] = slope;
        }
        for pivot in 0..3 {
            let by = rows[pivot][pivot];
            rows[pivot].iter_mut().for_each(|value| *value /= by);
            let own = rows[pivot];
            for (other, row) in rows.iter_mut().enumerate() {
                let factor = row[pivot];
                if other != pivot {
                    row.iter_mut().zip(own).for_each(|(value, own)| *value -= factor * own);
                }
            }
        }
        w.iter_mut().zip(rows).for_each(|(w, row)| *w += row[3]);
    }
    w
}

/// Euclidean distance.
pub(crate) fn distance(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
}
