//! What a node keeps: rounds, submissions, nonces; proofs and the epoch in `proofs`. SQLite with
//! full synchronisation.
//!
//! Every method that changes something is one transaction and is durable when it returns; the
//! caller sends nothing before that (rules R3, R4, N3). Rows are keyed by the round's digest.

mod proofs;

use std::path::Path;
use std::time::Duration;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::Signature;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row, Sqlite, Transaction};

pub(super) use proofs::Evidence;

use crate::Error;
use crate::header::{Header, SignedHeader};
use crate::record::{AcceptedSet, HeldSet, Signed};
use crate::spec::{RoundEvent, RoundSpec};

/// A round as stored.
#[derive(Debug)]
pub struct StoredRound {
    /// Its spec.
    pub spec: RoundSpec,
    /// `open`, `closed`, `prepared`, `agreed`, `committed`, `released` or `failed`.
    pub state: String,
    /// This node's held set, once signed.
    pub held: Option<Signed>,
    /// This node's commitment to its preparation shares, once signed.
    pub prepared: Option<Signed>,
    /// This node's accepted set, once signed.
    pub accepted: Option<Signed>,
    /// This node's release and its sum, once it has committed to them.
    pub release: Option<(Signed, Vec<u8>)>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// The database of one node.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

fn integer(value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| Error::Store(format!("{value} does not fit the database")))
}

fn digest(row: &SqliteRow, column: &str) -> Result<Digest, Error> {
    Ok(Digest::from_slice(row.try_get::<&[u8], _>(column)?)?)
}

fn signed(row: &SqliteRow, body: &str, signature: &str) -> Result<Option<Signed>, Error> {
    let body: Option<Vec<u8>> = row.try_get(body)?;
    let signature: Option<Vec<u8>> = row.try_get(signature)?;
    match (body, signature) {
        (Some(body), Some(signature)) => {
            Ok(Some(Signed { body, signature: Signature::from_slice(&signature)? }))
        }
        _ => Ok(None),
    }
}

impl Store {
    /// Opens or makes a database.
    ///
    /// # Errors
    /// When it cannot be opened or is of another version.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        sqlx::migrate!("./migrations")
            .run(&pool)
            .await
            .map_err(|e| Error::Store(format!("{}: {e}", path.display())))?;
        Ok(Self { pool })
    }

    /// Adds a round; `false` when this very spec is there already.
    ///
    /// # Errors
    /// When its number is not above all others, or another spec has its step and attempt.
    pub async fn add_round(&self, spec: &RoundSpec) -> Result<bool, Error> {
        let round = spec.digest();
        let mut transaction = self.pool.begin().await?;
        let there = sqlx::query("SELECT 1 FROM rounds WHERE digest = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&mut *transaction)
            .await?;
        if there.is_some() {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO rounds (digest, number, task_id, run, step, attempt, spec, deadline_ms, \
             exact, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open')",
        )
        .bind(round.as_bytes().as_slice())
        .bind(integer(spec.number)?)
        .bind(&spec.task_id)
        .bind(i64::from(spec.run))
        .bind(i64::from(spec.step))
        .bind(i64::from(spec.attempt))
        .bind(spec.to_bytes())
        .bind(integer(spec.deadline_ms)?)
        .bind(i64::from(spec.event == RoundEvent::Exact))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Highest round number so far; 0 when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_number(&self) -> Result<u64, Error> {
        let row = sqlx::query("SELECT COALESCE(MAX(number), 0) AS n FROM rounds")
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get::<i64, _>("n")?.unsigned_abs())
    }

    /// Rounds opened for a run so far.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attempts(&self, task: &str, run: u32) -> Result<u64, Error> {
        let row = sqlx::query("SELECT COUNT(*) AS n FROM rounds WHERE task_id = ? AND run = ?")
            .bind(task)
            .bind(i64::from(run))
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get::<i64, _>("n")?.unsigned_abs())
    }

    /// Attempt, digest and state of the rounds of a step, in order of attempts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known(
        &self,
        task: &str,
        run: u32,
        step: u32,
    ) -> Result<Vec<(u32, Digest, String)>, Error> {
        let rows = sqlx::query(
            "SELECT attempt, digest, state FROM rounds WHERE task_id = ? AND run = ? AND step = ? \
             ORDER BY attempt",
        )
        .bind(task)
        .bind(i64::from(run))
        .bind(i64::from(step))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let attempt = u32::try_from(row.try_get::<i64, _>("attempt")?).unwrap_or(u32::MAX);
                Ok((attempt, digest(row, "digest")?, row.try_get("state")?))
            })
            .collect()
    }

    /// The digest of all nodes' releases of a step, if it was released.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn released(&self, task: &str, run: u32, step: u32) -> Result<Option<Digest>, Error> {
        let row = sqlx::query(
            "SELECT released FROM rounds WHERE task_id = ? AND run = ? AND step = ? \
             AND state = 'released'",
        )
        .bind(task)
        .bind(i64::from(run))
        .bind(i64::from(step))
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| digest(&row, "released")).transpose()
    }

    /// The accepted set of the study's first exact round, of whatever task, that this node signed
    /// and that did not fail (rule X2).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn first_exact_set(&self) -> Result<Option<AcceptedSet>, Error> {
        let row = sqlx::query(
            "SELECT accepted FROM rounds WHERE exact = 1 \
             AND state IN ('agreed', 'committed', 'released') ORDER BY number LIMIT 1",
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| Ok(AcceptedSet::from_bytes(row.try_get::<&[u8], _>("accepted")?)?))
            .transpose()
    }

    /// A round by digest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn round(&self, round: &Digest) -> Result<Option<StoredRound>, Error> {
        let row = sqlx::query("SELECT * FROM rounds WHERE digest = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(stored_round).transpose()
    }

    /// Rounds that have not ended, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unfinished(&self) -> Result<Vec<StoredRound>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM rounds WHERE state IN ('open', 'closed', 'prepared', 'agreed', \
             'committed') \
             ORDER BY number",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(stored_round).collect()
    }

    /// Stores a verified, complete submission; `false` when this very one is there already.
    ///
    /// # Errors
    /// [`Error::Submission`] on a nonce seen before (rule R2), or a ledger that went back or
    /// forked (rule L4); nothing is changed then.
    pub async fn add_submission(
        &self,
        header: &Header,
        signed: &SignedHeader,
        public: &[u8],
        sealed: &[u8],
    ) -> Result<bool, Error> {
        let refuse = |problem: String| Error::Submission { site: header.site.clone(), problem };
        let header_digest = Digest::of(&signed.bytes);
        let mut transaction = self.pool.begin().await?;
        let there = sqlx::query("SELECT digest FROM submissions WHERE round = ? AND site = ?")
            .bind(header.round.as_bytes().as_slice())
            .bind(&header.site)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(row) = there {
            return if digest(&row, "digest")? == header_digest {
                Ok(false)
            } else {
                Err(refuse("it already submitted another contribution for this round".into()))
            };
        }
        let nonce = sqlx::query("INSERT OR IGNORE INTO nonces (site, nonce) VALUES (?, ?)")
            .bind(&header.site)
            .bind(header.nonce.as_slice())
            .execute(&mut *transaction)
            .await?;
        if nonce.rows_affected() == 0 {
            return Err(refuse("its nonce was used before (rule R2)".into()));
        }
        check_ledger(&mut transaction, header).await?.map_err(refuse)?;
        proofs::insert_submission(&mut transaction, header, signed, public, sealed).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Sites and header digests of the stored submissions of a round.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn submissions(&self, round: &Digest) -> Result<Vec<(String, Digest)>, Error> {
        let rows = sqlx::query("SELECT site, digest FROM submissions WHERE round = ?")
            .bind(round.as_bytes().as_slice())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok((row.try_get("site")?, digest(row, "digest")?))).collect()
    }

    /// Stores this node's held set; from now on no submission enters the round.
    ///
    /// # Errors
    /// When the round is not open.
    pub async fn set_held(&self, round: &Digest, held: &Signed) -> Result<(), Error> {
        let done = sqlx::query(
            "UPDATE rounds SET held = ?, held_sig = ?, state = 'closed' \
             WHERE digest = ? AND state = 'open'",
        )
        .bind(&held.body)
        .bind(held.signature.as_bytes().as_slice())
        .bind(round.as_bytes().as_slice())
        .execute(&self.pool)
        .await?;
        one_row(done.rows_affected(), round, "held set")
    }

    /// Stores the noised sum with its signed release, and erases the round's shares: one
    /// transaction, before anyone hears of either (rule N3).
    ///
    /// # Errors
    /// When the round is not agreed.
    pub async fn commit(&self, round: &Digest, release: &Signed, sum: &[u8]) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "UPDATE rounds SET release = ?, release_sig = ?, sum = ?, state = 'committed' \
             WHERE digest = ? AND state = 'agreed'",
        )
        .bind(&release.body)
        .bind(release.signature.as_bytes().as_slice())
        .bind(sum)
        .bind(round.as_bytes().as_slice())
        .execute(&mut *transaction)
        .await?;
        one_row(done.rows_affected(), round, "commitment")?;
        erase_shares(&mut transaction, round).await?;
        transaction.commit().await?;
        self.flush_erased().await
    }

    /// Marks a round as released: all nodes have committed to their sums.
    ///
    /// # Errors
    /// When the round is not committed, or another attempt of its step was released.
    pub async fn release(&self, round: &Digest, released: &Digest) -> Result<(), Error> {
        let done = sqlx::query(
            "UPDATE rounds SET released = ?, state = 'released' \
             WHERE digest = ? AND state = 'committed'",
        )
        .bind(released.as_bytes().as_slice())
        .bind(round.as_bytes().as_slice())
        .execute(&self.pool)
        .await?;
        one_row(done.rows_affected(), round, "release")
    }

    /// Takes erased shares out of the write-ahead log too.
    async fn flush_erased(&self) -> Result<(), Error> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await?;
        Ok(())
    }

    /// Ends a round without a release, for good, and erases its shares.
    ///
    /// # Errors
    /// When the round has ended already.
    pub async fn fail(&self, round: &Digest, reason: &str) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "UPDATE rounds SET state = 'failed', reason = ? \
             WHERE digest = ? AND state IN ('open', 'closed', 'prepared', 'agreed', \
             'committed')",
        )
        .bind(reason)
        .bind(round.as_bytes().as_slice())
        .execute(&mut *transaction)
        .await?;
        one_row(done.rows_affected(), round, "failure")?;
        erase_shares(&mut transaction, round).await?;
        transaction.commit().await?;
        self.flush_erased().await
    }

    /// Remembers that a peer's held set was seen (rule N3).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn saw(&self, peer: &str, number: u64, held: &Digest) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO seen (peer, number, held) VALUES (?1, ?2, ?3) ON CONFLICT (peer) \
             DO UPDATE SET number = ?2, held = ?3 WHERE number < ?2",
        )
        .bind(peer)
        .bind(integer(number)?)
        .bind(held.as_bytes().as_slice())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The last round in which a peer's held set was seen.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn seen(&self, peer: &str) -> Result<Option<(u64, Digest)>, Error> {
        let row = sqlx::query("SELECT number, held FROM seen WHERE peer = ?")
            .bind(peer)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok((row.try_get::<i64, _>("number")?.unsigned_abs(), digest(&row, "held")?)))
            .transpose()
    }

    /// Digest of this node's own held set of a round by number, if it signed one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn own_held(&self, number: u64) -> Result<Option<Digest>, Error> {
        let row = sqlx::query("SELECT held FROM rounds WHERE number = ?")
            .bind(integer(number)?)
            .fetch_optional(&self.pool)
            .await?;
        let held: Option<Vec<u8>> = match row {
            Some(row) => row.try_get("held")?,
            None => None,
        };
        Ok(held.filter(|body| HeldSet::from_bytes(body).is_ok()).map(|body| Digest::of(&body)))
    }
}

fn stored_round(row: &SqliteRow) -> Result<StoredRound, Error> {
    let release = match (signed(row, "release", "release_sig")?, row.try_get("sum")?) {
        (Some(release), Some(sum)) => Some((release, sum)),
        _ => None,
    };
    Ok(StoredRound {
        spec: RoundSpec::from_bytes(row.try_get::<&[u8], _>("spec")?)?,
        state: row.try_get("state")?,
        held: signed(row, "held", "held_sig")?,
        prepared: signed(row, "prepared", "prepared_sig")?,
        accepted: signed(row, "accepted", "accepted_sig")?,
        release,
        reason: row.try_get("reason")?,
    })
}

async fn check_ledger(
    transaction: &mut Transaction<'_, Sqlite>,
    header: &Header,
) -> Result<Result<(), String>, Error> {
    let row = sqlx::query("SELECT len, head FROM ledgers WHERE site = ?")
        .bind(&header.site)
        .fetch_optional(&mut **transaction)
        .await?;
    if let Some(row) = row {
        let len = row.try_get::<i64, _>("len")?.unsigned_abs();
        if header.ledger_len < len {
            return Ok(Err(format!(
                "its ledger has {} entries, an earlier submission had {len} (rule L4); \
                 the ledger was restored from an old copy",
                header.ledger_len
            )));
        }
        if header.ledger_len == len && digest(&row, "head")? != header.ledger_head {
            return Ok(Err(
                "its ledger forked (rule L4): two copies of the site are running".into()
            ));
        }
    }
    sqlx::query(
        "INSERT INTO ledgers (site, len, head) VALUES (?1, ?2, ?3) ON CONFLICT (site) \
         DO UPDATE SET len = ?2, head = ?3",
    )
    .bind(&header.site)
    .bind(integer(header.ledger_len)?)
    .bind(header.ledger_head.as_bytes().as_slice())
    .execute(&mut **transaction)
    .await?;
    Ok(Ok(()))
}

async fn erase_shares(
    transaction: &mut Transaction<'_, Sqlite>,
    round: &Digest,
) -> Result<(), Error> {
    for statement in
        ["UPDATE submissions SET share = x'' WHERE round = ?", "DELETE FROM preps WHERE round = ?"]
    {
        sqlx::query(statement)
            .bind(round.as_bytes().as_slice())
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

fn one_row(affected: u64, round: &Digest, what: &str) -> Result<(), Error> {
    if affected == 1 {
        Ok(())
    } else {
        Err(Error::Store(format!("round {}: its state does not allow a {what}", round.short())))
    }
}
