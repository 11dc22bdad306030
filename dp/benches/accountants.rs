//! Accounting of DP-SGD: sigma 1.1, q 256/60000, 14,062 steps, delta 1e-5, a question at a time.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use haima_dp::accountant::Accountant;
use haima_dp::calibrate::Target;
use haima_dp::event::Event;
use haima_dp::pld::PrivacyLoss;
use haima_dp::renyi::Renyi;
use haima_dp::units::{Adjacency, Delta, Epsilon};

const RATE: f64 = 256.0 / 60_000.0;
const STEPS: u64 = 14_062;

fn ask(mut accountant: impl Accountant, event: &Event) -> f64 {
    accountant.compose(event, 1).unwrap();
    accountant.epsilon(Delta::new(1e-5).unwrap()).unwrap().value
}

fn accountants(c: &mut Criterion) {
    let event = Event::gaussian(1.1).unwrap().poisson(RATE).unwrap().times(STEPS);
    let mut group = c.benchmark_group("dp-sgd");
    group.sample_size(20);
    group.bench_function("renyi", |b| {
        b.iter(|| ask(Renyi::new(Adjacency::AddRemove), black_box(&event)));
    });
    group.bench_function("privacy loss distribution", |b| {
        b.iter(|| ask(PrivacyLoss::new(Adjacency::AddRemove), black_box(&event)));
    });
    group.sample_size(10);
    group.bench_function("calibrate the noise for epsilon 3", |b| {
        let target = Target {
            epsilon: Epsilon::new(3.0).unwrap(),
            delta: Delta::new(1e-5).unwrap(),
            adjacency: Adjacency::AddRemove,
        };
        b.iter(|| {
            target.noise(|sigma| Ok(Event::Gaussian { sigma }.poisson(RATE)?.times(STEPS))).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, accountants);
criterion_main!(benches);
