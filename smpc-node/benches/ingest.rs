//! How fast a node takes a share in (TLS, open the seal, hash, encrypt at rest, durable in SQLite)
//! beside tonic streaming the same bytes over the same TLS to a service that drops them.
//!
//! `cargo bench -p haima-smpc-node --bench ingest`

mod sink;
#[path = "../tests/world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use haima_crypto::encode::{Canonical as _, Digest};
use haima_smpc_node::header::{Header, public_digest, sealed_digest};
use haima_smpc_node::proof::Proof;
use haima_smpc_node::spec::{Hiding, RoundSpec, ShareSpec};
use haima_smpc_node::submission::associated;
use haima_smpc_node::unix_millis;
use world::{Made, SITES, World};

/// Coordinates of the shared vector: 32 MiB.
const LEN: usize = 4 << 20;
/// Longest that a round stays open.
const OPEN: u64 = 3_000;

/// A round that takes a submission of each site, at the first node alone.
fn round(world: &World, number: u64) -> RoundSpec {
    let mut spec = world.spec("exact", number);
    (spec.run, spec.deadline_ms) = (u32::try_from(number).unwrap(), unix_millis() + OPEN);
    spec.blocks[0].len = u32::try_from(LEN).unwrap();
    spec.hiding = Hiding::Shares(ShareSpec::new(LEN, world::BOUND, 2).unwrap());
    spec
}

/// A submission whose proof nobody will check: zeros of the right length, sealed and signed.
fn submission(world: &World, proof: &Proof, spec: &RoundSpec, site: usize) -> Made {
    let (round, epoch) = (spec.digest(), world.epoch.as_ref().unwrap());
    let mut nonce = [u8::try_from(site).unwrap(); 16];
    nonce[8..].copy_from_slice(&spec.number.to_le_bytes());
    let public = vec![0; proof.public_len()];
    let digest = public_digest(&public);
    let sealed: Vec<Vec<u8>> = (0..2)
        .map(|position| {
            let node = (position, epoch.offers[position].node.as_str());
            let aad = associated(spec, &round, SITES[site], node, nonce, &digest);
            let share = vec![0; proof.share_len(position)];
            epoch.offers[position].sealing.seal(&aad, &share, &mut rand::rng()).unwrap()
        })
        .collect();
    let header = Header {
        round,
        site: SITES[site].to_owned(),
        nonce,
        public_share: digest,
        shares: sealed.iter().enumerate().map(|(at, bytes)| sealed_digest(at, bytes)).collect(),
        ledger_len: spec.number,
        ledger_head: Digest::of(&spec.number.to_le_bytes()),
    };
    Made { header, public, sealed }
}

fn ingest(c: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (world, to_sink) = runtime.block_on(async {
        let mut world = World::new(2);
        world.manifest.max_dimension = 1 << 23;
        world.manifest.round_ms = OPEN;
        world.manifest.grace_ms = 100;
        world.manifest = world.manifest.clone().checked().unwrap();
        for node in 0..2 {
            world.start(node).await;
        }
        world.settle().await;
        let sink = sink::Link::new(&world).await;
        (world, sink)
    });
    let proof = Proof::new(&round(&world, 1), 2).unwrap();
    let mut group = c.benchmark_group("ingest of 32 MiB");
    let bytes = proof.share_len(0) as u64;
    group.throughput(Throughput::Bytes(bytes)).sample_size(10);
    group.sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_millis(500));
    group.bench_function("tonic streaming, dropped", |bencher| {
        bencher.iter_custom(|iterations| {
            runtime.block_on(async {
                let started = Instant::now();
                for _ in 0..iterations {
                    to_sink.send(bytes as usize).await;
                }
                started.elapsed()
            })
        });
    });

    // Rounds end when their time is over; at most four are open.
    let mut number = 0;
    let mut ready: Vec<(usize, Made)> = vec![];
    let mut clients = BTreeMap::new();
    group.bench_function("a node, durable", |bencher| {
        bencher.iter_custom(|iterations| {
            runtime.block_on(async {
                let mut took = Duration::ZERO;
                for _ in 0..iterations {
                    if ready.is_empty() {
                        tokio::time::sleep(Duration::from_millis(OPEN + 500)).await;
                        number += 1;
                        let spec = round(&world, number);
                        world.open_at(0, &spec).await.unwrap();
                        ready.extend(
                            (0..4).map(|site| (site, submission(&world, &proof, &spec, site))),
                        );
                    }
                    let (site, made) = ready.pop().unwrap();
                    let client =
                        clients.entry(site).or_insert_with(|| world.node_as(0, &world.sites[site]));
                    let key = &world.sites[site].identity;
                    let signed = haima_smpc_node::header::SignedHeader::sign(&made.header, key);
                    let started = Instant::now();
                    client.submit(&signed, &made.public, &made.sealed[0]).await.unwrap();
                    took += started.elapsed();
                }
                took
            })
        });
    });
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
