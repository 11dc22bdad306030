//! A site's header over one submission (rule R2).
//!
//! One header a site and round, the same for every node. It binds the round, a fresh nonce, the
//! digest of every node's share and the state of the site's ledger (rule L4), and is signed by the
//! site's identity key. So nodes that compare header digests know that they hold parts of one
//! submission, and nobody can pass another site's shares off as its own: every share is sealed
//! with associated data that names round and site.

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::identity::{IdentityKey, IdentityPublic, Signature};
use haima_crypto::seal;
use haima_crypto::share::MAX_PARTIES;
use sha2::{Digest as _, Sha256};

use crate::Error;

/// What a site signs for one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Digest of the [`crate::spec::RoundSpec`].
    pub round: Digest,
    /// Name of the site.
    pub site: String,
    /// 16 fresh random bytes, which the vector was shared with.
    pub nonce: [u8; 16],
    /// [`public_digest`] of the proof's public share.
    pub public_share: Digest,
    /// [`sealed_digest`] of each node's share, in the manifest's order of nodes.
    pub shares: Vec<Digest>,
    /// Entries in the site's ledger.
    pub ledger_len: u64,
    /// Head of the ledger's hash chain.
    pub ledger_head: Digest,
}

impl Canonical for Header {
    const LABEL: &'static str = "haima header 2";

    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.round).str(&self.site).array(&self.nonce).digest(&self.public_share);
        to.count(self.shares.len());
        for share in &self.shares {
            to.digest(share);
        }
        to.u64(self.ledger_len).digest(&self.ledger_head);
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let round = from.digest()?;
        let site = from.str(64)?.to_owned();
        let (nonce, public_share) = (from.array()?, from.digest()?);
        let count = from.count(MAX_PARTIES, 32)?;
        let shares = (0..count).map(|_| from.digest()).collect::<Result<_, _>>()?;
        let (ledger_len, ledger_head) = (from.u64()?, from.digest()?);
        Ok(Self { round, site, nonce, public_share, shares, ledger_len, ledger_head })
    }
}

/// SHA-256 of one sealed chunk: the one hash over bulk bytes.
#[must_use]
pub fn chunk_hash(chunk: &[u8]) -> [u8; 32] {
    Sha256::digest(chunk).into()
}

/// Digest of one node's sealed share as it is sent, from its head and the hashes of its chunks:
/// bound to its position, so that no share can stand in for another node's.
#[must_use]
pub fn chunks_digest(position: usize, head: &[u8], chunks: &[[u8; 32]]) -> Digest {
    let mut to = Encoder::new("haima sealed share 2");
    to.u32(u32::try_from(position).unwrap_or(u32::MAX)).bytes(head).count(chunks.len());
    for chunk in chunks {
        to.array(chunk);
    }
    Digest::of(&to.finish())
}

/// [`chunks_digest`] of a whole sealed share.
#[must_use]
pub fn sealed_digest(position: usize, sealed: &[u8]) -> Digest {
    let (head, body) = sealed.split_at_checked(seal::HEAD).unwrap_or((sealed, &[]));
    let chunks: Vec<[u8; 32]> = body.chunks(seal::CHUNK).map(chunk_hash).collect();
    chunks_digest(position, head, &chunks)
}

/// Digest of the proof's public share.
#[must_use]
pub fn public_digest(public: &[u8]) -> Digest {
    let mut to = Encoder::new("haima public share 1");
    to.bytes(public);
    Digest::of(&to.finish())
}

/// A header with its site's signature, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeader {
    /// Canonical bytes of the header.
    pub bytes: Vec<u8>,
    /// The site's signature over their digest.
    pub signature: Signature,
}

impl SignedHeader {
    /// Signs a header.
    #[must_use]
    pub fn sign(header: &Header, key: &IdentityKey) -> Self {
        let bytes = header.to_bytes();
        let signature = key.sign(&Digest::of(&bytes));
        Self { bytes, signature }
    }

    /// Checks that the header is of this site and round, has a digest for each of `nodes` nodes,
    /// and is signed by the site's pinned key.
    ///
    /// # Errors
    /// [`Error::Submission`] naming the failed check.
    pub fn verify(
        &self,
        site: &str,
        key: &IdentityPublic,
        round: &Digest,
        nodes: usize,
    ) -> Result<Header, Error> {
        let refuse = |problem: String| Error::Submission { site: site.to_owned(), problem };
        let header = Header::from_bytes(&self.bytes).map_err(|e| refuse(e.to_string()))?;
        if header.site != site {
            return Err(refuse(format!("its header names {}", header.site)));
        }
        if header.round != *round {
            return Err(refuse("its header is for another round".into()));
        }
        if header.shares.len() != nodes {
            return Err(refuse(format!("{} share digests for {nodes} nodes", header.shares.len())));
        }
        key.verify(&Digest::of(&self.bytes), &self.signature, "header")
            .map_err(|e| refuse(e.to_string()))?;
        Ok(header)
    }
}
