use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT as G;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

const BOTH: [Scheme; 2] = [Scheme::Feldman, Scheme::Pedersen];

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn threshold(need: u32, of: u32) -> Threshold {
    Threshold::new(need, of).unwrap()
}

#[test]
fn every_share_verifies_and_any_r_reconstruct() {
    let mut rng = rng(1);
    for scheme in BOTH {
        for (need, of) in [(1, 1), (1, 3), (2, 3), (5, 5), (4, 9)] {
            let secret = random_scalar(&mut rng);
            let (commitment, mut shares) = share(scheme, &secret, threshold(need, of), &mut rng);
            assert_eq!((commitment.scheme(), commitment.need()), (scheme, need));
            for share in &shares {
                commitment.verify(share).unwrap();
                let again = Share::from_bytes(&share.to_bytes()).unwrap();
                commitment.verify(&again).unwrap();
            }
            let again = Commitment::from_bytes_for(need, &commitment.to_bytes());
            assert_eq!(again.as_ref(), Ok(&commitment));
            for _ in 0..of {
                shares.rotate_left(1);
                assert_eq!(*reconstruct(need, &shares[..need as usize]).unwrap(), secret);
            }
            let public = commitment.public();
            assert_eq!(public, (scheme == Scheme::Feldman).then(|| secret * G));
        }
    }
}

/// By the definition, without the code under test: f(i) G + g(i) H with powers one by one.
#[test]
fn commitments_are_to_the_polynomials() {
    let h = BLINDING.basepoint();
    assert_ne!(h, G);
    for scheme in BOTH {
        let (commitment, shares) = share(scheme, &Scalar::from(5u64), threshold(3, 4), &mut rng(2));
        let [a, b, c] = commitment.points[..] else { panic!("three commitments") };
        for share in &shares {
            let i = Scalar::from(share.index);
            assert_eq!(share.value * G + share.blinding * h, a + i * b + i * i * c);
        }
    }
}

#[test]
fn a_changed_share_index_commitment_or_scheme_is_refused() {
    for scheme in BOTH {
        let mut rng = rng(3);
        let secret = random_scalar(&mut rng);
        let (commitment, shares) = share(scheme, &secret, threshold(3, 5), &mut rng);
        let refused = Err(Error::Uncommitted { index: 2 });
        let mut changed = shares[1].clone();
        changed.value += Scalar::ONE;
        assert_eq!(commitment.verify(&changed), refused);
        let mut changed = shares[1].clone();
        changed.blinding += Scalar::ONE;
        assert_eq!(commitment.verify(&changed), refused);
        let mut changed = shares[0].clone();
        changed.index = 2;
        assert_eq!(commitment.verify(&changed), refused);
        for at in 0..3 {
            let mut changed = commitment.clone();
            changed.points[at] += G;
            assert_eq!(changed.verify(&shares[1]), refused);
        }
        let mut shorter = commitment.clone();
        shorter.points.pop();
        assert_eq!(shorter.verify(&shares[1]), refused);
        let (other, _) = share(scheme, &secret, threshold(3, 5), &mut rng);
        assert_eq!(other.verify(&shares[1]), refused);
    }
    // A Pedersen share of a dealer that blinds with zero is no Feldman share by accident.
    let (mut commitment, shares) =
        share(Scheme::Pedersen, &Scalar::ONE, threshold(2, 2), &mut rng(4));
    commitment.scheme = Scheme::Feldman;
    assert!(commitment.verify(&shares[0]).is_err());
}

#[test]
fn sums_of_shares_verify_against_sums_of_commitments() {
    let mut rng = rng(5);
    for scheme in BOTH {
        let secrets = [(); 3].map(|()| random_scalar(&mut rng));
        let mut dealt = secrets.map(|secret| share(scheme, &secret, threshold(3, 5), &mut rng));
        let [(commitment, shares), others @ ..] = &mut dealt;
        for (other, more) in &*others {
            commitment.add(other).unwrap();
            for (share, more) in shares.iter_mut().zip(more) {
                share.add(more).unwrap();
            }
        }
        for share in &*shares {
            commitment.verify(share).unwrap();
        }
        let sum: Scalar = secrets.iter().sum();
        assert_eq!(*reconstruct(3, &shares[2..]).unwrap(), sum);
        assert!(others[0].0.verify(&shares[0]).is_err());
        let refused = shares[0].clone().add(&others[0].1[1]);
        assert!(matches!(refused, Err(Error::ShareMismatch { index: 2, expected: 1, got: 2, .. })));
    }
    let (mut feldman, _) = share(Scheme::Feldman, &Scalar::ONE, threshold(2, 2), &mut rng);
    let (pedersen, _) = share(Scheme::Pedersen, &Scalar::ONE, threshold(2, 2), &mut rng);
    let (longer, _) = share(Scheme::Feldman, &Scalar::ONE, threshold(3, 3), &mut rng);
    assert!(feldman.add(&pedersen).is_err());
    assert!(feldman.add(&longer).is_err());
}

#[test]
fn two_sharings_of_one_secret_show_it_only_under_feldman() {
    let mut rng = rng(6);
    for scheme in BOTH {
        let [a, b] =
            [(); 2].map(|()| share(scheme, &Scalar::from(9u64), threshold(2, 3), &mut rng).0);
        assert_eq!(a.points[0] == b.points[0], scheme == Scheme::Feldman);
        assert_ne!(a.points[1], b.points[1]);
    }
}

#[test]
fn commitments_of_another_length_or_scheme_are_refused() {
    let (commitment, _) = share(Scheme::Feldman, &Scalar::ONE, threshold(3, 3), &mut rng(7));
    let bytes = commitment.to_bytes();
    let too_many = Commitment::from_bytes_for(2, &bytes);
    assert!(matches!(too_many, Err(Error::Encoding { problem: "more items than allowed", .. })));
    let too_few = Commitment::from_bytes_for(4, &bytes);
    assert_eq!(too_few, Err(Error::Length { what: "commitments", expected: 4, got: 3 }));
    let header = |scheme: u8, count: u32| {
        let mut to = Encoder::new(Commitment::LABEL);
        to.u8(scheme).u32(count);
        to.finish()
    };
    for (bytes, problem) in [
        (header(0, u32::MAX), "more items than allowed"),
        (header(0, 1000), "too short"),
        (header(0, 0), "no commitments"),
        (header(2, 1), "unknown scheme"),
        ([header(1, 1), vec![0xff; 32]].concat(), "not a point"),
        ([&bytes[..], &[0]].concat(), "bytes left over"),
    ] {
        let refused = Commitment::from_bytes(&bytes);
        assert!(
            matches!(refused, Err(Error::Encoding { problem: p, .. }) if p == problem),
            "{problem}"
        );
    }
}

#[test]
fn bad_shares_are_refused() {
    let (_, shares) = share(Scheme::Pedersen, &Scalar::ONE, threshold(2, 3), &mut rng(8));
    let bytes = shares[0].to_bytes();
    let index = 4 + SHARE_LABEL.len();
    for (at, value) in [(index, 0), (index + 2, 1), (index + 4 + 31, 0xff), (index + 36 + 31, 0xff)]
    {
        let mut changed = bytes.to_vec();
        changed[at] = value;
        assert!(Share::from_bytes(&changed).is_err(), "byte {at}");
    }
    for len in 0..bytes.len() {
        assert!(Share::from_bytes(&bytes[..len]).is_err());
    }
    let got = |shares: &[Share]| reconstruct(2, shares).map(|_| ());
    assert_eq!(got(&shares[..1]), Err(Error::TooFewShares { got: 1, need: 2 }));
    let twice = [shares[0].clone(), shares[0].clone()];
    assert_eq!(got(&twice), Err(Error::DuplicateShare { index: 1 }));
    assert!(format!("{:?}", shares[0]).contains("redacted"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        label in 0..3,
    ) {
        let mut input = match label {
            0 => Vec::new(),
            1 => Encoder::new(Commitment::LABEL).finish(),
            _ => Encoder::new(SHARE_LABEL).finish(),
        };
        input.extend(bytes);
        if let Ok(commitment) = Commitment::from_bytes(&input) {
            prop_assert_eq!(commitment.to_bytes(), input.clone());
        }
        if let Ok(share) = Share::from_bytes(&input) {
            prop_assert_eq!(&*share.to_bytes(), &input);
        }
    }
}
