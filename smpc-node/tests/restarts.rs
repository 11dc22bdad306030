//! Nodes that stop and start again, with their database or an old copy of it.
#![cfg(feature = "server")]

mod world;

use std::path::PathBuf;
use std::time::Duration;

use haima_crypto::encode::Canonical as _;
use haima_smpc_node::client::{NodeClient, Outcome};
use haima_smpc_node::server::Store;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::unix_millis;
use world::World;

/// The files of a node's database and its journal, with those of their copies.
fn files(world: &World, node: usize) -> [(PathBuf, PathBuf); 4] {
    let home = world.home(node);
    let old = home.join("old");
    ["node.db", "node.db-wal", "node.db-shm", "audit.log"]
        .map(|file| (home.join(file), old.join(file)))
}

/// Copies database and journal of a node that is down.
fn keep(world: &World, node: usize) {
    std::fs::create_dir(world.home(node).join("old")).unwrap();
    for (file, copy) in files(world, node) {
        let _ = std::fs::copy(file, copy);
    }
}

/// Puts the copies of database and journal in their places, at a node that is down: a snapshot of
/// the machine, which only peers can tell.
fn put_back(world: &World, node: usize) {
    put_back_but(world, node, 0);
}

/// Puts back all but the last `kept` files.
fn put_back_but(world: &World, node: usize, kept: usize) {
    for (file, copy) in files(world, node).into_iter().rev().skip(kept) {
        let _ = std::fs::remove_file(&file);
        let _ = std::fs::copy(copy, file);
    }
}

/// A round that all sites have submitted to; of a node's database there is a copy from before.
async fn submitted(world: &mut World, spec: &RoundSpec, kept: usize) {
    world.open(spec).await;
    world.crash(kept).await;
    keep(world, kept);
    world.start(kept).await;
    for site in 0..4 {
        world.submit(site, spec, &[1; 4]).await;
    }
}

async fn until(deadline_ms: u64) {
    let left = deadline_ms.saturating_sub(unix_millis());
    tokio::time::sleep(Duration::from_millis(left + 200)).await;
}

/// R9, N3: a node that signed the accepted set and crashed ends the round when it is back, even
/// after the deadline: otherwise the others might have released what it gave up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_crashed_after_agreeing_still_releases() {
    let mut world = World::running(2).await;
    let spec = RoundSpec { deadline_ms: unix_millis() + 1000, ..world.spec("private", 1) };
    world.open(&spec).await;
    for site in 0..3 {
        world.submit(site, &spec, &[1; 4]).await;
    }
    // With a site missing, agreement begins at the deadline.
    let store = Store::open(&world.config(1).store).await.unwrap();
    let state = async || store.round(&spec.digest()).await.unwrap().unwrap().state;
    while !matches!(state().await.as_str(), "agreed" | "committed" | "released") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    world.crash(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.start(1).await;
    world.bundle(&spec).await.verify(&world.manifest).unwrap();
}

/// N3: a node whose store was restored from an old copy works on no round that a peer has seen it
/// sign, nor on an earlier one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_restored_from_an_old_copy_refuses_the_round_it_signed() {
    let mut world = World::running(2).await;
    let spec = RoundSpec { deadline_ms: unix_millis() + 8000, ..world.spec("private", 1) };
    submitted(&mut world, &spec, 1).await;
    let first = world.part(1, &spec).await;
    world.part(0, &spec).await;
    world.crash(1).await;
    put_back(&world, 1);
    world.start(1).await;
    // The old store says that the round is open. Other submissions would give another sum under
    // another accepted set: with its noise, two releases of one round.
    for site in 0..3 {
        let _ = world.submit_to(1, site, &world.make(site, &spec, &[2; 4])).await;
    }
    let reason = world.failure(1, &spec).await;
    assert!(reason.contains("N3"), "{reason}");
    assert_eq!(first.sum.as_ref().unwrap().len(), 32);
}

/// Node 1 has released; node 2 has, too, and is put back to a copy from before it signed anything;
/// node 3 has committed, and has heard of nobody's commitment. Whatever fails the round at node 2,
/// it signs nothing about it, and node 3 releases.
async fn a_node_is_put_back_that_has_committed(deadline: Duration, why: &str, late: bool) {
    let mut world = World::running(3).await;
    let deadline_ms = unix_millis() + u64::try_from(deadline.as_millis()).unwrap();
    let spec = RoundSpec { deadline_ms, ..world.spec("private", 1) };
    submitted(&mut world, &spec, 1).await;
    let first = world.part(0, &spec).await;
    world.part(1, &spec).await;
    let third = world.part(2, &spec).await;
    for node in [1, 2] {
        world.crash(node).await;
    }
    put_back(&world, 1);
    world.unrelease(2).await;
    if late {
        until(deadline_ms).await;
    }
    world.start(1).await;
    if !late {
        for site in 0..4 {
            world.submit_to(1, site, &world.make(site, &spec, &[2; 4])).await.unwrap();
        }
    }
    let reason = world.failure(1, &spec).await;
    assert!(reason.contains(why), "{reason}");

    // Node 3 hears of the failure, and not of the release.
    world.crash(0).await;
    world.start(2).await;
    let home = world.home(2);
    let tls = TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
    let second = NodeClient::new(&world.manifest.nodes[1], &tls).unwrap();
    let said = second.exchange(&spec.digest(), 0, Duration::ZERO).await.unwrap();
    assert!(said.failed.is_some() && said.given_up.is_none(), "{said:?}");
    let wait = Duration::from_secs(3);
    let shown = world.node(2).release(&spec.digest(), wait, 1000).await.unwrap();
    assert!(matches!(shown, Outcome::Pending(4)), "a sum may be out: {shown:?}");

    world.start(0).await;
    assert_eq!(world.part(2, &spec).await, third, "the stored answer, at last");
    assert_eq!(world.part(0, &spec).await, first);
}

/// N3: a peer has seen its signature, so its store is an old copy, and it cannot know what it signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_put_back_from_before_its_commitment_does_not_part_the_others() {
    a_node_is_put_back_that_has_committed(Duration::from_secs(25), "N3", false).await;
}

/// N3, R9: the same where the deadline is past, and it asks nobody what they have seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_put_back_after_the_deadline_does_not_part_the_others() {
    a_node_is_put_back_that_has_committed(Duration::from_secs(10), "R9", true).await;
}

/// N3: a node whose journal has steps that its store lacks takes no other, with nobody to ask: what it
/// signed may be with its peers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_journal_knows_more_than_its_store_stops_the_round() {
    let mut world = World::running(2).await;
    let spec = world.spec("private", 1);
    submitted(&mut world, &spec, 1).await;
    world.part(1, &spec).await;
    for node in [0, 1] {
        world.crash(node).await;
    }
    put_back_but(&world, 1, 1);
    world.start(1).await;
    let reason = world.failure(1, &spec).await;
    assert!(reason.contains("its store does not know") && reason.contains("N3"), "{reason}");
    let home = world.home(1);
    let tls = TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
    let said = NodeClient::new(&world.manifest.nodes[1], &tls).unwrap();
    let said = said.exchange(&spec.digest(), 0, Duration::ZERO).await.unwrap();
    assert!(said.held.is_none() && said.given_up.is_none(), "{said:?}");
}

/// N3: nor does it open a round again that is in its journal alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_is_in_the_journal_alone_is_not_opened_again() {
    let mut world = World::running(2).await;
    world.crash(1).await;
    keep(&world, 1);
    world.start(1).await;
    let spec = world.spec("private", 1);
    world.open(&spec).await;
    world.crash(1).await;
    put_back_but(&world, 1, 1);
    world.start(1).await;
    world.settle().await;
    let refused = world.open_at(1, &spec).await.unwrap_err().to_string();
    assert!(refused.contains("its store does not know") && refused.contains("N3"), "{refused}");
    // Another round is none of these.
    let next = RoundSpec { number: spec.number + 1, attempt: 1, plan_index: 1, ..spec };
    world.open_at(1, &next).await.unwrap();
}

/// R9: a node that comes back after the deadline has failed the round for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_deadline_a_restarted_node_has_failed_the_round() {
    let mut world = World::running(2).await;
    let spec = RoundSpec { deadline_ms: unix_millis() + 1500, ..world.spec("exact", 1) };
    world.open(&spec).await;
    world.crash(1).await;
    until(spec.deadline_ms).await;
    world.start(1).await;
    let reason = world.failure(1, &spec).await;
    assert!(reason.contains("R9"), "{reason}");
    let reason = world.failure(0, &spec).await;
    assert!(reason.contains("node-2"), "the peer says who gave up: {reason}");
}
