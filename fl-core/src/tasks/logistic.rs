//! Logistic regression by Newton's method (equal to iteratively reweighted least squares).
//!
//! McCullagh and Nelder 1989, sections 2.5 and 4.4. Gradient, information and log-likelihood are
//! sums over patients, so the federated fit is the pooled fit, to the grid. The outcome is a flag,
//! or "the event by a horizon" made of a survival time: 1 with an event at or before the horizon,
//! 0 when followed to the horizon or longer without one, and left out when censored before it.
//!
//! # Bounds
//! A patient has x = (1, z) with z in [-1, 1]^p and |eta| <= A = `newton::CAP` = 64.
//! * gradient `(y - mu) x`: at most sqrt(p + 1) in norm;
//! * information `mu (1 - mu) x x'`: at most (p + 1) / 4 in Frobenius norm;
//! * log-likelihood `-log(1 + exp(-+eta))`: at most A + log 2 in size.

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, Counts, refuse, unfit};
use super::newton::{self, Bounds, Estimate, Newton, Progress, Rules};
use super::survival::{Survival, check_flag};
use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::linalg::triangle;
use crate::results::{Fit, Term};
use crate::schema::Schema;
use crate::stat::wald;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "logistic";
/// Version of its queries and of its absorb.
pub const VERSION: u32 = 1;

const MOST_ITERATIONS: u32 = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    covariates: Vec<String>,
    outcome: Option<String>,
    time: Option<String>,
    event: Option<String>,
    horizon: Option<f64>,
    max_iterations: Option<u32>,
}

#[derive(Debug)]
enum Outcome {
    Flag(String),
    By { survival: Survival, horizon: f64 },
}

/// A logistic model.
#[derive(Debug)]
pub struct Logistic {
    outcome: Outcome,
    design: Design,
    /// `(Intercept)` and the design's terms.
    terms: Vec<String>,
    max_iterations: u32,
    formula: String,
}

impl Logistic {
    /// The model of these parameters: `covariates`, and either `outcome` (a flag) or `time`,
    /// `event` and `horizon`; optionally `max_iterations`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let max_iterations = params.max_iterations.unwrap_or(25);
        if !(1..=MOST_ITERATIONS).contains(&max_iterations) {
            return Err(refuse(NAME, format!("`max_iterations` must be 1 to {MOST_ITERATIONS}")));
        }
        if params.covariates.is_empty() {
            return Err(refuse(NAME, "`covariates` is empty; name at least one column"));
        }
        let outcome = match (params.outcome, params.time, params.event, params.horizon) {
            (Some(flag), None, None, None) => {
                check_flag(NAME, schema, &flag)?;
                Outcome::Flag(flag)
            }
            (None, Some(time), Some(event), Some(horizon)) => {
                let survival = Survival::new(NAME, schema, &time, &event)?;
                if !(horizon > 0.0 && horizon < survival.max_time) {
                    return Err(refuse(
                        NAME,
                        format!("`horizon` must lie within the range of `{time}`"),
                    ));
                }
                Outcome::By { survival, horizon }
            }
            _ => {
                return Err(refuse(
                    NAME,
                    "give `outcome`, or all of `time`, `event` and `horizon`",
                ));
            }
        };
        let used = |name: &&String| match &outcome {
            Outcome::Flag(flag) => *name == flag,
            Outcome::By { survival, .. } => **name == survival.time || **name == survival.event,
        };
        if let Some(twice) = params.covariates.iter().find(used) {
            return Err(refuse(NAME, format!("`{twice}` is the outcome and a covariate")));
        }
        let left = match &outcome {
            Outcome::Flag(flag) => flag.clone(),
            Outcome::By { survival, horizon } => {
                format!("({} & {} <= {horizon})", survival.event, survival.time)
            }
        };
        let design = Design::new(schema, &params.covariates)?;
        let intercept = std::iter::once("(Intercept)".to_owned());
        let task = Self {
            outcome,
            terms: intercept.chain(design.names().iter().cloned()).collect(),
            design,
            max_iterations,
            formula: format!("{left} ~ {}", params.covariates.join(" + ")),
        };
        layout::check(NAME, &task.query(&task.start()))?;
        Ok(task)
    }

    /// Proven in the head of this file.
    fn bounds(&self) -> Bounds {
        let p = self.terms.len() as f64;
        Bounds {
            loglik: newton::CAP + std::f64::consts::LN_2,
            gradient: p.sqrt(),
            information: p / 4.0,
        }
    }

    /// Whether a patient has the outcome; `None` when it is not known.
    fn outcome(&self, cohort: &Cohort, i: usize) -> Option<bool> {
        match &self.outcome {
            Outcome::Flag(flag) => cohort.value(flag, i).map(|value| value > 0.5),
            Outcome::By { survival, horizon } => match survival.of(cohort, i)? {
                (time, true) if time <= *horizon => Some(true),
                (time, _) if time >= *horizon => Some(false),
                _ => None,
            },
        }
    }

    /// Back from standardised covariates: with `coef = T beta`, the covariance is `T V T'`. T
    /// divides by the scale, and its first row takes `center / scale` off the intercept.
    fn raw_terms(&self, estimate: &Estimate) -> Vec<Term> {
        let p = self.terms.len();
        let transform = |row: usize, column: usize| match (row, column) {
            (0, 0) => 1.0,
            (0, j) => -self.design.center(j - 1) / self.design.scale(j - 1),
            (i, j) if i == j => 1.0 / self.design.scale(j - 1),
            _ => 0.0,
        };
        let raw = |(i, name): (usize, &String)| {
            let weights: Vec<f64> = (0..p).map(|j| transform(i, j)).collect();
            let coef = weights.iter().zip(&estimate.beta).map(|(t, b)| t * b).sum();
            let mut variance = 0.0;
            for (t_j, row) in weights.iter().zip(&estimate.covariance) {
                for (t_k, v) in weights.iter().zip(row) {
                    variance += t_j * v * t_k;
                }
            }
            wald(name, coef, variance.sqrt())
        };
        self.terms.iter().enumerate().map(raw).collect()
    }
}

impl Task for Logistic {
    type State = Newton;
    type Output = Fit;

    fn start(&self) -> Newton {
        Newton::new(self.terms.len())
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
        let p = self.terms.len();
        let beta = layout::from_bytes(query, p)?;
        if !newton::within_cap(&beta) {
            return Ok(Contribution::zero(query, "the coefficients pass their public cap"));
        }
        let (mut patients, mut events, mut loglik) = (0, 0, 0.0);
        let mut gradient = vec![0.0; p];
        let mut information = vec![0.0; triangle(p)];
        let mut x = vec![1.0; p];
        for i in 0..site.cohort.len() {
            let Some(y) = self.outcome(site.cohort, i) else { continue };
            if !self.design.row(site.cohort, i, &mut x[1..]) {
                continue;
            }
            patients += 1;
            events += usize::from(y);
            let eta: f64 = x.iter().zip(&beta).map(|(x, b)| x * b).sum();
            let mu = 1.0 / (1.0 + libm::exp(-eta));
            loglik -= libm::log1p(libm::exp(if y { -eta } else { eta }));
            let residual = f64::from(u8::from(y)) - mu;
            let weight = mu * (1.0 - mu);
            let mut places = information.iter_mut();
            for (j, x_j) in x.iter().enumerate() {
                gradient[j] += residual * x_j;
                for (x_k, place) in x[j..].iter().zip(places.by_ref()) {
                    *place += weight * x_j * x_k;
                }
            }
        }
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        let count = layout::count_values(patients, events);
        let blocks = [count, vec![loglik], gradient, information];
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, state: Newton, sum: &Sum) -> Result<Next<Newton, Fit>, Error> {
        let counts = layout::read_counts(sum)?;
        if counts.events == 0 || counts.events >= counts.patients {
            return Err(unfit(NAME, "all patients have the same outcome: there is nothing to fit"));
        }
        let evaluation = self.bounds().read(NAME, sum, self.terms.len())?;
        let rules = Rules { task: NAME, terms: &self.terms, max_iterations: self.max_iterations };
        let estimate = match state.absorb(&evaluation, &rules)? {
            Progress::Continue(state) => return Ok(Next::Continue(state)),
            Progress::Done(estimate) => estimate,
        };
        Ok(Next::Done(Fit {
            schema: "haima.fit/1".to_owned(),
            model: NAME.to_owned(),
            formula: self.formula.clone(),
            n: counts.patients,
            events: counts.events,
            sites: counts.sites,
            ties: String::new(),
            strata: "none".to_owned(),
            terms: self.raw_terms(&estimate),
            loglik: estimate.loglik,
            loglik_null: intercept_alone(counts),
            iterations: estimate.iterations,
            penalty: estimate.penalty(|j| self.design.scale(j)),
        }))
    }
}

/// Log-likelihood of the model with the intercept alone, in closed form.
fn intercept_alone(counts: Counts) -> f64 {
    let (n, events) = (counts.patients as f64, counts.events as f64);
    events * libm::log(events / n) + (n - events) * libm::log((n - events) / n)
}
