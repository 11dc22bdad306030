//! The types that are to be wiped, what of each is looked for, and controls.
//!
//! `make` gives the value that is to be dropped, or none when the secret lives only inside a call:
//! then the scan is after the call. `needle` gives the bytes, in another process.

mod patients;

use std::any::Any;
use std::convert::Infallible;
use std::hint::black_box;

use haima_crypto::encode::{Digest, Encoder};
use haima_crypto::field::{Field64, encode_vec};
use haima_crypto::identity::IdentityKey;
use haima_crypto::kdf::derive;
use haima_crypto::pine::{NONCE, Params, Pine, Sharding};
use haima_crypto::reshare::{Point, deal};
use haima_crypto::seal::{ChunkKey, HEAD, SealingKey};
use haima_crypto::secagg::mask::{Accumulator, mask};
use haima_crypto::secagg::{Advertising, EpochContext, PairKeys, Prg, Ring, Shared};
use haima_crypto::secret::Seed;
use haima_crypto::shamir::{self, Basis, Threshold, share_seed};
use haima_crypto::share::{self, Aggregate, split};
use haima_crypto::vss;
use haima_crypto::xof::XofHmacSha256Aes128;
use haima_dp::noise::noise_stream;
use haima_proofs_ct::setting;
use rand_core::{Rng, TryCryptoRng, TryRng};
use zeroize::Zeroizing;

use patients::{
    PATIENT, adaptive_finish, adaptive_steps, adaptive_sum, batch, clipped_sum, noise, sampler,
    steps, taken,
};

type Value = Option<Box<dyn Any>>;

/// One type, or one call.
pub(crate) struct Case {
    /// Its name in expected.txt.
    pub(crate) name: &'static str,
    /// The bytes that are looked for.
    pub(crate) needle: fn() -> Vec<u8>,
    /// The value to drop, if there is one.
    pub(crate) make: fn() -> Value,
}

const fn case(name: &'static str, needle: fn() -> Vec<u8>, make: fn() -> Value) -> Case {
    Case { name, needle, make }
}

pub(crate) const CASES: &[Case] = &[
    case("wipe_control_box", pattern32, || Some(Box::new(*seed_bytes()))),
    case("wipe_control_vector", pattern32, || Some(Box::new(pattern(64).to_vec()))),
    case("wipe_control_grown", pattern32, grown),
    case("wipe_control_moved", pattern32, moved),
    case("wipe_control_stack", pattern32, plain_on_stack),
    case("wipe_stack", pattern32, wiped_on_stack),
    case("wipe_seed", pattern32, || Some(Box::new(seed()))),
    case("wipe_seed_moved", pattern32, || Some(Box::new(grown_of(seed)))),
    case("wipe_share_vector", pattern32, || Some(Box::new(share_at(0)))),
    case("wipe_share_seed", pattern32, || Some(Box::new(share_at(1)))),
    case("wipe_share_bytes", pattern32, || Some(Box::new(share_at(0).to_bytes()))),
    case("wipe_split", || sharing()[2].to_bytes().to_vec(), || Some(Box::new(sharing()))),
    case("wipe_aggregate", pattern32, || Some(Box::new(aggregate()))),
    case("wipe_aggregate_noise", pattern32, aggregate_of_integers),
    case("wipe_shamir_share", || encode_vec(dealt()[1].values()), || Some(Box::new(dealt()))),
    case("wipe_shamir_seed", pattern32, || Some(Box::new(reconstructed()))),
    case("wipe_shamir_secret", limbs, shamir_secret),
    case("wipe_reshare", || dealt_again().remove(1).to_vec(), || Some(Box::new(dealt_again()))),
    case("wipe_reshare_point", pattern32, point),
    case("wipe_vss_share", || scalar_share().value().as_bytes().to_vec(), vss_share),
    case("wipe_vss_secret", || scalar().as_bytes().to_vec(), vss_secret),
    case("wipe_accumulator", pattern32, || Some(Box::new(accumulator()))),
    case("wipe_mask_vector", pattern32, || masked(Prg::Aes128)),
    case("wipe_mask_aes_key", || mask_key("mask aes128", 0), || masked(Prg::Aes128)),
    case("wipe_mask_aes_counter", || mask_key("mask aes128", 16), || masked(Prg::Aes128)),
    case("wipe_mask_chacha_key", || mask_key("mask chacha20", 0), || masked(Prg::ChaCha20)),
    case("wipe_advertising", pattern32, || Some(Box::new(advertising()))),
    case("wipe_pair_keys", || pair_key(8).to_vec(), || Some(Box::new(pair_keys()))),
    case("wipe_round_keys", round_key, || Some(Box::new(started()))),
    case("wipe_chunk_key", pattern16, || Some(Box::new(ChunkKey::new(&seed())))),
    case("wipe_sealing_key", pattern32, || Some(Box::new(sealing_key()))),
    case("wipe_sealing_bytes", pattern32, || Some(Box::new(sealing_key().to_bytes()))),
    case("wipe_chunk_seed", || chunk_seed().expose().to_vec(), || Some(Box::new(chunk_seed()))),
    case("wipe_opened", pattern32, || Some(Box::new(opened()))),
    case("wipe_identity_key", pattern32, || Some(Box::new(identity()))),
    case("wipe_identity_moved", pattern32, || Some(Box::new(grown_of(identity)))),
    case("wipe_pine_vector", pine_vector, || pine_shard(false)),
    case("wipe_pine_helper", || pine_report().shares.remove(1).to_vec(), || pine_shard(true)),
    case("wipe_pine_prep", helper_vector, pine_prep),
    case("wipe_noise_generator", pattern16, || Some(Box::new(noise_stream(&seed_bytes())))),
    case("wipe_noise_vector", || little_endian(&noise()), || Some(Box::new(noise()))),
    case("wipe_sampler_key", Weak::first, || Some(Box::new(sampler()))),
    case("wipe_batch", taken, || Some(Box::new(batch()))),
    case("wipe_clipped_patient", || reals(&PATIENT), || Some(Box::new(clipped_sum()))),
    case("wipe_clipped_sum", steps, || Some(Box::new(clipped_sum()))),
    case("wipe_adaptive_sum", steps, || Some(Box::new(adaptive_sum()))),
    case("wipe_adaptive_finish", adaptive_steps, adaptive_finish),
];

/// A generator that keeps nothing of what it gives: its state is 8 bytes that are no output.
struct Weak(u64);

impl Weak {
    fn first() -> Vec<u8> {
        let mut bytes = vec![0; 32];
        Self(1).fill_bytes(&mut bytes);
        bytes
    }
}

impl TryRng for Weak {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next_u64() as u32)
    }

    /// SplitMix64.
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(word ^ (word >> 31))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for bytes in out.chunks_mut(8) {
            let word = self.next_u64();
            bytes.iter_mut().enumerate().for_each(|(i, byte)| *byte = (word >> (8 * i)) as u8);
        }
        Ok(())
    }
}

impl TryCryptoRng for Weak {}

/// Recognisable bytes, made where they are to be: as words of 8 bytes they are positive integers and
/// elements of the field alike.
fn pattern(len: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = (black_box(i) as u8 % 32).wrapping_mul(73).wrapping_add(41) & 0x7f;
    }
    bytes
}

fn pattern32() -> Vec<u8> {
    pattern(32).to_vec()
}

fn pattern16() -> Vec<u8> {
    pattern(16).to_vec()
}

fn seed_bytes() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(&pattern(32));
    bytes
}

fn seed() -> Seed {
    Seed::from_bytes(*seed_bytes())
}

/// A vector that moves its first values when it grows.
fn grown_of<T>(make: fn() -> T) -> Vec<T> {
    let mut all = Vec::with_capacity(1);
    for _ in 0..9 {
        all.push(make());
    }
    all
}

fn context() -> Digest {
    Digest::of(b"round and site")
}

fn threshold() -> Threshold {
    Threshold::new(2, 3).expect("a threshold")
}

/// The pattern as the integers that its words are.
fn integers(len: usize) -> Zeroizing<Vec<i64>> {
    let mut integers = Zeroizing::new(vec![0; len]);
    let bytes = pattern(8 * len);
    for (integer, word) in integers.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *integer = i64::from_le_bytes(*word);
    }
    integers
}

fn little_endian(integers: &[i64]) -> Vec<u8> {
    integers.iter().flat_map(|integer| integer.to_le_bytes()).collect()
}

fn reals(reals: &[f64]) -> Vec<u8> {
    reals.iter().flat_map(|real| real.to_le_bytes()).collect()
}

// Controls.

/// A wiped vector that grew: what SECURITY.md says is not wiped.
fn grown() -> Value {
    let mut bytes = Zeroizing::new(Vec::new());
    pattern(64).iter().for_each(|byte| bytes.push(*byte));
    Some(Box::new(bytes))
}

/// Wiped arrays that moved when their vector grew.
fn moved() -> Value {
    let mut all: Vec<Zeroizing<[u8; 32]>> = Vec::with_capacity(1);
    for _ in 0..9 {
        all.push(seed_bytes());
    }
    Some(Box::new(all))
}

/// Bytes that lie below 4 KiB of the stack: calls made after the control's own do not reach them.
const BELOW: usize = 4096;

#[inline(never)]
fn plain_on_stack() -> Value {
    let mut bytes = [0; BELOW];
    bytes[..32].copy_from_slice(&pattern(32));
    black_box(&bytes);
    None
}

#[inline(never)]
fn wiped_on_stack() -> Value {
    let mut bytes = Zeroizing::new([0; BELOW]);
    bytes[..32].copy_from_slice(&pattern(32));
    black_box(&*bytes);
    None
}

// Additive sharing.

fn share_at(position: usize) -> share::Share<Field64> {
    let len = if position == 0 { 64 } else { 32 };
    share::Share::from_bytes(position, 8, &pattern(len)).expect("a share")
}

fn sharing() -> Vec<share::Share<Field64>> {
    let values = integers(4);
    split(&values, 3, &context(), &mut Weak(1)).expect("a sharing")
}

fn aggregate() -> Aggregate<Field64> {
    let mut sum = Aggregate::new(0, 8);
    sum.add_bytes(&context(), &pattern(64)).expect("a share");
    sum
}

fn aggregate_of_integers() -> Value {
    let mut sum = Aggregate::<Field64>::new(0, 8);
    sum.add_integers(&integers(8)).expect("integers of the field");
    Some(Box::new(sum))
}

// Threshold sharing.

fn dealt() -> Vec<shamir::Share<Field64>> {
    share_seed(&seed(), threshold(), &mut Weak(2))
}

fn shamir_secret() -> Value {
    drop(dealt());
    None
}

/// The seed's first two limbs, as elements lie in memory.
fn limbs() -> Vec<u8> {
    let seed = seed_bytes();
    let limb = |bytes: &[u8]| [bytes, &[0]].concat();
    [limb(&seed[..7]), limb(&seed[7..14])].concat()
}

fn reconstructed() -> Seed {
    let basis = Basis::<Field64>::new(2, &[1, 3]).expect("two of three");
    basis.reconstruct_seed(dealt().iter().step_by(2)).expect("two shares")
}

fn dealt_again() -> Vec<Zeroizing<Vec<u8>>> {
    deal(&aggregate(), threshold(), &mut Weak(3))
}

fn point() -> Value {
    let mut point = Point::<Field64>::new(8);
    point.add(&pattern(64)).expect("a sub-share");
    Some(Box::new(point))
}

fn scalar() -> Zeroizing<vss::Scalar> {
    Zeroizing::new(vss::Scalar::from_bytes_mod_order(*seed_bytes()))
}

fn scalar_shares() -> Vec<vss::Share> {
    vss::share(vss::Scheme::Feldman, &scalar(), threshold(), &mut Weak(4)).1
}

fn scalar_share() -> vss::Share {
    scalar_shares().remove(2)
}

fn vss_share() -> Value {
    Some(Box::new(scalar_shares()))
}

fn vss_secret() -> Value {
    drop(scalar_shares());
    None
}

// Masks.

fn accumulator() -> Accumulator {
    Accumulator::from_integers(Ring::new(64).expect("a ring"), &integers(8)).expect("integers")
}

/// A vector under one mask; what is masked is told.
fn masked(prg: Prg) -> Value {
    let ring = Ring::new(64).expect("a ring");
    black_box(mask(ring, prg, &integers(8), &[&seed()], &[]).expect("integers of the ring"));
    None
}

/// 16 bytes of what a cipher is keyed with.
fn mask_key(label: &str, from: usize) -> Vec<u8> {
    derive(&seed(), label, &[]).expose()[from..from + 16].to_vec()
}

/// A roster that does not fit one node of a B-tree.
const SITES: u32 = 20;

fn pair_key(other: u32) -> [u8; 32] {
    let mut key = [0; 32];
    Weak(u64::from(other) << 20).fill_bytes(&mut key);
    key
}

fn pair_keys() -> PairKeys {
    let bytes = Zeroizing::new(setting::pair_keys(&setting::roster(SITES), 0, pair_key));
    PairKeys::from_bytes(&bytes).expect("pair keys")
}

/// A site that has advertised a key, from its stored seed.
fn advertising() -> Advertising {
    let context = EpochContext::new(&Digest::of(b"manifest"), setting::roster(SITES), 1);
    let mut stored = Zeroizing::new([3_u8; Advertising::LEN]);
    stored[1..].copy_from_slice(&pattern(32));
    Advertising::resume(context, &setting::identity(0), &*stored).expect("a stored seed").0
}

fn started() -> Shared {
    let context = setting::round(&setting::roster(SITES));
    let identity = setting::identity(0);
    Shared::start(context, &mut pair_keys(), &identity, &mut Weak(5)).expect("a round").0
}

/// The subkey of the mask with site 8, as secagg/pairs.rs derives it.
fn round_key() -> Vec<u8> {
    let roster = setting::roster(SITES);
    let mut bound = Encoder::new("haima secagg round pair 1");
    bound.digest(setting::round(&roster).digest());
    for site in [0, 8] {
        bound.u32(site).str(&roster.member(site).expect("a site").name);
    }
    let bound = Digest::of(&bound.finish());
    derive(&Seed::from_bytes(pair_key(8)), "haima secagg pair mask", &[bound]).expose().to_vec()
}

// Sealing and identities.

fn sealing_key() -> SealingKey {
    SealingKey::from_seed(&seed()).expect("a key")
}

fn sealed(key: &SealingKey) -> Vec<u8> {
    key.public().seal(b"aad", &pattern(64), &mut Weak(6)).expect("a short message")
}

fn chunk_seed() -> Seed {
    let key = sealing_key();
    key.chunk_seed(&sealed(&key)[..HEAD]).expect("a head")
}

fn opened() -> Zeroizing<Vec<u8>> {
    // Of another key, so that only the plaintext is the pattern.
    let key = SealingKey::generate(&mut Weak(7));
    key.open(b"aad", &sealed(&key)).expect("what was sealed")
}

fn identity() -> IdentityKey {
    IdentityKey::from_secret(&seed_bytes())
}

// Proofs.

const COORDINATES: usize = 4;
const NONCE_OF_REPORT: [u8; NONCE] = [4; NONCE];

fn pine() -> Pine<Field64, XofHmacSha256Aes128> {
    Pine::new(Params::new::<Field64>(COORDINATES, 1 << 24, 2).expect("parameters"))
        .expect("parameters")
}

fn coordinates() -> Zeroizing<Vec<i64>> {
    let mut coordinates = integers(COORDINATES);
    coordinates.iter_mut().for_each(|x| *x &= 0x7f_ffff);
    coordinates
}

fn pine_vector() -> Vec<u8> {
    little_endian(&coordinates())
}

fn pine_report() -> Sharding {
    pine().shard(&coordinates(), &NONCE_OF_REPORT, &mut Weak(8)).expect("within the bound")
}

fn pine_shard(keep: bool) -> Value {
    let report = pine_report();
    if keep { Some(Box::new(report)) } else { None }
}

/// The helper's share of the coordinates, which it expands and adds to its sum.
fn helper_vector() -> Vec<u8> {
    let mut sum = Aggregate::<Field64>::new(1, COORDINATES);
    pine().accumulate(1, &pine_report().shares[1], &mut sum).expect("a share");
    sum.to_bytes()
}

fn pine_prep() -> Value {
    let report = pine_report();
    let prepared = pine().prep(&[6; 32], 1, &NONCE_OF_REPORT, &report.public, &report.shares[1]);
    black_box(prepared.expect("a share"));
    None
}
