//! Kaplan-Meier curves and the k-sample log-rank test, from one secure sum.
//!
//! Kaplan and Meier, *JASA* 1958;53:457; Greenwood 1926; Mantel 1966 and Peto and Peto 1972 for
//! the test, as in R's `survfit` and `survdiff`. Times are rounded *up* to a public grid, and each
//! site counts events, censorings and, under left truncation, entries in each interval and group.
//! On a grid as fine as the data's unit the result is R's to the last digit.
//!
//! Stratified by site (or site x column), the test needs risk sets of one stratum at a time, so each
//! site works out its own observed and expected events and their covariance, and those are summed.
//!
//! With `release = "noised"` the counts alone are released, on a grid of 2^-10 so that noise is
//! continuous in effect; no floor and no count of sites, for what a site sends may not jump with a
//! patient (rule S2). Each of the intervals gets the noise, so a noised curve wants few of them.
//!
//! # Bounds
//! * `counts`: a patient adds 1 to one count of events or censorings, and under left truncation 1
//!   to one count of entries: norm 1, or sqrt(2). For noised counts that is D, exactly.
//! * `expected`: each event adds shares of the risk set by group, non-negative with sum 1: norm at
//!   most 1; a site of n patients has at most n events.
//! * `covariance`: d (n - d) / (n - 1) <= d times diag(q) - q q', whose Frobenius norm is at most
//!   its trace, at most 1: again 1 an event.

mod curve;
mod logrank;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, Release, refuse};
use super::survival::{Groups, Survival, check_time};
use super::time_grid::TimeGrid;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::linalg::triangle;
use crate::results::Curves;
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};
use curve::{Kind, Table};
use logrank::Excess;

/// Name of the task.
pub const NAME: &str = "km";
/// Version of its query.
pub const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    time: String,
    event: String,
    cause: Option<String>,
    entry: Option<String>,
    by: Option<String>,
    strata: Option<String>,
    tau: Option<f64>,
    grid: f64,
    #[serde(default)]
    release: Release,
}

/// Curves by group on a public time grid.
#[derive(Debug)]
pub struct KaplanMeier {
    survival: Survival,
    entry: Option<String>,
    groups: Groups,
    /// Strata of the test within a site; `None` for the unstratified test.
    strata: Option<Groups>,
    tau: Option<f64>,
    grid: TimeGrid,
    release: Release,
}

impl KaplanMeier {
    /// The curves of these parameters: `time`, `event`, `grid`, and optionally `cause` (a
    /// level of `event`, which then is a category: all other ends count as censored), `entry` (left
    /// truncation: at risk after this time), `by` (a flag or category), `strata = "site" | COLUMN`
    /// (of the test: site, or site x column), `tau` (restricted mean up to this time) and
    /// `release = "exact" | "noised"`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let survival =
            Survival::of_cause(NAME, schema, &params.time, &params.event, params.cause.as_deref())?;
        if let Some(entry) = &params.entry {
            check_time(NAME, schema, entry)?;
        }
        let groups = Groups::new(NAME, schema, params.by.as_deref())?;
        if params.tau.is_some_and(|tau| !(tau > 0.0 && tau <= survival.max_time)) {
            let reason = format!("`tau` must lie within the range of `{}`", params.time);
            return Err(refuse(NAME, reason));
        }
        let strata = match params.strata.as_deref() {
            None | Some("none") => None,
            Some("site") => Some(Groups::new(NAME, schema, None)?),
            column => Some(Groups::new(NAME, schema, column)?),
        };
        if strata.is_some() && (params.release == Release::Noised || groups.column.is_none()) {
            let reason = "`strata` belong to an exact test between groups (`by`)";
            return Err(refuse(NAME, reason));
        }
        let grid = TimeGrid::new(NAME, survival.max_time, params.grid)?;
        let (entry, tau, release) = (params.entry, params.tau, params.release);
        let task = Self { survival, entry, groups, strata, tau, grid, release };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    /// Counts at each grid time.
    fn kinds(&self) -> usize {
        if self.entry.is_some() { 3 } else { 2 }
    }

    fn place(&self, group: usize, bin: usize, kind: Kind) -> usize {
        (group * self.grid.bins + bin) * self.kinds() + kind as usize
    }

    fn len(&self) -> usize {
        self.groups.names.len() * self.grid.bins * self.kinds()
    }

    /// The counts of the complete rows that are in a stratum; all of them when it is `None`.
    fn count(&self, cohort: &Cohort, stratum: Option<(&Groups, usize)>) -> Counts {
        let mut out = Counts { patients: 0, events: 0, counts: vec![0.0; self.len()] };
        for i in 0..cohort.len() {
            let Some((time, event)) = self.survival.of(cohort, i) else { continue };
            let Some(group) = self.groups.of(cohort, i) else { continue };
            // A row without its stratum is incomplete, for the curves too, as in R.
            if self.strata.as_ref().is_some_and(|strata| strata.of(cohort, i).is_none()) {
                continue;
            }
            if stratum.is_some_and(|(strata, one)| strata.of(cohort, i) != Some(one)) {
                continue;
            }
            if let Some(column) = &self.entry {
                // R: an interval that is empty counts as missing; so does one that is on the grid.
                let Some(entry) = cohort.value(column, i) else { continue };
                let entry = self.grid.bin(entry);
                if entry >= self.grid.bin(time) {
                    continue;
                }
                out.counts[self.place(group, entry, Kind::Entry)] += 1.0;
            }
            out.patients += 1;
            out.events += usize::from(event);
            let kind = if event { Kind::Event } else { Kind::Censored };
            out.counts[self.place(group, self.grid.bin(time), kind)] += 1.0;
        }
        out
    }

    fn tables(&self, counts: &[f64]) -> Vec<Table> {
        let kinds = self.kinds();
        counts.chunks_exact(self.grid.bins * kinds).map(|group| Table::new(group, kinds)).collect()
    }
}

/// What one site counts.
struct Counts {
    patients: usize,
    events: usize,
    counts: Vec<f64>,
}

impl Task for KaplanMeier {
    type State = ();
    type Output = Curves;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let norm = if self.entry.is_some() { 2f64.sqrt() } else { 1.0 };
        let groups = self.groups.names.len();
        let (blocks, sensitivity) = match (self.release, &self.strata) {
            (Release::Noised, _) => layout::noised(&[("counts", self.len())], norm * norm),
            (Release::Exact, None) => {
                (vec![layout::count_block(), layout::counts("counts", self.len(), norm)], None)
            }
            (Release::Exact, Some(_)) => {
                let bits = layout::frac_bits(&[1.0, 1.0]);
                let blocks = vec![
                    layout::count_block(),
                    layout::counts("counts", self.len(), norm),
                    layout::reals("expected", groups, 1.0, bits),
                    layout::reals("covariance", triangle(groups), 1.0, bits),
                ];
                (blocks, None)
            }
        };
        Query {
            task: NAME.to_owned(),
            version: VERSION,
            blocks,
            sensitivity,
            rate: 1.0,
            cohort: String::new(),
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
        let Counts { patients, events, counts } = self.count(site.cohort, None);
        if self.release == Release::Noised {
            return Ok(Contribution::encode(query, &[counts], site.max_patients));
        }
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        let mut blocks = vec![layout::count_values(patients, events), counts];
        if let Some(strata) = &self.strata {
            let mut excess = Excess::zero(self.groups.names.len());
            for stratum in 0..strata.names.len() {
                let counts = self.count(site.cohort, Some((strata, stratum))).counts;
                excess.add(&self.tables(&counts));
            }
            blocks.extend([excess.expected, excess.covariance]);
        }
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Curves>, Error> {
        let values = layout::block(sum, "counts", self.len())?;
        let tables = self.tables(&values);
        let noised = self.release == Release::Noised;
        let (n, events, sites) = if noised {
            let total = |part: fn(&Table) -> f64| tables.iter().map(part).sum::<f64>().round();
            let events = total(|table| table.events.iter().sum());
            (layout::whole(total(Table::patients)), layout::whole(events), sum.sites().into())
        } else {
            let counts = layout::read_counts(sum)?;
            (counts.patients, counts.events, counts.sites)
        };
        let names = &self.groups.names;
        let curve = |(name, table): (&String, &Table)| match noised {
            true => table.noised_curve(name, self.grid.width, self.tau),
            false => table.curve(name, self.grid.width, self.tau),
        };
        let mut excess = Excess::zero(names.len());
        excess.add(&tables);
        if self.strata.is_some() {
            excess.expected = layout::block(sum, "expected", names.len())?;
            excess.covariance = layout::block(sum, "covariance", triangle(names.len()))?;
        }
        let present: Vec<bool> = tables.iter().map(|table| table.patients() > 0.0).collect();
        let entry = self.entry.as_ref().map_or(String::new(), |entry| format!("{entry}, "));
        let right = self.groups.column.as_deref().unwrap_or("1");
        let strata = match &self.strata {
            None => String::new(),
            Some(Groups { column: None, .. }) => " + strata(site)".to_owned(),
            Some(Groups { column: Some(column), .. }) => format!(" + strata(site, {column})"),
        };
        let (time, event) = (&self.survival.time, self.survival.event_term());
        Ok(Next::Done(Curves {
            schema: "haima.km/1".to_owned(),
            formula: format!("Surv({entry}{time}, {event}) ~ {right}{strata}"),
            grid: self.grid.width,
            n,
            events,
            sites,
            curves: names.iter().zip(&tables).map(curve).collect(),
            logrank: if noised { None } else { excess.test(names, &present) },
        }))
    }
}
