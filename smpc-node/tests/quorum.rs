//! Shamir release: once all nodes have shared their sums again, any quorum of them releases.

mod world;

use haima_crypto::encode::Canonical;
use haima_smpc_node::bundle::{Bundle, Part};
use haima_smpc_node::client::{Answer, Outcome};
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::{Error, server::Store};
use world::World;

async fn answer(world: &World, node: usize, spec: &RoundSpec) -> Answer {
    match world.outcome(node, spec).await {
        Outcome::Released(answer) => *answer,
        other => panic!("node {node}: {other:?}"),
    }
}

/// A world of k nodes with a quorum of r, and an open round with all submissions in.
async fn submitted(quorum: u32, nodes: usize, task: &str) -> (World, RoundSpec) {
    let mut world =
        World::running_with(nodes, |manifest| manifest.release_quorum = Some(quorum)).await;
    world.settle().await;
    let spec = world.spec(task, 1);
    world.open(&spec).await;
    for site in 0..4 {
        world.submit(site, &spec, &[1, -2, 3, 1000 * site as i64]).await;
    }
    (world, spec)
}

const SUM: [i128; 4] = [4, -8, 12, 6000];

/// Waits until a node's store says that it has come to a state of the round.
async fn reaches(world: &World, node: usize, spec: &RoundSpec, state: &str) {
    let path = world.home(node).join("node.db");
    let store = Store::open(path.to_str().unwrap()).await.unwrap();
    for _ in 0..500 {
        if store.round(&spec.digest()).await.unwrap().is_some_and(|round| round.state == state) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("node {node} never came to {state}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_two_of_three_give_the_sum_after_one_is_lost_for_good() {
    let (mut world, spec) = submitted(2, 3, "exact").await;
    for node in 0..3 {
        reaches(&world, node, &spec, "released").await;
    }
    // For good: with its store.
    world.crash(1).await;
    std::fs::remove_file(world.home(1).join("node.db")).unwrap();
    let (first, third) = (answer(&world, 0, &spec).await, answer(&world, 2, &spec).await);
    let lost = first.part_of("node-2").unwrap();
    let bundle = Bundle {
        spec: spec.clone(),
        parts: vec![first.part.clone(), lost.clone(), third.part.clone()],
    };
    let verified = bundle.verify(&world.manifest).unwrap();
    assert_eq!((verified.integers.as_slice(), verified.wrong.as_slice()), (&SUM[..], &[][..]));
    assert_eq!(Bundle::from_bytes(&bundle.to_bytes()).unwrap(), bundle);
    // One is no quorum.
    let alone = third.part_of("node-1").unwrap();
    let bundle = Bundle { spec, parts: vec![alone, lost, third.part] };
    assert!(bundle.verify(&world.manifest).is_err());
}

/// A node that goes down when it has committed, before another has heard of it: who has released
/// tells the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_released_tells_what_the_lost_one_signed() {
    let (mut world, spec) = submitted(2, 3, "exact").await;
    for node in 0..3 {
        reaches(&world, node, &spec, "released").await;
    }
    world.crash(1).await;
    world.crash(2).await;
    // As if the third had not heard of the second's commitment before it went down.
    world.unrelease(2).await;
    world.start(2).await;
    reaches(&world, 2, &spec, "released").await;
    let (first, third) = (answer(&world, 0, &spec).await, answer(&world, 2, &spec).await);
    assert_eq!(first.records, third.records);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wrong_point_of_three_is_detected() {
    let (world, spec) = submitted(2, 3, "exact").await;
    let mut bundle = world.bundle(&spec).await;
    assert_eq!(bundle.verify(&world.manifest).unwrap().integers, SUM);
    bend(&world, &mut bundle.parts[1]);
    let error = bundle.verify(&world.manifest).unwrap_err();
    assert!(matches!(error, Error::Crypto(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wrong_point_of_five_is_named_and_left_out() {
    let (world, spec) = submitted(3, 5, "private").await;
    let mut bundle = world.bundle(&spec).await;
    let honest = bundle.verify(&world.manifest).unwrap();
    for (sum, got) in SUM.iter().zip(&honest.integers) {
        // Five nodes' noise of scale 64.
        assert!((sum - got).abs() < 64 * 3 * 6, "{sum} {got}");
    }
    bend(&world, &mut bundle.parts[3]);
    let verified = bundle.verify(&world.manifest).unwrap();
    assert_eq!((verified.integers, verified.wrong), (honest.integers, vec!["node-4".to_owned()]));
}

/// Another point, with the node's own signature on it: what a node that deviates may send.
fn bend(world: &World, part: &mut Part) {
    use haima_smpc_node::keyfile;
    use haima_smpc_node::record::{Release, Signed, sum_digest};
    let mut release = Release::from_bytes(&part.release.body).unwrap();
    let sum = part.sum.as_mut().unwrap();
    sum[8] ^= 1;
    release.sum = sum_digest(sum);
    let path = world.folder.path().join(&release.node).join("identity.key");
    part.release = Signed::new(&release, &keyfile::read_identity(&path).unwrap());
}

/// A crash after the deal: what was dealt is what the round goes on with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_restarts_after_its_deal_goes_on_with_it() {
    let mut world = World::running_with(3, |manifest| manifest.release_quorum = Some(2)).await;
    let spec = world.spec("private", 1);
    world.open(&spec).await;
    for site in 0..3 {
        world.submit(site, &spec, &[1, 2, 3, 4]).await;
    }
    let made = world.make(3, &spec, &[1, 2, 3, 4]);
    for node in 0..3 {
        world.submit_to(node, 3, &made).await.unwrap();
    }
    // Somewhere between the last submission and the release, again and again.
    for _ in 0..3 {
        world.crash(2).await;
        world.start(2).await;
    }
    let bundle = world.bundle(&spec).await;
    assert!(bundle.verify(&world.manifest).unwrap().wrong.is_empty());
    assert_eq!(world.bundle(&spec).await, bundle, "a re-send is the same");
}
