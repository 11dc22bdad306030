//! Pairwise keys, agreed once an epoch: "Round 0 - AdvertiseKeys" of Bonawitz et al. 2017, figure
//! 4, taken out of the round.
//!
//! > *Generate key pairs ... Send the public keys (signed) to the server.*
//!
//! The pair's key is not a Diffie-Hellman value but 32 bytes that the site earlier in the roster
//! seals to the other's X-Wing key ([`crate::seal`]), so that pairs are secret against a later
//! quantum computer. A site stores one seed of 32 bytes for the epoch. From it, under labels of
//! their own, come the seed of its X-Wing key and the key that the secrets which it seals are
//! derived under: an agreement that is made again, after a restart, gives the same pair key. Both
//! bind it to the digest of *all* advertisements: who was shown another key has another digest,
//! refuses the others' agreements, and would hold other keys.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::Error;
use super::context::{Roster, is_shown};
use super::messages::{UNSIGNED, signature};
use super::pairs::{PairKeys, pair};
use crate::encode::{Canonical, Decoder, Digest, Encoder};
use crate::identity::{IdentityKey, Signature};
use crate::kdf::derive;
use crate::seal::{SealingKey, SealingPublic, sealed_len};
use crate::secret::Seed;

/// The epoch that keys are agreed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochContext {
    roster: Roster,
    digest: Digest,
}

impl EpochContext {
    /// An epoch of a manifest, by number; a number is not used twice.
    #[must_use]
    pub fn new(manifest: &Digest, roster: Roster, number: u64) -> Self {
        let mut to = Encoder::new("haima secagg epoch 1");
        to.digest(manifest).digest(roster.digest()).u64(number);
        let digest = Digest::of(&to.finish());
        Self { roster, digest }
    }

    /// Digest of manifest, roster and number.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Checks an advertisement by itself, when it comes: who relays it then names its site at once,
    /// and no other site gets it.
    ///
    /// # Errors
    /// On an unknown site, a bad signature, and one of another epoch.
    pub fn check(&self, advertisement: &Advertisement) -> Result<(), Error> {
        let (what, site) = (Advertisement::WHAT, advertisement.site);
        self.roster.verify(site, &advertisement.statement(), &advertisement.signature, what)?;
        if advertisement.epoch != self.digest {
            return Err(Error::AnotherEpoch { what, site: self.roster.name(site) });
        }
        Ok(())
    }

    /// Checks an agreement, all but what is sealed in it, when it comes; `epoch` is what
    /// [`EpochContext::close`] gave.
    ///
    /// # Errors
    /// On an unknown site, a bad signature, one of another epoch, one to a site that is not after its
    /// sealer in the roster, and one of another length.
    pub fn check_agreement(&self, agreement: &Agreement, epoch: &Digest) -> Result<(), Error> {
        agreement.check(&self.roster, epoch)
    }

    /// Checks that there is one advertisement of each site for this epoch, and gives the digest of
    /// all: the epoch's name in rounds ([`super::Terms::epoch`]).
    ///
    /// # Errors
    /// On an unknown site, a bad signature, one of another epoch, one twice or missing, and on one
    /// key of two sites.
    pub fn close(&self, advertisements: &[Advertisement]) -> Result<Digest, Error> {
        Ok(self.sorted(advertisements)?.1)
    }

    fn sorted<'a>(
        &self,
        advertisements: &'a [Advertisement],
    ) -> Result<(BTreeMap<u32, &'a Advertisement>, Digest), Error> {
        let what = Advertisement::WHAT;
        let mut all = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for advertisement in advertisements {
            self.check(advertisement)?;
            let site = advertisement.site;
            let name = || self.roster.name(site);
            if all.insert(site, advertisement).is_some() {
                return Err(Error::Duplicate { what, site: name() });
            }
            if let Some(first) = keys.insert(advertisement.key.to_bytes(), site) {
                let (first, second) = (self.roster.name(first), name());
                return Err(Error::SameKey { first, second });
            }
        }
        let mut to = Encoder::new("haima secagg advertisements 1");
        to.digest(&self.digest);
        for site in 0..self.roster.sites() {
            let Some(advertisement) = all.get(&site) else {
                return Err(Error::Missing { what, site: self.roster.name(site) });
            };
            to.bytes(&advertisement.key.to_bytes());
        }
        Ok((all, Digest::of(&to.finish())))
    }
}

/// A site's public key for an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// Digest of manifest, roster and number of the epoch.
    pub epoch: Digest,
    /// The site's position.
    pub site: u32,
    /// X-Wing public key.
    pub key: SealingPublic,
    /// Over all of the above.
    pub signature: Signature,
}

impl Advertisement {
    const WHAT: &'static str = "advertisement";

    fn statement(&self) -> Digest {
        let mut to = Encoder::new("haima secagg advertisement signed 1");
        to.digest(&self.epoch).u32(self.site).bytes(&self.key.to_bytes());
        Digest::of(&to.finish())
    }
}

impl Canonical for Advertisement {
    const LABEL: &'static str = "haima secagg advertisement 1";
    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.epoch).u32(self.site).bytes(&self.key.to_bytes());
        to.array(self.signature.as_bytes());
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        Ok(Self {
            epoch: from.digest()?,
            site: from.u32()?,
            key: SealingPublic::from_bytes(from.bytes(SealingPublic::LEN)?)?,
            signature: signature(from)?,
        })
    }
}

/// A pair's secret, sealed by the site earlier in the roster to the later one.
#[derive(Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Digest of all advertisements.
    pub epoch: Digest,
    /// Who sealed.
    pub from: u32,
    /// Who opens.
    pub to: u32,
    /// 32 bytes, sealed.
    pub sealed: Vec<u8>,
    /// Over all of the above, the ciphertext by its digest.
    pub signature: Signature,
}

impl std::fmt::Debug for Agreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Agreement {} to {}, epoch {}", self.from, self.to, self.epoch.short())
    }
}

impl Agreement {
    const WHAT: &'static str = "pair key";
    const SEALED: usize = sealed_len(Seed::LEN);

    fn statement(&self) -> Digest {
        let mut to = Encoder::new("haima secagg agreement signed 1");
        to.digest(&self.epoch).u32(self.from).u32(self.to).digest(&Digest::of(&self.sealed));
        Digest::of(&to.finish())
    }

    fn check(&self, roster: &Roster, epoch: &Digest) -> Result<(), Error> {
        let (what, name) = (Self::WHAT, |site| roster.name(site));
        roster.verify(self.from, &self.statement(), &self.signature, what)?;
        if self.epoch != *epoch {
            return Err(Error::AnotherEpoch { what, site: name(self.from) });
        }
        roster.member(self.to)?;
        if self.from >= self.to {
            return Err(Error::Misdirected { what, from: name(self.from), to: name(self.to) });
        }
        let (expected, got) = (Self::SEALED, self.sealed.len());
        if got != expected {
            return Err(Error::Length { what, site: name(self.from), expected, got });
        }
        Ok(())
    }
}

impl Canonical for Agreement {
    const LABEL: &'static str = "haima secagg agreement 1";
    fn encode_fields(&self, to: &mut Encoder) {
        to.digest(&self.epoch).u32(self.from).u32(self.to);
        to.bytes(&self.sealed).array(self.signature.as_bytes());
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        Ok(Self {
            epoch: from.digest()?,
            from: from.u32()?,
            to: from.u32()?,
            sealed: from.bytes(Self::SEALED)?.to_vec(),
            signature: signature(from)?,
        })
    }
}

/// Version of [`Advertising::to_bytes`].
const VERSION: u8 = 3;

/// The X-Wing key under a site's seed of an epoch.
fn sealing_key(seed: &Seed) -> Result<SealingKey, Error> {
    Ok(SealingKey::from_seed(&derive(seed, "haima secagg sealing key", &[]))?)
}

/// What a site seals to another, under its seed of the epoch; `bound` is their pair.
fn pair_secret(seed: &Seed, bound: &Digest) -> Seed {
    let secrets = derive(seed, "haima secagg pair secrets", &[]);
    derive(&secrets, "haima secagg pair secret", &[*bound])
}

/// Has a key and waits for those of all others.
///
/// # Security
/// Stays at its site. Dropping it destroys the epoch's seed and private key.
#[derive(Debug)]
pub struct Advertising {
    context: EpochContext,
    site: u32,
    seed: Seed,
    key: SealingKey,
}

impl Advertising {
    /// Length of [`Advertising::to_bytes`]: version and seed.
    pub const LEN: usize = 1 + Seed::LEN;

    /// Draws the epoch's seed. The advertisement goes to all sites.
    ///
    /// # Errors
    /// [`Error::NotInRoster`].
    pub fn start<R: CryptoRng + ?Sized>(
        context: EpochContext,
        identity: &IdentityKey,
        rng: &mut R,
    ) -> Result<(Self, Advertisement), Error> {
        Self::advertise(context, identity, Seed::random(rng))
    }

    fn advertise(
        context: EpochContext,
        identity: &IdentityKey,
        seed: Seed,
    ) -> Result<(Self, Advertisement), Error> {
        let site = context.roster.position(&identity.public())?;
        let key = sealing_key(&seed)?;
        let (epoch, signature) = (context.digest, Signature::from_bytes(UNSIGNED));
        let mut advertisement = Advertisement { epoch, site, key: key.public(), signature };
        advertisement.signature = identity.sign(&advertisement.statement());
        Ok((Self { context, site, seed, key }, advertisement))
    }

    /// Version and seed, for the site's disk.
    ///
    /// # Security
    /// To be destroyed when the pair keys are stored, and before a round is begun with them: who
    /// finishes an epoch a second time gets the same keys, and they remember no round.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([VERSION; Self::LEN]);
        let (_, seed) = bytes.split_at_mut(1);
        seed.copy_from_slice(self.seed.expose());
        bytes
    }

    /// Goes on after a restart, with the same advertisement.
    ///
    /// # Errors
    /// On other bytes than [`Advertising::to_bytes`]; [`Error::NotInRoster`].
    pub fn resume(
        context: EpochContext,
        identity: &IdentityKey,
        bytes: &[u8],
    ) -> Result<(Self, Advertisement), Error> {
        let what = "stored seed of an epoch";
        let Ok([version, seed @ ..]) = <&[u8; Self::LEN]>::try_from(bytes) else {
            let (expected, got) = (Self::LEN, bytes.len());
            return Err(crate::Error::Length { what, expected, got }.into());
        };
        if *version != VERSION {
            return Err(crate::Error::Version { what, got: *version, known: VERSION }.into());
        }
        Self::advertise(context, identity, Seed::from_bytes(*seed))
    }

    /// Takes everyone's advertisement, its own among them, and seals a secret to each site after
    /// this one.
    ///
    /// # Errors
    /// As [`EpochContext::close`]; [`Error::Own`] when this site's own has been replaced.
    pub fn agree<R: CryptoRng + ?Sized>(
        self,
        advertisements: &[Advertisement],
        identity: &IdentityKey,
        rng: &mut R,
    ) -> Result<(Agreeing, Vec<Agreement>), Error> {
        let Self { context, site, seed, key } = self;
        let (all, epoch) = context.sorted(advertisements)?;
        let roster = context.roster.clone();
        is_shown(&key.public(), all.get(&site).map(|own| &own.key), Advertisement::WHAT)?;
        let mut agreeing = Agreeing { roster, epoch, site, key, keys: BTreeMap::new() };
        let mut agreements = Vec::new();
        for (to, advertisement) in all.range(site + 1..) {
            let bound = agreeing.bound(site, *to);
            let secret = pair_secret(&seed, &bound);
            let sealed = advertisement.key.seal(bound.as_bytes(), secret.expose(), rng)?;
            agreeing.keep(*to, &secret);
            let signature = Signature::from_bytes(UNSIGNED);
            let mut agreement = Agreement { epoch, from: site, to: *to, sealed, signature };
            agreement.signature = identity.sign(&agreement.statement());
            agreements.push(agreement);
        }
        Ok((agreeing, agreements))
    }
}

/// Has sealed to the sites after it and waits for the secrets of those before it.
///
/// # Security
/// Stays at its site.
#[derive(Debug)]
pub struct Agreeing {
    roster: Roster,
    epoch: Digest,
    site: u32,
    key: SealingKey,
    keys: BTreeMap<u32, Seed>,
}

impl Agreeing {
    fn bound(&self, one: u32, other: u32) -> Digest {
        pair("haima secagg pair 1", &self.epoch, &self.roster, one, other)
    }

    fn keep(&mut self, other: u32, secret: &Seed) {
        let bound = self.bound(self.site, other);
        let key = derive(secret, "haima secagg pair key", &[self.epoch, bound]);
        self.keys.insert(other, key);
    }

    /// Opens the secrets sealed to this site, one of each site before it; then the private key is
    /// destroyed.
    ///
    /// # Errors
    /// As [`EpochContext::check_agreement`]; on one for another site, twice, missing or not opening.
    pub fn finish(mut self, agreements: &[Agreement]) -> Result<PairKeys, Error> {
        let what = Agreement::WHAT;
        for agreement in agreements {
            agreement.check(&self.roster, &self.epoch)?;
            let Agreement { from, to, sealed, .. } = agreement;
            let name = || self.roster.name(*from);
            if *to != self.site {
                let to = self.roster.name(*to);
                return Err(Error::Misdirected { what, from: name(), to });
            }
            if self.keys.contains_key(from) {
                return Err(Error::Duplicate { what, site: name() });
            }
            let refuse = |_| Error::Sealed { what, site: name() };
            let bound = self.bound(*from, self.site);
            let opened = self.key.open(bound.as_bytes(), sealed).map_err(refuse)?;
            let secret: &[u8; 32] =
                opened.as_slice().try_into().map_err(|_| Error::Sealed { what, site: name() })?;
            self.keep(*from, &Seed::from_bytes(*secret));
        }
        if let Some(missing) =
            self.roster.others(self.site).find(|other| !self.keys.contains_key(other))
        {
            return Err(Error::Missing { what, site: self.roster.name(missing) });
        }
        let Self { roster, epoch, site, keys, .. } = self;
        Ok(PairKeys::new(*roster.digest(), epoch, site, keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secagg::testing::{SITES, all_differ, identities, rng, roster};

    /// What each site seals to each after it in an epoch, as the receiver opens it; `keys` gives the
    /// sites' private keys.
    fn sealed(number: u64, keys: u8) -> BTreeMap<(u32, u32), Seed> {
        let context = EpochContext::new(&Digest::of(b"manifest"), roster(), number);
        let identities = identities();
        let mut rng = rng(keys);
        let start = |identity| Advertising::start(context.clone(), identity, &mut rng).unwrap();
        let (states, all): (Vec<_>, Vec<_>) = identities.iter().map(start).unzip();
        let seeds: Vec<Seed> = states.iter().map(|state| state.seed.clone()).collect();
        let mut rng = crate::secagg::testing::rng(9);
        let (states, made): (Vec<_>, Vec<_>) = states
            .into_iter()
            .zip(&identities)
            .map(|(state, identity)| state.agree(&all, identity, &mut rng).unwrap())
            .unzip();
        let secret = |Agreement { from, to, sealed, .. }: &Agreement| {
            let receiver = &states[*to as usize];
            let bound = receiver.bound(*from, *to);
            let opened = receiver.key.open(bound.as_bytes(), sealed).unwrap();
            let secret = Seed::from_bytes(opened.as_slice().try_into().unwrap());
            // Nobody but the sealer, and who opens it, can compute it.
            assert!(secret == pair_secret(&seeds[*from as usize], &bound));
            ((*from, *to), secret)
        };
        made.iter().flatten().map(secret).collect()
    }

    /// A corrupt partner's secret is no other partner's, and none of another epoch's: of the same
    /// private keys as well.
    #[test]
    fn a_pairs_secret_is_of_the_sealers_key_its_partner_and_its_epoch() {
        let mut all = Vec::new();
        for (number, keys) in [(1, 1), (2, 1), (1, 2)] {
            let secrets = sealed(number, keys);
            assert_eq!(secrets.len() as u32, SITES * (SITES - 1) / 2);
            for ((from, to), secret) in secrets {
                all.push((format!("{from} to {to}, epoch {number}, keys {keys}"), secret));
            }
        }
        all_differ(&all);
    }

    /// One seed is stored. What is made of it is neither the seed nor made of one another, so the
    /// X-Wing key is one of a seed with no other use.
    #[test]
    fn sealing_key_and_pair_secrets_are_derived_apart_from_the_stored_seed() {
        let context = EpochContext::new(&Digest::of(b"manifest"), roster(), 1);
        let (state, advertisement) =
            Advertising::start(context.clone(), &identities()[0], &mut rng(1)).unwrap();
        let bytes = state.to_bytes();
        let stored = Seed::from_bytes(bytes[1..].try_into().unwrap());
        let bound = Digest::of(b"pair");
        let sealing = derive(&stored, "haima secagg sealing key", &[]);
        assert!(advertisement.key == SealingKey::from_seed(&sealing).unwrap().public());
        let secrets = derive(&stored, "haima secagg pair secrets", &[]);
        let secret = derive(&secrets, "haima secagg pair secret", &[bound]);
        assert!(pair_secret(&state.seed, &bound) == secret);
        let of = |key| derive(key, "haima secagg pair secret", &[bound]);
        let all = [
            ("a secret", secret),
            ("one of the stored seed", of(&stored)),
            ("one of the sealing key", of(&sealing)),
            ("the key of the secrets", secrets),
            ("the sealing key's seed", sealing),
            ("the stored seed", stored),
        ];
        all_differ(&all.map(|(what, seed)| (what.to_owned(), seed)));
        let resume = |bytes: &[u8]| Advertising::resume(context.clone(), &identities()[0], bytes);
        assert!(resume(&*bytes).unwrap().1 == advertisement);
        for bad in [&bytes[..32], &[&bytes[..], &[0]].concat(), &[&[2][..], &bytes[1..]].concat()] {
            assert!(resume(bad).is_err(), "{} bytes", bad.len());
        }
    }

    #[test]
    fn the_key_of_a_pair_is_of_its_secret_its_names_and_its_epoch() {
        let keys = |epoch: &[u8], secret: u8| {
            let (roster, epoch) = (roster(), Digest::of(epoch));
            let key = SealingKey::generate(&mut rng(1));
            let mut state = Agreeing { roster, epoch, site: 0, key, keys: BTreeMap::new() };
            (1..SITES).for_each(|other| state.keep(other, &Seed::from_bytes([secret; 32])));
            state.keys
        };
        let mut all = vec![("the secret itself".to_owned(), Seed::from_bytes([1; 32]))];
        for (epoch, secret) in [("one", 1), ("two", 1), ("one", 2)] {
            for (other, key) in keys(epoch.as_bytes(), secret) {
                all.push((format!("with {other}, epoch {epoch}, secret {secret}"), key));
            }
        }
        assert_eq!(all.len(), 10);
        all_differ(&all);
    }
}
