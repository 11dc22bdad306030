//! What a site sends before its vector is in the sum, and what it is sent.
//!
//! Each message begins with its [`Origin`] and is signed over the canonical encoding of all but
//! the signature. Ciphertexts and vectors are signed by their digest: a vector by SHA-256, for which
//! processors have instructions, so that it costs a quarter of SHA3-256 (2.3 and 8.4 ms for 4 MB).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::context::RoundContext;
use super::{Error, MAX_SITES};
use crate::encode::{Canonical, Decoder, Digest, Encoder};
use crate::identity::{IdentityKey, Signature};
use crate::secret::Seed;
use crate::shamir::LIMBS;

/// Bytes of a share of a 32-byte secret.
pub(super) const SHARE: usize = 8 * LIMBS;
const TAG: usize = 16;
/// Bytes of a sealed envelope: a share of the self-mask's seed, one of the backup's, a tag.
pub(super) const ENVELOPE: usize = 2 * SHARE + TAG;
/// Most bytes of a packed vector.
pub(super) const MAX_PACKED: usize = 1 << 31;

/// Bytes of the backup of a site among so many: a subkey for each other, and a tag.
pub(super) const fn backup_len(sites: usize) -> usize {
    Seed::LEN * sites.saturating_sub(1) + TAG
}

/// Which round a message is of, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The round's digest.
    pub round: Digest,
    /// Digest of all terms, the round among them: [`RoundContext::digest`].
    pub terms: Digest,
    /// The signer's position.
    pub site: u32,
}

impl Origin {
    pub(super) fn encode(&self, to: &mut Encoder) {
        to.digest(&self.round).digest(&self.terms).u32(self.site);
    }

    pub(super) fn decode(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        Ok(Self { round: from.digest()?, terms: from.digest()?, site: from.u32()? })
    }
}

/// A message with one signature over all of it.
pub(super) trait Signed: Canonical {
    /// Its name in errors.
    const WHAT: &'static str;
    fn origin(&self) -> &Origin;
    /// Writes all fields but the signature, long ones as digests.
    fn encode_signed(&self, to: &mut Encoder);
    fn signature(&mut self) -> &mut Signature;
    fn signature_ref(&self) -> &Signature;

    fn statement(&self) -> Digest {
        let mut to = Encoder::new(Self::LABEL);
        self.encode_signed(&mut to);
        Digest::of(&to.finish())
    }

    fn sign(mut self, identity: &IdentityKey) -> Self {
        *self.signature() = identity.sign(&self.statement());
        self
    }
}

/// In place of a signature until there is one.
pub(super) const UNSIGNED: [u8; 64] = [0; 64];

pub(super) fn signature(from: &mut Decoder<'_>) -> Result<Signature, crate::Error> {
    Ok(Signature::from_bytes(from.array()?))
}

impl RoundContext {
    pub(super) fn origin(&self, site: u32) -> Origin {
        Origin { round: self.terms().round, terms: *self.digest(), site }
    }

    /// Checks signature, round and terms, in this order: what is of another round has been signed
    /// for it. Gives what was signed: with a vector in it, it takes milliseconds to hash.
    pub(super) fn check<M: Signed>(&self, message: &M) -> Result<Digest, Error> {
        let origin = message.origin();
        let what = M::WHAT;
        let (roster, statement) = (self.roster(), message.statement());
        roster.verify(origin.site, &statement, message.signature_ref(), what)?;
        let site = || roster.name(origin.site);
        if origin.round != self.terms().round {
            return Err(Error::AnotherRound { what, site: site() });
        }
        if origin.terms != *self.digest() {
            return Err(Error::OtherTerms { what, site: site() });
        }
        Ok(statement)
    }
}

/// What a site commits to when it shares its seeds. All sites get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Round, terms and site.
    pub origin: Origin,
    /// Commitment to the self-mask's seed b.
    pub self_mask: Digest,
    /// Commitment to the backup's key a.
    pub backup_key: Digest,
    /// Digest of the backup.
    pub backup: Digest,
    /// Digest of all envelopes in order.
    pub envelopes: Digest,
    /// Over all of the above.
    pub signature: Signature,
}

/// Bytes of a [`Header`] without its label.
const HEADER: usize = 32 + 32 + 4 + 4 * 32 + 64;

impl Signed for Header {
    const WHAT: &'static str = "header of shares";
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn encode_signed(&self, to: &mut Encoder) {
        self.origin.encode(to);
        to.digest(&self.self_mask).digest(&self.backup_key);
        to.digest(&self.backup).digest(&self.envelopes);
    }
    fn signature(&mut self) -> &mut Signature {
        &mut self.signature
    }
    fn signature_ref(&self) -> &Signature {
        &self.signature
    }
}

impl Canonical for Header {
    const LABEL: &'static str = "haima secagg header 1";
    fn encode_fields(&self, to: &mut Encoder) {
        self.encode_signed(to);
        to.array(self.signature.as_bytes());
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        Ok(Self {
            origin: Origin::decode(from)?,
            self_mask: from.digest()?,
            backup_key: from.digest()?,
            backup: from.digest()?,
            envelopes: from.digest()?,
            signature: signature(from)?,
        })
    }
}

/// One site's shares of another's two secrets, sealed by the pair's key for this round.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The dealer's position.
    pub from: u32,
    /// The holder's position.
    pub to: u32,
    /// Ciphertext.
    pub sealed: Vec<u8>,
    /// The dealer's, over terms, both positions and the ciphertext's digest.
    pub signature: Signature,
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope {} to {}, {} bytes", self.from, self.to, self.sealed.len())
    }
}

/// Bytes of an envelope without its label.
const ENCODED_ENVELOPE: usize = 4 + 4 + 4 + ENVELOPE + 64;

impl Envelope {
    pub(super) const WHAT: &'static str = "envelope";

    pub(super) fn statement(&self, terms: &Digest) -> Digest {
        let mut to = Encoder::new("haima secagg envelope signed 1");
        to.digest(terms).u32(self.from).u32(self.to).digest(&Digest::of(&self.sealed));
        Digest::of(&to.finish())
    }

    /// Digest of all envelopes of a dealer.
    pub(super) fn digest_all(envelopes: &[Self]) -> Digest {
        let mut to = Encoder::new("haima secagg envelopes 1");
        to.count(envelopes.len());
        envelopes.iter().for_each(|envelope| envelope.encode_fields(&mut to));
        Digest::of(&to.finish())
    }
}

impl Canonical for Envelope {
    const LABEL: &'static str = "haima secagg envelope 1";
    fn encode_fields(&self, to: &mut Encoder) {
        to.u32(self.from).u32(self.to).bytes(&self.sealed).array(self.signature.as_bytes());
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        let (dealer, holder) = (from.u32()?, from.u32()?);
        let sealed = from.bytes(ENVELOPE)?;
        if sealed.len() != ENVELOPE {
            return Err(from.fail("an envelope of another length"));
        }
        let (sealed, signature) = (sealed.to_vec(), signature(from)?);
        Ok(Self { from: dealer, to: holder, sealed, signature })
    }
}

/// Reads a list, each item at least of the encoded length `item`.
fn list<T>(
    from: &mut Decoder<'_>,
    item: usize,
    read: impl Fn(&mut Decoder<'_>) -> Result<T, crate::Error>,
) -> Result<Vec<T>, crate::Error> {
    let count = from.count(MAX_SITES, item)?;
    (0..count).map(|_| read(from)).collect()
}

/// A site's first message of a round, to the coordinator.
#[derive(Clone, PartialEq, Eq)]
pub struct SharesMessage {
    /// Signed; covers the rest by digests.
    pub header: Header,
    /// The site's pairwise subkeys of this round under its backup key (rule M4).
    pub backup: Vec<u8>,
    /// One for each other site, in the roster's order.
    pub envelopes: Vec<Envelope>,
}

impl std::fmt::Debug for SharesMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharesMessage of site {}, ", self.header.origin.site)?;
        write!(f, "{} envelopes, {} bytes of backup", self.envelopes.len(), self.backup.len())
    }
}

impl Canonical for SharesMessage {
    const LABEL: &'static str = "haima secagg shares 1";
    fn encode_fields(&self, to: &mut Encoder) {
        self.header.encode_fields(to);
        to.bytes(&self.backup).count(self.envelopes.len());
        self.envelopes.iter().for_each(|envelope| envelope.encode_fields(to));
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        Ok(Self {
            header: Header::decode_fields(from)?,
            backup: from.bytes(backup_len(MAX_SITES))?.to_vec(),
            envelopes: list(from, ENCODED_ENVELOPE, Envelope::decode_fields)?,
        })
    }
}

/// What the coordinator relays to one site: all sharers' headers, and their envelopes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// One for each sharer.
    pub headers: Vec<Header>,
    /// One from each sharer but the site itself.
    pub envelopes: Vec<Envelope>,
}

impl Canonical for Delivery {
    const LABEL: &'static str = "haima secagg delivery 1";
    fn encode_fields(&self, to: &mut Encoder) {
        to.count(self.headers.len());
        self.headers.iter().for_each(|header| header.encode_fields(to));
        to.count(self.envelopes.len());
        self.envelopes.iter().for_each(|envelope| envelope.encode_fields(to));
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        Ok(Self {
            headers: list(from, HEADER, Header::decode_fields)?,
            envelopes: list(from, ENCODED_ENVELOPE, Envelope::decode_fields)?,
        })
    }
}

/// Digest of who shared, and of what each committed to: one transcript for all who mask.
pub(super) fn cohort(context: &RoundContext, headers: &BTreeMap<u32, Header>) -> Digest {
    let mut to = Encoder::new("haima secagg cohort 1");
    to.digest(context.digest()).count(headers.len());
    for (site, header) in headers {
        to.u32(*site).digest(&header.digest());
    }
    Digest::of(&to.finish())
}

/// A vector under masks.
#[derive(Clone, PartialEq, Eq)]
pub struct MaskedInput {
    /// Round, terms and site.
    pub origin: Origin,
    /// Digest of the sharers' headers: under whose masks.
    pub cohort: Digest,
    /// The vector, packed at the ring's bits an entry.
    pub packed: Vec<u8>,
    /// Over the above, the vector as its SHA-256.
    pub signature: Signature,
}

impl std::fmt::Debug for MaskedInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MaskedInput of site {}, {} bytes", self.origin.site, self.packed.len())
    }
}

impl MaskedInput {
    /// Digest of what its site signs: its name in journals.
    #[must_use]
    pub fn signed(&self) -> Digest {
        self.statement()
    }
}

impl Signed for MaskedInput {
    const WHAT: &'static str = "masked vector";
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn encode_signed(&self, to: &mut Encoder) {
        self.origin.encode(to);
        to.digest(&self.cohort).array(&Sha256::digest(&self.packed).into());
    }
    fn signature(&mut self) -> &mut Signature {
        &mut self.signature
    }
    fn signature_ref(&self) -> &Signature {
        &self.signature
    }
}

impl Canonical for MaskedInput {
    const LABEL: &'static str = "haima secagg masked 1";
    fn encode_fields(&self, to: &mut Encoder) {
        self.origin.encode(to);
        to.digest(&self.cohort).bytes(&self.packed).array(self.signature.as_bytes());
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        Ok(Self {
            origin: Origin::decode(from)?,
            cohort: from.digest()?,
            packed: from.bytes(MAX_PACKED)?.to_vec(),
            signature: signature(from)?,
        })
    }
}
