//! `FedPer` (Arivazhagan, Aggarwal, Singh and Choudhary 2019, arXiv:1912.00818, algorithms 1 and 2): a
//! common body, and for each hospital a head of its own.
//!
//! The model says which parts are its head ([`crate::learn::model::Layer::head`]): those that make the
//! prediction from what the others found. A site trains both together from the common body and the
//! head that it kept, and sends the change of the body alone. Heads never leave; the head in the
//! result is the one before training, and predicts nothing. A site that has trained predicts with the
//! common body and its own head.

use super::local_training::{DELTA, LocalTraining, mean, patients, weighted_update};
use super::{Broadcast, Context, Server, Strategy, Unit, keep, kept};
use crate::error::Error;
use crate::learn::local::Local;
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::{count_values, refuse};

/// Name of the strategy.
pub const NAME: &str = "fedper";

/// The strategy.
#[derive(Clone, Debug)]
pub struct FedPer {
    local: LocalTraining,
    /// Which weights stay at home.
    head: Vec<bool>,
}

impl FedPer {
    /// The strategy of these parameters for a model.
    ///
    /// # Errors
    /// When a parameter is out of its range, or the model has no head, or nothing else.
    pub fn new(task: &str, local: LocalTraining, context: &Context<'_>) -> Result<Self, Error> {
        local.check(task)?;
        let head = context.head.clone();
        if head.iter().all(|home| *home) || !head.iter().any(|home| *home) {
            let reason = "fedper needs a model with a body and a head; a linear one is all head: \
                          take one with hidden layers, or ditto";
            return Err(refuse(task, reason));
        }
        Ok(Self { local, head })
    }

    /// The weights that are sent.
    fn body<'a>(&'a self, weights: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        weights.iter().zip(&self.head).filter(|(_, home)| !**home).map(|(weight, _)| *weight)
    }

    fn body_len(&self) -> usize {
        self.head.iter().filter(|home| !**home).count()
    }
}

impl Strategy for FedPer {
    fn unit(&self) -> Unit {
        Unit::None
    }

    fn blocks(&self, _dimension: usize) -> Vec<Block> {
        self.local.blocks(self.body_len())
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
        let start = self.personal(told.weights, state);
        let (own, _) = self.local.train(told, &start, local, &patients, |_, _| {})?;
        let (from, to): (Vec<f64>, Vec<f64>) = (self.body(&start).collect(), self.body(&own).collect());
        let delta = weighted_update(&from, &to, patients.len(), self.local.clip)?;
        keep(state, SiteState::PERSONAL, &own);
        Ok(vec![count_values(patients.len(), 0), delta])
    }

    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String> {
        let mean = mean(sum, DELTA, self.body_len())?;
        let body = server.weights.iter_mut().zip(&self.head).filter(|(_, home)| !**home);
        for ((weight, _), step) in body.zip(mean) {
            *weight += step;
        }
        Ok(())
    }

    fn personal(&self, weights: &[f64], state: &SiteState) -> Vec<f64> {
        let Some(own) = kept(state, SiteState::PERSONAL, weights.len()) else {
            return weights.to_vec();
        };
        let places = weights.iter().zip(own).zip(&self.head);
        places.map(|((common, own), home)| if *home { own } else { *common }).collect()
    }
}
