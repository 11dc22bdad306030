//! Zero-concentrated differential privacy: composition, conversion to (epsilon, delta), calibration.
//!
//! Bun and Steinke 2016 define rho-zCDP: Renyi divergence of every order alpha > 1 at most alpha
//! rho; it adds up under composition, also when each release is chosen from the earlier ones, and it
//! holds for the discrete Gaussian as it stands (rule N2). The conversion is Canonne, Kamath and Steinke 2020, Prop. 12: rho-zCDP implies (epsilon, delta)-DP
//! for every alpha > 1 with
//!
//! ```text
//! epsilon = alpha rho + ln(1 - 1/alpha) - (ln delta + ln alpha) / (alpha - 1)
//! ```
//!
//! *Every* alpha gives a valid epsilon, so the search below affects tightness only, and only the
//! evaluation at the alpha found has to be rounded safely.
//!
//! Nothing here depends on how patients were sampled: zCDP has no amplification by sampling, and
//! none is claimed. Logarithms come from `libm`, not from the platform, so that coordinator and
//! site compute the same figures.

use crate::accountant::{Accountant, Bound, Carried, Method, Tally};
use crate::cost_sum::CostSum;
use crate::event::Event;
use crate::gauss::DiscreteGaussian;
use crate::ledger::Cost;
use crate::noise::{NoiseScale, coalition_rho, rho_of_sigma};
use crate::renyi::{Renyi, stretch};
use crate::rounding::{add_up, div_up, integer_up, largest_fitting, mul_up};
use crate::units::{Adjacency, Delta, Epsilon, Rho, Sensitivity};
use crate::{Error, Result};

/// rho of several releases together: their sum, rounded up once, so never below the true sum.
///
/// [`Rho::MAX`] from 2^32 upwards, where no figure means anything.
pub fn compose(releases: impl IntoIterator<Item = Rho>) -> Rho {
    let add = |sum: CostSum, rho: Rho| sum.plus(CostSum::covering(rho.get()));
    Rho::at_least(releases.into_iter().fold(CostSum::ZERO, add).rounded_up())
}

/// The epsilon that rho-zCDP implies at `delta`, rounded up.
///
/// Where the bound is zero or less (a rho so small that delta alone covers it), the answer is
/// [`Epsilon::LEAST`].
pub fn epsilon(rho: Rho, delta: Delta) -> Epsilon {
    let epsilon = unchecked_epsilon(rho, delta);
    #[cfg(all(feature = "opendp", any(debug_assertions, feature = "audit")))]
    crate::second_opinion::on_zcdp(rho.get(), delta.get(), epsilon.get());
    epsilon
}

/// The same without a second opinion: for searches.
pub(crate) fn unchecked_epsilon(rho: Rho, delta: Delta) -> Epsilon {
    let surprise = -libm::log(delta.get());
    let order = best_order_less_one(rho.get(), surprise);
    Epsilon::at_least(epsilon_at(rho.get(), surprise, order))
}

/// The largest rho that stays within (`target`, `delta`): what a limit is converted to.
///
/// On the safe side: [`epsilon`] of the answer, with its own rounding up, is at most `target`.
pub fn rho_for(target: Epsilon, delta: Delta) -> Rho {
    Rho::at_least(largest_fitting(|rho| unchecked_epsilon(Rho::at_least(rho), delta) <= target))
}

/// The smallest noise scale s, in grid steps, at which `rounds` releases of `sensitivity` stay
/// within `total` against the coalition (rule N1).
///
/// `rounds` counts the steps *and* the spare attempts (rule L1: a plan of T + R). The sum is the
/// one that the ledger forms, to the bit: a plan calibrated to a ledger's limit fits it wholly.
///
/// # Errors
/// [`Error::NoRounds`], or [`Error::CannotCalibrate`] when even the sampler's largest scale is not
/// enough.
pub fn calibrate(total: Rho, rounds: u32, sensitivity: Sensitivity) -> Result<u64> {
    if rounds == 0 {
        return Err(Error::NoRounds);
    }
    let limit = CostSum::within(total.get());
    let fits = |s: u64| {
        let one = CostSum::covering(coalition_rho(sensitivity, s).get());
        one.times(rounds) <= limit
    };
    let most = DiscreteGaussian::MAX_SCALE;
    least_scale(NoiseScale::LEAST - 1, most, fits).ok_or_else(|| Error::CannotCalibrate {
        total: Cost::of_rho(total),
        rounds,
        sensitivity: sensitivity.get(),
        most,
    })
}

/// The least scale above `too_small` and up to `most` that fits, if what fits is all from some scale
/// on; `None` when not even `most` does, or there is none between. The scale below the answer does
/// not fit, unless it is `too_small`.
pub(crate) fn least_scale(
    mut too_small: u64,
    most: u64,
    fits: impl Fn(u64) -> bool,
) -> Option<u64> {
    let mut fitting = most;
    if fitting <= too_small || !fits(fitting) {
        return None;
    }
    while fitting - too_small > 1 {
        let middle = too_small + (fitting - too_small) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            too_small = middle;
        }
    }
    Some(fitting)
}

/// The accountant of what has a rho: sampling counts for nothing.
#[derive(Debug, Clone)]
pub struct Zcdp {
    tally: Tally,
}

impl Zcdp {
    /// No events.
    #[must_use]
    pub fn new(adjacency: Adjacency) -> Self {
        Self { tally: Tally::new(adjacency) }
    }

    fn total(&self) -> Rho {
        let sum = self.tally.parts.iter().fold(0.0, |sum, (event, count)| {
            let one = rho_of(event, self.tally.adjacency).unwrap_or(Rho::MAX).get();
            add_up(sum, mul_up(one, integer_up(u128::from(*count))))
        });
        Rho::at_least(sum)
    }
}

impl Accountant for Zcdp {
    fn compose(&mut self, event: &Event, count: u64) -> Result<()> {
        let adjacency = self.tally.adjacency;
        self.tally.add(event, count, |part| match rho_of(part, adjacency) {
            Some(_) => Ok(()),
            None => {
                let accountant = "the zCDP accountant";
                Err(Error::NotCovered { accountant, event: part.name(), adjacency })
            }
        })
    }

    fn epsilon(&self, delta: Delta) -> Result<Bound> {
        let value = epsilon(self.total(), delta).get();
        Ok(Bound { value, method: Method::Zcdp, carries: Carried::default() })
    }

    fn delta(&self, epsilon: Epsilon) -> Result<Bound> {
        let mut renyi = Renyi::new(Adjacency::AddRemove);
        renyi.compose(&Event::Zcdp { rho: self.total() }, 1)?;
        let value = renyi.delta(epsilon)?.value;
        Ok(Bound { value, method: Method::Zcdp, carries: Carried::default() })
    }

    fn adjacency(&self) -> Adjacency {
        self.tally.adjacency
    }
}

/// The rho of one event's part under an adjacency, if it has one. Pure epsilon-DP is rho-zCDP with
/// rho = epsilon^2 / 2 (Bun and Steinke 2016, Prop. 1.4).
fn rho_of(event: &Event, adjacency: Adjacency) -> Option<Rho> {
    let m = stretch(adjacency);
    let pure = |epsilon: f64| Some(Rho::at_least(mul_up(epsilon, epsilon) / 2.0));
    let twice = |rho: Rho| Some(Rho::at_least(rho.get() * m * m));
    let over = |sigma: f64| {
        let ratio = div_up(m, sigma);
        mul_up(ratio, ratio) / 2.0
    };
    match event {
        Event::Gaussian { sigma } => Some(Rho::at_least(over(sigma.get()))),
        Event::DiscreteGaussian { s, sensitivity, .. } => twice(rho_of_sigma(*sensitivity, *s)),
        Event::Zcdp { rho } => twice(*rho),
        Event::Laplace { scale } => pure(div_up(m, scale.get())),
        Event::DiscreteLaplace { scale, sensitivity } => {
            pure(div_up(m * integer_up(u128::from(sensitivity.get())), scale.get()))
        }
        // A range of epsilon is epsilon^2/8-zCDP (Cesar and Rogers 2021).
        Event::Exponential { epsilon } => pure(m * epsilon.get() / 2.0),
        Event::Tree { sigma, steps, epochs } => {
            let nodes = f64::from(*epochs) * f64::from(steps.ilog2() + 1);
            Some(Rho::at_least(mul_up(nodes, over(sigma.get()))))
        }
        Event::Poisson { event, .. } => {
            let parts = event.parts();
            let mut sum = 0.0;
            for (part, count) in parts {
                let one = rho_of(part, adjacency)?.get();
                sum = add_up(sum, mul_up(one, integer_up(u128::from(count))));
            }
            Some(Rho::at_least(sum))
        }
        _ => None,
    }
}

/// t = alpha - 1 at which the bound is least, up to rounding.
///
/// The bound's derivative in t is rho - (ln(1/delta) - ln(1+t)) / t^2, so the least bound is where
/// rho t^2 + ln(1+t) = ln(1/delta). The left side grows with t: bisection finds the only solution.
fn best_order_less_one(rho: f64, surprise: f64) -> f64 {
    // Each term alone reaches the right side at one of these.
    let (mut low, mut high) = (0.0, (surprise / rho).sqrt().min(libm::expm1(surprise)));
    // A delta within rounding of one, or a rho of extreme size: any order is valid.
    high = high.clamp(f64::MIN_POSITIVE, f64::MAX);
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if rho * middle * middle + libm::log1p(middle) < surprise {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The bound of Prop. 12 at alpha = 1 + t, rounded up: alpha rho - ln(1 + 1/t) + (surprise -
/// ln(1+t)) / t with surprise = ln(1/delta).
fn epsilon_at(rho: f64, surprise: f64, t: f64) -> f64 {
    /// 32 units in the last place. `log` and `log1p` are within one of theirs, `surprise` and
    /// every operation within one of its own; there are fewer than a dozen.
    const MARGIN: f64 = 32.0 * f64::EPSILON;
    let order = rho + t * rho;
    let gain = libm::log1p(1.0 / t);
    let (paid, back) = (surprise / t, libm::log1p(t) / t);
    let magnitude = order + gain + paid + back;
    (order - gain + (paid - back) + MARGIN * magnitude).next_up()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rho(x: f64) -> Rho {
        Rho::new(x).unwrap()
    }

    fn delta(x: f64) -> Delta {
        Delta::new(x).unwrap()
    }

    #[test]
    fn the_order_found_is_the_best_of_many() {
        for r in [1e-12, 1e-5, 0.01, 0.5, 2.63, 1e3, 1e9] {
            for d in [0.4, 1e-2, 1e-6, 1e-15] {
                let surprise = -libm::log(d);
                let best = epsilon_at(r, surprise, best_order_less_one(r, surprise));
                for step in -400..400 {
                    let t = libm::exp(f64::from(step) / 10.0);
                    let at_t = epsilon_at(r, surprise, t);
                    assert!(best <= at_t + 1e-13 * (1.0 + at_t.abs()), "rho {r} delta {d} t {t}");
                }
            }
        }
    }

    #[test]
    fn the_published_example_comes_out() {
        let eps = epsilon(rho(2.63), delta(1e-10)).get();
        assert!((eps - 17.430_584_487_345_11).abs() < 1e-11, "{eps}");
    }

    /// Every event's rho by the formula of its source, under both adjacencies, never below it; counts add
    /// up, sampling counts for nothing.
    #[test]
    fn every_event_costs_the_rho_of_its_source() {
        let sigma = |s| crate::units::Sigma::new(s).unwrap();
        let dimension = std::num::NonZeroU64::MIN;
        let gauss = Event::Gaussian { sigma: sigma(3.0) };
        for (adjacency, m) in [(Adjacency::AddRemove, 1.0), (Adjacency::ReplaceOne, 2.0)] {
            let half = |ratio: f64| m * m * ratio * ratio / 2.0;
            let (scale, sensitivity) = (sigma(10.5), Sensitivity::new(3).unwrap());
            let both = Event::Composed(vec![gauss.clone(), Event::Zcdp { rho: rho(0.3) }]);
            for (event, expected) in [
                (gauss.clone(), half(1.0 / 3.0)),
                (Event::DiscreteGaussian { s: scale, sensitivity, dimension }, half(3.0 / 10.5)),
                (Event::Zcdp { rho: rho(0.3) }, 0.3 * m * m),
                (Event::Laplace { scale: sigma(2.5) }, half(1.0 / 2.5)),
                (Event::DiscreteLaplace { scale, sensitivity }, half(3.0 / 10.5)),
                (Event::Exponential { epsilon: Epsilon::new(0.4).unwrap() }, half(0.4 / 2.0)),
                (Event::Tree { sigma: sigma(6.0), steps: 9, epochs: 3 }, 12.0 * half(1.0 / 6.0)),
                (both.clone().poisson(0.1).unwrap(), half(1.0 / 3.0) + 0.3 * m * m),
            ] {
                let mut accountant = Zcdp::new(adjacency);
                accountant.compose(&event, 7).unwrap();
                let total = accountant.total().get();
                let all = 7.0 * expected;
                assert!(
                    (all * (1.0 - 1e-15)..all * (1.0 + 1e-12)).contains(&total),
                    "{event:?}: {total} for {all}"
                );
            }
            let mut accountant = Zcdp::new(adjacency);
            assert!(accountant.compose(&Event::Exact, 1).is_err(), "it has no rho");
        }
    }

    /// The bound at some orders against the formula, by hand: alpha = 3, rho = 0.5, delta = e^-8.
    #[test]
    fn the_bound_at_an_order_is_the_formulas() {
        let at = epsilon_at(0.5, 8.0, 2.0);
        let by_hand = 1.5 - 1.5f64.ln() + (8.0 - 3f64.ln()) / 2.0;
        assert!((by_hand..by_hand + 1e-13).contains(&at), "{at} for {by_hand}");
    }

    #[test]
    fn extreme_figures_give_a_figure() {
        for r in [0.0, f64::from_bits(1), 1e-300, 1e300, f64::MAX] {
            for d in [f64::from_bits(1), 1e-300, 1e-5, 0.5, 1.0f64.next_down()] {
                let eps = epsilon(rho(r), delta(d)).get();
                assert!(eps.is_finite() && eps > 0.0, "rho {r} delta {d} gives {eps}");
            }
        }
        assert_eq!(epsilon(Rho::ZERO, delta(1e-6)), Epsilon::LEAST);
    }

    #[test]
    fn a_plan_without_rounds_or_without_room_is_refused() {
        let one = Sensitivity::new(1).unwrap();
        assert_eq!(calibrate(rho(1.0), 0, one), Err(Error::NoRounds));
        assert_eq!(
            calibrate(Rho::ZERO, 3, one),
            Err(Error::CannotCalibrate {
                total: Cost::of_rho(Rho::ZERO),
                rounds: 3,
                sensitivity: 1,
                most: 1 << 40
            })
        );
        assert!(calibrate(rho(1e-3), 1, Sensitivity::new(Sensitivity::MAX).unwrap()).is_err());
        assert_eq!(calibrate(rho(1e9), 1, one), Ok(NoiseScale::LEAST));
    }
}
