//! Seeds to pseudorandom bytes to field vectors, as draft-chen-cfrg-vdaf-pine and
//! draft-irtf-cfrg-vdaf-11 have them.
//!
//! | type | seed | stream |
//! |---|---|---|
//! | [`XofTurboShake128`] | 16 bytes | TurboSHAKE128, domain byte 1, of len(dst) \|\| dst \|\| seed \|\| binder |
//! | [`XofHmacSha256Aes128`] | 32 bytes | AES-128 in counter mode under HMAC-SHA256(seed, len(dst) \|\| dst \|\| binder) |
//!
//! The HMAC gives the key and the first counter block; the counter is the block's *last 8 bytes*,
//! big-endian (little-endian in [`crate::share`] alone). A vector is drawn by reading encoded elements little-endian and *rejecting* words
//! at or above the modulus, exactly as the specification does (rule R7): masking instead would
//! bias shares.

use aes::Aes128;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use ctr::{Ctr64BE, Ctr64LE};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use turboshake::CTurboShake128;
use turboshake::digest::{ExtendableOutput, Update, XofReader};
use zeroize::{Zeroize, Zeroizing};

use crate::field::Field;

/// A source of pseudorandom bytes.
pub trait ByteStream {
    /// Whether [`ByteStream::seek`] works, so that the stream can be read out of order.
    const SEEKABLE: bool;

    /// Fills the buffer with the next bytes.
    fn fill(&mut self, buffer: &mut [u8]);

    /// Goes to a byte position, counted from the stream's beginning. Does nothing on a stream
    /// that is not [`ByteStream::SEEKABLE`].
    fn seek(&mut self, byte: u64);
}

/// A seed to be bound to its use before it is expanded.
pub trait Xof: Clone {
    /// Length of a seed in bytes.
    const SEED: usize;
    /// The expansion.
    type Stream: ByteStream;

    /// Starts from a seed of `SEED` bytes under a domain tag, which separates uses (at most 255
    /// bytes; longer ones are cut, which only our own constants could reach).
    fn init(seed: &[u8], tag: &[u8]) -> Self;

    /// Appends to the binder, which separates the contexts of one use.
    fn absorb(&mut self, binder: &[u8]);

    /// Opens the stream.
    fn finish(self) -> Self::Stream;
}

/// TurboSHAKE128 with domain byte 1 (draft-irtf-cfrg-vdaf-11, section 6.2.1).
#[derive(Clone)]
pub struct XofTurboShake128(CTurboShake128<1>);

impl Xof for XofTurboShake128 {
    const SEED: usize = 16;
    type Stream = TurboShakeStream;

    fn init(seed: &[u8], tag: &[u8]) -> Self {
        debug_assert_eq!(seed.len(), Self::SEED);
        let tag = tag.get(..255).unwrap_or(tag);
        let mut sponge = CTurboShake128::default();
        sponge.update(&[tag.len() as u8]);
        sponge.update(tag);
        sponge.update(seed);
        Self(sponge)
    }

    fn absorb(&mut self, binder: &[u8]) {
        self.0.update(binder);
    }

    fn finish(self) -> TurboShakeStream {
        TurboShakeStream(self.0.finalize_xof())
    }
}

/// The output of [`XofTurboShake128`], readable in order only.
pub struct TurboShakeStream(turboshake::TurboShake128Reader);

impl ByteStream for TurboShakeStream {
    const SEEKABLE: bool = false;

    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.read(buffer);
    }

    fn seek(&mut self, _: u64) {}
}

/// AES-128 in counter mode keyed by HMAC-SHA256 (draft-chen-cfrg-vdaf-pine, PoC
/// `xof_hmac_sha256_aes128.py`).
#[derive(Clone)]
pub struct XofHmacSha256Aes128(Hmac<Sha256>);

impl XofHmacSha256Aes128 {
    /// Key and first counter block.
    fn key_and_counter(self) -> (Zeroizing<[u8; 16]>, Zeroizing<[u8; 16]>) {
        let (mut key, mut counter) = (Zeroizing::new([0; 16]), Zeroizing::new([0; 16]));
        let mut block = self.0.finalize().into_bytes();
        let (left, right) = block.split_at(16);
        key.copy_from_slice(left);
        counter.copy_from_slice(right);
        block.zeroize();
        (key, counter)
    }

    /// Opens the faster stream of sharing without proof: the counter is little-endian.
    pub(crate) fn finish_le(self) -> AesStream<Ctr64LE<Aes128>> {
        let (key, counter) = self.key_and_counter();
        AesStream(KeyIvInit::new((&*key).into(), (&*counter).into()))
    }
}

impl Xof for XofHmacSha256Aes128 {
    const SEED: usize = 32;
    type Stream = AesStream<Ctr64BE<Aes128>>;

    fn init(seed: &[u8], tag: &[u8]) -> Self {
        debug_assert_eq!(seed.len(), Self::SEED);
        let tag = tag.get(..255).unwrap_or(tag);
        // HMAC pads a short key with zeros to its block of 64 bytes (RFC 2104).
        let mut padded = [0; 64];
        for (to, from) in padded.iter_mut().zip(seed) {
            *to = *from;
        }
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&padded.into());
        padded.zeroize();
        Mac::update(&mut mac, &[tag.len() as u8]);
        Mac::update(&mut mac, tag);
        Self(mac)
    }

    fn absorb(&mut self, binder: &[u8]) {
        Mac::update(&mut self.0, binder);
    }

    fn finish(self) -> Self::Stream {
        let (key, counter) = self.key_and_counter();
        AesStream(KeyIvInit::new((&*key).into(), (&*counter).into()))
    }
}

/// A keystream of AES-128 in counter mode, readable from any byte.
pub struct AesStream<C>(C);

/// Not generic over the cipher, so that it is compiled here, in one unit (see the profile in the
/// workspace's `Cargo.toml`): cut in several, AES runs at a third of its speed.
macro_rules! aes_stream {
    ($cipher:ty) => {
        impl ByteStream for AesStream<$cipher> {
            const SEEKABLE: bool = true;

            fn fill(&mut self, buffer: &mut [u8]) {
                self.0.write_keystream(buffer);
            }

            fn seek(&mut self, byte: u64) {
                self.0.seek(byte);
            }
        }
    };
}
aes_stream!(Ctr64BE<Aes128>);
aes_stream!(Ctr64LE<Aes128>);

/// Calls `take` with the next `len` field elements of a stream, rejecting words at or above the
/// modulus.
pub fn for_each_element<F: Field>(
    stream: &mut impl ByteStream,
    len: usize,
    mut take: impl FnMut(F),
) {
    for_each_block(stream, len, |elements| elements.iter().for_each(|element| take(*element)));
}

/// Calls `take` with the next `len` field elements of a stream, some at a time. Time depends on
/// the rejected words alone, which nobody keeps.
fn for_each_block<F: Field>(stream: &mut impl ByteStream, len: usize, mut take: impl FnMut(&[F])) {
    const BLOCK: usize = 512;
    let mut buffer = Zeroizing::new([0; BLOCK * 16]);
    let mut elements = Zeroizing::new([F::ZERO; BLOCK]);
    let mut left = len;
    while left > 0 {
        // Never past what is needed at least, so that the stream stands where the specification
        // leaves it.
        let count = BLOCK.min(left);
        let (Some(bytes), Some(block)) =
            (buffer.get_mut(..count * F::BYTES), elements.get_mut(..count))
        else {
            return;
        };
        stream.fill(bytes);
        let mut kept = count;
        if !F::read_slice(block, bytes) {
            let drawn = bytes.chunks_exact(F::BYTES).filter_map(F::from_le_bytes);
            kept = block.iter_mut().zip(drawn).map(|(slot, element)| *slot = element).count();
        }
        take(block.get(..kept).unwrap_or_default());
        left -= kept;
    }
}

/// The next `len` field elements of a stream.
#[must_use]
pub fn expand<F: Field>(stream: &mut impl ByteStream, len: usize) -> Zeroizing<Vec<F>> {
    let mut elements = Zeroizing::new(vec![F::ZERO; len]);
    fill_elements(stream, &mut elements);
    elements
}

/// Writes the stream's next elements over `out`.
pub fn fill_elements<F: Field>(stream: &mut impl ByteStream, out: &mut [F]) {
    combine_elements(stream, out, <[F]>::copy_from_slice);
}

/// Adds the stream's next elements to `acc`.
pub fn add_elements<F: Field>(stream: &mut impl ByteStream, acc: &mut [F]) {
    combine_elements(stream, acc, F::add_vec);
}

/// Subtracts the stream's next elements from `acc`.
pub fn sub_elements<F: Field>(stream: &mut impl ByteStream, acc: &mut [F]) {
    combine_elements(stream, acc, F::sub_vec);
}

fn combine_elements<F: Field>(
    stream: &mut impl ByteStream,
    acc: &mut [F],
    combine: impl Fn(&mut [F], &[F]),
) {
    let (len, mut rest) = (acc.len(), acc);
    for_each_block(stream, len, |elements| {
        if let Some(slots) = rest.split_off_mut(..elements.len()) {
            combine(slots, elements);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Field64, Field128};

    struct Crafted(std::vec::IntoIter<u8>);

    impl ByteStream for Crafted {
        const SEEKABLE: bool = false;

        fn seek(&mut self, _: u64) {}

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
    fn filling_adding_and_subtracting_draw_the_same_elements() {
        let p = Field64::MODULUS;
        let mut words: Vec<u128> = (0..2000).map(|i| i * 12_345_678_901 % p).collect();
        for at in [0, 1, 511, 512, 513, 1024, 1300] {
            words[at] = u128::from(u64::MAX) - at as u128;
        }
        let kept: Vec<i128> = drawn::<Field64>(&words, 1990);
        let bytes: Vec<u8> = words.iter().flat_map(|word| (*word as u64).to_le_bytes()).collect();
        let stream = || Crafted(bytes.clone().into_iter());
        let start: Vec<Field64> = (0..1990).map(|i| Field64::from_i64(7 * i).unwrap()).collect();
        let (mut filled, mut added, mut subtracted) = (start.clone(), start.clone(), start.clone());
        fill_elements(&mut stream(), &mut filled);
        add_elements(&mut stream(), &mut added);
        sub_elements(&mut stream(), &mut subtracted);
        for i in 0..1990 {
            assert_eq!(filled[i].to_integer(), kept[i]);
            assert_eq!(added[i], start[i] + filled[i]);
            assert_eq!(subtracted[i], start[i] - filled[i]);
        }
    }

    #[test]
    fn a_keystream_read_from_the_middle_is_the_same() {
        let stream = || XofHmacSha256Aes128::init(&[9; 32], b"t").finish();
        let mut whole = [0; 5000];
        stream().fill(&mut whole);
        for at in [0usize, 1, 15, 16, 17, 1023, 1024, 4000] {
            let mut from = stream();
            let mut part = [0; 1000];
            from.seek(at as u64);
            from.fill(&mut part);
            assert_eq!(part, whole[at..at + 1000], "{at}");
        }
    }

    #[test]
    fn tag_binder_and_seed_all_separate_streams() {
        let first = |seed: u8, tag: &[u8], binder: &[u8]| {
            let mut xof = XofHmacSha256Aes128::init(&[seed; 32], tag);
            xof.absorb(binder);
            expand::<Field128>(&mut xof.finish(), 2).to_vec()
        };
        let base = first(1, b"a", b"b");
        assert_eq!(base, first(1, b"a", b"b"));
        for other in [first(2, b"a", b"b"), first(1, b"b", b"b"), first(1, b"a", b"c")] {
            assert_ne!(base, other);
        }
        assert_ne!(first(1, b"ab", b""), first(1, b"a", b"b"), "the tag's length is bound");
    }
}
