//! Proofs and shares that a site made up, and preparation shares that a node did
//! (`haima_crypto::pine`), for four coordinates and two nodes.

use haima_crypto::field::Field64;
use haima_crypto::pine::{Params, Pine};
use haima_crypto::share::Aggregate;
use haima_crypto::xof::XofHmacSha256Aes128;

use super::tools::{Cut, rng, sized, tagged};

type Proof = Pine<Field64, XofHmacSha256Aes128>;

const LEN: usize = 4;
const VERIFY_KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 16] = [9; 16];

fn proof() -> Proof {
    Pine::new(Params::new::<Field64>(LEN, 1000, 2).unwrap()).unwrap()
}

pub(crate) fn run(bytes: &[u8]) {
    let (pine, mut cut) = (proof(), Cut(bytes));
    let tag = cut.byte();
    let position = usize::from(tag & 1);
    // With and without the right lengths.
    let fit = |bytes: &[u8], len| if tag & 2 == 0 { sized(bytes, len) } else { bytes.to_vec() };
    let public = fit(cut.take(pine.public_share_len()), pine.public_share_len());
    match (tag >> 2) & 3 {
        0 | 1 => {
            let share = fit(cut.0, pine.share_len(position));
            let prep = || {
                let made = pine.prep(&VERIFY_KEY, position, &NONCE, &public, &share);
                made.map(|(_, prep)| prep).ok()
            };
            let first = prep();
            assert!(first == prep(), "another preparation share of the same submission");
            assert!(first.is_none_or(|prep| prep.len() == pine.prep_share_len()));
        }
        2 => {
            let each = pine.prep_share_len();
            let preps = [fit(cut.take(each), each), fit(cut.0, each)];
            let [a, b] = &preps;
            let _ = pine.decide(&public, &[&a[..], &b[..]]);
        }
        _ => {
            let mut sum = Aggregate::<Field64>::new(position, LEN);
            let before = sum.to_bytes();
            if pine.accumulate(position, &fit(cut.0, pine.share_len(position)), &mut sum).is_err() {
                assert!(sum.to_bytes() == before, "a refused share changed the sum");
            }
        }
    }
}

/// An honest submission, and what two nodes make of it: accepted.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let pine = proof();
    let made = pine.shard(&[1, -20, 300, -400], &NONCE, &mut rng()).unwrap();
    let preps: Vec<Vec<u8>> = (0..2)
        .map(|at| pine.prep(&VERIFY_KEY, at, &NONCE, &made.public, &made.shares[at]).unwrap().1)
        .collect();
    pine.decide(&made.public, &[&preps[0][..], &preps[1][..]]).unwrap();
    let with = |tag: u8, rest: &[u8]| tagged(tag, &[&made.public[..], rest].concat());
    vec![
        with(0, &made.shares[0]),
        with(1, &made.shares[1]),
        with(8, &preps.concat()),
        with(12, &made.shares[0]),
        with(13, &made.shares[1]),
    ]
}
