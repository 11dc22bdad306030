//! Where messages of masked aggregation change hands: a site puts one in, whoever runs the round
//! takes it and answers, and what it posts is handed out to sites that wait.
//!
//! One *scope* is open at a time, an epoch or a round, by its digest. What waits in memory is bounded:
//! one message a site, a newer one in the place of the older, and 512 MiB of all but their first
//! pieces. Nothing here reads a message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use haima_crypto::encode::Digest;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc, oneshot, watch};

use super::hub::Value;

/// Bytes of messages that are taken in at once; sites beyond it wait.
const ROOM: usize = 512 << 20;
/// Bytes that a permit stands for.
const UNIT: usize = 1 << 10;

/// A step of an epoch or a round: what a site puts in, and what it takes then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Its advertisement; all advertisements.
    Keys,
    /// Its agreements; those to it.
    Pairs,
    /// Nothing, when its pair keys are on its disk; nothing.
    Ready,
    /// Its shares; what others share with it.
    Shares,
    /// Its masked vector; the partition.
    Vector,
    /// Its confirmation; the request with all confirmations.
    Confirmation,
    /// Its shares of masks; nothing.
    Answer,
}

/// A site's message on its way to whoever runs the scope.
#[derive(Debug)]
pub struct Message {
    /// The site, as its connection proves.
    pub site: String,
    /// Of which step.
    pub step: Step,
    /// Canonical bytes.
    pub bytes: Vec<u8>,
    /// Told when it has been taken in, or why it was not.
    pub reply: oneshot::Sender<Result<(), String>>,
}

/// What is posted for sites, and whether more will be.
#[derive(Debug, Default)]
struct Posted {
    scope: Option<Digest>,
    /// By step and site; no site: for all.
    values: BTreeMap<(Step, Option<String>), Value>,
    /// Most bytes of a message of each step.
    limits: BTreeMap<Step, usize>,
    over: Option<String>,
}

/// The board.
#[derive(Debug)]
pub struct Board {
    posted: watch::Sender<Posted>,
    inbox: Mutex<Option<mpsc::Sender<Message>>>,
    room: Arc<Semaphore>,
    /// Of each site the message that comes in, to be told when a newer one does.
    coming: Mutex<BTreeMap<String, Arc<Notify>>>,
}

impl Default for Board {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(ROOM / UNIT));
        let (posted, inbox, coming) =
            (watch::Sender::default(), Mutex::default(), Mutex::default());
        Self { posted, inbox, room, coming }
    }
}

/// Why the board does not take a message or has none to hand out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The scope is not open, or over, for the reason given.
    Scope(String),
    /// The message is longer than its step allows.
    Long {
        /// Bytes.
        got: u64,
        /// Bytes allowed.
        most: usize,
    },
    /// Whoever runs the scope refused it.
    Refused(String),
}

impl Board {
    /// Opens a scope, with the most bytes that a message of each of its steps may have; the one before
    /// is over.
    pub fn open(&self, scope: Digest, limits: &[(Step, usize)]) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(1);
        *self.inbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        let limits = limits.iter().copied().collect();
        self.posted.send_replace(Posted { scope: Some(scope), limits, ..Posted::default() });
        receiver
    }

    /// Hands something out at a step, to one site or to all.
    pub fn post(&self, step: Step, site: Option<&str>, bytes: Vec<u8>) {
        self.posted.send_modify(|posted| {
            posted.values.insert((step, site.map(str::to_owned)), bytes.into());
        });
    }

    /// The scope is over: sites that wait for more are told why. What was posted stays until the next
    /// scope opens.
    pub fn close(&self, reason: &str) {
        *self.inbox.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.posted.send_modify(|posted| posted.over = Some(reason.to_owned()));
    }

    /// A message of a site begins to come in: whoever takes in an older one of the same site is told to
    /// stop, as the holder of this is by the next.
    pub fn begin(&self, site: &str) -> Arc<Notify> {
        let own = Arc::new(Notify::new());
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(older) = coming.insert(site.to_owned(), Arc::clone(&own)) {
            older.notify_one();
        }
        own
    }

    /// Whether a scope is open.
    ///
    /// # Errors
    /// [`Closed::Scope`] when it is not.
    pub fn is_open(&self, scope: &Digest) -> Result<(), Closed> {
        self.posted.borrow().open(scope)
    }

    /// Room for a message of so many bytes of a step, before any of it is read.
    ///
    /// # Errors
    /// [`Closed::Scope`] when the scope is not open or has no such step; [`Closed::Long`].
    pub async fn admit(
        &self,
        scope: &Digest,
        step: Step,
        length: u64,
    ) -> Result<SemaphorePermit<'_>, Closed> {
        let most = {
            let posted = self.posted.borrow();
            posted.open(scope)?;
            posted.limits.get(&step).copied()
        };
        let most = most.ok_or_else(|| Closed::Scope("it has no such step".into()))?;
        let fits = usize::try_from(length).ok().filter(|length| *length <= most);
        let length = fits.ok_or(Closed::Long { got: length, most })?;
        // One that is larger than all room takes all of it.
        let units = length.div_ceil(UNIT).min(ROOM / UNIT);
        let permit = self.room.acquire_many(u32::try_from(units).unwrap_or(u32::MAX)).await;
        permit.map_err(|_| Closed::Scope("the coordinator stops".into()))
    }

    /// Gives a site's message to whoever runs the scope, and waits for the answer.
    ///
    /// # Errors
    /// [`Closed::Scope`] when the scope is not open any more; [`Closed::Refused`].
    pub async fn put(
        &self,
        scope: &Digest,
        site: String,
        step: Step,
        bytes: Vec<u8>,
    ) -> Result<(), Closed> {
        let inbox = {
            let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
            self.posted.borrow().open(scope)?;
            inbox.clone()
        };
        let over = || Closed::Scope("it is over".into());
        let inbox = inbox.ok_or_else(over)?;
        let (reply, answer) = oneshot::channel();
        inbox.send(Message { site, step, bytes, reply }).await.map_err(|_| over())?;
        answer.await.map_err(|_| over())?.map_err(Closed::Refused)
    }

    /// What is posted for a site at a step, as soon as it is there.
    ///
    /// # Errors
    /// [`Closed::Scope`] when the scope is not open, or is over without it.
    pub async fn take(&self, scope: &Digest, site: &str, step: Step) -> Result<Value, Closed> {
        let mut changes = self.posted.subscribe();
        let of = [(step, Some(site.to_owned())), (step, None)];
        let found = changes.wait_for(|posted| {
            posted.scope.as_ref() != Some(scope)
                || posted.over.is_some()
                || of.iter().any(|key| posted.values.contains_key(key))
        });
        let posted = found.await.map_err(|_| Closed::Scope("the coordinator stops".into()))?;
        if posted.scope.as_ref() == Some(scope)
            && let Some(value) = of.iter().find_map(|key| posted.values.get(key))
        {
            return Ok(value.clone());
        }
        Err(posted.open(scope).err().unwrap_or_else(|| Closed::Scope("it is over".into())))
    }
}

impl Posted {
    fn open(&self, scope: &Digest) -> Result<(), Closed> {
        match &self.over {
            _ if self.scope.is_none() => {
                Err(Closed::Scope("the coordinator has no round or epoch open".into()))
            }
            _ if self.scope.as_ref() != Some(scope) => {
                Err(Closed::Scope("the coordinator has another round or epoch open".into()))
            }
            Some(reason) => Err(Closed::Scope(reason.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn scope(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    #[tokio::test]
    async fn a_message_is_taken_in_when_its_scope_says_so() {
        let board = Arc::new(Board::default());
        let mut inbox = board.open(scope("a"), &[(Step::Shares, 10)]);
        let putting = tokio::spawn({
            let board = Arc::clone(&board);
            async move {
                let first = board.put(&scope("a"), "north".into(), Step::Shares, vec![1]).await;
                (first, board.put(&scope("a"), "north".into(), Step::Shares, vec![2]).await)
            }
        });
        let message = inbox.recv().await.unwrap();
        assert_eq!((&*message.site, message.step, message.bytes), ("north", Step::Shares, vec![1]));
        message.reply.send(Ok(())).unwrap();
        inbox.recv().await.unwrap().reply.send(Err("no".into())).unwrap();
        assert_eq!(putting.await.unwrap(), (Ok(()), Err(Closed::Refused("no".into()))));
    }

    #[tokio::test]
    async fn a_message_is_as_long_as_its_step_allows_and_of_the_open_scope() {
        let board = Board::default();
        let refused = board.admit(&scope("a"), Step::Shares, 1).await.unwrap_err();
        assert!(matches!(refused, Closed::Scope(_)));
        let inbox = board.open(scope("a"), &[(Step::Shares, 10)]);
        drop(board.admit(&scope("a"), Step::Shares, 10).await.unwrap());
        let long = board.admit(&scope("a"), Step::Shares, 11).await.unwrap_err();
        assert_eq!(long, Closed::Long { got: 11, most: 10 });
        for (of, step) in [("b", Step::Shares), ("a", Step::Vector)] {
            assert!(matches!(board.admit(&scope(of), step, 1).await, Err(Closed::Scope(_))));
        }
        board.close("too few sites");
        let over = board.put(&scope("a"), "north".into(), Step::Shares, vec![]).await;
        assert_eq!(over, Err(Closed::Scope("too few sites".into())));
        drop(inbox);
    }

    /// All room taken, a further message waits, and goes on when there is room again.
    #[tokio::test]
    async fn messages_beyond_the_room_wait() {
        let board = Board::default();
        let _inbox = board.open(scope("a"), &[(Step::Vector, usize::MAX)]);
        let all = board.admit(&scope("a"), Step::Vector, 1 << 40).await.unwrap();
        let scope = scope("a");
        let wait = Duration::from_millis(20);
        assert!(tokio::time::timeout(wait, board.admit(&scope, Step::Vector, 1)).await.is_err());
        drop(all);
        let there = tokio::time::timeout(wait, board.admit(&scope, Step::Vector, 1)).await;
        drop(there.unwrap().unwrap());
    }

    #[tokio::test]
    async fn a_newer_message_of_a_site_ends_the_older() {
        let board = Board::default();
        let older = board.begin("north");
        let other = board.begin("south");
        let newer = board.begin("north");
        let wait = Duration::from_millis(20);
        tokio::time::timeout(wait, older.notified()).await.unwrap();
        for kept in [other, newer] {
            assert!(tokio::time::timeout(wait, kept.notified()).await.is_err());
        }
    }

    #[tokio::test]
    async fn what_is_posted_is_handed_to_its_site_and_to_who_waits_for_it() {
        let board = Arc::new(Board::default());
        let _inbox = board.open(scope("a"), &[]);
        let waiting = tokio::spawn({
            let board = Arc::clone(&board);
            async move { board.take(&scope("a"), "north", Step::Vector).await }
        });
        board.post(Step::Shares, Some("north"), vec![1]);
        board.post(Step::Vector, None, vec![2]);
        assert_eq!(&waiting.await.unwrap().unwrap().bytes[..], [2]);
        let own = board.take(&scope("a"), "north", Step::Shares).await.unwrap();
        assert_eq!(&own.bytes[..], [1]);
        board.close("done");
        let none = board.take(&scope("a"), "south", Step::Shares).await.unwrap_err();
        assert_eq!(none, Closed::Scope("done".into()));
        assert!(board.take(&scope("a"), "north", Step::Shares).await.is_ok(), "posted before");
        board.open(scope("b"), &[]);
        assert!(board.take(&scope("a"), "north", Step::Shares).await.is_err());
    }
}
