//! Federated averaging (McMahan et al., AISTATS 2017), with server momentum as FedAvgM (Hsu, Qi and
//! Brown 2019, arXiv:1909.06335).
//!
//! Each site trains for some passes over its own patients and sends n_i (w_i - w), n_i its number of
//! training patients; the server moves by the mean over patients. The update is shortened to the
//! public norm `clip` before it is multiplied, so that a site's vector has a bound (rule S5); it is
//! no function of one patient, so there is no sensitivity and the class is exact.

use serde::Deserialize;

use super::{Broadcast, Server, Strategy, Unit, shorten, update_block};
use crate::error::Error;
use crate::learn::local::{Local, Patients};
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::{count_block, count_values, read_counts, refuse};

/// Name of the strategy.
pub const NAME: &str = "fedavg";

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
    let (number, floor) = (patients.len() as u64, site.min_local_rows.max(1));
    if number < floor {
        return Err(format!("fewer complete training patients than the site's floor of {floor}"));
    }
    if number > site.max_patients {
        return Err(format!("more patients than the public cap of {}", site.max_patients));
    }
    Ok(patients)
}

/// The update of a site as its blocks: counts, then n (w - start), the difference shortened.
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
        return Err("no site has enough complete training patients".into());
    }
    Ok(values.into_iter().map(|value| value / patients as f64).collect())
}

/// Parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct Params {
    /// How a site trains.
    #[serde(flatten)]
    pub local: LocalTraining,
    /// Step of the server on the mean update.
    #[serde(default = "server_rate")]
    pub server_rate: f64,
    /// Server momentum: above 0, FedAvgM.
    #[serde(default)]
    pub momentum: f64,
}

fn server_rate() -> f64 {
    1.0
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct FedAvg {
    params: Params,
}

impl FedAvg {
    /// The strategy of these parameters.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn new(task: &str, params: Params) -> Result<Self, Error> {
        params.local.check(task)?;
        if !(params.server_rate > 0.0 && params.server_rate.is_finite()) {
            return Err(refuse(task, "`server_rate` must be above 0"));
        }
        if !(0.0..1.0).contains(&params.momentum) {
            return Err(refuse(task, "`momentum` must be at least 0 and below 1"));
        }
        Ok(Self { params })
    }
}

impl Strategy for FedAvg {
    fn unit(&self) -> Unit {
        Unit::None
    }

    fn blocks(&self, dimension: usize) -> Vec<Block> {
        let LocalTraining { clip, frac_bits, .. } = self.params.local;
        vec![count_block(), update_block(DELTA, dimension, clip, frac_bits)]
    }

    fn sensitivity(&self, _dimension: usize) -> Option<u64> {
        None
    }

    fn start(&self, weights: Vec<f64>) -> Server {
        Server::with_slots(weights, 1)
    }

    fn contribute(
        &self,
        told: &Broadcast<'_>,
        local: &Local<'_>,
        site: &Site<'_>,
        _state: &mut SiteState,
    ) -> Result<Vec<Vec<f64>>, String> {
        let patients = patients(local, site)?;
        let (weights, _) =
            self.params.local.train(told, told.weights, local, &patients, |_, _| {})?;
        let (number, clip) = (patients.len(), self.params.local.clip);
        let delta = weighted_update(told.weights, &weights, number, clip)?;
        Ok(vec![count_values(number, 0), delta])
    }

    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String> {
        let mean = mean(sum, DELTA, server.weights.len())?;
        let Some(velocity) = server.slots.first_mut() else {
            return Err("the state has no momentum".into());
        };
        for ((weight, velocity), step) in server.weights.iter_mut().zip(velocity).zip(mean) {
            *velocity = self.params.momentum * *velocity + step;
            *weight += self.params.server_rate * *velocity;
        }
        Ok(())
    }
}
