//! What all parties of a round agree on before it begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::mask::{Prg, Ring};
use super::messages::MAX_PACKED;
use super::{Error, MAX_SITES, MIN_SITES};
use crate::encode::{Digest, Encoder};
use crate::identity::{IdentityPublic, Signature};
use crate::shamir::Threshold;

/// Longest name of a site, in bytes.
pub const MAX_NAME: usize = 256;

/// A site as the manifest admits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub identity: IdentityPublic,
}

/// The sites of a manifest in its order. A site is known by its *position* here, from 0; its
/// shares have the index position + 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Roster {
    members: Arc<[Member]>,
    digest: Digest,
}

impl Roster {
    /// The sites of a manifest.
    ///
    /// # Errors
    /// [`Error::Sites`] outside [`MIN_SITES`] to [`MAX_SITES`]; [`Error::Roster`] on an empty name,
    /// one over [`MAX_NAME`] bytes, and on a name or an identity twice.
    pub fn new(members: Vec<Member>) -> Result<Self, Error> {
        let got = members.len();
        if !(MIN_SITES..=MAX_SITES).contains(&got) {
            return Err(Error::Sites { got, min: MIN_SITES, max: MAX_SITES });
        }
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        let mut to = Encoder::new("haima secagg roster 1");
        to.count(got);
        for Member { name, identity } in &members {
            let named = !name.is_empty() && name.len() <= MAX_NAME;
            if !named || !names.insert(name) || !keys.insert(identity.as_bytes()) {
                return Err(Error::Roster { name: name.clone() });
            }
            to.str(name).array(identity.as_bytes());
        }
        let digest = Digest::of(&to.finish());
        Ok(Self { members: members.into(), digest })
    }

    /// Number of sites.
    #[must_use]
    pub fn sites(&self) -> u32 {
        // At most MAX_SITES.
        self.members.len() as u32
    }

    /// Digest of names and identities in order.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The site at a position.
    ///
    /// # Errors
    /// [`Error::UnknownSite`].
    pub fn member(&self, position: u32) -> Result<&Member, Error> {
        let sites = self.members.len();
        self.members.get(position as usize).ok_or(Error::UnknownSite { position, sites })
    }

    /// The position of an identity.
    ///
    /// # Errors
    /// [`Error::NotInRoster`].
    pub fn position(&self, identity: &IdentityPublic) -> Result<u32, Error> {
        (0..self.sites())
            .zip(self.members.iter())
            .find_map(|(position, member)| (member.identity == *identity).then_some(position))
            .ok_or_else(|| Error::NotInRoster { identity: identity.fingerprint() })
    }

    /// A site's name, or its number when the roster lacks it.
    pub(super) fn name(&self, position: u32) -> String {
        self.member(position).map_or_else(|_| format!("#{position}"), |member| member.name.clone())
    }

    /// All positions but one.
    pub(super) fn others(&self, position: u32) -> impl Iterator<Item = u32> + use<> {
        (0..self.sites()).filter(move |other| *other != position)
    }

    /// Checks a site's signature.
    pub(super) fn verify(
        &self,
        position: u32,
        statement: &Digest,
        signature: &Signature,
        what: &'static str,
    ) -> Result<(), Error> {
        let member = self.member(position)?;
        let refuse = |_| Error::Signature { what, site: member.name.clone() };
        member.identity.verify(statement, signature, what).map_err(refuse)
    }
}

impl std::fmt::Debug for Roster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Roster of {} ({})", self.members.len(), self.digest.short())
    }
}

/// The terms of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Digest of the round's spec: study, manifest, step, attempt, model and query (rule R1).
    pub round: Digest,
    /// The epoch of the pair keys: [`super::EpochContext::close`].
    pub epoch: Digest,
    /// Sites that reconstruct: t, over two thirds of n.
    pub threshold: u32,
    /// Corrupt sites, beside the coordinator, against which a vector stays secret: c < 2t - n.
    pub corrupt: u32,
    /// Fewest survivors whose sum may be told.
    pub min_sites: u32,
    /// Of the entries. The caller sees to it that no sum leaves it (rule N5).
    pub ring: Ring,
    /// How seeds become masks.
    pub prg: Prg,
    /// Entries of the vector.
    pub len: usize,
}

/// Roster and terms, checked; what each site computes for itself from manifest and round spec.
///
/// Two sets of at least t signers have 2t - n in common, of whom more than none are honest, and
/// those sign one partition a round. So with t > 2n/3 and c < 2t - n at most one partition is
/// ever confirmed, and no site is unmasked twice (Bonawitz et al. 2017, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundContext {
    roster: Roster,
    terms: Terms,
    threshold: Threshold,
    digest: Digest,
}

impl RoundContext {
    /// Checks the terms.
    ///
    /// # Errors
    /// [`Error::Threshold`] unless 2n/3 < t <= n; [`Error::Corrupt`] unless c < 2t - n (rule M1);
    /// [`Error::Terms`] on a floor of zero or over n, on an empty vector or one of 2^32 entries or
    /// more, and on one of over 2^31 packed bytes, which no message holds.
    pub fn new(roster: Roster, terms: Terms) -> Result<Self, Error> {
        let Terms { threshold, corrupt, min_sites, len, .. } = terms;
        let sites = roster.sites();
        let least = sites * 2 / 3 + 1;
        if threshold < least || threshold > sites {
            return Err(Error::Threshold { threshold, sites, least });
        }
        let bound = 2 * threshold - sites;
        if corrupt >= bound {
            return Err(Error::Corrupt { corrupt, threshold, sites, bound });
        }
        let limits = [
            ("the floor of sites", min_sites as usize, sites as usize),
            ("the vector's length", len, u32::MAX as usize),
            ("the packed vector's bytes", terms.ring.packed_len(len)?, MAX_PACKED),
        ];
        for (what, got, max) in limits {
            if got < 1 || got > max {
                return Err(Error::Terms { what, got, min: 1, max });
            }
        }
        let mut to = Encoder::new("haima secagg terms 1");
        to.digest(&terms.round).digest(roster.digest()).digest(&terms.epoch);
        to.u32(threshold).u32(corrupt).u32(min_sites).u8(terms.ring.bits());
        to.u8(match terms.prg {
            Prg::Aes128 => 1,
            Prg::ChaCha20 => 2,
        });
        to.u64(len as u64);
        let digest = Digest::of(&to.finish());
        let threshold = Threshold::new(threshold, sites)?;
        Ok(Self { roster, terms, threshold, digest })
    }

    /// Digest of round, roster, epoch and all terms: part of everything that is signed.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The sites.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The terms.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// t of n.
    pub(super) fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// Checks that so many sites are at least the threshold and the floor.
    pub(super) fn enough(&self, what: &'static str, got: usize) -> Result<(), Error> {
        let need = self.terms.threshold.max(self.terms.min_sites) as usize;
        if got < need { Err(Error::TooFewSites { what, got, need }) } else { Ok(()) }
    }
}

/// Checks that a site is shown what is its own. A call, so that `proofs/ct` can allow what is decided here
/// and nothing else: what is compared is public, though a site's own is made of its secrets.
///
/// # Errors
/// [`Error::Own`] when it is another one, or none.
#[inline(never)]
pub(super) fn is_shown<T: PartialEq>(
    own: &T,
    shown: Option<&T>,
    what: &'static str,
) -> Result<(), Error> {
    if shown == Some(own) { Ok(()) } else { Err(Error::Own { what }) }
}

#[cfg(test)]
mod tests {
    use crate::secagg::testing::{all_differ, context, contexts};

    #[test]
    fn the_digest_is_of_every_term_and_of_the_roster() {
        let digests: Vec<_> = contexts()
            .into_iter()
            .map(|(what, context)| (format!("another {what}"), *context.digest()))
            .collect();
        assert_eq!(digests[0].1, *context().digest());
        all_differ(&digests);
    }
}
