//! Which replica of a node drives a round.
//!
//! A lease only spares work: what keeps two replicas from parting is that every state of a round is
//! left by one conditional update, failures too. So a lease may be lost, or taken too early by a clock
//! that runs ahead, and nothing breaks. A replica that sees that it lost one stops all the same.

use std::time::Duration;

use haima_crypto::encode::Digest;
use sqlx::Row;

use super::{Store, bytes, integer};
use crate::{Error, unix_millis};

/// How long a lease holds, in milliseconds.
const LEASE_MS: u64 = 5_000;
/// How often its holder renews it.
pub(in super::super) const RENEW: Duration = Duration::from_millis(1_000);

impl Store {
    /// Takes or renews the lease of a round that has not ended; `false` while another replica
    /// holds it, or is just taking it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease(&self, round: &Digest, holder: &str) -> Result<bool, Error> {
        if !self.shared() {
            return Ok(true);
        }
        let now = unix_millis();
        let done = sqlx::query(
            "UPDATE rounds SET holder = $1, lease_ms = $2 WHERE digest IN (SELECT digest \
             FROM rounds WHERE digest = $3 AND state NOT IN ('released', 'failed') \
             AND (holder = $1 OR lease_ms < $4) FOR UPDATE SKIP LOCKED)",
        )
        .bind(holder)
        .bind(integer(now.saturating_add(LEASE_MS))?)
        .bind(bytes(round))
        .bind(integer(now)?)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether no other replica has taken the lease since a holder took it. One that could not be
    /// renewed may only have been locked, by a step of the holder's own.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn holds(&self, round: &Digest, holder: &str) -> Result<bool, Error> {
        if !self.shared() {
            return Ok(true);
        }
        let row = sqlx::query("SELECT holder FROM rounds WHERE digest = $1")
            .bind(bytes(round))
            .fetch_optional(&self.pool)
            .await?;
        let current: Option<String> = row.map(|row| row.try_get("holder")).transpose()?;
        Ok(current.as_deref() == Some(holder))
    }
}
