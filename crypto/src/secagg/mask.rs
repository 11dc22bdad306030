//! Vectors over Z_2^b and the masks that are added to them.
//!
//! A plain stand-in: one expansion for both names and no fused addition.

use zeroize::Zeroizing;

use crate::Error;
use crate::secret::Seed;
use crate::xof::{ByteStream, Xof, XofHmacSha256Aes128};

/// The integers modulo 2^b, 1 <= b <= 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    bits: u8,
}

impl Ring {
    /// The ring of so many bits.
    ///
    /// # Errors
    /// Outside 1 to 64.
    pub fn new(bits: u8) -> Result<Self, Error> {
        if (1..=64).contains(&bits) {
            Ok(Self { bits })
        } else {
            Err(Error::Parameter { what: "bits of the ring", got: bits.into(), min: 1, max: 64 })
        }
    }

    /// b.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Bytes of a packed vector of `len` entries.
    ///
    /// # Errors
    /// Past what a memory holds.
    pub fn packed_len(self, len: usize) -> Result<usize, Error> {
        let bits = len.checked_mul(usize::from(self.bits));
        let (what, max) = ("bytes of a packed vector", usize::MAX as u128);
        let parameter = Error::Parameter { what, got: len as u128, min: 0, max };
        Ok(bits.ok_or(parameter)?.div_ceil(8))
    }

    fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }
}

/// How a seed becomes a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prg {
    /// AES-128 in counter mode.
    Aes128,
    /// ChaCha20.
    ChaCha20,
}

/// A vector over the ring.
pub struct Accumulator {
    ring: Ring,
    words: Zeroizing<Vec<u64>>,
}

impl std::fmt::Debug for Accumulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Accumulator of {} (<redacted>)", self.words.len())
    }
}

impl Accumulator {
    /// Zeros.
    #[must_use]
    pub fn new(ring: Ring, len: usize) -> Self {
        Self { ring, words: Zeroizing::new(vec![0; len]) }
    }

    /// Signed integers, in two's complement.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when |x| >= 2^(b-1).
    pub fn from_integers(ring: Ring, values: &[i64]) -> Result<Self, Error> {
        let limit = (1u64 << (ring.bits - 1)) - 1;
        if let Some(index) = values.iter().position(|value| value.unsigned_abs() > limit) {
            return Err(Error::OutOfRange { index, limit: limit.into() });
        }
        let words = values.iter().map(|value| value.cast_unsigned() & ring.mask()).collect();
        Ok(Self { ring, words: Zeroizing::new(words) })
    }

    /// Adds a seed's mask.
    pub fn add_mask(&mut self, prg: Prg, seed: &Seed) {
        self.expand(prg, seed, u64::wrapping_add);
    }

    /// Subtracts a seed's mask.
    pub fn sub_mask(&mut self, prg: Prg, seed: &Seed) {
        self.expand(prg, seed, u64::wrapping_sub);
    }

    /// Adds and subtracts the masks of many seeds.
    pub fn apply_masks(&mut self, prg: Prg, add: &[&Seed], subtract: &[&Seed]) {
        add.iter().for_each(|seed| self.add_mask(prg, seed));
        subtract.iter().for_each(|seed| self.sub_mask(prg, seed));
    }

    fn expand(&mut self, prg: Prg, seed: &Seed, combine: impl Fn(u64, u64) -> u64) {
        let tag: &[u8] = match prg {
            Prg::Aes128 => b"aes",
            Prg::ChaCha20 => b"chacha",
        };
        let mut stream = XofHmacSha256Aes128::init(seed.expose(), tag).finish();
        let mask = self.ring.mask();
        let mut buffer = Zeroizing::new([0; 4096]);
        for words in self.words.chunks_mut(512) {
            stream.fill(&mut *buffer);
            for (word, bytes) in words.iter_mut().zip(buffer.as_chunks::<8>().0) {
                *word = combine(*word, u64::from_le_bytes(*bytes)) & mask;
            }
        }
    }

    /// b bits an entry, little-endian.
    #[must_use]
    pub fn to_packed(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.words.len() * 8);
        let (mut held, mut bits) = (0u128, 0);
        for word in self.words.iter() {
            held |= u128::from(*word) << bits;
            bits += u32::from(self.ring.bits);
            while bits >= 8 {
                bytes.push(held as u8);
                held >>= 8;
                bits -= 8;
            }
        }
        if bits > 0 {
            bytes.push(held as u8);
        }
        bytes
    }

    /// Adds a packed vector.
    ///
    /// # Errors
    /// On another length and on bits set past the last entry.
    pub fn add_packed(&mut self, packed: &[u8]) -> Result<(), Error> {
        let expected = self.ring.packed_len(self.words.len())?;
        if packed.len() != expected {
            return Err(Error::Length { what: "packed vector", expected, got: packed.len() });
        }
        let spare = 8 * expected - usize::from(self.ring.bits) * self.words.len();
        if packed.last().is_some_and(|last| last.leading_zeros() < spare as u32) {
            return Err(Error::NotReduced { what: "packed vector", index: self.words.len() });
        }
        let mask = self.ring.mask();
        let (mut held, mut bits, mut bytes) = (0u128, 0, packed.iter());
        for word in self.words.iter_mut() {
            while bits < u32::from(self.ring.bits) {
                held |= u128::from(bytes.next().copied().unwrap_or_default()) << bits;
                bits += 8;
            }
            *word = word.wrapping_add(held as u64) & mask;
            held >>= self.ring.bits;
            bits -= u32::from(self.ring.bits);
        }
        Ok(())
    }

    /// The entries as integers in [-2^(b-1), 2^(b-1)).
    #[must_use]
    pub fn to_integers(&self) -> Vec<i64> {
        let shift = 64 - self.ring.bits;
        self.words.iter().map(|word| (word << shift).cast_signed() >> shift).collect()
    }
}
