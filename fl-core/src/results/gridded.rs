//! Models whose risk sets span hospitals on a public time grid.

use serde::{Deserialize, Serialize};

use super::Fit;

/// A Cox model without strata: a `haima.fit/1` with two fields more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GriddedFit {
    /// The fit.
    #[serde(flatten)]
    pub fit: Fit,
    /// Width of the public time grid; times were rounded up to it.
    pub grid: f64,
    /// The cumulative hazard with all covariates at 0.
    pub baseline: Baseline,
}

/// A cumulative hazard, as R's `basehaz(fit, centered = FALSE)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Grid times with an event.
    pub time: Vec<f64>,
    /// Cumulative hazard at each, with all covariates at 0 in their raw units. Its increments are
    /// Breslow's, or Efron's where the fit's ties are.
    pub cumhaz: Vec<f64>,
}
