//! Verifiable threshold sharing of a scalar over Ristretto: any r of n shares give the secret, and
//! every party checks its share against public commitments to the dealer's polynomial.
//!
//! With f(x) = sum_k a_k x^k, a_0 the secret, and g(x) = sum_k b_k x^k, both of degree below r:
//!
//! | scheme | commitments | share of party i | hides the secret |
//! |---|---|---|---|
//! | [`Scheme::Feldman`] (FOCS 1987) | C_k = a_k G | f(i) | as far as discrete logarithms are hard, and a_0 G is public |
//! | [`Scheme::Pedersen`] (CRYPTO 1991) | C_k = a_k G + b_k H | f(i), g(i) | unconditionally |
//!
//! The check is f(i) G + g(i) H = sum_k i^k C_k. Feldman's scheme is Pedersen's with g = 0, and so
//! it is here. H is hashed to the group, so that nobody knows its logarithm.
//!
//! # Security
//! A share that passes lies on the committed polynomial: always in Feldman's scheme; in Pedersen's
//! unless the dealer knows log_G H. So any r shares that pass give one secret. That all parties
//! hold the *same* commitments is the caller's to see to: compare [`Canonical::digest`]. Whether
//! the secret is uniform, or known to others, is the dealer's affair; a sum over several dealers is
//! uniform under Pedersen's scheme, while under Feldman's the last one to commit can bias it.
//! Constant-time in secrets, as curve25519-dalek is; checking is variable-time in commitments and
//! indices, which are public.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use curve25519_dalek::RistrettoPoint;
pub use curve25519_dalek::Scalar;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable};
use curve25519_dalek::traits::VartimeMultiscalarMul;
use rand_core::CryptoRng;
use sha3::{Digest as _, Sha3_512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::encode::{Canonical, Decoder, Encoder};
use crate::shamir::{MAX_SHARES, Threshold, check_indices, lagrange_at_zero};

/// The second generator H.
static BLINDING: LazyLock<RistrettoBasepointTable> = LazyLock::new(|| {
    let hash = Sha3_512::digest(b"haima pedersen generator 1");
    RistrettoBasepointTable::create(&RistrettoPoint::from_uniform_bytes(&hash.into()))
});

/// How a dealer commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// The secret times G is public.
    Feldman,
    /// Nothing about the secret is public.
    Pedersen,
}

impl Scheme {
    fn encode(self, to: &mut Encoder) {
        to.u8(match self {
            Self::Feldman => 0,
            Self::Pedersen => 1,
        });
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Error> {
        match from.u8()? {
            0 => Ok(Self::Feldman),
            1 => Ok(Self::Pedersen),
            _ => Err(from.fail("unknown scheme")),
        }
    }
}

/// One party's share.
///
/// # Security
/// For its party alone. Zeroised on drop, redacted in `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Share {
    #[zeroize(skip)]
    index: u32,
    value: Scalar,
    /// Zero under Feldman's scheme.
    blinding: Scalar,
}

impl Share {
    /// The party's number, from 1.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// f at the index.
    ///
    /// # Security
    /// Secret.
    #[must_use]
    pub fn value(&self) -> &Scalar {
        &self.value
    }

    /// Adds the same party's share of another secret: a share of the sum, that agrees with the sum
    /// of the commitments.
    ///
    /// # Errors
    /// On another index.
    pub fn add(&mut self, other: &Self) -> Result<(), Error> {
        if self.index != other.index {
            let (expected, got) = (self.index as usize, other.index as usize);
            return Err(Error::ShareMismatch {
                index: other.index,
                what: "its index",
                expected,
                got,
            });
        }
        self.value += other.value;
        self.blinding += other.blinding;
        Ok(())
    }

    /// Canonical bytes: label `haima vss share 1`, index u32, value and blinding, 32 bytes each
    /// (blinding zero under Feldman's scheme).
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut to = Encoder::new(SHARE_LABEL);
        // Fits the encoder's first allocation, so no copy is left behind.
        to.u32(self.index).array(self.value.as_bytes()).array(self.blinding.as_bytes());
        Zeroizing::new(to.finish())
    }

    /// Reads [`Share::to_bytes`].
    ///
    /// # Errors
    /// On any other bytes, scalars that are not reduced, and an index outside 1 to [`MAX_SHARES`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut from = Decoder::new(SHARE_LABEL, bytes)?;
        let index = from.u32()?;
        let mut scalar = || {
            let bytes = Zeroizing::new(from.array()?);
            let scalar: Option<Scalar> = Scalar::from_canonical_bytes(*bytes).into();
            scalar.ok_or_else(|| from.fail("a scalar is not reduced"))
        };
        let share = Self { index, value: scalar()?, blinding: scalar()? };
        from.finish()?;
        check_indices(1, &[index])?;
        Ok(share)
    }
}

const SHARE_LABEL: &str = "haima vss share 1";

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share {} (<redacted>)", self.index)
    }
}

/// A dealer's public commitments C_0 to C_{r-1}, one a coefficient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    scheme: Scheme,
    points: Vec<RistrettoPoint>,
}

impl Commitment {
    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Shares that reconstruct.
    #[must_use]
    pub fn need(&self) -> u32 {
        self.points.len() as u32
    }

    /// Under Feldman's scheme, the secret times G: a key's public half.
    #[must_use]
    pub fn public(&self) -> Option<RistrettoPoint> {
        self.points.first().filter(|_| self.scheme == Scheme::Feldman).copied()
    }

    /// Checks a share against the commitments: r multiplications of points.
    ///
    /// # Errors
    /// [`Error::Uncommitted`] when it does not lie on the committed polynomial.
    pub fn verify(&self, share: &Share) -> Result<(), Error> {
        let unblinded = share.blinding == Scalar::ZERO;
        let own =
            commit(&share.value, (self.scheme == Scheme::Pedersen).then_some(&share.blinding));
        let index = Scalar::from(share.index);
        let powers: Vec<Scalar> =
            std::iter::successors(Some(Scalar::ONE), |power| Some(power * index))
                .take(self.points.len())
                .collect();
        let committed = RistrettoPoint::vartime_multiscalar_mul(&powers, &self.points);
        if own == committed && (unblinded || self.scheme == Scheme::Pedersen) {
            Ok(())
        } else {
            Err(Error::Uncommitted { index: share.index })
        }
    }

    /// Adds another dealer's commitments: those of the sum of the secrets.
    ///
    /// # Errors
    /// On another scheme or threshold.
    pub fn add(&mut self, other: &Self) -> Result<(), Error> {
        if self.scheme != other.scheme || self.points.len() != other.points.len() {
            let (expected, got) = (self.points.len(), other.points.len());
            return Err(Error::Length { what: "commitments of one scheme", expected, got });
        }
        for (sum, point) in self.points.iter_mut().zip(&other.points) {
            *sum += point;
        }
        Ok(())
    }

    /// Reads canonical bytes of a sharing of which `need` shares reconstruct.
    ///
    /// # Errors
    /// On any other bytes or threshold, before anything is allocated for another.
    pub fn from_bytes_for(need: u32, bytes: &[u8]) -> Result<Self, Error> {
        let mut from = Decoder::new(Self::LABEL, bytes)?;
        let commitment = Self::decode_at_most(&mut from, need as usize)?;
        from.finish()?;
        if commitment.need() == need {
            Ok(commitment)
        } else {
            let (expected, got) = (need as usize, commitment.points.len());
            Err(Error::Length { what: "commitments", expected, got })
        }
    }

    fn decode_at_most(from: &mut Decoder<'_>, max: usize) -> Result<Self, Error> {
        let scheme = Scheme::decode(from)?;
        let count = from.count(max, 32)?;
        if count == 0 {
            return Err(from.fail("no commitments"));
        }
        let points = (0..count)
            .map(|_| {
                let point = CompressedRistretto(from.array()?).decompress();
                point.ok_or_else(|| from.fail("not a point"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { scheme, points })
    }
}

/// Scheme u8, list of points of 32 bytes.
impl Canonical for Commitment {
    const LABEL: &'static str = "haima vss commitment 1";

    fn encode_fields(&self, to: &mut Encoder) {
        self.scheme.encode(to);
        to.count(self.points.len());
        for point in &self.points {
            to.array(&point.compress().0);
        }
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, Error> {
        Self::decode_at_most(from, MAX_SHARES as usize)
    }
}

/// value G, plus blinding H if there is one.
fn commit(value: &Scalar, blinding: Option<&Scalar>) -> RistrettoPoint {
    let point = RistrettoPoint::mul_base(value);
    blinding.map_or(point, |blinding| point + blinding * &*BLINDING)
}

/// Shares a scalar: the commitments, and shares 1 to n in order.
pub fn share<R: CryptoRng + ?Sized>(
    scheme: Scheme,
    secret: &Scalar,
    threshold: Threshold,
    rng: &mut R,
) -> (Commitment, Vec<Share>) {
    let need = threshold.need() as usize;
    // One allocation: an outgrown one would leave the secret behind.
    let mut coefficients = Zeroizing::new(Vec::with_capacity(need));
    coefficients.push(*secret);
    coefficients.extend((1..need).map(|_| random_scalar(rng)));
    let blindings: Zeroizing<Vec<Scalar>> = Zeroizing::new(match scheme {
        Scheme::Feldman => Vec::new(),
        Scheme::Pedersen => (0..need).map(|_| random_scalar(rng)).collect(),
    });
    let points = coefficients
        .iter()
        .enumerate()
        .map(|(k, coefficient)| commit(coefficient, blindings.get(k)))
        .collect();
    let at = |polynomial: &[Scalar], x| {
        polynomial.iter().rev().fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient)
    };
    let shares = (1..=threshold.of())
        .map(|index| {
            let x = Scalar::from(index);
            Share { index, value: at(&coefficients, x), blinding: at(&blindings, x) }
        })
        .collect();
    (Commitment { scheme, points }, shares)
}

/// The secret, from at least `need` shares that were verified; further ones are not looked at.
///
/// # Errors
/// On too few shares, and an index twice.
pub fn reconstruct(need: u32, shares: &[Share]) -> Result<Zeroizing<Scalar>, Error> {
    let indices: Vec<u32> = shares.iter().map(Share::index).collect();
    check_indices(need, &indices)?;
    let used = indices.get(..need as usize).unwrap_or_default();
    let integer = |value: i64| {
        let size = Scalar::from(value.unsigned_abs());
        if value < 0 { -size } else { size }
    };
    let weights = lagrange_at_zero(used, integer, |product| product.invert());
    Ok(Zeroizing::new(weights.iter().zip(shares).map(|(weight, share)| weight * share.value).sum()))
}

/// A uniform scalar: 64 random bytes modulo the group's order, less than 2^-258 off uniform.
fn random_scalar<R: CryptoRng + ?Sized>(rng: &mut R) -> Scalar {
    let mut bytes = Zeroizing::new([0; 64]);
    rng.fill_bytes(&mut *bytes);
    Scalar::from_bytes_mod_order_wide(&bytes)
}
