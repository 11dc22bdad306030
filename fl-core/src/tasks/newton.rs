//! Newton's method on summed gradients and information, for Cox and generalised linear models.
//!
//! The iterate is public and every site replays it (rule X3): plain scalar arithmetic in a fixed
//! order, no clock, no randomness. Steps are halved while the log-likelihood falls, as in R's
//! `coxph` and `glm`. The start is zero in standardised covariates, so the first sum is the
//! likelihood without covariates. With a penalty (see `penalty`) all of this holds for the
//! penalised log-likelihood; what is reported is the log-likelihood itself.

mod penalty;

use super::layout::{self, unfit};
use crate::error::Error;
use crate::linalg::{Symmetric, triangle};
use crate::results;
use crate::sum::Sum;
use crate::task::Query;

pub(super) use penalty::{Penalty, Standardise, moments, wants_moments};

/// Public cap on the sum of the absolute coefficients of the standardised covariates. Covariates
/// lie in [-1, 1], so no linear predictor passes it; a hazard ratio of e^64 between two ends of a
/// column's public range is no medicine. The bounds of the likelihood blocks rest on it.
pub(super) const CAP: f64 = 64.0;

/// Relative change of the log-likelihood that ends the iteration (R: 1e-9).
const LOGLIK_TOLERANCE: f64 = 1e-12;
/// Gain that the quadratic model promises of one more step, relative to the log-likelihood, below
/// which the step is taken without another sum: it moves no coefficient by more than about 1e-5 of
/// its error, and Newton's error after it is the square of that.
const GAIN_TOLERANCE: f64 = 1e-13;
/// Largest coordinate of a Newton step that ends it.
const STEP_TOLERANCE: f64 = 1e-10;
/// A step of this size where the likelihood stands still means that it has no maximum.
const RUNAWAY: f64 = 1e-3;
/// A coefficient past this, where a fit fails, is the reason.
const FAR: f64 = 12.0;
/// Share of its diagonal element below which a pivot counts as zero.
const SINGULAR: f64 = 1e-9;

/// Where the iteration stands: the public state of a run between two sums.
#[derive(Clone, Debug)]
pub struct Newton {
    beta: Vec<f64>,
    penalty: Option<Penalty>,
    /// What [`reach`] may come to.
    ceiling: f64,
    /// The last iterate that did not make the likelihood fall, with its (penalised)
    /// log-likelihood.
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
    /// Standard deviations of the terms, where the query asked for their moments.
    pub(super) spread: Option<Vec<f64>>,
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
        let mut blocks = vec![
            layout::count_block(),
            layout::reals("loglik", 1, self.loglik, bits),
            layout::reals("gradient", p, self.gradient, bits),
            layout::reals("information", triangle(p), self.information, bits),
        ];
        blocks.extend(state.penalty.as_ref().and_then(|penalty| penalty.block(p)));
        layout::exact(task, version, blocks, layout::to_bytes(&state.beta))
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
            spread: penalty::spread(sum, layout::read_counts(sum)?.patients),
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
    /// Whether the estimate must be the iterate of the last sum, because the task reads more of that
    /// sum (a baseline hazard). Otherwise a last small step may follow it.
    pub(super) at_last_sum: bool,
}

/// The maximum, in standardised covariates.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    pub(super) beta: Vec<f64>,
    /// The inverse of the (ridge-penalised) information; NaN under a lasso.
    pub(super) covariance: Vec<Vec<f64>>,
    /// Without the penalty.
    pub(super) loglik: f64,
    pub(super) loglik_null: f64,
    pub(super) iterations: u32,
    penalty: Option<Penalty>,
}

impl Estimate {
    /// The penalty as results have it; `raw(j)` is what penalised term j was divided by.
    pub(super) fn penalty(&self, raw: impl Fn(usize) -> f64) -> Option<results::penalty::Penalty> {
        self.penalty.as_ref().map(|penalty| penalty.report(raw))
    }
}

/// The way to the maximum of the quadratic model.
struct Step {
    step: Vec<f64>,
    covariance: Vec<Vec<f64>>,
    /// What the model promises; infinite where it is not known (lasso).
    gain: f64,
}

/// What follows a sum.
pub(super) enum Progress {
    Continue(Newton),
    Done(Estimate),
}

impl Newton {
    /// Starts at zero, to end at the maximum of the (penalised) likelihood.
    pub(super) fn new(width: usize, penalty: Option<Penalty>) -> Self {
        let beta = vec![0.0; width];
        Self { beta, penalty, ceiling: CAP, accepted: None, loglik_null: 0.0, used: 0 }
    }

    /// The same, with iterates whose [`reach`] is at most `ceiling`.
    pub(super) fn below(self, ceiling: f64) -> Self {
        Self { ceiling, ..self }
    }

    /// Whether no sum has come in yet.
    pub(super) fn is_new(&self) -> bool {
        self.used == 0
    }

    /// Moves the intercept of a model with a log link to where the means add up to the outcomes,
    /// which is its maximum for these slopes, and the evaluation along with it: all means change by
    /// one factor, so this takes no sum. Leaves a sum without means or outcomes alone.
    pub(super) fn centre(&mut self, at: &mut Evaluation) {
        let means = at.information.get(0, 0);
        let outcomes = at.gradient.first().map_or(0.0, |residual| residual + means);
        let factor = outcomes / means;
        if !(factor.is_normal() && factor > 0.0) {
            return;
        }
        let shift = libm::log(factor);
        self.beta.iter_mut().take(1).for_each(|intercept| *intercept += shift);
        for (j, residual) in at.gradient.iter_mut().enumerate() {
            *residual += (1.0 - factor) * at.information.get(0, j);
        }
        at.loglik += outcomes * shift + (1.0 - factor) * means;
        at.information = at.information.times(factor);
    }

    /// The maximum from this one sum, for a log-likelihood that *is* its quadratic model.
    pub(super) fn solve(mut self, at: &Evaluation, rules: &Rules<'_>) -> Result<Estimate, Error> {
        self.open(at, rules)?;
        let Step { step, covariance, .. } = self.step(at, rules)?;
        let mut loglik = at.loglik;
        for (j, move_) in step.iter().enumerate() {
            let curvature: f64 =
                step.iter().enumerate().map(|(k, other)| at.information.get(j, k) * other).sum();
            loglik += move_ * (at.gradient.get(j).copied().unwrap_or(0.0) - curvature / 2.0);
        }
        let beta: Vec<f64> = self.beta.iter().zip(&step).map(|(b, s)| b + s).collect();
        Ok(self.estimate(beta, covariance, loglik))
    }

    /// The current iterate.
    pub(super) fn beta(&self) -> &[f64] {
        &self.beta
    }

    /// Takes in the sum at the current iterate.
    pub(super) fn absorb(mut self, at: &Evaluation, rules: &Rules<'_>) -> Result<Progress, Error> {
        let objective = self.open(at, rules)?;
        let tolerance = (LOGLIK_TOLERANCE * objective.abs()).max(at.truncation);
        if let Some((good, best)) = &self.accepted
            && objective < best - tolerance
        {
            let middle = good.iter().zip(&self.beta).map(|(a, b)| a + (b - a) / 2.0).collect();
            return self.advance(middle, rules);
        }
        let Step { step, covariance, gain } = self.step(at, rules)?;
        let stands =
            self.accepted.as_ref().is_some_and(|(_, best)| (objective - best).abs() <= tolerance);
        let nothing_to_gain = !rules.at_last_sum && gain <= GAIN_TOLERANCE * objective.abs();
        if stands || nothing_to_gain || step.iter().all(|move_| move_.abs() < STEP_TOLERANCE) {
            if let Some(j) = (0..step.len()).find(|&j| runs_away(&self.beta, &step, j)) {
                return Err(self.without_maximum(rules, j));
            }
            let last = |(b, s): (&f64, &f64)| if rules.at_last_sum { *b } else { b + s };
            let beta = self.beta.iter().zip(&step).map(last).collect();
            return Ok(Progress::Done(self.estimate(beta, covariance, at.loglik)));
        }
        let next =
            self.inside_cap(step).ok_or_else(|| self.without_maximum(rules, self.largest()))?;
        self.accepted = Some((self.beta.clone(), objective));
        self.advance(next, rules)
    }

    /// Counts the sum, and returns the objective at the current iterate.
    fn open(&mut self, at: &Evaluation, rules: &Rules<'_>) -> Result<f64, Error> {
        let finite = at.gradient.iter().all(|value| value.is_finite()) && at.loglik.is_finite();
        if !finite {
            return Err(unfit(rules.task, "the sum is not finite; some party broke the protocol"));
        }
        self.used += 1;
        if self.used == 1 {
            self.loglik_null = at.loglik;
        }
        let mut objective = at.loglik;
        if let Some(penalty) = &mut self.penalty {
            penalty.settle(self.beta.len(), at.spread.as_deref());
            objective -= penalty.at(&self.beta);
        }
        Ok(objective)
    }

    fn estimate(self, beta: Vec<f64>, covariance: Vec<Vec<f64>>, loglik: f64) -> Estimate {
        Estimate {
            beta,
            covariance,
            loglik,
            loglik_null: self.loglik_null,
            iterations: self.used,
            penalty: self.penalty,
        }
    }

    /// The step to the maximum of the quadratic model at the current iterate.
    fn step(&self, at: &Evaluation, rules: &Rules<'_>) -> Result<Step, Error> {
        let solve = |gradient: &[f64], information: &Symmetric| {
            let factor = information.cholesky(SINGULAR).map_err(|fault| {
                // Weights vanish where a coefficient has run away: then it is no dependent column.
                if self.has_run_away() {
                    return self.without_maximum(rules, self.largest());
                }
                let reason = format!(
                    "`{}` is constant or a combination of the terms before it, as far as the \
                     events tell; leave it out or merge its levels, or {}",
                    term(rules, fault.pivot),
                    self.more_ridge()
                );
                unfit(rules.task, reason)
            })?;
            let step = factor.solve(gradient);
            let gain = step.iter().zip(gradient).map(|(s, g)| s * g).sum::<f64>() / 2.0;
            Ok(Step { step, covariance: factor.inverse(), gain })
        };
        let Some(penalty) = &self.penalty else {
            return solve(&at.gradient, &at.information);
        };
        let (gradient, information) = penalty.ridge(&self.beta, &at.gradient, &at.information);
        if !penalty.has_lasso() {
            return solve(&gradient, &information);
        }
        let step = penalty.step(&self.beta, &gradient, &information).ok_or_else(|| {
            unfit(rules.task, "the sum is no information matrix; some party broke the protocol")
        })?;
        let p = self.beta.len();
        Ok(Step { step, covariance: vec![vec![f64::NAN; p]; p], gain: f64::INFINITY })
    }

    /// Whether a coefficient is past any that medicine knows: a ratio of e^12 between the ends of a
    /// public range.
    fn has_run_away(&self) -> bool {
        self.beta.iter().any(|b| b.abs() > FAR)
    }

    fn more_ridge(&self) -> &'static str {
        match &self.penalty {
            Some(penalty) if penalty.has_ridge() => "raise `ridge`",
            _ => "hold the coefficients back by `ridge = 1.0`",
        }
    }

    fn without_maximum(&self, rules: &Rules<'_>, j: usize) -> Error {
        let reason = format!(
            "the coefficient of `{}` grows without bound: the events lie all on one side of it \
             (leave it out or merge its levels, or {}), or its public range in the schema is far \
             wider than its values (narrow it)",
            term(rules, j),
            self.more_ridge()
        );
        unfit(rules.task, reason)
    }

    fn advance(mut self, next: Vec<f64>, rules: &Rules<'_>) -> Result<Progress, Error> {
        if self.used >= rules.max_iterations && self.has_run_away() {
            return Err(self.without_maximum(rules, self.largest()));
        }
        if self.used >= rules.max_iterations {
            let name = term(rules, self.largest());
            return Err(unfit(
                rules.task,
                format!(
                    "no maximum after {} sums; look at `{name}`, whose coefficient is the largest: \
                     raise `max_iterations`, or {}",
                    self.used,
                    self.more_ridge()
                ),
            ));
        }
        self.beta = next;
        Ok(Progress::Continue(self))
    }

    /// The iterate plus `step`, with the step halved until both caps hold.
    fn inside_cap(&self, mut step: Vec<f64>) -> Option<Vec<f64>> {
        for _ in 0..64 {
            let next: Vec<f64> = self.beta.iter().zip(&step).map(|(b, s)| b + s).collect();
            if within_cap(&next) && reach(&next) <= self.ceiling {
                return Some(next);
            }
            step.iter_mut().for_each(|value| *value /= 2.0);
        }
        None
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

/// The largest linear predictor that covariates in [-1, 1] can have, the first coefficient being
/// the intercept's.
pub(super) fn reach(beta: &[f64]) -> f64 {
    match beta {
        [intercept, slopes @ ..] => intercept + slopes.iter().map(|b| b.abs()).sum::<f64>(),
        [] => 0.0,
    }
}

fn runs_away(beta: &[f64], step: &[f64], j: usize) -> bool {
    let size = beta.get(j).map_or(0.0, |value| value.abs()).max(1.0);
    step.get(j).is_some_and(|move_| move_.abs() > RUNAWAY * size)
}

fn term<'a>(rules: &Rules<'a>, j: usize) -> &'a str {
    rules.terms.get(j).map_or("?", String::as_str)
}
