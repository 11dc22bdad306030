//! Adaptive steps of the server: `FedAdagrad`, `FedAdam` and `FedYogi` (Reddi, Charles, Zaheer, Garrett,
//! Rush, Konecny, Kumar and McMahan, ICLR 2021, algorithm 2).
//!
//! The sites' mean update takes the place of a gradient. The server keeps its running mean m and,
//! for each weight, v, its squares: summed (Adagrad), as a running mean (Adam), or moved towards them by
//! steps of their own size (Yogi); the model moves by rate m / (sqrt(v) + tau). So weights whose
//! updates are always small move as far as others, which plain averaging of a badly scaled problem
//! does not give. As in the paper v starts at tau^2 and there is no correction of the start. All of it
//! is done with what was released; sites do what they do in [`super::fedavg`].

use serde::Deserialize;

use super::local_training::{DELTA, LocalTraining, mean, patients, weighted_update};
use super::{Broadcast, Server, Strategy, Unit};
use crate::error::Error;
use crate::learn::local::Local;
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::{count_values, refuse};

/// Name of Adagrad's rule.
pub const ADAGRAD: &str = "fedadagrad";
/// Name of Adam's rule.
pub const ADAM: &str = "fedadam";
/// Name of Yogi's rule.
pub const YOGI: &str = "fedyogi";
/// Keys beside those of the local training.
pub(super) const KEYS: &[&str] = &["server_rate", "beta1", "beta2", "tau"];

/// How squares of updates are taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Summed.
    Adagrad,
    /// As a running mean.
    Adam,
    /// By steps of their own size.
    Yogi,
}

/// Parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct Params {
    /// How a site trains.
    #[serde(flatten)]
    pub local: LocalTraining,
    /// Step of the server.
    #[serde(default = "server_rate")]
    pub server_rate: f64,
    /// Share of the running mean that stays; 0.9, and 0 with Adagrad.
    pub beta1: Option<f64>,
    /// Share of the squares that stays; Adagrad has none.
    #[serde(default = "beta2")]
    pub beta2: f64,
    /// How far the step adapts: the larger, the closer to plain averaging.
    #[serde(default = "tau")]
    pub tau: f64,
}

fn server_rate() -> f64 {
    0.1
}
fn beta2() -> f64 {
    0.99
}
fn tau() -> f64 {
    1e-3
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct FedOpt {
    rule: Rule,
    beta1: f64,
    params: Params,
}

impl FedOpt {
    /// The strategy of these parameters.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn new(task: &str, rule: Rule, params: Params) -> Result<Self, Error> {
        params.local.check(task)?;
        let beta1 = params.beta1.unwrap_or(if rule == Rule::Adagrad { 0.0 } else { 0.9 });
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let share = |value: f64| (0.0..1.0).contains(&value);
        let rules = [
            (!positive(params.server_rate), "`server_rate` must be above 0"),
            (!positive(params.tau), "`tau` must be above 0"),
            (!share(beta1), "`beta1` must be at least 0 and below 1"),
            (!share(params.beta2), "`beta2` must be at least 0 and below 1"),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, reason)) => Err(refuse(task, *reason)),
            None => Ok(Self { rule, beta1, params }),
        }
    }

    /// v after an update whose square is `square`.
    fn squares(&self, v: f64, square: f64) -> f64 {
        let beta2 = self.params.beta2;
        match self.rule {
            Rule::Adagrad => v + square,
            Rule::Adam => beta2 * v + (1.0 - beta2) * square,
            Rule::Yogi if v > square => v - (1.0 - beta2) * square,
            Rule::Yogi => v + (1.0 - beta2) * square,
        }
    }
}

impl Strategy for FedOpt {
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
        let mut server = Server::with_slots(weights, 2);
        if let Some(squares) = server.slots.last_mut() {
            squares.fill(self.params.tau * self.params.tau);
        }
        server
    }

    fn contribute(
        &self,
        told: &Broadcast<'_>,
        local: &Local<'_>,
        site: &Site<'_>,
        _state: &mut SiteState,
    ) -> Result<Vec<Vec<f64>>, String> {
        let patients = patients(local, site)?;
        let training = &self.params.local;
        let (weights, _) = training.train(told, told.weights, local, &patients, |_, _| {})?;
        let delta = weighted_update(told.weights, &weights, patients.len(), training.clip)?;
        Ok(vec![count_values(patients.len(), 0), delta])
    }

    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String> {
        let mean = mean(sum, DELTA, server.weights.len())?;
        let [running, squares] = server.slots.as_mut_slice() else {
            return Err("the state has no running means".into());
        };
        let Params { server_rate, tau, .. } = self.params;
        let places = server.weights.iter_mut().zip(running).zip(squares).zip(mean);
        for (((weight, m), v), update) in places {
            *m = self.beta1 * *m + (1.0 - self.beta1) * update;
            *v = self.squares(*v, update * update);
            *weight += server_rate * *m / (v.sqrt() + tau);
        }
        Ok(())
    }
}
