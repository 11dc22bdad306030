//! Early stopping by the loss of held-out patients, in the sum that the step is charged for anyway
//! (rule S6).
//!
//! A block `holdout` of two numbers goes with each round's sum: over the patients kept out of training,
//! their loss under the round's model (cut to [0, cap], divided by cap) and their number. A patient
//! trains or is held out, by a public coin of that patient alone ([`Split`]). So one patient moves the
//! strategy's blocks or this one, never both: D of the whole is the larger of the two distances. The
//! block is scaled so that a patient's part has norm at most the strategy's D: no charge is added, and
//! the noise on it is as large, relative to a patient, as on the training. A plan's epsilon stays that of
//! all of its steps, however early it ends (rule L2).
//!
//! Rounds are joined by `every`: a figure is the loss of those rounds together over their number, which
//! divides the noise. A window without as much as one held-out patient gives no figure, and neither
//! stops the training nor counts against it. A loss that is no number counts as `cap`.
//!
//! A site below its floor of held-out patients adds zeros here; under noise its floor is 0. With the
//! site as unit there is no such block: a hospital's part of it has no bound.
//!
//! [`Split`]: crate::tasks::hazard::split::Split

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::learn::local::Local;
use crate::learn::strategies::Unit;
use crate::results::network::EarlyStopping;
use crate::sum::Sum;
use crate::task::{Block, Site};
use crate::tasks::layout::refuse;

const BLOCK: &str = "holdout";
/// Steps of a patient's part where nothing is charged.
const EXACT: u64 = 1 << 24;
/// More steps a patient would leave no room for an exact sum of 100,000 patients in a double.
const MOST_SCALE: u64 = 1 << 36;

/// What the manifest says of early stopping.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Figures in a row that are no better than the best, after which training ends.
    pub patience: u32,
    /// Rounds that a figure joins.
    #[serde(default = "one")]
    pub every: u32,
    /// Losses above it count as it.
    #[serde(default = "cap")]
    pub cap: f64,
}

fn one() -> u32 {
    1
}
fn cap() -> f64 {
    5.0
}

/// Early stopping of a task.
#[derive(Clone, Debug)]
pub(super) struct Stopping {
    params: Params,
    /// Grid of the strategy's blocks; a noised sum has one for all.
    frac_bits: u8,
    /// Steps of a patient's count; its loss is at most as many.
    scale: u64,
    bound: u64,
}

/// What has been seen so far: a function of released sums (rule X3).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    rounds: u32,
    loss: f64,
    patients: f64,
    history: Vec<Option<f64>>,
    best: Option<Best>,
    since: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Best {
    figure: usize,
    loss: f64,
    weights: Vec<f64>,
}

impl Watch {
    /// The weights of the best figure so far.
    pub(super) fn best(&self) -> Option<&[f64]> {
        self.best.as_ref().map(|best| best.weights.as_slice())
    }

    /// Whether so many steps can have led here: none of the counters can then overflow.
    pub(super) fn fits(&self, steps: u32) -> bool {
        let seen = self.history.len();
        self.rounds <= steps
            && self.since <= steps
            && seen <= steps as usize
            && self.best.as_ref().is_none_or(|best| best.figure < seen)
    }
}

impl Stopping {
    /// Of a strategy with these blocks and this D.
    ///
    /// # Errors
    /// When a parameter is out of its range, nobody is held out, or the unit is the site.
    pub(super) fn new(
        task: &str,
        params: Params,
        holdout: f64,
        unit: Unit,
        blocks: &[Block],
        sensitivity: Option<u64>,
    ) -> Result<Self, Error> {
        let rules = [
            (params.patience == 0, "`early_stopping.patience` must be at least 1"),
            (params.every == 0, "`early_stopping.every` must be at least 1"),
            (
                !(params.cap > 0.0 && params.cap.is_finite()),
                "`early_stopping.cap` must be above 0: losses above it count as it",
            ),
            (holdout <= 0.0, "early stopping needs a `holdout` above 0: whose loss it watches"),
            (
                unit == Unit::Site,
                "early stopping has no bound with the site as unit; train without it, or by dp-sgd",
            ),
        ];
        if let Some((_, reason)) = rules.iter().find(|(broken, _)| *broken) {
            return Err(refuse(task, *reason));
        }
        let bound = sensitivity.unwrap_or(2 * EXACT);
        // Two parts of at most D / sqrt(2) steps each have norm at most D.
        let scale = (bound as f64 * std::f64::consts::FRAC_1_SQRT_2 * (1.0 - 1e-12)).floor() as u64;
        let scale = scale.min(MOST_SCALE);
        let frac_bits = match sensitivity {
            Some(_) => blocks.first().map_or(0, |block| block.frac_bits),
            None => 0,
        };
        Ok(Self { params, frac_bits, scale, bound })
    }

    /// Its block.
    pub(super) fn block(&self) -> Block {
        let (frac_bits, patient_bound) = (self.frac_bits, self.bound);
        Block { name: BLOCK.to_owned(), len: 2, frac_bits, patient_bound }
    }

    /// A site's part, under the weights that it predicts with.
    pub(super) fn values(&self, weights: &[f64], local: &Local<'_>, site: &Site<'_>) -> Vec<f64> {
        let patients = local.held_out(site.cohort);
        let (model, cap, scale) = (local.model(), self.params.cap, self.scale as f64);
        let part = |row: &[f32]| {
            let loss = model.loss_of(weights, row).filter(|loss| !loss.is_nan()).unwrap_or(cap);
            // Whole steps, so that the sum over patients is exact (rule S2).
            (loss.clamp(0.0, cap) / cap * scale).floor()
        };
        let loss: f64 = patients.rows().map(part).sum();
        // As much work for any smaller number of patients (rule S5).
        let nobody = vec![0.0; model.width()];
        for _ in patients.len() as u64..site.capacity {
            std::hint::black_box(part(&nobody));
        }
        let step = 2f64.powi(-i32::from(self.frac_bits));
        if (patients.len() as u64) < site.min_local_rows {
            return vec![0.0; 2];
        }
        vec![loss * step, patients.len() as f64 * scale * step]
    }

    /// Takes in a round's sum, about the weights that sites were told; true when training ends.
    pub(super) fn take_in(&self, watch: &mut Watch, told: Vec<f64>, sum: &Sum) -> bool {
        let step = 2f64.powi(-i32::from(self.frac_bits));
        if let [loss, patients] = sum.block(BLOCK).as_slice() {
            watch.loss += loss / step;
            watch.patients += patients / step;
        }
        watch.rounds += 1;
        if watch.rounds < self.params.every {
            return false;
        }
        // A loss of the noise's making may lie below 0 or above the cap; it is kept as it is.
        let seen = watch.patients >= self.scale as f64;
        let figure = seen.then(|| watch.loss / watch.patients * self.params.cap);
        let figure = figure.filter(|figure| figure.is_finite());
        (watch.rounds, watch.loss, watch.patients) = (0, 0.0, 0.0);
        watch.history.push(figure);
        let Some(loss) = figure else { return false };
        if watch.best.as_ref().is_none_or(|best| loss < best.loss) {
            watch.best = Some(Best { figure: watch.history.len() - 1, loss, weights: told });
            watch.since = 0;
        } else {
            watch.since += 1;
        }
        watch.since >= self.params.patience
    }
}

impl Watch {
    /// The weights of the best figure, if there was one, and what is told of the rest.
    pub(super) fn end(self, stopped: bool) -> (Option<Vec<f64>>, EarlyStopping) {
        let best = self.best.as_ref().and_then(|best| u32::try_from(best.figure).ok());
        let told = EarlyStopping { history: self.history, best, stopped };
        (self.best.map(|best| best.weights), told)
    }
}
