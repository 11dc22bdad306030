//! Threshold sharing: any r of n shares give the secret, r-1 say nothing about it.
//!
//! Shamir, "How to share a secret" (CACM 22:11, 1979): the secret is f(0) of a polynomial of degree
//! below r over Z_p, the share of party i (1 to n) is f(i). A vector is shared coordinate by
//! coordinate; a 32-byte secret is a vector of five limbs ([`share_seed`]).
//!
//! Here f is drawn by its *values*: f(1) to f(r-1) are uniform, f(0) is the secret. For any r-1
//! parties and any secret, drawing those values and drawing the parties' shares are bijective, so
//! the shares are uniform and independent of the secret: unconditionally, for uniform randomness.
//! The other shares follow with additions alone, by finite differences: the r-th difference of a
//! polynomial of degree below r is zero.
//!
//! # Security
//! A share binds nothing: who changes a share changes the secret by a known amount, and a dealer
//! can hand out shares of no polynomial. With m > r shares up to m - r wrong ones are detected and
//! up to floor((m-r)/2) are named ([`locate`]); against the dealer, and with no spare shares, use
//! [`crate::vss`]. Nothing here branches on or indexes by a share or a secret; [`locate`] branches
//! on syndromes, which right shares do not enter. Rejected random words cost time that depends on
//! the words rejected only.

mod basis;
mod locate;
mod seed;
#[cfg(test)]
mod tests;

use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

pub use basis::Basis;
pub(crate) use basis::{check_indices, lagrange_at_zero};
pub use locate::{locate, locate_codeword, recover};
pub use seed::{LIMBS, seed_from_limbs, share_seed};

use crate::Error;
use crate::encode::{Decoder, Encoder};
use crate::field::{Field, decode_vec, encode_vec};

/// Most shares of one sharing.
pub const MAX_SHARES: u32 = 1000;

/// How many shares there are, and how many of them reconstruct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    need: u32,
    of: u32,
}

impl Threshold {
    /// Any `need` of `of` shares reconstruct.
    ///
    /// # Errors
    /// [`Error::Threshold`] unless 1 <= need <= of <= [`MAX_SHARES`].
    pub fn new(need: u32, of: u32) -> Result<Self, Error> {
        if 1 <= need && need <= of && of <= MAX_SHARES {
            Ok(Self { need, of })
        } else {
            Err(Error::Threshold { need, of, max: MAX_SHARES })
        }
    }

    /// Shares that reconstruct: r.
    #[must_use]
    pub fn need(&self) -> u32 {
        self.need
    }

    /// Shares in all: n.
    #[must_use]
    pub fn of(&self) -> u32 {
        self.of
    }
}

/// One party's share of a vector.
///
/// # Security
/// For its party alone. Zeroised on drop, redacted in `Debug`. Binds nothing (see the module).
#[derive(Clone)]
pub struct Share<F: Field> {
    index: u32,
    need: u32,
    values: Zeroizing<Vec<F>>,
}

const LABEL: &str = "haima shamir share 1";

impl<F: Field> Share<F> {
    /// A share put together from the parts that [`share_chunks`] gave out.
    ///
    /// # Errors
    /// On an index or a threshold outside 1 to [`MAX_SHARES`].
    pub fn new(index: u32, need: u32, values: Zeroizing<Vec<F>>) -> Result<Self, Error> {
        if index == 0 || index > MAX_SHARES {
            return Err(Error::ShareIndex { index, max: MAX_SHARES });
        }
        Threshold::new(need, MAX_SHARES)?;
        Ok(Self { index, need, values })
    }

    /// The party's number, from 1: the point at which the polynomial is evaluated.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Shares that reconstruct.
    #[must_use]
    pub fn need(&self) -> u32 {
        self.need
    }

    /// One element a coordinate.
    ///
    /// # Security
    /// Secret.
    #[must_use]
    pub fn values(&self) -> &[F] {
        &self.values
    }

    /// Adds the same party's share of another vector: the sum is a share of the sum.
    ///
    /// # Errors
    /// On another index, threshold or length.
    pub fn add(&mut self, other: &Self) -> Result<(), Error> {
        let index = other.index;
        let differs = |what, expected, got| Error::ShareMismatch { index, what, expected, got };
        if other.index != self.index {
            return Err(differs("its index", self.index as usize, other.index as usize));
        }
        other.agrees(self)?;
        for (sum, value) in self.values.iter_mut().zip(other.values.iter()) {
            *sum += *value;
        }
        Ok(())
    }

    /// Checks threshold and length against another share's.
    fn agrees(&self, other: &Self) -> Result<(), Error> {
        let pairs = [
            ("its threshold", other.need as usize, self.need as usize),
            ("its length", other.values.len(), self.values.len()),
        ];
        for (what, expected, got) in pairs {
            if expected != got {
                return Err(Error::ShareMismatch { index: self.index, what, expected, got });
            }
        }
        Ok(())
    }

    /// Canonical bytes: label `haima shamir share 1`, index u32, threshold u32, bytes an element
    /// u8, elements as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let values = Zeroizing::new(encode_vec(&self.values));
        let mut head = Encoder::new(LABEL);
        head.u32(self.index).u32(self.need).u8(F::BYTES as u8).count(values.len());
        let head = head.finish();
        // One allocation, so that no outgrown one is left behind unwiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(head.len() + values.len()));
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&values);
        bytes
    }

    /// Reads [`Share::to_bytes`] of a vector of exactly `len` elements.
    ///
    /// # Errors
    /// On any other bytes, before anything is allocated for another length.
    pub fn from_bytes(bytes: &[u8], len: usize) -> Result<Self, Error> {
        let mut from = Decoder::new(LABEL, bytes)?;
        let (index, need) = (from.u32()?, from.u32()?);
        if usize::from(from.u8()?) != F::BYTES {
            return Err(from.fail("another field"));
        }
        let values = from.bytes(len.saturating_mul(F::BYTES))?;
        from.finish()?;
        Self::new(index, need, Zeroizing::new(decode_vec("share", values, len)?))
    }
}

impl<F: Field> std::fmt::Debug for Share<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share {}, any {} (<redacted>)", self.index, self.need)
    }
}

/// Shares a vector: shares 1 to n in order.
pub fn share<F: Field, R: CryptoRng + ?Sized>(
    values: &[F],
    threshold: Threshold,
    rng: &mut R,
) -> Vec<Share<F>> {
    let mut shares: Vec<Share<F>> = (1..=threshold.of)
        .map(|index| {
            let values = Zeroizing::new(Vec::with_capacity(values.len()));
            Share { index, need: threshold.need, values }
        })
        .collect();
    share_chunks(values, threshold, rng, |index, chunk| {
        if let Some(share) = shares.get_mut(index as usize - 1) {
            share.values.extend_from_slice(chunk);
        }
    });
    shares
}

/// Elements of the table of differences that stay in the first-level cache.
const TABLE: usize = 2048;

/// Shares a vector piece by piece, with r * 8 to 2,048 elements of memory: for each piece in order
/// and each index from 1 to n, `take` gets the index and the piece of that party's share.
pub fn share_chunks<F: Field, R: CryptoRng + ?Sized>(
    values: &[F],
    threshold: Threshold,
    rng: &mut R,
    mut take: impl FnMut(u32, &[F]),
) {
    let need = threshold.need as usize;
    let width = (TABLE / need).max(8).min(values.len());
    let mut table = Zeroizing::new(vec![F::ZERO; need * width]);
    let mut bytes = Zeroizing::new(Vec::with_capacity(table.len() * F::BYTES));
    for piece in values.chunks(width.max(1)) {
        let rows = table.get_mut(..need * piece.len()).unwrap_or_default();
        if let Ok(piece) = <&[F; LIMBS]>::try_from(piece) {
            // The same, of a width known to the compiler.
            share_piece(piece, threshold, rows, &mut bytes, rng, &mut take);
        } else {
            share_piece(piece, threshold, rows, &mut bytes, rng, &mut take);
        }
    }
}

/// Shares one piece. `rows` holds r rows of the piece's width: first f(0) to f(r-1), then the
/// backward differences of f at the last point, from the (r-1)-th to the 0-th, which is f itself.
#[inline(always)]
fn share_piece<F: Field, R: CryptoRng + ?Sized>(
    piece: &[F],
    threshold: Threshold,
    rows: &mut [F],
    bytes: &mut Vec<u8>,
    rng: &mut R,
    take: &mut impl FnMut(u32, &[F]),
) {
    let width = piece.len();
    let (first, random) = rows.split_at_mut(width);
    first.copy_from_slice(piece);
    fill_random(random, bytes, rng);
    for (index, row) in (1..).zip(random.chunks_exact(width)) {
        take(index, row);
    }
    // After round k, row i < r - k holds the k-th forward difference at i.
    for end in (2..=threshold.need as usize).rev() {
        let mut rest = rows.chunks_exact_mut(width).take(end);
        let mut row = rest.next().unwrap_or_default();
        for next in rest {
            for (value, next) in row.iter_mut().zip(&*next) {
                *value = *next - *value;
            }
            row = next;
        }
    }
    for index in threshold.need..=threshold.of {
        let mut rest = rows.chunks_exact_mut(width);
        let mut row: &[F] = rest.next().unwrap_or_default();
        for next in rest {
            for (next, value) in next.iter_mut().zip(row) {
                *next += *value;
            }
            row = next;
        }
        take(index, row);
    }
}

/// Uniform elements, by rejection of words at or above the modulus.
fn fill_random<F: Field, R: CryptoRng + ?Sized>(
    values: &mut [F],
    bytes: &mut Vec<u8>,
    rng: &mut R,
) {
    bytes.resize(values.len() * F::BYTES, 0);
    rng.fill_bytes(bytes);
    for (value, word) in values.iter_mut().zip(bytes.chunks_exact_mut(F::BYTES)) {
        *value = loop {
            if let Some(value) = F::from_le_bytes(word) {
                break value;
            }
            rng.fill_bytes(word);
        };
    }
    bytes.zeroize();
}
