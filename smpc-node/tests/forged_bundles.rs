//! Bundles that a liar made of a released one. All else in them fits, so that each is refused by one
//! check alone.
#![cfg(feature = "server")]

mod world;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_smpc_node::bundle::{Bundle, Part};
use haima_smpc_node::record::{AcceptedSet, HeaderSet, Release, Signed, sum_digest};
use haima_smpc_node::{Error, keyfile};
use world::World;

/// What a node says in a bundle, to be signed by whomever.
#[derive(Clone)]
struct Said {
    set: AcceptedSet,
    release: Release,
    sum: Vec<u8>,
}

impl Said {
    fn of(part: &Part) -> Self {
        Self {
            set: AcceptedSet::from_bytes(&part.accepted.body).unwrap(),
            release: Release::from_bytes(&part.release.body).unwrap(),
            sum: part.sum.clone().unwrap(),
        }
    }

    /// The same over another accepted set.
    fn over(&self, set: &AcceptedSet) -> Self {
        let release = Release { accepted: set.digest(), ..self.release.clone() };
        Self { set: set.clone(), release, sum: self.sum.clone() }
    }

    /// The same with another release record.
    fn with(&self, change: impl FnOnce(&mut Release)) -> Self {
        let mut said = self.clone();
        change(&mut said.release);
        said
    }

    /// The same with another sum.
    fn with_sum(&self, sum: Vec<u8>) -> Self {
        let said = self.with(|release| release.sum = sum_digest(&sum));
        Self { sum, ..said }
    }

    fn signed(&self, of_set: &IdentityKey, of_release: &IdentityKey) -> Part {
        Part {
            accepted: Signed::new(&self.set, of_set),
            release: Signed::new(&self.release, of_release),
            sum: Some(self.sum.clone()),
        }
    }
}

/// X3, R3, P6n, P7n: without a node's own signature over the set that all accepted, and over its sum of
/// that set in this round, the bundle is refused; the error names the node and what is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_holds_only_what_each_node_signed_over_one_set() {
    let world = World::running(2).await;
    let good = world.released("exact").await;
    let verify = |first: Part, second: Part| {
        Bundle { spec: good.spec.clone(), parts: vec![first, second] }.verify(&world.manifest)
    };
    let key = |node| keyfile::read_identity(&world.home(node).join("identity.key")).unwrap();
    let (one, two, liar) = (key(0), key(1), &world.coordinator.identity);
    let (first, second) = (Said::of(&good.parts[0]), Said::of(&good.parts[1]));
    assert_eq!([first.signed(&one, &one), second.signed(&two, &two)], good.parts[..]);

    let mut sum = second.sum.clone();
    sum[0] ^= 1;
    let chosen = second.with_sum(sum);
    let headers = HeaderSet::new(first.set.headers.entries()[1..].to_vec());
    let fewer = AcceptedSet { headers, ..first.set.clone() };
    // Both fit but for who signs: the second node may say either, if it deviates.
    verify(first.signed(&one, &one), chosen.signed(&two, &two)).unwrap();
    verify(first.over(&fewer).signed(&one, &one), second.over(&fewer).signed(&two, &two)).unwrap();

    let honest = first.signed(&one, &one);
    let elsewhere = second.with(|release| release.accepted = fewer.digest());
    let before = second.with(|release| release.round = Digest::of(b"another round"));
    let in_its_name = second.with(|release| release.node = "node-1".into());
    for (what, first, second, expected) in [
        ("a chosen sum", honest.clone(), chosen.signed(&two, liar), "this release does not verify"),
        (
            "a chosen set",
            first.over(&fewer).signed(&one, &one),
            second.over(&fewer).signed(liar, &two),
            "this accepted set does not verify",
        ),
        (
            "a release over another set",
            honest.clone(),
            elsewhere.signed(&two, &two),
            "over another accepted set than it signed",
        ),
        (
            "two sets",
            honest.clone(),
            second.over(&fewer).signed(&two, &two),
            "accepted another set than the first node",
        ),
        ("another round", honest.clone(), before.signed(&two, &two), "another round or node"),
        ("another node", honest, in_its_name.signed(&two, &two), "another round or node"),
    ] {
        let error = verify(first, second).expect_err(what);
        let Error::Peer { peer, problem } = &error else { panic!("{what}: {error}") };
        assert!(peer == "node-2" && problem.contains(expected), "{what}: {error}");
    }
}
