use super::*;
use crate::secagg::mask::Accumulator;
use crate::secagg::testing::{
    LEN, SITES, Sites, all_differ, context, contexts, delivery, rng, without,
};
use crate::shamir::Basis;

#[test]
fn an_envelope_holds_two_shares_and_nothing_else() {
    assert!(Held::read(&[0; 2 * SHARE]).is_some());
    for len in [0, SHARE, 2 * SHARE - 1, 2 * SHARE + 1] {
        assert!(Held::read(&vec![0; len]).is_none(), "{len} bytes");
    }
    for at in 0..2 * LIMBS {
        let mut bytes = [0; 2 * SHARE];
        bytes[8 * at..8 * at + 8].fill(0xff);
        assert!(Held::read(&bytes).is_none(), "element {at}");
    }
}

/// A tree that splits moves what it holds: pointers, and no byte of a share.
#[test]
fn shares_that_are_held_stay_in_their_place() {
    let held = Held::read(&[0; 2 * SHARE]).unwrap();
    let places = |held: &Held| [held.self_mask.as_ptr(), held.backup_key.as_ptr()];
    let before = places(&held);
    let all = BTreeMap::from([(7, held)]);
    assert_eq!(places(&all[&7]), before);
}

/// The subkeys that a backup gives under a seed.
fn open_backup(context: &RoundContext, site: u32, backup: &[u8], seed: &Seed) -> Option<Vec<Seed>> {
    let bound = backup_bound(context, site);
    let mut backup = backup.to_vec();
    backup_key(seed, &bound).open(only().unwrap(), bound.as_bytes(), &mut backup).ok()?;
    Some(backup.as_chunks().0.iter().map(|key| Seed::from_bytes(*key)).collect())
}

#[test]
fn a_backup_is_the_subkeys_under_its_own_seed_and_no_other() {
    let mut sites = Sites::new();
    let context = sites.context(|_| {});
    let keys = sites.keys[1].begin(&context).unwrap();
    let subkeys: Vec<Seed> = keys.values().map(|keys| keys.mask.clone()).collect();
    let seed = Seed::random(&mut rng(3));
    let backup = seal_backup(&context, 1, &seed, &keys).unwrap();
    assert!(open_backup(&context, 1, &backup, &seed).as_ref() == Some(&subkeys));
    let constants = [0, 1, 0xff].map(|byte| Seed::from_bytes([byte; 32]));
    let known = [Digest::default(), *context.digest(), backup_bound(&context, 1)]
        .map(|digest| Seed::from_bytes(*digest.as_bytes()));
    let envelopes: Vec<Seed> = keys.values().map(|keys| keys.envelope.clone()).collect();
    for other in constants.iter().chain(&known).chain(&envelopes).chain(&subkeys) {
        assert!(open_backup(&context, 1, &backup, other).is_none());
    }
    assert!(open_backup(&context, 2, &backup, &seed).is_none());
}

/// The key alone: what it seals is opened with the same associated data.
#[test]
fn the_key_of_an_envelope_is_of_its_pair_its_ends_its_dealers_commitments_and_all_terms() {
    let [one, two] = [b"one", b"two"].map(|text| Digest::of(text));
    let keys = |byte| RoundKeys {
        mask: Seed::from_bytes([9; 32]),
        envelope: Seed::from_bytes([byte; 32]),
    };
    let bound = envelope_bound(&context(), [&one, &two], 0, 1);
    let mut sealed = vec![7; 2 * SHARE];
    envelope_key(&keys(1), &bound).seal(only().unwrap(), b"the same", &mut sealed).unwrap();
    let opens = |keys: &RoundKeys, bound: &Digest| {
        let mut envelope = sealed.clone();
        envelope_key(keys, bound).open(only().unwrap(), b"the same", &mut envelope).is_ok()
    };
    assert!(opens(&keys(1), &bound));
    for other in [0, 2, 9] {
        assert!(!opens(&keys(other), &bound));
    }
    for (from, to, dealer) in [
        (1, 0, [&one, &two]),
        (0, 2, [&one, &two]),
        (2, 1, [&one, &two]),
        (0, 1, [&two, &two]),
        (0, 1, [&one, &one]),
    ] {
        assert!(!opens(&keys(1), &envelope_bound(&context(), dealer, from, to)), "{from}, {to}");
    }
    for (what, other) in contexts().into_iter().skip(1) {
        assert!(!opens(&keys(1), &envelope_bound(&other, [&one, &two], 0, 1)), "another {what}");
    }
}

/// All sites of a round in which everybody shares, and the backups.
fn ready(sites: &mut Sites, context: &RoundContext, salt: u8) -> (Vec<Ready>, Vec<Vec<u8>>) {
    let (states, messages) = sites.share(context, salt);
    let receive = |(to, state): (u32, Shared)| {
        state.receive(&delivery(&messages, &[0, 1, 2, 3], to)).unwrap()
    };
    let ready = (0..).zip(states).map(receive).collect();
    (ready, messages.into_iter().map(|message| message.backup).collect())
}

/// A dealer's two seeds, from the shares of the first t sites.
fn seeds(context: &RoundContext, ready: &[Ready], dealer: u32) -> [Seed; 2] {
    let basis = Basis::new(context.threshold().need(), &[1, 2, 3]).unwrap();
    [|held: &Held| held.self_mask.clone(), |held: &Held| held.backup_key.clone()].map(|which| {
        let share = |(index, state): (u32, &Ready)| {
            let bytes = which(&state.masked.held[&dealer]);
            let values = Zeroizing::new(decode_vec::<Field64>("share", &**bytes, LIMBS).unwrap());
            Share::new(index, context.threshold().need(), values).unwrap()
        };
        let shares: Vec<_> = (1..).zip(ready).take(3).map(share).collect();
        basis.reconstruct_seed(&shares).unwrap()
    })
}

/// Of a survivor b is told, and of a vanished site a: neither says anything of the other.
#[test]
fn the_two_seeds_of_a_site_and_those_of_others_and_of_other_rounds_have_nothing_in_common() {
    let mut sites = Sites::new();
    let mut all = vec![("a constant".to_owned(), Seed::from_bytes([0; 32]))];
    for round in [1, 2] {
        let context = sites.context(|terms| terms.round = Digest::of(&[round]));
        let (ready, backups) = ready(&mut sites, &context, round);
        for (site, (state, backup)) in (0..SITES).zip(ready.iter().zip(&backups)) {
            let [b, a] = seeds(&context, &ready, site);
            assert!(b == state.self_mask);
            let subkeys = open_backup(&context, site, backup, &a).unwrap();
            assert!(subkeys.iter().eq(state.keys.values().map(|keys| &keys.mask)));
            assert!(open_backup(&context, site, backup, &b).is_none());
            all.push((format!("b of {site} in {round}"), b));
            all.push((format!("a of {site} in {round}"), a));
        }
    }
    all_differ(&all);
}

/// The masked vector is the vector and four masks. Whichever of them is unknown hides it.
#[test]
fn each_mask_alone_hides_every_entry() {
    let mut sites = Sites::new();
    let context = sites.context(|_| {});
    let (ready, _) = ready(&mut sites, &context, 1);
    let vector = [1, -2, 3, 0, 5];
    for (site, state) in (0..SITES).zip(ready) {
        let own = derive(&state.self_mask, "haima secagg self mask", &[*context.digest()]);
        let pairs: Vec<_> = state.keys.iter().map(|(at, keys)| (*at, keys.mask.clone())).collect();
        let (_, input) = state.mask(&vector, &sites.identities[site as usize]).unwrap();
        let masks = std::iter::once((true, own));
        let masks = masks.chain(pairs.into_iter().map(|(other, mask)| (other > site, mask)));
        let masks: Vec<_> = masks.collect();
        let left = |kept: Option<usize>| {
            let taken = |sign| {
                let all = masks.iter().enumerate().filter(move |(_, (added, _))| *added == sign);
                all.filter(move |(at, _)| Some(*at) != kept).map(|(_, (_, mask))| mask)
            };
            without(&context, &input.packed, taken(true), taken(false))
        };
        assert_eq!(left(None), vector);
        for kept in 0..masks.len() {
            assert!(left(Some(kept)).iter().zip(vector).all(|(left, x)| *left != x));
        }
    }
}

/// The masks by themselves, of the same seeds b: that one kind differs hides nothing of the other.
#[test]
fn one_vector_in_two_rounds_and_under_two_terms_has_nothing_in_common() {
    let mut seen = [(); 3].map(|()| BTreeSet::new());
    let mut sites = Sites::new();
    let stored = sites.keys.iter().map(PairKeys::to_bytes).collect::<Vec<_>>();
    for (round, min_sites) in [(&b"1"[..], 3), (b"2", 3), (b"1", 4)] {
        // As if restored from a backup, or the same round under other terms could not be begun.
        sites.keys = stored.iter().map(|keys| PairKeys::from_bytes(keys).unwrap()).collect();
        let context = sites.context(|terms| {
            terms.round = Digest::of(round);
            terms.min_sites = min_sites;
        });
        let (ready, _) = ready(&mut sites, &context, 1);
        for (state, identity) in ready.into_iter().zip(&sites.identities) {
            let own = self_mask_seed(&state.self_mask, context.digest());
            let (_, input) = state.mask(&[0; LEN], identity).unwrap();
            let pairs = without(&context, &input.packed, [&own], []);
            let mut mask = Accumulator::new(context.terms().ring, LEN);
            mask.add_mask(context.terms().prg, &own);
            let all = without(&context, &input.packed, [], []);
            for (seen, vector) in seen.iter_mut().zip([all, pairs, mask.to_integers()]) {
                for entry in vector {
                    assert!(entry != 0 && seen.insert(entry));
                }
            }
        }
    }
}
