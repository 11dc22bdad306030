//! What a node keeps of proofs: submissions as they came, preparation shares, evidence; and the
//! epoch's record.

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::Signature;
use sqlx::{Row, Sqlite, Transaction};

use super::{Store, one_row};
use crate::Error;
use crate::epoch::Record;
use crate::header::{Header, SignedHeader};
use crate::record::Signed;

/// A stored submission: what it needs to be prepared and added.
#[derive(Debug)]
pub struct StoredSubmission {
    /// Its header, verified when it came.
    pub header: Header,
    /// The proof's public share.
    pub public: Vec<u8>,
    /// This node's share, sealed.
    pub sealed: Vec<u8>,
}

/// All nodes' preparation shares of one refused candidate, in the manifest's order of nodes.
#[derive(Debug)]
pub struct Evidence {
    /// The site.
    pub site: String,
    /// Node and preparation share.
    pub preps: Vec<(String, Vec<u8>)>,
}

impl Store {
    /// A stored submission.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn submission(&self, round: &Digest, site: &str) -> Result<StoredSubmission, Error> {
        let row = sqlx::query(
            "SELECT header, public, share FROM submissions WHERE round = ? AND site = ?",
        )
        .bind(round.as_bytes().as_slice())
        .bind(site)
        .fetch_one(&self.pool)
        .await?;
        Ok(StoredSubmission {
            header: Header::from_bytes(row.try_get::<&[u8], _>("header")?)?,
            public: row.try_get("public")?,
            sealed: row.try_get("share")?,
        })
    }

    /// Stores this node's preparation shares and its commitment to them: once, and before anyone
    /// hears of either (rule R4).
    ///
    /// # Errors
    /// When the round is not closed.
    pub async fn set_prepared<'a>(
        &self,
        round: &Digest,
        prepared: &Signed,
        preps: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "UPDATE rounds SET prepared = ?, prepared_sig = ?, state = 'prepared' \
             WHERE digest = ? AND state = 'closed'",
        )
        .bind(&prepared.body)
        .bind(prepared.signature.as_bytes().as_slice())
        .bind(round.as_bytes().as_slice())
        .execute(&mut *transaction)
        .await?;
        one_row(done.rows_affected(), round, "preparation")?;
        for (site, prep) in preps {
            sqlx::query("INSERT INTO preps (round, site, prep) VALUES (?, ?, ?)")
                .bind(round.as_bytes().as_slice())
                .bind(site)
                .bind(prep)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// This node's preparation shares of a round, in byte order of the sites' names.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn preps(&self, round: &Digest) -> Result<Vec<Vec<u8>>, Error> {
        let rows = sqlx::query("SELECT prep FROM preps WHERE round = ? ORDER BY site")
            .bind(round.as_bytes().as_slice())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok(row.try_get("prep")?)).collect()
    }

    /// Stores this node's accepted set.
    ///
    /// # Errors
    /// When the round is not prepared.
    pub async fn set_accepted(&self, round: &Digest, accepted: &Signed) -> Result<(), Error> {
        let done = sqlx::query(
            "UPDATE rounds SET accepted = ?, accepted_sig = ?, state = 'agreed' \
             WHERE digest = ? AND state = 'prepared'",
        )
        .bind(&accepted.body)
        .bind(accepted.signature.as_bytes().as_slice())
        .bind(round.as_bytes().as_slice())
        .execute(&self.pool)
        .await?;
        one_row(done.rows_affected(), round, "accepted set")
    }

    /// Keeps all nodes' signed commitments to their preparation shares, for good: before any is
    /// shown, so that nobody can change its own after seeing the others', also over a restart.
    ///
    /// # Errors
    /// [`Error::Peer`] when a node committed otherwise before.
    pub async fn hold_commitments(
        &self,
        round: &Digest,
        commitments: &[(String, Signed)],
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        for (node, signed) in commitments {
            sqlx::query(
                "INSERT OR IGNORE INTO commitments (round, node, body, signature) \
                 VALUES (?, ?, ?, ?)",
            )
            .bind(round.as_bytes().as_slice())
            .bind(node)
            .bind(&signed.body)
            .bind(signed.signature.as_bytes().as_slice())
            .execute(&mut *transaction)
            .await?;
            let row = sqlx::query("SELECT body FROM commitments WHERE round = ? AND node = ?")
                .bind(round.as_bytes().as_slice())
                .bind(node)
                .fetch_one(&mut *transaction)
                .await?;
            if row.try_get::<&[u8], _>("body")? != signed.body {
                return Err(Error::Peer {
                    peer: node.clone(),
                    problem: "it committed to two different preparations of this round".into(),
                });
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps what shows, with the commitments, why candidates were refused: all nodes' preparation
    /// shares of them (rule R3). Nothing for none; again is no error.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_evidence(&self, round: &Digest, evidence: &[Evidence]) -> Result<(), Error> {
        if evidence.is_empty() {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        for Evidence { site, preps } in evidence {
            for (node, prep) in preps {
                sqlx::query(
                    "INSERT OR REPLACE INTO evidence (round, site, node, prep) \
                     VALUES (?, ?, ?, ?)",
                )
                .bind(round.as_bytes().as_slice())
                .bind(site)
                .bind(node)
                .bind(prep)
                .execute(&mut *transaction)
                .await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Sites of a round whose proof failed, with the number of preparation shares kept as
    /// evidence.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn evidence(&self, round: &Digest) -> Result<Vec<(String, u64)>, Error> {
        let rows = sqlx::query(
            "SELECT site, COUNT(*) AS n FROM evidence WHERE round = ? GROUP BY site ORDER BY site",
        )
        .bind(round.as_bytes().as_slice())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("site")?, row.try_get::<i64, _>("n")?.unsigned_abs())))
            .collect()
    }

    /// The epoch's record, once it is fixed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn epoch_record(&self) -> Result<Option<Record>, Error> {
        let row = sqlx::query("SELECT record FROM epoch").fetch_optional(&self.pool).await?;
        row.map(|row| Ok(Record::from_bytes(row.try_get::<&[u8], _>("record")?)?)).transpose()
    }

    /// Fixes the epoch's record, for good.
    ///
    /// # Errors
    /// When there is one already.
    pub async fn set_epoch_record(&self, record: &Record) -> Result<(), Error> {
        sqlx::query("INSERT INTO epoch (id, record) VALUES (1, ?)")
            .bind(record.to_bytes())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// A node's part of the epoch's secret, sealed to this one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn epoch_part(&self, node: &str) -> Result<Option<Vec<u8>>, Error> {
        let row = sqlx::query("SELECT sealed FROM epoch_parts WHERE node = ?")
            .bind(node)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok(row.try_get("sealed")?)).transpose()
    }

    /// Keeps a node's part of the epoch's secret, once it was opened and checked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_epoch_part(&self, node: &str, sealed: &[u8]) -> Result<(), Error> {
        sqlx::query("INSERT OR REPLACE INTO epoch_parts (node, sealed) VALUES (?, ?)")
            .bind(node)
            .bind(sealed)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Stores a header with its share as it came.
pub(super) async fn insert_submission(
    transaction: &mut Transaction<'_, Sqlite>,
    header: &Header,
    signed: &SignedHeader,
    public: &[u8],
    sealed: &[u8],
) -> Result<(), Error> {
    let signature: &Signature = &signed.signature;
    sqlx::query(
        "INSERT INTO submissions (round, site, header, digest, signature, public, share) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(header.round.as_bytes().as_slice())
    .bind(&header.site)
    .bind(&signed.bytes)
    .bind(Digest::of(&signed.bytes).as_bytes().as_slice())
    .bind(signature.as_bytes().as_slice())
    .bind(public)
    .bind(sealed)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
