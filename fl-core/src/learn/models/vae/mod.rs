//! A variational autoencoder over mixed clinical columns (Kingma and Welling, ICLR 2014,
//! arXiv:1312.6114), for synthetic patients and for what a few latent numbers tell of a row.
//!
//! An encoder gives mean mu and log variance v of the latent z = mu + exp(v / 2) eps; a decoder gives
//! the row's distribution (`mixed`). A patient's loss is the negative evidence lower bound with one
//! draw of eps, -log p(x | z) + KL(q(z | x) || N(0, I)) (their equation 10): a sum over patients, so
//! each patient's gradient through decoder and encoder comes from one ghost pass.
//!
//! # The noise of a patient (rule S2)
//! eps is drawn from a hash of the patient's own encoded row and of the weights: a function of that
//! patient and the model alone, never of the batch, and another one in every round, since the weights
//! change. The weights' start depends on the public seed (rule N4). This noise protects nobody.
//!
//! Takes complete patients only: a stand-in for a missing value would be learned as if it were seen.

mod mixed;

use burn::tensor::{Tensor, TensorData};
use serde::Deserialize;

use self::mixed::Mixed;
use super::Context;
use super::tabular::check_hidden;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::learn::bodies::dense::Dense;
use crate::learn::bodies::{Body, Network, renamed};
use crate::learn::inputs::Inputs;
use crate::learn::model::{Kind, Layer, Model};
use crate::nn::ghost::{GhostOffset, PatientGradients, Tape};
use crate::nn::packing::CHUNK;
use crate::nn::{PatientLoss, SplitMix64, device, mix};
use crate::tasks::layout::{params, refuse};

const MOST_LATENT: usize = 256;
/// theta at which a column's standard deviation starts at about a half.
const START_SPREAD: f64 = 2.2;

/// Parameters; all public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    columns: Vec<String>,
    #[serde(default)]
    log1p: Vec<String>,
    /// Hidden layers of the encoder; the decoder has them in reverse.
    #[serde(default = "hidden")]
    hidden: Vec<usize>,
    /// Latent numbers.
    #[serde(default = "latent")]
    latent: usize,
}

fn hidden() -> Vec<usize> {
    vec![16]
}
fn latent() -> usize {
    2
}

/// The model.
pub struct Vae {
    inputs: Inputs,
    mixed: Mixed,
    encoder: Dense,
    decoder: Dense,
    latent: usize,
}

pub(super) fn open(table: &toml::Table, context: &Context<'_>) -> Result<Box<dyn Model>, Error> {
    Ok(Box::new(Vae::new(table, context)?))
}

/// The weights of each part.
struct Parts<'w> {
    encoder: &'w [f64],
    decoder: &'w [f64],
    theta: &'w [f64],
}

impl Vae {
    fn new(table: &toml::Table, context: &Context<'_>) -> Result<Self, Error> {
        let Context { task, schema, terms, .. } = *context;
        let Params { columns, log1p, hidden, latent } = params(task, table)?;
        check_hidden(task, &hidden)?;
        if hidden.is_empty() {
            return Err(refuse(task, "`hidden` must name at least one layer"));
        }
        if !(1..=MOST_LATENT).contains(&latent) {
            return Err(refuse(task, format!("`latent` must be 1 to {MOST_LATENT}")));
        }
        let mixed = Mixed::new(task, schema, (&columns, &log1p), terms)?;
        let inputs = Inputs::of_terms(task, schema, mixed.terms().to_vec())?;
        let width = inputs.width();
        let back: Vec<usize> = hidden.iter().rev().copied().collect();
        let encoder = Dense::new(width, &hidden, 2 * latent, true);
        let decoder = Dense::new(latent, &back, width, true);
        Ok(Self { inputs, mixed, encoder, decoder, latent })
    }

    fn parts<'w>(&self, weights: &'w [f64]) -> Option<Parts<'w>> {
        let (encoder, rest) = weights.split_at_checked(self.encoder.parameters())?;
        let (decoder, theta) = rest.split_at_checked(self.decoder.parameters())?;
        (theta.len() == self.mixed.numbers()).then_some(Parts { encoder, decoder, theta })
    }

    /// A patient's loss for given eps.
    fn loss_with(&self, weights: &[f64], patient: &[f32], eps: &[f64]) -> Option<f64> {
        let parts = self.parts(weights)?;
        let x: Vec<f64> = patient.iter().map(|&value| f64::from(value)).collect();
        let (present, x) = x.get(..self.width())?.split_last()?;
        let code = self.encoder.evaluate(parts.encoder, x)?;
        let (mean, log_variance) = code.split_at_checked(self.latent)?;
        let (mut z, mut divergence) = (Vec::with_capacity(self.latent), 0.0);
        for ((mu, v), eps) in mean.iter().zip(log_variance).zip(eps) {
            z.push(mu + libm::exp(v / 2.0) * eps);
            divergence += 0.5 * (mu * mu + libm::exp(*v) - 1.0 - v);
        }
        let out = self.decoder.evaluate(parts.decoder, &z)?;
        Some(present * (self.mixed.loss_of(x, &out, parts.theta) + divergence))
    }
}

/// Hash of a model's weights, for [`noise`].
fn digest(weights: &[f64]) -> u64 {
    weights.iter().fold(0, |hash, weight| mix(hash ^ weight.to_bits()).wrapping_add(hash << 1))
}

/// eps of a patient: see the module's head.
fn noise(digest: u64, row: &[f32], latent: usize) -> Vec<f64> {
    let seed = row.iter().fold(digest, |hash, value| mix(hash ^ u64::from(value.to_bits())));
    let mut random = SplitMix64::new(seed);
    (0..latent).map(|_| random.normal()).collect()
}

impl Model for Vae {
    fn layers(&self) -> Vec<Layer> {
        let mut layers: Vec<Layer> = renamed(&self.encoder, "encoder", false).collect();
        layers.extend(renamed(&self.decoder, "decoder", true));
        if self.mixed.numbers() > 0 {
            let shape = vec![self.mixed.numbers()];
            layers.push(Layer { name: "decoder.spread".into(), shape, head: true });
        }
        layers
    }

    fn initial(&self, seed: u64) -> Vec<f64> {
        let mut weights = self.encoder.initial(seed);
        weights.extend(self.decoder.initial(mix(seed)));
        weights.extend(std::iter::repeat_n(START_SPREAD, self.mixed.numbers()));
        weights
    }

    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn width(&self) -> usize {
        self.inputs.width() + 1
    }

    /// The inputs, then a 1 that tells a patient from padding.
    fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool {
        let complete = self.inputs.encode(cohort, patient, out);
        if complete {
            out.push(1.0);
        }
        complete
    }

    fn loss(&self, weights: &[f64]) -> Option<Box<dyn PatientLoss>> {
        let parts = self.parts(weights)?;
        Some(Box::new(VaeLoss {
            encoder: self.encoder.network(parts.encoder)?,
            decoder: self.decoder.network(parts.decoder)?,
            theta: (self.mixed.numbers() > 0).then(|| GhostOffset::new(parts.theta, 1.0)),
            mixed: self.mixed.clone(),
            latent: self.latent,
            inputs: self.inputs.width(),
            digest: digest(weights),
        }))
    }

    fn kind(&self) -> Kind {
        Kind::Reconstruction
    }

    fn outputs(&self) -> Vec<String> {
        self.inputs.terms().iter().map(|term| term.name.clone()).collect()
    }

    fn predict(&self, weights: &[f64], inputs: &[f32]) -> Option<Vec<f64>> {
        let parts = self.parts(weights)?;
        let x = inputs.get(..self.inputs.width())?;
        let x: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
        let code = self.encoder.evaluate(parts.encoder, &x)?;
        let out = self.decoder.evaluate(parts.decoder, code.get(..self.latent)?)?;
        Some(self.mixed.expected(&out))
    }

    fn loss_of(&self, weights: &[f64], patient: &[f32]) -> Option<f64> {
        let eps = noise(digest(weights), patient.get(..self.width())?, self.latent);
        self.loss_with(weights, patient, &eps)
    }

    fn sample(&self, weights: &[f64], seed: u64) -> Option<Vec<f64>> {
        let parts = self.parts(weights)?;
        let mut random = SplitMix64::new(mix(seed));
        let z: Vec<f64> = (0..self.latent).map(|_| random.normal()).collect();
        let out = self.decoder.evaluate(parts.decoder, &z)?;
        Some(self.mixed.draw(&out, parts.theta, &mut random))
    }
}

struct VaeLoss {
    encoder: Box<dyn Network>,
    decoder: Box<dyn Network>,
    theta: Option<GhostOffset>,
    mixed: Mixed,
    latent: usize,
    inputs: usize,
    digest: u64,
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
        let all = tensor(chunk.to_vec(), self.width());
        let x = all.clone().narrow(1, 0, self.inputs);
        let present = all.narrow(1, self.inputs, 1);
        let mut tape = Tape::new();
        let code = self.encoder.forward(x.clone(), &mut tape);
        let mean = code.clone().narrow(1, 0, self.latent);
        let log_variance = code.narrow(1, self.latent, self.latent);
        let spread = log_variance.clone().div_scalar(2.0).exp();
        let z = mean.clone() + spread * tensor(eps, self.latent);
        let out = self.decoder.forward(z, &mut tape);
        let theta = self.theta.as_ref().map(|theta| theta.forward(present.zeros_like(), &mut tape));
        let divergence = mean.powi_scalar(2) + log_variance.clone().exp() - log_variance;
        let divergence = divergence.sub_scalar(1.0).sum_dim(1).mul_scalar(0.5);
        let loss = self.mixed.loss(&x, &out, theta) + divergence;
        tape.gradients(&(present * loss).sum())
    }
}

#[cfg(test)]
mod tests;
