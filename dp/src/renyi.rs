//! Renyi differential privacy: one cost at every order, added over releases.
//!
//! Mironov 2017 (CSF): the Renyi divergence of every order adds up under composition, also when each
//! release is chosen in the light of the earlier ones. The conversion is Canonne, Kamath and Steinke
//! 2020, Prop. 12, or, at small divergences, Bretagnolle and Huber's bound on total variation.
//! *Every* order gives a valid figure, so the search affects tightness only; it goes on until the
//! best order is an interior one. (order - 1) times the divergence is convex in the order, and so
//! is what the conversion adds to it, hence the figure has one valley.

mod select;
mod subsampled;

use crate::accountant::{Accountant, Bound, Carried, Method, Tally};
use crate::event::Event;
use crate::noise::tau;
use crate::special::{log_add, log_expm1};
use crate::units::{Adjacency, Delta, Epsilon};
use crate::{Error, Result};

const NAME: &str = "the Renyi accountant";
/// Relative margin for the rounding of closed forms.
const MARGIN: f64 = 1e-14;

/// The Renyi accountant.
#[derive(Debug, Clone)]
pub struct Renyi {
    tally: Tally,
    orders: Option<Vec<f64>>,
}

impl Renyi {
    /// No events; the best order is searched for.
    #[must_use]
    pub fn new(adjacency: Adjacency) -> Self {
        Self { tally: Tally::new(adjacency), orders: None }
    }

    /// No events; the best of these orders (each above 1) is taken.
    ///
    /// For comparisons alone: for fractional orders of sampled Gaussian noise it adds the series'
    /// terms by their absolute values, as Google's accountant does since 0.5, which overstates.
    #[must_use]
    pub fn with_orders(adjacency: Adjacency, orders: &[f64]) -> Self {
        let orders = orders.iter().copied().filter(|&order| order > 1.0).collect();
        Self { tally: Tally::new(adjacency), orders: Some(orders) }
    }

    pub(crate) fn of(tally: &Tally) -> Result<Self> {
        tally.parts.iter().try_for_each(|(event, _)| covers(event, tally.adjacency))?;
        Ok(Self { tally: tally.clone(), orders: None })
    }

    /// The order and the figure at which `figure(K, order)` is least.
    fn least(&self, figure: impl Fn(f64, f64) -> f64) -> (f64, f64) {
        let at = |order: f64| {
            let value = figure(self.cumulant(order), order);
            if value.is_nan() { f64::INFINITY } else { value }
        };
        match &self.orders {
            Some(orders) => orders
                .iter()
                .map(|&order| (order, at(order)))
                .fold((2.0, f64::INFINITY), |best, new| if new.1 < best.1 { new } else { best }),
            None => valley(at),
        }
    }

    /// (order - 1) times the divergence of all events together.
    pub(crate) fn cumulant(&self, order: f64) -> f64 {
        let orders = self.orders.as_deref();
        let total: f64 = self
            .tally
            .parts
            .iter()
            .map(|(event, count)| {
                *count as f64 * cumulant(event, self.tally.adjacency, order, orders)
            })
            .sum();
        total * (1.0 + MARGIN)
    }

    pub(crate) fn epsilon_and_order(&self, delta: Delta) -> (f64, f64) {
        let (order, epsilon) = self.least(|k, order| epsilon_at(k, order, delta.get()));
        (epsilon, order)
    }

    pub(crate) fn delta_and_order(&self, epsilon: Epsilon) -> (f64, f64) {
        let (order, log) = self.least(|k, order| log_delta_by_order(k, order, epsilon.get()));
        // Total variation falls with the order: its best figure is at the lowest one.
        let lowest = match &self.orders {
            Some(orders) => orders.iter().copied().fold(f64::INFINITY, f64::min),
            None => 1.0078125,
        };
        let variation = log_variation(self.cumulant(lowest), lowest);
        if variation < log {
            return (libm::exp(variation.min(0.0)), lowest);
        }
        (libm::exp(log.min(0.0)), order)
    }
}

impl Accountant for Renyi {
    fn compose(&mut self, event: &Event, count: u64) -> Result<()> {
        let adjacency = self.tally.adjacency;
        self.tally.add(event, count, |part| covers(part, adjacency))
    }

    fn epsilon(&self, delta: Delta) -> Result<Bound> {
        let (value, order) = self.epsilon_and_order(delta);
        if value < f64::INFINITY {
            let method = Method::Renyi { order };
            Ok(Bound { value, method, carries: Carried::default() })
        } else {
            Err(Error::NoBound { accountant: NAME, at: delta.get() })
        }
    }

    fn delta(&self, epsilon: Epsilon) -> Result<Bound> {
        let (value, order) = self.delta_and_order(epsilon);
        Ok(Bound { value, method: Method::Renyi { order }, carries: Carried::default() })
    }

    fn adjacency(&self) -> Adjacency {
        self.tally.adjacency
    }
}

/// The epsilon of Prop. 12 at one order, rounded up; `k` is (order - 1) times the divergence.
pub(crate) fn epsilon_at(k: f64, order: f64, delta: f64) -> f64 {
    let t = order - 1.0;
    // A little less than delta squared, for the rounding of either term.
    if delta * delta * (1.0 - 8.0 * f64::EPSILON) + libm::expm1(-k / t) > 0.0 {
        return 0.0;
    }
    // Closer to one, cancellation is larger than the gain.
    if order <= 1.01 {
        return f64::INFINITY;
    }
    let (paid, gain) = (k / t - libm::log(delta) / t, libm::log1p(1.0 / t));
    let back = libm::log(order) / t;
    let margin = 32.0 * f64::EPSILON * (paid + gain + back);
    (paid - gain - back + margin).max(0.0)
}

/// ln delta of Prop. 12 at one order, rounded up.
fn log_delta_by_order(k: f64, order: f64, epsilon: f64) -> f64 {
    // Closer to one, cancellation is larger than the gain.
    if order <= 1.01 {
        return f64::INFINITY;
    }
    let t = order - 1.0;
    let (gain, back) = (t * libm::log1p(1.0 / t), libm::log(order));
    let margin = 32.0 * f64::EPSILON * (k + t * epsilon + gain + back);
    k - t * epsilon - gain - back + margin
}

/// ln of the total variation that a divergence allows (Bretagnolle and Huber 1979), a delta that
/// holds at every epsilon.
fn log_variation(k: f64, order: f64) -> f64 {
    0.5 * libm::log(-libm::expm1(-k / (order - 1.0)))
}

/// ln delta at one order by either bound.
fn log_delta_at(k: f64, order: f64, epsilon: f64) -> f64 {
    log_delta_by_order(k, order, epsilon).min(log_variation(k, order))
}

/// The bottom of a valley over orders above one: doubling until it is enclosed, then golden section
/// in the logarithm.
fn valley(at: impl Fn(f64) -> f64) -> (f64, f64) {
    /// Orders from 1 + 2^-7 to 1 + 2^50.
    const REACH: std::ops::RangeInclusive<i32> = -7..=50;
    let order = |log2: f64| 1.0 + libm::exp2(log2);
    let value = |step: i32| at(order(f64::from(step)));
    let mut step = 2;
    let mut best = value(step);
    // Uphill is where the figure is infinite, too: then orders are too high.
    let up = value(step + 1);
    let direction = if up < best { 1 } else { -1 };
    while REACH.contains(&(step + direction)) {
        let next = value(step + direction);
        if next > best || (next == best && next < f64::INFINITY) {
            break;
        }
        (step, best) = (step + direction, next);
    }
    let (mut low, mut high) = (f64::from(step) - 1.0, f64::from(step) + 1.0);
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let mut bottom = (order(f64::from(step)), best);
    let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_a, mut at_b) = (at(order(a)), at(order(b)));
    for _ in 0..22 {
        for (place, figure) in [(a, at_a), (b, at_b)] {
            if figure < bottom.1 {
                bottom = (order(place), figure);
            }
        }
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - GOLDEN * (high - low);
            at_a = at(order(a));
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + GOLDEN * (high - low);
            at_b = at(order(b));
        }
    }
    // Between whole orders some curves are chords.
    if bottom.0 < 1e6 {
        for whole in [bottom.0.floor(), bottom.0.ceil()] {
            let figure = if whole > 1.0 { at(whole) } else { f64::INFINITY };
            if figure < bottom.1 {
                bottom = (whole, figure);
            }
        }
    }
    bottom
}

/// Whether every part of an event has a curve under this adjacency.
pub(crate) fn covers(event: &Event, adjacency: Adjacency) -> Result<()> {
    let no = || Err(Error::NotCovered { accountant: NAME, event: event.name(), adjacency });
    match event {
        Event::Exact => no(),
        Event::RandomisedResponse { .. } | Event::WithoutReplacement { .. }
            if adjacency != Adjacency::ReplaceOne =>
        {
            no()
        }
        Event::Poisson { event, .. }
        | Event::WithoutReplacement { event, .. }
        | Event::RepeatAndSelect { event, .. }
        | Event::SelfComposed { event, .. } => covers(event, adjacency),
        Event::Composed(parts) => parts.iter().try_for_each(|part| covers(part, adjacency)),
        _ => Ok(()),
    }
}

/// How many times as far as adding or removing a patient the neighbours' sums are apart.
pub(crate) fn stretch(adjacency: Adjacency) -> f64 {
    if adjacency == Adjacency::ReplaceOne { 2.0 } else { 1.0 }
}

/// (order - 1) times the Renyi divergence of one event, an upper bound.
///
/// `orders` is what an inner minimum may range over; the usual list if there is none.
pub(crate) fn cumulant(
    event: &Event,
    adjacency: Adjacency,
    order: f64,
    orders: Option<&[f64]>,
) -> f64 {
    let m = stretch(adjacency);
    let t = order - 1.0;
    let gaussian = |mu_squared: f64| order * t * mu_squared / 2.0;
    let of = |event: &Event, order: f64| cumulant(event, adjacency, order, orders);
    match event {
        Event::Exact => f64::INFINITY,
        Event::Gaussian { sigma } => gaussian(libm::pow(m / sigma.get(), 2.0)),
        Event::DiscreteGaussian { s, sensitivity, .. } => {
            gaussian(libm::pow(m * sensitivity.get() as f64 / s.get(), 2.0))
        }
        Event::DiscreteGaussianSum { parties, s, sensitivity, dimension } => {
            let (n, d2) = (f64::from(*parties), m * sensitivity.get() as f64);
            let (s, d) = (s.get(), dimension.get() as f64);
            let tau = tau(s, *parties);
            // The L1 sensitivity is at most its square in integers, and sqrt(d) times the L2 one.
            let d1 = (d2 * d2).min(d.sqrt() * d2);
            let ratio = d2 / (n.sqrt() * s);
            let plain = order * ratio * ratio / 2.0 + tau * d;
            let cross =
                order / 2.0 * (ratio * ratio + 2.0 * d1 * tau / (n.sqrt() * s) + tau * tau * d);
            let norm = order / 2.0 * libm::pow(ratio + d.sqrt() * tau, 2.0);
            t * plain.min(cross).min(norm)
        }
        Event::Skellam { variance, sensitivity, dimension } => {
            let (mu, d2) = (variance.get(), m * sensitivity.get() as f64);
            let d1 = (d2 * d2).min((dimension.get() as f64).sqrt() * d2);
            subsampled::between(order, |integer| {
                let a = integer as f64;
                let first = ((2.0 * a - 1.0) * d2 * d2 + 6.0 * d1) / (4.0 * mu * mu);
                (a - 1.0) * (a * d2 * d2 / (2.0 * mu) + first.min(3.0 * d1 / (2.0 * mu)))
            })
        }
        Event::Laplace { scale } => {
            let epsilon = m / scale.get();
            let whole = 2.0 * order - 1.0;
            let high = libm::log(order / whole) + t * epsilon;
            let low = libm::log(t / whole) - order * epsilon;
            log_add(high, low)
        }
        Event::DiscreteLaplace { scale, sensitivity } => {
            discrete_laplace(1.0 / scale.get(), m * sensitivity.get() as f64, order)
        }
        Event::RandomisedResponse { noise, buckets } => {
            let other = noise.get() / f64::from(*buckets);
            let (same, other) = (libm::log(1.0 - noise.get() + other), libm::log(other));
            let both = log_add(order * same - t * other, order * other - t * same);
            if *buckets > 2 {
                log_add(both, libm::log(f64::from(*buckets - 2)) + other)
            } else {
                both
            }
        }
        Event::Exponential { epsilon } => {
            let epsilon = m * epsilon.get();
            let pure = log_expm1(2.0 * order * epsilon) - log_expm1(2.0 * epsilon) - t * epsilon;
            // sinh(a e) - sinh((a-1) e) over sinh e is below sinh(a e) over sinh e.
            (t * order * epsilon * epsilon / 8.0).min(pure).min(t * epsilon)
        }
        Event::Zcdp { rho } => t * order * rho.get() * m * m,
        Event::Poisson { q, event } => sampled(q.get(), event, adjacency, order, orders),
        Event::TruncatedPoisson { patients, q, batch, sigma } => {
            if adjacency == Adjacency::ReplaceOne || q.get() == 1.0 {
                return gaussian(libm::pow(2.0 / sigma.get(), 2.0));
            }
            let kept = subsampled::gaussian(q.get(), sigma.get(), order);
            let cut = subsampled::gaussian(q.get(), sigma.get() / 2.0, order);
            let full = crate::pld::binomial_tail(*patients, q.get(), *batch);
            log_add(kept, libm::log(full) + cut)
        }
        Event::WithoutReplacement { patients, batch, event } => {
            let q = *batch as f64 / *patients as f64;
            let whole = of(event, order);
            if batch == patients {
                return whole;
            }
            let sampled = match event.as_ref() {
                Event::Gaussian { sigma } => subsampled::between(order, |order| {
                    subsampled::gaussian_without_replacement(q, sigma.get() / m, order)
                }),
                other => {
                    let base = |order: f64| of(other, order) / (order - 1.0);
                    subsampled::between(order, |order| {
                        subsampled::general_without_replacement(q, &base, order)
                    })
                }
            };
            sampled.min(whole)
        }
        Event::Tree { sigma, steps, epochs } => {
            let height = f64::from(steps.ilog2() + 1);
            gaussian(f64::from(*epochs) * height * libm::pow(m / sigma.get(), 2.0))
        }
        Event::RepeatAndSelect { event, mean, shape } => {
            let base = |order: f64| of(event, order) / (order - 1.0);
            t * select::divergence(&base, mean.get(), *shape, order, orders)
        }
        Event::Composed(parts) => parts.iter().map(|part| of(part, order)).sum(),
        Event::SelfComposed { event, count } => *count as f64 * of(event, order),
    }
}

fn sampled(q: f64, event: &Event, adjacency: Adjacency, order: f64, orders: Option<&[f64]>) -> f64 {
    let whole = cumulant(event, adjacency, order, orders);
    if q == 0.0 {
        return 0.0;
    }
    // Replacing is covered by what it costs without sampling: the divergence is quasi-convex.
    if q == 1.0 || adjacency == Adjacency::ReplaceOne {
        return whole;
    }
    match event {
        Event::Gaussian { sigma } if orders.is_some() => {
            subsampled::gaussian_by_absolute_terms(q, sigma.get(), order)
        }
        Event::Gaussian { sigma } => subsampled::gaussian(q, sigma.get(), order),
        Event::DiscreteGaussian { s, sensitivity, .. } => {
            let sigma = s.get() / sensitivity.get() as f64 * (1.0 - f64::EPSILON);
            subsampled::between(order, |order| subsampled::gaussian_at_integer(q, sigma, order))
                .min(whole)
        }
        Event::DiscreteGaussianSum { .. } => {
            let moment = |order: u64| cumulant(event, adjacency, order as f64, orders);
            subsampled::between(order, |order| subsampled::moments_at_integer(q, &moment, order))
                .min(whole)
        }
        Event::Poisson { q: inner, event } => {
            sampled((q * inner.get()).next_up().min(1.0), event, adjacency, order, orders)
        }
        other => {
            let base = |order: f64| cumulant(other, adjacency, order, orders) / (order - 1.0);
            subsampled::between(order, |order| subsampled::general_at_integer(q, &base, order))
                .min(whole)
        }
    }
}

/// P proportional to exp(-a|x - D|) against exp(-a|x|), summed region by region.
fn discrete_laplace(a: f64, d: f64, order: f64) -> f64 {
    let one = libm::log1p(libm::exp(-a));
    let left = -a * d * order - one;
    let right = a * d * (order - 1.0) - one;
    let outside = log_add(left, right);
    if d <= 1.0 {
        return outside;
    }
    // c sum_{x=1}^{D-1} r^x, r = exp(a (2 order - 1)), c = tanh(a/2) exp(-a order D).
    let log_r = a * (2.0 * order - 1.0);
    let middle =
        libm::log(libm::tanh(a / 2.0)) - a * order * d + log_r + log_expm1(log_r * (d - 1.0))
            - log_expm1(log_r);
    log_add(outside, middle)
}

/// Orders of Google's accountant, and onward: where an inner minimum of one's own is taken.
pub(crate) fn usual_orders() -> Vec<f64> {
    let tenths = (1..100).map(|n| 1.0 + f64::from(n) / 10.0);
    let whole = (11..64).map(f64::from);
    let far = [96.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16_384.0];
    tenths.chain(whole).chain(far).collect()
}
