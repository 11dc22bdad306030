//! A node as its peers, the sites and the coordinator call it.

mod answers;
mod fault;

use std::time::Duration;

use bytes::Bytes;
use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::Signature;
use haima_crypto::seal::HEAD;
use zeroize::Zeroizing;

pub use answers::{Answer, Outcome, Published, Stage};
pub use fault::call_error;
use fault::clip;

use crate::bundle::Part;
use crate::epoch::Record;
use crate::header::{Header, SignedHeader};
use crate::manifest::Party;
use crate::proto;
use crate::record::{NodeRecord, Signed};
use crate::spec::RoundSpec;
use crate::tls::{self, Link, TlsIdentity};
use crate::{Error, PROTOCOL};

/// Bytes of a chunk on the wire.
pub const CHUNK: usize = haima_crypto::seal::CHUNK;
const CALL: Duration = Duration::from_secs(10);
/// Most bytes of a message: a chunk, or what is sent besides.
pub const MESSAGE: usize = CHUNK + (1 << 16);
/// Longest time that a vector may take over the wire.
pub(crate) const BULK: Duration = Duration::from_secs(300);
/// By how much two parties' clocks may differ, in milliseconds.
pub const CLOCK_MS: u64 = 30_000;

/// A connection to one node of the manifest.
#[derive(Clone, Debug)]
pub struct NodeClient {
    name: String,
    address: String,
    inner: proto::node_client::NodeClient<Link>,
}

impl NodeClient {
    /// A client that connects when first used.
    ///
    /// # Errors
    /// When this side's own key cannot be used.
    pub fn new(node: &Party, identity: &TlsIdentity) -> Result<Self, Error> {
        let pin = Digest::from_bytes(haima_crypto::encode::from_hex(&node.tls)?);
        let channel = tls::channel(&node.name, &node.address, pin, identity)?;
        Ok(Self {
            name: node.name.clone(),
            address: node.address.clone(),
            inner: proto::node_client::NodeClient::new(channel),
        })
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn error(&self, status: &tonic::Status) -> Error {
        call_error(&self.name, &self.address, status)
    }

    fn garbled(&self, problem: impl Into<String>) -> Error {
        Error::Peer { peer: self.name.clone(), problem: problem.into() }
    }

    /// Protocol, manifest and clock of the node, checked against what this party holds.
    ///
    /// # Errors
    /// When it cannot be reached, speaks another protocol, holds another manifest, or its clock
    /// is more than 30 seconds off this one.
    pub async fn check_status(&self, manifest: &Digest, now_ms: u64) -> Result<u64, Error> {
        let mut request = tonic::Request::new(proto::StatusRequest {});
        request.set_timeout(CALL);
        let reply = self.inner.clone().status(request).await.map_err(|e| self.error(&e))?;
        let reply = reply.into_inner();
        if reply.protocol != PROTOCOL {
            let theirs = reply.protocol;
            return Err(self.garbled(format!("it speaks protocol {theirs}, this party {PROTOCOL}")));
        }
        if reply.manifest != manifest.as_bytes() {
            return Err(self.garbled("it holds another manifest; compare the files"));
        }
        let off = reply.now_ms.abs_diff(now_ms);
        if off > CLOCK_MS {
            return Err(self.garbled(format!("its clock is {} s off; set the clocks", off / 1000)));
        }
        Ok(reply.last_round)
    }

    /// Opens a round (coordinator).
    ///
    /// # Errors
    /// When the node refuses it or cannot be reached.
    pub async fn open(&self, spec: &RoundSpec, signature: &Signature) -> Result<(), Error> {
        let mut request = tonic::Request::new(proto::OpenRequest {
            spec: spec.to_bytes(),
            signature: signature.as_bytes().to_vec(),
        });
        request.set_timeout(CALL);
        self.inner.clone().open(request).await.map_err(|e| self.error(&e))?;
        Ok(())
    }

    /// Submits this node's sealed share under the site's header (site). Idempotent; goes on from
    /// the chunk up to which the node holds it already.
    ///
    /// # Errors
    /// When the node refuses it or cannot be reached.
    pub async fn submit(
        &self,
        header: &SignedHeader,
        public: &[u8],
        sealed: &[u8],
    ) -> Result<(), Error> {
        let (head, body) = sealed.split_at_checked(HEAD).unwrap_or((sealed, &[]));
        // Only a share of several chunks can have been broken off.
        let first = if body.len() > CHUNK { self.progress(header).await? } else { 0 };
        let opening = proto::submit_part::Part::Header(proto::SubmitHeader {
            header: header.bytes.clone(),
            signature: header.signature.as_bytes().to_vec(),
            public_share: public.to_vec(),
            seal: head.to_vec(),
            first,
        });
        let mut rest = Bytes::copy_from_slice(body);
        let _ = rest.split_to(rest.len().min(CHUNK.saturating_mul(first as usize)));
        let chunks = std::iter::from_fn(move || {
            let chunk = rest.split_to(rest.len().min(CHUNK));
            (!chunk.is_empty()).then_some(proto::submit_part::Part::Chunk(chunk))
        });
        let parts = std::iter::once(opening).chain(chunks);
        let parts = parts.map(|part| proto::SubmitPart { part: Some(part) });
        let mut request = tonic::Request::new(tokio_stream::iter(parts));
        request.set_timeout(BULK);
        self.inner.clone().submit(request).await.map_err(|e| self.error(&e))?;
        Ok(())
    }

    /// How many chunks of a submission the node holds durably (site).
    ///
    /// # Errors
    /// When the node cannot be reached or refuses.
    pub async fn progress(&self, header: &SignedHeader) -> Result<u32, Error> {
        let decoded = Header::from_bytes(&header.bytes)?;
        let mut request = tonic::Request::new(proto::ProgressRequest {
            round: decoded.round.as_bytes().to_vec(),
            header: Digest::of(&header.bytes).as_bytes().to_vec(),
        });
        request.set_timeout(CALL);
        let reply = self.inner.clone().progress(request).await.map_err(|e| self.error(&e))?;
        Ok(reply.into_inner().chunks)
    }

    /// The specs that the node knows for a step: attempt, digest and state (rule R8).
    ///
    /// # Errors
    /// When the node cannot be reached or answers garbage.
    pub async fn rounds(
        &self,
        task: &str,
        run: u32,
        step: u32,
    ) -> Result<Vec<(u32, Digest, String)>, Error> {
        let message = proto::RoundsRequest { task: task.to_owned(), run, step };
        let mut request = tonic::Request::new(message);
        request.set_timeout(CALL);
        let reply = self.inner.clone().rounds(request).await.map_err(|e| self.error(&e))?;
        reply
            .into_inner()
            .rounds
            .into_iter()
            .map(|known| {
                let digest =
                    Digest::from_slice(&known.digest).map_err(|e| self.garbled(e.to_string()))?;
                Ok((known.attempt, digest, known.state))
            })
            .collect()
    }

    /// Number, digest and state of the rounds that the node has opened after a number, in order, at
    /// most 1,000.
    ///
    /// # Errors
    /// When the node cannot be reached or answers garbage.
    pub async fn list(&self, after: u64) -> Result<Vec<(u64, Digest, String)>, Error> {
        let mut request = tonic::Request::new(proto::ListRequest { after });
        request.set_timeout(CALL);
        let reply = self.inner.clone().list(request).await.map_err(|e| self.error(&e))?;
        let rounds = reply.into_inner().rounds.into_iter().map(|round| {
            let digest =
                Digest::from_slice(&round.digest).map_err(|e| self.garbled(e.to_string()))?;
            Ok((round.number, digest, round.state))
        });
        rounds.collect()
    }

    /// The node's signed sets for a round, as soon as it has one that this node lacks (node).
    ///
    /// # Errors
    /// When the node cannot be reached or answers garbage.
    pub async fn exchange(
        &self,
        round: &Digest,
        have: u32,
        wait: Duration,
    ) -> Result<Published, Error> {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(2000);
        let round = round.as_bytes().to_vec();
        let mut request = tonic::Request::new(proto::ExchangeRequest { round, have, wait_ms });
        request.set_timeout(wait + CALL);
        let reply = self.inner.clone().exchange(request).await.map_err(|e| self.error(&e))?;
        let reply = reply.into_inner();
        Ok(Published {
            held: reply.held.map(|signed| self.signed(signed)).transpose()?,
            prepared: reply.prepared.map(|signed| self.signed(signed)).transpose()?,
            accepted: reply.accepted.map(|signed| self.signed(signed)).transpose()?,
            dealt: reply.dealt.map(|signed| self.signed(signed)).transpose()?,
            release: reply.release.map(|signed| self.signed(signed)).transpose()?,
            records: self.records(reply.records)?,
            failed: (!reply.failed.is_empty()).then(|| clip(&reply.failed)),
            given_up: reply.given_up.map(|signed| self.signed(signed)).transpose()?,
        })
    }

    /// The node's own epoch offer, and the record of all nodes' once it holds one. Neither is
    /// verified.
    ///
    /// # Errors
    /// When the node cannot be reached or answers garbage.
    pub async fn epoch(&self) -> Result<(Signed, Option<Record>), Error> {
        let mut request = tonic::Request::new(proto::EpochRequest {});
        request.set_timeout(CALL);
        let reply = self.inner.clone().epoch(request).await.map_err(|e| self.error(&e))?;
        let reply = reply.into_inner();
        let offer = reply.offer.ok_or_else(|| self.garbled("it sent no epoch offer"))?;
        let record = match reply.record.as_slice() {
            [] => None,
            bytes => Some(Record::from_bytes(bytes).map_err(|e| self.garbled(e.to_string()))?),
        };
        Ok((self.signed(offer)?, record))
    }

    /// The node's part of an epoch's secret, sealed to the caller (node).
    ///
    /// # Errors
    /// When the node does not hold that epoch's record or cannot be reached.
    pub async fn epoch_part(&self, epoch: &Digest) -> Result<Vec<u8>, Error> {
        let message = proto::EpochPartRequest { epoch: epoch.as_bytes().to_vec() };
        let mut request = tonic::Request::new(message);
        request.set_timeout(CALL);
        let reply = self.inner.clone().epoch_part(request).await.map_err(|e| self.error(&e))?;
        Ok(reply.into_inner().sealed)
    }

    /// The node's preparation shares of a round's `count` candidates, `len` bytes each, once it
    /// may show them (node).
    ///
    /// # Errors
    /// When it may not yet, cannot be reached, or answers garbage.
    pub async fn preps(
        &self,
        round: &Digest,
        count: usize,
        len: usize,
        wait: Duration,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(2000);
        let message = proto::PrepsRequest { round: round.as_bytes().to_vec(), wait_ms };
        let mut request = tonic::Request::new(message);
        request.set_timeout(wait + BULK);
        let reply = self.inner.clone().preps(request).await.map_err(|e| self.error(&e))?;
        let mut stream = reply.into_inner();
        let mut preps = Vec::with_capacity(count);
        while let Some(part) = stream.message().await.map_err(|e| self.error(&e))? {
            if preps.len() == count || part.prep.len() != len {
                return Err(self.garbled("its preparation shares are not of this round's form"));
            }
            preps.push(part.prep);
        }
        if preps.len() != count {
            return Err(self.garbled("it has fewer preparation shares than the round candidates"));
        }
        Ok(preps)
    }

    /// The last held set of this node that the node saw, with the canonical spec of its round (node;
    /// rule N3). Neither is verified.
    ///
    /// # Errors
    /// When the node cannot be reached or answers garbage.
    pub async fn seen(&self) -> Result<Option<(Vec<u8>, Signed)>, Error> {
        let mut request = tonic::Request::new(proto::SeenRequest {});
        request.set_timeout(CALL);
        let reply = self.inner.clone().seen(request).await.map_err(|e| self.error(&e))?;
        let reply = reply.into_inner();
        let held = reply.held.map(|held| self.signed(held)).transpose()?;
        Ok(held.map(|held| (reply.spec, held)))
    }

    /// Waits for the outcome of a round (coordinator), reading at most `sum_len` bytes of sum.
    ///
    /// # Errors
    /// When the node cannot be reached or answers garbage.
    pub async fn release(
        &self,
        round: &Digest,
        wait: Duration,
        sum_len: usize,
    ) -> Result<Outcome, Error> {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(30_000);
        let message = proto::ReleaseRequest { round: round.as_bytes().to_vec(), wait_ms };
        let mut request = tonic::Request::new(message);
        request.set_timeout(wait + BULK);
        let reply = self.inner.clone().release(request).await.map_err(|e| self.error(&e))?;
        let mut stream = reply.into_inner();
        let first = stream.message().await.map_err(|e| self.error(&e))?;
        let Some(proto::release_part::Part::Head(head)) = first.and_then(|part| part.part) else {
            return Err(self.garbled("its release has no head"));
        };
        let released = match head.outcome {
            Some(proto::release_head::Outcome::Pending(pending)) => {
                return Ok(Outcome::Pending(pending.held));
            }
            Some(proto::release_head::Outcome::Failed(reason)) => {
                return Ok(Outcome::Failed(clip(&reason)));
            }
            Some(proto::release_head::Outcome::Released(released)) => released,
            None => return Err(self.garbled("its release has no outcome")),
        };
        let (Some(accepted), Some(release)) = (released.accepted, released.release) else {
            return Err(self.garbled("its release lacks a signed record"));
        };
        let mut sum = Vec::with_capacity(sum_len.min(CHUNK));
        while let Some(part) = stream.message().await.map_err(|e| self.error(&e))? {
            let Some(proto::release_part::Part::Chunk(chunk)) = part.part else {
                return Err(self.garbled("its release has two heads"));
            };
            if sum.len() + chunk.len() > sum_len {
                return Err(self.garbled("its sum is longer than the round's vector"));
            }
            sum.extend_from_slice(&chunk);
        }
        let (accepted, release) = (self.signed(accepted)?, self.signed(release)?);
        let part = Part { accepted, release, sum: Some(sum) };
        let records = self.records(released.records)?;
        Ok(Outcome::Released(Box::new(Answer { part, records })))
    }

    /// This node's sub-share of the node's noised sum, `len` bytes, once it may show it (node).
    ///
    /// # Errors
    /// When it may not yet, cannot be reached, or answers garbage.
    pub async fn sub_share(
        &self,
        round: &Digest,
        len: usize,
        wait: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(2000);
        let message = proto::SubShareRequest { round: round.as_bytes().to_vec(), wait_ms };
        let mut request = tonic::Request::new(message);
        request.set_timeout(wait + BULK);
        let reply = self.inner.clone().sub_share(request).await.map_err(|e| self.error(&e))?;
        let mut stream = reply.into_inner();
        let mut share = Zeroizing::new(Vec::with_capacity(len));
        while let Some(part) = stream.message().await.map_err(|e| self.error(&e))? {
            if share.len() + part.chunk.len() > len {
                return Err(self.garbled("its sub-share is longer than the round's vector"));
            }
            share.extend_from_slice(&part.chunk);
        }
        if share.len() != len {
            return Err(self.garbled("its sub-share is shorter than the round's vector"));
        }
        Ok(share)
    }

    fn records(&self, records: Vec<proto::NodeRecord>) -> Result<Vec<NodeRecord>, Error> {
        if records.len() > haima_crypto::share::MAX_PARTIES {
            return Err(self.garbled("it has the records of more nodes than a study may have"));
        }
        records
            .into_iter()
            .map(|record| {
                let node = record.node;
                let accepted = Signature::from_slice(&record.accepted)
                    .map_err(|e| self.garbled(e.to_string()))?;
                let release = record.release.ok_or_else(|| self.garbled("a record lacks"))?;
                Ok(NodeRecord { node, accepted, release: self.signed(release)? })
            })
            .collect()
    }

    fn signed(&self, signed: proto::Signed) -> Result<Signed, Error> {
        let signature =
            Signature::from_slice(&signed.signature).map_err(|e| self.garbled(e.to_string()))?;
        Ok(Signed { body: signed.body, signature })
    }
}
