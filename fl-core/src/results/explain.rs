//! What a trained model goes by. `schema` is `haima.explanation/1`.

use serde::{Deserialize, Serialize};

use super::Term;

/// Value of `schema`.
pub const SCHEMA: &str = "haima.explanation/1";

/// The explanation of a model over all hospitals' patients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// [`SCHEMA`].
    pub schema: String,
    /// Manifest id of the training.
    pub model: String,
    /// The model's name, e.g. `mlp`.
    pub network: String,
    /// The number that is explained, by its name among the model's outputs.
    pub output: String,
    /// Whether attributions are log-odds of a probability; else they are those of a risk score.
    pub log_odds: bool,
    /// Patients: `holdout`, `training` or `all`.
    pub subset: String,
    /// Patients explained; under noise an estimate.
    pub n: u64,
    /// Sites whose contribution was not the zero vector; 0 under noise, which does not count them.
    pub sites: u64,
    /// Whether the sum was noised, so that nothing here has a standard error.
    pub noised: bool,
    /// Mean loss of the model as it is.
    pub loss: Option<f64>,
    /// By column, how much worse the model gets without it.
    pub importance: Vec<Importance>,
    /// By input, what it adds to predictions.
    pub attributions: Vec<Attribution>,
    /// By column, the mean prediction at each of some values.
    pub dependence: Vec<Dependence>,
    /// Coefficients of a linear model.
    pub coefficients: Option<Coefficients>,
    /// What is missing, and why; what the figures mean.
    pub notes: Vec<String>,
}

/// The rise of the mean loss when a column's values are replaced by others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The column.
    pub column: String,
    /// Mean rise of a patient's loss.
    pub rise: f64,
    /// Its standard error over patients; `None` under noise.
    pub se: Option<f64>,
}

/// Integrated gradients of one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// The input.
    pub input: String,
    /// Its column.
    pub column: String,
    /// Mean over patients.
    pub mean: f64,
    /// Mean size over patients.
    pub mean_abs: f64,
}

/// The mean prediction over all patients with one column set to each of some public values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dependence {
    /// The column.
    pub column: String,
    /// Names of the levels, where the column is a category.
    pub levels: Option<Vec<String>>,
    /// The values: numbers, or places of levels.
    pub values: Vec<f64>,
    /// The mean prediction at each.
    pub predicted: Vec<f64>,
}

/// Coefficients with the uncertainty that the training patients leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coefficients {
    /// Training patients.
    pub n: u64,
    /// In units of the columns, with errors from the information matrix.
    pub terms: Vec<Term>,
    /// Errors of the sandwich, which hold for a model that is not true.
    pub robust_se: Vec<f64>,
}
