//! A node's noise for one release (rules N1, N3).
//!
//! The seed is KDF(epoch noise key, round digest, accepted-set digest): the same release has the
//! same noise however often it is computed, and no two releases share any. Every node adds the
//! *full* variance, so one honest node suffices.

use haima_crypto::encode::Digest;
use haima_crypto::kdf;
use haima_crypto::secret::Seed;
use haima_dp::noise::NoiseScale;
use zeroize::Zeroizing;

use crate::Error;
use crate::spec::RoundEvent;

/// Draws the noise of one release: `len` integers in grid steps, all zero for an exact round.
///
/// # Errors
/// When the scale is out of the sampler's range.
pub fn draw(
    key: &Seed,
    round: &Digest,
    accepted: &Digest,
    event: RoundEvent,
    len: usize,
) -> Result<Zeroizing<Vec<i64>>, Error> {
    let mut noise = Zeroizing::new(vec![0; len]);
    if let RoundEvent::DiscreteGaussian { s, .. } = event {
        let seed = kdf::derive(key, "round noise", &[*round, *accepted]);
        noise = NoiseScale::new(s)?.draw(seed.expose(), len);
    }
    Ok(noise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use haima_dp::units::Rate;

    fn noise(key: u8, round: &[u8], accepted: &[u8]) -> Vec<i64> {
        let event = RoundEvent::DiscreteGaussian { s: 1 << 20, q: Rate::ALL };
        let (round, accepted) = (Digest::of(round), Digest::of(accepted));
        draw(&Seed::from_bytes([key; 32]), &round, &accepted, event, 8).unwrap().to_vec()
    }

    /// N3: bound to key, round and accepted set, and to nothing else.
    #[test]
    fn noise_is_the_same_for_the_same_release_and_for_no_other() {
        let base = noise(1, b"round", b"set");
        assert_eq!(base, noise(1, b"round", b"set"));
        assert_ne!(base, noise(2, b"round", b"set"));
        assert_ne!(base, noise(1, b"other", b"set"));
        assert_ne!(base, noise(1, b"round", b"other"));
    }

    #[test]
    fn an_exact_round_has_no_noise() {
        let key = Seed::from_bytes([1; 32]);
        let digest = Digest::default();
        assert_eq!(*draw(&key, &digest, &digest, RoundEvent::Exact, 3).unwrap(), [0; 3]);
    }
}
