//! Rows from a model, in the order of its junction tree.
//!
//! An attribute is drawn given those of its clique that are known already. Controlled rounding gives
//! each cell of a table either the whole number below or above its expectation, with the right
//! expectation, and keeps totals (Cox, *JASA* 1987;82:520): values are split in two, the rows that a
//! combination of known values sends to the first half are its expectation rounded, and neighbouring
//! combinations carry each other's remainder (ordered pivotal sampling: Deville and Tille, *Biometrika*
//! 1998;85:89). So a sample has less sampling noise than independent rows, and rows are not
//! independent of each other. Which patients they stand for is fixed by the noisy tables alone:
//! sampling is post-processing and its seed no secret.

use std::collections::BTreeMap;

use rand_core::Rng;

use super::graph::{Calibrated, GraphModel};
use super::{Error, table};

/// Rows of one sample.
pub const MOST_ROWS: usize = 10_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Draw {
    Controlled,
    Independent,
}

impl GraphModel {
    /// Rows of fine levels that meet a condition (for each of its attributes, the share of each level
    /// that it admits), by controlled rounding.
    ///
    /// # Errors
    /// When no patient of the model meets the condition, or the rows are too many.
    pub fn sample<R: Rng>(
        &self,
        rows: usize,
        allowed: &BTreeMap<usize, Vec<f64>>,
        rng: &mut R,
    ) -> Result<Vec<Vec<u16>>, Error> {
        self.calibrated(allowed)?.draw(rows, Draw::Controlled, rng)
    }

    /// As [`GraphModel::sample`], each row independent of all others.
    ///
    /// # Errors
    /// As [`GraphModel::sample`].
    pub fn sample_independent<R: Rng>(
        &self,
        rows: usize,
        allowed: &BTreeMap<usize, Vec<f64>>,
        rng: &mut R,
    ) -> Result<Vec<Vec<u16>>, Error> {
        self.calibrated(allowed)?.draw(rows, Draw::Independent, rng)
    }
}

/// A double in [0, 1).
fn unit<R: Rng>(rng: &mut R) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A whole number below `below`, by rejection.
fn below<R: Rng>(rng: &mut R, below: usize) -> usize {
    let below = below.max(1) as u64;
    let most = u64::MAX - u64::MAX % below;
    loop {
        let word = rng.next_u64();
        if word < most {
            return (word % below) as usize;
        }
    }
}

fn shuffle<T, R: Rng>(items: &mut [T], rng: &mut R) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last + 1));
    }
}

impl Calibrated<'_> {
    fn draw<R: Rng>(&self, rows: usize, draw: Draw, rng: &mut R) -> Result<Vec<Vec<u16>>, Error> {
        if rows > MOST_ROWS {
            return Err(Error::Method { reason: format!("{rows} rows, at most {MOST_ROWS}") });
        }
        let d = self.tree.sizes.len();
        let mut columns: Vec<Vec<u16>> = vec![Vec::new(); d];
        for (c, clique) in self.tree.cliques.iter().enumerate() {
            let mut known: Vec<usize> =
                clique.iter().copied().filter(|a| !columns[*a].is_empty()).collect();
            for &a in clique {
                if !columns[a].is_empty() || rows == 0 {
                    continue;
                }
                let mut joint = known.clone();
                joint.push(a);
                let sizes = &self.tree.sizes;
                let cells = joint.iter().map(|a| sizes[*a]).product();
                let map = table::projection(clique, &joint, sizes);
                let shares = table::sum(&self.marginals[c], &map, cells);
                let mut parents = vec![0usize; rows];
                for k in &known {
                    for (parent, &group) in parents.iter_mut().zip(&columns[*k]) {
                        *parent = *parent * sizes[*k] + usize::from(group);
                    }
                }
                let strata = strata(&columns, &known, rows);
                columns[a] = assign(&strata, &parents, &shares, sizes[a], draw, rng);
                known.push(a);
            }
        }
        for a in 0..d {
            let (groups, within) = (&self.model.groups[a], &self.within[a]);
            let levels = within.len();
            let mut shares = vec![0.0; self.tree.sizes[a] * levels];
            for (level, (&group, &share)) in groups.iter().zip(within).enumerate() {
                shares[usize::from(group) * levels + level] = share;
            }
            let parents: Vec<usize> = columns[a].iter().map(|group| usize::from(*group)).collect();
            let strata = strata(&columns, &[a], rows);
            columns[a] = assign(&strata, &parents, &shares, levels, draw, rng);
        }
        let row = |i: usize| columns.iter().filter_map(|c| c.get(i).copied()).collect();
        let mut all: Vec<Vec<u16>> = (0..rows).map(row).collect();
        shuffle(&mut all, rng);
        Ok(all)
    }
}

/// A number for each row, the same for equal rows, in the order of some columns first and then of all
/// others that are filled: so that a value is spread evenly over rows that are alike.
fn strata(columns: &[Vec<u16>], first: &[usize], rows: usize) -> Vec<usize> {
    let filled = |a: &usize| !first.contains(a) && !columns[*a].is_empty();
    let keys: Vec<usize> = first.iter().copied().chain((0..columns.len()).filter(filled)).collect();
    let compare = |i: &usize, j: &usize| {
        let by = |a: &usize| columns[*a][*i].cmp(&columns[*a][*j]);
        keys.iter().map(by).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    };
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(compare);
    let mut strata = vec![0; rows];
    let mut stratum = 0;
    for (place, row) in order.iter().enumerate() {
        if place > 0 && compare(&order[place - 1], row).is_ne() {
            stratum += 1;
        }
        strata[*row] = stratum;
    }
    strata
}

/// A value for every row, given its combination of known values (`parents`) and its stratum, of which
/// each has one combination; `shares` holds, for each combination, a number proportional to each
/// value's probability.
fn assign<R: Rng>(
    strata: &[usize],
    parents: &[usize],
    shares: &[f64],
    values: usize,
    draw: Draw,
    rng: &mut R,
) -> Vec<u16> {
    // Rows by stratum, in random order within each.
    let mut rows: Vec<usize> = (0..parents.len()).collect();
    shuffle(&mut rows, rng);
    rows.sort_by_key(|row| strata[*row]);
    let mut cells: Vec<Cell> = Vec::new();
    let mut last = None;
    for (place, row) in rows.iter().enumerate() {
        match cells.last_mut() {
            Some(cell) if last == Some(strata[*row]) => cell.rows += 1,
            _ => cells.push(Cell { parent: parents[*row], first: place, rows: 1 }),
        }
        last = Some(strata[*row]);
    }
    let mut drawn = vec![0u16; parents.len()];
    if draw == Draw::Controlled {
        split(&cells, shares, values, 0..values, &rows, &mut drawn, rng);
        return drawn;
    }
    for cell in &cells {
        let own = &shares[cell.parent * values..(cell.parent + 1) * values];
        let sum: f64 = own.iter().sum();
        for row in &rows[cell.first..cell.first + cell.rows] {
            let mut left = unit(rng) * sum;
            let mut chosen = None;
            for (value, share) in own.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                chosen = Some(value);
                left -= share;
                if left < 0.0 {
                    break;
                }
            }
            drawn[*row] = chosen.unwrap_or(0) as u16;
        }
    }
    drawn
}

/// Consecutive rows with one combination of known values.
#[derive(Clone, Copy)]
struct Cell {
    parent: usize,
    first: usize,
    rows: usize,
}

/// Gives each cell's rows values of a range, by halving it.
fn split<R: Rng>(
    cells: &[Cell],
    shares: &[f64],
    values: usize,
    range: std::ops::Range<usize>,
    rows: &[usize],
    drawn: &mut [u16],
    rng: &mut R,
) {
    if range.len() <= 1 {
        for cell in cells {
            for row in &rows[cell.first..cell.first + cell.rows] {
                drawn[*row] = range.start as u16;
            }
        }
        return;
    }
    let middle = range.start + range.len() / 2;
    let expected = |cell: &Cell| {
        let sum = |range: std::ops::Range<usize>| -> f64 {
            shares[cell.parent * values + range.start..cell.parent * values + range.end]
                .iter()
                .sum()
        };
        let (low, all) = (sum(range.start..middle), sum(range.clone()));
        let share = if all > 0.0 { low / all } else { 0.5 };
        cell.rows as f64 * share
    };
    let expected: Vec<f64> = cells.iter().map(expected).collect();
    let to_low = rounded(&expected, rng);
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for (cell, to_low) in cells.iter().zip(to_low) {
        let to_low = to_low.min(cell.rows);
        if to_low > 0 {
            low.push(Cell { rows: to_low, ..*cell });
        }
        if to_low < cell.rows {
            high.push(Cell { first: cell.first + to_low, rows: cell.rows - to_low, ..*cell });
        }
    }
    split(&low, shares, values, range.start..middle, rows, drawn, rng);
    split(&high, shares, values, middle..range.end, rows, drawn, rng);
}

/// Rounds each number up or down, keeping expectations and, to within one, the total of every run of
/// neighbours.
fn rounded<R: Rng>(expected: &[f64], rng: &mut R) -> Vec<usize> {
    let mut whole: Vec<usize> = expected.iter().map(|x| *x as usize).collect();
    let mut open: Option<(usize, f64)> = None;
    for (i, x) in expected.iter().enumerate() {
        let part = x - x.floor();
        if part <= 0.0 {
            continue;
        }
        let Some((j, other)) = open else {
            open = Some((i, part));
            continue;
        };
        let sum = part + other;
        open = if sum < 1.0 {
            // One of the two takes the other's part.
            let keeper = if unit(rng) * sum < other { j } else { i };
            Some((keeper, sum))
        } else {
            let (up, rest) = if unit(rng) * (2.0 - sum) < 1.0 - part { (j, i) } else { (i, j) };
            whole[up] += 1;
            (sum - 1.0 > 1e-12).then_some((rest, sum - 1.0))
        };
    }
    if let Some((i, part)) = open
        && unit(rng) < part
    {
        whole[i] += 1;
    }
    whole
}
