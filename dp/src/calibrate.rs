//! From a target to a setting: how much noise, how many steps, which sampling rate.
//!
//! For plans that are fixed beforehand ([`crate::plan`]): the figure met is
//! [`crate::plan::CommittedPlan::best`]'s. The ledger's own calibration, for limits that are
//! enforced as a study goes, is [`crate::ledger::Limit::noise_for`].
//!
//! The Renyi accountant answers within a millisecond whatever the input, so it brackets the answer;
//! privacy loss distributions are asked inside the bracket alone. No input makes a search long.

use crate::accountant::Accountant;
use crate::event::Event;
use crate::plan::CommittedPlan;
use crate::renyi::Renyi;
use crate::units::{Adjacency, Delta, Epsilon, Rate, Sigma};
use crate::{Error, Result};

/// What a plan has to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// At most this epsilon,
    pub epsilon: Epsilon,
    /// at this delta,
    pub delta: Delta,
    /// for these neighbours.
    pub adjacency: Adjacency,
}

/// Relative precision of a scale or rate.
const PRECISION: f64 = 1e-4;

impl Target {
    fn renyi_meets(&self, event: &Event) -> Result<bool> {
        let mut renyi = Renyi::new(self.adjacency);
        renyi.compose(event, 1)?;
        match renyi.epsilon(self.delta) {
            Ok(bound) => Ok(bound.value <= self.epsilon.get()),
            Err(Error::NoBound { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn met(&self, event: &Event) -> Result<bool> {
        if self.renyi_meets(event)? {
            return Ok(true);
        }
        match CommittedPlan::new(event.clone(), [0; 32])?.best(self.adjacency, self.delta) {
            Ok(bound) => Ok(bound.value <= self.epsilon.get()),
            Err(Error::NoBound { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn out_of_reach(&self, what: &'static str, most: f64) -> Error {
        let (epsilon, delta) = (self.epsilon.get(), self.delta.get());
        Error::OutOfReach { what, most, epsilon, delta }
    }

    /// The smallest scale, within a ten-thousandth, at which `event` meets the target. The plan must
    /// cost less the larger the scale.
    ///
    /// # Errors
    /// [`Error::OutOfReach`] when none up to 2^40 does; what `event` or the accountants refuse.
    pub fn noise(&self, event: impl Fn(Sigma) -> Result<Event>) -> Result<Sigma> {
        const MOST: f64 = 1_099_511_627_776.0;
        let at = |log2: f64| event(Sigma::new(libm::exp2(log2))?);
        let renyi = |log2: f64| self.renyi_meets(&at(log2)?);
        let best = |log2: f64| self.met(&at(log2)?);
        let mut high = 0.0;
        while !renyi(high)? {
            high += 1.0;
            if high > 40.0 {
                return Err(self.out_of_reach("noise scale", MOST));
            }
        }
        // From what Renyi needs down to what nothing proves.
        high = bisect(high - 1.0, high, 1e-3, renyi)?;
        let mut step = 0.05;
        let mut low = high - step;
        while low > -20.0 && best(low)? {
            high = low;
            step *= 2.0;
            low -= step;
        }
        bisect(low, high, PRECISION, best).and_then(|log2| Sigma::new(libm::exp2(log2)))
    }

    /// The largest number of repetitions of `event` that meets the target; 0 when not even one does.
    ///
    /// # Errors
    /// What the accountants refuse.
    pub fn steps(&self, event: &Event) -> Result<u64> {
        const MOST: u64 = 1 << 40;
        let met = |count: u64| self.met(&event.clone().times(count));
        let renyi = |count: u64| self.renyi_meets(&event.clone().times(count));
        let mut low = 0;
        let mut high = 1;
        while high < MOST && renyi(high)? {
            (low, high) = (high, 2 * high);
        }
        while high < MOST && met(high)? {
            (low, high) = (high, 2 * high);
        }
        while high - low > 1 + low / 10_000 {
            let middle = low + (high - low) / 2;
            if met(middle)? { low = middle } else { high = middle }
        }
        Ok(low)
    }

    /// The largest sampling rate at which `event` meets the target.
    ///
    /// # Errors
    /// [`Error::OutOfReach`] when none from 2^-40 on does; what `event` or the accountants refuse.
    pub fn rate(&self, event: impl Fn(Rate) -> Result<Event>) -> Result<Rate> {
        let met = |rate: f64| self.met(&event(Rate::new(rate)?)?);
        if met(1.0)? {
            return Ok(Rate::ALL);
        }
        // In the logarithm: rates fall where scales rise.
        let at = |log2: f64| met(libm::exp2(-log2));
        if !at(40.0)? {
            return Err(self.out_of_reach("sampling rate", libm::exp2(-40.0)));
        }
        Rate::new(libm::exp2(-bisect(0.0, 40.0, PRECISION, at)?))
    }
}

/// The least `x` above `low` at which a rising condition holds, to a precision; it holds at `high`.
fn bisect(
    mut low: f64,
    mut high: f64,
    precision: f64,
    holds: impl Fn(f64) -> Result<bool>,
) -> Result<f64> {
    while high - low > precision {
        let middle = 0.5 * (low + high);
        if holds(middle)? { high = middle } else { low = middle }
    }
    Ok(high)
}
