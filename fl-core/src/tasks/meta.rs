//! Random-effects meta-analysis of the hospitals' own fits, of which none leaves its hospital.
//!
//! Each site fits the Cox or logistic model of the sibling task to its own patients alone, and the
//! coefficient b with its variance v enters sums only (DerSimonian and Laird, *Control Clin Trials*
//! 1986;7:177). With w = 1/v: the first sum counts the sites that have a fit; the second holds
//! w, w b, w b^2 and w^2, which give the fixed effect, Q and the between-hospital variance tau^2;
//! the third holds 1/(v + tau^2) and its product with b. The prediction interval is that of Higgins,
//! Thompson and Spiegelhalter, *JRSS A* 2009;172:137; I^2 and H^2 are `metafor`'s.
//!
//! A site without enough patients, without events, or whose data have no maximum (separation, a
//! constant column) adds zero, and the number of sites that did add is part of the result. With
//! fewer than [`LEAST_SITES`] of them a sum would tell one hospital's estimate, or to one of two
//! that of the other: then no site answers the second sum. Whoever controls all sites but one still
//! learns that one's fit by subtracting, as of any exact sum; with exactly three fits that takes two.
//!
//! # Bounds
//! b is on the scale of standardised covariates, where Newton's cap holds |b| <= A = 64. The inverse
//! variance of a coefficient is at most its own element of the information (the inverse of a
//! positive matrix has no smaller diagonal), which for a patient is at most k: 1 in the Cox model
//! (the variance of a covariate on [-1, 1], an event) and 1/4 in the logistic (`z^2 mu (1 - mu)`).
//! So a site of n patients has w <= n k, |w b| <= n k A, w b^2 <= n k A^2. A standard error below
//! 1/316 counts as that (w <= W = 10^5), so w^2 <= n k W, and `1/(v + tau^2) <= w`. Over p terms each
//! norm grows by sqrt p.

use rand_core::CryptoRng;
use serde::Deserialize;

use super::cox::{self, Cox};
use super::glm::Glm;
use super::layout::{self, Counts, refuse, unfit};
use super::newton;
use crate::design::Design;
use crate::error::Error;
use crate::results::Fit;
use crate::results::meta::{Meta as Output, MetaTerm};
use crate::schema::Schema;
use crate::stat::{chi_square_upper, student_975, wald};
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "meta";
/// Version of its queries and of its absorb.
pub const VERSION: u32 = 1;

/// Hospitals with a fit below which nothing is summed.
pub const LEAST_SITES: u64 = 3;
/// The largest inverse variance that is used.
const MOST_WEIGHT: f64 = 1e5;

/// Parameters that go to the model; a penalty is not among them, for its estimates have no
/// variance to weigh by.
const OF_MODEL: [&str; 9] = [
    "time",
    "event",
    "entry",
    "covariates",
    "ties",
    "strata",
    "outcome",
    "horizon",
    "max_iterations",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    model: Kind,
    term: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Cox,
    Logistic,
}

/// What each site fits.
#[derive(Debug)]
enum Model {
    Cox(Cox),
    Logistic(Glm),
}

/// A coefficient that is summed.
#[derive(Debug)]
struct Coefficient {
    name: String,
    /// What raw values are divided by.
    scale: f64,
}

/// A meta-analysis; see the module's head.
#[derive(Debug)]
pub struct Meta {
    model: Model,
    coefficients: Vec<Coefficient>,
    formula: String,
}

/// What is known so far.
#[derive(Clone, Debug)]
pub enum State {
    /// Nothing.
    Counting,
    /// Sites with a fit.
    Fixed {
        /// Their number.
        sites: u64,
    },
    /// The fixed effect and the variance between hospitals.
    Random {
        /// Sites with a fit.
        sites: u64,
        /// One a coefficient.
        terms: Vec<Between>,
    },
}

/// What the second sum says of a coefficient, in standardised covariates.
#[derive(Clone, Debug)]
pub struct Between {
    weight: f64,
    mean: f64,
    q: f64,
    tau2: f64,
    /// The typical variance within a hospital (Higgins and Thompson 2002).
    typical: f64,
}

impl Meta {
    /// The meta-analysis of these parameters: `model = "cox" | "logistic"`, optionally the one
    /// `term` to sum, and the parameters of that model but its penalties.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let (mut own, mut of_model) = (toml::Table::new(), toml::Table::new());
        for (key, value) in table {
            let place = if OF_MODEL.contains(&key.as_str()) { &mut of_model } else { &mut own };
            place.insert(key.clone(), value.clone());
        }
        let params: Params = layout::params(NAME, &own)?;
        let model = match params.model {
            Kind::Cox => Model::Cox(Cox::new(&of_model, schema)?),
            Kind::Logistic => Model::Logistic(Glm::new(&of_model, schema)?),
        };
        let covariates = of_model.get("covariates").cloned();
        let covariates: Vec<String> = covariates
            .and_then(|names| names.try_into().ok())
            .ok_or_else(|| refuse(NAME, "`covariates` must be names of columns"))?;
        let design = Design::new(schema, &covariates)?;
        let named = |(j, name): (usize, &String)| Coefficient {
            name: name.clone(),
            scale: design.scale(j),
        };
        let mut coefficients: Vec<Coefficient> =
            design.names().iter().enumerate().map(named).collect();
        if let Some(term) = &params.term {
            coefficients.retain(|own| own.name == *term);
        }
        if coefficients.is_empty() {
            let known = design.names().join(", ");
            return Err(refuse(NAME, format!("no such `term`; the model has {known}")));
        }
        let text = |key: &str| of_model.get(key).and_then(toml::Value::as_str);
        let left = match (text("outcome"), of_model.get("horizon")) {
            (Some(flag), _) => flag.to_owned(),
            (None, Some(horizon)) => format!(
                "({} & {} <= {horizon})",
                text("event").unwrap_or_default(),
                text("time").unwrap_or_default()
            ),
            (None, None) => {
                let columns: Vec<&str> =
                    ["entry", "time", "event"].into_iter().filter_map(text).collect();
                format!("Surv({})", columns.join(", "))
            }
        };
        let task =
            Self { model, coefficients, formula: format!("{left} ~ {}", covariates.join(" + ")) };
        layout::check(NAME, &task.asks(4, &[]))?;
        Ok(task)
    }

    /// A query: the block `count`, and the first `taken` of the others.
    fn asks(&self, taken: usize, iterate: &[f64]) -> Query {
        let p = self.coefficients.len();
        // Proven in the head of this file.
        let weight = match self.model {
            Model::Cox(_) => 1.0,
            Model::Logistic(_) => 0.25,
        } * (p as f64).sqrt();
        let norms = [
            ("weights", weight),
            ("effects", weight * newton::CAP),
            ("spread", weight * newton::CAP * newton::CAP),
            ("squares", weight * MOST_WEIGHT),
        ];
        let bits = layout::frac_bits(&norms.map(|(_, norm)| norm));
        let reals = |(name, norm): &(&str, f64)| layout::reals(name, p, *norm, bits);
        let blocks: Vec<Block> = std::iter::once(layout::count_block())
            .chain(norms.iter().take(taken).map(reals))
            .collect();
        layout::exact(NAME, VERSION, blocks, layout::to_bytes(iterate))
    }

    /// The site's own fit, or why it has none.
    fn fit(&self, site: &Site<'_>, rng: &mut dyn CryptoRng) -> Result<Fit, String> {
        match &self.model {
            Model::Cox(task) => alone(task, site, rng),
            Model::Logistic(task) => alone(task, site, rng),
        }
    }

    /// Coefficient and inverse variance of each term, in standardised covariates.
    fn estimates(&self, fit: &Fit) -> Result<Vec<(f64, f64)>, String> {
        let of = |own: &Coefficient| {
            let term = fit.terms.iter().find(|term| term.name == own.name);
            let (coef, se) = term.map(|term| (term.coef * own.scale, term.se * own.scale))?;
            let weight = (1.0 / (se * se)).min(MOST_WEIGHT);
            (coef.abs() <= newton::CAP && weight > 0.0).then_some((coef, weight))
        };
        let all: Option<Vec<_>> = self.coefficients.iter().map(of).collect();
        all.ok_or_else(|| "an estimate without a variance".to_owned())
    }

    /// What the second sum says.
    fn between(&self, sum: &Sum, sites: u64) -> Result<Vec<Between>, Error> {
        let p = self.coefficients.len();
        let [weights, effects, spread, squares] = [
            layout::block(sum, "weights", p)?,
            layout::block(sum, "effects", p)?,
            layout::block(sum, "spread", p)?,
            layout::block(sum, "squares", p)?,
        ];
        let df = sites as f64 - 1.0;
        let of = |j: usize| {
            let weight = weights[j];
            let mean = effects[j] / weight;
            let q = (spread[j] - effects[j] * mean).max(0.0);
            let c = weight - squares[j] / weight;
            Between { weight, mean, q, tau2: ((q - df) / c).max(0.0), typical: df / c }
        };
        let terms: Vec<Between> = (0..p).map(of).collect();
        let proper = |term: &Between| {
            let all = [term.weight, term.mean, term.q, term.tau2, term.typical];
            term.weight > 0.0 && term.typical > 0.0 && all.iter().all(|value| value.is_finite())
        };
        if terms.iter().all(proper) {
            Ok(terms)
        } else {
            Err(unfit(NAME, "sums that no fits add up to; some party broke the protocol"))
        }
    }

    /// The last sum beside the second.
    fn result(&self, sum: &Sum, counts: Counts, terms: &[Between]) -> Result<Output, Error> {
        let p = self.coefficients.len();
        let weights = layout::block(sum, "weights", p)?;
        let effects = layout::block(sum, "effects", p)?;
        let df = counts.sites.saturating_sub(1) as f64;
        let quantile = student_975(counts.sites.saturating_sub(2) as f64);
        let of = |(j, (own, between)): (usize, (&Coefficient, &Between))| {
            let (mean, variance) = (effects[j] / weights[j], 1.0 / weights[j]);
            let row = |coef: f64, variance: f64| {
                wald(&own.name, coef / own.scale, variance.sqrt() / own.scale)
            };
            let reach = quantile * (between.tau2 + variance).sqrt();
            MetaTerm {
                random: row(mean, variance),
                fixed: row(between.mean, 1.0 / between.weight),
                tau2: between.tau2 / (own.scale * own.scale),
                q: between.q,
                df: df as u32,
                q_p: chi_square_upper(between.q, df as u32),
                i2: 100.0 * between.tau2 / (between.tau2 + between.typical),
                h2: 1.0 + between.tau2 / between.typical,
                pi_lo: libm::exp((mean - reach) / own.scale),
                pi_hi: libm::exp((mean + reach) / own.scale),
            }
        };
        if !weights.iter().all(|weight| *weight > 0.0 && weight.is_finite()) {
            return Err(unfit(NAME, "sums that no fits add up to; some party broke the protocol"));
        }
        Ok(Output {
            schema: "haima.meta/1".to_owned(),
            model: match self.model {
                Model::Cox(_) => cox::NAME.to_owned(),
                Model::Logistic(_) => "logistic".to_owned(),
            },
            formula: self.formula.clone(),
            method: "DL".to_owned(),
            n: counts.patients,
            events: counts.events,
            sites: counts.sites,
            terms: self.coefficients.iter().zip(terms).enumerate().map(of).collect(),
        })
    }
}

/// Runs a task on the sum of one site, its own: the same estimate as if it were alone in the world.
fn alone<T: Task<Output = Fit>>(
    task: &T,
    site: &Site<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<Fit, String> {
    let mut state = task.start();
    loop {
        let query = task.query(&state);
        let own = task
            .contribute(&query, site, &mut SiteState::default(), rng)
            .map_err(|error| error.to_string())?;
        if let Some(note) = own.note {
            return Err(note);
        }
        let integers = own.values.iter().map(|value| i128::from(*value)).collect();
        let next = Sum::new(&query, integers, 1).and_then(|sum| task.absorb(state, &sum));
        match next.map_err(|error| error.to_string())? {
            Next::Continue(next) => state = next,
            Next::Done(fit) => return Ok(fit),
        }
    }
}

impl Task for Meta {
    type State = State;
    type Output = Output;

    fn start(&self) -> State {
        State::Counting
    }

    fn query(&self, state: &State) -> Query {
        match state {
            State::Counting => self.asks(0, &[]),
            State::Fixed { sites } => self.asks(4, &[*sites as f64]),
            State::Random { sites, terms } => {
                let tau2 = terms.iter().map(|term| term.tau2);
                let iterate: Vec<f64> = std::iter::once(*sites as f64).chain(tau2).collect();
                self.asks(2, &iterate)
            }
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        // Nothing, the number of sites, or that and the variances between them.
        let len = match query.bytes.len() {
            0 => 0,
            8 => 1,
            _ => 1 + self.coefficients.len(),
        };
        let iterate = layout::from_bytes(query, len)?;
        let enough = iterate.first().is_none_or(|sites| *sites >= LEAST_SITES as f64);
        let variances = iterate.iter().skip(1);
        if !enough || !variances.clone().all(|tau2| *tau2 >= 0.0 && tau2.is_finite()) {
            return Ok(Contribution::zero(query, "too few hospitals have a fit of their own"));
        }
        let found = self.fit(site, rng).and_then(|fit| {
            let estimates = self.estimates(&fit)?;
            Ok((fit, estimates))
        });
        let (fit, estimates) = match found {
            Ok(found) => found,
            Err(note) => return Ok(Contribution::zero(query, note)),
        };
        let column = |of: &dyn Fn(f64, f64) -> f64| {
            estimates.iter().map(|(coef, weight)| of(*coef, *weight)).collect::<Vec<f64>>()
        };
        let mut blocks = vec![vec![1.0, fit.n as f64, fit.events as f64]];
        if len == 1 {
            blocks.push(column(&|_, weight| weight));
            blocks.push(column(&|coef, weight| weight * coef));
            blocks.push(column(&|coef, weight| weight * coef * coef));
            blocks.push(column(&|_, weight| weight * weight));
        } else if len > 1 {
            let total = |(estimate, tau2): (&(f64, f64), &f64)| {
                let (coef, weight) = *estimate;
                (coef, 1.0 / (1.0 / weight + tau2))
            };
            let totals: Vec<(f64, f64)> = estimates.iter().zip(variances).map(total).collect();
            blocks.push(totals.iter().map(|(_, weight)| *weight).collect());
            blocks.push(totals.iter().map(|(coef, weight)| weight * coef).collect());
        }
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, state: State, sum: &Sum) -> Result<Next<State, Output>, Error> {
        let counts = layout::read_counts(sum)?;
        if counts.sites < LEAST_SITES {
            let reason = format!(
                "{} hospitals have a fit of their own, fewer than {LEAST_SITES}: a sum would tell \
                 one of them apart; use fewer covariates, or the pooled fit",
                counts.sites
            );
            return Err(unfit(NAME, reason));
        }
        if counts.sites > u64::from(sum.sites()) {
            let reason = "more fits than hospitals answered; some party broke the protocol";
            return Err(unfit(NAME, reason));
        }
        match state {
            State::Counting => return Ok(Next::Continue(State::Fixed { sites: counts.sites })),
            State::Fixed { sites } if sites == counts.sites => {
                let terms = self.between(sum, sites)?;
                return Ok(Next::Continue(State::Random { sites, terms }));
            }
            State::Random { sites, terms } if sites == counts.sites => {
                return Ok(Next::Done(self.result(sum, counts, &terms)?));
            }
            State::Fixed { .. } | State::Random { .. } => {}
        }
        Err(unfit(NAME, "another number of hospitals answered than before; run it again with them"))
    }
}
