//! Hockey-stick curves: delta as a function of epsilon for one release, in closed form.
//!
//! A curve is H(x) = sup_S P(S) - e^x Q(S) of a dominating pair (P, Q) of a mechanism. It falls and
//! is convex in e^x, and it is all that a privacy loss distribution is made of (Doroshenko, Ghazi,
//! Kamath, Kumar, Manurangsi 2022). Dominating pairs compose, also adaptively, and are carried over
//! by Poisson sampling (Zhu, Dong, Wang 2022, Theorems 10 and 11).
//!
//! Every value comes with a bound on its rounding error and is accurate relative to the two
//! probabilities that it is the difference of, however small they are.

mod events;
mod sampled;
mod table;

use crate::special::{density, mills, tail};
pub(crate) use events::{Pair, pair};

/// One unit of rounding.
const U: f64 = f64::EPSILON;

/// A point of a curve.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stick {
    /// H(x).
    pub(crate) value: f64,
    /// How far the value may be from the truth.
    pub(crate) error: f64,
    /// Q(loss > x), which is the slope of H in -e^x.
    pub(crate) tail: f64,
}

impl Stick {
    fn new(value: f64, error: f64, tail: f64) -> Self {
        Self { value: value.clamp(0.0, 1.0), error, tail: tail.clamp(0.0, 1.0) }
    }

    /// Below all losses.
    fn all(x: f64) -> Self {
        Self::new(-libm::expm1(x), 4.0 * U, 1.0)
    }

    /// At or above all losses.
    const NONE: Self = Self { value: 0.0, error: 0.0, tail: 0.0 };
}

/// A hockey-stick curve.
pub(crate) trait Curve: std::fmt::Debug {
    /// The point at x.
    fn at(&self, x: f64) -> Stick;
}

/// N(mu, 1) against N(0, 1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauss {
    pub(crate) mu: f64,
}

impl Curve for Gauss {
    fn at(&self, x: f64) -> Stick {
        if self.mu == 0.0 {
            return if x < 0.0 { Stick::all(x) } else { Stick::NONE };
        }
        let (a, b) = (x / self.mu - self.mu / 2.0, x / self.mu + self.mu / 2.0);
        // e^x density(b) = density(a).
        let (p, q) = if a > 0.0 {
            let at_a = density(a);
            (at_a * mills(a), at_a * mills(b))
        } else if b > 0.0 {
            (tail(a), density(a) * mills(b))
        } else {
            (tail(a), libm::exp(x) * tail(b))
        };
        Stick::new(p - q, (p + q) * U * (32.0 + 4.0 * a * a), tail(b))
    }
}

/// Laplace noise of scale 1/epsilon over its sensitivity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaplaceCurve {
    pub(crate) epsilon: f64,
}

impl Curve for LaplaceCurve {
    fn at(&self, x: f64) -> Stick {
        if x >= self.epsilon {
            return Stick::NONE;
        }
        if x < -self.epsilon {
            return Stick::all(x);
        }
        let value = -libm::expm1((x - self.epsilon) / 2.0);
        Stick::new(value, 8.0 * U, 0.5 * libm::exp(-(x + self.epsilon) / 2.0))
    }
}

/// P(x) proportional to exp(-a |x|), moved by d.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiscreteLaplaceCurve {
    pub(crate) a: f64,
    pub(crate) d: f64,
}

impl Curve for DiscreteLaplaceCurve {
    fn at(&self, x: f64) -> Stick {
        let (a, d) = (self.a, self.d);
        if x >= a * d {
            return Stick::NONE;
        }
        if x < -a * d {
            return Stick::all(x);
        }
        // The loss of outcome k is a (2k - d); all from the first above x on count.
        let k = (((x / a + d) / 2.0).floor() + 1.0).clamp(0.0, d);
        let one = 1.0 + libm::exp(-a);
        let p = 1.0 - libm::exp(-a * (d - k + 1.0)) / one;
        let q = libm::exp(-a * k) / one;
        let weighted = libm::exp(x) * q;
        Stick::new(p - weighted, 16.0 * U * (p + weighted) * (1.0 + a * d), q)
    }
}

/// k-ary randomised response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Response {
    pub(crate) noise: f64,
    pub(crate) buckets: f64,
}

impl Curve for Response {
    fn at(&self, x: f64) -> Stick {
        let other = self.noise / self.buckets;
        let same = 1.0 - self.noise + other;
        let e = libm::exp(x);
        let rest = (self.buckets - 2.0) * other;
        let above = [(same, other), (rest, rest), (other, same)];
        let (mut value, mut mass) = (0.0, 0.0);
        for (p, q) in above {
            if p > e * q {
                value += p - e * q;
                mass += q;
            }
        }
        Stick::new(value, 16.0 * U * (1.0 + e).min(2.0), mass)
    }
}

/// A mechanism whose losses span at most epsilon: sup_t of two points t and t - epsilon, which is
/// (e^(epsilon/2) - e^(x/2))^2 / (e^epsilon - 1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranged {
    pub(crate) epsilon: f64,
}

impl Curve for Ranged {
    fn at(&self, x: f64) -> Stick {
        let epsilon = self.epsilon;
        if x >= epsilon {
            return Stick::NONE;
        }
        if x < -epsilon {
            return Stick::all(x);
        }
        // Over e^epsilon, above and below, so that nothing overflows.
        let gap = -libm::expm1((x - epsilon) / 2.0);
        let whole = -libm::expm1(-epsilon);
        let value = gap * gap / whole;
        Stick::new(value, 32.0 * U * value, gap * libm::exp(-(x + epsilon) / 2.0) / whole)
    }
}
