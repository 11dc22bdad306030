//! Ranking by counts on bins: areas under the curve and the spread of Harrell's C. Scores of one
//! bin are ties and count a half.

use crate::results::validation::Share;
use crate::stat::Z_975;
use crate::tasks::concordance::pairs::Pairs;

/// For each bin, how many of `others` lie below it, its own counting a half.
fn below(others: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let middle = |count: &f64| {
        sum += count;
        sum - count / 2.0
    };
    others.iter().map(middle).collect()
}

/// The share of pairs of a case and a control in which the case lies higher; `None` without pairs.
/// Cases may carry weights.
pub(super) fn area(cases: &[f64], controls: &[f64]) -> Option<f64> {
    let pairs = cases.iter().sum::<f64>() * controls.iter().sum::<f64>();
    let won: f64 = cases.iter().zip(below(controls)).map(|(case, below)| case * below).sum();
    (pairs > 0.0 && pairs.is_finite()).then(|| (won / pairs).clamp(0.0, 1.0))
}

/// The area with its standard error after DeLong, DeLong and Clarke-Pearson (*Biometrics*
/// 1988;44:837): the variances of the cases' and of the controls' placements among the others.
pub(crate) fn area_with_error(cases: &[f64], controls: &[f64]) -> Option<Share> {
    let area = area(cases, controls)?;
    let (m, n): (f64, f64) = (cases.iter().sum(), controls.iter().sum());
    let spread = |own: &[f64], others: &[f64], total: f64, centre: f64| -> f64 {
        let squares = own.iter().zip(below(others)).map(|(count, below)| {
            let placement = below / total - centre;
            count * placement * placement
        });
        squares.sum()
    };
    let of_cases = spread(cases, controls, n, area) / (m - 1.0) / m;
    let of_controls = spread(controls, cases, m, 1.0 - area) / (n - 1.0) / n;
    Some(share(area, (of_cases + of_controls).sqrt()))
}

/// A share with its Wald interval, held within 0 and 1.
pub(super) fn share(value: f64, se: f64) -> Share {
    let known = se.is_finite();
    Share {
        value,
        se: known.then_some(se),
        lo: known.then(|| (value - Z_975 * se).max(0.0)),
        hi: known.then(|| (value + Z_975 * se).min(1.0)),
    }
}

/// Harrell's C of a table of cells `(bin * intervals + interval) * 2 + event`, with the standard
/// error of R's `survival::concordance`: the infinitesimal jackknife, the sum over patients of
/// `((concordant - C comparable) / pairs)^2` over the pairs that each takes part in. `None` when no
/// pair is comparable.
pub(super) fn concordance(table: &[f64], bins: usize, intervals: usize) -> Option<(Share, f64)> {
    let pairs = Pairs::count(table, bins, intervals);
    if !(pairs.comparable > 0.0 && pairs.comparable.is_finite() && pairs.concordant.is_finite()) {
        return None;
    }
    let c = (pairs.concordant / pairs.comparable).clamp(0.0, 1.0);
    let cell = |bin: usize, interval: usize, event: usize| {
        table.get((bin * intervals + interval) * 2 + event).copied().unwrap_or(0.0)
    };
    // By cell, the concordant less C times the comparable pairs of one of its patients.
    let mut excess = vec![0.0; bins * intervals * 2];
    let place =
        |bin: usize, interval: usize, event: usize| (bin * intervals + interval) * 2 + event;
    // As the one with the event, among those who outlived it.
    let mut later = vec![0.0; bins];
    for interval in (0..intervals).rev() {
        later.iter_mut().enumerate().for_each(|(bin, n)| *n += cell(bin, interval, 0));
        let all: f64 = later.iter().sum();
        for (bin, below) in below(&later).into_iter().enumerate() {
            excess[place(bin, interval, 1)] += below - c * all;
        }
        later.iter_mut().enumerate().for_each(|(bin, n)| *n += cell(bin, interval, 1));
    }
    // As the one who outlived events, which are concordant when they lie in a higher bin.
    let mut earlier = vec![0.0; bins];
    for interval in 0..intervals {
        for event in [1, 0] {
            let all: f64 = earlier.iter().sum();
            for (bin, below) in below(&earlier).into_iter().enumerate() {
                excess[place(bin, interval, event)] += all - below - c * all;
            }
            if event == 1 {
                earlier.iter_mut().enumerate().for_each(|(bin, n)| *n += cell(bin, interval, 1));
            }
        }
    }
    let squares: f64 = table.iter().zip(&excess).map(|(count, own)| count * own * own).sum();
    Some((share(c, squares.sqrt() / pairs.comparable), pairs.comparable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_counts_ties_a_half_and_needs_both_classes() {
        assert_eq!(area(&[1.0, 0.0, 2.0], &[1.0, 1.0, 0.0]), Some((0.5 + 2.0 * 2.0) / 6.0));
        assert_eq!(area(&[0.0, 3.0], &[0.0, 5.0]), Some(0.5));
        assert_eq!(area(&[0.0, 0.0], &[4.0, 5.0]), None);
        assert_eq!(area_with_error(&[1.0, 0.0], &[0.0, 3.0]).unwrap().se, None);
    }
}
