//! Shares at rest: each round has a key of its own, drawn when the round opens and erased when it
//! ends.
//!
//! A share's chunks are stored as they came, sealed by their site. The seed of the key that opens
//! them is stored wrapped under the round's key, and the head of the sealed share, from which the
//! node's sealing key could find that seed again, is not stored at all. The round's key stands in
//! the database, wrapped by a key that is derived from the epoch key and never stands there: so a
//! database, or a backup of one, tells nothing without the epoch key's file; and once the round has
//! ended, nothing with it.

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
        wrapped(&self.of(round), round, &Seed::random(&mut crate::randomness::system()))
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
        unwrapped(&self.of(round), round, wrapped).map(RestKey).ok_or_else(fault)
    }

    /// One key a round, for its one wrapped key.
    fn of(&self, round: &Digest) -> ChunkKey {
        ChunkKey::new(&kdf::derive(&self.0, "wrap", &[*round]))
    }
}

impl RestKey {
    /// Wraps the seed of one submission's chunks, by the digest of its header, which fixes the
    /// seed: the same wrapped twice is the same bytes.
    pub(super) fn wrap(&self, header: &Digest, seed: &Seed) -> Result<Vec<u8>, Error> {
        wrapped(&self.of(header), header, seed)
    }

    /// The key of a submission's chunks, from its wrapped seed.
    pub(super) fn chunks(&self, header: &Digest, wrapped: &[u8]) -> Result<ChunkKey, Error> {
        let fault = || Error::Store("the wrapped key of a share does not open".into());
        Ok(ChunkKey::new(&unwrapped(&self.of(header), header, wrapped).ok_or_else(fault)?))
    }

    /// One key a submission, for its one wrapped seed.
    fn of(&self, header: &Digest) -> ChunkKey {
        ChunkKey::new(&kdf::derive(&self.0, "share", &[*header]))
    }
}

/// A seed under a key that wraps nothing else.
fn wrapped(key: &ChunkKey, name: &Digest, seed: &Seed) -> Result<Vec<u8>, Error> {
    // Made large enough to grow by the tag: nothing of the seed is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(48));
    bytes.extend_from_slice(seed.expose());
    key.seal(WHOLE, name.as_bytes(), &mut bytes)?;
    Ok(std::mem::take(&mut *bytes))
}

fn unwrapped(key: &ChunkKey, name: &Digest, wrapped: &[u8]) -> Option<Seed> {
    let mut bytes = Zeroizing::new(wrapped.to_vec());
    key.open(WHOLE, name.as_bytes(), &mut bytes).ok()?;
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().ok()?);
    Some(Seed::from_bytes(*bytes))
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
        let seed = Seed::from_bytes([3; 32]);
        let of_share = key.wrap(&other, &seed).unwrap();
        let mut chunk = b"share".to_vec();
        ChunkKey::new(&seed).seal(WHOLE, b"", &mut chunk).unwrap();
        let again = wrapping.open(&round, &wrapped).unwrap();
        again.chunks(&other, &of_share).unwrap().open(WHOLE, b"", &mut chunk).unwrap();
        assert_eq!(chunk, b"share");
        assert!(again.chunks(&round, &of_share).is_err(), "for its submission alone");
        assert!(wrapping.open(&other, &wrapped).is_err());
        assert!(Wrapping::new(&Seed::from_bytes([2; 32])).open(&round, &wrapped).is_err());
    }
}
