//! Four sites with pair keys for the tests of the modules, and contexts that differ in one thing.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::client::Shared;
use super::context::{Member, Roster, RoundContext, Terms};
use super::epoch::{Advertising, EpochContext};
use super::mask::{Accumulator, Prg, Ring};
use super::messages::{Delivery, SharesMessage};
use super::pairs::PairKeys;
use crate::encode::Digest;
use crate::identity::IdentityKey;
use crate::secret::Seed;

pub(super) const SITES: u32 = 4;
pub(super) const LEN: usize = 5;

pub(super) fn rng(salt: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([salt; 32])
}

pub(super) fn identities() -> Vec<IdentityKey> {
    (1..=SITES).map(|site| IdentityKey::from_secret(&[site as u8; 32])).collect()
}

fn members() -> Vec<Member> {
    let member = |(site, key): (u32, &IdentityKey)| Member {
        name: format!("site-{site}"),
        identity: key.public(),
    };
    (0..).zip(&identities()).map(member).collect()
}

pub(super) fn roster() -> Roster {
    Roster::new(members()).unwrap()
}

/// t = 3, secret against one corrupt site.
pub(super) fn terms(epoch: Digest) -> Terms {
    Terms {
        round: Digest::of(b"round"),
        epoch,
        threshold: 3,
        corrupt: 1,
        min_sites: 3,
        ring: Ring::new(32).unwrap(),
        prg: Prg::Aes128,
        len: LEN,
    }
}

pub(super) fn context() -> RoundContext {
    RoundContext::new(roster(), terms(Digest::of(b"epoch"))).unwrap()
}

/// One context, and all that differ from it in one term or in one thing of the roster.
pub(super) fn contexts() -> Vec<(&'static str, RoundContext)> {
    let base = terms(Digest::of(b"epoch"));
    // A term that is added here is to be varied below.
    let Terms { round, epoch, threshold, corrupt, min_sites, ring, prg, len } = base;
    assert_eq!((threshold, corrupt, min_sites, prg), (3, 1, 3, Prg::Aes128));
    let other = |digest: Digest| Digest::of(digest.as_bytes());
    let terms = [
        ("nothing", base),
        ("round", Terms { round: other(round), ..base }),
        ("epoch", Terms { epoch: other(epoch), ..base }),
        ("threshold", Terms { threshold: 4, ..base }),
        ("corrupt", Terms { corrupt: 0, ..base }),
        ("floor", Terms { min_sites: 4, ..base }),
        ("ring", Terms { ring: Ring::new(ring.bits() + 1).unwrap(), ..base }),
        ("expansion", Terms { prg: Prg::ChaCha20, ..base }),
        ("length", Terms { len: len + 1, ..base }),
    ];
    let changed = |change: fn(&mut Vec<Member>)| {
        let mut members = members();
        change(&mut members);
        Roster::new(members).unwrap()
    };
    let rosters = [
        ("name", changed(|members| members[3].name.push('x'))),
        (
            "identity",
            changed(|members| {
                members[3].identity = IdentityKey::from_secret(&[9; 32]).public();
            }),
        ),
        ("order", changed(|members| members.swap(2, 3))),
    ];
    let of_terms = terms.map(|(what, terms)| (what, RoundContext::new(roster(), terms).unwrap()));
    let of_roster = rosters.map(|(what, roster)| (what, RoundContext::new(roster, base).unwrap()));
    of_terms.into_iter().chain(of_roster).collect()
}

/// Asserts that values are all different, and says which are not.
pub(super) fn all_differ<T: PartialEq>(values: &[(String, T)]) {
    for (at, (what, value)) in values.iter().enumerate() {
        for (other, before) in &values[..at] {
            assert!(value != before, "{what} is as {other}");
        }
    }
}

/// Sites that have agreed on pair keys.
pub(super) struct Sites {
    pub(super) identities: Vec<IdentityKey>,
    pub(super) epoch: Digest,
    pub(super) keys: Vec<PairKeys>,
}

impl Sites {
    pub(super) fn new() -> Self {
        let identities = identities();
        let context = EpochContext::new(&Digest::of(b"manifest"), roster(), 1);
        let mut rng = rng(1);
        let (states, all): (Vec<_>, Vec<_>) = identities
            .iter()
            .map(|identity| Advertising::start(context.clone(), identity, &mut rng).unwrap())
            .unzip();
        let (states, agreements): (Vec<_>, Vec<_>) = states
            .into_iter()
            .zip(&identities)
            .map(|(state, identity)| state.agree(&all, identity, &mut rng).unwrap())
            .unzip();
        let to = |site: u32| {
            let to = agreements.iter().flatten().filter(|agreement| agreement.to == site);
            to.cloned().collect::<Vec<_>>()
        };
        let keys = (0..).zip(states).map(|(site, state)| state.finish(&to(site)).unwrap());
        Self { keys: keys.collect(), epoch: context.close(&all).unwrap(), identities }
    }

    /// The terms of these keys, after a change.
    pub(super) fn context(&self, change: impl FnOnce(&mut Terms)) -> RoundContext {
        let mut terms = terms(self.epoch);
        change(&mut terms);
        RoundContext::new(roster(), terms).unwrap()
    }

    /// All begin a round, with the same randomness in each that is begun with this salt.
    pub(super) fn share(
        &mut self,
        context: &RoundContext,
        salt: u8,
    ) -> (Vec<Shared>, Vec<SharesMessage>) {
        let mut rng = rng(salt);
        let mut start = |(keys, identity)| Shared::start(context.clone(), keys, identity, &mut rng);
        self.keys.iter_mut().zip(&self.identities).map(|one| start(one).unwrap()).unzip()
    }

    /// A site's keys, as if copied from its disk.
    pub(super) fn stolen(&self, site: u32) -> PairKeys {
        PairKeys::from_bytes(&self.keys[site as usize].to_bytes()).unwrap()
    }
}

/// What a site is shown when these are to be the sharers.
pub(super) fn delivery(messages: &[SharesMessage], sharers: &[u32], to: u32) -> Delivery {
    let shown = || sharers.iter().map(|site| &messages[*site as usize]);
    let envelopes = shown().flat_map(|message| &message.envelopes);
    Delivery {
        headers: shown().map(|message| message.header.clone()).collect(),
        envelopes: envelopes.filter(|envelope| envelope.to == to).cloned().collect(),
    }
}

/// A vector with masks taken off.
pub(super) fn without<'a>(
    context: &RoundContext,
    packed: &[u8],
    added: impl IntoIterator<Item = &'a Seed>,
    subtracted: impl IntoIterator<Item = &'a Seed>,
) -> Vec<i64> {
    let Terms { ring, prg, len, .. } = *context.terms();
    let mut vector = Accumulator::from_packed(ring, len, packed).unwrap();
    added.into_iter().for_each(|seed| vector.sub_mask(prg, seed));
    subtracted.into_iter().for_each(|seed| vector.add_mask(prg, seed));
    vector.to_integers()
}
