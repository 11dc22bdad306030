//! The epoch's record and parts, and what this node saw its peers sign.

use haima_crypto::encode::{Canonical, Digest};
use sqlx::Row;

use super::{Store, bytes, integer, signed};
use crate::epoch::Record;
use crate::record::Signed;
use crate::{Error, durable};

impl Store {
    /// The record of a manifest's epoch, once it is fixed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn epoch_record(&self, manifest: &Digest) -> Result<Option<Record>, Error> {
        let row = sqlx::query("SELECT record FROM epoch WHERE manifest = $1")
            .bind(bytes(manifest))
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok(Record::from_bytes(&row.try_get::<Vec<u8>, _>("record")?)?)).transpose()
    }

    /// Fixes the record of a manifest's epoch, for good, if there is none; returns the one that
    /// holds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fix_epoch_record(
        &self,
        manifest: &Digest,
        record: &Record,
    ) -> Result<Record, Error> {
        let sql = "INSERT INTO epoch (manifest, record) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let write =
            sqlx::query(sql).bind(bytes(manifest)).bind(record.to_bytes()).execute(&self.pool);
        durable::write("store.epoch", write).await?;
        let missing = || Error::Store("the epoch's record was not stored".into());
        self.epoch_record(manifest).await?.ok_or_else(missing)
    }

    /// A node's part of the epoch's secret, sealed to this one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn epoch_part(
        &self,
        manifest: &Digest,
        node: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        let row = sqlx::query("SELECT sealed FROM epoch_parts WHERE manifest = $1 AND node = $2")
            .bind(bytes(manifest))
            .bind(node)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok(row.try_get("sealed")?)).transpose()
    }

    /// Keeps a node's part of the epoch's secret, once it was opened and checked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_epoch_part(
        &self,
        manifest: &Digest,
        node: &str,
        sealed: &[u8],
    ) -> Result<(), Error> {
        let write = sqlx::query(
            "INSERT INTO epoch_parts (manifest, node, sealed) VALUES ($1, $2, $3) \
             ON CONFLICT (manifest, node) DO UPDATE SET sealed = $3",
        )
        .bind(bytes(manifest))
        .bind(node)
        .bind(sealed)
        .execute(&self.pool);
        durable::write("store.epoch_part", write).await?;
        Ok(())
    }

    /// Forgets the parts of other manifests' epochs: their keys are destroyed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_epochs_but(&self, manifest: &Digest) -> Result<(), Error> {
        let write = sqlx::query("DELETE FROM epoch_parts WHERE manifest <> $1")
            .bind(bytes(manifest))
            .execute(&self.pool);
        durable::write("store.forget", write).await?;
        self.flush_erased().await;
        Ok(())
    }

    /// Remembers a peer's held set, as the peer signed it (rule N3).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn saw(&self, peer: &str, number: u64, held: &Signed) -> Result<(), Error> {
        let write = sqlx::query(
            "INSERT INTO seen (peer, number, held, held_sig) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (peer) DO UPDATE SET number = $2, held = $3, held_sig = $4 \
             WHERE seen.number < $2",
        )
        .bind(peer)
        .bind(integer(number)?)
        .bind(held.body.as_slice())
        .bind(held.signature.as_bytes().to_vec())
        .execute(&self.pool);
        durable::write("store.saw", write).await?;
        Ok(())
    }

    /// The last held set of a peer that was seen.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn seen(&self, peer: &str) -> Result<Option<Signed>, Error> {
        let row = sqlx::query("SELECT held, held_sig FROM seen WHERE peer = $1")
            .bind(peer)
            .fetch_optional(&self.pool)
            .await?;
        row.map_or(Ok(None), |row| signed(&row, "held", "held_sig"))
    }
}
