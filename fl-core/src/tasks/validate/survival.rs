//! A risk score against survival times, in two sums.
//!
//! The first counts patients on [score bin x time interval x event], which gives Harrell's C as in
//! [`crate::tasks::concordance`], and events and censorings on the fine time grid, which give the
//! Kaplan-Meier curve S and the probability G of not being censored. In G deaths come before
//! censorings at the same time, as in R's `prodlim(reverse = TRUE)` and `survival::brier`.
//!
//! The second carries the weights of the inverse probability of censoring. At horizon t a patient
//! who died at T <= t is a case of weight 1 / G(T-), one who is followed past t a control of weight
//! 1 / G(t), all others have none:
//! * area under the curve, cumulative cases against dynamic controls: Uno, Cai, Tian and Wei, *JASA*
//!   2007;102:527; by the score's bins, ties a half;
//! * Brier score, for a predicted risk p by t: the mean over all patients of weight times
//!   `(1 - p)^2` for cases and `p^2` for controls: Graf, Schmoor, Sauerbrei and Schumacher, *Stat
//!   Med* 1999;18:2529. Its mean over the horizons is by trapezoids.
//!
//! A horizon by which G has fallen below 1/100 has neither: its weights are all zero. A network that
//! predicts the event by one horizon has a Brier score there alone.
//!
//! A case alone in its score bin adds the weight of its own time of death, which tells that time to
//! the fine grid: a site must allow horizons apart ([`crate::registry::reveals_rows`]).
//!
//! # Bounds
//! First sum: a patient is one count of `table` and one of `times`: norm 1 each. Second sum, with H
//! horizons and weights of at most W = 100, at each horizon a patient adds to one bin either a
//! weight (`cases`: norm W sqrt H) or 1 (`controls`: sqrt H); to `loss` a weighted square of a
//! number in [0, 1]: W sqrt H, and to `risk` a number in [0, 1]: sqrt H.

mod horizons;

use std::collections::BTreeMap;

use rand_core::CryptoRng;

use super::score::{Score, numeric};
use super::{NAME, Params, VERSION, rank, refuse_foreign};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::results::validation::{Survival as Output, Validation};
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Block, Contribution, Next, Query, Site, SiteState, Task};
use crate::tasks::concordance::pairs;
use crate::tasks::layout::{self, refuse, unfit};
use crate::tasks::network_score::{NetworkScore, RiskBy};
use crate::tasks::survival::Survival;
use crate::tasks::time_grid::interval;
use horizons::{Curve, MOST_WEIGHT};

const DEFAULT_BINS: usize = 200;
const DEFAULT_GRID: f64 = 1.0;
const DEFAULT_GROWTH: f64 = 0.02;
/// Cells of the table of score and time.
const MOST_CELLS: usize = 1 << 19;
const MOST_INTERVALS: usize = 1 << 17;
const MOST_HORIZONS: usize = 100;

/// Where a patient's predicted risk by each horizon comes from.
#[derive(Debug)]
enum Risk {
    Unknown,
    /// What the network that makes the score predicts.
    Network(RiskBy),
    /// A column a horizon.
    Columns(Vec<String>),
    /// `1 - exp(-H exp(score))`, with the cumulative hazard H at each horizon.
    Baseline(Vec<f64>),
}

/// Validation of a risk score for a survival time.
#[derive(Debug)]
pub(super) struct Times {
    survival: Survival,
    score: Score,
    risk: Risk,
    grid: f64,
    /// Intervals of the fine grid, time 0 included.
    intervals: usize,
    /// Right edges of the table's intervals, the first holding time 0 alone.
    edges: Vec<f64>,
    horizons: Vec<f64>,
    /// The horizons' places on the fine grid.
    marks: Vec<usize>,
}

/// What is known after the first sum.
#[derive(Clone, Debug)]
pub(super) struct First {
    result: Validation,
    output: Output,
    curve: Curve,
}

impl Times {
    pub(super) fn new(
        params: Params,
        schema: &Schema,
        finished: &BTreeMap<String, serde_json::Value>,
    ) -> Result<Self, Error> {
        let score = Score::new(&params, DEFAULT_BINS, schema, finished)?;
        let foreign = [
            ("calibration_bins", params.calibration_bins.is_some()),
            ("thresholds", params.thresholds.is_some()),
            ("class", params.class.is_some() && score.network().is_none()),
        ];
        refuse_foreign(&foreign, "`time` and `event`")?;
        let time = params.time.unwrap_or_default();
        let survival = Survival::new(NAME, schema, &time, &params.event.unwrap_or_default())?;
        if score.column().is_some_and(|column| column == time) {
            return Err(refuse(NAME, format!("`{time}` is the outcome and the score")));
        }
        let grid = params.grid.unwrap_or(DEFAULT_GRID);
        let growth = params.growth.unwrap_or(DEFAULT_GROWTH);
        let fits = survival.max_time / grid <= MOST_INTERVALS as f64;
        if !(grid > 0.0 && grid.is_finite() && fits && growth >= 0.0) {
            let reason =
                format!("`grid` must be above 0 and give at most {MOST_INTERVALS} intervals");
            return Err(refuse(NAME, format!("{reason}, `growth` at least 0")));
        }
        let most = MOST_CELLS / 2 / score.bins.min(MOST_CELLS);
        let edges = pairs::edges(survival.max_time, grid, growth, most).ok_or_else(|| {
            let limits = format!("`bins` x time intervals x 2 must be 1 to {MOST_CELLS} cells");
            refuse(NAME, format!("{limits}; use a wider `grid`, more `growth` or fewer `bins`"))
        })?;
        let horizons = params.horizons.unwrap_or_default();
        let marks = horizons::marks(&horizons, grid, survival.max_time)
            .map_err(|reason| refuse(NAME, reason))?;
        let risk = Risk::new(params.predictions, params.baseline, &horizons, &score, schema)?;
        let intervals = interval(survival.max_time, grid) + 1;
        let task = Self { survival, score, risk, grid, intervals, edges, horizons, marks };
        layout::check(NAME, &task.query(&None))?;
        if !task.horizons.is_empty() {
            layout::check(NAME, &task.weighted(Vec::new()))?;
        }
        Ok(task)
    }

    fn cells(&self) -> usize {
        self.score.bins * self.edges.len() * 2
    }

    /// Intervals up to the last horizon, whose weights the second query carries.
    fn weighed(&self) -> usize {
        self.marks.last().map_or(0, |last| last + 1)
    }

    fn asks(&self, blocks: Vec<Block>, bytes: Vec<u8>) -> Query {
        layout::exact(NAME, VERSION, blocks, bytes)
    }

    /// The second query, with its iterate.
    fn weighted(&self, bytes: Vec<u8>) -> Query {
        let many = self.horizons.len();
        let root = (many as f64).sqrt();
        let bits = layout::frac_bits(&[MOST_WEIGHT * root, MOST_WEIGHT * root, root]);
        let mut blocks = vec![
            layout::count_block(),
            layout::reals("cases", many * self.score.bins, MOST_WEIGHT * root, bits),
            layout::counts("controls", many * self.score.bins, root),
        ];
        if !matches!(self.risk, Risk::Unknown) {
            blocks.push(layout::reals("loss", many, MOST_WEIGHT * root, bits));
            blocks.push(layout::reals("risk", many, root, bits));
        }
        self.asks(blocks, bytes)
    }

    /// Complete cases.
    fn patients(&self, cohort: &Cohort) -> Vec<Patient> {
        let of = |i| {
            let (time, event) = self.survival.of(cohort, i)?;
            let score = self.score.of(cohort, i)?;
            let risks = match (&self.risk, self.score.network()) {
                (Risk::Network(by), Some(network)) => network.risks(by, cohort, i)?,
                (risk, _) => risk.of(cohort, i, score)?,
            };
            Some(Patient { time, event, bin: self.score.bin(score), risks })
        };
        (0..cohort.len()).filter_map(of).collect()
    }

    /// The interval of a time on the fine grid.
    fn place(&self, time: f64) -> usize {
        interval(time, self.grid).min(self.intervals - 1)
    }

    fn count(&self, patients: &[Patient]) -> [Vec<f64>; 2] {
        let mut table = vec![0.0; self.cells()];
        let mut times = vec![0.0; self.intervals * 2];
        for patient in patients {
            let event = usize::from(patient.event);
            let coarse = self.edges.partition_point(|edge| *edge < patient.time);
            let coarse = coarse.min(self.edges.len() - 1);
            table[(patient.bin * self.edges.len() + coarse) * 2 + event] += 1.0;
            times[self.place(patient.time) * 2 + event] += 1.0;
        }
        [table, times]
    }

    /// The weighted sums, with the weights of cases by interval and of controls by horizon.
    fn weigh(&self, patients: &[Patient], weights: &[f64]) -> Vec<Vec<f64>> {
        let (of_cases, of_controls) = weights.split_at(self.weighed());
        let (many, bins) = (self.horizons.len(), self.score.bins);
        let (mut cases, mut controls) = (vec![0.0; many * bins], vec![0.0; many * bins]);
        let (mut loss, mut risk) = (vec![0.0; many], vec![0.0; many]);
        for patient in patients {
            let place = self.place(patient.time);
            for (h, (mark, of_control)) in self.marks.iter().zip(of_controls).enumerate() {
                // Without a weight at the horizon nothing of it is used.
                if *of_control == 0.0 {
                    continue;
                }
                // Where no risk is known there is no loss either.
                let p = patient.risks.get(h).copied().filter(|_| self.risk.knows(h));
                risk[h] += p.unwrap_or(0.0);
                if place > *mark {
                    controls[h * bins + patient.bin] += 1.0;
                    loss[h] += p.map_or(0.0, |p| of_control * p * p);
                } else if patient.event {
                    let weight = of_cases[place];
                    cases[h * bins + patient.bin] += weight;
                    loss[h] += p.map_or(0.0, |p| weight * (1.0 - p) * (1.0 - p));
                }
            }
        }
        match self.risk {
            Risk::Unknown => vec![cases, controls],
            _ => vec![cases, controls, loss, risk],
        }
    }

    /// Everything that the first sum tells.
    fn first(&self, sum: &Sum) -> Result<First, Error> {
        let counts = layout::read_counts(sum)?;
        let table = layout::block(sum, "table", self.cells())?;
        let times = layout::block(sum, "times", self.intervals * 2)?;
        let (c_index, comparable) = rank::concordance(&table, self.score.bins, self.edges.len())
            .ok_or_else(|| {
                unfit(NAME, "no comparable pair: no event at any answering site, or no follow-up")
            })?;
        let curve = Curve::new(&times, &self.marks);
        Ok(First {
            result: Validation {
                schema: "haima.validation/1".to_owned(),
                formula: format!(
                    "Surv({}, {}) ~ {}",
                    self.survival.time, self.survival.event, self.score.name
                ),
                score: self.score.name.clone(),
                n: counts.patients,
                events: counts.events,
                sites: counts.sites,
                bins: self.score.bins as u64,
                range: self.score.range,
                binary: None,
                survival: None,
                classes: None,
            },
            output: Output {
                c_index,
                comparable,
                horizons: curve.rows(&self.horizons),
                integrated_brier: None,
                integrated_brier_null: None,
            },
            curve,
        })
    }

    /// Adds what the second sum tells.
    fn second(&self, first: First, sum: &Sum) -> Result<Validation, Error> {
        let First { mut result, mut output, .. } = first;
        let (many, bins) = (self.horizons.len(), self.score.bins);
        let cases = layout::block(sum, "cases", many * bins)?;
        let controls = layout::block(sum, "controls", many * bins)?;
        let n = layout::read_counts(sum)?.patients as f64;
        let (mut loss, mut risk) = (Vec::new(), Vec::new());
        if !matches!(self.risk, Risk::Unknown) {
            loss = layout::block(sum, "loss", many)?;
            risk = layout::block(sum, "risk", many)?;
        }
        let areas = cases.chunks_exact(bins).zip(controls.chunks_exact(bins));
        for (h, (row, (cases, controls))) in output.horizons.iter_mut().zip(areas).enumerate() {
            if row.note.is_some() {
                continue;
            }
            row.auc = rank::area(cases, controls);
            if row.auc.is_none() {
                row.note = Some("no event by this horizon, or nobody followed past it".to_owned());
            }
            if self.risk.knows(h) {
                row.predicted = risk.get(h).map(|sum| sum / n);
                row.brier = loss.get(h).map(|sum| sum / n);
                row.ipa = horizons::gain(row.brier, row.brier_null);
            } else if let Some(own) = self.score.network().and_then(NetworkScore::own_horizon) {
                let only = format!(
                    "the model predicts the event by {own} alone, so there is no mean prediction and \
                     no Brier score"
                );
                row.note = Some(match row.note.take() {
                    Some(note) => format!("{note}; {only}"),
                    None => only,
                });
            }
        }
        output.integrated_brier = horizons::integral(&output.horizons, |row| row.brier);
        output.integrated_brier_null = horizons::integral(&output.horizons, |row| row.brier_null);
        result.survival = Some(output);
        Ok(result)
    }
}

struct Patient {
    time: f64,
    event: bool,
    bin: usize,
    /// Predicted risk by each horizon; empty where it is not known.
    risks: Vec<f64>,
}

impl Risk {
    fn new(
        predictions: Option<Vec<String>>,
        baseline: Option<Vec<(f64, f64)>>,
        horizons: &[f64],
        score: &Score,
        schema: &Schema,
    ) -> Result<Self, Error> {
        match (predictions, baseline) {
            (None, None) => {
                let by = score.network().map(|network| network.risks_by(horizons));
                match by.transpose().map_err(|reason| refuse(NAME, reason))? {
                    None | Some(RiskBy::Unknown) => Ok(Self::Unknown),
                    Some(by) => Ok(Self::Network(by)),
                }
            }
            (Some(columns), None) => {
                if columns.len() != horizons.len() {
                    return Err(refuse(NAME, "`predictions` must name a column a horizon"));
                }
                for column in &columns {
                    let (low, high) = numeric(schema, column)?;
                    if !(low >= 0.0 && high <= 1.0) {
                        let reason = format!("`{column}` must have a range within 0 and 1");
                        return Err(refuse(NAME, reason));
                    }
                }
                Ok(Self::Columns(columns))
            }
            (None, Some(steps)) => {
                if score.model() != Some("cox") {
                    return Err(refuse(NAME, "`baseline` goes with the `model` of a Cox fit"));
                }
                let proper = |(time, hazard): &(f64, f64)| time.is_finite() && hazard.is_finite();
                let rises =
                    |pair: &[(f64, f64)]| matches!(pair, [(t, h), (u, i)] if t < u && h <= i);
                let starts = steps.first().is_some_and(|(_, hazard)| *hazard >= 0.0);
                if !(starts && steps.iter().all(proper) && steps.windows(2).all(rises)) {
                    let what = "`baseline` must be [time, cumulative hazard] pairs";
                    return Err(refuse(NAME, format!("{what}, both ascending from 0 or more")));
                }
                let by = |horizon: &f64| {
                    let last = steps.iter().take_while(|(time, _)| time <= horizon).last();
                    last.map_or(0.0, |(_, hazard)| *hazard)
                };
                Ok(Self::Baseline(horizons.iter().map(by).collect()))
            }
            (Some(_), Some(_)) => Err(refuse(NAME, "give one of `predictions` and `baseline`")),
        }
    }

    /// Whether the risk by the horizon at that place is known.
    fn knows(&self, horizon: usize) -> bool {
        match self {
            Self::Unknown => false,
            Self::Network(by) => by.knows(horizon),
            Self::Columns(_) | Self::Baseline(_) => true,
        }
    }

    /// A patient's risk by each horizon; `None` when a value is missing.
    fn of(&self, cohort: &Cohort, patient: usize, score: f64) -> Option<Vec<f64>> {
        match self {
            Self::Unknown | Self::Network(_) => Some(Vec::new()),
            Self::Columns(columns) => {
                columns.iter().map(|column| cohort.value(column, patient)).collect()
            }
            Self::Baseline(hazards) => {
                // A hazard of 0 stays 0 whatever the score.
                let risk = |hazard: &f64| match *hazard {
                    0.0 => 0.0,
                    hazard => -libm::expm1(-hazard * libm::exp(score)),
                };
                Some(hazards.iter().map(risk).collect())
            }
        }
    }
}

impl Task for Times {
    type State = Option<Box<First>>;
    type Output = Validation;

    fn start(&self) -> Self::State {
        None
    }

    fn query(&self, state: &Self::State) -> Query {
        match state {
            None => {
                let blocks = vec![
                    layout::count_block(),
                    layout::counts("table", self.cells(), 1.0),
                    layout::counts("times", self.intervals * 2, 1.0),
                ];
                self.asks(blocks, Vec::new())
            }
            Some(first) => self.weighted(layout::to_bytes(first.curve.weights())),
        }
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        let second = !query.bytes.is_empty();
        let len = if second { self.weighed() + self.horizons.len() } else { 0 };
        let weights = layout::from_bytes(query, len)?;
        if !weights.iter().all(|weight| (0.0..=MOST_WEIGHT).contains(weight)) {
            return Ok(Contribution::zero(query, "the weights pass their public cap"));
        }
        let patients = self.patients(site.cohort);
        if let Some(zero) = layout::floor(query, site, patients.len()) {
            return Ok(zero);
        }
        let events = patients.iter().filter(|patient| patient.event).count();
        let mut blocks = vec![layout::count_values(patients.len(), events)];
        if second {
            blocks.extend(self.weigh(&patients, &weights));
        } else {
            blocks.extend(self.count(&patients));
        }
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(
        &self,
        state: Self::State,
        sum: &Sum,
    ) -> Result<Next<Self::State, Validation>, Error> {
        match state {
            Some(first) => Ok(Next::Done(self.second(*first, sum)?)),
            None => {
                let First { mut result, output, curve } = self.first(sum)?;
                if self.horizons.is_empty() {
                    result.survival = Some(output);
                    return Ok(Next::Done(result));
                }
                Ok(Next::Continue(Some(Box::new(First { result, output, curve }))))
            }
        }
    }
}
