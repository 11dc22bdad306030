//! Poisson sampling of patients, tied to the event that its amplification is charged as.
//!
//! Rules S4, S5, N4. Accounting that assumes Poisson sampling while a loader shuffles is the
//! commonest fault of private training; here one value does both. A [`PoissonSampler`] is made for
//! one round from a fresh key, mints the [`Release`] that is charged before anything is computed,
//! and is consumed by drawing the one [`Batch`] of that round. Nothing else makes a release that an
//! accountant amplifies.
//!
//! Amplification holds as long as nobody learns who took part: the key is erased with the sampler,
//! the batch when the round's contribution has been computed, neither is printed, and work is
//! padded to [`Batch::capacity`], which follows from public numbers. What divides a sum is the
//! public expected size, q times the public cohort size, never the batch's.

use std::fmt;
use std::num::NonZeroU64;

use rand_core::{CryptoRng, Rng};
use zeroize::{Zeroize, Zeroizing};

use crate::event::{Event, Release};
use crate::noise::{Noise, NoiseRng, noise_stream};
use crate::units::{Rate, Sensitivity};

/// The sample of one round, before it is drawn.
pub struct PoissonSampler {
    q: Rate,
    key: Zeroizing<[u8; 32]>,
}

impl PoissonSampler {
    /// A sampler of one round. `rng` is the operating system's, unless a build is marked insecure
    /// (rule N4): whoever knows the sample has no amplification against them.
    pub fn new<R: CryptoRng + ?Sized>(q: Rate, rng: &mut R) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *key);
        Self { q, key }
    }

    /// What the round releases if it is computed from this sampler's batch alone, under the noise
    /// that no coalition takes off the sum (rules N1, M2).
    pub fn release(
        &self,
        noise: impl Into<Noise>,
        sensitivity: Sensitivity,
        dimension: NonZeroU64,
    ) -> Release {
        let event = Box::new(Event::discrete_gaussian(noise, sensitivity, dimension));
        Release(Event::Poisson { q: self.q, event })
    }

    /// Draws who of `patients` takes part, each with probability q, rounded down to a multiple of
    /// 2^-64. `cap` is the public cap on the cohort's size, from which the padding follows.
    ///
    /// Time depends on `patients` alone.
    pub fn draw(self, patients: usize, cap: u64) -> Batch {
        let mut stream: NoiseRng = noise_stream(&self.key);
        // q 2^64 is exact as a double; the cast truncates, and saturates where q = 1.
        let threshold = (self.q.get() * TWO_POW_64) as u64;
        let everybody = u8::from(self.q == Rate::ALL);
        let taken = (0..patients)
            .map(|_| u8::from(stream.next_u64() < threshold) | everybody)
            .collect::<Vec<u8>>();
        Batch { taken: Zeroizing::new(taken), capacity: capacity(self.q, cap) }
    }
}

const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;

/// The padded size of a batch: ten standard deviations above the expected one and never above the
/// cap. A batch passes it with probability below 10^-20, and is then processed as it is.
fn capacity(q: Rate, cap: u64) -> u64 {
    let expected = q.get() * cap as f64;
    let room = expected + 10.0 * expected.sqrt() + 50.0;
    cap.min(room.ceil() as u64)
}

impl fmt::Debug for PoissonSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoissonSampler {{ q: {}, key: <redacted> }}", self.q)
    }
}

/// Who takes part in one round. Secret; erased on drop.
pub struct Batch {
    taken: Zeroizing<Vec<u8>>,
    capacity: u64,
}

impl Batch {
    /// Whether the patient at `position` of the cohort takes part.
    pub fn takes(&self, position: usize) -> bool {
        self.taken.get(position).is_some_and(|&taken| taken == 1)
    }

    /// Patients to compute for, padding included: a function of q and the public cap alone.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch {{ taken: <redacted>, capacity: {} }}", self.capacity)
    }
}

impl Drop for PoissonSampler {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::NoiseScale;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn sampler(q: f64, seed: u64) -> PoissonSampler {
        PoissonSampler::new(Rate::new(q).unwrap(), &mut ChaCha20Rng::seed_from_u64(seed))
    }

    /// S4: the event that is minted has the rate that the batch is drawn with.
    #[test]
    fn the_event_and_the_batch_have_one_rate() {
        let one = NonZeroU64::new(1).unwrap();
        let sampler = sampler(0.25, 1);
        let release =
            sampler.release(NoiseScale::new(1024).unwrap(), Sensitivity::new(1).unwrap(), one);
        let Event::Poisson { q, .. } = release.event() else { panic!("no sampling") };
        assert_eq!(q.get(), 0.25);
        let n = 400_000;
        let batch = sampler.draw(n, n as u64);
        let taken = (0..n).filter(|&i| batch.takes(i)).count() as f64;
        // Six standard deviations: false alarm 2e-9.
        assert!((taken - 1e5).abs() < 6.0 * (n as f64 * 0.25 * 0.75).sqrt(), "{taken}");
    }

    #[test]
    fn nobody_and_everybody_are_exact() {
        let (none, all) = (sampler(0.0, 2).draw(1000, 1000), sampler(1.0, 3).draw(1000, 1000));
        assert!((0..1000).all(|i| !none.takes(i) && all.takes(i)));
        assert!(!all.takes(1000), "nobody beyond the cohort");
    }

    /// S5: the size of the work follows from public numbers.
    #[test]
    fn the_padding_does_not_depend_on_the_sample() {
        for (q, cap, expected) in [(0.25, 120, 120), (0.01, 100_000, 1367), (1.0, 7, 7)] {
            for seed in 0..5 {
                assert_eq!(sampler(q, seed).draw(cap as usize / 2, cap).capacity(), expected);
            }
        }
    }

    #[test]
    fn two_samplers_of_two_keys_draw_independently() {
        let n = 10_000;
        let (a, b) = (sampler(0.5, 4).draw(n, n as u64), sampler(0.5, 5).draw(n, n as u64));
        let both = (0..n).filter(|&i| a.takes(i) && b.takes(i)).count() as f64;
        assert!((both - 2500.0).abs() < 6.0 * (n as f64 * 0.25 * 0.75).sqrt(), "{both}");
    }

    #[test]
    fn neither_key_nor_sample_is_printed() {
        let sampler = sampler(0.5, 6);
        assert_eq!(format!("{sampler:?}"), "PoissonSampler { q: 0.5, key: <redacted> }");
        let batch = sampler.draw(3, 3);
        assert_eq!(format!("{batch:?}"), "Batch { taken: <redacted>, capacity: 3 }");
    }
}
