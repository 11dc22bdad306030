//! From noised gradient sums to weights: what is done with a release costs no privacy.
//!
//! Two stages. In the first, gradient descent with heavy-ball momentum (Polyak 1964) moves all
//! weights, and the average of the last iterates goes on (Polyak and Juditsky 1992), which takes
//! out most of what a single step's noise did. In the second, the last fifth of all steps, the
//! network stands and the baseline alone moves.
//!
//! The second stage is there because clipping biases the baseline: long survivors have longer
//! gradients than early deaths, so they are cut more, and survival comes out too low (by nine
//! points at one year on the registry that the defaults were tuned on; with the stage, by one).
//! A gradient in the baseline alone is hardly ever longer than the clip norm.
//!
//! Plain scalar f64 in a fixed order: bit-identical on every machine (rule X3).

use super::params::Params;

/// The second stage is this part of all steps; the first stage averages this part of its own.
const PART: u32 = 5;

/// Where training stands: a deterministic function of the released sums (rule X3).
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    weights: Vec<f64>,
    velocity: Vec<f64>,
    /// Sum of the iterates that the stage averages.
    tail: Vec<f64>,
    step: u32,
}

/// The plan that a state follows.
pub(super) struct Plan<'a> {
    pub(super) params: &'a Params,
    /// Weights of the network; what follows them is the baseline.
    pub(super) network: usize,
}

impl State {
    pub(super) fn start(weights: Vec<f64>) -> Self {
        let zeros = vec![0.0; weights.len()];
        Self { weights, velocity: zeros.clone(), tail: zeros, step: 0 }
    }

    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    pub(super) fn step(&self) -> u32 {
        self.step
    }

    /// Whether the next step moves the baseline alone.
    pub(super) fn second_stage(&self, plan: &Plan<'_>) -> bool {
        self.step >= plan.first_stage()
    }

    /// Takes in one sum of clipped gradients; false when the weights are finite no more.
    #[must_use]
    pub(super) fn absorb(&mut self, sum: &[f64], plan: &Plan<'_>) -> bool {
        let second = self.second_stage(plan);
        let expected = plan.params.sample_rate * plan.params.expected_patients as f64;
        let places = self.weights.iter_mut().zip(&mut self.velocity).zip(sum).enumerate();
        for (i, ((weight, velocity), total)) in places {
            let gradient = total / expected;
            match (i < plan.network, second) {
                (true, false) => {
                    *velocity = plan.params.momentum * *velocity + gradient;
                    *weight -= plan.params.learning_rate * *velocity;
                }
                // The gradient is that of theta, where alpha = scale * theta.
                (false, false) => {
                    *velocity = plan.params.momentum * *velocity + gradient;
                    let step = plan.params.learning_rate * *velocity;
                    *weight -= plan.params.baseline_scale * step;
                }
                (true, true) => {}
                (false, true) => *weight -= plan.params.baseline_rate * gradient,
            }
        }
        self.step += 1;
        self.average(plan);
        self.weights.iter().all(|weight| weight.is_finite())
    }

    /// Adds an iterate near a stage's end to the average, which is where the stage ends.
    fn average(&mut self, plan: &Plan<'_>) {
        let first = plan.first_stage();
        let (end, averaged) = if self.step <= first {
            (first, (first / PART).max(1))
        } else {
            (plan.params.steps, (plan.params.steps - first).div_ceil(2))
        };
        if self.step + averaged > end {
            self.tail.iter_mut().zip(&self.weights).for_each(|(sum, weight)| *sum += weight);
        }
        if self.step == end {
            for (weight, sum) in self.weights.iter_mut().zip(&mut self.tail) {
                *weight = *sum / f64::from(averaged);
                *sum = 0.0;
            }
        }
    }
}

impl Plan<'_> {
    /// Steps of the first stage.
    fn first_stage(&self) -> u32 {
        self.params.steps - self.params.steps / PART
    }
}
