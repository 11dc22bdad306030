use super::*;
use crate::nn::packing::CHUNK;
use crate::registry::Finished;
use crate::schema::Schema;

const SCHEMA: &str = r#"
    patient = "id"
    [[column]]
    name = "stage"
    kind = "category"
    levels = ["I", "II", "III"]
    [[column]]
    name = "age"
    kind = "numeric"
    range = [20, 100]
    [[column]]
    name = "sex"
    kind = "flag"
    [[column]]
    name = "wbc"
    kind = "numeric"
    range = [0, 500]
"#;

fn schema() -> Schema {
    Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap()
}

fn open_vae(params: &str) -> Result<Vae, Error> {
    let (schema, finished) = (schema(), Finished::new());
    let context = Context { task: "train", schema: &schema, finished: &finished, terms: None };
    Vae::new(&params.parse().unwrap(), &context)
}

fn vae() -> Vae {
    open_vae("columns = [\"*\"]\nlog1p = [\"wbc\"]\nhidden = [5]\nlatent = 2").unwrap()
}

/// Conditional on the stage, with three components.
fn conditional() -> Vae {
    let params = "columns = [\"*\"]\nlog1p = [\"wbc\"]\nhidden = [5]\nlatent = 2\n\
                  outcome = \"stage\"\ncomponents = 3";
    open_vae(params).unwrap()
}

/// A start, every weight moved, so that none is alike another.
fn moved(vae: &Vae) -> Vec<f64> {
    let mut random = SplitMix64::new(8);
    vae.initial(1).iter().map(|weight| weight + 0.3 * random.symmetric()).collect()
}

/// Patients of [`SCHEMA`], encoded.
fn rows(vae: &Vae) -> Vec<Vec<f32>> {
    let csv = "id,stage,age,sex,wbc\n1,I,30,0,4\n2,III,81,1,200\n3,II,55,1,0\n";
    let cohort = Cohort::from_reader("site", csv.as_bytes(), &schema()).unwrap();
    let encode = |i| {
        let mut row = Vec::new();
        assert!(vae.encode(&cohort, i, &mut row));
        row
    };
    (0..3).map(encode).collect()
}

fn gradients(vae: &Vae, weights: &[f64], rows: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let mut chunk = rows.concat();
    chunk.resize(CHUNK * vae.width(), 0.0);
    let gradients = vae.loss(weights).unwrap().gradients(&chunk).unwrap();
    let write = |row| {
        let mut gradient = Vec::new();
        assert!(gradients.write(row, &mut gradient));
        gradient
    };
    (0..=rows.len()).map(write).collect()
}

/// eps depends on the weights, so the differences are those at the eps of the middle.
#[test]
fn the_gradient_of_every_layer_is_that_of_the_scalar_loss() {
    for vae in [vae(), conditional()] {
        let (weights, rows) = (moved(&vae), rows(&vae));
        assert_eq!(weights.len(), vae.parameters());
        let burn = gradients(&vae, &weights, &rows);
        for (row, burn) in rows.iter().zip(&burn) {
            let eps = noise(digest(&weights), row, 2);
            let h = 1e-5;
            for (i, slope) in burn.iter().enumerate() {
                let moved = |step: f64| {
                    let mut moved = weights.clone();
                    moved[i] += step;
                    vae.loss_with(&moved, row, &eps).unwrap()
                };
                let difference = (moved(h) - moved(-h)) / (2.0 * h);
                let near = (slope - difference).abs() < 2e-4 * (1.0 + difference.abs());
                assert!(near, "weight {i}: {slope} in burn, {difference} by differences");
            }
        }
        let mut from = 0;
        for layer in vae.layers() {
            let own = from..from + layer.len();
            from = own.end;
            let learns = |burn: &Vec<f64>| burn[own.clone()].iter().any(|s| s.abs() > 1e-3);
            assert!(burn[..rows.len()].iter().all(learns), "{} learns nothing", layer.name);
        }
    }
}

#[test]
fn an_outcome_and_components_add_layers_behind_those_that_there_were() {
    let names =
        |vae: &Vae| -> Vec<String> { vae.layers().into_iter().map(|layer| layer.name).collect() };
    let without = names(&vae());
    assert_eq!(without.last().unwrap(), "decoder.spread");
    let more = ["prior.weights", "prior.means", "prior.spreads", "outcome.logits"];
    assert_eq!(names(&conditional()), [without, more.map(str::to_owned).to_vec()].concat());
    let shapes: Vec<Vec<usize>> =
        conditional().layers().into_iter().rev().take(4).map(|layer| layer.shape).collect();
    assert_eq!(shapes, [vec![3], vec![3, 2], vec![3, 2], vec![3]]);
    assert!(conditional().layers().into_iter().rev().take(4).all(|layer| layer.head));
}

/// Without the new keys nothing is other than it was before there were any.
#[test]
fn one_component_without_an_outcome_is_the_standard_normal_with_its_closed_divergence() {
    let params = "columns = [\"*\"]\nlog1p = [\"wbc\"]\nhidden = [5]\ncomponents = 1";
    let (one, weights) = (open_vae(params).unwrap(), moved(&vae()));
    assert_eq!(one.layers(), vae().layers());
    let row = &rows(&one)[1];
    let x: Vec<f64> = row[..6].iter().map(|&x| f64::from(x)).collect();
    let (encoder, rest) = weights.split_at(one.encoder.parameters());
    let (decoder, theta) = rest.split_at(one.decoder.parameters());
    let code = one.encoder.evaluate(encoder, &x).unwrap();
    let eps = noise(digest(&weights), row, 2);
    let (mean, v) = code.split_at(2);
    let z = [0, 1].map(|d: usize| mean[d] + (v[d] / 2.0).exp() * eps[d]);
    let kl = [0, 1].map(|d: usize| 0.5 * (mean[d].powi(2) + v[d].exp() - 1.0 - v[d]));
    let divergence: f64 = kl.iter().sum();
    let out = one.decoder.evaluate(decoder, &z).unwrap();
    let loss = one.mixed.loss_of(&x, &out, theta) + divergence;
    assert!((one.loss_of(&weights, row).unwrap() - loss).abs() < 1e-12 * (1.0 + loss.abs()));
    // The stream of a draw is z first, then the row.
    let mut random = SplitMix64::new(mix(7));
    let z = [random.normal(), random.normal()];
    let out = one.decoder.evaluate(decoder, &z).unwrap();
    let drawn = one.mixed.draw(&out, theta, &mut random);
    assert_eq!(one.sample(&weights, 7), Some(drawn));
}

/// S2: a patient's noise is its own, and padding has no loss.
#[test]
fn a_patients_vector_has_the_same_bits_beside_any_neighbours_and_padding_is_zero() {
    for vae in [vae(), conditional()] {
        let (weights, rows) = (vae.initial(1), rows(&vae));
        let together = gradients(&vae, &weights, &rows);
        assert!(together[3].iter().all(|slope| *slope == 0.0));
        for (row, gradient) in rows.iter().zip(&together) {
            assert_eq!(&gradients(&vae, &weights, std::slice::from_ref(row))[0], gradient);
        }
        assert_eq!(vae.loss_of(&weights, &vec![0.0; vae.width()]), Some(0.0));
    }
}

#[test]
fn the_noise_changes_with_the_patient_and_with_the_round_and_is_standard_normal() {
    let one = |digest, x: f32| noise(digest, &[x, 1.0], 2);
    assert_eq!(one(1, 0.5), one(1, 0.5));
    assert_ne!(one(1, 0.5), one(2, 0.5));
    assert_ne!(one(1, 0.5), one(1, 0.25));
    assert_ne!(digest(&[0.5, 1.0]), digest(&[1.0, 0.5]));
    let drawn: Vec<f64> = (0..5000).flat_map(|i| one(7, i as f32)).collect();
    let mean = drawn.iter().sum::<f64>() / 1e4;
    let variance = drawn.iter().map(|x| x * x).sum::<f64>() / 1e4;
    assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
}

#[test]
fn a_row_that_is_drawn_lies_in_the_public_ranges() {
    let vae = vae();
    let weights: Vec<f64> = vae.initial(1).iter().map(|weight| 5.0 * weight).collect();
    for seed in 0..200 {
        // Numbers, flags, categories: age, wbc, sex, stage.
        let row = vae.sample(&weights, seed).unwrap();
        assert!((20.0..=100.0).contains(&row[0]) && (0.0..=500.0).contains(&row[1]), "{row:?}");
        assert!([0.0, 1.0].contains(&row[2]) && [0.0, 1.0, 2.0].contains(&row[3]), "{row:?}");
        assert_eq!(Some(row), vae.sample(&weights, seed));
    }
    assert_eq!(vae.inputs().columns(), ["age", "wbc", "sex", "stage"]);
}

/// A flag's levels are 0 and 1.
#[test]
fn the_outcome_comes_first_in_inputs_predictions_and_draws() {
    let vae = conditional();
    assert_eq!(vae.inputs().columns(), ["stage", "age", "wbc", "sex"]);
    assert_eq!(vae.outputs(), ["stageI", "stageII", "stageIII", "age", "wbc", "sex"]);
    let weights = moved(&vae);
    for row in rows(&vae) {
        let predicted = vae.predict(&weights, &row).unwrap();
        assert_eq!(predicted.len(), 6);
        assert_eq!(predicted[..3], levels::shares(&weights[weights.len() - 3..]));
    }
    let mut seen = [0; 3];
    for seed in 0..200 {
        let row = vae.sample(&weights, seed).unwrap();
        seen[row[0] as usize] += 1;
        assert!((20.0..=100.0).contains(&row[1]) && (0.0..=500.0).contains(&row[2]), "{row:?}");
        assert!([0.0, 1.0].contains(&row[3]) && row.len() == 4, "{row:?}");
        assert_eq!(Some(row), vae.sample(&weights, seed));
    }
    assert!(seen.iter().all(|level| *level > 20), "{seen:?}");
    assert_eq!(vae.sample(&weights[1..], 1), None);
    let of_flag = open_vae("columns = [\"age\", \"stage\"]\noutcome = \"sex\"").unwrap();
    assert_eq!(of_flag.outputs(), ["sex0", "sex1", "age", "stageI", "stageII", "stageIII"]);
    assert_eq!(rows(&of_flag)[0][..2], [1.0, 0.0]);
    assert_eq!(rows(&of_flag)[1][..2], [0.0, 1.0]);
}

/// Fails where the outcome reaches only one of encoder and decoder.
#[test]
fn encoder_and_decoder_both_read_the_outcome() {
    let vae = conditional();
    let (weights, row) = (moved(&vae), rows(&vae).remove(0));
    let x: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
    let other: Vec<f64> = [&[0.0, 1.0, 0.0][..], &x[3..6]].concat();
    let parts = vae.parts(&weights).unwrap();
    let code = |x| vae.encoder.evaluate(parts.encoder, x).unwrap();
    assert_ne!(code(&x[..6]), code(&other));
    let decoded = |own| vae.decode(&parts, &[0.1, 0.2], own).unwrap();
    assert_ne!(decoded(&x[..3]), decoded(&other[..3]));
}

#[test]
fn a_trained_models_figures_make_the_same_model_again() {
    let (schema, finished) = (schema(), Finished::new());
    for (vae, more) in [(vae(), ""), (conditional(), "outcome = \"stage\"\ncomponents = 3")] {
        let terms = Some(vae.inputs().terms());
        let context = Context { task: "train", schema: &schema, finished: &finished, terms };
        let table = format!("columns = [\"*\"]\nlog1p = [\"wbc\"]\nhidden = [5]\n{more}");
        let table = table.parse().unwrap();
        let again = Vae::new(&table, &context).unwrap();
        let row = &rows(&vae)[1];
        let weights = vae.initial(4);
        assert!(vae.predict(&weights, row).is_some());
        assert_eq!(again.predict(&weights, row), vae.predict(&weights, row));
        let none = Context { terms: Some(&[]), ..context };
        assert!(Vae::new(&table, &none).is_err());
    }
}

#[test]
fn parameters_that_cannot_be_used_are_refused() {
    for (params, why) in [
        ("columns = [\"age\"]\nlatent = 0", "`latent`"),
        ("columns = [\"age\"]\nlatent = 100000", "`latent`"),
        ("columns = [\"age\"]\nhidden = []", "`hidden`"),
        ("columns = [\"age\"]\nhidden = [99999]", "`hidden`"),
        ("columns = []", "at least one column"),
        ("columns = [\"age\"]\nlog1p = [\"wbc\"]", "`log1p`"),
        ("columns = [\"age\"]\nmissing = \"center\"", "missing"),
        ("columns = [\"sex\"]\noutcome = \"age\"", "numeric"),
        ("columns = [\"age\", \"sex\"]\noutcome = \"sex\"", "named twice"),
        ("columns = [\"*\", \"sex\"]\noutcome = \"sex\"", "named twice"),
        ("columns = [\"age\"]\noutcome = \"relapse\"", "`relapse`"),
        ("columns = [\"se*\"]\noutcome = \"sex\"", "nothing but the outcome"),
        ("columns = [\"*\"]\noutcome = \"sex\"\nlog1p = [\"sex\"]", "`log1p`"),
        ("columns = [\"age\"]\ncomponents = 0", "`components`"),
        ("columns = [\"age\"]\ncomponents = 33", "`components`"),
    ] {
        let error = open_vae(params).err().unwrap().to_string();
        assert!(error.contains(why), "{params}: {error}");
    }
}
