//! A fully connected network with tanh between its layers: weights, a scalar forward pass that is
//! the same on every machine, and the burn network that gives per-patient gradients.
//!
//! Weights are one flat vector: layer by layer, `[inputs, outputs]` by rows, then `[outputs]`
//! biases. The last layer's bias can be left out where something after it has one.

use burn::tensor::Tensor;

use super::SplitMix64;
use super::ghost::{GhostLinear, Tape};

/// The widths of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    widths: Vec<usize>,
    last_bias: bool,
}

impl Shape {
    /// Widths from the inputs to the outputs, at least two.
    #[must_use]
    pub fn new(widths: Vec<usize>, last_bias: bool) -> Self {
        Self { widths, last_bias }
    }

    /// Number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.widths.first().copied().unwrap_or(0)
    }

    /// Width of the first hidden layer, or of the outputs where there is none.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.widths.get(1).copied().unwrap_or(0)
    }

    /// (inputs, outputs, whether there is a bias) of each layer.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (usize, usize, bool)> + '_ {
        let last = self.widths.len().saturating_sub(2);
        self.widths.iter().zip(self.widths.iter().skip(1)).enumerate().map(
            move |(layer, (&inputs, &outputs))| (inputs, outputs, layer < last || self.last_bias),
        )
    }

    /// Number of weights.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers().map(|(inputs, outputs, bias)| (inputs + usize::from(bias)) * outputs).sum()
    }

    /// Weights before training: uniform on +-sqrt(6 / (inputs + outputs)), biases zero (Glorot and
    /// Bengio, AISTATS 2010, equation 16). A function of the seed alone (rule N4).
    #[must_use]
    pub fn initial(&self, seed: u64) -> Vec<f64> {
        let mut random = SplitMix64::new(seed);
        let mut weights = Vec::with_capacity(self.parameters());
        for (inputs, outputs, bias) in self.layers() {
            let bound = (6.0 / (inputs + outputs) as f64).sqrt();
            weights.extend((0..inputs * outputs).map(|_| bound * random.symmetric()));
            weights.extend((0..if bias { outputs } else { 0 }).map(|_| 0.0));
        }
        weights
    }

    /// The outputs for one row of inputs: scalar f64 in a fixed order with `libm`, bit-identical on
    /// every machine (rule X3). `None` when a length is wrong.
    #[must_use]
    pub fn evaluate(&self, weights: &[f64], inputs: &[f64]) -> Option<Vec<f64>> {
        let mut rest = weights;
        let mut values = inputs.to_vec();
        let last = self.widths.len().saturating_sub(2);
        for (index, (inputs, outputs, bias)) in self.layers().enumerate() {
            let (matrix, tail) = rest.split_at_checked(inputs * outputs)?;
            let (offset, tail) = tail.split_at_checked(if bias { outputs } else { 0 })?;
            rest = tail;
            if values.len() != inputs {
                return None;
            }
            let mut next = if bias { offset.to_vec() } else { vec![0.0; outputs] };
            for (value, row) in values.iter().zip(matrix.chunks(outputs.max(1))) {
                next.iter_mut().zip(row).for_each(|(sum, weight)| *sum += value * weight);
            }
            if index < last {
                next.iter_mut().for_each(|value| *value = libm::tanh(*value));
            }
            values = next;
        }
        rest.is_empty().then_some(values)
    }

    /// The burn network with these weights; `None` when their number is wrong.
    #[must_use]
    pub fn network(&self, weights: &[f64]) -> Option<Mlp> {
        let mut rest = weights;
        let layers = self
            .layers()
            .map(|(inputs, outputs, bias)| {
                let (own, tail) = rest.split_at_checked((inputs + usize::from(bias)) * outputs)?;
                rest = tail;
                GhostLinear::new(inputs, outputs, bias, own)
            })
            .collect::<Option<Vec<_>>>()?;
        rest.is_empty().then_some(Mlp { layers })
    }
}

/// A network of [`GhostLinear`] layers.
pub struct Mlp {
    layers: Vec<GhostLinear>,
}

impl Mlp {
    /// `[rows, inputs]` to `[rows, outputs]`, every layer leaving its part on the tape.
    ///
    /// # Panics
    /// As burn does, when `input` does not have the network's number of columns.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>, tape: &mut Tape) -> Tensor<2> {
        self.layers.iter().enumerate().fold(input, |value, (index, layer)| {
            let value = if index == 0 { value } else { value.tanh() };
            layer.forward(value, tape)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ghost::constant;

    #[test]
    fn the_scalar_pass_and_the_burn_pass_agree() {
        let shape = Shape::new(vec![3, 8, 5, 2], false);
        assert_eq!(shape.parameters(), 3 * 8 + 8 + 8 * 5 + 5 + 5 * 2);
        let weights = shape.initial(9);
        let x = [0.3, -0.8, 1.0];
        let scalar = shape.evaluate(&weights, &x).unwrap();
        let network = shape.network(&weights).unwrap();
        let burn = network.forward(constant(&x, 1, 3), &mut Tape::new());
        let burn = burn.into_data().try_to_vec::<f32>().unwrap();
        for (a, b) in scalar.iter().zip(burn) {
            assert!((a - f64::from(b)).abs() < 1e-6, "{a} {b}");
        }
    }

    /// N4: the start is a function of the seed.
    #[test]
    fn the_start_depends_on_the_seed_alone_and_stays_in_its_bounds() {
        let shape = Shape::new(vec![4, 8, 1], false);
        assert_eq!(shape.initial(1), shape.initial(1));
        assert_ne!(shape.initial(1), shape.initial(2));
        let weights = shape.initial(1);
        assert!(weights[..32].iter().all(|weight| weight.abs() <= 0.5f64.sqrt()));
        assert!(weights[32..40].iter().all(|bias| *bias == 0.0));
    }

    #[test]
    fn another_number_of_weights_or_inputs_gives_nothing() {
        let shape = Shape::new(vec![2, 3, 1], true);
        let weights = shape.initial(1);
        assert!(shape.evaluate(&weights, &[0.0; 3]).is_none());
        assert!(shape.evaluate(&weights[1..], &[0.0; 2]).is_none());
        assert!(shape.network(&weights[1..]).is_none());
        assert!(shape.network(&[weights, vec![0.0]].concat()).is_none());
    }
}
