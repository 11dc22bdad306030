//! What strategies share whose sites train by themselves and send an update: the training, the
//! floors, and the mean over patients.
//!
//! Each site takes steps of stochastic gradient descent over its own patients and sends n_i (w_i - w),
//! n_i its number of training patients; the mean is over patients, so that all together approach what
//! the pooled rows would give. The update is shortened to the public norm `clip` before it is
//! multiplied, so that a site's vector has a bound (rule S5). It is no function of one patient, so
//! there is no sensitivity and the class is exact.

use serde::Deserialize;

use super::{Broadcast, Server};
use crate::error::Error;
use crate::learn::local::{Local, Patients};
use crate::sum::Sum;
use crate::task::{Block, Site};
use crate::tasks::layout::{count_block, read_counts, reals, refuse};

/// Block of the updates.
pub(crate) const DELTA: &str = "delta";

/// How a site trains by itself.
#[derive(Clone, Debug, Deserialize)]
pub struct LocalTraining {
    /// Passes over the site's patients.
    #[serde(default = "one")]
    pub epochs: u32,
    /// Patients of a step.
    #[serde(default = "batch")]
    pub batch: u32,
    /// Step size.
    #[serde(default = "learning_rate")]
    pub learning_rate: f64,
    /// Largest L2 norm of an update.
    #[serde(default = "clip")]
    pub clip: f64,
    /// Weight decay.
    #[serde(default)]
    pub ridge: f64,
    /// The grid of the sum: g = 2^-frac_bits.
    #[serde(default = "frac_bits")]
    pub frac_bits: u8,
}

fn one() -> u32 {
    1
}
fn batch() -> u32 {
    32
}
fn learning_rate() -> f64 {
    0.1
}
fn clip() -> f64 {
    10.0
}
fn frac_bits() -> u8 {
    24
}

impl LocalTraining {
    /// Its keys in a strategy's table.
    pub(crate) const KEYS: &'static [&'static str] =
        &["epochs", "batch", "learning_rate", "clip", "ridge", "frac_bits"];

    /// The blocks of a site that sends its number of patients and an update of `dimension` weights.
    pub(crate) fn blocks(&self, dimension: usize) -> Vec<Block> {
        vec![count_block(), reals(DELTA, dimension, self.clip, self.frac_bits)]
    }

    /// Refuses what cannot be used.
    ///
    /// # Errors
    /// Naming the parameter.
    pub fn check(&self, task: &str) -> Result<(), Error> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let rules = [
            (!(1..=1000).contains(&self.epochs), "`epochs` must be 1 to 1000"),
            (!(1..=65_536).contains(&self.batch), "`batch` must be 1 to 65536"),
            (!positive(self.learning_rate), "`learning_rate` must be above 0"),
            (!positive(self.clip), "`clip` must be above 0"),
            (!(self.ridge >= 0.0 && self.ridge.is_finite()), "`ridge` must be at least 0"),
            (self.frac_bits > 40, "`frac_bits` must be at most 40"),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, reason)) => Err(refuse(task, *reason)),
            None => Ok(()),
        }
    }

    /// Trains from `start`; `correct` may change each step's gradient (a proximal term, a control
    /// variate), given the weights of that moment. The weights and the number of steps.
    ///
    /// # Errors
    /// When a gradient is no finite number.
    pub fn train(
        &self,
        told: &Broadcast<'_>,
        start: &[f64],
        local: &Local<'_>,
        patients: &Patients,
        correct: impl Fn(&[f64], &mut [f64]),
    ) -> Result<(Vec<f64>, u32), String> {
        let mut weights = start.to_vec();
        let mut steps = 0;
        let width = local.model().width();
        for epoch in 0..self.epochs {
            // The order is a public function of round and pass (rule N4).
            let round = u64::from(told.step) << 32 | u64::from(epoch);
            let order = patients.shuffled(told.seed ^ crate::nn::mix(round));
            for batch in order.values().chunks(self.batch as usize * width) {
                let gradient = local.mean_gradient(&weights, batch);
                let mut gradient = gradient.ok_or("a gradient is no finite number")?;
                for (slope, weight) in gradient.iter_mut().zip(&weights) {
                    *slope += self.ridge * weight;
                }
                correct(&weights, &mut gradient);
                for (weight, slope) in weights.iter_mut().zip(&gradient) {
                    *weight -= self.learning_rate * slope;
                }
                steps += 1;
            }
        }
        match weights.iter().all(|weight| weight.is_finite()) {
            true => Ok((weights, steps)),
            false => Err("the weights overflowed".into()),
        }
    }
}

/// The patients of a site that trains by itself, unless its floors forbid it.
pub(crate) fn patients(local: &Local<'_>, site: &Site<'_>) -> Result<Patients, String> {
    let patients = local.training(site.cohort);
    reaches(&patients, site.min_local_rows.max(1))?;
    if site.cohort.len() as u64 > site.max_patients {
        return Err(format!("more patients than the public cap of {}", site.max_patients));
    }
    Ok(patients)
}

/// Refuses fewer patients than a floor; 0, which a site has under noise, refuses nobody.
pub(crate) fn reaches(patients: &Patients, floor: u64) -> Result<(), String> {
    if (patients.len() as u64) < floor {
        return Err(format!("fewer complete training patients than the site's floor of {floor}"));
    }
    Ok(())
}

/// n (w - start), the difference shortened to `clip`.
pub(crate) fn weighted_update(
    start: &[f64],
    weights: &[f64],
    patients: usize,
    clip: f64,
) -> Result<Vec<f64>, String> {
    let mut delta: Vec<f64> = weights.iter().zip(start).map(|(own, w)| own - w).collect();
    if !shorten(&mut delta, clip) {
        return Err("the update is no finite number".into());
    }
    delta.iter_mut().for_each(|value| *value *= patients as f64);
    Ok(delta)
}

/// The mean of a block over the patients of a sum.
pub(crate) fn mean(sum: &Sum, block: &str, dimension: usize) -> Result<Vec<f64>, String> {
    let patients = read_counts(sum).map_err(|error| error.to_string())?.patients;
    let values = sum.block(block);
    if values.len() != dimension {
        return Err(format!("{} numbers for {dimension} weights", values.len()));
    }
    if patients == 0 {
        return Err("no site sent an update: each has too few complete training patients, or an \
                    update that is no number; its own log says which"
            .into());
    }
    Ok(values.into_iter().map(|value| value / patients as f64).collect())
}

/// Moves the model by the patients' mean of the updates.
pub(crate) fn move_by_mean(server: &mut Server, sum: &Sum, rate: f64) -> Result<(), String> {
    let mean = mean(sum, DELTA, server.weights.len())?;
    for (weight, step) in server.weights.iter_mut().zip(mean) {
        *weight += rate * step;
    }
    Ok(())
}

/// Shortens a vector to L2 norm `clip`; false, leaving it as it is, when its norm is not finite.
pub(crate) fn shorten(values: &mut [f64], clip: f64) -> bool {
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    if !norm.is_finite() {
        return false;
    }
    if norm > clip {
        values.iter_mut().for_each(|value| *value *= clip / norm);
    }
    true
}
