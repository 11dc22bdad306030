//! Smooth contrasts: an orthonormal basis for tables in which dependence stands first.
//!
//! How one clinical number bears on another is mostly smooth: risk rises with age, it does not jump to
//! and fro from one bin to the next. In a cosine basis along an attribute's order (DCT-II: Ahmed,
//! Natarajan and Rao, *IEEE Trans. Computers* 1974;C-23:90) smooth dependence is in few coordinates of
//! low order, and noise, which is the same in every orthonormal basis, in all of them.

use super::Order;
use super::ask::View;

/// Rows of an orthonormal basis of the contrasts of a view's groups, each with its order, from 1.
#[derive(Clone, Debug)]
pub(crate) struct Contrasts {
    /// `[groups - 1][groups]`.
    pub(crate) rows: Vec<Vec<f64>>,
    /// 1: the smoothest. Contrasts between chains, and all of a nominal attribute, have order 1.
    pub(crate) orders: Vec<u32>,
}

impl Contrasts {
    /// The basis of a view of an attribute whose levels have this order.
    pub(crate) fn of(order: &Order, view: &View) -> Self {
        let chains = match order {
            Order::Nominal => vec![(0..view.count).collect()],
            Order::Chains(chains) => runs(chains, view),
        };
        let nominal = *order == Order::Nominal;
        let mut basis = Self { rows: Vec::new(), orders: Vec::new() };
        let mut before: Vec<usize> = Vec::new();
        for chain in &chains {
            if !before.is_empty() && !chain.is_empty() {
                // All chains before against this one.
                let (m, n) = (before.len() as f64, chain.len() as f64);
                let scale = (m * n / (m + n)).sqrt();
                let mut row = vec![0.0; view.count];
                before.iter().for_each(|g| row[*g] = scale / m);
                chain.iter().for_each(|g| row[*g] = -scale / n);
                basis.rows.push(row);
                basis.orders.push(1);
            }
            before.extend(chain);
            let n = chain.len() as f64;
            for p in 1..chain.len() {
                let mut row = vec![0.0; view.count];
                for (j, g) in chain.iter().enumerate() {
                    let angle = std::f64::consts::PI * p as f64 * (j as f64 + 0.5) / n;
                    row[*g] = (2.0 / n).sqrt() * libm::cos(angle);
                }
                basis.rows.push(row);
                basis.orders.push(if nominal { 1 } else { p as u32 });
            }
        }
        basis
    }

    /// The basis of all functions of the groups, unrotated: for tables that are no residuals.
    pub(crate) fn unit(groups: usize) -> Self {
        let row = |g: usize| (0..groups).map(|h| if g == h { 1.0 } else { 0.0 }).collect();
        Self { rows: (0..groups).map(row).collect(), orders: vec![1; groups] }
    }
}

/// The groups of a view in the order of each chain, each group in the chain of its first level.
fn runs(chains: &[Vec<u16>], view: &View) -> Vec<Vec<usize>> {
    let mut seen = vec![false; view.count];
    let mut run = |chain: &Vec<u16>| {
        let mut groups = Vec::new();
        for level in chain {
            let group = view.groups.get(usize::from(*level)).map_or(0, |g| usize::from(*g));
            if seen.get(group) == Some(&false) {
                seen[group] = true;
                groups.push(group);
            }
        }
        groups
    };
    chains.iter().map(&mut run).filter(|groups| !groups.is_empty()).collect()
}

/// Coordinates of a table's cells in a basis a dimension.
pub(crate) fn coordinates(cells: &[f64], bases: &[Contrasts]) -> Vec<f64> {
    let mut values = cells.to_vec();
    for (place, basis) in bases.iter().enumerate() {
        let outer = bases[..place].iter().map(|b| b.rows.len()).product();
        let stride =
            bases[place + 1..].iter().map(|b| b.rows.first().map_or(1, Vec::len)).product();
        let size = basis.rows.first().map_or(1, Vec::len);
        let mut next = vec![0.0; outer * basis.rows.len() * stride];
        for o in 0..outer {
            for (r, row) in basis.rows.iter().enumerate() {
                for (g, weight) in row.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                    for s in 0..stride {
                        next[(o * basis.rows.len() + r) * stride + s] +=
                            weight * values[(o * size + g) * stride + s];
                    }
                }
            }
        }
        values = next;
    }
    values
}

/// The cells that coordinates stand for: the transpose of [`coordinates`].
pub(crate) fn cells(coordinates: &[f64], bases: &[Contrasts]) -> Vec<f64> {
    let mut values = coordinates.to_vec();
    for (place, basis) in bases.iter().enumerate() {
        let size = basis.rows.first().map_or(1, Vec::len);
        let outer: usize =
            bases[..place].iter().map(|b| b.rows.first().map_or(1, Vec::len)).product();
        let stride: usize = bases[place + 1..].iter().map(|b| b.rows.len()).product();
        let mut next = vec![0.0; outer * size * stride];
        for o in 0..outer {
            for (r, row) in basis.rows.iter().enumerate() {
                for (g, weight) in row.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                    for s in 0..stride {
                        next[(o * size + g) * stride + s] +=
                            weight * values[(o * basis.rows.len() + r) * stride + s];
                    }
                }
            }
        }
        values = next;
    }
    values
}

/// By how much each coordinate's order exceeds the lowest, summed over the dimensions.
pub(crate) fn roughness(bases: &[Contrasts]) -> Vec<u32> {
    let mut sums = vec![0];
    for basis in bases {
        sums = sums.iter().flat_map(|s| basis.orders.iter().map(move |o| s + o - 1)).collect();
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_basis_is_orthonormal_and_orthogonal_to_constants() {
        let chains = Order::Chains(vec![vec![0, 2, 4, 6], vec![1, 3, 5, 7], vec![8]]);
        let groups = vec![0, 3, 0, 3, 1, 4, 2, 4, 5];
        for order in [Order::Nominal, chains] {
            let basis =
                Contrasts::of(&order, &View { attribute: 0, groups: groups.clone(), count: 6 });
            assert_eq!((basis.rows.len(), basis.orders.len()), (5, 5));
            for (i, a) in basis.rows.iter().enumerate() {
                assert!(a.iter().sum::<f64>().abs() < 1e-12);
                for (j, b) in basis.rows.iter().enumerate() {
                    let dot: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
                    assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn coordinates_keep_lengths_and_come_back() {
        let view = |count: usize| View { attribute: 0, groups: (0..count as u16).collect(), count };
        let line = |n: usize| Order::Chains(vec![(0..n as u16).collect()]);
        let bases = [Contrasts::of(&line(4), &view(4)), Contrasts::of(&Order::Nominal, &view(3))];
        let mut table: Vec<f64> = (0..12).map(|i| f64::from(i * i % 7)).collect();
        super::super::table::centre(&mut table, &[4, 3]);
        let rotated = coordinates(&table, &bases);
        let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
        assert_eq!(rotated.len(), 6);
        assert!((length(&rotated) - length(&table)).abs() < 1e-12);
        let back = cells(&rotated, &bases);
        assert!(back.iter().zip(&table).all(|(a, b)| (a - b).abs() < 1e-12));
        assert_eq!(roughness(&bases), [0, 0, 1, 1, 2, 2]);
    }
}
