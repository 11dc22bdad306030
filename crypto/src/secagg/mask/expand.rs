//! Seeds to keystream, added to words where it is made.
//!
//! The addition is a closure that the cipher calls inside its own vectorised function
//! ([`StreamCipherClosure`]), so that keystream goes from the last AES round into the sum without
//! passing through memory. Words are read little-endian, 4 bytes or 8, from the stream's beginning.
//!
//! | [`Prg`] | from `kdf::derive(seed, label, [])` | stream |
//! |---|---|---|
//! | [`Prg::Aes128`] | "mask aes128": key in bytes 0 to 15, first counter block in 16 to 31 | AES-128; the counter is bytes 0 to 7 of the block, little-endian |
//! | [`Prg::ChaCha20`] | "mask chacha20": the key | RFC 8439, nonce zero, counter from 0 |
//!
//! The masks of many seeds are applied to one cache-sized piece of the vector after another.

use std::marker::PhantomData;

use aes::Aes128;
use chacha20::variants::Ietf;
use chacha20::{ChaChaCore, R20};
use ctr::CtrCore;
use ctr::cipher::array::{Array, ArraySize};
use ctr::cipher::typenum::Unsigned;
use ctr::cipher::{
    BlockSizeUser, InnerIvInit, KeyInit, KeyIvInit, ParBlocks, StreamCipherBackend,
    StreamCipherClosure, StreamCipherCore, StreamCipherSeekCore,
};
use ctr::flavors::Ctr64LE;
use zeroize::{Zeroize, Zeroizing};

use super::pack::pack;
use crate::secret::Seed;
use crate::{kdf, par};

/// Bytes of the vector that stay in the first cache while the masks pass.
const PIECE: usize = 16 * 1024;
/// Seeds whose ciphers are held at once, half a KiB each.
const GROUP: usize = 256;

/// How a seed becomes a mask; named in the round's specification.
///
/// # Security
/// Masks are pseudorandom as long as the cipher is: with AES, a vector of 2^36 bytes is told from
/// a uniform one with an advantage of 2^-65 (2^32 blocks never repeat).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prg {
    /// AES-128 in counter mode, where processors have AES instructions; elsewhere it is the slower
    /// one, by six times or more.
    Aes128,
    /// ChaCha20, for parties without AES instructions. Vectors of up to 2^38 bytes.
    ChaCha20,
}

impl Prg {
    /// What the cipher is keyed with.
    pub(super) fn key(self, seed: &Seed) -> Key {
        let label = match self {
            Self::Aes128 => "mask aes128",
            Self::ChaCha20 => "mask chacha20",
        };
        Key { prg: self, secret: kdf::derive(seed, label, &[]) }
    }
}

/// A seed bound to its cipher.
pub(super) struct Key {
    prg: Prg,
    secret: Seed,
}

/// Whether a mask is added or subtracted. Public: it follows from the order of two names.
#[derive(Clone, Copy)]
pub(super) enum Sign {
    Plus,
    Minus,
}

/// Adds the masks of all keys to the vector.
pub(super) fn apply<W: Word>(keys: &[(Sign, Key)], words: &mut [W]) {
    let piece = PIECE / size_of::<W>();
    let span = words.len().div_ceil(par::width()).next_multiple_of(piece).max(piece);
    let mut spans: Vec<_> = words.chunks_mut(span).enumerate().collect();
    par::for_each(&mut spans, |(index, words)| {
        let start = *index as u64 * (span * size_of::<W>()) as u64;
        for group in keys.chunks(GROUP) {
            let mut streams: Vec<_> =
                group.iter().map(|(sign, key)| (*sign, Stream::new(key, start))).collect();
            for piece in words.chunks_mut(piece) {
                for (sign, stream) in &mut streams {
                    stream.combine(*sign, piece);
                }
            }
        }
    });
}

/// The sums of all keys' masks and the integers, packed. Each piece is masked and packed before the
/// next is read, so that the vector is nowhere as a whole but with the caller.
pub(super) fn masked<W: Word>(keys: &[(Sign, Key)], integers: &[i64], bits: u8) -> Vec<u8> {
    // A multiple of 8 elements, which fill whole bytes.
    let piece = PIECE / size_of::<W>();
    let span = integers.len().div_ceil(par::width()).next_multiple_of(piece).max(piece);
    let spans: Vec<_> = integers.chunks(span).collect();
    let mut packed = par::map(spans.len(), |index| {
        let start = index as u64 * (span * size_of::<W>()) as u64;
        let mut streams: Vec<_> =
            keys.iter().map(|(sign, key)| (*sign, Stream::new(key, start))).collect();
        let integers = spans.get(index).copied().unwrap_or_default();
        let mut packed = Vec::with_capacity((integers.len() * usize::from(bits)).div_ceil(8));
        let mut words = Zeroizing::new(Vec::with_capacity(piece));
        for integers in integers.chunks(piece) {
            words.clear();
            words.extend(integers.iter().map(|integer| W::from_integer(*integer)));
            for (sign, stream) in &mut streams {
                stream.combine(*sign, &mut words);
            }
            pack(&words, bits, &mut packed);
        }
        packed
    });
    if packed.len() > 1 { packed.concat() } else { packed.pop().unwrap_or_default() }
}

/// A keystream. Its ciphers wipe themselves.
enum Stream {
    Aes(Box<CtrCore<Aes128, Ctr64LE>>),
    ChaCha(ChaChaCore<R20, Ietf>),
}

impl Stream {
    /// The keystream from a byte on, a multiple of 64.
    fn new(key: &Key, start: u64) -> Self {
        let secret = key.secret.expose();
        match key.prg {
            Prg::Aes128 => {
                let (key, counter) = secret.split_at(16);
                let (mut block, mut first) = ([0; 16], [0; 16]);
                block.copy_from_slice(key);
                first.copy_from_slice(counter);
                let cipher = Aes128::new(&block.into());
                let mut core = CtrCore::<_, Ctr64LE>::inner_iv_init(cipher, &first.into());
                block.zeroize();
                first.zeroize();
                core.set_block_pos(start / 16);
                Self::Aes(Box::new(core))
            }
            Prg::ChaCha20 => {
                let mut core: ChaChaCore<R20, Ietf> =
                    KeyIvInit::new(secret.into(), &[0; 12].into());
                core.set_block_pos((start / 64) as u32);
                Self::ChaCha(core)
            }
        }
    }

    /// Adds the next words to `words`. What is left of the last block is lost.
    fn combine<W: Word>(&mut self, sign: Sign, words: &mut [W]) {
        match (self, sign) {
            (Self::Aes(core), Sign::Plus) => core.process_with_backend(Combine::plus(words)),
            (Self::Aes(core), Sign::Minus) => core.process_with_backend(Combine::minus(words)),
            (Self::ChaCha(core), Sign::Plus) => core.process_with_backend(Combine::plus(words)),
            (Self::ChaCha(core), Sign::Minus) => core.process_with_backend(Combine::minus(words)),
        }
    }
}

/// The addition, as the cipher runs it.
struct Combine<'a, W, B, const MINUS: bool> {
    words: &'a mut [W],
    block: PhantomData<B>,
}

impl<'a, W, B> Combine<'a, W, B, false> {
    fn plus(words: &'a mut [W]) -> Self {
        Self { words, block: PhantomData }
    }
}

impl<'a, W, B> Combine<'a, W, B, true> {
    fn minus(words: &'a mut [W]) -> Self {
        Self { words, block: PhantomData }
    }
}

impl<W, B: ArraySize, const MINUS: bool> BlockSizeUser for Combine<'_, W, B, MINUS> {
    type BlockSize = B;
}

impl<W: Word, S: ArraySize, const MINUS: bool> StreamCipherClosure for Combine<'_, W, S, MINUS> {
    #[inline(always)]
    fn call<B: StreamCipherBackend<BlockSize = S>>(self, backend: &mut B) {
        let block = S::USIZE / size_of::<W>();
        let mut wide = self.words.chunks_exact_mut(block * B::ParBlocksSize::USIZE);
        for words in &mut wide {
            let mut keystream = ParBlocks::<B>::default();
            backend.gen_par_ks_blocks(&mut keystream);
            for (words, bytes) in words.chunks_exact_mut(block).zip(&keystream) {
                W::combine::<MINUS>(words, bytes);
            }
        }
        for words in wide.into_remainder().chunks_mut(block) {
            let mut keystream = Array::default();
            backend.gen_ks_block(&mut keystream);
            W::combine::<MINUS>(words, &keystream);
        }
    }
}

/// A word that holds an element: arithmetic modulo 2^32 or 2^64.
pub(super) trait Word: Copy + Send + Zeroize {
    /// Adds the little-endian words of `bytes`, or subtracts them, as many as there are of both.
    fn combine<const MINUS: bool>(words: &mut [Self], bytes: &[u8])
    where
        Self: Sized;

    /// An integer, in two's complement.
    fn from_integer(integer: i64) -> Self
    where
        Self: Sized;

    /// The word, widened.
    fn to_u64(self) -> u64;

    /// Adds the low bits of an integer.
    fn add(&mut self, other: u64);

    /// Appends all words, little-endian.
    fn to_bytes(words: &[Self], bytes: &mut Vec<u8>)
    where
        Self: Sized;
}

macro_rules! word {
    ($word:ty) => {
        impl Word for $word {
            #[inline(always)]
            fn combine<const MINUS: bool>(words: &mut [Self], bytes: &[u8]) {
                let (bytes, _) = bytes.as_chunks::<{ size_of::<$word>() }>();
                for (word, bytes) in words.iter_mut().zip(bytes) {
                    let mask = Self::from_le_bytes(*bytes);
                    *word = if MINUS { word.wrapping_sub(mask) } else { word.wrapping_add(mask) };
                }
            }

            #[inline(always)]
            fn from_integer(integer: i64) -> Self {
                integer as Self
            }

            #[inline(always)]
            fn to_u64(self) -> u64 {
                self.into()
            }

            #[inline(always)]
            fn add(&mut self, other: u64) {
                *self = self.wrapping_add(other as Self);
            }

            fn to_bytes(words: &[Self], bytes: &mut Vec<u8>) {
                let before = bytes.len();
                bytes.resize(before + size_of_val(words), 0);
                let (slots, _) = bytes.get_mut(before..).unwrap_or_default().as_chunks_mut();
                slots.iter_mut().zip(words).for_each(|(slot, word)| *slot = word.to_le_bytes());
            }
        }
    };
}
word!(u32);
word!(u64);
