//! A trained network: all that is needed to use it. `schema` is `haima.network/1`.

use serde::{Deserialize, Serialize};

use crate::learn::inputs::Term;
use crate::learn::strategies::Unit;

/// Value of `schema`.
pub const SCHEMA: &str = "haima.network/1";

/// What training leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// [`SCHEMA`].
    pub schema: String,
    /// The model without its weights.
    pub model: Model,
    /// The strategy, as it was asked for.
    pub strategy: toml::Table,
    /// Whom noise on the sums protected.
    pub unit: Unit,
    /// All weights, layers in order.
    pub weights: Vec<f64>,
    /// What early stopping saw; the weights are then those of its best figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Sums absorbed.
    pub steps: u32,
    /// Seed of the start and the holdout.
    pub seed: u64,
    /// Share of patients kept out of training.
    pub holdout: f64,
    /// Whether a training that protects patients or sites was openly allowed figures that were
    /// released without noise (rule S4): they stand outside its privacy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncharged_figures: bool,
}

/// What early stopping saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Held-out patients' mean loss, a figure a window of rounds; `None` where nobody was held out.
    pub history: Vec<Option<f64>>,
    /// Which of them is the smallest.
    pub best: Option<u32>,
    /// Whether it ended the training before its last step.
    pub stopped: bool,
}

/// A model as it was asked for, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Name, version and parameters.
    pub params: toml::Table,
    /// Inputs with the public figures that standardise them.
    pub terms: Vec<Term>,
    /// Names of the numbers that it predicts.
    pub outputs: Vec<String>,
    /// Parts of the weights.
    pub layers: Vec<Layer>,
}

/// A named part of the weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Name.
    pub name: String,
    /// Extents, slowest first.
    pub shape: Vec<usize>,
}

impl From<crate::learn::model::Layer> for Layer {
    fn from(layer: crate::learn::model::Layer) -> Self {
        Self { name: layer.name, shape: layer.shape }
    }
}
