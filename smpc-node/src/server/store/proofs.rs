//! What a node keeps of proofs: its preparation shares, all nodes' commitments, evidence.

use haima_crypto::encode::Digest;
use sqlx::Row;

use super::{Store, bytes, count, one_row};
use crate::record::Signed;
use crate::{Error, durable};

/// All nodes' preparation shares of one refused candidate, in the manifest's order of nodes.
#[derive(Debug)]
pub struct Evidence {
    /// The site.
    pub site: String,
    /// Node and preparation share.
    pub preps: Vec<(String, Vec<u8>)>,
}

impl Store {
    /// Stores this node's preparation shares and its commitment to them: once, and before anyone
    /// hears of either (rule R4).
    ///
    /// # Errors
    /// When the round is not closed.
    pub async fn set_prepared(
        &self,
        round: &Digest,
        prepared: &Signed,
        preps: &[(String, Vec<u8>)],
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "UPDATE rounds SET prepared = $1, prepared_sig = $2, state = 'prepared' \
             WHERE digest = $3 AND state = 'closed'",
        )
        .bind(prepared.body.as_slice())
        .bind(prepared.signature.as_bytes().to_vec())
        .bind(bytes(round))
        .execute(&mut *transaction)
        .await?;
        one_row(done.rows_affected(), round, "preparation")?;
        for (site, prep) in preps {
            sqlx::query("INSERT INTO preps (round, site, prep) VALUES ($1, $2, $3)")
                .bind(bytes(round))
                .bind(site.as_str())
                .bind(prep.as_slice())
                .execute(&mut *transaction)
                .await?;
        }
        Ok(durable::write("store.prepared", transaction.commit()).await?)
    }

    /// This node's preparation share of one candidate, if it is still there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prep(&self, round: &Digest, site: &str) -> Result<Option<Vec<u8>>, Error> {
        let row = sqlx::query("SELECT prep FROM preps WHERE round = $1 AND site = $2")
            .bind(bytes(round))
            .bind(site)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok(row.try_get("prep")?)).transpose()
    }

    /// Keeps all nodes' signed commitments of a kind, `prepared` or `dealt`: before anything is
    /// shown, so that nobody can change its own after seeing the others', also over a restart.
    ///
    /// # Errors
    /// [`Error::Peer`] when a node committed otherwise before.
    pub async fn hold_commitments(
        &self,
        round: &Digest,
        kind: &str,
        commitments: &[(String, Signed)],
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        for (node, signed) in commitments {
            sqlx::query(
                "INSERT INTO commitments (round, node, kind, body, signature) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(bytes(round))
            .bind(node.as_str())
            .bind(kind)
            .bind(signed.body.as_slice())
            .bind(signed.signature.as_bytes().to_vec())
            .execute(&mut *transaction)
            .await?;
            let sql = "SELECT body FROM commitments WHERE round = $1 AND node = $2 AND kind = $3";
            let row = sqlx::query(sql)
                .bind(bytes(round))
                .bind(node.as_str())
                .bind(kind)
                .fetch_one(&mut *transaction)
                .await?;
            if row.try_get::<Vec<u8>, _>("body")? != signed.body {
                return Err(Error::Peer {
                    peer: node.clone(),
                    problem: format!(
                        "it signed two different records of what it {kind} in this round"
                    ),
                });
            }
        }
        Ok(durable::write("store.commitments", transaction.commit()).await?)
    }

    /// Number of nodes whose commitments of a kind are kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn commitments(&self, round: &Digest, kind: &str) -> Result<u64, Error> {
        let sql = "SELECT COUNT(*) AS n FROM commitments WHERE round = $1 AND kind = $2";
        let row = sqlx::query(sql).bind(bytes(round)).bind(kind).fetch_one(&self.pool).await?;
        count(&row, "n")
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
                    "INSERT INTO evidence (round, site, node, prep) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (round, site, node) DO UPDATE SET prep = $4",
                )
                .bind(bytes(round))
                .bind(site.as_str())
                .bind(node.as_str())
                .bind(prep.as_slice())
                .execute(&mut *transaction)
                .await?;
            }
        }
        Ok(durable::write("store.evidence", transaction.commit()).await?)
    }

    /// Sites of a round whose proof failed, with the number of preparation shares kept as
    /// evidence.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn evidence(&self, round: &Digest) -> Result<Vec<(String, u64)>, Error> {
        let rows = sqlx::query(
            "SELECT site, COUNT(*) AS n FROM evidence WHERE round = $1 GROUP BY site ORDER BY site",
        )
        .bind(bytes(round))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((row.try_get("site")?, count(row, "n")?))).collect()
    }
}
