//! Nodes that are killed (SIGKILL) at random moments and started again: the sum is right, or the
//! round failed cleanly; and what was released once is released so for ever.
//!
//! `HAIMA_KILLS` says how many rounds, 12 by default.

mod processes;
mod world;

use std::time::Duration;

use haima_crypto::encode::{Canonical as _, Digest};
use haima_smpc_node::bundle::release_digest;
use haima_smpc_node::client::Outcome;
use haima_smpc_node::plan::Plan;
use haima_smpc_node::unix_millis;
use processes::{Processes, end, open, settle, submit, until};
use rand::RngExt as _;
use world::{SITES, World};

fn rounds() -> u64 {
    std::env::var("HAIMA_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

/// A study whose private task goes on for as many steps and failed attempts as there may be rounds.
fn long_run() -> World {
    let mut world = World::new(2);
    for task in &mut world.manifest.tasks {
        (task.max_steps, task.spare_attempts) = (10_000, 10_000);
    }
    world.manifest.plan = Plan::of(&world.manifest).digest().to_string();
    world.manifest = world.manifest.clone().checked().unwrap();
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_killed_at_random_moments_lose_nothing() {
    let mut world = long_run();
    let mut nodes = Processes::of(&world, "");
    (0..2).for_each(|node| nodes.start(node, None));
    settle(&mut world).await;
    let (mut released, mut failed) = (0, 0);
    let (mut attempt, mut previous) = (0, Digest::default());
    for number in 1..=rounds() {
        let mut spec = world.spec("private", number);
        (spec.step, spec.attempt, spec.previous) = (released, attempt, previous);
        spec.plan_index = u32::try_from(number).unwrap() - 1;
        spec.deadline_ms = unix_millis() + 4_000;
        let victim = rand::rng().random_range(0..2);
        let at = Duration::from_millis(rand::rng().random_range(0..250));
        let killing = async {
            tokio::time::sleep(at).await;
            nodes.kill(victim);
            tokio::time::sleep(Duration::from_millis(50)).await;
            nodes.start(victim, None);
        };
        let asking = async {
            open(&world, &spec).await;
            let mut acknowledged = vec![];
            for site in 0..4 {
                if submit(&world, site, &world.make(site, &spec, &[1, 2, 3, 4])).await {
                    acknowledged.push(SITES[site]);
                }
            }
            (acknowledged, end(&world, &spec).await)
        };
        let ((), (acknowledged, outcome)) = tokio::join!(killing, asking);
        match outcome {
            Ok(bundle) => {
                (released, attempt, previous) = (released + 1, 0, release_digest(&bundle));
                let sum = bundle.verify(&world.manifest).unwrap();
                let accepted: Vec<&str> = sum.accepted.headers.sites().collect();
                assert!(
                    acknowledged.iter().all(|site| accepted.contains(site)),
                    "{accepted:?} of {acknowledged:?}, which all nodes acknowledged"
                );
                let sites = accepted.len() as i128;
                for (sum, plain) in sum.integers.iter().zip([1, 2, 3, 4]) {
                    assert!((sum - sites * plain).abs() < 64 * 2 * 7, "{sum}");
                }
                assert_eq!(end(&world, &spec).await, Ok(bundle), "the same for ever");
            }
            Err(_) => (failed, attempt) = (failed + 1, attempt + 1),
        }
    }
    println!("{released} released, {failed} failed cleanly");
    // Most rounds get over it: a kill costs a round only past its deadline.
    assert!(u64::from(released) * 2 >= rounds(), "{released} released, {failed} failed");
}

/// Killed between the release and its answer, again and again: one release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_while_it_answers_releases_the_same() {
    let mut world = long_run();
    let mut nodes = Processes::of(&world, "");
    (0..2).for_each(|node| nodes.start(node, None));
    settle(&mut world).await;
    let mut previous = Digest::default();
    for number in 1..=rounds() {
        let mut spec = world.spec("private", number);
        spec.step = u32::try_from(number).unwrap() - 1;
        (spec.plan_index, spec.previous) = (spec.step, previous);
        open(&world, &spec).await;
        for site in 0..4 {
            submit(&world, site, &world.make(site, &spec, &[1, 2, 3, 4])).await;
        }
        let round = spec.digest();
        let client = world.node(0);
        let ask = || client.release(&round, Duration::from_secs(5), 1 << 20);
        let micros = rand::rng().random_range(0..8_000);
        let killing = async {
            tokio::time::sleep(Duration::from_micros(micros)).await;
            nodes.kill(0);
            nodes.start(0, None);
        };
        let (first, ()) = tokio::join!(ask(), killing);
        let second = until("release", ask).await.unwrap();
        let third = until("release", ask).await.unwrap();
        if let Ok(Outcome::Released(first)) = &first {
            assert!(matches!(&second, Outcome::Released(second) if second == first));
        }
        let same = match (&second, &third) {
            (Outcome::Released(a), Outcome::Released(b)) => a == b,
            (Outcome::Failed(a), Outcome::Failed(b)) => a == b,
            (Outcome::Pending(_), _) => true,
            _ => false,
        };
        assert!(same, "{second:?} {third:?}");
        previous = release_digest(&end(&world, &spec).await.unwrap());
    }
}
