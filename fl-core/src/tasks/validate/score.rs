//! What ranks the patients, its public bins, and how it reads as a probability.

use std::collections::BTreeMap;

use super::{NAME, Params};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::{Kind, Schema};
use crate::tasks::concordance::Subset;
use crate::tasks::layout::refuse;
use crate::tasks::linear_predictor::LinearPredictor;
use crate::tasks::network_score::{NetworkScore, is_network};

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
    Network { score: NetworkScore, subset: Subset },
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
            (None, Some(id)) if is_network(finished, id) => {
                let class = params.class.as_deref();
                let score = NetworkScore::of_finished(NAME, schema, finished, id, class)?;
                let range = score.range();
                let subset = params.subset.unwrap_or_else(|| score.default_subset());
                (Source::Network { score, subset }, id, range)
            }
            (None, Some(id)) => {
                let predictor = LinearPredictor::of_finished(NAME, schema, finished, id)?;
                let range = predictor.range();
                (Source::Model(predictor), id, range)
            }
            _ => return Err(refuse(NAME, "give one of `score` and `model`")),
        };
        if params.subset.is_some() && !matches!(source, Source::Network { .. }) {
            return Err(refuse(NAME, "`subset` goes with the `model` of a training"));
        }
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

    /// The kind of fit that makes the score, where one does.
    pub(super) fn model(&self) -> Option<&str> {
        match &self.source {
            Source::Model(predictor) => Some(&predictor.model),
            Source::Column { .. } | Source::Network { .. } => None,
        }
    }

    /// The column, where the score is one.
    pub(super) fn column(&self) -> Option<&str> {
        match &self.source {
            Source::Column { column, .. } => Some(column),
            Source::Model(_) | Source::Network { .. } => None,
        }
    }

    /// The network, where one makes the score.
    pub(super) fn network(&self) -> Option<&NetworkScore> {
        match &self.source {
            Source::Network { score, .. } => Some(score),
            Source::Column { .. } | Source::Model(_) => None,
        }
    }

    /// Whether the score reads as a probability: a column within 0 and 1, a logistic model, or a
    /// network's probability.
    pub(super) fn is_probability(&self) -> bool {
        match &self.source {
            Source::Column { range: (low, high), .. } => *low >= 0.0 && *high <= 1.0,
            Source::Model(predictor) => predictor.model == "logistic",
            Source::Network { score, .. } => score.is_probability(),
        }
    }

    /// The score of a patient; `None` when a value is missing, or the patient is not asked about.
    pub(super) fn of(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        match &self.source {
            Source::Column { column, .. } => cohort.value(column, patient),
            Source::Model(predictor) => predictor.of(cohort, patient),
            Source::Network { score, subset } => {
                if score.takes(*subset, cohort, patient) {
                    score.of(cohort, patient)
                } else {
                    None
                }
            }
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
            Source::Column { .. } | Source::Network { .. } => score,
            Source::Model(_) => 1.0 / (1.0 + libm::exp(-score)),
        }
    }

    /// The logit of that probability, at most [`LARGEST_LOGIT`] in size.
    pub(super) fn logit(&self, score: f64) -> f64 {
        let logit = match &self.source {
            Source::Column { .. } | Source::Network { .. } => {
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
            Source::Network { score, .. } => score.range(),
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
