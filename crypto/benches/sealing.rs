//! Sealing and opening of shares, beside AES-256 keystream with a copy, and beside what it is built
//! on: hpke with the same suite in one piece, and AES-GCM without any key exchange. One thread.
//! `cargo bench -p haima-crypto --bench sealing`; quote the ratios at the end.

use std::hint::black_box;

use aes::Aes256;
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use ctr::Ctr32BE;
use ctr::cipher::KeyIvInit;
use haima_crypto::seal::SealingKey;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Kem, OpModeR, OpModeS};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

#[path = "../../benches/common/contest.rs"]
mod contest;
mod floor;

use contest::Contest;
use floor::{ROOM, keystream};

const AAD: &[u8] = b"round, site, node";
const INFO: &[u8] = b"bench";
const LONG: usize = 8_000_000;
const SHORT: usize = 1_000;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

/// Keystream of a share's length, and a copy of it.
fn bare(share: Vec<u8>) -> impl FnMut() {
    let mut room = vec![0u8; ROOM];
    move || {
        let cipher = <Ctr32BE<Aes256> as KeyIvInit>::new(&[7u8; 32].into(), &[0u8; 16].into());
        keystream(cipher, share.len(), &mut room);
        black_box(black_box(&share).clone());
    }
}

fn one_piece(share: Vec<u8>) -> impl FnMut() {
    let cipher = <Aes256Gcm as KeyInit>::new(&[7u8; 32].into());
    move || {
        let mut sealed = black_box(&share).clone();
        let tag = cipher
            .encrypt_inout_detached(&[0u8; 12].into(), AAD, sealed.as_mut_slice().into())
            .unwrap();
        sealed.extend_from_slice(&tag);
        black_box(sealed);
    }
}

fn contests(len: usize, names: [&'static str; 2]) -> Vec<Contest<'static>> {
    let (mut rng, share) = (rng(), vec![5u8; len]);
    let key = SealingKey::generate(&mut rng);
    let (to, own) = (key.public(), share.clone());
    let sealed = to.seal(AAD, &share, &mut rng).unwrap();
    let (private, public) = XWing::gen_keypair_with_rng(&mut rng);
    let theirs = share.clone();
    let (head, mut context) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, XWing>(
        &OpModeS::Base,
        &public,
        INFO,
        &mut rng,
    )
    .unwrap();
    let body = context.seal(&share, AAD).unwrap();
    let (mut our_rng, mut their_rng) = (rng.clone(), rng);
    let seal = move || {
        black_box(to.seal(AAD, black_box(&own), &mut our_rng).unwrap());
    };
    let open = move || {
        black_box(key.open(AAD, black_box(&sealed)).unwrap());
    };
    let hpke_seal = move || {
        let (head, mut context) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Base,
            &public,
            INFO,
            &mut their_rng,
        )
        .unwrap();
        let body = context.seal(black_box(&theirs), AAD).unwrap();
        black_box((head, body));
    };
    let hpke_open = move || {
        let mut context = hpke::setup_receiver::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            &private,
            &head,
            INFO,
        )
        .unwrap();
        black_box(context.open(black_box(&body), AAD).unwrap());
    };
    let [sealing, opening] = names;
    let floor = "floor: keystream and a copy";
    vec![
        Contest::new(sealing, seal)
            .against(floor, bare(share.clone()))
            .against("hpke, one piece", hpke_seal)
            .against("aes-gcm alone, one piece", one_piece(share.clone())),
        Contest::new(opening, open)
            .against(floor, bare(share))
            .against("hpke, one piece", hpke_open),
    ]
}

fn main() {
    let long = contests(LONG, ["seal 8 MB", "open 8 MB"]);
    let short = contests(SHORT, ["seal 1 kB", "open 1 kB"]);
    contest::measure(long.into_iter().chain(short).collect(), 31);
}
