//! Principal components and correlations.

use serde::{Deserialize, Serialize};

/// Principal components of some columns, with their correlations. `schema` is `haima.pca/1`.
///
/// Loadings and covariances follow R's `prcomp`: a covariance has the divisor n - 1, and is in the
/// raw units of its two columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    /// `haima.pca/1`.
    pub schema: String,
    /// Patients with all columns known.
    pub n: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// Columns, in the order of every matrix and vector below.
    pub columns: Vec<String>,
    /// Whether columns were divided by their standard deviation: components of the correlation
    /// matrix, else of the covariance matrix.
    pub scale: bool,
    /// Means in raw units.
    pub means: Vec<f64>,
    /// Standard deviations in raw units.
    pub sds: Vec<f64>,
    /// Correlations, `[row][column]`.
    pub correlation: Vec<Vec<f64>>,
    /// Covariances in raw units, `[row][column]`; with `scale = false` only.
    pub covariance: Option<Vec<Vec<f64>>>,
    /// Variance of every component, largest first.
    pub eigenvalues: Vec<f64>,
    /// Their square roots.
    pub sdev: Vec<f64>,
    /// Share of the total variance.
    pub explained: Vec<f64>,
    /// The first components, `[component][column]`, each of unit length with its loading of
    /// largest size positive.
    pub loadings: Vec<Vec<f64>>,
}
