//! Trains a model over secure sums: `model` says what, `strategy` how.
//!
//! Each round's query carries the round's number, the weights and what the strategy sends beside them
//! (f64, little-endian); a site answers with the strategy's blocks. The state is a function of the
//! released sums alone (rule X3), so a run can be taken up at any round, and sites replay it.
//!
//! With `early_stopping` the loss of held-out patients goes with every sum ([`stopping`]), and the result has
//! the weights with the best figure.
//!
//! # No floor on rows under noise
//!
//! A site of fewer complete training patients than `Site::min_local_rows` sends zeros, whatever the
//! strategy. In a round under noise the site passes 0: a floor would let one patient move the sum by
//! far more than D (rule S2). Without noise it holds for `dp-sgd` as well, whose clipped sum of one
//! patient is that patient's gradient.

pub mod stopping;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use stopping::{Stopping, Watch};

use super::hazard::split::Split;
use super::layout::{self, refuse, unfit};
use crate::error::Error;
use crate::learn::figures;
use crate::learn::harmonise::Harmonise;
use crate::learn::local::Local;
use crate::learn::model::Model;
use crate::learn::models;
use crate::learn::strategies::{self, Broadcast, Server, Strategy, Unit};
use crate::registry::Finished;
use crate::results::network::{self, Network};
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "train";
/// Version of the task.
pub const VERSION: u32 = 1;

const MOST_STEPS: u32 = 10_000;

/// What the manifest says of a training. All of it is public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The model: `name`, `version` and its own parameters.
    pub model: toml::Table,
    /// The strategy: `name` and its own parameters; per-step DP-SGD by default.
    #[serde(default)]
    pub strategy: toml::Table,
    /// Rounds, each one secure sum.
    pub steps: u32,
    /// A public guess of the training patients in all sites together.
    #[serde(default)]
    pub expected_patients: u64,
    /// Seed of the start, the order of patients and the holdout (rule N4).
    pub seed: u64,
    /// Share of patients kept out of training.
    #[serde(default)]
    pub holdout: f64,
    /// Ends training when the loss of held-out patients gets no better.
    pub early_stopping: Option<stopping::Params>,
    /// Allows a training that protects patients or sites the figures of exact tasks (rule S4); the
    /// result says so.
    #[serde(default)]
    pub uncharged_figures: bool,
}

/// The task; see the module's head.
pub struct Train {
    params: Params,
    model: Box<dyn Model>,
    strategy: Box<dyn Strategy>,
    split: Split,
    stopping: Option<Stopping>,
    /// The batch terms that a site finds for itself, where the model takes any.
    at_site: Option<Harmonise>,
}

/// Where a training stands: a function of the released sums (rule X3).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    server: Server,
    watch: Watch,
}

impl Train {
    /// The task of these parameters.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used, or the model is too large for a round.
    pub fn new(table: &toml::Table, schema: &Schema, finished: &Finished) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        if !(1..=MOST_STEPS).contains(&params.steps) {
            return Err(refuse(NAME, format!("`steps` must be 1 to {MOST_STEPS}")));
        }
        if !(0.0..1.0).contains(&params.holdout) {
            return Err(refuse(NAME, "`holdout` must be at least 0 and below 1"));
        }
        let model = models::open(
            &params.model,
            &models::Context { task: NAME, schema, finished, terms: None },
        )?;
        let head = model
            .layers()
            .iter()
            .flat_map(|layer| std::iter::repeat_n(layer.head, layer.len()))
            .collect();
        let expected_patients = params.expected_patients;
        let nobody = vec![0.0; model.width()];
        let linear = model.predictors(&model.initial(params.seed), &nobody).is_some();
        let context = strategies::Context { schema, head, expected_patients, linear };
        let strategy = strategies::open(NAME, &params.strategy, &context)?;
        if strategy.unit() == Unit::Patient && expected_patients == 0 {
            let reason = "`expected_patients` must be at least 1: what sums are divided by";
            return Err(refuse(NAME, reason));
        }
        let by = params.model.get("harmonised").and_then(toml::Value::as_str);
        let at_site = by
            .map(|id| Harmonise::of_finished(NAME, schema, finished, id))
            .transpose()?
            .filter(Harmonise::by_site);
        let inputs = model.inputs();
        figures::check(NAME, inputs, strategy.unit(), params.uncharged_figures, at_site.is_some())?;
        let split = Split::new(params.seed, params.holdout, schema);
        let dimension = model.parameters();
        let (blocks, d) = (strategy.blocks(dimension), strategy.sensitivity(dimension));
        let (holdout, unit) = (params.holdout, strategy.unit());
        let stopping = params.early_stopping.clone();
        let stopping = stopping.map(|own| Stopping::new(NAME, own, holdout, unit, &blocks, d));
        let stopping = stopping.transpose()?;
        let task = Self { params, model, strategy, split, stopping, at_site };
        layout::check(NAME, &task.query(&task.start()))?;
        Ok(task)
    }

    fn output(&self, progress: Progress, stopped: bool) -> Network {
        let Progress { server, watch } = progress;
        let (best, early_stopping) = match &self.stopping {
            None => (None, None),
            Some(_) => {
                let (best, told) = watch.end(stopped);
                (best, Some(told))
            }
        };
        Network {
            schema: network::SCHEMA.to_owned(),
            model: network::Model {
                params: self.params.model.clone(),
                terms: self.model.inputs().terms().to_vec(),
                outputs: self.model.outputs(),
                layers: self.model.layers().into_iter().map(Into::into).collect(),
            },
            strategy: self.params.strategy.clone(),
            unit: self.strategy.unit(),
            weights: best.unwrap_or(server.weights),
            early_stopping,
            steps: server.step,
            seed: self.params.seed,
            holdout: self.params.holdout,
            uncharged_figures: self.params.uncharged_figures,
        }
    }
}

impl Task for Train {
    type State = Progress;
    type Output = Network;

    fn start(&self) -> Progress {
        let server = self.strategy.start(self.model.initial(self.params.seed));
        Progress { server, watch: Watch::default() }
    }

    fn query(&self, progress: &Progress) -> Query {
        let server = &progress.server;
        let dimension = server.weights.len();
        let step = [f64::from(server.step)];
        let told = [&step[..], &server.weights, self.strategy.extra(server)].concat();
        let mut blocks = self.strategy.blocks(dimension);
        blocks.extend(self.stopping.as_ref().map(Stopping::block));
        Query {
            task: NAME.to_owned(),
            version: VERSION,
            blocks,
            sensitivity: self.strategy.sensitivity(dimension),
            rate: self.strategy.rate(),
            cohort: String::new(),
            bytes: layout::to_bytes(&told),
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let dimension = self.model.parameters();
        let numbers = query.bytes.len() / 8;
        let told = layout::from_bytes(query, numbers.max(1 + dimension))?;
        let (step, rest) = told.split_at(1);
        let (weights, extra) = rest.split_at(dimension);
        let step = step.first().map_or(0, |step| *step as u32);
        let told = Broadcast { weights, extra, step, seed: self.params.seed };
        let own = match &self.at_site {
            None => None,
            Some(by) => match by.at_site(site.cohort) {
                Ok(cohort) => Some(cohort),
                Err(note) => return Ok(Contribution::zero(query, note)),
            },
        };
        let site = &Site { cohort: own.as_ref().unwrap_or(site.cohort), ..*site };
        let local = Local::new(self.model.as_ref(), &self.split, state);
        let watched = self
            .stopping
            .as_ref()
            .map(|stopping| stopping.values(&self.strategy.personal(weights, state), &local, site));
        Ok(match self.strategy.contribute(&told, &local, site, state) {
            Ok(mut blocks) => {
                blocks.extend(watched);
                Contribution::encode(query, &blocks, site.max_patients)
            }
            Err(note) => Contribution::zero(query, note),
        })
    }

    fn absorb(&self, progress: Progress, sum: &Sum) -> Result<Next<Progress, Network>, Error> {
        let Progress { mut server, mut watch } = progress;
        let stopped = self
            .stopping
            .as_ref()
            .is_some_and(|stopping| stopping.take_in(&mut watch, server.weights.clone(), sum));
        self.strategy.absorb(&mut server, sum).map_err(|reason| unfit(NAME, reason))?;
        server.step += 1;
        // Networks run in single precision: past it, gradients are no numbers and nothing moves again.
        if !server.weights.iter().all(|weight| weight.abs() <= f64::from(f32::MAX)) {
            return Err(unfit(NAME, "the weights overflowed; lower the learning rate"));
        }
        let stopped = stopped && server.step < self.params.steps;
        let progress = Progress { server, watch };
        if stopped || progress.server.step >= self.params.steps {
            Ok(Next::Done(self.output(progress, stopped)))
        } else {
            Ok(Next::Continue(progress))
        }
    }

    fn save(&self, progress: &Progress) -> Option<serde_json::Value> {
        serde_json::to_value(progress).ok()
    }

    fn restore(&self, saved: &serde_json::Value) -> Option<Progress> {
        let progress: Progress = Deserialize::deserialize(saved).ok()?;
        let (server, start) = (&progress.server, self.start().server);
        let alike = |own: &[f64], of: &[f64]| {
            own.len() == of.len() && own.iter().all(|value| value.is_finite())
        };
        let slots = server.slots.len() == start.slots.len()
            && server.slots.iter().zip(&start.slots).all(|(own, of)| alike(own, of));
        let watch = progress.watch.best().is_none_or(|best| alike(best, &start.weights))
            && progress.watch.fits(self.params.steps);
        let fits = alike(&server.weights, &start.weights) && server.step < self.params.steps;
        (slots && watch && fits).then_some(progress)
    }

    fn outline(&self) -> Option<Network> {
        Some(self.output(self.start(), false))
    }

    fn sums(&self) -> Option<u32> {
        Some(self.params.steps)
    }
}
