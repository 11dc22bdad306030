//! Cox proportional hazards, stratified by hospital: one Newton step a secure sum.
//!
//! Cox, *JRSS B* 1972;34:187; ties after Breslow (discussion of the same paper) or Efron, *JASA*
//! 1977;72:557; stratification after Kalbfleisch and Prentice 2002, section 4.4. With a stratum a
//! hospital the risk sets never leave it, and log partial likelihood, gradient and information are
//! plain sums over hospitals: the federated fit *is* the pooled stratified fit, to the grid. The
//! unstratified model needs risk sets across hospitals, on a public time grid: [`open`] gives it
//! to [`super::gridded_cox`].
//!
//! # Bounds
//! Each term of the three sums belongs to one event, and a site of n patients has at most n. Let
//! every covariate lie in [-1, 1] ([`crate::design`]) and |eta| <= A = `newton::CAP` = 64.
//! * gradient: z_i less a weighted mean of such vectors (the weights `r_j (1 - l/d)` of Efron are
//!   not negative either), so at most 2 a coordinate and 2 sqrt(p) in norm;
//! * information: the covariance of a distribution on [-1, 1]^p. Its Frobenius norm is at most its
//!   trace, at most p (a variance on [-1, 1] is at most 1), and so is its upper triangle's;
//! * log-likelihood: `eta_i - log(S0 - l/d D0)`, where the sum lies between e^-A (D0 alone is at
//!   least d e^-A, and d - l of its d parts stay) and n e^A: at most 2 A + log n in size, n being
//!   at most the 10^7 rows that intake reads.
//!
//! With weights w in [1e-6, cap] (`weights`) each event's term counts at most cap times, and
//! log S0 is lower by at most log 10^6: all three bounds times cap, the last with 14 more.
//!
//! A patient may have several rows, each from `entry` to `time`, where the schema allows it
//! (covariates that change with time). Rows of a patient must not overlap and only one may end in the
//! event, so that a site of n patients still has at most n events; a site whose rows break that
//! answers zero, and its own log says why (rule S5).

mod partial;
mod robust;

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::gridded_cox::GriddedCox;
use super::layout::{self, Counts, refuse, unfit};
use super::newton::{self, Bounds, Estimate, Newton, Penalty, Progress, Rules, Standardise};
use super::survival::{Groups, Survival, check_time};
use super::weights::{self, Weights};
use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::linalg::{Symmetric, sandwich, triangle};
use crate::registry::Finished;
use crate::results::Fit;
use crate::schema::Schema;
use crate::stat::wald;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Run, Site, SiteState, Task, start};
use partial::{Patient, Rows};

/// Name of the task.
pub const NAME: &str = "cox";
/// Version of its queries and of its absorb.
pub const VERSION: u32 = 1;

/// More than log(10^7).
const LOG_ROWS: f64 = 17.0;
const MOST_ITERATIONS: u32 = 200;
const MEAT: &str = "meat";

/// How events at the same time share their risk set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ties {
    Breslow,
    #[default]
    Efron,
}

impl Ties {
    /// The share of the events that has left the risk set before the l-th of d takes its turn.
    fn share(self, l: usize, d: usize) -> f64 {
        match self {
            Ties::Breslow => 0.0,
            Ties::Efron => l as f64 / d as f64,
        }
    }

    /// The parameter's value.
    pub(super) fn name(self) -> &'static str {
        match self {
            Ties::Breslow => "breslow",
            Ties::Efron => "efron",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    time: String,
    event: String,
    cause: Option<String>,
    entry: Option<String>,
    covariates: Vec<String>,
    #[serde(default)]
    ties: Ties,
    strata: Option<String>,
    ridge: Option<f64>,
    lasso: Option<f64>,
    standardise: Option<Standardise>,
    weights: Option<weights::Params>,
    robust: Option<bool>,
    max_iterations: Option<u32>,
}

/// A stratified Cox model.
#[derive(Debug)]
pub struct Cox {
    survival: Survival,
    entry: Option<String>,
    design: Design,
    ties: Ties,
    strata: Groups,
    penalty: Option<Penalty>,
    weights: Option<Weights>,
    /// Whether standard errors come from a last sum of outer products.
    robust: bool,
    /// Whether a patient may have several rows.
    several: bool,
    max_iterations: u32,
    formula: String,
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub enum State {
    /// On the way to the maximum.
    Fitting(Newton),
    /// At it; the sum of outer products is missing.
    Closing(Closing),
}

/// The estimate that the last sum adds the robust variance to.
#[derive(Clone, Debug)]
pub struct Closing {
    estimate: Estimate,
    counts: Counts,
}

/// Starts a run: across hospitals with `strata = "none"`, stratified by hospital otherwise.
///
/// # Errors
/// When a parameter or a column cannot be used.
pub fn open(
    table: &toml::Table,
    schema: &Schema,
    finished: &Finished,
) -> Result<Box<dyn Run>, Error> {
    match table.get("strata").and_then(toml::Value::as_str) {
        Some("none") => Ok(start(GriddedCox::new(table, schema)?)),
        _ => Ok(start(Cox::weighted(table, schema, finished)?)),
    }
}

impl Cox {
    /// The model of these parameters: `time`, `event`, `covariates`, and optionally `cause` (a
    /// level of `event`, which then is a category: all other ends count as censored), `entry`
    /// (left truncation: a patient is at risk after this time), `ties = "efron" | "breslow"`,
    /// `strata = "site" | COLUMN` (site x column), `ridge`, `lasso` and
    /// `standardise = "pooled" | "public"` (penalties on the summed log partial likelihood),
    /// `robust` (standard errors by the sandwich) and `max_iterations`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        Self::weighted(table, schema, &Finished::new())
    }

    /// As [`Cox::new`]; parameters may also have `weights = { propensity, treatment, estimand =
    /// "ate" | "att", cap }`, `propensity` being a finished logistic task. Standard errors then are
    /// robust.
    ///
    /// # Errors
    /// When a parameter, a column or the propensity model cannot be used.
    pub fn weighted(
        table: &toml::Table,
        schema: &Schema,
        finished: &Finished,
    ) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let survival =
            Survival::of_cause(NAME, schema, &params.time, &params.event, params.cause.as_deref())?;
        if let Some(entry) = &params.entry {
            check_time(NAME, schema, entry)?;
        }
        if params.covariates.is_empty() {
            return Err(refuse(NAME, "`covariates` is empty; name at least one column"));
        }
        let strata = match params.strata.as_deref() {
            None | Some("site") => Groups::new(NAME, schema, None)?,
            Some("none") => {
                return Err(refuse(NAME, "strata = \"none\" is the model across hospitals"));
            }
            column => Groups::new(NAME, schema, column)?,
        };
        let outcome = [Some(&params.time), Some(&params.event), params.entry.as_ref()];
        if let Some(twice) = params.covariates.iter().find(|name| outcome.contains(&Some(*name))) {
            return Err(refuse(NAME, format!("`{twice}` is the outcome and a covariate")));
        }
        let max_iterations = params.max_iterations.unwrap_or(25);
        if !(1..=MOST_ITERATIONS).contains(&max_iterations) {
            return Err(refuse(NAME, format!("`max_iterations` must be 1 to {MOST_ITERATIONS}")));
        }
        let weights = params.weights.map(|own| Weights::new(NAME, own, schema, finished));
        let weights = weights.transpose()?;
        let several = schema.rows_per_patient > 1;
        if several && params.entry.is_none() {
            let reason = "patients may have several rows, so name `entry`, the start of each";
            return Err(refuse(NAME, reason));
        }
        if several && (params.ridge.is_some() || params.lasso.is_some()) {
            let reason = "penalties are scaled by the patients' own deviations, and rows are not \
                          patients here; leave `ridge` and `lasso` out";
            return Err(refuse(NAME, reason));
        }
        let robust = params.robust.unwrap_or(weights.is_some());
        if robust && (params.ridge.is_some() || params.lasso.is_some()) {
            return Err(refuse(NAME, "a penalised model has no robust standard errors"));
        }
        let weighted = weights
            .as_ref()
            .map_or(String::new(), |weights| format!(", weights = {}", weights.describe()));
        let entry = params.entry.as_ref().map_or(String::new(), |entry| format!("{entry}, "));
        let within = strata.column.as_ref().map_or(String::new(), |column| format!(", {column}"));
        let task = Self {
            formula: format!(
                "Surv({entry}{}, {}) ~ {} + strata(site{within}){weighted}",
                params.time,
                survival.event_term(),
                params.covariates.join(" + ")
            ),
            design: Design::new(schema, &params.covariates)?,
            survival,
            entry: params.entry,
            ties: params.ties,
            strata,
            penalty: Penalty::new(NAME, (params.ridge, params.lasso), params.standardise, 0)?,
            weights,
            robust,
            several,
            max_iterations,
        };
        layout::check(NAME, &task.query(&task.start()))?;
        if task.robust {
            layout::check(NAME, &task.closing(&vec![0.0; task.design.width()]))?;
        }
        Ok(task)
    }

    /// Proven in the head of this file.
    fn bounds(&self) -> Bounds {
        let p = self.design.width() as f64;
        let lowest = if self.weights.is_some() { -libm::log(weights::LOWEST) } else { 0.0 };
        Bounds {
            loglik: self.cap() * (2.0 * newton::CAP + LOG_ROWS + lowest),
            gradient: self.cap() * 2.0 * p.sqrt(),
            information: self.cap() * p,
        }
    }

    /// The highest weight.
    fn cap(&self) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights.cap)
    }

    /// What the robust variance sums: its name, and its bound by the head of [`robust`].
    fn meat(&self) -> (Block, f64) {
        let p = self.design.width();
        let bound = robust::bound(p, self.cap());
        let bits = layout::frac_bits(&[bound * bound]);
        (layout::reals(MEAT, triangle(p), bound * bound, bits), bound)
    }

    /// The complete rows, by stratum and then from the latest time to the earliest.
    fn rows(&self, cohort: &Cohort) -> Rows {
        let mut rows = Rows { width: self.design.width(), z: Vec::new(), patients: Vec::new() };
        let mut subjects = BTreeMap::new();
        let mut z = vec![0.0; rows.width];
        for i in 0..cohort.len() {
            let Some((time, event)) = self.survival.of(cohort, i) else { continue };
            let Some(stratum) = self.strata.of(cohort, i) else { continue };
            let entry = match &self.entry {
                None => None,
                Some(column) => match cohort.value(column, i) {
                    // R: an interval that is empty counts as missing.
                    Some(entry) if entry < time => Some(entry),
                    _ => continue,
                },
            };
            let weight = match &self.weights {
                None => 1.0,
                Some(weights) => match weights.of(cohort, i) {
                    Some(weight) => weight,
                    None => continue,
                },
            };
            if self.design.row(cohort, i, &mut z) {
                let row = rows.patients.len();
                let next = subjects.len();
                let subject =
                    if self.several { *subjects.entry(cohort.key(i)).or_insert(next) } else { row };
                rows.patients.push(Patient { time, entry, event, stratum, row, subject, weight });
                rows.z.extend_from_slice(&z);
            }
        }
        rows.patients
            .sort_by(|a, b| a.stratum.cmp(&b.stratum).then_with(|| b.time.total_cmp(&a.time)));
        rows
    }
}

/// Why rows of one patient cannot be used together: they overlap, or two end in the event.
fn conflict(rows: &Rows) -> Option<&'static str> {
    let mut by_subject: Vec<&Patient> = rows.patients.iter().collect();
    by_subject.sort_by(|a, b| a.subject.cmp(&b.subject).then_with(|| a.time.total_cmp(&b.time)));
    by_subject.windows(2).find_map(|pair| match pair {
        [a, b] if a.subject != b.subject => None,
        [_, b] if b.entry.is_none_or(|entry| entry < pair[0].time) => {
            Some("rows of one patient overlap in time; nothing is sent until they are mended")
        }
        [a, _] if a.event => Some("a patient's rows go on after the event"),
        _ => None,
    })
}

impl Task for Cox {
    type State = State;
    type Output = Fit;

    fn start(&self) -> State {
        State::Fitting(Newton::new(self.design.width(), self.penalty.clone()))
    }

    fn query(&self, state: &State) -> Query {
        match state {
            State::Fitting(newton) => self.bounds().query(NAME, VERSION, newton),
            State::Closing(closing) => self.closing(&closing.estimate.beta),
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let beta = layout::from_bytes(query, self.design.width())?;
        if !newton::within_cap(&beta) {
            return Ok(Contribution::zero(query, "the coefficients pass their public cap"));
        }
        let rows = self.rows(site.cohort);
        let patients = rows.patients.iter().map(|row| row.subject + 1).max().unwrap_or(0);
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        if let Some(why) = conflict(&rows) {
            return Ok(Contribution::zero(query, why));
        }
        let closing = query.blocks.iter().any(|block| block.name == MEAT);
        let blocks = if closing {
            let events = rows.patients.iter().filter(|row| row.event).count();
            let meat = robust::meat(&rows, &beta, self.ties, self.meat().1);
            vec![layout::count_values(patients, events), meat]
        } else {
            let sums = rows.partial_likelihood(&beta, self.ties);
            let count = layout::count_values(patients, sums.events);
            let mut blocks = vec![count, vec![sums.loglik], sums.gradient, sums.information];
            if newton::wants_moments(query) {
                blocks.push(newton::moments(rows.width, rows.z.chunks_exact(rows.width)));
            }
            blocks
        };
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, state: State, sum: &Sum) -> Result<Next<State, Fit>, Error> {
        let counts = layout::read_counts(sum)?;
        if counts.events == 0 {
            return Err(unfit(NAME, "no event at any answering site: there is nothing to fit"));
        }
        let newton = match state {
            State::Fitting(newton) => newton,
            State::Closing(closing) => return self.close(&closing, sum),
        };
        let evaluation = self.bounds().read(NAME, sum, self.design.width())?;
        let rules = Rules {
            task: NAME,
            terms: self.design.names(),
            max_iterations: self.max_iterations,
            at_last_sum: false,
        };
        Ok(match newton.absorb(&evaluation, &rules)? {
            Progress::Continue(newton) => Next::Continue(State::Fitting(newton)),
            Progress::Done(estimate) if self.robust => {
                Next::Continue(State::Closing(Closing { estimate, counts }))
            }
            Progress::Done(estimate) => Next::Done(self.fit(&estimate, counts, None)),
        })
    }
}

impl Cox {
    /// The last question: outer products at the estimate.
    fn closing(&self, beta: &[f64]) -> Query {
        layout::exact(
            NAME,
            VERSION,
            vec![layout::count_block(), self.meat().0],
            layout::to_bytes(beta),
        )
    }

    fn close(&self, closing: &Closing, sum: &Sum) -> Result<Next<State, Fit>, Error> {
        let p = self.design.width();
        let meat = Symmetric::new(p, layout::block(sum, MEAT, triangle(p))?);
        let variance = meat.and_then(|meat| sandwich(&closing.estimate.covariance, &meat));
        let variance = variance.ok_or_else(|| unfit(NAME, "an outer product of wrong size"))?;
        Ok(Next::Done(self.fit(&closing.estimate, closing.counts, Some(&variance))))
    }

    /// The result, with the inverse information's standard errors, or the robust ones.
    fn fit(&self, estimate: &Estimate, counts: Counts, robust: Option<&[f64]>) -> Fit {
        let naive = |j: usize| estimate.covariance[j][j].sqrt() / self.design.scale(j);
        let term = |(j, name): (usize, &String)| {
            let scale = self.design.scale(j);
            let se = robust.map_or_else(|| naive(j), |variance| variance[j].sqrt() / scale);
            wald(name, estimate.beta[j] / scale, se)
        };
        Fit {
            schema: "haima.fit/1".to_owned(),
            model: NAME.to_owned(),
            formula: self.formula.clone(),
            n: counts.patients,
            events: counts.events,
            sites: counts.sites,
            ties: self.ties.name().to_owned(),
            strata: self.strata.column.clone().unwrap_or_else(|| "site".to_owned()),
            terms: self.design.names().iter().enumerate().map(term).collect(),
            loglik: estimate.loglik,
            loglik_null: estimate.loglik_null,
            iterations: estimate.iterations + u32::from(robust.is_some()),
            penalty: estimate.penalty(|j| self.design.scale(j)),
            naive_se: robust.map(|_| (0..self.design.width()).map(naive).collect()),
            ..Fit::default()
        }
    }
}
