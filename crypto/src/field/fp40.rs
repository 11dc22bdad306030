//! Z_p for p = 2^20 * 1048555 + 1 = 2^40 - 21 * 2^20 + 1 (draft-chen-cfrg-vdaf-pine, Field40).
//!
//! The arithmetic is in `arithmetic/p40.rs`, without branches.

use std::ops::{Add, Mul, Sub};

use super::arithmetic::p40::{self, P};
use super::{Field, magnitude, operators};

/// An element of the 40-bit field, below p at all times.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Field40(u64);

impl Add for Field40 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(p40::add(self.0, other.0))
    }
}

impl Sub for Field40 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(p40::subtract(self.0, other.0))
    }
}

impl Mul for Field40 {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        Self(p40::multiply::<u128>(self.0, other.0))
    }
}

operators!(Field40);

impl Field for Field40 {
    const BYTES: usize = 5;
    const MODULUS: u128 = P;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    const LOG2_ROOTS: u32 = 20;
    const GENERATOR: Self = Self(395_974_995_317);

    #[inline]
    fn from_i64(value: i64) -> Option<Self> {
        let fits = u128::from(magnitude(value)) <= Self::MAX_INTEGER;
        fits.then(|| Self(p40::from_signed(value as u64)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        i128::from(p40::to_signed(self.0) as i64)
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
        let Ok([a, b, c, d, e]) = <[u8; Self::BYTES]>::try_from(bytes) else {
            return (Self::ZERO, false);
        };
        let word = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
        let below = p40::below(word);
        (Self(word & below), below != 0)
    }

    #[inline]
    fn write(self, to: &mut [u8]) {
        if let Ok(to) = <&mut [u8; Self::BYTES]>::try_from(to) {
            let [a, b, c, d, e, ..] = self.0.to_le_bytes();
            *to = [a, b, c, d, e];
        }
    }
}
