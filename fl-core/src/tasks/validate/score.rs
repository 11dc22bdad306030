//! What ranks the patients, its public bins, and how it reads as a probability.

use std::collections::BTreeMap;

use super::{NAME, Params};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::{Kind, Schema};
use crate::tasks::layout::refuse;
use crate::tasks::linear_predictor::LinearPredictor;

/// Probabilities count as at least this and at most one less this where a logit is taken.
const LEAST: f64 = 1e-6;
/// The logit of `1 - LEAST`, rounded up.
pub(super) const LARGEST_LOGIT: f64 = 13.815_51;

/// The score of a patient.
#[derive(Clone, Debug)]
pub(super) struct Score {
    source: Source,
    /// The column, or the model's manifest id.
    pub(super) name: String,
    pub(super) bins: usize,
    /// Public range that the bins divide.
    pub(super) range: (f64, f64),
}

#[derive(Clone, Debug)]
enum Source {
    Column { column: String, range: (f64, f64) },
    Model(LinearPredictor),
}

impl Score {
    /// The score that the parameters name, in `bins` bins unless they say otherwise.
    pub(super) fn new(
        params: &Params,
        bins: usize,
        schema: &Schema,
        finished: &BTreeMap<String, serde_json::Value>,
    ) -> Result<Self, Error> {
        let (source, name, range) = match (&params.score, &params.model) {
            (Some(column), None) => {
                let range = numeric(schema, column)?;
                let source = Source::Column { column: column.clone(), range };
                (source, column, range)
            }
            (None, Some(id)) => {
                let predictor = LinearPredictor::of_finished(NAME, schema, finished, id)?;
                let range = predictor.range();
                (Source::Model(predictor), id, range)
            }
            _ => return Err(refuse(NAME, "give one of `score` and `model`")),
        };
        let range = match params.range {
            None => range,
            Some((low, high)) if low < high && (high - low).is_finite() => (low, high),
            Some(_) => return Err(refuse(NAME, "`range` must be two finite ascending numbers")),
        };
        let bins = params.bins.unwrap_or(bins);
        if bins == 0 {
            return Err(refuse(NAME, "`bins` must be at least 1"));
        }
        Ok(Self { source, name: name.clone(), bins, range })
    }

    /// The model's kind, where a model makes the score.
    pub(super) fn model(&self) -> Option<&str> {
        match &self.source {
            Source::Column { .. } => None,
            Source::Model(predictor) => Some(&predictor.model),
        }
    }

    /// The column, where the score is one.
    pub(super) fn column(&self) -> Option<&str> {
        match &self.source {
            Source::Column { column, .. } => Some(column),
            Source::Model(_) => None,
        }
    }

    /// Whether the score reads as a probability: a column within 0 and 1, or a logistic model.
    pub(super) fn is_probability(&self) -> bool {
        match &self.source {
            Source::Column { range: (low, high), .. } => *low >= 0.0 && *high <= 1.0,
            Source::Model(predictor) => predictor.model == "logistic",
        }
    }

    /// The score of a patient; `None` when a value is missing.
    pub(super) fn of(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        match &self.source {
            Source::Column { column, .. } => cohort.value(column, patient),
            Source::Model(predictor) => predictor.of(cohort, patient),
        }
    }

    /// The bin of a score; scores outside the range fall into the bins at its ends.
    pub(super) fn bin(&self, score: f64) -> usize {
        let (low, high) = self.range;
        let share = (score - low) / (high - low);
        // A cast saturates, and NaN (a model without spread) becomes bin 0.
        ((share * self.bins as f64) as usize).min(self.bins - 1)
    }

    /// The probability that a score means.
    pub(super) fn probability(&self, score: f64) -> f64 {
        match &self.source {
            Source::Column { .. } => score,
            Source::Model(_) => 1.0 / (1.0 + libm::exp(-score)),
        }
    }

    /// The logit of that probability, at most [`LARGEST_LOGIT`] in size.
    pub(super) fn logit(&self, score: f64) -> f64 {
        let logit = match &self.source {
            Source::Column { .. } => {
                let p = score.clamp(LEAST, 1.0 - LEAST);
                libm::log(p / (1.0 - p))
            }
            Source::Model(_) => score,
        };
        logit.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
    }

    /// The range of [`Score::logit`] over the public ranges of the columns.
    pub(super) fn logit_range(&self) -> (f64, f64) {
        let (low, high) = match &self.source {
            Source::Column { range, .. } => *range,
            Source::Model(predictor) => predictor.range(),
        };
        (self.logit(low), self.logit(high))
    }
}

/// The range of a numeric column.
pub(super) fn numeric(schema: &Schema, name: &str) -> Result<(f64, f64), Error> {
    match &schema.column(name)?.kind {
        Kind::Numeric { range, .. } => Ok(*range),
        _ => Err(refuse(NAME, format!("`{name}` must be a numeric column"))),
    }
}
