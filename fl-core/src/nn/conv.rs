//! A convolution over images whose gradient comes patient by patient, and the pooling after it.
//!
//! A convolution is a linear layer applied at every position of the image: with the patches under
//! the kernel as rows of A_i and the positions' gradients as rows of B_i, patient i's gradient is
//! A_i^T B_i, and that of the bias the column sums of B_i (Rochette, Manoel and Tramel 2019,
//! arXiv:1912.06015, section 3.1; as a case of weights shared over positions in Bu et al. 2023). The
//! product is formed in doubles, positions in order, and the norm taken from it: a kernel has few
//! weights and an image many positions, so this is less work than the two Gram matrices that would
//! give the norm without it.
//!
//! Images are `[channels, height, width]`. The kernel is square with an odd side, moves by one, and
//! sees zeros outside the image, so that the output has the image's extents. Pooling takes the
//! largest of 2 x 2 positions; an odd last row or column is dropped. Weights are
//! `[filters, channels, side, side]`, then `[filters]` biases, as in burn and in PyTorch.

use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, TensorData};

use super::device;
use super::ghost::Tape;

/// The extents of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Channels of the image.
    pub channels: usize,
    /// Its height.
    pub height: usize,
    /// Its width.
    pub width: usize,
    /// Channels of the output.
    pub filters: usize,
    /// Side of the kernel, odd.
    pub kernel: usize,
}

impl Convolution {
    /// Numbers of an image.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.channels * self.positions()
    }

    /// Numbers of an output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.filters * self.positions()
    }

    fn positions(&self) -> usize {
        self.height * self.width
    }

    /// Weights under the kernel.
    fn patch(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Number of weights, biases included.
    #[must_use]
    pub fn parameters(&self) -> usize {
        (self.patch() + 1) * self.filters
    }

    /// Calls `visit` with every pixel under the kernel at a position: its place in the patch and in
    /// the image. What lies outside the image is zero and left out.
    fn under(&self, row: usize, column: usize, mut visit: impl FnMut(usize, usize)) {
        let (kernel, half) = (self.kernel, self.kernel / 2);
        for channel in 0..self.channels {
            for down in 0..kernel {
                let y = (row + down).wrapping_sub(half);
                if y >= self.height {
                    continue;
                }
                for right in 0..kernel {
                    let x = (column + right).wrapping_sub(half);
                    if x < self.width {
                        visit(
                            (channel * kernel + down) * kernel + right,
                            (channel * self.height + y) * self.width + x,
                        );
                    }
                }
            }
        }
    }

    /// The output for one image, in scalar doubles in a fixed order (rule X3). `None` when a length
    /// is wrong.
    #[must_use]
    pub fn evaluate(&self, parameters: &[f64], image: &[f64]) -> Option<Vec<f64>> {
        let (weights, biases) = parameters.split_at_checked(self.patch() * self.filters)?;
        if biases.len() != self.filters || image.len() != self.inputs() {
            return None;
        }
        let mut output = Vec::with_capacity(self.outputs());
        for (weights, bias) in weights.chunks(self.patch().max(1)).zip(biases) {
            for place in 0..self.positions() {
                let mut sum = *bias;
                self.under(place / self.width, place % self.width, |weight, pixel| {
                    if let (Some(weight), Some(pixel)) = (weights.get(weight), image.get(pixel)) {
                        sum += weight * pixel;
                    }
                });
                output.push(sum);
            }
        }
        Some(output)
    }

    /// Appends one patient's gradient to `out`, from the image and the gradient of the output.
    pub(super) fn gradient(&self, image: &[f32], output: &[f32], out: &mut Vec<f64>) {
        let (patch, filters) = (self.patch(), self.filters);
        // B_i, `[positions, filters]`, and the products, `[patch, filters]`.
        let mut by_position = vec![0.0; self.positions() * filters];
        for (filter, values) in output.chunks(self.positions().max(1)).enumerate() {
            let places = by_position.iter_mut().skip(filter).step_by(filters.max(1));
            places.zip(values).for_each(|(place, value)| *place = f64::from(*value));
        }
        let mut products = vec![0.0; patch * filters];
        let mut biases = vec![0.0; filters];
        for (place, b) in by_position.chunks(filters.max(1)).enumerate() {
            self.under(place / self.width, place % self.width, |weight, pixel| {
                let sums = products.get_mut(weight * filters..(weight + 1) * filters);
                if let (Some(sums), Some(a)) = (sums, image.get(pixel)) {
                    let a = f64::from(*a);
                    sums.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
                }
            });
            biases.iter_mut().zip(b).for_each(|(sum, b)| *sum += b);
        }
        for filter in 0..filters {
            out.extend(products.iter().skip(filter).step_by(filters.max(1)));
        }
        out.extend(biases);
    }
}

/// A convolution that leaves its image and its gradient on a [`Tape`].
pub struct GhostConv {
    shape: Convolution,
    weight: Tensor<4>,
    bias: Tensor<1>,
}

impl GhostConv {
    /// A layer from flat weights. `None` when they are of another number, or the kernel's side is
    /// even.
    #[must_use]
    pub fn new(shape: Convolution, parameters: &[f64]) -> Option<Self> {
        let Convolution { channels, filters, kernel, .. } = shape;
        if parameters.len() != shape.parameters() || kernel.is_multiple_of(2) {
            return None;
        }
        let values: Vec<f32> = parameters.iter().map(|&value| value as f32).collect();
        let (weight, bias) = values.split_at_checked(filters * shape.patch())?;
        let weight = TensorData::new(weight.to_vec(), [filters, channels, kernel, kernel]);
        let bias = TensorData::new(bias.to_vec(), [filters]);
        let device = device();
        Some(Self {
            shape,
            weight: Tensor::from_data(weight, &device),
            bias: Tensor::from_data(bias, &device),
        })
    }

    /// `[rows, channels * height * width]` to `[rows, filters, height, width]`.
    ///
    /// # Panics
    /// As burn does, when `input` does not have the image's number of columns.
    #[must_use]
    pub fn forward(&self, input: Tensor<2>, tape: &mut Tape) -> Tensor<4> {
        let Convolution { channels, height, width, filters, kernel } = self.shape;
        let [rows, _] = input.dims();
        let leaf = tape.convolution(input.clone(), self.shape);
        let half = kernel / 2;
        let options = ConvOptions::new([1, 1], [half, half], [1, 1], 1);
        let image = input.reshape([rows, channels, height, width]);
        let output = conv2d(image, self.weight.clone(), Some(self.bias.clone()), options);
        output + leaf.reshape([rows, filters, height, width])
    }
}

/// The largest of every 2 x 2 positions.
///
/// # Panics
/// As burn does, when the image is less than 2 high or wide.
#[must_use]
pub fn pool(image: Tensor<4>) -> Tensor<4> {
    max_pool2d(image, MaxPoolOptions::new([2, 2]))
}

/// The same for one image of `[channels, height, width]`, in doubles. A value that is no number is
/// passed over, unless there is no other.
#[must_use]
pub fn pool_scalar(image: &[f64], height: usize, width: usize) -> Vec<f64> {
    let mut output = Vec::with_capacity(image.len() / 4);
    for channel in image.chunks((height * width).max(1)) {
        for rows in channel.chunks(width.max(1)).collect::<Vec<_>>().chunks_exact(2) {
            let [upper, lower] = rows else { continue };
            let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            output.extend(pairs.map(|(upper, lower)| {
                upper.iter().chain(lower).copied().fold(f64::NEG_INFINITY, f64::max)
            }));
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::SplitMix64;
    use crate::nn::ghost::constant;

    const SHAPE: Convolution =
        Convolution { channels: 2, height: 5, width: 4, filters: 3, kernel: 3 };
    const ROWS: usize = 4;

    fn draw(random: &mut SplitMix64, count: usize) -> Vec<f64> {
        (0..count).map(|_| f64::from(random.symmetric() as f32)).collect()
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
        let values = tensor.into_data().try_into_vec::<f32>().unwrap();
        values.into_iter().map(f64::from).collect()
    }

    #[test]
    fn a_hand_computed_convolution() {
        // One row of pixels and a kernel that takes the right neighbour less the left one.
        let shape = Convolution { channels: 1, height: 1, width: 4, filters: 1, kernel: 3 };
        let mut parameters = [0.0; 10];
        (parameters[3], parameters[5], parameters[9]) = (-1.0, 1.0, 10.0);
        let output = shape.evaluate(&parameters, &[1.0, 2.0, 4.0, 8.0]).unwrap();
        assert_eq!(output, [12.0, 13.0, 16.0, 6.0]);
        // A loss of the first output alone, weighted 1: the patch around the first pixel.
        let mut gradient = Vec::new();
        shape.gradient(&[1.0, 2.0, 4.0, 8.0], &[1.0, 0.0, 0.0, 0.0], &mut gradient);
        assert_eq!(gradient, [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn pooling_takes_the_largest_of_four_and_drops_an_odd_edge() {
        let image = [1.0, 5.0, 9.0, 2.0, 3.0, 9.0, 8.0, 8.0, 8.0];
        assert_eq!(pool_scalar(&image, 3, 3), [5.0]);
        let two = [image, image.map(|x| -x)].concat();
        assert_eq!(pool_scalar(&two, 3, 3), [5.0, -1.0]);
        let burn = pool(constant(&two, 1, 18).reshape([1, 2, 3, 3]));
        assert_eq!(values(burn), [5.0, -1.0]);
    }

    #[test]
    fn the_scalar_pass_and_the_burn_pass_agree() {
        let mut random = SplitMix64::new(3);
        for kernel in [1, 3, 5] {
            let shape = Convolution { kernel, ..SHAPE };
            let parameters = draw(&mut random, shape.parameters());
            let image = draw(&mut random, shape.inputs());
            let layer = GhostConv::new(shape, &parameters).unwrap();
            let output = layer.forward(constant(&image, 1, image.len()), &mut Tape::new());
            assert_eq!(output.dims(), [1, 3, 5, 4]);
            let scalar = shape.evaluate(&parameters, &image).unwrap();
            for (ours, burn) in scalar.iter().zip(values(output.clone())) {
                assert!((ours - burn).abs() < 1e-5, "{ours} {burn}");
            }
            let pooled = pool_scalar(&scalar, 5, 4);
            for (ours, burn) in pooled.iter().zip(values(pool(output))) {
                assert!((ours - burn).abs() < 1e-5, "{ours} {burn}");
            }
        }
    }

    /// The oracle is burn's own autodiff, with the weights as leaves and one patient at a time.
    #[test]
    fn every_patient_has_the_gradient_of_a_plain_pass_over_that_patient() {
        let mut random = SplitMix64::new(4);
        let second = Convolution { channels: 3, height: 2, width: 2, filters: 2, kernel: 3 };
        let weights = draw(&mut random, SHAPE.parameters());
        let others = draw(&mut random, second.parameters());
        let images = draw(&mut random, ROWS * SHAPE.inputs());
        let first = GhostConv::new(SHAPE, &weights).unwrap();
        let last = GhostConv::new(second, &others).unwrap();
        let mut tape = Tape::new();
        let hidden = pool(first.forward(constant(&images, ROWS, SHAPE.inputs()), &mut tape)).tanh();
        let output = last.forward(hidden.reshape([ROWS, 12]), &mut tape);
        let ghost = tape.gradients(&output.powi_scalar(2).sum()).unwrap();
        let mut vector = Vec::new();
        for (row, image) in images.chunks(SHAPE.inputs()).enumerate() {
            assert!(ghost.write(row, &mut vector));
            let plain = plain(&[(SHAPE, &weights), (second, &others)], image);
            assert_eq!(vector.len(), plain.len());
            for (ours, theirs) in vector.iter().zip(plain) {
                assert!((ours - theirs).abs() < 1e-4 * (1.0 + theirs.abs()), "{ours} {theirs}");
            }
            let norm: f64 = vector.iter().map(|value| value * value).sum();
            assert!((ghost.norm_squared(row).unwrap() - norm).abs() <= 1e-13 * norm);
        }
        assert!(!ghost.write(ROWS, &mut vector));
    }

    fn plain(layers: &[(Convolution, &[f64])], image: &[f64]) -> Vec<f64> {
        let mut leaves = Vec::new();
        let mut value = constant(image, 1, image.len()).reshape([1, 2, 5, 4]);
        for (index, (shape, parameters)) in layers.iter().enumerate() {
            let split = shape.patch() * shape.filters;
            let leaf = |part: &[f64]| constant(part, 1, part.len()).autodiff().require_grad();
            let (weight, bias) = (leaf(&parameters[..split]), leaf(&parameters[split..]));
            leaves.extend([weight.clone(), bias.clone()]);
            let weight = weight.reshape([shape.filters, shape.channels, 3, 3]);
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            let bias = bias.reshape([shape.filters]);
            value = conv2d(value, weight, Some(bias), options);
            if index == 0 {
                value = pool(value).tanh();
            }
        }
        let gradients = value.powi_scalar(2).sum().backward();
        leaves.iter().flat_map(|leaf| values(leaf.grad(&gradients).unwrap())).collect()
    }

    #[test]
    fn weights_of_another_number_and_even_kernels_are_refused() {
        let parameters = vec![0.0; SHAPE.parameters()];
        assert!(GhostConv::new(SHAPE, &parameters[1..]).is_none());
        let even = Convolution { kernel: 2, ..SHAPE };
        assert!(GhostConv::new(even, &vec![0.0; even.parameters()]).is_none());
        assert!(SHAPE.evaluate(&parameters, &[0.0; 3]).is_none());
        assert!(SHAPE.evaluate(&parameters[1..], &[0.0; 40]).is_none());
    }
}
