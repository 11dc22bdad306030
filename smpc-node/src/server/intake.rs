//! How a site's share comes in: a sealed chunk at a time, opened, hashed and stored as it came; at
//! the end checked as a whole against the site's signed header.
//!
//! A chunk is opened while the one before it is written, and its bytes are stored sealed: what a
//! node holds in memory of a submission is what waits to be written, [`AHEAD`] chunks at most.
//! Chunks are acknowledged when they are durable: after a break the site asks how many there are
//! and goes on from there.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use haima_crypto::encode::Digest;
use haima_crypto::seal::{CHUNK, ChunkKey, HEAD, Place};
use haima_crypto::secret::Seed;
use zeroize::Zeroizing;

use super::engine::{Engine, Live};
use super::metrics;
use super::store::{Arrival, Piece, StoredChunk};
use super::writer::{Stored, answer};
use crate::Error;
use crate::header::{Header, SignedHeader, chunk_hash, chunks_digest, public_digest};
use crate::submission::associated;

/// Chunks of a submission that may wait to be written while the next one comes.
const AHEAD: usize = 16;

/// A submission that is coming in.
pub(super) struct Intake {
    engine: Arc<Engine>,
    live: Arc<Live>,
    header: Header,
    signed: SignedHeader,
    digest: Digest,
    public: Vec<u8>,
    /// Head of the sealed share; gone once the submission is complete.
    head: Vec<u8>,
    /// Of the key of its chunks.
    seed: Seed,
    key: ChunkKey,
    aad: Vec<u8>,
    /// Bytes of the sealed chunks together.
    body: usize,
    /// Of the chunks so far.
    hashes: Vec<[u8; 32]>,
    /// Chunks that are being written.
    writing: VecDeque<Stored>,
}

/// What a submission begins with.
pub(super) struct Opening {
    pub(super) signed: SignedHeader,
    pub(super) public: Vec<u8>,
    pub(super) head: Vec<u8>,
    /// Number of the first chunk that follows.
    pub(super) first: u32,
}

impl Intake {
    /// Checks the beginning of a submission, before a single byte of the share is kept; the
    /// share's length is known from the spec.
    ///
    /// # Errors
    /// [`Error::Submission`] naming the failed check; nothing is changed then.
    pub(super) async fn begin(
        engine: &Arc<Engine>,
        site: &str,
        opening: Opening,
    ) -> Result<Self, Error> {
        let Opening { signed, public, head, first } = opening;
        let refuse = |problem: String| Error::Submission { site: site.to_owned(), problem };
        engine.manifest().site(site)?;
        // The round is read from the header before its signature is checked: it only selects.
        let claimed = haima_crypto::encode::Canonical::from_bytes(&signed.bytes)
            .map(|header: Header| header.round)
            .map_err(|e| refuse(e.to_string()))?;
        let live = engine.find(&claimed).await?;
        let live = live.ok_or_else(|| refuse("its round is not open at this node".into()))?;
        let key = engine.manifest().identity(site)?;
        let nodes = engine.manifest().nodes.len();
        let header = signed.verify(site, &key, &live.context.digest, nodes)?;
        if public.len() != live.proof.public_len() || header.public_share != public_digest(&public)
        {
            return Err(refuse("the public share is not the one that its header binds".into()));
        }
        let spec = &live.context.spec;
        let node = (engine.position, engine.name.as_str());
        let (round, nonce) = (live.context.digest, header.nonce);
        let aad = associated(spec, &round, site, node, nonce, &header.public_share);
        let seed = tokio::task::block_in_place(|| engine.epoch_keys.sealing.chunk_seed(&head))
            .map_err(|_| does_not_open(site))?;
        let digest = Digest::of(&signed.bytes);
        let mut hashes = Vec::new();
        if first > 0 {
            hashes = engine.store().hashes(&round, site, &digest).await?;
            if hashes.len() < first as usize {
                let problem = format!("it goes on from chunk {first}; {} are here", hashes.len());
                return Err(refuse(problem));
            }
            hashes.truncate(first as usize);
        }
        let share = live.proof.share_len(engine.position);
        let body = haima_crypto::seal::sealed_len(share).saturating_sub(HEAD);
        Ok(Self {
            engine: Arc::clone(engine),
            key: ChunkKey::new(&seed),
            live,
            header,
            signed,
            digest,
            public,
            head,
            seed,
            aad,
            body,
            hashes,
            writing: VecDeque::new(),
        })
    }

    fn refuse(&self, problem: String) -> Error {
        Error::Submission { site: self.header.site.clone(), problem }
    }

    /// Takes in the next chunk.
    ///
    /// # Errors
    /// [`Error::Submission`] when it does not belong here (rule R2), or the round has closed.
    pub(super) async fn chunk(&mut self, sealed: Bytes) -> Result<(), Error> {
        let (index, count) = (self.hashes.len(), self.body.div_ceil(CHUNK));
        let whole = self.body + HEAD;
        if index >= count {
            return Err(self.refuse(format!("the share is over {whole} bytes")));
        }
        let expected = CHUNK.min(self.body - index * CHUNK);
        if sealed.len() > expected {
            return Err(self.refuse(format!("the share is over {whole} bytes")));
        }
        if sealed.len() < expected {
            let got = HEAD + index * CHUNK + sealed.len();
            return Err(self.refuse(format!("the share has {got} bytes instead of {whole}")));
        }
        let place = Place::of(index, count)?;
        while self.writing.len() >= AHEAD {
            self.written().await?;
        }
        let room = self.engine.writer.room(sealed.len()).await?;
        // Opened now so that a share that this node cannot use is refused while the site can
        // still learn of it.
        let hash = tokio::task::block_in_place(|| {
            let mut opening = Zeroizing::new(sealed.to_vec());
            let opened = self.key.open(place, &self.aad, &mut opening);
            opened.map(|()| chunk_hash(&sealed)).map_err(|_| does_not_open(&self.header.site))
        })?;
        metrics::bytes_in(sealed.len());
        self.hashes.push(hash);
        let chunk = StoredChunk {
            round: self.header.round,
            site: self.header.site.clone(),
            header: self.digest,
            seq: place.index,
            hash,
            bytes: sealed,
        };
        let stored = self.engine.writer.put(Piece::Chunk(chunk), &self.live, room).await?;
        self.writing.push_back(stored);
        Ok(())
    }

    /// Whether all chunks have come.
    pub(super) fn is_whole(&self) -> bool {
        self.hashes.len() >= self.body.div_ceil(CHUNK)
    }

    /// Waits until the oldest chunk in line is durable.
    async fn written(&mut self) -> Result<(), Error> {
        match self.writing.pop_front() {
            Some(stored) => answer(stored).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Waits until the chunks so far are durable: from here the site can go on after a break.
    ///
    /// # Errors
    /// [`Error::Submission`] when the round has closed.
    pub(super) async fn keep(&mut self) -> Result<(), Error> {
        while !self.writing.is_empty() {
            self.written().await?;
        }
        Ok(())
    }

    /// With all chunks there: registers the submission; it is durable when this returns.
    /// Idempotent.
    ///
    /// # Errors
    /// [`Error::Submission`] naming the failed check.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        let count = self.body.div_ceil(CHUNK);
        if self.hashes.len() != count {
            // An end of the stream may be a line that broke.
            self.keep().await?;
            let (got, whole) = (HEAD + self.hashes.len() * CHUNK, self.body + HEAD);
            return Err(self.refuse(format!("the share has {got} bytes instead of {whole}")));
        }
        let position = self.engine.position;
        let digest = chunks_digest(position, &self.head, &self.hashes);
        if self.header.shares.get(position) != Some(&digest) {
            let problem = "the share is not the one that its header binds for this node";
            return Err(self.refuse(problem.into()));
        }
        let closed = || self.refuse("the round has closed".into());
        let rest = self.live.rest.as_ref().ok_or_else(closed)?;
        let arrival = Arrival {
            chunk_key: rest.wrap(&self.digest, &self.seed)?,
            header: self.header.clone(),
            signed: self.signed.clone(),
            public: std::mem::take(&mut self.public),
            hashes: std::mem::take(&mut self.hashes),
        };
        let room = self.engine.writer.room(arrival.public.len()).await?;
        // In line behind its chunks: one transaction where they are few.
        let stored = self.engine.writer.put(Piece::Whole(arrival), &self.live, room).await?;
        self.keep().await?;
        answer(stored).await.map(|_| ())
    }
}

fn does_not_open(site: &str) -> Error {
    Error::Submission {
        site: site.to_owned(),
        problem: "the share does not open under this node's epoch key for this round".into(),
    }
}
