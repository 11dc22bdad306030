//! The second family of generators: a variational autoencoder that is trained over secure sums.
//!
//! It is the task [`crate::tasks::train`] over the domain's columns, by its model `vae` and its strategy
//! `dp-sgd`, whose every step is one secure sum of clipped gradients: what is said there of bounds, of
//! replays and of S2 holds here. The weights become a [`Generator`], which draws patients, rejects what
//! cannot be, and decodes as one of tables does ([`crate::synth::network`]).
//!
//! It learns from complete patients alone, as the model does: virtual patients lack no value.
//!
//! # Release
//! The strategy bounds every patient. With `release = "noised"` a step states that D, and the plan adds
//! noise for it. Without, it states none, so that no budget is spent on a generator that says of itself
//! that its sums were exact: clipped sums leave as they are. A gradient of a rare level is that of its
//! only patient, so a site has to allow it as a task that reveals rows.

use rand_core::CryptoRng;
use serde::Deserialize;

use super::{NAME, VERSION};
use crate::error::Error;
use crate::learn::strategies::dp_sgd;
use crate::registry::Finished;
use crate::results::generator::{self, Generator};
use crate::results::network::Network;
use crate::schema::Schema;
use crate::sum::Sum;
use crate::synth::core::graph::GraphModel;
use crate::synth::domain::{self, Domain, Kind};
use crate::synth::network::MODEL;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};
use crate::tasks::layout::{self, Release, refuse, unfit};
use crate::tasks::train::{Progress, Train};

/// What `method` says for this family.
pub const METHOD: &str = "vae";
/// Parameter of all that is said of the training.
pub const TRAINING: &str = "training";
/// Key of [`TRAINING`]: a public guess of the patients at all hospitals together.
pub const EXPECTED: &str = "expected_patients";

/// Keys of the model that a generator's parameters may set; the others follow from the domain.
const NETWORK: [&str; 5] = ["hidden", "latent", "outcome", "components", "log1p"];
/// Width of the one hidden layer where none is named.
const HIDDEN: i64 = 32;
/// Latent numbers.
const LATENT: i64 = 4;
/// Components of the latent numbers' prior.
const COMPONENTS: i64 = 4;
/// Steps of training.
const STEPS: i64 = 200;
const OUTCOME: &str = "outcome";
const STEPS_KEY: &str = "steps";

/// Where a strategy's keys are not named: clip norm and step size, both for [`OPTIMISER`].
struct Defaults {
    clip: f64,
    learning_rate: f64,
}
/// Without noise nothing is gained by a short clip.
const EXACT: Defaults = Defaults { clip: 100.0, learning_rate: 0.03 };
/// Noise is as long as the clip, and a smaller step averages more of it.
const NOISED: Defaults = Defaults { clip: 1.0, learning_rate: 0.02 };
const OPTIMISER: &str = "adam";

/// What the manifest says beside the domain's own keys and `method`. All of it is public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default)]
    release: Release,
    /// Share of patients kept out, to judge the generator by.
    #[serde(default)]
    holdout: f64,
    /// Seed of that choice and of the network's start (rule N4).
    #[serde(default)]
    seed: u64,
    /// Keys of the model: [`NETWORK`].
    #[serde(default)]
    network: toml::Table,
    /// `steps`, `expected_patients`, and keys of the strategy.
    #[serde(default)]
    training: toml::Table,
}

/// A generator in the making.
pub struct NetworkGenerator {
    domain: Domain,
    params: Params,
    train: Train,
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub struct State {
    progress: Progress,
    /// Sites in the smallest sum so far.
    sites: u32,
}

impl NetworkGenerator {
    /// The generator of these parameters: `method = "vae"`, those of a domain ([`Domain::of_params`]),
    /// `training` (`expected_patients`, and optionally `steps`, `clip`, `learning_rate`, `momentum`,
    /// `optimiser`, `sample_rate`, `frac_bits`, `ridge`), and optionally `network` (`hidden`, `latent`,
    /// `outcome`, `components`, `log1p`), `release = "exact" | "noised"`, `holdout` and `seed`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used, or domain or network are too large.
    pub fn new(table: &toml::Table, schema: &Schema, finished: &Finished) -> Result<Self, Error> {
        let (of_domain, mut own): (toml::Table, toml::Table) =
            table.clone().into_iter().partition(|(key, _)| domain::KEYS.contains(&key.as_str()));
        own.remove("method");
        let params: Params = layout::params(NAME, &own)?;
        if !(0.0..=0.9).contains(&params.holdout) {
            return Err(refuse(NAME, "`holdout` is a share of 0 to 0.9"));
        }
        let domain = Domain::of_params(&of_domain, schema)?;
        // A network's patients lack no value.
        super::leaves_somebody(&domain, false)?;
        let mut training = toml::Table::new();
        let seed = i64::try_from(params.seed)
            .map_err(|_| refuse(NAME, "`seed` is a whole number below 2^63"))?;
        training.insert("seed".into(), seed.into());
        training.insert("holdout".into(), params.holdout.into());
        training.insert("model".into(), model(&params, &domain)?.into());
        strategy(&params, &mut training)?;
        let train = Train::new(&training, &domain.over(schema), finished).map_err(of_this_task)?;
        let task = Self { domain, params, train };
        // What cannot be read as a generator is told before anything is summed.
        if let Some(untrained) = task.train.outline() {
            task.generator(untrained, 0).check()?;
        }
        Ok(task)
    }

    fn generator(&self, network: Network, sites: u32) -> Generator {
        let rounds = network.steps;
        self.of_model(generator::Model::Network(Box::new(network)), (rounds, sites))
    }

    fn of_model(&self, model: generator::Model, (rounds, sites): (u32, u32)) -> Generator {
        Generator {
            schema: generator::SCHEMA.to_owned(),
            method: METHOD.to_owned(),
            release: self.params.release,
            rounds,
            sites,
            holdout: self.params.holdout,
            seed: self.params.seed,
            domain: self.domain.clone(),
            model,
            measured: Vec::new(),
        }
    }
}

/// The model's parameters: what is named, and what the domain says.
fn model(params: &Params, domain: &Domain) -> Result<toml::Table, Error> {
    let mut model = params.network.clone();
    if let Some(key) = model.keys().find(|key| !NETWORK.contains(&key.as_str())) {
        return Err(refuse(
            NAME,
            format!("`network` has no `{key}`; it has {}", NETWORK.join(", ")),
        ));
    }
    let outcome = match model.remove(OUTCOME) {
        None => event(domain),
        Some(toml::Value::String(name)) => Some(name).filter(|name| !name.is_empty()),
        Some(_) => {
            let reason = "`network.outcome` is the name of a column, or \"\" for none";
            return Err(refuse(NAME, reason));
        }
    };
    let mut columns = domain.header();
    if let Some(name) = outcome {
        if !columns.contains(&name) {
            let known = columns.join(", ");
            let reason = format!("`network.outcome` is `{name}`, none of the columns {known}");
            return Err(refuse(NAME, reason));
        }
        columns.retain(|column| *column != name);
        model.insert(OUTCOME.into(), name.into());
    }
    model.insert("name".into(), MODEL.into());
    model.insert("columns".into(), columns.into());
    model.entry("hidden").or_insert_with(|| vec![HIDDEN].into());
    model.entry("latent").or_insert_with(|| LATENT.into());
    model.entry("components").or_insert_with(|| COMPONENTS.into());
    Ok(model)
}

/// The event of the first time to event, where it is a flag.
fn event(domain: &Domain) -> Option<String> {
    let first = domain.attributes.iter().find_map(|attribute| match &attribute.kind {
        Kind::Survival { event, events, .. } => Some((event, events)),
        Kind::Number { .. } | Kind::Levels { .. } => None,
    });
    let (event, events) = first?;
    events.iter().map(String::as_str).eq(["0", "1"]).then(|| event.clone())
}

/// Writes steps, public number of patients and strategy.
fn strategy(params: &Params, to: &mut toml::Table) -> Result<(), Error> {
    let mut strategy = params.training.clone();
    let Some(expected) = strategy.remove(EXPECTED) else {
        let reason = "`training` has no `expected_patients`: a public guess of the patients at all \
                      hospitals together, by which sums are divided; write one, and do not count";
        return Err(refuse(NAME, reason));
    };
    to.insert(EXPECTED.into(), expected);
    to.insert(STEPS_KEY.into(), strategy.remove(STEPS_KEY).unwrap_or_else(|| STEPS.into()));
    if strategy.get("name").is_some_and(|name| name.as_str() != Some(dp_sgd::NAME)) {
        let reason =
            format!("a generator is trained by `{}`, which bounds every patient", dp_sgd::NAME);
        return Err(refuse(NAME, reason));
    }
    let defaults = match params.release {
        Release::Exact => EXACT,
        Release::Noised => NOISED,
    };
    strategy.insert("name".into(), dp_sgd::NAME.into());
    strategy.entry("clip").or_insert_with(|| defaults.clip.into());
    strategy.entry("learning_rate").or_insert_with(|| defaults.learning_rate.into());
    strategy.entry("optimiser").or_insert_with(|| OPTIMISER.into());
    to.insert("strategy".into(), strategy.into());
    Ok(())
}

/// What the training says, told of this task.
fn of_this_task(error: Error) -> Error {
    match error {
        Error::Params { reason, .. } => refuse(NAME, reason),
        Error::Fit { reason, .. } => unfit(NAME, reason),
        other => other,
    }
}

impl Task for NetworkGenerator {
    type State = State;
    type Output = Generator;

    fn start(&self) -> State {
        State { progress: self.train.start(), sites: u32::MAX }
    }

    fn query(&self, state: &State) -> Query {
        let query = self.train.query(&state.progress);
        let sensitivity = match self.params.release {
            Release::Exact => None,
            Release::Noised => query.sensitivity,
        };
        Query { task: NAME.to_owned(), version: VERSION, sensitivity, ..query }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        state: &mut SiteState,
        rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        // A private sum has its bound instead; there a cap would make an answer jump with a patient.
        if query.sensitivity.is_none() && site.cohort.len() as u64 > site.max_patients {
            let note = format!("more rows than the public cap of {}", site.max_patients);
            return Ok(Contribution::zero(query, note));
        }
        self.train.contribute(query, site, state, rng)
    }

    fn absorb(&self, state: State, sum: &Sum) -> Result<Next<State, Generator>, Error> {
        let sites = state.sites.min(sum.sites());
        match self.train.absorb(state.progress, sum).map_err(of_this_task)? {
            Next::Continue(progress) => Ok(Next::Continue(State { progress, sites })),
            Next::Done(network) => {
                let generator = self.generator(network, sites);
                generator.check()?;
                Ok(Next::Done(generator))
            }
        }
    }

    fn save(&self, state: &State) -> Option<serde_json::Value> {
        serde_json::to_value((self.train.save(&state.progress)?, state.sites)).ok()
    }

    fn restore(&self, saved: &serde_json::Value) -> Option<State> {
        let (progress, sites): (serde_json::Value, u32) =
            serde_json::from_value(saved.clone()).ok()?;
        Some(State { progress: self.train.restore(&progress)?, sites })
    }

    /// A generator of nobody, flat over the domain, not the untrained network: of that, conditions that
    /// the trained one meets might find nobody.
    fn outline(&self) -> Option<Generator> {
        let flat = GraphModel::flat(&self.domain.sizes());
        Some(self.of_model(generator::Model::Tables(flat), (self.train.sums()?, 0)))
    }

    fn sums(&self) -> Option<u32> {
        self.train.sums()
    }
}
