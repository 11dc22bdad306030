//! The null model of a scan: the outcome on the covariates alone.
//!
//! # Bounds
//! A patient has x = (1, z) in [-1, 1]^p, p counting the intercept.
//! * logistic: as in [`crate::tasks::logistic`], with p for its p + 1;
//! * linear: the products of (x, y), y in [-1, 1], have the norm |(x, y)|^2 <= p + 1.

use super::{Case, NAME};
use crate::error::Error;
use crate::linalg::{Symmetric, triangle};
use crate::sum::Sum;
use crate::task::Block;
use crate::tasks::layout::{self, unfit};
use crate::tasks::newton::{self, Bounds};

/// Share of its diagonal element below which a pivot counts as zero.
const SINGULAR: f64 = 1e-9;

/// Bounds of the logistic null model with `p` terms.
pub(super) fn bounds(p: usize) -> Bounds {
    let p = p as f64;
    Bounds {
        loglik: newton::CAP + std::f64::consts::LN_2,
        gradient: p.sqrt(),
        information: p / 4.0,
    }
}

/// What one site adds to a Newton step of the logistic null model.
pub(super) struct Logistic<'a> {
    beta: &'a [f64],
    loglik: f64,
    gradient: Vec<f64>,
    information: Vec<f64>,
}

impl<'a> Logistic<'a> {
    pub(super) fn new(beta: &'a [f64]) -> Self {
        let p = beta.len();
        Self { beta, loglik: 0.0, gradient: vec![0.0; p], information: vec![0.0; triangle(p)] }
    }

    pub(super) fn add(&mut self, case: &Case<'_>) {
        let eta = predictor(case.x, self.beta);
        let mu = probability(eta);
        self.loglik -= libm::log1p(libm::exp(if case.y > 0.5 { -eta } else { eta }));
        for (sum, x) in self.gradient.iter_mut().zip(case.x) {
            *sum += (case.y - mu) * x;
        }
        add_products(&mut self.information, case.x, mu * (1.0 - mu));
    }

    pub(super) fn blocks(self) -> Vec<Vec<f64>> {
        vec![vec![self.loglik], self.gradient, self.information]
    }
}

/// Layout of the sum that gives the linear null model with `p` terms.
pub(super) fn linear_blocks(p: usize) -> Vec<Block> {
    let norm = (p + 1) as f64;
    vec![layout::reals("products", triangle(p + 1), norm, layout::frac_bits(&[norm]))]
}

/// What one site adds to it.
pub(super) struct Linear {
    products: Vec<f64>,
    row: Vec<f64>,
}

impl Linear {
    pub(super) fn new(p: usize) -> Self {
        Self { products: vec![0.0; triangle(p + 1)], row: vec![0.0; p + 1] }
    }

    pub(super) fn add(&mut self, case: &Case<'_>) {
        for (place, value) in self.row.iter_mut().zip(case.x.iter().chain([&case.y])) {
            *place = *value;
        }
        add_products(&mut self.products, &self.row, 1.0);
    }

    pub(super) fn blocks(self) -> Vec<Vec<f64>> {
        vec![self.products]
    }
}

/// The coefficients of the linear null model, in standardised units.
pub(super) fn linear(sum: &Sum, terms: &[String]) -> Result<Vec<f64>, Error> {
    let p = terms.len();
    let wrong = || unfit(NAME, "a sum of products of wrong size");
    let products = layout::block(sum, "products", triangle(p + 1))?;
    let products = Symmetric::new(p + 1, products).ok_or_else(wrong)?;
    let places = (0..p).flat_map(|j| (j..p).map(move |k| (j, k)));
    let upper = places.map(|(j, k)| products.get(j, k)).collect();
    let information = Symmetric::new(p, upper).ok_or_else(wrong)?;
    let factor = information.cholesky(SINGULAR).map_err(|fault| {
        let name = terms.get(fault.pivot).map_or("?", String::as_str);
        unfit(
            NAME,
            format!(
                "`{name}` is constant or a combination of the terms before it; leave it out or \
                 merge its levels"
            ),
        )
    })?;
    let right: Vec<f64> = (0..p).map(|j| products.get(j, p)).collect();
    let beta = factor.solve(&right);
    if newton::within_cap(&beta) {
        Ok(beta)
    } else {
        Err(unfit(
            NAME,
            "the covariates' coefficients pass their public cap: they are nearly combinations of \
             each other; leave one out",
        ))
    }
}

/// x'beta.
pub(super) fn predictor(x: &[f64], beta: &[f64]) -> f64 {
    x.iter().zip(beta).map(|(x, b)| x * b).sum()
}

/// The logistic function.
pub(super) fn probability(eta: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-eta))
}

/// Adds `weight x x'` to an upper triangle.
pub(super) fn add_products(upper: &mut [f64], x: &[f64], weight: f64) {
    let mut places = upper.iter_mut();
    for (j, x_j) in x.iter().enumerate() {
        for (x_k, place) in x[j..].iter().zip(places.by_ref()) {
            *place += weight * x_j * x_k;
        }
    }
}
