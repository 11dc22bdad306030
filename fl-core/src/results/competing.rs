//! Competing risks: cumulative incidence by cause.

use serde::{Deserialize, Serialize};

use super::null_as_nan;

/// Cumulative incidence curves with Gray's tests. `schema` is `haima.cif/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incidence {
    /// `haima.cif/1`.
    pub schema: String,
    /// Readable formula, e.g. `Surv(months, event) ~ sex`.
    pub formula: String,
    /// Width of the public time grid; times were rounded up to it.
    pub grid: f64,
    /// Patients.
    pub n: u64,
    /// Events of any cause.
    pub events: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// The level of the event column that means censored.
    pub censored: String,
    /// One entry a group; a single one named `all` without groups.
    pub curves: Vec<IncidenceGroup>,
    /// Gray's k-sample test of each cause; empty with fewer than two groups.
    pub tests: Vec<GrayTest>,
}

/// The curves of a group, a row for each grid time with an event or a censoring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidenceGroup {
    /// Level of the grouping column, e.g. `sex=M`.
    pub group: String,
    /// Patients at the start.
    pub n: u64,
    /// Right edges of the grid intervals.
    pub time: Vec<f64>,
    /// At risk just before `time`.
    pub n_risk: Vec<u64>,
    /// Censored at `time`.
    pub n_censor: Vec<u64>,
    /// One curve a cause, in the order of the event column's levels.
    pub causes: Vec<CauseCurve>,
}

/// Cumulative incidence of one cause, at the times of its group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseCurve {
    /// Level of the event column.
    pub cause: String,
    /// Events of this cause at each time.
    pub n_event: Vec<u64>,
    /// Probability of an event of this cause up to each time.
    pub cif: Vec<f64>,
    /// Variance of `cif` (as R's `cmprsk::cuminc`).
    pub variance: Vec<f64>,
    /// Square root of `variance`.
    pub se: Vec<f64>,
    /// Lower end of the 95 % interval, made on the scale log(-log(cif)); NaN where cif is 0 or 1.
    #[serde(deserialize_with = "null_as_nan")]
    pub lo: Vec<f64>,
    /// Upper end.
    #[serde(deserialize_with = "null_as_nan")]
    pub hi: Vec<f64>,
}

/// Gray's test that the cumulative incidence of a cause is the same in all groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrayTest {
    /// Level of the event column.
    pub cause: String,
    /// The statistic.
    pub chisq: f64,
    /// Groups with patients, minus one.
    pub df: u32,
    /// Upper tail of chi-square.
    pub p: f64,
}
