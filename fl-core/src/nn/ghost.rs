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
//! burn works in f32; a product of two f32 is exact in f64, so a patient's vector here is exactly
//! the outer products of what burn computed, and steps 3 and 4 are in f64.
//!
//! Assumes of its caller: the loss is a sum over rows (no batch normalisation, no risk sets), and
//! rows that stand for no patient have zero loss. Convolutions need another norm formula and are
//! not here yet.

use burn::tensor::{Device, Tensor, TensorData};

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
        let leaf = tape.leaf(rows, self.outputs);
        tape.layers.push(Capture {
            input: Some(input.clone().without_autodiff()),
            leaf: leaf.clone(),
            inputs: self.inputs,
            outputs: self.outputs,
            bias: self.bias.is_some(),
        });
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
        let leaf = tape.leaf(rows, self.outputs);
        tape.layers.push(Capture {
            input: None,
            leaf: leaf.clone(),
            inputs: 0,
            outputs: self.outputs,
            bias: true,
        });
        input + self.offset.clone() + leaf.mul_scalar(self.scale)
    }
}

/// What the layers of one forward pass leave behind, in the order in which they ran.
#[derive(Default)]
pub struct Tape {
    layers: Vec<Capture>,
}

struct Capture {
    input: Option<Tensor<2>>,
    leaf: Tensor<2>,
    inputs: usize,
    outputs: usize,
    bias: bool,
}

impl Tape {
    /// An empty tape.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn leaf(&self, rows: usize, outputs: usize) -> Tensor<2> {
        Tensor::<2>::zeros([rows, outputs], &Device::flex()).autodiff().require_grad()
    }

    /// One backward pass from `loss`, the sum of the rows' losses. `None` when the loss does not
    /// come from this tape's layers.
    #[must_use]
    pub fn gradients(self, loss: &Tensor<1>) -> Option<PatientGradients> {
        if !loss.is_tracked() {
            return None;
        }
        let gradients = loss.backward();
        let layers = self
            .layers
            .into_iter()
            .map(|layer| {
                let input = match layer.input {
                    Some(input) => values(input)?,
                    None => Vec::new(),
                };
                Some(LayerGradients {
                    input,
                    output: values(layer.leaf.grad(&gradients)?)?,
                    inputs: layer.inputs,
                    outputs: layer.outputs,
                    bias: layer.bias,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(PatientGradients { layers })
    }
}

/// The gradients of all rows of a pass, still factored.
///
/// # Security
/// A row's gradient tells about its patient. It stays at the site.
pub struct PatientGradients {
    layers: Vec<LayerGradients>,
}

struct LayerGradients {
    /// a, `[rows, inputs]`.
    input: Vec<f32>,
    /// b, `[rows, outputs]`.
    output: Vec<f32>,
    inputs: usize,
    outputs: usize,
    bias: bool,
}

impl LayerGradients {
    fn parameters(&self) -> usize {
        (self.inputs + usize::from(self.bias)) * self.outputs
    }

    fn row(&self, row: usize) -> Option<(&[f32], &[f32])> {
        let part = |values, width: usize| {
            <[f32]>::get::<std::ops::Range<usize>>(values, row * width..(row + 1) * width)
        };
        Some((part(&self.input, self.inputs)?, part(&self.output, self.outputs)?))
    }
}

impl PatientGradients {
    /// Length of a patient's vector.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(LayerGradients::parameters).sum()
    }

    /// Squared L2 norm of a row's gradient, without forming it. NaN where the pass gave NaN;
    /// `None` past the last row.
    #[must_use]
    pub fn norm_squared(&self, row: usize) -> Option<f64> {
        let square =
            |values: &[f32]| values.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        self.layers.iter().try_fold(0.0, |norm, layer| {
            let (a, b) = layer.row(row)?;
            Some(norm + (square(a) + f64::from(u8::from(layer.bias))) * square(b))
        })
    }

    /// Calls `visit` with every coordinate of a row's gradient: layers in the order of the pass,
    /// weights `[inputs, outputs]` by rows, then the bias. `None` past the last row.
    fn each(&self, row: usize, mut visit: impl FnMut(f64)) -> Option<()> {
        for layer in &self.layers {
            let (a, b) = layer.row(row)?;
            for &a in a {
                b.iter().for_each(|&b| visit(f64::from(a) * f64::from(b)));
            }
            if layer.bias {
                b.iter().for_each(|&b| visit(f64::from(b)));
            }
        }
        Some(())
    }

    /// Writes a row's gradient into `out`, replacing what it held. False past the last row.
    #[must_use]
    pub fn write(&self, row: usize, out: &mut Vec<f64>) -> bool {
        out.clear();
        self.each(row, |value| out.push(value)).is_some()
    }

    /// Adds a row's gradient, clipped to L2 norm `clip`, to a sum in f64; a row without a finite
    /// norm adds nothing. This is the book-keeping sum, for networks too wide to truncate patient
    /// by patient: it adds before truncation, so rule S2 charges ceil(C/g + sqrt(d) + e) for it.
    /// False past the last row or when `sum` has another length.
    #[must_use]
    pub fn add_clipped(&self, row: usize, clip: f64, sum: &mut [f64]) -> bool {
        let Some(norm) = self.norm_squared(row).map(f64::sqrt) else { return false };
        if sum.len() != self.parameters() {
            return false;
        }
        if !norm.is_finite() {
            return true;
        }
        let factor = if norm > clip { clip / norm } else { 1.0 };
        let mut places = sum.iter_mut();
        self.each(row, |value| {
            if let Some(place) = places.next() {
                *place += factor * value;
            }
        })
        .is_some()
    }
}

/// A tensor outside autodiff, rounded to f32.
pub(crate) fn constant(values: &[f64], rows: usize, columns: usize) -> Tensor<2> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
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
        for i in 0..ROWS {
            assert!(ghost.add_clipped(i, 0.7, &mut sum));
            assert!(ghost.write(i, &mut row));
            let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            if norm.is_finite() {
                let factor = (0.7 / norm).min(1.0);
                expected.iter_mut().zip(&row).for_each(|(sum, value)| *sum += factor * value);
            }
        }
        assert!(sum.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{sum:?}");
        assert!(!ghost.add_clipped(0, 0.7, &mut sum[1..]));
    }

    #[test]
    fn weights_of_another_length_and_losses_of_another_tape_are_refused() {
        assert!(GhostLinear::new(3, 4, true, &[0.0; 12]).is_none());
        assert!(GhostLinear::new(3, 4, false, &[0.0; 16]).is_none());
        assert!(GhostLinear::new(usize::MAX, 2, false, &[]).is_none());
        assert!(Tape::new().gradients(&constant(&[1.0], 1, 1).sum()).is_none());
    }
}
