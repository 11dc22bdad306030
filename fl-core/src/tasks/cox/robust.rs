//! Outer products of the patients' weighted score residuals: the filling of the robust variance.
//!
//! Lin and Wei, *JASA* 1989;84:1074; Therneau and Grambsch 2000, section 7.1, for Efron's ties. With
//! weights (IPTW) the inverse information is no variance, and neither is it with several rows of a
//! patient taken for independent; residuals of one patient are added before they are squared (R:
//! `cluster`).
//!
//! # Bound
//! A patient's residual is cut to the norm M = 2 sqrt(p) * 64 * cap: 64 expected events of one
//! patient is more than any model that fits leaves. The outer product's norm is then at most M^2.

use super::Ties;
use super::partial::{Patient, Rows};
use crate::linalg::triangle;

/// Expected events of one patient past which residuals are cut.
const MOST_EXPECTED: f64 = 64.0;

/// M of the module's head, for p covariates.
pub(super) fn bound(p: usize, cap: f64) -> f64 {
    2.0 * (p as f64).sqrt() * MOST_EXPECTED * cap
}

/// What happens at an event time, to whoever is at risk and to those who have the event.
struct Mark {
    time: f64,
    stratum: usize,
    all: Hazard,
    /// The same as the events see it: under Efron they are at risk in part only.
    events: Hazard,
    /// Mean of the risk set's covariates over Efron's steps.
    mean: Vec<f64>,
}

/// An increment (or a sum) of the hazard, and of the hazard times mean covariates.
#[derive(Clone)]
struct Hazard {
    plain: f64,
    covariates: Vec<f64>,
}

impl Hazard {
    fn zero(p: usize) -> Self {
        Self { plain: 0.0, covariates: vec![0.0; p] }
    }

    fn add(&mut self, times: f64, mean: &[f64]) {
        self.plain += times;
        self.covariates.iter_mut().zip(mean).for_each(|(sum, mean)| *sum += times * mean);
    }

    /// Takes off, to `out`, what a patient of risk r and covariates z is expected to have.
    fn take_off(&self, sign: f64, r: f64, z: &[f64], out: &mut [f64]) {
        for ((out, z), mean) in out.iter_mut().zip(z).zip(&self.covariates) {
            *out -= sign * r * (z * self.plain - mean);
        }
    }
}

/// The upper triangle of the sum of outer products, each residual cut to `bound`.
pub(super) fn meat(rows: &Rows, beta: &[f64], ties: Ties, bound: f64) -> Vec<f64> {
    let p = rows.width;
    let mut marks = marks(rows, beta, ties);
    marks.reverse();
    // Cumulative hazards at the marks, which are by stratum (last first) and time (earliest first).
    let mut cumulative: Vec<Hazard> = Vec::with_capacity(marks.len());
    for (i, mark) in marks.iter().enumerate() {
        let same = i > 0 && marks[i - 1].stratum == mark.stratum;
        let mut sum = if same { cumulative[i - 1].clone() } else { Hazard::zero(p) };
        sum.plain += mark.all.plain;
        sum.covariates.iter_mut().zip(&mark.all.covariates).for_each(|(a, b)| *a += b);
        cumulative.push(sum);
    }
    let zero = Hazard::zero(p);
    let until = |stratum: usize, time: f64| -> (usize, &Hazard) {
        // Marks are ordered by stratum downwards, then by time upwards.
        let place = marks.partition_point(|mark| {
            mark.stratum > stratum || (mark.stratum == stratum && mark.time <= time)
        });
        match place.checked_sub(1).filter(|last| marks[*last].stratum == stratum) {
            Some(last) => (last, &cumulative[last]),
            None => (place, &zero),
        }
    };
    let subjects = rows.patients.iter().map(|patient| patient.subject + 1).max().unwrap_or(0);
    let mut residuals = vec![0.0; subjects * p];
    for patient in &rows.patients {
        let mut own = vec![0.0; p];
        residual(rows, patient, beta, &marks, until, &mut own);
        let place = &mut residuals[patient.subject * p..(patient.subject + 1) * p];
        place.iter_mut().zip(&own).for_each(|(sum, own)| *sum += patient.weight * own);
    }
    let mut meat = vec![0.0; triangle(p)];
    for residual in residuals.chunks_exact(p) {
        let norm = residual.iter().map(|x| x * x).sum::<f64>().sqrt();
        let factor = if norm > bound { bound / norm } else { 1.0 };
        let mut places = meat.iter_mut();
        for (j, a) in residual.iter().enumerate() {
            for (b, place) in residual[j..].iter().zip(places.by_ref()) {
                *place += (factor * a) * (factor * b);
            }
        }
    }
    meat
}

/// The event times, as [`Rows::each_event_time`] visits them.
fn marks(rows: &Rows, beta: &[f64], ties: Ties) -> Vec<Mark> {
    let mut marks = Vec::new();
    rows.each_event_time(beta, |tied, at_risk, events| {
        let number = tied.iter().filter(|patient| patient.event).count();
        let times = events.events / number as f64;
        let mut mark = Mark {
            time: tied[0].time,
            stratum: tied[0].stratum,
            all: Hazard::zero(rows.width),
            events: Hazard::zero(rows.width),
            mean: vec![0.0; rows.width],
        };
        for l in 0..number {
            let share = ties.share(l, number);
            let (total, mean) = at_risk.less(events, share);
            mark.all.add(times / total, &mean);
            mark.events.add((1.0 - share) * times / total, &mean);
            mark.mean.iter_mut().zip(&mean).for_each(|(sum, mean)| *sum += mean / number as f64);
        }
        marks.push(mark);
    });
    marks
}

/// A row's unweighted score residual, into `out`, which is zero.
fn residual<'a>(
    rows: &Rows,
    patient: &Patient,
    beta: &[f64],
    marks: &[Mark],
    until: impl Fn(usize, f64) -> (usize, &'a Hazard),
    out: &mut [f64],
) {
    let (z, r) = (rows.row(patient), libm::exp(rows.eta(patient, beta)));
    let (at, hazard) = until(patient.stratum, patient.time);
    hazard.take_off(1.0, r, z, out);
    if let Some(entry) = patient.entry {
        until(patient.stratum, entry).1.take_off(-1.0, r, z, out);
    }
    if let (true, Some(mark)) = (patient.event, marks.get(at)) {
        // At its own time the patient is at risk as the events are.
        mark.all.take_off(-1.0, r, z, out);
        mark.events.take_off(1.0, r, z, out);
        out.iter_mut().zip(z.iter().zip(&mark.mean)).for_each(|(o, (z, mean))| *o += z - mean);
    }
}
