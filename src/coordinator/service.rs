//! The coordinator's gRPC face: only sites of the manifest, bounded messages.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use haima_crypto::encode::Digest;
use haima_smpc_node::PROTOCOL;
use haima_smpc_node::client::CHUNK;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::tls::Peer;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use super::board::{Closed, Step};
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

    /// Reads a message of masked mode, in pieces of [`CHUNK`] bytes but for the last, and gives it to
    /// whoever runs its scope.
    async fn take_in(
        &self,
        site: String,
        mut pieces: Streaming<proto::Piece>,
    ) -> Result<Response<proto::PutReply>, Status> {
        let first = within(PIECE, pieces.message()).await?;
        let proto::Piece { scope, step, length, data } =
            first.ok_or_else(|| Status::invalid_argument("no piece of a message"))?;
        let (scope, step) = (self::scope(&scope)?, self::step(step)?);
        let board = &self.hub.board;
        let _room = board.admit(&scope, step, length).await.map_err(closed)?;
        let mut bytes = Vec::new();
        let mut data = data;
        loop {
            let left = length - bytes.len() as u64;
            if data.len() as u64 != left.min(CHUNK as u64) {
                let text = format!("a piece of {} bytes where {left} are left", data.len());
                return Err(Status::invalid_argument(text));
            }
            bytes.extend_from_slice(&data);
            if bytes.len() as u64 == length {
                break;
            }
            board.is_open(&scope).map_err(closed)?;
            let piece = within(PIECE, pieces.message()).await?;
            data = piece.ok_or_else(|| Status::invalid_argument("a piece is missing"))?.data;
        }
        board.put(&scope, site, step, bytes).await.map_err(closed)?;
        Ok(Response::new(proto::PutReply {}))
    }

    fn site<T>(&self, request: &Request<T>) -> Result<String, Status> {
        let peer = request.extensions().get::<Peer>();
        let name = &peer.ok_or_else(|| Status::unauthenticated("no pinned key"))?.0;
        self.manifest.site(name).map_err(|e| Status::permission_denied(e.to_string()))?;
        self.hub.hears(name);
        Ok(name.clone())
    }
}

/// How long a site may take for the next piece of a message.
const PIECE: Duration = Duration::from_secs(30);
/// How long a message may take until it has been taken in.
const MESSAGE: Duration = Duration::from_secs(600);

async fn within<T>(
    time: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded(format!("not within {} s", time.as_secs()));
    tokio::time::timeout(time, call).await.map_err(late)?
}

fn scope(bytes: &[u8]) -> Result<Digest, Status> {
    Digest::from_slice(bytes).map_err(|e| Status::invalid_argument(format!("scope: {e}")))
}

fn step(number: i32) -> Result<Step, Status> {
    Ok(match proto::Step::try_from(number) {
        Ok(proto::Step::Keys) => Step::Keys,
        Ok(proto::Step::Pairs) => Step::Pairs,
        Ok(proto::Step::Ready) => Step::Ready,
        Ok(proto::Step::Shares) => Step::Shares,
        Ok(proto::Step::Vector) => Step::Vector,
        Ok(proto::Step::Confirmation) => Step::Confirmation,
        Ok(proto::Step::Answer) => Step::Answer,
        Err(_) => return Err(Status::invalid_argument(format!("there is no step {number}"))),
    })
}

fn closed(why: Closed) -> Status {
    match why {
        Closed::Scope(reason) => Status::failed_precondition(reason),
        Closed::Long { got, most } => {
            Status::invalid_argument(format!("a message of {got} bytes; at most {most}"))
        }
        Closed::Refused(reason) => Status::invalid_argument(reason),
    }
}

/// A value in chunks, the first with its digest and length.
fn chunks(value: Value) -> Response<Boxed<proto::Chunk>> {
    let Value { bytes: mut rest, digest } = value;
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
    Response::new(Box::pin(tokio_stream::iter(chunks)))
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
        let presence = self.hub.listens(&self.site(&request)?);
        let notices = tokio_stream::wrappers::WatchStream::new(self.hub.rounds());
        let stream = notices.filter_map(move |now| {
            // Held for as long as the stream is.
            let _ = &presence;
            match now {
                Now::Idle => None,
                Now::Round { spec, signature } => {
                    Some(Ok(proto::Notice { spec, signature, ..Default::default() }))
                }
                Now::Epoch { number: epoch, signature } => {
                    Some(Ok(proto::Notice { epoch, signature, ..Default::default() }))
                }
                Now::Ended => Some(Ok(proto::Notice::default())),
            }
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
        value.map(chunks).ok_or_else(|| Status::not_found("no such query or release"))
    }

    async fn put(
        &self,
        request: Request<Streaming<proto::Piece>>,
    ) -> Result<Response<proto::PutReply>, Status> {
        let site = self.site(&request)?;
        let newer = self.hub.board.begin(&site);
        let pieces = request.into_inner();
        tokio::select! {
            () = newer.notified() => Err(Status::aborted("a newer message of this site came")),
            done = within(MESSAGE, self.take_in(site, pieces)) => done,
        }
    }

    type TakeStream = Boxed<proto::Chunk>;

    async fn take(
        &self,
        request: Request<proto::TakeRequest>,
    ) -> Result<Response<Self::TakeStream>, Status> {
        let site = self.site(&request)?;
        let proto::TakeRequest { scope, step } = request.into_inner();
        let (scope, step) = (self::scope(&scope)?, self::step(step)?);
        Ok(chunks(self.hub.board.take(&scope, &site, step).await.map_err(closed)?))
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
