//! Clusters of patients.

use serde::{Deserialize, Serialize};

/// Clusters by k-means or by a Gaussian mixture. `schema` is `haima.clusters/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// `haima.clusters/1`.
    pub schema: String,
    /// `"kmeans"` or `"gmm"`.
    pub method: String,
    /// `"full"` or `"diagonal"`; empty for k-means.
    pub covariance: String,
    /// Columns, in the order of every centre and matrix below.
    pub columns: Vec<String>,
    /// Patients with all columns known.
    pub n: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// One entry a cluster, in the order of the starting centres.
    pub clusters: Vec<Cluster>,
    /// k-means: sum of squared distances from each patient to its centre, in half ranges of the
    /// schema squared.
    pub within_ss: Option<f64>,
    /// Mixture: log-likelihood of the raw values at the parameters before the last step.
    pub loglik: Option<f64>,
    /// Mixture: Schwarz's criterion as in R's `mclust`, `2 loglik - parameters log n`; larger is
    /// better.
    pub bic: Option<f64>,
    /// Sums used.
    pub iterations: u32,
    /// Whether the tolerance was reached within `max_iterations`.
    pub converged: bool,
}

/// One cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Patients (k-means), or the sum of their probabilities to belong to it (mixture).
    pub size: f64,
    /// Share of all patients.
    pub weight: f64,
    /// Centre in raw units.
    pub centre: Vec<f64>,
    /// k-means: its part of the total `within_ss`.
    pub within_ss: Option<f64>,
    /// Mixture: covariance in raw units (divisor: `size`), `[row][column]`.
    pub covariance: Option<Vec<Vec<f64>>>,
}
