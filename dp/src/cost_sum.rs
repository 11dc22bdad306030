//! Sums of costs that do not depend on the order of their terms.
//!
//! A filter that adds doubles, each addition rounded up, refuses the last round of a plan that was
//! calibrated to fill the limit exactly: eight times 0.00005 comes to more than 0.0004. Sums here
//! are integers, in units of 2^-96, so addition is exact; only turning a double into units rounds,
//! once a charge and to the safe side. Calibration ([`crate::zcdp::calibrate`],
//! [`crate::ledger::Limit::noise_for`]) and the ledger use the same units, hence a calibrated plan
//! always fits, in whatever order studies take turns. What is counted is a rho, or a Renyi
//! divergence of one order: whoever holds the sum knows which.

use crate::rounding::{integer_down, integer_up};

/// Bits after the binary point. 2^-96 is below the rho of any scale of the sampler (at least 2^-81;
/// what sampling brings below it is charged one unit), and 128 - 96 = 32 bits before the point hold
/// more than any budget.
const FRAC_BITS: i32 = 96;

/// An exact, non-negative multiple of 2^-96, or [`CostSum::BEYOND`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CostSum(u128);

impl CostSum {
    pub(crate) const ZERO: Self = Self(0);

    /// From 2^32 upwards, where no figure means anything: more than any limit. Sums stay there.
    pub(crate) const BEYOND: Self = Self(u128::MAX);

    /// The smallest sum not below `cost`; beyond all limits when it is none.
    pub(crate) fn covering(cost: f64) -> Self {
        if !is_cost(cost) {
            return Self::BEYOND;
        }
        let (mantissa, shift) = decompose(cost);
        if shift >= 0 {
            shifted_left(mantissa, shift).map_or(Self::BEYOND, Self)
        } else {
            let floor = shifted_right(mantissa, -shift);
            let inexact = shifted_left(floor, -shift) != Some(mantissa);
            Self(floor + u128::from(inexact))
        }
    }

    /// The largest sum not above `limit`, and never one beyond all limits; zero when it is none.
    pub(crate) fn within(limit: f64) -> Self {
        if !is_cost(limit) {
            return Self::ZERO;
        }
        let (mantissa, shift) = decompose(limit);
        let sum = if shift >= 0 {
            shifted_left(mantissa, shift).unwrap_or(u128::MAX)
        } else {
            shifted_right(mantissa, -shift)
        };
        Self(sum.min(u128::MAX - 1))
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(crate) fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(u128::from(count)))
    }

    /// What is left of `self` after `spent`; zero when it is overdrawn.
    pub(crate) fn left_after(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }

    /// A double not below the sum: for what was spent.
    pub(crate) fn rounded_up(self) -> f64 {
        if self == Self::BEYOND { f64::MAX } else { integer_up(self.0) * unit() }
    }

    /// A double not above the sum: for what is left.
    pub(crate) fn rounded_down(self) -> f64 {
        integer_down(self.0) * unit()
    }
}

fn is_cost(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// 2^-96; multiplying by it is exact.
fn unit() -> f64 {
    f64::from_bits(((1023 - FRAC_BITS) as u64) << 52)
}

/// `cost = mantissa * 2^(shift - 96)` exactly, for what [`is_cost`].
fn decompose(cost: f64) -> (u128, i32) {
    let bits = cost.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    // Eleven bits of exponent; the sign is set for -0.0 alone.
    let biased = ((bits >> 52) & 0x7ff) as i32;
    let (mantissa, exponent) =
        if biased == 0 { (fraction, -1074) } else { (fraction | (1 << 52), biased - 1075) };
    (u128::from(mantissa), exponent + FRAC_BITS)
}

fn shifted_left(mantissa: u128, by: i32) -> Option<u128> {
    if mantissa == 0 {
        return Some(0);
    }
    (by <= mantissa.leading_zeros() as i32).then(|| mantissa << by)
}

fn shifted_right(mantissa: u128, by: i32) -> u128 {
    if by < 128 { mantissa >> by } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dashu::rational::RBig;
    use proptest::prelude::*;

    fn exact(sum: CostSum) -> RBig {
        RBig::from(sum.0) / RBig::from(dashu::integer::UBig::ONE << 96usize)
    }

    #[test]
    fn a_double_with_few_bits_is_held_exactly() {
        for x in [0.0, -0.0, 1.0, 0.1, 4.2e9, 2.0f64.powi(-96), 2.0f64.powi(-81)] {
            let sum = CostSum::covering(x);
            assert_eq!(sum, CostSum::within(x));
            assert_eq!(sum.rounded_up(), x);
            assert_eq!(sum.rounded_down(), x);
        }
    }

    #[test]
    fn what_is_too_small_for_the_unit_is_charged_one_unit() {
        for x in [f64::from_bits(1), f64::MIN_POSITIVE, 1e-40, 2.0f64.powi(-97)] {
            assert_eq!(CostSum::covering(x), CostSum(1));
            assert_eq!(CostSum::within(x), CostSum(0));
        }
    }

    #[test]
    fn what_is_too_large_is_no_sum() {
        for x in [4_294_967_296.0, f64::MAX, f64::INFINITY, f64::NAN, -1.0] {
            assert_eq!(CostSum::covering(x), CostSum::BEYOND, "{x}");
            assert!(CostSum::within(x) < CostSum::BEYOND, "no limit holds it: {x}");
        }
        assert_eq!(CostSum::within(f64::NAN), CostSum::ZERO);
        assert_eq!(CostSum::BEYOND.plus(CostSum(1)), CostSum::BEYOND);
        assert_eq!(CostSum(1 << 100).times(u32::MAX), CostSum::BEYOND);
        assert_eq!(CostSum::BEYOND.rounded_up(), f64::MAX);
    }

    proptest! {
        #[test]
        fn a_double_is_enclosed(x in 0.0..4e9f64, scale in 0..120i32) {
            let x = x * 2.0f64.powi(-scale);
            let truth = RBig::try_from(x).unwrap();
            let above = CostSum::covering(x);
            let below = CostSum::within(x);
            prop_assert!(exact(above) >= truth && exact(below) <= truth);
            prop_assert!(above.0 - below.0 <= 1);
            prop_assert!(above.rounded_up() >= x && below.rounded_down() <= x);
        }

        #[test]
        fn sums_do_not_depend_on_the_order(mut terms in prop::collection::vec(0.0..1e3f64, 0..50)) {
            let total = |terms: &[f64]| terms.iter().fold(CostSum::ZERO, |sum, &x| {
                sum.plus(CostSum::covering(x))
            });
            let forward = total(&terms);
            terms.reverse();
            prop_assert_eq!(forward, total(&terms));
            terms.sort_by(f64::total_cmp);
            prop_assert_eq!(forward, total(&terms));
        }
    }
}
