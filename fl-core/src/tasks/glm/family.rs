//! The three families: what a patient adds to the sums, and by how much at most.
//!
//! All links are canonical, so with mean m and variance function v(m) the gradient is
//! `(y - m) x` and the information `v(m) x x'`. The fit is summed as minus half the deviance, which
//! is the log-likelihood up to that of the saturated model, a constant of the data that Poisson
//! sums once.
//!
//! # Bounds
//! A patient has x = (1, z) with z in [-1, 1]^(p-1), p terms with the intercept, and
//! |x' beta| <= A = `newton::CAP` = 64.
//! * **Logistic**, v = m (1 - m): gradient at most sqrt(p) in norm; information at most p / 4 in
//!   Frobenius norm; fit `-log(1 + exp(-+eta))`, at most A + log 2.
//! * **Linear**: y lies in [-1, 1] by its public range, and the only query is at beta = 0. Gradient
//!   `y x`, at most sqrt(p); information `x x'`, at most p; fit `-y^2 / 2`, at most 1/2.
//! * **Poisson**: y lies in [0, Y], Y the public upper end; an exposure enters as
//!   `o = log(t / t_max) <= 0`, and a patient with `t < t_max 2^-40` counts as missing, so
//!   o >= -28. The site refuses an iterate whose linear predictor could pass
//!   `log max(Y, 1) + 10` anywhere in the public ranges, so m <= M = e^10 max(Y, 1). Gradient at
//!   most M sqrt(p) (|y - m| <= max(Y, M) = M); information `m x x'` at most M p; fit
//!   `y (eta + o) - y log y + y - m` at most Y (A + 28 + 1) + max(Y log Y, 1) + M. Saturated:
//!   `y log y - y - log y!`, at most `1 + log(2 pi max(Y, 1)) / 2` in size (Stirling).

use serde::Deserialize;

use super::super::layout;
use super::super::newton::{self, Bounds};
use super::outcome::Outcome;
use crate::task::Block;

/// Size of the smallest log of an exposure over its upper end: 40 log 2, rounded up.
const OFFSET: f64 = 28.0;

/// How an outcome is distributed about its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Family {
    #[default]
    Logistic,
    Linear,
    Poisson,
}

/// What a patient adds, before it is multiplied by x and x x'.
pub(super) struct At {
    pub(super) residual: f64,
    pub(super) weight: f64,
    /// Minus half the unit deviance.
    pub(super) fit: f64,
}

impl Family {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Linear => "linear",
            Self::Poisson => "poisson",
        }
    }

    /// A patient with outcome `y` at the linear predictor `eta`, offset included.
    pub(super) fn at(self, y: f64, eta: f64) -> At {
        match self {
            Self::Logistic => {
                let mu = 1.0 / (1.0 + libm::exp(-eta));
                let fit = -libm::log1p(libm::exp(if y > 0.5 { -eta } else { eta }));
                At { residual: y - mu, weight: mu * (1.0 - mu), fit }
            }
            Self::Linear => {
                let residual = y - eta;
                At { residual, weight: 1.0, fit: -residual * residual / 2.0 }
            }
            Self::Poisson => {
                let mu = libm::exp(eta);
                let log = if y > 0.0 { y * (eta - libm::log(y)) } else { 0.0 };
                At { residual: y - mu, weight: mu, fit: log + y - mu }
            }
        }
    }

    /// A patient's log-likelihood where the mean is the outcome; a linear model's follows from the
    /// dispersion instead.
    pub(super) fn saturated(self, y: f64) -> f64 {
        match self {
            Self::Logistic | Self::Linear => 0.0,
            Self::Poisson if y > 0.0 => y * libm::log(y) - y - libm::lgamma(y + 1.0),
            Self::Poisson => 0.0,
        }
    }

    /// Proven in the head of this file.
    pub(super) fn bounds(self, terms: usize, outcome: &Outcome) -> Bounds {
        let p = terms as f64;
        match self {
            Self::Logistic => Bounds {
                loglik: newton::CAP + std::f64::consts::LN_2,
                gradient: p.sqrt(),
                information: p / 4.0,
            },
            Self::Linear => Bounds { loglik: 0.5, gradient: p.sqrt(), information: p },
            Self::Poisson => {
                let (most, mean) = (outcome.most(), libm::exp(outcome.ceiling()));
                let log = (most * libm::log(most.max(1.0))).max(1.0);
                Bounds {
                    loglik: most * (newton::CAP + OFFSET + 1.0) + log + mean,
                    gradient: mean * p.sqrt(),
                    information: mean * p,
                }
            }
        }
    }

    /// The block of the saturated log-likelihood, where there is one.
    pub(super) fn saturated_block(self, name: &str, outcome: &Outcome) -> Option<Block> {
        let norm = 1.0 + libm::log(2.0 * std::f64::consts::PI * outcome.most().max(1.0)) / 2.0;
        (self == Self::Poisson).then(|| layout::reals(name, 1, norm, 32))
    }
}
