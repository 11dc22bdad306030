//! Special functions that accountants need, on top of `libm`, with stated accuracy.
//!
//! Relative errors are a few units in the last place unless said otherwise, also where the value is
//! tiny: a tail of 10^-200 is as accurate as one of one half. The platform's own mathematics library
//! is never called, so figures are the same on every machine.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

/// 1/sqrt(2 pi).
const PHI_AT_ZERO: f64 = 0.398_942_280_401_432_7;

/// Density of the standard normal distribution; relative error x^2 units in the last place.
pub(crate) fn density(x: f64) -> f64 {
    PHI_AT_ZERO * libm::exp(-0.5 * x * x)
}

/// P(X > x) of the standard normal distribution; relative error x^2 units in the last place.
pub(crate) fn tail(x: f64) -> f64 {
    0.5 * libm::erfc(x * FRAC_1_SQRT_2)
}

/// exp(x^2) erfc(x) for x of at least zero.
pub(crate) fn erfcx(x: f64) -> f64 {
    if x < 12.0 {
        // The square in two parts, so that its rounding is not magnified by the exponential.
        let square = x * x;
        let rest = x.mul_add(x, -square);
        return libm::exp(square) * libm::erfc(x) * (1.0 + rest);
    }
    // Abramowitz and Stegun 7.1.23; the first term left out is below 1e-17 of the sum at 12.
    let y = 0.5 / (x * x);
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..9 {
        term *= -f64::from(2 * n - 1) * y;
        sum += term;
    }
    sum / (x * PI.sqrt())
}

/// Mills' ratio: P(X > x) / density(x), for x of at least zero.
pub(crate) fn mills(x: f64) -> f64 {
    (PI / 2.0).sqrt() * erfcx(x * FRAC_1_SQRT_2)
}

/// ln erfc(x).
pub(crate) fn log_erfc(x: f64) -> f64 {
    if x < 5.0 { libm::log(libm::erfc(x)) } else { libm::log(erfcx(x)) - x * x }
}

/// ln(e^a + e^b).
pub(crate) fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + libm::log1p(libm::exp(low - high)) }
}

/// ln(e^x - 1) for x above zero.
pub(crate) fn log_expm1(x: f64) -> f64 {
    if x > LN_2 { x + libm::log1p(-libm::exp(-x)) } else { libm::log(libm::expm1(x)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a / b - 1.0).abs() < tolerance, "{a} and {b}");
    }

    /// Values from Abramowitz and Stegun, table 26.2 and 7.1, and from 40-digit arithmetic.
    #[test]
    fn tails_agree_with_tables() {
        close(tail(1.0), 0.158_655_253_931_457_05, 1e-15);
        close(tail(10.0), 7.619_853_024_160_525e-24, 1e-13);
        close(tail(37.0), 5.725_571_222_524_577e-300, 1e-12);
        close(erfcx(0.5), 0.615_690_344_192_925_9, 1e-15);
        close(erfcx(5.0), 0.110_704_637_733_068_63, 2e-15);
        close(erfcx(30.0), 0.018_795_888_861_416_75, 1e-15);
        close(log_erfc(30.0), -903.974_117_110_643_9, 1e-15);
    }

    #[test]
    fn both_forms_meet_where_they_take_turns() {
        close(erfcx(12.0f64.next_down()), erfcx(12.0), 4e-15);
        close(log_erfc(5.0f64.next_down()), log_erfc(5.0), 1e-14);
        assert!(log_expm1(LN_2).abs() < 1e-15 && log_expm1(LN_2.next_up()).abs() < 1e-15);
        for x in [0.3, 1.0, 4.0, 20.0] {
            close(mills(x) * density(x), tail(x), 1e-13);
        }
    }

    #[test]
    fn sums_of_exponentials_do_not_overflow() {
        close(log_add(1000.0, 1000.0), 1000.0 + LN_2, 1e-15);
        assert_eq!(log_add(f64::NEG_INFINITY, 3.0), 3.0);
        assert_eq!(log_add(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
    }
}
