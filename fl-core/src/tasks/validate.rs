//! Validation of a prediction at hospitals that did not make it, by counts and bounded sums.
//!
//! The score is a column (`score`), or of an earlier task of the study (`model`) the linear predictor
//! of a Cox or logistic fit, or the prediction of a trained network
//! (`network_score`). The outcome is a flag (`binary`: discrimination, calibration, decision
//! curve) or a survival time (`survival`: Harrell's C, and by horizon the area under the curve
//! and the Brier score). Ranking is by public bins of the score; all else is exact, to the grid.
//! The bounds are proven in the heads of the two modules.

mod binary;
mod classes;
pub(crate) mod rank;
mod recalibration;
mod score;
mod survival;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::concordance::Subset;
use super::layout::{self, refuse};
use crate::error::Error;
use crate::schema::{Kind, Schema};
use crate::task::{Run, start};
use binary::Binary;
use classes::Classes;
use survival::Times;

/// Name of the task.
pub const NAME: &str = "validate";
/// Version of its queries and of its absorb.
pub const VERSION: u32 = 1;

/// What the manifest says of a validation. All of it is public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    score: Option<String>,
    model: Option<String>,
    class: Option<String>,
    subset: Option<Subset>,
    bins: Option<usize>,
    range: Option<(f64, f64)>,

    outcome: Option<String>,
    calibration_bins: Option<usize>,
    thresholds: Option<Vec<f64>>,

    time: Option<String>,
    event: Option<String>,
    horizons: Option<Vec<f64>>,
    grid: Option<f64>,
    growth: Option<f64>,
    predictions: Option<Vec<String>>,
    baseline: Option<Vec<(f64, f64)>>,
}

/// Opens the validation of these parameters. The score: `score` (a numeric column) or `model` (the
/// manifest id of a Cox or logistic fit, or of a training; then `subset` says of whom: `"holdout"`,
/// the default where there is one, `"training"` or `"all"`); optionally `bins` and `range = [low, high]` of the bins,
/// by default the score's public range. The outcome, either
/// * `outcome`, a flag, or a category with the `class` that counts as yes; optionally `calibration_bins` (10) and `thresholds` of the decision curve; or
/// * `outcome`, a category whose classes the training predicts, for each of them against the rest; or
/// * `time` and `event`; optionally `horizons`, `grid` (1) on which the horizons lie, `growth` of
///   the time intervals that C is counted on, and the predicted risk by each horizon: the columns
///   `predictions`, or the `baseline` of a Cox model as `[[time, cumulative hazard], ...]` at
///   covariates 0 (R: `basehaz(fit, centered = FALSE)`).
///
/// # Errors
/// When a parameter or a column cannot be used, or there is no such fit.
pub fn open(
    table: &toml::Table,
    schema: &Schema,
    finished: &BTreeMap<String, serde_json::Value>,
) -> Result<Box<dyn Run>, Error> {
    let params: Params = layout::params(NAME, table)?;
    match (&params.outcome, &params.time, &params.event) {
        (Some(outcome), None, None) => {
            let category = matches!(schema.column(outcome)?.kind, Kind::Category { .. });
            if category && params.class.is_none() {
                Ok(start(Classes::new(params, schema, finished)?))
            } else {
                Ok(start(Binary::new(params, schema, finished)?))
            }
        }
        (None, Some(_), Some(_)) => Ok(start(Times::new(params, schema, finished)?)),
        _ => Err(refuse(NAME, "give `outcome`, or both `time` and `event`")),
    }
}

/// Refuses parameters that belong to the other kind of outcome.
fn refuse_foreign(given: &[(&str, bool)], outcome: &str) -> Result<(), Error> {
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(refuse(NAME, format!("`{name}` does not go with {outcome}"))),
        None => Ok(()),
    }
}
