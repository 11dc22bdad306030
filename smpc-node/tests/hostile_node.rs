//! One real node, and others that the test plays with these nodes' own keys.
#![cfg(feature = "server")]

mod played;
mod world;

use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_crypto::secret::Seed;
use haima_smpc_node::client::Outcome;
use haima_smpc_node::epoch::{Keys, Record};
use haima_smpc_node::record::{
    AcceptedSet, GivenUp, HeaderSet, HeldSet, Release, Signed, sum_digest,
};
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::{keyfile, proto};
use played::{Scene, wire};
use world::{SITES, World};

/// X3, R3: no sum is shown before every node has committed to its own, so that none can fit its
/// sum to the others'; with the commitment there, it is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_shows_its_sum_only_when_all_have_committed() {
    let scene = Scene::new().await;
    let accepted = scene.accept(scene.headers.clone()).await;
    let shown = scene.outcome(2500).await;
    assert!(matches!(shown, Outcome::Pending(4)), "{shown:?}");
    scene.release(accepted.digest());
    let shown = scene.outcome(5000).await;
    assert!(matches!(shown, Outcome::Released(_)), "{shown:?}");
}

/// R3: a commitment over another accepted set counts for nothing; the round waits for the right one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commitment_to_another_set_counts_for_nothing() {
    let scene = Scene::new().await;
    let accepted = scene.accept(scene.headers.clone()).await;
    scene.release(Digest::of(b"another set"));
    let shown = scene.outcome(2500).await;
    assert!(matches!(shown, Outcome::Pending(4)), "{shown:?}");
    scene.release(accepted.digest());
    let shown = scene.outcome(5000).await;
    assert!(matches!(shown, Outcome::Released(_)), "{shown:?}");
}

/// X3, R3: what a peer tells of a third node counts only where that node signed it, for this round and
/// set. Otherwise a liar has a node show its sum before the third one has committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_record_of_a_third_node_counts_for_nothing() {
    let scene = Scene::among(3, |_, _| proto::SeenReply::default()).await;
    let accepted = scene.accept(scene.headers.clone()).await;
    scene.release(accepted.digest());
    let round = scene.spec.digest();
    let second = Duration::from_secs(1);
    while scene.node.exchange(&round, 4, second).await.unwrap().release.is_none() {}
    let (liar, third) = (&scene.key, &scene.others[0].key);
    let tell = |release: &Release, of_set: &IdentityKey, of_release: &IdentityKey| {
        let record = proto::NodeRecord {
            node: "node-3".into(),
            accepted: Signed::new(&accepted, of_set).signature.as_bytes().to_vec(),
            release: wire(&Signed::new(release, of_release)),
        };
        scene.played.0.lock().unwrap().exchange.records = vec![record];
    };
    let (node, sum) = ("node-3".to_owned(), sum_digest(b"its sum"));
    let own = Release { round, node, accepted: accepted.digest(), sum };
    let other = Digest::of(b"another");
    for (what, release, of_set, of_release) in [
        ("a release that the liar signed", own.clone(), third, liar),
        ("a set that the liar signed", own.clone(), liar, third),
        ("over another set", Release { accepted: other, ..own.clone() }, third, third),
        ("of another round", Release { round: other, ..own.clone() }, third, third),
        ("of another node", Release { node: "node-2".into(), ..own.clone() }, third, third),
    ] {
        tell(&release, of_set, of_release);
        let shown = scene.outcome(1000).await;
        assert!(matches!(shown, Outcome::Pending(4)), "{what}: {shown:?}");
    }
    // Its own, from the same peer.
    tell(&own, third, third);
    let shown = scene.outcome(5000).await;
    assert!(matches!(shown, Outcome::Released(_)), "{shown:?}");
}

/// R3: once a node has committed, a peer that says that the round failed is believed only when it
/// signs that it will never commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_committing_a_failure_counts_only_when_it_is_signed() {
    let scene = Scene::new().await;
    scene.accept(scene.headers.clone()).await;
    let round = scene.spec.digest();
    while scene
        .node
        .exchange(&round, 4, Duration::from_secs(1))
        .await
        .is_ok_and(|shown| shown.release.is_none())
    {}
    let say = |given_up: Option<GivenUp>| {
        let mut lines = scene.played.0.lock().unwrap();
        lines.exchange.failed = "no reason".into();
        lines.exchange.given_up = given_up.and_then(|it| wire(&Signed::new(&it, &scene.key)));
    };
    let other = GivenUp { round: Digest::of(b"another round"), node: "node-2".into() };
    // Nor is a held set that it did not sign.
    let forged = HeldSet { round, node: "node-2".into(), headers: scene.headers.clone() };
    let forged = Signed::new(&forged, &IdentityKey::from_secret(&[3; 32]));
    scene.played.0.lock().unwrap().exchange.held = wire(&forged);
    let shown = scene.outcome(2500).await;
    assert!(matches!(shown, Outcome::Pending(4)), "{shown:?}");
    for given_up in [None, Some(other)] {
        say(given_up);
        let shown = scene.outcome(2500).await;
        assert!(matches!(shown, Outcome::Pending(4)), "{shown:?}");
    }
    say(Some(GivenUp { round, node: "node-2".into() }));
    let shown = scene.outcome(5000).await;
    assert!(matches!(&shown, Outcome::Failed(reason) if reason.contains("no reason")), "{shown:?}");
    // Having committed, it gives no such word itself.
    let shown = scene.node.exchange(&round, 0, Duration::ZERO).await.unwrap();
    assert!(shown.failed.is_some() && shown.given_up.is_none());
}

/// R3: another accepted set than follows from held sets and proofs gets no sum.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_accepted_set_is_refused() {
    let mut scene = Scene::new().await;
    scene.accept(HeaderSet::new(scene.headers.entries()[1..].to_vec())).await;
    let shown = scene.outcome(5000).await;
    assert!(
        matches!(&shown, Outcome::Failed(reason) if reason.contains("another set")),
        "{shown:?}"
    );
    // It signed a set, upon which a peer may have committed: that peer gets its word.
    let round = scene.spec.digest();
    let said = scene.node.exchange(&round, 0, Duration::ZERO).await.unwrap().given_up.unwrap();
    let key = scene.world.manifest.identity("node-1").unwrap();
    let given_up: GivenUp = said.verify("node-1", &key, "given-up round").unwrap();
    assert_eq!(given_up, GivenUp { round, node: "node-1".into() });
    // Signed once, and stored.
    scene.world.crash(0).await;
    scene.world.start(0).await;
    let again = scene.node.exchange(&round, 0, Duration::ZERO).await.unwrap().given_up;
    assert_eq!(again, Some(said));
}

/// N3: a store that was put back to a copy from between the accepted set and the commitment looks
/// like that of a node that was restarted there. It may have committed: when a peer's bare word fails
/// the round, it signs nothing, so one lying node cannot have it deny what another may hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_restarted_after_it_accepted_a_set_gives_no_word() {
    let mut scene = Scene::new().await;
    scene.commit(&scene.preps);
    scene.show(&scene.preps);
    let round = scene.spec.digest();
    while scene
        .node
        .exchange(&round, 2, Duration::from_secs(1))
        .await
        .is_ok_and(|shown| shown.accepted.is_none())
    {}
    scene.world.crash(0).await;
    scene.world.start(0).await;
    scene.played.0.lock().unwrap().exchange.failed = "no reason".into();
    let shown = scene.outcome(8000).await;
    assert!(matches!(&shown, Outcome::Failed(reason) if reason.contains("no reason")), "{shown:?}");
    let said = scene.node.exchange(&round, 0, Duration::ZERO).await.unwrap();
    assert!(
        said.accepted.is_some() && said.failed.is_some() && said.given_up.is_none(),
        "{said:?}"
    );
}

/// R9: a node that has signed its accepted set goes on with it, though it was restarted and is back
/// only after the deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_back_after_the_deadline_goes_on_with_the_set_it_accepted() {
    let mut scene = Scene::new().await;
    scene.commit(&scene.preps);
    scene.show(&scene.preps);
    let round = scene.spec.digest();
    let second = Duration::from_secs(1);
    while scene.node.exchange(&round, 2, second).await.unwrap().accepted.is_none() {}
    scene.world.crash(0).await;
    let left = scene.spec.deadline_ms.saturating_sub(haima_smpc_node::unix_millis());
    tokio::time::sleep(Duration::from_millis(left + 100)).await;
    scene.world.start(0).await;
    let accepted = scene.accept(scene.headers.clone()).await;
    scene.release(accepted.digest());
    let shown = scene.outcome(8000).await;
    assert!(matches!(shown, Outcome::Released(_)), "{shown:?}");
}

/// A held set of node 1 of a round, without submissions.
fn held_of(round: Digest) -> HeldSet {
    HeldSet { round, node: "node-1".into(), headers: HeaderSet::default() }
}

fn key_of(world: &World, node: usize) -> IdentityKey {
    keyfile::read_identity(&world.home(node).join("identity.key")).unwrap()
}

/// N3: a peer cannot have a node take itself for one that was put back: what it shows counts where the
/// node signed it, of a round of this study's manifest, by the number of the spec that it names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_set_that_a_node_did_not_sign_stops_no_round() {
    let others = |spec: &RoundSpec| RoundSpec { number: spec.number + 5, ..spec.clone() };
    type Lie = fn(&World, &RoundSpec) -> (RoundSpec, Signed);
    let lies: [Lie; 4] = [
        // By node 2.
        |world, spec| (spec.clone(), Signed::new(&held_of(spec.digest()), &key_of(world, 1))),
        // Node 2's own, by itself.
        |world, spec| {
            let held = HeldSet { node: "node-2".into(), ..held_of(spec.digest()) };
            (spec.clone(), Signed::new(&held, &key_of(world, 1)))
        },
        // Node 1's of an earlier round, under the number of this one.
        |world, spec| {
            let earlier = RoundSpec { number: 0, ..spec.clone() };
            (spec.clone(), Signed::new(&held_of(earlier.digest()), &key_of(world, 0)))
        },
        // Node 1's of another study.
        |world, spec| {
            let other = RoundSpec { manifest: Digest::of(b"another"), number: 9, ..spec.clone() };
            let held = held_of(other.digest());
            (other, Signed::new(&held, &key_of(world, 0)))
        },
    ];
    let reply = |(spec, held): (RoundSpec, Signed)| proto::SeenReply {
        spec: spec.to_bytes(),
        held: wire(&held),
    };
    for lie in lies {
        let scene = Scene::shown(|world, spec| reply(lie(world, spec))).await;
        let accepted = scene.accept(scene.headers.clone()).await;
        scene.release(accepted.digest());
        let shown = scene.outcome(5000).await;
        assert!(matches!(shown, Outcome::Released(_)), "{shown:?}");
    }
    // And what it did sign stops it, of this round or of a later one.
    for later in [false, true] {
        let scene = Scene::shown(|world, spec| {
            let spec = if later { others(spec) } else { spec.clone() };
            let held = held_of(spec.digest());
            reply((spec, Signed::new(&held, &key_of(world, 0))))
        });
        let shown = scene.await.outcome(5000).await;
        assert!(matches!(&shown, Outcome::Failed(reason) if reason.contains("N3")), "{shown:?}");
    }
}

/// R3: preparation shares are shown to nobody before all nodes have committed to theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preparation_shares_are_shown_only_when_all_have_committed() {
    let scene = Scene::new().await;
    scene.of_node().await;
    let (round, len) = (scene.spec.digest(), scene.preps[0].len());
    let asked = scene.node.preps(&round, 4, len, Duration::from_millis(1500)).await;
    assert!(asked.is_err(), "node 1 has committed, node 2 has not");
    scene.commit(&scene.preps);
    for _ in 0..20 {
        if let Ok(preps) = scene.node.preps(&round, 4, len, Duration::from_secs(1)).await {
            assert_eq!(preps.len(), 4);
            return;
        }
    }
    panic!("all have committed, and nothing is shown");
}

/// R3: a node that shows other preparation shares than it committed to ends the round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_preparation_shares_than_committed_are_refused() {
    let scene = Scene::new().await;
    scene.commit(&scene.preps);
    let mut others = scene.preps.clone();
    others[2][0] ^= 1;
    scene.show(&others);
    let shown = scene.outcome(8000).await;
    assert!(
        matches!(&shown, Outcome::Failed(reason) if reason.contains("committed to")),
        "{shown:?}"
    );
    // It has signed no set, so nobody can have committed: nobody needs its word.
    let said = scene.node.exchange(&scene.spec.digest(), 0, Duration::ZERO).await.unwrap();
    assert!(said.failed.is_some() && said.given_up.is_none());
}

/// R3: a node that spoils one site's preparation share costs that site its place, on record and
/// with evidence, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoiled_preparation_share_is_on_record() {
    let scene = Scene::new().await;
    let mut spoiled = scene.preps.clone();
    spoiled[2][0] ^= 1;
    scene.commit(&spoiled);
    scene.show(&spoiled);
    let round = scene.spec.digest();
    let accepted: AcceptedSet = loop {
        let shown = scene.node.exchange(&round, 2, Duration::from_secs(1)).await.unwrap();
        if let Some(accepted) = shown.accepted {
            let key = scene.world.manifest.identity("node-1").unwrap();
            break accepted.verify("node-1", &key, "accepted set").unwrap();
        }
    };
    assert_eq!(accepted.headers.sites().collect::<Vec<_>>(), [SITES[0], SITES[1], SITES[3]]);
    assert_eq!(accepted.refused.sites().collect::<Vec<_>>(), [SITES[2]]);
    let store = haima_smpc_node::server::Store::open(&scene.world.config(0).store).await.unwrap();
    assert_eq!(store.evidence(&round).await.unwrap(), [(SITES[2].to_owned(), 2)]);
}

/// R3: having seen the others' preparation shares, a node cannot commit to others of its own, even
/// if the honest node restarts in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commitment_holds_over_a_restart() {
    let mut scene = Scene::new().await;
    scene.commit(&scene.preps);
    let (round, len) = (scene.spec.digest(), scene.preps[0].len());
    while scene.node.preps(&round, 4, len, Duration::from_secs(1)).await.is_err() {}
    scene.world.crash(0).await;
    let mut fitted = scene.preps.clone();
    fitted[1][0] ^= 1;
    scene.commit(&fitted);
    scene.show(&fitted);
    scene.world.start(0).await;
    let shown = scene.outcome(8000).await;
    assert!(
        matches!(&shown, Outcome::Failed(reason) if reason.contains("two different")),
        "{shown:?}"
    );
}

/// R4: preparation is answered from the store: asked again, the same bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preparation_share_is_made_once() {
    let mut scene = Scene::new().await;
    scene.commit(&scene.preps);
    let (round, len) = (scene.spec.digest(), scene.preps[0].len());
    let ask = async |scene: &Scene| {
        for _ in 0..20 {
            if let Ok(preps) = scene.node.preps(&round, 4, len, Duration::from_secs(1)).await {
                return preps;
            }
        }
        panic!("no preparation shares of {len} bytes for all four");
    };
    let first = ask(&scene).await;
    let committed = scene.of_node().await;
    scene.world.crash(0).await;
    // Were it made again, it would be over these candidates.
    let headers = HeaderSet::new(scene.headers.entries()[1..].to_vec());
    let fewer = HeldSet { round, node: "node-2".into(), headers };
    scene.played.0.lock().unwrap().exchange.held = wire(&Signed::new(&fewer, &scene.key));
    scene.world.start(0).await;
    assert_eq!(ask(&scene).await, first);
    assert_eq!(scene.of_node().await, committed);
}

/// R6: the secret behind the verify keys is fixed once all have offered: another offer of a node, and
/// the part that fits it, change nothing, also over a restart, and no round is opened under them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_offer_of_a_node_changes_no_epoch() {
    let mut scene = Scene::new().await;
    let manifest = scene.world.manifest.clone();
    let (own, record) = scene.node.epoch().await.unwrap();
    let fitted = Keys::new(&Seed::from_bytes([10; 32])).unwrap();
    let offer = fitted.offer(&manifest.digest(), "node-2", &scene.key);
    let other = Record(vec![own, offer.clone()]).verify(&manifest).unwrap();
    {
        let mut lines = scene.played.0.lock().unwrap();
        lines.offer = wire(&offer);
        lines.part = fitted.sealed_part(&other, "node-2", "node-1").unwrap();
    }
    for restarted in [false, true] {
        if restarted {
            scene.world.crash(0).await;
            scene.world.start(0).await;
            scene.world.settle().await;
        }
        assert_eq!(scene.node.epoch().await.unwrap().1, record, "restarted: {restarted}");
        let spec = RoundSpec { epoch: other.digest, ..scene.world.spec("private", 2) };
        let error = scene.world.open_at(0, &spec).await.unwrap_err().to_string();
        assert!(error.contains("another epoch"), "{error}");
    }
    // Node 1 verifies with the key of the first offers: what was prepared under it still holds.
    let accepted = scene.accept(scene.headers.clone()).await;
    scene.release(accepted.digest());
    let shown = scene.outcome(5000).await;
    assert!(matches!(shown, Outcome::Released(_)), "{shown:?}");
}
