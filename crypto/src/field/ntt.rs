//! The number-theoretic transform over the 2^n-th roots of unity.
//!
//! Stockham's form: each stage reads two contiguous halves and writes pairs of runs that double in
//! length, so there is no permutation and every stage is one loop over contiguous elements.
//!
//! Forward: coefficients c to values v_i = sum_j c_j w^(ij) for the specification's root w; natural
//! order on both sides (draft-irtf-cfrg-vdaf, `NttField`). Branches and indices depend on the
//! length alone.

use pulp::{Simd, WithSimd};
use zeroize::Zeroizing;

use super::{Field, vectorised};
use crate::Error;

/// Stages whose runs are shorter than a vector register.
const SHORT: u32 = 3;

/// The twiddle factors of one length.
#[derive(Clone, Debug)]
pub struct Ntt<F> {
    /// w^0 .. w^(n-1) for the principal 2n-th root w, of the *doubled* length.
    roots: Vec<F>,
    /// For the stages with runs of s = 1, 2, 4 elements: the n/2 factors of the stage, w^(2s(i/s)).
    short: Vec<F>,
    /// For each longer stage the factor of each run.
    long: Vec<F>,
    inverse_len: F,
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
        let roots: Vec<F> =
            std::iter::successors(Some(F::ONE), |power| Some(*power * root)).take(len).collect();
        let factor = |power: usize| roots.get(power).copied().unwrap_or(F::ONE);
        let stage = |log2: u32| {
            (0..len >> (log2 + 1))
                .map(move |run| (run, 2usize << log2))
                .map(|(run, by)| factor(run * by))
        };
        let short = (0..log2_len.min(SHORT))
            .flat_map(|log2| stage(log2).flat_map(move |w| std::iter::repeat_n(w, 1 << log2)))
            .collect();
        let long = (SHORT..log2_len.max(SHORT)).flat_map(stage).collect();
        Ok(Self { roots, short, long, inverse_len })
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
        let mut scratch = Zeroizing::new(vec![F::ZERO; values.len()]);
        pulp::Arch::new().dispatch(Stages { ntt: self, values, scratch: &mut scratch });
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
        vectorised(|| values.iter_mut().for_each(|v| *v = v.lane_mul(self.inverse_len)));
    }

    /// Given the values at the n-th roots of a polynomial of degree below n, writes those at the
    /// odd powers of the principal 2n-th root: odd\[i\] = f(w^(2i+1)).
    ///
    /// # Panics
    /// When either slice has another length than this transform.
    pub fn double(&self, values: &[F], odd: &mut [F]) {
        odd.copy_from_slice(values);
        self.inverse(odd);
        vectorised(|| {
            odd.iter_mut().zip(&self.roots).for_each(|(v, power)| *v = v.lane_mul(*power));
        });
        self.forward(odd);
    }
}

/// All stages of one transform, compiled for each set of vector instructions.
struct Stages<'a, F> {
    ntt: &'a Ntt<F>,
    values: &'a mut [F],
    scratch: &'a mut [F],
}

impl<F: Field> WithSimd for Stages<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let half = self.values.len() / 2;
        let (mut from, mut to) = (self.values, self.scratch);
        for (log2, factors) in self.ntt.short.chunks_exact(half.max(1)).enumerate() {
            let (sums, differences) = to.split_at_mut(half);
            let (low, high) = from.split_at(half);
            butterflies(low, high, sums, differences, factors);
            match log2 {
                0 => interleave::<F, 1>(sums, differences, from),
                1 => interleave::<F, 2>(sums, differences, from),
                _ => interleave::<F, 4>(sums, differences, from),
            }
        }
        let (mut run, mut long, mut moved) = (1 << SHORT, self.ntt.long.as_slice(), false);
        while run <= half {
            let Some((factors, rest)) = long.split_at_checked(half / run) else { return };
            let (low, high) = from.split_at(half);
            let runs = low.chunks_exact(run).zip(high.chunks_exact(run)).zip(factors);
            for (pair, ((low, high), factor)) in to.chunks_exact_mut(2 * run).zip(runs) {
                let (sums, differences) = pair.split_at_mut(run);
                butterflies_by(low, high, sums, differences, *factor);
            }
            (from, to) = (to, from);
            (run, long, moved) = (2 * run, rest, !moved);
        }
        if moved {
            to.copy_from_slice(from);
        }
    }
}

/// Runs of R sums and of R differences in turn.
#[inline(always)]
fn interleave<F: Field, const R: usize>(sums: &[F], differences: &[F], to: &mut [F]) {
    let runs = sums.as_chunks::<R>().0.iter().zip(differences.as_chunks::<R>().0);
    let pairs = to.as_chunks_mut::<R>().0.as_chunks_mut::<2>().0;
    for (pair, (sums, differences)) in pairs.iter_mut().zip(runs) {
        *pair = [*sums, *differences];
    }
}

/// sum_i = low_i + high_i and difference_i = w_i (low_i - high_i).
#[inline(always)]
fn butterflies<F: Field>(
    low: &[F],
    high: &[F],
    sums: &mut [F],
    differences: &mut [F],
    factors: &[F],
) {
    let (low, low_rest) = low.as_chunks();
    let (high, high_rest) = high.as_chunks();
    let (sums, sums_rest) = sums.as_chunks_mut();
    let (differences, differences_rest) = differences.as_chunks_mut();
    let (factors, factors_rest) = factors.as_chunks();
    let inputs = low.iter().zip(high).zip(factors);
    for ((sum, difference), ((low, high), factor)) in sums.iter_mut().zip(differences).zip(inputs) {
        (*sum, *difference) = butterfly::<F, 8>(low, high, factor);
    }
    let inputs = low_rest.iter().zip(high_rest).zip(factors_rest);
    let outputs = sums_rest.iter_mut().zip(differences_rest);
    for ((sum, difference), ((low, high), factor)) in outputs.zip(inputs) {
        ([*sum], [*difference]) = butterfly(&[*low], &[*high], &[*factor]);
    }
}

/// The same with one w, for a multiple of 8 elements.
#[inline(always)]
fn butterflies_by<F: Field>(
    low: &[F],
    high: &[F],
    sums: &mut [F],
    differences: &mut [F],
    factor: F,
) {
    let inputs = low.as_chunks().0.iter().zip(high.as_chunks().0);
    let outputs = sums.as_chunks_mut().0.iter_mut().zip(differences.as_chunks_mut().0);
    for ((sum, difference), (low, high)) in outputs.zip(inputs) {
        (*sum, *difference) = butterfly::<F, 8>(low, high, &[factor; 8]);
    }
}

/// A fixed number at once, which compilers turn into a few vector registers.
#[inline(always)]
fn butterfly<F: Field, const N: usize>(
    low: &[F; N],
    high: &[F; N],
    factor: &[F; N],
) -> ([F; N], [F; N]) {
    let (mut sum, mut difference) = ([F::ZERO; N], [F::ZERO; N]);
    for i in 0..N {
        sum[i] = low[i] + high[i];
        difference[i] = (low[i] - high[i]).lane_mul(factor[i]);
    }
    (sum, difference)
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
