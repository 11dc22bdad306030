//! `FedProx` (Li, Sahu, Zaheer, Sanjabi, Talwalkar and Smith, MLSys 2020, algorithm 2).
//!
//! A site's own objective gains the proximal term mu/2 |v - w|^2, w being the common model of the round.
//! However long it trains, it stays within |gradient| / mu of w, so hospitals that differ pull the
//! mean less far from the pooled optimum than under [`super::fedavg`]. With mu = 0 the two are one.

use serde::Deserialize;

use super::local_training::{LocalTraining, move_by_mean, patients, weighted_update};
use super::{Broadcast, Server, Strategy, Unit};
use crate::error::Error;
use crate::learn::local::Local;
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::{count_values, refuse};

/// Name of the strategy.
pub const NAME: &str = "fedprox";
/// Keys beside those of the local training.
pub(super) const KEYS: &[&str] = &["mu"];

/// Parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct Params {
    /// How a site trains.
    #[serde(flatten)]
    pub local: LocalTraining,
    /// Weight of the proximal term.
    #[serde(default = "mu")]
    pub mu: f64,
}

fn mu() -> f64 {
    0.1
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct FedProx {
    params: Params,
}

impl FedProx {
    /// The strategy of these parameters.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn new(task: &str, params: Params) -> Result<Self, Error> {
        params.local.check(task)?;
        if !(params.mu >= 0.0 && params.mu.is_finite()) {
            return Err(refuse(task, "`mu` must be at least 0"));
        }
        Ok(Self { params })
    }
}

impl Strategy for FedProx {
    fn unit(&self) -> Unit {
        Unit::None
    }

    fn blocks(&self, dimension: usize) -> Vec<Block> {
        self.params.local.blocks(dimension)
    }

    fn sensitivity(&self, _dimension: usize) -> Option<u64> {
        None
    }

    fn contribute(
        &self,
        told: &Broadcast<'_>,
        local: &Local<'_>,
        site: &Site<'_>,
        _state: &mut SiteState,
    ) -> Result<Vec<Vec<f64>>, String> {
        let patients = patients(local, site)?;
        let Params { local: training, mu } = &self.params;
        let pull = pull(told.weights, *mu);
        let (weights, _) = training.train(told, told.weights, local, &patients, pull)?;
        let delta = weighted_update(told.weights, &weights, patients.len(), training.clip)?;
        Ok(vec![count_values(patients.len(), 0), delta])
    }

    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String> {
        move_by_mean(server, sum, 1.0)
    }
}

/// The gradient of strength/2 |v - center|^2, added to a step's.
pub(super) fn pull(center: &[f64], strength: f64) -> impl Fn(&[f64], &mut [f64]) {
    move |weights, gradient| {
        for ((slope, weight), center) in gradient.iter_mut().zip(weights).zip(center) {
            *slope += strength * (weight - center);
        }
    }
}
