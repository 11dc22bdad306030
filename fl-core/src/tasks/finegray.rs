//! Fine-Gray regression of the subdistribution hazard of one of several competing causes.
//!
//! Fine and Gray, *JASA* 1999;94:496, as R's `cmprsk::crr`: a patient with an event of another
//! cause at T stays in the risk sets of later times t with weight G(t-) / G(T-), where G is the
//! Kaplan-Meier estimate of being uncensored. Times are rounded *up* to a public grid.
//! * The first sum counts events of the cause, of other causes and censorings on the grid; G
//!   follows from them (`timeline`).
//! * Each Newton step sums moments by grid time (`risk_sets`), of all patients and of
//!   those with a competing event. The coordinator weighs the latter by G: no site needs it.
//! * The last sum is that of outer products for the sandwich (`sandwich`).
//!
//! What it gives away is that of [`super::gridded_cox`]: a cell of one is a patient's row.
//!
//! # Bounds
//! * `outcomes`: a patient adds 1 to a single count; `covariates`: z of an event, at most sqrt(p);
//! * `exit`, `competing`: the moments of a patient in one bin each (see `risk_sets`);
//! * `meat`: the outer product of a score whose norm `sandwich` bounds.

mod sandwich;
mod timeline;

use rand_core::CryptoRng;
use serde::Deserialize;

use super::layout::{self, Counts, refuse, unfit};
use super::newton::{Estimate, Newton, Progress, Rules};
use super::risk_sets::{self, Moments, Partial, Weights, patient_norm, reached};
use super::survival::{check_cause, check_time};
use super::time_grid::TimeGrid;
use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::linalg::{self, Symmetric, triangle};
use crate::results::Fit;
use crate::results::finegray::SubdistributionFit;
use crate::schema::Schema;
use crate::stat::wald;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Site, SiteState, Task};
use sandwich::Scores;
use timeline::Timeline;

/// Name of the task.
pub const NAME: &str = "finegray";
/// Version of its queries and of its absorb.
pub const VERSION: u32 = 1;

const MOST_ITERATIONS: u32 = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    time: String,
    event: String,
    cause: String,
    covariates: Vec<String>,
    grid: f64,
    max_iterations: Option<u32>,
}

/// How a patient's follow-up ended; also the order of the counts at a grid time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Censored,
    Cause,
    Competing,
}

const OUTCOMES: usize = 3;

/// A Fine-Gray model.
#[derive(Debug)]
pub struct FineGray {
    time: String,
    event: String,
    cause: String,
    /// Index of the cause among the levels of the event column.
    level: usize,
    design: Design,
    grid: TimeGrid,
    max_iterations: u32,
    formula: String,
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub enum State {
    /// Outcomes are counted on the grid.
    Counting,
    /// Newton steps.
    Fitting(Fitting),
    /// The sandwich.
    Closing(Closing),
}

/// What the first sum told, and the iterate.
#[derive(Clone, Debug)]
pub struct Fitting {
    counts: Counts,
    timeline: Timeline,
    /// Sum of the events' covariates.
    covariates: Vec<f64>,
    newton: Newton,
}

/// The maximum, and what each patient's score is made of.
#[derive(Clone, Debug)]
pub struct Closing {
    counts: Counts,
    competing: u64,
    estimate: Estimate,
    scores: Scores,
}

impl FineGray {
    /// The model of these parameters: `time`, `event` (a category whose first level means
    /// censored, each other level being a cause), `cause` (the level that is modelled),
    /// `covariates`, `grid` and optionally `max_iterations`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        let grid = TimeGrid::new(NAME, check_time(NAME, schema, &params.time)?, params.grid)?;
        let level = check_cause(NAME, schema, &params.event, &params.cause)?;
        if params.covariates.is_empty() {
            return Err(refuse(NAME, "`covariates` is empty; name at least one column"));
        }
        let outcome = [&params.time, &params.event];
        if let Some(twice) = params.covariates.iter().find(|name| outcome.contains(name)) {
            return Err(refuse(NAME, format!("`{twice}` is the outcome and a covariate")));
        }
        let max_iterations = params.max_iterations.unwrap_or(25);
        if !(1..=MOST_ITERATIONS).contains(&max_iterations) {
            return Err(refuse(NAME, format!("`max_iterations` must be 1 to {MOST_ITERATIONS}")));
        }
        let task = Self {
            formula: format!(
                "crr({}, {} == {}) ~ {}",
                params.time,
                params.event,
                params.cause,
                params.covariates.join(" + ")
            ),
            design: Design::new(schema, &params.covariates)?,
            time: params.time,
            event: params.event,
            cause: params.cause,
            level,
            grid,
            max_iterations,
        };
        layout::check(NAME, &task.query(&State::Counting))?;
        Ok(task)
    }

    /// Grid time, outcome and standardised covariates of each complete row.
    fn each_row(&self, cohort: &Cohort, mut visit: impl FnMut(usize, Outcome, &[f64])) {
        let mut z = vec![0.0; self.design.width()];
        for i in 0..cohort.len() {
            let Some(time) = cohort.value(&self.time, i) else { continue };
            let Some(level) = cohort.value(&self.event, i) else { continue };
            let outcome = match level as usize {
                0 => Outcome::Censored,
                level if level == self.level => Outcome::Cause,
                _ => Outcome::Competing,
            };
            if self.design.row(cohort, i, &mut z) {
                visit(self.grid.bin(time), outcome, &z);
            }
        }
    }

    fn moment_bits(&self) -> u8 {
        layout::frac_bits(&[patient_norm(self.design.width()); 2])
    }

    fn blocks(&self, state: &State) -> Vec<Block> {
        let p = self.design.width();
        let (reals, norm) = (layout::reals, (p as f64).sqrt());
        let rest = match state {
            State::Counting => vec![
                layout::counts("outcomes", self.grid.bins * OUTCOMES, 1.0),
                reals("covariates", p, norm, layout::frac_bits(&[norm])),
            ],
            State::Fitting(fitting) => {
                let len = fitting.timeline.marks.len() * risk_sets::width(p);
                let block = |name| reals(name, len, patient_norm(p), self.moment_bits());
                vec![block("exit"), block("competing")]
            }
            State::Closing(closing) => {
                let norm = closing.scores.patient_norm();
                vec![reals("meat", triangle(p), norm, layout::frac_bits(&[norm]))]
            }
        };
        std::iter::once(layout::count_block()).chain(rest).collect()
    }

    /// What the first sum says.
    fn read_counts(&self, sum: &Sum) -> Result<Fitting, Error> {
        let counts = layout::read_counts(sum)?;
        let outcomes = layout::block(sum, "outcomes", self.grid.bins * OUTCOMES)?;
        let outcomes = risk_sets::whole_counts(NAME, &outcomes, counts.patients)?;
        let timeline = Timeline::new(&outcomes);
        if counts.events == 0 || timeline.events.iter().all(|events| *events == 0) {
            return Err(unfit(
                NAME,
                format!("no event of cause `{}` at any answering site", self.cause),
            ));
        }
        Ok(Fitting {
            counts,
            timeline,
            covariates: layout::block(sum, "covariates", self.design.width())?,
            newton: Newton::new(self.design.width(), None),
        })
    }

    /// The weighted risk sets at the marks with events of the cause, with the mark of each.
    fn risk_sets(&self, fitting: &Fitting, sum: &Sum) -> Result<Vec<(usize, Vec<f64>)>, Error> {
        let p = self.design.width();
        let len = fitting.timeline.marks.len() * risk_sets::width(p);
        let mut at_risk = Moments::summed(p, layout::block(sum, "exit", len)?);
        at_risk.accumulate();
        let competing = Moments::summed(p, layout::block(sum, "competing", len)?);
        // Moments over G of those with a competing event before.
        let mut kept = vec![0.0; risk_sets::width(p)];
        let mut sets = Vec::new();
        for (mark, &free) in fitting.timeline.uncensored.iter().enumerate() {
            if fitting.timeline.events.get(mark).is_some_and(|events| *events > 0) {
                let all = at_risk.at(mark).iter().zip(&kept);
                sets.push((mark, all.map(|(all, kept)| all + free * kept).collect()));
            }
            kept.iter_mut().zip(competing.at(mark)).for_each(|(sum, new)| *sum += new / free);
        }
        Ok(sets)
    }

    /// The pseudo-likelihood at the iterate of `fitting`.
    fn partial(
        &self,
        fitting: &Fitting,
        sets: &[(usize, Vec<f64>)],
        sites: u32,
    ) -> Result<Partial, Error> {
        let beta = fitting.newton.beta();
        let highest = self.design.highest(beta);
        let step = 1.0 / (1u64 << self.moment_bits()) as f64;
        let error = f64::from(sites) * fitting.timeline.marks.len() as f64 * step;
        let mut partial = Partial::new(beta, &fitting.covariates);
        for (mark, set) in sets {
            let events = fitting.timeline.events.get(*mark).copied().unwrap_or(0);
            partial.take_out(NAME, highest, events, set, &[], error)?;
        }
        Ok(partial)
    }

    fn output(&self, closing: &Closing, meat: &[f64]) -> Result<SubdistributionFit, Error> {
        let estimate = &closing.estimate;
        let variance = Symmetric::new(self.design.width(), meat.to_vec())
            .and_then(|meat| linalg::sandwich(&estimate.covariance, &meat))
            .ok_or_else(|| unfit(NAME, "an outer product of wrong size"))?;
        let terms = (self.design.names().iter().zip(&estimate.beta).zip(variance).enumerate()).map(
            |(j, ((name, beta), variance))| {
                let scale = self.design.scale(j);
                wald(name, beta / scale, variance.sqrt() / scale)
            },
        );
        let fit = Fit {
            schema: "haima.fit/1".to_owned(),
            model: NAME.to_owned(),
            formula: self.formula.clone(),
            n: closing.counts.patients,
            events: closing.counts.events,
            sites: closing.counts.sites,
            ties: "breslow".to_owned(),
            strata: "none".to_owned(),
            terms: terms.collect(),
            loglik: estimate.loglik,
            loglik_null: estimate.loglik_null,
            iterations: estimate.iterations + 2,
            ..Fit::default()
        };
        Ok(SubdistributionFit {
            fit,
            cause: self.cause.clone(),
            competing: closing.competing,
            grid: self.grid.width,
        })
    }

    /// The blocks of one site but the count, and its numbers of patients and events.
    fn sums(&self, query: &Query, cohort: &Cohort) -> Result<Sums, Error> {
        let p = self.design.width();
        let (mut patients, mut events) = (0, 0);
        let mut seen = |outcome: Outcome| {
            patients += 1;
            events += usize::from(outcome == Outcome::Cause);
        };
        let closing = query.blocks.iter().any(|block| block.name == "meat");
        let blocks = if query.bytes.is_empty() {
            let mut outcomes = vec![0.0; self.grid.bins * OUTCOMES];
            let mut covariates = vec![0.0; p];
            self.each_row(cohort, |bin, outcome, z| {
                seen(outcome);
                outcomes[bin * OUTCOMES + outcome as usize] += 1.0;
                if outcome == Outcome::Cause {
                    covariates.iter_mut().zip(z).for_each(|(sum, z)| *sum += z);
                }
            });
            vec![outcomes, covariates]
        } else if closing {
            let (beta, scores) = Scores::from_bytes(query, p)?;
            let Some(weights) = Weights::new(&self.design, &beta) else { return Ok(Sums::Past) };
            let mut meat = vec![0.0; triangle(p)];
            self.each_row(cohort, |bin, outcome, z| {
                seen(outcome);
                let score = scores.of(bin, outcome, weights.of(z), z);
                let mut places = meat.iter_mut();
                for (j, a) in score.iter().enumerate() {
                    let row = score.iter().skip(j).zip(places.by_ref());
                    row.for_each(|(b, place)| *place += a * b);
                }
            });
            vec![meat]
        } else {
            let (beta, marks) = risk_sets::from_bytes(query, p)?;
            let Some(weights) = Weights::new(&self.design, &beta) else { return Ok(Sums::Past) };
            let mut exit = Moments::new(p, marks.len());
            let mut competing = Moments::new(p, marks.len());
            self.each_row(cohort, |bin, outcome, z| {
                seen(outcome);
                let (mark, r) = (reached(&marks, bin), weights.of(z));
                exit.add(mark, r, z);
                if outcome == Outcome::Competing {
                    competing.add(mark, r, z);
                }
            });
            vec![exit.values, competing.values]
        };
        Ok(Sums::Of { patients, events, blocks })
    }
}

/// What a site adds up.
enum Sums {
    Of {
        patients: usize,
        events: usize,
        blocks: Vec<Vec<f64>>,
    },
    /// Nothing: the iterate passes the public cap.
    Past,
}

impl Task for FineGray {
    type State = State;
    type Output = SubdistributionFit;

    fn start(&self) -> State {
        State::Counting
    }

    fn query(&self, state: &State) -> Query {
        layout::exact(
            NAME,
            VERSION,
            self.blocks(state),
            match state {
                State::Counting => Vec::new(),
                State::Fitting(fitting) => {
                    risk_sets::to_bytes(fitting.newton.beta(), &fitting.timeline.marks)
                }
                State::Closing(closing) => closing.scores.to_bytes(&closing.estimate.beta),
            },
        )
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let Sums::Of { patients, events, blocks } = self.sums(query, site.cohort)? else {
            return Ok(Contribution::zero(query, "the coefficients pass their public cap"));
        };
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        let count = layout::count_values(patients, events);
        let blocks: Vec<Vec<f64>> = std::iter::once(count).chain(blocks).collect();
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, state: State, sum: &Sum) -> Result<Next<State, SubdistributionFit>, Error> {
        let next = match state {
            State::Counting => State::Fitting(self.read_counts(sum)?),
            State::Fitting(fitting) => {
                risk_sets::same_rows(NAME, &fitting.counts, &layout::read_counts(sum)?)?;
                let sets = self.risk_sets(&fitting, sum)?;
                let partial = self.partial(&fitting, &sets, sum.sites())?;
                let rules = Rules {
                    task: NAME,
                    terms: self.design.names(),
                    max_iterations: self.max_iterations,
                    at_last_sum: true,
                };
                match fitting.newton.clone().absorb(&partial.evaluation(NAME)?, &rules)? {
                    Progress::Continue(newton) => State::Fitting(Fitting { newton, ..fitting }),
                    Progress::Done(estimate) => {
                        let p = self.design.width();
                        let len = fitting.timeline.marks.len() * risk_sets::width(p);
                        let competing = layout::block(sum, "competing", len)?;
                        let competing = Moments::summed(p, competing);
                        let scores = Scores::new(NAME, p, &fitting.timeline, &sets, &competing)?;
                        State::Closing(Closing {
                            counts: fitting.counts,
                            competing: fitting.timeline.all_competing(),
                            estimate,
                            scores,
                        })
                    }
                }
            }
            State::Closing(closing) => {
                risk_sets::same_rows(NAME, &closing.counts, &layout::read_counts(sum)?)?;
                let meat = layout::block(sum, "meat", triangle(self.design.width()))?;
                return Ok(Next::Done(self.output(&closing, &meat)?));
            }
        };
        layout::check(NAME, &self.query(&next))?;
        Ok(Next::Continue(next))
    }
}
