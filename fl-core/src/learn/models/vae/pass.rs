//! The loss of many patients in burn, with each one's gradient.

use burn::tensor::{Tensor, TensorData, activation};

use super::mixed::Mixed;
use super::noise;
use super::prior::PriorLayer;
use crate::learn::bodies::Network;
use crate::nn::ghost::{GhostOffset, PatientGradients, Tape};
use crate::nn::packing::CHUNK;
use crate::nn::{PatientLoss, device};

/// The loss at given weights.
pub(super) struct VaeLoss {
    pub(super) encoder: Box<dyn Network>,
    pub(super) decoder: Box<dyn Network>,
    /// Spreads of the numeric columns, if there are any.
    pub(super) theta: Option<GhostOffset>,
    pub(super) mixed: Mixed,
    pub(super) prior: PriorLayer,
    /// Logits of the outcome, if there is one.
    pub(super) outcome: Option<GhostOffset>,
    /// Levels of the outcome; they are the first of the inputs.
    pub(super) levels: usize,
    pub(super) latent: usize,
    pub(super) inputs: usize,
    /// Of the weights, for the noise.
    pub(super) digest: u64,
}

impl PatientLoss for VaeLoss {
    fn width(&self) -> usize {
        self.inputs + 1
    }

    fn gradients(&self, chunk: &[f32]) -> Option<PatientGradients> {
        if chunk.len() != CHUNK * self.width() {
            return None;
        }
        let eps: Vec<f32> = chunk
            .chunks(self.width())
            .flat_map(|row| noise(self.digest, row, self.latent))
            .map(|value| value as f32)
            .collect();
        let tensor = |values, width| {
            Tensor::<2>::from_data(TensorData::new(values, [CHUNK, width]), &device())
        };
        let eps = tensor(eps, self.latent);
        let all = tensor(chunk.to_vec(), self.width());
        let inputs = all.clone().narrow(1, 0, self.inputs);
        let x = all.clone().narrow(1, self.levels, self.inputs - self.levels);
        let present = all.narrow(1, self.inputs, 1);
        let zeros = present.zeros_like();
        // Layers run in the order of the weights: that of the tape.
        let mut tape = Tape::new();
        let code = self.encoder.forward(inputs.clone(), &mut tape);
        let mean = code.clone().narrow(1, 0, self.latent);
        let log_variance = code.narrow(1, self.latent, self.latent);
        let spread = log_variance.clone().div_scalar(2.0).exp();
        let z = mean.clone() + spread * eps.clone();
        let out = self.decoder.forward(self.conditioned(z.clone(), &inputs), &mut tape);
        let theta = self.theta.as_ref().map(|theta| theta.forward(zeros.clone(), &mut tape));
        let divergence = self.prior.divergence((mean, log_variance), (z, eps), &zeros, &mut tape);
        let mut loss = self.mixed.loss(&x, &out, theta) + divergence;
        if let Some(logits) = &self.outcome {
            let log_share = activation::log_softmax(logits.forward(zeros, &mut tape), 1);
            let own = inputs.narrow(1, 0, self.levels);
            loss = loss - (own * log_share).sum_dim(1);
        }
        tape.gradients(&(present * loss).sum())
    }
}

impl VaeLoss {
    /// What the decoder reads: z, then the outcome.
    fn conditioned(&self, z: Tensor<2>, inputs: &Tensor<2>) -> Tensor<2> {
        match self.levels {
            0 => z,
            levels => Tensor::cat(vec![z, inputs.clone().narrow(1, 0, levels)], 1),
        }
    }
}
