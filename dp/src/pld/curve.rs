//! Hockey-stick curves: delta as a function of epsilon for one release, in closed form.
//!
//! A curve is H(x) = sup_S P(S) - e^x Q(S) of a dominating pair (P, Q) of a mechanism. It falls and
//! is convex in e^x, and it is all that a privacy loss distribution is made of (Doroshenko, Ghazi,
//! Kamath, Kumar, Manurangsi 2022). Dominating pairs compose, also adaptively, and are carried over
//! by Poisson sampling (Zhu, Dong, Wang 2022, Theorems 10 and 11).
//!
//! Every value comes with a bound on its rounding error and is accurate relative to the two
//! probabilities that it is the difference of, however small they are.

use crate::event::Event;
use crate::special::{density, mills, tail};

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

/// A symmetric, log-concave distribution on the integers, moved by d: tail sums in a table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// ln P(X = k), k from 0.
    log: Vec<f64>,
    /// P(X >= k), k from 0.
    tails: Vec<f64>,
    d: i64,
}

impl Table {
    /// From weights proportional to P(X = k), k from 0, given by their logarithms.
    pub(crate) fn new(mut log: Vec<f64>, d: u64) -> Self {
        let mut sum = 0.0;
        let mut tails: Vec<f64> = log
            .iter()
            .rev()
            .map(|&weight| {
                sum += libm::exp(weight);
                sum
            })
            .collect();
        tails.reverse();
        let zero = log.first().map_or(0.0, |&weight| libm::exp(weight));
        let total = 2.0 * sum - zero;
        tails.iter_mut().for_each(|tail| *tail /= total);
        log.iter_mut().for_each(|weight| *weight -= libm::log(total));
        Self { log, tails, d: d as i64 }
    }

    /// N_Z(0, s^2).
    pub(crate) fn gaussian(s: f64, d: u64) -> Self {
        let reach = (40.0 * s).ceil() as u64 + d + 2;
        Self::new((0..=reach).map(|k| -libm::pow(k as f64 / s, 2.0) / 2.0).collect(), d)
    }

    /// The difference of two Poisson variables of mean `variance`/2: weights I_k(variance), by
    /// backward recurrence (Abramowitz and Stegun 9.12, example 1), which is stable.
    pub(crate) fn skellam(variance: f64, d: u64) -> Self {
        let reach = (variance / 4.0 + 40.0 * variance.sqrt()) as usize + 400 + d as usize;
        let mut log = vec![0.0; reach + 1];
        // Ratios r_k = I_{k+1}/I_k obey 1/r_{k-1} = 2k/v + r_k.
        let mut ratio = 0.0;
        let mut ratios = vec![0.0; reach + 1];
        for k in (1..=reach).rev() {
            ratio = 1.0 / (2.0 * k as f64 / variance + ratio);
            if let Some(place) = ratios.get_mut(k - 1) {
                *place = ratio;
            }
        }
        let mut sum = 0.0;
        for (place, ratio) in log.iter_mut().zip(std::iter::once(1.0).chain(ratios)) {
            sum += libm::log(ratio);
            *place = sum;
        }
        Self::new(log, d)
    }

    /// The sum of `parties` variables N_Z(0, s^2), convolved one by one.
    pub(crate) fn sum_of_gaussians(parties: u32, s: f64, d: u64) -> Self {
        let one = |reach: i64| -> Vec<f64> {
            (-reach..=reach).map(|k| libm::exp(-libm::pow(k as f64 / s, 2.0) / 2.0)).collect()
        };
        let narrow = one((38.0 * s).ceil() as i64 + 2);
        let mut sum = narrow.clone();
        for _ in 1..parties {
            let mut next = vec![0.0; sum.len() + narrow.len() - 1];
            for (i, &a) in sum.iter().enumerate() {
                for (place, &b) in next.iter_mut().skip(i).zip(&narrow) {
                    *place += a * b;
                }
            }
            sum = next;
        }
        // What is about to underflow is below every tail that matters.
        let half = sum.iter().skip(sum.len() / 2).take_while(|weight| **weight > 1e-290);
        let log = half.map(|&weight| libm::log(weight)).collect();
        Self::new(log, d)
    }

    fn tail(&self, k: i64) -> f64 {
        let at = |k: i64| self.tails.get(k as usize).copied().unwrap_or(0.0);
        if k >= 0 { at(k) } else { 1.0 - at(1 - k) }
    }

    fn log(&self, k: i64) -> f64 {
        self.log.get(k.unsigned_abs() as usize).copied().unwrap_or(-800.0)
    }
}

impl Curve for Table {
    fn at(&self, x: f64) -> Stick {
        // The loss of outcome k rises with k.
        let loss = |k: i64| self.log(k - self.d) - self.log(k);
        let reach = self.log.len() as i64 - 1;
        let (mut low, mut high) = (-reach + self.d - 1, reach);
        if loss(low + 1) > x {
            return Stick::all(x);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if loss(middle) > x { high = middle } else { low = middle }
        }
        let (p, q) = (self.tail(high - self.d), self.tail(high));
        let weighted = libm::exp(x) * q;
        // Each tail is a sum of up to `reach` terms, from the smallest on.
        Stick::new(p - weighted, (p + weighted) * U * (64.0 + (reach as f64).sqrt()), q)
    }
}

/// (1-q) Q + q P against Q: one patient removed from a Poisson sample.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) q: f64,
    pub(crate) base: std::sync::Arc<dyn Curve>,
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
    pub(crate) base: std::sync::Arc<dyn Curve>,
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
        let mixed =
            |exponent: f64| crate::special::log_add(libm::log1p(-q), libm::log(q) + exponent);
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

/// Both directions of a release: from one neighbour to the other, and back.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) there: Box<dyn Curve>,
    pub(crate) back: Box<dyn Curve>,
    /// Added to epsilon at every release: how far the curve is from the mechanism (rule N2).
    pub(crate) slack: f64,
}

/// The widest scale that a table of a discrete distribution is made for.
const TABLE: f64 = 16_384.0;
/// The most multiplications that a table may cost.
const CONVOLUTION: f64 = 1e8;

/// The curves of an event's part, if it has any.
pub(crate) fn pair(event: &Event, adjacency: crate::units::Adjacency) -> Option<Pair> {
    use crate::units::Adjacency::ReplaceOne;
    let replaced = adjacency == ReplaceOne;
    match event {
        Event::Poisson { q, event } => match event.as_ref() {
            Event::Poisson { q: inner, event } => {
                let q = crate::units::Rate::new((q.get() * inner.get()).next_up().min(1.0)).ok()?;
                pair(&Event::Poisson { q, event: event.clone() }, adjacency)
            }
            _ if q.get() == 0.0 => Some(both(Gauss { mu: 0.0 }, 0.0)),
            _ if q.get() == 1.0 => pair(event, adjacency),
            // What replaces is relative to adding: half the distance each way.
            _ if replaced => {
                match crate::analytic::shift(event, crate::units::Adjacency::AddRemove) {
                    Some(shift) => Some(both(Replaced { q: q.get(), mu: shift.mu }, shift.slack)),
                    None => pair(event, adjacency),
                }
            }
            event => {
                let (base, slack) = symmetric(event, adjacency)?;
                let q = q.get();
                let there = Box::new(Removed { q, base: base.clone() });
                Some(Pair { there, back: Box::new(Added { q, base }), slack })
            }
        },
        Event::TruncatedPoisson { patients, q, batch, sigma } => {
            let mu = 1.0 / sigma.get();
            if replaced || q.get() == 1.0 {
                return Some(both(Gauss { mu: 2.0 * mu }, 0.0));
            }
            if q.get() == 0.0 {
                return Some(both(Gauss { mu: 0.0 }, 0.0));
            }
            let (there, back) = truncated(*patients, q.get(), *batch, mu);
            Some(Pair { there: Box::new(there), back: Box::new(back), slack: 0.0 })
        }
        event => {
            let (curve, slack) = symmetric(event, adjacency)?;
            let curve = Shared(curve);
            Some(Pair { there: Box::new(curve.clone()), back: Box::new(curve), slack })
        }
    }
}

#[derive(Debug, Clone)]
struct Shared(std::sync::Arc<dyn Curve>);

impl Curve for Shared {
    fn at(&self, x: f64) -> Stick {
        self.0.at(x)
    }
}

fn both<C: Curve + Copy + 'static>(curve: C, slack: f64) -> Pair {
    Pair { there: Box::new(curve), back: Box::new(curve), slack }
}

/// The curve of a mechanism that looks the same in both directions, with its slack.
fn symmetric(
    event: &Event,
    adjacency: crate::units::Adjacency,
) -> Option<(std::sync::Arc<dyn Curve>, f64)> {
    use std::sync::Arc;
    let m = crate::renyi::stretch(adjacency);
    let moved = |sensitivity: crate::units::Sensitivity| sensitivity.get() as f64 * m;
    let small = |d: f64, s: f64| s <= TABLE && d <= 64.0 * TABLE;
    let curve: Arc<dyn Curve> = match event {
        Event::DiscreteGaussian { s, sensitivity, dimension }
            if dimension.get() == 1 && small(moved(*sensitivity), s.get()) =>
        {
            Arc::new(Table::gaussian(s.get(), moved(*sensitivity) as u64))
        }
        Event::DiscreteGaussianSum { parties, s, sensitivity, dimension }
            if dimension.get() == 1
                && small(moved(*sensitivity), s.get())
                && libm::pow(f64::from(*parties) * 80.0 * s.get(), 2.0) <= CONVOLUTION =>
        {
            Arc::new(Table::sum_of_gaussians(*parties, s.get(), moved(*sensitivity) as u64))
        }
        Event::Skellam { variance, sensitivity, dimension } => {
            if dimension.get() != 1 || !small(moved(*sensitivity), variance.get().sqrt() * 8.0) {
                return None;
            }
            Arc::new(Table::skellam(variance.get(), moved(*sensitivity) as u64))
        }
        Event::Laplace { scale } => Arc::new(LaplaceCurve { epsilon: m / scale.get() }),
        Event::DiscreteLaplace { scale, sensitivity } => {
            Arc::new(DiscreteLaplaceCurve { a: 1.0 / scale.get(), d: moved(*sensitivity) })
        }
        Event::RandomisedResponse { noise, buckets }
            if adjacency == crate::units::Adjacency::ReplaceOne =>
        {
            Arc::new(Response { noise: noise.get(), buckets: f64::from(*buckets) })
        }
        Event::Exponential { epsilon } => Arc::new(Ranged { epsilon: m * epsilon.get() }),
        other => {
            let shift = crate::analytic::shift(other, adjacency)?;
            return Some((Arc::new(Gauss { mu: shift.mu }), shift.slack));
        }
    };
    Some((curve, 0.0))
}

/// Given the others' sample of r, the patient is in the batch with probability q (r below the
/// largest batch; the sum moves by one patient's part) or q B/(r+1) (by two: it takes another's
/// place). The divergence is jointly convex, so the mean over r bounds it.
fn truncated(patients: u64, q: f64, batch: u64, mu: f64) -> (Mean, Mean) {
    let (mut there, mut back) = (Vec::new(), Vec::new());
    let mut push = |weight: f64, q: f64, mu: f64| {
        let base: std::sync::Arc<dyn Curve> = std::sync::Arc::new(Gauss { mu });
        there.push((weight, Box::new(Removed { q, base: base.clone() }) as Box<dyn Curve>));
        back.push((weight, Box::new(Added { q, base }) as Box<dyn Curve>));
    };
    let mut cut = 0.0;
    // Bins of r, each charged at its smallest; the last takes all that is left.
    const BINS: u64 = 24;
    let deviation = (patients as f64 * q * (1.0 - q)).sqrt();
    let width = ((deviation / 8.0).ceil() as u64).max(1);
    for bin in 0..BINS {
        let from = batch.saturating_add(bin * width);
        let others = patients.saturating_sub(1);
        let at_least = |r: u64| super::binomial_tail(others, q, r);
        let beyond = if bin + 1 == BINS { 0.0 } else { at_least(from + width) };
        let weight = at_least(from) - beyond;
        if weight > 0.0 {
            cut += weight;
            push(weight, q * batch as f64 / (from as f64 + 1.0), 2.0 * mu);
        }
    }
    push(1.0 - cut, q, mu);
    (Mean { parts: there }, Mean { parts: back })
}
