//! How strongly attributes depend on each other, told from noisy tables: an empirical Bayes rule.
//!
//! A measured residual, in smooth contrasts (`contrasts`), has coordinates y with noise of
//! variance s^2. Its prior: a coordinate of roughness r is normal with variance A q^r around what
//! independence predicts. Which (A, q) how often occur is learned from all tables of the run together,
//! a mixture over a grid fitted by expectation-maximisation (the "g-modelling" of Efron, *Statistical
//! Science* 2014;29:285), so that a table is judged beside its like. Each coordinate then keeps the share
//! w of what was measured that the posterior gives to signal.
//!
//! The fit of [`super::inference`] takes w as the ridge v = (1 - w) / (w cells): at independence, where
//! the curvature of a coordinate is 1 / cells, the optimum keeps exactly w.

use super::ask::Table;
use super::contrasts::{self, Contrasts};
use super::{Attribute, resolution};

/// Variances A of the grid, as contingency a coordinate: 0, and from 1e-6 by half decades.
const SIZES: usize = 13;
/// Decays q of the grid.
const DECAYS: [f64; 5] = [1.0, 0.6, 0.35, 0.2, 0.1];
const SWEEPS: usize = 50;
/// A ridge beyond which a coordinate is as good as free of its measurement.
const MOST_RIDGE: f64 = 1e9;

/// A measured table and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Strength {
    /// Bases of its dimensions, in which the ridges are.
    pub(crate) bases: Vec<Contrasts>,
    /// v of the fit, one a coordinate.
    pub(crate) ridges: Vec<f64>,
    /// Expected squared length of the signal, in patients.
    pub(crate) energy: f64,
    /// Squared length of the kept part of what was measured.
    kept: f64,
    /// The noise's part of the measured squared length, m s^2.
    pub(crate) noise: f64,
    /// Cells of the table.
    pub(crate) cells: usize,
}

/// Coordinates of one roughness.
#[derive(Clone, Copy, Default)]
struct Level {
    count: f64,
    squares: f64,
}

/// A pair (A, q): the prior's variance of a coordinate, in shares of patients times cells.
fn grid() -> Vec<(f64, f64)> {
    let size = |i: usize| match i {
        0 => 0.0,
        _ => libm::pow(10.0, -6.0 + (i - 1) as f64 / 2.0),
    };
    (0..SIZES).flat_map(|i| DECAYS.iter().map(move |q| (size(i), *q))).collect()
}

/// Strengths of noisy tables, each judged beside the others. `shares[a]` are the one-way shares of
/// attribute a's levels.
pub(crate) fn strengths(
    tables: &[&Table],
    attributes: &[Attribute],
    shares: &[Vec<f64>],
    total: f64,
) -> Vec<Strength> {
    let bases: Vec<Vec<Contrasts>> = tables
        .iter()
        .map(|t| t.views.iter().map(|v| Contrasts::of(&attributes[v.attribute].order, v)).collect())
        .collect();
    let levels: Vec<Vec<Level>> =
        tables.iter().zip(&bases).map(|(t, bases)| observed(t, bases, shares, total)).collect();
    let grid = grid();
    // Prior variance and noise variance of a coordinate, both in patients squared.
    let variance = |table: &Table, (size, decay): (f64, f64), roughness: usize| {
        let scale = total * total / table.values.len() as f64;
        scale * size * libm::pow(decay, roughness as f64)
    };
    let likelihood = |table: &Table, levels: &[Level], at: (f64, f64)| -> f64 {
        let of = |(r, level): (usize, &Level)| {
            let v = variance(table, at, r) + table.sd * table.sd;
            -0.5 * (level.count * libm::log(v) + level.squares / v)
        };
        levels.iter().enumerate().filter(|(_, l)| l.count > 0.0).map(of).sum()
    };
    let logs: Vec<Vec<f64>> = tables
        .iter()
        .zip(&levels)
        .map(|(t, levels)| grid.iter().map(|at| likelihood(t, levels, *at)).collect())
        .collect();
    let posteriors = mixture(&logs);
    let mut found = Vec::with_capacity(tables.len());
    for (((table, bases), levels), posterior) in
        tables.iter().zip(bases).zip(&levels).zip(&posteriors)
    {
        let noise = table.sd * table.sd;
        let share = |r: usize| -> f64 {
            let of = |(at, p): (&(f64, f64), &f64)| {
                let v = variance(table, *at, r);
                p * v / (v + noise)
            };
            grid.iter().zip(posterior).map(of).sum()
        };
        let shares: Vec<f64> = (0..levels.len()).map(share).collect();
        let cells = table.values.len();
        let ridge = |w: f64| ((1.0 - w) / (w * cells as f64)).min(MOST_RIDGE);
        let ridges =
            contrasts::roughness(&bases).iter().map(|r| ridge(shares[*r as usize])).collect();
        let both = || levels.iter().zip(&shares);
        let kept: f64 = both().map(|(level, w)| w * w * level.squares).sum();
        let energy = kept + both().map(|(level, w)| level.count * w * noise).sum::<f64>();
        let noise = table.freedom() as f64 * noise;
        found.push(Strength { bases, ridges, energy, kept, noise, cells });
    }
    found
}

/// Coordinates of what was measured beyond independence, by roughness.
fn observed(table: &Table, bases: &[Contrasts], shares: &[Vec<f64>], total: f64) -> Vec<Level> {
    let mut expected = vec![total];
    for view in &table.views {
        let groups = resolution::merged(&shares[view.attribute], &view.groups, view.count);
        expected = expected.iter().flat_map(|e| groups.iter().map(move |g| e * g)).collect();
    }
    let beyond: Vec<f64> = table.values.iter().zip(&expected).map(|(y, e)| y - e).collect();
    let mut levels: Vec<Level> = Vec::new();
    for (r, y) in contrasts::roughness(bases).iter().zip(contrasts::coordinates(&beyond, bases)) {
        let r = *r as usize;
        if levels.len() <= r {
            levels.resize(r + 1, Level::default());
        }
        levels[r].count += 1.0;
        levels[r].squares += y * y;
    }
    levels
}

/// The probability of each point of a grid for each table, from its log likelihood at each point: how
/// often a point occurs is learned from all tables together.
pub(crate) fn mixture(logs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let points = logs.first().map_or(0, Vec::len);
    let mut weights = vec![1.0 / points as f64; points];
    let mut posteriors = posterior(logs, &weights);
    for _ in 0..SWEEPS {
        // As if one more table had been seen whose point could be any.
        let n = posteriors.len() as f64 + 1.0;
        for (g, weight) in weights.iter_mut().enumerate() {
            let sum: f64 = posteriors.iter().map(|p| p[g]).sum();
            *weight = (sum + 1.0 / points as f64) / n;
        }
        posteriors = posterior(logs, &weights);
    }
    posteriors
}

/// The probability of each point of the grid for each table.
fn posterior(logs: &[Vec<f64>], weights: &[f64]) -> Vec<Vec<f64>> {
    let of = |logs: &Vec<f64>| {
        let joint = || logs.iter().zip(weights).map(|(l, w)| l + libm::log(*w));
        let top = joint().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = joint().map(|l| libm::exp(l - top)).sum();
        joint().map(|l| libm::exp(l - top) / sum).collect()
    };
    logs.iter().map(of).collect()
}

impl Strength {
    /// Expected part of all patients, twice, whose cell the dependence changes, as if its deviations
    /// were normal ones: what the table is worth to total variation.
    pub(crate) fn benefit(&self, total: f64) -> f64 {
        (self.cells as f64 * self.kept).sqrt() / total
    }

    /// Pearson's mean square contingency of equal groups.
    pub(crate) fn contingency(&self, total: f64) -> f64 {
        self.cells as f64 * self.energy / (total * total)
    }
}

/// Mutual information of an exact table of two attributes, in nats.
pub(crate) fn information(measured: &Table) -> f64 {
    let [rows, columns] = measured.sizes()[..] else { return 0.0 };
    let total: f64 = measured.values.iter().sum();
    let sum = |cells: &mut dyn Iterator<Item = usize>| -> f64 {
        cells.map(|cell| measured.values[cell]).sum()
    };
    let by_row: Vec<f64> = (0..rows).map(|r| sum(&mut (r * columns..(r + 1) * columns))).collect();
    let by_column: Vec<f64> =
        (0..columns).map(|c| sum(&mut (0..rows).map(|r| r * columns + c))).collect();
    let mut nats = 0.0;
    for (cell, &count) in measured.values.iter().enumerate() {
        if count > 0.0 {
            let alone = by_row[cell / columns] * by_column[cell % columns];
            nats += count / total * libm::log(count * total / alone);
        }
    }
    nats
}

/// How well groups of equal numbers stand for a normal variable: the correlation of its first and
/// second Hermite polynomials with their means in `groups` quantile groups, a fit to 2 to 12 groups.
fn kept(groups: usize) -> (f64, f64) {
    let k = groups.max(1) as f64;
    ((1.0 - 1.4 / libm::pow(k, 1.9)).max(0.0), (1.0 - 2.2 / libm::pow(k, 1.3)).max(0.0))
}

/// The dependence that groups lose: squared contingency that a bivariate normal pair, whose contingency
/// in `seen` groups is `contingency`, has beyond `groups`.
pub(crate) fn lost(contingency: f64, seen: (usize, usize), groups: (usize, usize)) -> f64 {
    let product = |(a, b): (usize, usize)| {
        let ((l1, q1), (l2, q2)) = (kept(a), kept(b));
        (l1 * l2, q1 * q2)
    };
    let (linear, _) = product(seen);
    let squared = contingency / (linear * linear + contingency);
    let (linear, quadratic) = product(groups);
    let second = squared * squared / (1.05 - squared);
    squared * (1.0 - linear * linear) + second * (1.0 - quadratic * quadratic)
}

#[cfg(test)]
mod tests {
    use super::super::Order;
    use super::super::ask::{Form, View};
    use super::*;

    /// A residual over 6 x 6 groups: a smooth dependence of a size, and a wobble of standard deviation 1
    /// times `sd`.
    fn measured(size: f64, sd: f64, seed: usize) -> Table {
        let view = |attribute| View { attribute, groups: (0..6).collect(), count: 6 };
        let wobble = |i: usize| {
            let x = ((i + 1) as f64 * 12.9898 + seed as f64 * 78.233).sin() * 43_758.545_3;
            (x - x.floor() - 0.5) * 12f64.sqrt()
        };
        let cell = |i: usize| {
            let (a, b) = (i / 6, i % 6);
            size * (a as f64 - 2.5) * (b as f64 - 2.5) + sd * wobble(i)
        };
        let mut values: Vec<f64> = (0..36).map(cell).collect();
        super::super::table::centre(&mut values, &[6, 6]);
        Table { views: vec![view(0), view(1)], form: Form::Residual, values, sd }
    }

    fn judged(tables: &[Table]) -> Vec<Strength> {
        let order = Order::Chains(vec![(0..6).collect()]);
        let attributes = vec![Attribute { levels: 6, order }; 2];
        let shares = vec![vec![1.0 / 6.0; 6]; 2];
        strengths(&tables.iter().collect::<Vec<_>>(), &attributes, &shares, 1000.0)
    }

    #[test]
    fn dependence_is_kept_where_it_is_and_noise_is_not() {
        let mut tables: Vec<Table> = (0..12).map(|seed| measured(0.0, 8.0, seed)).collect();
        tables.push(measured(5.0, 8.0, 12));
        let found = judged(&tables);
        let (strong, weak) = (found[12].benefit(1000.0), &found[..12]);
        assert!(strong > 0.4, "{strong}");
        assert!(weak.iter().all(|w| w.benefit(1000.0) < 0.1 * strong));
        // The smooth coordinate is kept, the roughest is not: of the ridge, and of the curvature 1 / 36.
        let (first, last) = (found[12].ridges[0], found[12].ridges[24]);
        assert!(first * 36.0 < 0.1 && last * 36.0 > 1.0, "{first} {last}");
    }

    #[test]
    fn information_of_a_copy_is_the_entropy() {
        let mut table = measured(0.0, 0.0, 0);
        table.values = (0..36).map(|i| if i / 6 == i % 6 { 10.0 } else { 0.0 }).collect();
        assert!((information(&table) - 6f64.ln()).abs() < 1e-12);
        table.values = vec![3.0; 36];
        assert!(information(&table).abs() < 1e-12);
    }
}
