//! Rejection trials of constant time, shared by the discrete Gaussian and the discrete Laplace.
//!
//! Both distributions of scale s have the form P(x) proportional to exp(-f(|x| / s)). A trial cuts
//! the magnitudes into cells of s integers, as Algorithm N of Karney, *Sampling Exactly from the
//! Normal Distribution* (2016), does with the reals, and Ducas, Durmus, Lepoint and Lyubashevsky
//! (BLISS, 2013), section 6, with integers:
//!
//! 1. a cell k >= 0 with probability proportional to exp(-f(k));
//! 2. a place y, uniform in 0..s; the magnitude is s k + y;
//! 3. the trial succeeds with probability exp(-z), z = f(k + y/s) - f(k) >= 0;
//! 4. a sign; "minus zero" fails, because zero would otherwise be drawn by both signs.
//!
//! Since exp(-f(k)) exp(-z) = exp(-f(k + y/s)), what succeeds has the distribution wanted. Because
//! cells are as wide as the scale, k has one distribution for every s: one table serves all scales.
//!
//! # One trial
//!
//! takes three 64-bit words, whatever they are:
//! - the first is compared with all entries of the table of P(K >= j), none left out;
//! - the second is multiplied by s (Lemire 2019, without the division: its biased remainders fail
//!   the trial, with probability below 2^-24);
//! - the third gives the sign and 63 digits of a uniform real, which is compared with exp(-z) as
//!   enclosed by [`super::exp`].
//!
//! These words are the beginnings of uniform reals. Where 64 digits do not decide (the first word
//! equals an entry of the table, at most 45 of 2^64 words; or the third lies within
//! [`BAND`] of exp(-z), 2^8 of 2^63), [`Cells::exact_trial`] decides the same trial again with as
//! many digits as it takes: [`super::exact`]. Hence no probability is approximated anywhere.
//!
//! # What time depends on
//!
//! - The number of trials: they are independent and alike, so it says nothing about what the last
//!   one gave. It is geometric, with a mean of 1.40 for the Gaussian and at most 1.59 for the
//!   Laplace, at every scale.
//! - The exact path, taken by less than one trial in 2^54.8 and so less than one draw in 2^54: it
//!   can say something about the value, to somebody who times every draw and sees so many.
//! - Nothing else: no branch, index, division or shift depends on the words of a trial that succeeds.
//!   Which of its tests a failed trial fails may show, and is independent of what follows it.
//!
//! The comparisons are written as sums, which compilers have no reason to turn into branches, but may.
//! Read in the code that rustc 1.95 makes for x86-64 at release: the only jumps in a trial are those
//! to the exact path and to the next trial, and those of the generator on its buffer. `proofs/ct`
//! (noise_gaussian, noise_laplace) looks again at each run, at five optimisation levels; another
//! target asks for another look.
//!
//! Assumes a generator whose time does not depend on its output; ChaCha20 is one.

use rand_core::CryptoRng;

use super::exact::{Enclosure, Uniform, exp_minus as exact_exp_minus};
use super::exp::{BAND, exp_minus};
use crate::{Error, Result};

/// Magnitudes stop at this many cells, so that they and every exponent fit their integers.
pub(crate) const MOST_CELLS: u64 = 1 << 20;

/// The largest scale; see [`Shape::exponent`] and [`Cells`] for the integers that must hold it.
pub(crate) const MAX_SCALE: u64 = 1 << 40;

/// The function f of a distribution, and what follows from it.
pub(crate) trait Shape {
    /// floor(2^64 P(K >= j)) for j = 1, 2, ..., up to the first zero.
    const TAIL: &'static [u64];

    /// P(K >= j), as tightly as `bits` allow.
    fn tail(j: u64, bits: usize) -> Enclosure;

    /// z as a fraction a / b, b > 0.
    fn exponent(cell: u64, place: u64, scale: u64) -> (u128, u128);

    /// 2^60 z, at most 2 too small and not too large, from u with u <= 2^64 y/s < u + 1 + 2^-22,
    /// for cells of the table. Below 0.6 * 2^64.
    fn fast_exponent(cell: u64, u: u64) -> u64;
}

/// Cells of `scale` integers, and what a trial would otherwise divide for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cells {
    scale: u64,
    /// floor(2^126 / scale).
    reciprocal: u128,
    /// 2^64 mod scale: so many remainders would favour some places.
    biased: u64,
}

/// What the 64-bit arithmetic makes of three words. Flags are 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trial {
    x: i64,
    succeeds: u64,
    undecided: u64,
}

impl Cells {
    /// # Errors
    /// [`Error::NoiseScaleOutOfRange`] outside 1..=2^40.
    pub(crate) fn new(scale: u64) -> Result<Self> {
        if !(1..=MAX_SCALE).contains(&scale) {
            return Err(Error::NoiseScaleOutOfRange { scale, least: 1, most: MAX_SCALE });
        }
        Ok(Self {
            scale,
            reciprocal: (1 << 126) / u128::from(scale),
            biased: scale.wrapping_neg() % scale,
        })
    }

    pub(crate) fn scale(&self) -> u64 {
        self.scale
    }

    /// One draw: trials until one succeeds.
    pub(crate) fn sample<S: Shape, R: CryptoRng + ?Sized>(&self, rng: &mut R) -> i64 {
        loop {
            let words = [rng.next_u64(), rng.next_u64(), rng.next_u64()];
            let trial = self.trial::<S>(words);
            if trial.undecided == 1 {
                if let Some(x) = self.exact_trial::<S, R>(words, rng) {
                    return x;
                }
            } else if trial.succeeds == 1 {
                return trial.x;
            }
        }
    }

    #[inline]
    fn trial<S: Shape>(&self, [cell_word, place_word, coin_word]: [u64; 3]) -> Trial {
        // A word below floor(2^64 P) begins a real below P, a word above it one that is not; an
        // equal word is undecided. Two counts and not a search for an equal entry, because
        // compilers turn the latter into a tree of branches on the word.
        let (mut cell, mut at_most) = (0, 0);
        for &entry in S::TAIL {
            cell += u64::from(cell_word < entry);
            at_most += u64::from(cell_word <= entry);
        }
        let mut undecided = u64::from(cell != at_most);
        let (place, fair) = self.place(place_word);
        let chance = exp_minus(S::fast_exponent(cell, self.fraction(place)));
        let (coin, negative) = halves(coin_word);
        // A coin is a real in [coin, coin + 1); below an integer means below in full.
        let below = u64::from(coin < chance - BAND);
        undecided |= below ^ u64::from(coin < chance + BAND);
        let magnitude = self.scale * cell + place;
        let minus_zero = negative & u64::from(magnitude == 0);
        Trial { x: signed(magnitude, negative), succeeds: below & fair & !minus_zero, undecided }
    }

    /// The trial of these words, decided by as many further words as it takes.
    #[cold]
    fn exact_trial<S: Shape, R: CryptoRng + ?Sized>(
        &self,
        [cell_word, place_word, coin_word]: [u64; 3],
        rng: &mut R,
    ) -> Option<i64> {
        let mut cell = 0;
        let mut real = Uniform::beginning(cell_word, 64);
        while cell < MOST_CELLS && real.is_below(|bits| S::tail(cell + 1, bits), rng) {
            cell += 1;
        }
        let (place, fair) = self.place(place_word);
        let (coin, negative) = halves(coin_word);
        let (a, b) = S::exponent(cell, place, self.scale);
        let below = Uniform::beginning(coin, 63).is_below(|bits| exact_exp_minus(a, b, bits), rng);
        let magnitude = self.scale * cell + place;
        let minus_zero = negative == 1 && magnitude == 0;
        (cell < MOST_CELLS && fair == 1 && below && !minus_zero)
            .then(|| signed(magnitude, negative))
    }

    /// A place in 0..scale, and whether the word is one of those that make all places alike:
    /// Lemire, *Fast Random Integer Generation in an Interval* (2019), section 4.
    fn place(&self, word: u64) -> (u64, u64) {
        let product = u128::from(word) * u128::from(self.scale);
        ((product >> 64) as u64, u64::from(product as u64 >= self.biased))
    }

    /// 2^64 place / scale, at most 1 + 2^-22 too small and not too large: 2^-22 because
    /// place < 2^40 times the reciprocal's error below 1 is shifted by 62, and 1 for the shift.
    fn fraction(&self, place: u64) -> u64 {
        ((u128::from(place) * self.reciprocal) >> 62) as u64
    }
}

/// 63 digits of a coin, and a sign.
fn halves(word: u64) -> (u64, u64) {
    (word >> 1, word & 1)
}

fn signed(magnitude: u64, negative: u64) -> i64 {
    let mask = negative.wrapping_neg();
    ((magnitude ^ mask).wrapping_sub(mask)) as i64
}

#[cfg(test)]
mod tests;
