//! A prediction of yes or no.
//!
//! One sum gives the area under the curve by the score's bins (ties a half; DeLong's error), the
//! Brier score, observed against predicted by bins of the probability, and the decision curve
//! (Vickers and Elkin, *Med Decis Making* 2006;26:565); the next sums are Newton steps of the two
//! recalibration models ([`super::recalibration`]). Where the score is no probability, the area is
//! all.
//!
//! # Bounds
//! A patient of outcome y and predicted probability p in [0, 1]
//! * is one count in `cells`: norm 1;
//! * adds 1 and y to one row of `calibration`: norm sqrt 2, and p to one place of `predicted`: 1;
//! * adds `(p - y)^2` and its square to `brier`: norm sqrt 2;
//! * adds to one of the two counts of each of T thresholds at most: norm sqrt T.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rand_core::CryptoRng;

use super::recalibration::{self, Found, Model};
use super::score::Score;
use super::{NAME, Params, VERSION, rank, refuse_foreign};
use crate::error::Error;
use crate::results::validation::{
    Binary as Output, CalibrationBin, Decision, Probability, Validation,
};
use crate::schema::Schema;
use crate::sum::Sum;
use crate::task::{Contribution, Next, Query, Site, SiteState, Task};
use crate::tasks::layout::{self, Counts, refuse, unfit};
use crate::tasks::newton::{self, Newton};
use crate::tasks::survival::check_flag;

const DEFAULT_BINS: usize = 2000;
const DEFAULT_CALIBRATION_BINS: usize = 10;
const MOST_CALIBRATION_BINS: usize = 1000;
const MOST_THRESHOLDS: usize = 1000;

/// Validation of a prediction of a flag.
#[derive(Debug)]
pub(super) struct Binary {
    outcome: String,
    /// The value that means yes: 1 of a flag, or the place of a category's class.
    yes: f64,
    outcome_name: String,
    score: Score,
    calibration_bins: usize,
    thresholds: Vec<f64>,
}

/// What is known so far.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Nothing.
    Tables,
    /// All but what the recalibration models find.
    Recalibrating { result: Box<Validation>, model: Model, newton: Newton },
}

impl Binary {
    pub(super) fn new(
        params: Params,
        schema: &Schema,
        finished: &BTreeMap<String, serde_json::Value>,
    ) -> Result<Self, Error> {
        let score = Score::new(&params, DEFAULT_BINS, schema, finished)?;
        let foreign = [
            ("horizons", params.horizons.is_some()),
            ("grid", params.grid.is_some()),
            ("growth", params.growth.is_some()),
            ("predictions", params.predictions.is_some()),
            ("baseline", params.baseline.is_some()),
        ];
        refuse_foreign(&foreign, "`outcome`")?;
        let outcome = params.outcome.clone().unwrap_or_default();
        let (yes, outcome_name) = match (&params.class, schema.column(&outcome)?.levels()) {
            (Some(class), Some(levels)) => {
                let place = levels.iter().position(|level| level == class).ok_or_else(|| {
                    let known = levels.join(", ");
                    refuse(NAME, format!("`{outcome}` has no class `{class}`; it has {known}"))
                })?;
                (place as f64, format!("{outcome}{class}"))
            }
            _ => {
                check_flag(NAME, schema, &outcome)?;
                (1.0, outcome.clone())
            }
        };
        let calibration_bins = params.calibration_bins.unwrap_or(DEFAULT_CALIBRATION_BINS);
        if !(1..=MOST_CALIBRATION_BINS).contains(&calibration_bins) {
            let reason = format!("`calibration_bins` must be 1 to {MOST_CALIBRATION_BINS}");
            return Err(refuse(NAME, reason));
        }
        let thresholds = params
            .thresholds
            .unwrap_or_else(|| (1..20).map(|step| f64::from(step) / 20.0).collect());
        let inside = thresholds.iter().all(|threshold| *threshold > 0.0 && *threshold < 1.0);
        if !inside || !(1..=MOST_THRESHOLDS).contains(&thresholds.len()) {
            let reason = format!("`thresholds` must be 1 to {MOST_THRESHOLDS} between 0 and 1");
            return Err(refuse(NAME, reason));
        }
        let task = Self { outcome, yes, outcome_name, score, calibration_bins, thresholds };
        layout::check(NAME, &task.query(&State::Tables))?;
        Ok(task)
    }

    /// Complete cases as (score, outcome).
    fn patients(&self, site: &Site<'_>) -> Vec<(f64, bool)> {
        let of = |i| {
            let y = site.cohort.value(&self.outcome, i)?;
            Some((self.score.of(site.cohort, i)?, y == self.yes))
        };
        (0..site.cohort.len()).filter_map(of).collect()
    }

    /// The blocks of the first sum behind `count`.
    fn tables(&self, patients: &[(f64, bool)]) -> Vec<Vec<f64>> {
        let mut cells = vec![0.0; self.score.bins * 2];
        for &(score, y) in patients {
            cells[self.score.bin(score) * 2 + usize::from(y)] += 1.0;
        }
        if !self.score.is_probability() {
            return vec![cells];
        }
        let rows = self.calibration_bins;
        let (mut calibration, mut predicted) = (vec![0.0; rows * 2], vec![0.0; rows]);
        let mut brier = vec![0.0; 2];
        let mut decisions = vec![0.0; self.thresholds.len() * 2];
        for &(score, y) in patients {
            let p = self.score.probability(score);
            let loss = (p - f64::from(u8::from(y))) * (p - f64::from(u8::from(y)));
            let row = ((p * rows as f64) as usize).min(rows - 1);
            calibration[row * 2] += 1.0;
            calibration[row * 2 + 1] += f64::from(u8::from(y));
            predicted[row] += p;
            brier[0] += loss;
            brier[1] += loss * loss;
            for (threshold, counts) in self.thresholds.iter().zip(decisions.chunks_exact_mut(2)) {
                if p >= *threshold {
                    counts[usize::from(y)] += 1.0;
                }
            }
        }
        vec![cells, calibration, predicted, brier, decisions]
    }

    /// Everything that the first sum tells.
    fn result(&self, sum: &Sum, counts: Counts) -> Result<Validation, Error> {
        let cells = layout::block(sum, "cells", self.score.bins * 2)?;
        let of_class = |class| cells.iter().copied().skip(class).step_by(2).collect::<Vec<f64>>();
        let auc = rank::area_with_error(&of_class(1), &of_class(0))
            .ok_or_else(|| unfit(NAME, "all patients have the same outcome: nothing to rank"))?;
        let probability =
            if self.score.is_probability() { Some(self.probability(sum, counts)?) } else { None };
        Ok(Validation {
            schema: "haima.validation/1".to_owned(),
            formula: format!("{} ~ {}", self.outcome_name, self.score.name),
            score: self.score.name.clone(),
            n: counts.patients,
            events: counts.events,
            sites: counts.sites,
            bins: self.score.bins as u64,
            range: self.score.range,
            binary: Some(Output { auc, probability }),
            survival: None,
            classes: None,
        })
    }

    fn probability(&self, sum: &Sum, counts: Counts) -> Result<Probability, Error> {
        let (n, events) = (counts.patients as f64, counts.events as f64);
        let predicted = layout::block(sum, "predicted", self.calibration_bins)?;
        let calibration = layout::block(sum, "calibration", self.calibration_bins * 2)?;
        let decisions = layout::block(sum, "decisions", self.thresholds.len() * 2)?;
        let losses = layout::block(sum, "brier", 2)?;
        let mean = |at: usize| losses.get(at).map_or(f64::NAN, |sum| sum / n);
        let (brier, squares) = (mean(0), mean(1));
        let brier_se = ((squares - brier * brier).max(0.0) / (n - 1.0)).sqrt();
        let observed = events / n;
        let brier_null = observed * (1.0 - observed);
        let width = 1.0 / self.calibration_bins as f64;
        let row = |(row, (counts, sum)): (usize, (&[f64], &f64))| {
            let (n, events) = (*counts.first()?, *counts.get(1)?);
            (n > 0.0).then(|| CalibrationBin {
                from: row as f64 * width,
                to: (row + 1) as f64 * width,
                n: layout::whole(n),
                observed: events / n,
                predicted: sum / n,
            })
        };
        let net = |(threshold, counts): (&f64, &[f64])| {
            let odds = threshold / (1.0 - threshold);
            let benefit = |yes: f64, no: f64| yes / n - no / n * odds;
            Some(Decision {
                threshold: *threshold,
                model: benefit(*counts.get(1)?, *counts.first()?),
                all: benefit(events, n - events),
                none: 0.0,
            })
        };
        Ok(Probability {
            brier,
            brier_se: brier_se.is_finite().then_some(brier_se),
            brier_null,
            ipa: 1.0 - brier / brier_null,
            observed,
            predicted: predicted.iter().sum::<f64>() / n,
            calibration: (calibration.chunks_exact(2).zip(&predicted).enumerate())
                .filter_map(row)
                .collect(),
            recalibration: None,
            in_the_large: None,
            decision: (self.thresholds.iter().zip(decisions.chunks_exact(2)))
                .filter_map(net)
                .collect(),
            notes: Vec::new(),
        })
    }

    /// Goes on with the given model from its start.
    fn recalibrate(result: Box<Validation>, model: Model) -> Next<State, Validation> {
        let newton = Newton::new(model.width(), None);
        Next::Continue(State::Recalibrating { result, model, newton })
    }
}

impl Task for Binary {
    type State = State;
    type Output = Validation;

    fn start(&self) -> State {
        State::Tables
    }

    fn query(&self, state: &State) -> Query {
        if let State::Recalibrating { model, newton, .. } = state {
            return model.query(newton);
        }
        let mut blocks =
            vec![layout::count_block(), layout::counts("cells", self.score.bins * 2, 1.0)];
        if self.score.is_probability() {
            let two = std::f64::consts::SQRT_2;
            let bits = layout::frac_bits(&[1.0, two]);
            let thresholds = self.thresholds.len();
            blocks.push(layout::counts("calibration", self.calibration_bins * 2, two));
            blocks.push(layout::reals("predicted", self.calibration_bins, 1.0, bits));
            blocks.push(layout::reals("brier", 2, two, bits));
            blocks.push(layout::counts("decisions", thresholds * 2, (thresholds as f64).sqrt()));
        }
        layout::exact(NAME, VERSION, blocks, Vec::new())
    }

    fn contribute(
        &self,
        query: &Query,
        site: &Site<'_>,
        _state: &mut SiteState,
        _rng: &mut dyn CryptoRng,
    ) -> Result<Contribution, Error> {
        // The stages differ in the length of their iterate.
        let model = match query.bytes.len() {
            0 => None,
            8 => Some(Model::InTheLarge),
            _ => Some(Model::Slope),
        };
        let beta = layout::from_bytes(query, model.map_or(0, Model::width))?;
        if !newton::within_cap(&beta) {
            return Ok(Contribution::zero(query, "the coefficients pass their public cap"));
        }
        let patients = self.patients(site);
        if let Some(zero) = layout::floor(query, site, patients.len()) {
            return Ok(zero);
        }
        let events = patients.iter().filter(|(_, y)| *y).count();
        let mut blocks = vec![layout::count_values(patients.len(), events)];
        match model {
            None => blocks.extend(self.tables(&patients)),
            Some(model) => {
                blocks.extend(recalibration::sums(model, &beta, &self.score, &patients));
            }
        }
        Ok(Contribution::encode(query, &blocks, site.max_patients))
    }

    fn absorb(&self, state: State, sum: &Sum) -> Result<Next<State, Validation>, Error> {
        let State::Recalibrating { mut result, model, newton } = state else {
            let counts = layout::read_counts(sum)?;
            if counts.events == 0 || counts.events >= counts.patients {
                return Err(unfit(NAME, "all patients have the same outcome: nothing to rank"));
            }
            let result = Box::new(self.result(sum, counts)?);
            return Ok(if self.score.is_probability() {
                Self::recalibrate(result, Model::Slope)
            } else {
                Next::Done(*result)
            });
        };
        // What cannot be recalibrated is still validated: the reason becomes a note.
        let found = match model.absorb(newton, sum, &self.score) {
            Ok(ControlFlow::Continue(newton)) => {
                return Ok(Next::Continue(State::Recalibrating { result, model, newton }));
            }
            Ok(ControlFlow::Break(found)) => Some(found),
            Err(Error::Fit { reason, .. }) => {
                if let Some(own) = probability_of(&mut result) {
                    own.notes.push(reason);
                }
                None
            }
            Err(other) => return Err(other),
        };
        if let Some(own) = probability_of(&mut result) {
            match found {
                Some(Found::Slope(recalibration)) => own.recalibration = Some(recalibration),
                Some(Found::InTheLarge(estimate)) => own.in_the_large = Some(estimate),
                None => {}
            }
        }
        Ok(match model {
            Model::Slope => Self::recalibrate(result, Model::InTheLarge),
            Model::InTheLarge => Next::Done(*result),
        })
    }
}

fn probability_of(result: &mut Validation) -> Option<&mut Probability> {
    result.binary.as_mut()?.probability.as_mut()
}
