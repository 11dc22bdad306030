//! Which patients are kept out of training.
//!
//! A patient's membership is a function of the public seed and of that patient alone: adding or
//! removing another patient never moves one from the one side to the other, so the clipped sum's
//! bound D holds (rule S2). The patient key decides; in a file without a key, where the row number
//! would depend on the other rows, the patient's own values do.

use crate::cohort::Cohort;
use crate::nn::{mix, unit};
use crate::schema::{PatientKey, Schema};

/// A seeded split of patients into training and holdout.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    seed: u64,
    holdout: f64,
    /// The schema's columns where there is no key.
    columns: Option<Vec<String>>,
}

impl Split {
    /// Keeps about the share `holdout` of patients out of training.
    #[must_use]
    pub fn new(seed: u64, holdout: f64, schema: &Schema) -> Self {
        let columns = match &schema.patient {
            PatientKey::Column(_) => None,
            PatientKey::OneRow => Some(schema.columns.iter().map(|c| c.name.clone()).collect()),
        };
        Self { seed, holdout, columns }
    }

    /// Whether a patient is kept out of training.
    #[must_use]
    pub fn holds_out(&self, cohort: &Cohort, patient: usize) -> bool {
        // A share of zero is public: no patient's values need be hashed to know the answer.
        self.holdout > 0.0 && self.draw(cohort, patient, self.seed) < self.holdout
    }

    /// A number in [0, 1) by a seed and the patient alone.
    pub(crate) fn draw(&self, cohort: &Cohort, patient: usize, seed: u64) -> f64 {
        let mut hash = Hash::new(seed);
        match &self.columns {
            None => hash.add(cohort.key(patient).as_bytes()),
            Some(columns) => {
                for column in columns {
                    // A missing value has bits that no finite one has.
                    let bits = cohort.value(column, patient).map_or(u64::MAX, f64::to_bits);
                    hash.add(&bits.to_le_bytes());
                }
            }
        }
        unit(hash.finish())
    }
}

/// 64-bit FNV-1a (Fowler, Noll, Vo), finished by the mixer of `SplitMix64`: FNV alone spreads its
/// last bytes badly. Nobody gains by a collision; it is a coin, not a commitment.
struct Hash(u64);

impl Hash {
    fn new(seed: u64) -> Self {
        let mut hash = Self(0xcbf2_9ce4_8422_2325);
        hash.add(&seed.to_le_bytes());
        hash
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(self) -> u64 {
        mix(self.0)
    }
}
