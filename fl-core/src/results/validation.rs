//! How well a prediction holds at the hospitals that did not make it.

use serde::{Deserialize, Serialize};

/// The validation of a score. `schema` is `haima.validation/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// `haima.validation/1`.
    pub schema: String,
    /// Readable, e.g. `death ~ score` or `Surv(time_days, death) ~ score`.
    pub formula: String,
    /// The score's column, or the manifest id of the model.
    pub score: String,
    /// Complete cases over all contributing sites.
    pub n: u64,
    /// Events (deaths, cases) among them.
    pub events: u64,
    /// Sites whose contribution was not the zero vector.
    pub sites: u64,
    /// Bins of the score, of equal width over `range`; two scores of one bin are a tie.
    pub bins: u64,
    /// Public range of the binned score: of the column, or of the linear predictor.
    pub range: (f64, f64),
    /// For an outcome of yes or no.
    pub binary: Option<Binary>,
    /// For a survival outcome.
    pub survival: Option<Survival>,
    /// For an outcome of several classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
}

/// A number between 0 and 1 with its standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The estimate.
    pub value: f64,
    /// Standard error; `None` where too few patients leave none.
    pub se: Option<f64>,
    /// Lower end of the 95 % interval, at least 0.
    pub lo: Option<f64>,
    /// Upper end, at most 1.
    pub hi: Option<f64>,
}

/// Validation of a probability of yes. Where the score is no probability, the area alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binary {
    /// Area under the receiver operating characteristic, with DeLong's standard error.
    pub auc: Share,
    /// What needs a probability.
    pub probability: Option<Probability>,
}

/// How a predicted probability compares with what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probability {
    /// Mean of `(p - y)^2`, without binning.
    pub brier: f64,
    /// Its standard error.
    pub brier_se: Option<f64>,
    /// The same for the observed share as everybody's prediction.
    pub brier_null: f64,
    /// `1 - brier / brier_null`.
    pub ipa: f64,
    /// Observed share.
    pub observed: f64,
    /// Mean predicted probability.
    pub predicted: f64,
    /// Observed and predicted in bins of the probability; empty bins are left out.
    pub calibration: Vec<CalibrationBin>,
    /// Logistic recalibration; `None` where it has no estimate.
    pub recalibration: Option<Recalibration>,
    /// Intercept when the slope is held at 1 (calibration in the large).
    pub in_the_large: Option<Estimate>,
    /// Net benefit at each threshold.
    pub decision: Vec<Decision>,
    /// Why something is `None`.
    pub notes: Vec<String>,
}

/// A bin of the predicted probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Left edge.
    pub from: f64,
    /// Right edge.
    pub to: f64,
    /// Patients.
    pub n: u64,
    /// Share with the outcome.
    pub observed: f64,
    /// Mean predicted probability.
    pub predicted: f64,
}

/// An estimate with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub coef: f64,
    /// Its standard error.
    pub se: f64,
}

/// `logit P(y = 1) = intercept + slope logit(p)`; 0 and 1 for a calibrated prediction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recalibration {
    /// Intercept.
    pub intercept: Estimate,
    /// Slope.
    pub slope: Estimate,
}

/// Net benefit of treating who has at least a threshold's probability (Vickers and Elkin 2006).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Probability from which a patient is treated.
    pub threshold: f64,
    /// Net benefit by the prediction.
    pub model: f64,
    /// Of treating all.
    pub all: f64,
    /// Of treating none: 0.
    pub none: f64,
}

/// Validation of the probabilities of several classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classes {
    /// A row a class.
    pub classes: Vec<Class>,
    /// Mean of the areas, with a standard error that holds however they go together.
    pub macro_auc: Share,
    /// Share of patients whose most probable class is theirs.
    pub accuracy: f64,
    /// By class, how many were taken for each class.
    pub confusion: Vec<Vec<u64>>,
}

/// One class against the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// The class.
    pub name: String,
    /// Patients of it.
    pub n: u64,
    /// Area under its probability's curve; `None` where nobody, or everybody, is of it.
    pub auc: Option<Share>,
}

/// Validation of a risk score for survival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Survival {
    /// Harrell's C, with the standard error of R's `survival::concordance`.
    pub c_index: Share,
    /// Comparable pairs.
    pub comparable: f64,
    /// A row a horizon.
    pub horizons: Vec<Horizon>,
    /// Trapezoidal mean of the Brier scores from the first horizon to the last.
    pub integrated_brier: Option<f64>,
    /// The same of the null model.
    pub integrated_brier_null: Option<f64>,
}

/// What is known at one horizon. Weights are the inverse probability of not being censored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Horizon {
    /// The horizon, in the unit of the time column.
    pub time: f64,
    /// Patients followed past it.
    pub n_after: u64,
    /// Events at or before it.
    pub events: u64,
    /// Estimated probability of not being censored by then.
    pub uncensored: f64,
    /// Kaplan-Meier probability of the event by then.
    pub observed: f64,
    /// Mean predicted probability.
    pub predicted: Option<f64>,
    /// Cumulative-dynamic area under the receiver operating characteristic.
    pub auc: Option<f64>,
    /// Brier score.
    pub brier: Option<f64>,
    /// Brier score of the Kaplan-Meier curve.
    pub brier_null: Option<f64>,
    /// `1 - brier / brier_null`.
    pub ipa: Option<f64>,
    /// Why something is `None` that could be had elsewhere.
    pub note: Option<String>,
}
