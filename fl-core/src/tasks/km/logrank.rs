//! Observed and expected events by group, and the test that they give.

use super::curve::Table;
use crate::linalg::{Symmetric, triangle};
use crate::results::LogRank;
use crate::stat::chi_square_upper;

/// Observed and expected events of k groups with the hypergeometric covariance, over the times of
/// one stratum or added over strata.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Excess {
    pub(super) observed: Vec<f64>,
    pub(super) expected: Vec<f64>,
    /// Upper triangle of a k x k matrix.
    pub(super) covariance: Vec<f64>,
}

impl Excess {
    pub(super) fn zero(groups: usize) -> Self {
        Self {
            observed: vec![0.0; groups],
            expected: vec![0.0; groups],
            covariance: vec![0.0; triangle(groups)],
        }
    }

    /// Adds the times of one stratum, a table a group.
    pub(super) fn add(&mut self, tables: &[Table]) {
        for (observed, table) in self.observed.iter_mut().zip(tables) {
            *observed += table.events.iter().sum::<f64>();
        }
        let bins = tables.first().map_or(0, |table| table.events.len());
        for bin in 0..bins {
            let events: f64 = tables.iter().map(|table| table.events[bin]).sum();
            let total: f64 = tables.iter().map(|table| table.at_risk[bin]).sum();
            if events == 0.0 || total <= 0.0 {
                continue;
            }
            let spread = if total > 1.0 { events * (total - events) / (total - 1.0) } else { 0.0 };
            let mut places = self.covariance.iter_mut();
            for (j, table) in tables.iter().enumerate() {
                let share = table.at_risk[bin] / total;
                self.expected[j] += events * share;
                for (l, place) in (j..tables.len()).zip(places.by_ref()) {
                    let same = f64::from(u8::from(j == l));
                    *place += spread * share * (same - tables[l].at_risk[bin] / total);
                }
            }
        }
    }

    /// The k-sample test among the groups `present`: observed less expected events in the metric of
    /// their covariance. Its rank is one below the number of groups, so one group is dropped. `None`
    /// with fewer than two groups at risk of any event.
    pub(super) fn test(&self, names: &[String], present: &[bool]) -> Option<LogRank> {
        let groups: Vec<usize> =
            (0..names.len()).filter(|j| present.get(*j) == Some(&true)).collect();
        // R counts a group only when it was at risk at some event.
        let tested: Vec<usize> =
            groups.iter().copied().filter(|&j| self.expected[j] > 0.0).collect();
        let (_, kept) = tested.split_last()?;
        let df = u32::try_from(kept.len()).ok().filter(|df| *df > 0)?;
        let covariance = Symmetric::new(names.len(), self.covariance.clone())?;
        let upper = kept
            .iter()
            .enumerate()
            .flat_map(|(a, &j)| kept[a..].iter().map(move |&l| (j, l)))
            .map(|(j, l)| covariance.get(j, l))
            .collect();
        let difference: Vec<f64> =
            kept.iter().map(|&j| self.observed[j] - self.expected[j]).collect();
        let factor = Symmetric::new(kept.len(), upper)?.cholesky(1e-12).ok()?;
        let chisq = factor.solve(&difference).iter().zip(&difference).map(|(a, b)| a * b).sum();
        let of = |values: &[f64]| groups.iter().map(|&j| values[j]).collect::<Vec<f64>>();
        Some(LogRank {
            groups: groups.iter().map(|&j| names[j].clone()).collect(),
            observed: of(&self.observed),
            expected: of(&self.expected),
            chisq,
            df,
            p: chi_square_upper(chisq, df),
        })
    }
}
