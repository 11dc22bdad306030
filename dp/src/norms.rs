//! Exact norms of integer vectors, and what a bound in one norm says in another.
//!
//! Rules S1, S2. Noise is charged by the L2 distance that one patient makes (Gaussian) or the L1
//! distance (Laplace). A task may bound a patient in L1, in L2 or in every coordinate; from that
//! follows what the noise needs, by integer arithmetic rounded up. Truncation toward zero shortens
//! every coordinate or leaves it, hence no norm here grows by it.

use crate::units::Sensitivity;
use crate::{Error, Result};

/// |x|, without the branch on its sign that `i64::unsigned_abs` has in source: the sum that a site
/// answers with is secret.
#[inline(always)]
const fn magnitude(x: i64) -> u64 {
    let sign = x >> 63;
    (x ^ sign).wrapping_sub(sign) as u64
}

/// The exact L1 norm.
pub fn norm_l1(vector: &[i64]) -> u128 {
    // 2^64 coordinates of 2^63 do not overflow.
    vector.iter().map(|&x| u128::from(magnitude(x))).sum()
}

/// The exact squared L2 norm. Saturates at `u128::MAX`, which four coordinates of 2^63 reach and no
/// vector within a sensitivity does.
pub fn norm_squared(vector: &[i64]) -> u128 {
    vector.iter().fold(0_u128, |sum, &x| {
        let size = u128::from(magnitude(x));
        sum.saturating_add(size * size)
    })
}

/// The largest coordinate's magnitude.
pub fn norm_linf(vector: &[i64]) -> u64 {
    vector.iter().map(|&x| magnitude(x)).max().unwrap_or(0)
}

/// In which norm a patient's vector is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Norm {
    /// The sum of magnitudes.
    L1,
    /// The Euclidean norm.
    L2,
    /// The largest magnitude.
    Linf,
}

impl Norm {
    /// Whether an integer vector is within `bound`, exactly.
    pub fn is_within(self, vector: &[i64], bound: Sensitivity) -> bool {
        let bound = u128::from(bound.get());
        match self {
            Self::L1 => norm_l1(vector) <= bound,
            Self::L2 => norm_squared(vector) <= bound * bound,
            Self::Linf => u128::from(norm_linf(vector)) <= bound,
        }
    }

    /// The norm of reals that are at most 1 in magnitude, up to rounding.
    pub(crate) fn of_reals(self, vector: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::L1 => vector.map(f64::abs).sum(),
            Self::L2 => vector.map(|x| x * x).sum::<f64>().sqrt(),
            Self::Linf => vector.fold(0.0, |most, x| most.max(x.abs())),
        }
    }

    /// The L2 distance that follows from `bound` in this norm on vectors of `len` coordinates: what
    /// Gaussian noise is charged by.
    ///
    /// # Errors
    /// [`Error::SensitivityOutOfRange`] above 2^62 steps.
    pub fn in_l2(self, bound: Sensitivity, len: usize) -> Result<Sensitivity> {
        match self {
            Self::L1 | Self::L2 => Ok(bound),
            Self::Linf => times_root(bound, len),
        }
    }

    /// The L1 distance that follows from `bound` in this norm on vectors of `len` coordinates: what
    /// Laplace noise is charged by.
    ///
    /// # Errors
    /// [`Error::SensitivityOutOfRange`] above 2^62 steps.
    pub fn in_l1(self, bound: Sensitivity, len: usize) -> Result<Sensitivity> {
        match self {
            Self::L1 => Ok(bound),
            Self::L2 => times_root(bound, len),
            Self::Linf => {
                let steps = u128::from(bound.get()) * (len.max(1) as u128);
                sensitivity(steps)
            }
        }
    }
}

/// ceil(D sqrt(len)), exactly.
fn times_root(bound: Sensitivity, len: usize) -> Result<Sensitivity> {
    let d = u128::from(bound.get());
    // Beyond 128 bits the root is beyond 2^62 as well.
    (d * d).checked_mul(len.max(1) as u128).map_or_else(|| sensitivity(u128::MAX), root_up)
}

/// The L2 distance of two parts of a vector with these distances, rounded up.
///
/// # Errors
/// [`Error::SensitivityOutOfRange`] above 2^62 steps.
pub fn together(one: Sensitivity, other: Sensitivity) -> Result<Sensitivity> {
    let square = |d: Sensitivity| u128::from(d.get()) * u128::from(d.get());
    // Both squares are at most 2^124.
    root_up(square(one) + square(other))
}

/// The sensitivity that is the least root not below that of `square`.
fn root_up(square: u128) -> Result<Sensitivity> {
    let floor = square.isqrt();
    sensitivity(floor + u128::from(floor * floor < square))
}

fn sensitivity(steps: u128) -> Result<Sensitivity> {
    let refused = Error::SensitivityOutOfRange { steps: steps as f64 };
    u64::try_from(steps).map_err(|_| refused).and_then(Sensitivity::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(n: u64) -> Sensitivity {
        Sensitivity::new(n).unwrap()
    }

    #[test]
    fn norms_are_exact_and_saturate() {
        assert_eq!((norm_l1(&[3, -4]), norm_squared(&[3, -4]), norm_linf(&[3, -4])), (7, 25, 4));
        assert_eq!((norm_l1(&[]), norm_squared(&[]), norm_linf(&[])), (0, 0, 0));
        let least = [i64::MIN; 5];
        assert_eq!(norm_l1(&least), 5 << 63);
        assert_eq!(norm_squared(&least), u128::MAX);
        assert_eq!(norm_linf(&least), 1 << 63);
        assert_eq!(norm_squared(&[i64::MIN]), 1 << 126);
        let big = (1_i64 << 40) + 1;
        assert_eq!(norm_squared(&[big, 1]), (1 << 80) + (1 << 41) + 2);
    }

    #[test]
    fn roots_are_rounded_up_and_kept_where_exact() {
        assert_eq!(Norm::Linf.in_l2(steps(3), 4), Ok(steps(6)));
        assert_eq!(Norm::Linf.in_l2(steps(3), 5), Ok(steps(7)));
        assert_eq!(Norm::L2.in_l1(steps(10), 2), Ok(steps(15)));
        assert_eq!(Norm::Linf.in_l1(steps(3), 5), Ok(steps(15)));
        assert_eq!(Norm::L1.in_l2(steps(9), 100), Ok(steps(9)));
        assert_eq!(together(steps(3), steps(4)), Ok(steps(5)));
        assert_eq!(together(steps(3), steps(3)), Ok(steps(5)));
    }

    #[test]
    fn what_passes_the_largest_sensitivity_is_refused() {
        let most = steps(Sensitivity::MAX);
        assert!(Norm::Linf.in_l2(most, 2).is_err());
        assert!(Norm::Linf.in_l2(most, usize::MAX).is_err());
        assert!(Norm::Linf.in_l1(most, usize::MAX).is_err());
        assert!(together(most, steps(1 << 40)).is_err());
    }

    proptest! {
        #[test]
        fn a_bound_in_one_norm_holds_in_the_others(
            vector in prop::collection::vec(-1000_i64..1000, 1..20),
        ) {
            let len = vector.len();
            let tight = |norm| match norm {
                Norm::L1 => norm_l1(&vector),
                Norm::L2 => root_up(norm_squared(&vector)).map_or(0, |d| u128::from(d.get())),
                Norm::Linf => u128::from(norm_linf(&vector)),
            };
            for norm in [Norm::L1, Norm::L2, Norm::Linf] {
                let Ok(bound) = sensitivity(tight(norm)) else { continue };
                prop_assert!(norm.is_within(&vector, bound));
                prop_assert!(Norm::L2.is_within(&vector, norm.in_l2(bound, len).unwrap()));
                prop_assert!(Norm::L1.is_within(&vector, norm.in_l1(bound, len).unwrap()));
                if let Ok(less) = Sensitivity::new(bound.get() - 1) {
                    prop_assert!(!norm.is_within(&vector, less));
                }
            }
        }

        #[test]
        fn a_root_is_the_least_that_covers(square in 1_u128..1 << 124) {
            let root = u128::from(root_up(square).unwrap().get());
            prop_assert!(root * root >= square && (root - 1) * (root - 1) < square);
        }
    }
}
