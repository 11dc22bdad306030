//! One real node, and a second one that a test plays with the second node's own keys.

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
    AcceptedSet, HeaderSet, HeldSet, Prepared, Release, Signed, prep_digest, preps_digest,
    sum_digest,
};
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::submission::associated;
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::{keyfile, proto, tls, unix_millis};
use tonic::{Request, Response, Status};

use crate::world::{Made, SITES, World};

/// What the played node says.
#[derive(Default)]
pub(crate) struct Lines {
    pub(crate) exchange: proto::ExchangeReply,
    pub(crate) offer: Option<proto::Signed>,
    pub(crate) part: Vec<u8>,
    pub(crate) preps: Vec<Vec<u8>>,
    pub(crate) seen: proto::SeenReply,
}

#[derive(Clone, Default)]
pub(crate) struct Played(pub(crate) Arc<Mutex<Lines>>);

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
        Ok(Response::new(self.0.lock().unwrap().seen.clone()))
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

pub(crate) fn wire(signed: &Signed) -> Option<proto::Signed> {
    let signature = signed.signature.as_bytes().to_vec();
    Some(proto::Signed { body: signed.body.clone(), signature })
}

/// Node 1 real, node 2 played with its own keys; all sites have submitted to node 1.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) spec: RoundSpec,
    pub(crate) played: Played,
    pub(crate) key: IdentityKey,
    pub(crate) headers: HeaderSet,
    /// Honest preparation shares of node 2.
    pub(crate) preps: Vec<Vec<u8>>,
    /// Node 1, as node 2 calls it.
    pub(crate) node: NodeClient,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::shown(|_, _| proto::SeenReply::default()).await
    }

    /// The same, with what node 2 says that it has seen of node 1 before this round.
    pub(crate) async fn shown(seen: impl FnOnce(&World, &RoundSpec) -> proto::SeenReply) -> Self {
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
        played.0.lock().unwrap().seen = seen(&world, &spec);
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
    pub(crate) fn commit(&self, preps: &[Vec<u8>]) -> Signed {
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

    pub(crate) fn show(&self, preps: &[Vec<u8>]) {
        self.played.0.lock().unwrap().preps = preps.to_vec();
    }

    /// Node 1's commitment, as soon as there is one.
    pub(crate) async fn of_node(&self) -> Signed {
        loop {
            let shown = self.node.exchange(&self.spec.digest(), 1, Duration::from_secs(1)).await;
            if let Some(prepared) = shown.unwrap().prepared {
                return prepared;
            }
        }
    }

    /// Node 2 commits to its honest shares, shows them, and signs this accepted set.
    pub(crate) async fn accept(&self, headers: HeaderSet) -> AcceptedSet {
        let own = self.commit(&self.preps);
        self.show(&self.preps);
        let preps = preps_digest([&self.of_node().await, &own]);
        let refused = HeaderSet::default();
        let accepted = AcceptedSet { round: self.spec.digest(), headers, refused, preps };
        let signed = Signed::new(&accepted, &self.key);
        self.played.0.lock().unwrap().exchange.accepted = wire(&signed);
        accepted
    }

    pub(crate) fn release(&self, accepted: Digest) {
        let release = Release {
            round: self.spec.digest(),
            node: "node-2".into(),
            accepted,
            sum: sum_digest(b"whatever it is"),
        };
        let signed = Signed::new(&release, &self.key);
        self.played.0.lock().unwrap().exchange.release = wire(&signed);
    }

    pub(crate) async fn outcome(&self, wait: u64) -> Outcome {
        let (round, wait) = (self.spec.digest(), Duration::from_millis(wait));
        self.world.node(0).release(&round, wait, 1000).await.unwrap()
    }
}
