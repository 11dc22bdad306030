//! Twins of shipped functions that leak: what must be reported, so that "clean" means something.
//!
//! At some levels the compiler happens to turn a leak into code without one. expected.txt says for
//! each level which: a leak that is not reported there is the compiler's luck, and the reason why
//! every case runs at five levels. `black_box` stands where a twin is to leak at all of them.

use std::hint::black_box;

use haima_crypto::field::{Field, Field64};
use haima_crypto::kdf::derive;
use haima_crypto::secret::Seed;
use haima_crypto::xof::{Xof, XofHmacSha256Aes128, for_each_element};
use haima_proofs_ct::memcheck::{public, publics, secret, secrets};
use haima_proofs_ct::setting::SecretRng;
use rand_core::Rng;

/// The prime 2^61 - 1: small enough that no sum overflows.
const P: u64 = (1 << 61) - 1;

/// `Seed::eq` that ends at the first difference.
pub(crate) fn compare() {
    #[inline(never)]
    fn same(a: &[u8], b: &[u8]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
    }
    assert!(public(same(&secrets(&[7; 32]), &black_box(vec![7; 32]))));
}

/// The same over a length that the compiler knows.
pub(crate) fn compare_array() {
    #[inline(never)]
    #[expect(clippy::needless_range_loop, reason = "the loop as it is written in a hurry")]
    fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
        for i in 0..32 {
            if a[i] != b[i] {
                return false;
            }
        }
        true
    }
    assert!(public(same(&secret([7; 32]), &black_box([7; 32]))));
}

/// The same by `==` of arrays.
pub(crate) fn equality() {
    #[inline(never)]
    fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
        a == b
    }
    assert!(public(same(&secret([7; 32]), &black_box([7; 32]))));
}

/// A tag that is compared by `==` of slices.
pub(crate) fn tag() {
    #[inline(never)]
    fn right(computed: &[u8], said: &[u8]) -> bool {
        computed == said
    }
    assert!(public(right(&secrets(&[9; 16]), &black_box(vec![9; 16]))));
}

/// A field's addition that subtracts the modulus if there is need.
pub(crate) fn subtract() {
    #[inline(never)]
    fn add(a: u64, b: u64) -> u64 {
        let sum = a + b;
        if sum >= P { sum - P } else { sum }
    }
    assert_eq!(public(add(secret(P - 5), black_box(11))), 6);
}

/// A size by `if`, as `i64::unsigned_abs` has it.
pub(crate) fn sign() {
    #[inline(never)]
    fn size(value: i64) -> u64 {
        if value < 0 { value.wrapping_neg() as u64 } else { value as u64 }
    }
    assert_eq!(public(size(secret(-12))), 12);
}

/// `Field::pow` under a secret exponent.
pub(crate) fn power() {
    #[inline(never)]
    fn power(base: Field64, exponent: u64) -> Field64 {
        let mut result = Field64::ONE;
        for bit in (0..64).rev() {
            result = result * result;
            if exponent >> bit & 1 == 1 {
                result = result * black_box(base);
            }
        }
        result
    }
    let two = Field64::ONE + Field64::ONE;
    assert_eq!(public(power(two, secret(10))).to_integer(), 1024);
}

/// A table that a secret is looked up in.
pub(crate) fn table() {
    #[inline(never)]
    fn substitute(table: &[u32; 256], index: u8) -> u32 {
        table[usize::from(index)]
    }
    let table = black_box(std::array::from_fn(|index| index as u32 * 3));
    assert_eq!(public(substitute(&table, secret(9))), 27);
}

/// `share::split` that leaves coordinates of zero alone.
pub(crate) fn share() {
    #[inline(never)]
    fn split(values: &[u64], masks: &[u64]) -> Vec<u64> {
        let mut first = values.to_vec();
        for (value, mask) in first.iter_mut().zip(masks) {
            if *value != 0 {
                *value = black_box(value.wrapping_sub(*mask));
            }
        }
        first
    }
    let first = split(&secrets(&[3, 0, 5]), &secrets(&[1, 1, 1]));
    assert_eq!(publics(&first), [2, 0, 4]);
}

/// `shamir::Basis::reconstruct` that leaves out shares of zero.
pub(crate) fn shamir() {
    #[inline(never)]
    fn reconstruct(weights: &[Field64], shares: &[Field64]) -> Field64 {
        let mut sum = Field64::ZERO;
        for (weight, share) in weights.iter().zip(shares) {
            if *share != Field64::ZERO {
                sum += black_box(*weight * *share);
            }
        }
        sum
    }
    let two = Field64::ONE + Field64::ONE;
    let sum = reconstruct(&[two, -Field64::ONE], &secrets(&[two, Field64::ZERO]));
    assert_eq!(public(sum).to_integer(), 4);
}

/// `secagg::Unmasking::subkeys` that looks whether a seed was reconstructed.
pub(crate) fn subkeys() {
    #[inline(never)]
    fn backup_key(seed: &Seed) -> Option<Seed> {
        if *seed.expose() == [0; 32] {
            return None;
        }
        Some(derive(seed, "backup key", &[]))
    }
    assert!(backup_key(&Seed::from_bytes(secret([7; 32]))).is_some());
}

/// The shipped expansion with a caller that branches on what it is given: what public.supp allows
/// of the rejection of keystream words must not cover it.
pub(crate) fn take() {
    let mut stream = XofHmacSha256Aes128::init(&secret([9; 32]), b"tag").finish();
    let mut even = 0;
    for_each_element::<Field64>(&mut stream, 8, |element| {
        if element.to_u128() & 1 == 0 {
            even = black_box(even + 1);
        }
    });
    assert!(public(even) <= 8);
}

/// Geometric noise that draws as often as its value says.
pub(crate) fn noise() {
    #[inline(never)]
    fn draw(rng: &mut SecretRng) -> u32 {
        let mut value = 0;
        while rng.next_u64() & 1 == 1 {
            value += 1;
        }
        value
    }
    assert!(public(draw(&mut SecretRng::new(15))) < 200);
}
