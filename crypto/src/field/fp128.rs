//! Z_p for p = 2^66 * 4611686018427387897 + 1 (draft-chen-cfrg-vdaf-pine, Field128).
//!
//! Elements are kept in plain form, since sharing only adds; multiplication goes through
//! Montgomery's reduction twice. p = 1 (mod 2^64), so the quotient word of a reduction step is
//! the negated low word.

use std::ops::{Add, Mul, Sub};

use super::{Field, operators};

const P: u128 = 0xffff_ffff_ffff_ffe4_0000_0000_0000_0001;
const P_HIGH: u64 = 0xffff_ffff_ffff_ffe4;
/// 2^256 mod p, for the way back from Montgomery's form.
const R2: u128 = 0x5587_ffff_ffff_ffff_fcf1;

/// An element of the 128-bit field, below p at all times.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Field128(u128);

/// All ones when a - b = `difference` borrows. Logic, not a comparison: compilers make branches of
/// comparisons where they think it pays, and operands are secret.
#[inline(always)]
const fn borrowed(a: u128, b: u128, difference: u128) -> u128 {
    ((((!a & b) | (!(a ^ b) & difference)) as i128) >> 127) as u128
}

/// a - b for b at most p: below p when a - b is.
#[inline(always)]
const fn subtract(a: u128, b: u128) -> u128 {
    let difference = a.wrapping_sub(b);
    difference.wrapping_add(P & borrowed(a, b, difference))
}

/// a + b modulo p for a, b below p.
#[inline(always)]
const fn add(a: u128, b: u128) -> u128 {
    subtract(a, P - b)
}

/// a * b / 2^128 mod p, for a, b below p.
#[inline]
const fn montgomery(a: u128, b: u128) -> u128 {
    let (b0, b1) = (b as u64, (b >> 64) as u64);
    // Two rounds, one word of b each: t = (t + a b_i + m p) / 2^64 with m = -t_0, since
    // p = 1 (mod 2^64). t < 2p < 2^129 is kept as (top bit, word).
    let (word, top) = montgomery_word(0, 0, a, b0);
    let (word, top) = montgomery_word(word, top, a, b1);
    // Below 2p: p comes off unless the word borrows and there is no top bit to borrow from.
    let difference = word.wrapping_sub(P);
    let keep = borrowed(word, P, difference) & (top as u128).wrapping_sub(1);
    difference.wrapping_add(P & keep)
}

/// One word of Montgomery's reduction: (t + a*b + m*p) / 2^64 for t < 2p; the result is below 2p.
#[inline]
const fn montgomery_word(t: u128, top: u64, a: u128, b: u64) -> (u128, u64) {
    let (a0, a1) = (a as u64 as u128, a >> 64);
    let b = b as u128;
    // t + a*b in three words w0, w1, w2. `middle` cannot overflow: (2^64-1)^2 + 2 (2^64-1) < 2^128.
    let low = a0 * b + (t as u64 as u128);
    let w0 = low as u64;
    let middle = a1 * b + (low >> 64) + (t >> 64);
    let w1 = middle as u64;
    let w2 = (middle >> 64) + top as u128;
    // m*p = m + 2^64 * m * P_HIGH; w0 + m = 0 (mod 2^64), carrying 1 unless w0 = 0.
    let m = w0.wrapping_neg();
    let carry = (w0 | m) >> 63;
    let product = (m as u128) * (P_HIGH as u128);
    let low = (w1 as u128) + (product as u64 as u128) + (carry as u128);
    let high = w2 + (product >> 64) + (low >> 64);
    // Result below 2p < 2^129.
    let word = (high << 64) | (low as u64 as u128);
    (word, (high >> 64) as u64)
}

impl Add for Field128 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(add(self.0, other.0))
    }
}

impl Sub for Field128 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(subtract(self.0, other.0))
    }
}

impl Mul for Field128 {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        Self(montgomery(montgomery(self.0, other.0), R2))
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
        let negative = (i128::from(value) >> 127) as u128;
        Some(Self((i128::from(value) as u128).wrapping_add(P & negative)))
    }

    #[inline]
    fn to_integer(self) -> i128 {
        // (p - 1) / 2 < 2^127, so both halves fit after wrapping.
        let middle = Self::MAX_INTEGER;
        let upper = borrowed(middle, self.0, middle.wrapping_sub(self.0));
        self.0.wrapping_sub(P & upper) as i128
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
        let below = borrowed(word, P, word.wrapping_sub(P));
        (Self(word & below), below != 0)
    }

    #[inline]
    fn write(self, to: &mut [u8]) {
        if let Ok(to) = <&mut [u8; Self::BYTES]>::try_from(to) {
            *to = self.0.to_le_bytes();
        }
    }
}
