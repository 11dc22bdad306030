//! All nodes' releases of one round: what a sum is checked and combined from.
//!
//! The coordinator combines a bundle to the sum; sites get the same bundle and check for
//! themselves that the next query follows from it (rule X3). Nothing in it can be forged without
//! the keys of all nodes.

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::identity::Signature;
use haima_crypto::reshare;
use haima_crypto::shamir::Threshold;
use haima_crypto::share::{MAX_PARTIES, combine};

use crate::Error;
use crate::manifest::Manifest;
use crate::record::{AcceptedSet, Release, Signed, released_digest, sum_digest};
use crate::spec::{FieldKind, RoundSpec};

/// One node's part of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The accepted set with the node's signature.
    pub accepted: Signed,
    /// The node's release record with its signature.
    pub release: Signed,
    /// The noised sum of the node's shares, or its point of the shared sum; `None` of a node that
    /// was lost after all had shared theirs again.
    pub sum: Option<Vec<u8>>,
}

impl Part {
    /// Verifies a node's signatures and digests over this part; the set that it accepted.
    ///
    /// # Errors
    /// [`Error::Peer`] naming the node.
    pub fn check(
        &self,
        spec: &RoundSpec,
        manifest: &Manifest,
        node: &str,
    ) -> Result<AcceptedSet, Error> {
        let refuse = |problem: &str| Error::Peer { peer: node.into(), problem: problem.into() };
        let (round, key) = (spec.digest(), manifest.identity(node)?);
        let accepted: AcceptedSet = self.accepted.verify(node, &key, "accepted set")?;
        let release: Release = self.release.verify(node, &key, "release")?;
        if accepted.round != round || release.round != round || release.node != node {
            return Err(refuse("its release is of another round or node"));
        }
        if release.accepted != accepted.digest() {
            return Err(refuse("its release is over another accepted set than it signed"));
        }
        if self.sum.as_ref().is_some_and(|sum| release.sum != sum_digest(sum)) {
            return Err(refuse("its sum is not the one it signed"));
        }
        Ok(accepted)
    }
}

/// A round's spec with every node's part, in the manifest's order of nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// The round.
    pub spec: RoundSpec,
    /// One part a node.
    pub parts: Vec<Part>,
}

/// What a verified bundle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The sites whose contributions are in the sum.
    pub accepted: AcceptedSet,
    /// The released sum, in grid steps.
    pub integers: Vec<i128>,
    /// Nodes whose point did not fit the others' and is not in the sum (Shamir release).
    pub wrong: Vec<String>,
}

impl Bundle {
    /// Verifies every signature and digest, and combines the nodes' sums.
    ///
    /// # Errors
    /// [`Error::Peer`] naming the node whose part fails.
    pub fn verify(&self, manifest: &Manifest) -> Result<Verified, Error> {
        if self.parts.len() != manifest.nodes.len() {
            return Err(Error::Peer {
                peer: "coordinator".into(),
                problem: format!(
                    "{} parts of a release of {} nodes",
                    self.parts.len(),
                    manifest.nodes.len()
                ),
            });
        }
        let mut common: Option<AcceptedSet> = None;
        for (part, node) in self.parts.iter().zip(&manifest.nodes) {
            let accepted = part.check(&self.spec, manifest, &node.name)?;
            if common.get_or_insert_with(|| accepted.clone()) != &accepted {
                let problem = "it accepted another set than the first node".into();
                return Err(Error::Peer { peer: node.name.clone(), problem });
            }
        }
        let (integers, wrong) = match self.spec.shares()?.field {
            FieldKind::Bits64 => self.combine::<Field64>(manifest)?,
            FieldKind::Bits128 => self.combine::<Field128>(manifest)?,
        };
        let accepted =
            common.ok_or(Error::Peer { peer: "coordinator".into(), problem: "no part".into() })?;
        Ok(Verified { accepted, integers, wrong })
    }

    /// The sum of all nodes' sums, or the one that any quorum of points gives, with the nodes whose
    /// points are wrong.
    fn combine<F: Field>(&self, manifest: &Manifest) -> Result<(Vec<i128>, Vec<String>), Error> {
        let len = self.spec.dimension();
        let there = |part: &Part| part.sum.is_some();
        let lost = |missing: usize, allowed: usize| Error::Peer {
            peer: "coordinator".into(),
            problem: format!("a release without the sums of {missing} nodes; {allowed} may lack"),
        };
        let missing = self.parts.iter().filter(|part| !there(part)).count();
        let Some(quorum) = manifest.release_quorum else {
            let sums: Option<Vec<&[u8]>> =
                self.parts.iter().map(|part| part.sum.as_deref()).collect();
            return Ok((combine::<F>(&sums.ok_or_else(|| lost(missing, 0))?, len)?, Vec::new()));
        };
        let nodes = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let allowed = nodes.saturating_sub(quorum) as usize;
        if missing > allowed {
            return Err(lost(missing, allowed));
        }
        let numbered = (1..).zip(&self.parts);
        let points: Vec<(u32, &[u8])> =
            numbered.filter_map(|(i, part)| Some((i, part.sum.as_deref()?))).collect();
        let threshold = Threshold::new(quorum, nodes)?;
        let (sum, wrong) =
            reshare::combine::<F, _>(&points, threshold, len, &mut crate::randomness::system())?;
        let name = |i: u32| manifest.nodes.get(i as usize - 1).map(|node| node.name.clone());
        Ok((sum, wrong.into_iter().filter_map(name).collect()))
    }
}

fn encode_signed(to: &mut Encoder, signed: &Signed) {
    to.bytes(&signed.body).array(signed.signature.as_bytes());
}

fn decode_signed(from: &mut Decoder<'_>) -> Result<Signed, haima_crypto::Error> {
    let body = from.bytes(1 << 20)?.to_vec();
    Ok(Signed { body, signature: Signature::from_bytes(from.array()?) })
}

impl Canonical for Bundle {
    const LABEL: &'static str = "haima release bundle 2";

    fn encode_fields(&self, to: &mut Encoder) {
        to.bytes(&self.spec.to_bytes()).count(self.parts.len());
        for part in &self.parts {
            encode_signed(to, &part.accepted);
            encode_signed(to, &part.release);
            to.u8(u8::from(part.sum.is_some())).bytes(part.sum.as_deref().unwrap_or_default());
        }
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let spec = RoundSpec::from_bytes(from.bytes(1 << 16)?)?;
        let shares = spec.shares().map_err(|_| from.fail("a round without nodes"))?;
        let sum_len = spec.dimension().saturating_mul(shares.field.bytes());
        let count = from.count(MAX_PARTIES, 200)?;
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            let (accepted, release) = (decode_signed(from)?, decode_signed(from)?);
            let there = from.u8()?;
            let sum = from.bytes(sum_len)?.to_vec();
            let sum = match there {
                0 if sum.is_empty() => None,
                1 => Some(sum),
                _ => return Err(from.fail("neither a sum nor none")),
            };
            parts.push(Part { accepted, release, sum });
        }
        Ok(Self { spec, parts })
    }
}

/// The digest that the step after this release names as `previous`.
#[must_use]
pub fn release_digest(bundle: &Bundle) -> Digest {
    released_digest(bundle.parts.iter().map(|part| &part.release))
}
