//! Virtual patients of a network: the second family of generators.
//!
//! A variational autoencoder ([`crate::learn::models::vae`]) draws a patient's values from a seed. They
//! become levels of the domain, so that all that follows is as for tables: conditions, decoded values,
//! comparison with real patients. Levels that never occur together, and what a condition does not
//! admit, are drawn again: rejection, which gives the network's distribution given that both hold. It
//! is bounded, and ends with an error where hardly anybody meets them.
//!
//! A network learns from complete patients, so its virtual patients lack no value.
//!
//! What comes from a file of strangers is checked before a weight is used: [`Sampler::open`].

use std::collections::BTreeMap;

use rand_core::Rng;

use super::condition::Condition;
use super::domain::{Domain, TASK};
use crate::error::Error;
use crate::learn::model::Model;
use crate::learn::models::{self, Context};
use crate::nn::unit;
use crate::registry::Finished;
use crate::results::network::{Layer, Network, SCHEMA};
use crate::tasks::layout::unfit;

/// The model that draws patients.
pub const MODEL: &str = "vae";
/// Weights of a generator: as JSON they take half of what a file of one may have.
pub const MOST_WEIGHTS: usize = 1 << 18;
/// Patients among whom the share of a condition is found.
pub const SHARE_DRAWS: u32 = 10_000;

/// Draws a wanted row: of conditions that fewer meet, nothing is said.
const DRAWS_A_ROW: u64 = 10_000;
/// Rows for which draws are made before any was found.
const AHEAD: u64 = 10;
/// What a draw costs beside its weights, in weights: the smallest network takes more than a microsecond.
const DRAW: u64 = 1000;
/// Draws of one call, times weights and [`DRAW`]: minutes.
const MOST_WORK: u64 = 1 << 38;

/// A network that draws patients of a domain.
pub struct Sampler<'a> {
    domain: &'a Domain,
    model: Box<dyn Model>,
    weights: &'a [f64],
    /// Where the value of each of the domain's columns stands in what the model draws.
    places: Vec<usize>,
    /// For a level, the levels of other attributes that never occur with it.
    never: BTreeMap<(usize, u16), Vec<(usize, u16)>>,
}

impl<'a> Sampler<'a> {
    /// A network and the domain that it was trained over, both checked.
    ///
    /// # Errors
    /// When the network is another model, not the one that its parameters describe, too large, or has
    /// other columns than the domain.
    pub fn open(domain: &'a Domain, network: &'a Network) -> Result<Self, Error> {
        let refuse = |reason: String| Err(unfit(TASK, reason));
        let own = &network.model;
        let name = own.params.get("name").and_then(toml::Value::as_str);
        if network.schema != SCHEMA || name != Some(MODEL) {
            return refuse(format!("its network is no `{MODEL}` of form {SCHEMA}"));
        }
        let weights = &network.weights;
        if weights.len() > MOST_WEIGHTS {
            return refuse(format!(
                "a network of {} weights; a generator's has at most {MOST_WEIGHTS}: use fewer or \
                 smaller `hidden` layers, or fewer columns",
                weights.len()
            ));
        }
        let (schema, finished) = (domain.schema(), Finished::new());
        let context = Context { task: TASK, schema: &schema, finished: &finished, terms: None };
        let model = models::open(&own.params, &context)?;
        let layers: Vec<Layer> = model.layers().into_iter().map(Into::into).collect();
        let described = layers == own.layers
            && model.inputs().terms() == own.terms.as_slice()
            && model.outputs() == own.outputs
            && model.parameters() == weights.len();
        if !described || !weights.iter().all(|weight| weight.is_finite()) {
            return refuse(
                "its network's inputs, layers or weights are not those that its parameters and the \
                 domain describe"
                    .to_owned(),
            );
        }
        let Some(places) = places(domain, network, model.as_ref()) else {
            return refuse("its network draws other columns than those of its domain".to_owned());
        };
        let mut never: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for pair in &domain.impossible {
            never.entry(pair.left).or_default().push(pair.right);
        }
        Ok(Self { domain, model, weights, places, never })
    }

    /// Patients as fine levels, `[rows, attributes]`: a function of the network and of the stream, the
    /// same on every machine. `rows` is the caller's to limit.
    ///
    /// # Errors
    /// When too few of the network's patients can be, or meet the condition.
    pub fn rows(
        &self,
        rows: usize,
        condition: &Condition,
        random: &mut impl Rng,
    ) -> Result<Vec<Vec<u16>>, Error> {
        self.rows_within(MOST_WORK, rows, condition, random)
    }

    /// The same rows, for a caller who cannot wait for minutes: `work` bounds the draws times what each
    /// costs: its weights and a thousand more. Four draws a row are always made.
    ///
    /// # Errors
    /// As [`Sampler::rows`]; sooner, where `work` is less.
    pub fn rows_within(
        &self,
        work: u64,
        rows: usize,
        condition: &Condition,
        random: &mut impl Rng,
    ) -> Result<Vec<Vec<u16>>, Error> {
        let all = (work / (self.weights.len() as u64 + DRAW)).max(4 * rows as u64);
        let (mut taken, mut draws) = (Vec::with_capacity(rows), 0);
        while taken.len() < rows {
            // So that a condition that nobody meets is told of soon.
            if draws >= all.min(DRAWS_A_ROW * (taken.len() as u64 + AHEAD)) {
                return Err(self.too_rare(taken.len(), draws, condition));
            }
            draws += 1;
            // Both at once: what is drawn next does not depend on what was taken.
            let (seed, coin) = (random.next_u64(), random.next_u64());
            let found = self.patient(seed);
            taken.extend(found.filter(|levels| unit(coin) < admitted(levels, condition)));
        }
        Ok(taken)
    }

    /// The share of the network's patients that meet a condition, among so many draws.
    #[must_use]
    pub fn share(&self, condition: &Condition, draws: u32, random: &mut impl Rng) -> f64 {
        let (mut all, mut met) = (0u32, 0.0);
        for levels in (0..draws).filter_map(|_| self.patient(random.next_u64())) {
            all += 1;
            met += admitted(&levels, condition);
        }
        met / f64::from(all.max(1))
    }

    /// The patient of a seed; `None` for one who cannot be.
    fn patient(&self, seed: u64) -> Option<Vec<u16>> {
        let drawn = self.model.sample(self.weights, seed)?;
        let values: Option<Vec<f64>> =
            self.places.iter().map(|place| drawn.get(*place).copied()).collect();
        let levels = self.domain.nearest(&values?)?;
        let is_there =
            |(attribute, level): &(usize, u16)| levels.get(*attribute).is_some_and(|l| l == level);
        let can_be = (0..).zip(&levels).all(|(attribute, level)| {
            let never = self.never.get(&(attribute, *level));
            never.is_none_or(|others| !others.iter().any(is_there))
        });
        can_be.then_some(levels)
    }

    fn too_rare(&self, taken: usize, draws: u64, condition: &Condition) -> Error {
        let about: Vec<usize> = condition.allowed.keys().copied().collect();
        let of = format!("{taken} of {draws} patients drawn from the network");
        unfit(
            TASK,
            match about.is_empty() {
                false => format!(
                    "hardly a patient of the model meets the condition on {}: {of}; loosen it, or ask \
                     for fewer",
                    self.domain.names(&about)
                ),
                true => format!("{of} can be, by `impossible`; look at the pairs, or train longer"),
            },
        )
    }
}

/// Where each of the domain's columns stands in a drawn row: the outcome first, where there is one, then
/// the other columns as the model reads them.
fn places(domain: &Domain, network: &Network, model: &dyn Model) -> Option<Vec<usize>> {
    let outcome = network.model.params.get("outcome").and_then(toml::Value::as_str);
    let read = model.inputs().columns().into_iter().filter(|column| Some(*column) != outcome);
    let columns: Vec<&str> = outcome.into_iter().chain(read).collect();
    let header = domain.header();
    let drawn = model.sample(&network.weights, 0)?;
    if drawn.len() != columns.len() || header.len() != columns.len() {
        return None;
    }
    header.iter().map(|own| columns.iter().position(|column| *column == own.as_str())).collect()
}

/// The share of patients of these levels that a condition admits.
fn admitted(levels: &[u16], condition: &Condition) -> f64 {
    let share = |(attribute, shares): (&usize, &Vec<f64>)| {
        let level = levels.get(*attribute)?;
        shares.get(usize::from(*level)).copied()
    };
    condition.allowed.iter().map(|of| share(of).unwrap_or(0.0)).product()
}
