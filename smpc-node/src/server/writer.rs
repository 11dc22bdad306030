//! The one task that stores what comes in of submissions, in groups: pieces that wait together share
//! one transaction and one sync of the journal.
//!
//! What waits is bounded by [`ROOM`] over all sites. A piece takes its room when it is here, not
//! while its sender is still sending, and gives it back when it is durable: so a slow sender holds
//! nobody up, and nobody waits for room while holding any. [`TURNS`] senders at a time are listened
//! to; what the others send waits in their own windows.

use std::sync::{Arc, Weak};

use haima_crypto::encode::Digest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::engine::{Engine, Live};
use super::metrics;
use super::store::Piece;
use crate::Error;
use crate::audit::Event;

/// KiB of pieces that wait to be stored.
const ROOM: usize = 32 << 10;
/// Senders that are listened to at a time.
const TURNS: usize = 16;
/// KiB of a piece besides its bulk.
const ROOM_LEAST: usize = 4;
/// Pieces that wait to be stored; a site has few.
const QUEUE: usize = crate::manifest::MAX_SITES;
/// Most pieces in one transaction.
const GROUP: usize = 64;

/// The answer to a piece: `true` when it was new.
pub(super) type Stored = oneshot::Receiver<Result<bool, Error>>;

/// A piece that waits for its transaction.
struct Job {
    piece: Piece,
    live: Arc<Live>,
    answer: oneshot::Sender<Result<bool, Error>>,
    _room: OwnedSemaphorePermit,
}

/// Room that was taken for a piece.
#[derive(Debug)]
pub(super) struct Room(OwnedSemaphorePermit);

/// The way to the task.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// Jobs as they come; [`Queue::work`] works them off.
pub(super) struct Queue(mpsc::Receiver<Job>);

impl Writer {
    pub(super) fn new() -> (Self, Queue) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let [room, turns] = [ROOM, TURNS].map(|most| Arc::new(Semaphore::new(most)));
        (Self { jobs, room, turns }, Queue(queue))
    }

    /// Waits for one's turn to be listened to; dropping it ends it.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.turns).acquire_owned().await.map_err(|_| stopping())
    }

    /// Waits until there is room for so many bytes, at most those of a chunk.
    pub(super) async fn room(&self, bytes: usize) -> Result<Room, Error> {
        let kib = (bytes.div_ceil(1024) + ROOM_LEAST).min(ROOM);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await;
        room.map(Room).map_err(|_| stopping())
    }

    /// Puts a piece in line; the answer comes when it is durable.
    pub(super) async fn put(
        &self,
        piece: Piece,
        live: &Arc<Live>,
        room: Room,
    ) -> Result<Stored, Error> {
        let (answer, stored) = oneshot::channel();
        let job = Job { piece, live: Arc::clone(live), answer, _room: room.0 };
        self.jobs.send(job).await.map_err(|_| stopping())?;
        Ok(stored)
    }
}

/// The answer to a piece that was put in line.
pub(super) async fn answer(stored: Stored) -> Result<bool, Error> {
    stored.await.map_err(|_| stopping())?
}

fn stopping() -> Error {
    Error::NotReady { party: "this node".into(), reason: "it is stopping; send again".into() }
}

impl Queue {
    /// Stores what has gathered, again and again, until the engine is gone.
    pub(super) async fn work(mut self, engine: Weak<Engine>) {
        let mut jobs = Vec::with_capacity(GROUP);
        while self.0.recv_many(&mut jobs, GROUP).await > 0 {
            let Some(engine) = engine.upgrade() else { return };
            let (mut pieces, mut waiting) = (Vec::new(), Vec::new());
            for Job { piece, live, answer, _room } in jobs.drain(..) {
                pieces.push(piece);
                waiting.push((live, answer, _room));
            }
            let results = store_each(&engine, &pieces).await;
            for ((piece, result), (live, answer, _room)) in pieces.iter().zip(results).zip(waiting)
            {
                if let (Ok(true), Piece::Whole(_)) = (&result, piece) {
                    live.held.send_modify(|held| *held += 1);
                }
                let _ = answer.send(result);
            }
        }
    }
}

/// Stores pieces together; where that fails, one by one, so that none fails for another's sake.
async fn store_each(engine: &Engine, pieces: &[Piece]) -> Vec<Result<bool, Error>> {
    let error = match store(engine, pieces).await {
        Ok(answers) => return answers,
        Err(error) => error,
    };
    tracing::error!(%error, "submissions could not be stored together");
    let mut answers = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let stored = store(engine, std::slice::from_ref(piece)).await;
        answers.push(stored.and_then(|mut one| one.pop().unwrap_or(Ok(false))));
    }
    answers
}

/// One transaction, then one sync of the journal; only then is anything acknowledged.
async fn store(engine: &Engine, pieces: &[Piece]) -> Result<Vec<Result<bool, Error>>, Error> {
    let started = std::time::Instant::now();
    let answers = engine.store().take_in(pieces).await?;
    let whole = pieces.iter().zip(&answers).filter_map(|(piece, answer)| match piece {
        Piece::Whole(arrival) => Some((arrival, Digest::of(&arrival.signed.bytes), answer)),
        Piece::Chunk(_) => None,
    });
    let whole: Vec<_> = whole.collect();
    let new = whole.iter().filter(|(_, _, answer)| matches!(answer, Ok(true)));
    let events: Vec<Event<'_>> = new
        .map(|(arrival, digest, _)| Event {
            kind: "accepted",
            round: &arrival.header.round,
            subject: &arrival.header.site,
            digest,
            text: "",
        })
        .collect();
    engine.log_all(&events)?;
    metrics::committed(started.elapsed().as_secs_f64());
    for (_, _, answer) in whole {
        // Refusals are counted where they are told.
        match answer {
            Ok(true) => metrics::submission("accepted"),
            Ok(false) => metrics::submission("repeated"),
            Err(_) => {}
        }
    }
    Ok(answers)
}
