//! Additive k-of-k sharing of a vector of signed integers.
//!
//! v = s_0 + s_1 + ... + s_{k-1} in Z_p. Shares 1 to k-1 are 32-byte seeds that their holders
//! expand; share 0 is the vector that makes the sum right, and as large as v. Any k-1 shares are
//! (pseudo)uniform and independent of v; all k give v, and sums of shares are shares of sums.
//!
//! Every expansion is bound to a context (round and site), so a seed share cannot be replayed
//! under another name with a related effect. Who holds share 0 is fixed by position: the first
//! node of the manifest's roster.

use aes::Aes128;
use ctr::Ctr64LE;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Error;
use crate::encode::Digest;
use crate::field::{Field, decode_vec, encode_vec, from_integers};
use crate::secret::Seed;
use crate::xof::{AesStream, Xof, XofHmacSha256Aes128, add_elements, sub_elements};

/// Largest number of parties.
pub const MAX_PARTIES: usize = 64;

const TAG: &[u8] = b"haima share 2";

/// One party's share of one vector.
///
/// # Security
/// Zeroised on drop, redacted in `Debug`. k-1 of them say nothing, all k say everything: each goes
/// to its own party and nowhere else.
pub enum Share<F: Field> {
    /// Position 0: one element a coordinate.
    Vector(Zeroizing<Vec<F>>),
    /// Every other position: a seed to be expanded.
    Seed(Seed),
}

impl<F: Field> std::fmt::Debug for Share<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Vector(_) => "Share::Vector(<redacted>)",
            Self::Seed(_) => "Share::Seed(<redacted>)",
        })
    }
}

impl<F: Field> Share<F> {
    /// The bytes for the wire: 32 for a seed, `F::BYTES` a coordinate for a vector. The position
    /// tells which, so there is no tag.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Vector(values) => encode_vec(values),
            Self::Seed(seed) => seed.expose().to_vec(),
        })
    }

    /// Length in bytes of the share at a position.
    #[must_use]
    pub fn encoded_len(position: usize, len: usize) -> usize {
        if position == 0 { len.saturating_mul(F::BYTES) } else { Seed::LEN }
    }

    /// Reads the share at a position, of a vector of `len` coordinates.
    ///
    /// # Errors
    /// On any other length, and on elements at or above the modulus.
    pub fn from_bytes(position: usize, len: usize, bytes: &[u8]) -> Result<Self, Error> {
        if position == 0 {
            return Ok(Self::Vector(Zeroizing::new(decode_vec("share", bytes, len)?)));
        }
        let got = bytes.len();
        let seed: [u8; 32] = bytes.try_into().map_err(|_| Error::Length {
            what: "seed share, in bytes",
            expected: 32,
            got,
        })?;
        Ok(Self::Seed(Seed::from_bytes(seed)))
    }
}

fn binder(context: &Digest, position: usize) -> [u8; 33] {
    let mut binder = [0; 33];
    for (to, from) in binder.iter_mut().zip(context.as_bytes()) {
        *to = *from;
    }
    binder[32] = position as u8;
    binder
}

/// The keystream of a seed share, with the counter little-endian: half the cost of the other.
fn masks(seed: &Seed, context: &Digest, position: usize) -> AesStream<Ctr64LE<Aes128>> {
    let mut xof = XofHmacSha256Aes128::init(seed.expose(), TAG);
    xof.absorb(&binder(context, position));
    xof.finish_le()
}

/// Shares a vector among `parties`. Fresh randomness for every call: a context never sees two
/// vectors under one set of seeds.
///
/// # Errors
/// [`Error::Parties`] for fewer than 2 or more than [`MAX_PARTIES`]; [`Error::OutOfRange`] when a
/// coordinate does not fit the field.
pub fn split<F: Field, R: CryptoRng + ?Sized>(
    values: &[i64],
    parties: usize,
    context: &Digest,
    rng: &mut R,
) -> Result<Vec<Share<F>>, Error> {
    if !(2..=MAX_PARTIES).contains(&parties) {
        return Err(Error::Parties { parties, max: MAX_PARTIES });
    }
    let mut first = from_integers::<F>(values)?;
    let mut seeds = Vec::with_capacity(parties - 1);
    for position in 1..parties {
        let seed = Seed::random(rng);
        sub_elements(&mut masks(&seed, context, position), &mut first);
        seeds.push(Share::Seed(seed));
    }
    let mut shares = vec![Share::Vector(first)];
    shares.append(&mut seeds);
    Ok(shares)
}

/// The running sum of one party's shares of many vectors.
///
/// # Security
/// A share like any other: zeroised on drop, redacted in `Debug`.
pub struct Aggregate<F: Field> {
    values: Zeroizing<Vec<F>>,
    position: usize,
}

impl<F: Field> std::fmt::Debug for Aggregate<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aggregate {{ len: {}, values: <redacted> }}", self.values.len())
    }
}

impl<F: Field> Aggregate<F> {
    /// The empty sum of the party at `position`, over vectors of `len` coordinates.
    #[must_use]
    pub fn new(position: usize, len: usize) -> Self {
        Self { values: Zeroizing::new(vec![F::ZERO; len]), position }
    }

    /// Adds one share, given as it came over the wire, made under `context`.
    ///
    /// # Errors
    /// When the bytes are no share of this position and length; the sum is unchanged then.
    pub fn add_bytes(&mut self, context: &Digest, bytes: &[u8]) -> Result<(), Error> {
        match Share::<F>::from_bytes(self.position, self.values.len(), bytes)? {
            Share::Vector(share) => {
                F::add_vec(&mut self.values, &share);
            }
            Share::Seed(seed) => {
                add_elements(&mut masks(&seed, context, self.position), &mut self.values);
            }
        }
        Ok(())
    }

    /// The sum, for another sharing of the same position and length to add to.
    pub(crate) fn open(&mut self, position: usize, len: usize) -> Result<&mut [F], Error> {
        if (self.position, self.values.len()) != (position, len) {
            let what = "aggregate of this position";
            return Err(Error::Length { what, expected: len, got: self.values.len() });
        }
        Ok(&mut self.values)
    }

    /// Adds integers, such as this party's noise.
    ///
    /// # Errors
    /// On another length or a value that does not fit the field; the sum is unchanged then.
    pub fn add_integers(&mut self, integers: &[i64]) -> Result<(), Error> {
        if integers.len() != self.values.len() {
            return Err(Error::Length {
                what: "noise",
                expected: self.values.len(),
                got: integers.len(),
            });
        }
        let elements = from_integers::<F>(integers)?;
        F::add_vec(&mut self.values, &elements);
        Ok(())
    }

    /// The sum.
    pub(crate) fn values(&self) -> &[F] {
        &self.values
    }

    /// The sum, encoded for release.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_vec(&self.values)
    }
}

/// Adds the parties' aggregates, as they were released, to the integers they stand for.
///
/// # Errors
/// For fewer than two parties, and when a vector has another length or is not canonical.
pub fn combine<F: Field>(released: &[&[u8]], len: usize) -> Result<Vec<i128>, Error> {
    if !(2..=MAX_PARTIES).contains(&released.len()) {
        return Err(Error::Parties { parties: released.len(), max: MAX_PARTIES });
    }
    let mut sum = vec![F::ZERO; len];
    for bytes in released {
        let values = decode_vec::<F>("released sum", bytes, len)?;
        F::add_vec(&mut sum, &values);
    }
    Ok(sum.into_iter().map(F::to_integer).collect())
}
