//! What a coordinator in league with sites computes of an honest site's vector, played out: four
//! sites, t = 3, c = 1. Site 0 is the one whose vector is wanted.

use std::collections::BTreeMap;

use super::answer::Masked;
use super::client::Shared;
use super::context::RoundContext;
use super::error::Error;
use super::messages::SharesMessage;
use super::pairs::{RoundKeys, pair};
use super::partition::{Partition, ShareBytes, UnmaskRequest};
use super::secrets::{backup_bound, backup_key, only, self_mask_seed};
use super::testing::{LEN, SITES, Sites, delivery, roster, terms, without};
use crate::encode::{Canonical, Digest};
use crate::field::{Field64, decode_vec};
use crate::kdf::derive;
use crate::secret::Seed;
use crate::shamir::{Basis, LIMBS, Share};

const VECTOR: [i64; LEN] = [1, -2, 3, 0, 5];
const ALL: [u32; 4] = [0, 1, 2, 3];

/// The seed of which these are shares, by holder, if so many determine it.
fn interpolate(shares: &[(u32, ShareBytes)]) -> Option<Seed> {
    let need = shares.len() as u32;
    let share = |(holder, bytes): &(u32, ShareBytes)| {
        let values = decode_vec::<Field64>("share", bytes, LIMBS).unwrap();
        Share::new(holder + 1, need, values.into()).unwrap()
    };
    let indices: Vec<u32> = shares.iter().map(|(holder, _)| holder + 1).collect();
    let shares: Vec<_> = shares.iter().map(share).collect();
    Basis::new(need, &indices).unwrap().reconstruct_seed(&shares).ok()
}

/// A dealer's b and a, as these holders' shares give them.
fn seeds(states: &[Masked], holders: &[u32], dealer: u32) -> [Option<Seed>; 2] {
    let held = holders.iter().map(|holder| (*holder, &states[*holder as usize].held[&dealer]));
    [
        interpolate(
            &held.clone().map(|(holder, held)| (holder, **held.self_mask)).collect::<Vec<_>>(),
        ),
        interpolate(&held.map(|(holder, held)| (holder, **held.backup_key)).collect::<Vec<_>>()),
    ]
}

/// A round to the masked vectors, with the view of who knows all pair keys but that of 0 and 2.
struct Played {
    context: RoundContext,
    messages: Vec<SharesMessage>,
    states: Vec<Masked>,
    /// Of site 0.
    packed: Vec<u8>,
    /// Site 0's keys with each other site.
    keys: BTreeMap<u32, RoundKeys>,
    /// All seeds and digests that are on the wire, of corrupt sites, or from t - 1 shares.
    known: Vec<Seed>,
}

fn play() -> Played {
    let mut sites = Sites::new();
    let before = sites.context(|terms| terms.round = Digest::of(b"before"));
    let context = sites.context(|_| {});
    let keys = sites.stolen(0).begin(&context).unwrap();
    let mut known: Vec<Seed> = [0, 0xff].map(|byte| Seed::from_bytes([byte; 32])).to_vec();
    // In the round before, site 2 has vanished: the backup told its subkey with site 0.
    known.push(sites.stolen(2).begin(&before).unwrap()[&0].mask.clone());
    for site in ALL {
        for (other, keys) in sites.stolen(site).begin(&context).unwrap() {
            if (site.min(other), site.max(other)) != (0, 2) {
                known.extend([keys.mask, keys.envelope]);
            }
        }
    }
    let (states, messages) = sites.share(&context, 1);
    let receive =
        |(to, state): (u32, Shared)| state.receive(&delivery(&messages, &ALL, to)).unwrap();
    let masked: Vec<_> = (0..).zip(states).map(receive).zip(&sites.identities).collect();
    let (states, inputs): (Vec<_>, Vec<_>) =
        masked.into_iter().map(|(state, identity)| state.mask(&VECTOR, identity).unwrap()).unzip();
    let mut public = vec![*context.digest(), *roster().digest(), inputs[0].cohort];
    public.extend([context.terms().round, context.terms().epoch]);
    for SharesMessage { header, .. } in &messages {
        public.extend([header.self_mask, header.backup_key, header.backup, header.envelopes]);
        public.extend([header.digest(), backup_bound(&context, header.origin.site)]);
    }
    known.extend(public.iter().map(|digest| Seed::from_bytes(*digest.as_bytes())));
    for dealer in ALL {
        for (one, other) in [(0, 1), (1, 2), (1, 3)] {
            known.extend(seeds(&states, &[one, other], dealer).into_iter().flatten());
        }
    }
    Played { context, messages, states, packed: inputs[0].packed.clone(), keys, known }
}

impl Played {
    /// b and a of a dealer, as t shares give them.
    fn told(&self, dealer: u32) -> [Seed; 2] {
        seeds(&self.states, &[1, 2, 3], dealer).map(Option::unwrap)
    }

    /// What is left of site 0's vector without these masks. All other sites come after it.
    fn left(&self, masks: &[&Seed]) -> Vec<i64> {
        without(&self.context, &self.packed, masks.iter().copied(), [])
    }

    /// Asserts that no entry shows, whichever of the candidates is taken off as the last mask.
    fn hidden(&self, masks: &[&Seed], candidates: impl IntoIterator<Item = Seed>) {
        let hides = |left: &[i64]| left.iter().zip(VECTOR).all(|(left, x)| *left != x);
        assert!(hides(&self.left(masks)));
        for candidate in candidates {
            let mut masks = masks.to_vec();
            masks.push(&candidate);
            assert!(hides(&self.left(&masks)));
        }
    }
}

/// All survive: every b is told. Of site 0's masks the one with site 2 is not known.
#[test]
fn all_but_the_key_of_one_honest_pair_does_not_give_a_survivors_vector() {
    let played = play();
    let told = ALL.map(|site| played.told(site)[0].clone());
    let own = self_mask_seed(&told[0], played.context.digest());
    let mask = |other| &played.keys[&other].mask;
    let (terms, roster) = (played.context.digest(), played.context.roster());
    let bound = pair("haima secagg round pair 1", terms, roster, 0, 2);
    let candidates = played.known.iter().chain(&told).flat_map(|seed| {
        let mut candidates = vec![seed.clone(), derive(seed, "haima secagg pair mask", &[bound])];
        for (site, message) in (0..).zip(&played.messages) {
            let bound = backup_bound(&played.context, site);
            let mut backup = message.backup.clone();
            let key = backup_key(seed, &bound);
            if key.open(only().unwrap(), bound.as_bytes(), &mut backup).is_ok() {
                candidates.extend(backup.as_chunks().0.iter().map(|key| Seed::from_bytes(*key)));
            }
        }
        candidates
    });
    played.hidden(&[&own, mask(1), mask(3)], candidates);
    assert_eq!(played.left(&[&own, mask(1), mask(3), mask(2)]), VECTOR);
}

/// Site 0 is said to have vanished, when its vector has come: a is told, and every pair's mask.
#[test]
fn all_pair_keys_and_the_backups_do_not_give_a_vanished_sites_vector() {
    let played = play();
    let [b, a] = played.told(0);
    let masks: Vec<&Seed> = played.keys.values().map(|keys| &keys.mask).collect();
    let told = [a, played.told(1)[0].clone(), played.told(2)[0].clone(), played.told(3)[0].clone()];
    let all = played.known.iter().chain(&told).chain(masks.iter().copied());
    let own = |seed: &Seed| [seed.clone(), self_mask_seed(seed, played.context.digest())];
    played.hidden(&masks, all.flat_map(own));
    let own = self_mask_seed(&b, played.context.digest());
    assert_eq!(played.left(&[&masks[..], &[&own]].concat()), VECTOR);
}

/// Site 0 is shown other sharers than the rest, who confirm that all four survived, so that its b
/// is told. What is left of its vector without b and the masks that corrupt sites know.
fn isolate(shown: &[u32], corrupt: &[u32]) -> Result<Vec<i64>, Error> {
    let mut sites = Sites::new();
    let context = sites.context(|_| {});
    let known: Vec<Seed> = corrupt
        .iter()
        .filter(|site| shown.contains(site))
        .map(|site| sites.stolen(*site).begin(&context).unwrap()[&0].mask.clone())
        .collect();
    let (states, messages) = sites.share(&context, 1);
    let partition =
        Partition { absent: [].into(), vanished: [].into(), survivors: (0..SITES).collect() };
    let (mut victim, mut confirmed, mut confirmations) = (None, Vec::new(), Vec::new());
    for ((site, state), identity) in (0..).zip(states).zip(&sites.identities) {
        let sharers = if site == 0 { shown } else { &ALL };
        let ready = state.receive(&delivery(&messages, sharers, site))?;
        let (masked, input) = ready.mask(&VECTOR, identity)?;
        if site == 0 {
            // It confirms nothing over sharers other than its own.
            let refused = masked.confirm(&partition, identity).unwrap_err();
            assert!(matches!(refused, Error::OtherSharers { .. }));
            victim = Some(input.packed);
        } else {
            let (state, confirmation) = masked.confirm(&partition, identity)?;
            confirmations.push((site, confirmation.signature));
            confirmed.push((site, state));
        }
    }
    let request = UnmaskRequest { partition, confirmations };
    let mut shares = Vec::new();
    for (site, state) in confirmed {
        let (_, answer) = state.unmask(&request, &sites.identities[site as usize])?;
        shares.push((site, answer.self_masks[0]));
    }
    let own = self_mask_seed(&interpolate(&shares).unwrap(), context.digest());
    Ok(without(&context, &victim.unwrap(), known.iter().chain([&own]), []))
}

/// The cohort in which nobody but corrupt sites is beside site 0 has c + 1 = 2 sites, and t = 3 are
/// needed; in any larger one, an honest site's mask is left.
#[test]
fn showing_one_site_other_sharers_does_not_isolate_it_among_as_many_corrupt_sites_as_agreed() {
    for corrupt in 1..SITES {
        let few = Error::TooFewSites { what: "sites have shared", got: 2, need: 3 };
        assert_eq!(isolate(&[0, corrupt], &[corrupt]), Err(few));
        for honest in (1..SITES).filter(|site| *site != corrupt) {
            let left = isolate(&[0, corrupt, honest], &[corrupt]).unwrap();
            assert!(left.iter().zip(VECTOR).all(|(left, x)| *left != x));
        }
    }
}

/// c < 2t - n is tight: this is why it is refused.
#[test]
fn with_one_corrupt_site_more_the_same_gives_the_vector_away_and_terms_of_so_many_are_refused() {
    assert_eq!(isolate(&[0, 1, 2], &[1, 2]).unwrap(), VECTOR);
    let terms = super::Terms { corrupt: 2, ..terms(Digest::of(b"epoch")) };
    let refused = Error::Corrupt { corrupt: 2, threshold: 3, sites: 4, bound: 2 };
    assert_eq!(RoundContext::new(roster(), terms), Err(refused));
}
