//! A site's patients, encoded, and what their gradients add up to.
//!
//! Two sums, of one backward pass each: [`Local::clipped_sum`] clips every patient (rule S2);
//! [`Local::mean_gradient`] does not, and serves training without patient-level privacy.

use burn::tensor::{Tensor, TensorData};
use zeroize::Zeroizing;

use super::bodies::Network;
use super::model::Model;
use super::outcomes::OutcomeLayer;
use crate::cohort::Cohort;
use crate::nn::ghost::{PatientGradients, Tape};
use crate::nn::packing::{CHUNK, Packing};
use crate::nn::{PatientLoss, SplitMix64, device};
use crate::task::SiteState;
use crate::tasks::hazard::split::Split;

/// Where a site keeps how its patients are packed.
const PACKING: &str = "packing";

/// A model at a site: how its patients are split and packed.
pub struct Local<'a> {
    model: &'a dyn Model,
    split: &'a Split,
    packing: Packing,
}

/// Encoded patients, `[patients, width]`.
///
/// # Security
/// Stays at the site.
pub struct Patients {
    values: Zeroizing<Vec<f32>>,
    width: usize,
}

impl Patients {
    /// Number of patients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All rows, one after the other.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One patient.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks(self.width.max(1))
    }

    /// The same patients in the order that a seed gives (Fisher and Yates).
    #[must_use]
    pub fn shuffled(&self, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        let mut order: Vec<usize> = (0..self.len()).collect();
        for i in (1..order.len()).rev() {
            let j = (random.unit() * (i + 1) as f64) as usize;
            order.swap(i, j.min(i));
        }
        let mut values = Zeroizing::new(Vec::with_capacity(self.values.len()));
        for i in order {
            let from = i * self.width;
            values.extend(self.values.iter().skip(from).take(self.width));
        }
        Self { values, width: self.width }
    }
}

impl<'a> Local<'a> {
    /// A model at a site; how its patients may be packed is probed once a run and process, on public
    /// rows ([`SiteState::kept`]).
    #[must_use]
    pub fn new(model: &'a dyn Model, split: &'a Split, state: &mut SiteState) -> Self {
        let packing = match state.values.get(PACKING).map(Vec::as_slice) {
            Some([1]) => Packing::Chunks,
            Some(_) => Packing::Alone,
            None => {
                // Not the model's start: with weights of zero, sums round nowhere and nothing shows; nor
                // large ones, with which layers saturate.
                let mut random = SplitMix64::new(0x0070_726f_6265);
                let weights: Vec<f64> =
                    (0..model.parameters()).map(|_| 0.3 * random.symmetric()).collect();
                let loss = model.loss(&weights);
                let packing = loss.map_or(Packing::Alone, |loss| Packing::probe(loss.as_ref()));
                let together = u8::from(packing == Packing::Chunks);
                state.values.insert(PACKING.to_owned(), vec![together]);
                packing
            }
        };
        Self { model, split, packing }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &dyn Model {
        self.model
    }

    /// The complete patients who train.
    #[must_use]
    pub fn training(&self, cohort: &Cohort) -> Patients {
        self.encode(cohort, false)
    }

    /// The complete patients who were kept out.
    #[must_use]
    pub fn held_out(&self, cohort: &Cohort) -> Patients {
        self.encode(cohort, true)
    }

    fn encode(&self, cohort: &Cohort, held_out: bool) -> Patients {
        let width = self.model.width();
        let mut values = Zeroizing::new(Vec::with_capacity(width * cohort.len()));
        for i in 0..cohort.len() {
            if self.split.holds_out(cohort, i) == held_out {
                // A patient with a missing value appends nothing.
                let _complete: bool = self.model.encode(cohort, i, &mut values);
            }
        }
        Patients { values, width }
    }

    /// The sum of all patients' gradients, each clipped to L2 norm `clip`, in doubles; patients
    /// without a finite gradient add nothing. Work is padded to `capacity` patients (rule S5).
    /// `None` when the backend gives no gradients or the weights are of another number.
    #[must_use]
    pub fn clipped_sum(
        &self,
        weights: &[f64],
        patients: &Patients,
        capacity: u64,
        clip: f64,
    ) -> Option<Vec<f64>> {
        let loss = self.model.loss(weights)?;
        let mut sum = vec![0.0; weights.len()];
        let done = self.packing.sum(loss.as_ref(), &patients.values, capacity, clip, &mut sum);
        done.then_some(sum)
    }

    /// The mean gradient of some patients; zeros for nobody. `None` as above, or when it is not
    /// finite.
    #[must_use]
    pub fn mean_gradient(&self, weights: &[f64], patients: &[f32]) -> Option<Vec<f64>> {
        let loss = self.model.loss(weights)?;
        let mut sum = vec![0.0; weights.len()];
        // Whether a patient's neighbours show matters to nobody without patient-level privacy.
        if !Packing::Chunks.sum(loss.as_ref(), patients, 0, f64::INFINITY, &mut sum) {
            return None;
        }
        let number = (patients.len() / self.model.width().max(1)).max(1) as f64;
        sum.iter_mut().for_each(|value| *value /= number);
        sum.iter().all(|value| value.is_finite()).then_some(sum)
    }
}

/// The loss of a body and an outcome.
pub(super) struct SupervisedLoss {
    pub(super) body: Box<dyn Network>,
    pub(super) outcome: Box<dyn OutcomeLayer>,
    pub(super) inputs: usize,
    pub(super) width: usize,
}

impl PatientLoss for SupervisedLoss {
    fn width(&self) -> usize {
        self.width
    }

    fn gradients(&self, chunk: &[f32]) -> Option<PatientGradients> {
        if chunk.len() != CHUNK * self.width {
            return None;
        }
        let all = TensorData::new(chunk.to_vec(), [CHUNK, self.width]);
        let all = Tensor::<2>::from_data(all, &device());
        let inputs = all.clone().narrow(1, 0, self.inputs);
        let target = all.narrow(1, self.inputs, self.width - self.inputs);
        let mut tape = Tape::new();
        let scores = self.body.forward(inputs, &mut tape);
        let loss = self.outcome.loss(scores, target, &mut tape);
        tape.gradients(&loss)
    }
}
