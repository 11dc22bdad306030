//! What tasks return: the JSON that the command line prints and the report draws.
//!
//! Field names follow R's `survival` where it has them. Units: times in the data's own unit on
//! the right edge of a grid interval; hazard ratios and coefficients in raw units of the column.

pub mod clusters;
pub mod combat;
pub mod competing;
pub mod comutation;
pub mod explain;
pub mod fidelity;
pub mod finegray;
pub mod generator;
pub mod gridded;
pub mod meta;
pub mod multistate;
pub mod network;
pub mod noised;
pub mod pca;
pub mod penalty;
pub mod prepare;
pub mod quartiles;
pub mod scan;
pub mod validation;

use serde::{Deserialize, Deserializer, Serialize};

/// A Cox or a generalised linear model. `schema` is `haima.fit/1`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// `haima.fit/1`.
    pub schema: String,
    /// `"cox"`, or a family: `"logistic"`, `"linear"` or `"poisson"`.
    pub model: String,
    /// Readable formula, e.g. `Surv(time_days, death) ~ age + male + strata(site)`.
    pub formula: String,
    /// Complete cases over all contributing sites.
    pub n: u64,
    /// Events (deaths, cases; patients with a count above 0) among them; 0 in a linear model.
    pub events: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// `"breslow"` or `"efron"`; empty where there are no ties to handle.
    pub ties: String,
    /// `"site"`, `"none"` or a column.
    pub strata: String,
    /// One row a coefficient.
    pub terms: Vec<Term>,
    /// Log (partial) likelihood at the estimate.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub loglik: f64,
    /// The same at zero coefficients (Cox) or with the intercept alone.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub loglik_null: f64,
    /// Sums used.
    pub iterations: u32,
    /// What held the coefficients back, if anything did. `loglik` is without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty: Option<penalty::Penalty>,
    /// Deviance of a generalised linear model; a linear model's is the residual sum of squares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviance: Option<f64>,
    /// Residual degrees of freedom: complete cases less coefficients, penalised or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub df_residual: Option<u64>,
    /// Residual variance of a linear model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispersion: Option<f64>,
    /// Standard errors of the terms by the inverse information, where `se` is robust (the sandwich).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub naive_se: Option<Vec<f64>>,
    /// Present where the sums were noised: then `n`, `events` and `sites` are 0 and standard errors
    /// and likelihoods `null`, as none of them was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noised: Option<noised::Noised>,
}

/// One coefficient with its Wald inference, which is `null` (NaN) under a lasso or noise, as is a
/// ratio that no double holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// Column, or column followed by the level (R's convention).
    pub name: String,
    /// Coefficient in raw units.
    pub coef: f64,
    /// Standard error, from the inverse information.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub se: f64,
    /// `exp(coef)`: hazard, odds or rate ratio. In a linear model the coefficient itself, and `lo`
    /// and `hi` are its interval.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub hr: f64,
    /// Lower end of the 95 % interval of `hr`.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub lo: f64,
    /// Upper end.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub hi: f64,
    /// `coef / se`.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub z: f64,
    /// Two-sided p value.
    #[serde(deserialize_with = "one_null_as_nan")]
    pub p: f64,
}

/// Kaplan-Meier curves with the log-rank test. `schema` is `haima.km/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// `haima.km/1`.
    pub schema: String,
    /// Readable formula, e.g. `Surv(time_days, death) ~ male`.
    pub formula: String,
    /// Width of the public time grid; times were rounded up to it.
    pub grid: f64,
    /// Patients.
    pub n: u64,
    /// Events.
    pub events: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// One curve a group; a single one named `all` without groups.
    pub curves: Vec<Curve>,
    /// Present with two or more groups.
    pub logrank: Option<LogRank>,
}

/// One Kaplan-Meier curve, a row for each grid time with an event or a censoring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Level of the grouping column, e.g. `male=1`.
    pub group: String,
    /// Patients at the start.
    pub n: u64,
    /// Right edges of the grid intervals.
    pub time: Vec<f64>,
    /// At risk just before `time`.
    pub n_risk: Vec<u64>,
    /// Events at `time`.
    pub n_event: Vec<u64>,
    /// Censored at `time`.
    pub n_censor: Vec<u64>,
    /// Survival after `time`.
    pub surv: Vec<f64>,
    /// Greenwood standard error of `surv`.
    #[serde(deserialize_with = "null_as_nan")]
    pub se: Vec<f64>,
    /// Lower end of the 95 % interval on the log scale (R's default).
    #[serde(deserialize_with = "null_as_nan")]
    pub lo: Vec<f64>,
    /// Upper end, at most 1.
    #[serde(deserialize_with = "null_as_nan")]
    pub hi: Vec<f64>,
    /// First time at which survival is at most 1/2, by R's rule; `None` when not reached.
    pub median: Option<f64>,
    /// Where the lower end of the interval crosses 1/2: the lower end of the median's interval.
    #[serde(default)]
    pub median_lo: Option<f64>,
    /// Where the upper end does.
    #[serde(default)]
    pub median_hi: Option<f64>,
    /// Restricted mean survival time, where the task names `tau`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rmst: Option<Rmst>,
}

/// Mean survival time up to `tau`: the area under the curve, which past its last time goes on at its
/// last height, as R draws it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rmst {
    /// End of the area, in the data's time unit.
    pub tau: f64,
    /// The area.
    pub mean: f64,
    /// Its standard error.
    #[serde(deserialize_with = "null_as_not_a_number")]
    pub se: f64,
}

/// The k-sample log-rank test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRank {
    /// Groups in the order of the two vectors.
    pub groups: Vec<String>,
    /// Observed events a group.
    pub observed: Vec<f64>,
    /// Expected events a group.
    pub expected: Vec<f64>,
    /// The statistic.
    pub chisq: f64,
    /// Groups with patients, minus one.
    pub df: u32,
    /// Upper tail of chi-square.
    pub p: f64,
}

/// Table 1. `schema` is `haima.table1/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table1 {
    /// `haima.table1/1`.
    pub schema: String,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// Levels of the grouping column, the first being `all`.
    pub groups: Vec<String>,
    /// Patients a group.
    pub n: Vec<u64>,
    /// One row a column of the schema.
    pub rows: Vec<TableRow>,
}

/// One column of the schema, described in every group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// Column.
    pub column: String,
    /// Readable label of the schema, or the column's name.
    pub label: String,
    /// Unit of the schema, possibly empty.
    pub unit: String,
    /// Missing values a group.
    pub missing: Vec<u64>,
    /// What is known of it.
    pub cells: Cells,
}

/// Numbers of a table row, a vector over groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cells {
    /// A numeric column.
    Numeric {
        /// Means.
        #[serde(deserialize_with = "null_as_nan")]
        mean: Vec<f64>,
        /// Standard deviations (n - 1).
        #[serde(deserialize_with = "null_as_nan")]
        sd: Vec<f64>,
        /// Quartiles by the public histogram, linear inside a bin.
        #[serde(deserialize_with = "null_as_nan")]
        q1: Vec<f64>,
        /// Median.
        #[serde(deserialize_with = "null_as_nan")]
        median: Vec<f64>,
        /// Third quartile.
        #[serde(deserialize_with = "null_as_nan")]
        q3: Vec<f64>,
        /// Bins of the histogram that the quartiles lie in, a group; `null` where there are no values.
        /// Empty in reports of earlier versions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        quartile_bins: Vec<Option<quartiles::QuartileBins>>,
    },
    /// A categorical column: counts `[level][group]`.
    Categorical {
        /// Levels in the schema's order.
        levels: Vec<String>,
        /// Counts, a vector over groups for each level.
        counts: Vec<Vec<u64>>,
    },
}

/// A discrete-time hazard network. `schema` is `haima.hazard/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HazardModel {
    /// `haima.hazard/1`.
    pub schema: String,
    /// Readable formula.
    pub formula: String,
    /// Covariates after encoding, in the order of the first layer's rows.
    pub inputs: Vec<String>,
    /// Hidden units.
    pub hidden: u32,
    /// Right edges of the time intervals.
    pub cuts: Vec<f64>,
    /// Weights, flat, in the layout that `tasks::hazard` documents.
    pub weights: Vec<f64>,
    /// Steps taken.
    pub steps: u32,
}

/// Concordance of a risk score, from counts on public bins. `schema` is `haima.concordance/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concordance {
    /// `haima.concordance/1`.
    pub schema: String,
    /// Patients counted.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// Comparable pairs.
    pub comparable: f64,
    /// Harrell's C; pairs tied in the binned score count a half.
    pub c_index: f64,
    /// `"holdout"` or `"all"`.
    pub subset: String,
}

/// As [`null_as_nan`], for one number.
fn null_as_not_a_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Reads numbers that R would print as NA (the error of a curve at 0, the deviation of a single
/// patient): JSON has no NaN, so it stands there as `null`.
fn null_as_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let numbers = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

/// The same for one number.
fn one_null_as_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}
