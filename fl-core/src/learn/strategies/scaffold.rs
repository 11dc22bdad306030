//! SCAFFOLD (Karimireddy, Kale, Mohri, Reddi, Stich and Suresh, ICML 2020, algorithm 1, option II).
//!
//! Each site keeps a control variate `c_i`, its own gradient as it was over its last training; the
//! common c is their mean. A local step takes off `c_i` and adds c, so that hospitals that differ walk
//! in the common direction and many local steps do not drift to a mean of the local optima.
//!
//! After K steps of size eta from x to y, `c_i` becomes `c_i - c + (x - y) / (K eta)`; the site sends how
//! it changed. The change is shortened to the public norm `control_clip`, at the site as in the sum.
//!
//! Updates and controls are weighted by patients, where the paper has equal weights: the model then
//! approaches that of the pooled rows. Every site takes part in every round (S = N in the paper). A
//! site whose answer did not reach a sum has changed its `c_i` all the same; c is then off by that
//! change for the rest of the run. An attempt that failed for all is taken back (the site goes on from
//! what it kept before it).

use serde::Deserialize;

use super::local_training::{
    LocalTraining, mean, move_by_mean, patients, shorten, weighted_update,
};
use super::{Broadcast, Server, Strategy, Unit, keep, kept};
use crate::error::Error;
use crate::learn::local::Local;
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::{count_values, reals, refuse};

/// Name of the strategy.
pub const NAME: &str = "scaffold";
/// Keys beside those of the local training.
pub(super) const KEYS: &[&str] = &["server_rate", "control_clip"];

/// Block of the changes of controls, and where a site keeps its own.
const CONTROL: &str = "control";

/// Parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct Params {
    /// How a site trains.
    #[serde(flatten)]
    pub local: LocalTraining,
    /// Step of the server on the mean update.
    #[serde(default = "server_rate")]
    pub server_rate: f64,
    /// Largest L2 norm by which a control changes in a round.
    #[serde(default = "control_clip")]
    pub control_clip: f64,
}

fn server_rate() -> f64 {
    1.0
}
fn control_clip() -> f64 {
    10.0
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct Scaffold {
    params: Params,
}

impl Scaffold {
    /// The strategy of these parameters.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn new(task: &str, params: Params) -> Result<Self, Error> {
        params.local.check(task)?;
        for (name, value) in
            [("server_rate", params.server_rate), ("control_clip", params.control_clip)]
        {
            if !(value > 0.0 && value.is_finite()) {
                return Err(refuse(task, format!("`{name}` must be above 0")));
            }
        }
        Ok(Self { params })
    }
}

impl Strategy for Scaffold {
    fn unit(&self) -> Unit {
        Unit::None
    }

    fn blocks(&self, dimension: usize) -> Vec<Block> {
        let Params { local, control_clip, .. } = &self.params;
        let mut blocks = local.blocks(dimension);
        blocks.push(reals(CONTROL, dimension, *control_clip, local.frac_bits));
        blocks
    }

    fn sensitivity(&self, _dimension: usize) -> Option<u64> {
        None
    }

    fn start(&self, weights: Vec<f64>) -> Server {
        Server::with_slots(weights, 1)
    }

    fn extra<'a>(&self, server: &'a Server) -> &'a [f64] {
        server.slots.first().map_or(&[], Vec::as_slice)
    }

    fn contribute(
        &self,
        told: &Broadcast<'_>,
        local: &Local<'_>,
        site: &Site<'_>,
        state: &mut SiteState,
    ) -> Result<Vec<Vec<f64>>, String> {
        let patients = patients(local, site)?;
        let Params { local: training, control_clip, .. } = &self.params;
        let (common, dimension) = (told.extra, told.weights.len());
        let mut own = kept(state, CONTROL, dimension).unwrap_or_else(|| vec![0.0; dimension]);
        let correct = |_: &[f64], gradient: &mut [f64]| {
            for ((slope, own), common) in gradient.iter_mut().zip(&own).zip(common) {
                *slope += common - own;
            }
        };
        let (weights, steps) = training.train(told, told.weights, local, &patients, correct)?;
        let path = f64::from(steps.max(1)) * training.learning_rate;
        let moved = told.weights.iter().zip(&weights).map(|(x, y)| (x - y) / path);
        let mut change: Vec<f64> =
            moved.zip(common).map(|(slope, common)| slope - common).collect();
        if !shorten(&mut change, *control_clip) {
            return Err("the control variate is no finite number".into());
        }
        own.iter_mut().zip(&change).for_each(|(own, change)| *own += change);
        let delta = weighted_update(told.weights, &weights, patients.len(), training.clip)?;
        keep(state, CONTROL, &own);
        change.iter_mut().for_each(|value| *value *= patients.len() as f64);
        Ok(vec![count_values(patients.len(), 0), delta, change])
    }

    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String> {
        let change = mean(sum, CONTROL, server.weights.len())?;
        move_by_mean(server, sum, self.params.server_rate)?;
        let Some(common) = server.slots.first_mut() else {
            return Err("the state has no control variate".into());
        };
        common.iter_mut().zip(change).for_each(|(common, change)| *common += change);
        Ok(())
    }
}
