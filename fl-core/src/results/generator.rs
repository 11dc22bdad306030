//! A generator of virtual patients: the model that the marginals of a network lead to. `schema` is
//! `haima.generator/1`.

use rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::schema::Schema;
use crate::synth::condition::Condition;
use crate::synth::core;
use crate::synth::core::graph::GraphModel;
use crate::synth::domain::Domain;
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

/// A generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// [`SCHEMA`].
    pub schema: String,
    /// `"mst"` or `"aim"`.
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
    pub model: GraphModel,
    /// Tables that were measured.
    pub measured: Vec<Measured>,
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
        self.model.check().map_err(|error| unfit(NAME, error.to_string()))?;
        if self.model.levels() != self.domain.sizes() {
            return Err(unfit(NAME, "its model has other levels than its domain"));
        }
        if !(0.0..1.0).contains(&self.holdout) {
            return Err(unfit(NAME, "its holdout is no share below 1"));
        }
        Ok(())
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

    /// Virtual patients as fine levels, `[rows, attributes]`: a function of the model and of the
    /// sampler's own seed, the same on every machine.
    ///
    /// # Errors
    /// When more rows are asked for than [`MOST_ROWS`], or no patient of the model meets the condition.
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
        self.model
            .sample(rows, &condition.allowed, &mut random)
            .map_err(|error| unfit(NAME, explain(&error, &self.domain)))
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
