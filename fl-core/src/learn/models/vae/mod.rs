//! A variational autoencoder over mixed clinical columns (Kingma and Welling, ICLR 2014,
//! arXiv:1312.6114), for synthetic patients and for what a few latent numbers tell of a row.
//!
//! An encoder gives mean mu and log variance v of the latent z = mu + exp(v / 2) eps; a decoder gives
//! the row's distribution (`mixed`). A patient's loss is the negative evidence lower bound with one
//! draw of eps, -log p(x | z) + KL(q(z | x) || N(0, I)) (their equation 10): a sum over patients, so
//! each patient's gradient through decoder and encoder comes from one ghost pass.
//!
//! Two things may be added. With an `outcome` the model is conditional on it (`condition`): encoder
//! and decoder read it beside x and z, and the loss has -log p(c) more. With more than one of
//! `components` the latent has a mixture as its prior (`prior`). Both have weights of their own, which
//! are learned by the same patients' gradients, clipped and charged with all others: what the model
//! needs to draw whole patients is in its weights.
//!
//! # The noise of a patient (rule S2)
//! eps is drawn from a hash of the patient's own encoded row and of the weights: a function of that
//! patient and the model alone, never of the batch, and another one in every round, since the weights
//! change. The weights' start depends on the public seed (rule N4). This noise protects nobody.
//!
//! Takes complete patients only: a stand-in for a missing value would be learned as if it were seen.

mod condition;
mod levels;
mod mixed;
mod pass;
mod prior;

use serde::Deserialize;

use self::condition::Condition;
use self::mixed::Mixed;
use self::pass::VaeLoss;
use self::prior::Prior;
use super::Context;
use super::tabular::check_hidden;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::learn::bodies::dense::Dense;
use crate::learn::bodies::{Body, renamed};
use crate::learn::inputs::Inputs;
use crate::learn::model::{Kind, Layer, Model};
use crate::nn::ghost::GhostOffset;
use crate::nn::{PatientLoss, SplitMix64, mix};
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
    /// A flag or category that all else is conditional on.
    outcome: Option<String>,
    /// Components of the prior; 1 is the standard normal.
    #[serde(default = "components")]
    components: usize,
}

fn hidden() -> Vec<usize> {
    vec![16]
}
fn latent() -> usize {
    2
}
fn components() -> usize {
    1
}

/// The model.
pub struct Vae {
    /// Indicators of the outcome, if there is one, then the terms of `mixed`.
    inputs: Inputs,
    condition: Option<Condition>,
    mixed: Mixed,
    encoder: Dense,
    decoder: Dense,
    prior: Prior,
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
    prior: &'w [f64],
    outcome: &'w [f64],
}

impl Vae {
    fn new(table: &toml::Table, context: &Context<'_>) -> Result<Self, Error> {
        let Context { task, schema, terms, .. } = *context;
        let Params { columns, log1p, hidden, latent, outcome, components } = params(task, table)?;
        check_hidden(task, &hidden)?;
        if hidden.is_empty() {
            return Err(refuse(task, "`hidden` must name at least one layer"));
        }
        if !(1..=MOST_LATENT).contains(&latent) {
            return Err(refuse(task, format!("`latent` must be 1 to {MOST_LATENT}")));
        }
        let prior = Prior::new(task, components, latent)?;
        let condition = outcome.map(|name| Condition::new(task, schema, &name)).transpose()?;
        let columns = match &condition {
            Some(condition) => condition.others(task, schema, &columns)?,
            None => columns,
        };
        let mixed = Mixed::new(task, schema, (&columns, &log1p), terms)?;
        let own = match &condition {
            Some(condition) => condition.terms(),
            None => &[],
        };
        let (levels, width) = (own.len(), mixed.terms().len());
        let inputs = Inputs::of_terms(task, schema, [own, mixed.terms()].concat())?;
        let back: Vec<usize> = hidden.iter().rev().copied().collect();
        let encoder = Dense::new(levels + width, &hidden, 2 * latent, true);
        let decoder = Dense::new(latent + levels, &back, width, true);
        Ok(Self { inputs, condition, mixed, encoder, decoder, prior, latent })
    }

    /// Levels of the outcome: how many of the inputs are its indicators, and its weights.
    fn levels(&self) -> usize {
        self.condition.as_ref().map_or(0, Condition::levels)
    }

    fn parts<'w>(&self, weights: &'w [f64]) -> Option<Parts<'w>> {
        let (encoder, rest) = weights.split_at_checked(self.encoder.parameters())?;
        let (decoder, rest) = rest.split_at_checked(self.decoder.parameters())?;
        let (theta, rest) = rest.split_at_checked(self.mixed.numbers())?;
        let (prior, outcome) = rest.split_at_checked(self.prior.parameters())?;
        (outcome.len() == self.levels()).then_some(Parts {
            encoder,
            decoder,
            theta,
            prior,
            outcome,
        })
    }

    /// The decoder's numbers for z and the outcome's indicators.
    fn decode(&self, parts: &Parts<'_>, z: &[f64], own: &[f64]) -> Option<Vec<f64>> {
        self.decoder.evaluate(parts.decoder, &[z, own].concat())
    }

    /// A patient's loss for given eps.
    fn loss_with(&self, weights: &[f64], patient: &[f32], eps: &[f64]) -> Option<f64> {
        let parts = self.parts(weights)?;
        let row: Vec<f64> = patient.iter().map(|&value| f64::from(value)).collect();
        let (present, inputs) = row.get(..self.width())?.split_last()?;
        let (own, x) = inputs.split_at_checked(self.levels())?;
        let code = self.encoder.evaluate(parts.encoder, inputs)?;
        let (mean, log_variance) = code.split_at_checked(self.latent)?;
        let draws = mean.iter().zip(log_variance).zip(eps);
        let z: Vec<f64> = draws.map(|((mu, v), eps)| mu + libm::exp(v / 2.0) * eps).collect();
        let out = self.decode(&parts, &z, own)?;
        let divergence = self.prior.divergence(parts.prior, (mean, log_variance), (&z, eps))?;
        let loss = self.mixed.loss_of(x, &out, parts.theta) + divergence;
        Some(present * (loss + condition::surprise(own, parts.outcome)))
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
        layers.extend(self.prior.layers());
        if self.levels() > 0 {
            let shape = vec![self.levels()];
            layers.push(Layer { name: "outcome.logits".into(), shape, head: true });
        }
        layers
    }

    fn initial(&self, seed: u64) -> Vec<f64> {
        let mut weights = self.encoder.initial(seed);
        weights.extend(self.decoder.initial(mix(seed)));
        weights.extend(std::iter::repeat_n(START_SPREAD, self.mixed.numbers()));
        weights.extend(self.prior.initial(seed));
        weights.extend(std::iter::repeat_n(0.0, self.levels()));
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
            prior: self.prior.layer(parts.prior)?,
            outcome: (self.levels() > 0).then(|| GhostOffset::new(parts.outcome, 1.0)),
            levels: self.levels(),
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

    /// The shares of the outcome's levels, which the model draws whatever the row, then the row.
    fn predict(&self, weights: &[f64], inputs: &[f32]) -> Option<Vec<f64>> {
        let parts = self.parts(weights)?;
        let inputs = inputs.get(..self.inputs.width())?;
        let inputs: Vec<f64> = inputs.iter().map(|&value| f64::from(value)).collect();
        let code = self.encoder.evaluate(parts.encoder, &inputs)?;
        let own = inputs.get(..self.levels())?;
        let out = self.decode(&parts, code.get(..self.latent)?, own)?;
        Some([levels::shares(parts.outcome), self.mixed.expected(&out)].concat())
    }

    fn loss_of(&self, weights: &[f64], patient: &[f32]) -> Option<f64> {
        let eps = noise(digest(weights), patient.get(..self.width())?, self.latent);
        self.loss_with(weights, patient, &eps)
    }

    /// The outcome's level, if there is an outcome, then the numbers, flags and categories.
    fn sample(&self, weights: &[f64], seed: u64) -> Option<Vec<f64>> {
        let parts = self.parts(weights)?;
        let mut random = SplitMix64::new(mix(seed));
        let level = self.condition.as_ref().map(|_| levels::draw(parts.outcome, &mut random));
        let z = self.prior.draw(parts.prior, &mut random)?;
        let own: Vec<f64> =
            (0..self.levels()).map(|k| f64::from(u8::from(level == Some(k)))).collect();
        let out = self.decode(&parts, &z, &own)?;
        let mut row: Vec<f64> = level.map(|level| level as f64).into_iter().collect();
        row.extend(self.mixed.draw(&out, parts.theta, &mut random));
        Some(row)
    }
}

#[cfg(test)]
mod tests;
