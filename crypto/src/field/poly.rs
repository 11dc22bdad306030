//! Polynomials over a field: evaluation, and Lagrange's basis at the roots of unity.

use super::Field;

/// The value at `x` of the polynomial with these coefficients, constant first (Horner's rule).
#[must_use]
pub fn eval<F: Field>(coefficients: &[F], x: F) -> F {
    coefficients.iter().rev().fold(F::ZERO, |value, coefficient| value * x + *coefficient)
}

/// The first `count` Lagrange weights at `t` of the n = 2^`log2_len` roots of unity:
/// L_i(t) = w^i (t^n - 1) / (n (t - w^i)), so that a polynomial of degree below n has the value
/// sum_i f(w^i) L_i(t) at t. One inversion for all of them (Montgomery's trick).
///
/// The caller refuses a `t` that is a root itself (t^n = 1): the weights are all zero there. They
/// are none at all when the field has no such roots.
#[must_use]
pub fn root_weights<F: Field>(log2_len: u32, count: usize, t: F) -> Vec<F> {
    let (Some(root), Some(len)) = (F::root(log2_len), F::from_u128(1 << log2_len.min(127))) else {
        return Vec::new();
    };
    let mut power = F::ONE;
    let mut roots = Vec::with_capacity(count);
    // prefix[i] = product of (t - w^j) over j < i.
    let mut prefix = Vec::with_capacity(count);
    let mut product = F::ONE;
    for _ in 0..count {
        roots.push(power);
        prefix.push(product);
        product = product * (t - power);
        power = power * root;
    }
    let to_the_n = (0..log2_len).fold(t, |t, _| t * t);
    // At each step down this is (t^n - 1) / n over the product of (t - w^j), j <= i.
    let mut inverse = (product * len).inverse() * (to_the_n - F::ONE);
    for (prefix, root) in prefix.iter_mut().zip(&roots).rev() {
        let weight = *prefix * inverse * *root;
        inverse = inverse * (t - *root);
        *prefix = weight;
    }
    prefix
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::ntt::Ntt;
    use crate::field::{Field32, Field40, Field64, Field128};

    fn check<F: Field>(words: &[u64], t: u64) {
        let coefficients: Vec<F> =
            words.iter().map(|w| F::from_u64(u64::from(*w as u32) >> 1).unwrap()).collect();
        let t = F::from_u64(t >> 33).unwrap();
        let slow = coefficients
            .iter()
            .enumerate()
            .fold(F::ZERO, |sum, (i, c)| sum + *c * t.pow(i as u128));
        assert_eq!(eval(&coefficients, t), slow);
        let ntt = Ntt::<F>::new(4).unwrap();
        let mut values = coefficients;
        values.resize(16, F::ZERO);
        ntt.forward(&mut values);
        let weights = root_weights::<F>(4, 16, t);
        assert_eq!(F::inner_product(&values, &weights), slow);
        assert_eq!(root_weights::<F>(4, 5, t), weights[..5]);
        assert_eq!(root_weights::<F>(4, 3, F::root(4).unwrap()), [F::ZERO; 3]);
    }

    proptest! {
        #[test]
        fn values_at_the_roots_give_the_value_elsewhere(
            words in prop::collection::vec(any::<u64>(), 0..=16),
            t in (1u64 << 40)..,
        ) {
            check::<Field32>(&words, t);
            check::<Field40>(&words, t);
            check::<Field64>(&words, t);
            check::<Field128>(&words, t);
        }
    }
}
