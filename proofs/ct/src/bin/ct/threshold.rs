//! crypto/src/{shamir,reshare,vss}: threshold sharing of vectors, seeds and scalars.
//!
//! Public: which random words are thrown away, that a seed's limbs are limbs, that shares are
//! canonical and agree. Who holds which share is public: weights are computed of it.

use haima_crypto::encode::Digest;
use haima_crypto::field::{Field, Field64};
use haima_crypto::reshare::{self, Point, deal};
use haima_crypto::secret::Seed;
use haima_crypto::shamir::{Basis, Share, Threshold, recover, share, share_seed};
use haima_crypto::share::{Aggregate, split};
use haima_crypto::vss;
use haima_proofs_ct::memcheck::{public, publics, secret, secrets};
use haima_proofs_ct::setting::{SecretRng, public_rng};

fn threshold() -> Threshold {
    Threshold::new(3, 5).expect("a threshold")
}

fn elements() -> Vec<Field64> {
    [7, -9, 0, 1 << 40, -1, 2].into_iter().filter_map(Field64::from_i64).collect()
}

fn shares() -> Vec<Share<Field64>> {
    share(&secrets(&elements()), threshold(), &mut SecretRng::new(2))
}

fn basis() -> Basis<Field64> {
    Basis::new(3, &[1, 3, 5]).expect("three of five")
}

pub(crate) fn vector() {
    let mut shares = shares();
    let doubled = shares.clone();
    for (share, other) in shares.iter_mut().zip(&doubled) {
        share.add(other).expect("shares of one sharing");
    }
    let sum = basis().reconstruct(shares.iter().step_by(2)).expect("three shares");
    let expected: Vec<Field64> = elements().iter().map(|element| *element + *element).collect();
    assert!(publics(&sum) == expected);
}

pub(crate) fn seed() {
    let seed = Seed::from_bytes(secret([0xa5; 32]));
    let shares = share_seed(&seed, threshold(), &mut SecretRng::new(3));
    let seed = basis().reconstruct_seed(shares.iter().step_by(2)).expect("three shares");
    assert_eq!(public(*seed.expose()), [0xa5; 32]);
}

pub(crate) fn bytes() {
    let first = shares().swap_remove(0);
    let again = Share::<Field64>::from_bytes(&first.to_bytes(), 6).expect("a share");
    assert!(publics(again.values()) == publics(first.values()));
}

/// Right shares, among which wrong ones are looked for.
pub(crate) fn recovering() {
    let (vector, wrong) = recover(&shares(), &mut public_rng(4)).expect("right shares");
    assert!(wrong.is_empty() && publics(&vector) == elements());
}

/// From additive shares of a sum to points of it.
pub(crate) fn resharing() {
    const LEN: usize = 3;
    let (context, threshold) = (Digest::of(b"round"), Threshold::new(2, 3).expect("a threshold"));
    let rng = &mut SecretRng::new(5);
    let additive = split::<Field64, _>(&secrets(&[4, -5, 6]), 3, &context, rng).expect("shares");
    let mut points = [(); 3].map(|()| Point::<Field64>::new(LEN));
    for (position, share) in additive.iter().enumerate() {
        let mut own = Aggregate::<Field64>::new(position, LEN);
        own.add_bytes(&context, &share.to_bytes()).expect("a share");
        for (point, dealt) in points.iter_mut().zip(deal(&own, threshold, rng)) {
            point.add(&dealt).expect("a sub-share");
        }
    }
    // Two points are released.
    let released: Vec<Vec<u8>> = points.iter().map(|point| publics(&point.to_bytes())).collect();
    let released: Vec<(u32, &[u8])> = (1..).zip(released.iter().map(Vec::as_slice)).collect();
    let sum = reshare::combine::<Field64, _>(&released[1..], threshold, LEN, &mut public_rng(6));
    assert_eq!(sum.expect("two points"), (vec![4, -5, 6], vec![]));
}

/// Pedersen's scheme, of which Feldman's is a part.
pub(crate) fn verifiable() {
    let scalar = secret(vss::Scalar::from(77u64));
    let threshold = Threshold::new(2, 3).expect("a threshold");
    let rng = &mut SecretRng::new(7);
    let (_, shares) = vss::share(vss::Scheme::Pedersen, &scalar, threshold, rng);
    let scalar = vss::reconstruct(2, &shares[1..]).expect("two shares");
    assert!(public(*scalar) == vss::Scalar::from(77u64));
}
