//! The coordinator's gRPC face: only sites of the manifest, bounded messages.

use std::pin::Pin;
use std::sync::Arc;

use haima_crypto::encode::Digest;
use haima_smpc_node::PROTOCOL;
use haima_smpc_node::client::CHUNK;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::tls::Peer;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::hub::{Hub, Now, Value};
use crate::proto;

/// The service over a hub.
#[derive(Clone, Debug)]
pub(super) struct Service {
    hub: Arc<Hub>,
    manifest: Arc<Manifest>,
    manifest_digest: Digest,
}

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    pub(super) fn new(hub: Arc<Hub>, manifest: Arc<Manifest>) -> Self {
        let manifest_digest = manifest.digest();
        Self { hub, manifest, manifest_digest }
    }

    fn site<T>(&self, request: &Request<T>) -> Result<String, Status> {
        let peer = request.extensions().get::<Peer>();
        let name = &peer.ok_or_else(|| Status::unauthenticated("no pinned key"))?.0;
        self.manifest.site(name).map_err(|e| Status::permission_denied(e.to_string()))?;
        Ok(name.clone())
    }
}

#[tonic::async_trait]
impl proto::coordinator_server::Coordinator for Service {
    async fn join(
        &self,
        request: Request<proto::JoinRequest>,
    ) -> Result<Response<proto::JoinReply>, Status> {
        let site = self.site(&request)?;
        let message = request.into_inner();
        if message.protocol != PROTOCOL {
            return Err(Status::failed_precondition(format!(
                "the site speaks protocol {}, the coordinator {PROTOCOL}",
                message.protocol
            )));
        }
        if message.manifest != self.manifest_digest.as_bytes() {
            return Err(Status::failed_precondition(
                "the site holds another manifest than the coordinator; compare the files",
            ));
        }
        self.hub.join(&site);
        Ok(Response::new(proto::JoinReply {}))
    }

    type RoundsStream = Boxed<proto::Notice>;

    async fn rounds(
        &self,
        request: Request<proto::RoundsRequest>,
    ) -> Result<Response<Self::RoundsStream>, Status> {
        self.site(&request)?;
        let notices = tokio_stream::wrappers::WatchStream::new(self.hub.rounds());
        let stream = notices.filter_map(|now| match now {
            Now::Idle => None,
            Now::Round { spec, signature } => Some(Ok(proto::Notice { spec, signature })),
            Now::Ended => Some(Ok(proto::Notice::default())),
        });
        Ok(Response::new(Box::pin(stream)))
    }

    type FetchStream = Boxed<proto::Chunk>;

    async fn fetch(
        &self,
        request: Request<proto::FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        self.site(&request)?;
        let message = request.into_inner();
        let release = match proto::fetch_request::What::try_from(message.what) {
            Ok(proto::fetch_request::What::Query) => false,
            Ok(proto::fetch_request::What::Release) => true,
            Err(_) => return Err(Status::invalid_argument("neither a query nor a release")),
        };
        let value = self.hub.get(release, &message.task, message.run, message.step);
        let Some(Value { bytes: mut rest, digest }) = value else {
            return Err(Status::not_found("no such query or release"));
        };
        let first = proto::Chunk {
            digest: digest.as_bytes().to_vec(),
            length: rest.len() as u64,
            data: rest.split_to(rest.len().min(CHUNK)),
        };
        let others = std::iter::from_fn(move || {
            let data = rest.split_to(rest.len().min(CHUNK));
            (!data.is_empty()).then(|| proto::Chunk { data, ..Default::default() })
        });
        let chunks = std::iter::once(first).chain(others).map(Ok);
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }

    async fn report(
        &self,
        request: Request<proto::SiteReport>,
    ) -> Result<Response<proto::ReportReply>, Status> {
        let site = self.site(&request)?;
        let mut report = request.into_inner();
        let round = Digest::from_slice(&report.round)
            .map_err(|e| Status::invalid_argument(e.to_string()))?;
        // A site's words are shown to people: bounded, and without control characters.
        report.reason = report.reason.chars().filter(|c| !c.is_control()).take(500).collect();
        if let Some(ledger) = &mut report.ledger {
            ledger.population = ledger.population.chars().take(100).collect();
            ledger.filter = ledger.filter.chars().take(100).collect();
        }
        self.hub.report(&site, round, report);
        Ok(Response::new(proto::ReportReply {}))
    }
}
