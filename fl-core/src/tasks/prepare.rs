//! Figures by which a network's inputs are standardised and filled in, from one secure sum: means,
//! standard deviations, shares missing, quantiles and shares of levels.
//!
//! Moments are sums of the *publicly* standardised value `u = (x - middle) / half range`, cut to
//! [-1, 1], and its square; quantiles come from a public histogram of even bins, linear inside a bin.
//! For the columns in `log1p` all this is of log(1 + x). Where fewer than two patients have a
//! column the public range stands in, and the result says so; where values do not vary, or noise hides
//! that they do, the standard deviation is half of it. So every figure can be used.
//!
//! In the exact form a column that a site knows of fewer patients than its floor, but of some, is sent as
//! if it were missing in all: figures of a panel that one patient has would be that patient's row.
//!
//! With `release = "noised"` the sum is charged and there is no block `count` and no floor: what a
//! site sends may not jump with a patient (rule S2). `train` takes the result by `prepared = "ID"`
//! and remembers which of the two it was (rule S4).
//!
//! Simple imputation is all that these figures serve: a mean, a median or the most frequent level. A
//! value predicted from a patient's other columns (regression imputation) is not here.
//!
//! # Bounds
//! With c columns of which m are numeric, a patient adds 1 to `patients`; for each column 1 either to
//! `missing` or to `histogram`; and m pairs (u, u^2) with |u| <= 1 to `moments`. Norms: 1, sqrt(c),
//! sqrt(c), sqrt(2 m); all together the squared norm is at most 1 + c + 2 m, which is D^2 of the
//! noised form, where each patient's moments are truncated to the grid alone.

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, Release, refuse};
use super::table1::quantile;
use crate::error::Error;
use crate::learn::harmonise::Harmonise;
use crate::learn::inputs::expand;
use crate::registry::Finished;
use crate::results::prepare::{Figures, Kind as FiguresOf, Prepared, SCHEMA};
use crate::schema::{Column, Kind, Schema};
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "prepare";
/// Version of its query.
pub const VERSION: u32 = 1;

/// Bins of a numeric column's histogram where `bins` is not given.
const DEFAULT_BINS: usize = 100;
const MOST_BINS: usize = 10_000;
/// Bins of equal shares where `quantiles` is not given: quartiles.
const DEFAULT_QUANTILES: usize = 4;
const MOST_QUANTILES: usize = 100;
/// A variance, in half ranges squared, below which the grid tells it from none no more.
const CONSTANT: f64 = 1e-10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    columns: Vec<String>,
    #[serde(default)]
    log1p: Vec<String>,
    #[serde(default)]
    release: Release,
    bins: Option<usize>,
    quantiles: Option<usize>,
    harmonised: Option<String>,
}

/// Figures of columns.
#[derive(Debug)]
pub struct Prepare {
    columns: Vec<Described>,
    release: Release,
    quantiles: usize,
    harmonised: Option<(String, Harmonise)>,
}

#[derive(Debug)]
struct Described {
    column: Column,
    /// First coordinate of its bins or levels in `histogram`.
    first_cell: usize,
    of: Of,
}

#[derive(Debug)]
enum Of {
    /// A number on a public range, after the logarithm where there is one.
    Number { log1p: bool, range: (f64, f64), edges: Vec<f64>, moment: usize },
    /// Levels by name.
    Levels(Vec<String>),
}

impl Prepare {
    /// The figures of these parameters: `columns` (names, or `PREFIX*`), and optionally `log1p` (those
    /// described as log(1 + x)), `release = "exact" | "noised"`, `bins` (of the public histogram,
    /// 100), `quantiles` (bins of equal shares, 4) and `harmonised` (id of a `combat` task).
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema, finished: &Finished) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let bins = params.bins.unwrap_or(DEFAULT_BINS);
        let quantiles = params.quantiles.unwrap_or(DEFAULT_QUANTILES);
        if !(2..=MOST_BINS).contains(&bins) {
            return Err(refuse(NAME, format!("`bins` must be 2 to {MOST_BINS}")));
        }
        if !(2..=MOST_QUANTILES).contains(&quantiles) {
            return Err(refuse(NAME, format!("`quantiles` must be 2 to {MOST_QUANTILES}")));
        }
        let named = expand(NAME, schema, &params.columns)?;
        if let Some(name) = params.log1p.iter().find(|name| !named.iter().any(|c| c.name == **name))
        {
            return Err(refuse(NAME, format!("`log1p` names `{name}`, which is no column of it")));
        }
        let (mut columns, mut first_cell, mut moment) = (Vec::new(), 0, 0);
        for column in named {
            let of = Of::new(column, params.log1p.contains(&column.name), bins, moment)?;
            moment += usize::from(matches!(of, Of::Number { .. }));
            let described = Described { column: column.clone(), first_cell, of };
            first_cell += described.cells();
            columns.push(described);
        }
        let harmonised = match params.harmonised {
            None => None,
            Some(_) if params.release == Release::Noised => {
                let reason = "`harmonised` rests on exact sums, so a noised release would use a \
                              number that is neither public nor charged (rule S4); leave one out";
                return Err(refuse(NAME, reason));
            }
            Some(id) => {
                let harmonise = Harmonise::of_finished(NAME, schema, finished, &id)?;
                Some((id, harmonise))
            }
        };
        let task = Self { columns, release: params.release, quantiles, harmonised };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    fn cells(&self) -> usize {
        self.columns.iter().map(Described::cells).sum()
    }

    fn numeric(&self) -> usize {
        self.columns.iter().filter(|column| matches!(column.of, Of::Number { .. })).count()
    }

    /// What the sums say of a column; `patients` is their number in all.
    fn figures(&self, described: &Described, patients: f64, sums: &Sums<'_>) -> Figures {
        let Described { column, .. } = described;
        // No noise on what the schema rules out.
        let missing = if column.missing { sums.missing.max(0.0) } else { 0.0 };
        let present = (patients - missing).max(0.0);
        let of = match &described.of {
            Of::Number { log1p, range, edges, .. } => {
                numeric(*log1p, *range, edges, present, sums, self.quantiles)
            }
            Of::Levels(levels) => of_levels(levels, sums.cells),
        };
        Figures {
            column: column.name.clone(),
            unit: column.unit().to_owned(),
            present,
            missing: if patients > 0.0 { (missing / patients).min(1.0) } else { 0.0 },
            of,
        }
    }
}

/// One column's part of the sums.
struct Sums<'a> {
    missing: f64,
    cells: &'a [f64],
    moments: &'a [f64],
}

fn numeric(
    log1p: bool,
    (low, high): (f64, f64),
    edges: &[f64],
    present: f64,
    sums: &Sums<'_>,
    quantiles: usize,
) -> FiguresOf {
    let half = (high - low) / 2.0;
    let middle = low + half;
    let shares = || (1..quantiles).map(|k| k as f64 / quantiles as f64);
    let (first, second) = match sums.moments {
        [first, second] => (*first, *second),
        _ => (0.0, 0.0),
    };
    let mean = (first / present).clamp(-1.0, 1.0);
    let variance = (second - first * mean) / (present - 1.0);
    let known = sums.cells.iter().any(|count| *count > 0.0);
    // Written so that NaN falls back too.
    if !(present > 1.0 && known) {
        return FiguresOf::Numeric {
            log1p,
            mean: middle,
            sd: half,
            median: middle,
            quantiles: shares().map(|share| low + (high - low) * share).collect(),
            public: true,
        };
    }
    FiguresOf::Numeric {
        log1p,
        mean: middle + half * mean,
        // No variance of values in [-1, 1] is above 2.
        sd: if variance > CONSTANT { half * variance.min(2.0).sqrt() } else { half },
        median: quantile(edges, sums.cells, 0.5),
        quantiles: shares().map(|share| quantile(edges, sums.cells, share)).collect(),
        public: false,
    }
}

fn of_levels(levels: &[String], counts: &[f64]) -> FiguresOf {
    let counts: Vec<f64> = counts.iter().map(|count| count.max(0.0)).collect();
    let total: f64 = counts.iter().sum();
    let public = total <= 0.0;
    let even = 1.0 / levels.len().max(1) as f64;
    let (mut most_frequent, mut most) = (0u32, f64::NEG_INFINITY);
    for (level, count) in (0u32..).zip(&counts) {
        if *count > most {
            (most_frequent, most) = (level, *count);
        }
    }
    let share = |count: f64| if public { even } else { count / total };
    FiguresOf::Levels {
        levels: levels.to_vec(),
        shares: counts.iter().map(|count| share(*count)).collect(),
        most_frequent,
        public,
    }
}

impl Of {
    fn new(column: &Column, log1p: bool, bins: usize, moment: usize) -> Result<Self, Error> {
        let (low, high) = match (&column.kind, log1p) {
            (Kind::Numeric { range, .. }, false) => *range,
            (Kind::Numeric { range: (low, high), .. }, true) if *low > -1.0 => {
                (libm::log1p(*low), libm::log1p(*high))
            }
            (Kind::Numeric { .. }, true) => {
                let reason = format!("`{}`: log(1 + x) needs a range above -1", column.name);
                return Err(refuse(NAME, reason));
            }
            (_, true) => {
                let reason = format!("`{}` is no number and has no logarithm", column.name);
                return Err(refuse(NAME, reason));
            }
            (_, false) => return Ok(Self::Levels(column.levels().unwrap_or_default())),
        };
        let share = |k: usize| low + (high - low) * (k as f64 / bins as f64);
        let edges: Vec<f64> = (0..bins).map(share).chain([high]).collect();
        Ok(Self::Number { log1p, range: (low, high), edges, moment })
    }
}

impl Described {
    fn cells(&self) -> usize {
        match &self.of {
            Of::Number { edges, .. } => edges.len() - 1,
            Of::Levels(levels) => levels.len(),
        }
    }

    /// A value's bin or level; for a number also its place among the numeric columns, and it
    /// standardised by the public range.
    fn place(&self, value: f64) -> (usize, Option<(usize, f64)>) {
        match &self.of {
            Of::Number { log1p, range: (low, high), edges, moment } => {
                let x = if *log1p { libm::log1p(value) } else { value };
                let half = (high - low) / 2.0;
                let u = ((x - (low + half)) / half).clamp(-1.0, 1.0);
                let bin = edges.partition_point(|edge| *edge <= x).saturating_sub(1);
                // Adjusted values may pass the range, and the logarithm of one be none at all.
                let u = if u.is_nan() { -1.0 } else { u };
                (bin.min(self.cells() - 1), Some((*moment, u)))
            }
            Of::Levels(levels) => ((value as usize).min(levels.len().saturating_sub(1)), None),
        }
    }
}

fn clear(values: &mut [f64], first: usize, number: usize) {
    values.iter_mut().skip(first).take(number).for_each(|value| *value = 0.0);
}

impl Task for Prepare {
    type State = ();
    type Output = Prepared;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let (columns, numeric) = (self.columns.len(), self.numeric());
        let lengths = [
            ("patients", 1),
            ("missing", columns),
            ("histogram", self.cells()),
            ("moments", 2 * numeric),
        ];
        let lengths = if numeric > 0 { &lengths[..] } else { &lengths[..3] };
        let (blocks, sensitivity) = match self.release {
            Release::Noised => layout::noised(lengths, (1 + columns + 2 * numeric) as f64),
            Release::Exact => {
                let ones = (columns as f64).sqrt();
                let norms = [1.0, ones, ones, (2.0 * numeric as f64).sqrt()];
                let bits = layout::frac_bits(&norms);
                let block = |((name, len), norm): (&(&str, usize), f64)| match *name {
                    "moments" => layout::reals(name, *len, norm, bits),
                    _ => layout::counts(name, *len, norm),
                };
                let blocks = lengths.iter().zip(norms).map(block);
                (std::iter::once(layout::count_block()).chain(blocks).collect(), None)
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
        let noised = self.release == Release::Noised;
        if !noised && let Some(zero) = layout::floor(query, site, site.cohort.len()) {
            return Ok(zero);
        }
        let grid = |value: f64| if noised { layout::on_noised_grid(value) } else { value };
        let mut missing = vec![0.0; self.columns.len()];
        let mut histogram = vec![0.0; self.cells()];
        let mut moments = vec![0.0; 2 * self.numeric()];
        let own = match &self.harmonised {
            Some((_, by)) if by.by_site() => match by.at_site(site.cohort) {
                Ok(cohort) => Some(cohort),
                Err(note) => return Ok(Contribution::zero(query, note)),
            },
            _ => None,
        };
        let cohort = own.as_ref().unwrap_or(site.cohort);
        let add = |values: &mut [f64], at: usize, value: f64| {
            if let Some(place) = values.get_mut(at) {
                *place += value;
            }
        };
        for patient in 0..cohort.len() {
            for (c, described) in self.columns.iter().enumerate() {
                let name = &described.column.name;
                let value = match &self.harmonised {
                    None => cohort.value(name, patient),
                    Some((_, harmonise)) => harmonise.value(name, cohort, patient),
                };
                let Some(value) = value else {
                    add(&mut missing, c, 1.0);
                    continue;
                };
                let (cell, number) = described.place(value);
                add(&mut histogram, described.first_cell + cell, 1.0);
                if let Some((moment, u)) = number {
                    add(&mut moments, 2 * moment, grid(u));
                    add(&mut moments, 2 * moment + 1, grid(u * u));
                }
            }
        }
        if !noised {
            let everybody = cohort.len() as f64;
            for (described, missing) in self.columns.iter().zip(&mut missing) {
                if everybody - *missing < site.min_local_rows as f64 {
                    *missing = everybody;
                    clear(&mut histogram, described.first_cell, described.cells());
                    if let Of::Number { moment, .. } = described.of {
                        clear(&mut moments, 2 * moment, 2);
                    }
                }
            }
        }
        let mut blocks = vec![vec![site.cohort.len() as f64], missing, histogram];
        if !moments.is_empty() {
            blocks.push(moments);
        }
        if !noised {
            blocks.insert(0, layout::count_values(site.cohort.len(), 0));
        }
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Prepared>, Error> {
        let sites = match self.release {
            Release::Exact => layout::read_counts(sum)?.sites,
            Release::Noised => sum.sites().into(),
        };
        let patients = layout::block(sum, "patients", 1)?.first().map_or(0.0, |n| n.max(0.0));
        let missing = layout::block(sum, "missing", self.columns.len())?;
        let histogram = layout::block(sum, "histogram", self.cells())?;
        let moments = layout::block(sum, "moments", 2 * self.numeric())?;
        let figures = |(described, missing): (&Described, &f64)| {
            let cells = described.first_cell..described.first_cell + described.cells();
            let moment = match described.of {
                Of::Number { moment, .. } => 2 * moment..2 * moment + 2,
                Of::Levels(_) => 0..0,
            };
            let sums = Sums {
                missing: *missing,
                cells: histogram.get(cells).unwrap_or_default(),
                moments: moments.get(moment).unwrap_or_default(),
            };
            self.figures(described, patients, &sums)
        };
        Ok(Next::Done(Prepared {
            schema: SCHEMA.to_owned(),
            release: self.release,
            sites,
            patients,
            harmonised: self.harmonised.as_ref().map(|(id, _)| id.clone()),
            columns: self.columns.iter().zip(&missing).map(figures).collect(),
        }))
    }

    fn outline(&self) -> Option<Prepared> {
        let query = self.query(&());
        let nobody = Sum::new(&query, vec![0; query.dimension()], 1).ok()?;
        let Ok(Next::Done(mut prepared)) = self.absorb((), &nobody) else { return None };
        // Who uses the figures is asked for what figures of patients need (rule S4).
        for figures in &mut prepared.columns {
            let (FiguresOf::Numeric { public, .. } | FiguresOf::Levels { public, .. }) =
                &mut figures.of;
            *public = false;
        }
        Some(prepared)
    }
}
