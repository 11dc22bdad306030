//! The prime fields over which vectors are shared.
//!
//! | type | modulus | bytes | largest integer |
//! |---|---|---|---|
//! | [`Field64`] | 2^64 - 2^32 + 1 | 8 | 2^63 - 2^31 |
//! | [`Field128`] | 2^66 * 4611686018427387897 + 1 | 16 | about 2^127 |
//!
//! Source: draft-chen-cfrg-vdaf-pine, PoC (`field.py`). Elements are canonical (below the
//! modulus) at all times; that is an invariant of each type and checked where bytes come in.

mod fp128;
mod fp64;

pub use fp64::Field64;
pub use fp128::Field128;
use zeroize::Zeroize;

use crate::Error;

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

    /// The element that stands for an integer; `None` when its absolute value is over
    /// [`Field::MAX_INTEGER`]. Branch-free except for that outcome.
    fn from_i64(value: i64) -> Option<Self>;

    /// The integer around zero that an element stands for.
    fn to_integer(self) -> i128;

    /// Reads `BYTES` little-endian bytes; `None` at or above the modulus or on another length.
    fn from_le_bytes(bytes: &[u8]) -> Option<Self>;

    /// Appends `BYTES` little-endian bytes.
    fn write_le_bytes(self, to: &mut Vec<u8>);

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

/// Encodes a vector, `BYTES` an element.
#[must_use]
pub fn encode_vec<F: Field>(values: &[F]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * F::BYTES);
    for value in values {
        value.write_le_bytes(&mut bytes);
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
    bytes
        .chunks_exact(F::BYTES)
        .enumerate()
        .map(|(index, chunk)| F::from_le_bytes(chunk).ok_or(Error::NotReduced { what, index }))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The field laws against arithmetic that is plainly right, for any field.
    fn laws<F: Field>(reference: impl Fn(u128, u128) -> (u128, u128, u128), words: [u128; 2]) {
        let [a, b] = words.map(|word| word % F::MODULUS);
        let element = |word: u128| F::from_le_bytes(&word.to_le_bytes()[..F::BYTES]).unwrap();
        let word = |element: F| {
            let mut bytes = Vec::new();
            element.write_le_bytes(&mut bytes);
            bytes.resize(16, 0);
            u128::from_le_bytes(bytes.try_into().unwrap())
        };
        let (sum, difference, product) = reference(a, b);
        assert_eq!(word(element(a) + element(b)), sum, "{a} + {b}");
        assert_eq!(word(element(a) - element(b)), difference, "{a} - {b}");
        assert_eq!(word(element(a) * element(b)), product, "{a} * {b}");
        assert_eq!(element(a) + -element(a), F::ZERO);
        if a != 0 {
            assert_eq!(element(a) * element(a).inverse(), F::ONE, "inverse of {a}");
        }
    }

    /// Double and add: the slow multiplication that needs no wide product.
    fn slow_product(a: u128, b: u128, p: u128) -> u128 {
        let add = |x: u128, y: u128| if x >= p - y { x - (p - y) } else { x + y };
        let mut product = 0;
        for bit in (0..128).rev() {
            product = add(product, product);
            if b >> bit & 1 == 1 {
                product = add(product, a);
            }
        }
        product
    }

    fn check<F: Field>(words: [u128; 2]) {
        let p = F::MODULUS;
        laws::<F>(
            |a, b| {
                let sum = if a >= p - b { a - (p - b) } else { a + b };
                let difference = if a >= b { a - b } else { a + (p - b) };
                (sum, difference, slow_product(a, b, p))
            },
            words,
        );
    }

    const EDGES: [u128; 12] = [
        0,
        1,
        2,
        0xffff_ffff,
        0x1_0000_0000,
        0xffff_ffff_0000_0000,
        0xffff_ffff_ffff_ffff,
        1 << 64,
        (1 << 66) - 1,
        u128::MAX / 2,
        u128::MAX - 1,
        u128::MAX,
    ];

    #[test]
    fn both_fields_are_right_at_the_edges() {
        for a in EDGES {
            for b in EDGES {
                for [a, b] in [[a, b], [Field64::MODULUS - 1 - a % Field64::MODULUS, b]] {
                    check::<Field64>([a, b]);
                }
                check::<Field128>([a, b]);
                check::<Field128>([Field128::MODULUS - 1 - a % Field128::MODULUS, b]);
            }
        }
    }

    proptest! {
        #[test]
        fn both_fields_obey_their_laws(a: u128, b: u128) {
            check::<Field64>([a, b]);
            check::<Field128>([a, b]);
        }

        #[test]
        fn signed_integers_survive_both_fields(value: i64) {
            prop_assert_eq!(
                Field128::from_i64(value).map(Field128::to_integer),
                Some(i128::from(value))
            );
            let small = value / 2;
            prop_assert_eq!(
                Field64::from_i64(small).map(Field64::to_integer),
                Some(i128::from(small))
            );
        }

        #[test]
        fn decoding_accepts_exactly_the_canonical_bytes(word: u64) {
            let element = Field64::from_le_bytes(&word.to_le_bytes());
            prop_assert_eq!(element.is_some(), u128::from(word) < Field64::MODULUS);
        }
    }

    #[test]
    fn the_range_of_integers_is_exact() {
        let limit = i64::try_from(Field64::MAX_INTEGER).unwrap();
        assert_eq!(limit, 9_223_372_034_707_292_160);
        for value in [limit, -limit] {
            assert_eq!(Field64::from_i64(value).map(Field64::to_integer), Some(i128::from(value)));
        }
        for value in [limit + 1, -limit - 1, i64::MAX, i64::MIN] {
            assert_eq!(Field64::from_i64(value), None, "{value}");
            assert!(Field128::from_i64(value).is_some());
        }
    }

    #[test]
    fn a_modulus_word_is_no_element() {
        let bytes = u64::try_from(Field64::MODULUS).unwrap().to_le_bytes();
        assert!(decode_vec::<Field64>("test", &bytes, 1).is_err());
        assert!(decode_vec::<Field128>("test", &Field128::MODULUS.to_le_bytes(), 1).is_err());
        assert!(decode_vec::<Field64>("test", &[0; 15], 2).is_err());
        assert!(decode_vec::<Field64>("test", &[0; 16], usize::MAX).is_err());
    }
}
