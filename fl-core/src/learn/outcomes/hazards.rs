//! Times to an event over public intervals, with a baseline of one number an interval.
//!
//! Two likelihoods, each a sum over patients (a partial likelihood is not one):
//!
//! - [`Form::Rate`]: the hazard is constant within an interval, exp(alpha_j + f(x)), so hazards are
//!   proportional and f is the log hazard ratio of Cox's model (Friedman, Ann. Stat. 1982;10:101;
//!   as a Poisson likelihood: Holford, Biometrics 1980;36:299). -log L = sum_j e_j exp(alpha_j + f)
//!   - d_j (alpha_j + f), with e_j the time spent in interval j over the interval's length.
//! - [`Form::Logit`]: the probability of the event in an interval that was entered has the logit
//!   alpha_j + f(x) (Tutz and Schmid 2016, section 3.2; Gensheimer and Narasimhan, PeerJ 7:e6257).
//!
//! Conventions of censoring stand in [`crate::tasks::hazard::intervals`].

use burn::tensor::{Tensor, activation};
use serde::Deserialize;

use super::{Outcome, OutcomeLayer, logistic, softplus};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::learn::model::Kind;
use crate::nn::ghost::{GhostOffset, Tape};
use crate::schema::Schema;
use crate::tasks::hazard::intervals::Intervals;
use crate::tasks::layout::refuse;
use crate::tasks::survival::Survival;

/// What the score moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The log of the hazard rate.
    Rate,
    /// The logit of the hazard of an interval.
    Logit,
}

/// What a baseline is scaled by in the clip norm; see [`GhostOffset`].
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    /// The gradient by alpha is taken times this: below 1, the baseline takes a smaller part of the
    /// clip norm, and moves by steps as much smaller.
    pub scale: f64,
    /// A public guess of the probability of the event in an interval, where the baseline starts.
    pub hazard: f64,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { scale: 0.5, hazard: 0.12 }
    }
}

impl Baseline {
    /// Refuses what no baseline can start from.
    pub(super) fn check(self, task: &str) -> Result<(), Error> {
        let open_unit = self.hazard > 0.0 && self.hazard < 1.0;
        if open_unit && self.scale > 0.0 && self.scale.is_finite() {
            return Ok(());
        }
        Err(refuse(task, "`baseline_hazard` must lie between 0 and 1, `baseline_scale` above 0"))
    }
}

/// A time to one kind of event.
#[derive(Clone, Debug)]
pub struct Hazard {
    form: Form,
    survival: Survival,
    intervals: Intervals,
    cuts: Vec<f64>,
    baseline: Baseline,
}

impl Hazard {
    /// An outcome by its columns and the right edges of the intervals.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(
        task: &str,
        schema: &Schema,
        form: Form,
        (time, event): (&str, &str),
        cuts: &[f64],
        baseline: Baseline,
    ) -> Result<Self, Error> {
        let survival = Survival::new(task, schema, time, event)?;
        baseline.check(task)?;
        let intervals = Intervals::new(task, cuts)?;
        Ok(Self { form, survival, intervals, cuts: cuts.to_vec(), baseline })
    }

    /// Right edges of the intervals.
    #[must_use]
    pub fn cuts(&self) -> &[f64] {
        &self.cuts
    }

    /// Share of each interval that is spent at risk, and whether the event fell into it.
    fn exposure(&self, time: f64, event: bool, out: &mut Vec<f32>) {
        let mut left = 0.0;
        let mut shares = Vec::with_capacity(self.cuts.len());
        let mut events = Vec::with_capacity(self.cuts.len());
        for (j, &cut) in self.cuts.iter().enumerate() {
            shares.push((((time.min(cut) - left) / (cut - left)).max(0.0)) as f32);
            let inside = time <= cut && (time > left || j == 0);
            events.push(f32::from(u8::from(event && inside)));
            left = cut;
        }
        out.extend(shares);
        out.extend(events);
    }
}

impl Outcome for Hazard {
    fn scores(&self) -> usize {
        1
    }

    fn parameters(&self) -> usize {
        self.cuts.len()
    }

    fn initial(&self) -> Vec<f64> {
        let h = self.baseline.hazard;
        let start = match self.form {
            Form::Rate => libm::log(-libm::log1p(-h)),
            Form::Logit => libm::log(h / (1.0 - h)),
        };
        vec![start; self.cuts.len()]
    }

    fn width(&self) -> usize {
        2 * self.cuts.len()
    }

    fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool {
        let Some((time, event)) = self.survival.of(cohort, patient) else { return false };
        match self.form {
            Form::Rate => self.exposure(time, event, out),
            Form::Logit => self.intervals.encode(time, event, out),
        }
        true
    }

    fn layer(&self, own: &[f64]) -> Box<dyn OutcomeLayer> {
        let baseline = GhostOffset::new(own, self.baseline.scale);
        Box::new(HazardLayer { form: self.form, intervals: self.cuts.len(), baseline })
    }

    fn kind(&self) -> Kind {
        Kind::Survival
    }

    fn outputs(&self) -> Vec<String> {
        let survival = self.cuts.iter().map(|cut| format!("survival_{cut}"));
        std::iter::once("risk".to_owned()).chain(survival).collect()
    }

    fn predict(&self, own: &[f64], scores: &[f64]) -> Vec<f64> {
        let score = scores.first().copied().unwrap_or(f64::NAN);
        let mut survival = 1.0;
        let at = own.iter().map(|alpha| {
            survival *= match self.form {
                Form::Rate => libm::exp(-libm::exp(alpha + score)),
                Form::Logit => 1.0 - logistic(alpha + score),
            };
            survival
        });
        std::iter::once(score).chain(at).collect()
    }

    fn loss_of(&self, own: &[f64], scores: &[f64], target: &[f64]) -> f64 {
        let score = scores.first().copied().unwrap_or(f64::NAN);
        let (at_risk, events) = target.split_at(own.len().min(target.len()));
        own.iter()
            .zip(at_risk.iter().zip(events))
            .map(|(alpha, (r, d))| {
                let z = alpha + score;
                let cumulative = match self.form {
                    Form::Rate => libm::exp(z),
                    Form::Logit => softplus(z),
                };
                r * cumulative - d * z
            })
            .sum()
    }

    fn derivatives(&self, own: &[f64], scores: &[f64], target: &[f64]) -> Option<Vec<[f64; 2]>> {
        let &[score] = scores else { return None };
        let (at_risk, events) = target.split_at_checked(own.len())?;
        let places = own.iter().zip(at_risk.iter().zip(events));
        let of = |(alpha, (r, d)): (&f64, (&f64, &f64))| {
            let z = alpha + score;
            let (slope, curvature) = match self.form {
                Form::Rate => (libm::exp(z), libm::exp(z)),
                Form::Logit => (logistic(z), logistic(z) * (1.0 - logistic(z))),
            };
            [r * slope - d, r * curvature]
        };
        (events.len() == own.len()).then(|| places.map(of).collect())
    }
}

struct HazardLayer {
    form: Form,
    intervals: usize,
    baseline: GhostOffset,
}

impl OutcomeLayer for HazardLayer {
    fn loss(&self, scores: Tensor<2>, target: Tensor<2>, tape: &mut Tape) -> Tensor<1> {
        let at_risk = target.clone().narrow(1, 0, self.intervals);
        let event = target.narrow(1, self.intervals, self.intervals);
        let z = self.baseline.forward(scores, tape);
        let cumulative = match self.form {
            Form::Rate => z.clone().exp(),
            Form::Logit => activation::softplus(z.clone(), 1.0),
        };
        (at_risk * cumulative - event * z).sum()
    }
}
