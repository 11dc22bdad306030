//! Where a model comes from: what was asked, over whose patients, at what price, from which numbers.

use serde::{Deserialize, Serialize};

use crate::report::Excluded;

/// Form of the provenance.
pub const SCHEMA: &str = "haima.provenance/1";

/// All that is known of a model's making.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// [`SCHEMA`].
    pub schema: String,
    /// Task, version and parameters, as the task file or the study's manifest has them.
    pub task: toml::Table,
    /// How sums were made: a simulation, nodes, masked.
    pub mode: String,
    /// Whose patients.
    pub data: Data,
    /// What was promised to them, against whom.
    pub privacy: Guarantee,
    /// Every number that the model was made with, but for the weights (rule S4).
    pub figures: Vec<Figure>,
    /// What evaluations found.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// What a reader has to know beside it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Digest of the last record of the coordinator's log, which covers all before it; a study's
    /// model has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
}

impl Provenance {
    /// The predicates of the training's cohort, where it had any.
    #[must_use]
    pub fn cohort(&self) -> Option<&toml::Value> {
        self.task.get("params")?.get(haima_fl_core::selection::KEY)
    }
}

/// Whose patients a model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Hospitals that took part.
    pub hospitals: u64,
    /// Hospitals left out. Under privacy their names tell nothing: none is left out for its data.
    pub excluded: Vec<Excluded>,
    /// Rows at those hospitals; absent where their number was not released.
    pub patients: Option<u64>,
    /// The cohort's predicates; empty for all patients.
    pub cohort: String,
    /// Digest of the schema.
    pub schema_digest: String,
    /// The schema was made from the patients themselves.
    pub schema_inferred: bool,
}

/// What is promised to whom, against whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "lowercase")]
pub enum Guarantee {
    /// No noise.
    Exact {
        /// In words.
        note: String,
    },
    /// Differential privacy of the released sums.
    Dp {
        /// Of all attempts together.
        epsilon: f64,
        /// Its failure probability.
        delta: f64,
        /// Whose part is hidden: a patient's, or a whole hospital's.
        unit: String,
        /// Which data sets are neighbours.
        adjacency: String,
        /// Against whom.
        adversary: String,
        /// By which theorem.
        accountant: String,
        /// What it follows from.
        noise: Noise,
        /// Noise of a simulation: nobody on this machine is kept from the rows.
        simulated: bool,
        /// In words.
        note: String,
    },
}

/// What a guarantee follows from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Scale of each draw, in grid steps.
    pub s: u64,
    /// Draws that the adversary cannot take off.
    pub draws: u32,
    /// D of one sum, in grid steps.
    pub sensitivity: u64,
    /// Probability with which a patient takes part in a round.
    pub sampling: f64,
    /// Rounds and spare attempts that the noise is calibrated for.
    pub attempts: u32,
    /// Order of the Renyi filter, where there is one.
    pub order: Option<u32>,
}

/// A number that the model was made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// The number, or a list, as text.
    pub value: String,
    /// `public`, `charged`, `exact` or `local` (from the patients, without a charge), and where from.
    pub origin: String,
}

/// A figure of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Name, e.g. `auc`.
    pub name: String,
    /// Estimate.
    pub value: f64,
    /// Lower end of its 95% interval.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Over whom.
    pub over: String,
}
