//! Cox proportional hazards without strata: risk sets span all hospitals, on a public time grid.
//!
//! Cox, *JRSS B* 1972;34:187; ties after Breslow or Efron as in [`super::cox`]. Times are rounded
//! *up* to the grid. The first sum counts the events at each grid time; each further one is a
//! Newton step over `risk_sets` at the times with events. On a grid as fine as the data's
//! unit the fit is R's `coxph` of the pooled rows, to the grid of the sums.
//!
//! # What it gives away
//! A grid time with a single event, or a single exit between two of them, is that patient's row of
//! covariates, to whoever sees the sums. So a site must allow this task apart
//! ([`crate::registry::reveals_rows`], the policy's `row_revealing_tasks`); a coarser grid puts more
//! patients into a cell, and the stratified model sums over whole hospitals.
//!
//! # Bounds
//! * `events`: a patient adds 1 to one count at most; `covariates`: z of an event, at most sqrt(p);
//! * `exit`, `entry`, `tied`: the moments of a patient in one bin each (see `risk_sets`).

use rand_core::CryptoRng;
use serde::Deserialize;

use super::cox::{NAME, Ties, VERSION};
use super::layout::{self, Counts, refuse, unfit};
use super::newton::{Estimate, Newton, Progress, Rules};
use super::risk_sets::{self, Moments, Partial, Weights, patient_norm, reached};
use super::survival::{Survival, check_time};
use super::time_grid::TimeGrid;
use crate::cohort::Cohort;
use crate::design::Design;
use crate::error::Error;
use crate::results::Fit;
use crate::results::gridded::{Baseline, GriddedFit};
use crate::schema::Schema;
use crate::stat::wald;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Site, SiteState, Task};

const MOST_ITERATIONS: u32 = 200;

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
    strata: String,
    grid: Option<f64>,
    max_iterations: Option<u32>,
}

/// An unstratified Cox model.
#[derive(Debug)]
pub struct GriddedCox {
    survival: Survival,
    entry: Option<String>,
    design: Design,
    ties: Ties,
    grid: TimeGrid,
    max_iterations: u32,
    formula: String,
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub enum State {
    /// Events are counted on the grid.
    Counting,
    /// Newton steps.
    Fitting(Box<Fitting>),
}

/// What the first sum told, and the iterate.
#[derive(Clone, Debug)]
pub struct Fitting {
    counts: Counts,
    /// Grid times with events.
    marks: Vec<usize>,
    /// Events at each.
    events: Vec<usize>,
    /// Sum of the events' covariates.
    covariates: Vec<f64>,
    newton: Newton,
}

/// A complete row on the grid.
struct Row<'a> {
    entry: Option<usize>,
    exit: usize,
    event: bool,
    z: &'a [f64],
}

impl GriddedCox {
    /// The model of these parameters: `strata = "none"`, `grid`, `time`, `event`, `covariates`,
    /// and optionally `cause` (a level of `event`, which then is a category: all other ends count
    /// as censored), `entry` (left truncation), `ties = "efron" | "breslow"` and `max_iterations`.
    ///
    /// # Errors
    /// When a parameter or a column cannot be used.
    pub fn new(table: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let params: Params = layout::params(NAME, table)?;
        if schema.rows_per_patient > 1 {
            let reason = "several rows a patient need strata = \"site\" or a column";
            return Err(refuse(NAME, reason));
        }
        if params.strata != "none" {
            return Err(refuse(NAME, "risk sets across hospitals need strata = \"none\""));
        }
        let Some(grid) = params.grid else {
            return Err(refuse(
                NAME,
                "strata = \"none\" needs risk sets across hospitals at public times: give `grid`, \
                 the width of a time grid; or use strata \"site\", or a flag or category for \
                 site x column",
            ));
        };
        let (time, event) = (&params.time, &params.event);
        let survival = Survival::of_cause(NAME, schema, time, event, params.cause.as_deref())?;
        if let Some(entry) = &params.entry {
            check_time(NAME, schema, entry)?;
        }
        if params.covariates.is_empty() {
            return Err(refuse(NAME, "`covariates` is empty; name at least one column"));
        }
        let outcome = [Some(time), Some(event), params.entry.as_ref()];
        if let Some(twice) = params.covariates.iter().find(|name| outcome.contains(&Some(*name))) {
            return Err(refuse(NAME, format!("`{twice}` is the outcome and a covariate")));
        }
        let max_iterations = params.max_iterations.unwrap_or(25);
        if !(1..=MOST_ITERATIONS).contains(&max_iterations) {
            return Err(refuse(NAME, format!("`max_iterations` must be 1 to {MOST_ITERATIONS}")));
        }
        let entry = params.entry.as_ref().map_or(String::new(), |entry| format!("{entry}, "));
        let task = Self {
            formula: format!(
                "Surv({entry}{time}, {}) ~ {}",
                survival.event_term(),
                params.covariates.join(" + ")
            ),
            grid: TimeGrid::new(NAME, survival.max_time, grid)?,
            design: Design::new(schema, &params.covariates)?,
            survival,
            entry: params.entry,
            ties: params.ties,
            max_iterations,
        };
        layout::check(NAME, &task.query(&State::Counting))?;
        Ok(task)
    }

    /// Each complete row; one whose entry and exit fall on the same grid time is never at risk and
    /// counts as incomplete, as in R.
    fn each_row(&self, cohort: &Cohort, mut visit: impl FnMut(Row<'_>)) {
        let mut z = vec![0.0; self.design.width()];
        for i in 0..cohort.len() {
            let Some((time, event)) = self.survival.of(cohort, i) else { continue };
            let exit = self.grid.bin(time);
            let entry = match &self.entry {
                None => None,
                Some(column) => match cohort.value(column, i).map(|entry| self.grid.bin(entry)) {
                    Some(entry) if entry < exit => Some(entry),
                    _ => continue,
                },
            };
            if self.design.row(cohort, i, &mut z) {
                visit(Row { entry, exit, event, z: &z });
            }
        }
    }

    /// Blocks of moments, in order.
    fn moments(&self) -> Vec<&'static str> {
        let entry = self.entry.as_ref().map(|_| "entry");
        let tied = (self.ties == Ties::Efron).then_some("tied");
        std::iter::once("exit").chain(entry).chain(tied).collect()
    }

    fn moment_bits(&self) -> u8 {
        layout::frac_bits(&vec![patient_norm(self.design.width()); self.moments().len()])
    }

    fn blocks(&self, state: &State) -> Vec<Block> {
        let p = self.design.width();
        match state {
            State::Counting => {
                let norm = (p as f64).sqrt();
                let bits = layout::frac_bits(&[norm]);
                vec![
                    layout::count_block(),
                    layout::counts("events", self.grid.bins, 1.0),
                    layout::reals("covariates", p, norm, bits),
                ]
            }
            State::Fitting(fitting) => {
                let len = fitting.marks.len() * risk_sets::width(p);
                let block = |name| layout::reals(name, len, patient_norm(p), self.moment_bits());
                std::iter::once(layout::count_block())
                    .chain(self.moments().into_iter().map(block))
                    .collect()
            }
        }
    }

    /// A site's counts on the grid.
    fn count(&self, query: &Query, site: &Site<'_>) -> Contribution {
        let (mut patients, mut number) = (0, 0);
        let mut events = vec![0.0; self.grid.bins];
        let mut covariates = vec![0.0; self.design.width()];
        self.each_row(site.cohort, |row| {
            patients += 1;
            if row.event {
                number += 1;
                events[row.exit] += 1.0;
                covariates.iter_mut().zip(row.z).for_each(|(sum, z)| *sum += z);
            }
        });
        if let Some(zero) = layout::floor(query, site, patients) {
            return zero;
        }
        let blocks = [layout::count_values(patients, number), events, covariates];
        Contribution::encode(query, &blocks, site.max_patients)
    }

    /// What the first sum says.
    fn read_counts(&self, sum: &Sum) -> Result<Fitting, Error> {
        let counts = layout::read_counts(sum)?;
        let events = layout::block(sum, "events", self.grid.bins)?;
        let events = risk_sets::whole_counts(NAME, &events, counts.events)?;
        if counts.events == 0 {
            return Err(unfit(NAME, "no event at any answering site: there is nothing to fit"));
        }
        let marks: Vec<usize> = (0..events.len()).filter(|bin| events[*bin] > 0).collect();
        Ok(Fitting {
            counts,
            events: marks.iter().map(|mark| events[*mark]).collect(),
            marks,
            covariates: layout::block(sum, "covariates", self.design.width())?,
            newton: Newton::new(self.design.width(), None),
        })
    }

    /// The partial likelihood at the iterate of `fitting`.
    fn partial(&self, fitting: &Fitting, sum: &Sum) -> Result<Partial, Error> {
        let p = self.design.width();
        let beta = fitting.newton.beta();
        let marks = fitting.marks.len();
        let read = |name: &str| -> Result<Moments, Error> {
            let values = layout::block(sum, name, marks * risk_sets::width(p))?;
            Ok(Moments::summed(p, values))
        };
        let mut at_risk = read("exit")?;
        if self.entry.is_some() {
            let entered = read("entry")?;
            at_risk.values.iter_mut().zip(&entered.values).for_each(|(all, late)| *all -= late);
        }
        at_risk.accumulate();
        let tied = match self.ties {
            Ties::Breslow => Moments::new(p, 0),
            Ties::Efron => read("tied")?,
        };
        let highest = self.design.highest(beta);
        let step = 1.0 / (1u64 << self.moment_bits()) as f64;
        let blocks = self.moments().len() as f64;
        let mut partial = Partial::new(beta, &fitting.covariates);
        for (mark, &events) in fitting.events.iter().enumerate() {
            let error = f64::from(sum.sites()) * blocks * (marks - mark) as f64 * step;
            partial.take_out(NAME, highest, events, at_risk.at(mark), tied.at(mark), error)?;
        }
        Ok(partial)
    }

    fn output(&self, fitting: &Fitting, estimate: &Estimate, hazard: &[f64]) -> GriddedFit {
        let term = |(j, name): (usize, &String)| {
            let scale = self.design.scale(j);
            wald(name, estimate.beta[j] / scale, estimate.covariance[j][j].sqrt() / scale)
        };
        // A patient with raw covariates 0 has z = -center / scale.
        let origin: f64 = (estimate.beta.iter().enumerate())
            .map(|(j, b)| b * self.design.center(j) / self.design.scale(j))
            .sum();
        let at_origin = libm::exp(-origin - self.design.highest(&estimate.beta));
        let mut cumulative = 0.0;
        let cumhaz = hazard.iter().map(|increment| {
            cumulative += increment * at_origin;
            cumulative
        });
        let baseline = Baseline {
            time: fitting.marks.iter().map(|mark| self.grid.time(*mark)).collect(),
            cumhaz: cumhaz.collect(),
        };
        let fit = Fit {
            schema: "haima.fit/1".to_owned(),
            model: NAME.to_owned(),
            formula: self.formula.clone(),
            n: fitting.counts.patients,
            events: fitting.counts.events,
            sites: fitting.counts.sites,
            ties: self.ties.name().to_owned(),
            strata: "none".to_owned(),
            terms: self.design.names().iter().enumerate().map(term).collect(),
            loglik: estimate.loglik,
            loglik_null: estimate.loglik_null,
            iterations: estimate.iterations + 1,
            ..Fit::default()
        };
        GriddedFit { fit, grid: self.grid.width, baseline }
    }
}

impl Task for GriddedCox {
    type State = State;
    type Output = GriddedFit;

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
                    risk_sets::to_bytes(fitting.newton.beta(), &fitting.marks)
                }
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
        if query.bytes.is_empty() {
            return Ok(self.count(query, site));
        }
        let p = self.design.width();
        let (beta, marks) = risk_sets::from_bytes(query, p)?;
        let Some(weights) = Weights::new(&self.design, &beta) else {
            return Ok(Contribution::zero(query, "the coefficients pass their public cap"));
        };
        let (mut patients, mut number) = (0, 0);
        let mut sums: Vec<Moments> =
            self.moments().iter().map(|_| Moments::new(p, marks.len())).collect();
        self.each_row(site.cohort, |row| {
            patients += 1;
            number += usize::from(row.event);
            let (entry, exit) =
                (row.entry.map_or(0, |entry| reached(&marks, entry)), reached(&marks, row.exit));
            let r = weights.of(row.z);
            for (name, sums) in self.moments().into_iter().zip(&mut sums) {
                match name {
                    "exit" => sums.add(exit, r, row.z),
                    "entry" => sums.add(entry, r, row.z),
                    _ if row.event => sums.add(exit, r, row.z),
                    _ => {}
                }
            }
        });
        if let Some(zero) = layout::floor(query, site, patients) {
            return Ok(zero);
        }
        let count = layout::count_values(patients, number);
        let blocks: Vec<Vec<f64>> =
            std::iter::once(count).chain(sums.into_iter().map(|sums| sums.values)).collect();
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, state: State, sum: &Sum) -> Result<Next<State, GriddedFit>, Error> {
        let State::Fitting(fitting) = state else {
            let state = State::Fitting(Box::new(self.read_counts(sum)?));
            layout::check(NAME, &self.query(&state))?;
            return Ok(Next::Continue(state));
        };
        risk_sets::same_rows(NAME, &fitting.counts, &layout::read_counts(sum)?)?;
        let partial = self.partial(&fitting, sum)?;
        let rules = Rules {
            task: NAME,
            terms: self.design.names(),
            max_iterations: self.max_iterations,
            at_last_sum: true,
        };
        match fitting.newton.clone().absorb(&partial.evaluation(NAME)?, &rules)? {
            Progress::Continue(newton) => {
                Ok(Next::Continue(State::Fitting(Box::new(Fitting { newton, ..*fitting }))))
            }
            Progress::Done(estimate) => {
                Ok(Next::Done(self.output(&fitting, &estimate, &partial.hazard)))
            }
        }
    }
}
