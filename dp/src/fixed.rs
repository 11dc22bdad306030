//! The grid on which reals are summed, and the sum that patients' vectors enter.
//!
//! Follows rule S2 in its second form: each patient's vector is clipped in doubles, truncated to
//! the grid alone, and added in integers. Truncation goes toward zero, so it never lengthens a
//! vector, and the sensitivity is D = ceil(C/g) with no term for rounding; to-nearest would need
//! one of sqrt(d)/2 (Kairouz, Liu, Steinke 2021, section 4). What doubles may still get wrong,
//! the norm of the integers is checked exactly against D.
//!
//! Assumes that a patient's vector is a function of that patient and the public model alone
//! (rule S1): all rows of a patient come as one vector.

use std::fmt;

use zeroize::Zeroizing;

use crate::norms::Norm;
use crate::units::Sensitivity;
use crate::{Error, Result};

/// A grid of step g = 2^-frac_bits, from 1 down to 2^-52.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grid {
    frac_bits: u8,
}

impl Grid {
    /// The finest grid's fractional bits: what a double resolves next to 1.
    pub const MAX_FRAC_BITS: u8 = 52;

    /// Checks `frac_bits`.
    ///
    /// # Errors
    /// [`Error::GridTooFine`] above 52.
    pub fn new(frac_bits: u8) -> Result<Self> {
        if frac_bits <= Self::MAX_FRAC_BITS {
            Ok(Self { frac_bits })
        } else {
            Err(Error::GridTooFine { frac_bits })
        }
    }

    /// Bits after the binary point.
    pub fn frac_bits(self) -> u8 {
        self.frac_bits
    }

    /// The step g.
    pub fn step(self) -> f64 {
        1.0 / self.steps_per_unit()
    }

    /// 1/g, exact.
    pub(crate) fn steps_per_unit(self) -> f64 {
        (1_u64 << self.frac_bits) as f64
    }

    /// The grid point between zero and `value` that is next to `value`, in steps.
    ///
    /// # Errors
    /// [`Error::NotOnGrid`] for NaN, infinities, and 2^63 steps or more either way.
    pub fn truncate(self, value: f64) -> Result<i64> {
        // Scaling by a power of two is exact, or overflows to an infinity that the test refuses.
        let steps = value * self.steps_per_unit();
        if steps.abs() < TWO_POW_63 {
            Ok(steps as i64)
        } else {
            Err(Error::NotOnGrid { value, frac_bits: self.frac_bits })
        }
    }

    /// The real that a released sum of `steps` stands for: the double nearest to it.
    pub fn decode(self, steps: i128) -> f64 {
        steps as f64 * self.step()
    }
}

const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

/// A sum over patients, each of whom moves it by at most [`ClippedSum::sensitivity`] grid steps.
///
/// Adding never fails on data (rule S5): a vector with a NaN or an infinity, or of another length,
/// counts as zero, and so does one that cannot be brought within the sensitivity. That is a
/// function of this patient alone, so it costs no privacy.
///
/// The sum does not depend on the order or the number of patients: it is kept in 128 bits, which
/// 2^64 patients cannot overflow, and clamped to 64 bits once, at the end. Clamping each coordinate
/// brings no two sums further apart; refusing patients beyond the room of an `i64` would (removing
/// one would let another in, and the sums would differ by two vectors). Below
/// `i64::MAX / D` patients nothing is clamped.
///
/// # Security
/// Holds the last patient's own vector beside the sum. Zeroised on drop, as is what
/// [`ClippedSum::finish`] gives; redacted in `Debug`.
#[derive(Clone)]
pub struct ClippedSum {
    norm: Norm,
    clip: f64,
    grid: Grid,
    sensitivity: Sensitivity,
    sums: Zeroizing<Vec<i128>>,
    /// The patient at hand, scaled and truncated; kept to spare an allocation a patient. Neither
    /// grows: what a vector outgrows is not wiped.
    scaled: Zeroizing<Vec<f64>>,
    steps: Zeroizing<Vec<i64>>,
    left_out: u64,
    clipped: u64,
}

impl fmt::Debug for ClippedSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClippedSum {{ len: {}, values: <redacted> }}", self.sums.len())
    }
}

impl ClippedSum {
    /// An empty sum of vectors of `len` coordinates, clipped to L2 norm `clip` on `grid`.
    ///
    /// # Errors
    /// What [`Sensitivity::of_clip`] refuses.
    pub fn new(clip: f64, grid: Grid, len: usize) -> Result<Self> {
        Self::in_norm(Norm::L2, clip, grid, len)
    }

    /// The same with vectors that are shortened to `clip` in another norm. What Gaussian noise is
    /// charged by follows from [`Norm::in_l2`].
    ///
    /// # Errors
    /// What [`Sensitivity::of_clip`] refuses.
    pub fn in_norm(norm: Norm, clip: f64, grid: Grid, len: usize) -> Result<Self> {
        Ok(Self {
            norm,
            clip,
            grid,
            sensitivity: Sensitivity::of_clip(clip, grid)?,
            sums: Zeroizing::new(vec![0; len]),
            scaled: Zeroizing::new(Vec::with_capacity(len)),
            steps: Zeroizing::new(Vec::with_capacity(len)),
            left_out: 0,
            clipped: 0,
        })
    }

    /// D = ceil(C/g): what one patient moves the sum by at most, in the sum's norm (rule S2).
    pub fn sensitivity(&self) -> Sensitivity {
        self.sensitivity
    }

    /// Adds one patient's vector `[len]`, clipped and truncated.
    pub fn add(&mut self, patient: &[f64]) {
        if !self.encode(patient) {
            self.left_out += 1;
            return;
        }
        for (sum, &x) in self.sums.iter_mut().zip(self.steps.iter()) {
            *sum += i128::from(x);
        }
    }

    /// The sum `[len]`, in grid steps: the integers that are secret-shared as they are (rule S3).
    pub fn finish(self) -> Zeroizing<Vec<i64>> {
        self.finish_with_room(0)
    }

    /// The same with room for `more` coordinates: what a vector outgrows is not wiped.
    pub(crate) fn finish_with_room(self, more: usize) -> Zeroizing<Vec<i64>> {
        let mut sum = Zeroizing::new(Vec::with_capacity(self.sums.len() + more));
        sum.extend(self.sums.iter().map(|&x| clamped(x)));
        sum
    }

    /// Patients who counted as zero because their vector was unusable.
    ///
    /// # Security
    /// Data-derived: for the site's own log, never for a message (rules S5, S6).
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Patients whose vector was shortened to the clip norm.
    ///
    /// # Security
    /// Data-derived: for the site's own log, never for a message (rules S5, S6).
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Puts the patient's integers, of norm at most D, into `steps`; false when there are none.
    fn encode(&mut self, patient: &[f64]) -> bool {
        if patient.len() != self.sums.len() || patient.iter().any(|x| !x.is_finite()) {
            return false;
        }
        self.clip(patient);
        // The doubles' norm is off by at most (len + 4) 2^-53 of itself, so a vector just above the
        // clip may pass as within. The last shrinking covers vectors of 2^30 coordinates.
        for shrink in [0.0, TWO_POW_MINUS_44, TWO_POW_MINUS_32, TWO_POW_MINUS_20] {
            let keep = 1.0 - shrink;
            self.steps.clear();
            for &x in self.scaled.iter() {
                let Ok(step) = self.grid.truncate(x * keep) else { return false };
                self.steps.push(step);
            }
            if self.norm.is_within(&self.steps, self.sensitivity) {
                return true;
            }
        }
        false
    }

    /// Puts the finite vector, shortened to the clip norm if it is longer, into `scaled`.
    fn clip(&mut self, patient: &[f64]) {
        self.scaled.clear();
        let largest = patient.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        if largest == 0.0 {
            self.scaled.extend_from_slice(patient);
            return;
        }
        // Relative to the largest coordinate no square overflows, and none that counts underflows.
        let relative = self.norm.of_reals(patient.iter().map(|x| x / largest));
        if largest * relative <= self.clip {
            self.scaled.extend_from_slice(patient);
        } else {
            self.clipped += 1;
            let factor = self.clip / relative;
            self.scaled.extend(patient.iter().map(|x| x / largest * factor));
        }
    }
}

/// The nearest integer of 64 bits.
pub(crate) fn clamped(x: i128) -> i64 {
    x.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

const TWO_POW_MINUS_44: f64 = 1.0 / (1_u64 << 44) as f64;
const TWO_POW_MINUS_32: f64 = 1.0 / (1_u64 << 32) as f64;
const TWO_POW_MINUS_20: f64 = 1.0 / (1_u64 << 20) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_goes_toward_zero_on_both_sides() {
        let grid = Grid::new(2).unwrap();
        for (real, steps) in [(0.49, 1), (-0.49, -1), (0.24, 0), (-0.24, 0), (-0.0, 0), (2.5, 10)] {
            assert_eq!(grid.truncate(real), Ok(steps), "{real}");
        }
        assert_eq!(grid.step(), 0.25);
        assert_eq!(grid.decode(-10), -2.5);
    }

    #[test]
    fn debug_shows_nothing_of_sum_and_patients() {
        let mut sum = ClippedSum::new(100.0, Grid::new(4).unwrap(), 2).unwrap();
        sum.add(&[33.25, -7.5]);
        sum.add(&[f64::NAN, 0.0]);
        assert_eq!(format!("{sum:?}"), "ClippedSum { len: 2, values: <redacted> }");
        assert_eq!(*sum.finish(), [532, -120]);
    }

    /// An outgrown vector is freed as it is.
    #[test]
    fn no_vector_of_a_patient_grows() {
        let mut sum = ClippedSum::new(1.0, Grid::new(8).unwrap(), 9).unwrap();
        let places = |sum: &ClippedSum| (sum.scaled.as_ptr(), sum.steps.as_ptr());
        let before = places(&sum);
        for size in [0.0, 0.1, 5.0] {
            sum.add(&[size; 9]);
        }
        assert_eq!(places(&sum), before);
        assert!(sum.finish_with_room(1).capacity() >= 10);
    }

    #[test]
    fn what_has_no_place_on_the_grid_is_refused_with_the_figure() {
        let grid = Grid::new(52).unwrap();
        assert_eq!(grid.truncate(2047.5), Ok(4095 << 51));
        for value in [2048.0, -2048.0, 1e300, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(grid.truncate(value), Err(Error::NotOnGrid { value, frac_bits: 52 }));
        }
        assert!(grid.truncate(f64::NAN).is_err());
        assert_eq!(Grid::new(53), Err(Error::GridTooFine { frac_bits: 53 }));
    }
}
