//! PINE on one thread, beside `prio`'s `Prio3SumVec` with 16-bit entries and beside the keystream
//! that is expanded at least, in the same run.
//! `cargo bench -p haima-crypto --bench pine`; sizes are printed first. Quote the ratios.
//!
//! `Prio3SumVec` at d = 1,000,000 is left out: 256 MB of leader share, and seconds a shard.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::pine::{Params, Pine};
use haima_crypto::xof::{ByteStream, Xof, XofHmacSha256Aes128, XofTurboShake128};
use prio::vdaf::prio3::{Prio3SumVec, optimal_chunk_length};
use prio::vdaf::{Aggregator, Client};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const NONCE: [u8; 16] = [9; 16];

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    group
}

/// 15 fraction bits and a bound of 1, as in the figures that others publish.
fn pine<F: Field, X: Xof<Stream: Send> + Send>(c: &mut Criterion, name: &str, dimension: usize) {
    let pine = Pine::<F, X>::new(Params::new::<F>(dimension, 1 << 15, 2).unwrap()).unwrap();
    let values: Vec<i64> = (0..dimension as i64).map(|i| i * 7919 % 61 - 30).collect();
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let key = vec![3; X::SEED];
    let sharing = pine.shard(&values, &NONCE, &mut rng).unwrap();
    println!(
        "{name}, d = {dimension}: {:?}\n  leader {} B ({:.3} B a coordinate), helper {} B, public {} B, prep share {} B",
        pine.params(),
        pine.share_len(0),
        pine.share_len(0) as f64 / dimension as f64,
        pine.share_len(1),
        pine.public_share_len(),
        pine.prep_share_len(),
    );
    let mut group = group(c, &format!("{name} d={dimension}"));
    group.bench_function("shard", |b| {
        b.iter(|| pine.shard(black_box(&values), &NONCE, &mut rng).unwrap());
    });
    for (position, who) in ["leader", "helper"].into_iter().enumerate() {
        let share = &sharing.shares[position];
        group.bench_function(format!("prep {who}"), |b| {
            b.iter(|| {
                pine.prep(&key, position, &NONCE, &sharing.public, black_box(share)).unwrap()
            });
        });
    }
    group.finish();
}

fn sum_vec(c: &mut Criterion, dimension: usize) {
    let chunk = optimal_chunk_length(16 * dimension);
    let prio = Prio3SumVec::new_sum_vec(2, u128::from(u16::MAX), dimension, chunk).unwrap();
    let values: Vec<u128> = (0..dimension as u128).map(|i| i * 7919 % (1 << 16)).collect();
    let (public, shares) = prio.shard(b"bench", &values, &NONCE).unwrap();
    let mut group = group(c, &format!("Prio3SumVec 16 bits d={dimension}"));
    group.bench_function("shard", |b| {
        b.iter(|| prio.shard(b"bench", black_box(&values), &NONCE).unwrap());
    });
    for (position, who) in ["leader", "helper"].into_iter().enumerate() {
        group.bench_function(format!("prep {who}"), |b| {
            b.iter(|| {
                prio.verify_init(
                    &[3; 32],
                    b"bench",
                    position,
                    &(),
                    &NONCE,
                    &public,
                    &shares[position],
                )
                .unwrap()
            });
        });
    }
    group.finish();
}

/// What a client and a helper expand: a share, and 100 rows of checks at two bits an entry.
fn keystream(c: &mut Criterion, dimension: usize) {
    let mut group = group(c, &format!("floor d={dimension}"));
    let mut row = vec![0u8; dimension / 4];
    group.bench_function("keystream of a share and of the checks", |b| {
        b.iter(|| {
            let mut stream = XofHmacSha256Aes128::init(&[7; 32], b"bench").finish();
            for _ in 0..100 + 4 * Field64::BYTES {
                stream.fill(black_box(&mut row));
            }
        });
    });
    group.finish();
}

fn all(c: &mut Criterion) {
    for dimension in [10_000, 100_000, 1_000_000] {
        keystream(c, dimension);
        pine::<Field64, XofHmacSha256Aes128>(c, "Pine64 HmacSha256Aes128", dimension);
        pine::<Field64, XofTurboShake128>(c, "Pine64 TurboShake128", dimension);
    }
    pine::<Field128, XofTurboShake128>(c, "Pine128 TurboShake128", 100_000);
    pine::<Field128, XofHmacSha256Aes128>(c, "Pine128 HmacSha256Aes128", 100_000);
    for dimension in [10_000, 100_000] {
        sum_vec(c, dimension);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
