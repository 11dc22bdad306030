//! Masks of a site with 100 neighbours, d = 1,000,000, beside the keystreams alone and, for ChaCha20,
//! beside rand_chacha's generator with an addition, in the same run. One thread.
//! `cargo bench -p haima-crypto --bench secagg`; quote the ratios at the end.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes::Aes128;
use chacha20::ChaCha20;
use criterion::{Criterion, criterion_group};
use ctr::Ctr64LE;
use ctr::cipher::KeyIvInit;
use haima_crypto::secagg::mask::{Accumulator, Prg, Ring};
use haima_crypto::secret::Seed;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

mod floor;

use floor::{ROOM, keystream};

const MILLION: usize = 1_000_000;
const NEIGHBOURS: u8 = 100;

fn seeds() -> Vec<Seed> {
    (0..NEIGHBOURS).map(|at| Seed::from_bytes([at; 32])).collect()
}

fn zeros(bits: u8) -> Accumulator {
    Accumulator::new(Ring::new(bits).unwrap(), MILLION)
}

/// The masks of all neighbours; half of them are subtracted.
fn mask(vector: &mut Accumulator, prg: Prg, seeds: &[Seed]) {
    let seeds: Vec<&Seed> = seeds.iter().collect();
    let (add, subtract) = seeds.split_at(seeds.len() / 2);
    vector.apply_masks(prg, add, subtract);
}

/// As many keystreams of as many bytes, written into `room` again and again.
fn bare(prg: Prg, bytes: usize, room: &mut [u8]) {
    for at in 0..NEIGHBOURS {
        match prg {
            Prg::Aes128 => {
                keystream(Ctr64LE::<Aes128>::new(&[at; 16].into(), &[0; 16].into()), bytes, room);
            }
            Prg::ChaCha20 => {
                keystream(ChaCha20::new(&[at; 32].into(), &[0; 12].into()), bytes, room);
            }
        }
    }
}

/// The same masks in 32-bit words by a generator that is filled and added, 16 KiB at a time.
fn peer(words: &mut [u32]) {
    let mut bytes = vec![0u8; 16 * 1024];
    for at in 0..NEIGHBOURS {
        let mut rng = ChaCha20Rng::from_seed([at; 32]);
        for piece in words.chunks_mut(bytes.len() / 4) {
            rng.fill_bytes(&mut bytes);
            for (word, mask) in piece.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *word = word.wrapping_add(u32::from_le_bytes(*mask));
            }
        }
    }
}

fn masks(c: &mut Criterion) {
    let (seeds, mut room) = (seeds(), vec![0u8; ROOM]);
    let mut group = c.benchmark_group("100 masks, d = 1M");
    group.sample_size(10);
    for prg in [Prg::Aes128, Prg::ChaCha20] {
        for bits in [32, 64] {
            let mut vector = zeros(bits);
            group.bench_function(format!("{prg:?}, {bits}-bit words"), |b| {
                b.iter(|| mask(&mut vector, prg, &seeds));
            });
            group.bench_function(format!("{prg:?}, {bits}-bit words, one by one"), |b| {
                b.iter(|| seeds.iter().for_each(|seed| vector.add_mask(prg, seed)));
            });
            let bytes = MILLION * usize::from(bits) / 8;
            group.bench_function(format!("floor: {prg:?} keystreams, {bits}-bit words"), |b| {
                b.iter(|| bare(prg, bytes, &mut room));
            });
        }
    }
    let mut words = vec![0u32; MILLION];
    group.bench_function("rand_chacha, 32-bit words", |b| b.iter(|| peer(black_box(&mut words))));
}

fn packing(c: &mut Criterion) {
    let mut group = c.benchmark_group("packing, d = 1M");
    group.sample_size(20);
    for bits in [20, 32, 44, 64] {
        let (mut sum, mut vector) = (zeros(bits), zeros(bits));
        vector.add_mask(Prg::Aes128, &Seed::from_bytes([1; 32]));
        group.bench_function(format!("to_packed, {bits} bits"), |b| {
            b.iter_with_large_drop(|| vector.to_packed());
        });
        let bytes = vector.to_packed();
        group.bench_function(format!("add_packed, {bits} bits"), |b| {
            b.iter(|| sum.add_packed(black_box(&bytes)));
        });
        let integers = vec![1; MILLION];
        group.bench_function(format!("from_integers, {bits} bits"), |b| {
            b.iter_with_large_drop(|| Accumulator::from_integers(sum.ring(), black_box(&integers)));
        });
    }
}

/// Shortest time of alternating runs: what else the machine does only adds to it.
fn race(mut ours: impl FnMut(), mut floor: impl FnMut()) -> [Duration; 2] {
    fn time(run: &mut impl FnMut()) -> Duration {
        let start = Instant::now();
        run();
        start.elapsed()
    }
    (0..31).fold([Duration::MAX; 2], |[a, b], _| [a.min(time(&mut ours)), b.min(time(&mut floor))])
}

fn print_ratios() {
    let (seeds, mut room) = (seeds(), vec![0u8; ROOM]);
    println!("| 100 masks, d = 1M | ours | keystreams alone | ratio |\n|---|---|---|---|");
    for prg in [Prg::Aes128, Prg::ChaCha20] {
        for bits in [32, 64] {
            let (mut vector, bytes) = (zeros(bits), MILLION * usize::from(bits) / 8);
            let [ours, alone] =
                race(|| mask(&mut vector, prg, &seeds), || bare(prg, bytes, &mut room));
            let ratio = ours.as_secs_f64() / alone.as_secs_f64();
            println!("| {prg:?}, {bits}-bit words | {ours:.1?} | {alone:.1?} | {ratio:.2} |");
        }
    }
    let (mut vector, mut words) = (zeros(32), vec![0u32; MILLION]);
    let ours = || mask(&mut vector, Prg::ChaCha20, &seeds);
    let [ours, theirs] = race(ours, || peer(black_box(&mut words)));
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!("ChaCha20, 32-bit words, beside rand_chacha: {ours:.1?}, {theirs:.1?} ({ratio:.2})");
}

criterion_group!(benches, masks, packing);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    print_ratios();
}
