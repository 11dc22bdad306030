//! How a site's share comes in: a sealed chunk at a time, opened, hashed, encrypted at rest and
//! stored; at the end checked as a whole against the site's signed header.
//!
//! Memory is bounded by [`BATCH`] chunks a site. Chunks are acknowledged when they are durable:
//! after a break the site asks how many there are and goes on from there. Submissions that
//! complete at the same time share one transaction and one sync of the journal.

use std::sync::{Arc, Weak};

use haima_crypto::encode::Digest;
use haima_crypto::seal::{CHUNK, ChunkKey, HEAD, Place};
use tokio::sync::{mpsc, oneshot};

use super::engine::{Engine, Live};
use super::metrics;
use super::store::{Arrival, StoredChunk};
use crate::Error;
use crate::audit::Event;
use crate::header::{Header, SignedHeader, chunk_hash, chunks_digest, public_digest};
use crate::submission::associated;

/// Chunks that are stored in one transaction.
const BATCH: usize = 8;
/// Submissions that wait to be committed; a site has one in flight.
const QUEUE: usize = crate::manifest::MAX_SITES;
/// Most submissions in one transaction.
const GROUP: usize = 64;

/// A submission that is coming in.
pub(super) struct Intake {
    engine: Arc<Engine>,
    live: Arc<Live>,
    header: Header,
    signed: SignedHeader,
    digest: Digest,
    public: Vec<u8>,
    /// Head of the sealed share.
    head: Vec<u8>,
    sealed: ChunkKey,
    rest: ChunkKey,
    aad: Vec<u8>,
    /// Bytes of the sealed chunks together.
    body: usize,
    /// Of the chunks so far.
    hashes: Vec<[u8; 32]>,
    pending: Vec<StoredChunk>,
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
        let sealed = tokio::task::block_in_place(|| engine.epoch_keys.sealing.chunk_key(&head))
            .map_err(|_| does_not_open(site))?;
        let digest = Digest::of(&signed.bytes);
        let closed = || refuse("the round has closed".into());
        let rest = live.rest.as_ref().ok_or_else(closed)?.chunks(&digest);
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
        let engine = Arc::clone(engine);
        let pending = Vec::new();
        Ok(Self {
            engine,
            live,
            header,
            signed,
            digest,
            public,
            head,
            sealed,
            rest,
            aad,
            body,
            hashes,
            pending,
        })
    }

    fn refuse(&self, problem: String) -> Error {
        Error::Submission { site: self.header.site.clone(), problem }
    }

    /// Takes in the next chunk.
    ///
    /// # Errors
    /// [`Error::Submission`] when it does not belong here (rule R2), or the round has closed.
    pub(super) async fn chunk(&mut self, sealed: &[u8]) -> Result<(), Error> {
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
        // Opened now so that a share that this node cannot use is refused while the site can
        // still learn of it.
        let (hash, bytes) = tokio::task::block_in_place(|| {
            let hash = chunk_hash(sealed);
            let mut bytes = sealed.to_vec();
            let opened = self.sealed.open(place, &self.aad, &mut bytes);
            opened.map_err(|_| does_not_open(&self.header.site))?;
            self.rest.seal(place, self.digest.as_bytes(), &mut bytes)?;
            Ok::<_, Error>((hash, bytes))
        })?;
        metrics::bytes_in(sealed.len());
        self.hashes.push(hash);
        self.pending.push(StoredChunk { seq: place.index, hash, bytes });
        if self.pending.len() == BATCH && !place.last {
            self.keep().await?;
        }
        Ok(())
    }

    /// Makes the chunks so far durable: from here the site can go on after a break.
    ///
    /// # Errors
    /// [`Error::Submission`] when the round has closed.
    pub(super) async fn keep(&mut self) -> Result<(), Error> {
        let chunks = std::mem::take(&mut self.pending);
        let (round, site) = (&self.header.round, self.header.site.as_str());
        self.engine.store().add_chunks(round, site, &self.digest, &chunks).await
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
        let (answer, answered) = oneshot::channel();
        let arrival = Arrival {
            header: self.header,
            signed: self.signed,
            public: self.public,
            chunks: self.pending,
        };
        let stopping = || Error::NotReady {
            party: self.engine.name.clone(),
            reason: "it is stopping; send again".into(),
        };
        let job = Job { arrival, live: self.live, answer };
        self.engine.committer.0.send(job).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

fn does_not_open(site: &str) -> Error {
    Error::Submission {
        site: site.to_owned(),
        problem: "the share does not open under this node's epoch key for this round".into(),
    }
}

/// A complete submission that waits for its transaction.
struct Job {
    arrival: Arrival,
    live: Arc<Live>,
    answer: oneshot::Sender<Result<(), Error>>,
}

/// The way to the task that commits submissions in groups.
pub(super) struct Committer(mpsc::Sender<Job>);

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Committer")
    }
}

/// Jobs as they come; [`Queue::commit`] works them off.
pub(super) struct Queue(mpsc::Receiver<Job>);

impl Committer {
    pub(super) fn new() -> (Self, Queue) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), Queue(receiver))
    }
}

impl Queue {
    /// Commits what has gathered, again and again, until the engine is gone.
    pub(super) async fn commit(mut self, engine: Weak<Engine>) {
        let mut jobs = Vec::with_capacity(GROUP);
        while self.0.recv_many(&mut jobs, GROUP).await > 0 {
            let Some(engine) = engine.upgrade() else { return };
            let (arrivals, waiting): (Vec<_>, Vec<_>) =
                jobs.drain(..).map(|job| (job.arrival, (job.live, job.answer))).unzip();
            match commit(&engine, &arrivals).await {
                Ok(answers) => {
                    for ((live, answer), result) in waiting.into_iter().zip(answers) {
                        if let Ok(true) = result {
                            live.held.send_modify(|held| *held += 1);
                        }
                        let _ = answer.send(result.map(|_| ()));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "submissions could not be stored");
                    let reason = error.to_string();
                    for (_, answer) in waiting {
                        let _ = answer.send(Err(Error::Store(reason.clone())));
                    }
                }
            }
        }
    }
}

/// One transaction, then one sync of the journal; only then is anything acknowledged.
async fn commit(engine: &Engine, arrivals: &[Arrival]) -> Result<Vec<Result<bool, Error>>, Error> {
    let started = std::time::Instant::now();
    let answers = engine.store().add_submissions(arrivals).await?;
    let digests: Vec<Digest> =
        arrivals.iter().map(|arrival| Digest::of(&arrival.signed.bytes)).collect();
    let new = arrivals.iter().zip(&digests).zip(&answers);
    let events: Vec<Event<'_>> = new
        .filter(|(_, answer)| matches!(answer, Ok(true)))
        .map(|((arrival, digest), _)| Event {
            kind: "accepted",
            round: &arrival.header.round,
            subject: &arrival.header.site,
            digest,
            text: "",
        })
        .collect();
    engine.log_all(&events)?;
    metrics::committed(started.elapsed().as_secs_f64());
    for answer in &answers {
        metrics::submission(match answer {
            Ok(true) => "accepted",
            Ok(false) => "repeated",
            Err(_) => "refused",
        });
    }
    Ok(answers)
}
