//! The sandwich variance of the Fine-Gray model, which accounts for the estimate of G.
//!
//! Fine and Gray 1999, section 5: with E(t) the weighted mean covariate and dL(t) the increments
//! of the baseline subdistribution hazard, both at the maximum, patient i has the score
//! * `eta_i = int (z_i - E) w_i dM_i`, of the model itself, and
//! * `psi_i = int q / n dMc_i`, of its part in G: n is the number at risk, Mc the martingale of
//!   censoring, and `q(u)` the sum over `t >= u` of `(S1(u, t) - E(t) S0(u, t)) dL(t)`, where S0
//!   and S1 are the moments at t of those whose competing event came before u.
//!
//! Given its grid time and outcome, the score is linear in z and r z with *public* factors:
//! `[event of the cause] z - r (hazard z - mean) + fixed`, which the query carries for each grid
//! time at which follow-up ended. The variance is `I^-1 (sum of outer products) I^-1`.
//!
//! # Bounds
//! `|z| <= sqrt(p)` and `0 <= r <= 1`, so a score has a norm of at most
//! `([event] + |hazard|) sqrt(p) + |mean| + |fixed|`: public numbers once the iterate is. The
//! upper triangle of its outer product has at most the square of the largest.

use super::super::layout::{self, unfit};
use super::super::risk_sets::Moments;
use super::timeline::{Tick, Timeline};
use super::{OUTCOMES, Outcome};
use crate::error::Error;
use crate::task::Query;

const ORDER: [Outcome; OUTCOMES] = [Outcome::Censored, Outcome::Cause, Outcome::Competing];
/// Numbers that a query may carry.
const MOST: usize = 1 << 22;
/// Largest square of a score's norm: a site of 100,000 patients then still fits, without fraction.
const MOST_SQUARE: f64 = (1u64 << 44) as f64;

/// The public factors of the scores.
#[derive(Clone, Debug)]
pub(super) struct Scores {
    p: usize,
    /// Grid times.
    ticks: Vec<usize>,
    /// For each tick and outcome: `hazard`, `mean`, `fixed`.
    factors: Vec<f64>,
}

impl Scores {
    /// From the risk sets at the maximum and the moments of those with competing events.
    pub(super) fn new(
        task: &str,
        p: usize,
        timeline: &Timeline,
        sets: &[(usize, Vec<f64>)],
        competing: &Moments,
    ) -> Result<Self, Error> {
        let numbers = timeline.ticks.len() * OUTCOMES * (1 + 2 * p);
        if numbers > MOST {
            return Err(unfit(
                task,
                format!(
                    "the variance needs {numbers} public numbers, at most {MOST}; use a \
                         coarser `grid`"
                ),
            ));
        }
        let jumps: Vec<Jump> =
            sets.iter().map(|(mark, set)| Jump::new(p, timeline, *mark, set)).collect();
        let mut factors = Vec::with_capacity(numbers);
        let mut walk = Walk::new(p, &jumps);
        for tick in &timeline.ticks {
            walk.reach(timeline, competing, tick, &mut factors);
        }
        let ticks = timeline.ticks.iter().map(|tick| tick.bin).collect();
        let scores = Self { p, ticks, factors };
        if scores.patient_norm() <= MOST_SQUARE {
            Ok(scores)
        } else {
            Err(unfit(
                task,
                "the patients' scores lie too far apart for the grid of the sums; narrow the \
                 columns' ranges or leave out the covariate with the largest coefficient",
            ))
        }
    }

    fn stride(&self) -> usize {
        1 + 2 * self.p
    }

    /// L2 bound on the outer product of a score; proven in the head of this file. Infinite when a
    /// factor is not a number.
    pub(super) fn patient_norm(&self) -> f64 {
        let root = (self.p as f64).sqrt();
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mut largest: f64 = 0.0;
        for (factors, outcome) in self.factors.chunks_exact(self.stride()).zip(ORDER.iter().cycle())
        {
            let Some((hazard, vectors)) = factors.split_first() else { continue };
            let (mean, fixed) = vectors.split_at(self.p);
            let event = f64::from(u8::from(*outcome == Outcome::Cause));
            let size = (event + hazard.abs()) * root + norm(mean) + norm(fixed);
            if !size.is_finite() {
                return f64::INFINITY;
            }
            largest = largest.max(size);
        }
        largest * largest
    }

    /// The iterate, the number of ticks, the ticks, the factors.
    pub(super) fn to_bytes(&self, beta: &[f64]) -> Vec<u8> {
        let ticks = self.ticks.iter().map(|tick| *tick as f64);
        let numbers: Vec<f64> =
            beta.iter().copied().chain(ticks).chain(self.factors.iter().copied()).collect();
        layout::to_bytes(&numbers)
    }

    /// Reads the iterate and the factors.
    pub(super) fn from_bytes(query: &Query, p: usize) -> Result<(Vec<f64>, Self), Error> {
        let each = 1 + OUTCOMES * (1 + 2 * p);
        let ticks = (query.bytes.len() / 8).saturating_sub(p).div_ceil(each);
        let mut beta = layout::from_bytes(query, p + ticks * each)?;
        let mut rest = beta.split_off(p);
        let factors = rest.split_off(ticks);
        let ticks = rest.into_iter().map(|tick| tick as usize).collect();
        Ok((beta, Self { p, ticks, factors }))
    }

    /// The score of a patient; 0 for a grid time at which nobody's follow-up ended.
    pub(super) fn of(&self, bin: usize, outcome: Outcome, r: f64, z: &[f64]) -> Vec<f64> {
        let event = f64::from(u8::from(outcome == Outcome::Cause));
        let factors = self.ticks.binary_search(&bin).ok().and_then(|tick| {
            let start = (tick * OUTCOMES + outcome as usize) * self.stride();
            self.factors.get(start..start + self.stride())?.split_first()
        });
        let Some((hazard, vectors)) = factors else { return vec![0.0; self.p] };
        let (mean, fixed) = vectors.split_at(self.p);
        z.iter()
            .zip(mean.iter().zip(fixed))
            .map(|(z, (mean, fixed))| event * z - r * (hazard * z - mean) + fixed)
            .collect()
    }
}

/// A time with events of the cause.
struct Jump {
    bin: usize,
    /// G(t-).
    uncensored: f64,
    /// dL(t).
    hazard: f64,
    /// E(t).
    mean: Vec<f64>,
}

impl Jump {
    fn new(p: usize, timeline: &Timeline, mark: usize, set: &[f64]) -> Self {
        let of = |list: &[f64]| list.get(mark).copied().unwrap_or(0.0);
        let total = set.first().copied().unwrap_or(0.0);
        let events = timeline.events.get(mark).copied().unwrap_or(0);
        Self {
            bin: timeline.marks.get(mark).copied().unwrap_or(0),
            uncensored: of(&timeline.uncensored),
            hazard: events as f64 / total,
            mean: set.iter().skip(1).take(p).map(|sum| sum / total).collect(),
        }
    }
}

/// Integrals over the jumps, as time goes on.
struct Walk<'a> {
    jumps: &'a [Jump],
    next_jump: usize,
    next_mark: usize,
    /// The integrals of dL and E dL up to now.
    past: Integral,
    /// Those of G dL and G E dL over the jumps from each on; the last entry is 0.
    ahead: Vec<Integral>,
    /// Moments over G of those with a competing event before.
    kept: Vec<f64>,
    /// The integral of q / n over the cumulative hazard of censoring.
    compensator: Vec<f64>,
}

#[derive(Clone)]
struct Integral {
    hazard: f64,
    mean: Vec<f64>,
}

impl Integral {
    fn add(&mut self, jump: &Jump, factor: f64) {
        self.hazard += factor * jump.hazard;
        for (sum, mean) in self.mean.iter_mut().zip(&jump.mean) {
            *sum += factor * jump.hazard * mean;
        }
    }
}

impl<'a> Walk<'a> {
    fn new(p: usize, jumps: &'a [Jump]) -> Self {
        let none = Integral { hazard: 0.0, mean: vec![0.0; p] };
        let mut ahead = vec![none.clone()];
        let mut sum = none.clone();
        for jump in jumps.iter().rev() {
            sum.add(jump, jump.uncensored);
            ahead.push(sum.clone());
        }
        ahead.reverse();
        Self {
            jumps,
            next_jump: 0,
            next_mark: 0,
            past: none,
            ahead,
            kept: vec![0.0; 1 + p],
            compensator: vec![0.0; p],
        }
    }

    /// Moves on to `tick` and appends the factors of those whose follow-up ended then.
    fn reach(
        &mut self,
        timeline: &Timeline,
        competing: &Moments,
        tick: &Tick,
        factors: &mut Vec<f64>,
    ) {
        // q(u): jumps at u or later, competing events before u.
        let Some(from_now) = self.ahead.get(self.next_jump) else { return };
        let (kept, kept_z) = self.kept.split_first().map_or((0.0, &[][..]), |(k, z)| (*k, z));
        let q: Vec<f64> = (kept_z.iter().zip(&from_now.mean))
            .map(|(kept_z, mean)| kept_z * from_now.hazard - kept * mean)
            .collect();
        for (sum, q) in self.compensator.iter_mut().zip(&q) {
            *sum += q * tick.censored / (tick.at_risk * tick.at_risk);
        }
        let mut here: Option<&Jump> = None;
        if let Some(jump) = self.jumps.get(self.next_jump).filter(|jump| jump.bin == tick.bin) {
            self.past.add(jump, 1.0);
            self.next_jump += 1;
            here = Some(jump);
        }
        let Some(ahead) = self.ahead.get(self.next_jump) else { return };
        let mark = timeline.marks.get(self.next_mark).filter(|mark| **mark == tick.bin);
        let free = match mark {
            Some(_) => timeline.uncensored.get(self.next_mark).copied().unwrap_or(1.0),
            None => 1.0,
        };
        for outcome in ORDER {
            let later = if outcome == Outcome::Competing { 1.0 / free } else { 0.0 };
            factors.push(self.past.hazard + later * ahead.hazard);
            let means = self.past.mean.iter().zip(&ahead.mean);
            factors.extend(means.map(|(past, ahead)| past + later * ahead));
            for (j, compensator) in self.compensator.iter().enumerate() {
                let own = match outcome {
                    Outcome::Censored => q.get(j).map_or(0.0, |q| q / tick.at_risk),
                    Outcome::Cause => here.and_then(|jump| jump.mean.get(j)).map_or(0.0, |m| -m),
                    Outcome::Competing => 0.0,
                };
                factors.push(own - compensator);
            }
        }
        if mark.is_some() {
            let new = competing.at(self.next_mark);
            self.kept.iter_mut().zip(new).for_each(|(sum, new)| *sum += new / free);
            self.next_mark += 1;
        }
    }
}
