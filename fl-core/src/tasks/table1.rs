//! Table 1 of a paper: every column described in every group, from one secure sum.
//!
//! Numeric columns give mean and standard deviation from sums of the *publicly* standardised
//! value `(x - middle) / half range` and its square, and quartiles from the public histogram,
//! linear inside a bin, with the bins that they lie in (`results::quartiles` says which are too wide
//! for a figure). Flags and categories give counts. Group 0 is all patients; a patient whose
//! grouping column is missing is in it alone.
//!
//! With `release = "noised"` all blocks share one grid of 2^-10 and there is no block `count` and no
//! floor: what a site sends may not jump with a patient (rule S2). Noise falls on every number of
//! the table, so means of small groups and tails of histograms are as uncertain as the noise is
//! large beside the group.
//!
//! # Bounds
//! A patient is in at most two groups (all, and one level). In each it adds, with c columns of
//! which m are numeric: 1 to `groups`; at most c ones to `missing`; at most c ones to
//! `histogram` (one bin or level a column); and m pairs (u, u^2) with |u| <= 1 to `moments`.
//! Norms: sqrt(2), sqrt(2 c), sqrt(2 c), sqrt(4 m). A column adds to `missing` or to `histogram`, never
//! to both, so all together the squared norm is at most 2 + 2 c + 4 m: D^2 of the noised form, in
//! which each patient's moments are truncated to the grid alone.

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, Release, refuse};
use super::survival::Groups;
use crate::error::Error;
use crate::results::quartiles::QuartileBins;
use crate::results::{Cells, Table1, TableRow};
use crate::schema::{Column, Kind, Schema};
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "table1";
/// Version of its query.
pub const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    columns: Vec<String>,
    by: Option<String>,
    #[serde(default)]
    release: Release,
}

/// A description of columns by group.
#[derive(Debug)]
pub struct Describe {
    columns: Vec<Described>,
    by: Option<Groups>,
    release: Release,
}

#[derive(Debug)]
struct Described {
    column: Column,
    /// Bins or levels.
    cells: usize,
    /// First coordinate of its bins within a group's part of `histogram`.
    first_cell: usize,
    /// Number among the numeric columns.
    moment: Option<usize>,
}

impl Describe {
    /// The table of these parameters: `columns`, and optionally `by` (a flag or a category) and
    /// `release = "exact" | "noised"`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let mut columns: Vec<Described> = Vec::new();
        let (mut cells_before, mut moments) = (0, 0);
        for name in &params.columns {
            let column = schema.column(name)?.clone();
            if columns.iter().any(|earlier| earlier.column.name == *name) {
                return Err(refuse(NAME, format!("`{name}` is named twice; keep one")));
            }
            let (cells, moment) = match &column.kind {
                Kind::Numeric { bins, .. } => (bins.len() - 1, Some(moments)),
                Kind::Flag => (2, None),
                Kind::Category { levels } => (levels.len(), None),
            };
            columns.push(Described { column, cells, first_cell: cells_before, moment });
            cells_before += cells;
            moments += usize::from(moment.is_some());
        }
        if columns.is_empty() {
            return Err(refuse(NAME, "`columns` is empty; name at least one"));
        }
        let by = match params.by.as_deref() {
            None => None,
            by => Some(Groups::new(NAME, schema, by)?),
        };
        let task = Self { columns, by, release: params.release };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    fn groups(&self) -> usize {
        1 + self.by.as_ref().map_or(0, |groups| groups.names.len())
    }

    fn cells(&self) -> usize {
        self.columns.iter().map(|described| described.cells).sum()
    }

    fn numeric(&self) -> usize {
        self.columns.iter().filter(|described| described.moment.is_some()).count()
    }

    /// The groups of a patient: all, and its level.
    fn groups_of(&self, site: &Site<'_>, patient: usize) -> impl Iterator<Item = usize> + use<> {
        let level = self.by.as_ref().and_then(|groups| groups.of(site.cohort, patient));
        std::iter::once(0).chain(level.map(|level| level + 1))
    }
}

impl Described {
    /// The standardised value of a numeric column.
    fn standardised(&self, value: f64) -> f64 {
        let (middle, half) = self.middle_and_half();
        ((value - middle) / half).clamp(-1.0, 1.0)
    }

    fn middle_and_half(&self) -> (f64, f64) {
        match &self.column.kind {
            Kind::Numeric { range: (low, high), .. } => {
                let half = (high - low) / 2.0;
                (low + half, half)
            }
            Kind::Flag | Kind::Category { .. } => (0.0, 1.0),
        }
    }

    /// The bin, or the level, of a value.
    fn cell(&self, value: f64) -> usize {
        let cell = match &self.column.kind {
            Kind::Numeric { bins, .. } => {
                bins.partition_point(|edge| *edge <= value).saturating_sub(1)
            }
            Kind::Flag | Kind::Category { .. } => value as usize,
        };
        cell.min(self.cells - 1)
    }
}

impl Task for Describe {
    type State = ();
    type Output = Table1;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let (groups, columns) = (self.groups(), self.columns.len());
        let numeric = self.numeric();
        let lengths = [
            ("groups", groups),
            ("missing", groups * columns),
            ("histogram", groups * self.cells()),
            ("moments", groups * numeric * 2),
        ];
        let lengths = if numeric > 0 { &lengths[..] } else { &lengths[..3] };
        let (blocks, sensitivity) = match self.release {
            Release::Noised => {
                let squares = 2 + 2 * columns + 4 * numeric;
                layout::noised(lengths, squares as f64)
            }
            Release::Exact => {
                let ones = (2.0 * columns as f64).sqrt();
                let norms = [2f64.sqrt(), ones, ones, 2.0 * (numeric as f64).sqrt()];
                // The counts' bounds enter as norms too: they are large beside those of a short block.
                let bits = layout::frac_bits(&norms[1..]);
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
        let (columns, cells, numeric) = (self.columns.len(), self.cells(), self.numeric());
        let mut groups = vec![0.0; self.groups()];
        let mut missing = vec![0.0; self.groups() * columns];
        let mut histogram = vec![0.0; self.groups() * cells];
        let mut moments = vec![0.0; self.groups() * numeric * 2];
        for i in 0..site.cohort.len() {
            for group in self.groups_of(site, i) {
                groups[group] += 1.0;
                for (c, described) in self.columns.iter().enumerate() {
                    let Some(value) = site.cohort.value(&described.column.name, i) else {
                        missing[group * columns + c] += 1.0;
                        continue;
                    };
                    let cell = described.first_cell + described.cell(value);
                    histogram[group * cells + cell] += 1.0;
                    if let Some(m) = described.moment {
                        let u = described.standardised(value);
                        let place = (group * numeric + m) * 2;
                        moments[place] += grid(u);
                        moments[place + 1] += grid(u * u);
                    }
                }
            }
        }
        let mut blocks = vec![groups, missing, histogram];
        if numeric > 0 {
            blocks.push(moments);
        }
        if !noised {
            blocks.insert(0, layout::count_values(site.cohort.len(), 0));
        }
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Table1>, Error> {
        let (groups, columns, cells) = (self.groups(), self.columns.len(), self.cells());
        let numeric = self.numeric();
        let n = layout::block(sum, "groups", groups)?;
        let missing = layout::block(sum, "missing", groups * columns)?;
        let histogram = layout::block(sum, "histogram", groups * cells)?;
        let moments = layout::block(sum, "moments", groups * numeric * 2)?;
        let whole = |values: Vec<f64>| {
            values.into_iter().map(|v| layout::whole(v.round())).collect::<Vec<_>>()
        };

        let row = |(c, described): (usize, &Described)| {
            let missing: Vec<f64> = (0..groups).map(|g| missing[g * columns + c]).collect();
            let counts = |g: usize| {
                let first = g * cells + described.first_cell;
                &histogram[first..first + described.cells]
            };
            let cells = match (&described.column.kind, described.moment) {
                (Kind::Numeric { bins, .. }, Some(m)) => {
                    let (middle, half) = described.middle_and_half();
                    let known = |g: usize| n[g] - missing[g];
                    let moment = |g: usize, power: usize| moments[(g * numeric + m) * 2 + power];
                    // Fewer than one patient, after noise: there is no mean.
                    let mean = |g: usize| match known(g) >= 1.0 {
                        true => (moment(g, 0) / known(g)).clamp(-1.0, 1.0),
                        false => f64::NAN,
                    };
                    let sd = |g: usize| {
                        let around = moment(g, 1) - moment(g, 0) * mean(g);
                        (around.max(0.0) / (known(g) - 1.0)).sqrt()
                    };
                    let each =
                        |of: &dyn Fn(usize) -> f64| (0..groups).map(of).collect::<Vec<f64>>();
                    Cells::Numeric {
                        mean: each(&|g| middle + half * mean(g)),
                        sd: each(&|g| if known(g) > 1.0 { half * sd(g) } else { f64::NAN }),
                        q1: each(&|g| quantile(bins, counts(g), 0.25)),
                        median: each(&|g| quantile(bins, counts(g), 0.5)),
                        q3: each(&|g| quantile(bins, counts(g), 0.75)),
                        quartile_bins: (0..groups)
                            .map(|g| quartile_bins(bins, counts(g)))
                            .collect(),
                    }
                }
                _ => Cells::Categorical {
                    levels: described.column.levels().unwrap_or_default(),
                    counts: (0..described.cells)
                        .map(|cell| whole((0..groups).map(|g| counts(g)[cell]).collect()))
                        .collect(),
                },
            };
            TableRow {
                column: described.column.name.clone(),
                label: described.column.label.clone(),
                unit: described.column.unit().to_owned(),
                missing: whole(missing),
                cells,
            }
        };
        let rows = self.columns.iter().enumerate().map(row).collect();
        let levels = self.by.iter().flat_map(|groups| groups.names.iter().cloned());
        Ok(Next::Done(Table1 {
            schema: "haima.table1/1".to_owned(),
            sites: match self.release {
                Release::Exact => layout::read_counts(sum)?.sites,
                Release::Noised => sum.sites().into(),
            },
            groups: std::iter::once("all".to_owned()).chain(levels).collect(),
            n: whole(n),
            rows,
        }))
    }
}

/// The quantile of a histogram, as if values were spread evenly within a bin.
pub(super) fn quantile(edges: &[f64], counts: &[f64], probability: f64) -> f64 {
    place(edges, counts, probability).map_or(f64::NAN, |(value, _)| value)
}

/// The bins that the quartiles of a histogram lie in; `None` of an empty one.
fn quartile_bins(edges: &[f64], counts: &[f64]) -> Option<QuartileBins> {
    let bin = |probability| place(edges, counts, probability).map(|(_, bin)| bin);
    Some(QuartileBins { q1: bin(0.25)?, median: bin(0.5)?, q3: bin(0.75)? })
}

/// A quantile and the bin that it lies in.
fn place(edges: &[f64], counts: &[f64], probability: f64) -> Option<(f64, [f64; 2])> {
    // Noise can make a count negative, which no quantile knows.
    let counts = || counts.iter().map(|count| count.max(0.0));
    let target = probability * counts().sum::<f64>();
    let mut before = 0.0;
    for (bin, count) in edges.windows(2).zip(counts()) {
        if let [low, high] = *bin
            && count > 0.0
            && before + count >= target
        {
            return Some((low + (high - low) * ((target - before) / count), [low, high]));
        }
        before += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{QuartileBins, quantile, quartile_bins};

    #[test]
    fn quartiles_are_linear_inside_a_bin() {
        let edges = [0.0, 10.0, 20.0, 40.0];
        let counts = [2.0, 0.0, 2.0];
        assert!((quantile(&edges, &counts, 0.25) - 5.0).abs() < 1e-12);
        assert!((quantile(&edges, &counts, 0.75) - 30.0).abs() < 1e-12);
        assert!(quantile(&edges, &[0.0; 3], 0.5).is_nan());
        assert_eq!(
            quartile_bins(&edges, &counts),
            Some(QuartileBins { q1: [0.0, 10.0], median: [0.0, 10.0], q3: [20.0, 40.0] })
        );
        assert_eq!(quartile_bins(&edges, &[0.0; 3]), None);
        // What noise does to a histogram.
        assert!((quantile(&edges, &[4.0, -9.0, -1.0], 0.25) - 2.5).abs() < 1e-12);
    }
}
