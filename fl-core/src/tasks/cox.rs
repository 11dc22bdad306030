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

mod partial;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::gridded_cox::GriddedCox;
use super::layout::{self, refuse, unfit};
use super::newton::{self, Bounds, Newton, Penalty, Progress, Rules, Standardise};
use super::survival::{Groups, Survival, check_time};
use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::results::Fit;
use crate::schema::Schema;
use crate::stat::wald;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Run, Site, SiteState, Task, start};
use partial::{Patient, Rows};

/// Name of the task.
pub const NAME: &str = "cox";
/// Version of its queries and of its absorb.
pub const VERSION: u32 = 1;

/// More than log(10^7).
const LOG_ROWS: f64 = 17.0;
const MOST_ITERATIONS: u32 = 200;

/// How events at the same time share their risk set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ties {
    Breslow,
    #[default]
    Efron,
}

impl Ties {
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
    max_iterations: u32,
    formula: String,
}

/// Starts a run: across hospitals with `strata = "none"`, stratified by hospital otherwise.
///
/// # Errors
/// When a parameter or a column cannot be used.
pub fn open(table: &toml::Table, schema: &Schema) -> Result<Box<dyn Run>, Error> {
    match table.get("strata").and_then(toml::Value::as_str) {
        Some("none") => Ok(start(GriddedCox::new(table, schema)?)),
        _ => Ok(start(Cox::new(table, schema)?)),
    }
}

impl Cox {
    /// The model of these parameters: `time`, `event`, `covariates`, and optionally `cause` (a
    /// level of `event`, which then is a category: all other ends count as censored), `entry`
    /// (left truncation: a patient is at risk after this time), `ties = "efron" | "breslow"`,
    /// `strata = "site" | COLUMN` (site x column), `ridge`, `lasso` and
    /// `standardise = "pooled" | "public"` (penalties on the summed log partial likelihood), and
    /// `max_iterations`.
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
        let entry = params.entry.as_ref().map_or(String::new(), |entry| format!("{entry}, "));
        let within = strata.column.as_ref().map_or(String::new(), |column| format!(", {column}"));
        let task = Self {
            formula: format!(
                "Surv({entry}{}, {}) ~ {} + strata(site{within})",
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
            max_iterations,
        };
        layout::check(NAME, &task.query(&task.start()))?;
        Ok(task)
    }

    /// Proven in the head of this file.
    fn bounds(&self) -> Bounds {
        let p = self.design.width() as f64;
        Bounds { loglik: 2.0 * newton::CAP + LOG_ROWS, gradient: 2.0 * p.sqrt(), information: p }
    }

    /// The complete rows, by stratum and then from the latest time to the earliest.
    fn rows(&self, cohort: &Cohort) -> Rows {
        let mut rows = Rows { width: self.design.width(), z: Vec::new(), patients: Vec::new() };
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
            if self.design.row(cohort, i, &mut z) {
                let row = rows.patients.len();
                rows.patients.push(Patient { time, entry, event, stratum, row });
                rows.z.extend_from_slice(&z);
            }
        }
        rows.patients
            .sort_by(|a, b| a.stratum.cmp(&b.stratum).then_with(|| b.time.total_cmp(&a.time)));
        rows
    }
}

impl Task for Cox {
    type State = Newton;
    type Output = Fit;

    fn start(&self) -> Newton {
        Newton::new(self.design.width(), self.penalty.clone())
    }

    fn query(&self, state: &Newton) -> Query {
        self.bounds().query(NAME, VERSION, state)
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
        if let Some(zero) = layout::floor(query, site, rows.patients.len()) {
            return Ok(zero);
        }
        let sums = rows.partial_likelihood(&beta, self.ties);
        let count = layout::count_values(rows.patients.len(), sums.events);
        let mut blocks = vec![count, vec![sums.loglik], sums.gradient, sums.information];
        if newton::wants_moments(query) {
            blocks.push(newton::moments(rows.width, rows.z.chunks_exact(rows.width)));
        }
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, state: Newton, sum: &Sum) -> Result<Next<Newton, Fit>, Error> {
        let counts = layout::read_counts(sum)?;
        if counts.events == 0 {
            return Err(unfit(NAME, "no event at any answering site: there is nothing to fit"));
        }
        let evaluation = self.bounds().read(NAME, sum, self.design.width())?;
        let rules =
            Rules { task: NAME, terms: self.design.names(), max_iterations: self.max_iterations };
        let estimate = match state.absorb(&evaluation, &rules)? {
            Progress::Continue(state) => return Ok(Next::Continue(state)),
            Progress::Done(estimate) => estimate,
        };
        let term = |(j, name): (usize, &String)| {
            let scale = self.design.scale(j);
            wald(name, estimate.beta[j] / scale, estimate.covariance[j][j].sqrt() / scale)
        };
        Ok(Next::Done(Fit {
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
            iterations: estimate.iterations,
            penalty: estimate.penalty(|j| self.design.scale(j)),
            ..Fit::default()
        }))
    }
}
