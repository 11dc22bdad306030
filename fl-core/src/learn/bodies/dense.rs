//! Fully connected layers with tanh between them; without a hidden layer, a linear predictor.

use burn::tensor::Tensor;

use super::{Body, Network};
use crate::learn::model::Layer;
use crate::nn::ghost::Tape;
use crate::nn::mlp::{Mlp, Shape};

/// A fully connected network.
#[derive(Clone, Debug)]
pub struct Dense {
    shape: Shape,
    /// A linear predictor starts at zero: there is no symmetry to break.
    linear: bool,
}

impl Dense {
    /// Widths of the hidden layers between `inputs` and `outputs`. `bias` is that of the last layer,
    /// which an outcome with a baseline makes needless.
    #[must_use]
    pub fn new(inputs: usize, hidden: &[usize], outputs: usize, bias: bool) -> Self {
        let widths = std::iter::once(inputs).chain(hidden.iter().copied()).chain([outputs]);
        Self { shape: Shape::new(widths.collect(), bias), linear: hidden.is_empty() }
    }
}

impl Dense {
    /// The same, starting at random without hidden layers, too: where other layers read it, or it
    /// reads others, zeros would leave both without a gradient.
    #[must_use]
    pub fn at_random(self) -> Self {
        Self { linear: false, ..self }
    }
}

impl Body for Dense {
    fn layers(&self) -> Vec<Layer> {
        let last = self.shape.layers().count() - 1;
        let parts = self.shape.layers().enumerate().flat_map(|(i, (inputs, outputs, bias))| {
            let part = |what: &str, shape| Layer {
                name: format!("body.{i}.{what}"),
                shape,
                head: i == last,
            };
            let weight = part("weight", vec![inputs, outputs]);
            let bias = bias.then(|| part("bias", vec![outputs]));
            std::iter::once(weight).chain(bias)
        });
        parts.collect()
    }

    fn initial(&self, seed: u64) -> Vec<f64> {
        if self.linear { vec![0.0; self.shape.parameters()] } else { self.shape.initial(seed) }
    }

    fn network(&self, weights: &[f64]) -> Option<Box<dyn Network>> {
        Some(Box::new(self.shape.network(weights)?))
    }

    fn evaluate(&self, weights: &[f64], inputs: &[f64]) -> Option<Vec<f64>> {
        self.shape.evaluate(weights, inputs)
    }

    fn direction(&self, inputs: &[f64]) -> Option<Vec<f64>> {
        let mut direction = inputs.to_vec();
        if self.shape.parameters() == inputs.len() + 1 {
            direction.push(1.0); // The bias.
        }
        (self.linear && direction.len() == self.shape.parameters()).then_some(direction)
    }
}

impl Network for Mlp {
    fn forward(&self, inputs: Tensor<2>, tape: &mut Tape) -> Tensor<2> {
        Self::forward(self, inputs, tape)
    }
}
