//! A site's first half of a round: shares of its seeds, then its vector under masks.
//!
//! Bonawitz et al. 2017, figure 4, rounds 1 and 2. A site i draws two seeds, b for its own mask
//! and a for the *backup*, and shares both. Its masked vector is
//!
//! > y_i = x_i + PRG(b_i) + sum over j after i of PRG(k_ij) - sum over j before i of PRG(k_ij)
//!
//! over those who shared. Departure (rule M4): the paper shares the key-agreement secret, which is
//! of one round. Ours is of an epoch and is never shared; the backup holds the n - 1 subkeys k_ij of
//! this round, encrypted under a, so that recovery tells this round's pairwise masks and no more,
//! with O(n) bytes a site.
//!
//! # Other sharers for other sites
//! A coordinator may show sites other sharers, so as to leave one among corrupt sites. Let P be the
//! partition that is confirmed, over the cohort C; there is one at most ([`RoundContext`]). At least
//! t - c honest sites confirmed it, each of which masked under C, with P's sharers. Let S be honest
//! sites of whose vectors the sum can be had: their b are told, so they survive in P, and no mask
//! between S and a site outside is unknown. A mask is known that is a corrupt site's, or a vanished
//! one's; that of two honest survivors is not.
//! * With a confirmer in S, all honest survivors are in S, since it has a mask with each: that is the
//!   round's sum, or none.
//! * Without one, the cohort of a site in S has no honest confirmer either. All others are at most
//!   n - (t - c) <= t - 1, by c < 2t - n, and [`Shared::receive`] refuses so few sharers.
//!
//! It is tight. With n = 4, t = 3 and c = 2t - n = 2, site 0 is shown the sharers 0, 1 and 2, of whom
//! 1 and 2 are corrupt. They and site 3, who was shown all, confirm that all four survive: b_0 is
//! told, and no mask of site 0 is unknown (`secrecy.rs` plays it).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::Error;
use super::answer::{Held, Masked};
use super::context::{RoundContext, is_shown};
use super::mask::mask;
use super::messages::{
    Delivery, ENVELOPE, Envelope, Header, MaskedInput, SHARE, SharesMessage, Signed, UNSIGNED,
    backup_len, cohort,
};
use super::pairs::{PairKeys, RoundKeys};
use super::secrets::{Secret, backup_bound, backup_key, commitment, only, self_mask_seed};
use crate::encode::{Digest, Encoder};
use crate::field::{Field64, decode_vec, encode_vec};
use crate::identity::{IdentityKey, Signature};
use crate::kdf::derive;
use crate::seal::ChunkKey;
use crate::secret::Seed;
use crate::shamir::{LIMBS, Share, share_seed};

/// What an envelope is bound to, and the context of its key: terms, both ends, and the dealer's
/// fresh commitments, so that no key seals twice.
fn envelope_bound(context: &RoundContext, dealer: [&Digest; 2], from: u32, to: u32) -> Digest {
    let mut encoder = Encoder::new("haima secagg envelope bound 1");
    encoder.digest(context.digest()).u32(from).u32(to);
    dealer.into_iter().for_each(|commitment| {
        encoder.digest(commitment);
    });
    Digest::of(&encoder.finish())
}

fn envelope_key(keys: &RoundKeys, bound: &Digest) -> ChunkKey {
    ChunkKey::new(&derive(&keys.envelope, "haima secagg envelope key", &[*bound]))
}

/// Has shared its seeds and waits for the others' shares.
///
/// # Security
/// Stays at its site, as do all states. A state is not stored: a site that restarts has vanished.
pub struct Shared {
    context: RoundContext,
    site: u32,
    header: Header,
    self_mask: Seed,
    keys: BTreeMap<u32, RoundKeys>,
    held: BTreeMap<u32, Held>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared at site {} (<redacted>)", self.site)
    }
}

impl Shared {
    /// Begins a round: draws both seeds and shares them. The caller stores `keys` before it sends
    /// the message.
    ///
    /// # Errors
    /// [`Error::NotInRoster`], [`Error::AnotherRoster`], [`Error::AnotherKeys`],
    /// [`Error::RoundAgain`], [`Error::EpochSpent`].
    pub fn start<R: CryptoRng + ?Sized>(
        context: RoundContext,
        keys: &mut PairKeys,
        identity: &IdentityKey,
        rng: &mut R,
    ) -> Result<(Self, SharesMessage), Error> {
        let site = context.roster().position(&identity.public())?;
        if site != keys.site() {
            return Err(Error::AnotherKeys);
        }
        let keys = keys.begin(&context)?;
        let (self_mask, backup_seed) = (Seed::random(rng), Seed::random(rng));
        let [own_mask, own_backup] =
            [(Secret::SelfMask, &self_mask), (Secret::Backup, &backup_seed)]
                .map(|(secret, seed)| commitment(&context, site, secret, seed));
        let backup = seal_backup(&context, site, &backup_seed, &keys)?;
        let self_masks = share_seed(&self_mask, context.threshold(), rng);
        let backup_keys = share_seed(&backup_seed, context.threshold(), rng);
        let (mut envelopes, mut held) = (Vec::with_capacity(keys.len()), BTreeMap::new());
        for ((to, self_mask), backup_key) in (0..).zip(&self_masks).zip(&backup_keys) {
            let shares = plaintext(self_mask, backup_key);
            if let Some(keys) = keys.get(&to) {
                let bound = envelope_bound(&context, [&own_mask, &own_backup], site, to);
                let mut sealed = shares.to_vec();
                envelope_key(keys, &bound).seal(only()?, bound.as_bytes(), &mut sealed)?;
                let signature = Signature::from_bytes(UNSIGNED);
                let mut envelope = Envelope { from: site, to, sealed, signature };
                envelope.signature = identity.sign(&envelope.statement(context.digest()));
                envelopes.push(envelope);
            } else {
                held.insert(to, Held::read(&shares).ok_or(Error::Own { what: "shares" })?);
            }
        }
        let header = Header {
            origin: context.origin(site),
            self_mask: own_mask,
            backup_key: own_backup,
            backup: Digest::of(&backup),
            envelopes: Envelope::digest_all(&envelopes),
            signature: Signature::from_bytes(UNSIGNED),
        }
        .sign(identity);
        let message = SharesMessage { header: header.clone(), backup, envelopes };
        Ok((Self { context, site, header, self_mask, keys, held }, message))
    }

    /// Takes the sharers' headers and their envelopes to this site.
    ///
    /// # Errors
    /// On an unknown site, a bad signature, another round or other terms, a message twice, missing
    /// or for another site, an envelope that does not open or holds no share;
    /// [`Error::Own`] when this site's own header is not among them; [`Error::TooFewSites`] below
    /// the threshold or the floor.
    pub fn receive(self, delivery: &Delivery) -> Result<Ready, Error> {
        let Self { context, site, header, self_mask, mut keys, mut held } = self;
        let roster = context.roster();
        let mut headers = BTreeMap::new();
        for header in &delivery.headers {
            context.check(header)?;
            if headers.insert(header.origin.site, header.clone()).is_some() {
                let (what, site) = (Header::WHAT, roster.name(header.origin.site));
                return Err(Error::Duplicate { what, site });
            }
        }
        is_shown(&header, headers.get(&site), Header::WHAT)?;
        // So that a cohort has an honest site that confirms: see the module.
        context.enough("sites have shared", headers.len())?;
        let what = Envelope::WHAT;
        for envelope in &delivery.envelopes {
            let Envelope { from, to, sealed, signature } = envelope;
            let statement = envelope.statement(context.digest());
            roster.verify(*from, &statement, signature, what)?;
            let name = || roster.name(*from);
            if *to != site {
                return Err(Error::Misdirected { what, from: name(), to: roster.name(*to) });
            }
            let header = headers
                .get(from)
                .ok_or_else(|| Error::Missing { what: Header::WHAT, site: name() })?;
            let Some(keys) = keys.get(from) else {
                return Err(Error::Duplicate { what, site: name() });
            };
            let commitments = [&header.self_mask, &header.backup_key];
            let bound = envelope_bound(&context, commitments, *from, site);
            let mut shares = Zeroizing::new(sealed.clone());
            envelope_key(keys, &bound)
                .open(only()?, bound.as_bytes(), &mut shares)
                .map_err(|_| Error::Sealed { what, site: name() })?;
            let shares =
                Held::read(&shares).ok_or_else(|| Error::Invalid { what, site: name() })?;
            if held.insert(*from, shares).is_some() {
                return Err(Error::Duplicate { what, site: name() });
            }
        }
        if let Some(missing) = headers.keys().find(|sharer| !held.contains_key(sharer)) {
            return Err(Error::Missing { what, site: roster.name(*missing) });
        }
        let cohort = cohort(&context, &headers);
        let sharers: BTreeSet<u32> = headers.into_keys().collect();
        keys.retain(|other, _| sharers.contains(other));
        let masked = Masked { context, site, cohort, sharers, held, out_of_range: None };
        Ok(Ready { masked, self_mask, keys })
    }
}

/// Two shares of one holder, as an envelope seals them.
fn plaintext(self_mask: &Share<Field64>, backup_key: &Share<Field64>) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ENVELOPE));
    for share in [self_mask, backup_key] {
        bytes.extend_from_slice(&Zeroizing::new(encode_vec(share.values())));
    }
    bytes
}

impl Held {
    /// The inverse of [`plaintext`]: `None` unless both are vectors of field elements.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (self_mask, backup_key) = bytes.split_at_checked(SHARE)?;
        for share in [self_mask, backup_key] {
            Zeroizing::new(decode_vec::<Field64>("share", share, LIMBS).ok()?);
        }
        let share = |bytes: &[u8]| Some(Box::new(Zeroizing::new(bytes.try_into().ok()?)));
        Some(Self { self_mask: share(self_mask)?, backup_key: share(backup_key)? })
    }
}

/// The site's subkeys of this round in the roster's order, under the key that only t holders can
/// give.
fn seal_backup(
    context: &RoundContext,
    site: u32,
    seed: &Seed,
    keys: &BTreeMap<u32, RoundKeys>,
) -> Result<Vec<u8>, Error> {
    let mut backup = Vec::with_capacity(backup_len(keys.len() + 1));
    for keys in keys.values() {
        backup.extend_from_slice(keys.mask.expose());
    }
    let bound = backup_bound(context, site);
    backup_key(seed, &bound).seal(only()?, bound.as_bytes(), &mut backup)?;
    Ok(backup)
}

/// Has the shares of all sharers and waits for its own vector.
pub struct Ready {
    masked: Masked,
    self_mask: Seed,
    keys: BTreeMap<u32, RoundKeys>,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ready at site {} (<redacted>)", self.masked.site)
    }
}

impl Ready {
    /// Masks the vector, once: the seeds are gone afterwards. The task's bound keeps an honest
    /// site's integers within the ring (rule N5). If one is not, zeros are masked in place of the
    /// whole vector, and [`Masked::out_of_range`] tells this site alone: whether a site goes on must
    /// not depend on its data (rule S5).
    ///
    /// # Errors
    /// On another length than the terms'; [`Error::NotInRoster`] for another identity.
    pub fn mask(
        self,
        values: &[i64],
        identity: &IdentityKey,
    ) -> Result<(Masked, MaskedInput), Error> {
        let Self { mut masked, self_mask, keys } = self;
        let (context, site) = (&masked.context, masked.site);
        let terms = context.terms();
        if values.len() != terms.len {
            let (expected, got) = (terms.len, values.len());
            return Err(crate::Error::Length { what: "vector to mask", expected, got }.into());
        }
        masked.own(identity)?;
        let own = self_mask_seed(&self_mask, context.digest());
        let (after, before): (Vec<_>, Vec<_>) = keys.iter().partition(|(other, _)| **other > site);
        let mut add: Vec<&Seed> = after.into_iter().map(|(_, keys)| &keys.mask).collect();
        add.push(&own);
        let subtract: Vec<&Seed> = before.into_iter().map(|(_, keys)| &keys.mask).collect();
        let packed = match mask(terms.ring, terms.prg, values, &add, &subtract) {
            Err(crate::Error::OutOfRange { index, .. }) => {
                masked.out_of_range = Some(index);
                mask(terms.ring, terms.prg, &vec![0; terms.len], &add, &subtract)?
            }
            packed => packed?,
        };
        let input = MaskedInput {
            origin: context.origin(site),
            cohort: masked.cohort,
            packed,
            signature: Signature::from_bytes(UNSIGNED),
        }
        .sign(identity);
        Ok((masked, input))
    }
}
