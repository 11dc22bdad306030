//! What a node keeps, in SQLite (embedded, by default) or PostgreSQL (by a URL).
//!
//! One schema and one set of statements for both, over sqlx's driver of any database: what differs
//! stands in this file, but for the locks that PostgreSQL takes on rows. Every method that changes something is one transaction and durable
//! when it returns (SQLite: WAL with `synchronous = FULL`; PostgreSQL: its own
//! `synchronous_commit`, which is set here); the caller sends nothing before that (rules R3, R4,
//! N3). A state of a round is left by a conditional update, so that of two replicas that take the
//! same step one alone succeeds; the other gets [`Error::Superseded`].
//!
//! | module | what it keeps |
//! |---|---|
//! | `rounds` | rounds and what this node signed for them |
//! | `failures` | how a round fails |
//! | `submissions` | sites' shares, a chunk a row |
//! | `proofs` | preparation shares, commitments, evidence |
//! | `epoch` | the epoch's record and parts, what peers signed |
//! | `leases` | which replica drives a round |

mod epoch;
mod failures;
mod leases;
mod proofs;
mod rounds;
mod submissions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use haima_crypto::encode::Digest;
use haima_crypto::identity::Signature;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Executor, Row, Transaction};

pub(super) use failures::Failing;
pub(super) use leases::RENEW;
pub(super) use proofs::Evidence;
pub(super) use rounds::StoredRound;
pub(super) use submissions::{Arrival, Piece, StoredChunk, StoredSubmission};

use crate::error::DATABASE_ERRORS;
use crate::record::Signed;
use crate::{Error, durable};

/// Most bytes of a vector in one row.
pub(super) const ROW: usize = 1 << 20;
/// Connections to PostgreSQL a replica.
const CONNECTIONS: u32 = 8;
/// How long SQLite tries for a lock, in milliseconds.
const WAIT: &str = "PRAGMA busy_timeout = 10000";
/// How long it does to truncate its log: rounds wait meanwhile.
const WAIT_TO_TRUNCATE: &str = "PRAGMA busy_timeout = 500";

/// The database of one node.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    kind: Kind,
    /// SQLite's guards; PostgreSQL's are rows that replicas lock.
    guards: Arc<BTreeMap<&'static str, Arc<tokio::sync::Mutex<()>>>>,
    /// Whether SQLite's log could not be truncated.
    unflushed: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

/// Whoever holds it is alone, of all replicas, in what its name says; dropping it lets go.
#[derive(Debug)]
pub(super) enum Guard {
    Local(#[expect(dead_code, reason = "held")] tokio::sync::OwnedMutexGuard<()>),
    Shared(#[expect(dead_code, reason = "held")] Transaction<'static, Any>),
}

/// Whether a store's name is a URL of PostgreSQL; else it is a path.
#[must_use]
pub(super) fn is_url(store: &str) -> bool {
    store.starts_with("postgres://") || store.starts_with("postgresql://")
}

impl Store {
    /// Opens a database, `postgres://…` or the path of a SQLite file, and brings its schema up to
    /// date.
    ///
    /// # Errors
    /// When it cannot be opened or is of a later version.
    pub async fn open(store: &str) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let kind = if is_url(store) { Kind::Postgres } else { Kind::Sqlite };
        // A password in a URL stays out of the message.
        let shown = if kind == Kind::Postgres { "PostgreSQL" } else { store };
        let fault = |e: &dyn std::fmt::Display| Error::Store(format!("{shown}: {e}"));
        let (url, connections) = match kind {
            Kind::Postgres => (store.to_owned(), CONNECTIONS),
            Kind::Sqlite => {
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(Path::new(store))
                    .create_if_missing(true);
                (options.to_url_lossy().to_string(), 1)
            }
        };
        let seen = AtomicU64::new(DATABASE_ERRORS.load(Ordering::Relaxed));
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for statement in kind.settings() {
                        connection.execute(*statement).await?;
                    }
                    Ok(())
                })
            })
            .before_acquire(move |connection, _| {
                let errors = DATABASE_ERRORS.load(Ordering::Relaxed);
                let sound =
                    kind == Kind::Postgres || seen.swap(errors, Ordering::Relaxed) == errors;
                Box::pin(async move {
                    // A transaction that an error of the disk broke off may be open still, and what
                    // followed would be part of it, acknowledged and never durable: begin anew.
                    Ok(sound || connection.execute("BEGIN; ROLLBACK").await.is_ok())
                })
            })
            .connect(&url)
            .await
            .map_err(|e| fault(&e))?;
        sqlx::migrate!("./migrations").run(&pool).await.map_err(|e| fault(&e))?;
        let guards = ["opening", "agreeing"].map(|name| (name, Arc::default()));
        let guards = Arc::new(BTreeMap::from(guards));
        let store = Self { pool, kind, guards, unflushed: Arc::default() };
        // A stop between an erasure and this leaves erased pages in the log.
        store.flush_erased().await;
        Ok(store)
    }

    /// Whether replicas may share it.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.kind == Kind::Postgres
    }

    /// `FOR UPDATE` where several connections write: SQLite has one.
    fn locking(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "",
            Kind::Postgres => " FOR UPDATE",
        }
    }

    /// Waits to be alone, of all replicas, in `opening` or `agreeing`.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn guard(&self, name: &'static str) -> Result<Guard, Error> {
        if self.kind == Kind::Sqlite {
            let unknown = || Error::Store(format!("no guard {name}"));
            let guard = self.guards.get(name).ok_or_else(unknown)?;
            return Ok(Guard::Local(Arc::clone(guard).lock_owned().await));
        }
        let mut transaction = self.pool.begin().await?;
        let sql = "SELECT name FROM guards WHERE name = $1 FOR UPDATE";
        sqlx::query(sql).bind(name).fetch_one(&mut *transaction).await?;
        Ok(Guard::Shared(transaction))
    }

    /// A write and its undoing: whether the database takes any.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check_writable(&self) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("INSERT INTO guards (name) VALUES ('probe')")
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.rollback().await?)
    }

    /// Takes erased shares out of SQLite's write-ahead log too; later where another reader holds it or
    /// the disk fails: the step before it is durable, and is not taken back by this.
    async fn flush_erased(&self) {
        if self.kind == Kind::Postgres {
            return;
        }
        self.unflushed.store(true, Ordering::Relaxed);
        match self.truncate().await {
            Ok(true) => self.unflushed.store(false, Ordering::Relaxed),
            Ok(false) => {
                tracing::warn!(
                    "another reader holds the write-ahead log: erased shares stay in it"
                );
            }
            Err(error) => {
                tracing::error!(%error, "erased shares stay in the write-ahead log; trying again");
            }
        }
    }

    /// Truncates the write-ahead log; `false` where another reader holds it.
    async fn truncate(&self) -> Result<bool, Error> {
        let mut connection = self.pool.acquire().await?;
        // As text: a prepared one would set it at its first use alone.
        connection.execute(WAIT_TO_TRUNCATE).await?;
        let truncate = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection);
        let row = durable::write("store.truncate", truncate).await;
        if let Err(error) = connection.execute(WAIT).await {
            // It would give up on the next lock too soon.
            connection.close().await?;
            return Err(error.into());
        }
        // A log that is held is no error, but 1 in the first column.
        Ok(row?.try_get::<i64, _>(0)? == 0)
    }

    /// Truncates the write-ahead log where that did not succeed before.
    pub(super) async fn flush_left(&self) {
        if self.unflushed.load(Ordering::Relaxed) {
            self.flush_erased().await;
        }
    }
}

impl Kind {
    /// What each connection sets: no durability point is relaxed.
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &[
                WAIT,
                // Of a new database; rows of a vector are long.
                "PRAGMA page_size = 16384",
                "PRAGMA journal_mode = WAL",
                // 512 MiB: a share is not written twice while it comes in. Rounds that end empty it.
                "PRAGMA wal_autocheckpoint = 32768",
                "PRAGMA synchronous = FULL",
                "PRAGMA secure_delete = ON",
            ],
            Self::Postgres => &["SET synchronous_commit = on", "SET lock_timeout = '10s'"],
        }
    }
}

fn integer(value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| Error::Store(format!("{value} does not fit the database")))
}

fn count(row: &AnyRow, column: &str) -> Result<u64, Error> {
    Ok(row.try_get::<i64, _>(column)?.unsigned_abs())
}

fn digest(row: &AnyRow, column: &str) -> Result<Digest, Error> {
    Ok(Digest::from_slice(&row.try_get::<Vec<u8>, _>(column)?)?)
}

fn signed(row: &AnyRow, body: &str, signature: &str) -> Result<Option<Signed>, Error> {
    let body: Option<Vec<u8>> = row.try_get(body)?;
    let signature: Option<Vec<u8>> = row.try_get(signature)?;
    match (body, signature) {
        (Some(body), Some(signature)) => {
            Ok(Some(Signed { body, signature: Signature::from_slice(&signature)? }))
        }
        _ => Ok(None),
    }
}

fn bytes(digest: &Digest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}

/// A step of a round that its state no longer allows was taken by another replica.
fn one_row(affected: u64, round: &Digest, step: &'static str) -> Result<(), Error> {
    if affected == 1 { Ok(()) } else { Err(Error::Superseded { round: round.short(), step }) }
}

/// Erases a round's shares and their key, and its preparation shares.
async fn erase_shares(connection: &mut AnyConnection, round: &Digest) -> Result<(), Error> {
    for sql in [
        "UPDATE rounds SET rest_key = NULL WHERE digest = $1",
        "UPDATE submissions SET chunk_key = NULL WHERE round = $1",
        "DELETE FROM chunks WHERE round = $1",
        "DELETE FROM preps WHERE round = $1",
    ] {
        sqlx::query(sql).bind(bytes(round)).execute(&mut *connection).await?;
    }
    Ok(())
}
