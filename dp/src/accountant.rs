//! What all accountants have in common: events in, upper bounds out, and what each bound carries.

use std::fmt;

use crate::Result;
use crate::event::Event;
use crate::units::{Adjacency, Delta, Epsilon};

/// Composes events and bounds what all of them together reveal.
///
/// Events may be chosen in the light of earlier releases only as far as the implementation's head
/// says; for a privacy loss distribution the whole plan is fixed beforehand (rule L2).
pub trait Accountant {
    /// Adds `count` occurrences of an event.
    ///
    /// # Errors
    /// [`crate::Error::NotCovered`] and [`crate::Error::BadEvent`]; nothing is added then.
    fn compose(&mut self, event: &Event, count: u64) -> Result<()>;

    /// An epsilon that holds at `delta`.
    ///
    /// # Errors
    /// [`crate::Error::NoBound`] when no finite one does.
    fn epsilon(&self, delta: Delta) -> Result<Bound>;

    /// A delta that holds at `epsilon`, at most 1.
    ///
    /// # Errors
    /// What the theorem behind the accountant refuses.
    fn delta(&self, epsilon: Epsilon) -> Result<Bound>;

    /// Which data sets are neighbours.
    fn adjacency(&self) -> Adjacency;
}

/// An upper bound on epsilon or delta, and how it came about.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct Bound {
    /// The figure: nothing below it is claimed.
    pub value: f64,
    /// By which theorem.
    pub method: Method,
    /// What is in the figure besides the events' own cost.
    pub carries: Carried,
}

/// The theorem behind a bound.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// Zero-concentrated differential privacy, in closed form.
    Zcdp,
    /// Renyi differential privacy at one order.
    Renyi {
        /// The order alpha.
        order: f64,
    },
    /// A privacy loss distribution.
    PrivacyLoss {
        /// Its grid, in nats.
        grid: f64,
    },
    /// The exact curve of one mechanism, without composition.
    HockeyStick,
    /// Renyi, because a privacy loss distribution would have needed more memory than it may take.
    RenyiForMemory {
        /// The order alpha.
        order: f64,
    },
    /// The analytic Gaussian mechanism (Balle and Wang 2018).
    AnalyticGaussian,
}

/// What a bound carries above the events' own cost: all of it is in the figure already.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Carried {
    /// About how much of an epsilon stems from the grid, in nats (an estimate, of second order).
    pub discretisation: f64,
    /// Probability that was cut off and counted as infinite loss, in units of delta.
    pub truncation: f64,
    /// Bound on rounding in transforms, in units of delta.
    pub transform: f64,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zcdp => f.write_str("zCDP"),
            Self::Renyi { order } => write!(f, "Renyi, order {order:.1}"),
            Self::PrivacyLoss { .. } => f.write_str("privacy loss distribution"),
            Self::HockeyStick => f.write_str("the mechanism's exact curve"),
            Self::RenyiForMemory { order } => {
                write!(
                    f,
                    "Renyi, order {order:.1} (a privacy loss distribution takes too much memory)"
                )
            }
            Self::AnalyticGaussian => f.write_str("analytic Gaussian"),
        }
    }
}

/// The events that an accountant has taken in, equal ones counted together.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    pub(crate) adjacency: Adjacency,
    pub(crate) parts: Vec<(Event, u64)>,
}

impl Tally {
    pub(crate) fn new(adjacency: Adjacency) -> Self {
        Self { adjacency, parts: Vec::new() }
    }

    /// Adds the parts of `event`, each of which `covers` has to accept.
    pub(crate) fn add(
        &mut self,
        event: &Event,
        count: u64,
        covers: impl Fn(&Event) -> Result<()>,
    ) -> Result<()> {
        event.checked_ref()?;
        let parts = event.parts();
        parts.iter().try_for_each(|(part, _)| covers(part))?;
        for (part, times) in parts {
            let times = times.saturating_mul(count);
            match self.parts.iter_mut().find(|(known, _)| known == part) {
                Some((_, known)) => *known = known.saturating_add(times),
                None if times > 0 => self.parts.push((part.clone(), times)),
                None => {}
            }
        }
        Ok(())
    }
}
