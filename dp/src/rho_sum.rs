//! Sums of rho that do not depend on the order of their terms.
//!
//! A filter that adds doubles, each addition rounded up, refuses the last round of a plan that was
//! calibrated to fill the limit exactly: eight times 0.00005 comes to more than 0.0004. Sums here
//! are integers, in units of 2^-96, so addition is exact; only turning a double into units rounds,
//! once a charge and to the safe side. Calibration ([`crate::zcdp::calibrate`]) and the ledger use
//! the same units, hence a calibrated plan always fits, in whatever order studies take turns.

use crate::rounding::{integer_down, integer_up};
use crate::units::Rho;

/// Bits after the binary point. 2^-96 is below what any scale of the sampler can charge (rho is at
/// least 2^-81), and 128 - 96 = 32 bits before the point hold more than any budget.
const FRAC_BITS: i32 = 96;

/// An exact, non-negative multiple of 2^-96.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RhoSum(u128);

impl RhoSum {
    pub(crate) const ZERO: Self = Self(0);

    /// The smallest sum not below `rho`; `None` from 2^32 upwards.
    pub(crate) fn covering(rho: Rho) -> Option<Self> {
        let (mantissa, shift) = decompose(rho);
        if shift >= 0 {
            shifted_left(mantissa, shift).map(Self)
        } else {
            let floor = shifted_right(mantissa, -shift);
            let inexact = shifted_left(floor, -shift) != Some(mantissa);
            Some(Self(floor + u128::from(inexact)))
        }
    }

    /// The largest sum not above `rho`; the largest of all from 2^32 upwards.
    pub(crate) fn within(rho: Rho) -> Self {
        let (mantissa, shift) = decompose(rho);
        if shift >= 0 {
            Self(shifted_left(mantissa, shift).unwrap_or(u128::MAX))
        } else {
            Self(shifted_right(mantissa, -shift))
        }
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub(crate) fn times(self, count: u32) -> Option<Self> {
        self.0.checked_mul(u128::from(count)).map(Self)
    }

    /// What is left of `self` after `spent`; zero when it is overdrawn.
    pub(crate) fn left_after(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }

    /// A rho not below the sum: for what was spent.
    pub(crate) fn rounded_up(self) -> Rho {
        Rho::at_least(integer_up(self.0) * unit())
    }

    /// A rho not above the sum: for what is left.
    pub(crate) fn rounded_down(self) -> Rho {
        Rho::at_least(integer_down(self.0) * unit())
    }
}

/// 2^-96; multiplying by it is exact.
fn unit() -> f64 {
    f64::from_bits(((1023 - FRAC_BITS) as u64) << 52)
}

/// `rho = mantissa * 2^(shift - 96)` exactly.
fn decompose(rho: Rho) -> (u128, i32) {
    let bits = rho.get().to_bits();
    let fraction = bits & ((1 << 52) - 1);
    // Eleven bits of exponent; the sign is clear by the type.
    let biased = (bits >> 52) as i32;
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

    fn rho(x: f64) -> Rho {
        Rho::new(x).unwrap()
    }

    fn exact(sum: RhoSum) -> RBig {
        RBig::from(sum.0) / RBig::from(dashu::integer::UBig::ONE << 96usize)
    }

    #[test]
    fn a_double_with_few_bits_is_held_exactly() {
        for x in [0.0, 1.0, 0.1, 4.2e9, 2.0f64.powi(-96), 2.0f64.powi(-81)] {
            let sum = RhoSum::covering(rho(x)).unwrap();
            assert_eq!(sum, RhoSum::within(rho(x)));
            assert_eq!(sum.rounded_up(), rho(x));
            assert_eq!(sum.rounded_down(), rho(x));
        }
    }

    #[test]
    fn what_is_too_small_for_the_unit_is_charged_one_unit() {
        for x in [f64::from_bits(1), f64::MIN_POSITIVE, 1e-40, 2.0f64.powi(-97)] {
            assert_eq!(RhoSum::covering(rho(x)), Some(RhoSum(1)));
            assert_eq!(RhoSum::within(rho(x)), RhoSum(0));
        }
    }

    #[test]
    fn what_is_too_large_is_no_sum() {
        assert_eq!(RhoSum::covering(rho(4_294_967_296.0)), None);
        assert_eq!(RhoSum::covering(Rho::MAX), None);
        assert_eq!(RhoSum::within(Rho::MAX), RhoSum(u128::MAX));
    }

    proptest! {
        #[test]
        fn a_double_is_enclosed(x in 0.0..4e9f64, scale in 0..120i32) {
            let x = x * 2.0f64.powi(-scale);
            let truth = RBig::try_from(x).unwrap();
            let above = RhoSum::covering(rho(x)).unwrap();
            let below = RhoSum::within(rho(x));
            prop_assert!(exact(above) >= truth && exact(below) <= truth);
            prop_assert!(above.0 - below.0 <= 1);
            prop_assert!(above.rounded_up().get() >= x && below.rounded_down().get() <= x);
        }

        #[test]
        fn sums_do_not_depend_on_the_order(mut terms in prop::collection::vec(0.0..1e3f64, 0..50)) {
            let total = |terms: &[f64]| terms.iter().try_fold(RhoSum::ZERO, |sum, &x| {
                sum.plus(RhoSum::covering(rho(x))?)
            });
            let forward = total(&terms);
            terms.reverse();
            prop_assert_eq!(forward, total(&terms));
            terms.sort_by(f64::total_cmp);
            prop_assert_eq!(forward, total(&terms));
        }
    }
}
