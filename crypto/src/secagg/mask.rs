//! Vectors over Z_2^b and the masks that are added to them (Bonawitz et al., "Practical Secure
//! Aggregation for Privacy-Preserving Machine Learning", CCS 2017, section 4, round 2).
//!
//! A site sends y = x + PRG(b) + sum_(v > u) PRG(s_uv) - sum_(v < u) PRG(s_uv) in Z_2^b. In the
//! sum over all sites the pairwise masks cancel, and the self-masks are subtracted when their seeds
//! have been reconstructed. The ring is of a power of two, so nothing is rejected: every bit
//! pattern of the keystream is a uniform element, and addition needs no reduction. Words are of 32
//! bits for b <= 32 and of 64 above; since 2^b divides 2^32 and 2^64, arithmetic wraps in the word
//! and the bits above b are cut off by packing alone.
//!
//! What is assumed of the caller: a seed masks one vector, once (derive it per round); the true sum
//! fits, |sum| < 2^(b-1), which is not seen here and wraps when violated; and vectors that are added
//! are of one ring, one length and one [`Prg`], which the round's specification names.
//!
//! Departures from the paper: the paper leaves the PRG open, here it is named; the paper's R is any
//! modulus, here a power of two.

mod expand;
mod pack;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

pub use self::expand::Prg;
use self::expand::{Key, Sign, apply, masked};
use self::pack::{add_packed, pack};
use crate::Error;
use crate::field::magnitude;
use crate::secret::Seed;

/// The integers modulo 2^b, for b from 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ring {
    bits: u8,
}

impl Ring {
    /// The ring of 2^`bits` elements.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `bits` is from 1 to 64.
    pub fn new(bits: u8) -> Result<Self, Error> {
        if (1..=64).contains(&bits) {
            return Ok(Self { bits });
        }
        Err(Error::Parameter { what: "bits of a ring", got: bits.into(), min: 1, max: 64 })
    }

    /// Bits of an element.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Largest absolute value that has a place on either side of zero: 2^(b-1) - 1.
    #[must_use]
    pub fn max_integer(self) -> u64 {
        (1 << (self.bits - 1)) - 1
    }

    /// Bytes of `len` packed elements, ceil(len b / 8).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a length that no memory holds.
    pub fn packed_len(self, len: usize) -> Result<usize, Error> {
        let bytes = (len as u128 * u128::from(self.bits)).div_ceil(8);
        usize::try_from(bytes).map_err(|_| Error::Parameter {
            what: "bytes of a packed vector",
            got: bytes,
            min: 0,
            max: usize::MAX as u128,
        })
    }
}

enum Words {
    Narrow(Zeroizing<Vec<u32>>),
    Wide(Zeroizing<Vec<u64>>),
}

/// A vector over a [`Ring`] that masks, and other vectors, are added to.
///
/// # Security
/// Zeroised on drop, redacted in `Debug`. A vector hides its integers from whoever lacks one of the
/// seeds that were added to it; before the first mask it *is* the integers. Time does not depend on
/// the values. Keystream that the compiler leaves on the stack is not wiped.
pub struct Accumulator {
    words: Words,
    ring: Ring,
}

impl std::fmt::Debug for Accumulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (bits, len) = (self.ring.bits, self.len());
        write!(f, "Accumulator {{ bits: {bits}, len: {len}, words: <redacted> }}")
    }
}

impl Accumulator {
    /// Zeros, `len` of them.
    #[must_use]
    pub fn new(ring: Ring, len: usize) -> Self {
        let words = if ring.bits <= 32 {
            Words::Narrow(Zeroizing::new(vec![0; len]))
        } else {
            Words::Wide(Zeroizing::new(vec![0; len]))
        };
        Self { words, ring }
    }

    /// Signed integers, in two's complement.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when |x| >= 2^(b-1); it names the position alone.
    pub fn from_integers(ring: Ring, integers: &[i64]) -> Result<Self, Error> {
        check_integers(ring, integers)?;
        let mut vector = Self::new(ring, integers.len());
        match &mut vector.words {
            Words::Narrow(words) => {
                words.iter_mut().zip(integers).for_each(|(word, integer)| *word = *integer as u32);
            }
            Words::Wide(words) => {
                words.iter_mut().zip(integers).for_each(|(word, integer)| *word = *integer as u64);
            }
        }
        Ok(vector)
    }

    /// A packed vector of `len` elements.
    ///
    /// # Errors
    /// As [`Accumulator::add_packed`].
    pub fn from_packed(ring: Ring, len: usize, bytes: &[u8]) -> Result<Self, Error> {
        // Before anything is allocated for it.
        check_packed(ring, len, bytes)?;
        let mut vector = Self::new(ring, len);
        vector.add_packed(bytes)?;
        Ok(vector)
    }

    /// The ring.
    #[must_use]
    pub fn ring(&self) -> Ring {
        self.ring
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.words {
            Words::Narrow(words) => words.len(),
            Words::Wide(words) => words.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the mask of a seed.
    pub fn add_mask(&mut self, prg: Prg, seed: &Seed) {
        self.apply_masks(prg, &[seed], &[]);
    }

    /// Subtracts the mask of a seed.
    pub fn sub_mask(&mut self, prg: Prg, seed: &Seed) {
        self.apply_masks(prg, &[], &[seed]);
    }

    /// Adds and subtracts the masks of many seeds, one piece of the vector after the other, so that
    /// the vector passes through memory once. Which list a seed is in is not hidden by time.
    pub fn apply_masks(&mut self, prg: Prg, add: &[&Seed], subtract: &[&Seed]) {
        let keys = keys(prg, add, subtract);
        match &mut self.words {
            Words::Narrow(words) => apply(&keys, words),
            Words::Wide(words) => apply(&keys, words),
        }
    }

    /// Adds a packed vector of the same ring and length, as [`Accumulator::to_packed`] writes it,
    /// without a copy.
    ///
    /// # Errors
    /// [`Error::Length`] on another number of bytes, [`Error::Encoding`] when the bits after the
    /// last element are not zero; the vector is unchanged then.
    pub fn add_packed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        check_packed(self.ring, self.len(), bytes)?;
        match &mut self.words {
            Words::Narrow(words) => add_packed(words, bytes, self.ring.bits),
            Words::Wide(words) => add_packed(words, bytes, self.ring.bits),
        }
        Ok(())
    }

    /// b bits an element, the least significant first, in ceil(len b / 8) bytes; the bits after the
    /// last element are zero. For b = 32 and 64 these are little-endian words.
    ///
    /// # Security
    /// For the wire once masked. Nothing is wiped.
    #[must_use]
    pub fn to_packed(&self) -> Vec<u8> {
        let mut packed = Vec::new();
        match &self.words {
            Words::Narrow(words) => pack(words, self.ring.bits, &mut packed),
            Words::Wide(words) => pack(words, self.ring.bits, &mut packed),
        }
        packed
    }

    /// The elements as integers from -2^(b-1) to 2^(b-1) - 1.
    ///
    /// # Security
    /// For the unmasked sum, which is released. Nothing is wiped.
    #[must_use]
    pub fn to_integers(&self) -> Vec<i64> {
        let above = 64 - u32::from(self.ring.bits);
        let centred = |word: u64| ((word << above) as i64) >> above;
        match &self.words {
            Words::Narrow(words) => words.iter().map(|word| centred((*word).into())).collect(),
            Words::Wide(words) => words.iter().map(|word| centred(*word)).collect(),
        }
    }
}

/// A site's vector under masks, packed: [`Accumulator::from_integers`],
/// [`Accumulator::apply_masks`] and [`Accumulator::to_packed`] in one pass, which copies no more of
/// the integers than a piece at a time.
///
/// # Errors
/// As [`Accumulator::from_integers`].
///
/// # Security
/// For the wire when there are masks.
pub fn mask(
    ring: Ring,
    prg: Prg,
    integers: &[i64],
    add: &[&Seed],
    subtract: &[&Seed],
) -> Result<Vec<u8>, Error> {
    check_integers(ring, integers)?;
    let keys = keys(prg, add, subtract);
    Ok(if ring.bits <= 32 {
        masked::<u32>(&keys, integers, ring.bits)
    } else {
        masked::<u64>(&keys, integers, ring.bits)
    })
}

fn keys(prg: Prg, add: &[&Seed], subtract: &[&Seed]) -> Vec<(Sign, Key)> {
    let signed = |sign| move |seed: &&Seed| (sign, prg.key(seed));
    add.iter().map(signed(Sign::Plus)).chain(subtract.iter().map(signed(Sign::Minus))).collect()
}

fn check_integers(ring: Ring, integers: &[i64]) -> Result<(), Error> {
    let limit = ring.max_integer();
    let fits = |integer: &i64| magnitude(*integer) <= limit;
    // No early end: time tells nothing of where the first bad one is, until it is an error.
    if integers.iter().fold(true, |all, integer| all & fits(integer)) {
        return Ok(());
    }
    let index = integers.iter().position(|integer| !fits(integer)).unwrap_or_default();
    Err(Error::OutOfRange { index, limit: limit.into() })
}

fn check_packed(ring: Ring, len: usize, bytes: &[u8]) -> Result<(), Error> {
    let expected = ring.packed_len(len)?;
    if bytes.len() != expected {
        let what = "packed vector, in bytes";
        return Err(Error::Length { what, expected, got: bytes.len() });
    }
    // Eight elements fill whole bytes.
    let used = (len % 8 * usize::from(ring.bits)) % 8;
    let last = bytes.last().copied().unwrap_or_default();
    if used != 0 && last >> used != 0 {
        let at = expected.saturating_sub(1);
        return Err(Error::Encoding { label: "packed vector", problem: "padding is not zero", at });
    }
    Ok(())
}
