//! crypto/src/share.rs: additive sharing, the servers' sums with their noise, reconstruction.
//!
//! Public: that integers fit the field, that a share's bytes are canonical, which keystream words
//! are thrown away; and what the servers release, which is what `combine` is given.

use haima_crypto::encode::Digest;
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::share::{Aggregate, combine, split};
use haima_proofs_ct::memcheck::{publics, secrets};
use haima_proofs_ct::setting::SecretRng;

const VALUES: [i64; 5] = [3, -1, 0, 1 << 30, -7];
const NOISE: [i64; 5] = [1, 0, -2, 0, 5];
const SUM: [i128; 5] = [6, -1, -6, 1 << 30, 8];

pub(crate) fn field64() {
    add_up(&sums::<Field64>());
}

pub(crate) fn field128() {
    add_up(&sums::<Field128>());
}

/// Reconstruction of a sum that nobody has been told yet.
pub(crate) fn combining() {
    let released = [1_u8, 2].map(|low| secrets(&[low, 0, 0, 0, 0, 0, 0, 0]));
    let released: Vec<&[u8]> = released.iter().map(Vec::as_slice).collect();
    let sum = combine::<Field64>(&released, 1).expect("canonical bytes");
    assert_eq!(publics(&sum), [3]);
}

/// Three servers' sums over one site, each with the same noise.
fn sums<F: Field>() -> Vec<Aggregate<F>> {
    let context = Digest::of(b"round and site");
    let values = secrets(&VALUES);
    let shares = split::<F, _>(&values, 3, &context, &mut SecretRng::new(1)).expect("a sharing");
    let sums = shares.iter().enumerate().map(|(position, share)| {
        let mut sum = Aggregate::<F>::new(position, VALUES.len());
        sum.add_bytes(&context, &share.to_bytes()).expect("a share");
        sum.add_integers(&secrets(&NOISE)).expect("noise");
        sum
    });
    sums.collect()
}

/// The servers release their sums.
fn add_up<F: Field>(sums: &[Aggregate<F>]) {
    let released: Vec<Vec<u8>> = sums.iter().map(|sum| publics(&sum.to_bytes())).collect();
    let released: Vec<&[u8]> = released.iter().map(Vec::as_slice).collect();
    assert_eq!(combine::<F>(&released, VALUES.len()).expect("sums"), SUM);
}
