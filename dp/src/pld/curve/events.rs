//! Which curves an event has: of each mechanism, in both directions, and under sampling.

use std::sync::Arc;

use super::sampled::{Added, Mean, Removed, Replaced};
use super::table::Table;
use super::{Curve, DiscreteLaplaceCurve, Gauss, LaplaceCurve, Ranged, Response, Stick};
use crate::analytic::shift;
use crate::event::Event;
use crate::pld::binomial_tail;
use crate::renyi::stretch;
use crate::units::{Adjacency, Rate, Sensitivity};

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
pub(crate) fn pair(event: &Event, adjacency: Adjacency) -> Option<Pair> {
    let replaced = adjacency == Adjacency::ReplaceOne;
    match event {
        Event::Poisson { q, event } => match event.as_ref() {
            Event::Poisson { q: inner, event } => {
                let q = Rate::new((q.get() * inner.get()).next_up().min(1.0)).ok()?;
                pair(&Event::Poisson { q, event: event.clone() }, adjacency)
            }
            _ if q.get() == 0.0 => Some(both(Gauss { mu: 0.0 }, 0.0)),
            _ if q.get() == 1.0 => pair(event, adjacency),
            // What replaces is relative to adding: half the distance each way.
            _ if replaced => match shift(event, Adjacency::AddRemove) {
                Some(shift) => Some(both(Replaced { q: q.get(), mu: shift.mu }, shift.slack)),
                None => pair(event, adjacency),
            },
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
struct Shared(Arc<dyn Curve>);

impl Curve for Shared {
    fn at(&self, x: f64) -> Stick {
        self.0.at(x)
    }
}

fn both<C: Curve + Copy + 'static>(curve: C, slack: f64) -> Pair {
    Pair { there: Box::new(curve), back: Box::new(curve), slack }
}

/// The curve of a mechanism that looks the same in both directions, with its slack.
fn symmetric(event: &Event, adjacency: Adjacency) -> Option<(Arc<dyn Curve>, f64)> {
    let m = stretch(adjacency);
    let moved = |sensitivity: Sensitivity| sensitivity.get() as f64 * m;
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
        Event::RandomisedResponse { noise, buckets } if adjacency == Adjacency::ReplaceOne => {
            Arc::new(Response { noise: noise.get(), buckets: f64::from(*buckets) })
        }
        Event::Exponential { epsilon } => Arc::new(Ranged { epsilon: m * epsilon.get() }),
        other => {
            let shift = shift(other, adjacency)?;
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
        let base: Arc<dyn Curve> = Arc::new(Gauss { mu });
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
        let at_least = |r: u64| binomial_tail(others, q, r);
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
