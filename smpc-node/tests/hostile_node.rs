//! One real node, and a second one that the test plays with the second node's own keys.
#![cfg(feature = "server")]

mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_smpc_node::client::Outcome;
use haima_smpc_node::record::{AcceptedSet, HeaderSet, HeldSet, Release, Signed, sum_digest};
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::{keyfile, proto, tls, unix_millis};
use tonic::{Request, Response, Status};
use world::{SITES, World};

/// What the played node publishes.
#[derive(Clone, Default)]
struct Played(Arc<Mutex<proto::ExchangeReply>>);

type Stream<T> = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl proto::node_server::Node for Played {
    async fn exchange(
        &self,
        _request: Request<proto::ExchangeRequest>,
    ) -> Result<Response<proto::ExchangeReply>, Status> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Response::new(self.0.lock().unwrap().clone()))
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

/// Node 1 real, node 2 played; all sites have submitted to node 1. The played node signs the
/// honest accepted set, or a smaller one.
async fn scene(smaller: bool) -> (World, RoundSpec, Played, AcceptedSet) {
    let mut world = World::new(2);
    let home = world.home(1);
    let tls = TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
    let listener = tokio::net::TcpListener::bind(&world.manifest.nodes[1].address).await.unwrap();
    let incoming = tls::incoming(listener, &tls, &world.manifest.pins()).unwrap();
    let played = Played::default();
    let service = proto::node_server::NodeServer::new(played.clone());
    tokio::spawn(async move {
        let server = tonic::transport::Server::builder().add_service(service);
        server.serve_with_incoming(incoming).await.unwrap();
    });
    world.start(0).await;
    let spec = RoundSpec { deadline_ms: unix_millis() + 5000, ..world.spec("exact", 1) };
    world.open_at(0, &spec).await.unwrap();
    let mut headers = vec![];
    for site in 0..4 {
        let made = world.make(site, &spec, &[1; 4]);
        world.submit_to(0, site, &made).await.unwrap();
        headers.push((SITES[site].to_owned(), Digest::of(&made.header.to_bytes())));
    }
    let headers = HeaderSet::new(headers);
    let key = keyfile::read_identity(&home.join("identity.key")).unwrap();
    let held = HeldSet { round: spec.digest(), node: "node-2".into(), headers: headers.clone() };
    let others = HeaderSet::new(headers.entries()[usize::from(smaller)..].to_vec());
    let accepted = AcceptedSet { round: spec.digest(), headers: others };
    {
        let mut reply = played.0.lock().unwrap();
        reply.held = wire(&Signed::new(&held, &key));
        reply.accepted = wire(&Signed::new(&accepted, &key));
    }
    (world, spec, played, accepted)
}

async fn outcome(world: &World, spec: &RoundSpec, wait: u64) -> Outcome {
    world.node(0).release(&spec.digest(), Duration::from_millis(wait), 1000).await.unwrap()
}

fn release(world: &World, release: &Release) -> Option<proto::Signed> {
    let key = keyfile::read_identity(&world.home(1).join("identity.key")).unwrap();
    wire(&Signed::new(release, &key))
}

/// X3, R3: no sum is shown before every node has committed to its own, so that none can fit its
/// sum to the others'; with the commitment there, it is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_shows_its_sum_only_when_all_have_committed() {
    let (world, spec, played, accepted) = scene(false).await;
    let shown = outcome(&world, &spec, 2500).await;
    assert!(matches!(shown, Outcome::Pending(4)), "{shown:?}");
    played.0.lock().unwrap().release = release(
        &world,
        &Release {
            round: spec.digest(),
            node: "node-2".into(),
            accepted: accepted.digest(),
            sum: sum_digest(b"whatever it is"),
        },
    );
    let shown = outcome(&world, &spec, 5000).await;
    assert!(matches!(shown, Outcome::Released(_)), "{shown:?}");
}

/// R3: a commitment over another accepted set ends the round without a sum.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commitment_to_another_set_is_refused() {
    let (world, spec, played, _) = scene(false).await;
    played.0.lock().unwrap().release = release(
        &world,
        &Release {
            round: spec.digest(),
            node: "node-2".into(),
            accepted: Digest::of(b"another set"),
            sum: Digest::of(b"x"),
        },
    );
    let shown = outcome(&world, &spec, 5000).await;
    assert!(matches!(&shown, Outcome::Failed(reason) if reason.contains("node-2")), "{shown:?}");
}

/// R3: another accepted set than the intersection gets no sum.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_accepted_set_is_refused() {
    let (world, spec, _, _) = scene(true).await;
    let shown = outcome(&world, &spec, 5000).await;
    assert!(
        matches!(&shown, Outcome::Failed(reason) if reason.contains("another set")),
        "{shown:?}"
    );
}
