//! Filters: which theorem a limit is enforced by, and what an event costs under it.
//!
//! Releases may be chosen from earlier ones. Two filters allow that: rho of zCDP (Whitehouse, Ramdas,
//! Rogers and Wu 2023), and the Renyi divergence of *one* order that was fixed beforehand (Feldman
//! and Zrnic 2021, arXiv 2008.11193): costs that sum to at most B are together (order, B)-RDP. One
//! order needs no bound over several.
//!
//! Neighbouring data sets differ in one patient, added or removed; a cost bounds both directions.
//! For noise without sampling both are equal. For discrete Gaussian noise with and without a
//! patient's vector v, each patient sampled with probability q, the larger one is D(M || N(0)) with
//! M = (1-q) N(0) + q N(v) (Mironov, Talwar and Zhang 2019, arXiv 1908.10530, section 3). Their
//! argument asks for a map that is its own inverse and swaps N(0) and N(v), and compares x with its
//! image: on the integers x -> v - x is one. That divergence grows with |v|, and is a finite sum at
//! a whole order (see `renyi/subsampled.rs`), so it holds for the discrete noise as it stands (rule
//! N2). A sum of several parties' discrete Gaussians is symmetric on the integers too, and each of
//! its moments has a bound (Kairouz, Liu and Steinke 2021). Who else was sampled does not matter: the divergence is quasi-convex.

use std::cmp::Ordering;
use std::fmt;

use crate::cost_sum::CostSum;
use crate::event::Event;
use crate::renyi;
use crate::rounding::{div_up, mul_up};
use crate::units::{Adjacency, Delta, Epsilon, Order, Rho};
use crate::zcdp;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Rho of zCDP. Sampling of patients counts for nothing.
    Zcdp,
    /// The Renyi divergence of this order. Sampling is amplified; the order is fixed before the
    /// first release.
    Renyi {
        /// The order.
        order: Order,
    },
}

impl Filter {
    /// The order of a Renyi filter.
    pub fn order(self) -> Option<Order> {
        match self {
            Self::Zcdp => None,
            Self::Renyi { order } => Some(order),
        }
    }

    /// What `event` costs under this filter against whoever faces its noise, rounded up: a ledger is
    /// charged what a coalition faces (rules N1, M2). `None` for what it has no figure for, an exact release above all.
    ///
    /// The same on every machine.
    pub fn cost(self, event: &Event) -> Option<Cost> {
        let rho = event.rho()?;
        let value = match self {
            Self::Zcdp => rho.get(),
            Self::Renyi { order } => divergence(event, rho, order),
        };
        Some(Cost::new(self, value))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zcdp => f.write_str("zCDP"),
            Self::Renyi { order } => write!(f, "Renyi divergence of order {order}"),
        }
    }
}

/// Covers the rounding of an amplified cumulant, relative to it. Its binomial sum has at most 1024
/// terms; their logarithms stay below 10^6 where the cost is below any limit, hence are within
/// 6 10^-10 of the truth, and the relative error of ln(1 + e^x) is at most the absolute one of x.
const MARGIN: f64 = 1e-9;

/// The divergence of an event whose rho is `rho` if nobody is sampled.
fn divergence(event: &Event, rho: Rho, order: Order) -> f64 {
    let order = f64::from(order.get());
    // rho bounds the divergence of every order by order * rho.
    let whole = mul_up(order, rho.get());
    let Event::Poisson { q, .. } = event else { return whole };
    if q.get() == 0.0 {
        return 0.0;
    }
    let cumulant = renyi::cumulant(event, Adjacency::AddRemove, order, None);
    let sampled = div_up(mul_up(cumulant, 1.0 + MARGIN), order - 1.0);
    // What underflows costs something still.
    whole.min(sampled).max(f64::MIN_POSITIVE)
}

/// What releases cost together under one filter, in that filter's unit: rho, or a Renyi divergence.
///
/// Costs under different filters do not compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    filter: Filter,
    value: f64,
}

impl Cost {
    /// A bound of our own making: into the range of doubles, on the safe (upper) side.
    fn new(filter: Filter, value: f64) -> Self {
        Self { filter, value: if value < f64::MAX { value } else { f64::MAX } }
    }

    pub(crate) fn of_rho(rho: Rho) -> Self {
        Self { filter: Filter::Zcdp, value: rho.get() }
    }

    pub(super) fn spent(filter: Filter, sum: CostSum) -> Self {
        Self::new(filter, sum.rounded_up())
    }

    pub(super) fn left(filter: Filter, sum: CostSum) -> Self {
        Self::new(filter, sum.rounded_down())
    }

    pub(super) fn room(filter: Filter, value: f64) -> Self {
        Self::new(filter, value)
    }

    /// What `count` releases that each cost this cost together, rounded up as a ledger does.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self::spent(self.filter, CostSum::covering(self.value).times(count))
    }

    /// The figure, in the filter's unit.
    pub fn get(self) -> f64 {
        self.value
    }

    /// The same in four digits, for words: rounded up, or else down.
    pub(crate) fn in_short(self, up: bool) -> Self {
        Self { value: four_digits(self.value, up), ..self }
    }

    /// The filter that it is counted under.
    pub fn filter(self) -> Filter {
        self.filter
    }

    /// The figure as a rho; `None` under another filter than zCDP's.
    pub fn rho(self) -> Option<Rho> {
        match self.filter {
            Filter::Zcdp => Some(Rho::at_least(self.value)),
            Filter::Renyi { .. } => None,
        }
    }

    /// The epsilon that it implies at `delta`, rounded up (Canonne, Kamath and Steinke 2020, Prop.
    /// 12). Under a Renyi filter even a small cost means what the conversion at that order costs.
    pub fn epsilon(self, delta: Delta) -> Epsilon {
        match self.filter {
            Filter::Zcdp => zcdp::epsilon(Rho::at_least(self.value), delta),
            Filter::Renyi { order } => {
                let order = f64::from(order.get());
                let cumulant = mul_up(self.value, order - 1.0);
                Epsilon::at_least(renyi::epsilon_at(cumulant, order, delta.get()))
            }
        }
    }
}

/// A figure of at least 0 to four digits that count, for words: not below it when rounded up, not above
/// it when rounded down, so that what does not fit never looks as if it did.
pub(crate) fn four_digits(value: f64, up: bool) -> f64 {
    let text = format!("{value:.3e}");
    let (Ok(near), Some((mantissa, exponent))) = (text.parse::<f64>(), text.split_once('e')) else {
        return value;
    };
    if (up && near >= value) || (!up && near <= value) {
        return near;
    }
    let (Ok(digits), Ok(exponent)) =
        (mantissa.replace('.', "").parse::<i64>(), exponent.parse::<i64>())
    else {
        return value;
    };
    let digits = if up { digits + 1 } else { digits - 1 };
    format!("{digits}e{}", exponent - 3).parse().unwrap_or(value)
}

impl PartialOrd for Cost {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self.filter == other.filter { self.value.partial_cmp(&other.value) } else { None }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.filter {
            Filter::Zcdp => "rho ",
            Filter::Renyi { .. } => "Renyi divergence ",
        })?;
        if self.value == 0.0 || (1e-4..1e9).contains(&self.value) {
            fmt::Display::fmt(&self.value, f)?;
        } else {
            fmt::LowerExp::fmt(&self.value, f)?;
        }
        match self.filter {
            Filter::Zcdp => Ok(()),
            Filter::Renyi { order } => write!(f, " of order {order}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::NoiseScale;
    use crate::units::Sensitivity;
    use std::num::NonZeroU64;

    fn renyi_at(order: u32) -> Filter {
        Filter::Renyi { order: Order::new(order).unwrap() }
    }

    fn noise(s: u64, d: u64) -> Event {
        let (s, d) = (NoiseScale::new(s).unwrap(), Sensitivity::new(d).unwrap());
        Event::discrete_gaussian(s, d, NonZeroU64::MIN)
    }

    /// (order - 1) * D(P || Q) from the probabilities.
    fn cumulant(p: &[f64], q: &[f64], order: f64) -> f64 {
        let term = |(p, q): (&f64, &f64)| q * libm::exp(order * libm::log(p / q));
        libm::log(p.iter().zip(q).map(term).sum())
    }

    #[test]
    fn a_renyi_filter_has_its_order_and_zcdp_has_none() {
        assert_eq!(renyi_at(7).order(), Some(Order::new(7).unwrap()));
        assert_eq!(Filter::Zcdp.order(), None);
    }

    /// N2: what is charged bounds the divergence of the discrete noise itself, in either direction,
    /// and is no more than that but for rounding.
    #[test]
    fn a_sampled_charge_is_the_larger_of_both_directions() {
        for (s, d) in [(4u64, 1u64), (4, 3), (5, 7), (20, 20)] {
            let reach = 60 * s as i64;
            let gaussian = |centre: i64| {
                let weight = |x: i64| {
                    let z = (x - centre) as f64 / s as f64;
                    libm::exp(-0.5 * z * z)
                };
                let all: Vec<f64> = (-reach..=reach + d as i64).map(weight).collect();
                let total: f64 = all.iter().sum();
                all.into_iter().map(|w| w / total).collect::<Vec<_>>()
            };
            let (none, moved) = (gaussian(0), gaussian(d as i64));
            // Where either is zero in doubles it adds nothing to the sums of these orders.
            let kept: Vec<_> =
                none.iter().zip(&moved).filter(|(a, b)| **a > 1e-290 && **b > 1e-290).collect();
            for q in [0.001, 0.1, 0.5, 0.95] {
                let (base, mixed): (Vec<f64>, Vec<f64>) =
                    kept.iter().map(|&(a, b)| (*a, (1.0 - q) * a + q * b)).unzip();
                for order in [2u32, 3, 8] {
                    let a = f64::from(order);
                    let added = cumulant(&mixed, &base, a) / (a - 1.0);
                    let removed = cumulant(&base, &mixed, a) / (a - 1.0);
                    let event = noise(s, d).poisson(q).unwrap();
                    let cost = renyi_at(order).cost(&event).unwrap().get();
                    let case = format!("s {s} D {d} q {q} order {order}: {cost} {added} {removed}");
                    let rounding = 1e-12;
                    assert!(cost >= added - rounding && cost >= removed - rounding, "{case}");
                    assert!(cost <= added * (1.0 + 3e-9) + rounding, "{case}");
                }
            }
        }
    }

    /// M2: the same for the noise of several sites, from the probabilities of their sum.
    #[test]
    fn a_sampled_sum_of_noise_is_charged_no_less_than_it_costs() {
        for (parties, s, d) in [(2u32, 4u64, 3usize), (3, 4, 9)] {
            let one: Vec<f64> = {
                let reach = 40 * s as i64;
                let weight = |x: i64| libm::exp(-0.5 * (x as f64 / s as f64).powi(2));
                let all: Vec<f64> = (-reach..=reach).map(weight).collect();
                let total: f64 = all.iter().sum();
                all.into_iter().map(|w| w / total).collect()
            };
            let convolve = |a: &[f64], b: &[f64]| {
                let mut sum = vec![0.0; a.len() + b.len() - 1];
                for (i, x) in a.iter().enumerate() {
                    b.iter().zip(&mut sum[i..]).for_each(|(y, to)| *to += x * y);
                }
                sum
            };
            let noise = (1..parties).fold(one.clone(), |sum, _| convolve(&sum, &one));
            let (none, moved) = (&noise[d..], &noise[..noise.len() - d]);
            let kept: Vec<_> =
                none.iter().zip(moved).filter(|(a, b)| **a > 1e-250 && **b > 1e-250).collect();
            for q in [0.01, 0.3, 0.9] {
                let (base, mixed): (Vec<f64>, Vec<f64>) =
                    kept.iter().map(|&(a, b)| (*a, (1.0 - q) * a + q * b)).unzip();
                for order in [2u32, 5] {
                    let a = f64::from(order);
                    let added = cumulant(&mixed, &base, a) / (a - 1.0);
                    let removed = cumulant(&base, &mixed, a) / (a - 1.0);
                    let event = Event::DiscreteGaussianSum {
                        parties,
                        s: NoiseScale::new(s).unwrap().as_sigma(),
                        sensitivity: Sensitivity::new(d as u64).unwrap(),
                        dimension: NonZeroU64::MIN,
                    };
                    let cost = renyi_at(order).cost(&event.poisson(q).unwrap()).unwrap().get();
                    let case = format!("{parties} draws, s {s}, D {d}, q {q}, order {order}");
                    let rounding = 1e-12;
                    assert!(cost >= added.max(removed) - rounding, "{case}: {cost} {added}");
                    assert!(cost <= added * (1.0 + 3e-9) + rounding, "{case}: {cost} {added}");
                }
            }
        }
    }

    /// A sample costs less than everybody and never more; sampling counts for nothing under zCDP.
    #[test]
    fn sampling_is_amplified_under_renyi_alone() {
        for order in [2, 16, 1024] {
            let mut last = 0.0;
            for q in [1e-300, 1e-9, 1e-3, 0.1, 0.9, 1.0] {
                let cost = renyi_at(order).cost(&noise(100, 10).poisson(q).unwrap()).unwrap();
                assert!(cost.get() > 0.0 && cost.get() >= last, "order {order} q {q}");
                last = cost.get();
            }
            let all = renyi_at(order).cost(&noise(100, 10)).unwrap().get();
            assert_eq!(last, all);
            assert!((all / (f64::from(order) * 0.005) - 1.0).abs() < 1e-15);
        }
        let sampled = noise(100, 10).poisson(0.01).unwrap();
        assert_eq!(Filter::Zcdp.cost(&sampled), Filter::Zcdp.cost(&noise(100, 10)));
    }

    /// A release that is nearly free is charged still: at least one unit of the ledger's sums.
    #[test]
    fn only_an_empty_sample_is_free() {
        let cost = |q: f64| renyi_at(2).cost(&noise(1 << 40, 1).poisson(q).unwrap()).unwrap();
        assert_eq!(cost(0.0).get(), 0.0);
        for q in [f64::from_bits(1), 1e-300, 1e-200] {
            assert!(CostSum::covering(cost(q).get()) > CostSum::ZERO, "{q:e}");
        }
    }

    #[test]
    fn what_no_filter_covers_has_no_cost() {
        for filter in [Filter::Zcdp, renyi_at(8)] {
            assert_eq!(filter.cost(&Event::Exact), None);
            assert_eq!(filter.cost(&Event::gaussian(1.0).unwrap()), None);
        }
    }

    #[test]
    fn extreme_events_have_a_cost() {
        for order in [2, 1024] {
            for (s, d) in [(4, Sensitivity::MAX), (1 << 40, 1), (1 << 40, Sensitivity::MAX)] {
                for q in [f64::from_bits(1), 0.5, 1.0f64.next_down(), 1.0] {
                    let event = noise(s, d).poisson(q).unwrap();
                    let cost = renyi_at(order).cost(&event).unwrap().get();
                    assert!(cost.is_finite() && cost > 0.0, "{event:?} order {order}: {cost}");
                }
            }
        }
    }

    /// The whole of a plan, as a ledger that was charged all of it says.
    #[test]
    fn a_plans_cost_is_the_sum_of_its_releases() {
        let rho = noise(100, 10).rho().unwrap();
        let all = Filter::Zcdp.cost(&noise(100, 10)).unwrap().times(30);
        assert_eq!(all.rho(), Some(zcdp::compose(std::iter::repeat_n(rho, 30))));
        let one = renyi_at(8).cost(&noise(100, 10).poisson(0.1).unwrap()).unwrap();
        assert!(one.times(30).get() >= 30.0 * one.get() * (1.0 - 1e-15));
        assert!(one.times(30).get() <= 30.0 * one.get() * (1.0 + 1e-15));
        assert_eq!(one.times(0).get(), 0.0);
        assert_eq!(Cost::new(Filter::Zcdp, 4e9).times(2).get(), f64::MAX);
    }

    /// A refusal whose figures say the contrary would be worse than sixteen digits.
    #[test]
    fn figures_in_short_have_four_digits_and_keep_the_order() {
        for (value, down, up) in [
            (0.006_111_318_313_252_073, 0.006_111, 0.006_112),
            (0.418_219_737_441_648_14, 0.4182, 0.4183),
            (3.0, 3.0, 3.0),
            (0.999_96, 0.999, 1.0),
            (123_456.0, 123_400.0, 123_500.0),
            (1.000_01e-20, 1e-20, 1.001e-20),
            (0.0, 0.0, 0.0),
        ] {
            assert_eq!((four_digits(value, false), four_digits(value, true)), (down, up));
        }
        let cost = Cost::new(Filter::Zcdp, 0.006_111_318_313_252_073);
        assert_eq!(cost.in_short(true).to_string(), "rho 0.006112");
        for extreme in [f64::MAX, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE] {
            let (down, up) = (four_digits(extreme, false), four_digits(extreme, true));
            assert!(extreme.is_nan() || (down <= extreme && extreme <= up), "{extreme}");
        }
    }

    #[test]
    fn costs_under_different_filters_do_not_compare() {
        let (a, b) = (Cost::new(Filter::Zcdp, 1.0), Cost::new(renyi_at(2), 2.0));
        assert_eq!(a.partial_cmp(&b), None);
        assert!(b < Cost::new(renyi_at(2), 3.0));
        assert_eq!((a.rho(), b.rho()), (Some(Rho::new(1.0).unwrap()), None));
        assert_eq!(a.to_string(), "rho 1");
        assert_eq!(Cost::new(Filter::Zcdp, 1.5e-20).to_string(), "rho 1.5e-20");
        assert_eq!(b.to_string(), "Renyi divergence 2 of order 2");
        assert_eq!(renyi_at(2).to_string(), "Renyi divergence of order 2");
    }
}
