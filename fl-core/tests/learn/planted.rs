//! Made-up hospitals with a planted law, for tests that must fail when training does nothing.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::network::Network;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
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
    let open = || registry::open("train", 1, &table(params), schema, &Finished::new());
    let mut run = open().expect("task");
    let mut sums = PlainSum::new(cohorts, 1000, 1, rng(), open).expect("sums");
    let result = drive(run.as_mut(), &mut sums).expect("result");
    serde_json::from_value(result).expect("a network")
}
