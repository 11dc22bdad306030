//! Federated averaging (McMahan et al., AISTATS 2017, algorithm 1), with server momentum as FedAvgM
//! (Hsu, Qi and Brown 2019, arXiv:1909.06335).
//!
//! All sites take part in every round; the server moves by the mean over patients. Where hospitals
//! differ and train long by themselves, what it comes to is not the pooled optimum ("client drift"):
//! see [`super::fedprox`] and [`super::scaffold`].

use serde::Deserialize;

use super::local_training::{DELTA, LocalTraining, mean, patients, weighted_update};
use super::{Broadcast, Server, Strategy, Unit};
use crate::error::Error;
use crate::learn::local::Local;
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::{count_values, refuse};

/// Name of the strategy.
pub const NAME: &str = "fedavg";
/// Keys beside those of the local training.
pub(super) const KEYS: &[&str] = &["server_rate", "momentum"];

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
        self.params.local.blocks(dimension)
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
