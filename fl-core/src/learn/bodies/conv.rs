//! A small convolutional network for images: cell images of one channel, feature maps of scans of
//! several. LeCun, Bottou, Bengio and Haffner (*Proc IEEE* 1998;86:2278), with bounded activations,
//! which hold up better under clipping and noise (Papernot et al., AAAI 2021).
//!
//! Every stage is a convolution, the largest of 2 x 2 positions, and tanh; then fully connected
//! layers. Inputs are `[channels, height, width]`, one patient a row.

use burn::tensor::Tensor;

use super::dense::Dense;
use super::{Body, Network};
use crate::learn::model::Layer;
use crate::nn::SplitMix64;
use crate::nn::conv::{Convolution, GhostConv, pool, pool_scalar};
use crate::nn::ghost::Tape;

/// The extents of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Channels.
    pub channels: usize,
    /// Height.
    pub height: usize,
    /// Width.
    pub width: usize,
}

/// A convolutional network.
#[derive(Clone, Debug)]
pub struct Convolutional {
    stages: Vec<Convolution>,
    dense: Dense,
}

impl Convolutional {
    /// A stage of so many `filters` each, then the `hidden` layers, then `outputs`; `bias` is that of
    /// the last layer. `None` when the kernel's side is even, or the image is too small to be halved
    /// so many times.
    #[must_use]
    pub fn new(
        image: Image,
        filters: &[usize],
        kernel: usize,
        hidden: &[usize],
        outputs: usize,
        bias: bool,
    ) -> Option<Self> {
        let Image { mut channels, mut height, mut width } = image;
        let mut stages = Vec::with_capacity(filters.len());
        for &filters in filters {
            if height < 2 || width < 2 || kernel.is_multiple_of(2) {
                return None;
            }
            stages.push(Convolution { channels, height, width, filters, kernel });
            (channels, height, width) = (filters, height / 2, width / 2);
        }
        let dense = Dense::new(channels * height * width, hidden, outputs, bias);
        Some(Self { stages, dense })
    }

    /// The weights of every stage, and those of the dense layers.
    fn split<'w>(&self, weights: &'w [f64]) -> Option<(Vec<&'w [f64]>, &'w [f64])> {
        let mut rest = weights;
        let stages = self.stages.iter().map(|stage| {
            let (own, tail) = rest.split_at_checked(stage.parameters())?;
            rest = tail;
            Some(own)
        });
        Some((stages.collect::<Option<_>>()?, rest))
    }
}

impl Body for Convolutional {
    fn layers(&self) -> Vec<Layer> {
        let stages = self.stages.iter().enumerate().flat_map(|(i, stage)| {
            let Convolution { channels, filters, kernel, .. } = *stage;
            let part = |what: &str, shape| Layer {
                name: format!("body.conv.{i}.{what}"),
                shape,
                head: false,
            };
            [part("weight", vec![filters, channels, kernel, kernel]), part("bias", vec![filters])]
        });
        let dense = self.dense.layers().into_iter().map(|layer| {
            let name = layer.name.replacen("body.", "body.dense.", 1);
            Layer { name, ..layer }
        });
        stages.chain(dense).collect()
    }

    /// As Glorot and Bengio have it for fully connected layers, a position being a layer: uniform on
    /// +-sqrt(6 / ((channels + filters) side^2)).
    fn initial(&self, seed: u64) -> Vec<f64> {
        let mut random = SplitMix64::new(!seed);
        let mut weights = Vec::with_capacity(self.parameters());
        for stage in &self.stages {
            let Convolution { channels, filters, kernel, .. } = *stage;
            let bound = (6.0 / ((channels + filters) * kernel * kernel) as f64).sqrt();
            let number = stage.parameters() - filters;
            weights.extend((0..number).map(|_| bound * random.symmetric()));
            weights.extend((0..filters).map(|_| 0.0));
        }
        weights.extend(self.dense.initial(seed));
        weights
    }

    fn network(&self, weights: &[f64]) -> Option<Box<dyn Network>> {
        let (stages, dense) = self.split(weights)?;
        let stages = self.stages.iter().zip(stages);
        Some(Box::new(Layers {
            stages: stages
                .map(|(stage, own)| GhostConv::new(*stage, own))
                .collect::<Option<_>>()?,
            dense: self.dense.network(dense)?,
        }))
    }

    fn evaluate(&self, weights: &[f64], inputs: &[f64]) -> Option<Vec<f64>> {
        let (stages, dense) = self.split(weights)?;
        let mut values = inputs.to_vec();
        for (stage, own) in self.stages.iter().zip(stages) {
            let output = stage.evaluate(own, &values)?;
            values = pool_scalar(&output, stage.height, stage.width);
            values.iter_mut().for_each(|value| *value = libm::tanh(*value));
        }
        self.dense.evaluate(dense, &values)
    }
}

struct Layers {
    stages: Vec<GhostConv>,
    dense: Box<dyn Network>,
}

impl Network for Layers {
    fn forward(&self, inputs: Tensor<2>, tape: &mut Tape) -> Tensor<2> {
        let values = self.stages.iter().fold(inputs, |values, stage| {
            let [rows, _] = values.dims();
            let pooled = pool(stage.forward(values, tape)).tanh();
            let [_, channels, height, width] = pooled.dims();
            pooled.reshape([rows, channels * height * width])
        });
        self.dense.forward(values, tape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ghost::constant;

    const IMAGE: Image = Image { channels: 2, height: 9, width: 8 };

    fn body() -> Convolutional {
        Convolutional::new(IMAGE, &[3, 4], 3, &[5], 2, true).unwrap()
    }

    #[test]
    fn the_scalar_pass_and_the_burn_pass_agree() {
        let body = body();
        let weights = body.initial(2);
        assert_eq!(weights.len(), body.parameters());
        let mut random = SplitMix64::new(1);
        let image: Vec<f64> = (0..144).map(|_| f64::from(random.symmetric() as f32)).collect();
        let scalar = body.evaluate(&weights, &image).unwrap();
        let burn = body.network(&weights).unwrap();
        let burn = burn.forward(constant(&image, 1, 144), &mut Tape::new());
        let burn = burn.into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(scalar.len(), 2);
        for (ours, burn) in scalar.iter().zip(burn) {
            assert!((ours - f64::from(burn)).abs() < 1e-5, "{ours} {burn}");
        }
    }

    #[test]
    fn parts_are_named_and_only_the_last_layer_is_the_head() {
        let layers = body().layers();
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "body.conv.0.weight",
                "body.conv.0.bias",
                "body.conv.1.weight",
                "body.conv.1.bias",
                "body.dense.0.weight",
                "body.dense.0.bias",
                "body.dense.1.weight",
                "body.dense.1.bias"
            ]
        );
        assert_eq!(layers[2].shape, [4, 3, 3, 3]);
        // 9 x 8 becomes 4 x 4 and then 2 x 2.
        assert_eq!(layers[4].shape, [16, 5]);
        assert!(layers.iter().all(|layer| layer.head == layer.name.contains("dense.1")));
    }

    /// N4: the start is a function of the seed, and breaks the symmetry of the filters.
    #[test]
    fn the_start_depends_on_the_seed() {
        let body = body();
        assert_eq!(body.initial(1), body.initial(1));
        assert_ne!(body.initial(1), body.initial(2));
        let weights = body.initial(1);
        assert_ne!(weights[..18], weights[18..36]);
    }

    #[test]
    fn images_too_small_even_kernels_and_other_lengths_are_refused() {
        let new = |filters: &[usize], kernel| {
            Convolutional::new(IMAGE, filters, kernel, &[5], 2, true).is_some()
        };
        assert!(new(&[1, 1, 1], 3));
        assert!(!new(&[1, 1, 1, 1], 3));
        assert!(!new(&[1], 2));
        let body = body();
        let weights = body.initial(1);
        assert!(body.network(&weights[1..]).is_none());
        assert!(body.evaluate(&weights, &[0.0; 143]).is_none());
        assert!(body.evaluate(&weights[..10], &[0.0; 144]).is_none());
    }
}
