//! How a round fails: once, from the state that whoever fails it knows, and not after this node has
//! committed, unless a peer signed that it never will.

use haima_crypto::encode::Digest;

use super::rounds::UNFINISHED;
use super::{Store, bytes, erase_shares, integer, one_row};
use crate::record::Signed;
use crate::{Error, durable, unix_millis};

/// Upon what a round is failed.
#[derive(Clone, Copy, Debug)]
pub struct Failing<'a> {
    /// The state in which the caller knows the round. A round that is further is not failed: another
    /// replica took it there, or a write that seemed to fail did not.
    pub known: &'a str,
    /// Why, for whoever asks.
    pub reason: &'a str,
    /// This node's signed word that it never commits; kept where it has accepted a set and not
    /// committed.
    pub word: Option<&'a Signed>,
    /// Whether a peer has signed such a word. A round that this node has committed to fails upon
    /// nothing else.
    pub peer_gave_up: bool,
}

impl Store {
    /// Ends a round without a release, for good, with this node's word where it gives one, and erases
    /// its shares with their key.
    ///
    /// # Errors
    /// When the round is in another state than the caller knows, has ended, or is committed to and no
    /// peer gave it up.
    pub async fn fail(&self, round: &Digest, failing: Failing<'_>) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let sql = sqlx::AssertSqlSafe(format!(
            "UPDATE rounds SET state = 'failed', reason = $1, ended_ms = $2 \
             WHERE digest = $3 AND state = $4 AND state IN {UNFINISHED} \
             AND (release IS NULL OR $5 = 1)"
        ));
        let done = sqlx::query(sql)
            .bind(failing.reason)
            .bind(integer(unix_millis())?)
            .bind(bytes(round))
            .bind(failing.known)
            .bind(i64::from(failing.peer_gave_up))
            .execute(&mut *transaction)
            .await?;
        one_row(done.rows_affected(), round, "failure")?;
        // From here on nothing sets `accepted` or `release`: the word stays true.
        if let Some(word) = failing.word {
            sqlx::query(
                "UPDATE rounds SET given_up = $1, given_up_sig = $2 \
                 WHERE digest = $3 AND accepted IS NOT NULL AND release IS NULL",
            )
            .bind(word.body.as_slice())
            .bind(word.signature.as_bytes().to_vec())
            .bind(bytes(round))
            .execute(&mut *transaction)
            .await?;
        }
        erase_shares(&mut transaction, round).await?;
        sqlx::query("DELETE FROM sums WHERE round = $1")
            .bind(bytes(round))
            .execute(&mut *transaction)
            .await?;
        durable::write("store.fail", transaction.commit()).await?;
        self.flush_erased().await;
        Ok(())
    }
}
