//! Accounting of DP-SGD: sigma 1.1, q 256/60000, 14,062 steps, delta 1e-5, a question at a time; and
//! zCDP's conversion beside opendp's. `cargo bench -p haima-dp --bench accountants`.
//!
//! No floor: nothing is drawn and next to nothing read. No peer of a Rust registry has a Renyi or a
//! privacy loss accountant; `benches/python/accountants.py` times the ones that Python has.

use std::hint::black_box;
use std::num::NonZeroU64;

use criterion::{Criterion, criterion_group, criterion_main};
use haima_dp::accountant::Accountant;
use haima_dp::calibrate::Target;
use haima_dp::event::Event;
use haima_dp::ledger::Limit;
use haima_dp::pld::PrivacyLoss;
use haima_dp::renyi::Renyi;
use haima_dp::units::{Adjacency, Delta, Epsilon, Rate, Rho, Sensitivity};
use haima_dp::zcdp;
use opendp::combinators::ConcentratedMeasure;
use opendp::measures::ZeroConcentratedDivergence;

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
    group.bench_function("the order and the noise of a ledger's limit", |b| {
        let (epsilon, delta) = (Epsilon::new(3.0).unwrap(), Delta::new(1e-5).unwrap());
        let (rate, sensitivity) = (Rate::new(RATE).unwrap(), Sensitivity::new(1 << 20).unwrap());
        let (steps, dimension) = (STEPS as u32, NonZeroU64::MIN);
        b.iter(|| {
            Limit::with_best_order(epsilon, delta, steps, sensitivity, dimension, rate)
                .and_then(|limit| limit.noise_for(steps, sensitivity, dimension, rate))
                .unwrap()
        });
    });
    group.finish();
}

/// epsilon of rho = 2.63 at delta = 1e-10.
fn conversions(c: &mut Criterion) {
    const RHO: f64 = 2.63;
    const DELTA: f64 = 1e-10;
    let mut group = c.benchmark_group("zcdp to epsilon");
    let (rho, delta) = (Rho::new(RHO).unwrap(), Delta::new(DELTA).unwrap());
    group.bench_function("haima", |b| b.iter(|| zcdp::epsilon(black_box(rho), delta)));
    group.bench_function("opendp", |b| {
        b.iter(|| {
            let profile = ZeroConcentratedDivergence::convert(black_box(RHO));
            profile.and_then(|profile| profile.epsilon(DELTA)).ok()
        });
    });
    group.finish();
}

criterion_group!(benches, accountants, conversions);
criterion_main!(benches);
