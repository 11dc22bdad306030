//! Cumulative incidence of competing events, from one secure sum of counts.
//!
//! Aalen and Johansen, *Scand J Statist* 1978;5:141, for two or more absorbing states, with the
//! variance that R's `cmprsk::cuminc` prints (Aalen 1978 with a correction for ties), and Gray's
//! k-sample test (`gray`). Times are rounded *up* to a public grid; each site counts, by group
//! and grid time, those censored and the events of each cause. On a grid as fine as the data's
//! unit the result is R's.
//!
//! # Bound
//! A patient adds 1 to a single count of the block `counts`: norm 1.

mod gray;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout;
use super::survival::{Groups, check_outcomes, check_time};
use super::time_grid::TimeGrid;
use crate::error::Error;
use crate::results::competing::{CauseCurve, Incidence, IncidenceGroup};
use crate::schema::Schema;
use crate::stat::Z_975;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "cif";
/// Version of its query.
pub const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    time: String,
    event: String,
    by: Option<String>,
    grid: f64,
}

/// Cumulative incidence by group and cause on a public time grid.
#[derive(Debug)]
pub struct CumulativeIncidence {
    time: String,
    event: String,
    /// Levels of the event column, the first meaning censored.
    levels: Vec<String>,
    groups: Groups,
    grid: TimeGrid,
}

impl CumulativeIncidence {
    /// The curves of these parameters: `time`, `event` (a category whose first level means
    /// censored, each other level being a cause), `grid` and optionally `by`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let grid = TimeGrid::new(NAME, check_time(NAME, schema, &params.time)?, params.grid)?;
        let levels = check_outcomes(NAME, schema, &params.event)?;
        let groups = Groups::new(NAME, schema, params.by.as_deref())?;
        let task = Self { time: params.time, event: params.event, levels, groups, grid };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    /// Numbers of a group: for each grid time, one a level.
    fn stride(&self) -> usize {
        self.grid.bins * self.levels.len()
    }
}

impl Task for CumulativeIncidence {
    type State = ();
    type Output = Incidence;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let len = self.groups.names.len() * self.stride();
        layout::exact(
            NAME,
            VERSION,
            vec![layout::count_block(), layout::counts("counts", len, 1.0)],
            Vec::new(),
        )
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
        let mut counts = vec![0.0; self.groups.names.len() * self.stride()];
        for i in 0..site.cohort.len() {
            let Some(time) = site.cohort.value(&self.time, i) else { continue };
            let Some(level) = site.cohort.value(&self.event, i) else { continue };
            let Some(group) = self.groups.of(site.cohort, i) else { continue };
            patients += 1;
            events += usize::from(level > 0.5);
            let bin = self.grid.bin(time);
            let place = group * self.stride() + bin * self.levels.len() + level as usize;
            counts[place] += 1.0;
        }
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        let blocks = [layout::count_values(patients, events), counts];
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Incidence>, Error> {
        let counts = layout::read_counts(sum)?;
        let values = layout::block(sum, "counts", self.groups.names.len() * self.stride())?;
        let (censored, causes) = self.levels.split_first().unwrap_or((&self.event, &[]));
        let tables: Vec<Table> = values
            .chunks_exact(self.stride())
            .map(|of_group| Table::new(of_group, self.levels.len()))
            .collect();
        let right = self.groups.column.as_deref().unwrap_or("1");
        Ok(Next::Done(Incidence {
            schema: "haima.cif/1".to_owned(),
            formula: format!("Surv({}, {}) ~ {right}", self.time, self.event),
            grid: self.grid.width,
            n: counts.patients,
            events: counts.events,
            sites: counts.sites,
            censored: censored.clone(),
            curves: (self.groups.names.iter().zip(&tables))
                .map(|(name, table)| table.curves(name, causes, &self.grid))
                .collect(),
            tests: (causes.iter().enumerate())
                .filter_map(|(cause, name)| gray::test(name, cause, &tables))
                .collect(),
        }))
    }
}

/// The counts of a group at the grid times at which it had an event or a censoring.
struct Table {
    rows: Vec<Row>,
}

struct Row {
    bin: usize,
    /// At risk just before.
    at_risk: f64,
    censored: f64,
    /// Events a cause.
    events: Vec<f64>,
}

impl Row {
    fn all_events(&self) -> f64 {
        self.events.iter().sum()
    }
}

impl Table {
    fn new(counts: &[f64], levels: usize) -> Self {
        let mut rows = Vec::new();
        let mut at_risk = 0.0;
        for (bin, of_bin) in counts.chunks_exact(levels).enumerate().rev() {
            let Some((&censored, events)) = of_bin.split_first() else { continue };
            let row = Row { bin, at_risk, censored, events: events.to_vec() };
            let leaving = row.censored + row.all_events();
            if leaving != 0.0 {
                at_risk += leaving;
                rows.push(Row { at_risk, ..row });
            }
        }
        rows.reverse();
        Self { rows }
    }

    fn patients(&self) -> f64 {
        self.rows.first().map_or(0.0, |row| row.at_risk)
    }

    fn curves(&self, group: &str, causes: &[String], grid: &TimeGrid) -> IncidenceGroup {
        let whole = |of: fn(&Row) -> f64| self.rows.iter().map(|r| layout::whole(of(r))).collect();
        IncidenceGroup {
            group: group.to_owned(),
            n: layout::whole(self.patients()),
            time: self.rows.iter().map(|row| grid.time(row.bin)).collect(),
            n_risk: whole(|row| row.at_risk),
            n_censor: whole(|row| row.censored),
            causes: causes.iter().enumerate().map(|(j, name)| self.curve(j, name)).collect(),
        }
    }

    /// With S the probability of no event yet, an event of the cause at time s adds
    /// `1 - (F(t) - F(s)) / S(s)` times its own error to F(t), any other event
    /// `-(F(t) - F(s)) / S(s)` times its own; each is binomial, with the factor
    /// `(n - d) / (n - 1)` for d ties. Both are linear in F(t), hence the three sums.
    fn curve(&self, cause: usize, name: &str) -> CauseCurve {
        let mut curve = CauseCurve {
            cause: name.to_owned(),
            n_event: Vec::new(),
            cif: Vec::new(),
            variance: Vec::new(),
            se: Vec::new(),
            lo: Vec::new(),
            hi: Vec::new(),
        };
        let (mut surv, mut cif) = (1.0, 0.0);
        let (mut constant, mut linear, mut square) = (0.0, 0.0, 0.0);
        for row in &self.rows {
            let n = row.at_risk;
            let of_cause = row.events.get(cause).copied().unwrap_or(0.0);
            let others = row.all_events() - of_cause;
            let after = surv * (1.0 - (of_cause + others) / n);
            cif += surv * of_cause / n;
            let slope = if after > 0.0 { 1.0 / after } else { 0.0 };
            for (events, offset) in [(others, 0.0), (of_cause, 1.0)] {
                // After the last event nobody is left whom other causes could take.
                if events > 0.0 && (offset > 0.0 || after > 0.0) {
                    let ties = if events > 1.0 { (n - events) / (n - 1.0) } else { 1.0 };
                    let error = surv * surv * ties * events / (n * n);
                    let intercept = offset + slope * cif;
                    constant += intercept * intercept * error;
                    linear += intercept * slope * error;
                    square += slope * slope * error;
                }
            }
            surv = after;
            let variance = (constant - 2.0 * cif * linear + cif * cif * square).max(0.0);
            let se = variance.sqrt();
            // log(-log F) -+ z se / (F log F); NaN where F is 0 or 1.
            let inside = if cif > 0.0 && cif < 1.0 { cif } else { f64::NAN };
            let shift = Z_975 * se / (inside * libm::log(inside));
            curve.n_event.push(layout::whole(of_cause));
            curve.cif.push(cif);
            curve.variance.push(variance);
            curve.se.push(se);
            curve.lo.push(libm::pow(inside, libm::exp(-shift)));
            curve.hi.push(libm::pow(inside, libm::exp(shift)));
        }
        curve
    }
}
