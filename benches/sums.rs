//! The hot paths of an aggregation, with a floor beside each: what adding or copying the same
//! integers in the clear costs in the same run. `cargo bench --bench sums`; quote the ratios.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use haima_crypto::encode::Digest;
use haima_crypto::field::{Field64, Field128};
use haima_crypto::share::{Aggregate, split};
use haima_dp::gauss::DiscreteGaussian;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const DIMENSION: usize = 100_000;

fn sharing(c: &mut Criterion) {
    let values: Vec<i64> = (0..DIMENSION as i64).map(|i| i * 7919 - 1_000_000).collect();
    let context = Digest::of(b"bench");
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut group = c.benchmark_group("share 100k integers");
    group.throughput(Throughput::Elements(DIMENSION as u64));
    group.bench_function("floor: copy and add in the clear", |b| {
        let mut sum = vec![0i64; DIMENSION];
        b.iter(|| {
            let copy = black_box(&values).clone();
            for (sum, value) in sum.iter_mut().zip(&copy) {
                *sum = sum.wrapping_add(*value);
            }
            black_box(&sum);
        });
    });
    group.bench_function("split among 3, 64-bit field", |b| {
        b.iter(|| split::<Field64, _>(black_box(&values), 3, &context, &mut rng));
    });
    group.bench_function("split among 3, 128-bit field", |b| {
        b.iter(|| split::<Field128, _>(black_box(&values), 3, &context, &mut rng));
    });
    let shares = split::<Field64, _>(&values, 3, &context, &mut rng).unwrap();
    for (position, name) in [(0, "add a vector share"), (1, "expand and add a seed share")] {
        let bytes = shares[position].to_bytes();
        let mut sum = Aggregate::<Field64>::new(position, DIMENSION);
        group.bench_function(name, |b| b.iter(|| sum.add_bytes(&context, black_box(&bytes))));
    }
    group.finish();
}

fn noise(c: &mut Criterion) {
    let mut rng = ChaCha20Rng::from_seed([2; 32]);
    let mut group = c.benchmark_group("discrete Gaussian");
    group.throughput(Throughput::Elements(1000));
    for s in [1 << 10, 1 << 20] {
        let sampler = DiscreteGaussian::new(s).unwrap();
        let mut noise = vec![0; 1000];
        group.bench_function(format!("1000 draws, s = {s}"), |b| {
            b.iter(|| sampler.fill(&mut rng, black_box(&mut noise)));
        });
    }
    group.finish();
}

criterion_group!(benches, sharing, noise);
criterion_main!(benches);
