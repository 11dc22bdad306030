//! Z_p for p = 2^64 - 2^32 + 1 (draft-chen-cfrg-vdaf-pine, Field64).
//!
//! The arithmetic is in `arithmetic/p64.rs`, without branches.

use std::ops::{Add, Mul, Sub};

use super::arithmetic::p64::{self, P};
use super::{Field, magnitude, operators};

/// An element of the 64-bit field, below p at all times.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Field64(u64);

/// A sum of products, reduced once: the sum modulo 2^128 and the times that it overflowed.
#[derive(Clone, Copy, Default)]
struct Wide(u128, u64);

impl Wide {
    #[inline(always)]
    fn add(&mut self, a: Field64, b: Field64) {
        (self.0, self.1) = p64::accumulate((self.0, self.1), a.0, b.0);
    }

    fn total(self) -> Field64 {
        Field64(p64::total((self.0, self.1)))
    }
}

impl Add for Field64 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(p64::add(self.0, other.0))
    }
}

impl Sub for Field64 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(p64::subtract(self.0, other.0))
    }
}

impl Mul for Field64 {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        Self(p64::multiply::<u128>(self.0, other.0))
    }
}

operators!(Field64);

impl Field for Field64 {
    const BYTES: usize = 8;
    const MODULUS: u128 = P;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    const LOG2_ROOTS: u32 = 32;
    const GENERATOR: Self = Self(0x1856_29dc_da58_878c);

    #[inline(always)]
    fn lane_mul(self, other: Self) -> Self {
        Self(p64::lane_multiply(self.0, other.0))
    }

    #[inline]
    fn from_i64(value: i64) -> Option<Self> {
        let fits = u128::from(magnitude(value)) <= Self::MAX_INTEGER;
        fits.then(|| Self(p64::from_signed(value as u64)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        i128::from(p64::to_signed(self.0) as i64)
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
        let below = p64::below(word);
        (Self(word & below), below != 0)
    }

    #[inline]
    fn write(self, to: &mut [u8]) {
        if let Ok(to) = <&mut [u8; Self::BYTES]>::try_from(to) {
            *to = self.0.to_le_bytes();
        }
    }

    fn inner_product(a: &[Self], b: &[Self]) -> Self {
        let len = a.len().min(b.len());
        let (a, b) = (a.get(..len).unwrap_or_default(), b.get(..len).unwrap_or_default());
        // Four sums that do not wait for one another.
        let mut sums = [Wide::default(); 4];
        let (a, a_rest) = a.as_chunks::<4>();
        let (b, b_rest) = b.as_chunks::<4>();
        for (a, b) in a.iter().zip(b) {
            for i in 0..4 {
                sums[i].add(a[i], b[i]);
            }
        }
        for (a, b) in a_rest.iter().zip(b_rest) {
            sums[0].add(*a, *b);
        }
        sums.into_iter().fold(Self::ZERO, |total, sum| total + sum.total())
    }
}
