//! Networks from the inputs of a patient to scores.

pub mod conv;
pub mod dense;

use burn::tensor::Tensor;

use super::model::Layer;
use crate::nn::ghost::Tape;

/// A network's shape: its weights, its burn form, and a scalar pass.
pub trait Body: Send + Sync {
    /// Its parts, in the order of the weights.
    fn layers(&self) -> Vec<Layer>;

    /// Number of weights.
    fn parameters(&self) -> usize {
        self.layers().iter().map(Layer::len).sum()
    }

    /// Weights before training (rule N4).
    fn initial(&self, seed: u64) -> Vec<f64>;

    /// The burn network; `None` when the number of weights is wrong.
    fn network(&self, weights: &[f64]) -> Option<Box<dyn Network>>;

    /// Scores of one patient in scalar doubles, the same on every machine (rule X3). `None` when a
    /// length is wrong.
    fn evaluate(&self, weights: &[f64], inputs: &[f64]) -> Option<Vec<f64>>;
}

/// A body in burn: `[rows, inputs]` to `[rows, scores]`, every layer leaving its part on the tape.
/// No row's scores may depend on another row (no batch normalisation).
pub trait Network {
    /// The scores of all rows.
    fn forward(&self, inputs: Tensor<2>, tape: &mut Tape) -> Tensor<2>;
}
