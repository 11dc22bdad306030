//! Inverse probability of treatment weights, from the released propensity model of an earlier task.
//!
//! Rosenbaum and Rubin 1983; Robins, Hernan and Brumback 2000. With p the modelled probability of
//! treatment, `ate` weighs the treated by 1/p and the others by 1/(1 - p): the effect in all
//! patients. `att` weighs the treated by 1 and the others by p/(1 - p): the effect in patients like
//! the treated, which is what an external control arm estimates (treated: the trial's patients;
//! others: the external controls). Weights are cut to [1e-6, `cap`], so every bound is public.

use serde::Deserialize;

use super::layout::refuse;
use super::linear_predictor::LinearPredictor;
use super::survival::check_flag;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::registry::Finished;
use crate::schema::Schema;

/// The lowest weight.
pub(super) const LOWEST: f64 = 1e-6;
const HIGHEST_CAP: f64 = 1e6;

/// Parameters `weights = { propensity, treatment, estimand, cap }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Manifest id of the finished logistic model of treatment.
    propensity: String,
    /// The flag that it models.
    treatment: String,
    #[serde(default)]
    estimand: Estimand,
    #[serde(default = "twenty")]
    cap: f64,
}

fn twenty() -> f64 {
    20.0
}

/// In whom an effect is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Estimand {
    /// All patients.
    #[default]
    Ate,
    /// The treated, or patients like them.
    Att,
}

/// Weights of patients by their treatment and covariates.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    predictor: LinearPredictor,
    propensity: String,
    treatment: String,
    estimand: Estimand,
    pub(super) cap: f64,
}

impl Weights {
    /// Checks the parameters against schema and finished tasks.
    pub(super) fn new(
        task: &str,
        params: Params,
        schema: &Schema,
        finished: &Finished,
    ) -> Result<Self, Error> {
        let Params { propensity, treatment, estimand, cap } = params;
        check_flag(task, schema, &treatment)?;
        if !(1.0..=HIGHEST_CAP).contains(&cap) {
            let reason = format!("`cap` of the weights must be 1 to {HIGHEST_CAP}");
            return Err(refuse(task, reason));
        }
        let predictor = LinearPredictor::of_finished(task, schema, finished, &propensity)?;
        if predictor.model != "logistic" {
            let reason = format!("`{propensity}` is no logistic model of treatment");
            return Err(refuse(task, reason));
        }
        let formula = finished.get(&propensity).and_then(|fit| fit["formula"].as_str());
        let modelled = formula.and_then(|formula| formula.split('~').next()).map(str::trim);
        if modelled != Some(treatment.as_str()) {
            let reason = format!("`{propensity}` models another outcome than `{treatment}`");
            return Err(refuse(task, reason));
        }
        Ok(Self { predictor, propensity, treatment, estimand, cap })
    }

    /// A patient's weight; `None` when a value is missing.
    pub(super) fn of(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        let treated = cohort.value(&self.treatment, patient)? > 0.5;
        let eta = self.predictor.of(cohort, patient)?;
        // exp(-eta) = (1 - p) / p, without the rounding of either.
        let odds = libm::exp(eta);
        let weight = match (self.estimand, treated) {
            (Estimand::Ate, true) => 1.0 + 1.0 / odds,
            (Estimand::Ate, false) => 1.0 + odds,
            (Estimand::Att, true) => 1.0,
            (Estimand::Att, false) => odds,
        };
        // NaN cannot be: both are positive. A cut weight is the cap's.
        Some(weight.clamp(LOWEST, self.cap))
    }

    /// For a formula, e.g. `weights = ate(ps)`.
    pub(super) fn describe(&self) -> String {
        let estimand = match self.estimand {
            Estimand::Ate => "ate",
            Estimand::Att => "att",
        };
        format!("{estimand}({}, {})", self.propensity, self.treatment)
    }
}
