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
/// anything of the round is sent. Keys restored from a backup, or used by two processes, forget
/// rounds: agree on new ones. They know a round by its digest, and no round of another epoch: that
/// one step of a study is one round is the caller's own record to keep.
///
/// There is no forward secrecy within an epoch. Who gets these bytes, also years later, and has what
/// the coordinator relayed opens this site's vectors of all of the epoch's rounds. Epochs are to be
/// short, the file kept out of backups, and destroyed when the next epoch has begun.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secagg::testing::{SITES, all_differ, context, contexts, roster};

    /// Keys of a site for an epoch and a roster, the same with each other site.
    fn keys(context: &RoundContext, site: u32, key: u8) -> PairKeys {
        let of = |other| (other, Seed::from_bytes([key; 32]));
        let keys = context.roster().others(site).map(of).collect();
        PairKeys::new(*context.roster().digest(), context.terms().epoch, site, keys)
    }

    #[test]
    fn the_keys_of_a_round_are_of_all_its_terms_its_roster_and_their_pair() {
        let (mut masks, mut envelopes) = (Vec::new(), Vec::new());
        let mut begin = |what: &str, context: &RoundContext, key: u8| {
            for (other, round) in keys(context, 0, key).begin(context).unwrap() {
                masks.push((format!("the mask with {other} under another {what}"), round.mask));
                envelopes.push((format!("the envelope, {other}, another {what}"), round.envelope));
            }
        };
        for (what, context) in contexts() {
            begin(what, &context, 1);
        }
        begin("pair key", &context(), 2);
        assert_eq!(masks.len(), 3 * 13);
        all_differ(&masks);
        all_differ(&envelopes);
        all_differ(&[masks, envelopes].concat());
    }

    #[test]
    fn both_of_a_pair_have_its_keys() {
        let context = context();
        let all: Vec<_> =
            (0..SITES).map(|site| keys(&context, site, 1).begin(&context).unwrap()).collect();
        for one in 0..SITES {
            for other in (0..SITES).filter(|other| *other != one) {
                let [one, other] =
                    [(one, other), (other, one)].map(|(one, other)| &all[one as usize][&other]);
                assert_eq!(one.mask, other.mask);
                assert_eq!(one.envelope, other.envelope);
            }
        }
    }

    #[test]
    fn an_epoch_has_so_many_rounds_and_no_more() {
        let context = context();
        let mut keys = keys(&context, 0, 1);
        let number = |round: usize| Digest::of(&round.to_le_bytes());
        keys.begun = (1..MAX_ROUNDS).map(number).collect();
        assert!(keys.begin(&context).is_ok());
        let terms = super::super::Terms { round: number(MAX_ROUNDS), ..*context.terms() };
        let next = RoundContext::new(roster(), terms).unwrap();
        let spent = Error::EpochSpent { rounds: MAX_ROUNDS };
        assert_eq!(keys.begin(&next).map(|_| ()), Err(spent.clone()));
        let mut stored = PairKeys::from_bytes(&keys.to_bytes()).unwrap();
        assert_eq!(stored.begin(&next).map(|_| ()), Err(spent));
        keys.begun.pop_first();
        assert!(keys.begin(&next).is_ok());
    }

    #[test]
    fn there_is_one_key_for_each_other_site_of_the_roster() {
        let context = context();
        let with = |site: u32, others: &[u32]| {
            let key = |other: &u32| (*other, Seed::from_bytes([*other as u8; 32]));
            let keys = others.iter().map(key).collect();
            PairKeys::new(*roster().digest(), context.terms().epoch, site, keys)
        };
        let read = |site, others: &[u32]| PairKeys::from_bytes(&with(site, others).to_bytes());
        for (site, others) in [(0, [1, 2, 3]), (1, [0, 2, 3]), (3, [0, 1, 2])] {
            assert!(read(site, &others).is_ok());
        }
        let bad: [(u32, &[u32]); 7] = [
            (0, &[]),
            (0, &[1]),
            (0, &[2, 3]),
            (0, &[0, 1, 2]),
            (1, &[0, 1, 2]),
            (4, &[0, 1, 2]),
            (0, &[1, 2, 4]),
        ];
        for (site, others) in bad {
            assert!(read(site, others).is_err(), "{site}: {others:?}");
        }
        // Of a smaller roster, whatever digest it claims: nothing is begun with them.
        let mut few = read(0, &[1, 2]).unwrap();
        assert_eq!(few.begin(&context).map(|_| ()), Err(Error::AnotherRoster));
        assert!(few.begun.is_empty());
    }
}
