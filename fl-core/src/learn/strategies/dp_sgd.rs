//! Per-step DP-SGD (Abadi et al., CCS 2016): the default under privacy.
//!
//! Every round is one step over all sites' patients. Each patient's gradient is clipped to norm C;
//! the clipped sum is formed in doubles from the factors of one backward pass (book-keeping; Bu,
//! Wang, Zha and Karypis, ICML 2023) and truncated to the grid once. D covers that (rule S2, first
//! form): see [`Sensitivity::of_float_sum`]. Noise is added to the sum over all hospitals, so the
//! step has the utility of one on the pooled rows.
//!
//! The divisor is the public q `expected_patients` (rule S4). The step on the mean gradient is heavy
//! ball momentum, or Adam (Kingma and Ba, ICLR 2015); both are what is done with a release, and cost
//! no privacy.
//!
//! The defaults were the best on made-up registries under the noise of epsilon 1 to 10
//! (`tests/learn/artificial.rs`): a gradient that is clipped short keeps its direction and carries less
//! noise, and the rate makes up for its length. They are for linear models in about 20 steps; hidden
//! layers want a smaller rate.

use haima_dp::fixed::Grid;
use haima_dp::units::Sensitivity;
use serde::Deserialize;

use super::local_training::reaches;
use super::{Broadcast, Context, Server, Strategy, Unit};
use crate::error::Error;
use crate::learn::local::Local;
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::refuse;

/// Name of the strategy.
pub const NAME: &str = "dp-sgd";

const BLOCK: &str = "gradient";
/// Patients of a site up to which D is proven; a manifest that allows more gets zeros from all.
pub(super) const MOST_PATIENTS: u64 = 100_000;

/// Parameters; all public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// L2 norm C to which each patient's gradient is clipped.
    #[serde(default = "clip")]
    pub clip: f64,
    /// Step size on the mean clipped gradient.
    #[serde(default = "learning_rate")]
    pub learning_rate: f64,
    /// Share of the last step that is taken again.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// `"sgd"` or `"adam"`.
    #[serde(default)]
    pub optimiser: Optimiser,
    /// Probability with which each patient takes part in a step, independently.
    #[serde(default = "one")]
    pub sample_rate: f64,
    /// The grid of the sum: g = 2^-frac_bits.
    #[serde(default = "frac_bits")]
    pub frac_bits: u8,
    /// Weight decay: this much of the weights is added to the mean gradient.
    #[serde(default)]
    pub ridge: f64,
}

/// What is done with the mean gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimiser {
    /// Heavy-ball momentum.
    #[default]
    Sgd,
    /// Adam with the paper's constants.
    Adam,
}

fn clip() -> f64 {
    0.5
}
fn one() -> f64 {
    1.0
}
fn learning_rate() -> f64 {
    3.0
}
fn momentum() -> f64 {
    0.9
}
fn frac_bits() -> u8 {
    16
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct DpSgd {
    params: Params,
    grid: Grid,
    /// What a sum is divided by.
    expected: f64,
}

impl DpSgd {
    /// The strategy of these parameters.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn new(task: &str, params: Params, context: &Context<'_>) -> Result<Self, Error> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let rules = [
            (!positive(params.clip), "`clip` must be above 0"),
            (!positive(params.learning_rate), "`learning_rate` must be above 0"),
            (!(0.0..1.0).contains(&params.momentum), "`momentum` must be at least 0 and below 1"),
            (
                !(params.sample_rate > 0.0 && params.sample_rate <= 1.0),
                "`sample_rate` must be above 0 and at most 1",
            ),
            (!(params.ridge >= 0.0 && params.ridge.is_finite()), "`ridge` must be at least 0"),
        ];
        if let Some((_, reason)) = rules.iter().find(|(broken, _)| *broken) {
            return Err(refuse(task, *reason));
        }
        let grid = Grid::new(params.frac_bits)?;
        Sensitivity::of_float_sum(params.clip, grid, 1, MOST_PATIENTS)?;
        let expected = params.sample_rate * context.expected_patients as f64;
        Ok(Self { params, grid, expected })
    }

    fn distance(&self, dimension: usize) -> u64 {
        Sensitivity::of_float_sum(self.params.clip, self.grid, dimension as u64, MOST_PATIENTS)
            .map_or(Sensitivity::MAX, Sensitivity::get)
    }
}

/// Whether D holds for a site. Public figures decide this, no patient does.
pub(super) fn proven(site: &Site<'_>) -> Result<(), String> {
    if site.max_patients > MOST_PATIENTS {
        return Err(format!("D is proven for sites of up to {MOST_PATIENTS} patients"));
    }
    Ok(())
}

impl Strategy for DpSgd {
    fn unit(&self) -> Unit {
        Unit::Patient
    }

    fn blocks(&self, dimension: usize) -> Vec<Block> {
        vec![Block {
            name: BLOCK.to_owned(),
            len: u32::try_from(dimension).unwrap_or(u32::MAX),
            frac_bits: self.params.frac_bits,
            patient_bound: self.distance(dimension),
        }]
    }

    fn sensitivity(&self, dimension: usize) -> Option<u64> {
        Some(self.distance(dimension))
    }

    fn rate(&self) -> f64 {
        self.params.sample_rate
    }

    fn start(&self, weights: Vec<f64>) -> Server {
        // Momentum, and Adam's second moment.
        Server::with_slots(weights, 2)
    }

    fn contribute(
        &self,
        told: &Broadcast<'_>,
        local: &Local<'_>,
        site: &Site<'_>,
        _state: &mut SiteState,
    ) -> Result<Vec<Vec<f64>>, String> {
        proven(site)?;
        let patients = local.training(site.cohort);
        reaches(&patients, site.min_local_rows)?;
        // An empty sample answers as any other (rule S5): with zeros, under noise.
        let sum = local.clipped_sum(told.weights, &patients, site.capacity, self.params.clip);
        Ok(vec![sum.ok_or("the backend gave no gradients")?])
    }

    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String> {
        let gradient = sum.block(BLOCK);
        let Server { weights, slots, step } = server;
        let [velocity, second] = slots.as_mut_slice() else {
            return Err("the state has no momentum".into());
        };
        let Params { momentum, learning_rate, ridge, .. } = self.params;
        // Kingma and Ba, algorithm 1.
        let (beta2, epsilon) = (0.999, 1e-8);
        let t = f64::from(*step + 1);
        let (correct1, correct2) = (1.0 - libm::pow(momentum, t), 1.0 - libm::pow(beta2, t));
        let places = weights.iter_mut().zip(velocity).zip(second).zip(gradient);
        for (((weight, velocity), second), total) in places {
            let mean = total / self.expected + ridge * *weight;
            match self.params.optimiser {
                Optimiser::Sgd => {
                    *velocity = momentum * *velocity + mean;
                    *weight -= learning_rate * *velocity;
                }
                Optimiser::Adam => {
                    *velocity = momentum * *velocity + (1.0 - momentum) * mean;
                    *second = beta2 * *second + (1.0 - beta2) * mean * mean;
                    let scale = (*second / correct2).sqrt() + epsilon;
                    *weight -= learning_rate * (*velocity / correct1) / scale;
                }
            }
        }
        Ok(())
    }
}
