//! Exact discrete Gaussian noise, in integers only.
//!
//! N_Z(0, s^2) gives each integer x the probability exp(-x^2 / (2 s^2)) / Z: Canonne, Kamath and
//! Steinke, *The Discrete Gaussian for Differential Privacy* (2020). It is drawn not by their
//! Algorithm 3 but by rejection trials of constant time (`trial`), with f(v) = v^2 / 2: a cell k
//! of weight exp(-k^2 / 2), a place y in it, and success with probability exp(-z),
//! z = y (y + 2 s k) / (2 s^2). About 72 trials in 100 succeed.
//!
//! | module | what it is for |
//! |---|---|
//! | `trial` | the trials that this and [`crate::laplace`] draw by, and what their time depends on |
//! | `exp` | exp(-z) in 64 bits with a proven error |
//! | `exact` | comparisons that 64 bits do not decide |
//!
//! The distribution is exact but for one cut: magnitudes from 2^20 scales on, which together weigh
//! less than exp(-2^38), are never drawn. No floating point: a seed gives the same draws on every
//! machine.
//!
//! # Timing
//!
//! Jin, McMurtry, Rubinstein and Ohrimenko (IEEE S&P 2022) recover noise from the time of single
//! draws by Algorithm 3. Here a draw's time is a number of trials, which is independent of the
//! value, times a constant; one draw in 2^54 takes longer, in a way that may depend on the value.
//! See `trial` for each of these statements and its reason.
//!
//! It touches nothing but the generator that it is given, and keeps nothing. Words and values pass
//! through registers and stack, which safe code cannot erase; [`crate::noise`] erases the vectors.

use dashu_int::UBig;
use rand_core::CryptoRng;

use crate::Result;

pub(crate) mod exact;
mod exp;
pub(crate) mod trial;

use exact::{Enclosure, exp_minus};
use trial::{Cells, MAX_SCALE, Shape};

/// N_Z(0, s^2) for an integer scale s of grid steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiscreteGaussian(Cells);

impl DiscreteGaussian {
    /// The largest scale. Every intermediate product then fits 128 bits.
    pub const MAX_SCALE: u64 = MAX_SCALE;

    /// A sampler of scale `s` grid steps.
    ///
    /// # Errors
    /// [`crate::Error::NoiseScaleOutOfRange`] outside 1..=2^40.
    pub fn new(s: u64) -> Result<Self> {
        Cells::new(s).map(Self)
    }

    /// The scale s, in grid steps.
    pub fn scale(&self) -> u64 {
        self.0.scale()
    }

    /// One draw. Its time does not depend on the value; see the module's notes on timing.
    pub fn sample<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> i64 {
        self.0.sample::<HalfSquare, R>(rng)
    }

    /// Fills `out` with independent draws.
    pub fn fill<R: CryptoRng + ?Sized>(&self, rng: &mut R, out: &mut [i64]) {
        for x in out {
            *x = self.sample(rng);
        }
    }
}

/// f(v) = v^2 / 2.
pub(crate) enum HalfSquare {}

impl Shape for HalfSquare {
    const TAIL: &'static [u64] = &[
        0x6dfd_a4e6_b7d3_18d4,
        0x156e_867a_b85f_106c,
        0x01ab_ea39_1625_b451,
        0x000c_adcc_e66f_73ee,
        0x0000_23ce_4710_a6bd,
        0x0000_0025_5d28_dcbb,
        0x0000_0000_0e5d_f25b,
        0x0000_0000_0002_0893,
        0x0000_0000_0000_001b,
        0,
    ];

    /// sum_{i >= j} exp(-i^2 / 2) / sum_{i >= 0} exp(-i^2 / 2).
    fn tail(j: u64, bits: usize) -> Enclosure {
        let work = bits + 64;
        let sum = |first: u64| {
            let mut sum = Enclosure { low: UBig::ZERO, high: UBig::ZERO };
            let mut i = u128::from(first);
            while i * i / 2 < work as u128 {
                let weight = exp_minus(i * i, 2, work);
                sum.low += weight.low;
                sum.high += weight.high;
                i += 1;
            }
            // What is left out is at most twice its first weight, and that is at most 2^-work; the
            // first cell, of weight 1, is never left out.
            sum.high += UBig::from(2_u8);
            sum
        };
        let (part, all) = (sum(j), sum(0));
        Enclosure {
            low: (part.low << bits) / all.high,
            high: (part.high << bits) / all.low + UBig::ONE,
        }
    }

    /// > z = y (y + 2 s k) / (2 s^2)
    ///
    /// y < s <= 2^40 and k <= 2^20: the numerator is below 2^102.
    fn exponent(cell: u64, place: u64, scale: u64) -> (u128, u128) {
        let (k, y, s) = (u128::from(cell), u128::from(place), u128::from(scale));
        (y * (y + 2 * s * k), 2 * s * s)
    }

    /// > z = v k + v^2 / 2 for v = y/s
    ///
    /// k <= 9, so z < 9.5 < 0.6 * 16. Of the error, in units of the result, v's own contributes
    /// (k + v) / 16 <= 10/16 times 1 + 2^-22, the square's rounding 1/16, and the last shift 1.
    fn fast_exponent(cell: u64, u: u64) -> u64 {
        let (k, v) = (u128::from(cell), u128::from(u));
        ((v * k + ((v * v) >> 65)) >> 4) as u64
    }
}
