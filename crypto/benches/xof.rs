//! Seeds to vectors, and sharing by them, beside the bare keystream and beside prio's expansion of
//! the same seed. One thread. `cargo bench -p haima-crypto --bench xof`; quote the ratios at the end.

use std::hint::black_box;
use std::io::Cursor;

use aes::Aes128;
use ctr::Ctr64BE;
use ctr::cipher::KeyIvInit;
use haima_crypto::encode::Digest;
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::share::{Aggregate, split};
use haima_crypto::xof::{ByteStream, Xof, XofHmacSha256Aes128, XofTurboShake128, fill_elements};
use prio::codec::Decode;
use prio::field::{Field64 as PrioField64, Field128 as PrioField128};
use prio::vdaf::xof::{
    IntoFieldVec, Xof as PrioXof, XofHmacSha256Aes128 as PrioAes,
    XofTurboShake128 as PrioTurboShake,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use turboshake::CTurboShake128;
use turboshake::digest::{ExtendableOutput, Update, XofReader};

#[path = "../../benches/common/contest.rs"]
mod contest;
mod floor;

use contest::Contest;
use floor::{ROOM, keystream};

const MILLION: usize = 1_000_000;
const SEED: [u8; 32] = [7; 32];
const TAG: &[u8] = b"bench";

fn aes() -> <XofHmacSha256Aes128 as Xof>::Stream {
    XofHmacSha256Aes128::init(&SEED, TAG).finish()
}

fn prio_aes() -> <PrioAes as PrioXof<32>>::SeedStream {
    PrioAes::init(&SEED, &[TAG]).into_seed_stream()
}

/// Whole rooms of bytes, 8 MB in all.
fn in_rooms(mut fill: impl FnMut(&mut [u8])) {
    let mut room = vec![0u8; ROOM];
    for _ in 0..8 * MILLION / ROOM {
        fill(black_box(room.as_mut_slice()));
    }
}

/// As much keystream of AES-128.
fn bare(bytes: usize) -> impl FnMut() {
    let mut room = vec![0u8; ROOM];
    move || keystream(Ctr64BE::<Aes128>::new(&[7; 16].into(), &[0; 16].into()), bytes, &mut room)
}

/// Both read the same bytes out of one seed.
fn check() {
    let (mut ours, mut theirs) = ([0; 100], [0; 100]);
    aes().fill(&mut ours);
    prio_aes().fill_bytes(&mut theirs);
    assert_eq!(ours, theirs, "prio's stream of the same seed");
}

fn expansion() -> Vec<Contest<'static>> {
    let mut narrow = vec![Field64::ZERO; MILLION];
    let mut wide = vec![Field128::ZERO; MILLION];
    let mut drawn = vec![Field64::ZERO; MILLION];
    let bytes = || {
        let mut stream = aes();
        in_rooms(|room| stream.fill(room));
    };
    let prio_bytes = || {
        let mut stream = prio_aes();
        in_rooms(|room| stream.fill_bytes(room));
    };
    let bare_sponge = || {
        let mut sponge = CTurboShake128::<1>::default();
        sponge.update(&SEED);
        let mut reader = sponge.finalize_xof();
        in_rooms(|room| reader.read(room));
    };
    let prio_sponge = || {
        let stream = PrioTurboShake::init(&SEED, &[TAG]).into_seed_stream();
        black_box(stream.into_field_vec::<PrioField64>(MILLION));
    };
    vec![
        Contest::new("8 MB of AES-128", bytes)
            .against("floor: keystream", bare(8 * MILLION))
            .against("prio", prio_bytes),
        Contest::new("1M elements of 64 bits, AES-128", move || {
            fill_elements(&mut aes(), &mut narrow);
            black_box(&narrow);
        })
        .against("floor: keystream", bare(8 * MILLION))
        .against("prio", || {
            black_box(prio_aes().into_field_vec::<PrioField64>(MILLION));
        }),
        Contest::new("1M elements of 128 bits, AES-128", move || {
            fill_elements(&mut aes(), &mut wide);
            black_box(&wide);
        })
        .against("floor: keystream", bare(16 * MILLION))
        .against("prio", || {
            black_box(prio_aes().into_field_vec::<PrioField128>(MILLION));
        }),
        Contest::new("1M elements of 64 bits, TurboSHAKE128", move || {
            let mut stream = XofTurboShake128::init(&[7; 16], TAG).finish();
            fill_elements(&mut stream, &mut drawn);
            black_box(&drawn);
        })
        .against("floor: the sponge alone", bare_sponge)
        .against("prio", prio_sponge),
    ]
}

fn sharing() -> Vec<Contest<'static>> {
    let values: Vec<i64> = (0..MILLION as i64).map(|i| i * 7919).collect();
    let theirs: Vec<PrioField64> = (0..MILLION as u64).map(|i| (i * 7919).into()).collect();
    let (context, mut rng) = (Digest::of(TAG), ChaCha20Rng::from_seed([1; 32]));
    let shares = split::<Field64, _>(&values, 2, &context, &mut rng).unwrap();
    let share = shares[0].to_bytes();
    let (their_share, copied) = (share.clone(), values.clone());
    let mut sum = Aggregate::<Field64>::new(0, MILLION);
    let mut clear = vec![0i64; MILLION];
    let mut their_sum = theirs.clone();
    let (plain, mut bare) = (values.clone(), bare(8 * MILLION));
    vec![
        Contest::new("share 1M integers between two", move || {
            black_box(split::<Field64, _>(black_box(&values), 2, &context, &mut rng).unwrap());
        })
        .against("floor: keystream and a copy", move || {
            black_box(black_box(&plain).clone());
            bare();
        })
        .against("prio's expansion, subtracted", move || {
            let mut first = black_box(&theirs).clone();
            let masks = prio_aes().into_field_vec::<PrioField64>(MILLION);
            first.iter_mut().zip(masks).for_each(|(value, mask)| *value -= mask);
            black_box(first);
        }),
        Contest::new("add a share of 1M elements", move || {
            sum.add_bytes(&context, black_box(&share)).unwrap();
        })
        .against("floor: copy and add in the clear", move || {
            let copy = black_box(&copied).clone();
            clear.iter_mut().zip(&copy).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
            black_box(&clear);
        })
        .against("prio, read and added", move || {
            let mut bytes = Cursor::new(black_box(their_share.as_slice()));
            for sum in &mut their_sum {
                *sum += PrioField64::decode(&mut bytes).unwrap();
            }
        }),
    ]
}

fn main() {
    check();
    contest::measure(expansion().into_iter().chain(sharing()).collect(), 31);
}
