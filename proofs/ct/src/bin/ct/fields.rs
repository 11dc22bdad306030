//! crypto/src/field: arithmetic, conversion, transforms and sums of secret elements.
//!
//! Names no public predicate but those of `integers` and `ternary`: whether an integer fits the
//! field, and that a digit is below the modulus.

use haima_crypto::field::ntt::Ntt;
use haima_crypto::field::poly::eval;
use haima_crypto::field::ternary::{dots, dots_integers};
use haima_crypto::field::{Field, Field32, Field40, Field64, Field128};
use haima_crypto::xof::{Xof, XofHmacSha256Aes128};
use haima_proofs_ct::memcheck::{public, publics, secret, secrets};

pub(crate) fn field32() {
    arithmetic::<Field32>();
}

pub(crate) fn field40() {
    arithmetic::<Field40>();
}

pub(crate) fn field64() {
    arithmetic::<Field64>();
}

pub(crate) fn field128() {
    arithmetic::<Field128>();
}

fn integers_of<F: Field>(elements: &[F]) -> Vec<i128> {
    publics(elements).into_iter().map(F::to_integer).collect()
}

/// Everything that is to be free of branches without exception: -2 and 5 as secrets.
fn arithmetic<F: Field>() {
    let x = secret(F::from_u128(F::MODULUS - 2).expect("below the modulus"));
    let y = secret(F::from_u64(5).expect("below the modulus"));
    let results = [x + y, x - y, y - x, x * y, x.lane_mul(y), -x, x.pow(3)];
    assert_eq!(integers_of(&results), [3, -7, 7, -10, -10, 2, -8]);
    assert!(public(x.inverse() * x) == F::ONE);
    assert_eq!(public(x.to_integer()), -2);
    assert_eq!(public(x.to_u128()), F::MODULUS - 2);

    let mut bytes = vec![0; F::BYTES];
    x.write(&mut bytes);
    let (element, canonical) = F::read(&bytes);
    assert!(public(canonical) && public(element) == public(x));
    // All ones are above every modulus.
    let (element, canonical) = F::read(&secrets(&[0xff_u8; 16][..F::BYTES]));
    assert!(!public(canonical) && public(element) == F::ZERO);

    let vector = [x, y, x, y, x, y, x, y, x];
    let mut sum = vector;
    F::add_vec(&mut sum, &vector);
    assert_eq!(integers_of(&sum)[..2], [-4, 10]);
    F::sub_vec(&mut sum, &vector);
    F::add_scaled(&mut sum, x, &vector);
    assert_eq!(integers_of(&sum)[..2], [2, -5]);
    let products = [F::inner_product(&vector, &vector), F::sum_of_squares(&vector)];
    assert_eq!(integers_of(&products), [120, 120]);
}

/// Integers to elements: that each fits is public, since a task's bound sees to it (rule N5).
pub(crate) fn integers() {
    fn of<F: Field>() {
        for value in [0, 1, -1, 1_000_003, -1_000_003] {
            let element = public(F::from_i64(secret(value)));
            assert_eq!(element.map(F::to_integer), Some(value.into()));
        }
        let element = public(F::from_u64(secret(77)));
        assert_eq!(element.map(F::to_integer), Some(77));
    }
    of::<Field32>();
    of::<Field40>();
    of::<Field64>();
    of::<Field128>();
}

pub(crate) fn transforms() {
    fn of<F: Field>() {
        let coefficients: Vec<F> = (0..16).filter_map(F::from_u64).collect();
        let ntt = Ntt::<F>::new(4).expect("a length with roots");
        let mut values = secrets(&coefficients);
        let at = public(eval(&values, secret(F::ONE + F::ONE)));
        let expected: i128 = (0..16).map(|i| i << i).sum();
        assert_eq!(at.to_integer(), expected);
        ntt.forward(&mut values);
        let mut odd = vec![F::ZERO; 16];
        ntt.double(&values, &mut odd);
        ntt.inverse(&mut values);
        assert!(publics(&values) == coefficients);
        // f at the first odd power of the doubled length's root.
        let root = F::root(5).expect("a root");
        assert!(publics(&odd)[0] == eval(&coefficients, root));
    }
    of::<Field32>();
    of::<Field40>();
    of::<Field64>();
    of::<Field128>();
}

/// Inner products with the public rows of PINE's wrap-around checks.
pub(crate) fn ternary() {
    const ROWS: usize = 5;
    let stream = || XofHmacSha256Aes128::init(&[3; 32], b"rows").finish();
    let integers: Vec<i64> = (0..150).map(|i| (i - 75) * 1001).collect();
    let expected = dots_integers(&integers, ROWS, &mut stream());
    let sums = dots_integers(&secrets(&integers), ROWS, &mut stream());
    assert_eq!(publics(&sums), *expected);
    let elements: Vec<Field64> = integers.iter().filter_map(|x| Field64::from_i64(*x)).collect();
    let sums = dots(&secrets(&elements), ROWS, &mut stream());
    assert_eq!(integers_of(&sums), *expected);
}
