//! The analytic Gaussian mechanism, and the accountant of Gaussian releases alone.
//!
//! Balle and Wang 2018 (ICML), Theorem 8: noise of multiplier 1/mu gives
//! delta(epsilon) = Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu), exactly. Gaussian
//! releases compose to one of mu^2 = sum mu_i^2 (Dong, Roth, Su 2022), when the plan is fixed.
//!
//! Discrete Gaussian noise (rule N2): N_Z(0, s^2) is, to a factor exp(+-1e-33) a coordinate, a
//! rounding of N(0, s^2 - 4), so its multiplier here is sqrt(s^2 - 4)/D and the factor is added to
//! epsilon. The sum of k is so to a discrete Gaussian of scale s sqrt(k), within tau a coordinate.

use crate::accountant::{Accountant, Bound, Carried, Method, Tally};
use crate::event::Event;
use crate::noise::tau;
use crate::pld::curve::{Curve, Gauss};
use crate::renyi::stretch;
use crate::units::{Adjacency, Delta, Epsilon};
use crate::{Error, Result};

const NAME: &str = "the analytic Gaussian accountant";

/// What a Gaussian release amounts to: mu, and what its discreteness adds to epsilon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shift {
    pub(crate) mu: f64,
    pub(crate) slack: f64,
}

/// mu of an event, if it is Gaussian.
pub(crate) fn shift(event: &Event, adjacency: Adjacency) -> Option<Shift> {
    /// Both data sets' densities are off by the factor of rule N2, with room to spare.
    const ROUNDING: f64 = 4e-33;
    let m = stretch(adjacency);
    let discrete = |s: f64, sensitivity: f64, dimension: f64, tau: f64| {
        let variance = s * s - 4.0;
        (s >= 4.0).then(|| Shift {
            mu: m * sensitivity / variance.sqrt() * (1.0 + 4.0 * f64::EPSILON),
            slack: dimension * (ROUNDING + 2.0 * tau),
        })
    };
    match event {
        Event::Gaussian { sigma } => Some(Shift { mu: m / sigma.get(), slack: 0.0 }),
        Event::DiscreteGaussian { s, sensitivity, dimension } => {
            discrete(s.get(), sensitivity.get() as f64, dimension.get() as f64, 0.0)
        }
        Event::DiscreteGaussianSum { parties, s, sensitivity, dimension } => discrete(
            s.get() * f64::from(*parties).sqrt() * (1.0 - f64::EPSILON),
            sensitivity.get() as f64,
            dimension.get() as f64,
            tau(s.get(), *parties),
        ),
        Event::Tree { sigma, steps, epochs } => {
            let nodes = f64::from(*epochs) * f64::from(steps.ilog2() + 1);
            Some(Shift { mu: m / sigma.get() * nodes.sqrt(), slack: 0.0 })
        }
        Event::Poisson { q, event } if q.get() == 1.0 => shift(event, adjacency),
        _ => None,
    }
}

/// The accountant of Gaussian releases without sampling.
#[derive(Debug, Clone)]
pub struct AnalyticGaussian {
    tally: Tally,
}

impl AnalyticGaussian {
    /// No events.
    #[must_use]
    pub fn new(adjacency: Adjacency) -> Self {
        Self { tally: Tally::new(adjacency) }
    }

    fn total(&self) -> Shift {
        let mut total = Shift { mu: 0.0, slack: 0.0 };
        for (event, count) in &self.tally.parts {
            if let Some(one) = shift(event, self.tally.adjacency) {
                total.mu += *count as f64 * one.mu * one.mu;
                total.slack += *count as f64 * one.slack;
            }
        }
        Shift { mu: total.mu.sqrt() * (1.0 + 1e-14), slack: total.slack }
    }
}

impl Accountant for AnalyticGaussian {
    fn compose(&mut self, event: &Event, count: u64) -> Result<()> {
        let adjacency = self.tally.adjacency;
        self.tally.add(event, count, |part| match shift(part, adjacency) {
            Some(_) => Ok(()),
            None => Err(Error::NotCovered { accountant: NAME, event: part.name(), adjacency }),
        })
    }

    fn epsilon(&self, delta: Delta) -> Result<Bound> {
        let total = self.total();
        let value = epsilon_of(&Gauss { mu: total.mu }, delta.get())
            .ok_or(Error::NoBound { accountant: NAME, at: delta.get() })?;
        let carries = Carried { discretisation: total.slack, ..Carried::default() };
        Ok(Bound { value: value + total.slack, method: Method::AnalyticGaussian, carries })
    }

    fn delta(&self, epsilon: Epsilon) -> Result<Bound> {
        let total = self.total();
        let stick = Gauss { mu: total.mu }.at(epsilon.get() - total.slack);
        let value = (stick.value + stick.error).min(1.0);
        let carries = Carried { truncation: stick.error, ..Carried::default() };
        Ok(Bound { value, method: Method::AnalyticGaussian, carries })
    }

    fn adjacency(&self) -> Adjacency {
        self.tally.adjacency
    }
}

/// The smallest epsilon at which a curve, with its error, is at most `delta`; zero or more.
pub(crate) fn epsilon_of(curve: &dyn Curve, delta: f64) -> Option<f64> {
    let fits = |epsilon: f64| {
        let stick = curve.at(epsilon);
        stick.value + stick.error <= delta
    };
    if fits(0.0) {
        return Some(0.0);
    }
    let (mut low, mut high) = (0.0, 1e-3);
    while !fits(high) {
        (low, high) = (high, 2.0 * high);
        if high > 1e15 {
            return None;
        }
    }
    for _ in 0..70 {
        let middle = low + (high - low) / 2.0;
        if fits(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Sensitivity;
    use std::num::NonZeroU64;

    /// N2: at s = 4, D = 1 the discrete Gaussian leaks more than a continuous one of sigma = s/D
    /// would; sqrt(s^2 - 4)/D covers it.
    #[test]
    fn the_discrete_gaussian_is_not_the_continuous_one() {
        let s: f64 = 4.0;
        let weight = |x: i32| (-f64::from(x * x) / (2.0 * s * s)).exp();
        let z: f64 = (-200..=200).map(weight).sum();
        let (mut counterexamples, naive, covered) =
            (0, Gauss { mu: 1.0 / s }, Gauss { mu: 1.0 / (s * s - 4.0).sqrt() });
        for step in 0..300 {
            let epsilon = f64::from(step) * 0.01;
            let exact: f64 = (-200..=200)
                .map(|x| (weight(x - 1) - epsilon.exp() * weight(x)).max(0.0) / z)
                .sum();
            counterexamples += u32::from(exact > naive.at(epsilon).value * (1.0 + 1e-9));
            assert!(exact <= covered.at(epsilon).value * (1.0 + 1e-9) + 1e-15, "{epsilon}");
        }
        assert!(counterexamples > 0, "the trap is not there");
        let one = NonZeroU64::new(1).unwrap();
        let noise = crate::noise::NoiseScale::new(4).unwrap();
        let event = Event::discrete_gaussian(noise, Sensitivity::new(1).unwrap(), one);
        let of = |event: &Event| shift(event, Adjacency::AddRemove).unwrap();
        assert!(of(&event).mu > 1.0 / 12f64.sqrt() - 1e-12);
        // What rounding adds, at each coordinate; a sum's tau is far above it at four steps.
        let many = NonZeroU64::new(1000).unwrap();
        let one_draw = Event::discrete_gaussian(noise, Sensitivity::new(1).unwrap(), many);
        assert!((of(&one_draw).slack / 4e-30 - 1.0).abs() < 1e-12);
        let (parties, sensitivity) = (3, Sensitivity::new(1).unwrap());
        let sum = Event::DiscreteGaussianSum {
            parties,
            s: noise.as_sigma(),
            sensitivity,
            dimension: many,
        };
        let taus = 1000.0 * (4e-33 + 2.0 * tau(4.0, 3));
        assert!((of(&sum).slack / taus - 1.0).abs() < 1e-12);
    }
}
