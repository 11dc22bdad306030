//! Z_p for p = 2^32 - 2^20 + 1 (draft-chen-cfrg-vdaf-pine, Field32).
//!
//! The arithmetic is in `arithmetic/p32.rs`, without branches.

use std::ops::{Add, Mul, Sub};

use super::arithmetic::p32::{self, P};
use super::{Field, magnitude, operators};

/// An element of the 32-bit field, below p at all times.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Field32(u32);

impl Add for Field32 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(p32::add::<u64>(self.0, other.0))
    }
}

impl Sub for Field32 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(p32::subtract(u64::from(self.0), other.0))
    }
}

impl Mul for Field32 {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        Self(p32::multiply::<u64>(self.0, other.0))
    }
}

operators!(Field32);

impl Field for Field32 {
    const BYTES: usize = 4;
    const MODULUS: u128 = P;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    const LOG2_ROOTS: u32 = 20;
    const GENERATOR: Self = Self(3_925_978_153);

    #[inline]
    fn from_i64(value: i64) -> Option<Self> {
        let fits = u128::from(magnitude(value)) <= Self::MAX_INTEGER;
        fits.then(|| Self(p32::from_signed(value as u64)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        i128::from(p32::to_signed::<u64>(self.0) as i64)
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
        let below = p32::below::<u64>(word);
        (Self(word & below), below != 0)
    }

    #[inline]
    fn write(self, to: &mut [u8]) {
        if let Ok(to) = <&mut [u8; Self::BYTES]>::try_from(to) {
            *to = self.0.to_le_bytes();
        }
    }
}
