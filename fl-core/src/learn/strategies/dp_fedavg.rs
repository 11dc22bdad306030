//! Federated averaging with the *hospital* as the unit of privacy (McMahan, Ramage, Talwar and Zhang,
//! ICLR 2018, "DP-FedAvg", with a fixed divisor and all sites in every round).
//!
//! Each hospital trains by itself and sends one update, shortened to the public norm C; the server
//! moves by their sum over the public number `sites`, each counting the same.
//!
//! # What is protected, and how little it gives
//!
//! Noise hides *any* change of one hospital's patients, so the two updates between which it must hide
//! are any two vectors in the ball of radius C: their distance is up to 2C, and D covers 2C, not C
//! (rule S2). Truncation is towards zero and makes no coordinate larger, so it adds nothing. The noise
//! is on a sum over hospitals: with n of them the error of the mean is 2 C z / n a weight for a noise
//! multiplier z, whatever the number of patients. Hundreds of hospitals can bear that; ten cannot.
//! For patients [`super::dp_sgd`] is better at any number of hospitals.
//!
//! What a hospital sends instead of an update that is no number is zero, which lies in the ball, and so
//! does an empty hospital (rule S5). A site's floor on rows is 0 under noise.

use haima_dp::fixed::Grid;
use haima_dp::units::Sensitivity;
use serde::Deserialize;

use super::local_training::{DELTA, LocalTraining, reaches, shorten};
use super::{Broadcast, Server, Strategy, Unit};
use crate::error::Error;
use crate::learn::local::Local;
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::refuse;

/// Name of the strategy.
pub const NAME: &str = "dp-fedavg";
/// Keys beside those of the local training.
pub(super) const KEYS: &[&str] = &["sites", "server_rate"];

/// Parameters; all public.
#[derive(Clone, Debug, Deserialize)]
pub struct Params {
    /// How a site trains; `clip` is C.
    #[serde(flatten)]
    pub local: LocalTraining,
    /// Hospitals of the study: what the sum is divided by.
    pub sites: u32,
    /// Step of the server on the mean update.
    #[serde(default = "server_rate")]
    pub server_rate: f64,
}

fn server_rate() -> f64 {
    1.0
}

/// The table with this strategy's own defaults of the local training: C = 1 on the grid 2^-16.
pub(super) fn with_defaults(table: &toml::Table) -> toml::Table {
    let mut table = table.clone();
    table.entry("clip").or_insert(toml::Value::Float(1.0));
    table.entry("frac_bits").or_insert(toml::Value::Integer(16));
    table
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct DpFedAvg {
    params: Params,
    grid: Grid,
}

impl DpFedAvg {
    /// The strategy of these parameters.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn new(task: &str, params: Params) -> Result<Self, Error> {
        params.local.check(task)?;
        if params.sites == 0 {
            return Err(refuse(task, "`sites` must be at least 1: what sums are divided by"));
        }
        if !(params.server_rate > 0.0 && params.server_rate.is_finite()) {
            return Err(refuse(task, "`server_rate` must be above 0"));
        }
        let grid = Grid::new(params.local.frac_bits)?;
        let strategy = Self { params, grid };
        Sensitivity::new(strategy.diameter(1))?;
        Ok(strategy)
    }

    /// Steps across the ball: 2 C / g. The norm that an update is shortened by is computed in doubles,
    /// as is the factor; a relative error of d + 8 roundings covers both.
    fn diameter(&self, dimension: usize) -> u64 {
        let relative = (dimension as f64 + 8.0) * f64::EPSILON;
        let steps = 2.0 * self.params.local.clip / self.grid.step() * (1.0 + relative);
        (steps * (1.0 + 1e-12)).ceil() as u64
    }
}

impl Strategy for DpFedAvg {
    fn unit(&self) -> Unit {
        Unit::Site
    }

    fn blocks(&self, dimension: usize) -> Vec<Block> {
        vec![Block {
            name: DELTA.to_owned(),
            len: u32::try_from(dimension).unwrap_or(u32::MAX),
            frac_bits: self.params.local.frac_bits,
            // The radius; that it is multiplied by patients leaves room that no honest site uses.
            patient_bound: self.diameter(dimension).div_ceil(2),
        }]
    }

    fn sensitivity(&self, dimension: usize) -> Option<u64> {
        Some(self.diameter(dimension).min(Sensitivity::MAX))
    }

    fn contribute(
        &self,
        told: &Broadcast<'_>,
        local: &Local<'_>,
        site: &Site<'_>,
        _state: &mut SiteState,
    ) -> Result<Vec<Vec<f64>>, String> {
        let patients = local.training(site.cohort);
        reaches(&patients, site.min_local_rows)?;
        let training = &self.params.local;
        let (own, _) = training.train(told, told.weights, local, &patients, |_, _| {})?;
        let mut delta: Vec<f64> = own.iter().zip(told.weights).map(|(own, w)| own - w).collect();
        if !shorten(&mut delta, training.clip) {
            return Err("the update is no finite number".into());
        }
        Ok(vec![delta])
    }

    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String> {
        let factor = self.params.server_rate / f64::from(self.params.sites);
        for (weight, total) in server.weights.iter_mut().zip(sum.block(DELTA)) {
            *weight += factor * total;
        }
        Ok(())
    }
}
