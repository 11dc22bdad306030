//! One draw of each mechanism, beside opendp's and prio's and beside the generator's bytes alone.
//! `cargo bench -p haima-dp --bench mechanisms`. Times are per 1,000 draws; quote the ratios.
//!
//! opendp draws from its own thread-local ChaCha; ours and prio's from one ChaCha20.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use dashu::rational::RBig;
use haima_dp::gauss::DiscreteGaussian;
use haima_dp::laplace::DiscreteLaplace;
use opendp::traits::samplers::{sample_discrete_gaussian, sample_discrete_laplace};
use prio::dp::{Rational, distributions};
use rand::distr::Distribution;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const DRAWS: usize = 1_000;

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(20).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2)).throughput(Throughput::Elements(DRAWS as u64));
    group
}

fn gaussian(c: &mut Criterion, s: u64) {
    let mut group = group(c, &format!("gaussian, s = {s}"));
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut out = vec![0; DRAWS];
    let ours = DiscreteGaussian::new(s).unwrap();
    group.bench_function("haima", |b| b.iter(|| ours.fill(&mut rng, black_box(&mut out))));
    let theirs =
        distributions::DiscreteGaussian::new(Rational::from_unsigned(s, 1_u64).unwrap()).unwrap();
    group.bench_function("prio", |b| {
        b.iter(|| (0..DRAWS).for_each(|_| drop(black_box(theirs.sample(&mut rng)))));
    });
    group.bench_function("opendp", |b| {
        b.iter(|| {
            (0..DRAWS).for_each(|_| drop(black_box(sample_discrete_gaussian(RBig::from(s)))));
        });
    });
}

fn laplace(c: &mut Criterion, t: u64) {
    let mut group = group(c, &format!("laplace, t = {t}"));
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut out = vec![0; DRAWS];
    let ours = DiscreteLaplace::new(t).unwrap();
    group.bench_function("haima", |b| b.iter(|| ours.fill(&mut rng, black_box(&mut out))));
    let theirs =
        distributions::DiscreteLaplace::new(Rational::from_unsigned(t, 1_u64).unwrap()).unwrap();
    group.bench_function("prio", |b| {
        b.iter(|| (0..DRAWS).for_each(|_| drop(black_box(theirs.sample(&mut rng)))));
    });
    group.bench_function("opendp", |b| {
        b.iter(|| (0..DRAWS).for_each(|_| drop(black_box(sample_discrete_laplace(RBig::from(t))))));
    });
}

/// The words that a Gaussian draw takes on average, 3 * 1.4, and nothing done with them.
fn floor(c: &mut Criterion) {
    let mut group = group(c, "floor");
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    group.bench_function("ChaCha20, 4.2 words a draw", |b| {
        b.iter(|| {
            (0..DRAWS * 42 / 10).for_each(|_| {
                black_box(rng.next_u64());
            });
        });
    });
}

fn mechanisms(c: &mut Criterion) {
    floor(c);
    for s in [4, 1 << 10, 1 << 20] {
        gaussian(c, s);
    }
    laplace(c, 1 << 10);
}

criterion_group!(benches, mechanisms);
criterion_main!(benches);
