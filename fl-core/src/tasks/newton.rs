//! Newton's method on summed gradients and information, for the Cox and the logistic model.
//!
//! The iterate is public and every site replays it (rule X3): plain scalar arithmetic in a fixed
//! order, no clock, no randomness. Steps are halved while the log-likelihood falls, as in R's
//! `coxph` and `glm`. The start is zero in standardised covariates, so the first sum is the
//! likelihood without covariates.

use super::layout::{self, unfit};
use crate::error::Error;
use crate::linalg::{Symmetric, triangle};
use crate::sum::Sum;
use crate::task::Query;

/// Public cap on the sum of the absolute coefficients of the standardised covariates. Covariates
/// lie in [-1, 1], so no linear predictor passes it; a hazard ratio of e^64 between two ends of a
/// column's public range is no medicine. The bounds of the likelihood blocks rest on it.
pub(super) const CAP: f64 = 64.0;

/// Relative change of the log-likelihood that ends the iteration (R: 1e-9).
const LOGLIK_TOLERANCE: f64 = 1e-12;
/// Largest coordinate of a Newton step that ends it.
const STEP_TOLERANCE: f64 = 1e-10;
/// A step of this size where the likelihood stands still means that it has no maximum.
const RUNAWAY: f64 = 1e-3;
/// Share of its diagonal element below which a pivot counts as zero.
const SINGULAR: f64 = 1e-9;

/// Where the iteration stands: the public state of a Cox or logistic run between two sums.
#[derive(Clone, Debug)]
pub struct Newton {
    beta: Vec<f64>,
    /// The last iterate that did not make the likelihood fall, with its log-likelihood.
    accepted: Option<(Vec<f64>, f64)>,
    loglik_null: f64,
    used: u32,
}

/// What the sum says at the current iterate.
pub(super) struct Evaluation {
    pub(super) loglik: f64,
    pub(super) gradient: Vec<f64>,
    pub(super) information: Symmetric,
    /// What truncation to the grid can have taken from the log-likelihood.
    pub(super) truncation: f64,
}

/// L2 bounds on what one patient adds to the blocks of a model.
pub(super) struct Bounds {
    pub(super) loglik: f64,
    pub(super) gradient: f64,
    pub(super) information: f64,
}

impl Bounds {
    /// The query of a model with `p` coefficients at the iterate of `state`.
    pub(super) fn query(&self, task: &str, version: u32, state: &Newton) -> Query {
        let (p, bits) = (state.beta.len(), self.frac_bits());
        Query {
            task: task.to_owned(),
            version,
            blocks: vec![
                layout::count_block(),
                layout::reals("loglik", 1, self.loglik, bits),
                layout::reals("gradient", p, self.gradient, bits),
                layout::reals("information", triangle(p), self.information, bits),
            ],
            sensitivity: None,
            rate: 1.0,
            bytes: layout::to_bytes(&state.beta),
        }
    }

    /// Reads the sum that answers the query of a model with `p` coefficients.
    pub(super) fn read(&self, task: &str, sum: &Sum, p: usize) -> Result<Evaluation, Error> {
        let upper = layout::block(sum, "information", triangle(p))?;
        let information =
            Symmetric::new(p, upper).ok_or_else(|| unfit(task, "an information of wrong size"))?;
        let step = 1.0 / (1u64 << self.frac_bits()) as f64;
        Ok(Evaluation {
            loglik: layout::block(sum, "loglik", 1)?.iter().sum(),
            gradient: layout::block(sum, "gradient", p)?,
            information,
            truncation: f64::from(sum.sites()) * 2.0 * step,
        })
    }

    fn frac_bits(&self) -> u8 {
        layout::frac_bits(&[self.loglik, self.gradient, self.information])
    }
}

/// The task's name, its terms, and how many sums it may use.
pub(super) struct Rules<'a> {
    pub(super) task: &'a str,
    pub(super) terms: &'a [String],
    pub(super) max_iterations: u32,
}

/// The maximum, in standardised covariates.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    pub(super) beta: Vec<f64>,
    pub(super) covariance: Vec<Vec<f64>>,
    pub(super) loglik: f64,
    pub(super) loglik_null: f64,
    pub(super) iterations: u32,
}

/// What follows a sum.
pub(super) enum Progress {
    Continue(Newton),
    Done(Estimate),
}

impl Newton {
    /// Starts at zero.
    pub(super) fn new(width: usize) -> Self {
        Self { beta: vec![0.0; width], accepted: None, loglik_null: 0.0, used: 0 }
    }

    /// The current iterate.
    pub(super) fn beta(&self) -> &[f64] {
        &self.beta
    }

    /// Takes in the sum at the current iterate.
    pub(super) fn absorb(mut self, at: &Evaluation, rules: &Rules<'_>) -> Result<Progress, Error> {
        let finite = at.gradient.iter().all(|value| value.is_finite()) && at.loglik.is_finite();
        if !finite {
            return Err(unfit(rules.task, "the sum is not finite; some party broke the protocol"));
        }
        self.used += 1;
        if self.used == 1 {
            self.loglik_null = at.loglik;
        }
        let tolerance = (LOGLIK_TOLERANCE * at.loglik.abs()).max(at.truncation);
        if let Some((good, loglik)) = &self.accepted
            && at.loglik < loglik - tolerance
        {
            let middle = good.iter().zip(&self.beta).map(|(a, b)| a + (b - a) / 2.0).collect();
            return self.advance(middle, rules);
        }
        let factor = at.information.cholesky(SINGULAR).map_err(|fault| {
            unfit(
                rules.task,
                format!(
                    "`{}` is constant or a combination of the terms before it, as far as the \
                     events tell; leave it out or merge its levels",
                    term(rules, fault.pivot)
                ),
            )
        })?;
        let step = factor.solve(&at.gradient);
        let stands =
            self.accepted.as_ref().is_some_and(|(_, l)| (at.loglik - l).abs() <= tolerance);
        if stands || step.iter().all(|move_| move_.abs() < STEP_TOLERANCE) {
            if let Some(j) = (0..step.len()).find(|&j| runs_away(&self.beta, &step, j)) {
                return Err(without_maximum(rules, j));
            }
            return Ok(Progress::Done(Estimate {
                beta: self.beta,
                covariance: factor.inverse(),
                loglik: at.loglik,
                loglik_null: self.loglik_null,
                iterations: self.used,
            }));
        }
        let next =
            inside_cap(&self.beta, step).ok_or_else(|| without_maximum(rules, self.largest()))?;
        self.accepted = Some((self.beta.clone(), at.loglik));
        self.advance(next, rules)
    }

    fn advance(mut self, next: Vec<f64>, rules: &Rules<'_>) -> Result<Progress, Error> {
        if self.used >= rules.max_iterations {
            let name = term(rules, self.largest());
            return Err(unfit(
                rules.task,
                format!(
                    "no maximum after {} sums; look at `{name}`, whose coefficient is the largest, \
                     or raise `max_iterations`",
                    self.used
                ),
            ));
        }
        self.beta = next;
        Ok(Progress::Continue(self))
    }

    fn largest(&self) -> usize {
        let size = |j: &usize| self.beta.get(*j).map_or(0.0, |value| value.abs());
        (0..self.beta.len()).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(0)
    }
}

/// Whether the sum of absolute coefficients is within the cap (and a number).
pub(super) fn within_cap(beta: &[f64]) -> bool {
    beta.iter().map(|value| value.abs()).sum::<f64>() <= CAP
}

/// `beta + step`, with the step halved until the cap holds.
fn inside_cap(beta: &[f64], mut step: Vec<f64>) -> Option<Vec<f64>> {
    for _ in 0..64 {
        let next: Vec<f64> = beta.iter().zip(&step).map(|(b, s)| b + s).collect();
        if within_cap(&next) {
            return Some(next);
        }
        step.iter_mut().for_each(|value| *value /= 2.0);
    }
    None
}

fn runs_away(beta: &[f64], step: &[f64], j: usize) -> bool {
    let size = beta.get(j).map_or(0.0, |value| value.abs()).max(1.0);
    step.get(j).is_some_and(|move_| move_.abs() > RUNAWAY * size)
}

fn without_maximum(rules: &Rules<'_>, j: usize) -> Error {
    unfit(
        rules.task,
        format!(
            "the coefficient of `{}` grows without bound: the events lie all on one side of it; \
             leave it out or merge its levels",
            term(rules, j)
        ),
    )
}

fn term<'a>(rules: &Rules<'a>, j: usize) -> &'a str {
    rules.terms.get(j).map_or("?", String::as_str)
}
