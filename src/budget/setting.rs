//! A plan of equal releases before there is a study: what it would cost, or what it would need.

use std::num::NonZeroU64;

use haima_dp::accountant::Accountant;
use haima_dp::calibrate::Target;
use haima_dp::event::Event;
use haima_dp::ledger::Limit;
use haima_dp::plan::CommittedPlan;
use haima_dp::renyi::Renyi;
use haima_dp::units::{Delta, Epsilon, Order, Rate, Sensitivity, Sigma};
use haima_dp::zcdp::Zcdp;
use serde::Serialize;

use super::ADJACENCY;
use crate::Error;

/// Equal releases: each a sum over a Poisson sample, under one node's noise (rule N1).
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Probability with which each patient takes part; 1: everybody, always.
    pub rate: Rate,
    /// D of rule S2, in grid steps.
    pub sensitivity: Sensitivity,
    /// Coordinates of the sum.
    pub dimension: NonZeroU64,
    /// For every epsilon.
    pub delta: Delta,
}

/// What so many steps cost; a figure that no accountant has is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Steps, spare attempts included.
    pub steps: u64,
    /// By zCDP, without amplification.
    pub zcdp: Option<f64>,
    /// By Renyi at its best order.
    pub renyi: Option<f64>,
    /// The smallest of all, for a committed plan.
    pub best: Option<f64>,
    /// By which accountant.
    pub best_by: String,
}

/// What a target needs, by one way of accounting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Needed {
    /// Enforced by what.
    pub by: String,
    /// Order of the Renyi limit, for a policy's `order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    /// The least noise s over D, or the most steps; absent where nothing reaches the target.
    pub value: Option<f64>,
}

impl Setting {
    /// One release with noise of `multiplier` times the sensitivity.
    ///
    /// # Errors
    /// When the multiplier is no positive number.
    pub fn event(&self, multiplier: f64) -> Result<Event, Error> {
        let Self { sensitivity, dimension, .. } = *self;
        let s = Sigma::new(multiplier * sensitivity.get() as f64)?;
        let event = Event::DiscreteGaussian { s, sensitivity, dimension };
        Ok(if self.rate == Rate::ALL { event } else { event.poisson(self.rate.get())? })
    }

    /// What `steps` releases cost by each accountant.
    ///
    /// # Errors
    /// When a figure is out of range.
    pub fn cost(&self, multiplier: f64, steps: u64) -> Result<Row, Error> {
        let event = self.event(multiplier)?;
        let by = |mut accountant: Box<dyn Accountant>| {
            accountant.compose(&event, steps).and_then(|()| accountant.epsilon(self.delta)).ok()
        };
        let unsampled = Setting { rate: Rate::ALL, ..*self }.event(multiplier)?;
        let mut zcdp = Zcdp::new(ADJACENCY);
        let zcdp = zcdp.compose(&unsampled, steps).and_then(|()| zcdp.epsilon(self.delta)).ok();
        let plan = CommittedPlan::new(event.clone().times(steps), [0; 32])?;
        let best = plan.best(ADJACENCY, self.delta).ok();
        Ok(Row {
            steps,
            zcdp: zcdp.map(|bound| bound.value),
            renyi: by(Box::new(Renyi::new(ADJACENCY))).map(|bound| bound.value),
            best: best.map(|bound| bound.value),
            best_by: best.map_or_else(|| "none".to_owned(), |bound| bound.method.to_string()),
        })
    }

    /// The least noise multiplier with which `steps` releases stay within `epsilon`, by each way.
    ///
    /// # Errors
    /// When `steps` is 0 or a figure is out of range.
    pub fn noise(&self, epsilon: Epsilon, steps: u32) -> Result<Vec<Needed>, Error> {
        if steps == 0 {
            return Err(haima_dp::Error::NoRounds.into());
        }
        let of = |limit: Limit| {
            let s = limit.noise_for(steps, self.sensitivity, self.dimension, self.rate).ok()?;
            Some(s.get() as f64 / self.sensitivity.get() as f64)
        };
        let zcdp = Limit::zcdp(epsilon, self.delta);
        let renyi = self.renyi_limit(epsilon, steps);
        let best = self.target(epsilon).noise(|sigma| {
            let event = self.event(sigma.get()).map_err(into_dp)?;
            Ok(event.times(steps.into()))
        });
        Ok(vec![
            Needed { by: ZCDP.into(), order: None, value: of(zcdp) },
            Needed {
                by: RENYI.into(),
                order: renyi.and_then(|limit| limit.filter.order()).map(Order::get),
                value: renyi.and_then(of),
            },
            Needed { by: BEST.into(), order: None, value: best.ok().map(Sigma::get) },
        ])
    }

    /// The most releases with this noise that stay within `epsilon`, by each way.
    ///
    /// # Errors
    /// When the multiplier is no positive number.
    pub fn steps(&self, epsilon: Epsilon, multiplier: f64) -> Result<Vec<Needed>, Error> {
        let event = self.event(multiplier)?;
        let fits = |limit: Limit| {
            let one = limit.filter.cost(&event)?.get();
            Some((limit.room().get() / one).floor().min(f64::from(MOST_STEPS)))
        };
        // The best order depends on the number of steps: the one for the most steps that fit.
        let (mut low, mut high) = (0, MOST_STEPS);
        let mut renyi = None;
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let limit = self.renyi_limit(epsilon, middle);
            match limit.filter(|limit| fits(*limit).is_some_and(|most| most >= f64::from(middle))) {
                Some(limit) => (low, renyi) = (middle, Some(limit)),
                None => high = middle - 1,
            }
        }
        let best = self.target(epsilon).steps(&event)?;
        Ok(vec![
            Needed { by: ZCDP.into(), order: None, value: fits(Limit::zcdp(epsilon, self.delta)) },
            Needed {
                by: RENYI.into(),
                order: renyi.and_then(|limit| limit.filter.order()).map(Order::get),
                value: Some(f64::from(low)),
            },
            Needed { by: BEST.into(), order: None, value: Some(best as f64) },
        ])
    }

    fn renyi_limit(&self, epsilon: Epsilon, steps: u32) -> Option<Limit> {
        let Self { rate, sensitivity, dimension, delta } = *self;
        Limit::with_best_order(epsilon, delta, steps, sensitivity, dimension, rate).ok()
    }

    fn target(&self, epsilon: Epsilon) -> Target {
        Target { epsilon, delta: self.delta, adjacency: ADJACENCY }
    }
}

const ZCDP: &str = "a ledger's zCDP limit";
const RENYI: &str = "a ledger's Renyi limit";
const BEST: &str = "a committed plan, best accountant";
/// Counts are sought up to here.
const MOST_STEPS: u32 = 1_000_000_000;

fn into_dp(error: Error) -> haima_dp::Error {
    match error {
        Error::Dp(error) => error,
        _ => haima_dp::Error::NoRounds,
    }
}
