//! From the scores of a network to a loss that is a sum over patients, and to a prediction.
//!
//! The target of a patient is a row of numbers in which zeros mean nobody: padding has no loss.
//! A Cox partial likelihood is no sum over patients (its risk sets join them); [`hazards`] has the
//! likelihoods that are.

pub mod classes;
pub mod competing;
pub mod hazards;

use burn::tensor::Tensor;

use super::model::Kind;
use crate::cohort::Cohort;
use crate::nn::ghost::Tape;

/// A kind of outcome.
pub trait Outcome: Send + Sync {
    /// Scores that it asks of the body.
    fn scores(&self) -> usize;

    /// Weights of its own (a baseline), which stand after the body's.
    fn parameters(&self) -> usize;

    /// Own weights before training.
    fn initial(&self) -> Vec<f64>;

    /// Numbers of an encoded target.
    fn width(&self) -> usize;

    /// Appends a patient's target; false, with nothing appended, when it is not known.
    fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool;

    /// The loss at given own weights.
    fn layer(&self, own: &[f64]) -> Box<dyn OutcomeLayer>;

    /// What predictions are.
    fn kind(&self) -> Kind;

    /// Names of the numbers of a prediction.
    fn outputs(&self) -> Vec<String>;

    /// A prediction from scores, in scalar doubles.
    fn predict(&self, own: &[f64], scores: &[f64]) -> Vec<f64>;

    /// A patient's loss, in scalar doubles.
    fn loss_of(&self, own: &[f64], scores: &[f64], target: &[f64]) -> f64;

    /// Where the loss is a sum over the numbers z_j = score + own weight j (or over the one score of
    /// an outcome without own weights): its first and second derivative by each z_j, in scalar
    /// doubles. `None` for any other loss.
    fn derivatives(&self, _own: &[f64], _scores: &[f64], _target: &[f64]) -> Option<Vec<[f64; 2]>> {
        None
    }
}

/// An outcome's loss in burn.
pub trait OutcomeLayer {
    /// The losses of all rows added: `scores` `[rows, scores]`, `target` `[rows, width]`.
    fn loss(&self, scores: Tensor<2>, target: Tensor<2>, tape: &mut Tape) -> Tensor<1>;
}

/// log(1 + exp(z)) without overflow.
pub(crate) fn softplus(z: f64) -> f64 {
    z.max(0.0) + libm::log1p(libm::exp(-z.abs()))
}

/// 1 / (1 + exp(-z)).
pub(crate) fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-z))
}
