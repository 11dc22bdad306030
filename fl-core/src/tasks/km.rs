//! Kaplan-Meier curves and the k-sample log-rank test, from one secure sum of counts.
//!
//! Kaplan and Meier, *JASA* 1958;53:457; Greenwood 1926; Mantel 1966 and Peto and Peto 1972 for
//! the test, as in R's `survfit` and `survdiff`. Times are rounded *up* to a public grid, and each
//! site counts events and censorings in each interval and group. On a grid as fine as the data's
//! unit the result is R's to the last digit.
//!
//! # Bound
//! A patient adds 1 to a single count of the block `counts`: norm 1.

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, refuse};
use super::survival::{Groups, Survival};
use crate::error::Error;
use crate::linalg::Symmetric;
use crate::results::{Curve, Curves, LogRank};
use crate::schema::Schema;
use crate::stat::{Z_975, chi_square_upper};
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "km";
/// Version of its query.
pub const VERSION: u32 = 1;

const MOST_INTERVALS: f64 = 1e6;
/// Share of an interval by which a time may pass an edge through rounding of `time / grid`.
const EDGE: f64 = 1e-9;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    time: String,
    event: String,
    by: Option<String>,
    grid: f64,
}

/// Curves by group on a public time grid.
#[derive(Debug)]
pub struct KaplanMeier {
    survival: Survival,
    groups: Groups,
    grid: f64,
    /// Grid times, time 0 included.
    bins: usize,
}

impl KaplanMeier {
    /// The curves of these parameters: `time`, `event`, `grid` and optionally `by`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let survival = Survival::new(NAME, schema, &params.time, &params.event)?;
        let groups = Groups::new(NAME, schema, params.by.as_deref())?;
        let intervals = survival.max_time / params.grid;
        if !(params.grid > 0.0 && params.grid.is_finite() && intervals <= MOST_INTERVALS) {
            return Err(refuse(
                NAME,
                format!("`grid` must be above 0 and give at most {MOST_INTERVALS} intervals"),
            ));
        }
        let bins = interval(survival.max_time, params.grid) + 1;
        let task = Self { survival, groups, grid: params.grid, bins };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    /// Coordinate of a count: group, then bin, then event (0) or censoring (1).
    fn place(&self, group: usize, bin: usize, event: bool) -> usize {
        (group * self.bins + bin) * 2 + usize::from(!event)
    }

    fn len(&self) -> usize {
        self.groups.names.len() * self.bins * 2
    }
}

/// The number of the grid time to which `time` is rounded up.
pub(super) fn interval(time: f64, grid: f64) -> usize {
    let share = time / grid;
    let nearest = share.round();
    let up =
        if (share - nearest).abs() <= EDGE * nearest.max(1.0) { nearest } else { share.ceil() };
    up as usize
}

impl Task for KaplanMeier {
    type State = ();
    type Output = Curves;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        Query {
            task: NAME.to_owned(),
            version: VERSION,
            blocks: vec![layout::count_block(), layout::counts("counts", self.len(), 1.0)],
            sensitivity: None,
            rate: 1.0,
            bytes: Vec::new(),
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        layout::from_bytes(query, 0)?;
        let (mut patients, mut events) = (0, 0);
        let mut counts = vec![0.0; self.len()];
        for i in 0..site.cohort.len() {
            let Some((time, event)) = self.survival.of(site.cohort, i) else { continue };
            let Some(group) = self.groups.of(site.cohort, i) else { continue };
            let bin = interval(time, self.grid).min(self.bins - 1);
            patients += 1;
            events += usize::from(event);
            counts[self.place(group, bin, event)] += 1.0;
        }
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        let blocks = [layout::count_values(patients, events), counts];
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Curves>, Error> {
        let counts = layout::read_counts(sum)?;
        let values = layout::block(sum, "counts", self.len())?;
        let tables: Vec<Table> = values.chunks_exact(self.bins * 2).map(Table::new).collect();
        let right = match &self.groups.column {
            None => "1",
            Some(column) => column,
        };
        Ok(Next::Done(Curves {
            schema: "haima.km/1".to_owned(),
            formula: format!("Surv({}, {}) ~ {right}", self.survival.time, self.survival.event),
            grid: self.grid,
            n: counts.patients,
            events: counts.events,
            sites: counts.sites,
            curves: (self.groups.names.iter().zip(&tables))
                .map(|(name, table)| table.curve(name, self.grid))
                .collect(),
            logrank: log_rank(&self.groups.names, &tables),
        }))
    }
}

/// The counts of a group at each grid time.
struct Table {
    events: Vec<f64>,
    censored: Vec<f64>,
    /// At risk just before each grid time.
    at_risk: Vec<f64>,
}

impl Table {
    fn new(counts: &[f64]) -> Self {
        let pick = |offset| counts.iter().copied().skip(offset).step_by(2).collect::<Vec<f64>>();
        let (events, censored) = (pick(0), pick(1));
        let mut at_risk: Vec<f64> = (events.iter().zip(&censored).rev())
            .scan(0.0, |later, (event, censored)| {
                *later += event + censored;
                Some(*later)
            })
            .collect();
        at_risk.reverse();
        Self { events, censored, at_risk }
    }

    fn patients(&self) -> f64 {
        self.at_risk.first().copied().unwrap_or(0.0)
    }

    /// Survival by the product limit, with Greenwood's standard error and R's default interval
    /// on the log scale. Once nobody is left (survival 0) they are not numbers, as in R.
    fn curve(&self, name: &str, grid: f64) -> Curve {
        let mut curve = Curve {
            group: name.to_owned(),
            n: layout::whole(self.patients()),
            time: Vec::new(),
            n_risk: Vec::new(),
            n_event: Vec::new(),
            n_censor: Vec::new(),
            surv: Vec::new(),
            se: Vec::new(),
            lo: Vec::new(),
            hi: Vec::new(),
            median: None,
        };
        let (mut surv, mut greenwood) = (1.0, 0.0);
        let counts = self.events.iter().zip(&self.censored).zip(&self.at_risk);
        for (bin, ((&events, &censored), &at_risk)) in counts.enumerate() {
            if events == 0.0 && censored == 0.0 {
                continue;
            }
            surv *= 1.0 - events / at_risk;
            greenwood += events / (at_risk * (at_risk - events));
            let log_se = if surv > 0.0 { f64::sqrt(greenwood) } else { f64::NAN };
            curve.time.push(bin as f64 * grid);
            curve.n_risk.push(layout::whole(at_risk));
            curve.n_event.push(layout::whole(events));
            curve.n_censor.push(layout::whole(censored));
            curve.surv.push(surv);
            curve.se.push(surv * log_se);
            curve.lo.push(surv * libm::exp(-Z_975 * log_se));
            let hi = surv * libm::exp(Z_975 * log_se);
            curve.hi.push(if hi > 1.0 { 1.0 } else { hi });
        }
        curve.median = median(&curve.time, &curve.surv);
        curve
    }
}

/// R's median (`survival:::survmean`): the first time with survival at most 1/2; where the curve
/// rests on 1/2, the middle of that stretch.
fn median(times: &[f64], survival: &[f64]) -> Option<f64> {
    let tolerance = f64::EPSILON.sqrt();
    let mut low = times.iter().zip(survival).filter(|(_, s)| **s < 0.5 + tolerance);
    let (first, level) = low.next()?;
    let next = low.find(|(_, s)| *s < level).map(|(time, _)| time);
    match next {
        Some(next) if (level - 0.5).abs() < tolerance => Some((first + next) / 2.0),
        _ => Some(*first),
    }
}

/// The k-sample test: observed less expected events, with the hypergeometric covariance summed
/// over times. Its rank is one below the number of groups, so one group is dropped. `None` with
/// fewer than two groups at risk of any event.
fn log_rank(names: &[String], tables: &[Table]) -> Option<LogRank> {
    let present: Vec<(&String, &Table)> =
        names.iter().zip(tables).filter(|(_, table)| table.patients() > 0.0).collect();
    let k = present.len();
    let observed: Vec<f64> = present.iter().map(|(_, table)| table.events.iter().sum()).collect();
    let mut expected = vec![0.0; k];
    let mut covariance = vec![vec![0.0; k]; k];
    let bins = present.first().map_or(0, |(_, table)| table.events.len());
    for bin in 0..bins {
        let at_risk: Vec<f64> = present.iter().map(|(_, table)| table.at_risk[bin]).collect();
        let events: f64 = present.iter().map(|(_, table)| table.events[bin]).sum();
        let total: f64 = at_risk.iter().sum();
        if events == 0.0 {
            continue;
        }
        let spread = if total > 1.0 { events * (total - events) / (total - 1.0) } else { 0.0 };
        for j in 0..k {
            let share = at_risk[j] / total;
            expected[j] += events * share;
            for l in 0..k {
                let same = f64::from(u8::from(j == l));
                covariance[j][l] += spread * share * (same - at_risk[l] / total);
            }
        }
    }
    // R counts a group only when it was at risk at some event.
    let tested: Vec<usize> = (0..k).filter(|&j| expected[j] > 0.0).collect();
    let (_, kept) = tested.split_last()?;
    let df = u32::try_from(kept.len()).ok()?;
    let upper = kept.iter().enumerate().flat_map(|(a, &j)| {
        let row = &covariance[j];
        kept[a..].iter().map(move |&l| row[l])
    });
    let difference: Vec<f64> = kept.iter().map(|&j| observed[j] - expected[j]).collect();
    let factor = Symmetric::new(kept.len(), upper.collect())?.cholesky(1e-12).ok()?;
    let chisq = factor.solve(&difference).iter().zip(&difference).map(|(a, b)| a * b).sum();
    (df > 0).then(|| LogRank {
        groups: present.iter().map(|(name, _)| (*name).clone()).collect(),
        observed,
        expected,
        chisq,
        df,
        p: chi_square_upper(chisq, df),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_on_an_edge_stay_there_and_others_go_up() {
        // 0.6 / 0.2 and 1.1 / 0.1 miss the integer by one bit, to either side.
        for (time, grid, bin) in
            [(0.0, 30.0, 0), (30.0, 30.0, 1), (30.1, 30.0, 2), (0.6, 0.2, 3), (1.1, 0.1, 11)]
        {
            assert_eq!(interval(time, grid), bin, "{time} on {grid}");
        }
    }

    #[test]
    fn a_curve_that_rests_on_a_half_has_its_median_in_the_middle() {
        assert_eq!(median(&[1.0, 2.0, 4.0], &[0.75, 0.5, 0.25]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0], &[0.75, 0.5]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0], &[0.75, 0.4]), Some(2.0));
        assert_eq!(median(&[1.0, 2.0], &[0.9, 0.8]), None);
    }
}
