//! Batch terms of columns, by ComBat. `schema` is `haima.combat/1`.

use serde::{Deserialize, Serialize};

use crate::learn::inputs::Term;

/// Value of `schema`.
pub const SCHEMA: &str = "haima.combat/1";

/// The pooled regression and, where the batch is a column, what each batch adds to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Combat {
    /// [`SCHEMA`].
    pub schema: String,
    /// The column of the batch, or `"site"`.
    pub batch: String,
    /// Patients with batch, covariates and all features known.
    pub n: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// What is preserved, coded by the public ranges.
    pub covariates: Vec<Term>,
    /// One a feature, in the order asked for.
    pub features: Vec<Feature>,
    /// One a level of the batch column in which there are patients; none where the batch is the site,
    /// whose terms never leave it.
    pub batches: Vec<Batch>,
}

/// A feature's regression on the covariates within batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// The column.
    pub column: String,
    /// Mean over all patients less what the covariates give, in the column's unit.
    pub mean: f64,
    /// What one unit of each coded covariate gives, in the column's unit.
    pub coefficients: Vec<f64>,
    /// Pooled residual standard deviation, divisor n, in the column's unit.
    pub sd: f64,
}

/// What a batch adds, in units of a feature's `sd`, after the empirical Bayes step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The level.
    pub level: String,
    /// Its number in the schema.
    pub index: u32,
    /// Patients in it.
    pub n: u64,
    /// Shift a feature.
    pub gamma: Vec<f64>,
    /// Variance a feature, above 0; 1 is that of all batches.
    pub delta: Vec<f64>,
}
