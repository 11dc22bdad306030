//! Gadgets: the quadratic forms a proof is about. Both are the `ParallelSum` of
//! draft-irtf-cfrg-vdaf-11 (section 7.3.4.4) over a fixed inner gadget.
//!
//! A gadget is a quadratic form Q of its wires, and the prover needs one more thing of it: the
//! linear form <dual(s), w> = Q(w + s) - Q(w) - Q(s), by which seeds are added to wires after
//! the squares have been summed without them.

use zeroize::Zeroizing;

use crate::field::Field;

/// A sum of products of wires.
pub trait Gadget<F: Field> {
    /// Wires that one summand takes.
    const WIDTH: usize;

    /// Q(wires): the sum over all groups of `WIDTH` wires.
    fn evaluate(wires: &[F]) -> F;

    /// The vector dual(s) of Q(w + s) = Q(w) + <dual(s), w> + Q(s).
    fn dual(seeds: &[F]) -> Zeroizing<Vec<F>>;

    /// Adds the gadget of wire *polynomials*, each given by its values at the same points:
    /// `sum[i] += Q(columns[i], columns[n + i], ...)` for columns of n = `sum.len()` values.
    fn add_columns(sum: &mut [F], columns: &[F]);
}

/// x_0^2 + x_1^2 + ...: `ParallelSum(PolyEval([0, 0, 1]), chunk)`.
#[derive(Clone, Copy, Debug)]
pub enum Squares {}

impl<F: Field> Gadget<F> for Squares {
    const WIDTH: usize = 1;

    fn evaluate(wires: &[F]) -> F {
        F::sum_of_squares(wires)
    }

    fn dual(seeds: &[F]) -> Zeroizing<Vec<F>> {
        Zeroizing::new(seeds.iter().map(|seed| *seed + *seed).collect())
    }

    fn add_columns(sum: &mut [F], columns: &[F]) {
        for column in columns.chunks_exact(sum.len().max(1)) {
            for (sum, value) in sum.iter_mut().zip(column) {
                *sum += *value * *value;
            }
        }
    }
}

/// x_0 x_1 + x_2 x_3 + ...: `ParallelSum(Mul(), chunk)`.
#[derive(Clone, Copy, Debug)]
pub enum Products {}

impl<F: Field> Gadget<F> for Products {
    const WIDTH: usize = 2;

    fn evaluate(wires: &[F]) -> F {
        wires.chunks_exact(2).fold(F::ZERO, |sum, pair| match pair {
            [a, b] => sum + *a * *b,
            _ => sum,
        })
    }

    fn dual(seeds: &[F]) -> Zeroizing<Vec<F>> {
        let mut dual = Zeroizing::new(seeds.to_vec());
        for pair in dual.chunks_exact_mut(2) {
            pair.reverse();
        }
        dual
    }

    fn add_columns(sum: &mut [F], columns: &[F]) {
        let len = sum.len().max(1);
        for pair in columns.chunks_exact(2 * len) {
            let (a, b) = pair.split_at(len);
            for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
                *sum += *a * *b;
            }
        }
    }
}
