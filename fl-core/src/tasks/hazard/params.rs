//! Parameters of the hazard task, with defaults.
//!
//! The defaults were tuned on the acute-leukaemia registry of North West England (1,043 patients,
//! 24 districts as hospitals; age, sex, white cells, deprivation) with twelve `cuts` of 15, 30, 60,
//! 90, 150, 240, 365, 545, 730, 1095, 1825 and 3650 days and `expected_patients = 800`, under the
//! noise of (epsilon = 3, delta = 1e-5) against two of three nodes. The plan was T steps and T / 10
//! spare attempts under the Renyi limit of the best order (the last three rows, of an earlier
//! tuning: zCDP's, which is the same for `sample_rate = 1`), and three nodes add their noise.
//! Harrell's C on the quarter held out, over ten splits and ten noise seeds each
//! (`tests/hazard/accuracy.rs` prints all but the first row, a plain Cox fit to the same training
//! rows):
//!
//! | | C, mean | sd over splits | sd over noise | 1-year survival, predicted - observed |
//! |---|---|---|---|---|
//! | Cox on the pooled rows, no privacy | 0.6765 | 0.017 | | |
//! | no noise | 0.6769 | 0.019 | | |
//! | noise | 0.6762 | | 0.0042 | -0.018 (sd 0.029) |
//! | noise, `sample_rate = 0.5` (the demo's) | 0.6763 | | 0.0043 | -0.019 (sd 0.030) |
//! | noise, `sample_rate = 0.5`, `steps = 80`, `learning_rate = 0.1` | 0.6748 | | 0.0045 | -0.004 (sd 0.032) |
//! | noise, `sample_rate = 0.25` | 0.6760 | | 0.0048 | -0.019 (sd 0.032) |
//! | noise, `hidden = 12` | 0.6751 | | 0.0038 | -0.014 (sd 0.028) |
//! | noise, `steps = 60`, `learning_rate = 0.15` (`hidden = 12`) | 0.6735 | | 0.0045 | -0.011 (sd 0.032) |
//! | noise, `steps = 30` (`hidden = 12`) | 0.6741 | | 0.0038 | -0.023 (sd 0.033) |
//!
//! Sampling costs no accuracy here and gains none: with so few patients a sample halves a step's
//! noise and its signal alike. It spares half of a site's work.
//!
//! A public log transform of the skewed white cell count was tried and lost half a point of C.

use serde::Deserialize;

use super::NAME;
use crate::error::Error;
use crate::tasks::layout::refuse;

/// Share of patients kept out of training where nothing is said.
pub const HOLDOUT: f64 = 0.25;

const MOST_STEPS: u32 = 10_000;
const MOST_HIDDEN: usize = 4096;

/// What the manifest says of a hazard task. All of it is public.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Follow-up time.
    pub time: String,
    /// Flag: 1 when follow-up ended in the event.
    pub event: String,
    /// Covariates of the risk score.
    pub covariates: Vec<String>,
    /// Right edges of the time intervals, ascending from above 0, in the unit of `time`.
    pub cuts: Vec<f64>,
    /// A public guess of the training patients in all sites together: what a sum is divided by,
    /// times `sample_rate`.
    pub expected_patients: u64,
    /// Seed of the start and of the holdout (rule N4).
    pub seed: u64,
    /// Hidden units.
    #[serde(default = "default_hidden")]
    pub hidden: usize,
    /// Steps, each one secure sum.
    #[serde(default = "default_steps")]
    pub steps: u32,
    /// Step size on the mean clipped gradient.
    #[serde(default = "default_learning_rate")]
    pub learning_rate: f64,
    /// Share of the last step that is taken again.
    #[serde(default = "default_momentum")]
    pub momentum: f64,
    /// L2 norm C to which each patient's gradient is clipped.
    #[serde(default = "default_clip")]
    pub clip: f64,
    /// alpha = `baseline_scale` * theta, and theta is trained: below 1, the baseline takes a
    /// smaller part of the clip norm and more is left to the risk score.
    #[serde(default = "default_baseline_scale")]
    pub baseline_scale: f64,
    /// Step size on the baseline's mean gradient while it moves alone.
    #[serde(default = "default_baseline_rate")]
    pub baseline_rate: f64,
    /// A public guess of the probability of the event in an interval, where the baseline starts.
    #[serde(default = "default_baseline_hazard")]
    pub baseline_hazard: f64,
    /// The grid of the sum: g = 2^-frac_bits.
    #[serde(default = "default_frac_bits")]
    pub frac_bits: u8,
    /// Probability with which each patient takes part in a step, independently.
    #[serde(default = "default_sample_rate")]
    pub sample_rate: f64,
    /// Share of patients kept out of training.
    #[serde(default = "default_holdout")]
    pub holdout: f64,
}

fn default_hidden() -> usize {
    8
}
fn default_steps() -> u32 {
    40
}
fn default_learning_rate() -> f64 {
    0.2
}
fn default_momentum() -> f64 {
    0.9
}
fn default_clip() -> f64 {
    1.0
}
fn default_baseline_scale() -> f64 {
    0.5
}
fn default_baseline_rate() -> f64 {
    4.0
}
fn default_baseline_hazard() -> f64 {
    0.12
}
fn default_frac_bits() -> u8 {
    16
}
fn default_sample_rate() -> f64 {
    1.0
}
fn default_holdout() -> f64 {
    HOLDOUT
}

impl Params {
    pub(super) fn check(&self) -> Result<(), Error> {
        let open_unit = |value: f64| value > 0.0 && value < 1.0;
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let rules = [
            (self.covariates.is_empty(), "`covariates` is empty; name at least one column"),
            (
                self.covariates.iter().any(|name| name.contains(':')),
                "the network finds interactions itself; name columns alone",
            ),
            (!(1..=MOST_HIDDEN).contains(&self.hidden), "`hidden` must be 1 to 4096"),
            (!(1..=MOST_STEPS).contains(&self.steps), "`steps` must be 1 to 10000"),
            (!positive(self.learning_rate), "`learning_rate` must be above 0"),
            (!(0.0..1.0).contains(&self.momentum), "`momentum` must be at least 0 and below 1"),
            (!positive(self.baseline_scale), "`baseline_scale` must be above 0"),
            (!positive(self.baseline_rate), "`baseline_rate` must be above 0"),
            (!open_unit(self.baseline_hazard), "`baseline_hazard` must lie between 0 and 1"),
            (self.expected_patients == 0, "`expected_patients` must be at least 1"),
            (
                !(self.sample_rate > 0.0 && self.sample_rate <= 1.0),
                "`sample_rate` must be above 0 and at most 1",
            ),
            (!(0.0..1.0).contains(&self.holdout), "`holdout` must be at least 0 and below 1"),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, reason)) => Err(refuse(NAME, *reason)),
            None => Ok(()),
        }
    }
}
