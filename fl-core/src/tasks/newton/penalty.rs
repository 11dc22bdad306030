//! Ridge, lasso and both (elastic net) on a summed log-likelihood.
//!
//! The estimate maximises `loglik - ridge/2 sum_j (s_j b_j)^2 - lasso sum_j |s_j b_j|`, where s_j is
//! the scale of a term, so that `s_j b_j` is the coefficient of the term in units of its scale. The
//! lambdas weigh against the *sum* over patients: glmnet's `lambda` is
//! `(ridge + lasso) / n` with `alpha = lasso / (ridge + lasso)`. Hoerl and Kennard, *Technometrics*
//! 1970;12:55; Tibshirani, *JRSS B* 1996;58:267; Zou and Hastie, *JRSS B* 2005;67:301; for Cox:
//! Verweij and van Houwelingen, *Stat Med* 1994;13:2427. An intercept is never penalised.
//!
//! The scale is the pooled standard deviation over all complete cases (divisor n, as
//! scikit-learn's `StandardScaler` and glmnet have it), from sums that travel with the first
//! Newton sum; or the schema's: half of a column's public range, and 1 for flags and levels. A
//! term without spread takes the schema's, so its coefficient shrinks to 0.
//!
//! A lasso step minimises the penalised quadratic model by cyclic coordinate descent (Friedman,
//! Hastie and Tibshirani, *J Stat Softw* 2010;33:1), the proximal Newton method of Lee, Sun and
//! Saunders, *SIAM J Optim* 2014;24:1420, in a fixed order (rule X3).
//!
//! # Bounds
//! The block of moments holds the sums of u and of u^2 over terms u in [-1, 1]: one patient adds at
//! most sqrt(2 p) in norm.

use serde::Deserialize;

use super::super::layout::{self, refuse};
use crate::error::Error;
use crate::linalg::Symmetric;
use crate::results;
use crate::task::{Block, Query};

/// Largest lambda: past it, nothing is left of the likelihood in a double.
const MOST: f64 = 1e12;
const MOMENTS: &str = "moments";
/// Grid of the moments: 2^55 at 100,000 patients and the widest design.
const MOMENT_BITS: u8 = 32;
/// A variance below this, in units of half the public range squared, is none.
const NO_SPREAD: f64 = 1e-12;
const MOST_SWEEPS: u32 = 10_000;
/// Largest move of a coordinate in a sweep that ends the descent.
const SWEEP_TOLERANCE: f64 = 1e-13;

/// By what a coefficient is measured in the penalty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::tasks) enum Standardise {
    /// The standard deviation over all hospitals' complete cases.
    #[default]
    Pooled,
    /// The schema's half range.
    Public,
}

/// The penalty that a task's parameters ask for.
#[derive(Clone, Debug)]
pub(in crate::tasks) struct Penalty {
    ridge: f64,
    lasso: f64,
    standardise: Standardise,
    /// What the outcome was divided by: coefficients are that much smaller here, and the summed
    /// squares its square, so the ridge stays and the lasso is divided by it.
    outcome: f64,
    /// The first penalised coefficient: 1 after an intercept.
    first: usize,
    /// Scale of each coefficient, 0 for one that is not penalised; empty until it is known.
    scale: Vec<f64>,
}

impl Penalty {
    /// The penalty of these parameters on coefficients from `first` on; `None` when there is none.
    pub(in crate::tasks) fn new(
        task: &str,
        (ridge, lasso): (Option<f64>, Option<f64>),
        standardise: Option<Standardise>,
        first: usize,
    ) -> Result<Option<Self>, Error> {
        for (name, lambda) in [("ridge", ridge), ("lasso", lasso)] {
            if !lambda.is_none_or(|value| (0.0..=MOST).contains(&value)) {
                return Err(refuse(task, format!("`{name}` must be 0 to {MOST:e}")));
            }
        }
        let (ridge, lasso) = (ridge.unwrap_or(0.0), lasso.unwrap_or(0.0));
        if ridge > 0.0 || lasso > 0.0 {
            let standardise = standardise.unwrap_or_default();
            Ok(Some(Self { ridge, lasso, standardise, outcome: 1.0, first, scale: Vec::new() }))
        } else if standardise.is_some() {
            Err(refuse(task, "`standardise` belongs to `ridge` or `lasso`, and neither is above 0"))
        } else {
            Ok(None)
        }
    }

    /// The same penalty for an outcome that was divided by `scale`, on half its summed squares.
    pub(in crate::tasks) fn for_outcome(self, scale: f64) -> Self {
        Self { outcome: scale, ..self }
    }

    fn lasso(&self) -> f64 {
        self.lasso / self.outcome
    }

    /// The block that the first query asks for beside its own.
    pub(super) fn block(&self, width: usize) -> Option<Block> {
        let terms = width.saturating_sub(self.first);
        let wanted = self.standardise == Standardise::Pooled && self.scale.is_empty();
        let norm = (2.0 * terms as f64).sqrt();
        wanted.then(|| layout::reals(MOMENTS, 2 * terms, norm, MOMENT_BITS))
    }

    /// Settles the scales, by the standard deviations of the terms where they were summed.
    pub(super) fn settle(&mut self, width: usize, spread: Option<&[f64]>) {
        if !self.scale.is_empty() {
            return;
        }
        self.scale = vec![0.0; width];
        for (j, scale) in self.scale.iter_mut().skip(self.first).enumerate() {
            *scale = spread.and_then(|spread| spread.get(j).copied()).unwrap_or(1.0);
        }
    }

    /// What the penalty takes off the log-likelihood at `beta`.
    pub(super) fn at(&self, beta: &[f64]) -> f64 {
        beta.iter()
            .zip(&self.scale)
            .map(|(b, s)| self.ridge / 2.0 * (s * b) * (s * b) + self.lasso() * (s * b).abs())
            .sum()
    }

    pub(super) fn has_ridge(&self) -> bool {
        self.ridge > 0.0
    }

    pub(super) fn has_lasso(&self) -> bool {
        self.lasso > 0.0
    }

    /// Adds the ridge to a gradient and an information at `beta`.
    pub(super) fn ridge(
        &self,
        beta: &[f64],
        gradient: &[f64],
        information: &Symmetric,
    ) -> (Vec<f64>, Symmetric) {
        let weight: Vec<f64> = self.scale.iter().map(|s| self.ridge * s * s).collect();
        let terms = gradient.iter().zip(&weight).zip(beta);
        (terms.map(|((g, w), b)| g - w * b).collect(), information.plus_diagonal(&weight))
    }

    /// The step to the maximum of the quadratic model with the whole penalty, where the gradient
    /// and the information have the ridge in them already; `None` when it runs out of the numbers.
    pub(super) fn step(
        &self,
        beta: &[f64],
        gradient: &[f64],
        information: &Symmetric,
    ) -> Option<Vec<f64>> {
        let p = beta.len();
        let mut next = beta.to_vec();
        // The model's gradient at `next`, without the lasso.
        let mut slope = gradient.to_vec();
        for _ in 0..MOST_SWEEPS {
            let mut largest: f64 = 0.0;
            for j in 0..p {
                let curvature = information.get(j, j);
                // Written so that NaN is left out, too.
                let curved = curvature > 0.0;
                if !curved {
                    continue;
                }
                let free = slope[j] + curvature * next[j];
                let to = soft(free, self.lasso() * self.scale[j]) / curvature;
                let move_ = to - next[j];
                if move_ == 0.0 {
                    continue;
                }
                next[j] = to;
                for k in 0..p {
                    slope[k] -= information.get(k, j) * move_;
                }
                largest = largest.max(move_.abs());
            }
            if largest <= SWEEP_TOLERANCE {
                break;
            }
        }
        let step: Vec<f64> = next.iter().zip(beta).map(|(to, from)| to - from).collect();
        step.iter().all(|move_| move_.is_finite()).then_some(step)
    }

    /// As results have it: scales in raw units, where `raw(j)` is what term j was divided by.
    pub(super) fn report(&self, raw: impl Fn(usize) -> f64) -> results::penalty::Penalty {
        let scales = self.scale.iter().skip(self.first).enumerate();
        results::penalty::Penalty {
            ridge: self.ridge,
            lasso: self.lasso,
            standardise: match self.standardise {
                Standardise::Pooled => "pooled".to_owned(),
                Standardise::Public => "public".to_owned(),
            },
            scale: scales.map(|(j, s)| s * raw(j)).collect(),
        }
    }
}

/// Soft thresholding.
fn soft(value: f64, threshold: f64) -> f64 {
    if value > threshold {
        value - threshold
    } else if value < -threshold {
        value + threshold
    } else {
        0.0
    }
}

/// Whether a query asks for the moments of the terms.
pub(in crate::tasks) fn wants_moments(query: &Query) -> bool {
    query.blocks.iter().any(|block| block.name == MOMENTS)
}

/// A site's block of moments: sums of the terms, then of their squares.
pub(in crate::tasks) fn moments<'a>(
    terms: usize,
    rows: impl Iterator<Item = &'a [f64]>,
) -> Vec<f64> {
    let mut sums = vec![0.0; 2 * terms];
    let (first, second) = sums.split_at_mut(terms);
    for row in rows {
        for ((sum, square), u) in first.iter_mut().zip(second.iter_mut()).zip(row) {
            *sum += u;
            *square += u * u;
        }
    }
    sums
}

/// The standard deviations (divisor n) that a sum's block of moments gives; 1 for no spread.
pub(super) fn spread(sum: &crate::sum::Sum, patients: u64) -> Option<Vec<f64>> {
    let moments = sum.block(MOMENTS);
    if moments.is_empty() {
        return None;
    }
    let n = (patients as f64).max(1.0);
    let (first, second) = moments.split_at(moments.len() / 2);
    // Truncation takes less than a step a site off either sum, so less than three off n times the
    // variance of a constant.
    let truncation = 4.0 * f64::from(sum.sites()) / (1u64 << MOMENT_BITS) as f64;
    let none = NO_SPREAD.max(truncation / n);
    let deviation = |(sum, square): (&f64, &f64)| {
        let mean = sum / n;
        let variance = square / n - mean * mean;
        // Written so that NaN counts as no spread. Terms lie in [-1, 1], so no variance passes 1.
        if variance > none { variance.min(1.0).sqrt() } else { 1.0 }
    };
    Some(first.iter().zip(second).map(deviation).collect())
}
