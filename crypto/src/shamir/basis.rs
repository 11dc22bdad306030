//! Lagrange weights at zero.

use std::ops::Mul;

use zeroize::Zeroizing;

use super::{MAX_SHARES, Share};
use crate::Error;
use crate::field::Field;

/// How to reconstruct from one set of survivors, made once for as many secrets as there are.
///
/// f(0) = sum_i w_i f(x_i) with w_i = prod_{j != i} x_j / (x_j - x_i), over r points. Public.
#[derive(Clone, Debug)]
pub struct Basis<F: Field> {
    need: u32,
    indices: Vec<u32>,
    weights: Vec<F>,
}

impl<F: Field> Basis<F> {
    /// The basis over the first `need` of the survivors. About r^2 multiplications.
    ///
    /// # Errors
    /// On fewer survivors than that, an index twice or outside 1 to [`MAX_SHARES`].
    pub fn new(need: u32, survivors: &[u32]) -> Result<Self, Error> {
        check_indices(need, survivors)?;
        let indices: Vec<u32> = survivors.iter().copied().take(need as usize).collect();
        let weights = lagrange_at_zero(&indices, integer::<F>, F::inverse);
        Ok(Self { need, indices, weights })
    }

    /// The indices whose shares are used, in order.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The vector, from shares that begin with those of [`Basis::indices`], in that order; further
    /// ones are not looked at, and no share is checked against another.
    ///
    /// # Errors
    /// On too few shares, another index, threshold or length.
    pub fn reconstruct<'a>(
        &self,
        shares: impl IntoIterator<Item = &'a Share<F>>,
    ) -> Result<Zeroizing<Vec<F>>, Error> {
        let mut sum = Zeroizing::new(Vec::new());
        let mut got = 0;
        let mut first = None;
        for (share, index) in shares.into_iter().zip(&self.indices) {
            let differs = |what, expected: u32, got: u32| {
                let (expected, got) = (expected as usize, got as usize);
                Err(Error::ShareMismatch { index: share.index, what, expected, got })
            };
            if share.index != *index {
                return differs("its index", *index, share.index);
            }
            if share.need != self.need {
                return differs("its threshold", self.need, share.need);
            }
            share.agrees(first.get_or_insert(share))?;
            if sum.is_empty() {
                *sum = vec![F::ZERO; share.values.len()];
            }
            self.add(got, &share.values, &mut sum);
            got += 1;
        }
        if got < self.indices.len() {
            return Err(Error::TooFewShares { got, need: self.indices.len() });
        }
        Ok(sum)
    }

    /// One step of a reconstruction by pieces: adds the weighted piece of the share that is at
    /// `position` of [`Basis::indices`] to a sum that began at zero. Over all positions the sum is
    /// the vector's piece. Does nothing for a position past the last.
    pub fn add(&self, position: usize, piece: &[F], sum: &mut [F]) {
        let Some(weight) = self.weights.get(position) else { return };
        for (sum, value) in sum.iter_mut().zip(piece) {
            *sum += *weight * *value;
        }
    }
}

/// An integer as an element. Those used are at most [`MAX_SHARES`]^3, less than half of any modulus.
pub(super) fn integer<F: Field>(value: i64) -> F {
    F::from_i64(value).unwrap_or_default()
}

/// Checks that there are at least `need` indices, all different, from 1 to [`MAX_SHARES`].
pub(crate) fn check_indices(need: u32, indices: &[u32]) -> Result<(), Error> {
    super::Threshold::new(need, MAX_SHARES)?;
    let mut seen = [false; MAX_SHARES as usize];
    for &index in indices {
        let slot = (index as usize).checked_sub(1).and_then(|at| seen.get_mut(at));
        let seen = slot.ok_or(Error::ShareIndex { index, max: MAX_SHARES })?;
        if std::mem::replace(seen, true) {
            return Err(Error::DuplicateShare { index });
        }
    }
    if indices.len() < need as usize {
        return Err(Error::TooFewShares { got: indices.len(), need: need as usize });
    }
    Ok(())
}

/// Weights w_i with f(0) = sum w_i f(x_i) for all f of degree below the number of indices, which
/// are checked. `from` makes integers of absolute value up to [`MAX_SHARES`]^3 into elements.
pub(crate) fn lagrange_at_zero<T: Copy + Mul<Output = T>>(
    indices: &[u32],
    from: impl Fn(i64) -> T,
    invert: impl FnOnce(T) -> T,
) -> Vec<T> {
    let point = |index: &u32| from(i64::from(*index));
    let all = indices.iter().fold(from(1), |product, index| product * point(index));
    let mut weights = differences(indices, &from);
    for (weight, index) in weights.iter_mut().zip(indices) {
        *weight = *weight * point(index);
    }
    batch_invert(&mut weights, from(1), invert);
    weights.iter_mut().for_each(|weight| *weight = *weight * all);
    weights
}

/// prod_{j != i} (x_j - x_i) for each i: three factors at a time are multiplied as integers.
pub(super) fn differences<T: Copy + Mul<Output = T>>(
    indices: &[u32],
    from: impl Fn(i64) -> T,
) -> Vec<T> {
    let mut products = vec![from(1); indices.len()];
    // All products grow together, so that no multiplication waits for the one before it.
    for others in indices.chunks(3) {
        for (product, x) in products.iter_mut().zip(indices) {
            let factor = others.iter().fold(1, |factor, other| {
                let difference = i64::from(*other) - i64::from(*x);
                factor * if difference == 0 { 1 } else { difference }
            });
            *product = *product * from(factor);
        }
    }
    products
}

/// Inverts all with one inversion (Montgomery's trick). None may be zero.
pub(super) fn batch_invert<T>(values: &mut [T], one: T, invert: impl FnOnce(T) -> T)
where
    T: Copy + Mul<Output = T>,
{
    let mut product = one;
    let mut before = Vec::with_capacity(values.len());
    for value in values.iter() {
        before.push(product);
        product = product * *value;
    }
    let mut inverse = invert(product);
    for (value, before) in values.iter_mut().zip(before).rev() {
        let own = inverse * before;
        inverse = inverse * *value;
        *value = own;
    }
}
