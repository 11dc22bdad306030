//! Rounds, and what this node signed for them.

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::Signature;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use zeroize::Zeroizing;

use super::{ROW, Store, bytes, count, digest, erase_shares, integer, one_row, signed};
use crate::record::{AcceptedSet, NodeRecord, Signed};
use crate::spec::{RoundEvent, RoundSpec};
use crate::{Error, durable, unix_millis};

/// Columns of a [`StoredRound`].
const COLUMNS: &str = "digest, spec, state, rest_key, held, held_sig, prepared, prepared_sig, \
    accepted, accepted_sig, dealt, dealt_sig, release, release_sig, given_up, given_up_sig, reason";
/// States of a round that has not ended.
pub(super) const UNFINISHED: &str =
    "('open', 'closed', 'prepared', 'agreed', 'dealt', 'committed')";

/// A round as stored.
#[derive(Clone, Debug)]
pub struct StoredRound {
    /// Its spec.
    pub spec: RoundSpec,
    /// `open`, `closed`, `prepared`, `agreed`, `dealt`, `committed`, `released` or `failed`.
    pub state: String,
    /// Key of its shares at rest, wrapped; gone when it has ended.
    pub rest_key: Option<Vec<u8>>,
    /// This node's held set, once signed.
    pub held: Option<Signed>,
    /// This node's commitment to its preparation shares, once signed.
    pub prepared: Option<Signed>,
    /// This node's accepted set, once signed.
    pub accepted: Option<Signed>,
    /// This node's deal of its noised sum, once signed (Shamir release).
    pub dealt: Option<Signed>,
    /// This node's release, once it has committed to its sum.
    pub release: Option<Signed>,
    /// This node's word that it never commits, where it gave one when the round failed.
    pub given_up: Option<Signed>,
    /// Why it failed.
    pub reason: Option<String>,
}

impl StoredRound {
    /// What this node signed in a round by the kind of its record in the journal, in order.
    pub(in super::super) fn signed(&self) -> [(&'static str, Option<&Signed>); 5] {
        [
            ("closed", self.held.as_ref()),
            ("prepared", self.prepared.as_ref()),
            ("agreed", self.accepted.as_ref()),
            ("dealt", self.dealt.as_ref()),
            ("committed", self.release.as_ref()),
        ]
    }
}

impl Store {
    /// Adds a round with the wrapped key of its shares.
    ///
    /// # Errors
    /// When its number is that of another one, or another spec has its step and attempt.
    pub async fn add_round(&self, spec: &RoundSpec, rest_key: &[u8]) -> Result<(), Error> {
        let write = sqlx::query(
            "INSERT INTO rounds (digest, number, task_id, run, step, attempt, spec, deadline_ms, \
             exact, state, rest_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', $10)",
        )
        .bind(bytes(&spec.digest()))
        .bind(integer(spec.number)?)
        .bind(spec.task_id.as_str())
        .bind(i64::from(spec.run))
        .bind(i64::from(spec.step))
        .bind(i64::from(spec.attempt))
        .bind(spec.to_bytes())
        .bind(integer(spec.deadline_ms)?)
        .bind(i64::from(spec.event == RoundEvent::Exact))
        .bind(rest_key)
        .execute(&self.pool);
        durable::write("store.round", write).await?;
        Ok(())
    }

    /// Highest round number so far; 0 when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_number(&self) -> Result<u64, Error> {
        let sql = "SELECT COALESCE(MAX(number), 0) AS n FROM rounds";
        count(&sqlx::query(sql).fetch_one(&self.pool).await?, "n")
    }

    /// Rounds opened for a run so far.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attempts(&self, task: &str, run: u32) -> Result<u64, Error> {
        let row = sqlx::query("SELECT COUNT(*) AS n FROM rounds WHERE task_id = $1 AND run = $2")
            .bind(task)
            .bind(i64::from(run))
            .fetch_one(&self.pool)
            .await?;
        count(&row, "n")
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
            "SELECT attempt, digest, state FROM rounds WHERE task_id = $1 AND run = $2 \
             AND step = $3 ORDER BY attempt",
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

    /// Number, digest and state of the rounds after a number, in order, at most `most`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn after(&self, number: u64, most: u32) -> Result<Vec<(u64, Digest, String)>, Error> {
        let rows = sqlx::query(
            "SELECT number, digest, state FROM rounds WHERE number > $1 ORDER BY number LIMIT $2",
        )
        .bind(integer(number)?)
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((count(row, "number")?, digest(row, "digest")?, row.try_get("state")?)))
            .collect()
    }

    /// The digest of all nodes' releases of a step, if it was released.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn released(&self, task: &str, run: u32, step: u32) -> Result<Option<Digest>, Error> {
        let row = sqlx::query(
            "SELECT released FROM rounds WHERE task_id = $1 AND run = $2 AND step = $3 \
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
    /// and that did not fail; or that failed after its sum had been shared again, since who gets
    /// sub-shares may know it (rule X2).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn first_exact_set(&self) -> Result<Option<AcceptedSet>, Error> {
        let row = sqlx::query(
            "SELECT accepted FROM rounds WHERE exact = 1 \
             AND (state IN ('agreed', 'dealt', 'committed', 'released') OR dealt IS NOT NULL) \
             ORDER BY number LIMIT 1",
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| Ok(AcceptedSet::from_bytes(&row.try_get::<Vec<u8>, _>("accepted")?)?))
            .transpose()
    }

    /// A round by digest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn round(&self, round: &Digest) -> Result<Option<StoredRound>, Error> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM rounds WHERE digest = $1"));
        let row = sqlx::query(sql).bind(bytes(round)).fetch_optional(&self.pool).await?;
        row.as_ref().map(stored_round).transpose()
    }

    /// Rounds that have not ended, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unfinished(&self) -> Result<Vec<StoredRound>, Error> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM rounds WHERE state IN {UNFINISHED} ORDER BY number"
        ));
        sqlx::query(sql).fetch_all(&self.pool).await?.iter().map(stored_round).collect()
    }

    /// Closes a round: no submission enters it from now on. `sign` makes the held set of what is
    /// there; it is stored before it is returned.
    ///
    /// # Errors
    /// When the round is not open.
    pub(in super::super) async fn close(
        &self,
        round: &Digest,
        sign: impl FnOnce(Vec<(String, Digest)>) -> Signed + Send,
    ) -> Result<Signed, Error> {
        let mut transaction = self.pool.begin().await?;
        let lock = sqlx::AssertSqlSafe(format!(
            "SELECT number FROM rounds WHERE digest = $1 AND state = 'open'{}",
            self.locking()
        ));
        let open = sqlx::query(lock).bind(bytes(round)).fetch_all(&mut *transaction).await?;
        one_row(open.len() as u64, round, "held set")?;
        let rows = sqlx::query("SELECT site, digest FROM submissions WHERE round = $1")
            .bind(bytes(round))
            .fetch_all(&mut *transaction)
            .await?;
        let held: Result<_, Error> =
            rows.iter().map(|row| Ok((row.try_get("site")?, digest(row, "digest")?))).collect();
        let held = sign(held?);
        sqlx::query(
            "UPDATE rounds SET held = $1, held_sig = $2, state = 'closed' WHERE digest = $3",
        )
        .bind(held.body.as_slice())
        .bind(held.signature.as_bytes().to_vec())
        .bind(bytes(round))
        .execute(&mut *transaction)
        .await?;
        durable::write("store.close", transaction.commit()).await?;
        Ok(held)
    }

    /// Stores this node's accepted set.
    ///
    /// # Errors
    /// When the round is not prepared.
    pub async fn set_accepted(&self, round: &Digest, accepted: &Signed) -> Result<(), Error> {
        let write = sqlx::query(
            "UPDATE rounds SET accepted = $1, accepted_sig = $2, state = 'agreed' \
             WHERE digest = $3 AND state = 'prepared'",
        )
        .bind(accepted.body.as_slice())
        .bind(accepted.signature.as_bytes().to_vec())
        .bind(bytes(round))
        .execute(&self.pool);
        let done = durable::write("store.accepted", write).await?;
        one_row(done.rows_affected(), round, "accepted set")
    }

    /// Stores the sub-shares of the noised sum, in the manifest's order of nodes, with the signed
    /// deal, and erases the round's shares with their key: one transaction, before anyone hears of
    /// either (rule N3).
    ///
    /// # Errors
    /// When the round is not agreed.
    pub async fn deal(
        &self,
        round: &Digest,
        dealt: &Signed,
        sub_shares: &[Zeroizing<Vec<u8>>],
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "UPDATE rounds SET dealt = $1, dealt_sig = $2, state = 'dealt' \
             WHERE digest = $3 AND state = 'agreed'",
        )
        .bind(dealt.body.as_slice())
        .bind(dealt.signature.as_bytes().to_vec())
        .bind(bytes(round))
        .execute(&mut *transaction)
        .await?;
        one_row(done.rows_affected(), round, "deal")?;
        for (party, share) in (1..).zip(sub_shares) {
            add_sum(&mut transaction, round, party, share).await?;
        }
        erase_shares(&mut transaction, round).await?;
        durable::write("store.deal", transaction.commit()).await?;
        self.flush_erased().await;
        Ok(())
    }

    /// Stores the noised sum, or the point, with its signed release, and erases the round's shares
    /// with their key: one transaction, before anyone hears of either (rule N3).
    ///
    /// # Errors
    /// When the round is neither agreed nor dealt.
    pub async fn commit(&self, round: &Digest, release: &Signed, sum: &[u8]) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "UPDATE rounds SET release = $1, release_sig = $2, state = 'committed' \
             WHERE digest = $3 AND state IN ('agreed', 'dealt')",
        )
        .bind(release.body.as_slice())
        .bind(release.signature.as_bytes().to_vec())
        .bind(bytes(round))
        .execute(&mut *transaction)
        .await?;
        one_row(done.rows_affected(), round, "commitment")?;
        add_sum(&mut transaction, round, 0, sum).await?;
        erase_shares(&mut transaction, round).await?;
        durable::write("store.commit", transaction.commit()).await?;
        self.flush_erased().await;
        Ok(())
    }

    /// A chunk of this node's answer (party 0), or of its sub-share for a node by its number from 1,
    /// at most 1 MiB; `None` behind the last one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sum_chunk(
        &self,
        round: &Digest,
        party: u32,
        seq: u32,
    ) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT bytes FROM sums WHERE round = $1 AND party = $2 AND seq = $3";
        let row = sqlx::query(sql)
            .bind(bytes(round))
            .bind(i64::from(party))
            .bind(i64::from(seq))
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok(row.try_get("bytes")?)).transpose()
    }

    /// Marks a round as released: all nodes have committed to their answers. Keeps what they
    /// signed, for nodes that ask after one of them was lost.
    ///
    /// # Errors
    /// When the round is not committed, or another attempt of its step was released.
    pub async fn release(
        &self,
        round: &Digest,
        released: &Digest,
        records: &[NodeRecord],
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "UPDATE rounds SET released = $1, state = 'released', ended_ms = $2 \
             WHERE digest = $3 AND state = 'committed'",
        )
        .bind(bytes(released))
        .bind(integer(unix_millis())?)
        .bind(bytes(round))
        .execute(&mut *transaction)
        .await?;
        one_row(done.rows_affected(), round, "release")?;
        for NodeRecord { node, accepted, release } in records {
            sqlx::query(
                "INSERT INTO releases (round, node, accepted_sig, body, signature) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(bytes(round))
            .bind(node.as_str())
            .bind(accepted.as_bytes().to_vec())
            .bind(release.body.as_slice())
            .bind(release.signature.as_bytes().to_vec())
            .execute(&mut *transaction)
            .await?;
        }
        // All have their points: nobody asks for a sub-share again.
        let spent = sqlx::query("DELETE FROM sums WHERE round = $1 AND party > 0")
            .bind(bytes(round))
            .execute(&mut *transaction)
            .await?;
        durable::write("store.release", transaction.commit()).await?;
        if spent.rows_affected() > 0 {
            self.flush_erased().await;
        }
        Ok(())
    }

    /// What all nodes signed for a release, in no order; none before it was released.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn releases(&self, round: &Digest) -> Result<Vec<NodeRecord>, Error> {
        let sql = "SELECT node, accepted_sig, body, signature FROM releases WHERE round = $1";
        let rows = sqlx::query(sql).bind(bytes(round)).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let signature = |column: &str| -> Result<Signature, Error> {
                    Ok(Signature::from_slice(&row.try_get::<Vec<u8>, _>(column)?)?)
                };
                Ok(NodeRecord {
                    node: row.try_get("node")?,
                    accepted: signature("accepted_sig")?,
                    release: Signed {
                        body: row.try_get("body")?,
                        signature: signature("signature")?,
                    },
                })
            })
            .collect()
    }

    /// Erases what rounds that ended before a time keep for re-asking peers: sums, public shares,
    /// commitments and evidence. Specs, signatures, nonces and ledger states stay for good: rules
    /// N3, R2, L1, L4 and X2 rest on them. Returns the number of submissions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn collect(&self, before_ms: u64) -> Result<u64, Error> {
        let mut transaction = self.pool.begin().await?;
        let ended = "SELECT digest FROM rounds WHERE ended_ms > 0 AND ended_ms < $1";
        let mut submissions = 0;
        for table in ["submissions", "sums", "commitments", "releases", "evidence"] {
            let sql = format!("DELETE FROM {table} WHERE round IN ({ended})");
            let done = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(integer(before_ms)?)
                .execute(&mut *transaction)
                .await?;
            if table == "submissions" {
                submissions = done.rows_affected();
            }
        }
        durable::write("store.collect", transaction.commit()).await?;
        Ok(submissions)
    }

    /// Whether this node's own held set of a round has these bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_held(&self, round: &Digest, body: &[u8]) -> Result<bool, Error> {
        let stored = self.round(round).await?.and_then(|stored| stored.held);
        Ok(stored.is_some_and(|held| held.body == body))
    }
}

/// A node's answer or a sub-share, in rows of at most 1 MiB.
async fn add_sum(
    connection: &mut AnyConnection,
    round: &Digest,
    party: i64,
    sum: &[u8],
) -> Result<(), Error> {
    for (seq, chunk) in (0_i64..).zip(sum.chunks(ROW)) {
        sqlx::query("INSERT INTO sums (round, party, seq, bytes) VALUES ($1, $2, $3, $4)")
            .bind(bytes(round))
            .bind(party)
            .bind(seq)
            .bind(chunk)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(super) fn stored_round(row: &AnyRow) -> Result<StoredRound, Error> {
    Ok(StoredRound {
        spec: RoundSpec::from_bytes(&row.try_get::<Vec<u8>, _>("spec")?)?,
        state: row.try_get("state")?,
        rest_key: row.try_get("rest_key")?,
        held: signed(row, "held", "held_sig")?,
        prepared: signed(row, "prepared", "prepared_sig")?,
        accepted: signed(row, "accepted", "accepted_sig")?,
        dealt: signed(row, "dealt", "dealt_sig")?,
        release: signed(row, "release", "release_sig")?,
        given_up: signed(row, "given_up", "given_up_sig")?,
        reason: row.try_get("reason")?,
    })
}
