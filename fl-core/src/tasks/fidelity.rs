//! How like the real patients virtual ones are, and how close to single ones, from one secure sum.
//!
//! The generator is the result of an earlier task of the study (`of`). Rows, seed and conditions of a
//! sample stand in the parameters, so all parties make the very same virtual patients, which are
//! public; a hospital counts its own patients in the tables of a public workload
//! ([`crate::synth::metrics::workload`]), and by their distance from the virtual ones
//! ([`crate::synth::metrics::nearest`]). What is made of the sums is post-processing
//! ([`crate::synth::metrics::summary`]).
//!
//! Virtual patients stand for those that the generator was made from, as far as they meet the sample's
//! conditions. So the real ones are the generator's cohort with the conditions as predicates
//! ([`check_cohort`]), which whoever drafts a study holds its manifest against.
//!
//! With `release = "exact"` each hospital also lets trees tell its patients from virtual ones
//! ([`crate::synth::metrics::forest`]) and sends the area under the curve times its patients, and
//! their number. The site's floor applies to the patients whom the tables count, and to each
//! group of which there are distances: those of a smaller group are zeros. Cells of such sums may
//! have a single member, and whoever chose `seed` chose whom a virtual patient can copy:
//! [`crate::registry::reveals_rows`] is true, and sites allow the task apart.
//!
//! With `release = "noised"` there are the tables and the distances, one grid, no `count`, no floor
//! (rule S2) and no trees, whose area has no bound a patient; and the generator must be one of whose
//! sums all were charged (rule S4). Copies and distances take noise as well as any count: a patient
//! moves one cell of each histogram by 1, because distances run from patients to public rows.
//!
//! # Bounds
//! With T tables a patient adds at most 1 to one cell of each: norm sqrt(T). It adds at most 1 to one
//! cell of `distances`, and of `ratios`. Noised, D^2 = T + 2. A site of n >= 1 patients adds (a n, n)
//! to `c2st`, with a between 0 and 1: norm at most sqrt(2) n.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::concordance::Subset;
use super::hazard::split::Split;
use super::layout::{self, Release, refuse, unfit};
use crate::error::Error;
use crate::registry::Finished;
use crate::results::fidelity::Fidelity;
use crate::results::generator::{Generator, sampler};
use crate::schema::Schema;
use crate::selection::{self, Predicate, Selection};
use crate::sum::Sum;
use crate::synth::condition::Condition;
use crate::synth::domain::{Attribute, Domain};
use crate::synth::metrics::forest;
use crate::synth::metrics::nearest::{DISTANCE_BINS, Gower, RATIO_BINS};
use crate::synth::metrics::summary::{self, Asked, Counts};
use crate::synth::metrics::workload::{MOST_DEGREE, Workload};
use crate::synth::network::Sampler;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "fidelity";
/// Version of its query and of its absorb.
pub const VERSION: u32 = 1;

/// Virtual patients: two have a closest and a second closest, and each hospital measures every patient
/// against all of them.
const ROWS: std::ops::RangeInclusive<usize> = 2..=50_000;
const MOST_CELLS: usize = 1 << 19;
/// Work of drawing from a network ([`Sampler::rows_within`]): every party draws the rows for itself
/// whenever it opens the task, so half a minute, and not the minutes of who draws them once.
const MOST_WORK: u64 = 1 << 34;
const MOST_CONDITIONS: usize = 64;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    of: String,
    rows: usize,
    seed: u64,
    #[serde(default)]
    conditions: Vec<String>,
    #[serde(default = "default_degree")]
    degree: usize,
    #[serde(default = "default_cells")]
    cells: usize,
    subset: Option<Subset>,
    #[serde(default)]
    release: Release,
    c2st: Option<bool>,
}

fn default_degree() -> usize {
    MOST_DEGREE
}

fn default_cells() -> usize {
    1 << 18
}

/// A comparison of virtual patients with real ones.
#[derive(Clone, Debug)]
pub struct Judge {
    asked: Asked,
    domain: Domain,
    rows: Arc<Vec<Vec<u16>>>,
    workload: Workload,
    gower: Gower,
    /// Of a generator that kept patients out of its fit.
    split: Option<Split>,
    subset: Subset,
    release: Release,
    c2st: bool,
}

impl Judge {
    /// The comparison of these parameters: `of` (manifest id of a generator), `rows` (2 to 50,000)
    /// and `seed` of the sample, and optionally its `conditions`; `degree` (largest tables, 3) and
    /// `cells` (of all tables, 262,144); `subset` (`"holdout"`, the default where there is one,
    /// `"training"` or `"all"`: the patients in the tables), `release = "exact" | "noised"` and
    /// `c2st` (true; exact only).
    ///
    /// # Errors
    /// When there is no such generator, it belongs to another schema, or a parameter cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema, finished: &Finished) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        if !ROWS.contains(&params.rows) {
            let (least, most) = (ROWS.start(), ROWS.end());
            return Err(refuse(NAME, format!("`rows` must be {least} to {most}")));
        }
        if !(1..=MOST_DEGREE).contains(&params.degree) || params.cells > MOST_CELLS {
            let reason = format!("`degree` is 1 to {MOST_DEGREE} and `cells` at most {MOST_CELLS}");
            return Err(refuse(NAME, reason));
        }
        if params.conditions.len() > MOST_CONDITIONS {
            return Err(refuse(NAME, format!("at most {MOST_CONDITIONS} `conditions`")));
        }
        let noised = params.release == Release::Noised;
        if noised && params.c2st == Some(true) {
            let reason =
                "`c2st` belongs to the exact release: what trees say has no bound a patient";
            return Err(refuse(NAME, reason));
        }
        let generator = generator(&params.of, schema, finished)?;
        if noised && !generator.is_charged() {
            let reason = format!(
                "release = \"noised\" of a generator whose sums were released without noise: a private \
                 run uses no number derived from patients unless it is public or was charged (rule \
                 S4). Make `{}` with noise, or ask with release = \"exact\"",
                params.of
            );
            return Err(refuse(NAME, reason));
        }
        let domain = generator.domain.clone();
        let condition = domain.condition(&params.conditions)?;
        let rows = sample(&generator, params.rows, &condition, params.seed)?;
        let workload = Workload::new(&domain.sizes(), params.degree, params.cells, params.seed)
            .map_err(|reason| refuse(NAME, reason))?;
        if let Some(row) = rows.iter().position(|row| !workload.holds(row)) {
            let reason = format!("row {row} of `{}` has a level that its domain lacks", params.of);
            return Err(refuse(NAME, reason));
        }
        let split = generator.split(schema);
        let subset = match (params.subset, &split) {
            (Some(Subset::Holdout | Subset::Training), None) => {
                let reason =
                    format!("`{}` kept no patient out of its fit; leave `subset` away", params.of);
                return Err(refuse(NAME, reason));
            }
            (Some(subset), _) => subset,
            (None, Some(_)) => Subset::Holdout,
            (None, None) => Subset::All,
        };
        let asked = Asked {
            of: params.of,
            seed: params.seed,
            conditions: params.conditions,
            subset: subset.name().to_owned(),
        };
        let task = Self {
            asked,
            gower: Gower::of(&domain),
            domain,
            rows: Arc::new(rows),
            workload,
            split,
            subset,
            release: params.release,
            c2st: !noised && params.c2st.unwrap_or(true),
        };
        layout::check(NAME, &task.query(&()))?;
        Ok(task)
    }

    /// Trained, and kept out.
    fn groups(&self) -> usize {
        if self.split.is_some() { 2 } else { 1 }
    }

    /// What a hospital's own patients add up to.
    fn count(&self, site: &Site<'_>) -> (Counts, Vec<Vec<u16>>) {
        let mut counts = Counts::new(&self.workload, self.groups());
        let mut judged = Vec::new();
        for patient in 0..site.cohort.len() {
            let Some(row) = self.domain.encode(site.cohort, patient) else { continue };
            if !self.workload.holds(&row) {
                continue;
            }
            let split = self.split.as_ref();
            let held_out = split.is_some_and(|split| split.holds_out(site.cohort, patient));
            counts.add_nearest(&self.gower, &row, &self.rows, usize::from(held_out));
            if self.subset.takes(held_out) {
                self.workload.count(&row, &mut counts.tables);
                judged.push(row);
            }
        }
        (counts, judged)
    }
}

/// Empties the histogram of each group that has fewer patients than the site's floor; a patient is
/// in one bin.
fn hold_floor(histograms: &mut [f64], bins: usize, floor: u64) {
    for group in histograms.chunks_mut(bins) {
        if group.iter().sum::<f64>() < floor as f64 {
            group.fill(0.0);
        }
    }
}

/// Holds the `cohort` of these parameters against that of their generator, whose parameters are `made`:
/// it is the same, with each of the sample's `conditions` included. Order and spelling are free.
///
/// # Errors
/// For any other cohort, with the one that is allowed; when a predicate or a condition cannot be read,
/// or `made` describes no domain.
pub fn check_cohort(asked: &toml::Table, made: &toml::Table, schema: &Schema) -> Result<(), Error> {
    let predicates = |params: &toml::Table| -> Result<BTreeSet<String>, Error> {
        let text = Selection::of_params(params, schema)?.to_string();
        Ok(text.lines().map(str::to_owned).collect())
    };
    let mut allowed = predicates(made)?;
    let conditions = asked.get("conditions").and_then(toml::Value::as_array);
    // What is no text is refused when the task is opened.
    let mut texts = conditions.into_iter().flatten().filter_map(toml::Value::as_str).peekable();
    if texts.peek().is_some() {
        let domain = Domain::of_params(made, schema)?;
        for text in texts.take(MOST_CONDITIONS) {
            let predicate = Predicate::parse(&domain.as_predicate(text), schema)?;
            allowed.insert(format!("include {predicate}"));
        }
    }
    if predicates(asked)? == allowed {
        return Ok(());
    }
    let of = asked.get("of").and_then(toml::Value::as_str).unwrap_or_default();
    let allowed = match allowed.len() {
        0 => "all patients, so leave it away".to_owned(),
        _ => allowed.into_iter().collect::<Vec<_>>().join("; "),
    };
    let reason = format!(
        "its `{}` has to be that of `{of}`, from whose patients the virtual ones were made, with its \
         own `conditions` in `include` and nothing else: {allowed}",
        selection::KEY
    );
    Err(refuse(NAME, reason))
}

/// The rows of a sample: those of [`Generator::rows`], with less work to find them.
fn sample(
    generator: &Generator,
    rows: usize,
    condition: &Condition,
    seed: u64,
) -> Result<Vec<Vec<u16>>, Error> {
    match generator.network() {
        None => generator.rows(rows, condition, seed),
        Some(network) => {
            let network = Sampler::open(&generator.domain, network)?;
            network.rows_within(MOST_WORK, rows, condition, &mut sampler(seed))
        }
    }
}

/// The generator of a finished task, checked against the schema.
fn generator(id: &str, schema: &Schema, finished: &Finished) -> Result<Generator, Error> {
    let Some(result) = finished.get(id) else {
        return Err(refuse(NAME, format!("no earlier task `{id}` in this study has finished")));
    };
    let generator = Generator::read(result)?;
    for column in generator.domain.attributes.iter().flat_map(Attribute::columns) {
        schema.column(column)?;
    }
    Ok(generator)
}

impl Task for Judge {
    type State = ();
    type Output = Fidelity;

    fn start(&self) {}

    fn query(&self, (): &()) -> Query {
        let tables = self.workload.tables().len() as f64;
        let lengths = [
            ("tables", self.workload.cells()),
            ("distances", self.groups() * DISTANCE_BINS),
            ("ratios", self.groups() * RATIO_BINS),
        ];
        let (blocks, sensitivity) = match self.release {
            Release::Noised => layout::noised(&lengths, tables + 2.0),
            Release::Exact => {
                let norms = [tables.sqrt(), 1.0, 1.0];
                let block =
                    |((name, len), norm): (&(&str, usize), f64)| layout::counts(name, *len, norm);
                let mut blocks = vec![layout::count_block()];
                blocks.extend(lengths.iter().zip(norms).map(block));
                if self.c2st {
                    // The counts' bounds enter as norms too: they are large beside a short block's.
                    let bits = layout::frac_bits(&[tables.sqrt(), 1.0, 1.0, 2f64.sqrt()]);
                    blocks.push(layout::reals("c2st", 2, 2f64.sqrt(), bits));
                }
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
        let (mut counts, judged) = self.count(site);
        if self.release == Release::Noised {
            let blocks = [counts.tables, counts.distances, counts.ratios];
            return Ok(Contribution::encode(query, &blocks, site.max_patients));
        }
        if let Some(zero) = layout::floor(query, site, judged.len()) {
            return Ok(zero);
        }
        hold_floor(&mut counts.distances, DISTANCE_BINS, site.min_local_rows);
        hold_floor(&mut counts.ratios, RATIO_BINS, site.min_local_rows);
        let mut blocks = vec![
            layout::count_values(judged.len(), 0),
            counts.tables,
            counts.distances,
            counts.ratios,
        ];
        if self.c2st {
            let ordered = summary::ordered(&self.domain);
            let found = forest::two_sample(&judged, &self.rows, &ordered, self.asked.seed);
            let n = judged.len() as f64;
            blocks.push(found.map_or_else(|| vec![0.0; 2], |found| vec![found.auc * n, n]));
        }
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, (): (), sum: &Sum) -> Result<Next<(), Fidelity>, Error> {
        let mut counts = Counts::new(&self.workload, self.groups());
        counts.tables = layout::block(sum, "tables", self.workload.cells())?;
        counts.distances = layout::block(sum, "distances", self.groups() * DISTANCE_BINS)?;
        counts.ratios = layout::block(sum, "ratios", self.groups() * RATIO_BINS)?;
        match self.release {
            Release::Exact => counts.sites = layout::read_counts(sum)?.sites,
            Release::Noised => {
                let steps = f64::from(1u32 << layout::NOISED_BITS);
                counts.noise = Some(sum.noise().unwrap_or(0.0) / steps);
                counts.sites = sum.sites().into();
            }
        }
        if self.c2st
            && let [area, n] = layout::block(sum, "c2st", 2)?[..]
        {
            counts.c2st = Some((area, n));
        }
        let asked = self.asked.clone();
        let found = summary::summarise(asked, &self.domain, &self.workload, &counts, &self.rows);
        if found.n >= 1.0 {
            Ok(Next::Done(found))
        } else {
            let reason = "no patient was counted: every hospital is below its floor, no patient has all \
                          values within the domain, or the noise is larger than the cohort";
            Err(unfit(NAME, reason))
        }
    }
}
