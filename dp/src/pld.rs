//! Privacy loss distributions: the tightest accountant for a plan that is fixed beforehand.
//!
//! 1. Each part's hockey-stick curve (`curve`) becomes a distribution of losses on a grid by
//!    connecting the dots (Doroshenko et al. 2022), which only ever overstates the loss; what the
//!    curve's rounding may hide is added to each probability.
//! 2. The grid follows from the composition: connecting the dots adds T (theta + 1) h^2 / 12 to
//!    epsilon, where theta + 1 is the best Renyi order, so h is chosen to make that a small part.
//! 3. Distributions are tilted by e^(theta x) before the Fourier transform, so that rounding is
//!    relative to the tail that decides and not to the whole; its bound is added explicitly.
//! 4. What lies beyond the window is bounded by Chernoff and counted as infinite loss.
//!
//! Only for plans that are fixed beforehand (rule L2): there is no filter here. Where a grid that is
//! fine enough would pass the memory bound, the answer is Renyi's, and says so.
//!
//! Transforms use scalar arithmetic alone, so that figures are the same on every machine.

pub(crate) mod curve;
mod grid;
mod transform;

use crate::accountant::{Accountant, Bound, Carried, Method, Tally};
use crate::analytic::epsilon_of;
use crate::event::Event;
use crate::renyi::Renyi;
use crate::units::{Adjacency, Delta, Epsilon};
use crate::{Error, Result};
use curve::{Curve, Pair, pair};
use grid::Losses;

const NAME: &str = "the privacy loss accountant";
/// The part of an epsilon that the grid may add, where memory allows.
const GRID_SHARE: f64 = 2.5e-4;
/// The part of an epsilon beyond which a grid is no use and Renyi answers.
const USELESS_SHARE: f64 = 0.05;
/// The part of delta that each kind of truncation may take.
const CUT_SHARE: f64 = 1e-7;
/// Most points of a transform: 32 MB each for two buffers.
const MOST_POINTS: usize = 1 << 21;

/// The accountant by privacy loss distributions.
#[derive(Debug, Clone)]
pub struct PrivacyLoss {
    tally: Tally,
}

impl PrivacyLoss {
    /// No events.
    #[must_use]
    pub fn new(adjacency: Adjacency) -> Self {
        Self { tally: Tally::new(adjacency) }
    }

    fn pairs(&self) -> Vec<(Pair, u64)> {
        let curves = |(event, count): &(Event, u64)| {
            pair(event, self.tally.adjacency).map(|pair| (pair, *count))
        };
        self.tally.parts.iter().filter_map(curves).collect()
    }

    /// One goal over both directions; Renyi's figure and order guide grid and tilt.
    fn solve(&self, goal: Goal, guide: f64, order: f64) -> Solved {
        let pairs = self.pairs();
        let slack: f64 = pairs.iter().map(|(pair, count)| pair.slack * *count as f64).sum();
        if let [(pair, 1)] = pairs.as_slice() {
            let value = match goal {
                Goal::Epsilon { delta } => [&pair.there, &pair.back]
                    .into_iter()
                    .try_fold(0.0f64, |most, curve| {
                        Some(most.max(epsilon_of(curve.as_ref(), delta)?))
                    })
                    .map_or(f64::INFINITY, |epsilon| epsilon + slack),
                Goal::Delta { epsilon, .. } => [&pair.there, &pair.back]
                    .into_iter()
                    .map(|curve| curve.at(epsilon - slack))
                    .fold(0.0, |most: f64, stick| most.max(stick.value + stick.error)),
            };
            return Solved::Direct(value);
        }
        let total: f64 = pairs.iter().map(|(_, count)| *count as f64).sum();
        let goal = goal.less(slack);
        let mut hint = Hint { guide, theta: order - 1.0, share: CUT_SHARE };
        let mut best = Solved::TooLarge;
        // Where Renyi is far off, its figure is a poor guide; the losses themselves give a better one.
        for _ in 0..8 {
            let (solved, h) = Self::attempt(&pairs, total, goal, slack, hint);
            best = best.better(solved);
            match Self::sharper(&pairs, total, h, goal, hint) {
                Some(next) => hint = next,
                None => break,
            }
        }
        best
    }

    /// One figure with grid and tilt by a hint, and the grid that it came to.
    fn attempt(
        pairs: &[(Pair, u64)],
        total: f64,
        goal: Goal,
        slack: f64,
        hint: Hint,
    ) -> (Solved, f64) {
        let order = hint.theta + 1.0;
        let (tolerance, epsilon) = match goal {
            Goal::Epsilon { .. } => (GRID_SHARE * hint.guide, hint.guide),
            // A relative error of delta is theta times one of epsilon.
            Goal::Delta { epsilon, .. } => {
                ((1e-3 / hint.theta).min(GRID_SHARE * epsilon.max(1e-3)), epsilon)
            }
        };
        let curvature = total * order / 12.0;
        let mut h = (tolerance / curvature).sqrt();
        // A tilt that leaves nothing but the last grid point is of no use.
        let theta = hint.theta.clamp(1e-3, 30.0 / h);
        loop {
            let discretisation = curvature * h * h;
            if discretisation > USELESS_SHARE * epsilon.max(1e-6) || !h.is_finite() {
                return (Solved::TooLarge, h);
            }
            let left = (1e-6 * tolerance / total).min(1e-3);
            let grid = Grid { h, theta, left, cut: hint.share * goal.delta() / total };
            if let Some(outcome) = Self::on_grid(pairs, &grid, goal) {
                let value = match goal {
                    Goal::Epsilon { .. } => outcome.value + slack,
                    Goal::Delta { .. } => outcome.value,
                };
                let carries = Carried { discretisation, ..outcome.carries };
                return (Solved::Grid { value, h, carries }, h);
            }
            h *= std::f64::consts::SQRT_2;
        }
    }

    /// A better hint, if the losses themselves, without their farthest part, give one.
    fn sharper(pairs: &[(Pair, u64)], total: f64, h: f64, goal: Goal, hint: Hint) -> Option<Hint> {
        /// The part of delta that may be given up for a lighter tail.
        const SHARE: f64 = 2e-3;
        let Goal::Epsilon { delta } = goal else { return None };
        let surprise = -libm::log(delta);
        let mut worst = Hint { guide: 0.0, theta: hint.theta, share: SHARE };
        let (left, cut) = (1e-3 * hint.guide / total, SHARE * delta / total);
        let grid = Grid { h, theta: hint.theta, left: left.min(1e-3), cut };
        for back in [false, true] {
            let losses = directed(pairs, back, &grid)?;
            let chernoff = |theta: f64| {
                let moment: f64 =
                    losses.iter().map(|(l, count)| *count as f64 * l.log_moment(theta, h)).sum();
                (moment + surprise) / theta
            };
            let steps =
                (-12..=20).map(|step| hint.theta.max(1e-3) * libm::pow(1.6, f64::from(step)));
            let (theta, guide) = steps
                .map(|theta| (theta, chernoff(theta)))
                .fold((1.0, f64::INFINITY), |best, new| if new.1 < best.1 { new } else { best });
            if guide > worst.guide {
                worst = Hint { guide, theta, share: SHARE };
            }
        }
        (worst.guide < 0.8 * hint.guide).then_some(worst)
    }

    /// Both directions on one grid; `None` when it takes too many points.
    fn on_grid(pairs: &[(Pair, u64)], grid: &Grid, goal: Goal) -> Option<transform::Outcome> {
        let mut worst: Option<transform::Outcome> = None;
        for back in [false, true] {
            let losses = directed(pairs, back, grid)?;
            let outcome = transform::compose(&losses, grid.h, grid.theta, goal)?;
            if worst.is_none_or(|worst| outcome.value > worst.value) {
                worst = Some(outcome);
            }
        }
        worst
    }
}

/// How a composition is computed.
#[derive(Debug, Clone, Copy)]
struct Grid {
    /// The step, in nats.
    h: f64,
    /// The tilt.
    theta: f64,
    /// What may lie left of one release's losses, as [`Losses::new`] measures it.
    left: f64,
    /// What may lie right of them.
    cut: f64,
}

/// What grid and tilt are chosen by.
#[derive(Debug, Clone, Copy)]
struct Hint {
    /// About the epsilon that will come out, or the delta.
    guide: f64,
    /// The tilt.
    theta: f64,
    /// The part of delta that single losses beyond the grid may take.
    share: f64,
}

/// The parts' distributions in one direction.
fn directed(pairs: &[(Pair, u64)], back: bool, grid: &Grid) -> Option<Vec<(Losses, u64)>> {
    let distribution = |(pair, count): &(Pair, u64)| {
        let (curve, reverse): (&dyn Curve, &dyn Curve) = if back {
            (pair.back.as_ref(), pair.there.as_ref())
        } else {
            (pair.there.as_ref(), pair.back.as_ref())
        };
        Some((Losses::new(curve, reverse, grid.h, grid.left, grid.cut)?, *count))
    };
    pairs.iter().map(distribution).collect()
}

/// What is asked of a composition.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// The epsilon at a delta.
    Epsilon { delta: f64 },
    /// The delta at an epsilon, of about the given size.
    Delta { epsilon: f64, about: f64 },
}

impl Goal {
    fn delta(self) -> f64 {
        match self {
            Self::Epsilon { delta } => delta,
            Self::Delta { about, .. } => about,
        }
    }

    fn less(self, slack: f64) -> Self {
        match self {
            Self::Delta { epsilon, about } => Self::Delta { epsilon: epsilon - slack, about },
            same @ Self::Epsilon { .. } => same,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Solved {
    Direct(f64),
    Grid { value: f64, h: f64, carries: Carried },
    TooLarge,
}

impl Solved {
    fn better(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Grid { value: a, .. }, Self::Grid { value: b, .. }) if a <= b => self,
            (_, Self::TooLarge) => self,
            _ => other,
        }
    }
}

impl Accountant for PrivacyLoss {
    fn compose(&mut self, event: &Event, count: u64) -> Result<()> {
        let adjacency = self.tally.adjacency;
        self.tally.add(event, count, |part| match pair(part, adjacency) {
            Some(_) => Ok(()),
            None => Err(Error::NotCovered { accountant: NAME, event: part.name(), adjacency }),
        })
    }

    fn epsilon(&self, delta: Delta) -> Result<Bound> {
        let (guide, order) = Renyi::of(&self.tally)?.epsilon_and_order(delta);
        let direct = matches!(self.tally.parts.as_slice(), [(_, 1)]);
        if guide == 0.0 {
            let method = Method::Renyi { order };
            return Ok(Bound { value: 0.0, method, carries: Carried::default() });
        }
        let none = Error::NoBound { accountant: NAME, at: delta.get() };
        let solved = if direct || guide < f64::INFINITY {
            self.solve(Goal::Epsilon { delta: delta.get() }, guide, order)
        } else {
            return Err(none);
        };
        match bound(solved, guide, order) {
            bound if bound.value < f64::INFINITY => Ok(bound),
            _ => Err(none),
        }
    }

    fn delta(&self, epsilon: Epsilon) -> Result<Bound> {
        let (guide, order) = Renyi::of(&self.tally)?.delta_and_order(epsilon);
        if guide == 0.0 {
            let method = Method::Renyi { order };
            return Ok(Bound { value: 0.0, method, carries: Carried::default() });
        }
        let goal = Goal::Delta { epsilon: epsilon.get(), about: 1e-3 * guide };
        let mut bound = bound(self.solve(goal, guide, order), guide, order);
        bound.value = bound.value.min(1.0);
        Ok(bound)
    }

    fn adjacency(&self) -> Adjacency {
        self.tally.adjacency
    }
}

fn bound(solved: Solved, guide: f64, order: f64) -> Bound {
    let carries = Carried::default();
    match solved {
        Solved::Direct(value) => Bound { value, method: Method::HockeyStick, carries },
        Solved::Grid { value, h, carries } => {
            Bound { value, method: Method::PrivacyLoss { grid: h }, carries }
        }
        Solved::TooLarge => {
            Bound { value: guide, method: Method::RenyiForMemory { order }, carries }
        }
    }
}

/// P(Binomial(n, q) >= k), rounded up.
pub(crate) fn binomial_tail(n: u64, q: f64, k: u64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n || q == 0.0 {
        return 0.0;
    }
    if q == 1.0 {
        return 1.0;
    }
    let (total, first) = (n as f64, k as f64);
    if first <= total * q {
        // Below the mean nothing is gained by precision.
        return 1.0;
    }
    let log =
        libm::lgamma(total + 1.0) - libm::lgamma(first + 1.0) - libm::lgamma(total - first + 1.0)
            + first * libm::log(q)
            + (total - first) * libm::log1p(-q);
    // lgamma of n is off by a few units of n ln n.
    let margin = 1.0 + 1e-15 * total * (1.0 + libm::log(total + 1.0)) * 8.0;
    let mut term = libm::exp(log);
    let (mut sum, mut at) = (0.0, first);
    while term > 1e-18 * sum && at <= total {
        sum += term;
        term *= (total - at) / (at + 1.0) * q / (1.0 - q);
        at += 1.0;
    }
    (sum * margin * (1.0 + 1e-9)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomial_tails_agree_with_a_sum() {
        let (n, q): (u64, f64) = (40, 0.2);
        let choose = |k: u64| (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
        for k in 9..=40 {
            let truth: f64 = (k..=n)
                .map(|j| choose(j) * q.powi(j as i32) * (1.0 - q).powi((n - j) as i32))
                .sum();
            let ours = binomial_tail(n, q, k);
            assert!(ours >= truth && ours <= truth * (1.0 + 1e-6), "{k}: {ours} {truth}");
        }
        assert_eq!((binomial_tail(9, 0.5, 0), binomial_tail(9, 0.5, 10)), (1.0, 0.0));
    }
}
