use super::*;
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
fn the_gradient_is_that_of_the_scalar_loss_through_encoder_and_decoder() {
    let vae = vae();
    let (weights, rows) = (vae.initial(1), rows(&vae));
    assert_eq!(weights.len(), vae.parameters());
    for (row, burn) in rows.iter().zip(gradients(&vae, &weights, &rows)) {
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
        let parts = [&burn[..vae.encoder.parameters()], &burn[vae.encoder.parameters()..]];
        assert!(parts.iter().all(|part| part.iter().any(|slope| slope.abs() > 1e-3)));
    }
}

/// S2: a patient's noise is its own, and padding has no loss.
#[test]
fn a_patients_vector_has_the_same_bits_beside_any_neighbours_and_padding_is_zero() {
    let vae = vae();
    let (weights, rows) = (vae.initial(1), rows(&vae));
    let together = gradients(&vae, &weights, &rows);
    assert!(together[3].iter().all(|slope| *slope == 0.0));
    for (row, gradient) in rows.iter().zip(&together) {
        assert_eq!(&gradients(&vae, &weights, std::slice::from_ref(row))[0], gradient);
    }
    assert_eq!(vae.loss_of(&weights, &vec![0.0; vae.width()]), Some(0.0));
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

#[test]
fn a_trained_models_figures_make_the_same_model_again() {
    let (vae, schema, finished) = (vae(), schema(), Finished::new());
    let terms = Some(vae.inputs().terms());
    let context = Context { task: "train", schema: &schema, finished: &finished, terms };
    let table = "columns = [\"*\"]\nlog1p = [\"wbc\"]\nhidden = [5]".parse().unwrap();
    let again = Vae::new(&table, &context).unwrap();
    let row = &rows(&vae)[1];
    let weights = vae.initial(4);
    assert_eq!(again.predict(&weights, row), vae.predict(&weights, row));
    let none = Context { terms: Some(&[]), ..context };
    assert!(Vae::new(&table, &none).is_err());
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
    ] {
        let error = open_vae(params).err().unwrap().to_string();
        assert!(error.contains(why), "{params}: {error}");
    }
}
