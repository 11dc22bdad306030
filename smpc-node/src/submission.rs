//! A site's submission: one public share, one sealed share a node, one signed header (rule R2).
//!
//! Made once a round, stored, and sent as it is however often (rule R5).

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::identity::{IdentityKey, Signature};
use haima_crypto::pine::Sharding;
use haima_crypto::seal::Associated;
use haima_crypto::share::MAX_PARTIES;

use crate::epoch::Epoch;
use crate::header::{Header, SignedHeader, public_digest, sealed_digest};
use crate::spec::RoundSpec;
use crate::{Error, PROTOCOL};

/// Everything that leaves a site in one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The signed header, the same for every node.
    pub header: SignedHeader,
    /// The proof's public share, the same for every node.
    pub public: Vec<u8>,
    /// Each node's sealed share, in the manifest's order of nodes.
    pub sealed: Vec<Vec<u8>>,
}

/// State of a site's ledger after the round's charge (rule L4).
#[derive(Clone, Copy, Debug)]
pub struct LedgerState {
    /// Entries.
    pub len: u64,
    /// Head of the hash chain.
    pub head: Digest,
}

/// What a share is sealed with (rule R2): a share opens in this place only.
#[must_use]
pub fn associated(
    spec: &RoundSpec,
    round: &Digest,
    site: &str,
    node: (usize, &str),
    nonce: [u8; 16],
    public: &Digest,
) -> Vec<u8> {
    Associated {
        version: PROTOCOL,
        manifest: spec.manifest,
        round: *round,
        site,
        node: node.1,
        share: u32::try_from(node.0).unwrap_or(u32::MAX),
        nonce,
        public_share: *public,
    }
    .to_bytes()
}

/// Seals the shares of a vector to the nodes and signs the header over them. `nonce` is the one
/// that the vector was shared with.
///
/// # Errors
/// When a share cannot be sealed.
pub fn seal(
    spec: &RoundSpec,
    epoch: &Epoch,
    site: (&str, &IdentityKey),
    nonce: [u8; 16],
    sharding: &Sharding,
    ledger: LedgerState,
) -> Result<Submission, Error> {
    let round = spec.digest();
    let public = public_digest(&sharding.public);
    let mut sealed = Vec::with_capacity(sharding.shares.len());
    for ((position, offer), share) in epoch.offers.iter().enumerate().zip(&sharding.shares) {
        let aad = associated(spec, &round, site.0, (position, &offer.node), nonce, &public);
        sealed.push(offer.sealing.seal(&aad, share, &mut crate::randomness::system())?);
    }
    let header = Header {
        round,
        site: site.0.to_owned(),
        nonce,
        public_share: public,
        shares: sealed.iter().enumerate().map(|(at, bytes)| sealed_digest(at, bytes)).collect(),
        ledger_len: ledger.len,
        ledger_head: ledger.head,
    };
    let header = SignedHeader::sign(&header, site.1);
    Ok(Submission { header, public: sharding.public.clone(), sealed })
}

impl Canonical for Submission {
    const LABEL: &'static str = "haima outbox 2";

    fn encode_fields(&self, to: &mut Encoder) {
        to.bytes(&self.header.bytes).array(self.header.signature.as_bytes()).bytes(&self.public);
        to.count(self.sealed.len());
        for sealed in &self.sealed {
            to.bytes(sealed);
        }
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let bytes = from.bytes(1 << 16)?.to_vec();
        let signature = Signature::from_bytes(from.array()?);
        let public = from.bytes(1 << 16)?.to_vec();
        let count = from.count(MAX_PARTIES, 4)?;
        let sealed = (0..count)
            .map(|_| Ok(from.bytes(1 << 30)?.to_vec()))
            .collect::<Result<_, haima_crypto::Error>>()?;
        Ok(Self { header: SignedHeader { bytes, signature }, public, sealed })
    }
}
