//! Tail probabilities and Wald intervals for reports.
//!
//! These numbers end in an output and never in a later query, so rule X3 does not bind them.

pub(crate) mod batch;
pub mod fisher;

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::gamma::checked_gamma_ur;

use crate::results::Term;

/// The 97.5 % quantile of the standard normal distribution (R: `qnorm(0.975)`).
pub const Z_975: f64 = 1.959_963_984_540_054;

/// Degrees of freedom from which a quantile of Student's t comes from its expansion about the normal
/// one. Counts come out of sums that one party can spoil, and a search for the quantile loses digits
/// with them and does not end for 10^18.
const LARGE_DF: f64 = 200.0;
/// Degrees of freedom beyond which Student's t is the normal distribution to five decimals.
const MOST_DF: f64 = 1e6;

/// Two-sided p value of a standard normal statistic.
#[must_use]
pub fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Upper tail of chi-square with `df` degrees of freedom; 1 for a statistic at or below 0.
#[must_use]
pub fn chi_square_upper(statistic: f64, df: u32) -> f64 {
    if statistic.is_nan() || df == 0 {
        return f64::NAN;
    }
    if statistic <= 0.0 {
        return 1.0;
    }
    if statistic.is_infinite() {
        return 0.0;
    }
    checked_gamma_ur(f64::from(df) / 2.0, statistic / 2.0).unwrap_or(f64::NAN)
}

/// A coefficient with its Wald interval and test.
#[must_use]
pub fn wald(name: &str, coef: f64, se: f64) -> Term {
    let z = coef / se;
    Term {
        name: name.to_owned(),
        coef,
        se,
        hr: libm::exp(coef),
        lo: libm::exp(coef - Z_975 * se),
        hi: libm::exp(coef + Z_975 * se),
        z,
        p: normal_two_sided(z),
    }
}

/// The 97.5 % quantile of Student's t (R: `qt(0.975, df)`); not a number without degrees of freedom.
/// Many of them: Abramowitz and Stegun 1972, 26.7.5, whose next term is below 10^-9.
#[must_use]
pub fn student_975(df: f64) -> f64 {
    if df < LARGE_DF {
        return StudentsT::new(0.0, 1.0, df).map_or(f64::NAN, |t| t.inverse_cdf(0.975));
    }
    let z = Z_975;
    let odd = |c: [f64; 4]| z * (c[0] + z * z * (c[1] + z * z * (c[2] + z * z * c[3])));
    let first = odd([1.0, 1.0, 0.0, 0.0]) / 4.0;
    let second = odd([3.0, 16.0, 5.0, 0.0]) / 96.0;
    let third = odd([-15.0, 17.0, 19.0, 3.0]) / 384.0;
    z + (first + (second + third / df) / df) / df
}

/// A coefficient of a linear model with its interval and test by Student's t. An effect on the
/// outcome itself is no ratio, so `hr`, `lo` and `hi` are the coefficient and its interval.
#[must_use]
pub fn student(name: &str, coef: f64, se: f64, df: u64) -> Term {
    let t = coef / se;
    let (quantile, p) = match StudentsT::new(0.0, 1.0, (df as f64).min(MOST_DF)) {
        Ok(distribution) if t.is_finite() => {
            (student_975(df as f64), 2.0 * distribution.cdf(-t.abs()))
        }
        _ => (f64::NAN, f64::NAN),
    };
    let (lo, hi) = (coef - quantile * se, coef + quantile * se);
    Term { name: name.to_owned(), coef, se, hr: coef, lo, hi, z: t, p }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_equal_r() {
        // R 4.2: 2 * pnorm(-1.96); pchisq(13.8037218872223, 2, lower = FALSE), from the oracle.
        assert!((normal_two_sided(1.96) - 0.049_995_790_296_440_9).abs() < 1e-12);
        assert!((normal_two_sided(Z_975) - 0.05).abs() < 1e-15);
        assert!(
            (chi_square_upper(13.803_721_887_222_3, 2) - 0.001_005_911_741_147_4).abs() < 1e-12
        );
    }

    #[test]
    fn quantiles_of_student_equal_r_and_end_for_any_degrees_of_freedom() {
        // R 4.2: qt(0.975, c(1, 20, 199.9, 200, 1333, 1e6)).
        let r = [
            (1.0, 12.706_204_736_174_7),
            (20.0, 2.085_963_447_265_86),
            (199.9, 1.971_902_228_375_93),
            (200.0, 1.971_896_223_633_91),
            (1333.0, 1.961_745_222_404_02),
            (1e6, 1.959_966_356_814_11),
        ];
        for (df, r) in r {
            assert!((student_975(df) - r).abs() < 1e-8, "{df}: {}", student_975(df));
        }
        for df in [1e9, 1e18, f64::MAX, f64::INFINITY] {
            assert!((student_975(df) - Z_975).abs() < 1e-8, "{df}: {}", student_975(df));
        }
        assert!(student_975(0.0).is_nan() && student_975(f64::NAN).is_nan());
        assert!(student("x", 1.0, 0.5, u64::MAX).p > 0.0455);
    }

    #[test]
    fn a_tail_of_something_that_is_not_a_number_is_not_a_number() {
        assert!(chi_square_upper(f64::NAN, 1).is_nan());
        assert!(chi_square_upper(1.0, 0).is_nan());
        assert!((chi_square_upper(-1.0, 1) - 1.0).abs() < f64::EPSILON);
    }
}
