//! Regression of competing risks.

use serde::{Deserialize, Serialize};

use super::Fit;

/// A Fine-Gray model: a `haima.fit/1` with two fields more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubdistributionFit {
    /// The fit; its standard errors are those of the sandwich, which accounts for the estimated
    /// distribution of censoring, as R's `cmprsk::crr` prints them.
    #[serde(flatten)]
    pub fit: Fit,
    /// The level of the event column whose incidence is modelled.
    pub cause: String,
    /// Patients with an event of another cause.
    pub competing: u64,
    /// Width of the public time grid; times were rounded up to it.
    pub grid: f64,
}
