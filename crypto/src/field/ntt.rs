//! The number-theoretic transform over the 2^n-th roots of unity.
//!
//! Forward: coefficients c to values v_i = sum_j c_j w^(ij) for the specification's root w; natural
//! order on both sides (draft-irtf-cfrg-vdaf, `NttField`). Branches and indices depend on the
//! length alone.

use super::Field;
use crate::Error;

/// The twiddle factors of one length.
#[derive(Clone, Debug)]
pub struct Ntt<F> {
    /// w^0 .. w^(n-1) for the principal 2n-th root w of the *doubled* length: even powers are the
    /// roots of this one.
    roots: Vec<F>,
    inverse_len: F,
    log2_len: u32,
}

impl<F: Field> Ntt<F> {
    /// The transform of 2^`log2_len` points.
    ///
    /// # Errors
    /// [`Error::Transform`] when the field has no 2^(`log2_len` + 1)-th roots of unity.
    pub fn new(log2_len: u32) -> Result<Self, Error> {
        let fail = || Error::Transform { log2_len, limit: F::LOG2_ROOTS - 1 };
        let root = F::root(log2_len + 1).ok_or_else(fail)?;
        let len = 1usize.checked_shl(log2_len).ok_or_else(fail)?;
        let inverse_len = F::from_u128(len as u128).ok_or_else(fail)?.inverse();
        let roots =
            std::iter::successors(Some(F::ONE), |power| Some(*power * root)).take(len).collect();
        Ok(Self { roots, inverse_len, log2_len })
    }

    /// Number of points.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Coefficients to values at the powers of the root, in place.
    ///
    /// # Panics
    /// When `values` has another length than this transform.
    pub fn forward(&self, values: &mut [F]) {
        assert_eq!(values.len(), self.len(), "values of a transform");
        for i in 0..values.len() {
            let j = i.reverse_bits() >> (usize::BITS - self.log2_len).min(usize::BITS - 1);
            if i < j {
                values.swap(i, j);
            }
        }
        let mut half = 1;
        while half < values.len() {
            // w^(j n / (2 half)) of this length is the power 2 j n / (2 half) of the doubled one.
            let stride = self.len() / half;
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                let twiddles = self.roots.iter().step_by(stride);
                for ((a, b), twiddle) in low.iter_mut().zip(high).zip(twiddles) {
                    let product = *b * *twiddle;
                    (*a, *b) = (*a + product, *a - product);
                }
            }
            half *= 2;
        }
    }

    /// Values at the powers of the root to coefficients, in place.
    ///
    /// # Panics
    /// When `values` has another length than this transform.
    pub fn inverse(&self, values: &mut [F]) {
        self.forward(values);
        // The forward transform twice gives n c_(-i).
        if let Some(rest) = values.get_mut(1..) {
            rest.reverse();
        }
        for value in values {
            *value = *value * self.inverse_len;
        }
    }

    /// Given the values at the n-th roots of a polynomial of degree below n, writes those at the
    /// odd powers of the principal 2n-th root: odd\[i\] = f(w^(2i+1)).
    ///
    /// # Panics
    /// When either slice has another length than this transform.
    pub fn double(&self, values: &[F], odd: &mut [F]) {
        odd.copy_from_slice(values);
        self.inverse(odd);
        for (value, power) in odd.iter_mut().zip(&self.roots) {
            *value = *value * *power;
        }
        self.forward(odd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::poly::eval;
    use crate::field::{Field32, Field40, Field64, Field128};

    fn sample<F: Field>(len: usize, seed: u64) -> Vec<F> {
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                F::from_u64(state >> 33).unwrap() - F::from_u64(12_345).unwrap()
            })
            .map(|x| x * x * x)
            .collect()
    }

    fn check<F: Field>(sizes: u32) {
        for log2_len in 0..=sizes {
            let ntt = Ntt::<F>::new(log2_len).unwrap();
            let coefficients = sample::<F>(ntt.len(), 7);
            let mut values = coefficients.clone();
            ntt.forward(&mut values);
            let mut odd = coefficients.clone();
            ntt.double(&values, &mut odd);
            let root = F::root(log2_len + 1).unwrap();
            for i in (0..ntt.len()).step_by(1 + ntt.len() / 40) {
                let at = |power: usize| eval(&coefficients, root.pow(power as u128));
                assert_eq!(values[i], at(2 * i), "2^{log2_len} points, value {i}");
                assert_eq!(odd[i], at(2 * i + 1), "2^{log2_len} points, odd value {i}");
            }
            ntt.inverse(&mut values);
            assert_eq!(values, coefficients, "2^{log2_len} points, there and back");
        }
    }

    #[test]
    fn transforms_are_evaluations_at_the_roots() {
        check::<Field32>(11);
        check::<Field40>(11);
        check::<Field64>(12);
        check::<Field128>(11);
    }

    #[test]
    fn a_length_without_roots_is_an_error() {
        assert_eq!(
            Ntt::<Field32>::new(20).unwrap_err(),
            Error::Transform { log2_len: 20, limit: 19 }
        );
        assert!(Ntt::<Field128>::new(64).is_err());
    }
}
