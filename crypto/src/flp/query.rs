//! The verifier: a linear function of its shares of the wires and of the proof, and the decision
//! on the sum of all verifiers' answers.

use std::marker::PhantomData;

use zeroize::Zeroizing;

use super::{Basis, Gadget, Shape};
use crate::Error;
use crate::field::Field;
use crate::field::ntt::Ntt;
use crate::field::poly::root_weights;

/// One proof being queried at one point, while wire values stream past.
///
/// Memory is O(arity + P): wire polynomial j at t is sum_k L_k(t) x\[k\]\[j\] over calls k, so each
/// wire value is multiplied by its call's Lagrange weight and added, in any order.
pub struct Query<F: Field, B> {
    shape: Shape,
    weights: Vec<F>,
    wires: Zeroizing<Vec<F>>,
    outputs: Zeroizing<Vec<F>>,
    gadget_at_t: F,
    basis: PhantomData<B>,
}

impl<F: Field, B: Basis<F>> Query<F, B> {
    /// Opens the query of one share of a proof at the point t.
    ///
    /// # Errors
    /// [`Error::Length`] for a proof of another length, [`Error::QueryPoint`] when t is a P-th root
    /// of unity: the answer would tell a wire's value.
    pub fn new(shape: &Shape, proof: &[F], t: F) -> Result<Self, Error> {
        let expected = shape.proof_len::<F, B>();
        let short = Error::Length { what: "proof", expected, got: proof.len() };
        if proof.len() != expected {
            return Err(short);
        }
        if t.pow(shape.points() as u128) == F::ONE {
            return Err(Error::QueryPoint { points: shape.points() });
        }
        let (seeds, polynomial) = proof.split_at_checked(shape.arity()).ok_or(short)?;
        let ntt = Ntt::new(shape.log2_points())?;
        let mut weights = root_weights(shape.log2_points(), shape.calls() + 1, t);
        let mut wires = Zeroizing::new(vec![F::ZERO; shape.arity()]);
        let first = if weights.is_empty() { F::ZERO } else { weights.remove(0) };
        F::add_scaled(&mut wires, first, seeds);
        let mut outputs = Zeroizing::new(B::at_roots(polynomial, &ntt));
        outputs.truncate(shape.calls() + 1);
        let gadget_at_t = B::at(polynomial, t);
        Ok(Self { shape: *shape, weights, wires, outputs, gadget_at_t, basis: PhantomData })
    }

    /// This share of the gadget's output at every call.
    #[must_use]
    pub fn outputs(&self) -> &[F] {
        self.outputs.get(1..).unwrap_or(&[])
    }

    /// Adds to `sum` (one element a wire) what a run of wire values contributes to the wires at t.
    /// The run starts at position `at` of the rows laid end to end. `&self`: several threads may
    /// each have a sum of their own, for [`Query::add`].
    pub fn weigh(&self, at: usize, values: &[F], sum: &mut [F]) {
        let arity = self.shape.arity();
        let (mut call, mut wire) = (at / arity, at % arity);
        let mut rest = values;
        while !rest.is_empty() {
            let count = rest.len().min(arity - wire);
            let (run, tail) = rest.split_at(count);
            let (Some(weight), Some(sum)) = (self.weights.get(call), sum.get_mut(wire..)) else {
                return;
            };
            F::add_scaled(sum, *weight, run);
            (rest, call, wire) = (tail, call + 1, 0);
        }
    }

    /// Takes in a sum made by [`Query::weigh`].
    pub fn add(&mut self, sum: &[F]) {
        F::add_vec(&mut self.wires, sum);
    }

    /// Appends this share of the verifier: `output` is its share of the circuit's output.
    pub fn finish(self, output: F, verifier: &mut Vec<F>) {
        verifier.push(output);
        verifier.extend_from_slice(&self.wires);
        verifier.push(self.gadget_at_t);
    }
}

/// Whether the sum of all shares of a verifier accepts.
#[must_use]
pub fn decide<F: Field, G: Gadget<F>>(shape: &Shape, verifier: &[F]) -> bool {
    match verifier {
        [output, wires @ .., gadget] if wires.len() == shape.arity() => {
            *output == F::ZERO && G::evaluate(wires) == *gadget
        }
        _ => false,
    }
}
