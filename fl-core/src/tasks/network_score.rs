//! A trained network as a score that ranks patients: within a public range, as bins need it.
//!
//! A probability lies within 0 and 1. A risk score has no such ends, and interval arithmetic over
//! wide layers gives ends that no patient comes near; it is ranked by `d / (1 + |d|)`, with d its
//! distance from the risk at the public centre of all inputs: increasing in the risk, within -1 and
//! 1, fine about the middle and still apart far from it. No number derived from patients enters but
//! the released weights (rule S4).

use std::sync::Arc;

use super::concordance::Subset;
use super::layout::refuse;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::learn::explanation::Focus;
use crate::learn::model::Kind;
use crate::learn::trained::Trained;
use crate::registry::Finished;
use crate::results::network::SCHEMA;
use crate::schema::Schema;

/// One output of a trained network.
#[derive(Clone, Debug)]
pub(super) struct NetworkScore {
    trained: Arc<Trained>,
    focus: Focus,
    /// The prediction at the centre of all inputs.
    centre: f64,
}

/// Whether the finished task with that id left a network of [`SCHEMA`].
pub(super) fn is_network(finished: &Finished, id: &str) -> bool {
    let schema = finished.get(id).and_then(|result| result.get("schema"));
    schema.and_then(serde_json::Value::as_str) == Some(SCHEMA)
}

impl NetworkScore {
    /// The score of the finished training with that id; `output` is one of a model that has
    /// several.
    ///
    /// # Errors
    /// When there is no such network, or it has no such output.
    pub(super) fn of_finished(
        task: &str,
        schema: &Schema,
        finished: &Finished,
        id: &str,
        output: Option<&str>,
    ) -> Result<Self, Error> {
        let trained = Trained::of_finished(task, schema, finished, id)?;
        let focus = Focus::new(task, trained.model(), output)?;
        let inputs = vec![0.0; trained.model().inputs().width()];
        let centre = focus.predicted(trained.model(), trained.weights(), &inputs);
        let centre = centre.filter(|value| value.is_finite()).ok_or_else(|| {
            refuse(task, format!("`{id}` predicts no number at the centre of its inputs"))
        })?;
        Ok(Self { trained: Arc::new(trained), focus, centre })
    }

    pub(super) fn trained(&self) -> &Trained {
        &self.trained
    }

    pub(super) fn is_probability(&self) -> bool {
        self.focus.is_probability()
    }

    /// Ends of the score.
    pub(super) fn range(&self) -> (f64, f64) {
        if self.is_probability() { (0.0, 1.0) } else { (-1.0, 1.0) }
    }

    /// A patient's score; `None` when an input is missing or the prediction is no number.
    pub(super) fn of(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        let value = *self.trained.predict(cohort, patient)?.get(self.focus.place())?;
        let score = if self.is_probability() {
            value.clamp(0.0, 1.0)
        } else {
            let d = value - self.centre;
            if d.is_infinite() { d.signum() } else { d / (1.0 + d.abs()) }
        };
        (!score.is_nan()).then_some(score)
    }

    /// Whether the patient belongs to a subset by the training's split.
    pub(super) fn takes(&self, subset: Subset, cohort: &Cohort, patient: usize) -> bool {
        subset == Subset::All || subset.takes(self.trained.holds_out(cohort, patient))
    }

    /// Who is asked about when nobody says: those kept out of training, if there are any.
    pub(super) fn default_subset(&self) -> Subset {
        if self.trained.network().holdout > 0.0 { Subset::Holdout } else { Subset::All }
    }

    /// The one horizon by which a network gives the probability of the event, where it is such a one.
    pub(super) fn own_horizon(&self) -> Option<f64> {
        if self.trained.model().kind() != Kind::Binary {
            return None;
        }
        self.trained.network().model.params.get("horizon").and_then(number)
    }

    /// How the probability of the event by each horizon is read off a prediction; the reason when a
    /// horizon lies past what the network predicts.
    pub(super) fn risks_by(&self, horizons: &[f64]) -> Result<RiskBy, String> {
        let model = self.trained.model();
        if model.kind() == Kind::Binary {
            let own = self.own_horizon();
            let known: Vec<bool> = horizons.iter().map(|horizon| Some(*horizon) == own).collect();
            let any = known.contains(&true);
            return Ok(if any { RiskBy::Probability(known) } else { RiskBy::Unknown });
        }
        if model.kind() != Kind::Survival {
            return Ok(RiskBy::Unknown);
        }
        let cut =
            |name: &String| name.strip_prefix("survival_").and_then(|cut| cut.parse::<f64>().ok());
        let cuts: Vec<f64> = model.outputs().iter().filter_map(cut).collect();
        let place = |horizon: &f64| {
            let after = cuts.partition_point(|cut| cut < horizon);
            let Some(right) = cuts.get(after) else {
                return Err(format!("the network predicts nothing past its last cut: {horizon}"));
            };
            let left = after.checked_sub(1).and_then(|before| cuts.get(before)).unwrap_or(&0.0);
            Ok((after, (horizon - left) / (right - left)))
        };
        horizons.iter().map(place).collect::<Result<_, _>>().map(RiskBy::Curve)
    }

    /// A patient's probability of the event by each horizon; 0 by one where it is not known
    /// ([`RiskBy::knows`]).
    pub(super) fn risks(&self, by: &RiskBy, cohort: &Cohort, patient: usize) -> Option<Vec<f64>> {
        let predicted = match by {
            RiskBy::Unknown => return Some(Vec::new()),
            _ => self.trained.predict(cohort, patient)?,
        };
        let risk = |value: f64| (!value.is_nan()).then(|| value.clamp(0.0, 1.0));
        match by {
            RiskBy::Unknown => Some(Vec::new()),
            RiskBy::Probability(known) => {
                let own = risk(*predicted.first()?)?;
                Some(known.iter().map(|known| if *known { own } else { 0.0 }).collect())
            }
            RiskBy::Curve(places) => {
                let survival = predicted.get(1..)?;
                let of = |(after, share): &(usize, f64)| {
                    let right = *survival.get(*after)?;
                    let left =
                        after.checked_sub(1).map_or(Some(1.0), |b| survival.get(b).copied())?;
                    // Within an interval the hazard is constant: the logarithm falls evenly.
                    risk(if left > 0.0 {
                        1.0 - left * libm::pow((right / left).clamp(0.0, 1.0), *share)
                    } else {
                        1.0
                    })
                };
                places.iter().map(of).collect()
            }
        }
    }
}

/// How a network's risk by each horizon is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RiskBy {
    /// It predicts none.
    Unknown,
    /// Its probability, of an event by the horizon where this is true.
    Probability(Vec<bool>),
    /// For each horizon, the interval that it lies in and the share of it that has passed.
    Curve(Vec<(usize, f64)>),
}

impl RiskBy {
    /// Whether the risk by the horizon at that place is known.
    pub(super) fn knows(&self, horizon: usize) -> bool {
        match self {
            Self::Unknown => false,
            Self::Probability(known) => known.get(horizon).copied().unwrap_or(false),
            Self::Curve(places) => horizon < places.len(),
        }
    }
}

fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}
