//! 32-byte secrets as five elements of the 64-bit field.
//!
//! Bytes 0 to 6, 7 to 13, 14 to 20, 21 to 27 and 28 to 31, little-endian: each below the modulus.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Basis, Share, Threshold, share};
use crate::Error;
use crate::field::{Field, Field64, encode_vec};
use crate::secret::Seed;

/// Elements of a shared 32-byte secret.
pub const LIMBS: usize = 5;

/// Bytes in all limbs but the last.
const LIMB: usize = 7;

/// Shares a 32-byte secret: shares 1 to n in order.
pub fn share_seed<R: CryptoRng + ?Sized>(
    seed: &Seed,
    threshold: Threshold,
    rng: &mut R,
) -> Vec<Share<Field64>> {
    let mut limbs = Zeroizing::new([Field64::ZERO; LIMBS]);
    let mut word = Zeroizing::new([0; Field64::BYTES]);
    for (limb, bytes) in limbs.iter_mut().zip(seed.expose().chunks(LIMB)) {
        word.fill(0);
        word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        // Below 2^56, so below the modulus.
        *limb = Field64::from_le_bytes(&*word).unwrap_or_default();
    }
    share(&*limbs, threshold, rng)
}

/// The secret whose limbs a reconstruction gave.
///
/// # Errors
/// [`Error::NoSecret`] when a limb has more bytes than a secret's. A wrong share passes by chance
/// with probability 2^-64, on purpose always: this is no check of integrity. On other than
/// [`LIMBS`] elements.
pub fn seed_from_limbs(limbs: &[Field64]) -> Result<Seed, Error> {
    if limbs.len() != LIMBS {
        let (expected, got) = (LIMBS, limbs.len());
        return Err(Error::Length { what: "limbs of a 32-byte secret", expected, got });
    }
    let words = Zeroizing::new(encode_vec(limbs));
    let mut bytes = Zeroizing::new([0; Seed::LEN]);
    let mut over = 0;
    for (to, word) in bytes.chunks_mut(LIMB).zip(words.chunks(Field64::BYTES)) {
        let (low, high) = word.split_at(to.len());
        to.copy_from_slice(low);
        over = high.iter().fold(over, |over, byte| over | byte);
    }
    if over == 0 { Ok(Seed::from_bytes(*bytes)) } else { Err(Error::NoSecret) }
}

impl Basis<Field64> {
    /// A 32-byte secret, from shares as [`Basis::reconstruct`] takes them.
    ///
    /// # Errors
    /// As [`Basis::reconstruct`] and [`seed_from_limbs`].
    pub fn reconstruct_seed<'a>(
        &self,
        shares: impl IntoIterator<Item = &'a Share<Field64>>,
    ) -> Result<Seed, Error> {
        seed_from_limbs(&self.reconstruct(shares)?)
    }
}
