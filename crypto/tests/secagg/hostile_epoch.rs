//! An epoch's keys, substituted, replayed, copied, or sent astray.

use haima_crypto::encode::Digest;
use haima_crypto::secagg::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::network::*;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([5; 32])
}

fn epoch_of(number: u64) -> EpochContext {
    EpochContext::new(&manifest(), roster(&identities(4)), number)
}

/// Four sites of an epoch that have advertised.
fn advertised(number: u64) -> (Vec<Advertising>, Vec<Advertisement>) {
    let identities = identities(4);
    let mut rng = ChaCha20Rng::from_seed([number as u8; 32]);
    let context = epoch_of(number);
    identities
        .iter()
        .map(|identity| Advertising::start(context.clone(), identity, &mut rng).unwrap())
        .unzip()
}

/// What site 0 says to advertisements changed from the honest ones.
fn agree(change: impl FnOnce(&mut Vec<Advertisement>)) -> Error {
    let (mut states, mut advertisements) = advertised(1);
    change(&mut advertisements);
    let state = states.swap_remove(0);
    state.agree(&advertisements, &identities(4)[0], &mut rng()).unwrap_err()
}

/// The advertisement with another's key, signed by its site again.
fn with_key(advertisement: &Advertisement, key: &Advertisement) -> Advertisement {
    use haima_crypto::encode::Encoder;
    let mut advertisement = advertisement.clone();
    advertisement.key = key.key.clone();
    let mut to = Encoder::new("haima secagg advertisement signed 1");
    to.digest(&advertisement.epoch).u32(advertisement.site).bytes(&advertisement.key.to_bytes());
    let identity = &identities(4)[advertisement.site as usize];
    advertisement.signature = identity.sign(&Digest::of(&to.finish()));
    advertisement
}

#[test]
fn a_substituted_or_replayed_key_is_refused() {
    let (what, site) = ("advertisement", "site-2".to_owned());
    let (_, old) = advertised(0);
    let refused = agree(|all| all[2].key = old[2].key.clone());
    assert_eq!(refused, Error::Signature { what, site: site.clone() });
    let refused = agree(|all| all[2] = old[2].clone());
    assert_eq!(refused, Error::AnotherEpoch { what, site: site.clone() });
    let refused = agree(|all| all[2].site = 4);
    assert_eq!(refused, Error::UnknownSite { position: 4, sites: 4 });
    let refused = agree(|all| all[2] = all[1].clone());
    assert_eq!(refused, Error::Duplicate { what, site: "site-1".into() });
    let refused = agree(|all| all.retain(|one| one.site != 2));
    assert_eq!(refused, Error::Missing { what, site });
}

/// An advertisement is refused when it comes, also where the list of all would be.
#[test]
fn who_relays_names_the_site_of_a_bad_advertisement_when_it_comes() {
    let context = epoch_of(1);
    let (_, all) = advertised(1);
    let check = |change: &dyn Fn(&mut Advertisement)| {
        let mut advertisement = sent(&all[2]);
        change(&mut advertisement);
        context.check(&advertisement)
    };
    let (what, site) = ("advertisement", || "site-2".to_owned());
    assert_eq!(check(&|_| {}), Ok(()));
    assert_eq!(check(&|one| one.site = 1), Err(Error::Signature { what, site: "site-1".into() }));
    assert_eq!(
        check(&|one| one.key = all[1].key.clone()),
        Err(Error::Signature { what, site: site() })
    );
    assert_eq!(check(&|one| one.site = 4), Err(Error::UnknownSite { position: 4, sites: 4 }));
    let refused = epoch_of(0).check(&all[2]);
    assert_eq!(refused, Err(Error::AnotherEpoch { what, site: site() }));
    assert_ne!(epoch_of(0).digest(), context.digest());
}

/// From site 1 to site 2, as the coordinator sees it.
#[test]
fn who_relays_names_the_sealer_of_a_bad_agreement_when_it_comes() {
    let context = epoch_of(1);
    let (mut states, all) = advertised(1);
    let close = context.close(&all).unwrap();
    let (state, made) = states.remove(1).agree(&all, &identities(4)[1], &mut rng()).unwrap();
    let check = |change: &dyn Fn(&mut Agreement)| {
        let mut agreement = sent(&made[0]);
        change(&mut agreement);
        resign(&mut agreement);
        context.check_agreement(&agreement, &close)
    };
    let (what, site) = ("pair key", || "site-1".to_owned());
    let misdirected = |to: &str| Err(Error::Misdirected { what, from: site(), to: to.into() });
    assert_eq!(check(&|_| {}), Ok(()));
    assert_eq!(check(&|one| one.to = 0), misdirected("site-0"));
    assert_eq!(check(&|one| one.to = 1), misdirected("site-1"));
    assert_eq!(check(&|one| one.to = 4), Err(Error::UnknownSite { position: 4, sites: 4 }));
    let length = |expected, got| Err(Error::Length { what, site: site(), expected, got });
    assert_eq!(check(&|one| one.sealed.truncate(9)), length(1169, 9));
    let refused = check(&|one| one.epoch = Digest::of(b"other"));
    assert_eq!(refused, Err(Error::AnotherEpoch { what, site: site() }));
    let refused = context.check_agreement(&made[0], context.digest());
    assert_eq!(refused, Err(Error::AnotherEpoch { what, site: site() }));
    let mut forged = made[0].clone();
    forged.sealed[7] ^= 1;
    let refused = context.check_agreement(&forged, &close);
    assert_eq!(refused, Err(Error::Signature { what, site: site() }));
    // Its target refuses one against the roster's order as well.
    let mut backwards = made[0].clone();
    backwards.to = 0;
    resign(&mut backwards);
    assert_eq!(state.finish(&[backwards]).unwrap_err(), misdirected("site-0").unwrap_err());
}

#[test]
fn a_copied_key_and_an_own_key_replaced_are_refused() {
    let refused = agree(|all| all[2] = with_key(&all[2], &all[1]));
    let (first, second) = ("site-1".to_owned(), "site-2".to_owned());
    let culprits = [&first, &second].map(|name| Party::Site(name.clone()));
    assert_eq!(refused.culprits(), culprits);
    assert_eq!(refused, Error::SameKey { first, second });
    let (_, old) = advertised(0);
    let refused = agree(|all| all[0] = with_key(&all[0], &old[0]));
    assert_eq!(refused, Error::Own { what: "advertisement" });
}

/// Site 3 sees another key of site 2 than sites 0 and 1 do; site 2 has signed both.
#[test]
fn sites_that_were_shown_other_keys_do_not_agree() {
    let (mut states, advertisements) = advertised(1);
    let mut others = advertisements.clone();
    others[2] = with_key(&others[2], &advertised(0).1[2]);
    let identities = identities(4);
    let (state, _) =
        states.pop().unwrap().agree(&advertisements, &identities[3], &mut rng()).unwrap();
    let (_, from_0) = states.swap_remove(0).agree(&others, &identities[0], &mut rng()).unwrap();
    let refused = state.finish(&from_0[2..]).unwrap_err();
    assert_eq!(refused, Error::AnotherEpoch { what: "pair key", site: "site-0".into() });
}

/// What site 3 says to pair keys changed from the honest ones.
fn finish(change: impl FnOnce(&mut Vec<Agreement>, &[Vec<Agreement>])) -> Result<PairKeys, Error> {
    let (states, advertisements) = advertised(1);
    let mut all = Vec::new();
    let mut last = None;
    for (state, identity) in states.into_iter().zip(&identities(4)) {
        let (state, agreements) = state.agree(&advertisements, identity, &mut rng()).unwrap();
        all.push(agreements);
        last = Some(state);
    }
    let mut to: Vec<_> = all.iter().flatten().filter(|one| one.to == 3).map(sent).collect();
    change(&mut to, &all);
    last.unwrap().finish(&to)
}

#[test]
fn pair_keys_are_one_of_each_signed_for_this_site_and_whole() {
    assert!(finish(|_, _| {}).is_ok());
    let (what, site) = ("pair key", "site-1".to_owned());
    let refused = finish(|to, _| to[1].sealed[1140] ^= 1).unwrap_err();
    assert_eq!(refused, Error::Signature { what, site: site.clone() });
    let refused = finish(|to, _| to.retain(|one| one.from != 1)).unwrap_err();
    assert_eq!(refused, Error::Missing { what, site: site.clone() });
    let refused = finish(|to, _| to[2] = to[1].clone()).unwrap_err();
    assert_eq!(refused, Error::Duplicate { what, site: site.clone() });
    let refused = finish(|to, all| to[1] = all[1][0].clone()).unwrap_err();
    let to = "site-2".to_owned();
    assert_eq!(refused, Error::Misdirected { what, from: site.clone(), to });
    let refused = finish(|to, _| to[1].to = 2).unwrap_err();
    assert_eq!(refused, Error::Signature { what, site: site.clone() });
    let refused = finish(|to, _| to[1].from = 9).unwrap_err();
    assert_eq!(refused, Error::UnknownSite { position: 9, sites: 4 });
    let refused = finish(|to, all| {
        // For site 2, signed for site 3 by its maker.
        to[1].sealed = all[1][0].sealed.clone();
        resign(&mut to[1]);
    })
    .unwrap_err();
    assert_eq!(refused, Error::Sealed { what, site });
}

fn resign(agreement: &mut Agreement) {
    use haima_crypto::encode::Encoder;
    let mut to = Encoder::new("haima secagg agreement signed 1");
    to.digest(&agreement.epoch).u32(agreement.from).u32(agreement.to);
    to.digest(&Digest::of(&agreement.sealed));
    let identity = &identities(4)[agreement.from as usize];
    agreement.signature = identity.sign(&Digest::of(&to.finish()));
}

/// Site 0 agrees twice, with other randomness; site 3 has the first agreement, 0 the second state.
#[test]
fn an_agreement_made_again_after_a_restart_gives_the_same_keys() {
    let identities = identities(4);
    let roster = roster(&identities);
    let context = EpochContext::new(&Digest::of(b"manifest"), roster.clone(), 1);
    let (mut states, advertisements) = advertised(1);
    let stored = states[0].to_bytes();
    let (resumed, advertisement) = Advertising::resume(context, &identities[0], &*stored).unwrap();
    assert_eq!(advertisement, advertisements[0]);
    let (_, first) = states.remove(0).agree(&advertisements, &identities[0], &mut rng()).unwrap();
    let mut other = ChaCha20Rng::from_seed([6; 32]);
    let (second_state, second) =
        resumed.agree(&advertisements, &identities[0], &mut other).unwrap();
    assert_ne!(first, second);

    let mut agreements = first;
    let mut agreeing = vec![second_state];
    for (state, identity) in states.into_iter().zip(&identities[1..]) {
        let (state, more) = state.agree(&advertisements, identity, &mut rng()).unwrap();
        agreeing.push(state);
        agreements.extend(more);
    }
    let keys: Vec<PairKeys> = (0..)
        .zip(agreeing)
        .map(|(site, state)| {
            let to: Vec<_> = agreements.iter().filter(|one| one.to == site).cloned().collect();
            state.finish(&to).unwrap()
        })
        .collect();
    // The keys agree: a round with them ends.
    let rngs = (0..4).map(|site| ChaCha20Rng::from_seed([site; 32])).collect();
    let epoch = *keys[0].epoch();
    let mut network = Network { identities, roster, epoch, keys, rngs };
    let context = network.context();
    let (states, mut unmasking) = network.confirm(&context, &[], &[]);
    for (site, state) in states {
        let request = unmasking.request().clone();
        unmasking.add(&state.unmask(&request, network.identity(site)).unwrap().1).unwrap();
    }
    let seeds = unmasking.seeds(&mut rng()).unwrap();
    let sum = unmasking.unmask(seeds);
    assert_eq!(sum.values, plain(&(0..4).collect(), LEN));
}
