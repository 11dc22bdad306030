//! Seeds to keystream to field vectors: `XofHmacSha256Aes128` of draft-chen-cfrg-vdaf-pine (PoC).
//!
//! HMAC-SHA256(seed, len(dst) || dst || binder) gives an AES-128 key and a counter block; the
//! keystream is AES-128 in counter mode, whose counter is the *last 8 bytes*, big-endian.
//! A vector is drawn by reading encoded elements little-endian and *rejecting* words at or above
//! the modulus, exactly as the specification does (rule R7): masking instead would bias shares.

use aes::Aes128;
use ctr::Ctr64BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::field::Field;
use crate::secret::Seed;

/// A source of pseudorandom bytes. Only [`Keystream`] is one outside tests.
pub trait ByteStream {
    /// Fills the buffer with the next bytes.
    fn fill(&mut self, buffer: &mut [u8]);
}

/// The keystream of one seed under one domain tag and binder.
pub struct Keystream(Ctr64BE<Aes128>);

impl Keystream {
    /// Opens the stream. `tag` separates uses (at most 255 bytes; longer ones are cut, which only
    /// our own constants could reach), `binder` the contexts of one use.
    #[must_use]
    pub fn new(seed: &Seed, tag: &[u8], binder: &[u8]) -> Self {
        let tag = tag.get(..255).unwrap_or(tag);
        // HMAC pads a short key with zeros to its block of 64 bytes (RFC 2104).
        let mut padded = [0; 64];
        for (to, from) in padded.iter_mut().zip(seed.expose()) {
            *to = *from;
        }
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&padded.into());
        padded.zeroize();
        mac.update(&[tag.len() as u8]);
        mac.update(tag);
        mac.update(binder);
        let mut block = Zeroizing::new([0; 32]);
        block.copy_from_slice(&mac.finalize().into_bytes());
        let (key, iv) = block.split_at(16);
        let (mut key_block, mut iv_block) = ([0; 16], [0; 16]);
        key_block.copy_from_slice(key);
        iv_block.copy_from_slice(iv);
        let cipher = Ctr64BE::<Aes128>::new(&key_block.into(), &iv_block.into());
        key_block.zeroize();
        iv_block.zeroize();
        Self(cipher)
    }
}

impl ByteStream for Keystream {
    fn fill(&mut self, buffer: &mut [u8]) {
        buffer.fill(0);
        self.0.apply_keystream(buffer);
    }
}

/// Calls `take` with the next `len` field elements of a stream, rejecting words at or above the
/// modulus. Time depends on the rejected words alone, which nobody keeps.
pub fn for_each_element<F: Field>(
    stream: &mut impl ByteStream,
    len: usize,
    mut take: impl FnMut(F),
) {
    const BUFFER: usize = 4096;
    let mut buffer = Zeroizing::new([0; BUFFER]);
    let mut left = len;
    while left > 0 {
        // Never read past what is needed at least, so that the stream stands where the
        // specification leaves it.
        let bytes = buffer.len().min(left.saturating_mul(F::BYTES));
        let Some(chunk) = buffer.get_mut(..bytes) else { return };
        stream.fill(chunk);
        for word in chunk.chunks_exact(F::BYTES) {
            if let Some(element) = F::from_le_bytes(word) {
                take(element);
                left -= 1;
            }
        }
    }
}

/// The first `len` field elements of a stream.
#[must_use]
pub fn expand<F: Field>(seed: &Seed, tag: &[u8], binder: &[u8], len: usize) -> Zeroizing<Vec<F>> {
    let mut elements = Zeroizing::new(Vec::with_capacity(len));
    for_each_element(&mut Keystream::new(seed, tag, binder), len, |element| elements.push(element));
    elements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Field64, Field128};

    struct Crafted(std::vec::IntoIter<u8>);

    impl ByteStream for Crafted {
        fn fill(&mut self, buffer: &mut [u8]) {
            for byte in buffer {
                *byte = self.0.next().expect("the test's keystream is long enough");
            }
        }
    }

    fn drawn<F: Field>(words: &[u128], len: usize) -> Vec<i128> {
        let bytes: Vec<u8> =
            words.iter().flat_map(|word| word.to_le_bytes()[..F::BYTES].to_vec()).collect();
        let mut out = Vec::new();
        for_each_element::<F>(&mut Crafted(bytes.into_iter()), len, |e| out.push(e.to_integer()));
        out
    }

    /// R7: words at or above the modulus are skipped, not reduced.
    #[test]
    fn crafted_keystream_words_at_or_above_the_modulus_are_rejected() {
        let p = Field64::MODULUS;
        assert_eq!(
            drawn::<Field64>(&[5, p, u128::from(u64::MAX), p - 1, p + 7, 0, 9], 4),
            [5, -1, 0, 9]
        );
        let p = Field128::MODULUS;
        assert_eq!(drawn::<Field128>(&[p, 1, u128::MAX, p - 2], 2), [1, -2]);
    }

    #[test]
    fn rejection_at_a_buffer_edge_draws_what_one_long_read_would() {
        let p = Field64::MODULUS;
        let mut words: Vec<u128> = (0..1024).collect();
        for at in [0, 510, 511, 512, 513, 1000] {
            words[at] = p + at as u128;
        }
        let kept: Vec<i128> =
            words.iter().filter(|w| **w < p).map(|w| i128::try_from(*w).unwrap()).collect();
        assert_eq!(drawn::<Field64>(&words, kept.len()), kept);
    }

    #[test]
    fn tag_binder_and_seed_all_separate_streams() {
        let first = |seed: u8, tag: &[u8], binder: &[u8]| {
            expand::<Field128>(&Seed::from_bytes([seed; 32]), tag, binder, 2).to_vec()
        };
        let base = first(1, b"a", b"b");
        assert_eq!(base, first(1, b"a", b"b"));
        for other in [first(2, b"a", b"b"), first(1, b"b", b"b"), first(1, b"a", b"c")] {
            assert_ne!(base, other);
        }
        assert_ne!(first(1, b"ab", b""), first(1, b"a", b"b"), "the tag's length is bound");
    }
}
