//! Logistic recalibration: the logit of the predicted probability as the one covariate (Cox,
//! *Biometrika* 1958;45:562; Van Calster et al., *BMC Medicine* 2019;17:230).
//!
//! With x the logit, brought to [-1, 1] by its public range, the slope model is
//! `logit P = b0 + b1 x`; calibration in the large is `logit P = b0 + logit`, with the slope held
//! at 1. Both are Newton runs over sums as in the logistic task.
//!
//! # Bounds
//! With |b0| + |b1| <= A = `newton::CAP` and a logit of at most L = 13.81551 in size:
//! * slope: gradient at most sqrt 2, information 1/2 (Frobenius), log-likelihood A + log 2;
//! * in the large: gradient 1, information 1/4, log-likelihood A + L + log 2.

use std::ops::ControlFlow;

use super::score::{LARGEST_LOGIT, Score};
use super::{NAME, VERSION};
use crate::error::Error;
use crate::linalg::triangle;
use crate::results::validation::{Estimate, Recalibration};
use crate::sum::Sum;
use crate::task::Query;
use crate::tasks::layout::unfit;
use crate::tasks::newton::{self, Bounds, Newton, Progress, Rules};

const MOST_ITERATIONS: u32 = 30;

/// Which of the two models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    Slope,
    InTheLarge,
}

/// What a finished run found.
pub(super) enum Found {
    Slope(Recalibration),
    InTheLarge(Estimate),
}

impl Model {
    /// Number of coefficients.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Slope => 2,
            Self::InTheLarge => 1,
        }
    }

    /// Proven in the head of this file.
    fn bounds(self) -> Bounds {
        let eta = newton::CAP + std::f64::consts::LN_2;
        match self {
            Self::Slope => {
                Bounds { loglik: eta, gradient: std::f64::consts::SQRT_2, information: 0.5 }
            }
            Self::InTheLarge => {
                Bounds { loglik: eta + LARGEST_LOGIT, gradient: 1.0, information: 0.25 }
            }
        }
    }

    /// Why there is none.
    fn is_missing(self) -> &'static str {
        match self {
            Self::Slope => {
                "no slope and intercept of recalibration by logit(p): the predictions tell the two \
                 outcomes apart without a mistake, or are all alike"
            }
            Self::InTheLarge => {
                "no calibration in the large: with predictions so close to 0 and 1 no shift of them \
                 has a most likely size"
            }
        }
    }

    pub(super) fn query(self, state: &Newton) -> Query {
        self.bounds().query(NAME, VERSION, state)
    }

    /// Takes in a sum: the next state, or what was found.
    pub(super) fn absorb(
        self,
        state: Newton,
        sum: &Sum,
        score: &Score,
    ) -> Result<ControlFlow<Found, Newton>, Error> {
        let evaluation = self.bounds().read(NAME, sum, self.width())?;
        let terms = ["(Intercept)".to_owned(), format!("logit({})", score.name)];
        let rules = Rules {
            task: NAME,
            terms: &terms,
            max_iterations: MOST_ITERATIONS,
            at_last_sum: false,
        };
        let absorbed = state.absorb(&evaluation, &rules).map_err(|error| match error {
            // Nobody penalises a recalibration: what helps a fit is no advice here.
            Error::Fit { reason, .. } if reason.contains("`ridge") => {
                unfit(NAME, self.is_missing())
            }
            other => other,
        });
        let estimate = match absorbed? {
            Progress::Continue(state) => return Ok(ControlFlow::Continue(state)),
            Progress::Done(estimate) => estimate,
        };
        let (middle, half) = centre(score);
        Ok(ControlFlow::Break(match (estimate.beta.as_slice(), estimate.covariance.as_slice()) {
            ([b0, b1], [row0, row1]) => {
                let v = |row: &[f64], column: usize| row.get(column).copied().unwrap_or(f64::NAN);
                let shift = middle / half;
                let variance = v(row0, 0) - 2.0 * shift * v(row0, 1) + shift * shift * v(row1, 1);
                Found::Slope(Recalibration {
                    intercept: Estimate { coef: b0 - shift * b1, se: variance.sqrt() },
                    slope: Estimate { coef: b1 / half, se: v(row1, 1).sqrt() / half },
                })
            }
            (beta, covariance) => Found::InTheLarge(Estimate {
                coef: beta.iter().sum(),
                se: covariance.iter().flatten().sum::<f64>().sqrt(),
            }),
        }))
    }
}

/// Middle and half width of the logit's public range.
fn centre(score: &Score) -> (f64, f64) {
    let (low, high) = score.logit_range();
    (low + (high - low) / 2.0, (high - low) / 2.0)
}

/// One site's log-likelihood, gradient and information over pairs of (score, outcome).
pub(super) fn sums(
    model: Model,
    beta: &[f64],
    score: &Score,
    patients: &[(f64, bool)],
) -> [Vec<f64>; 3] {
    let p = model.width();
    let (middle, half) = centre(score);
    let mut loglik = 0.0;
    let mut gradient = vec![0.0; p];
    let mut information = vec![0.0; triangle(p)];
    for &(value, y) in patients {
        let logit = score.logit(value);
        // A score whose range is one point is a second intercept of 0: singular, and said so.
        let x = if half > 0.0 { ((logit - middle) / half).clamp(-1.0, 1.0) } else { 0.0 };
        let row = &[1.0, x][..p];
        let offset = if model == Model::InTheLarge { logit } else { 0.0 };
        let eta = offset + row.iter().zip(beta).map(|(x, b)| x * b).sum::<f64>();
        let mu = 1.0 / (1.0 + libm::exp(-eta));
        loglik -= libm::log1p(libm::exp(if y { -eta } else { eta }));
        let mut places = information.iter_mut();
        for (j, x_j) in row.iter().enumerate() {
            gradient[j] += (f64::from(u8::from(y)) - mu) * x_j;
            for (x_k, place) in row[j..].iter().zip(places.by_ref()) {
                *place += mu * (1.0 - mu) * x_j * x_k;
            }
        }
    }
    [vec![loglik], gradient, information]
}
