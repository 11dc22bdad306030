//! Z_p for p = 2^64 - 2^32 + 1 (draft-chen-cfrg-vdaf-pine, Field64).
//!
//! Written for reductions without branches: 2^64 = 2^32 - 1 (mod p) and 2^96 = -1 (mod p).

use std::ops::{Add, Mul, Sub};

use super::{Field, operators};

const P: u64 = 0xffff_ffff_0000_0001;
/// 2^64 mod p.
const EPSILON: u64 = 0xffff_ffff;

/// An element of the 64-bit field, below p at all times.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Field64(u64);

/// All ones when `condition` is true.
#[inline]
const fn mask(condition: bool) -> u64 {
    0u64.wrapping_sub(condition as u64)
}

/// The modulus when `condition` is true, else zero.
#[inline]
const fn modulus_if(condition: bool) -> u64 {
    P & mask(condition)
}

/// Reduces a value below 2^64 + p (carry, word) to below p. Requires carry*2^64 + word < 2p.
#[inline]
const fn reduce_once(word: u64, carry: bool) -> u64 {
    let (reduced, borrow) = word.overflowing_sub(P);
    let take = mask(carry | !borrow);
    (reduced & take) | (word & !take)
}

impl Add for Field64 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        let (sum, carry) = self.0.overflowing_add(other.0);
        Self(reduce_once(sum, carry))
    }
}

impl Sub for Field64 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        let (difference, borrow) = self.0.overflowing_sub(other.0);
        Self(difference.wrapping_add(modulus_if(borrow)))
    }
}

impl Mul for Field64 {
    type Output = Self;
    /// With x = lo + 2^64 mid + 2^96 high (mid, high < 2^32): x = lo - high + mid (2^32 - 1).
    #[inline]
    fn mul(self, other: Self) -> Self {
        let product = u128::from(self.0) * u128::from(other.0);
        let (lo, hi) = (product as u64, (product >> 64) as u64);
        let (high, mid) = (hi >> 32, hi & EPSILON);
        let (lo, borrow) = lo.overflowing_sub(high);
        // On a borrow 2^64 was added, which is EPSILON (mod p); lo >= 2^64 - 2^32 then, so taking
        // EPSILON off cannot borrow again.
        let lo = lo.wrapping_sub(EPSILON & mask(borrow));
        // mid * EPSILON <= (2^32 - 1)^2 < p; lo < 2^64.
        let (sum, carry) = lo.overflowing_add(mid * EPSILON);
        // After a carry the word is below p, so adding EPSILON for the lost 2^64 does not carry.
        let sum = sum.wrapping_add(EPSILON & mask(carry));
        Self(reduce_once(sum, false))
    }
}

operators!(Field64);

impl Field for Field64 {
    const BYTES: usize = 8;
    const MODULUS: u128 = P as u128;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    const LOG2_ROOTS: u32 = 32;
    const GENERATOR: Self = Self(0x1856_29dc_da58_878c);

    #[inline]
    fn from_i64(value: i64) -> Option<Self> {
        let fits = u128::from(value.unsigned_abs()) <= Self::MAX_INTEGER;
        // A negative value is 2^64 - |v| as a word; adding p modulo 2^64 gives p - |v|.
        let negative = (value >> 63) as u64;
        fits.then(|| Self((value as u64).wrapping_add(P & negative)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        let upper = u128::from(self.0) > Self::MAX_INTEGER;
        i128::from(self.0) - i128::from(P & mask(upper))
    }

    #[inline]
    fn from_u128(value: u128) -> Option<Self> {
        (value < Self::MODULUS).then_some(Self(value as u64))
    }

    #[inline]
    fn to_u128(self) -> u128 {
        u128::from(self.0)
    }

    #[inline]
    fn read(bytes: &[u8]) -> (Self, bool) {
        let Ok(bytes) = bytes.try_into() else { return (Self::ZERO, false) };
        let word = u64::from_le_bytes(bytes);
        (Self(word & mask(word < P)), word < P)
    }

    #[inline]
    fn write(self, to: &mut [u8]) {
        if let Ok(to) = <&mut [u8; Self::BYTES]>::try_from(to) {
            *to = self.0.to_le_bytes();
        }
    }
}
