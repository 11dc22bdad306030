//! The two circuits, over shares or in the clear (draft-chen-cfrg-vdaf-pine, PoC `flp_pine.py`).
//!
//! *Norm equality* (`PineValidNormEquality`): v - sum x_i^2, v read from its bits.
//!
//! *Validity* (`PineValid`), with joint randomness r_b, r_w, r_f:
//!
//! > sum_i r_b^i b_i (b_i - 1) + r_f (v + u - B^2)
//! > + r_f^2 sum_k r_w^k (S_k - (V_k - W + 1)) g_k + r_f^3 (sum_k g_k - successes),
//!
//! every claimed bit b is one; v and u both have the bits of B^2 and add up to it, so that v is in
//! \[0, B^2\] (PINE, Figure 1); where a check is said to have passed (g_k = 1) its result S_k is
//! V_k - W + 1 for V_k in \[0, 2W) (Figure 2, Remark 3.2); and enough are said to have passed.
//! Over one of N shares a constant c is c/N.

use zeroize::Zeroizing;

use super::params::{Layout, Params};
use crate::field::Field;
use crate::flp::Wires;

/// Joint randomness of one validity proof: r_b, r_w, r_f.
pub(crate) const JOINT: usize = 3;

/// Rows of wires laid end to end.
pub(crate) struct Flat<F: Field> {
    pub(crate) values: Zeroizing<Vec<F>>,
    pub(crate) arity: usize,
}

impl<F: Field> Wires<F> for Flat<F> {
    fn read(&self, call: usize, from: usize, out: &mut [F]) {
        let start = call * self.arity + from;
        if let Some(values) = self.values.get(start..start + out.len()) {
            out.copy_from_slice(values);
        }
    }
}

/// sum_i 2^i bits_i.
fn number<F: Field>(bits: &[F]) -> F {
    bits.iter().rev().fold(F::ZERO, |sum, bit| sum + sum + *bit)
}

fn element<F: Field>(value: u128) -> F {
    // Parameters are checked to be below the modulus.
    F::from_u128(value).unwrap_or(F::ZERO)
}

/// The share of v - sum x^2, given the bits and the gadget's outputs.
pub(crate) fn norm_equality<F: Field>(layout: &Layout, bits: &[F], outputs: &[F]) -> F {
    let squares = outputs.iter().fold(F::ZERO, |sum, output| sum + *output);
    number(bits.get(..layout.norm_bits).unwrap_or(&[])) - squares
}

/// One evaluation of the validity circuit.
pub(crate) struct Validity<'a, F> {
    pub(crate) params: &'a Params,
    pub(crate) layout: &'a Layout,
    /// A share of the measurement's bits.
    pub(crate) bits: &'a [F],
    /// 1 divided by the number of shares that the evaluation is over.
    pub(crate) one: F,
}

impl<F: Field> Validity<'_, F> {
    /// The bits of v, of u, and of every check with its success bit.
    fn parts(&self) -> (&[F], &[F], impl Iterator<Item = (&[F], F)>) {
        let (v, rest) = self.bits.split_at(self.layout.norm_bits.min(self.bits.len()));
        let (u, rest) = rest.split_at(self.layout.norm_bits.min(rest.len()));
        let checks = rest.chunks_exact(self.layout.check_bits).filter_map(|check| {
            let (success, result) = check.split_last()?;
            Some((result, *success))
        });
        (v, u, checks)
    }

    /// The rows that the gadget is called on: first the bits', then the checks'.
    pub(crate) fn wires(&self, dots: &[F], joint: [F; JOINT]) -> Flat<F> {
        let [r_bits, r_checks, _] = joint;
        let shape = &self.layout.validity;
        let mut values = Zeroizing::new(Vec::with_capacity(shape.arity() * shape.calls()));
        let mut power = F::ONE;
        for bit in self.bits {
            values.extend([power * *bit, *bit - self.one]);
            power = power * r_bits;
        }
        let rows = values.len().next_multiple_of(shape.arity());
        values.resize(rows, F::ZERO);
        let offset = element::<F>(self.layout.wrap_bound - 1) * self.one;
        let mut power = F::ONE;
        let (_, _, checks) = self.parts();
        for ((result, success), dot) in checks.zip(dots) {
            values.extend([power * (*dot - number(result) + offset), success]);
            power = power * r_checks;
        }
        values.resize(shape.arity() * shape.calls(), F::ZERO);
        Flat { values, arity: shape.arity() }
    }

    /// The circuit's output, given the gadget's.
    pub(crate) fn output(&self, outputs: &[F], joint: [F; JOINT]) -> F {
        let [_, _, r] = joint;
        let bit_calls = self.bits.len().div_ceil(self.params.chunk);
        let (bits, quadratic) = outputs.split_at(bit_calls.min(outputs.len()));
        let sum = |terms: &[F]| terms.iter().fold(F::ZERO, |sum, term| sum + *term);
        let (v, u, checks) = self.parts();
        let bound = u128::from(self.params.bound);
        let range = number(v) + number(u) - element::<F>(bound * bound) * self.one;
        let passed = checks.fold(F::ZERO, |sum, (_, success)| sum + success);
        let count = passed - element::<F>(self.params.successes as u128) * self.one;
        sum(bits) + r * (range + r * (sum(quadratic) + r * count))
    }
}
