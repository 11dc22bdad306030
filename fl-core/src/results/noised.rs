//! How a model was fitted under noise.

use serde::{Deserialize, Serialize};

/// Noised counts are on the grid of this many fractional bits: what is added to a count is the noise of
/// the round, times 2^-10.
pub const COUNT_BITS: u8 = 10;

/// The public figures of a fit from noised sums of clipped vectors. What the noise was stands with
/// the run's privacy, not here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noised {
    /// Sums used, each of them charged.
    pub steps: u32,
    /// L2 norm to which a patient's vector was clipped.
    pub clip: f64,
    /// D: what one patient moved a sum by at most, in grid steps.
    pub sensitivity: u64,
    /// The public divisor: the guess of the number of patients.
    pub expected_patients: u64,
    /// Weight of the squared coefficients (in units of half the public range) against the sum.
    pub ridge: f64,
}
