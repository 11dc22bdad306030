//! The arithmetic under sharing and proofs, with a floor beside each where there is one.
//! `cargo bench -p haima-crypto --bench kernels`; quote the ratios.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use haima_crypto::encode::Digest;
use haima_crypto::field::ntt::Ntt;
use haima_crypto::field::{
    Field, Field32, Field40, Field64, Field128, decode_vec, encode_vec, ternary,
};
use haima_crypto::share::{Aggregate, split};
use haima_crypto::xof::{
    ByteStream, Xof, XofHmacSha256Aes128, XofTurboShake128, add_elements, fill_elements,
    sub_elements,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const MILLION: usize = 1_000_000;

fn aes() -> <XofHmacSha256Aes128 as Xof>::Stream {
    XofHmacSha256Aes128::init(&[7; 32], b"bench").finish()
}

fn sample<F: Field>(len: usize) -> Vec<F> {
    let mut values = vec![F::ZERO; len];
    fill_elements(&mut aes(), &mut values);
    values
}

fn ternary_rows(c: &mut Criterion) {
    let mut group = c.benchmark_group("ternary 100 rows, d = 1M");
    group.bench_function("floor: the keystream of the rows", |b| {
        let mut buffer = vec![0; 250_000];
        b.iter(|| {
            let mut stream = aes();
            for _ in 0..100 {
                stream.fill(black_box(&mut buffer));
            }
        });
    });
    fn field<F: Field>(
        group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
        name: &str,
    ) {
        let values = sample::<F>(MILLION);
        group.bench_function(name, |b| b.iter(|| ternary::dots(&values, 100, &mut aes())));
    }
    field::<Field32>(&mut group, "Field32");
    field::<Field40>(&mut group, "Field40");
    field::<Field64>(&mut group, "Field64");
    field::<Field128>(&mut group, "Field128");
    let values: Vec<i64> = (0..MILLION as i64).map(|i| i * 7919 % (1 << 31)).collect();
    group.bench_function("integers", |b| {
        b.iter(|| ternary::dots_integers(&values, 100, &mut aes()));
    });
    let values = sample::<Field64>(MILLION);
    group.bench_function("Field64, TurboSHAKE128", |b| {
        let stream = || XofTurboShake128::init(&[7; 16], b"bench").finish();
        b.iter(|| ternary::dots(&values, 100, &mut stream()));
    });
}

fn sharing(c: &mut Criterion) {
    let mut group = c.benchmark_group("sharing, d = 1M, 64-bit field");
    let values: Vec<i64> = (0..MILLION as i64).map(|i| i * 7919 - 1_000_000).collect();
    let mut elements = sample::<Field64>(MILLION);
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let context = Digest::of(b"bench");
    group.bench_function("floor: copy and add in the clear", |b| {
        let mut sum = vec![0i64; MILLION];
        b.iter(|| {
            let copy = black_box(&values).clone();
            for (sum, value) in sum.iter_mut().zip(&copy) {
                *sum = sum.wrapping_add(*value);
            }
            black_box(&sum);
        });
    });
    group.bench_function("floor: the keystream", |b| {
        let mut buffer = vec![0; 8 * MILLION];
        b.iter(|| aes().fill(black_box(&mut buffer)));
    });
    group.bench_function("split among 2", |b| {
        b.iter_with_large_drop(|| split::<Field64, _>(black_box(&values), 2, &context, &mut rng));
    });
    let shares = split::<Field64, _>(&values, 2, &context, &mut rng).unwrap();
    for (position, name) in [(0, "add a vector share"), (1, "expand and add a seed share")] {
        let bytes = shares[position].to_bytes();
        let mut sum = Aggregate::<Field64>::new(position, MILLION);
        group.bench_function(name, |b| b.iter(|| sum.add_bytes(&context, black_box(&bytes))));
    }
    group.bench_function("fill_elements", |b| b.iter(|| fill_elements(&mut aes(), &mut elements)));
    group.bench_function("add_elements", |b| b.iter(|| add_elements(&mut aes(), &mut elements)));
    group.bench_function("sub_elements", |b| b.iter(|| sub_elements(&mut aes(), &mut elements)));
    group.bench_function("encode_vec", |b| b.iter_with_large_drop(|| encode_vec(&elements)));
    let bytes = encode_vec(&elements);
    group.bench_function("decode_vec", |b| {
        b.iter_with_large_drop(|| decode_vec::<Field64>("bench", &bytes, MILLION));
    });
}

fn vectors<F: Field>(c: &mut Criterion, name: &str) {
    let mut group = c.benchmark_group(format!("{name}, vectors of 1M"));
    let (mut a, b) = (sample::<F>(MILLION), sample::<F>(MILLION));
    group.bench_function("inner_product", |t| t.iter(|| F::inner_product(black_box(&a), &b)));
    group.bench_function("sum_of_squares", |t| t.iter(|| F::sum_of_squares(black_box(&a))));
    let scale = b[3];
    group.bench_function("add_scaled", |t| t.iter(|| F::add_scaled(black_box(&mut a), scale, &b)));
    group.bench_function("add_vec", |t| t.iter(|| F::add_vec(black_box(&mut a), &b)));
    group.finish();
    let mut group = c.benchmark_group(format!("{name}, 2000 transforms"));
    for log2_len in [6, 9, 11] {
        let ntt = Ntt::<F>::new(log2_len).unwrap();
        let values = sample::<F>(ntt.len() * 2000);
        group.bench_function(format!("2^{log2_len} points"), |t| {
            t.iter_batched_ref(
                || values.clone(),
                |values| values.chunks_mut(ntt.len()).for_each(|chunk| ntt.forward(chunk)),
                BatchSize::LargeInput,
            );
        });
    }
}

fn fields(c: &mut Criterion) {
    vectors::<Field32>(c, "Field32");
    vectors::<Field64>(c, "Field64");
    vectors::<Field128>(c, "Field128");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    targets = ternary_rows, sharing, fields
}
criterion_main!(benches);
