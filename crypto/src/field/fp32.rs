//! Z_p for p = 2^32 - 2^20 + 1 (draft-chen-cfrg-vdaf-pine, Field32).
//!
//! Written for reductions without branches: 2^32 = 2^20 - 1 (mod p).

use std::ops::{Add, Mul, Sub};

use super::{Field, operators};

const P: u32 = 0xfff0_0001;
/// 2^32 mod p.
const EPSILON: u64 = (1 << 20) - 1;

/// An element of the 32-bit field, below p at all times.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Field32(u32);

/// All ones when `condition` is true.
#[inline]
const fn mask(condition: bool) -> u32 {
    0u32.wrapping_sub(condition as u32)
}

/// The modulus when `condition` is true, else zero.
#[inline]
const fn modulus_if(condition: bool) -> u32 {
    P & mask(condition)
}

/// Reduces carry*2^32 + word < 2p to below p.
#[inline]
const fn reduce_once(word: u32, carry: bool) -> u32 {
    let (reduced, borrow) = word.overflowing_sub(P);
    let take = mask(carry | !borrow);
    (reduced & take) | (word & !take)
}

/// Any 64-bit word modulo p.
#[inline]
const fn reduce(word: u64) -> u32 {
    // Each fold replaces the high half h by h (2^20 - 1): below 2^52 + 2^32, then 2^40 + 2^33,
    // then 2^28 + 2^32 < 2p.
    let word = (word & 0xffff_ffff) + (word >> 32) * EPSILON;
    let word = (word & 0xffff_ffff) + (word >> 32) * EPSILON;
    let word = (word & 0xffff_ffff) + (word >> 32) * EPSILON;
    reduce_once(word as u32, word >> 32 != 0)
}

impl Add for Field32 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        let (sum, carry) = self.0.overflowing_add(other.0);
        Self(reduce_once(sum, carry))
    }
}

impl Sub for Field32 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        let (difference, borrow) = self.0.overflowing_sub(other.0);
        Self(difference.wrapping_add(modulus_if(borrow)))
    }
}

impl Mul for Field32 {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        Self(reduce(u64::from(self.0) * u64::from(other.0)))
    }
}

operators!(Field32);

impl Field for Field32 {
    const BYTES: usize = 4;
    const MODULUS: u128 = P as u128;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    const LOG2_ROOTS: u32 = 20;
    const GENERATOR: Self = Self(3_925_978_153);

    #[inline]
    fn from_i64(value: i64) -> Option<Self> {
        let fits = u128::from(value.unsigned_abs()) <= Self::MAX_INTEGER;
        let negative = (value >> 63) as u32;
        fits.then(|| Self((value as u32).wrapping_add(P & negative)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        let upper = u128::from(self.0) > Self::MAX_INTEGER;
        i128::from(self.0) - i128::from(P & mask(upper))
    }

    #[inline]
    fn from_u128(value: u128) -> Option<Self> {
        (value < Self::MODULUS).then_some(Self(value as u32))
    }

    #[inline]
    fn to_u128(self) -> u128 {
        u128::from(self.0)
    }

    #[inline]
    fn read(bytes: &[u8]) -> (Self, bool) {
        let Ok(bytes) = bytes.try_into() else { return (Self::ZERO, false) };
        let word = u32::from_le_bytes(bytes);
        (Self(word & mask(word < P)), word < P)
    }

    #[inline]
    fn write(self, to: &mut [u8]) {
        if let Ok(to) = <&mut [u8; Self::BYTES]>::try_from(to) {
            *to = self.0.to_le_bytes();
        }
    }
}
