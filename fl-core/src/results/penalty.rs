//! What held a model's coefficients back.

use serde::{Deserialize, Serialize};

/// A penalty on the summed log-likelihood: the estimate maximises
/// `loglik - ridge/2 sum_j (scale_j coef_j)^2 - lasso sum_j |scale_j coef_j|`.
///
/// Standard errors of a ridge fit come from the penalised information, as R's `ridge()` in `coxph`
/// reports them: they describe the spread of the shrunken estimate, not its distance from the truth.
/// A fit with a lasso has none (`null`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Penalty {
    /// Weight of the squares.
    pub ridge: f64,
    /// Weight of the absolute values.
    pub lasso: f64,
    /// `"pooled"`: by the standard deviation over all complete cases (divisor n); `"public"`: by
    /// the schema's half range.
    pub standardise: String,
    /// The scale of each term in raw units, in the order of the terms, without the intercept.
    pub scale: Vec<f64>,
}
