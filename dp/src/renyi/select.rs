//! Running a mechanism a random number of times and releasing the best run.
//!
//! Papernot and Steinke 2022 (ICLR, arXiv 2110.03620): Theorem 2 for the truncated negative binomial
//! distribution, Theorem 6 for Poisson.

use super::{log_delta_at, usual_orders};
use crate::event::Shape;

/// The Renyi divergence at `order`; `base` is that of one run.
pub(super) fn divergence(
    base: &dyn Fn(f64) -> f64,
    mean: f64,
    shape: Shape,
    order: f64,
    orders: Option<&[f64]>,
) -> f64 {
    let usual;
    let orders = if let Some(orders) = orders {
        orders
    } else {
        usual = usual_orders();
        &usual
    };
    let least = |f: &dyn Fn(f64) -> f64| orders.iter().map(|&o| f(o)).fold(f64::INFINITY, f64::min);
    let runs = libm::log(mean) / (order - 1.0);
    match shape {
        Shape::Poisson => {
            let epsilon = libm::log1p(1.0 / (order - 1.0));
            let delta = least(&|o| log_delta_at((o - 1.0) * base(o), o, epsilon));
            base(order) + mean * libm::exp(delta.min(0.0)) + runs
        }
        Shape::NegativeBinomial(eta) => {
            let gamma = -libm::log(stopping(eta, mean));
            let other = least(&|o| (1.0 - 1.0 / o) * base(o) + gamma / o);
            base(order) + (1.0 + eta) * other + runs
        }
    }
}

/// The parameter gamma at which the distribution's mean is `mean` or more, from below.
///
/// Mean: eta (1 - g) / (g (1 - g^eta)), and (1/g - 1) / ln(1/g) for eta = 0; it falls with g.
fn stopping(eta: f64, mean: f64) -> f64 {
    let at = |g: f64| {
        if eta == 0.0 {
            (1.0 / g - 1.0) / -libm::log(g)
        } else {
            eta * (1.0 - g) / (g * -libm::expm1(eta * libm::log(g)))
        }
    };
    // In the logarithm, since gamma may be tiny.
    let (mut low, mut high) = (-700.0, -1e-12);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if at(libm::exp(middle)) > mean { low = middle } else { high = middle }
    }
    libm::exp(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_geometric_distribution_stops_at_one_over_its_mean() {
        for mean in [1.5, 10.0, 1e6] {
            assert!((stopping(1.0, mean) * mean - 1.0).abs() < 1e-9);
            let logarithmic = stopping(0.0, mean);
            let back = (1.0 / logarithmic - 1.0) / -logarithmic.ln();
            assert!((back / mean - 1.0).abs() < 1e-9);
        }
    }
}
