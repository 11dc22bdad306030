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

/// a - b for a below 2p, b at most p: below p when a - b is. The sign is taken by a shift, not by a
/// comparison: compilers make branches of comparisons, and operands are secret.
#[inline(always)]
const fn subtract(a: u64, b: u32) -> u32 {
    let difference = a.wrapping_sub(b as u64);
    (difference as u32).wrapping_add(P & ((difference as i64) >> 63) as u32)
}

/// a + b modulo p for a, b below p.
#[inline(always)]
const fn add(a: u32, b: u32) -> u32 {
    subtract(a as u64, P - b)
}

/// Any 64-bit word modulo p.
#[inline]
const fn reduce(word: u64) -> u32 {
    // Each fold replaces the high half h by h (2^20 - 1): below 2^52 + 2^32, then 2^40 + 2^33,
    // then 2^28 + 2^32 < 2p.
    let word = (word & 0xffff_ffff) + (word >> 32) * EPSILON;
    let word = (word & 0xffff_ffff) + (word >> 32) * EPSILON;
    let word = (word & 0xffff_ffff) + (word >> 32) * EPSILON;
    subtract(word, P)
}

impl Add for Field32 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(add(self.0, other.0))
    }
}

impl Sub for Field32 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(subtract(u64::from(self.0), other.0))
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
        let fits = u128::from(super::magnitude(value)) <= Self::MAX_INTEGER;
        let negative = (value >> 63) as u32;
        fits.then(|| Self((value as u32).wrapping_add(P & negative)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        let upper = (Self::MAX_INTEGER as i64 - i64::from(self.0)) >> 63;
        i128::from(self.0) - i128::from(P & upper as u32)
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
        let below = ((i64::from(word) - i64::from(P)) >> 63) as u32;
        (Self(word & below), below != 0)
    }

    #[inline]
    fn write(self, to: &mut [u8]) {
        if let Ok(to) = <&mut [u8; Self::BYTES]>::try_from(to) {
            *to = self.0.to_le_bytes();
        }
    }
}
