//! Z_p for p = 2^20 * 1048555 + 1 = 2^40 - 21 * 2^20 + 1 (draft-chen-cfrg-vdaf-pine, Field40).
//!
//! Written for reductions without branches: 2^40 = 21 * 2^20 - 1 (mod p).

use std::ops::{Add, Mul, Sub};

use super::{Field, operators};

const P: u64 = 0xff_feb0_0001;
/// 2^40 mod p.
const EPSILON: u64 = (21 << 20) - 1;
const LOW40: u64 = (1 << 40) - 1;
const LOW20: u64 = (1 << 20) - 1;

/// An element of the 40-bit field, below p at all times.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Field40(u64);

/// Reduces a word below 2p to below p. The sign is taken by a shift, not by a comparison: compilers
/// make branches of comparisons, and operands are secret.
#[inline(always)]
const fn reduce_once(word: u64) -> u64 {
    let difference = word.wrapping_sub(P);
    difference.wrapping_add(P & ((difference as i64) >> 63) as u64)
}

/// low + 2^40 high modulo p, for low < 2^41 and high <= 2^40.
#[inline]
const fn reduce(low: u64, high: u64) -> u64 {
    // 2^40 high = 2^20 (21 high) - high. With 21 high = 2^20 c + r the first term is
    // 2^40 c + 2^20 r, and 2^40 c = EPSILON c. p > high - 1 keeps the difference positive.
    let product = 21 * high;
    let (c, r) = (product >> 20, product & LOW20);
    // Below 2^41 + 2^40 + 2^25 * 2^25 + 2^40 < 2^51.
    let word = low + (r << 20) + c * EPSILON + P - high;
    // Below 2^40 + 2^11 * 2^25 < 2p.
    reduce_once((word & LOW40) + (word >> 40) * EPSILON)
}

impl Add for Field40 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(reduce_once(self.0 + other.0))
    }
}

impl Sub for Field40 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(reduce_once(self.0 + P - other.0))
    }
}

impl Mul for Field40 {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        let product = u128::from(self.0) * u128::from(other.0);
        Self(reduce(product as u64 & LOW40, (product >> 40) as u64))
    }
}

operators!(Field40);

impl Field for Field40 {
    const BYTES: usize = 5;
    const MODULUS: u128 = P as u128;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    const LOG2_ROOTS: u32 = 20;
    const GENERATOR: Self = Self(395_974_995_317);

    #[inline]
    fn from_i64(value: i64) -> Option<Self> {
        let fits = u128::from(super::magnitude(value)) <= Self::MAX_INTEGER;
        let negative = (value >> 63) as u64;
        fits.then(|| Self((value as u64).wrapping_add(P & negative)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        let upper = (Self::MAX_INTEGER as i64 - self.0 as i64) >> 63;
        i128::from(self.0) - i128::from(P & upper as u64)
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
        let below = ((word as i64 - P as i64) >> 63) as u64;
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
