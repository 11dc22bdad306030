//! Meta-analysis of the hospitals' own fits.

use serde::{Deserialize, Serialize};

use super::Term;

/// A random-effects meta-analysis. `schema` is `haima.meta/1`.
///
/// It has a row for all hospitals together and none a hospital: a hospital's own estimate is what
/// the sums are there to hide, so a forest plot of this result has its diamonds only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// `haima.meta/1`.
    pub schema: String,
    /// `"cox"` or `"logistic"`: the model that each hospital fits to its own patients.
    pub model: String,
    /// Readable formula, e.g. `Surv(time_days, death) ~ age + male`.
    pub formula: String,
    /// Between-hospital variance by DerSimonian and Laird: `"DL"`.
    pub method: String,
    /// Complete cases of the hospitals included.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// Hospitals included: those with enough patients and a fit.
    pub sites: u64,
    /// One a coefficient.
    pub terms: Vec<MetaTerm>,
}

/// One coefficient over the hospitals. Names follow R's `metafor`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetaTerm {
    /// The random-effects estimate, in raw units.
    pub random: Term,
    /// The fixed-effect (common-effect) estimate.
    pub fixed: Term,
    /// Between-hospital variance of the coefficient.
    pub tau2: f64,
    /// Cochran's Q.
    pub q: f64,
    /// Its degrees of freedom.
    pub df: u32,
    /// Upper tail of chi-square.
    pub q_p: f64,
    /// Share of the variance that lies between hospitals, in percent.
    pub i2: f64,
    /// Total variability over that within hospitals.
    pub h2: f64,
    /// Lower end of the 95 % prediction interval of a new hospital's `hr`, by Student's t with two
    /// degrees of freedom fewer than hospitals.
    pub pi_lo: f64,
    /// Upper end.
    pub pi_hi: f64,
}
