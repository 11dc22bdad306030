//! Counts of real patients, distances of tables, copies and histograms under the display rule.
//!
//! The virtual side of a table may be known, so an exact distance of its real side, and what chance
//! makes of it, can be solved for a hidden level. A generator without noise has the shares of the real
//! patients, so there the virtual side of a hidden level is hidden as well. So:
//!
//! - a level with few real patients is hidden, and the smallest other one where it could be found by
//!   subtraction ([`super::super::super::cells`]), with the virtual patients of both where these may be
//!   from a generator without noise;
//! - of a column with hidden levels the distances are those of the table in which these are one
//!   level. They follow from what is shown, so they tell nothing more; the whole distance is as large
//!   or larger;
//! - of a table of several columns the cells are not shown, so nothing can be joined: no distance and
//!   no association where a column has a hidden level; nor a mean over tables of which a single one
//!   is not shown;
//! - what else is a mean or a distance has the digits of the page, for more of them could be solved;
//! - histograms are in multiples of `min_cell`, and fewer patients than that are none.

use std::collections::BTreeSet;

use haima_fl_core::results::fidelity::{Column, Fidelity, Group, Pair, Workload};
use haima_fl_core::synth::metrics::distance::{by_chance, of_shares};

use super::super::super::cells::{Shown, suppress};
use super::super::super::numbers;
use super::{has_hidden, whole};

/// Digits of a column's distances, of means and of areas.
const OF_COLUMNS: i32 = 3;
/// Digits of what is said of a table of several columns.
const OF_TABLES: i32 = 2;

/// A comparison without what the display rule hides. `is_public`: all sums of the generator carry
/// noise, so its virtual patients may be shown whatever they are like.
pub(in super::super) fn fidelity(raw: &Fidelity, min_cell: u64, is_public: bool) -> Fidelity {
    let mut shown = raw.clone();
    hide_few(&mut shown.n, min_cell);
    if let Some(trees) = &mut shown.c2st {
        hide_few(&mut trees.n, min_cell);
    }
    if raw.noise.is_some() || min_cell <= 1 {
        return shown;
    }
    for column in &mut shown.columns {
        hide_levels(column, shown.n, min_cell, is_public);
    }
    let of_hidden = shown.columns.iter().filter(|column| has_hidden(column));
    let hidden: BTreeSet<String> = of_hidden.map(|column| column.name.clone()).collect();
    for pair in &mut shown.pairs {
        hide_pair(pair, &hidden, is_public);
    }
    for order in &mut shown.workload {
        hide_order(order, &shown.columns, &shown.pairs, &hidden);
    }
    let nearest = &mut shown.nearest;
    for group in std::iter::once(&mut nearest.training).chain(&mut nearest.holdout) {
        hide_group(group, min_cell);
    }
    if let Some(area) = &mut nearest.auc {
        cut(&mut area.value, OF_COLUMNS);
        for number in [&mut area.se, &mut area.lo, &mut area.hi].into_iter().flatten() {
            cut(number, OF_COLUMNS);
        }
    }
    if let Some(trees) = &mut shown.c2st {
        cut(&mut trees.auc, OF_COLUMNS);
    }
    shown
}

/// Hides a number of patients that is small.
fn hide_few(count: &mut f64, min_cell: u64) {
    if numbers::is_small(whole(*count), min_cell) {
        *count = f64::NAN;
    }
}

/// Leaves so many digits.
fn cut(number: &mut f64, digits: i32) {
    let scale = 10f64.powi(digits);
    *number = (*number * scale).round() / scale;
}

/// Hides a number, or leaves so many digits of it.
fn hide(number: &mut f64, is_hidden: bool, digits: i32) {
    match is_hidden {
        true => *number = f64::NAN,
        false => cut(number, digits),
    }
}

fn hide_levels(column: &mut Column, n: f64, min_cell: u64, is_public: bool) {
    let counts: Vec<Vec<u64>> = column.real.iter().map(|count| vec![whole(*count)]).collect();
    // A column that was read back has its hidden levels already.
    if !has_hidden(column) {
        let shown = suppress(&counts, true, min_cell).concat();
        for (count, shown) in column.real.iter_mut().zip(shown) {
            if !shown.is_printed() {
                *count = f64::NAN;
            }
        }
    }
    if has_hidden(column) {
        // One that was read back without its virtual side has these distances already.
        if !column.synthetic.iter().any(|drawn| drawn.is_nan()) {
            (column.tv, column.chance) = joined(column, n);
        }
        column.ks = None;
    }
    if !is_public {
        for (count, drawn) in column.real.iter().zip(&mut column.synthetic) {
            if count.is_nan() {
                *drawn = f64::NAN;
            }
        }
    }
    for number in [&mut column.tv, &mut column.chance].into_iter().chain(&mut column.ks) {
        cut(number, OF_COLUMNS);
    }
}

/// Distance, and what chance makes of it, of the table in which a column's hidden levels are one; NaN
/// where no other level is left.
fn joined(column: &Column, n: f64) -> (f64, f64) {
    let (mut real, mut synthetic, mut rest) = (Vec::new(), Vec::new(), 0.0_f64);
    for (count, drawn) in column.real.iter().zip(&column.synthetic) {
        if count.is_nan() {
            rest += drawn;
        } else {
            real.push(*count);
            synthetic.push(*drawn);
        }
    }
    if real.is_empty() {
        return (f64::NAN, f64::NAN);
    }
    real.push((n - real.iter().sum::<f64>()).max(0.0));
    synthetic.push(rest);
    let m: f64 = synthetic.iter().sum();
    (of_shares(&real, n, &synthetic, m), by_chance(&real, n, &synthetic, m, 0.0))
}

/// Whether a table has a column with a hidden level.
fn covers<'a>(hidden: &BTreeSet<String>, columns: impl IntoIterator<Item = &'a String>) -> bool {
    columns.into_iter().any(|name| hidden.contains(name))
}

fn hide_pair(pair: &mut Pair, hidden: &BTreeSet<String>, is_public: bool) {
    let is_hidden = covers(hidden, [&pair.a, &pair.b]);
    for number in [&mut pair.tv, &mut pair.chance] {
        hide(number, is_hidden, OF_TABLES);
    }
    for (real, synthetic) in [&mut pair.association, &mut pair.correlation].into_iter().flatten() {
        hide(real, is_hidden, OF_TABLES);
        hide(synthetic, is_hidden && !is_public, OF_TABLES);
    }
}

fn hide_order(order: &mut Workload, columns: &[Column], pairs: &[Pair], hidden: &BTreeSet<String>) {
    if order.degree == 1 {
        return hide_one_way(order, columns, hidden);
    }
    for table in &mut order.worst {
        let is_hidden = covers(hidden, &table.columns);
        for number in [&mut table.tv, &mut table.chance] {
            hide(number, is_hidden, OF_TABLES);
        }
    }
    let shown = match order.degree {
        2 => pairs.iter().filter(|pair| !covers(hidden, [&pair.a, &pair.b])).count(),
        _ => order.worst.iter().filter(|table| !covers(hidden, &table.columns)).count(),
    };
    let single = !hidden.is_empty() && order.tables == shown as u64 + 1;
    for number in [&mut order.tv, &mut order.chance].into_iter().chain(&mut order.shuffled) {
        hide(number, single, OF_COLUMNS);
    }
    // A number that is hidden is none, here as in JSON.
    order.shuffled = order.shuffled.filter(|shuffled| shuffled.is_finite());
}

/// Distances of single columns are those that the columns show, and their mean is the mean of these.
fn hide_one_way(order: &mut Workload, columns: &[Column], hidden: &BTreeSet<String>) {
    for table in &mut order.worst {
        let own = columns.iter().find(|column| table.columns.contains(&column.name));
        (table.tv, table.chance) =
            own.map_or((f64::NAN, f64::NAN), |column| (column.tv, column.chance));
    }
    if !hidden.is_empty() {
        let count = match order.tables == columns.len() as u64 {
            true => columns.len() as f64,
            false => f64::NAN,
        };
        order.tv = columns.iter().map(|column| column.tv).sum::<f64>() / count;
        order.chance = columns.iter().map(|column| column.chance).sum::<f64>() / count;
    }
    for number in [&mut order.tv, &mut order.chance] {
        cut(number, OF_COLUMNS);
    }
}

fn hide_group(group: &mut Group, min_cell: u64) {
    let (copies, n) = (whole(group.copies), whole(group.n));
    let both = [vec![copies], vec![n.saturating_sub(copies)]];
    let shown = suppress(&both, true, min_cell).concat();
    if !shown.first().copied().is_some_and(Shown::is_printed) {
        group.copies = f64::NAN;
    }
    hide_few(&mut group.n, min_cell);
    for counts in [&mut group.distances, &mut group.ratios] {
        *counts = rounded(counts, min_cell);
    }
}

/// A histogram whose running sums are multiples of `min_cell`, but for the last; few are none.
fn rounded(counts: &[f64], min_cell: u64) -> Vec<f64> {
    let base = min_cell as f64;
    let total: f64 = counts.iter().sum();
    let (mut sum, mut before) = (0.0_f64, 0.0_f64);
    let own = counts.iter().map(|count| {
        sum += count;
        let shown = match sum {
            few if few < base => 0.0,
            all if all >= total => total,
            some => ((some / base).round() * base).min(total),
        };
        let own = shown - before;
        before = shown;
        own
    });
    own.collect()
}

#[cfg(test)]
mod tests {
    use haima_fl_core::results::fidelity::Scale;

    use super::*;

    fn column(real: &[f64], synthetic: &[f64]) -> Column {
        Column {
            name: "a".into(),
            scale: Scale::Levels,
            levels: vec![String::new(); real.len()],
            missing: false,
            real: real.to_vec(),
            synthetic: synthetic.to_vec(),
            tv: 0.123_456,
            chance: 0.01,
            ks: Some(0.1),
        }
    }

    #[test]
    fn distances_of_a_column_with_hidden_levels_are_the_same_whatever_is_hidden() {
        let synthetic = [20.0, 30.0, 40.0, 10.0];
        let shown = |real: &[f64]| {
            let mut column = column(real, &synthetic);
            hide_levels(&mut column, real.iter().sum(), 5, true);
            let hidden: Vec<bool> = column.real.iter().map(|count| count.is_nan()).collect();
            (hidden, column.tv, column.chance, column.ks)
        };
        // 3 of 100 beside the smallest of the others, and every other way to have 12 in both.
        let first = shown(&[30.0, 58.0, 9.0, 3.0]);
        assert_eq!(first.0, [false, false, true, true]);
        for few in [1.0, 2.0, 4.0] {
            assert_eq!(shown(&[30.0, 58.0, 12.0 - few, few]), first);
        }
        // Shares of 0.30, 0.58 and 0.12 beside 0.20, 0.30 and 0.50.
        assert_eq!((first.1, first.3), (0.38, None));
        // Where all are hidden nothing is left to compare; where none is, the digits of the page are.
        let mut two = column(&[3.0, 57.0], &[50.0, 50.0]);
        hide_levels(&mut two, 60.0, 5, true);
        assert!(two.tv.is_nan() && two.chance.is_nan());
        assert_eq!(shown(&[25.0; 4]).1, 0.123);
    }

    #[test]
    fn virtual_patients_that_may_have_the_real_shares_are_hidden_with_the_real_ones() {
        let hidden = |is_public: bool| {
            let mut column = column(&[140.0, 97.0, 3.0], &[1167.0, 808.0, 25.0]);
            hide_levels(&mut column, 240.0, 5, is_public);
            column
        };
        let [public, other] = [true, false].map(hidden);
        assert_eq!(public.synthetic, [1167.0, 808.0, 25.0]);
        assert_eq!(other.synthetic[0], 1167.0);
        assert!(other.synthetic[1].is_nan() && other.synthetic[2].is_nan(), "{other:?}");
        assert_eq!((other.tv, other.chance), (public.tv, public.chance));
        let mut again = other.clone();
        hide_levels(&mut again, 240.0, 5, false);
        assert_eq!((again.tv, again.chance), (other.tv, other.chance));
    }

    #[test]
    fn few_patients_of_a_histogram_are_none_and_its_end_is_whole() {
        assert_eq!(rounded(&[3.0, 1.0, 4.0, 0.0, 90.0, 1.0], 5), [0.0, 0.0, 10.0, 0.0, 89.0, 0.0]);
        assert_eq!(rounded(&[1.0, 2.0, 0.0], 5), [0.0; 3]);
        for counts in [vec![3.0, 1.0, 4.0, 0.0, 90.0, 1.0], vec![7.0, 6.0, 1.0], vec![178.0, 1.0]] {
            let once = rounded(&counts, 5);
            assert_eq!(rounded(&once, 5), once, "{counts:?}");
            assert_eq!(once.iter().sum::<f64>(), counts.iter().sum::<f64>());
        }
    }
}
