//! One real node, and others that a test plays with these nodes' own keys.

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

/// A node that a test plays, with the node's own keys.
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) played: Played,
    pub(crate) key: IdentityKey,
    /// Its honest preparation shares.
    pub(crate) preps: Vec<Vec<u8>>,
    tls: TlsIdentity,
    keys: Keys,
    offer: Signed,
}

impl Actor {
    /// The node at a position, which listens and has offered its keys.
    async fn new(world: &World, at: u8) -> Self {
        let (home, party) = (world.home(at.into()), &world.manifest.nodes[usize::from(at)]);
        let tls = TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
        let listener = tokio::net::TcpListener::bind(&party.address).await.unwrap();
        let incoming = tls::incoming(listener, &tls, &world.manifest.pins()).unwrap();
        let played = Played::default();
        let key = keyfile::read_identity(&home.join("identity.key")).unwrap();
        let keys = Keys::new(&Seed::from_bytes([8 + at; 32])).unwrap();
        let name = party.name.clone();
        let offer = keys.offer(&world.manifest.digest(), &name, &key);
        played.0.lock().unwrap().offer = wire(&offer);
        let service = proto::node_server::NodeServer::new(played.clone());
        tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self { name, played, key, preps: vec![], tls, keys, offer }
    }
}

/// Node 1 real, the others played with their own keys; all sites have submitted to node 1.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) spec: RoundSpec,
    /// Node 2.
    pub(crate) played: Played,
    pub(crate) key: IdentityKey,
    pub(crate) headers: HeaderSet,
    /// Honest preparation shares of node 2.
    pub(crate) preps: Vec<Vec<u8>>,
    /// Those after node 2: they do what node 2 does in [`Scene::accept`], and no more.
    pub(crate) others: Vec<Actor>,
    /// Node 1, as node 2 calls it.
    pub(crate) node: NodeClient,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::shown(|_, _| proto::SeenReply::default()).await
    }

    /// The same, with what node 2 says that it has seen of node 1 before this round.
    pub(crate) async fn shown(seen: impl FnOnce(&World, &RoundSpec) -> proto::SeenReply) -> Self {
        Self::among(2, seen).await
    }

    /// The same among so many nodes.
    pub(crate) async fn among(
        nodes: u8,
        seen: impl FnOnce(&World, &RoundSpec) -> proto::SeenReply,
    ) -> Self {
        let mut world = World::new(nodes.into());
        let mut cast = vec![];
        for at in 1..nodes {
            cast.push(Actor::new(&world, at).await);
        }
        world.start(0).await;
        let node = NodeClient::new(&world.manifest.nodes[0], &cast[0].tls).unwrap();
        let (first, _) = node.epoch().await.unwrap();
        let offers = std::iter::once(first).chain(cast.iter().map(|actor| actor.offer.clone()));
        let epoch = Record(offers.collect()).verify(&world.manifest).unwrap();
        let part = |of: &Actor, to: &str| of.keys.sealed_part(&epoch, &of.name, to).unwrap();
        for actor in &cast {
            actor.played.0.lock().unwrap().part = part(actor, "node-1");
        }
        world.settle().await;
        let of_node = node.epoch_part(&epoch.digest).await.unwrap();
        let of_others = cast[1..].iter().map(|actor| (actor.name.clone(), part(actor, "node-2")));
        let parts: BTreeMap<_, _> = std::iter::once(("node-1".to_owned(), of_node))
            .chain(of_others)
            .map(|(from, sealed)| {
                let opened = cast[0].keys.open_part(&epoch, &from, "node-2", &sealed);
                (from, opened.unwrap())
            })
            .collect();
        let secret = cast[0].keys.secret(&epoch, "node-2", &parts).unwrap();
        let spec = RoundSpec { deadline_ms: unix_millis() + 5000, ..world.spec("exact", 1) };
        let verify_key = secret.verify_key(&world.manifest.digest(), &spec.digest());
        cast[0].played.0.lock().unwrap().seen = seen(&world, &spec);
        world.open_at(0, &spec).await.unwrap();
        let mut headers = vec![];
        let proof = Proof::new(&spec, nodes.into()).unwrap();
        for site in 0..4 {
            let made: Made = world.make(site, &spec, &[1; 4]);
            world.submit_to(0, site, &made).await.unwrap();
            headers.push((SITES[site].to_owned(), Digest::of(&made.header.to_bytes())));
            let (nonce, public) = (made.header.nonce, &made.header.public_share);
            for (at, actor) in (1..).zip(&mut cast) {
                let place = (at, actor.name.as_str());
                let aad = associated(&spec, &spec.digest(), SITES[site], place, nonce, public);
                let share = actor.keys.sealing.open(&aad, &made.sealed[at]).unwrap();
                let prep = proof.prep(&verify_key, at, &nonce, &made.public, &share).unwrap();
                actor.preps.push(prep);
            }
        }
        let headers = HeaderSet::new(headers);
        for actor in &cast {
            let (round, node) = (spec.digest(), actor.name.clone());
            let held = HeldSet { round, node, headers: headers.clone() };
            let held = wire(&Signed::new(&held, &actor.key));
            actor.played.0.lock().unwrap().exchange.held = held;
        }
        let others = cast.split_off(1);
        let Actor { played, key, preps, .. } = cast.remove(0);
        Self { world, spec, played, key, headers, preps, others, node }
    }

    /// A node's commitment to preparation shares.
    fn prepared(&self, node: &str, key: &IdentityKey, preps: &[Vec<u8>]) -> Signed {
        let entries = self.headers.entries().iter().zip(preps);
        let prepared = Prepared {
            round: self.spec.digest(),
            node: node.into(),
            candidates: self.headers.clone(),
            preps: entries.map(|((_, h), prep)| prep_digest(node, h, prep)).collect(),
        };
        Signed::new(&prepared, key)
    }

    /// Node 2 commits to preparation shares.
    pub(crate) fn commit(&self, preps: &[Vec<u8>]) -> Signed {
        let signed = self.prepared("node-2", &self.key, preps);
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

    /// All but node 1 commit to their honest shares, show them, and sign this accepted set.
    pub(crate) async fn accept(&self, headers: HeaderSet) -> AcceptedSet {
        let mut prepared = vec![self.commit(&self.preps)];
        self.show(&self.preps);
        for Actor { name, key, preps, played, .. } in &self.others {
            let signed = self.prepared(name, key, preps);
            let mut lines = played.0.lock().unwrap();
            (lines.exchange.prepared, lines.preps) = (wire(&signed), preps.clone());
            prepared.push(signed);
        }
        prepared.insert(0, self.of_node().await);
        let preps = preps_digest(&prepared);
        let refused = HeaderSet::default();
        let accepted = AcceptedSet { round: self.spec.digest(), headers, refused, preps };
        let signed = Signed::new(&accepted, &self.key);
        self.played.0.lock().unwrap().exchange.accepted = wire(&signed);
        for Actor { key, played, .. } in &self.others {
            played.0.lock().unwrap().exchange.accepted = wire(&Signed::new(&accepted, key));
        }
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
