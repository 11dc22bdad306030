//! Vectors: expansion, sharing, checks, transforms, PINE. Stand for `crypto/src/{xof,share,field,
//! flp,pine}`.

use std::hint::black_box;

use haima_crypto::encode::Digest;
use haima_crypto::field::ntt::Ntt;
use haima_crypto::field::{Field, Field64, ternary};
use haima_crypto::pine::{NONCE, Params, Pine, Sharding};
use haima_crypto::share::{Aggregate, Share, split};
use haima_crypto::xof::{Xof, XofHmacSha256Aes128, XofTurboShake128, fill_elements};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::Ready;

const LEN: usize = 10_000;
/// Coordinates where a path costs more for each.
const FEW: usize = 2_000;
const PARTIES: usize = 2;
const NONCE_OF_REPORT: [u8; NONCE] = [9; NONCE];

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

fn aes() -> <XofHmacSha256Aes128 as Xof>::Stream {
    XofHmacSha256Aes128::init(&[7; 32], b"bench").finish()
}

fn elements(len: usize) -> Vec<Field64> {
    let mut values = vec![Field64::ZERO; len];
    fill_elements(&mut aes(), &mut values);
    values
}

fn integers() -> Vec<i64> {
    (0..LEN as i64).map(|i| i * 7919 - 1_000_000).collect()
}

/// 10,000 elements of the 64-bit field.
pub(crate) fn xof_aes() -> Ready {
    let mut values = elements(LEN);
    Ready::new(20, move || {
        fill_elements(&mut aes(), &mut values);
        black_box(&values);
    })
}

/// 2,000 elements.
pub(crate) fn xof_turboshake() -> Ready {
    let mut values = elements(FEW);
    Ready::new(20, move || {
        let mut stream = XofTurboShake128::init(&[7; 16], b"bench").finish();
        fill_elements(&mut stream, &mut values);
        black_box(&values);
    })
}

/// 10,000 integers between two parties.
pub(crate) fn share_split() -> Ready {
    let (values, context, mut rng) = (integers(), Digest::of(b"bench"), rng());
    Ready::new(20, move || {
        black_box(split::<Field64, _>(&values, PARTIES, &context, &mut rng).expect("a sharing"));
    })
}

/// Both parties add their share of 10,000 integers.
pub(crate) fn share_sum() -> Ready {
    let context = Digest::of(b"bench");
    let shares = split::<Field64, _>(&integers(), PARTIES, &context, &mut rng());
    let shares: Vec<_> = shares.expect("a sharing").iter().map(Share::to_bytes).collect();
    let mut sums: Vec<_> =
        (0..PARTIES).map(|position| Aggregate::<Field64>::new(position, LEN)).collect();
    Ready::new(20, move || {
        for (sum, share) in sums.iter_mut().zip(&shares) {
            sum.add_bytes(&context, share).expect("a share");
        }
    })
}

/// 100 rows of checks over 2,000 elements.
pub(crate) fn checks() -> Ready {
    let values = elements(FEW);
    Ready::new(20, move || {
        black_box(ternary::dots(&values, 100, &mut aes()));
    })
}

/// 512 points there and back.
pub(crate) fn transform() -> Ready {
    let ntt = Ntt::<Field64>::new(9).expect("a transform");
    let mut values = elements(ntt.len());
    Ready::new(20, move || {
        ntt.forward(&mut values);
        ntt.inverse(&mut values);
        black_box(&values);
    })
}

type Prover = Pine<Field64, XofHmacSha256Aes128>;

/// The parameters that rounds have, 2,000 coordinates.
fn pine() -> (Prover, Vec<i64>) {
    let params = Params::new::<Field64>(FEW, 1 << 15, PARTIES).expect("parameters");
    let values = (0..FEW as i64).map(|i| i * 7919 % 61 - 30).collect();
    (Pine::new(params).expect("parameters"), values)
}

pub(crate) fn pine_shard() -> Ready {
    let ((pine, values), mut rng) = (pine(), rng());
    Ready::new(10, move || {
        black_box(pine.shard(&values, &NONCE_OF_REPORT, &mut rng).expect("within the bound"));
    })
}

pub(crate) fn pine_prep_leader() -> Ready {
    pine_prep(0)
}

pub(crate) fn pine_prep_helper() -> Ready {
    pine_prep(1)
}

fn pine_prep(position: usize) -> Ready {
    let (pine, values) = pine();
    let sharing = pine.shard(&values, &NONCE_OF_REPORT, &mut rng()).expect("within the bound");
    let Sharding { public, shares } = sharing;
    Ready::new(10, move || {
        let share = &shares[position];
        let prepared = pine.prep(&[3; 32], position, &NONCE_OF_REPORT, &public, share);
        black_box(prepared.expect("a share"));
    })
}
