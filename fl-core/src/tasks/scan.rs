//! Association scan: score tests of many variants against one outcome, adjusted for covariates.
//!
//! Rao 1948; McCullagh and Nelder 1989, section 4.4; in the form of genome-wide scans, Zhou et al.
//! (SAIGE), *Nature Genetics* 2018;50:1335; genomic control after Devlin and Roeder, *Biometrics*
//! 1999;55:997. The null model without variants is fitted once (`null`): a logistic one by
//! Newton's method over sums, a linear one from a single sum. One more sum then gives the score and
//! the information of every variant (`score`), so the rounds do not grow with their number.
//!
//! The null model is that of patients whose outcome and covariates are known. A patient whose
//! dosage is missing is left out of that variant alone, nothing is imputed: score and information
//! come from the others, corrected for the null model's own score among them. For a linear model
//! the result is that of the complete cases; for a logistic one it is to first order, and exactly
//! so where no dosage is missing.
//!
//! A burden set counts the mutated genes of a patient, at most as many as the set has; it is tested
//! like a variant of that dosage. The task touches the outcome, the covariates and the variants.
//!
//! # What it gives away
//! The pieces of a variant with one carrier are that carrier's covariates and outcome; two variants
//! whose dosages are missing in nearly the same patients differ by the others. So a site must allow
//! this task apart ([`crate::registry::reveals_rows`]); leave out variants that are too rare to test.

mod null;
mod score;

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, refuse, unfit};
use super::newton::{Newton, Progress, Rules};
use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::results;
use crate::schema::{Kind, Schema};
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};

/// Name of the task.
pub const NAME: &str = "scan";
/// Version of its queries and of its absorb.
pub const VERSION: u32 = 1;

const MOST_ITERATIONS: u32 = 200;
/// Copies of an allele that a patient can carry.
const MOST_COPIES: f64 = 2.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    outcome: String,
    #[serde(default)]
    variants: Vec<String>,
    #[serde(default)]
    burden: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    covariates: Vec<String>,
    max_iterations: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Family {
    Logistic,
    /// With the public middle and half range of the outcome.
    Linear {
        middle: f64,
        half_range: f64,
    },
}

/// A variant or a burden set.
#[derive(Debug)]
struct Variant {
    name: String,
    /// Columns whose sum is the dosage: one, or the genes of a set.
    columns: Vec<String>,
    burden: bool,
    /// Public cap on the dosage.
    cap: f64,
}

/// An association scan.
#[derive(Debug)]
pub struct Scan {
    outcome: String,
    family: Family,
    design: Design,
    /// `(Intercept)` and the design's terms.
    terms: Vec<String>,
    variants: Vec<Variant>,
    max_iterations: u32,
    formula: String,
}

/// Where a scan stands: the public state between two sums.
#[derive(Clone, Debug)]
pub struct State {
    stage: Stage,
    used: u32,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Fitting the null model by Newton's method.
    Newton(Newton),
    /// Fitting the null model by one sum.
    Linear,
    /// Scoring the variants at the null model's coefficients.
    Score(Vec<f64>),
}

/// A patient of the null model: x = (1, z), and the outcome, 0 or 1 or standardised.
struct Case<'a> {
    patient: usize,
    x: &'a [f64],
    y: f64,
}

impl Scan {
    /// The scan of these parameters: `outcome` (a flag or a numeric column), `variants` (flags, or
    /// numeric dosages from 0 to at most 2), and optionally `covariates`,
    /// `burden = { name = [genes] }` (flags) and `max_iterations`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let max_iterations = params.max_iterations.unwrap_or(25);
        if !(1..=MOST_ITERATIONS).contains(&max_iterations) {
            return Err(refuse(NAME, format!("`max_iterations` must be 1 to {MOST_ITERATIONS}")));
        }
        let family = match schema.column(&params.outcome)?.kind {
            Kind::Flag => Family::Logistic,
            Kind::Numeric { range: (low, high), .. } => {
                let half_range = (high - low) / 2.0;
                Family::Linear { middle: low + half_range, half_range }
            }
            Kind::Category { .. } => {
                return Err(refuse(
                    NAME,
                    format!("`{}` must be a flag or a numeric column", params.outcome),
                ));
            }
        };
        let mut variants: Vec<Variant> = Vec::new();
        for name in &params.variants {
            let cap = match schema.column(name)?.kind {
                Kind::Flag => 1.0,
                Kind::Numeric { range: (low, high), .. } if low >= 0.0 && high <= MOST_COPIES => {
                    high
                }
                _ => {
                    return Err(refuse(
                        NAME,
                        format!("`{name}` must be a flag or a dosage of range 0 to 2"),
                    ));
                }
            };
            let columns = vec![name.clone()];
            variants.push(Variant { name: name.clone(), columns, burden: false, cap });
        }
        for (name, genes) in params.burden {
            for (position, gene) in genes.iter().enumerate() {
                super::survival::check_flag(NAME, schema, gene)?;
                if genes.iter().take(position).any(|earlier| earlier == gene) {
                    return Err(refuse(NAME, format!("burden `{name}`: `{gene}` stands twice")));
                }
            }
            if genes.is_empty() {
                return Err(refuse(NAME, format!("burden `{name}` has no gene")));
            }
            let cap = genes.len() as f64;
            variants.push(Variant { name, columns: genes, burden: true, cap });
        }
        if variants.is_empty() {
            return Err(refuse(NAME, "no `variants` and no `burden`; name at least one"));
        }
        if params.covariates.contains(&params.outcome) {
            return Err(refuse(
                NAME,
                format!("`{}` is the outcome and a covariate", params.outcome),
            ));
        }
        let tested = |name: &&String| variants.iter().any(|v| v.columns.contains(*name));
        if let Some(twice) = params.covariates.iter().chain([&params.outcome]).find(tested) {
            return Err(refuse(
                NAME,
                format!("`{twice}` is tested and stands in the null model; keep one"),
            ));
        }
        for (position, variant) in variants.iter().enumerate() {
            if variants.iter().take(position).any(|earlier| earlier.name == variant.name) {
                return Err(refuse(NAME, format!("`{}` stands twice", variant.name)));
            }
        }
        let design = Design::new(schema, &params.covariates)?;
        let intercept = std::iter::once("(Intercept)".to_owned());
        let right = if params.covariates.is_empty() {
            "1".to_owned()
        } else {
            params.covariates.join(" + ")
        };
        let task = Self {
            formula: format!("{} ~ {right}", params.outcome),
            outcome: params.outcome,
            family,
            terms: intercept.chain(design.names().iter().cloned()).collect(),
            design,
            variants,
            max_iterations,
        };
        layout::check(NAME, &task.query(&task.start()))?;
        layout::check(NAME, &task.query(&task.scoring(vec![0.0; task.terms.len()], 1)))?;
        Ok(task)
    }

    fn scoring(&self, beta: Vec<f64>, used: u32) -> State {
        State { stage: Stage::Score(beta), used }
    }

    fn layout(&self) -> score::Layout {
        score::Layout::new(self.variants.len(), self.terms.len(), self.family)
    }

    /// The patients whose outcome and covariates are known, in order. Returns their number.
    fn cases(&self, cohort: &Cohort, mut each: impl FnMut(&Case<'_>)) -> usize {
        let mut x = vec![1.0; self.terms.len()];
        let mut cases = 0;
        for patient in 0..cohort.len() {
            let Some(value) = cohort.value(&self.outcome, patient) else { continue };
            if !self.design.row(cohort, patient, &mut x[1..]) {
                continue;
            }
            cases += 1;
            let y = match self.family {
                Family::Logistic => value,
                Family::Linear { middle, half_range } => {
                    ((value - middle) / half_range).clamp(-1.0, 1.0)
                }
            };
            each(&Case { patient, x: &x, y });
        }
        cases
    }

    fn output(
        &self,
        sum: &Sum,
        counts: layout::Counts,
        used: u32,
    ) -> Result<results::scan::Scan, Error> {
        let (variants, lambda) = score::tests(&self.variants, &self.layout(), sum)?;
        Ok(results::scan::Scan {
            schema: "haima.scan/1".to_owned(),
            family: match self.family {
                Family::Logistic => "logistic".to_owned(),
                Family::Linear { .. } => "linear".to_owned(),
            },
            formula: self.formula.clone(),
            n: counts.patients,
            events: counts.events,
            sites: counts.sites,
            variants,
            lambda,
            iterations: used,
        })
    }
}

impl Variant {
    /// A patient's dosage as a share of the cap; `None` when any part of it is missing.
    fn share(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        let values = self.columns.iter().map(|column| cohort.value(column, patient));
        let dosage: f64 = values.sum::<Option<f64>>()?;
        Some((dosage / self.cap).clamp(0.0, 1.0))
    }
}

impl Task for Scan {
    type State = State;
    type Output = results::scan::Scan;

    fn start(&self) -> State {
        let stage = match self.family {
            Family::Logistic => Stage::Newton(Newton::new(self.terms.len(), None)),
            Family::Linear { .. } => Stage::Linear,
        };
        State { stage, used: 0 }
    }

    fn query(&self, state: &State) -> Query {
        let p = self.terms.len();
        let (blocks, bytes) = match &state.stage {
            Stage::Newton(newton) => return null::bounds(p).query(NAME, VERSION, newton),
            Stage::Linear => (null::linear_blocks(p), Vec::new()),
            Stage::Score(beta) => (self.layout().blocks(), layout::to_bytes(beta)),
        };
        let blocks = std::iter::once(layout::count_block()).chain(blocks).collect();
        layout::exact(NAME, VERSION, blocks, bytes)
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let p = self.terms.len();
        let scores = query.blocks.iter().any(|block| block.name == score::BLOCK);
        let linear = matches!(self.family, Family::Linear { .. });
        let beta = layout::from_bytes(query, if linear && !scores { 0 } else { p })?;
        if !super::newton::within_cap(&beta) {
            return Ok(Contribution::zero(query, "the coefficients pass their public cap"));
        }
        let mut events = 0;
        let mut count = |case: &Case<'_>| events += usize::from(!linear && case.y > 0.5);
        let (cases, blocks) = if scores {
            let mut sums = score::Sums::new(&self.variants, self.layout(), &beta);
            let cases = self.cases(site.cohort, |case| {
                count(case);
                sums.add(site.cohort, case);
            });
            (cases, sums.blocks())
        } else if linear {
            let mut sums = null::Linear::new(p);
            (self.cases(site.cohort, |case| sums.add(case)), sums.blocks())
        } else {
            let mut sums = null::Logistic::new(&beta);
            let cases = self.cases(site.cohort, |case| {
                count(case);
                sums.add(case);
            });
            (cases, sums.blocks())
        };
        if let Some(zero) = layout::floor(query, site, cases) {
            return Ok(zero);
        }
        let counts = std::iter::once(layout::count_values(cases, events));
        let blocks: Vec<Vec<f64>> = counts.chain(blocks).collect();
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, state: State, sum: &Sum) -> Result<Next<State, results::scan::Scan>, Error> {
        let counts = layout::read_counts(sum)?;
        let (p, used) = (self.terms.len(), state.used + 1);
        let beta = match state.stage {
            Stage::Score(_) => return Ok(Next::Done(self.output(sum, counts, used)?)),
            Stage::Linear => null::linear(sum, &self.terms)?,
            Stage::Newton(newton) => {
                if counts.events == 0 || counts.events >= counts.patients {
                    return Err(unfit(
                        NAME,
                        "all patients have the same outcome: there is nothing to test",
                    ));
                }
                let evaluation = null::bounds(p).read(NAME, sum, p)?;
                let rules = Rules {
                    task: NAME,
                    terms: &self.terms,
                    max_iterations: self.max_iterations,
                    at_last_sum: false,
                };
                match newton.absorb(&evaluation, &rules)? {
                    Progress::Continue(newton) => {
                        return Ok(Next::Continue(State { stage: Stage::Newton(newton), used }));
                    }
                    Progress::Done(estimate) => estimate.beta,
                }
            }
        };
        Ok(Next::Continue(self.scoring(beta, used)))
    }
}
