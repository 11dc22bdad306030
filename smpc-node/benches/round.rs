//! A whole round in this process: two node services with their stores and TLS, four sites that prove,
//! seal and submit a vector one after the other, and a coordinator that opens the round and checks
//! the release. Everything is real but the network, which is this machine's loopback, and all parties
//! share its processors. Beside it, tonic streaming as many bytes as the sites send, over the same
//! TLS, to a service that drops them.
//!
//! No peer: none of a registry runs a round of servers over a network. What it computes stands beside
//! `prio` in `cargo bench -p haima-crypto --bench pine`.
//!
//! `cargo bench -p haima-smpc-node --bench round`; quote the ratio at the end.

mod sink;
#[path = "../tests/world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode};
use haima_smpc_node::spec::{Hiding, RoundSpec, ShareSpec};
use haima_smpc_node::unix_millis;
use tokio::runtime::Runtime;
use world::World;

const LEN: usize = 100_000;
const NODES: usize = 2;
const ALTERNATING: usize = 9;

fn spec(world: &World, number: u64) -> RoundSpec {
    let mut spec = world.spec("exact", number);
    (spec.run, spec.deadline_ms) = (u32::try_from(number).unwrap(), unix_millis() + 20_000);
    spec.blocks[0].len = u32::try_from(LEN).unwrap();
    spec.hiding = Hiding::Shares(ShareSpec::new(LEN, world::BOUND, NODES).unwrap());
    spec
}

/// Rounds one after the other.
struct Rounds<'a> {
    runtime: &'a Runtime,
    world: &'a World,
    values: Vec<i64>,
    number: u64,
}

impl Rounds<'_> {
    /// From the spec to the sum that the coordinator has checked.
    fn round(&mut self) -> Duration {
        self.number += 1;
        let (world, values, spec) = (self.world, &self.values, spec(self.world, self.number));
        let submit = |site| {
            let spec = &spec;
            async move { world.submit(site, spec, values).await }
        };
        let start = Instant::now();
        let released = self.runtime.block_on(async {
            world.open(&spec).await;
            tokio::join!(submit(0), submit(1), submit(2), submit(3));
            world.bundle(&spec).await.verify(&world.manifest).unwrap()
        });
        let took = start.elapsed();
        assert!(
            released.integers.iter().zip(values).all(|(sum, value)| *sum == i128::from(4 * value))
        );
        took
    }

    /// What the sites send in a round.
    fn bytes(&self) -> usize {
        let made = self.world.make(0, &spec(self.world, self.number + 1), &self.values);
        4 * made.sealed.iter().map(Vec::len).sum::<usize>()
    }
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(World::running(NODES));
    let link = runtime.block_on(sink::Link::new(&world));
    let values = (0..LEN as i64).map(|i| i * 7919 % 61 - 30).collect();
    let mut rounds = Rounds { runtime: &runtime, world: &world, values, number: 0 };
    let bytes = rounds.bytes();
    let stream = || {
        let start = Instant::now();
        runtime.block_on(link.send(bytes));
        start.elapsed()
    };

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("round of 4 sites and 2 nodes, d=100000");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
    group.bench_function("haima", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| rounds.round()).sum());
    });
    group.bench_function("floor: its bytes over TLS", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| stream()).sum());
    });
    group.finish();
    criterion.final_summary();

    let (mut ours, mut floor) = (Duration::MAX, Duration::MAX);
    for _ in 0..ALTERNATING {
        ours = ours.min(rounds.round());
        floor = floor.min(stream());
    }
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!(
        "shortest of {ALTERNATING} in turn: a round of 4 sites and 2 nodes, d = {LEN}: {ours:.1?},"
    );
    println!("its {bytes} bytes over TLS alone: {floor:.1?}; {ratio:.1} times as long");
}
