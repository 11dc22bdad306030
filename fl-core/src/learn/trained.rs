//! A trained model at work: opened from a result, asked about patients.

use super::harmonise::Adjust;
use super::model::Model;
use super::models;
use super::strategies::{Unit, fedper};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::registry::Finished;
use crate::results::network::{Network, SCHEMA};
use crate::schema::Schema;
use crate::tasks::combat;
use crate::tasks::hazard::split::Split;
use crate::tasks::layout::refuse;

/// A model with its weights.
pub struct Trained {
    model: Box<dyn Model>,
    network: Network,
    split: Split,
}

impl std::fmt::Debug for Trained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trained {{ {} weights }}", self.network.weights.len())
    }
}

impl Trained {
    /// The model that a finished task of the study trained.
    ///
    /// # Errors
    /// When there is no such result, or it does not fit the schema.
    pub fn of_finished(
        task: &str,
        schema: &Schema,
        finished: &Finished,
        id: &str,
    ) -> Result<Self, Error> {
        let Some(result) = finished.get(id) else {
            return Err(refuse(task, format!("no earlier task `{id}` in this study has finished")));
        };
        let network = serde_json::from_value(result.clone()).map_err(|error| {
            refuse(task, format!("the result of `{id}` is no trained network: {error}"))
        })?;
        Self::new(task, schema, &network)
    }

    /// A model from its result.
    ///
    /// # Errors
    /// [`Error::Params`] naming `task` when its columns are none of the schema's, weights are of another
    /// number or not finite, or their head stayed at the hospitals.
    pub fn new(task: &str, schema: &Schema, network: &Network) -> Result<Self, Error> {
        if network.schema != SCHEMA {
            let reason =
                format!("a model of form `{}`; this binary reads {SCHEMA}", network.schema);
            return Err(refuse(task, reason));
        }
        if network.strategy.get("name").and_then(toml::Value::as_str) == Some(fedper::NAME) {
            let reason = "the model was trained by `fedper`: its head stayed at the hospitals, and what \
                          stands in the result predicts nothing. Take another strategy (`ditto` has a \
                          common model as well), or a hospital's own model at that hospital";
            return Err(refuse(task, reason));
        }
        let of_site = |adjust: &Adjust| adjust.batch == combat::SITE;
        if network.model.terms.iter().any(|term| term.adjust.as_deref().is_some_and(of_site)) {
            let reason = "its inputs are freed of batch terms that stay at each hospital, so it is of use \
                          to nobody but the training; take a column as the batch of `combat`";
            return Err(refuse(task, reason));
        }
        let finished = Finished::new();
        let terms = Some(network.model.terms.as_slice());
        let context = models::Context { task, schema, finished: &finished, terms };
        let model = models::open(&network.model.params, &context)?;
        let finite = network.weights.iter().all(|weight| weight.is_finite());
        if model.parameters() != network.weights.len() || !finite {
            let reason = format!(
                "{} weights where the model has {}, or one that is no number; take the result of a \
                 finished training as it is",
                network.weights.len(),
                model.parameters()
            );
            return Err(refuse(task, reason));
        }
        let split = Split::new(network.seed, network.holdout, schema);
        Ok(Self { model, network: network.clone(), split })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &dyn Model {
        self.model.as_ref()
    }

    /// Its weights.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.network.weights
    }

    /// The result of the training.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Refuses the model to a release under noise where its weights are patients' numbers that were
    /// neither charged nor public (rule S4).
    ///
    /// # Errors
    /// [`Error::Params`] naming `task`, with what to do.
    pub fn check_charged(&self, task: &str) -> Result<(), Error> {
        let why = if self.network.unit == Unit::None {
            "a strategy that protects nobody"
        } else if self.network.uncharged_figures {
            "figures that were released without noise (`uncharged_figures`)"
        } else {
            return Ok(());
        };
        let reason = format!(
            "release = \"noised\" of a model that was trained with {why}: a private run uses no number \
             derived from patients unless it is public or was charged (rule S4). Train it by `dp-sgd` \
             on the schema's or on charged figures, or ask with release = \"exact\""
        );
        Err(refuse(task, reason))
    }

    /// Whether a patient was kept out of training.
    #[must_use]
    pub fn holds_out(&self, cohort: &Cohort, patient: usize) -> bool {
        self.split.holds_out(cohort, patient)
    }

    /// A number in [0, 1) by a seed and the patient alone (rule S2).
    pub(crate) fn draw(&self, cohort: &Cohort, patient: usize, seed: u64) -> f64 {
        self.split.draw(cohort, patient, seed)
    }

    /// The prediction for a patient, whose outcome need not be known; `None` when an input is
    /// missing.
    #[must_use]
    pub fn predict(&self, cohort: &Cohort, patient: usize) -> Option<Vec<f64>> {
        let mut inputs = Vec::with_capacity(self.model.inputs().width());
        let complete = self.model.inputs().encode(cohort, patient, &mut inputs);
        if complete { self.model.predict(self.weights(), &inputs) } else { None }
    }
}
