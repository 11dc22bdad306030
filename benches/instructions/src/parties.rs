//! What sites, nodes and a coordinator do with each other's secrets: thresholds, masks, a masked
//! round, sealing. Stand for `crypto/src/{shamir,secagg,seal}`.

use std::hint::black_box;

use haima_crypto::encode::Digest;
use haima_crypto::field::Field64;
use haima_crypto::seal::SealingKey;
use haima_crypto::secagg::mask::{Accumulator, mask};
use haima_crypto::secagg::{Prg, Ring, Terms};
use haima_crypto::secret::Seed;
use haima_crypto::shamir::{Basis, Share, Threshold, share_seed};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::Ready;

#[path = "../../../crypto/tests/secagg/network.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod network;

const LEN: usize = 10_000;
const NEED: u32 = 51;
const AAD: &[u8] = b"round, site, node";

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

fn threshold() -> Threshold {
    Threshold::new(NEED, 100).expect("a threshold")
}

/// A 32-byte secret, any 51 of 100.
pub(crate) fn shamir_share() -> Ready {
    let (seed, threshold, mut rng) = (Seed::from_bytes([9; 32]), threshold(), rng());
    Ready::new(20, move || {
        black_box(share_seed(&seed, threshold, &mut rng));
    })
}

/// From every other share, the weights among it.
pub(crate) fn shamir_reconstruct() -> Ready {
    let shares = share_seed(&Seed::from_bytes([9; 32]), threshold(), &mut rng());
    let indices: Vec<u32> = (1..=100).step_by(2).chain([2]).collect();
    let of = |index: &u32| shares[*index as usize - 1].clone();
    let survived: Vec<Share<Field64>> = indices.iter().map(of).collect();
    Ready::new(20, move || {
        let basis = Basis::new(NEED, &indices).expect("survivors");
        black_box(basis.reconstruct_seed(&survived).expect("a secret"));
    })
}

pub(crate) fn mask_aes() -> Ready {
    masks(Prg::Aes128)
}

pub(crate) fn mask_chacha() -> Ready {
    masks(Prg::ChaCha20)
}

/// 10,000 entries of 32 bits under the masks of 20 neighbours.
fn masks(prg: Prg) -> Ready {
    let ring = Ring::new(32).expect("a ring");
    let seeds: Vec<Seed> = (0..20).map(|at| Seed::from_bytes([at; 32])).collect();
    let integers: Vec<i64> = (0..LEN as i64).map(|i| (i - 5_000) * 7919).collect();
    Ready::new(20, move || {
        let seeds: Vec<&Seed> = seeds.iter().collect();
        let (add, subtract) = seeds.split_at(10);
        black_box(mask(ring, prg, &integers, add, subtract).expect("integers of the ring"));
    })
}

/// A coordinator adds 10,000 packed entries of 20 bits.
pub(crate) fn mask_sum() -> Ready {
    let ring = Ring::new(20).expect("a ring");
    let integers: Vec<i64> = (0..LEN as i64).map(|i| i - 5_000).collect();
    let packed = Accumulator::from_integers(ring, &integers).expect("integers of the ring");
    let (packed, mut sum) = (packed.to_packed(), Accumulator::new(ring, LEN));
    Ready::new(20, move || sum.add_packed(&packed).expect("a packed vector"))
}

/// Six sites and a coordinator in one thread, from the first message to the sum; one site is gone
/// after it has shared its seeds. Five entries: what is counted is the protocol.
pub(crate) fn masked_round() -> Ready {
    let (mut network, mut number) = (network::Network::new(6, 0), 0u32);
    Ready::new(3, move || {
        number += 1;
        // Pair keys serve a round once.
        let terms = Terms { round: Digest::of(&number.to_le_bytes()), ..network.terms() };
        let context = network.context_of(terms);
        let (confirmed, mut unmasking) = network.confirm(&context, &[], &[5]);
        let request = unmasking.request().clone();
        for (site, state) in confirmed {
            let answer = state.unmask(&request, network.identity(site)).expect("a request").1;
            unmasking.add(&answer).expect("an answer");
        }
        let seeds = unmasking.seeds(&mut network::rng(0, 2)).expect("enough answers");
        black_box(unmasking.unmask(seeds));
    })
}

fn sealing_key() -> SealingKey {
    SealingKey::from_seed(&Seed::from_bytes([5; 32])).expect("a key")
}

/// 64 KiB.
pub(crate) fn seal() -> Ready {
    let (to, share, mut rng) = (sealing_key().public(), vec![7u8; 1 << 16], rng());
    Ready::new(10, move || {
        black_box(to.seal(AAD, &share, &mut rng).expect("a short share"));
    })
}

/// The same opened.
pub(crate) fn open() -> Ready {
    let key = sealing_key();
    let sealed = key.public().seal(AAD, &[7; 1 << 16], &mut rng()).expect("a short share");
    Ready::new(10, move || {
        black_box(key.open(AAD, &sealed).expect("what was sealed"));
    })
}
