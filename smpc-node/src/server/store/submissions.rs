//! Sites' submissions: chunks as they arrive, then the submission that they complete.

use bytes::Bytes;
use haima_crypto::encode::{Canonical, Digest};
use sqlx::{Acquire, AnyConnection, Row};

use super::{Store, bytes, count, digest};
use crate::header::{Header, SignedHeader};
use crate::{Error, durable, unix_millis};

/// A chunk of a share, sealed as it came.
#[derive(Clone, Debug)]
pub struct StoredChunk {
    /// Its round.
    pub round: Digest,
    /// Whose it is.
    pub site: String,
    /// Digest of the header of the submission that it is part of.
    pub header: Digest,
    /// Its number.
    pub seq: u32,
    /// SHA-256 of its bytes.
    pub hash: [u8; 32],
    /// Its bytes.
    pub bytes: Bytes,
}

/// A submission all of whose chunks are stored, verified but for the node's history.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its header, verified.
    pub header: Header,
    /// The header as signed.
    pub signed: SignedHeader,
    /// The proof's public share.
    pub public: Vec<u8>,
    /// Seed of the key of its chunks, wrapped under the round's key.
    pub chunk_key: Vec<u8>,
    /// Hashes of its chunks, in their order.
    pub hashes: Vec<[u8; 32]>,
}

/// What comes in of a submission.
#[derive(Debug)]
pub enum Piece {
    /// A chunk.
    Chunk(StoredChunk),
    /// That it is complete.
    Whole(Arrival),
}

/// A stored submission: what it needs to be prepared and added, but for its share.
#[derive(Debug)]
pub struct StoredSubmission {
    /// Its header, verified when it came.
    pub header: Header,
    /// Digest of the header.
    pub digest: Digest,
    /// The proof's public share.
    pub public: Vec<u8>,
    /// Seed of the key of its chunks, wrapped under the round's key; none once they are erased.
    pub chunk_key: Option<Vec<u8>>,
}

impl Store {
    /// Hashes of the chunks that are there of a submission, from the first on without a gap.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hashes(
        &self,
        round: &Digest,
        site: &str,
        header: &Digest,
    ) -> Result<Vec<[u8; 32]>, Error> {
        let mut connection = self.pool.acquire().await?;
        stored_hashes(&mut connection, round, site, header).await
    }

    /// Takes in pieces of submissions, in their order and in one transaction, each by itself: whether
    /// it is new, or why it is refused. A refused one changes nothing.
    ///
    /// # Errors
    /// When the database fails; then none is taken in.
    pub async fn take_in(&self, pieces: &[Piece]) -> Result<Vec<Result<bool, Error>>, Error> {
        let mut transaction = self.pool.begin().await?;
        let mut answers = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let mut save = (*transaction).begin().await?;
            let answer = match piece {
                Piece::Chunk(chunk) => self.add_chunk(&mut save, chunk).await,
                Piece::Whole(arrival) => self.add_submission(&mut save, arrival).await,
            };
            match &answer {
                Ok(_) => save.commit().await?,
                Err(Error::Submission { .. }) => save.rollback().await?,
                Err(_) => return Err(answer.err().unwrap_or(Error::Store(String::new()))),
            }
            answers.push(answer);
        }
        durable::write("store.intake", transaction.commit()).await?;
        Ok(answers)
    }

    /// Keeps a chunk of a submission that is not complete. Chunks of another submission of this
    /// site for the round, never completed, give way.
    async fn add_chunk(
        &self,
        connection: &mut AnyConnection,
        chunk: &StoredChunk,
    ) -> Result<bool, Error> {
        let StoredChunk { round, site, header, seq, hash, bytes: sealed } = chunk;
        match stored_digest(connection, round, site).await? {
            // A complete submission is sent again.
            Some(stored) if stored == *header => return Ok(false),
            Some(_) => return Err(other_submission(site)),
            None => self.check_open(connection, round, site).await?,
        }
        sqlx::query("DELETE FROM chunks WHERE round = $1 AND site = $2 AND header <> $3")
            .bind(bytes(round))
            .bind(site)
            .bind(bytes(header))
            .execute(&mut *connection)
            .await?;
        // The last that came counts: what is complete is compared with what its sender sent last.
        sqlx::query(
            "INSERT INTO chunks (round, site, seq, header, hash, bytes) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (round, site, seq) \
             DO UPDATE SET hash = $5, bytes = $6",
        )
        .bind(bytes(round))
        .bind(site)
        .bind(i64::from(*seq))
        .bind(bytes(header))
        .bind(hash.to_vec())
        .bind(&sealed[..])
        .execute(connection)
        .await?;
        Ok(true)
    }

    async fn add_submission(
        &self,
        connection: &mut AnyConnection,
        arrival: &Arrival,
    ) -> Result<bool, Error> {
        let Arrival { header, signed, public, chunk_key, hashes } = arrival;
        let refuse = |problem: String| Error::Submission { site: header.site.clone(), problem };
        let (round, site) = (&header.round, header.site.as_str());
        let header_digest = Digest::of(&signed.bytes);
        if let Some(stored) = stored_digest(connection, round, site).await? {
            return if stored == header_digest { Ok(false) } else { Err(other_submission(site)) };
        }
        self.check_open(connection, round, site).await?;
        let there = stored_hashes(connection, round, site, &header_digest).await?;
        if there != *hashes {
            let (there, all) = (there.len(), hashes.len());
            return Err(refuse(format!("{there} of its {all} chunks are stored; send it again")));
        }
        let nonce =
            sqlx::query("INSERT INTO nonces (site, nonce) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(site)
                .bind(header.nonce.to_vec())
                .execute(&mut *connection)
                .await?;
        if nonce.rows_affected() == 0 {
            return Err(refuse("its nonce was used before (rule R2)".into()));
        }
        check_ledger(connection, header).await?;
        sqlx::query(
            "INSERT INTO submissions (round, site, header, digest, signature, public, chunk_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(bytes(round))
        .bind(site)
        .bind(signed.bytes.as_slice())
        .bind(bytes(&header_digest))
        .bind(signed.signature.as_bytes().to_vec())
        .bind(public.as_slice())
        .bind(chunk_key.as_slice())
        .execute(&mut *connection)
        .await?;
        Ok(true)
    }

    /// That a round takes submissions. The round's row stays locked until the transaction ends, so
    /// that closing it waits.
    async fn check_open(
        &self,
        connection: &mut AnyConnection,
        round: &Digest,
        site: &str,
    ) -> Result<(), Error> {
        let refuse = |problem: &str| Error::Submission {
            site: site.to_owned(),
            problem: problem.to_owned(),
        };
        let locking = if self.shared() { " FOR SHARE" } else { "" };
        let sql = format!("SELECT state, deadline_ms FROM rounds WHERE digest = $1{locking}");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(bytes(round))
            .fetch_optional(connection)
            .await?
            .ok_or_else(|| refuse("its round is not open at this node"))?;
        if row.try_get::<String, _>("state")? != "open" {
            return Err(refuse("the round has closed"));
        }
        if unix_millis() > count(&row, "deadline_ms")? {
            return Err(refuse("the deadline has passed"));
        }
        Ok(())
    }

    /// Site and header digest of the complete submissions of a round; none once they are erased.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn submitted(&self, round: &Digest) -> Result<Vec<(String, Digest)>, Error> {
        let sql = "SELECT site, digest FROM submissions WHERE round = $1 ORDER BY site";
        let rows = sqlx::query(sql).bind(bytes(round)).fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((row.try_get("site")?, digest(row, "digest")?))).collect()
    }

    /// Number of complete submissions of a round.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held(&self, round: &Digest) -> Result<usize, Error> {
        let row = sqlx::query("SELECT COUNT(*) AS n FROM submissions WHERE round = $1")
            .bind(bytes(round))
            .fetch_one(&self.pool)
            .await?;
        Ok(usize::try_from(count(&row, "n")?).unwrap_or(usize::MAX))
    }

    /// A stored submission.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn submission(&self, round: &Digest, site: &str) -> Result<StoredSubmission, Error> {
        let row = sqlx::query(
            "SELECT header, digest, public, chunk_key FROM submissions WHERE round = $1 AND site = $2",
        )
        .bind(bytes(round))
        .bind(site)
        .fetch_one(&self.pool)
        .await?;
        Ok(StoredSubmission {
            header: Header::from_bytes(&row.try_get::<Vec<u8>, _>("header")?)?,
            digest: digest(&row, "digest")?,
            public: row.try_get("public")?,
            chunk_key: row.try_get("chunk_key")?,
        })
    }

    /// One chunk of a site's share, sealed as it came; `None` behind the last one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn chunk(
        &self,
        round: &Digest,
        site: &str,
        seq: u32,
    ) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT bytes FROM chunks WHERE round = $1 AND site = $2 AND seq = $3";
        let row = sqlx::query(sql)
            .bind(bytes(round))
            .bind(site)
            .bind(i64::from(seq))
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok(row.try_get("bytes")?)).transpose()
    }
}

fn other_submission(site: &str) -> Error {
    Error::Submission {
        site: site.to_owned(),
        problem: "it already submitted another contribution for this round".into(),
    }
}

/// Hashes of the chunks of a submission, up to the first that is missing.
async fn stored_hashes(
    connection: &mut AnyConnection,
    round: &Digest,
    site: &str,
    header: &Digest,
) -> Result<Vec<[u8; 32]>, Error> {
    let rows = sqlx::query(
        "SELECT seq, hash FROM chunks WHERE round = $1 AND site = $2 AND header = $3 ORDER BY seq",
    )
    .bind(bytes(round))
    .bind(site)
    .bind(bytes(header))
    .fetch_all(connection)
    .await?;
    let mut hashes = Vec::with_capacity(rows.len());
    for row in rows {
        if count(&row, "seq")? != hashes.len() as u64 {
            break;
        }
        hashes.push(*digest(&row, "hash")?.as_bytes());
    }
    Ok(hashes)
}

/// Digest of the header of a site's complete submission.
async fn stored_digest(
    connection: &mut AnyConnection,
    round: &Digest,
    site: &str,
) -> Result<Option<Digest>, Error> {
    let row = sqlx::query("SELECT digest FROM submissions WHERE round = $1 AND site = $2")
        .bind(bytes(round))
        .bind(site)
        .fetch_optional(connection)
        .await?;
    row.map(|row| digest(&row, "digest")).transpose()
}

/// Rule L4: a site's ledger only grows, and never forks.
async fn check_ledger(connection: &mut AnyConnection, header: &Header) -> Result<(), Error> {
    let refuse = |problem: String| Error::Submission { site: header.site.clone(), problem };
    let own = i64::try_from(header.ledger_len)
        .map_err(|_| refuse(format!("a ledger of {} entries", header.ledger_len)))?;
    let row = sqlx::query("SELECT len, head FROM ledgers WHERE site = $1")
        .bind(header.site.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = row {
        let len = count(&row, "len")?;
        if header.ledger_len < len {
            return Err(refuse(format!(
                "its ledger has {} entries, an earlier submission had {len} (rule L4); \
                 the ledger was restored from an old copy",
                header.ledger_len
            )));
        }
        if header.ledger_len == len && digest(&row, "head")? != header.ledger_head {
            let problem = "its ledger forked (rule L4): two copies of the site are running";
            return Err(refuse(problem.into()));
        }
    }
    sqlx::query(
        "INSERT INTO ledgers (site, len, head) VALUES ($1, $2, $3) ON CONFLICT (site) \
         DO UPDATE SET len = $2, head = $3",
    )
    .bind(header.site.as_str())
    .bind(own)
    .bind(bytes(&header.ledger_head))
    .execute(connection)
    .await?;
    Ok(())
}
