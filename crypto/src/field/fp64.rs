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

/// All ones when a - b = `difference` borrows. Logic, not a comparison: compilers make branches of
/// comparisons where they think it pays, and operands are secret.
#[inline(always)]
const fn borrowed(a: u64, b: u64, difference: u64) -> u64 {
    ((((!a & b) | (!(a ^ b) & difference)) as i64) >> 63) as u64
}

/// All ones when a + b = `sum` carries.
#[inline(always)]
const fn carried(a: u64, b: u64, sum: u64) -> u64 {
    ((((a & b) | ((a | b) & !sum)) as i64) >> 63) as u64
}

/// a - b for a below 2^64, b at most p: below p when a - b is.
#[inline(always)]
const fn subtract(a: u64, b: u64) -> u64 {
    let difference = a.wrapping_sub(b);
    difference.wrapping_add(P & borrowed(a, b, difference))
}

/// a + b modulo p for a, b below p.
#[inline(always)]
const fn add(a: u64, b: u64) -> u64 {
    subtract(a, P - b)
}

/// A wide word x = lo + 2^64 mid + 2^96 high (mid, high < 2^32) modulo p: lo - high +
/// mid (2^32 - 1).
#[inline(always)]
const fn reduce(lo: u64, hi: u64) -> u64 {
    let (high, mid) = (hi >> 32, hi & EPSILON);
    let word = lo.wrapping_sub(high);
    // On a borrow 2^64 was added, which is EPSILON (mod p); word >= 2^64 - 2^32 then, so taking
    // EPSILON off cannot borrow again.
    let word = word.wrapping_sub(EPSILON & borrowed(lo, high, word));
    // mid * EPSILON <= (2^32 - 1)^2 < p; word < 2^64.
    let product = (mid << 32) - mid;
    let sum = word.wrapping_add(product);
    // After a carry the sum is below p, so adding EPSILON for the lost 2^64 does not carry.
    subtract(sum.wrapping_add(EPSILON & carried(word, product, sum)), P)
}

/// A sum of products, reduced once: the sum modulo 2^128 and the times that it overflowed.
#[derive(Clone, Copy, Default)]
struct Wide(u128, u64);

impl Wide {
    #[inline(always)]
    fn add(&mut self, a: Field64, b: Field64) {
        let (sum, carry) = self.0.overflowing_add(u128::from(a.0) * u128::from(b.0));
        *self = Self(sum, self.1 + u64::from(carry));
    }

    /// 2^128 = -2^32 (mod p), and there are fewer than 2^64 / 2^32 overflows.
    fn total(self) -> Field64 {
        let sum = Field64(reduce(self.0 as u64, (self.0 >> 64) as u64));
        sum - Field64(reduce(self.1 << 32, self.1 >> 32))
    }
}

impl Add for Field64 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(add(self.0, other.0))
    }
}

impl Sub for Field64 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(subtract(self.0, other.0))
    }
}

impl Mul for Field64 {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        let product = u128::from(self.0) * u128::from(other.0);
        Self(reduce(product as u64, (product >> 64) as u64))
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

    /// From products of 32-bit halves.
    #[inline(always)]
    fn lane_mul(self, other: Self) -> Self {
        let (a0, a1) = (self.0 & EPSILON, self.0 >> 32);
        let (b0, b1) = (other.0 & EPSILON, other.0 >> 32);
        // (2^32 - 1)^2 + 2 (2^32 - 1) < 2^64: none of these sums overflows.
        let low = a0 * b0;
        let middle = a0 * b1 + (low >> 32);
        let middle2 = a1 * b0 + (middle & EPSILON);
        let high = a1 * b1 + (middle >> 32) + (middle2 >> 32);
        Self(reduce((middle2 << 32) | (low & EPSILON), high))
    }

    #[inline]
    fn from_i64(value: i64) -> Option<Self> {
        let fits = u128::from(super::magnitude(value)) <= Self::MAX_INTEGER;
        // A negative value is 2^64 - |v| as a word; adding p modulo 2^64 gives p - |v|.
        let negative = (value >> 63) as u64;
        fits.then(|| Self((value as u64).wrapping_add(P & negative)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        let middle = Self::MAX_INTEGER as u64;
        let upper = borrowed(middle, self.0, middle.wrapping_sub(self.0));
        i128::from(self.0) - i128::from(P & upper)
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
        let below = borrowed(word, P, word.wrapping_sub(P));
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
