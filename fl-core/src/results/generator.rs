//! A generator of virtual patients: the model that the sums of a network of hospitals lead to. `schema`
//! is `haima.generator/1`.
//!
//! Whoever has one asks it for rows and for the share of a condition; which family its model is of
//! matters to those alone who show what it was made from.

use rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::learn::strategies::Unit;
use crate::results::network::Network;
use crate::schema::Schema;
use crate::synth::condition::Condition;
use crate::synth::core;
use crate::synth::core::graph::GraphModel;
use crate::synth::domain::Domain;
use crate::synth::network::{SHARE_DRAWS, Sampler};
use crate::synth::rounds::Measured;
use crate::tasks::hazard::split::Split;
use crate::tasks::layout::{Release, unfit};
use crate::tasks::synthesize::NAME;

/// Form of the result.
pub const SCHEMA: &str = "haima.generator/1";
/// Rows that one call makes.
pub const MOST_ROWS: usize = 1_000_000;
/// What the row sampler's seed is for, so that no other stream has its bytes.
const LABEL: &[u8; 24] = b"haima virtual patients 1";
/// Seed of the draws that find a share: one that no row sampler's parameters can hold.
const SHARE_SEED: u64 = u64::MAX;

/// A generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// [`SCHEMA`].
    pub schema: String,
    /// `"mst"`, `"aim"` or `"vae"`.
    pub method: String,
    /// Whether its sums were noised and charged (rule S4).
    pub release: Release,
    /// Sums that it was made from.
    pub rounds: u32,
    /// Sites in the smallest of them (rule R8's count is the nodes').
    pub sites: u32,
    /// Share of patients kept out of it.
    pub holdout: f64,
    /// Seed by which they were chosen.
    pub seed: u64,
    /// Attributes and levels.
    pub domain: Domain,
    /// The distribution over them.
    pub model: Model,
    /// Tables that were measured; none for a network.
    pub measured: Vec<Measured>,
}

/// The distribution over a domain's levels. As JSON each is what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a model of tables, or a network with its weights")]
pub enum Model {
    /// A graphical model of measured tables.
    Tables(GraphModel),
    /// A trained network that draws patients, opened with the domain's own columns.
    Network(Box<Network>),
}

/// How many of a generator's patients meet a condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The share, from 0 to 1.
    pub value: f64,
    /// Patients among whom it was counted; `None` where the model itself has it.
    pub draws: Option<u32>,
}

impl Generator {
    /// Reads a result, and checks all that sampling rests on.
    ///
    /// # Errors
    /// When it is none of this form, or its parts do not fit one another.
    pub fn read(value: &serde_json::Value) -> Result<Self, Error> {
        let of = value.get("schema").and_then(serde_json::Value::as_str).unwrap_or("none");
        if of != SCHEMA {
            return Err(unfit(
                NAME,
                format!("a result of form {of:.64} is no generator ({SCHEMA})"),
            ));
        }
        let read: Self = serde_json::from_value(value.clone())
            .map_err(|error| unfit(NAME, format!("no generator: {error}")))?;
        read.check()?;
        Ok(read)
    }

    /// Checks a generator that came from elsewhere.
    ///
    /// # Errors
    /// When its parts do not fit one another.
    pub fn check(&self) -> Result<(), Error> {
        self.domain.check()?;
        if !(0.0..1.0).contains(&self.holdout) {
            return Err(unfit(NAME, "its holdout is no share below 1"));
        }
        match &self.model {
            Model::Tables(tables) => {
                tables.check().map_err(|error| unfit(NAME, error.to_string()))?;
                match tables.levels() == self.domain.sizes() {
                    true => Ok(()),
                    false => Err(unfit(NAME, "its model has other levels than its domain")),
                }
            }
            Model::Network(network) => self.check_network(network),
        }
    }

    fn check_network(&self, network: &Network) -> Result<(), Error> {
        let own = (self.rounds, self.seed, self.holdout);
        if (network.steps, network.seed, network.holdout) != own || !self.measured.is_empty() {
            let reason = "its network was trained in other sums, or on others, than it says";
            return Err(unfit(NAME, reason));
        }
        let protects = network.unit == Unit::Patient && !network.uncharged_figures;
        if self.is_charged() && !protects {
            let reason = "it says that its sums were charged, and its network protects no patient \
                          (rule S4)";
            return Err(unfit(NAME, reason));
        }
        Sampler::open(&self.domain, network).map(|_| ())
    }

    /// Whether all its sums were noised and charged (rule S4).
    #[must_use]
    pub fn is_charged(&self) -> bool {
        self.release == Release::Noised
    }

    /// Who was kept out of it; `None` where nobody was.
    #[must_use]
    pub fn split(&self, schema: &Schema) -> Option<Split> {
        (self.holdout > 0.0).then(|| Split::new(self.seed, self.holdout, schema))
    }

    /// The number of patients that it was made from, with its noise; `None` of a network, whose sums do
    /// not tell it.
    #[must_use]
    pub fn total(&self) -> Option<f64> {
        self.tables().map(GraphModel::total)
    }

    /// Standard deviation of the noise of [`Generator::total`], 0 without noise; `None` where no sum
    /// counted all patients.
    #[must_use]
    pub fn total_noise(&self) -> Option<f64> {
        let of_all = self.measured.iter().filter(|table| table.attributes.is_empty());
        let precision: f64 = of_all.map(|table| 1.0 / (table.sd * table.sd)).sum();
        (precision > 0.0).then(|| 1.0 / precision.sqrt())
    }

    /// The graphical model of one that was made from tables.
    #[must_use]
    pub fn tables(&self) -> Option<&GraphModel> {
        match &self.model {
            Model::Tables(tables) => Some(tables),
            Model::Network(_) => None,
        }
    }

    /// The network of one that was trained.
    #[must_use]
    pub fn network(&self) -> Option<&Network> {
        match &self.model {
            Model::Tables(_) => None,
            Model::Network(network) => Some(network),
        }
    }

    /// Virtual patients as fine levels, `[rows, attributes]`: a function of the model and of the
    /// sampler's own seed, the same on every machine.
    ///
    /// # Errors
    /// When more rows are asked for than [`MOST_ROWS`], or no patient of the model meets the
    /// condition; of a network, hardly one.
    pub fn rows(
        &self,
        rows: usize,
        condition: &Condition,
        seed: u64,
    ) -> Result<Vec<Vec<u16>>, Error> {
        if rows > MOST_ROWS {
            return Err(unfit(NAME, format!("{rows} rows; one call makes at most {MOST_ROWS}")));
        }
        let mut random = sampler(seed);
        match &self.model {
            Model::Tables(tables) => tables
                .sample(rows, &condition.allowed, &mut random)
                .map_err(|error| unfit(NAME, explain(&error, &self.domain))),
            Model::Network(network) => {
                Sampler::open(&self.domain, network)?.rows(rows, condition, &mut random)
            }
        }
    }

    /// The share of the model's patients that meet a condition, among those of the domain's cohort; of
    /// a network, among patients whom it draws from a fixed seed.
    ///
    /// # Errors
    /// When none of a model of tables meets it, or the network cannot be opened.
    pub fn share(&self, condition: &Condition) -> Result<Share, Error> {
        let everybody = self.domain.condition(&[])?;
        let among = |of: &dyn Fn(&Condition) -> Result<f64, Error>| -> Result<f64, Error> {
            let met = of(condition)?;
            // What noise or a network put outside of the cohort is never drawn.
            let all = if everybody.is_all() { 1.0 } else { of(&everybody)? };
            Ok(if all > 0.0 { (met / all).min(1.0) } else { 0.0 })
        };
        match &self.model {
            Model::Tables(tables) => {
                let value = among(&|condition| {
                    let value = tables.probability(&condition.allowed);
                    value.map_err(|error| unfit(NAME, explain(&error, &self.domain)))
                })?;
                Ok(Share { value, draws: None })
            }
            Model::Network(network) => {
                let network = Sampler::open(&self.domain, network)?;
                let value = among(&|condition| {
                    Ok(network.share(condition, SHARE_DRAWS, &mut sampler(SHARE_SEED)))
                })?;
                Ok(Share { value, draws: Some(SHARE_DRAWS) })
            }
        }
    }
}

/// The row sampler's stream.
#[must_use]
pub fn sampler(seed: u64) -> impl rand_core::Rng {
    let mut bytes = [0; 32];
    let (label, own) = bytes.split_at_mut(LABEL.len());
    label.copy_from_slice(LABEL);
    own.copy_from_slice(&seed.to_le_bytes());
    chacha20::ChaCha20Rng::from_seed(bytes)
}

/// An error of the core with the names of its attributes.
#[must_use]
pub fn explain(error: &core::Error, domain: &Domain) -> String {
    match error {
        core::Error::NoSupport { attributes } if !attributes.is_empty() => {
            let names = domain.names(attributes);
            return format!("no patient of the model meets the condition on {names}; loosen it");
        }
        core::Error::Contradicted { left, right } => {
            return format!(
                "`impossible` says that {} and {} never go together, and patients of the cohort \
                 have both; drop the pair, or find out how they came into the data",
                domain.words(*left),
                domain.words(*right)
            );
        }
        _ => {}
    }
    let about: &[usize] = match error {
        core::Error::Levels { attribute, .. }
        | core::Error::Chains { attribute }
        | core::Error::NoAttribute { attribute } => &[*attribute],
        core::Error::TooLarge { attributes, .. } => attributes,
        _ => &[],
    };
    match about.is_empty() {
        true => error.to_string(),
        false => format!("{error} ({})", domain.names(about)),
    }
}
