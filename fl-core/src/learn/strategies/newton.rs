//! Noisy Newton steps for models that are linear in their weights: logistic, and Cox in its rate form.
//!
//! Every round is one sum of each patient's gradient and Hessian, sum_j l'_j x_j and sum_j l''_j x_j
//! x_j' over the patient's linear predictors z_j = x_j' w ([`Predictor`]). Perturbed second-order
//! steps: Avella-Medina, Bradshaw and Loh, Ann. Stat. 2023;51:2067; Ganesh, Haghifam, Steinke and
//! Thakurta, NeurIPS 2023.
//!
//! # Bounds
//! The gradient is clipped to L2 norm C, the Hessian to Frobenius norm C_H: its upper triangle with
//! the elements off the diagonal times sqrt(2), so that the norm is that of the numbers sent. Each
//! patient's two vectors are truncated alone and added in integers, and move by at most ceil(C/g) and
//! ceil(C_H/g); D is the root of the sum of both squares, rounded up (rule S2, second form). All is
//! scalar arithmetic in doubles, a function of the patient and the weights alone. Sums of 100,000
//! patients stay below 2^53 steps, so they pass through doubles as the integers that they are.
//!
//! # Steps
//! The Hessians of all rounds so far are averaged, since noise falls on every element anew while the
//! matrix changes little. `damping` stands on its diagonal (Levenberg, Q. Appl. Math. 1944;2:164), and
//! is doubled until the matrix is positive definite, as noise can break that; a step longer than
//! `trust` is shortened. Without noise the fixed point is Newton's: the gradient is zero there.
//!
//! # When to use it
//! Under noise seldom: on made-up registries (`fl-core/tests/learn/artificial.rs`, Harrell's C at
//! epsilon 1, 3 and 10) its best plan, the defaults with 16 rounds, had 0.708, 0.742 and 0.747, and 20
//! rounds of [`super::dp_sgd`] 0.719, 0.741 and 0.744, with fewer numbers: a Hessian has d / 2 times the
//! gradient's, and all get noise. Without noise it needs few rounds.

use haima_dp::fixed::{ClippedSum, Grid};
use haima_dp::norms::together;
use haima_dp::units::Sensitivity;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::dp_sgd::{MOST_PATIENTS, proven};
use super::local_training::{reaches, shorten};
use super::{Broadcast, Context, Server, Strategy, Unit};
use crate::error::Error;
use crate::learn::local::Local;
use crate::learn::model::Predictor;
use crate::linalg::{Symmetric, triangle};
use crate::sum::Sum;
use crate::task::{Block, Site, SiteState};
use crate::tasks::layout::refuse;

/// Name of the strategy.
pub const NAME: &str = "dp-newton";

const GRADIENT: &str = "gradient";
const HESSIAN: &str = "hessian";
/// Numbers of a Hessian's triangle that a round carries.
const MOST_NUMBERS: usize = 1 << 20;
/// Whole numbers that a double holds exactly.
const EXACT: u64 = 1 << 53;
/// Doublings of the damping that outgrow any sum.
const MOST_DOUBLINGS: u32 = 256;

/// Parameters; all public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// L2 norm C to which each patient's gradient is clipped.
    #[serde(default = "clip")]
    pub clip: f64,
    /// Frobenius norm C_H to which each patient's Hessian is clipped.
    #[serde(default = "hessian_clip")]
    pub hessian_clip: f64,
    /// What is added to the diagonal of the mean Hessian.
    #[serde(default = "damping")]
    pub damping: f64,
    /// Largest L2 norm of a step.
    #[serde(default = "trust")]
    pub trust: f64,
    /// Weight decay: this much of the weights is added to the mean gradient.
    #[serde(default)]
    pub ridge: f64,
    /// The grid of the sum: g = 2^-frac_bits.
    #[serde(default = "frac_bits")]
    pub frac_bits: u8,
}

fn clip() -> f64 {
    1.0
}
fn hessian_clip() -> f64 {
    0.3
}
fn damping() -> f64 {
    0.1
}
fn trust() -> f64 {
    1.0
}
fn frac_bits() -> u8 {
    20
}

/// The strategy.
#[derive(Clone, Debug)]
pub struct DpNewton {
    params: Params,
    grid: Grid,
    /// What moves of the gradient and of the Hessian with a patient, in grid steps, and of both.
    distances: [Sensitivity; 2],
    distance: Sensitivity,
    /// What sums are divided by.
    expected: f64,
}

impl DpNewton {
    /// The strategy of these parameters.
    ///
    /// # Errors
    /// When one is out of its range, or the model is not linear in its weights or has too many.
    pub fn new(task: &str, params: Params, context: &Context<'_>) -> Result<Self, Error> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let rules = [
            (!context.linear, "`dp-newton` is for models without hidden layers; use `dp-sgd`"),
            (!positive(params.clip), "`clip` must be above 0"),
            (!positive(params.hessian_clip), "`hessian_clip` must be above 0"),
            (!positive(params.damping), "`damping` must be above 0"),
            (!positive(params.trust), "`trust` must be above 0"),
            (!(params.ridge >= 0.0 && params.ridge.is_finite()), "`ridge` must be at least 0"),
        ];
        if let Some((_, reason)) = rules.iter().find(|(broken, _)| *broken) {
            return Err(refuse(task, *reason));
        }
        let weights = context.head.len();
        let numbers = weights.saturating_mul(weights.saturating_add(1)) / 2;
        if numbers > MOST_NUMBERS {
            let reason = format!(
                "the Hessian of {weights} weights has {numbers} numbers, at most {MOST_NUMBERS}; use \
                 fewer columns or `cuts`, or `dp-sgd`"
            );
            return Err(refuse(task, reason));
        }
        let grid = Grid::new(params.frac_bits)?;
        let of = |clip: f64| Sensitivity::of_clip(clip, grid);
        let distances = [of(params.clip)?, of(params.hessian_clip)?];
        let distance = together(distances[0], distances[1])?;
        if distance.get().saturating_mul(MOST_PATIENTS) > EXACT {
            let reason = format!(
                "a patient moves the sums by up to {} steps, and those of {MOST_PATIENTS} patients pass \
                 what doubles hold exactly; lower `frac_bits`, `clip` or `hessian_clip`",
                distance.get()
            );
            return Err(refuse(task, reason));
        }
        let expected = context.expected_patients as f64;
        Ok(Self { params, grid, distances, distance, expected })
    }

    /// Grid steps as the reals that a block is read from.
    fn reals(&self, sum: ClippedSum) -> Vec<f64> {
        let steps = sum.finish();
        steps.iter().map(|&steps| steps as f64 * self.grid.step()).collect()
    }

    /// The step from the mean gradient and the mean Hessian, by as much damping as it needs.
    fn step(&self, gradient: &[f64], hessian: &Symmetric) -> Option<Vec<f64>> {
        let mut damping = self.params.damping;
        for _ in 0..MOST_DOUBLINGS {
            let damped = hessian.plus_diagonal(&vec![damping + self.params.ridge; gradient.len()]);
            if let Ok(factor) = damped.cholesky(0.0) {
                let mut step = factor.solve(gradient);
                return shorten(&mut step, self.params.trust).then_some(step);
            }
            damping *= 2.0;
        }
        None
    }
}

/// A patient's gradient and the upper triangle of the Hessian, elements off the diagonal times
/// sqrt(2), added to what is there.
fn add(predictor: &Predictor, gradient: &mut [f64], hessian: &mut [f64]) {
    let Predictor { direction, slope, curvature } = predictor;
    for (sum, x) in gradient.iter_mut().zip(direction) {
        *sum += slope * x;
    }
    let mut rest = hessian;
    for (j, x) in direction.iter().enumerate() {
        let Some((row, after)) = rest.split_at_mut_checked(direction.len() - j) else { return };
        rest = after;
        if *x != 0.0 {
            // The diagonal element comes first in its row.
            let weights = std::iter::once(1.0).chain(std::iter::repeat(std::f64::consts::SQRT_2));
            for ((sum, y), weight) in row.iter_mut().zip(direction.iter().skip(j)).zip(weights) {
                *sum += curvature * x * y * weight;
            }
        }
    }
}

impl Strategy for DpNewton {
    fn unit(&self) -> Unit {
        Unit::Patient
    }

    fn blocks(&self, dimension: usize) -> Vec<Block> {
        let block = |name: &str, len: usize, distance: Sensitivity| Block {
            name: name.to_owned(),
            len: u32::try_from(len).unwrap_or(u32::MAX),
            frac_bits: self.params.frac_bits,
            patient_bound: distance.get(),
        };
        let [gradient, hessian] = self.distances;
        vec![
            block(GRADIENT, dimension, gradient),
            block(HESSIAN, dimension.saturating_mul(dimension.saturating_add(1)) / 2, hessian),
        ]
    }

    fn sensitivity(&self, _dimension: usize) -> Option<u64> {
        Some(self.distance.get())
    }

    fn start(&self, weights: Vec<f64>) -> Server {
        // The Hessians of all rounds, added.
        let hessian = vec![0.0; triangle(weights.len())];
        Server { slots: vec![hessian], ..Server::new(weights) }
    }

    fn contribute(
        &self,
        told: &Broadcast<'_>,
        local: &Local<'_>,
        site: &Site<'_>,
        _state: &mut SiteState,
    ) -> Result<Vec<Vec<f64>>, String> {
        proven(site)?;
        let patients = local.training(site.cohort);
        reaches(&patients, site.min_local_rows)?;
        let dimension = told.weights.len();
        let sum = |clip: f64, len: usize| ClippedSum::new(clip, self.grid, len);
        let Params { clip, hessian_clip, .. } = self.params;
        let mut gradients = sum(clip, dimension).map_err(|e| e.to_string())?;
        let mut hessians = sum(hessian_clip, triangle(dimension)).map_err(|e| e.to_string())?;
        // Zeros add nothing, and keep the work to a public size (rule S5).
        let nobody = vec![0.0_f32; local.model().width()];
        let padding = site.capacity.saturating_sub(patients.len() as u64);
        let padding = (0..padding).map(|_| nobody.as_slice());
        let (mut gradient, mut hessian) =
            (Zeroizing::new(vec![0.0; dimension]), Zeroizing::new(vec![0.0; triangle(dimension)]));
        for patient in patients.rows().chain(padding) {
            gradient.fill(0.0);
            hessian.fill(0.0);
            let predictors = local.model().predictors(told.weights, patient);
            for predictor in predictors.iter().flatten() {
                add(predictor, &mut gradient, &mut hessian);
            }
            gradients.add(&gradient);
            hessians.add(&hessian);
        }
        Ok(vec![self.reals(gradients), self.reals(hessians)])
    }

    fn absorb(&self, server: &mut Server, sum: &Sum) -> Result<(), String> {
        let Server { weights, slots, step } = server;
        let Some(hessians) = slots.first_mut() else {
            return Err("the state has no Hessian".into());
        };
        for (total, released) in hessians.iter_mut().zip(sum.block(HESSIAN)) {
            *total += released;
        }
        let scale = 1.0 / (self.expected * f64::from(*step + 1));
        let mut mean: Vec<f64> = hessians.iter().map(|total| total * scale).collect();
        let mut place = 0;
        for j in 0..weights.len() {
            let row = mean.iter_mut().skip(place + 1).take(weights.len() - j - 1);
            row.for_each(|element| *element /= std::f64::consts::SQRT_2);
            place += weights.len() - j;
        }
        let hessian = Symmetric::new(weights.len(), mean).ok_or("a Hessian of another size")?;
        let mut gradient: Vec<f64> =
            sum.block(GRADIENT).into_iter().map(|total| total / self.expected).collect();
        for (slope, weight) in gradient.iter_mut().zip(&*weights) {
            *slope += self.params.ridge * weight;
        }
        let step = self.step(&gradient, &hessian).ok_or("the sums are no finite numbers")?;
        weights.iter_mut().zip(step).for_each(|(weight, step)| *weight -= step);
        Ok(())
    }
}
