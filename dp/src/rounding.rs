//! Floating-point arithmetic rounded to a stated side.
//!
//! A privacy figure that is a rounding error too small is a false claim, so every operation here
//! says on which side of the true value its result lies. The residual of a rounded operation is
//! itself a double (Dekker 1971; Muller et al., *Handbook of Floating-Point Arithmetic*, sections
//! 4.3 and 4.4), hence an exact result stays exact instead of creeping up by one unit each time.
//!
//! Callers pass finite arguments that are not negative. A result may be infinite on overflow.

/// Below this a residual can underflow, and the result is widened without asking.
const RESIDUAL_IS_EXACT_ABOVE: f64 = 1e-280;

/// The smallest double not below `a + b`.
pub(crate) fn add_up(a: f64, b: f64) -> f64 {
    let sum = a + b;
    // Knuth's TwoSum: `a + b == sum + residual` exactly, in any order of magnitudes.
    let b_part = sum - a;
    let residual = (a - (sum - b_part)) + (b - b_part);
    if residual > 0.0 { sum.next_up() } else { sum }
}

/// The smallest double not below `a * b` (one step more where a residual could underflow).
pub(crate) fn mul_up(a: f64, b: f64) -> f64 {
    let product = a * b;
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    if product < RESIDUAL_IS_EXACT_ABOVE || a.mul_add(b, -product) > 0.0 {
        product.next_up()
    } else {
        product
    }
}

/// The smallest double not below `a / b`, `b > 0` (one step more where a residual could underflow).
pub(crate) fn div_up(a: f64, b: f64) -> f64 {
    let quotient = a / b;
    if a == 0.0 {
        return 0.0;
    }
    if quotient < RESIDUAL_IS_EXACT_ABOVE
        || a < RESIDUAL_IS_EXACT_ABOVE
        || (-quotient).mul_add(b, a) > 0.0
    {
        quotient.next_up()
    } else {
        quotient
    }
}

/// The smallest double not below the integer.
pub(crate) fn integer_up(n: u128) -> f64 {
    let nearest = n as f64;
    // The cast back saturates, so 2^128 compares as at least `n`.
    if (nearest as u128) < n { nearest.next_up() } else { nearest }
}

/// The largest double not above the integer.
pub(crate) fn integer_down(n: u128) -> f64 {
    let nearest = n as f64;
    if nearest >= TWO_POW_128 || (nearest as u128) > n { nearest.next_down() } else { nearest }
}

/// A double not below `numerator / denominator`; the smallest one when both fit 53 bits.
pub(crate) fn ratio_up(numerator: u128, denominator: u128) -> f64 {
    div_up(integer_up(numerator), integer_down(denominator))
}

/// The largest finite double of at least zero that fits, if what fits is all up to some point; zero
/// when nothing does.
pub(crate) fn largest_fitting(fits: impl Fn(f64) -> bool) -> f64 {
    // Doubles that are not negative are ordered like their bits, so this halves through all of them.
    let (mut fitting, mut too_large) = (0, f64::MAX.to_bits());
    while too_large - fitting > 1 {
        let middle = fitting + (too_large - fitting) / 2;
        if fits(f64::from_bits(middle)) {
            fitting = middle;
        } else {
            too_large = middle;
        }
    }
    f64::from_bits(fitting)
}

const TWO_POW_128: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;

#[cfg(test)]
mod tests {
    use super::*;
    use dashu::rational::RBig;
    use proptest::prelude::*;

    fn exact(x: f64) -> RBig {
        RBig::try_from(x).unwrap()
    }

    fn is_ceiling(rounded: f64, truth: &RBig) -> bool {
        exact(rounded) >= *truth && (rounded == 0.0 || exact(rounded.next_down()) < *truth)
    }

    #[test]
    fn exact_results_do_not_creep() {
        assert_eq!(add_up(0.25, 0.5), 0.75);
        assert_eq!(mul_up(3.0, 0.5), 1.5);
        assert_eq!(div_up(1.0, 32.0), 1.0 / 32.0);
        assert_eq!(ratio_up(1, 32), 0.031_25);
        assert_eq!(integer_up(u128::MAX), TWO_POW_128);
        assert!(integer_down(u128::MAX) < TWO_POW_128);
    }

    #[test]
    fn the_largest_that_fits_is_found_to_the_bit() {
        for x in [0.0, f64::from_bits(1), 1e-300, 0.1, 1.0, 1e300] {
            assert_eq!(largest_fitting(|y| y <= x), x);
        }
        assert_eq!(largest_fitting(|_| false), 0.0);
    }

    #[test]
    fn an_underflowing_product_still_rounds_up() {
        assert!(mul_up(1e-200, 1e-200) > 0.0);
        assert!(div_up(f64::from_bits(1), 3.0) > 0.0);
        assert_eq!(mul_up(0.0, 1e300), 0.0);
    }

    proptest! {
        #[test]
        fn every_operation_is_the_ceiling_of_the_true_value(
            a in 1e-100..1e100f64,
            b in 1e-100..1e100f64,
            small in 0.0..2.0f64,
        ) {
            prop_assert!(is_ceiling(add_up(a, small), &(exact(a) + exact(small))));
            prop_assert!(is_ceiling(mul_up(a, b), &(exact(a) * exact(b))));
            prop_assert!(is_ceiling(div_up(a, b), &(exact(a) / exact(b))));
        }

        #[test]
        fn integers_are_enclosed(n: u128, m in 1..u128::MAX) {
            prop_assert!(exact(integer_up(n)) >= RBig::from(n));
            prop_assert!(exact(integer_down(n)) <= RBig::from(n));
            prop_assert!(exact(ratio_up(n, m)) >= RBig::from(n) / RBig::from(m));
        }
    }
}
