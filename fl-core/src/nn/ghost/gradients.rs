//! The gradients of the patients of one pass: their norms, their vectors and their clipped sums.
//!
//! burn works in f32, and a product of two f32 is exact in f64: a patient's vector here is exactly the
//! outer products of what burn computed (for a convolution, sums of such over the positions, in a
//! fixed order), and all that follows is in f64.

use super::sums::{add_outer, square};
use crate::nn::conv::Convolution;

/// The gradients of all rows of a pass, linear layers still factored.
///
/// # Security
/// A row's gradient tells about its patient. It stays at the site.
pub struct PatientGradients {
    layers: Vec<LayerGradients>,
}

/// What the rows of a layer have for gradients.
pub(super) enum LayerGradients {
    /// The outer product of a and b, and b itself where there is a bias.
    Outer {
        /// a, `[rows, inputs]`.
        input: Vec<f32>,
        /// b, `[rows, outputs]`.
        output: Vec<f32>,
        inputs: usize,
        outputs: usize,
        bias: bool,
    },
    /// Formed: `[rows, parameters]`.
    Formed { values: Vec<f64>, parameters: usize },
}

impl LayerGradients {
    pub(super) fn outer(
        input: Vec<f32>,
        output: Vec<f32>,
        inputs: usize,
        outputs: usize,
        bias: bool,
    ) -> Self {
        Self::Outer { input, output, inputs, outputs, bias }
    }

    pub(super) fn convolution(images: &[f32], outputs: &[f32], shape: Convolution) -> Self {
        let parameters = shape.parameters();
        let rows = images.chunks(shape.inputs().max(1)).zip(outputs.chunks(shape.outputs().max(1)));
        let mut values = Vec::with_capacity(rows.len() * parameters);
        rows.for_each(|(image, output)| shape.gradient(image, output, &mut values));
        Self::Formed { values, parameters }
    }

    fn parameters(&self) -> usize {
        match self {
            Self::Outer { inputs, outputs, bias, .. } => (inputs + usize::from(*bias)) * outputs,
            Self::Formed { parameters, .. } => *parameters,
        }
    }

    fn norm_squared(&self, row: usize) -> Option<f64> {
        Some(match self {
            Self::Outer { input, output, inputs, outputs, bias } => {
                let (a, b) = (part(input, row, *inputs)?, part(output, row, *outputs)?);
                (square(a) + f64::from(u8::from(*bias))) * square(b)
            }
            Self::Formed { values, parameters } => {
                part(values, row, *parameters)?.iter().map(|value| value * value).sum()
            }
        })
    }

    /// Adds every row times its factor; a row of factor 0 adds nothing, whatever it holds.
    fn add(&self, factors: &[f64], sum: &mut [f64]) {
        match self {
            Self::Outer { input, output, inputs, outputs, bias } => {
                add_outer(factors, (input, *inputs), (output, *outputs), *bias, sum);
            }
            Self::Formed { values, parameters } => {
                for (row, factor) in values.chunks((*parameters).max(1)).zip(factors) {
                    let counts = |value: f64| if *factor == 0.0 { 0.0 } else { factor * value };
                    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += counts(*value));
                }
            }
        }
    }

    /// Calls `visit` with every coordinate of a row: weights `[inputs, outputs]` by rows, then the
    /// bias, or in the order in which they were formed.
    fn each(&self, row: usize, visit: &mut impl FnMut(f64)) -> Option<()> {
        match self {
            Self::Outer { input, output, inputs, outputs, bias } => {
                let (a, b) = (part(input, row, *inputs)?, part(output, row, *outputs)?);
                for &a in a {
                    b.iter().for_each(|&b| visit(f64::from(a) * f64::from(b)));
                }
                if *bias {
                    b.iter().for_each(|&b| visit(f64::from(b)));
                }
            }
            Self::Formed { values, parameters } => {
                part(values, row, *parameters)?.iter().for_each(|value| visit(*value));
            }
        }
        Some(())
    }
}

fn part<T>(values: &[T], row: usize, width: usize) -> Option<&[T]> {
    values.get(row * width..(row + 1) * width)
}

impl PatientGradients {
    pub(super) fn new(layers: Vec<LayerGradients>) -> Self {
        Self { layers }
    }

    /// Length of a patient's vector.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(LayerGradients::parameters).sum()
    }

    /// Squared L2 norm of a row's gradient, without forming it. NaN where the pass gave NaN;
    /// `None` past the last row.
    #[must_use]
    pub fn norm_squared(&self, row: usize) -> Option<f64> {
        self.layers.iter().try_fold(0.0, |norm, layer| Some(norm + layer.norm_squared(row)?))
    }

    /// Calls `visit` with every coordinate of a row's gradient, layers in the order of the pass.
    /// `None` past the last row.
    fn each(&self, row: usize, mut visit: impl FnMut(f64)) -> Option<()> {
        self.layers.iter().try_for_each(|layer| layer.each(row, &mut visit))
    }

    /// Writes a row's gradient into `out`, replacing what it held. False past the last row.
    #[must_use]
    pub fn write(&self, row: usize, out: &mut Vec<f64>) -> bool {
        out.clear();
        self.each(row, |value| out.push(value)).is_some()
    }

    /// Adds the gradients of the first `real` rows, each clipped to L2 norm `clip`, to a sum in f64; a
    /// row without a finite norm adds nothing. This is the book-keeping sum, for networks too wide to
    /// truncate patient by patient: it adds before truncation, so rule S2 charges
    /// ceil(C/g + sqrt(d) + e) for it. The work is that of `rows` rows, whatever `real` is (rule S5).
    /// False when there are fewer rows or `sum` has another length.
    #[must_use]
    pub fn add_clipped(&self, rows: usize, real: usize, clip: f64, sum: &mut [f64]) -> bool {
        if sum.len() != self.parameters() {
            return false;
        }
        let factor = |row: usize| {
            let norm = self.norm_squared(row)?.sqrt();
            Some(match norm {
                _ if row >= real || !norm.is_finite() => 0.0,
                norm if norm > clip => clip / norm,
                _ => 1.0,
            })
        };
        let Some(factors) = (0..rows).map(factor).collect::<Option<Vec<f64>>>() else {
            return false;
        };
        let mut rest = sum;
        for layer in &self.layers {
            let Some((own, tail)) = rest.split_at_mut_checked(layer.parameters()) else {
                return false;
            };
            layer.add(&factors, own);
            rest = tail;
        }
        true
    }
}
