//! crypto/src/{pine,flp}: a client's sharing and proofs, a node's preparation.
//!
//! Public: that the norm is within the bound and the checks pass (an honest client's do, but for
//! 2^-101; otherwise it draws again), which keystream words are thrown away, that digits and bits
//! are below the modulus, that a share is canonical, that a query point is no root of unity.

use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::pine::{NONCE, Params, Pine, Sharding};
use haima_crypto::share::{Aggregate, combine};
use haima_crypto::xof::XofHmacSha256Aes128;
use haima_proofs_ct::memcheck::{publics, secret, secrets};
use haima_proofs_ct::setting::{SecretRng, public_rng};

const VALUES: [i64; 6] = [3, -700, 0, 12, 5, -1];
const BOUND: u64 = 1 << 10;
const NODES: usize = 2;
const NONCE_OF_REPORT: [u8; NONCE] = [4; NONCE];
const VERIFY_KEY: [u8; 32] = [6; 32];

type Aes<F> = Pine<F, XofHmacSha256Aes128>;

/// With the shipped numbers of checks and proofs.
fn pine<F: Field>() -> Aes<F> {
    let params = Params::new::<F>(VALUES.len(), BOUND, NODES).expect("parameters");
    Pine::new(params).expect("parameters")
}

pub(crate) fn shard64() {
    shard::<Field64>();
}

pub(crate) fn shard128() {
    shard::<Field128>();
}

fn shard<F: Field>() {
    let pine = pine::<F>();
    let rng = &mut SecretRng::new(10);
    let report = pine.shard(&secrets(&VALUES), &NONCE_OF_REPORT, rng).expect("within the bound");
    let mut released = Vec::new();
    for (position, share) in report.shares.iter().enumerate() {
        let mut sum = Aggregate::<F>::new(position, VALUES.len());
        pine.accumulate(position, &publics(share), &mut sum).expect("a share");
        released.push(sum.to_bytes());
    }
    let released: Vec<&[u8]> = released.iter().map(Vec::as_slice).collect();
    let sum = combine::<F>(&released, VALUES.len()).expect("sums");
    assert_eq!(sum, VALUES.map(i128::from));
}

pub(crate) fn prep_leader() {
    prep(0);
}

pub(crate) fn prep_helper() {
    prep(1);
}

/// One node's share and the verify key are secret. Its prep share is told to the other nodes, and
/// all accept.
fn prep(position: usize) {
    let pine = pine::<Field64>();
    let Sharding { public, shares } =
        pine.shard(&VALUES, &NONCE_OF_REPORT, &mut public_rng(10)).expect("within the bound");
    let own = secrets(&shares[position]);
    let prepared = pine.prep(&secret(VERIFY_KEY), position, &NONCE_OF_REPORT, &public, &own);
    let own = publics(&prepared.expect("a share").1);
    let other = 1 - position;
    let prepared = pine.prep(&VERIFY_KEY, other, &NONCE_OF_REPORT, &public, &shares[other]);
    let other = prepared.expect("a share").1;
    let prep_shares: [&[u8]; NODES] = if position == 0 { [&own, &other] } else { [&other, &own] };
    pine.decide(&public, &prep_shares).expect("a true proof");
    let mut sum = Aggregate::<Field64>::new(position, VALUES.len());
    let share = secrets(&shares[position]);
    pine.accumulate(position, &share, &mut sum).expect("a share");
}
