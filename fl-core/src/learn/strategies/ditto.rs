//! Ditto (Li, Hu, Beirami and Smith, ICML 2021, algorithm 1): a common model by federated averaging,
//! and for each hospital a whole model of its own that is pulled towards it.
//!
//! In each round a site trains the common model w and sends its update, as in [`super::fedavg`]; then it
//! trains its own model v on its own loss plus lambda/2 |v - w|^2 and keeps it. With lambda = 0 the
//! own model is that of the hospital alone; the larger lambda, the closer to the common one. The own
//! model never leaves and does not touch the common one.

use serde::Deserialize;

use super::fedprox::pull;
use super::local_training::{LocalTraining, move_by_mean, patients, weighted_update};
use super::{Broadcast, Server, Strategy, Unit, keep, kept};
use crate::error::Error;
use crate::learn::local::Local;
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::{count_values, refuse};

/// Name of the strategy.
pub const NAME: &str = "ditto";
/// Keys beside those of the local training.
pub(super) const KEYS: &[&str] = &["lambda"];

/// Parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct Params {
    /// How a site trains both models.
    #[serde(flatten)]
    pub local: LocalTraining,
    /// Pull of the own model towards the common one.
    #[serde(default = "lambda")]
    pub lambda: f64,
}

fn lambda() -> f64 {
    0.1
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct Ditto {
    params: Params,
}

impl Ditto {
    /// The strategy of these parameters.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn new(task: &str, params: Params) -> Result<Self, Error> {
        params.local.check(task)?;
        if !(params.lambda >= 0.0 && params.lambda.is_finite()) {
            return Err(refuse(task, "`lambda` must be at least 0"));
        }
        Ok(Self { params })
    }
}

impl Strategy for Ditto {
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
        state: &mut SiteState,
    ) -> Result<Vec<Vec<f64>>, String> {
        let patients = patients(local, site)?;
        let Params { local: training, lambda } = &self.params;
        let (common, _) = training.train(told, told.weights, local, &patients, |_, _| {})?;
        let delta = weighted_update(told.weights, &common, patients.len(), training.clip)?;
        let own = self.personal(told.weights, state);
        let pull = pull(told.weights, *lambda);
        // An own model that overflows stays as it was; the common one is none the worse for it.
        if let Ok((own, _)) = training.train(told, &own, local, &patients, pull) {
            keep(state, SiteState::PERSONAL, &own);
        }
        Ok(vec![count_values(patients.len(), 0), delta])
    }

    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String> {
        move_by_mean(server, sum, 1.0)
    }

    fn personal(&self, weights: &[f64], state: &SiteState) -> Vec<f64> {
        kept(state, SiteState::PERSONAL, weights.len()).unwrap_or_else(|| weights.to_vec())
    }
}
