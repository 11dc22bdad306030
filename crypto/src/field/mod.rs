//! The prime fields over which vectors are shared.
//!
//! | type | modulus | bytes | largest integer |
//! |---|---|---|---|
//! | [`Field32`] | 2^32 - 2^20 + 1 | 4 | 2^31 - 2^19 |
//! | [`Field40`] | 2^40 - 21 * 2^20 + 1 | 5 | about 2^39 |
//! | [`Field64`] | 2^64 - 2^32 + 1 | 8 | 2^63 - 2^31 |
//! | [`Field128`] | 2^66 * 4611686018427387897 + 1 | 16 | about 2^127 |
//!
//! Source: draft-chen-cfrg-vdaf-pine, PoC (`field.py`). Elements are canonical (below the
//! modulus) at all times; that is an invariant of each type and checked where bytes come in. What
//! the operators compute is in the private module `arithmetic`; `proofs/smt` proves it for all inputs.

mod arithmetic;
mod fp128;
mod fp32;
mod fp40;
mod fp64;
pub mod ntt;
pub mod poly;
pub mod ternary;
#[cfg(test)]
mod tests;

pub use fp32::Field32;
pub use fp40::Field40;
pub use fp64::Field64;
pub use fp128::Field128;
use zeroize::{DefaultIsZeroes, Zeroize, Zeroizing};

use crate::Error;

/// The operators that follow from `Add` and `Sub`, and a `Debug` that shows nothing.
macro_rules! operators {
    ($field:ident) => {
        impl std::fmt::Debug for $field {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($field), "(<redacted>)"))
            }
        }

        impl zeroize::DefaultIsZeroes for $field {}

        impl std::ops::Neg for $field {
            type Output = Self;
            #[inline]
            fn neg(self) -> Self {
                Self(0) - self
            }
        }

        impl std::ops::AddAssign for $field {
            #[inline]
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl std::ops::SubAssign for $field {
            #[inline]
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }
    };
}
use operators;

/// A prime field whose elements stand for signed integers around zero.
///
/// Addition, subtraction, multiplication, negation and `from_i64` are branch-free in source.
pub trait Field:
    Copy
    + Default
    + PartialEq
    + Eq
    + std::fmt::Debug
    + Send
    + Sync
    + Zeroize
    + DefaultIsZeroes
    + std::ops::Add<Output = Self>
    + std::ops::AddAssign
    + std::ops::Sub<Output = Self>
    + std::ops::SubAssign
    + std::ops::Mul<Output = Self>
    + std::ops::Neg<Output = Self>
    + 'static
{
    /// Length of an encoded element: little-endian.
    const BYTES: usize;
    /// The prime p.
    const MODULUS: u128;
    /// Largest absolute value of an integer that an element stands for: (p - 1) / 2.
    const MAX_INTEGER: u128 = (Self::MODULUS - 1) / 2;

    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// 2-adicity of p - 1 as far as the specification uses it: transforms have at most
    /// 2^`LOG2_ROOTS` points.
    const LOG2_ROOTS: u32;
    /// The specification's principal 2^`LOG2_ROOTS`-th root of unity.
    const GENERATOR: Self;

    /// A principal 2^`log2`-th root of unity, a power of [`Field::GENERATOR`]; `None` past
    /// [`Field::LOG2_ROOTS`].
    #[must_use]
    fn root(log2: u32) -> Option<Self> {
        let squarings = Self::LOG2_ROOTS.checked_sub(log2)?;
        Some((0..squarings).fold(Self::GENERATOR, |root, _| root * root))
    }

    /// The element that stands for an integer; `None` when its absolute value is over
    /// [`Field::MAX_INTEGER`]. Branch-free except for that outcome.
    fn from_i64(value: i64) -> Option<Self>;

    /// The integer around zero that an element stands for.
    fn to_integer(self) -> i128;

    /// The element with this canonical representative; `None` at or above the modulus.
    fn from_u128(value: u128) -> Option<Self>;

    /// The element with this canonical representative; `None` at or above the modulus.
    #[must_use]
    fn from_u64(value: u64) -> Option<Self> {
        Self::from_u128(u128::from(value))
    }

    /// The canonical representative, below the modulus.
    fn to_u128(self) -> u128;

    /// Reads `BYTES` little-endian bytes without a branch: the element and `true`, or zero and
    /// `false` for a word at or above the modulus (and for a slice of another length).
    fn read(bytes: &[u8]) -> (Self, bool);

    /// Reads `BYTES` little-endian bytes; `None` at or above the modulus or on another length.
    #[inline]
    #[must_use]
    fn from_le_bytes(bytes: &[u8]) -> Option<Self> {
        let (element, canonical) = Self::read(bytes);
        canonical.then_some(element)
    }

    /// Reads as many elements as there are words in `bytes`, zero for each word at or above the
    /// modulus; whether there was none of these. Without a branch on a word.
    #[must_use]
    fn read_slice(to: &mut [Self], bytes: &[u8]) -> bool {
        vectorised(|| {
            let words = to.iter_mut().zip(bytes.chunks_exact(Self::BYTES));
            words.fold(true, |all, (slot, word)| {
                let (element, canonical) = Self::read(word);
                *slot = element;
                all & canonical
            })
        })
    }

    /// Writes `BYTES` little-endian bytes; leaves a slice of another length alone.
    fn write(self, to: &mut [u8]);

    /// Appends `BYTES` little-endian bytes.
    #[inline]
    fn write_le_bytes(self, to: &mut Vec<u8>) {
        let start = to.len();
        to.resize(start + Self::BYTES, 0);
        if let Some(slot) = to.get_mut(start..) {
            self.write(slot);
        }
    }

    /// The product, in the form that compilers turn into vector instructions best; for loops over
    /// many elements.
    #[inline(always)]
    #[must_use]
    fn lane_mul(self, other: Self) -> Self {
        self * other
    }

    /// sum_i a_i b_i over the shorter length.
    #[must_use]
    fn inner_product(a: &[Self], b: &[Self]) -> Self {
        a.iter().zip(b).fold(Self::ZERO, |sum, (a, b)| sum + *a * *b)
    }

    /// sum_i a_i^2.
    #[must_use]
    fn sum_of_squares(a: &[Self]) -> Self {
        Self::inner_product(a, a)
    }

    /// acc_i += scale * b_i over the shorter length.
    fn add_scaled(acc: &mut [Self], scale: Self, b: &[Self]) {
        vectorised(|| acc.iter_mut().zip(b).for_each(|(acc, b)| *acc += scale.lane_mul(*b)));
    }

    /// acc_i += b_i over the shorter length.
    fn add_vec(acc: &mut [Self], b: &[Self]) {
        vectorised(|| acc.iter_mut().zip(b).for_each(|(acc, b)| *acc += *b));
    }

    /// acc_i -= b_i over the shorter length.
    fn sub_vec(acc: &mut [Self], b: &[Self]) {
        vectorised(|| acc.iter_mut().zip(b).for_each(|(acc, b)| *acc -= *b));
    }

    /// The power by a *public* exponent (variable-time in it).
    #[must_use]
    fn pow(self, exponent: u128) -> Self {
        let mut result = Self::ONE;
        for bit in (0..128).rev() {
            result = result * result;
            if exponent >> bit & 1 == 1 {
                result = result * self;
            }
        }
        result
    }

    /// The inverse by Fermat's little theorem; zero for zero.
    #[must_use]
    fn inverse(self) -> Self {
        self.pow(Self::MODULUS - 2)
    }
}

/// |value|, without the branch on its sign that `i64::unsigned_abs` has in source.
#[inline(always)]
pub(crate) fn magnitude(value: i64) -> u64 {
    arithmetic::magnitude(value as u64)
}

/// Runs a loop with the widest vector instructions of the processor; the same results with any.
#[inline(always)]
fn vectorised<R>(run: impl FnOnce() -> R) -> R {
    // Which has none, and knows few of the processor's.
    if cfg!(miri) {
        return run();
    }
    pulp::Arch::new().dispatch(run)
}

/// The elements that stand for integers, or the position of the first that does not fit.
pub(crate) fn from_integers<F: Field>(integers: &[i64]) -> Result<Zeroizing<Vec<F>>, Error> {
    let mut elements = Zeroizing::new(vec![F::ZERO; integers.len()]);
    let all = vectorised(|| {
        elements.iter_mut().zip(integers).fold(true, |all, (slot, integer)| {
            let element = F::from_i64(*integer);
            *slot = element.unwrap_or_default();
            all & element.is_some()
        })
    });
    if all {
        return Ok(elements);
    }
    let index = integers.iter().position(|integer| F::from_i64(*integer).is_none());
    Err(Error::OutOfRange { index: index.unwrap_or_default(), limit: F::MAX_INTEGER })
}

/// Encodes a vector, `BYTES` an element.
#[must_use]
pub fn encode_vec<F: Field>(values: &[F]) -> Vec<u8> {
    let mut bytes = vec![0; values.len() * F::BYTES];
    for (value, slot) in values.iter().zip(bytes.chunks_exact_mut(F::BYTES)) {
        value.write(slot);
    }
    bytes
}

/// Decodes a vector of exactly `len` elements.
///
/// # Errors
/// On another length (before anything is allocated) and on an element at or above the modulus.
pub fn decode_vec<F: Field>(what: &'static str, bytes: &[u8], len: usize) -> Result<Vec<F>, Error> {
    if Some(bytes.len()) != len.checked_mul(F::BYTES) {
        return Err(Error::Length { what, expected: len, got: bytes.len() / F::BYTES });
    }
    let mut values = vec![F::ZERO; len];
    if F::read_slice(&mut values, bytes) {
        return Ok(values);
    }
    let index = bytes.chunks_exact(F::BYTES).position(|word| !F::read(word).1).unwrap_or(len);
    Err(Error::NotReduced { what, index })
}
