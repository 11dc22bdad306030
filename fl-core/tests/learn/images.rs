//! A convolutional network finds a sign wherever it stands in the image; a linear model cannot.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::learn::trained::Trained;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::common::{cohort, schema};
use crate::planted::{train, unit};

const SIDE: usize = 8;

fn image_schema() -> String {
    let pixels = (0..SIDE * SIDE)
        .map(|i| format!("[[column]]\nname = \"px_{i:02}\"\nkind = \"numeric\"\nrange = [0, 1]\n"));
    let rest = "patient = \"id\"\n[[column]]\nname = \"ill\"\nkind = \"flag\"\n";
    format!("{rest}{}", pixels.collect::<String>())
}

/// Faint images with a bright stroke of three pixels somewhere, which leaves at one edge and enters at
/// the other: upright in the ill, level in the others. Every pixel is as often bright in either group.
fn hospital(seed: u64, n: usize) -> Cohort {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let header: Vec<String> = (0..SIDE * SIDE).map(|i| format!("px_{i:02}")).collect();
    let mut text = format!("id,ill,{}\n", header.join(","));
    for i in 0..n {
        let mut pixels: Vec<f64> = (0..SIDE * SIDE).map(|_| 0.3 * unit(&mut random)).collect();
        let mut place = || (unit(&mut random) * SIDE as f64) as usize;
        let (row, column) = (place(), place());
        let ill = i % 2;
        for step in 0..3 {
            let at = match ill {
                1 => (row + step) % SIDE * SIDE + column,
                _ => row * SIDE + (column + step) % SIDE,
            };
            pixels[at] = 1.0;
        }
        let pixels: Vec<String> = pixels.iter().map(|pixel| format!("{pixel:.3}")).collect();
        text += &format!("{seed}-{i},{ill},{}\n", pixels.join(","));
    }
    cohort(&schema(&image_schema()), &text)
}

/// The share of new patients whom a trained model puts into the right group.
fn right(model: &str, rounds: &str) -> f64 {
    let schema = schema(&image_schema());
    let hospitals: Vec<Cohort> = (1..=2).map(|seed| hospital(seed, 150)).collect();
    let params = format!(
        "seed = 1\nexpected_patients = 300\n{rounds}\n\
         model = {{ {model}, columns = [\"px_*\"], outcome = \"ill\" }}\n\
         strategy = {{ clip = 10.0, learning_rate = 0.02, optimiser = \"adam\" }}"
    );
    let network = train(&params, &schema, &hospitals);
    let trained = Trained::new("train", &schema, &network).expect("a model");
    let new = hospital(3, 200);
    let hits = (0..new.len()).filter(|&i| {
        let p = trained.predict(&new, i).expect("complete")[0];
        (p > 0.5) == (new.value("ill", i) == Some(1.0))
    });
    hits.count() as f64 / new.len() as f64
}

#[test]
fn the_convolutional_network_finds_a_stroke_anywhere_and_the_linear_model_does_not() {
    let cnn = "name = \"cnn\", height = 8, width = 8, filters = [4], hidden = [8]";
    let found = right(cnn, "steps = 90");
    assert!(found > 0.9, "{found}");
    let guessed = right("name = \"logistic\"", "steps = 90");
    assert!(guessed < 0.65, "{guessed}");
}
