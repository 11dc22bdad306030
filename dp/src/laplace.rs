//! Exact discrete Laplace noise, in integers only: pure differential privacy for counts.
//!
//! P(x) = (e^{1/t} - 1) / (e^{1/t} + 1) exp(-|x| / t): Ghosh, Roughgarden and Sundararajan,
//! *Universally Utility-Maximizing Privacy Mechanisms* (2009); Canonne, Kamath and Steinke (2020),
//! section 5. Noise of scale t on an integer query of sensitivity D gives (D/t)-differential
//! privacy.
//!
//! It is drawn by the trials of [`crate::gauss`], with f(v) = v: a cell k of weight exp(-k), which is
//! Algorithm 2's geometric V; a place y in it, which is its U; and success with probability
//! exp(-y/t). About 63 trials in 100 succeed. What is said there on exactness, timing and memory
//! holds here; the cut, magnitudes from 2^20 scales on, weighs exp(-2^20).

use rand_core::CryptoRng;

use crate::Result;
use crate::gauss::exact::{Enclosure, exp_minus};
use crate::gauss::trial::{Cells, MAX_SCALE, Shape};

/// The discrete Laplace distribution of an integer scale t of grid steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiscreteLaplace(Cells);

impl DiscreteLaplace {
    /// The largest scale. Every intermediate product then fits 128 bits.
    pub const MAX_SCALE: u64 = MAX_SCALE;

    /// A sampler of scale `t` grid steps.
    ///
    /// # Errors
    /// [`crate::Error::NoiseScaleOutOfRange`] outside 1..=2^40.
    pub fn new(t: u64) -> Result<Self> {
        Cells::new(t).map(Self)
    }

    /// The scale t, in grid steps.
    pub fn scale(&self) -> u64 {
        self.0.scale()
    }

    /// One draw. Its time does not depend on the value; see [`crate::gauss`] on timing.
    pub fn sample<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> i64 {
        self.0.sample::<Identity, R>(rng)
    }

    /// Fills `out` with independent draws.
    pub fn fill<R: CryptoRng + ?Sized>(&self, rng: &mut R, out: &mut [i64]) {
        for x in out {
            *x = self.sample(rng);
        }
    }
}

/// f(v) = v.
pub(crate) enum Identity {}

impl Shape for Identity {
    #[rustfmt::skip]
    const TAIL: &'static [u64] = &[
        0x5e2d_58d8_b3bc_df1a, 0x22a5_5547_7f03_973f, 0x0cbe_d866_6758_5764, 0x04b0_556e_084f_3d1d,
        0x01b9_93fe_00d5_3761, 0x00a2_728f_889e_a6ae, 0x003b_c2d7_3849_531d, 0x0015_fc21_0410_27ac,
        0x0008_1679_1293_2a2c, 0x0002_f9af_36ac_8f93, 0x0001_1835_4238_f676, 0x0000_6715_30ed_0ef2,
        0x0000_25ec_0a77_303b, 0x0000_0df3_637e_d80b, 0x0000_0521_d728_89fb, 0x0000_01e3_55bb_aee8,
        0x0000_00b1_cf18_bad3, 0x0000_0041_698a_31a6, 0x0000_0018_1056_ff2c, 0x0000_0008_da43_2af9,
        0x0000_0003_41b6_1a1b, 0x0000_0001_32b4_8bf1, 0x0000_0000_70d4_9f90, 0x0000_0000_2982_0f1f,
        0x0000_0000_0f45_1bd2, 0x0000_0000_059e_14a9, 0x0000_0000_0211_0a53, 0x0000_0000_00c2_9f80,
        0x0000_0000_0047_990a, 0x0000_0000_001a_56e0, 0x0000_0000_0009_b090, 0x0000_0000_0003_908c,
        0x0000_0000_0001_4fb5, 0x0000_0000_0000_7b80, 0x0000_0000_0000_2d6e, 0x0000_0000_0000_10b6,
        0x0000_0000_0000_0626, 0x0000_0000_0000_0243, 0x0000_0000_0000_00d5, 0x0000_0000_0000_004e,
        0x0000_0000_0000_001c, 0x0000_0000_0000_000a, 0x0000_0000_0000_0003, 0x0000_0000_0000_0001,
        0,
    ];

    /// exp(-j).
    fn tail(j: u64, bits: usize) -> Enclosure {
        exp_minus(u128::from(j), 1, bits)
    }

    /// > z = y / t
    fn exponent(_: u64, place: u64, scale: u64) -> (u128, u128) {
        (u128::from(place), u128::from(scale))
    }

    /// z < 1; the error is below (1 + 2^-22) / 16 for u's own and 1 for the shift.
    fn fast_exponent(_: u64, u: u64) -> u64 {
        u >> 4
    }
}
