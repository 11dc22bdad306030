//! What nodes sign about a round, and what every party writes into its journal.
//!
//! A node signs at most one [`HeldSet`], one [`Prepared`], one [`AcceptedSet`] and one [`Release`] a
//! round, ever (rules R3, N3). All bodies are canonical bytes; a signature is over their digest.

use std::collections::BTreeSet;

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::identity::{IdentityKey, IdentityPublic, Signature};

use crate::Error;
use crate::manifest::MAX_SITES;

/// A body with a signature, not yet verified. Verification is the only way to the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Canonical bytes.
    pub body: Vec<u8>,
    /// Signature over their digest.
    pub signature: Signature,
}

impl Signed {
    /// Signs a body.
    #[must_use]
    pub fn new<T: Canonical>(body: &T, key: &IdentityKey) -> Self {
        let body = body.to_bytes();
        let signature = key.sign(&Digest::of(&body));
        Self { body, signature }
    }

    /// Checks the signature of `signer` and decodes the body; `what` names it in errors.
    ///
    /// # Errors
    /// [`Error::Peer`] naming the signer and the check.
    pub fn verify<T: Canonical>(
        &self,
        signer: &str,
        key: &IdentityPublic,
        what: &'static str,
    ) -> Result<T, Error> {
        let refuse = |e: haima_crypto::Error| Error::Peer {
            peer: signer.to_owned(),
            problem: e.to_string(),
        };
        key.verify(&Digest::of(&self.body), &self.signature, what).map_err(refuse)?;
        T::from_bytes(&self.body).map_err(refuse)
    }
}

/// The header digests of a set of sites, in byte order of the sites' names.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HeaderSet(Vec<(String, Digest)>);

impl HeaderSet {
    /// A set from any order.
    #[must_use]
    pub fn new(mut headers: Vec<(String, Digest)>) -> Self {
        headers.sort();
        headers.dedup();
        Self(headers)
    }

    /// Sites with their header digests.
    #[must_use]
    pub fn entries(&self) -> &[(String, Digest)] {
        &self.0
    }

    /// Names of the sites.
    pub fn sites(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(site, _)| site.as_str())
    }

    /// The entries of sites that also stand in another set, whatever their digests there.
    #[must_use]
    pub fn of_sites_in(&self, other: &Self) -> Self {
        let stays = |site: &str| other.sites().any(|name| name == site);
        Self(self.0.iter().filter(|(site, _)| stays(site)).cloned().collect())
    }

    /// The entries of the named sites, and those of the others.
    #[must_use]
    pub fn partition(&self, named: &BTreeSet<String>) -> (Self, Self) {
        let (in_set, others) = self.0.iter().cloned().partition(|(site, _)| named.contains(site));
        (Self(in_set), Self(others))
    }

    /// Entries that stand in both sets with the same digest.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|entry| other.0.contains(entry)).cloned().collect())
    }

    fn encode(&self, to: &mut Encoder) {
        to.count(self.0.len());
        for (site, header) in &self.0 {
            to.str(site).digest(header);
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let count = from.count(MAX_SITES, 36)?;
        let mut headers: Vec<(String, Digest)> = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = (from.str(64)?.to_owned(), from.digest()?);
            // Strictly increasing names: one encoding a set, and one header a site.
            if headers.last().is_some_and(|last| last.0 >= entry.0) {
                return Err(from.fail("sites out of order"));
            }
            headers.push(entry);
        }
        Ok(Self(headers))
    }
}

/// The submissions that a node holds completely when it closes a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSet {
    /// Round.
    pub round: Digest,
    /// Node that holds them.
    pub node: String,
    /// Their headers.
    pub headers: HeaderSet,
}

impl Canonical for HeldSet {
    const LABEL: &'static str = "haima held set 1";

    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.round).str(&self.node);
        self.headers.encode(to);
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        Ok(Self {
            round: from.digest()?,
            node: from.str(64)?.to_owned(),
            headers: HeaderSet::decode(from)?,
        })
    }
}

/// A node's commitment to its preparation shares of the candidates, before any is shown (rule R3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Round.
    pub round: Digest,
    /// Node.
    pub node: String,
    /// The candidates: the intersection of all nodes' held sets.
    pub candidates: HeaderSet,
    /// Digest of this node's preparation share of each candidate, in their order.
    pub preps: Vec<Digest>,
}

impl Canonical for Prepared {
    const LABEL: &'static str = "haima prepared 1";

    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.round).str(&self.node);
        self.candidates.encode(to);
        to.count(self.preps.len());
        for prep in &self.preps {
            to.digest(prep);
        }
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let (round, node) = (from.digest()?, from.str(64)?.to_owned());
        let candidates = HeaderSet::decode(from)?;
        let count = from.count(MAX_SITES, 32)?;
        if count != candidates.0.len() {
            return Err(from.fail("another number of preparation shares than of candidates"));
        }
        let preps = (0..count).map(|_| from.digest()).collect::<Result<_, _>>()?;
        Ok(Self { round, node, candidates, preps })
    }
}

/// Digest of a preparation share as it is exchanged, bound to node and header.
#[must_use]
pub fn prep_digest(node: &str, header: &Digest, prep: &[u8]) -> Digest {
    let mut to = Encoder::new("haima prep bytes 1");
    to.str(node).digest(header).bytes(prep);
    Digest::of(&to.finish())
}

/// Digest of all nodes' signed [`Prepared`], in the manifest's order of nodes.
#[must_use]
pub fn preps_digest<'a>(prepared: impl IntoIterator<Item = &'a Signed>) -> Digest {
    let mut to = Encoder::new("haima preps 1");
    for signed in prepared {
        to.bytes(&signed.body);
    }
    Digest::of(&to.finish())
}

/// The submissions that enter the sum: the candidates whose proofs hold. Equal bytes at every
/// node, so that k signatures over them are comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedSet {
    /// Round.
    pub round: Digest,
    /// Accepted headers.
    pub headers: HeaderSet,
    /// Candidates whose proof failed: the site or a node deviated (rule R3).
    pub refused: HeaderSet,
    /// [`preps_digest`]: what the decision was made from.
    pub preps: Digest,
}

impl Canonical for AcceptedSet {
    const LABEL: &'static str = "haima accepted set 2";

    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.round);
        self.headers.encode(to);
        self.refused.encode(to);
        to.digest(&self.preps);
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        Ok(Self {
            round: from.digest()?,
            headers: HeaderSet::decode(from)?,
            refused: HeaderSet::decode(from)?,
            preps: from.digest()?,
        })
    }
}

/// A node's commitment to its noised sum, shared again among all nodes so that any quorum can
/// release (Shamir release). Before any sub-share is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    /// Round.
    pub round: Digest,
    /// Node that deals.
    pub node: String,
    /// Digest of the accepted set.
    pub accepted: Digest,
    /// [`sum_digest`] of the sub-share of each node, in the manifest's order of nodes.
    pub shares: Vec<Digest>,
}

impl Canonical for Deal {
    const LABEL: &'static str = "haima deal 1";

    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.round).str(&self.node).digest(&self.accepted);
        to.count(self.shares.len());
        for share in &self.shares {
            to.digest(share);
        }
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let (round, node, accepted) = (from.digest()?, from.str(64)?.to_owned(), from.digest()?);
        let count = from.count(haima_crypto::share::MAX_PARTIES, 32)?;
        let shares = (0..count).map(|_| from.digest()).collect::<Result<_, _>>()?;
        Ok(Self { round, node, accepted, shares })
    }
}

/// A node's noised sum of its shares, or its point of the shared sum, by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Round.
    pub round: Digest,
    /// Node.
    pub node: String,
    /// Digest of the accepted set.
    pub accepted: Digest,
    /// [`sum_digest`] of the answer's bytes.
    pub sum: Digest,
}

impl Canonical for Release {
    const LABEL: &'static str = "haima release 1";

    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.round).str(&self.node).digest(&self.accepted).digest(&self.sum);
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        Ok(Self {
            round: from.digest()?,
            node: from.str(64)?.to_owned(),
            accepted: from.digest()?,
            sum: from.digest()?,
        })
    }
}

/// That a node gave a round up for good without having committed to an answer: it never will, so
/// nobody can release the round. A node signs it only where it knows that it signed an accepted set
/// and no release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Round.
    pub round: Digest,
    /// Node.
    pub node: String,
}

impl Canonical for GivenUp {
    const LABEL: &'static str = "haima given up 1";

    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.round).str(&self.node);
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        Ok(Self { round: from.digest()?, node: from.str(64)?.to_owned() })
    }
}

/// What a node signed for a release, as other nodes keep it. The accepted set itself is the same
/// at every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// The node.
    pub node: String,
    /// Its signature over the accepted set.
    pub accepted: Signature,
    /// Its release.
    pub release: Signed,
}

/// What the next step's spec names as `previous`: the digest of all nodes' signed releases, in the
/// manifest's order of nodes. It binds round, accepted set and every node's sum.
#[must_use]
pub fn released_digest<'a>(releases: impl IntoIterator<Item = &'a Signed>) -> Digest {
    let mut to = Encoder::new("haima released 1");
    for release in releases {
        to.bytes(&release.body);
    }
    Digest::of(&to.finish())
}

/// SHA3-256 of the bytes of a noised sum, a sub-share or a point, under its own label.
#[must_use]
pub fn sum_digest(bytes: &[u8]) -> Digest {
    let mut to = Encoder::new("haima sum bytes 1");
    to.bytes(bytes);
    Digest::of(&to.finish())
}

/// One line of a party's signed, hash-chained journal: what happened to which round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Party that writes.
    pub party: String,
    /// Unix milliseconds by its clock.
    pub at_ms: u64,
    /// `opened`, `accepted`, `refused`, `closed`, `agreed`, `released`, `failed`, ...
    pub kind: String,
    /// Round; zero where none is concerned.
    pub round: Digest,
    /// Site or node concerned; may be empty.
    pub subject: String,
    /// Digest of what was accepted, signed or released; zero where there is none.
    pub digest: Digest,
    /// Public reason, never about data.
    pub text: String,
}

impl Canonical for AuditRecord {
    const LABEL: &'static str = "haima audit record 1";

    fn encode_fields(&self, to: &mut Encoder) {
        to.str(&self.party).u64(self.at_ms).str(&self.kind).digest(&self.round);
        to.str(&self.subject).digest(&self.digest).str(&self.text);
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        Ok(Self {
            party: from.str(64)?.to_owned(),
            at_ms: from.u64()?,
            kind: from.str(64)?.to_owned(),
            round: from.digest()?,
            subject: from.str(128)?.to_owned(),
            digest: from.digest()?,
            text: from.str(4096)?.to_owned(),
        })
    }
}

impl AuditRecord {
    /// Bytes of a journal entry: the canonical record followed by its 64-byte signature.
    #[must_use]
    pub fn seal(&self, key: &IdentityKey) -> Vec<u8> {
        let Signed { mut body, signature } = Signed::new(self, key);
        body.extend_from_slice(signature.as_bytes());
        body
    }

    /// Reads and verifies a journal entry.
    ///
    /// # Errors
    /// [`Error::Peer`] when it is not of this party or damaged.
    pub fn open(entry: &[u8], party: &str, key: &IdentityPublic) -> Result<Self, Error> {
        let at = entry.len().saturating_sub(64);
        let (body, signature) = entry.split_at(at);
        let signature = Signature::from_slice(signature)?;
        Signed { body: body.to_vec(), signature }.verify(party, key, "audit record")
    }
}
