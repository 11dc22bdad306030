//! The least noise with which a plan fits a limit, and the order that needs the least.
//!
//! The sums are the ones that the ledger forms, to the bit: a plan calibrated here fits its limit
//! wholly, every attempt of it (rule L1: T steps and R spare attempts). Scales are sought by halving,
//! so no input makes a search long.

use std::num::{NonZeroU32, NonZeroU64};

use super::budget::Limit;
use super::filter::{Cost, Filter};
use crate::cost_sum::CostSum;
use crate::event::Event;
use crate::gauss::DiscreteGaussian;
use crate::noise::NoiseScale;
use crate::units::{Delta, Epsilon, Order, Rate, Sensitivity, Sigma};
use crate::zcdp::least_scale;
use crate::{Error, Result};

impl Limit {
    /// The least scale s, in grid steps, of one draw of noise at which `releases` of a sum over a Poisson sample of
    /// rate `rate` ([`Rate::ALL`]: everybody) fit the limit under its filter.
    ///
    /// `releases` counts the steps *and* the spare attempts (rule L1).
    ///
    /// # Errors
    /// [`Error::NoRounds`], or [`Error::CannotCalibrate`] when even the sampler's largest scale is
    /// not enough.
    pub fn noise_for(
        &self,
        releases: u32,
        sensitivity: Sensitivity,
        dimension: NonZeroU64,
        rate: Rate,
    ) -> Result<NoiseScale> {
        self.noise_for_each(NonZeroU32::MIN, releases, sensitivity, dimension, rate)
    }

    /// The same where `draws` of noise are sure to be in each sum (rule M2): the least scale of each.
    ///
    /// # Errors
    /// As [`Limit::noise_for`].
    pub fn noise_for_each(
        &self,
        draws: NonZeroU32,
        releases: u32,
        sensitivity: Sensitivity,
        dimension: NonZeroU64,
        rate: Rate,
    ) -> Result<NoiseScale> {
        let plan = Plan { draws, releases, sensitivity, dimension, rate }.checked()?;
        match plan.least_scale(self, BELOW_ALL, DiscreteGaussian::MAX_SCALE) {
            Some(s) => NoiseScale::new(s),
            None => Err(plan.does_not_fit(self)),
        }
    }

    /// The Renyi limit whose order needs the least noise for `releases` of a sum over a Poisson
    /// sample of rate `rate`.
    ///
    /// Fixed before the first release, from public figures: this is how a plan's limit is opened. Where
    /// everybody takes part, [`Limit::zcdp`] needs no more noise: it is not tied to one order.
    ///
    /// # Errors
    /// As [`Limit::noise_for`], when no order fits.
    pub fn with_best_order(
        epsilon: Epsilon,
        delta: Delta,
        releases: u32,
        sensitivity: Sensitivity,
        dimension: NonZeroU64,
        rate: Rate,
    ) -> Result<Self> {
        /// Where the search begins. The lowest one is best where delta alone nearly pays.
        const FIRST: [u32; 4] = [2, 8, 64, 1024];
        let draws = NonZeroU32::MIN;
        let plan = Plan { draws, releases, sensitivity, dimension, rate }.checked()?;
        let mut best = None;
        // No order does with the noise of scale `none`; `best` does with that of scale `some`.
        let (mut none, mut some) = (BELOW_ALL, DiscreteGaussian::MAX_SCALE + 1);
        for order in FIRST {
            let limit = Self::renyi(epsilon, delta, Order::new(order)?);
            if let Some(s) = plan.least_scale(&limit, none, some - 1) {
                (best, some) = (Some(limit), s);
            }
        }
        while some - none > 1 {
            let middle = none + (some - none) / 2;
            // When the order that costs least there does not fit, none does.
            let limit = Self::renyi(epsilon, delta, plan.best_order_at(middle, delta)?);
            match plan.least_scale(&limit, none, middle) {
                Some(s) => (best, some) = (Some(limit), s),
                None => none = middle,
            }
        }
        best.ok_or_else(|| plan.does_not_fit(&Self::renyi(epsilon, delta, Order::MOST)))
    }
}

/// One less than the least scale.
const BELOW_ALL: u64 = NoiseScale::LEAST - 1;

/// Releases of the same kind.
struct Plan {
    draws: NonZeroU32,
    releases: u32,
    sensitivity: Sensitivity,
    dimension: NonZeroU64,
    rate: Rate,
}

impl Plan {
    fn checked(self) -> Result<Self> {
        if self.releases == 0 { Err(Error::NoRounds) } else { Ok(self) }
    }

    fn event(&self, s: u64) -> Event {
        let (s, sensitivity) = (Sigma::of_scale(s), self.sensitivity);
        let dimension = self.dimension;
        let noise = match self.draws.get() {
            1 => Event::DiscreteGaussian { s, sensitivity, dimension },
            parties => Event::DiscreteGaussianSum { parties, s, sensitivity, dimension },
        };
        if self.rate == Rate::ALL {
            noise
        } else {
            Event::Poisson { q: self.rate, event: Box::new(noise) }
        }
    }

    fn cost(&self, filter: Filter, s: u64) -> f64 {
        filter.cost(&self.event(s)).map_or(f64::MAX, Cost::get)
    }

    /// The least scale above `too_small` and up to `most` at which the plan fits.
    fn least_scale(&self, limit: &Limit, too_small: u64, most: u64) -> Option<u64> {
        let room = limit.room_sum();
        least_scale(too_small, most, |s| {
            CostSum::covering(self.cost(limit.filter, s)).times(self.releases) <= room
        })
    }

    /// The order at which the plan with noise of scale `s` costs the least epsilon. The figure has
    /// one valley over the orders (see [`crate::renyi`]).
    fn best_order_at(&self, s: u64, delta: Delta) -> Result<Order> {
        let epsilon = |order: u32| {
            let filter = Filter::Renyi { order: Order::new(order)? };
            let all = self.cost(filter, s) * f64::from(self.releases);
            Ok(Cost::room(filter, all).epsilon(delta))
        };
        let (mut low, mut high) = (Order::LEAST.get(), Order::MOST.get());
        while low < high {
            let middle = low + (high - low) / 2;
            // Figures that are too large to be told apart lie above the valley.
            if epsilon(middle)? <= epsilon(middle + 1)? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Order::new(low)
    }

    fn does_not_fit(&self, limit: &Limit) -> Error {
        Error::CannotCalibrate {
            total: limit.room(),
            rounds: self.releases,
            sensitivity: self.sensitivity.get(),
            most: DiscreteGaussian::MAX_SCALE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zcdp::calibrate;

    fn figures(epsilon: f64, delta: f64) -> (Epsilon, Delta) {
        (Epsilon::new(epsilon).unwrap(), Delta::new(delta).unwrap())
    }

    fn sensitivity(steps: u64) -> Sensitivity {
        Sensitivity::new(steps).unwrap()
    }

    const ONE: NonZeroU64 = NonZeroU64::MIN;

    /// L1: to the last unit, at every order and rate; one step less of noise does not fit.
    #[test]
    fn the_noise_found_fits_and_one_step_less_does_not() {
        let (mut tight, mut plans) = (0, 0);
        for (epsilon, delta) in [(0.3, 1e-4), (1.0, 1e-5), (8.0, 1e-9)] {
            let (epsilon, delta) = figures(epsilon, delta);
            for order in [2, 9, 64, 1024] {
                let limit = Limit::renyi(epsilon, delta, Order::new(order).unwrap());
                for releases in [1, 7, 1000, 1_000_000_000] {
                    for rate in [1.0, 0.3, 0.01, 1e-6] {
                        let rate = Rate::new(rate).unwrap();
                        let d = sensitivity(12_345);
                        let Ok(s) = limit.noise_for(releases, d, ONE, rate) else { continue };
                        let draws = NonZeroU32::MIN;
                        let plan = Plan { draws, releases, sensitivity: d, dimension: ONE, rate };
                        let all =
                            |s: u64| CostSum::covering(plan.cost(limit.filter, s)).times(releases);
                        assert!(all(s.get()) <= limit.room_sum());
                        plans += 1;
                        if s.get() > NoiseScale::LEAST {
                            assert!(all(s.get() - 1) > limit.room_sum());
                            tight += 1;
                        }
                    }
                }
            }
        }
        assert!(plans > 100 && tight > 80, "{tight} of {plans} plans");
    }

    #[test]
    fn without_renyi_the_noise_is_the_zcdp_calibration() {
        let (epsilon, delta) = figures(1.0, 1e-5);
        let limit = Limit::zcdp(epsilon, delta);
        let rho = limit.room().rho().unwrap();
        for rate in [1.0, 0.1] {
            let s = limit.noise_for(40, sensitivity(1000), ONE, Rate::new(rate).unwrap()).unwrap();
            assert_eq!(Ok(s.get()), calibrate(rho, 40, sensitivity(1000)));
        }
    }

    /// M2: h draws each need a scale of s / sqrt(h), rounded up, at every order and rate; the plan
    /// fits then, and with one step less it does not.
    #[test]
    fn each_of_several_draws_needs_its_share_of_the_variance() {
        let (epsilon, delta) = figures(1.0, 1e-6);
        let (d, dimension) = (sensitivity(12_345), NonZeroU64::new(100_000).unwrap());
        for (rate, limit) in [
            (Rate::ALL, Limit::zcdp(epsilon, delta)),
            (Rate::new(0.1).unwrap(), Limit::renyi(epsilon, delta, Order::new(12).unwrap())),
        ] {
            let one = limit.noise_for(50, d, dimension, rate).unwrap().get();
            for draws in [2, 8, 67] {
                let draws = NonZeroU32::new(draws).unwrap();
                let each = limit.noise_for_each(draws, 50, d, dimension, rate).unwrap().get();
                let share = (one as f64 / f64::from(draws.get()).sqrt()).ceil() as u64;
                assert!(each.abs_diff(share) <= 1, "{draws} draws: {each}, {share}");
                let plan = Plan { draws, releases: 50, sensitivity: d, dimension, rate };
                let all = |s| CostSum::covering(plan.cost(limit.filter, s)).times(50);
                assert!(all(each) <= limit.room_sum() && all(each - 1) > limit.room_sum());
            }
        }
    }

    /// No order of all needs less noise than the one that is picked.
    #[test]
    fn the_best_order_needs_the_least_noise_of_all() {
        for (epsilon, delta, releases, rate) in [
            (3.0, 1e-5, 110, 1.0),
            (1.0, 1e-6, 1000, 0.01),
            (8.0, 1e-5, 50, 0.2),
            (0.5, 1e-9, 3, 0.5),
            (0.001, 1e-3, 1, 1.0),
            // Here delta alone pays, and the lowest order is best.
            (0.001, 1e-7, 1, 1.0),
        ] {
            let (epsilon, delta) = figures(epsilon, delta);
            let (d, rate) = (sensitivity(1000), Rate::new(rate).unwrap());
            let limit = Limit::with_best_order(epsilon, delta, releases, d, ONE, rate).unwrap();
            let least = limit.noise_for(releases, d, ONE, rate).unwrap().get();
            let draws = NonZeroU32::MIN;
            let plan = Plan { draws, releases, sensitivity: d, dimension: ONE, rate };
            for order in 2..=1024 {
                let other = Limit::renyi(epsilon, delta, Order::new(order).unwrap());
                let room = other.room_sum();
                let less = CostSum::covering(plan.cost(other.filter, least - 1)).times(releases);
                assert!(less > room, "order {order} does with less than {limit:?}: {least}");
            }
        }
    }

    /// What the filter is for: a thousand steps on samples of one in a hundred.
    #[test]
    fn sampling_saves_noise_under_the_best_order() {
        let (epsilon, delta) = figures(1.0, 1e-6);
        let (d, rate) = (sensitivity(1000), Rate::new(0.01).unwrap());
        let renyi = Limit::with_best_order(epsilon, delta, 1000, d, ONE, rate).unwrap();
        let sampled = renyi.noise_for(1000, d, ONE, rate).unwrap().get();
        let zcdp = Limit::zcdp(epsilon, delta).noise_for(1000, d, ONE, rate).unwrap().get();
        assert!(zcdp > 50 * sampled, "{zcdp} {sampled}");
        // And without sampling zCDP needs no more, and a whole order hardly more.
        let everybody =
            |limit: &Limit| limit.noise_for(30, d, ONE, Rate::ALL).unwrap().get() as f64;
        let renyi = Limit::with_best_order(epsilon, delta, 30, d, ONE, Rate::ALL).unwrap();
        let ratio = everybody(&renyi) / everybody(&Limit::zcdp(epsilon, delta));
        assert!((1.0..1.01).contains(&ratio), "{ratio}");
    }

    /// A limit that the sampler's least noise keeps wants no search below it.
    #[test]
    fn a_plan_that_any_noise_fits_takes_the_least() {
        let (epsilon, delta) = figures(1e6, 1e-5);
        for rate in [0.0, 0.5, 1.0] {
            let (d, rate) = (sensitivity(1), Rate::new(rate).unwrap());
            let limit = Limit::with_best_order(epsilon, delta, 3, d, ONE, rate).unwrap();
            assert_eq!(limit.noise_for(3, d, ONE, rate).unwrap().get(), NoiseScale::LEAST);
        }
    }

    #[test]
    fn a_plan_that_nothing_fits_is_refused() {
        let (epsilon, delta) = figures(1.0, 1e-5);
        let limit = Limit::renyi(epsilon, delta, Order::LEAST);
        let most = sensitivity(Sensitivity::MAX);
        assert_eq!(limit.noise_for(0, most, ONE, Rate::ALL), Err(Error::NoRounds));
        let refused = |result: Result<()>| matches!(result, Err(Error::CannotCalibrate { .. }));
        assert!(refused(limit.noise_for(1, most, ONE, Rate::ALL).map(drop)));
        let best = Limit::with_best_order(epsilon, delta, 1, most, ONE, Rate::ALL);
        assert!(refused(best.map(drop)));
        let none = Limit::with_best_order(epsilon, delta, 0, most, ONE, Rate::ALL);
        assert_eq!(none.map(drop), Err(Error::NoRounds));
    }
}
