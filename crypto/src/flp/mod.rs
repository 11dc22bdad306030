//! Fully linear proofs: a prover who knows x convinces verifiers who hold additive shares of x and
//! of the proof that a circuit C of few quadratic gates gives C(x) = 0, and nothing else.
//!
//! Source: Boneh, Boyle, Corrigan-Gibbs, Gilboa, Ishai, "Zero-Knowledge Proofs on Secret-Shared
//! Data via Fully Linear PCPs" (CRYPTO 2019), Theorem 4.3, in the form of
//! draft-irtf-cfrg-vdaf-11, section 7.3 (`FlpBBCGGI19`), for circuits with one gadget.
//!
//! # How it goes
//! A circuit calls its gadget Q on M rows of `arity` wires. With P the least power of two above M
//! and w a principal P-th root of unity, wire polynomial f_j has degree below P, the value
//! x\[k\]\[j\] at w^k for call k = 1..M, the prover's random *seed* s_j at w^0, and 0 at the other
//! roots. The proof is the seeds and the gadget polynomial p = Q(f_0, f_1, ...), of degree at most
//! 2(P-1). Everything a verifier does is linear in (x, proof), so it is done on shares: it reads
//! the gate outputs p(w^k) off the proof, and evaluates every f_j and p at its random point t. The
//! sum of the verifiers' answers is checked in the clear: C's output is 0, and
//! Q(f_0(t), f_1(t), ...) = p(t).
//!
//! # What it proves, and what it assumes
//! *Soundness*: a false statement passes with probability at most
//! 2(P-1)/(q-P) over t (two different polynomials of degree 2(P-1) agree there), plus the
//! probability, over joint randomness, that the circuit maps a false statement to 0; n proofs with
//! independent randomness: the n-th power. t must be unknown to the prover when it commits.
//! *Zero knowledge*: t is no P-th root of unity ([`Query::new`] refuses it), the seeds are uniform
//! and used once; then what verifiers see reveals only that C(x) = 0.
//! Verifiers follow the protocol; a verifier that lies can make a bad proof pass.
//!
//! # Costs
//! The prover transforms `arity` wires once however many proofs it makes ([`prove()`]); a verifier
//! needs O(`arity` + P) memory and one multiplication a wire value ([`Query`]).

pub mod gadget;
mod prove;
mod query;

pub use gadget::{Gadget, Products, Squares};
pub use prove::{Wires, prove};
pub use query::{Query, decide};

use crate::Error;
use crate::field::Field;
use crate::field::ntt::Ntt;
use crate::field::poly;

/// How a gadget polynomial is written in a proof. Draft 11 has coefficients; later drafts have
/// values at roots of unity, which would be a second implementation.
pub trait Basis<F: Field> {
    /// Elements of a gadget polynomial for P = 2^`log2_points`.
    fn len(log2_points: u32) -> usize;

    /// From the values at the 2P-th roots of unity (`wide` is their transform), in place; the
    /// encoding is the first [`Basis::len`] elements.
    fn encode(values: &mut [F], wide: &Ntt<F>);

    /// The values at the P-th roots of unity.
    fn at_roots(polynomial: &[F], ntt: &Ntt<F>) -> Vec<F>;

    /// The value at t.
    fn at(polynomial: &[F], t: F) -> F;
}

/// Coefficients, constant first: 2(P-1) + 1 of them (draft-irtf-cfrg-vdaf-11).
#[derive(Clone, Copy, Debug)]
pub enum Monomial {}

impl<F: Field> Basis<F> for Monomial {
    fn len(log2_points: u32) -> usize {
        (1usize << (log2_points + 1)) - 1
    }

    fn encode(values: &mut [F], wide: &Ntt<F>) {
        wide.inverse(values);
    }

    fn at_roots(polynomial: &[F], ntt: &Ntt<F>) -> Vec<F> {
        // X^P = 1 at the P-th roots.
        let (low, high) = polynomial.split_at(ntt.len().min(polynomial.len()));
        let mut folded = low.to_vec();
        F::add_vec(&mut folded, high);
        ntt.forward(&mut folded);
        folded
    }

    fn at(polynomial: &[F], t: F) -> F {
        poly::eval(polynomial, t)
    }
}

/// The size of one circuit's proof: wires a call, and calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    arity: usize,
    calls: usize,
}

impl Shape {
    /// A gadget of `arity` wires called `calls` times.
    ///
    /// # Errors
    /// [`Error::Parameter`] for none of either, and for more calls than the field has roots of
    /// unity for.
    pub fn new<F: Field>(arity: usize, calls: usize) -> Result<Self, Error> {
        if arity == 0 {
            let (got, min, max) = (0, 1, usize::MAX as u128);
            return Err(Error::Parameter { what: "wires of a gadget", got, min, max });
        }
        // The prover's transform has 2P points, and our table of it the roots of twice as many.
        let max = (1u128 << F::LOG2_ROOTS.saturating_sub(2).min(40)) - 1;
        if calls == 0 || calls as u128 > max {
            let (what, got) = ("calls of a gadget (use longer chunks)", calls as u128);
            return Err(Error::Parameter { what, got, min: 1, max });
        }
        Ok(Self { arity, calls })
    }

    /// Wires of the gadget; also the number of seeds of one proof.
    #[must_use]
    pub fn arity(&self) -> usize {
        self.arity
    }

    /// Calls of the gadget.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// log2 of P, the least power of two that is at least 1 + calls.
    #[must_use]
    pub fn log2_points(&self) -> u32 {
        usize::BITS - self.calls.leading_zeros()
    }

    /// P.
    #[must_use]
    pub fn points(&self) -> usize {
        1 << self.log2_points()
    }

    /// Elements of one proof: seeds, then the gadget polynomial.
    #[must_use]
    pub fn proof_len<F: Field, B: Basis<F>>(&self) -> usize {
        self.arity + B::len(self.log2_points())
    }

    /// Elements of one verifier: the circuit's output, the wires at t, the gadget polynomial at t.
    #[must_use]
    pub fn verifier_len(&self) -> usize {
        self.arity + 2
    }
}

#[cfg(test)]
mod tests;
