//! The hazard network in burn: one patient's loss and its gradient.

use burn::tensor::{Tensor, TensorData, activation};

use crate::nn::device;
use crate::nn::ghost::{GhostOffset, PatientGradients, Tape};
use crate::nn::mlp::{Mlp, Shape};
use crate::nn::packing::{CHUNK, PatientLoss};

/// The network at given weights. A patient is encoded as `inputs` covariates, then J indicators of
/// being at risk and J of the event ([`super::intervals`]).
pub(super) struct HazardNetwork {
    score: Mlp,
    baseline: GhostOffset,
    inputs: usize,
    intervals: usize,
}

impl HazardNetwork {
    /// `None` when the weights are fewer than the score's.
    pub(super) fn new(shape: &Shape, weights: &[f64], baseline_scale: f64) -> Option<Self> {
        let (score, baseline) = weights.split_at_checked(shape.parameters())?;
        Some(Self {
            score: shape.network(score)?,
            baseline: GhostOffset::new(baseline, baseline_scale),
            inputs: shape.inputs(),
            intervals: baseline.len(),
        })
    }
}

impl PatientLoss for HazardNetwork {
    fn width(&self) -> usize {
        self.inputs + 2 * self.intervals
    }

    fn gradients(&self, chunk: &[f32]) -> Option<PatientGradients> {
        if chunk.len() != CHUNK * self.width() {
            return None;
        }
        let columns = |from: usize, to: usize| {
            let part: Vec<f32> = chunk
                .chunks_exact(self.width())
                .flat_map(|row| row.iter().take(to).skip(from).copied())
                .collect();
            Tensor::<2>::from_data(TensorData::new(part, [CHUNK, to - from]), &device())
        };
        let risk_end = self.inputs + self.intervals;
        let (x, at_risk) = (columns(0, self.inputs), columns(self.inputs, risk_end));
        let event = columns(risk_end, self.width());

        let mut tape = Tape::new();
        let score = self.score.forward(x, &mut tape);
        let logit = self.baseline.forward(score, &mut tape);
        // -log likelihood of a Bernoulli with this logit: softplus(z) - y z where at risk.
        let survived = at_risk * activation::softplus(logit.clone(), 1.0);
        tape.gradients(&(survived - event * logit).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::SplitMix64;
    use crate::nn::packing::Packing;
    use crate::tasks::hazard::intervals::Intervals;
    use crate::tasks::hazard::model;

    const SCALE: f64 = 0.5;

    fn patients() -> Vec<f32> {
        let intervals = Intervals::new("hazard", &[1.0, 2.0, 4.0]).unwrap();
        let mut random = SplitMix64::new(3);
        let mut patients = Vec::new();
        for i in 0..40 {
            patients.extend((0..4).map(|_| random.symmetric() as f32));
            intervals.encode(5.0 * random.unit(), i % 3 != 0, &mut patients);
        }
        patients
    }

    /// The negative log-likelihood of one encoded patient, in f64 from its definition.
    fn loss(weights: &[f64], patient: &[f32]) -> f64 {
        let shape = model::shape(4, 8);
        let patient: Vec<f64> = patient.iter().map(|&value| f64::from(value)).collect();
        let (score, baseline) = weights.split_at(shape.parameters());
        let risk = shape.evaluate(score, &patient[..4]).unwrap()[0];
        (0..3)
            .map(|j| {
                let hazard = 1.0 / (1.0 + (-baseline[j] - risk).exp());
                match (patient[4 + j] > 0.0, patient[7 + j] > 0.0) {
                    (false, _) => 0.0,
                    (true, true) => -hazard.ln(),
                    (true, false) => -(1.0 - hazard).ln(),
                }
            })
            .sum()
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_negative_log_likelihood() {
        let shape = model::shape(4, 8);
        let mut weights = shape.initial(7);
        weights.extend([-2.0, -1.0, -1.5]);
        let network = HazardNetwork::new(&shape, &weights, SCALE).unwrap();
        let patients = patients();
        let mut gradients = Vec::new();
        assert!(Packing::Chunks.each(&network, &patients, 0, |g| gradients.push(g.to_vec())));
        assert_eq!(gradients.len(), 40);
        for (gradient, patient) in gradients.iter().zip(patients.chunks(10)) {
            for (k, ours) in gradient.iter().enumerate() {
                let scale = if k < shape.parameters() { 1.0 } else { SCALE };
                let at = |move_: f64| {
                    let mut weights = weights.clone();
                    weights[k] += scale * move_;
                    loss(&weights, patient)
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((ours - slope).abs() < 1e-5, "coordinate {k}: {ours} {slope}");
            }
        }
    }

    #[test]
    fn a_patient_of_zeros_has_no_gradient() {
        let shape = model::shape(4, 8);
        let mut weights = shape.initial(7);
        weights.extend([-2.0, -1.0, -1.5]);
        let network = HazardNetwork::new(&shape, &weights, SCALE).unwrap();
        let mut gradients = Vec::new();
        assert!(Packing::Chunks.each(&network, &[0.0; 10], 0, |g| gradients.push(g.to_vec())));
        assert!(gradients.concat().iter().all(|value| *value == 0.0));
    }
}
