//! The coordinator as a site calls it. Every connection is opened from here.

use std::sync::Arc;
use std::time::Duration;

use haima_crypto::encode::Digest;
use haima_smpc_node::client::{CHUNK, call_error};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::{tls, unix_millis};

use super::replay::Releases;
use crate::Error;
use crate::proto::coordinator_client::CoordinatorClient;
use crate::proto::fetch_request::What;
use crate::proto::{self, Step};

/// Longest time that a query or a release may take to arrive.
const FETCH: Duration = Duration::from_secs(300);
/// Most bytes of a query or a release that are read.
const MAX_FETCH: u64 = 1 << 31;
/// Until a message that was not taken in is sent again.
const RETRY: Duration = Duration::from_millis(300);

/// The coordinator as this site calls it.
#[derive(Clone)]
pub(super) struct Coordinator {
    pub(super) client: CoordinatorClient<tls::Link>,
    pub(super) manifest: Arc<Manifest>,
}

/// A step of an epoch or a round of masked mode, and until when it may last.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// Digest of the epoch or round.
    pub(super) scope: &'a Digest,
    pub(super) step: Step,
    /// Unix milliseconds.
    pub(super) until: u64,
}

impl Coordinator {
    pub(super) fn error(&self, status: &tonic::Status) -> Error {
        let party = &self.manifest.coordinator;
        call_error(&party.name, &party.address, status).into()
    }

    pub(super) fn garbled(&self, problem: &str) -> Error {
        Error::Node(haima_smpc_node::Error::Peer {
            peer: self.manifest.coordinator.name.clone(),
            problem: problem.to_owned(),
        })
    }

    /// The bytes of a stream of chunks, at most so many.
    async fn read(
        &self,
        mut stream: tonic::Streaming<proto::Chunk>,
        most: u64,
    ) -> Result<Vec<u8>, Error> {
        let (mut bytes, mut digest, mut length) = (Vec::new(), Digest::default(), 0);
        while let Some(chunk) = stream.message().await.map_err(|e| self.error(&e))? {
            if bytes.is_empty() {
                digest = Digest::from_slice(&chunk.digest)?;
                length = chunk.length;
                if length > most {
                    let problem = format!("{length} bytes where at most {most} are read");
                    return Err(self.garbled(&problem));
                }
            }
            bytes.extend_from_slice(&chunk.data);
            if bytes.len() as u64 > length {
                return Err(self.garbled("more bytes than announced"));
            }
        }
        if bytes.len() as u64 != length || Digest::of(&bytes) != digest {
            return Err(self.garbled("other bytes than the ones announced"));
        }
        Ok(bytes)
    }

    /// A query or a release; `None` where there is none.
    pub(super) async fn fetch(
        &self,
        what: What,
        place: (&str, u32, u32),
    ) -> Result<Option<Vec<u8>>, Error> {
        let (task, run, step) = (place.0.to_owned(), place.1, place.2);
        let message = proto::FetchRequest { what: what.into(), task, run, step };
        let mut message = tonic::Request::new(message);
        message.set_timeout(FETCH);
        match self.client.clone().fetch(message).await {
            Ok(reply) => self.read(reply.into_inner(), MAX_FETCH).await.map(Some),
            Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
            Err(status) => Err(self.error(&status)),
        }
    }

    /// Masked mode: gives the coordinator a message of a step, again while it cannot be reached; bytes
    /// sent.
    ///
    /// # Errors
    /// When the step or its scope is over, the message is refused, or time is up.
    pub(super) async fn put(&self, place: Place<'_>, bytes: &[u8]) -> Result<u64, Error> {
        let first = proto::Piece {
            scope: place.scope.as_bytes().to_vec(),
            step: place.step.into(),
            length: bytes.len() as u64,
            data: bytes::Bytes::copy_from_slice(bytes.get(..CHUNK).unwrap_or(bytes)),
        };
        let rest = bytes.get(CHUNK..).unwrap_or_default().chunks(CHUNK);
        let rest = rest.map(|data| proto::Piece {
            data: bytes::Bytes::copy_from_slice(data),
            ..Default::default()
        });
        let pieces: Vec<proto::Piece> = std::iter::once(first).chain(rest).collect();
        loop {
            let mut message = tonic::Request::new(tokio_stream::iter(pieces.clone()));
            message.set_timeout(left(place.until));
            let error = match self.client.clone().put(message).await {
                Ok(_) => return Ok(bytes.len() as u64),
                Err(status) => self.error(&status),
            };
            self.again(place, error).await?;
        }
    }

    /// Masked mode: what the coordinator answers at a step, at most so many bytes; waits until it is
    /// there.
    ///
    /// # Errors
    /// When the scope is over without it, or time is up.
    pub(super) async fn take(&self, place: Place<'_>, most: usize) -> Result<Vec<u8>, Error> {
        loop {
            let (scope, step) = (place.scope.as_bytes().to_vec(), place.step.into());
            let mut message = tonic::Request::new(proto::TakeRequest { scope, step });
            message.set_timeout(left(place.until));
            let error = match self.client.clone().take(message).await {
                Ok(reply) => match self.read(reply.into_inner(), most as u64).await {
                    Ok(bytes) => return Ok(bytes),
                    Err(error) => error,
                },
                Err(status) => self.error(&status),
            };
            self.again(place, error).await?;
        }
    }

    /// Waits before a call is made again; gives the error when there is no point or no time.
    async fn again(&self, place: Place<'_>, error: Error) -> Result<(), Error> {
        let unreachable = matches!(error, Error::Node(haima_smpc_node::Error::Unreachable { .. }));
        if !unreachable || unix_millis() >= place.until {
            return Err(error);
        }
        tracing::debug!(%error, "a call of masked mode is made again");
        tokio::time::sleep(RETRY).await;
        Ok(())
    }
}

/// From now to a moment in unix milliseconds.
fn left(until: u64) -> Duration {
    Duration::from_millis(until.saturating_sub(unix_millis()).max(1))
}

impl Releases for Coordinator {
    async fn release(&mut self, task: &str, run: u32, step: u32) -> Result<Option<Vec<u8>>, Error> {
        self.fetch(What::Release, (task, run, step)).await
    }
}
