//! The gRPC face of a node: who may call what, bounds, translation. Decisions are the engine's.

mod submit;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::Signature;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::engine::Engine;
use super::public::{Ended, Public};
use crate::proto;
use crate::record::{HeldSet, Prepared, Signed};
use crate::spec::RoundSpec;
use crate::tls::Peer;
use crate::{Error, PROTOCOL, unix_millis};

/// Longest pause between two chunks of a submission.
const CHUNK_PAUSE: Duration = Duration::from_secs(30);

/// Rounds of one page of the list.
const PAGE: u32 = 1_000;

/// The service over an engine.
#[derive(Clone, Debug)]
pub(super) struct Service {
    engine: Arc<Engine>,
}

/// Turns an error into a status whose message the caller may see. Local failures are logged here
/// and told as such without their detail.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn status(error: Error) -> Status {
    match &error {
        Error::UnknownParty { .. } => Status::permission_denied(error.to_string()),
        Error::Spec { .. } | Error::Submission { .. } | Error::Manifest { .. } => {
            tracing::warn!(%error, "refused");
            Status::failed_precondition(error.to_string())
        }
        Error::NotReady { .. } => Status::unavailable(error.to_string()),
        Error::Crypto(_) | Error::Peer { .. } => Status::invalid_argument(error.to_string()),
        _ => {
            tracing::error!(%error, "call failed");
            Status::internal("this node could not do it; its operator finds the reason in its log")
        }
    }
}

fn peer<T>(request: &Request<T>) -> Result<String, Status> {
    let peer = request.extensions().get::<Peer>();
    peer.map(|peer| peer.0.clone()).ok_or_else(|| Status::unauthenticated("no pinned key"))
}

fn digest(bytes: &[u8]) -> Result<Digest, Status> {
    Digest::from_slice(bytes).map_err(|e| Status::invalid_argument(e.to_string()))
}

fn signature(bytes: &[u8]) -> Result<Signature, Status> {
    Signature::from_slice(bytes).map_err(|e| Status::invalid_argument(e.to_string()))
}

/// How long another node's call may be held open.
fn wait_of(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms.min(2000)))
}

fn wire(signed: &Signed) -> proto::Signed {
    proto::Signed { body: signed.body.clone(), signature: signed.signature.as_bytes().to_vec() }
}

impl Service {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    fn only_coordinator<T>(&self, request: &Request<T>) -> Result<(), Status> {
        if peer(request)? == self.engine.manifest().coordinator.name {
            Ok(())
        } else {
            Err(Status::permission_denied("only the coordinator of the manifest may call this"))
        }
    }

    fn only_node<T>(&self, request: &Request<T>) -> Result<String, Status> {
        let name = peer(request)?;
        self.engine.manifest().node(&name).map_err(status)?;
        Ok(name)
    }

    /// What all nodes signed for a released round, in the manifest's order.
    async fn records(&self, round: &Digest) -> Result<Vec<proto::NodeRecord>, Status> {
        let mut records = self.engine.store().releases(round).await.map_err(status)?;
        records.sort_by_key(|record| {
            self.engine.manifest().node(&record.node).map_or(usize::MAX, |(position, _)| position)
        });
        let wired = records.into_iter().map(|record| proto::NodeRecord {
            node: record.node,
            accepted: record.accepted.as_bytes().to_vec(),
            release: Some(wire(&record.release)),
        });
        Ok(wired.collect())
    }

    /// A stream of what is there at once, then of the rows of an answer or a sub-share: one row at a
    /// time, so that a caller that reads slowly costs the memory of two.
    fn stream<T: Send + 'static>(
        &self,
        first: Option<T>,
        rows: Option<(Digest, u32)>,
        wrap: impl Fn(bytes::Bytes) -> T + Send + 'static,
    ) -> Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>> {
        let store = self.engine.store().clone();
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        tokio::spawn(async move {
            if let Some(first) = first
                && !give(&sender, Ok(first)).await
            {
                return;
            }
            let Some((round, party)) = rows else { return };
            for seq in 0.. {
                let part = match store.sum_chunk(&round, party, seq).await {
                    Ok(None) => return,
                    Ok(Some(chunk)) => Ok(wrap(chunk.into())),
                    Err(error) => Err(status(error)),
                };
                let ended = part.is_err();
                if !give(&sender, part).await || ended {
                    return;
                }
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }

    /// What is public of a round, from memory or from the store.
    async fn public(&self, round: &Digest) -> Result<Option<Public>, Status> {
        if let Some(live) = self.engine.live(round) {
            return Ok(Some(live.public.borrow().clone()));
        }
        let Some(stored) = self.engine.store().round(round).await.map_err(status)? else {
            return Ok(None);
        };
        let nodes = self.engine.manifest().nodes.len();
        Public::of(self.engine.store(), nodes, &stored).await.map(Some).map_err(status)
    }

    /// Waits until `ready` holds of what is public of a round, at most `wait`.
    async fn wait(&self, round: &Digest, wait: Duration, ready: impl Fn(&Public) -> bool) {
        if let Some(live) = self.engine.live(round) {
            let mut public = live.public.subscribe();
            let _ = tokio::time::timeout(wait, public.wait_for(ready)).await;
        }
    }
}

/// Hands a part of a stream on; `false` when the caller has gone, or has not read for 30 seconds.
async fn give<T>(
    to: &tokio::sync::mpsc::Sender<Result<T, Status>>,
    part: Result<T, Status>,
) -> bool {
    matches!(tokio::time::timeout(CHUNK_PAUSE, to.send(part)).await, Ok(Ok(())))
}

#[tonic::async_trait]
impl proto::node_server::Node for Service {
    async fn status(
        &self,
        _request: Request<proto::StatusRequest>,
    ) -> Result<Response<proto::StatusReply>, Status> {
        let node = self.engine.name.clone();
        let last_round = self.engine.store().last_number().await.map_err(status)?;
        Ok(Response::new(proto::StatusReply {
            protocol: PROTOCOL,
            node,
            manifest: self.engine.manifest_digest().as_bytes().to_vec(),
            last_round,
            now_ms: unix_millis(),
        }))
    }

    async fn open(
        &self,
        request: Request<proto::OpenRequest>,
    ) -> Result<Response<proto::OpenReply>, Status> {
        self.only_coordinator(&request)?;
        let message = request.into_inner();
        let spec = RoundSpec::from_bytes(&message.spec)
            .map_err(|e| Status::invalid_argument(e.to_string()))?;
        let signature = signature(&message.signature)?;
        // In a task of its own: a caller that goes away cannot leave the round half opened.
        let engine = Arc::clone(&self.engine);
        let opened = tokio::spawn(async move { engine.open_round(spec, &signature).await });
        opened.await.map_err(|e| Status::internal(e.to_string()))?.map_err(status)?;
        Ok(Response::new(proto::OpenReply {}))
    }

    async fn submit(
        &self,
        request: Request<Streaming<proto::SubmitPart>>,
    ) -> Result<Response<proto::SubmitReply>, Status> {
        let site = peer(&request)?;
        // In a task of its own: a caller that goes away leaves what has come durable, and nothing
        // half registered.
        let taking = submit::take_in(Arc::clone(&self.engine), site.clone(), request.into_inner());
        let taking = tokio::spawn(taking);
        self.engine.in_flight(&site, taking.abort_handle());
        taking.await.map_err(|e| {
            if e.is_cancelled() {
                Status::aborted("a newer submission of this site took its place")
            } else {
                Status::internal(e.to_string())
            }
        })?
    }

    async fn progress(
        &self,
        request: Request<proto::ProgressRequest>,
    ) -> Result<Response<proto::ProgressReply>, Status> {
        let site = peer(&request)?;
        let message = request.into_inner();
        let (round, header) = (digest(&message.round)?, digest(&message.header)?);
        let hashes = self.engine.store().hashes(&round, &site, &header).await.map_err(status)?;
        let chunks = u32::try_from(hashes.len()).unwrap_or(u32::MAX);
        Ok(Response::new(proto::ProgressReply { chunks }))
    }

    async fn rounds(
        &self,
        request: Request<proto::RoundsRequest>,
    ) -> Result<Response<proto::RoundsReply>, Status> {
        peer(&request)?;
        let message = request.into_inner();
        if message.task.len() > 64 {
            return Err(Status::invalid_argument("a task id has at most 64 bytes"));
        }
        let known = self
            .engine
            .store()
            .known(&message.task, message.run, message.step)
            .await
            .map_err(status)?;
        let rounds = known
            .into_iter()
            .map(|(attempt, digest, state)| proto::KnownRound {
                attempt,
                digest: digest.as_bytes().to_vec(),
                state,
            })
            .collect();
        Ok(Response::new(proto::RoundsReply { rounds }))
    }

    async fn list(
        &self,
        request: Request<proto::ListRequest>,
    ) -> Result<Response<proto::ListReply>, Status> {
        peer(&request)?;
        let after = request.into_inner().after.min(i64::MAX.unsigned_abs());
        let listed = self.engine.store().after(after, PAGE).await.map_err(status)?;
        let rounds = listed.into_iter().map(|(number, digest, state)| proto::ListedRound {
            number,
            digest: digest.as_bytes().to_vec(),
            state,
        });
        Ok(Response::new(proto::ListReply { rounds: rounds.collect() }))
    }

    async fn exchange(
        &self,
        request: Request<proto::ExchangeRequest>,
    ) -> Result<Response<proto::ExchangeReply>, Status> {
        self.only_node(&request)?;
        let message = request.into_inner();
        let round = digest(&message.round)?;
        let wait = wait_of(message.wait_ms);
        self.wait(&round, wait, |public| {
            public.outcome.is_some() || public.stage() as u32 > message.have
        })
        .await;
        let Some(public) = self.public(&round).await? else {
            return Err(Status::not_found("this round is not known here"));
        };
        let (failed, released) = match public.outcome {
            Some(Ended::Failed(reason)) => (reason, false),
            Some(Ended::Released) => (String::new(), true),
            None => (String::new(), false),
        };
        let records = if released { self.records(&round).await? } else { Vec::new() };
        Ok(Response::new(proto::ExchangeReply {
            held: public.held.as_ref().map(wire),
            prepared: public.prepared.as_ref().map(wire),
            accepted: public.accepted.as_ref().map(wire),
            dealt: public.dealt.as_ref().map(wire),
            records,
            release: public.release.as_ref().map(wire),
            failed,
            given_up: public.given_up.as_ref().map(wire),
        }))
    }

    async fn epoch(
        &self,
        request: Request<proto::EpochRequest>,
    ) -> Result<Response<proto::EpochReply>, Status> {
        peer(&request)?;
        let record = self.engine.epoch.borrow().as_ref().map(|ready| ready.record.to_bytes());
        let offer = Some(wire(&super::epoch::own_offer(&self.engine)));
        Ok(Response::new(proto::EpochReply { offer, record: record.unwrap_or_default() }))
    }

    async fn epoch_part(
        &self,
        request: Request<proto::EpochPartRequest>,
    ) -> Result<Response<proto::EpochPartReply>, Status> {
        let name = self.only_node(&request)?;
        let asked = digest(&request.into_inner().epoch)?;
        let sealed = self.engine.part_for(&asked, &name).await.map_err(status)?;
        Ok(Response::new(proto::EpochPartReply { sealed }))
    }

    type PrepsStream = Pin<Box<dyn Stream<Item = Result<proto::PrepsPart, Status>> + Send>>;

    async fn preps(
        &self,
        request: Request<proto::PrepsRequest>,
    ) -> Result<Response<Self::PrepsStream>, Status> {
        self.only_node(&request)?;
        let message = request.into_inner();
        let round = digest(&message.round)?;
        let wait = wait_of(message.wait_ms);
        self.wait(&round, wait, |public| public.revealed || public.outcome.is_some()).await;
        match self.public(&round).await? {
            Some(Public { outcome: Some(Ended::Failed(_)), .. }) => {
                return Err(Status::failed_precondition("the round has failed here"));
            }
            Some(Public { revealed: true, .. }) => {}
            // Never before this node holds all commitments (rule R3).
            _ => return Err(Status::unavailable("not all nodes have committed to theirs")),
        }
        let own = self.public(&round).await?.and_then(|public| public.prepared);
        let own = own.ok_or_else(|| Status::unavailable("no preparation here"))?;
        let prepared = Prepared::from_bytes(&own.body).map_err(|e| status(e.into()))?;
        let store = self.engine.store().clone();
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        // One at a time: a peer that reads slowly costs the memory of two.
        tokio::spawn(async move {
            for site in prepared.candidates.sites() {
                let part = match store.prep(&round, site).await {
                    Ok(Some(prep)) => Ok(proto::PrepsPart { prep }),
                    Ok(None) => Err(Status::failed_precondition("the round has ended here")),
                    Err(error) => Err(status(error)),
                };
                let ended = part.is_err();
                if !give(&sender, part).await || ended {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn seen(
        &self,
        request: Request<proto::SeenRequest>,
    ) -> Result<Response<proto::SeenReply>, Status> {
        let name = self.only_node(&request)?;
        let store = self.engine.store();
        let nothing = proto::SeenReply { spec: Vec::new(), held: None };
        let Some(held) = store.seen(&name).await.map_err(status)? else {
            return Ok(Response::new(nothing));
        };
        let set = HeldSet::from_bytes(&held.body).map_err(|e| status(e.into()))?;
        let round = store.round(&set.round).await.map_err(status)?;
        Ok(Response::new(round.map_or(nothing, |round| proto::SeenReply {
            spec: round.spec.to_bytes(),
            held: Some(wire(&held)),
        })))
    }

    type ReleaseStream = Pin<Box<dyn Stream<Item = Result<proto::ReleasePart, Status>> + Send>>;

    async fn release(
        &self,
        request: Request<proto::ReleaseRequest>,
    ) -> Result<Response<Self::ReleaseStream>, Status> {
        self.only_coordinator(&request)?;
        let message = request.into_inner();
        let round = digest(&message.round)?;
        let wait = Duration::from_millis(u64::from(message.wait_ms.min(30_000)));
        self.wait(&round, wait, |public| public.outcome.is_some()).await;
        let stored = self.engine.store().round(&round).await.map_err(status)?;
        let Some(stored) = stored else {
            return Err(Status::not_found("this round is not known here"));
        };
        use proto::release_head::Outcome;
        let (outcome, released) = match (stored.state.as_str(), stored.accepted, stored.release) {
            ("released", Some(accepted), Some(release)) => {
                if self.engine.store().sum_chunk(&round, 0, 0).await.map_err(status)?.is_none() {
                    let erased = "the round was released; its sum is past its retention and erased";
                    return Err(Status::failed_precondition(erased));
                }
                let records = self.records(&round).await?;
                let (accepted, release) = (Some(wire(&accepted)), Some(wire(&release)));
                (Outcome::Released(proto::Released { accepted, release, records }), true)
            }
            ("failed", _, _) => (Outcome::Failed(stored.reason.unwrap_or_default()), false),
            _ => {
                let held = self.engine.store().held(&round).await.map_err(status)?;
                let held = u32::try_from(held).unwrap_or(u32::MAX);
                (Outcome::Pending(proto::Pending { held }), false)
            }
        };
        let head = proto::ReleaseHead { outcome: Some(outcome) };
        let head = proto::ReleasePart { part: Some(proto::release_part::Part::Head(head)) };
        let rows = released.then_some((round, 0));
        Ok(Response::new(self.stream(Some(head), rows, |chunk| {
            let part = Some(proto::release_part::Part::Chunk(chunk));
            proto::ReleasePart { part }
        })))
    }

    type SubShareStream = Pin<Box<dyn Stream<Item = Result<proto::SubSharePart, Status>> + Send>>;

    async fn sub_share(
        &self,
        request: Request<proto::SubShareRequest>,
    ) -> Result<Response<Self::SubShareStream>, Status> {
        let name = self.only_node(&request)?;
        let message = request.into_inner();
        let round = digest(&message.round)?;
        let wait = wait_of(message.wait_ms);
        self.wait(&round, wait, |public| public.all_dealt || public.outcome.is_some()).await;
        match self.public(&round).await? {
            Some(Public { outcome: Some(Ended::Failed(_)), .. }) => {
                return Err(Status::failed_precondition("the round has failed here"));
            }
            Some(Public { all_dealt: true, .. }) => {}
            // Never before this node holds all deals: nobody fits its own to the others' (X3).
            _ => return Err(Status::unavailable("not all nodes have dealt")),
        }
        let (position, _) = self.engine.manifest().node(&name).map_err(status)?;
        let party = u32::try_from(position + 1).unwrap_or(u32::MAX);
        let part = |chunk| proto::SubSharePart { chunk };
        Ok(Response::new(self.stream(None, Some((round, party)), part)))
    }
}
