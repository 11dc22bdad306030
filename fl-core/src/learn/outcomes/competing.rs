//! Competing risks over public intervals: which of several events ends a patient's time, and when.
//!
//! In an interval that was entered, the probabilities of the causes 1..K and of no event are a softmax
//! over z_kj = alpha_kj + f_k(x) and 0 (Tutz and Schmid, *Modeling Discrete Time-to-Event Data*, 2016,
//! section 8.1). So f_k moves the log odds of cause k against staying free of any event, and
//!
//! ```text
//! -log L = sum_j r_j log(1 + sum_k exp z_kj) - sum_kj d_kj z_kj
//! ```
//!
//! with r_j whether the patient was at risk in interval j, and d_kj whether cause k struck in it: a sum
//! over patients, as clipping needs. The cumulative incidence of cause k up to cut j is
//! sum_{l <= j} S_{l-1} p_kl, S being the probability of no event so far.
//!
//! Conventions of censoring stand in [`crate::tasks::hazard::intervals`]. Where cuts are as fine as the
//! unit of time, a model without covariates is the estimator of Aalen and Johansen.

use burn::tensor::{Tensor, activation};

use super::hazards::Baseline;
use super::{Outcome, OutcomeLayer, softplus};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::learn::model::Kind;
use crate::nn::ghost::{GhostOffset, Tape};
use crate::schema::Schema;
use crate::tasks::hazard::intervals::Intervals;
use crate::tasks::layout::refuse;
use crate::tasks::survival::{check_outcomes, check_time};

/// Causes times intervals that a baseline may have.
const MOST_BASELINE: usize = 8192;

/// A time to the first of several kinds of event.
#[derive(Clone, Debug)]
pub struct Competing {
    time: String,
    event: String,
    causes: Vec<String>,
    intervals: Intervals,
    cuts: Vec<f64>,
    baseline: Baseline,
}

impl Competing {
    /// An outcome by its columns and the right edges of the intervals. The levels of `event` are
    /// censored and then the causes; `baseline.hazard` is a guess for all causes together.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(
        task: &str,
        schema: &Schema,
        (time, event): (&str, &str),
        cuts: &[f64],
        baseline: Baseline,
    ) -> Result<Self, Error> {
        check_time(task, schema, time)?;
        let causes: Vec<String> =
            check_outcomes(task, schema, event)?.into_iter().skip(1).collect();
        baseline.check(task)?;
        let intervals = Intervals::new(task, cuts)?;
        if causes.len() * cuts.len() > MOST_BASELINE {
            let reason = format!(
                "{} causes in {} intervals; their product is at most {MOST_BASELINE}: use fewer \
                 `cuts`",
                causes.len(),
                cuts.len()
            );
            return Err(refuse(task, reason));
        }
        let (time, event, cuts) = (time.to_owned(), event.to_owned(), cuts.to_vec());
        Ok(Self { time, event, causes, intervals, cuts, baseline })
    }

    /// What can end a patient's time, in the order of the scores.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// z_kj of each cause and interval.
    fn predictors<'a>(
        &'a self,
        own: &'a [f64],
        scores: &'a [f64],
    ) -> impl Iterator<Item = Vec<f64>> + 'a {
        let of_cause = |(alphas, score): (&[f64], &f64)| {
            alphas.iter().map(|a| a + score).collect::<Vec<f64>>()
        };
        own.chunks(self.cuts.len()).zip(scores).map(of_cause)
    }
}

impl Outcome for Competing {
    fn scores(&self) -> usize {
        self.causes.len()
    }

    fn parameters(&self) -> usize {
        self.causes.len() * self.cuts.len()
    }

    fn initial(&self) -> Vec<f64> {
        let h = self.baseline.hazard;
        let each = h / self.causes.len() as f64;
        vec![libm::log(each / (1.0 - h)); self.parameters()]
    }

    fn width(&self) -> usize {
        self.cuts.len() * (1 + self.causes.len())
    }

    /// Whether at risk in each interval, then, cause by cause, whether it struck in each.
    fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool {
        let (Some(time), Some(level)) =
            (cohort.value(&self.time, patient), cohort.value(&self.event, patient))
        else {
            return false;
        };
        let mut of_any = Vec::with_capacity(2 * self.cuts.len());
        self.intervals.encode(time, level > 0.5, &mut of_any);
        let (at_risk, events) = of_any.split_at(self.cuts.len());
        out.extend(at_risk);
        for cause in 1..=self.causes.len() {
            let own = f32::from(u8::from(level == cause as f64));
            out.extend(events.iter().map(|event| own * event));
        }
        true
    }

    fn layer(&self, own: &[f64]) -> Box<dyn OutcomeLayer> {
        let of_cause = |alphas: &[f64]| GhostOffset::new(alphas, self.baseline.scale);
        let baselines = own.chunks(self.cuts.len()).map(of_cause).collect();
        Box::new(CompetingLayer { intervals: self.cuts.len(), baselines })
    }

    fn kind(&self) -> Kind {
        Kind::Competing
    }

    fn outputs(&self) -> Vec<String> {
        let at = |cause: &String| {
            self.cuts.iter().map(|cut| format!("incidence_{cause}_{cut}")).collect::<Vec<_>>()
        };
        let risks = self.causes.iter().map(|cause| format!("risk_{cause}"));
        self.causes.iter().flat_map(at).chain(risks).collect()
    }

    fn predict(&self, own: &[f64], scores: &[f64]) -> Vec<f64> {
        let predictors: Vec<Vec<f64>> = self.predictors(own, scores).collect();
        let (causes, intervals) = (predictors.len(), self.cuts.len());
        let mut incidence = vec![vec![0.0; intervals]; causes];
        let (mut free, mut so_far) = (1.0, vec![0.0; causes]);
        for j in 0..intervals {
            let at = |z: &Vec<f64>| z.get(j).copied().unwrap_or(f64::NAN);
            let total = predictors.iter().map(at).fold(0.0, log_add);
            for ((z, sum), curve) in predictors.iter().zip(&mut so_far).zip(&mut incidence) {
                *sum += free * libm::exp(at(z) - total);
                curve.iter_mut().skip(j).take(1).for_each(|place| *place = *sum);
            }
            free *= libm::exp(-total);
        }
        incidence.into_iter().flatten().chain(scores.iter().copied()).collect()
    }

    fn loss_of(&self, own: &[f64], scores: &[f64], target: &[f64]) -> f64 {
        let (at_risk, events) = target.split_at(self.cuts.len().min(target.len()));
        let mut totals = vec![0.0; at_risk.len()];
        let mut loss = 0.0;
        for (z, struck) in self.predictors(own, scores).zip(events.chunks(self.cuts.len())) {
            for ((total, z), d) in totals.iter_mut().zip(z).zip(struck) {
                *total = log_add(*total, z);
                loss -= d * z;
            }
        }
        loss + at_risk.iter().zip(totals).map(|(r, total)| r * total).sum::<f64>()
    }
}

/// log(exp(a) + exp(b)) without overflow.
fn log_add(a: f64, b: f64) -> f64 {
    a + softplus(b - a)
}

struct CompetingLayer {
    intervals: usize,
    /// One a cause: each adds its score to the alphas of all intervals.
    baselines: Vec<GhostOffset>,
}

impl OutcomeLayer for CompetingLayer {
    fn loss(&self, scores: Tensor<2>, target: Tensor<2>, tape: &mut Tape) -> Tensor<1> {
        let at_risk = target.clone().narrow(1, 0, self.intervals);
        let mut total = at_risk.zeros_like();
        let mut happened = at_risk.zeros_like();
        for (k, baseline) in self.baselines.iter().enumerate() {
            let z = baseline.forward(scores.clone().narrow(1, k, 1), tape);
            let struck = target.clone().narrow(1, (1 + k) * self.intervals, self.intervals);
            happened = happened + struck * z.clone();
            // log(exp(total) + exp(z)), the 1 being the total's start at 0.
            total = total.clone() + activation::softplus(z - total, 1.0);
        }
        (at_risk * total - happened).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str, cuts: &[f64]) -> Result<Competing, Error> {
        let text = format!(
            "one_row_per_patient = true\n\
             [[column]]\nname = \"time\"\nkind = \"numeric\"\nrange = [0, 100]\n\
             [[column]]\nname = \"event\"\n{text}"
        );
        let schema = Schema::from_toml(&text.parse().unwrap()).unwrap();
        Competing::new("train", &schema, ("time", "event"), cuts, Baseline::default())
    }

    const TWO: &str = "kind = \"category\"\nlevels = [\"no\", \"relapse\", \"death\"]";

    #[test]
    fn incidences_and_survival_add_up_to_one() {
        let outcome = outcome(TWO, &[10.0, 20.0, 40.0]).unwrap();
        let (own, scores) = ([-2.0, -1.0, 0.5, 1.0, -30.0, 3.0], [0.4, -0.7]);
        let predicted = outcome.predict(&own, &scores);
        assert_eq!(predicted.len(), outcome.outputs().len());
        assert_eq!(outcome.outputs()[3], "incidence_death_10");
        let mut free = 1.0;
        for j in 0..3 {
            // The probability of no event, by the definition.
            let odds: f64 = (0..2).map(|k| (own[3 * k + j] + scores[k]).exp()).sum();
            free /= 1.0 + odds;
            let all = predicted[j] + predicted[3 + j] + free;
            assert!((all - 1.0).abs() < 1e-14, "{all}");
        }
        assert_eq!(predicted[6..], scores);
    }

    #[test]
    fn a_patients_loss_is_minus_the_log_of_what_happened_to_it() {
        let outcome = outcome(TWO, &[10.0, 20.0]).unwrap();
        let (own, scores) = ([-1.0, 0.2, -2.0, 0.9], [0.4, -0.7]);
        let predicted = outcome.predict(&own, &scores);
        // Death in the second interval: incidence there less incidence before.
        let target = [1.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let loss = outcome.loss_of(&own, &scores, &target);
        assert!((loss + (predicted[3] - predicted[2]).ln()).abs() < 1e-12, "{loss}");
        assert_eq!(outcome.loss_of(&own, &scores, &[0.0; 6]), 0.0);
    }

    #[test]
    fn the_scalar_pass_does_not_overflow() {
        let outcome = outcome(TWO, &[10.0]).unwrap();
        let loss = outcome.loss_of(&[800.0, -800.0], &[0.0, 0.0], &[1.0, 1.0, 0.0]);
        assert_eq!(loss, 0.0);
        let loss = outcome.loss_of(&[800.0, -800.0], &[0.0, 0.0], &[1.0, 0.0, 1.0]);
        assert_eq!(loss, 1600.0);
    }

    #[test]
    fn columns_without_causes_and_baselines_without_bounds_are_refused() {
        let reason = |result: Result<Competing, Error>| result.unwrap_err().to_string();
        assert!(reason(outcome("kind = \"flag\"", &[10.0])).contains("levels are causes"));
        let many: Vec<f64> = (1..=1024).map(f64::from).collect();
        let levels: Vec<String> = (0..10).map(|i| format!("\"c{i}\"")).collect();
        let nine = format!("kind = \"category\"\nlevels = [{}]", levels.join(", "));
        assert!(reason(outcome(&nine, &many)).contains("use fewer `cuts`"));
        assert!(reason(outcome(TWO, &[20.0, 10.0])).contains("`cuts`"));
    }
}
