//! Per-patient gradients from one backward pass: ghost norms and book-keeping.
//!
//! Follows Goodfellow 2015 (arXiv:1510.01799) for the norms of linear layers and Bu, Wang, Zha and
//! Karypis 2023 ("Differentially Private Optimization on Large Model at Small Cost", ICML, section
//! 3, book-keeping) for the sums. For a linear layer z = a W + c and a loss that is a *sum over
//! patients*, patient i's gradient is the outer product of the layer's input a_i and
//! b_i = dL_i/dz_i, and dL_i/dc = b_i. So one backward pass that yields b for all rows is enough:
//!
//! 1. every layer keeps its input, detached, and adds a leaf of zeros to its pre-activation;
//! 2. the gradient of the leaf is b, row by row; the weights themselves are no leaves;
//! 3. ||g_i||^2 = sum over layers of (||a_i||^2 + 1) ||b_i||^2, the 1 being the bias;
//! 4. vectors and clipped sums are formed from (a, b) afterwards.
//!
//! Layers are here, with the [`Tape`] that they leave their parts on; [`gradients`] has steps 3 and
//! 4. A convolution ([`super::conv`]) uses the same tape: its gradient is a sum over positions and is
//! formed patient by patient.
//!
//! Assumes of its caller: the loss is a sum over rows (no batch normalisation, no risk sets), and
//! rows that stand for no patient have zero loss.

pub mod gradients;
mod sums;

use burn::tensor::{Tensor, TensorData};

use super::conv::Convolution;
use super::device;
use gradients::LayerGradients;
pub use gradients::PatientGradients;

/// A fully connected layer, z = a W + c, that leaves its input and its gradient on a [`Tape`].
pub struct GhostLinear {
    weight: Tensor<2>,
    bias: Option<Tensor<2>>,
    inputs: usize,
    outputs: usize,
}

impl GhostLinear {
    /// A layer from flat weights: `[inputs, outputs]` by rows, then, with a bias, `[outputs]`.
    /// `None` when `parameters` has another length.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, bias: bool, parameters: &[f64]) -> Option<Self> {
        let (weight, rest) = parameters.split_at_checked(inputs.checked_mul(outputs)?)?;
        if rest.len() != if bias { outputs } else { 0 } {
            return None;
        }
        let bias = bias.then(|| constant(rest, 1, outputs));
        Some(Self { weight: constant(weight, inputs, outputs), bias, inputs, outputs })
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    ///
    /// # Panics
    /// As burn does, when `input` does not have the layer's number of columns.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>, tape: &mut Tape) -> Tensor<2> {
        let [rows, _] = input.dims();
        let layer = Layer::Linear { inputs: self.inputs, bias: self.bias.is_some() };
        let leaf = tape.record(layer, Some(input.clone()), rows, self.outputs);
        let product = input.matmul(self.weight.clone());
        match &self.bias {
            Some(bias) => product + bias.clone() + leaf,
            None => product + leaf,
        }
    }
}

/// Adds one parameter a column, z = a + s theta. The scale s is public; it sets how much of a
/// patient's clip norm these parameters take, and the gradient is that of theta.
pub struct GhostOffset {
    offset: Tensor<2>,
    scale: f64,
    outputs: usize,
}

impl GhostOffset {
    /// A layer that adds `offset`, which is s theta.
    #[must_use]
    pub fn new(offset: &[f64], scale: f64) -> Self {
        Self { offset: constant(offset, 1, offset.len()), scale, outputs: offset.len() }
    }

    /// `[rows, 1]` or `[rows, outputs]` to `[rows, outputs]`.
    ///
    /// # Panics
    /// As burn does, on any other number of columns.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>, tape: &mut Tape) -> Tensor<2> {
        let [rows, _] = input.dims();
        let layer = Layer::Linear { inputs: 0, bias: true };
        let leaf = tape.record(layer, None, rows, self.outputs);
        input + self.offset.clone() + leaf.mul_scalar(self.scale)
    }
}

/// What the layers of one forward pass leave behind, in the order in which they ran.
#[derive(Default)]
pub struct Tape {
    layers: Vec<Capture>,
}

struct Capture {
    layer: Layer,
    input: Option<Tensor<2>>,
    leaf: Tensor<2>,
    outputs: usize,
}

#[derive(Clone, Copy)]
enum Layer {
    Linear { inputs: usize, bias: bool },
    Convolution(Convolution),
}

impl Tape {
    /// An empty tape.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn record(
        &mut self,
        layer: Layer,
        input: Option<Tensor<2>>,
        rows: usize,
        outputs: usize,
    ) -> Tensor<2> {
        let leaf = Tensor::<2>::zeros([rows, outputs], &device()).autodiff().require_grad();
        let input = input.map(Tensor::without_autodiff);
        self.layers.push(Capture { layer, input, leaf: leaf.clone(), outputs });
        leaf
    }

    /// Records a convolution over images, one a row; its leaf is `[rows, outputs]`.
    pub(super) fn convolution(&mut self, images: Tensor<2>, shape: Convolution) -> Tensor<2> {
        let [rows, _] = images.dims();
        self.record(Layer::Convolution(shape), Some(images), rows, shape.outputs())
    }

    /// One backward pass from `loss`, the sum of the rows' losses. `None` when the loss does not
    /// come from this tape's layers.
    #[must_use]
    pub fn gradients(self, loss: &Tensor<1>) -> Option<PatientGradients> {
        if !loss.is_tracked() {
            return None;
        }
        let gradients = loss.backward();
        let layers = self.layers.into_iter().map(|Capture { layer, input, leaf, outputs }| {
            let input = match input {
                Some(input) => values(input)?,
                None => Vec::new(),
            };
            let output = values(leaf.grad(&gradients)?)?;
            Some(match layer {
                Layer::Linear { inputs, bias } => {
                    LayerGradients::outer(input, output, inputs, outputs, bias)
                }
                Layer::Convolution(shape) => LayerGradients::convolution(&input, &output, shape),
            })
        });
        layers.collect::<Option<Vec<_>>>().map(PatientGradients::new)
    }
}

/// A tensor outside autodiff, rounded to f32.
pub(crate) fn constant(values: &[f64], rows: usize, columns: usize) -> Tensor<2> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), &device())
}

fn values(tensor: Tensor<2>) -> Option<Vec<f32>> {
    tensor.into_data().try_into_vec::<f32>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::SplitMix64;

    const ROWS: usize = 5;

    fn draw(random: &mut SplitMix64, count: usize) -> Vec<f64> {
        (0..count).map(|_| random.symmetric()).collect()
    }

    /// 3 -> 4 -> 2 with tanh, an offset of scale 0.5, and the sum of squares as loss.
    fn gradients(weights: &[f64], x: &[f64]) -> PatientGradients {
        let first = GhostLinear::new(3, 4, true, &weights[..16]).unwrap();
        let second = GhostLinear::new(4, 2, false, &weights[16..24]).unwrap();
        let offset = GhostOffset::new(&weights[24..], 0.5);
        let mut tape = Tape::new();
        let hidden = first.forward(constant(x, x.len() / 3, 3), &mut tape).tanh();
        let output = offset.forward(second.forward(hidden, &mut tape), &mut tape);
        tape.gradients(&output.powi_scalar(2).sum()).unwrap()
    }

    /// The same by burn's own autodiff with the weights as leaves, one patient alone.
    fn plain(weights: &[f64], x: &[f64]) -> Vec<f64> {
        let leaf =
            |part: &[f64], rows, columns| constant(part, rows, columns).autodiff().require_grad();
        let (w, c) = (leaf(&weights[..12], 3, 4), leaf(&weights[12..16], 1, 4));
        let (v, theta) = (leaf(&weights[16..24], 4, 2), leaf(&[0.0; 2], 1, 2));
        let hidden = (constant(x, 1, 3).matmul(w.clone()) + c.clone()).tanh();
        let output = hidden.matmul(v.clone())
            + constant(&weights[24..], 1, 2)
            + theta.clone().mul_scalar(0.5);
        let gradients = output.powi_scalar(2).sum().backward();
        [w, c, v, theta]
            .iter()
            .flat_map(|leaf| values(leaf.grad(&gradients).unwrap()).unwrap())
            .map(f64::from)
            .collect()
    }

    #[test]
    fn every_row_has_the_gradient_of_a_plain_pass_over_that_patient() {
        let mut random = SplitMix64::new(1);
        let (weights, x) = (draw(&mut random, 26), draw(&mut random, 3 * ROWS));
        let ghost = gradients(&weights, &x);
        assert_eq!(ghost.parameters(), 26);
        let mut row = Vec::new();
        for (i, patient) in x.chunks(3).enumerate() {
            assert!(ghost.write(i, &mut row));
            for (ours, theirs) in row.iter().zip(plain(&weights, patient)) {
                assert!((ours - theirs).abs() < 1e-5 * (1.0 + theirs.abs()), "{ours} {theirs}");
            }
        }
        assert!(!ghost.write(ROWS, &mut row));
    }

    #[test]
    fn the_ghost_norm_is_that_of_the_materialised_gradient() {
        let mut random = SplitMix64::new(2);
        let (weights, x) = (draw(&mut random, 26), draw(&mut random, 3 * ROWS));
        let ghost = gradients(&weights, &x);
        let mut row = Vec::new();
        for i in 0..ROWS {
            assert!(ghost.write(i, &mut row));
            let materialised: f64 = row.iter().map(|value| value * value).sum();
            let difference = (ghost.norm_squared(i).unwrap() - materialised).abs();
            // Both round in f64 only.
            assert!(difference <= 1e-14 * materialised, "{difference}");
        }
        assert!(ghost.norm_squared(ROWS).is_none());
    }

    #[test]
    fn the_book_keeping_sum_is_the_sum_of_clipped_rows() {
        let mut random = SplitMix64::new(3);
        let (weights, mut x) = (draw(&mut random, 26), draw(&mut random, 3 * ROWS));
        x[4] = f64::NAN; // The second patient adds nothing.
        let ghost = gradients(&weights, &x);
        let (mut sum, mut expected, mut row) = (vec![0.0; 26], [0.0; 26], Vec::new());
        assert!(ghost.add_clipped(ROWS, ROWS - 1, 0.7, &mut sum));
        // The last row is padding.
        for i in 0..ROWS - 1 {
            assert!(ghost.write(i, &mut row));
            let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            if norm.is_finite() {
                let factor = (0.7 / norm).min(1.0);
                expected.iter_mut().zip(&row).for_each(|(sum, value)| *sum += factor * value);
            }
        }
        assert!(sum.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{sum:?}");
        assert!(!ghost.add_clipped(ROWS, ROWS, 0.7, &mut sum[1..]));
        assert!(!ghost.add_clipped(ROWS + 1, ROWS, 0.7, &mut sum));
    }

    #[test]
    fn weights_of_another_length_and_losses_of_another_tape_are_refused() {
        assert!(GhostLinear::new(3, 4, true, &[0.0; 12]).is_none());
        assert!(GhostLinear::new(3, 4, false, &[0.0; 16]).is_none());
        assert!(GhostLinear::new(usize::MAX, 2, false, &[]).is_none());
        assert!(Tape::new().gradients(&constant(&[1.0], 1, 1).sum()).is_none());
    }
}
