//! Two Kaplan-Meier curves: how far apart, in which direction, and how far each reaches.
//!
//! Optimism, divergence and short-sightedness are those of Norcliffe et al. (SurvivalGAN, AISTATS
//! 2023), with the integrals of the step functions taken exactly instead of on a grid of points. A
//! curve goes on past its last time at its last height.

use crate::results::{Curve, LogRank};
use crate::stat::chi_square_upper;

/// How a virtual curve lies beside the real one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Mean height of the virtual curve above the real one: above 0 virtual patients live longer.
    pub optimism: f64,
    /// Mean distance of the curves, whichever is higher.
    pub divergence: f64,
    /// By how much, as a share of `until`, virtual follow-up ends before real; below 0 after it.
    pub short_sightedness: f64,
    /// End of the later follow-up: means are over all time up to it.
    pub until: f64,
}

/// Compares two curves; `None` where neither has a time above 0.
#[must_use]
pub fn compare(real: &Curve, synthetic: &Curve) -> Option<Comparison> {
    let last = |curve: &Curve| curve.time.last().copied().unwrap_or(0.0);
    let until = last(real).max(last(synthetic));
    if !(until > 0.0 && until.is_finite()) {
        return None;
    }
    let (mut optimism, mut divergence, mut before) = (0.0, 0.0, 0.0);
    let (mut real_steps, mut synthetic_steps) = (Steps::new(real), Steps::new(synthetic));
    let mut times: Vec<f64> = real.time.iter().chain(&synthetic.time).copied().collect();
    times.sort_by(f64::total_cmp);
    for time in times {
        let difference = synthetic_steps.before(time) - real_steps.before(time);
        optimism += difference * (time - before);
        divergence += difference.abs() * (time - before);
        before = time;
    }
    Some(Comparison {
        optimism: optimism / until,
        divergence: divergence / until,
        short_sightedness: (last(real) - last(synthetic)) / until,
        until,
    })
}

/// A curve read from left to right.
struct Steps<'a> {
    rows: std::iter::Peekable<std::iter::Zip<std::slice::Iter<'a, f64>, std::slice::Iter<'a, f64>>>,
    height: f64,
}

impl<'a> Steps<'a> {
    fn new(curve: &'a Curve) -> Self {
        Self { rows: curve.time.iter().zip(&curve.surv).peekable(), height: 1.0 }
    }

    /// Height just before `time`; times must not descend.
    fn before(&mut self, time: f64) -> f64 {
        while let Some((_, height)) = self.rows.next_if(|(own, _)| **own < time) {
            self.height = *height;
        }
        self.height
    }
}

/// The log-rank test between the two, on the times of both, which must be of one grid. Virtual
/// patients are no sample of a population: the test tells whether a reader of that many patients
/// would see a difference, and with enough rows any difference is one.
#[must_use]
pub fn logrank(real: &Curve, synthetic: &Curve) -> LogRank {
    let mut times: Vec<f64> = real.time.iter().chain(&synthetic.time).copied().collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let (mut left, mut right) = (Counts::new(real), Counts::new(synthetic));
    let (mut observed, mut expected, mut variance) = ([0.0; 2], [0.0; 2], 0.0);
    for time in times {
        let ((n1, d1), (n2, d2)) = (left.at(time), right.at(time));
        let (n, d) = (n1 + n2, d1 + d2);
        if d <= 0.0 || n <= 0.0 {
            continue;
        }
        observed = [observed[0] + d1, observed[1] + d2];
        expected = [expected[0] + d * n1 / n, expected[1] + d * n2 / n];
        if n > 1.0 {
            variance += d * (n1 / n) * (n2 / n) * (n - d) / (n - 1.0);
        }
    }
    let difference = observed[0] - expected[0];
    let chisq = if variance > 0.0 { difference * difference / variance } else { f64::NAN };
    LogRank {
        groups: vec!["real".to_owned(), "synthetic".to_owned()],
        observed: observed.to_vec(),
        expected: expected.to_vec(),
        chisq,
        df: 1,
        p: chi_square_upper(chisq, 1),
    }
}

/// Numbers at risk and events of a curve, read from left to right.
struct Counts<'a> {
    curve: &'a Curve,
    row: usize,
}

impl<'a> Counts<'a> {
    fn new(curve: &'a Curve) -> Self {
        Self { curve, row: 0 }
    }

    /// At risk just before `time`, and events at it; times must ascend.
    fn at(&mut self, time: f64) -> (f64, f64) {
        let Curve { time: times, n_risk, n_event, .. } = self.curve;
        while times.get(self.row).is_some_and(|own| *own < time) {
            self.row += 1;
        }
        let count = |counts: &[u64]| counts.get(self.row).map_or(0.0, |count| *count as f64);
        let events = if times.get(self.row) == Some(&time) { count(n_event) } else { 0.0 };
        (count(n_risk), events)
    }
}
