//! Renyi divergence of mechanisms on a random sample of patients.
//!
//! - Gaussian noise on a Poisson sample: Mironov, Talwar and Zhang 2019 (arXiv 1908.10530), section
//!   3.3: a binomial sum for integer orders, two series for others.
//! - Discrete Gaussian noise: the binomial sum is exact for integer orders, because
//!   E[(N(v)/N(0))^k] = exp((k^2-k)|v|^2/(2 s^2)) for integer vectors v and integer k; in between
//!   the convexity of (order - 1) times the divergence bridges (rule N2).
//! - A sum of discrete Gaussians: the same sum with an upper bound on each moment, Kairouz, Liu and
//!   Steinke 2021 (Prop. 14). Its terms are positive, so it bounds the divergence of the mixture from
//!   the noise; the other direction is no larger, the noise being symmetric and whole (see
//!   `ledger/filter.rs`).
//! - Any other mechanism: Zhu and Wang 2019 (ICML), Theorem 5, with its factor 3.
//! - Fixed-size samples without replacement: Wang, Balle, Kasiviswanathan 2019 (AISTATS), Theorem
//!   27, with ternary chi-divergences of the Gaussian by quadrature.
//!
//! Functions return K = (order - 1) * divergence, an upper bound: sums are of positive terms or
//! carry the first term left out, and a margin covers rounding.

use crate::special::{log_add, log_erfc, log_expm1};

/// Relative margin for the rounding of a few thousand positive terms.
const MARGIN: f64 = 1e-12;
/// The most terms of a sum; orders that need more have no figure here.
const MOST_TERMS: u64 = 1 << 20;

/// Gaussian noise of multiplier `sigma` on a Poisson sample of rate `q`, at a real order.
pub(super) fn gaussian(q: f64, sigma: f64, order: f64) -> f64 {
    if q == 0.0 {
        return 0.0;
    }
    let whole = order * (order - 1.0) / (2.0 * sigma * sigma);
    if q == 1.0 {
        return whole * (1.0 + MARGIN);
    }
    // In between, whole orders bridge: the series takes as many terms as the order.
    let sampled = if order.fract() == 0.0 || order > 64.0 {
        between(order, |order| gaussian_at_integer(q, sigma, order))
    } else {
        gaussian_at_real(q, sigma, order)
    };
    sampled.min(whole * (1.0 + MARGIN))
}

/// K at a real order from K at the integers around it: K is convex, and zero at order one.
pub(super) fn between(order: f64, at_integer: impl Fn(u64) -> f64) -> f64 {
    if order.is_nan() || order >= MOST_TERMS as f64 {
        return f64::INFINITY;
    }
    let below = order.floor();
    let share = order - below;
    let k = |order: f64| if order <= 1.0 { 0.0 } else { at_integer(order as u64) };
    if share == 0.0 { k(order) } else { (1.0 - share) * k(below) + share * k(below + 1.0) }
}

/// ln(1 + sum_{k=2}^a C(a,k) (1-q)^(a-k) q^k (exp((k^2-k)/(2 sigma^2)) - 1)).
pub(super) fn gaussian_at_integer(q: f64, sigma: f64, order: u64) -> f64 {
    moments_at_integer(q, &|k| (k * k - k) as f64 / (2.0 * sigma * sigma), order)
}

/// As [`gaussian_at_integer`], with the cumulants (k - 1) D_k of symmetric noise on the integers.
pub(super) fn moments_at_integer(q: f64, cumulant: &dyn Fn(u64) -> f64, order: u64) -> f64 {
    let excess = binomial_sum(q, order, 2, |k| log_expm1(cumulant(k as u64)));
    // ln(1 + e^excess)
    let k = if excess < 30.0 { libm::log1p(libm::exp(excess)) } else { log_add(0.0, excess) };
    k * (1.0 + MARGIN)
}

/// ln sum_{k=first}^a C(a,k) (1-q)^(a-k) q^k e^{f(k)}, for 0 < q < 1.
fn binomial_sum(q: f64, order: u64, first: u64, f: impl Fn(f64) -> f64) -> f64 {
    let a = order as f64;
    let (odds, none) = (libm::log(q) - libm::log1p(-q), a * libm::log1p(-q));
    // Terms are scaled by the largest one so far.
    let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
    let mut binomial = 0.0;
    for k in 0..=order {
        let at = k as f64;
        if k >= first {
            let term = binomial + none + at * odds + f(at);
            if term > largest {
                sum = sum * libm::exp(largest - term) + 1.0;
                largest = term;
            } else {
                sum += libm::exp(term - largest);
            }
        }
        binomial += libm::log((a - at) / (at + 1.0));
    }
    largest + libm::log(sum)
}

/// As [`gaussian`], with the series' terms added by their absolute values: what Google's accountant
/// computes. An upper bound, looser where the order is fractional and small.
pub(super) fn gaussian_by_absolute_terms(q: f64, sigma: f64, order: f64) -> f64 {
    if order.fract() == 0.0 {
        return gaussian(q, sigma, order);
    }
    let series = Series::new(q, sigma, order);
    let mut total = f64::NEG_INFINITY;
    let (mut before, mut binomial) = (f64::NEG_INFINITY, 0.0);
    for i in 0..1000 {
        let k = f64::from(i);
        let term = series.term(k, binomial);
        total = log_add(total, term);
        if term < before && term < total - 30.0 {
            break;
        }
        before = term;
        binomial += libm::log(((order - k) / (k + 1.0)).abs());
    }
    total
}

/// The terms of section 3.3, without their signs.
struct Series {
    order: f64,
    log_q: f64,
    log_p: f64,
    middle: f64,
    sigma: f64,
}

impl Series {
    fn new(q: f64, sigma: f64, order: f64) -> Self {
        let (log_q, log_p) = (libm::log(q), libm::log1p(-q));
        Self { order, log_q, log_p, middle: sigma * sigma * (log_p - log_q) + 0.5, sigma }
    }

    /// The logarithm of both series' terms of index k together; `binomial` is ln |C(order, k)|.
    fn term(&self, k: f64, binomial: f64) -> f64 {
        let (other, variance) = (self.order - k, 2.0 * self.sigma * self.sigma);
        let scale = std::f64::consts::SQRT_2 * self.sigma;
        let below = k * self.log_q
            + other * self.log_p
            + (k * k - k) / variance
            + log_erfc((k - self.middle) / scale);
        let above = other * self.log_q
            + k * self.log_p
            + (other * other - other) / variance
            + log_erfc((self.middle - other) / scale);
        binomial + log_add(below, above) - std::f64::consts::LN_2
    }
}

/// The two series of section 3.3. Beyond k = order their terms alternate and shrink, so the first
/// term left out bounds the rest.
fn gaussian_at_real(q: f64, sigma: f64, order: f64) -> f64 {
    let series = Series::new(q, sigma, order);
    let terms = 256.max(2 * order.ceil() as u64 + 64);
    let mut sum = Signed::ZERO;
    let (mut binomial, mut sign) = (0.0, 1.0);
    for i in 0..terms {
        let k = i as f64;
        let term = series.term(k, binomial);
        if k > order && (term < sum.largest - 42.0 || i + 1 == terms) {
            sum.add(term, 1.0);
            break;
        }
        sum.add(term, sign);
        let factor = (order - k) / (k + 1.0);
        if factor < 0.0 {
            sign = -sign;
        }
        binomial += libm::log(factor.abs());
    }
    sum.log_upper().max(0.0)
}

/// A sum of signed terms given by their logarithms.
struct Signed {
    largest: f64,
    sum: f64,
    absolute: f64,
}

impl Signed {
    const ZERO: Self = Self { largest: f64::NEG_INFINITY, sum: 0.0, absolute: 0.0 };

    fn add(&mut self, log: f64, sign: f64) {
        if log > self.largest {
            let shrink = libm::exp(self.largest - log);
            self.sum *= shrink;
            self.absolute *= shrink;
            self.largest = log;
        }
        let term = libm::exp(log - self.largest);
        self.sum += sign * term;
        self.absolute += term;
    }

    /// The logarithm of the sum with a margin for the rounding of every term.
    fn log_upper(&self) -> f64 {
        self.largest + libm::log(self.sum + 1e-14 * self.absolute)
    }
}

/// Any mechanism with divergence curve `base`, on a Poisson sample, at an integer order.
pub(super) fn general_at_integer(q: f64, base: &dyn Fn(f64) -> f64, order: u64) -> f64 {
    let a = order as f64;
    let start = (a - 1.0) * libm::log1p(-q) + libm::log1p((a - 1.0) * q);
    let three = libm::log(3.0);
    let rest =
        binomial_sum(q, order, 2, |l| (l - 1.0) * base(l) + if l > 2.0 { three } else { 0.0 });
    log_add(start, rest) * (1.0 + MARGIN) + 1e-14 * a
}

/// Gaussian noise of multiplier `sigma`, relative to what *replacing* moves, on a batch without
/// replacement that holds the share `q`, at an integer order.
pub(super) fn gaussian_without_replacement(q: f64, sigma: f64, order: u64) -> f64 {
    /// Beyond it the ternary divergences are replaced by their cruder bound.
    const EXACT_UP_TO: u64 = 256;
    let cumulant = |j: f64| j * (j - 1.0) / (2.0 * sigma * sigma);
    let even: Vec<f64> = if order <= EXACT_UP_TO {
        (0..=order.div_ceil(2)).map(|half| log_chi(sigma, 2 * half)).collect()
    } else {
        Vec::new()
    };
    let sum = without_replacement(q, order, |j| {
        let crude = libm::log(2.0) + cumulant(j as f64);
        let (low, high) = ((j / 2) as usize, j.div_ceil(2) as usize);
        match (j, even.get(low), even.get(high)) {
            (2, _, _) => crude.min(libm::log(4.0) + log_expm1(cumulant(2.0))),
            (_, Some(low), Some(high)) => crude.min(libm::log(4.0) + 0.5 * (low + high)),
            _ => crude,
        }
    });
    sum * (1.0 + MARGIN)
}

/// Any mechanism on a batch without replacement, at an integer order (Theorem 9).
pub(super) fn general_without_replacement(q: f64, base: &dyn Fn(f64) -> f64, order: u64) -> f64 {
    let sum = without_replacement(q, order, |j| {
        let crude = libm::log(2.0) + (j as f64 - 1.0) * base(j as f64);
        if j == 2 { crude.min(libm::log(4.0) + log_expm1(base(2.0))) } else { crude }
    });
    sum * (1.0 + MARGIN)
}

/// ln(1 + sum_{j=2}^a q^j C(a,j) e^{f(j)}).
fn without_replacement(q: f64, order: u64, f: impl Fn(u64) -> f64) -> f64 {
    let (a, log_q) = (order as f64, libm::log(q));
    let mut total = f64::NEG_INFINITY;
    let mut binomial = 0.0;
    for j in 0..=order {
        let at = j as f64;
        if j >= 2 {
            total = log_add(total, binomial + at * log_q + f(j));
        }
        binomial += libm::log((a - at) / (at + 1.0));
    }
    if total < 30.0 { libm::log1p(libm::exp(total)) } else { log_add(0.0, total) }
}

/// ln E_{z ~ N(0,1)}[(exp(z/sigma - 1/(2 sigma^2)) - 1)^j] for even j, by the trapezoidal rule, which
/// converges faster than any power of the step for an integrand like this.
fn log_chi(sigma: f64, j: u64) -> f64 {
    if j == 0 {
        return 0.0;
    }
    let power = j as f64;
    let step = 0.05f64.min(0.2 * sigma);
    let far = power / sigma + 12.0;
    let points = ((far + 12.0) / step).ceil();
    // More points than this only where the cruder bound is taken anyway.
    if points.is_nan() || points >= 1e5 {
        return f64::INFINITY;
    }
    let mut sum = Signed::ZERO;
    for i in 0..points as u64 {
        let z = -12.0 + i as f64 * step;
        let loss = z / sigma - 0.5 / (sigma * sigma);
        let excess = libm::log(libm::expm1(loss).abs());
        sum.add(power * excess - 0.5 * z * z, 1.0);
    }
    let weight = libm::log(step) - 0.5 * libm::log(2.0 * std::f64::consts::PI);
    sum.log_upper() + weight + 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K by the trapezoidal rule on the integral itself: another route to the same figure.
    fn by_quadrature(q: f64, sigma: f64, order: f64) -> f64 {
        let (step, mut sum) = (1e-3 * sigma, Signed::ZERO);
        let (from, to) = (-14.0 * sigma, order + 14.0 * sigma);
        for i in 0..((to - from) / step) as u64 {
            let x = from + i as f64 * step;
            let ratio = (2.0 * x - 1.0) / (2.0 * sigma * sigma);
            let mixed = log_add(libm::log1p(-q), libm::log(q) + ratio);
            sum.add(order * mixed - x * x / (2.0 * sigma * sigma), 1.0);
        }
        sum.largest + libm::log(sum.sum * step / (sigma * (2.0 * std::f64::consts::PI).sqrt()))
    }

    #[test]
    fn the_series_agree_with_the_integral_and_never_fall_below_it() {
        for (q, sigma) in [(0.01, 1.0), (0.3, 0.8), (0.5, 2.0), (0.9, 1.3), (1e-4, 0.7)] {
            for order in [1.05, 1.5, 2.0, 2.7, 3.0, 7.5, 12.0, 31.2] {
                let ours = gaussian(q, sigma, order);
                let truth = by_quadrature(q, sigma, order);
                assert!(
                    ours >= truth - 1e-12 - 1e-11 * truth,
                    "q {q} sigma {sigma} order {order}: {ours} {truth}"
                );
                assert!(
                    ours <= truth + 1e-5 * (order - 1.0) + 1e-6 * truth,
                    "q {q} sigma {sigma} order {order}: {ours} {truth}"
                );
            }
        }
    }

    #[test]
    fn whole_samples_are_no_samples() {
        assert_eq!(gaussian(0.0, 1.0, 3.0), 0.0);
        assert!((gaussian(1.0, 2.0, 3.0) - 0.75).abs() < 1e-11);
        assert!((gaussian(1.0 - 1e-12, 2.0, 3.0) - 0.75).abs() < 1e-9);
    }

    #[test]
    fn the_general_bound_is_above_the_gaussian_one() {
        for order in 2..20 {
            let base = |l: f64| l / 2.0;
            let general = general_at_integer(0.01, &base, order);
            assert!(general >= gaussian_at_integer(0.01, 1.0, order), "{order}");
        }
    }

    #[test]
    fn chi_square_has_its_closed_form() {
        for sigma in [0.5, 1.0, 5.0] {
            let closed = log_expm1(1.0 / (sigma * sigma));
            assert!((log_chi(sigma, 2) - closed).abs() < 1e-8, "{sigma}");
        }
    }

    #[test]
    fn orders_beyond_the_most_terms_have_no_figure() {
        assert_eq!(gaussian(0.1, 1.0, 1e12), 1e12 * (1e12 - 1.0) / 2.0 * (1.0 + MARGIN));
        assert_eq!(between(1e12, |_| 0.0), f64::INFINITY);
    }
}
