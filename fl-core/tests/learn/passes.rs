//! What every model owes: its burn pass, its scalar pass and its gradient are one function.

use haima_fl_core::Error;
use haima_fl_core::learn::model::Model;
use haima_fl_core::learn::models::{self, Context};
use haima_fl_core::nn::packing::CHUNK;
use haima_fl_core::registry::Finished;
use haima_fl_core::schema::Schema;

use crate::common::table;

/// The model of an inline table.
pub(crate) fn open(schema: &Schema, model: &str) -> Result<Box<dyn Model>, Error> {
    let finished = Finished::new();
    let context = Context { task: "train", schema, finished: &finished, terms: None };
    let params = table(&format!("model = {model}"));
    models::open(params["model"].as_table().expect("a table"), &context)
}

/// The gradient of one patient in burn, beside padding.
pub(crate) fn gradient(model: &dyn Model, weights: &[f64], patient: &[f32]) -> Vec<f64> {
    let mut chunk = vec![0.0; CHUNK * model.width()];
    chunk[..patient.len()].copy_from_slice(patient);
    let pass = model.loss(weights).expect("a loss");
    let gradients = pass.gradients(&chunk).expect("gradients");
    let mut padding = Vec::new();
    assert!(gradients.write(1, &mut padding) && padding.iter().all(|slope| *slope == 0.0));
    let mut gradient = Vec::new();
    assert!(gradients.write(0, &mut gradient));
    gradient
}

/// Compares burn's gradient with central differences of a scalar loss. `scales` is what a weight's
/// gradient is multiplied by, 1 but for baselines.
pub(crate) fn equals_differences(
    model: &dyn Model,
    weights: &[f64],
    patient: &[f32],
    scale: impl Fn(usize) -> f64,
) {
    let burn = gradient(model, weights, patient);
    assert_eq!(burn.len(), weights.len());
    assert!(burn.iter().any(|slope| slope.abs() > 1e-3), "a gradient of zeros");
    let h = 1e-5;
    for (i, slope) in burn.iter().enumerate() {
        let moved = |step: f64| {
            let mut moved = weights.to_vec();
            moved[i] += step;
            model.loss_of(&moved, patient).expect("a loss")
        };
        let difference = scale(i) * (moved(h) - moved(-h)) / (2.0 * h);
        let near = (slope - difference).abs() < 2e-4 * (1.0 + difference.abs());
        assert!(near, "weight {i}: {slope} in burn, {difference} by differences");
    }
}
