//! Networks from the inputs of a patient to scores.

pub mod conv;
pub mod dense;
pub mod fusion;

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

    /// The derivative of the one score by the weights, for a body in which it is linear.
    fn direction(&self, _inputs: &[f64]) -> Option<Vec<f64>> {
        None
    }
}

/// A body in burn: `[rows, inputs]` to `[rows, scores]`, every layer leaving its part on the tape.
/// No row's scores may depend on another row (no batch normalisation).
pub trait Network {
    /// The scores of all rows.
    fn forward(&self, inputs: Tensor<2>, tape: &mut Tape) -> Tensor<2>;
}

/// A body's layers as a part of a larger model: under its own `name`, and making the prediction
/// only where the part does.
pub(crate) fn renamed(body: &dyn Body, name: &str, head: bool) -> impl Iterator<Item = Layer> {
    body.layers().into_iter().map(move |layer| Layer {
        name: layer.name.replacen("body", name, 1),
        head: layer.head && head,
        ..layer
    })
}
