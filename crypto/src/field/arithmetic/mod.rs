//! The arithmetic of the fields, written once over any [`Word`].
//!
//! At `u32`, `u64` and `u128` it is what is shipped. `proofs/smt` compiles these same files, and no
//! others, at words that are formulas: what it proves for all inputs is the source that runs here.
//! So nothing else of the crate is used in this folder, and nothing branches on a word.

pub(crate) mod p128;
pub(crate) mod p32;
pub(crate) mod p40;
pub(crate) mod p64;

use std::ops::{Add, BitAnd, BitOr, BitXor, Mul, Not, Shl, Shr, Sub};

/// An unsigned machine word.
///
/// `+`, `-` and `*` are exact: whoever writes them knows that they do not overflow, and
/// `proofs/smt` has it proved. What may wrap around is called so. Shifts drop the bits that leave
/// the word.
pub(crate) trait Word:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
{
    /// A constant that fits the word.
    fn of(constant: u128) -> Self;

    /// The sum modulo 2^bits.
    fn wrapping_add(self, other: Self) -> Self;

    /// The difference modulo 2^bits.
    fn wrapping_sub(self, other: Self) -> Self;

    /// All ones when the top bit is set, zero otherwise. By a shift, not by a comparison: compilers
    /// make branches of comparisons where they think it pays, and operands are secret.
    fn sign(self) -> Self;
}

/// A word of two halves, to hold a product of them.
pub(crate) trait DoubleWord: Word {
    /// A word of half as many bits.
    type Half: Word;

    /// The double word with this low half, the high one zero.
    fn wide(low: Self::Half) -> Self;

    /// The double word of two halves.
    fn join(low: Self::Half, high: Self::Half) -> Self;

    /// The low half.
    fn low(self) -> Self::Half;

    /// The high half.
    fn high(self) -> Self::Half;

    /// The sum modulo 2^bits, and whether it is 2^bits too small: 1 or 0.
    fn carrying_add(self, other: Self) -> (Self, Self::Half);
}

/// All ones when a - b = `difference` borrows.
#[inline(always)]
pub(crate) fn borrowed<W: Word>(a: W, b: W, difference: W) -> W {
    ((!a & b) | (!(a ^ b) & difference)).sign()
}

/// All ones when a + b = `sum` carries.
#[inline(always)]
pub(crate) fn carried<W: Word>(a: W, b: W, sum: W) -> W {
    ((a & b) | ((a | b) & !sum)).sign()
}

/// The absolute value of a signed word, without a branch on its sign.
#[inline(always)]
pub(crate) fn magnitude<W: Word>(value: W) -> W {
    // All ones, which is -1, for a negative value: ^ and - are then the negation, or nothing.
    let sign = value.sign();
    (value ^ sign).wrapping_sub(sign)
}

macro_rules! word {
    ($word:ident, $signed:ident) => {
        impl Word for $word {
            #[inline(always)]
            fn of(constant: u128) -> Self {
                constant as Self
            }

            #[inline(always)]
            fn wrapping_add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn wrapping_sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            fn sign(self) -> Self {
                (self as $signed >> (Self::BITS - 1)) as Self
            }
        }
    };
    ($word:ident, $signed:ident, $half:ident) => {
        word!($word, $signed);

        impl DoubleWord for $word {
            type Half = $half;

            #[inline(always)]
            fn wide(low: $half) -> Self {
                Self::from(low)
            }

            #[inline(always)]
            fn join(low: $half, high: $half) -> Self {
                (Self::from(high) << $half::BITS) | Self::from(low)
            }

            #[inline(always)]
            fn low(self) -> $half {
                self as $half
            }

            #[inline(always)]
            fn high(self) -> $half {
                (self >> $half::BITS) as $half
            }

            #[inline(always)]
            fn carrying_add(self, other: Self) -> (Self, $half) {
                let (sum, carry) = self.overflowing_add(other);
                (sum, $half::from(carry))
            }
        }
    };
}

word!(u32, i32);
word!(u64, i64, u32);
word!(u128, i128, u64);
