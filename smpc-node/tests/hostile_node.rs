//! One real node, and a second one that the test plays with the second node's own keys.
#![cfg(feature = "server")]

mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_crypto::secret::Seed;
use haima_smpc_node::client::{NodeClient, Outcome};
use haima_smpc_node::epoch::{Keys, Record};
use haima_smpc_node::proof::Proof;
use haima_smpc_node::record::{
    AcceptedSet, GivenUp, HeaderSet, HeldSet, Prepared, Release, Signed, prep_digest, preps_digest,
    sum_digest,
};
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::submission::associated;
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::{keyfile, proto, tls, unix_millis};
use tonic::{Request, Response, Status};
use world::{Made, SITES, World};

/// What the played node says.
#[derive(Default)]
struct Lines {
    exchange: proto::ExchangeReply,
    offer: Option<proto::Signed>,
    part: Vec<u8>,
    preps: Vec<Vec<u8>>,
}

#[derive(Clone, Default)]
struct Played(Arc<Mutex<Lines>>);

type Stream<T> = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl proto::node_server::Node for Played {
    async fn exchange(
        &self,
        _request: Request<proto::ExchangeRequest>,
    ) -> Result<Response<proto::ExchangeReply>, Status> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Response::new(self.0.lock().unwrap().exchange.clone()))
    }

    async fn epoch(
        &self,
        _request: Request<proto::EpochRequest>,
    ) -> Result<Response<proto::EpochReply>, Status> {
        let offer = self.0.lock().unwrap().offer.clone();
        Ok(Response::new(proto::EpochReply { offer, record: vec![] }))
    }

    async fn epoch_part(
        &self,
        _request: Request<proto::EpochPartRequest>,
    ) -> Result<Response<proto::EpochPartReply>, Status> {
        let sealed = self.0.lock().unwrap().part.clone();
        Ok(Response::new(proto::EpochPartReply { sealed }))
    }

    type PrepsStream = Stream<proto::PrepsPart>;

    async fn preps(
        &self,
        _request: Request<proto::PrepsRequest>,
    ) -> Result<Response<Self::PrepsStream>, Status> {
        let preps = self.0.lock().unwrap().preps.clone();
        let parts = preps.into_iter().map(|prep| Ok(proto::PrepsPart { prep }));
        Ok(Response::new(Box::pin(tokio_stream::iter(parts.collect::<Vec<_>>()))))
    }

    async fn list(
        &self,
        _request: Request<proto::ListRequest>,
    ) -> Result<Response<proto::ListReply>, Status> {
        Err(Status::unimplemented(""))
    }

    type SubShareStream = tokio_stream::Empty<Result<proto::SubSharePart, Status>>;
    async fn sub_share(
        &self,
        _request: Request<proto::SubShareRequest>,
    ) -> Result<Response<Self::SubShareStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn seen(
        &self,
        _request: Request<proto::SeenRequest>,
    ) -> Result<Response<proto::SeenReply>, Status> {
        Ok(Response::new(proto::SeenReply::default()))
    }

    async fn status(
        &self,
        _request: Request<proto::StatusRequest>,
    ) -> Result<Response<proto::StatusReply>, Status> {
        Err(Status::unimplemented("played"))
    }

    async fn open(
        &self,
        _request: Request<proto::OpenRequest>,
    ) -> Result<Response<proto::OpenReply>, Status> {
        Err(Status::unimplemented("played"))
    }

    async fn submit(
        &self,
        _request: Request<tonic::Streaming<proto::SubmitPart>>,
    ) -> Result<Response<proto::SubmitReply>, Status> {
        Err(Status::unimplemented("played"))
    }

    async fn progress(
        &self,
        _: Request<proto::ProgressRequest>,
    ) -> Result<Response<proto::ProgressReply>, Status> {
        Err(Status::unimplemented("played"))
    }

    async fn rounds(
        &self,
        _request: Request<proto::RoundsRequest>,
    ) -> Result<Response<proto::RoundsReply>, Status> {
        Err(Status::unimplemented("played"))
    }

    type ReleaseStream = Stream<proto::ReleasePart>;

    async fn release(
        &self,
        _request: Request<proto::ReleaseRequest>,
    ) -> Result<Response<Self::ReleaseStream>, Status> {
        Err(Status::unimplemented("played"))
    }
}

fn wire(signed: &Signed) -> Option<proto::Signed> {
    let signature = signed.signature.as_bytes().to_vec();
    Some(proto::Signed { body: signed.body.clone(), signature })
}

/// Node 1 real, node 2 played with its own keys; all sites have submitted to node 1.
struct Scene {
    world: World,
    spec: RoundSpec,
    played: Played,
    key: IdentityKey,
    headers: HeaderSet,
    /// Honest preparation shares of node 2.
    preps: Vec<Vec<u8>>,
    /// Node 1, as node 2 calls it.
    node: NodeClient,
}

impl Scene {
    async fn new() -> Self {
        let mut world = World::new(2);
        let home = world.home(1);
        let tls = TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
        let address = &world.manifest.nodes[1].address;
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let incoming = tls::incoming(listener, &tls, &world.manifest.pins()).unwrap();
        let played = Played::default();
        let key = keyfile::read_identity(&home.join("identity.key")).unwrap();
        let keys = Keys::new(&Seed::from_bytes([9; 32])).unwrap();
        let manifest = world.manifest.digest();
        let offer = keys.offer(&manifest, "node-2", &key);
        played.0.lock().unwrap().offer = wire(&offer);
        let service = proto::node_server::NodeServer::new(played.clone());
        tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        world.start(0).await;
        let node = NodeClient::new(&world.manifest.nodes[0], &tls).unwrap();
        let (first, _) = node.epoch().await.unwrap();
        let epoch = Record(vec![first, offer]).verify(&world.manifest).unwrap();
        played.0.lock().unwrap().part = keys.sealed_part(&epoch, "node-2", "node-1").unwrap();
        world.settle().await;
        let part = node.epoch_part(&epoch.digest).await.unwrap();
        let part = keys.open_part(&epoch, "node-1", "node-2", &part).unwrap();
        let parts = BTreeMap::from([("node-1".to_owned(), part)]);
        let secret = keys.secret(&epoch, "node-2", &parts).unwrap();
        let spec = RoundSpec { deadline_ms: unix_millis() + 5000, ..world.spec("exact", 1) };
        let verify_key = secret.verify_key(&manifest, &spec.digest());
        world.open_at(0, &spec).await.unwrap();
        let (mut headers, mut preps) = (vec![], vec![]);
        for site in 0..4 {
            let made: Made = world.make(site, &spec, &[1; 4]);
            world.submit_to(0, site, &made).await.unwrap();
            headers.push((SITES[site].to_owned(), Digest::of(&made.header.to_bytes())));
            let (nonce, public) = (made.header.nonce, &made.header.public_share);
            let aad = associated(&spec, &spec.digest(), SITES[site], (1, "node-2"), nonce, public);
            let share = keys.sealing.open(&aad, &made.sealed[1]).unwrap();
            let proof = Proof::new(&spec, 2).unwrap();
            preps.push(proof.prep(&verify_key, 1, &nonce, &made.public, &share).unwrap());
        }
        let headers = HeaderSet::new(headers);
        let held =
            HeldSet { round: spec.digest(), node: "node-2".into(), headers: headers.clone() };
        played.0.lock().unwrap().exchange.held = wire(&Signed::new(&held, &key));
        Self { world, spec, played, key, headers, preps, node }
    }

    /// Node 2 commits to preparation shares.
    fn commit(&self, preps: &[Vec<u8>]) -> Signed {
        let entries = self.headers.entries().iter().zip(preps);
        let prepared = Prepared {
            round: self.spec.digest(),
            node: "node-2".into(),
            candidates: self.headers.clone(),
            preps: entries.map(|((_, h), prep)| prep_digest("node-2", h, prep)).collect(),
        };
        let signed = Signed::new(&prepared, &self.key);
        self.played.0.lock().unwrap().exchange.prepared = wire(&signed);
        signed
    }

    fn show(&self, preps: &[Vec<u8>]) {
        self.played.0.lock().unwrap().preps = preps.to_vec();
    }

    /// Node 1's commitment, as soon as there is one.
    async fn of_node(&self) -> Signed {
        loop {
            let shown = self.node.exchange(&self.spec.digest(), 1, Duration::from_secs(1)).await;
            if let Some(prepared) = shown.unwrap().prepared {
                return prepared;
            }
        }
    }

    /// Node 2 commits to its honest shares, shows them, and signs this accepted set.
    async fn accept(&self, headers: HeaderSet) -> AcceptedSet {
        let own = self.commit(&self.preps);
        self.show(&self.preps);
        let preps = preps_digest([&self.of_node().await, &own]);
        let refused = HeaderSet::default();
        let accepted = AcceptedSet { round: self.spec.digest(), headers, refused, preps };
        let signed = Signed::new(&accepted, &self.key);
        self.played.0.lock().unwrap().exchange.accepted = wire(&signed);
        accepted
    }

    fn release(&self, accepted: Digest) {
        let release = Release {
            round: self.spec.digest(),
            node: "node-2".into(),
            accepted,
            sum: sum_digest(b"whatever it is"),
        };
        let signed = Signed::new(&release, &self.key);
        self.played.0.lock().unwrap().exchange.release = wire(&signed);
    }

    async fn outcome(&self, wait: u64) -> Outcome {
        let (round, wait) = (self.spec.digest(), Duration::from_millis(wait));
        self.world.node(0).release(&round, wait, 1000).await.unwrap()
    }
}

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
    let scene = Scene::new().await;
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
    let ask = async |scene: &Scene| loop {
        if let Ok(preps) = scene.node.preps(&round, 4, len, Duration::from_secs(1)).await {
            return preps;
        }
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
