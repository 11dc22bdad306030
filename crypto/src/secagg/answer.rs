//! A site's second half of a round: it confirms one partition, and answers it once.
//!
//! Bonawitz et al. 2017, figure 4, rounds 3 ("ConsistencyCheck") and 4 ("Unmasking"). The paper's
//! clients sign the list of survivors; ours sign the whole partition with the digest of the
//! sharers' headers, so that survivors and vanished cannot overlap and all speak of the same
//! commitments.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::Error;
use super::context::RoundContext;
use super::messages::{SHARE, Signed, UNSIGNED};
use super::partition::{Confirmation, Partition, ShareBytes, UnmaskRequest, UnmaskShares};
use crate::encode::{Canonical, Decoder, Digest, Encoder};
use crate::identity::{IdentityKey, Signature};

/// One dealer's two shares, of which at most one is ever told. In boxes: the tree that holds them
/// moves them when it splits, and would leave the bytes behind.
pub(super) struct Held {
    pub(super) self_mask: Box<Zeroizing<ShareBytes>>,
    pub(super) backup_key: Box<Zeroizing<ShareBytes>>,
}

/// Has sent its vector and waits for the partition.
pub struct Masked {
    pub(super) context: RoundContext,
    pub(super) site: u32,
    pub(super) cohort: Digest,
    pub(super) sharers: BTreeSet<u32>,
    pub(super) held: BTreeMap<u32, Held>,
    pub(super) out_of_range: Option<usize>,
}

impl std::fmt::Debug for Masked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masked at site {} (<redacted>)", self.site)
    }
}

impl Masked {
    /// The first entry that had no place in the ring, when zeros were masked in the vector's place.
    ///
    /// # Security
    /// For this site's own log: it tells of the data (rule S5).
    #[must_use]
    pub fn out_of_range(&self) -> Option<usize> {
        self.out_of_range
    }

    /// Checks that an identity is this site's.
    pub(super) fn own(&self, identity: &IdentityKey) -> Result<(), Error> {
        if self.context.roster().position(&identity.public())? == self.site {
            Ok(())
        } else {
            Err(Error::NotInRoster { identity: identity.public().fingerprint() })
        }
    }

    /// Confirms a partition: the only one that this site will answer.
    ///
    /// # Errors
    /// [`Error::UnknownSite`], [`Error::Overlap`], [`Error::Uncovered`] when it is no partition of
    /// the roster; [`Error::OtherSharers`] when its sharers are not those under whose masks the
    /// vector is; [`Error::TooFewSites`] below the threshold or the floor; [`Error::NotASurvivor`].
    pub fn confirm(
        self,
        partition: &Partition,
        identity: &IdentityKey,
    ) -> Result<(Confirmed, Confirmation), Error> {
        self.own(identity)?;
        let (context, roster) = (&self.context, self.context.roster());
        partition.check(roster)?;
        // Who confirms has masked with all of the partition's sharers: what keeps a site that was
        // shown others from being alone in a sum (`client.rs`). And who did not share counts for no
        // floor.
        if let Some(site) = (&partition.sharers() ^ &self.sharers).first() {
            return Err(Error::OtherSharers { site: roster.name(*site) });
        }
        context.enough("survivors", partition.survivors.len())?;
        if !partition.survivors.contains(&self.site) {
            return Err(Error::NotASurvivor);
        }
        let confirmation = Confirmation {
            origin: context.origin(self.site),
            cohort: self.cohort,
            partition: partition.digest(),
            signature: Signature::from_bytes(UNSIGNED),
        }
        .sign(identity);
        Ok((Confirmed { masked: self, partition: partition.clone() }, confirmation))
    }
}

/// Has confirmed a partition and waits for proof that t have.
pub struct Confirmed {
    masked: Masked,
    partition: Partition,
}

impl std::fmt::Debug for Confirmed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Confirmed at site {} (<redacted>)", self.masked.site)
    }
}

impl Confirmed {
    /// Gives the shares: of the self-mask for a survivor, of the backup's key for a vanished site,
    /// never both of one, nothing of an absent one. The caller stores what it answered before it
    /// sends it.
    ///
    /// # Errors
    /// [`Error::AnotherPartition`]; [`Error::TooFewConfirmations`]; on a confirmation by no
    /// survivor, twice, or whose signature does not verify for this partition and cohort.
    pub fn unmask(
        self,
        request: &UnmaskRequest,
        identity: &IdentityKey,
    ) -> Result<(Answered, UnmaskShares), Error> {
        let Self { masked, partition } = self;
        masked.own(identity)?;
        if request.partition != partition {
            return Err(Error::AnotherPartition);
        }
        let Masked { context, site, cohort, held, .. } = &masked;
        request.verify(context, cohort)?;
        let (mut self_masks, mut backup_keys) = (
            Zeroizing::new(Vec::with_capacity(partition.survivors.len())),
            Zeroizing::new(Vec::with_capacity(partition.vanished.len())),
        );
        for (dealer, held) in held {
            if partition.survivors.contains(dealer) {
                self_masks.push(**held.self_mask);
            } else {
                backup_keys.push(**held.backup_key);
            }
        }
        let shares = UnmaskShares {
            origin: context.origin(*site),
            partition: partition.digest(),
            self_masks,
            backup_keys,
            signature: Signature::from_bytes(UNSIGNED),
        }
        .sign(identity);
        Ok((Answered { shares: shares.clone() }, shares))
    }
}

/// Has answered. All that a site remembers of a round: who asks the same gets the same bytes.
#[derive(Clone)]
pub struct Answered {
    shares: UnmaskShares,
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answered, round {} (<redacted>)", self.round().short())
    }
}

const LABEL: &str = "haima secagg answered 1";

impl Answered {
    /// The round.
    #[must_use]
    pub fn round(&self) -> &Digest {
        &self.shares.origin.round
    }

    /// The same answer to the same partition.
    ///
    /// # Errors
    /// [`Error::AnsweredAlready`] for any other.
    pub fn again(&self, request: &UnmaskRequest) -> Result<&UnmaskShares, Error> {
        if request.partition.digest() == self.shares.partition {
            Ok(&self.shares)
        } else {
            Err(Error::AnsweredAlready)
        }
    }

    /// Canonical bytes, for the site's disk.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let shares = self.shares.self_masks.len() + self.shares.backup_keys.len();
        let mut to = Encoder::new(LABEL);
        to.reserve(256 + shares * SHARE);
        self.shares.encode_fields(&mut to);
        Zeroizing::new(to.finish())
    }

    /// Reads [`Answered::to_bytes`].
    ///
    /// # Errors
    /// On any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut from = Decoder::new(LABEL, bytes)?;
        let shares = UnmaskShares::decode_fields(&mut from)?;
        from.finish()?;
        Ok(Self { shares })
    }
}
