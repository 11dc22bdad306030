//! Exact discrete Gaussian noise, in integers only.
//!
//! N_Z(0, s^2) gives each integer x the probability exp(-x^2 / (2 s^2)) / Z. Follows Canonne,
//! Kamath and Steinke, *The Discrete Gaussian for Differential Privacy* (2020), section 5:
//! Algorithm 1 (Bernoulli(exp(-gamma))), Algorithm 2 (discrete Laplace) and Algorithm 3 (rejection
//! to the discrete Gaussian).
//!
//! Three departures; the first two leave the distribution as it is:
//! - The scale s is an integer, and the Laplace scale is t = s instead of floor(s) + 1 (Algorithm 3
//!   is right for every t >= 1). The exponent becomes (|Y| - s)^2 / (2 s^2): a ratio of integers
//!   below 2^128, without rationals.
//! - A coin of probability a/b is decided by comparing a lazily drawn uniform real with a/b, 32
//!   bits at a time: two products and no division. Drawing stops at the first digit that decides,
//!   with probability 1 - 2^-32 a digit, and the result is exact however long it goes on.
//! - A Laplace draw beyond 2^20 scales is drawn again, so that every square fits. Such draws have
//!   probability below exp(-2^20), and Algorithm 3 would keep one with probability below
//!   exp(-2^38): what is cut off the tails weighs less than exp(-2^38).
//!
//! # Timing
//!
//! The sampler is variable-time: how many loops a draw takes depends on its magnitude and on what
//! was rejected. Jin, McMurtry, Rubinstein and Ohrimenko (IEEE S&P 2022) recover noise from the
//! time of single draws. It is safe where nobody times single draws: a node draws all coordinates
//! of a round in one go, stores the noised answer with an fsync, and answers from the store on the
//! coordinator's next request (rule N3), so at most a sum of thousands of draws is visible, blurred
//! by the disk. It is **not** safe for a release of one coordinate timed by somebody on the same
//! machine, nor where an answer is sent as soon as it is drawn. Nothing here branches on the
//! secret sum, only on the noise.

use rand_core::CryptoRng;

use crate::{Error, Result};

/// N_Z(0, s^2) for an integer scale s of grid steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiscreteGaussian {
    scale: u64,
}

impl DiscreteGaussian {
    /// The largest scale. Every intermediate product then fits 128 bits.
    pub const MAX_SCALE: u64 = 1 << 40;

    /// A sampler of scale `s` grid steps.
    ///
    /// # Errors
    /// [`Error::NoiseScaleOutOfRange`] outside 1..=2^40.
    pub fn new(s: u64) -> Result<Self> {
        if (1..=Self::MAX_SCALE).contains(&s) {
            Ok(Self { scale: s })
        } else {
            Err(Error::NoiseScaleOutOfRange { scale: s, least: 1, most: Self::MAX_SCALE })
        }
    }

    /// The scale s, in grid steps.
    pub fn scale(&self) -> u64 {
        self.scale
    }

    /// One draw. Variable-time; see the module's notes on timing.
    pub fn sample<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> i64 {
        // Algorithm 3 with t = s.
        let s = u128::from(self.scale);
        loop {
            let (magnitude, negative) = laplace(self.scale, rng);
            let distance = u128::from(magnitude.abs_diff(self.scale));
            // distance <= 2^60 and s <= 2^40.
            if bernoulli_exp(distance * distance, 2 * s * s, rng) {
                let x = magnitude as i64;
                return if negative { -x } else { x };
            }
        }
    }

    /// Fills `out` with independent draws.
    pub fn fill<R: CryptoRng + ?Sized>(&self, rng: &mut R, out: &mut [i64]) {
        for x in out {
            *x = self.sample(rng);
        }
    }
}

/// Laplace draws stop at this many scales: magnitude < 2^40 * (2^20 + 1).
const MOST_SCALES: u64 = 1 << 20;

/// > Algorithm 2: U uniform in {0, ..., t-1}, kept with probability exp(-U/t); V geometric with
/// > ratio exp(-1); X = U + t V; a sign, rejecting "minus zero".
///
/// Returns the magnitude and whether it is negative.
fn laplace<R: CryptoRng + ?Sized>(t: u64, rng: &mut R) -> (u64, bool) {
    loop {
        let u = uniform_below(t, rng);
        if !bernoulli_exp_at_most_one(u128::from(u), u128::from(t), rng) {
            continue;
        }
        let mut v = 0;
        while v <= MOST_SCALES && bernoulli_exp_minus_one(rng) {
            v += 1;
        }
        let negative = rng.next_u32() & 1 == 1;
        let x = u + t * v;
        if v <= MOST_SCALES && !(negative && x == 0) {
            return (x, negative);
        }
    }
}

/// True with probability exp(-a/b), b > 0.
///
/// > Algorithm 1: for gamma > 1, floor(gamma) draws of exp(-1), each of which must succeed, and
/// > one of the rest.
///
/// Whole units are taken off one at a time, which ends at the first failure and needs no division.
fn bernoulli_exp<R: CryptoRng + ?Sized>(mut a: u128, b: u128, rng: &mut R) -> bool {
    while a > b {
        if !bernoulli_exp_minus_one(rng) {
            return false;
        }
        a -= b;
    }
    bernoulli_exp_at_most_one(a, b, rng)
}

fn bernoulli_exp_minus_one<R: CryptoRng + ?Sized>(rng: &mut R) -> bool {
    bernoulli_exp_at_most_one(1, 1, rng)
}

/// > Algorithm 1: for gamma in [0, 1], count K from 1 while Bernoulli(gamma/K) succeeds; the answer
/// > is whether K is odd.
///
/// The coin of gamma/K is the coin of gamma and, if that succeeds, the coin of 1/K, so that no
/// denominator grows with K.
fn bernoulli_exp_at_most_one<R: CryptoRng + ?Sized>(a: u128, b: u128, rng: &mut R) -> bool {
    let mut k: u64 = 1;
    while bernoulli(a, b, rng) && (k == 1 || bernoulli(1, u128::from(k), rng)) {
        k += 1;
    }
    k % 2 == 1
}

/// True with probability a/b, for 0 <= a <= b and 0 < b <= 2^81.
///
/// Draws the binary digits of a uniform real, 32 at a time, until they decide whether it lies below
/// a/b. With the digits so far equal, `a/b` is what remains of the fraction, scaled by 2^32.
fn bernoulli<R: CryptoRng + ?Sized>(mut a: u128, b: u128, rng: &mut R) -> bool {
    // Certain cases, which need no digit. They are public except in `sample`, see "Timing".
    if a == 0 || a == b {
        return a == b;
    }
    loop {
        let digit = u128::from(rng.next_u32());
        // Both products are below 2^32 * 2^81 = 2^113.
        let (target, low) = (a << 32, digit * b);
        if low + b <= target {
            return true;
        }
        if low >= target {
            return false;
        }
        // The real lies within the digit that a/b lies in: low < target < low + b.
        a = target - low;
    }
}

/// Uniform in 0..n, n > 0, without bias: Lemire, *Fast Random Integer Generation in an Interval*
/// (2019), Algorithm 5.
fn uniform_below<R: CryptoRng + ?Sized>(n: u64, rng: &mut R) -> u64 {
    let mut product = u128::from(rng.next_u64()) * u128::from(n);
    if (product as u64) < n {
        // 2^64 mod n of the low halves would make some results likelier than others.
        let biased = n.wrapping_neg() % n;
        while (product as u64) < biased {
            product = u128::from(rng.next_u64()) * u128::from(n);
        }
    }
    (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::{TryCryptoRng, TryRng};
    use std::convert::Infallible;

    /// A generator that says what it is told, and how much of it was used.
    struct Script {
        words: Vec<u32>,
        used: usize,
    }

    impl Script {
        fn new(words: &[u32]) -> Self {
            Self { words: words.to_vec(), used: 0 }
        }
    }

    impl TryRng for Script {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            self.used += 1;
            Ok(self.words[self.used - 1])
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            let low = u64::from(self.try_next_u32()?);
            Ok(u64::from(self.try_next_u32()?) << 32 | low)
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
            unreachable!("the sampler draws words")
        }
    }

    impl TryCryptoRng for Script {}

    const THIRD: u32 = 0x5555_5555;

    #[test]
    fn a_coin_goes_on_to_the_digit_that_decides() {
        for (last, heads) in [(THIRD - 1, true), (THIRD + 1, false)] {
            let mut rng = Script::new(&[THIRD, THIRD, THIRD, last]);
            assert_eq!(bernoulli(1, 3, &mut rng), heads);
            assert_eq!(rng.used, 4);
        }
        // The same at full width, where the fraction ends: 81 digits of 1/3.
        let b = 1_u128 << 81;
        for (last, heads) in [(0x5554_ffff, true), (0x5555_0000, false)] {
            assert_eq!(bernoulli(b / 3, b, &mut Script::new(&[THIRD, THIRD, last])), heads);
        }
    }

    #[test]
    fn the_digits_of_a_dyadic_coin_are_exact() {
        // 5/8 = 0.101 in binary: the real is below iff its first 32 digits are below 5 * 2^29.
        let edge = 5 << 29;
        assert!(bernoulli(5, 8, &mut Script::new(&[edge - 1])));
        assert!(!bernoulli(5, 8, &mut Script::new(&[edge])));
    }

    #[test]
    fn certain_coins_need_no_randomness() {
        let mut rng = Script::new(&[]);
        assert!(!bernoulli(0, 7, &mut rng));
        assert!(bernoulli(7, 7, &mut rng));
        assert!(bernoulli_exp(0, 7, &mut rng));
    }

    #[test]
    fn uniform_integers_reject_what_would_bias_them() {
        // 3 * 0 has low half 0, below 2^64 mod 3 = 1: rejected, and the next word is taken.
        let mut rng = Script::new(&[0, 0, 0, 0xffff_ffff]);
        assert_eq!(uniform_below(3, &mut rng), 2);
        assert_eq!(rng.used, 4);
        // Every word of a 64-bit range of 2^63 is fair.
        assert_eq!(uniform_below(1 << 63, &mut Script::new(&[0, 0])), 0);
    }

    #[test]
    fn scales_outside_the_range_are_refused() {
        let most = DiscreteGaussian::MAX_SCALE;
        for scale in [0, most + 1, u64::MAX] {
            assert_eq!(
                DiscreteGaussian::new(scale),
                Err(Error::NoiseScaleOutOfRange { scale, least: 1, most })
            );
        }
        assert_eq!(DiscreteGaussian::new(most).unwrap().scale(), most);
    }
}
