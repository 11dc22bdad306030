//! Shares at rest: each round has a key of its own, drawn when the round opens and erased when it
//! ends.
//!
//! The key stands in the database, wrapped by a key that is derived from the epoch key and never
//! stands there: so a database, or a backup of one, tells nothing without the epoch key's file; and
//! once the round has ended, nothing with it.

use haima_crypto::encode::Digest;
use haima_crypto::kdf;
use haima_crypto::seal::{ChunkKey, Place};
use haima_crypto::secret::Seed;
use zeroize::Zeroizing;

use crate::Error;

/// A wrapped key is one sealed chunk.
const WHOLE: Place = Place { index: 0, last: true };

/// What wraps the rounds' keys.
#[derive(Debug)]
pub(super) struct Wrapping(Seed);

/// The key of one round's shares at rest.
#[derive(Debug)]
pub(super) struct RestKey(Seed);

impl Wrapping {
    /// From the epoch key's seed.
    pub(super) fn new(epoch: &Seed) -> Self {
        Self(kdf::derive(epoch, "shares at rest", &[]))
    }

    /// Draws a round's key; returns it wrapped.
    pub(super) fn draw(&self, round: &Digest) -> Result<Vec<u8>, Error> {
        let key = Seed::random(&mut rand::rng());
        let mut wrapped = key.expose().to_vec();
        // Fits without growing: nothing of the key is left behind.
        wrapped.reserve_exact(16);
        let mut wrapped = Zeroizing::new(wrapped);
        self.of(round).seal(WHOLE, round.as_bytes(), &mut wrapped)?;
        Ok(std::mem::take(&mut *wrapped))
    }

    /// Opens a round's key.
    pub(super) fn open(&self, round: &Digest, wrapped: &[u8]) -> Result<RestKey, Error> {
        let fault = || {
            Error::Store(format!(
                "round {}: the key of its shares does not open; the database belongs to another \
                 epoch key",
                round.short()
            ))
        };
        let mut key = Zeroizing::new(wrapped.to_vec());
        self.of(round).open(WHOLE, round.as_bytes(), &mut key).map_err(|_| fault())?;
        let key: Zeroizing<[u8; 32]> =
            Zeroizing::new(key.as_slice().try_into().map_err(|_| fault())?);
        Ok(RestKey(Seed::from_bytes(*key)))
    }

    /// One key a round, for its one wrapped key.
    fn of(&self, round: &Digest) -> ChunkKey {
        ChunkKey::new(&kdf::derive(&self.0, "wrap", &[*round]))
    }
}

impl RestKey {
    /// The key of one submission's chunks, by the digest of its header: what it encrypts is fixed
    /// by that digest, so the same chunk twice is the same bytes.
    pub(super) fn chunks(&self, header: &Digest) -> ChunkKey {
        ChunkKey::new(&kdf::derive(&self.0, "share", &[*header]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_for_its_round_and_epoch_alone_and_is_drawn_anew_each_time() {
        let wrapping = Wrapping::new(&Seed::from_bytes([1; 32]));
        let (round, other) = (Digest::of(b"round"), Digest::of(b"other"));
        let wrapped = wrapping.draw(&round).unwrap();
        assert_eq!(wrapped.len(), 48);
        assert_ne!(wrapped, wrapping.draw(&round).unwrap());
        let key = wrapping.open(&round, &wrapped).unwrap();
        let mut chunk = b"share".to_vec();
        key.chunks(&other).seal(WHOLE, b"", &mut chunk).unwrap();
        let again = wrapping.open(&round, &wrapped).unwrap();
        again.chunks(&other).open(WHOLE, b"", &mut chunk).unwrap();
        assert_eq!(chunk, b"share");
        assert!(wrapping.open(&other, &wrapped).is_err());
        assert!(Wrapping::new(&Seed::from_bytes([2; 32])).open(&round, &wrapped).is_err());
    }
}
