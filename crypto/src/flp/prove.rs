//! The prover.
//!
//! With several proofs of one statement only the seeds differ, and a seed adds s_j L_0 to wire j
//! (L_0 is the Lagrange polynomial that is 1 at w^0). So with f_j the wires without seeds,
//!
//! > Q(f + s L_0) = Q(f) + L_0 <dual(s), f> + L_0^2 Q(s),
//!
//! where Q(f) is computed once, <dual(s), f> is the one polynomial through the inner products of
//! the seeds with each call's row, and Q(s) is a number. p has degree below 2P - 1 and is
//! interpolated from the 2P-th roots of unity: at the even ones (the P-th roots) its values are
//! those of the gadget on the rows, so only the odd ones need the wires transformed.

use zeroize::Zeroizing;

use super::{Basis, Gadget, Shape};
use crate::Error;
use crate::field::Field;
use crate::field::ntt::Ntt;
use crate::par;

/// The rows of wire values that a circuit feeds to its gadget.
pub trait Wires<F: Field>: Sync {
    /// Copies the values of the wires `from`, `from + 1`, ... of one call (from 0) into `out`.
    fn read(&self, call: usize, from: usize, out: &mut [F]);
}

/// Wire columns that are transformed together: their rows share cache lines.
const COLUMNS: usize = 8;

/// Appends to `proofs` one proof for every `shape.arity()` seeds.
///
/// # Errors
/// [`Error::Length`] when `seeds` is no multiple of the arity.
pub fn prove<F: Field, G: Gadget<F>, B: Basis<F>>(
    shape: &Shape,
    wires: &(impl Wires<F> + ?Sized),
    seeds: &[F],
    proofs: &mut Vec<F>,
) -> Result<(), Error> {
    let (arity, points) = (shape.arity(), shape.points());
    if !seeds.len().is_multiple_of(arity) {
        let (what, expected) = ("prover's seeds", seeds.len().next_multiple_of(arity));
        return Err(Error::Length { what, expected, got: seeds.len() });
    }
    let ntt = Ntt::new(shape.log2_points())?;
    let wide = Ntt::new(shape.log2_points() + 1)?;
    let odd = odd_values::<F, G>(shape, wires, &ntt);
    let rows = row_values::<F, G>(shape, wires, seeds);

    // L_0 at the odd roots.
    let mut unit = vec![F::ZERO; points];
    if let Some(first) = unit.first_mut() {
        *first = F::ONE;
    }
    let mut lagrange = vec![F::ZERO; points];
    ntt.double(&unit, &mut lagrange);

    let mut cross = Zeroizing::new(vec![F::ZERO; points]);
    let mut cross_odd = Zeroizing::new(vec![F::ZERO; points]);
    let mut values = Zeroizing::new(vec![F::ZERO; 2 * points]);
    for (index, seeds) in seeds.chunks_exact(arity).enumerate() {
        let seed_term = G::evaluate(seeds);
        // The cross term's polynomial is 0 at w^0 and past the calls.
        for (value, row) in cross.iter_mut().skip(1).zip(&rows) {
            *value = row.cross.get(index).copied().unwrap_or(F::ZERO);
        }
        ntt.double(&cross, &mut cross_odd);
        let even = std::iter::once(seed_term)
            .chain(rows.iter().map(|row| *row.gadget))
            .chain(std::iter::repeat(F::ZERO));
        let odd = odd.iter().zip(&lagrange).zip(cross_odd.iter());
        for ((pair, even), ((base, l), cross)) in values.chunks_exact_mut(2).zip(even).zip(odd) {
            if let [at_even, at_odd] = pair {
                *at_even = even;
                *at_odd = *base + *l * (*cross + *l * seed_term);
            }
        }
        B::encode(&mut values, &wide);
        proofs.extend_from_slice(seeds);
        proofs.extend(values.iter().take(B::len(shape.log2_points())));
    }
    Ok(())
}

/// What one row gives: the gadget's output and its inner product with every proof's dual seeds.
struct Row<F: Field> {
    gadget: Zeroizing<F>,
    cross: Zeroizing<Vec<F>>,
}

fn row_values<F: Field, G: Gadget<F>>(
    shape: &Shape,
    wires: &(impl Wires<F> + ?Sized),
    seeds: &[F],
) -> Vec<Row<F>> {
    let duals: Vec<_> = seeds.chunks_exact(shape.arity()).map(G::dual).collect();
    let tasks = (4 * par::width()).min(shape.calls());
    let step = shape.calls().div_ceil(tasks);
    let parts = par::map(tasks, |task| {
        let mut row = Zeroizing::new(vec![F::ZERO; shape.arity()]);
        (task * step..shape.calls().min((task + 1) * step))
            .map(|call| {
                wires.read(call, 0, &mut row);
                let cross = duals.iter().map(|dual| F::inner_product(dual, &row)).collect();
                Row { gadget: Zeroizing::new(G::evaluate(&row)), cross: Zeroizing::new(cross) }
            })
            .collect::<Vec<_>>()
    });
    parts.into_iter().flatten().collect()
}

/// Q of the wire polynomials without seeds, at the odd powers of the 2P-th root of unity.
fn odd_values<F: Field, G: Gadget<F>>(
    shape: &Shape,
    wires: &(impl Wires<F> + ?Sized),
    ntt: &Ntt<F>,
) -> Zeroizing<Vec<F>> {
    let points = shape.points();
    let groups = shape.arity().div_ceil(COLUMNS);
    let tasks = (4 * par::width()).min(groups);
    let step = groups.div_ceil(tasks);
    let parts = par::map(tasks, |task| {
        let mut sum = Zeroizing::new(vec![F::ZERO; points]);
        let mut columns = Zeroizing::new(vec![F::ZERO; COLUMNS * points]);
        let mut odd = Zeroizing::new(vec![F::ZERO; COLUMNS * points]);
        let mut row = [F::ZERO; COLUMNS];
        for group in task * step..groups.min((task + 1) * step) {
            let from = group * COLUMNS;
            let count = COLUMNS.min(shape.arity() - from);
            let Some(row) = row.get_mut(..count) else { continue };
            for call in 0..shape.calls() {
                wires.read(call, from, row);
                for (column, value) in columns.chunks_exact_mut(points).zip(row.iter()) {
                    if let Some(slot) = column.get_mut(call + 1) {
                        *slot = *value;
                    }
                }
            }
            let pairs = columns.chunks_exact(points).zip(odd.chunks_exact_mut(points));
            for (column, odd) in pairs.take(count) {
                ntt.double(column, odd);
            }
            if let Some(odd) = odd.get(..count * points) {
                G::add_columns(&mut sum, odd);
            }
        }
        zeroize::Zeroize::zeroize(&mut row);
        sum
    });
    let mut total = Zeroizing::new(vec![F::ZERO; points]);
    for part in &parts {
        F::add_vec(&mut total, part);
    }
    total
}
