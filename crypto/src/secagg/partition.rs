//! Who is in the sum, and the messages about it: one partition a round, confirmed by t survivors,
//! then answered with one share of each secret.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::context::{Roster, RoundContext};
use super::messages::{Origin, SHARE, Signed, signature};
use super::{Error, MAX_SITES};
use crate::encode::{Canonical, Decoder, Digest, Encoder};
use crate::identity::Signature;

/// Where each site of the roster is at the end of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Did not share its seeds: nothing of it is in any sum.
    pub absent: BTreeSet<u32>,
    /// Shared its seeds, but its vector did not come: its pairwise masks are to be taken out.
    pub vanished: BTreeSet<u32>,
    /// In the sum: their own masks are to be taken out.
    pub survivors: BTreeSet<u32>,
}

impl Partition {
    /// Checks that each site of the roster is in exactly one list, and no other is in any.
    pub(super) fn check(&self, roster: &Roster) -> Result<(), Error> {
        let lists = [&self.absent, &self.vanished, &self.survivors];
        for site in lists.into_iter().flatten() {
            roster.member(*site)?;
        }
        for site in 0..roster.sites() {
            match lists.iter().filter(|list| list.contains(&site)).count() {
                0 => return Err(Error::Uncovered { site: roster.name(site) }),
                1 => {}
                _ => return Err(Error::Overlap { site: roster.name(site) }),
            }
        }
        Ok(())
    }

    /// Those who shared.
    pub(super) fn sharers(&self) -> BTreeSet<u32> {
        &self.vanished | &self.survivors
    }
}

impl Canonical for Partition {
    const LABEL: &'static str = "haima secagg partition 1";
    fn encode_fields(&self, to: &mut Encoder) {
        for list in [&self.absent, &self.vanished, &self.survivors] {
            to.count(list.len());
            list.iter().for_each(|site| {
                to.u32(*site);
            });
        }
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        let mut list = || {
            let count = from.count(MAX_SITES, 4)?;
            let mut sites = BTreeSet::new();
            for _ in 0..count {
                let site = from.u32()?;
                if sites.last().is_some_and(|last| *last >= site) {
                    return Err(from.fail("sites not in ascending order"));
                }
                sites.insert(site);
            }
            Ok(sites)
        };
        Ok(Self { absent: list()?, vanished: list()?, survivors: list()? })
    }
}

/// A survivor's signature over the one partition that it will answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Round, terms and site.
    pub origin: Origin,
    /// Digest of the sharers' headers.
    pub cohort: Digest,
    /// Digest of the partition.
    pub partition: Digest,
    /// Over all of the above.
    pub signature: Signature,
}

impl Signed for Confirmation {
    const WHAT: &'static str = "confirmation";
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn encode_signed(&self, to: &mut Encoder) {
        self.origin.encode(to);
        to.digest(&self.cohort).digest(&self.partition);
    }
    fn signature(&mut self) -> &mut Signature {
        &mut self.signature
    }
    fn signature_ref(&self) -> &Signature {
        &self.signature
    }
}

impl Canonical for Confirmation {
    const LABEL: &'static str = "haima secagg confirmation 1";
    fn encode_fields(&self, to: &mut Encoder) {
        self.encode_signed(to);
        to.array(self.signature.as_bytes());
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        Ok(Self {
            origin: Origin::decode(from)?,
            cohort: from.digest()?,
            partition: from.digest()?,
            signature: signature(from)?,
        })
    }
}

/// What the coordinator asks of survivors: shares for this partition, which t have confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmaskRequest {
    /// The partition.
    pub partition: Partition,
    /// Position and signature of those who confirmed it, ascending.
    pub confirmations: Vec<(u32, Signature)>,
}

impl UnmaskRequest {
    /// Checks that it is a partition of the roster with enough survivors, and that at least t
    /// different ones have signed it over this cohort: what a site answers, and what a reader of a
    /// sum checks of who is in it.
    ///
    /// # Errors
    /// As [`super::Masked::confirm`] of the partition; [`Error::TooFewConfirmations`], and on a
    /// confirmation by no survivor, twice, or whose signature does not verify.
    pub fn verify(&self, context: &RoundContext, cohort: &Digest) -> Result<(), Error> {
        let roster = context.roster();
        self.partition.check(roster)?;
        context.enough("survivors", self.partition.survivors.len())?;
        let partition = self.partition.digest();
        let mut seen = BTreeSet::new();
        for (site, signature) in &self.confirmations {
            if !self.partition.survivors.contains(site) {
                let (what, site) = (Confirmation::WHAT, roster.name(*site));
                return Err(Error::NoSurvivor { what, site });
            }
            if !seen.insert(*site) {
                let (what, site) = (Confirmation::WHAT, roster.name(*site));
                return Err(Error::Duplicate { what, site });
            }
            let origin = context.origin(*site);
            let signature = *signature;
            context.check(&Confirmation { origin, cohort: *cohort, partition, signature })?;
        }
        let (got, need) = (seen.len(), context.terms().threshold as usize);
        if got < need { Err(Error::TooFewConfirmations { got, need }) } else { Ok(()) }
    }
}

impl Canonical for UnmaskRequest {
    const LABEL: &'static str = "haima secagg unmask 1";
    fn encode_fields(&self, to: &mut Encoder) {
        self.partition.encode_fields(to);
        to.count(self.confirmations.len());
        for (site, signature) in &self.confirmations {
            to.u32(*site).array(signature.as_bytes());
        }
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        let partition = Partition::decode_fields(from)?;
        let count = from.count(MAX_SITES, 68)?;
        let confirmations =
            (0..count).map(|_| Ok((from.u32()?, signature(from)?))).collect::<Result<_, _>>()?;
        Ok(Self { partition, confirmations })
    }
}

/// A share of one secret: five elements of the 64-bit field.
pub(super) type ShareBytes = [u8; SHARE];

/// Bytes of an answer without its label and shares.
const ANSWER: usize = 32 + 32 + 4 + 32 + 2 * 4 + 64;

/// A survivor's answer: its shares of the survivors' self-mask seeds and of the vanished sites'
/// backup keys, in the partition's order.
///
/// # Security
/// For the coordinator, who learns the masks from t of them. Zeroised on drop, redacted in `Debug`.
#[derive(Clone)]
pub struct UnmaskShares {
    /// Round, terms and site.
    pub origin: Origin,
    /// Digest of the partition that is answered.
    pub partition: Digest,
    /// One for each survivor.
    pub self_masks: Zeroizing<Vec<[u8; SHARE]>>,
    /// One for each vanished site.
    pub backup_keys: Zeroizing<Vec<[u8; SHARE]>>,
    /// Over all of the above.
    pub signature: Signature,
}

impl std::fmt::Debug for UnmaskShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UnmaskShares of site {} (<redacted>)", self.origin.site)
    }
}

impl Signed for UnmaskShares {
    const WHAT: &'static str = "answer";
    fn origin(&self) -> &Origin {
        &self.origin
    }
    fn encode_signed(&self, to: &mut Encoder) {
        let shares = self.self_masks.len() + self.backup_keys.len();
        // With the signature that follows: a buffer that grew would leave shares behind.
        to.reserve(ANSWER + shares * SHARE);
        self.origin.encode(to);
        to.digest(&self.partition);
        for shares in [&self.self_masks, &self.backup_keys] {
            to.count(shares.len());
            shares.iter().for_each(|share| {
                to.array(share);
            });
        }
    }
    fn signature(&mut self) -> &mut Signature {
        &mut self.signature
    }
    fn signature_ref(&self) -> &Signature {
        &self.signature
    }
    fn statement(&self) -> Digest {
        let mut to = Encoder::new(Self::LABEL);
        self.encode_signed(&mut to);
        Digest::of(&Zeroizing::new(to.finish()))
    }
}

impl Canonical for UnmaskShares {
    const LABEL: &'static str = "haima secagg answer 1";
    fn encode_fields(&self, to: &mut Encoder) {
        self.encode_signed(to);
        to.array(self.signature.as_bytes());
    }
    fn decode_fields(from: &mut Decoder<'_>) -> Result<Self, crate::Error> {
        let (origin, partition) = (Origin::decode(from)?, from.digest()?);
        let mut shares = || {
            let count = from.count(MAX_SITES, SHARE)?;
            let mut shares = Zeroizing::new(Vec::with_capacity(count));
            for _ in 0..count {
                shares.push(from.array()?);
            }
            Ok::<_, crate::Error>(shares)
        };
        let (self_masks, backup_keys) = (shares()?, shares()?);
        Ok(Self { origin, partition, self_masks, backup_keys, signature: signature(from)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secagg::messages::UNSIGNED;

    #[test]
    fn the_bytes_of_an_answer_never_move_once_shares_are_among_them() {
        let [round, terms, partition] = [1, 2, 3].map(|byte| Digest::from_bytes([byte; 32]));
        for shares in [0, 1, 100, 200] {
            let answer = UnmaskShares {
                origin: Origin { round, terms, site: 4 },
                partition,
                self_masks: Zeroizing::new(vec![[5; SHARE]; shares]),
                backup_keys: Zeroizing::new(vec![[6; SHARE]; 200 - shares]),
                signature: Signature::from_bytes(UNSIGNED),
            };
            let (label, bytes) = (Encoder::new(UnmaskShares::LABEL).finish(), answer.to_bytes());
            assert_eq!(bytes.len(), label.len() + ANSWER + 200 * SHARE);
            // A buffer that grows doubles.
            assert!(bytes.capacity() < bytes.len() + 64);
        }
    }
}
