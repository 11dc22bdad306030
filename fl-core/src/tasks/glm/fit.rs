//! From an estimate to what R's `summary` prints: raw units, dispersion, deviance.

use super::super::layout::{Counts, unfit};
use super::super::newton::{Estimate, Evaluation};
use super::family::Family;
use super::{Glm, NAME};
use crate::error::Error;
use crate::results::{Fit, Term};
use crate::stat::{student, wald};

/// Share of the outcome's public variance below which, beside what the grid took off the sums, it
/// does not vary at all.
const NO_VARIATION: f64 = 1e-15;

impl Glm {
    /// The fit of an estimate; `at` is the last sum.
    pub(super) fn output(
        &self,
        estimate: &Estimate,
        counts: Counts,
        saturated: f64,
        at: &Evaluation,
    ) -> Result<Fit, Error> {
        let p = self.terms.len() as u64;
        let df = counts.patients.saturating_sub(p);
        let n = counts.patients as f64;
        let mut fit = Fit {
            schema: "haima.fit/1".to_owned(),
            model: self.family.name().to_owned(),
            formula: self.formula.clone(),
            n: counts.patients,
            events: counts.events,
            sites: counts.sites,
            strata: "none".to_owned(),
            iterations: estimate.iterations,
            penalty: estimate.penalty(|j| self.design.scale(j)),
            df_residual: Some(df),
            ..Fit::default()
        };
        let mut dispersion = 1.0;
        match self.family {
            Family::Logistic | Family::Poisson => {
                fit.loglik = saturated + estimate.loglik;
                fit.loglik_null = match self.family {
                    Family::Logistic => intercept_alone(counts),
                    _ => saturated + estimate.loglik_null,
                };
                fit.deviance = Some(-2.0 * estimate.loglik);
            }
            Family::Linear => {
                let unit = self.outcome.scale() * self.outcome.scale();
                let mean = at.gradient.first().copied().unwrap_or(0.0) / n;
                let total = -2.0 * at.loglik - n * mean * mean;
                let varies = total > NO_VARIATION * n + 4.0 * at.truncation;
                if !varies {
                    return Err(unfit(NAME, "the outcome is the same for all patients"));
                }
                // At a perfect fit nothing but rounding is left.
                let residual = (-2.0 * estimate.loglik).max(0.0);
                dispersion = if df > 0 { residual / df as f64 } else { f64::NAN };
                fit.loglik = gaussian(n, residual * unit);
                fit.loglik_null = gaussian(n, total * unit);
                fit.deviance = Some(residual * unit);
                fit.dispersion = (df > 0).then_some(dispersion * unit);
            }
        }
        fit.terms = self.raw_terms(&estimate.beta, |t| {
            let mut variance = 0.0;
            for (t_j, row) in t.iter().zip(&estimate.covariance) {
                for (t_k, v) in t.iter().zip(row) {
                    variance += t_j * v * t_k;
                }
            }
            (variance * dispersion).sqrt()
        });
        if self.family == Family::Linear {
            for term in &mut fit.terms {
                *term = student(&term.name, term.coef, term.se, df);
            }
        }
        Ok(fit)
    }

    /// Back from standardised covariates: with `coef = shift + T beta`, the covariance is `T V T'`.
    /// T divides by the scale, and its first row takes `center / scale` off the intercept;
    /// `se(t)` is the standard error that belongs to a row of it.
    pub(super) fn raw_terms(&self, beta: &[f64], se: impl Fn(&[f64]) -> f64) -> Vec<Term> {
        let p = self.terms.len();
        let unit = self.outcome.scale();
        let transform = |row: usize, column: usize| match (row, column) {
            (0, 0) => unit,
            (0, j) => -unit * self.design.center(j - 1) / self.design.scale(j - 1),
            (i, j) if i == j => unit / self.design.scale(j - 1),
            _ => 0.0,
        };
        let raw = |(i, name): (usize, &String)| {
            let weights: Vec<f64> = (0..p).map(|j| transform(i, j)).collect();
            let coef: f64 = weights.iter().zip(beta).map(|(t, b)| t * b).sum();
            let shift = if i == 0 { self.outcome.shift() } else { 0.0 };
            wald(name, coef + shift, se(&weights))
        };
        self.terms.iter().enumerate().map(raw).collect()
    }
}

/// Log-likelihood of the logistic model with the intercept alone, in closed form.
fn intercept_alone(counts: Counts) -> f64 {
    let (n, events) = (counts.patients as f64, counts.events as f64);
    events * libm::log(events / n) + (n - events) * libm::log((n - events) / n)
}

/// Log-likelihood of a normal model at its maximum (R: `logLik(lm)`).
fn gaussian(n: f64, residual: f64) -> f64 {
    -n / 2.0 * (libm::log(2.0 * std::f64::consts::PI * residual / n) + 1.0)
}
