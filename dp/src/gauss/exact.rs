//! Is a uniform real below a given one? Decided exactly, by drawing more digits and computing with
//! more precision until the answer is certain.
//!
//! Used by [`super::trial`] when 64 bits do not decide, which happens less than once in 2^54 draws,
//! and in tests as the truth. Variable-time, and its big integers are not erased.
//!
//! A number is known as an [`Enclosure`]: two integers that it lies between, in units of 2^-bits.
//! Every operation here rounds the lower down and the upper up, so an enclosure holds whatever the
//! working precision; precision decides only how tight it is.

use dashu_int::UBig;
use rand_core::CryptoRng;

/// Digits that intermediate results carry beyond those asked for.
const GUARD: usize = 64;

/// A number between `low` and `high`, in units of 2^-bits, for bits known from the context.
#[derive(Debug, Clone)]
pub(crate) struct Enclosure {
    pub(crate) low: UBig,
    pub(crate) high: UBig,
}

/// A uniform real in [0, 1) of which the first `bits` binary digits have been drawn.
#[derive(Debug)]
pub(crate) struct Uniform {
    digits: UBig,
    bits: usize,
}

impl Uniform {
    /// The real that begins with the `bits` low bits of `digits`; the higher ones must be zero.
    pub(crate) fn beginning(digits: u64, bits: usize) -> Self {
        Self { digits: UBig::from(digits), bits }
    }

    /// Whether this real is below the one that `value` encloses at any given number of bits.
    ///
    /// Digits once drawn stay, so that questions about several values have consistent answers.
    pub(crate) fn is_below<R: CryptoRng + ?Sized>(
        &mut self,
        value: impl Fn(usize) -> Enclosure,
        rng: &mut R,
    ) -> bool {
        loop {
            // The real lies in [digits, digits + 1).
            let Enclosure { low, high } = value(self.bits);
            if self.digits < low {
                return true;
            }
            if self.digits >= high {
                return false;
            }
            self.digits = (&self.digits << 64) + UBig::from(rng.next_u64());
            self.bits += 64;
        }
    }
}

/// exp(-a/b), for b > 0.
///
/// exp(z / 2^h) for z / 2^h <= 1 by its series, h squarings, and the reciprocal.
pub(crate) fn exp_minus(a: u128, b: u128, bits: usize) -> Enclosure {
    if a / b >= bits as u128 {
        return Enclosure { low: UBig::ZERO, high: UBig::ONE };
    }
    let halvings = (0..).find(|&h| a <= b << h).unwrap_or(0);
    let work = bits + halvings + GUARD;
    let (numerator, denominator) = (UBig::from(a), UBig::from(b) << halvings);
    let mut term = UBig::ONE << work;
    let mut low = UBig::ZERO;
    let mut terms = 0_u64;
    while term != UBig::ZERO {
        low += &term;
        terms += 1;
        term = term * &numerator / (&denominator * UBig::from(terms));
    }
    // Each term is rounded down by less than 1 and inherits at most half of the error before it
    // (all of it for the first, which is exact): less than 2 a term. The terms left out are below
    // 2 for the first and below that again for the rest.
    let mut high = &low + UBig::from(2 * terms + 4);
    for _ in 0..halvings {
        low = (&low * &low) >> work;
        high = ((&high * &high) >> work) + UBig::ONE;
    }
    let one = UBig::ONE << (bits + work);
    Enclosure { low: &one / high, high: one / low + UBig::ONE }
}
