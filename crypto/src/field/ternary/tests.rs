//! Against the definition, entry by entry.

use proptest::prelude::*;

use super::*;
use crate::field::{Field32, Field40, Field64, Field128};
use crate::xof::{Xof, XofHmacSha256Aes128, XofTurboShake128, fill_elements};

/// The definition: entry i of row k, one bit pair at a time.
fn entries(len: usize, rows: usize, stream: &mut impl ByteStream) -> Vec<Vec<i64>> {
    (0..rows)
        .map(|_| {
            let mut bytes = vec![0; len.div_ceil(4)];
            stream.fill(&mut bytes);
            let entry = |i: usize| match bytes[i / 4] >> (2 * (i % 4)) & 3 {
                0 => -1,
                3 => 1,
                _ => 0,
            };
            (0..len).map(entry).collect()
        })
        .collect()
}

fn aes(seed: u8) -> <XofHmacSha256Aes128 as Xof>::Stream {
    XofHmacSha256Aes128::init(&[seed; 32], b"rows").finish()
}

fn turbo(seed: u8) -> <XofTurboShake128 as Xof>::Stream {
    XofTurboShake128::init(&[seed; 16], b"rows").finish()
}

fn next<S: ByteStream>(mut stream: S) -> [u8; 8] {
    let mut bytes = [0; 8];
    stream.fill(&mut bytes);
    bytes
}

fn check<F: Field>(len: usize, rows: usize, seed: u8) {
    let mut values = vec![-F::ONE; len];
    fill_elements(&mut turbo(seed ^ 1), &mut values[len / 2..]);
    let slow = |matrix: Vec<Vec<i64>>| -> Vec<F> {
        matrix
            .iter()
            .map(|row| {
                row.iter()
                    .zip(&values)
                    .fold(F::ZERO, |sum, (r, x)| sum + F::from_i64(*r).unwrap() * *x)
            })
            .collect()
    };
    let (mut ours, mut reference) = (aes(seed), aes(seed));
    assert_eq!(*dots(&values, rows, &mut ours), slow(entries(len, rows, &mut reference)));
    assert_eq!(next(ours), next(reference), "the stream stands behind the last row");
    let (mut ours, mut reference) = (turbo(seed), turbo(seed));
    assert_eq!(*dots(&values, rows, &mut ours), slow(entries(len, rows, &mut reference)));
    assert_eq!(next(ours), next(reference), "the stream stands behind the last row");
}

#[test]
fn field_elements_give_what_the_definition_gives() {
    for len in [0, 1, 3, 4, 5, 127, 128, 129, 2047, 2048, 2049, 8191, 8192, 8193, 20_000] {
        let rows = if len < 3000 { 7 } else { 3 };
        check::<Field32>(len, rows, 1);
        check::<Field40>(len, rows, 2);
        check::<Field64>(len, rows, 3);
        check::<Field128>(len, rows, 4);
    }
    check::<Field64>(70_000, 2, 6);
    check::<Field64>(300, 0, 5);
    check::<Field64>(300, 300, 5);
}

proptest! {
    #[test]
    fn integers_give_what_the_definition_gives(
        values in prop::collection::vec(
            prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -9i64..9], 0..600),
        rows in 0usize..5,
        seed: u8,
    ) {
        let matrix = entries(values.len(), rows, &mut aes(seed));
        let slow: Vec<i128> = matrix
            .iter()
            .map(|row| row.iter().zip(&values).map(|(r, x)| i128::from(*r) * i128::from(*x)).sum())
            .collect();
        prop_assert_eq!(&*dots_integers(&values, rows, &mut aes(seed)), &slow);
    }
}
