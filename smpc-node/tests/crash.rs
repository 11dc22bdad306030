//! A node ends at each of its crash points, before and after every durable write and every
//! message, and is started again: the sum is right, or the round failed cleanly and another attempt
//! succeeds. The points are read from the sources and from the service's description, so that a new
//! one cannot be forgotten.
//!
//! `cargo test -p haima-smpc-node --features failpoints --test crash`

mod processes;
mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use haima_smpc_node::audit;
use haima_smpc_node::spec::{Hiding, ShareSpec};
use haima_smpc_node::{proto, unix_millis};
use processes::{Processes, end, open, settle, submit, until};
use prost::Message as _;
use world::{SITES, World};

/// The node that crashes.
const NODE: usize = 0;

/// Names given to `durable::write` in a folder of sources.
fn writes(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            writes(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("durable.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("durable::write") {
                let name = text[at..].split('"').nth(1).unwrap();
                into.insert(name.to_owned());
            }
        }
    }
}

fn points() -> Vec<String> {
    let mut names = BTreeSet::new();
    writes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    assert!(names.len() >= 18, "{names:?}");
    let mut points: Vec<String> =
        names.iter().flat_map(|name| [format!("{name}.before"), format!("{name}.after")]).collect();
    let set = prost_types::FileDescriptorSet::decode(proto::DESCRIPTION).unwrap();
    for service in set.file.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let path = format!("/haima.node.v1.{}/{}", service.name(), method.name());
            points.extend([format!("{path}.in"), format!("{path}.out")]);
        }
    }
    points
}

/// Every store write is within a point.
#[test]
fn every_write_of_the_store_has_a_point() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/store");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tests.rs") || path.ends_with("leases.rs") || path.ends_with("mod.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let naked = line.contains("transaction.commit()") && !line.contains("durable::write")
                || line.contains(".execute(&self.pool)") && !line.trim_end().ends_with(';');
            assert!(!naked, "{}:{}: a write without a point", path.display(), number + 1);
        }
    }
}

/// One world, one crash. All points are come to in a round whose one proof fails, except those of
/// rounds that fail, of shares in several chunks and of erasure.
async fn survive(point: &str) {
    let mut world = World::new(3);
    world.manifest.release_quorum = Some(2);
    world.manifest.grace_ms = 3_000;
    world.manifest = world.manifest.clone().checked().unwrap();
    let erasing = point.contains("collect");
    let mut nodes = Processes::of(&world, if erasing { "retention_days = 0\n" } else { "" });
    for node in 0..3 {
        nodes.start(node, (node == NODE).then_some(point));
    }
    let nodes = Arc::new(Mutex::new(nodes));
    // Whoever crashes is started again, and does not crash twice.
    let crashed = Arc::new(Mutex::new(0));
    let watching = {
        let (nodes, crashed) = (Arc::clone(&nodes), Arc::clone(&crashed));
        tokio::spawn(async move {
            loop {
                if nodes.lock().unwrap().crashed(NODE) {
                    *crashed.lock().unwrap() += 1;
                    nodes.lock().unwrap().start(NODE, None);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    };
    settle(&mut world).await;
    ask(&world).await;

    let mut spec = world.spec("private", 1);
    spec.deadline_ms = unix_millis() + 4_000;
    open(&world, &spec).await;
    let mut acknowledged = vec![];
    for site in 0..3 {
        if submit(&world, site, &world.make(site, &spec, &[1, 2, 3, 4])).await {
            acknowledged.push(SITES[site]);
        }
    }
    let bent = world.make_bent(3, &spec, &[1, 2, 3, 4], |sharding| {
        sharding.shares[0][3] ^= 1;
    });
    submit(&world, 3, &bent).await;
    let first = end(&world, &spec).await;
    if let Ok(bundle) = &first {
        let verified = bundle.verify(&world.manifest).unwrap();
        // One proof of the vector's share is off: three sites are in, with three nodes' noise.
        assert_eq!(verified.accepted.headers.sites().collect::<Vec<_>>(), acknowledged);
        for (sum, plain) in verified.integers.iter().zip([3, 6, 9, 12]) {
            assert!((sum - plain).abs() < 64 * 2 * 6, "{sum}");
        }
        assert_eq!(end(&world, &spec).await.as_ref(), Ok(bundle), "a re-send is the same");
    }
    if point.contains("store.fail") || first.is_err() {
        below_the_floor(&world).await;
    }
    if point.contains("Progress") || first.is_err() {
        over_two_chunks(&world).await;
    }
    watching.abort();
    let crashes = *crashed.lock().unwrap();
    assert_eq!(crashes, 1, "{point} was never come to");
}

/// What a party asks at its start.
async fn ask(world: &World) {
    let (client, digest) = (world.node(NODE), world.manifest.digest());
    until("status", || client.check_status(&digest, unix_millis())).await.unwrap();
    until("rounds", || client.rounds("exact", 1, 0)).await.unwrap();
    until("list", || client.list(0)).await.unwrap();
}

async fn below_the_floor(world: &World) {
    // A round below the floor: it fails at its deadline, whatever crashed.
    let mut spec = world.spec("exact", 2);
    (spec.run, spec.deadline_ms) = (2, unix_millis() + 700);
    open(world, &spec).await;
    let made = world.make(0, &spec, &[1, 2, 3, 4]);
    submit(world, 0, &made).await;
    assert!(end(world, &spec).await.is_err());
}

/// A round over two chunks, the first of which comes alone at first.
async fn over_two_chunks(world: &World) {
    let mut spec = world.spec("exact", 3);
    spec.blocks[0].len = 140_000;
    spec.hiding = Hiding::Shares(ShareSpec::new(140_000, world::BOUND, 3).unwrap());
    spec.deadline_ms = unix_millis() + 25_000;
    open(world, &spec).await;
    for site in 0..3 {
        let made = world.make(site, &spec, &vec![i64::from(site == 2); 140_000]);
        world.break_off(NODE, site, &made).await;
        assert!(submit(world, site, &made).await, "site {site}");
    }
    let bundle = end(world, &spec).await.unwrap();
    assert_eq!(bundle.verify(&world.manifest).unwrap().integers, vec![1; 140_000]);
}

/// N3, P8: the journal of one node takes no record for a while, of what it has just signed and stored:
/// the round waits for it, ends alike everywhere, and the record is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_journal_delays_a_round_and_fails_it_nowhere() {
    for kind in ["closed", "prepared", "agreed", "committed", "released"] {
        let mut world = World::new(2);
        let mut nodes = Processes::of(&world, "");
        nodes.start(0, Some(&format!("journal.{kind}.full=10*return")));
        nodes.start(1, None);
        settle(&mut world).await;
        let mut spec = world.spec("private", 1);
        spec.deadline_ms = unix_millis() + 20_000;
        open(&world, &spec).await;
        for site in 0..4 {
            assert!(submit(&world, site, &world.make(site, &spec, &[1, 2, 3, 4])).await);
        }
        end(&world, &spec).await.unwrap().verify(&world.manifest).unwrap();
        let log = std::fs::read_to_string(world.home(0).join("log")).unwrap();
        assert!(log.contains("the journal could not be written"), "{kind} was never full: {log}");
        let key = world.manifest.identity("node-1").unwrap();
        let count = || {
            let records = audit::read(&world.home(0).join("audit.log"), "node-1", &key).unwrap();
            records.iter().filter(|record| record.kind == kind).count()
        };
        // A release is answered from the store, perhaps before its record is there.
        for _ in 0..100 {
            if count() > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(count(), 1, "{kind}");
    }
}

#[test]
fn a_node_survives_a_crash_at_every_point() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let only = std::env::var("HAIMA_CRASH_POINT").ok();
    let points: Vec<String> = points()
        .into_iter()
        .filter(|point| only.as_ref().is_none_or(|o| point.contains(o)))
        .collect();
    println!("{} crash points", points.len());
    runtime.block_on(async {
        let mut waiting = points.into_iter();
        let mut running = tokio::task::JoinSet::new();
        let mut failed = vec![];
        loop {
            while running.len() < 4
                && let Some(point) = waiting.next()
            {
                running.spawn(async move {
                    let task = tokio::spawn({
                        let point = point.clone();
                        async move { survive(&point).await }
                    });
                    (point, task.await.is_ok())
                });
            }
            match running.join_next().await {
                Some(Ok((_, true))) => {}
                Some(Ok((point, false))) => failed.push(point),
                Some(Err(error)) => panic!("{error}"),
                None => break,
            }
        }
        assert!(failed.is_empty(), "{failed:?}");
    });
}
