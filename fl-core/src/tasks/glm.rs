//! Generalised linear models: logistic, linear and Poisson regression over secure sums.
//!
//! McCullagh and Nelder 1989, chapters 2, 4 and 6. Gradient, information and deviance are sums over
//! patients, so the federated fit is the pooled fit, to the grid. Logistic and Poisson take one
//! Newton step a sum (equal to iteratively reweighted least squares, both links being canonical);
//! a linear model is solved from a single sum.
//!
//! Outcomes (`outcome`): a flag, or "the event by a horizon" made of a survival time (logistic);
//! a numeric column (linear); a flag or a numeric column of counts, over an `exposure` if there is
//! one (Poisson). Penalties: [`super::newton`]. Bounds: `family`.
//!
//! In the exact class a run answers with what R's `glm` and `lm` print. With `release = "noised"`
//! it takes other sums, of clipped vectors a patient, and answers with coefficients alone
//! (`noised`).

mod family;
mod fit;
mod noised;
mod outcome;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, Release, refuse, unfit};
use super::newton::{self, Newton, Penalty, Progress, Rules, Standardise};
use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::linalg::triangle;
use crate::results::Fit;
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};
use family::Family;
use noised::{Noised, Plan};
use outcome::Outcome;

/// Name of the task.
pub const NAME: &str = "glm";
/// Version of its queries and of its absorb.
pub const VERSION: u32 = 1;

const MOST_ITERATIONS: u32 = 200;
const SATURATED: &str = "saturated";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default)]
    family: Family,
    covariates: Vec<String>,
    outcome: Option<String>,
    time: Option<String>,
    event: Option<String>,
    horizon: Option<f64>,
    exposure: Option<String>,
    ridge: Option<f64>,
    lasso: Option<f64>,
    standardise: Option<Standardise>,
    max_iterations: Option<u32>,
    #[serde(default)]
    release: Release,
    steps: Option<u32>,
    clip: Option<f64>,
    learning_rate: Option<f64>,
    expected_patients: Option<u64>,
    frac_bits: Option<u8>,
}

/// A generalised linear model.
#[derive(Debug)]
pub struct Glm {
    family: Family,
    outcome: Outcome,
    design: Design,
    /// `(Intercept)` and the design's terms.
    terms: Vec<String>,
    penalty: Option<Penalty>,
    max_iterations: u32,
    formula: String,
    /// How it is fitted under noise; `None` in the exact class.
    plan: Option<Plan>,
}

/// Where a run stands: a deterministic function of the released sums (rule X3).
#[derive(Clone, Debug)]
pub enum State {
    /// In the exact class.
    Exact {
        /// The iteration.
        newton: Newton,
        /// Log-likelihood of the model that fits every patient, from the first sum.
        saturated: f64,
    },
    /// Under noise.
    Noised(Noised),
}

impl Glm {
    /// The model of these parameters: `covariates` (`a:b` is an interaction), `family = "logistic"
    /// | "linear" | "poisson"`, and `outcome`, or for a logistic model all of `time`, `event` and
    /// `horizon`. Optionally `exposure` (Poisson), `ridge`, `lasso`, `standardise = "pooled" |
    /// "public"`, `max_iterations`. For `release = "noised"`: `expected_patients`, and optionally
    /// `steps`, `clip`, `learning_rate`, `ridge` and `frac_bits`; see the head of `noised`.
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
        let outcome = Outcome::new(&params, schema)?;
        if let Some(twice) = params.covariates.iter().find(|name| outcome.uses(name)) {
            return Err(refuse(NAME, format!("`{twice}` is the outcome and a covariate")));
        }
        let plan = Plan::new(&params)?;
        let penalty = match plan {
            None => Penalty::new(NAME, (params.ridge, params.lasso), params.standardise, 1)?
                .map(|penalty| penalty.for_outcome(outcome.scale())),
            Some(_) => None,
        };
        let design = Design::new(schema, &params.covariates)?;
        let intercept = std::iter::once("(Intercept)".to_owned());
        let task = Self {
            formula: outcome.formula(&params.covariates),
            family: params.family,
            outcome,
            terms: intercept.chain(design.names().iter().cloned()).collect(),
            design,
            penalty,
            max_iterations,
            plan,
        };
        layout::check(NAME, &task.query(&task.start()))?;
        Ok(task)
    }

    /// What the family adds over the site's complete rows, with their number.
    fn sums(&self, beta: &[f64], cohort: &Cohort) -> Sums {
        let p = self.terms.len();
        let mut sums = Sums {
            patients: 0,
            events: 0,
            fit: 0.0,
            saturated: 0.0,
            gradient: vec![0.0; p],
            information: vec![0.0; triangle(p)],
            rows: Vec::new(),
        };
        let mut x = vec![1.0; p];
        for i in 0..cohort.len() {
            let Some(known) = self.outcome.of(cohort, i) else { continue };
            if !self.design.row(cohort, i, &mut x[1..]) {
                continue;
            }
            let eta: f64 = x.iter().zip(beta).map(|(x, b)| x * b).sum();
            let at = self.family.at(known.y, eta + known.offset);
            sums.patients += 1;
            sums.events += usize::from(known.event);
            sums.fit += at.fit;
            sums.saturated += self.family.saturated(known.y);
            let mut places = sums.information.iter_mut();
            for (j, x_j) in x.iter().enumerate() {
                sums.gradient[j] += at.residual * x_j;
                for (x_k, place) in x[j..].iter().zip(places.by_ref()) {
                    *place += at.weight * x_j * x_k;
                }
            }
            sums.rows.extend_from_slice(&x[1..]);
        }
        sums
    }

    fn answer(&self, query: &Query, site: &Site<'_>) -> Result<Contribution, Error> {
        let beta = layout::from_bytes(query, self.terms.len())?;
        if !newton::within_cap(&beta) || newton::reach(&beta) > self.outcome.ceiling() {
            return Ok(Contribution::zero(query, "the coefficients pass their public cap"));
        }
        let sums = self.sums(&beta, site.cohort);
        if let Some(zero) = layout::floor(query, site, sums.patients) {
            return Ok(zero);
        }
        let count = layout::count_values(sums.patients, sums.events);
        let mut blocks = vec![count, vec![sums.fit], sums.gradient, sums.information];
        if newton::wants_moments(query) {
            let width = self.design.width();
            blocks.push(newton::moments(width, sums.rows.chunks_exact(width)));
        }
        if query.blocks.len() > blocks.len() {
            blocks.push(vec![sums.saturated]);
        }
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb_exact(
        &self,
        mut newton: Newton,
        mut saturated: f64,
        sum: &Sum,
    ) -> Result<Next<State, Fit>, Error> {
        let counts = layout::read_counts(sum)?;
        if counts.patients == 0 {
            return Err(unfit(
                NAME,
                "no complete case at any answering site: look for a column that is missing \
                 throughout, or for floors above the sites' rows",
            ));
        }
        let bounds = self.family.bounds(self.terms.len(), &self.outcome);
        let mut at = bounds.read(NAME, sum, self.terms.len())?;
        saturated += sum.block(SATURATED).iter().sum::<f64>();
        let rules = Rules {
            task: NAME,
            terms: &self.terms,
            max_iterations: self.max_iterations,
            at_last_sum: false,
        };
        let progress = match self.family {
            Family::Logistic => {
                if counts.events == 0 || counts.events >= counts.patients {
                    let reason = "all patients have the same outcome: there is nothing to fit";
                    return Err(unfit(NAME, reason));
                }
                newton.absorb(&at, &rules)?
            }
            Family::Linear => Progress::Done(newton.solve(&at, &rules)?),
            Family::Poisson => {
                if counts.events == 0 {
                    return Err(unfit(NAME, "all counts are 0: there is nothing to fit"));
                }
                newton.centre(&mut at);
                newton.absorb(&at, &rules)?
            }
        };
        match progress {
            Progress::Continue(newton) => Ok(Next::Continue(State::Exact { newton, saturated })),
            Progress::Done(estimate) => {
                Ok(Next::Done(self.output(&estimate, counts, saturated, &at)?))
            }
        }
    }
}

/// What one site adds.
struct Sums {
    patients: usize,
    events: usize,
    /// Minus half the deviance.
    fit: f64,
    saturated: f64,
    gradient: Vec<f64>,
    information: Vec<f64>,
    /// Standardised terms, row by row.
    rows: Vec<f64>,
}

impl Task for Glm {
    type State = State;
    type Output = Fit;

    fn start(&self) -> State {
        match &self.plan {
            Some(_) => State::Noised(Noised::new(self.terms.len())),
            None => {
                let newton = Newton::new(self.terms.len(), self.penalty.clone());
                let newton = newton.below(self.outcome.ceiling());
                State::Exact { newton, saturated: 0.0 }
            }
        }
    }

    fn query(&self, state: &State) -> Query {
        match (state, &self.plan) {
            (State::Noised(state), Some(plan)) => plan.query(state),
            (State::Exact { newton, .. }, _) => {
                let bounds = self.family.bounds(self.terms.len(), &self.outcome);
                let mut query = bounds.query(NAME, VERSION, newton);
                if newton.is_new() {
                    query.blocks.extend(self.family.saturated_block(SATURATED, &self.outcome));
                }
                query
            }
            // A state of the other class is none that `start` or `absorb` made.
            (State::Noised(_), None) => self.query(&self.start()),
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        match &self.plan {
            Some(plan) => plan.answer(self, query, site),
            None => self.answer(query, site),
        }
    }

    fn absorb(&self, state: State, sum: &Sum) -> Result<Next<State, Fit>, Error> {
        match (state, &self.plan) {
            (State::Exact { newton, saturated }, _) => self.absorb_exact(newton, saturated, sum),
            (State::Noised(state), Some(plan)) => plan.absorb(self, state, sum),
            (State::Noised(_), None) => Err(Error::RunOver),
        }
    }
}
