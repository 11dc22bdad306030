//! Z_p for p = 2^66 * 4611686018427387897 + 1 (draft-chen-cfrg-vdaf-pine, Field128).
//!
//! Elements are kept in plain form, since sharing only adds. The arithmetic is in
//! `arithmetic/p128.rs`, without branches.

use std::ops::{Add, Mul, Sub};

use super::arithmetic::p128::{self, P};
use super::{Field, operators};

/// An element of the 128-bit field, below p at all times.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Field128(u128);

impl Add for Field128 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(p128::add(self.0, other.0))
    }
}

impl Sub for Field128 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(p128::subtract(self.0, other.0))
    }
}

impl Mul for Field128 {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        Self(p128::multiply(self.0, other.0))
    }
}

operators!(Field128);

impl Field for Field128 {
    const BYTES: usize = 16;
    const MODULUS: u128 = P;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    const LOG2_ROOTS: u32 = 66;
    const GENERATOR: Self = Self(0x6d27_8fbf_4f60_228b_1f9b_2759_c510_9f06);

    #[inline]
    fn from_i64(value: i64) -> Option<Self> {
        Some(Self(p128::from_signed(i128::from(value) as u128)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        p128::to_signed(self.0) as i128
    }

    #[inline]
    fn from_u128(value: u128) -> Option<Self> {
        (value < Self::MODULUS).then_some(Self(value))
    }

    #[inline]
    fn to_u128(self) -> u128 {
        self.0
    }

    #[inline]
    fn read(bytes: &[u8]) -> (Self, bool) {
        let Ok(bytes) = bytes.try_into() else { return (Self::ZERO, false) };
        let word = u128::from_le_bytes(bytes);
        let below = p128::below(word);
        (Self(word & below), below != 0)
    }

    #[inline]
    fn write(self, to: &mut [u8]) {
        if let Ok(to) = <&mut [u8; Self::BYTES]>::try_from(to) {
            *to = self.0.to_le_bytes();
        }
    }
}
