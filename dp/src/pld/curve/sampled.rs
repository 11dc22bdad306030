//! Curves of a release of a Poisson sample, made of those of the release itself.

use std::sync::Arc;

use super::{Curve, Stick, U};
use crate::special::{log_add, tail};

/// (1-q) Q + q P against Q: one patient removed from a Poisson sample.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) q: f64,
    pub(crate) base: Arc<dyn Curve>,
}

impl Curve for Removed {
    fn at(&self, x: f64) -> Stick {
        let (q, e) = (self.q, libm::expm1(x));
        let w = e + q;
        if w <= 0.0 {
            return Stick::all(x);
        }
        let log = libm::log(w / q);
        let base = self.base.at(log);
        let off = (e.abs() + q + w * log.abs()) * base.tail;
        Stick::new(
            q * base.value,
            q * (base.error + 4.0 * U * base.value) + 4.0 * U * off,
            base.tail,
        )
    }
}

/// Q against (1-q) Q + q P: one patient added to a Poisson sample. `base` is that of Q against P.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) q: f64,
    pub(crate) base: Arc<dyn Curve>,
}

impl Curve for Added {
    fn at(&self, x: f64) -> Stick {
        let q = self.q;
        let (e, grown) = (libm::expm1(x), q * libm::exp(x));
        let c = grown - e;
        if c <= 0.0 {
            return Stick::NONE;
        }
        let ratio = grown / c;
        let log = libm::log(ratio);
        let base = self.base.at(log);
        let mass = ratio * base.tail;
        let off = (e.abs() + grown) * (base.value + mass) + c * mass * log.abs();
        let rest = 1.0 - q;
        let tail = rest * base.value + q * base.tail + rest * mass;
        Stick::new(c * base.value, c * (base.error + 4.0 * U * base.value) + 4.0 * U * off, tail)
    }
}

/// (1-q) N(0,1) + q N(mu,1) against (1-q) N(0,1) + q N(-mu,1): one patient of a Poisson sample
/// replaced by another (Lebeda, Regehr, Kamath, Steinke 2024).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replaced {
    pub(crate) q: f64,
    pub(crate) mu: f64,
}

impl Curve for Replaced {
    fn at(&self, x: f64) -> Stick {
        let (q, mu) = (self.q, self.mu);
        let mixed = |exponent: f64| log_add(libm::log1p(-q), libm::log(q) + exponent);
        let loss = |z: f64| mixed(mu * z - mu * mu / 2.0) - mixed(-mu * z - mu * mu / 2.0);
        let (mut low, mut high) = (-60.0 - mu, 60.0 + mu);
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            if loss(middle) > x { high = middle } else { low = middle }
        }
        let z = high;
        let e = libm::exp(x);
        let (p, same, n) = (tail(z - mu), tail(z), tail(z + mu));
        // 60 deviations out nothing is left, and what is left out is on the safe side.
        let value = (1.0 - q) * -libm::expm1(x) * same + q * (p - e * n);
        let size = same * (1.0 + e) + q * (p + e * n);
        Stick::new(value, size * U * (64.0 + 4.0 * z * z), (1.0 - q) * same + q * n)
    }
}

/// A mean of curves: a pair drawn at random, in sight of the adversary.
#[derive(Debug)]
pub(crate) struct Mean {
    pub(crate) parts: Vec<(f64, Box<dyn Curve>)>,
}

impl Curve for Mean {
    fn at(&self, x: f64) -> Stick {
        let mut sum = Stick::NONE;
        for (weight, curve) in &self.parts {
            let part = curve.at(x);
            sum.value += weight * part.value;
            sum.error += weight * (part.error + U * part.value);
            sum.tail += weight * part.tail;
        }
        Stick::new(sum.value, sum.error * 2.0, sum.tail)
    }
}
