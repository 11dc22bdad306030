//! The nodes' epoch: keys that shares are sealed to, and the secret behind the verify keys
//! (rules R5, R6).
//!
//! Every node signs one [`Offer`]: a sealing key, and a commitment to its part of the node secret.
//! All nodes' offers together are the epoch's [`Record`]; its digest stands in every round's spec.
//! Once a node holds the record it seals its part to each other node. The secret is a hash of all
//! parts, so every node computes the same one, no k-1 nodes could choose it, and no site knows it:
//! a proof cannot be made to fit the key that will check it.

use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::identity::{IdentityKey, Signature};
use haima_crypto::kdf;
use haima_crypto::seal::{SealingKey, SealingPublic};
use haima_crypto::secret::Seed;
use haima_crypto::share::MAX_PARTIES;
use zeroize::Zeroizing;

use crate::Error;
use crate::manifest::Manifest;
use crate::record::Signed;

/// What a node offers for an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Name of the node.
    pub node: String,
    /// Number of the epoch; 1, until keys can be rotated.
    pub epoch: u32,
    /// Key that shares and parts for this node are sealed to.
    pub sealing: SealingPublic,
    /// [`commitment`] to the node's part of the secret.
    pub part: Digest,
}

impl Canonical for Offer {
    const LABEL: &'static str = "haima epoch offer 1";

    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.manifest).str(&self.node).u32(self.epoch);
        to.bytes(&self.sealing.to_bytes()).digest(&self.part);
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        Ok(Self {
            manifest: from.digest()?,
            node: from.str(64)?.to_owned(),
            epoch: from.u32()?,
            sealing: SealingPublic::from_bytes(from.bytes(1 << 12)?)?,
            part: from.digest()?,
        })
    }
}

/// Commitment of a node to its part of the epoch's secret: a hash of 32 uniform bytes hides them.
#[must_use]
pub fn commitment(manifest: &Digest, node: &str, part: &Seed) -> Digest {
    let mut to = Encoder::new("haima epoch part 1");
    to.digest(manifest).str(node).array(part.expose());
    Digest::of(&Zeroizing::new(to.finish()))
}

/// A node's own secrets of an epoch, from one key on disk.
#[derive(Debug)]
pub struct Keys {
    /// Opens what is sealed to this node.
    pub sealing: SealingKey,
    part: Seed,
}

impl Keys {
    /// The secrets under an epoch key.
    ///
    /// # Errors
    /// When the sealing key cannot be made, which no seed leads to.
    pub fn new(key: &Seed) -> Result<Self, Error> {
        let sealing = SealingKey::from_seed(&kdf::derive(key, "sealing key", &[]))?;
        Ok(Self { sealing, part: kdf::derive(key, "verify part", &[]) })
    }

    /// This node's signed offer.
    #[must_use]
    pub fn offer(&self, manifest: &Digest, node: &str, identity: &IdentityKey) -> Signed {
        let offer = Offer {
            manifest: *manifest,
            node: node.to_owned(),
            epoch: 1,
            sealing: self.sealing.public(),
            part: commitment(manifest, node, &self.part),
        };
        Signed::new(&offer, identity)
    }

    /// This node's part, sealed to another node of the record.
    ///
    /// # Errors
    /// When the record has no such node.
    pub fn sealed_part(&self, epoch: &Epoch, from: &str, to: &str) -> Result<Vec<u8>, Error> {
        let aad = part_aad(&epoch.digest, from, to);
        let offer = epoch.offer(to)?;
        Ok(offer.sealing.seal(&aad, self.part.expose(), &mut crate::randomness::system())?)
    }

    /// Opens the part that another node sealed to this one, and checks it against its commitment.
    ///
    /// # Errors
    /// [`Error::Peer`] when it does not open, or is not what the node committed to.
    pub fn open_part(
        &self,
        epoch: &Epoch,
        from: &str,
        to: &str,
        sealed: &[u8],
    ) -> Result<Seed, Error> {
        let refuse = |problem: &str| Error::Peer { peer: from.into(), problem: problem.into() };
        let offer = epoch.offer(from)?;
        let opened = self.sealing.open(&part_aad(&epoch.digest, from, to), sealed);
        let opened = opened.map_err(|_| refuse("its part of the epoch's secret does not open"))?;
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(
            opened
                .as_slice()
                .try_into()
                .map_err(|_| refuse("its part of the epoch's secret has another length"))?,
        );
        let part = Seed::from_bytes(*bytes);
        if commitment(&offer.manifest, from, &part) != offer.part {
            return Err(refuse("its part of the epoch's secret is not the one it committed to"));
        }
        Ok(part)
    }

    /// The secret, from the other nodes' parts by name.
    ///
    /// # Errors
    /// When a part is missing.
    pub fn secret(
        &self,
        epoch: &Epoch,
        node: &str,
        others: &std::collections::BTreeMap<String, Seed>,
    ) -> Result<NodeSecret, Error> {
        let mut to = Encoder::new("haima node secret 1");
        // Grown once: a buffer that moves leaves copies of the parts behind.
        to.reserve(40 + 32 * epoch.offers.len());
        to.digest(&epoch.digest).count(epoch.offers.len());
        for offer in &epoch.offers {
            let part = if offer.node == node { Some(&self.part) } else { others.get(&offer.node) };
            let part = part.ok_or_else(|| Error::Peer {
                peer: offer.node.clone(),
                problem: "its part of the epoch's secret is missing".into(),
            })?;
            to.array(part.expose());
        }
        let bytes = Zeroizing::new(to.finish());
        Ok(NodeSecret(Seed::from_bytes(*Digest::of(&bytes).as_bytes())))
    }
}

fn part_aad(epoch: &Digest, from: &str, to: &str) -> Vec<u8> {
    let mut aad = Encoder::new("haima epoch part seal 1");
    aad.digest(epoch).str(from).str(to);
    aad.finish()
}

/// The secret that all nodes share and no site knows.
#[derive(Debug)]
pub struct NodeSecret(Seed);

impl NodeSecret {
    /// The key that a round's proofs are verified with (rule R6).
    #[must_use]
    pub fn verify_key(&self, manifest: &Digest, round: &Digest) -> Seed {
        kdf::derive(&self.0, "verify key", &[*manifest, *round])
    }
}

/// All nodes' signed offers, in the manifest's order of nodes; not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(pub Vec<Signed>);

impl Canonical for Record {
    const LABEL: &'static str = "haima epoch record 1";

    fn encode_fields(&self, to: &mut Encoder) {
        to.count(self.0.len());
        for signed in &self.0 {
            to.bytes(&signed.body).array(signed.signature.as_bytes());
        }
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, haima_crypto::Error> {
        let count = from.count(MAX_PARTIES, 68)?;
        let offers = (0..count)
            .map(|_| {
                let body = from.bytes(1 << 13)?.to_vec();
                Ok(Signed { body, signature: Signature::from_bytes(from.array()?) })
            })
            .collect::<Result<_, haima_crypto::Error>>()?;
        Ok(Self(offers))
    }
}

/// A verified record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// What a round's spec names.
    pub digest: Digest,
    /// Offers in the manifest's order of nodes.
    pub offers: Vec<Offer>,
}

impl Epoch {
    /// The offer of a node.
    ///
    /// # Errors
    /// [`Error::UnknownParty`].
    pub fn offer(&self, node: &str) -> Result<&Offer, Error> {
        self.offers
            .iter()
            .find(|offer| offer.node == node)
            .ok_or_else(|| Error::UnknownParty { name: node.to_owned(), role: "node" })
    }
}

/// Verifies one node's offer.
///
/// # Errors
/// [`Error::Peer`] when it is not the node's, or of another manifest.
pub fn verify_offer(signed: &Signed, manifest: &Manifest, node: &str) -> Result<Offer, Error> {
    let offer: Offer = signed.verify(node, &manifest.identity(node)?, "epoch offer")?;
    if (&offer.manifest, offer.node.as_str(), offer.epoch) != (&manifest.digest(), node, 1) {
        return Err(Error::Peer {
            peer: node.to_owned(),
            problem: "its epoch offer is of another manifest, node or epoch".into(),
        });
    }
    Ok(offer)
}

impl Record {
    /// Verifies every offer against the manifest.
    ///
    /// # Errors
    /// [`Error::Peer`] naming the node whose offer fails.
    pub fn verify(&self, manifest: &Manifest) -> Result<Epoch, Error> {
        if self.0.len() != manifest.nodes.len() {
            return Err(Error::Peer {
                peer: "a node".into(),
                problem: format!(
                    "an epoch record of {} offers for {} nodes",
                    self.0.len(),
                    manifest.nodes.len()
                ),
            });
        }
        let offers = self
            .0
            .iter()
            .zip(&manifest.nodes)
            .map(|(signed, node)| verify_offer(signed, manifest, &node.name))
            .collect::<Result<Vec<_>, _>>()?;
        let mut to = Encoder::new("haima epoch 1");
        to.count(self.0.len());
        for signed in &self.0 {
            to.bytes(&signed.body);
        }
        Ok(Epoch { digest: Digest::of(&to.finish()), offers })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::manifest::Party;

    /// A manifest of `nodes` nodes, with the nodes' identity keys.
    fn study(nodes: u8) -> (Manifest, Vec<IdentityKey>) {
        let (mut manifest, _) = crate::manifest::tests::example();
        let key = |i: u8| IdentityKey::from_secret(&[100 + i; 32]);
        let party = |i: u8| Party {
            name: format!("node-{i}"),
            operator: format!("operator {i}"),
            identity: key(i).public().to_string(),
            tls: Digest::of(&[i]).to_string(),
            address: "127.0.0.1:1".into(),
        };
        manifest.nodes = (1..=nodes).map(party).collect();
        (manifest.checked().unwrap(), (1..=nodes).map(key).collect())
    }

    /// R6: all nodes compute one secret; another round has another verify key.
    #[test]
    fn nodes_agree_on_a_secret_that_none_chose() {
        let (manifest, identities) = study(3);
        let keys: Vec<Keys> =
            (0..3).map(|i| Keys::new(&Seed::from_bytes([i; 32])).unwrap()).collect();
        let names: Vec<&str> = manifest.nodes.iter().map(|node| node.name.as_str()).collect();
        let digest = manifest.digest();
        let offers: Vec<Signed> =
            (0..3).map(|i| keys[i].offer(&digest, names[i], &identities[i])).collect();
        let record = Record(offers.clone());
        assert_eq!(Record::from_bytes(&record.to_bytes()).unwrap(), record);
        let epoch = record.verify(&manifest).unwrap();
        let key_of = |node: usize| {
            let others = (0..3).filter(|other| *other != node).map(|other| {
                let sealed = keys[other].sealed_part(&epoch, names[other], names[node]).unwrap();
                let part = keys[node].open_part(&epoch, names[other], names[node], &sealed);
                (names[other].to_owned(), part.unwrap())
            });
            let others: BTreeMap<_, _> = others.collect();
            let secret = keys[node].secret(&epoch, names[node], &others).unwrap();
            assert_ne!(
                secret.verify_key(&digest, &Digest::of(b"1")),
                secret.verify_key(&digest, &Digest::of(b"2"))
            );
            secret.verify_key(&digest, &Digest::of(b"round"))
        };
        assert_eq!(key_of(0), key_of(1));
        assert_eq!(key_of(0), key_of(2));
        assert!(keys[0].secret(&epoch, names[0], &BTreeMap::new()).is_err(), "no part may lack");

        // A part under another commitment, for another node, or from another one.
        let other = Keys::new(&Seed::from_bytes([9; 32])).unwrap();
        let false_part = other.sealed_part(&epoch, names[1], names[0]).unwrap();
        let error = keys[0].open_part(&epoch, names[1], names[0], &false_part).unwrap_err();
        assert!(error.to_string().contains("committed"), "{error}");
        let sealed = keys[1].sealed_part(&epoch, names[1], names[2]).unwrap();
        assert!(keys[0].open_part(&epoch, names[1], names[0], &sealed).is_err());
        let sealed = keys[1].sealed_part(&epoch, names[1], names[0]).unwrap();
        assert!(keys[0].open_part(&epoch, names[2], names[0], &sealed).is_err());
    }

    /// R5: a record is every node's, in order, each signed by its own key, for this manifest.
    #[test]
    fn a_forged_record_is_refused() {
        let (manifest, identities) = study(2);
        let digest = manifest.digest();
        let keys = Keys::new(&Seed::from_bytes([1; 32])).unwrap();
        let offer = |node: &str, identity: usize, manifest: &Digest| {
            keys.offer(manifest, node, &identities[identity])
        };
        let (a, b) = (offer("node-1", 0, &digest), offer("node-2", 1, &digest));
        assert!(Record(vec![a.clone(), b.clone()]).verify(&manifest).is_ok());
        for forged in [
            vec![a.clone()],
            vec![b.clone(), a.clone()],
            vec![a.clone(), offer("node-2", 0, &digest)],
            vec![a.clone(), offer("node-1", 1, &digest)],
            vec![a, offer("node-2", 1, &Digest::of(b"another manifest"))],
        ] {
            assert!(Record(forged).verify(&manifest).is_err());
        }
    }
}
