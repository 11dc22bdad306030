//! Association scans.

use serde::{Deserialize, Serialize};

/// Score tests of many variants against one outcome. `schema` is `haima.scan/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// `haima.scan/1`.
    pub schema: String,
    /// `"logistic"` (the outcome is a flag) or `"linear"` (a number).
    pub family: String,
    /// The null model, e.g. `status ~ age + sex`; `1` without covariates.
    pub formula: String,
    /// Patients with outcome and covariates known.
    pub n: u64,
    /// Cases among them; 0 for a linear model.
    pub events: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// One row a variant, then one a burden set.
    pub variants: Vec<VariantTest>,
    /// Genomic control: the median `chisq` of the variants (without burden sets) over that of
    /// chi-square with one degree of freedom; `None` when nothing could be tested.
    pub lambda: Option<f64>,
    /// Sums used.
    pub iterations: u32,
}

/// The score test of one variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantTest {
    /// Column, or name of the burden set.
    pub name: String,
    /// Genes of a burden set; empty for a variant.
    pub genes: Vec<String>,
    /// Patients of the null model whose dosage is known.
    pub n: u64,
    /// Patients with a dosage above 0.
    pub carriers: u64,
    /// Sum of dosages: the allele count.
    pub dosage: f64,
    /// Score of the coefficient at 0, adjusted for the covariates.
    pub score: f64,
    /// Its variance.
    pub variance: f64,
    /// `score^2 / variance`, with one degree of freedom.
    pub chisq: Option<f64>,
    /// Upper tail of chi-square; `None` where `reason` says why there is no test.
    pub p: Option<f64>,
    /// The same for `chisq / max(lambda, 1)`.
    pub p_gc: Option<f64>,
    /// One step towards the coefficient, `score / variance`: log odds ratio a dose, or difference
    /// of the outcome a dose.
    pub beta: Option<f64>,
    /// Its standard error under the null model, `1 / sqrt(variance)`.
    pub se: Option<f64>,
    /// Why there is no test.
    pub reason: Option<String>,
}
