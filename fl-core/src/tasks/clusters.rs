//! Clusters of all hospitals' patients by k-means or by a Gaussian mixture: one iteration a secure
//! sum.
//!
//! k-means after Lloyd, *IEEE Trans. Inf. Theory* 1982;28:129; the mixture by
//! expectation-maximisation, Dempster, Laird and Rubin, *JRSS B* 1977;39:1 and McLachlan and Peel,
//! *Finite Mixture Models*, 2000, section 3.2. A step of either is a function of sums over patients
//! (`kmeans`, `gmm`), so the federated iteration is the pooled one, to the grid. Columns are
//! standardised by their *public* ranges, and k-means measures its distances there: narrow a
//! column's range to let it weigh more. A mixture does not depend on it, but for its floor.
//!
//! The start is public: centres given as `start`, or drawn within the public ranges from `seed`,
//! never from data. A cluster of one is that patient's row, so a site must allow this task apart
//! ([`crate::registry::reveals_rows`]). The task touches the named columns of complete rows and nothing else. The
//! bounds stand in the head of each method.

mod gmm;
mod kmeans;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::columns::numbers;
use super::layout::{self, refuse, unfit};
use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::results;
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "clusters";
/// Version of its queries and of its absorb.
pub const VERSION: u32 = 1;

const MOST_CLUSTERS: usize = 1000;
/// Columns; a mixture's matrices are decomposed at every step.
const MOST_COLUMNS: usize = 100;
const MOST_ITERATIONS: u32 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    Kmeans,
    Gmm,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shape {
    #[default]
    Full,
    Diagonal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    method: Method,
    columns: Vec<String>,
    k: usize,
    seed: Option<u64>,
    start: Option<Vec<Vec<f64>>>,
    start_sd: Option<f64>,
    covariance: Option<Shape>,
    floor: Option<f64>,
    max_iterations: Option<u32>,
    tolerance: Option<f64>,
}

/// A search for clusters.
#[derive(Debug)]
pub struct Clusters {
    method: Method,
    design: Design,
    /// Starting centres in standardised columns.
    start: Vec<Vec<f64>>,
    mixture: gmm::Rules,
    max_iterations: u32,
    tolerance: f64,
}

/// Where the iteration stands: the public state between two sums.
#[derive(Clone, Debug)]
pub struct State {
    iterate: Iterate,
    used: u32,
}

#[derive(Clone, Debug)]
enum Iterate {
    Kmeans(kmeans::Centres),
    Gmm(gmm::Mixture),
}

/// What follows a step: the next iterate, or the clusters.
enum Step<I> {
    Continue(I),
    Done(Found),
}

/// The result of a method, in standardised columns.
struct Found {
    clusters: Vec<results::clusters::Cluster>,
    loglik: Option<f64>,
    converged: bool,
}

impl Clusters {
    /// The search of these parameters: `method = "kmeans" | "gmm"`, `columns` (numeric or flags),
    /// `k`, and `start` (k centres in raw units) or `seed`; optionally `max_iterations`,
    /// `tolerance`, and for a mixture `covariance = "full" | "diagonal"`, `start_sd` (standard
    /// deviation of every cluster at the start, in half ranges) and `floor` (least variance in any
    /// direction, in half ranges squared).
    ///
    /// k-means ends when no centre moves by more than `tolerance` half ranges (1e-8), a mixture
    /// when the log-likelihood l changes by no more than `tolerance (1 + |l|)` (1e-8; R's `mclust`
    /// has 1e-5).
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let p = params.columns.len();
        if p > MOST_COLUMNS {
            return Err(refuse(NAME, format!("{p} columns, at most {MOST_COLUMNS}")));
        }
        let design = numbers(NAME, schema, &params.columns)?;
        if !(1..=MOST_CLUSTERS).contains(&params.k) {
            return Err(refuse(NAME, format!("`k` must be 1 to {MOST_CLUSTERS}")));
        }
        let start = match (&params.start, params.seed) {
            (Some(centres), None) => standardised(&design, params.k, centres)?,
            (None, Some(seed)) => drawn(seed, params.k, p),
            _ => {
                return Err(refuse(
                    NAME,
                    "give either `seed`, from which the start is drawn, or `start`, its centres",
                ));
            }
        };
        let of_mixture = [params.covariance.is_some(), params.start_sd.is_some()];
        if params.method == Method::Kmeans && (of_mixture.contains(&true) || params.floor.is_some())
        {
            return Err(refuse(
                NAME,
                "`covariance`, `start_sd` and `floor` belong to method = \"gmm\"",
            ));
        }
        let max_iterations = params.max_iterations.unwrap_or(100);
        if !(1..=MOST_ITERATIONS).contains(&max_iterations) {
            return Err(refuse(NAME, format!("`max_iterations` must be 1 to {MOST_ITERATIONS}")));
        }
        let tolerance = params.tolerance.unwrap_or(1e-8);
        if !(0.0..1.0).contains(&tolerance) {
            return Err(refuse(NAME, "`tolerance` must be at least 0 and below 1"));
        }
        let mixture = gmm::Rules::new(
            params.covariance.unwrap_or_default(),
            params.floor.unwrap_or(1e-6),
            params.start_sd.unwrap_or(0.5),
        )?;
        let task =
            Self { method: params.method, design, start, mixture, max_iterations, tolerance };
        layout::check(NAME, &task.query(&task.start()))?;
        Ok(task)
    }

    /// Every complete row, standardised.
    fn rows(&self, cohort: &Cohort, mut each: impl FnMut(&[f64])) -> usize {
        let mut z = vec![0.0; self.design.width()];
        let mut complete = 0;
        for i in 0..cohort.len() {
            if self.design.row(cohort, i, &mut z) {
                complete += 1;
                each(&z);
            }
        }
        complete
    }

    /// The sum of the logarithms of the half ranges: what turns a density of the standardised
    /// columns into one of the raw values.
    fn log_scale(&self) -> f64 {
        (0..self.design.width()).map(|j| libm::log(self.design.scale(j))).sum()
    }

    fn output(
        &self,
        found: Found,
        counts: layout::Counts,
        used: u32,
    ) -> results::clusters::Clusters {
        let n = counts.patients as f64;
        let raw = |mut cluster: results::clusters::Cluster| {
            for (j, x) in cluster.centre.iter_mut().enumerate() {
                *x = self.design.center(j) + self.design.scale(j) * *x;
            }
            for (j, row) in cluster.covariance.iter_mut().flatten().enumerate() {
                for (k, v) in row.iter_mut().enumerate() {
                    *v *= self.design.scale(j) * self.design.scale(k);
                }
            }
            cluster
        };
        let loglik = found.loglik.map(|loglik| loglik - n * self.log_scale());
        let parameters = self.mixture.parameters(self.start.len(), self.design.width());
        results::clusters::Clusters {
            schema: "haima.clusters/1".to_owned(),
            method: match self.method {
                Method::Kmeans => "kmeans".to_owned(),
                Method::Gmm => "gmm".to_owned(),
            },
            covariance: match (self.method, self.mixture.shape) {
                (Method::Kmeans, _) => String::new(),
                (Method::Gmm, Shape::Full) => "full".to_owned(),
                (Method::Gmm, Shape::Diagonal) => "diagonal".to_owned(),
            },
            columns: self.design.names().to_vec(),
            n: counts.patients,
            sites: counts.sites,
            within_ss: match self.method {
                Method::Kmeans => found.clusters.iter().map(|cluster| cluster.within_ss).sum(),
                Method::Gmm => None,
            },
            clusters: found.clusters.into_iter().map(raw).collect(),
            loglik,
            bic: loglik.map(|loglik| 2.0 * loglik - parameters * libm::log(n)),
            iterations: used,
            converged: found.converged,
        }
    }
}

impl Task for Clusters {
    type State = State;
    type Output = results::clusters::Clusters;

    fn start(&self) -> State {
        let iterate = match self.method {
            Method::Kmeans => Iterate::Kmeans(kmeans::Centres::new(self.start.clone())),
            Method::Gmm => Iterate::Gmm(self.mixture.start(&self.start)),
        };
        State { iterate, used: 0 }
    }

    fn query(&self, state: &State) -> Query {
        let (k, p) = (self.start.len(), self.design.width());
        let (blocks, iterate): (Vec<Block>, Vec<f64>) = match &state.iterate {
            Iterate::Kmeans(centres) => (kmeans::blocks(k, p), centres.numbers()),
            Iterate::Gmm(mixture) => (self.mixture.blocks(k, p), self.mixture.iterate(mixture)),
        };
        layout::exact(
            NAME,
            VERSION,
            std::iter::once(layout::count_block()).chain(blocks).collect(),
            layout::to_bytes(&iterate),
        )
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let (k, p) = (self.start.len(), self.design.width());
        let (complete, blocks) = match self.method {
            Method::Kmeans => {
                let iterate = layout::from_bytes(query, k * p)?;
                let Some(mut sums) = kmeans::Sums::new(iterate, p) else {
                    return Ok(Contribution::zero(query, "a centre outside the public ranges"));
                };
                (self.rows(site.cohort, |z| sums.add(z)), sums.blocks())
            }
            Method::Gmm => {
                let iterate = layout::from_bytes(query, self.mixture.numbers(k, p))?;
                let Some(mut sums) = self.mixture.sums(&iterate, k, p) else {
                    return Ok(Contribution::zero(query, "a mixture past its public limits"));
                };
                (self.rows(site.cohort, |z| sums.add(z)), sums.blocks())
            }
        };
        if let Some(zero) = layout::floor(query, site, complete) {
            return Ok(zero);
        }
        let count = std::iter::once(layout::count_values(complete, 0));
        let blocks: Vec<Vec<f64>> = count.chain(blocks).collect();
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(
        &self,
        state: State,
        sum: &Sum,
    ) -> Result<Next<State, results::clusters::Clusters>, Error> {
        let counts = layout::read_counts(sum)?;
        if counts.patients == 0 {
            return Err(unfit(
                NAME,
                "no patient with all columns known; leave out the columns that are often missing",
            ));
        }
        let used = state.used + 1;
        let last = used >= self.max_iterations;
        let next = match state.iterate {
            Iterate::Kmeans(centres) => match centres.absorb(sum, self.tolerance, last)? {
                Step::Continue(centres) => Step::Continue(Iterate::Kmeans(centres)),
                Step::Done(found) => Step::Done(found),
            },
            Iterate::Gmm(mixture) => {
                match self.mixture.absorb(mixture, sum, self.tolerance, last)? {
                    Step::Continue(mixture) => Step::Continue(Iterate::Gmm(mixture)),
                    Step::Done(found) => Step::Done(found),
                }
            }
        };
        Ok(match next {
            Step::Continue(iterate) => Next::Continue(State { iterate, used }),
            Step::Done(found) => Next::Done(self.output(found, counts, used)),
        })
    }
}

/// Centres in raw units, standardised; each must lie in the public ranges.
fn standardised(design: &Design, k: usize, start: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, Error> {
    if start.len() != k || start.iter().any(|centre| centre.len() != design.width()) {
        return Err(refuse(NAME, "`start` must hold `k` centres of one number a column"));
    }
    let place = |(j, x): (usize, &f64)| {
        let z = (x - design.center(j)) / design.scale(j);
        let name = &design.names()[j];
        // A flag's range is 0 to 1. Written so that NaN is refused too.
        (z.abs() <= 1.0)
            .then_some(z)
            .ok_or_else(|| refuse(NAME, format!("`start`: {x} is outside the range of `{name}`")))
    };
    start.iter().map(|centre| centre.iter().enumerate().map(place).collect()).collect()
}

/// `k` points drawn evenly within the public ranges by SplitMix64 (Steele, Lea and Flood, OOPSLA
/// 2014), the same on every machine.
fn drawn(seed: u64, k: usize, p: usize) -> Vec<Vec<f64>> {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..k).map(|_| (0..p).map(|_| 2.0 * uniform() - 1.0).collect()).collect()
}
