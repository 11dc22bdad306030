//! What one patient adds to the sum: a function of that patient, the model and what stands in for
//! the columns' values.
//!
//! # Bounds
//! With losses cut to [-L, L]: the loss and its square at most L sqrt(1 + L^2); for each of C columns
//! the rise, at most 2 L in size, and its square: 2 L sqrt(1 + 4 L^2) sqrt(C). With W attributions
//! cut to A in size, and their sizes: A sqrt(2 W). With K predictions within [low, high]: the larger
//! end times sqrt(K).
//!
//! Under noise the rises are cut to the L2 norm L, the attributions to A, and predictions enter less
//! the middle of their range: with half its width H the squared norm of all is at most
//! 1 + 2 L^2 + 2 A^2 + K H^2.

use zeroize::Zeroizing;

use super::column::Column;
use crate::learn::explanation::{Focus, integrated_gradients};
use crate::learn::model::Model;

/// Public caps on what a patient adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    /// L of the head.
    pub(super) loss: f64,
    /// A.
    pub(super) attribution: f64,
    /// Ends of a prediction.
    pub(super) prediction: (f64, f64),
}

/// The loss of a patient, and how much it rises without each column.
#[derive(Clone, Debug, Default)]
pub(super) struct Rises {
    pub(super) loss: f64,
    pub(super) rises: Vec<f64>,
}

/// A model to be asked about patients.
pub(super) struct Asked<'a> {
    pub(super) model: &'a dyn Model,
    pub(super) weights: &'a [f64],
    pub(super) focus: &'a Focus,
    pub(super) columns: &'a [Column],
    pub(super) caps: Caps,
}

impl Asked<'_> {
    /// The loss of an encoded patient.
    pub(super) fn loss(&self, row: &[f32]) -> f64 {
        let loss = self.model.loss_of(self.weights, row).unwrap_or(0.0);
        finite(loss).clamp(-self.caps.loss, self.caps.loss)
    }

    /// The loss of an encoded patient, and by column its mean rise over the replacements that
    /// `replace` makes of it.
    pub(super) fn rises(
        &self,
        row: &[f32],
        repeats: usize,
        replace: impl Fn(&Column, usize, usize, &mut [f32]),
    ) -> Rises {
        let loss = self.loss(row);
        let of_column = |(place, column): (usize, &Column)| {
            let mut total = 0.0;
            for repeat in 0..repeats {
                let mut other = Zeroizing::new(row.to_vec());
                replace(column, place, repeat, &mut other);
                total += self.loss(&other) - loss;
            }
            total / repeats.max(1) as f64
        };
        Rises { loss, rises: self.columns.iter().enumerate().map(of_column).collect() }
    }

    /// Integrated gradients of a patient's inputs.
    pub(super) fn attributions(&self, inputs: &[f32], parts: u32) -> Vec<f64> {
        let cap = self.caps.attribution;
        let found = integrated_gradients(self.model, self.weights, self.focus, inputs, parts);
        let found = found.unwrap_or_else(|| vec![0.0; inputs.len()]);
        found.into_iter().map(|value| finite(value).clamp(-cap, cap)).collect()
    }

    /// Predictions with each column set to each of its public values.
    pub(super) fn dependence(&self, inputs: &[f32], grids: &[Vec<f64>]) -> Vec<f64> {
        let (low, high) = self.caps.prediction;
        let mut all = Vec::new();
        for (column, grid) in self.columns.iter().zip(grids) {
            let mut other = Zeroizing::new(inputs.to_vec());
            for value in grid {
                column.set(&mut other, *value);
                let predicted = self.focus.predicted(self.model, self.weights, &other);
                all.push(finite(predicted.unwrap_or(0.0)).clamp(low, high));
            }
        }
        all
    }
}

/// 0 for what is no number.
fn finite(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

/// Scales a vector down to an L2 norm of at most `most`.
pub(super) fn clip(values: &mut [f64], most: f64) {
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    if norm > most {
        values.iter_mut().for_each(|value| *value *= most / norm);
    }
}
