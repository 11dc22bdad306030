//! A pair's keys: one an epoch, and from it those of each round.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::context::{Roster, RoundContext};
use super::{Error, MAX_SITES, MIN_SITES};
use crate::encode::{Decoder, Digest, Encoder};
use crate::kdf::derive;
use crate::secret::Seed;

/// Most rounds of one epoch's keys.
pub const MAX_ROUNDS: usize = 1 << 16;

const LABEL: &str = "haima secagg pair keys 1";

/// The pair, under the lower position first: what its keys and seals are bound to.
pub(super) fn pair(label: &str, scope: &Digest, roster: &Roster, one: u32, other: u32) -> Digest {
    let mut to = Encoder::new(label);
    to.digest(scope);
    for site in [one.min(other), one.max(other)] {
        to.u32(site).str(&roster.name(site));
    }
    Digest::of(&to.finish())
}

/// One site's keys with each other site for an epoch, and the rounds begun with them.
///
/// # Security
/// Never leaves its site. A round begun twice with the same keys gives its coordinator the vector:
/// one time this site is made to vanish, so that its pairwise masks are told, the other time to
/// survive. So [`super::Shared::start`] refuses it, and the caller has stored the keys again before
/// anything of the round is sent. Keys restored from a backup forget rounds: agree on new ones.
pub struct PairKeys {
    roster: Digest,
    epoch: Digest,
    site: u32,
    keys: BTreeMap<u32, Seed>,
    begun: BTreeSet<Digest>,
}

impl std::fmt::Debug for PairKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PairKeys of site {} for epoch {} (<redacted>)", self.site, self.epoch.short())
    }
}

/// A pair's keys for one round.
pub(super) struct RoundKeys {
    /// Expands to the pair's mask.
    pub(super) mask: Seed,
    /// From which those of the two envelopes are derived.
    pub(super) envelope: Seed,
}

impl PairKeys {
    pub(super) fn new(roster: Digest, epoch: Digest, site: u32, keys: BTreeMap<u32, Seed>) -> Self {
        Self { roster, epoch, site, keys, begun: BTreeSet::new() }
    }

    /// Digest of the epoch's advertisements.
    #[must_use]
    pub fn epoch(&self) -> &Digest {
        &self.epoch
    }

    /// This site's position.
    #[must_use]
    pub fn site(&self) -> u32 {
        self.site
    }

    /// Marks a round as begun and derives its keys: functions of the pair's key, all terms and
    /// both names.
    pub(super) fn begin(
        &mut self,
        context: &RoundContext,
    ) -> Result<BTreeMap<u32, RoundKeys>, Error> {
        let (roster, terms) = (context.roster(), context.terms());
        let complete = self.keys.keys().copied().eq(roster.others(self.site));
        if *roster.digest() != self.roster || !complete {
            return Err(Error::AnotherRoster);
        }
        if terms.epoch != self.epoch {
            return Err(Error::AnotherKeys);
        }
        if self.begun.len() >= MAX_ROUNDS {
            return Err(Error::EpochSpent { rounds: MAX_ROUNDS });
        }
        if !self.begun.insert(terms.round) {
            return Err(Error::RoundAgain { round: terms.round.short() });
        }
        let keys = |(other, key): (&u32, &Seed)| {
            let bound =
                pair("haima secagg round pair 1", context.digest(), roster, self.site, *other);
            let mask = derive(key, "haima secagg pair mask", &[bound]);
            let envelope = derive(key, "haima secagg envelope", &[bound]);
            (*other, RoundKeys { mask, envelope })
        };
        Ok(self.keys.iter().map(keys).collect())
    }

    /// Canonical bytes, for the site's disk.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut to = Encoder::new(LABEL);
        to.reserve(128 + self.keys.len() * 36 + self.begun.len() * 32);
        to.digest(&self.roster).digest(&self.epoch).u32(self.site).count(self.keys.len());
        for (other, key) in &self.keys {
            to.u32(*other).array(key.expose());
        }
        to.count(self.begun.len());
        self.begun.iter().for_each(|round| {
            to.digest(round);
        });
        Zeroizing::new(to.finish())
    }

    /// Reads [`PairKeys::to_bytes`].
    ///
    /// # Errors
    /// On any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut from = Decoder::new(LABEL, bytes)?;
        let (roster, epoch, site) = (from.digest()?, from.digest()?, from.u32()?);
        let mut keys = BTreeMap::new();
        let others = from.count(MAX_SITES - 1, 36)?;
        // One more than others: this site is among them, and no position is left out.
        let sites = 0..=others as u32;
        if others + 1 < MIN_SITES || !sites.contains(&site) {
            return Err(from.fail("no such site").into());
        }
        for expected in sites.filter(|other| *other != site) {
            let other = from.u32()?;
            if other != expected {
                return Err(from.fail("not one key for each other site").into());
            }
            keys.insert(other, Seed::from_bytes(from.array()?));
        }
        let mut begun = BTreeSet::new();
        for _ in 0..from.count(MAX_ROUNDS, 32)? {
            let round = from.digest()?;
            if begun.last().is_some_and(|last| *last >= round) {
                return Err(from.fail("rounds not in ascending order").into());
            }
            begun.insert(round);
        }
        from.finish()?;
        Ok(Self { roster, epoch, site, keys, begun })
    }
}
