//! Sites that may send anything: the coordinator refuses what it can see, and names who is wrong.

use haima_crypto::encode::Digest;
use haima_crypto::secagg::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::network::*;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([8; 32])
}

/// What the coordinator says to the shares of site 1 of four, changed from the honest ones.
fn collect(change: impl FnOnce(&mut SharesMessage, &Network, &RoundContext)) -> Result<(), Error> {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let (_, mut message) = network.start(&context, 1);
    change(&mut message, &network, &context);
    Collecting::new(context).add(message)
}

#[test]
fn shares_are_whole_signed_and_of_this_round() {
    let site = || "site-1".to_owned();
    assert_eq!(collect(|_, _, _| {}), Ok(()));
    // Changed on the way, perhaps: not only the site may have done it.
    let changed = Error::Changed { what: "shares", site: site() };
    assert_eq!(changed.culprits(), [Party::Coordinator, Party::Site(site())]);
    let refused = collect(|message, _, _| message.envelopes[1].sealed[3] ^= 1);
    assert_eq!(refused, Err(changed.clone()));
    let refused = collect(|message, _, _| message.backup[3] ^= 1);
    assert_eq!(refused, Err(changed.clone()));
    let refused = collect(|message, _, _| message.envelopes.swap(0, 1));
    assert_eq!(refused, Err(changed));
    let refused = collect(|message, _, _| message.header.backup_key = Digest::of(b"other"));
    let what = "header of shares";
    assert_eq!(refused, Err(Error::Signature { what, site: site() }));
    let refused = collect(|message, network, _| {
        message.header.origin.round = Digest::of(b"other");
        rehead(message, network.identity(1));
    });
    assert_eq!(refused, Err(Error::AnotherRound { what, site: site() }));
    let refused = collect(|message, network, _| {
        message.header.origin.terms = Digest::of(b"other");
        rehead(message, network.identity(1));
    });
    assert_eq!(refused, Err(Error::OtherTerms { what, site: site() }));
    let refused = collect(|message, network, _| {
        message.header.origin.site = 2;
        rehead(message, network.identity(1));
    });
    assert_eq!(refused, Err(Error::Signature { what, site: "site-2".into() }));
    let refused = collect(|message, _, _| message.header.origin.site = 4);
    assert_eq!(refused, Err(Error::UnknownSite { position: 4, sites: 4 }));
}

#[test]
fn shares_are_one_for_each_other_site_and_of_the_agreed_length() {
    let site = || "site-1".to_owned();
    let length = |what, expected, got| Err(Error::Length { what, site: site(), expected, got });
    let refused = collect(|message, network, _| {
        message.envelopes.pop();
        rehead(message, network.identity(1));
    });
    assert_eq!(refused, length("envelopes", 3, 2));
    let refused = collect(|message, network, _| {
        message.backup.push(0);
        rehead(message, network.identity(1));
    });
    assert_eq!(refused, length("backup", 112, 113));
    for (at, from, to) in [(1, 1, 0), (1, 1, 1), (1, 2, 2), (2, 1, 9)] {
        let refused = collect(|message, network, _| {
            (message.envelopes[at].from, message.envelopes[at].to) = (from, to);
            rehead(message, network.identity(1));
        });
        let invalid = Error::Invalid { what: "list of envelopes", site: site() };
        assert_eq!(invalid.culprits(), [Party::Site(site())]);
        assert_eq!(refused, Err(invalid));
    }
}

#[test]
fn a_message_that_comes_again_changes_nothing_and_another_one_is_refused() {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let (_, message) = network.start(&context, 1);
    let mut collecting = Collecting::new(context);
    for _ in 0..2 {
        collecting.add(message.clone()).unwrap();
    }
    let mut other = message;
    other.backup[0] ^= 1;
    rehead(&mut other, network.identity(1));
    let refused = collecting.add(other).unwrap_err();
    assert_eq!(refused, Error::Duplicate { what: "shares", site: "site-1".into() });
    assert_eq!(collecting.sharers().collect::<Vec<_>>(), [1]);
    let refused = collecting.close().unwrap_err();
    assert_eq!(refused, Error::TooFewSites { what: "sites have shared", got: 1, need: 3 });
}

/// Site 1 signs an envelope of garbage: its holder names it, to itself.
#[test]
fn garbage_in_an_envelope_is_named_by_its_holder() {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let mut collecting = Collecting::new(context.clone());
    let mut states = Vec::new();
    for site in 0..4 {
        let (state, mut message) = network.start(&context, site);
        if site == 1 {
            let envelope = &mut message.envelopes[0];
            envelope.sealed.fill(7);
            envelope.signature = signed_envelope(envelope, &context, network.identity(1));
            rehead(&mut message, network.identity(1));
        }
        collecting.add(message).unwrap();
        states.push(state);
    }
    let relaying = collecting.close().unwrap();
    let refused = states.swap_remove(0).receive(&relaying.delivery(0).unwrap()).unwrap_err();
    assert_eq!(refused, Error::Sealed { what: "envelope", site: "site-1".into() });
    assert_eq!(refused.culprits(), [Party::Site("site-1".into())]);
}

#[test]
fn nothing_is_relayed_to_who_did_not_share() {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let relaying = network.share(&context, &[3]).1.unwrap();
    let refused = relaying.delivery(3).unwrap_err();
    assert_eq!(refused, Error::Missing { what: "shares", site: "site-3".into() });
    assert_eq!(relaying.delivery(4), Err(Error::UnknownSite { position: 4, sites: 4 }));
}

/// What the coordinator says to the masked vector of site 1, changed from the honest one.
fn add(change: impl FnOnce(&mut MaskedInput)) -> Result<(), Error> {
    let mut network = Network::new(4, 0);
    let context = network.context_of(Terms { ring: Ring::new(33).unwrap(), ..network.terms() });
    let (mut states, relaying) = network.share(&context, &[3]);
    let relaying = relaying.unwrap();
    let state = states.remove(&1).unwrap().receive(&relaying.delivery(1).unwrap()).unwrap();
    let (_, mut input) = state.mask(&input(1, LEN), network.identity(1)).unwrap();
    change(&mut input);
    if input.origin.site < 4 && input.packed.first() != Some(&0xee) {
        input.signature = signed_input(&input, network.identity(input.origin.site));
    }
    let mut summing = relaying.sum();
    let result = summing.add(&input);
    assert_eq!(summing.survivors().count(), usize::from(result.is_ok()));
    result
}

#[test]
fn masked_vectors_are_of_sharers_of_this_cohort_and_the_agreed_length() {
    let (what, site) = ("masked vector", "site-1".to_owned());
    assert_eq!(add(|_| {}), Ok(()));
    let refused = add(|input| input.packed[0] = 0xee);
    assert_eq!(refused, Err(Error::Signature { what, site: site.clone() }));
    for (got, len) in [(20, 20), (22, 22), (0, 0)] {
        let refused = add(|input| input.packed.resize(len, 0));
        let site = site.clone();
        assert_eq!(refused, Err(Error::Length { what, site, expected: 21, got }));
    }
    // Whoever signed it: it is not hashed.
    let refused = add(|input| {
        input.packed.resize(22, 0);
        input.packed[0] = 0xee;
    });
    let length = Error::Length { what, site: site.clone(), expected: 21, got: 22 };
    assert_eq!(refused, Err(length));
    // 5 entries of 33 bits are 165, and 3 bits are spare.
    let refused = add(|input| input.packed[20] |= 0x80);
    assert_eq!(refused, Err(Error::Invalid { what, site: site.clone() }));
    let refused = add(|input| input.cohort = Digest::of(b"other"));
    assert_eq!(refused, Err(Error::Invalid { what, site: site.clone() }));
    let refused = add(|input| input.origin.round = Digest::of(b"other"));
    assert_eq!(refused, Err(Error::AnotherRound { what, site: site.clone() }));
    let refused = add(|input| input.origin.terms = Digest::of(b"other"));
    assert_eq!(refused, Err(Error::OtherTerms { what, site }));
    let refused = add(|input| input.origin.site = 3);
    assert_eq!(refused, Err(Error::Missing { what: "shares", site: "site-3".into() }));
    let refused = add(|input| input.origin.site = 4);
    assert_eq!(refused, Err(Error::UnknownSite { position: 4, sites: 4 }));
}

#[test]
fn a_second_vector_of_one_site_is_not_added() {
    let mut network = Network::new(3, 0);
    let context = network.context();
    let (states, relaying) = network.share(&context, &[]);
    let relaying = relaying.unwrap();
    let mut inputs = Vec::new();
    for (site, state) in states {
        let state = state.receive(&relaying.delivery(site).unwrap()).unwrap();
        inputs.push(state.mask(&input(site, LEN), network.identity(site)).unwrap().1);
    }
    let mut summing = relaying.sum();
    for input in inputs.iter().chain(&inputs) {
        summing.add(input).unwrap();
    }
    let mut other = inputs[1].clone();
    other.packed[0] ^= 1;
    other.signature = signed_input(&other, network.identity(1));
    let refused = summing.add(&other).unwrap_err();
    assert_eq!(refused, Error::Duplicate { what: "masked vector", site: "site-1".into() });
}

#[test]
fn a_site_masks_a_vector_of_the_agreed_length_only_and_under_its_own_name() {
    for (len, who) in [(LEN - 1, 0), (LEN + 1, 0), (LEN, 1)] {
        let mut network = Network::new(3, 0);
        let context = network.context();
        let (mut states, relaying) = network.share(&context, &[]);
        let delivery = relaying.unwrap().delivery(0).unwrap();
        let state = states.remove(&0).unwrap().receive(&delivery).unwrap();
        let refused = state.mask(&input(0, len), network.identity(who)).unwrap_err();
        if who == 0 {
            let (what, expected, got) = ("vector to mask", LEN, len);
            let length = haima_crypto::Error::Length { what, expected, got };
            assert_eq!(refused, Error::Crypto(length));
        } else {
            assert!(matches!(refused, Error::NotInRoster { .. }));
        }
    }
}

#[test]
fn confirmations_are_of_survivors_for_this_partition_and_cohort() {
    let (what, site) = ("confirmation", "site-1".to_owned());
    let confirm = |who: u32, change: &dyn Fn(&mut Confirmation)| {
        let mut network = Network::new(4, 0);
        let context = network.context();
        let (mut states, mut confirming) = network.mask(&context, &[], &[3]);
        let partition = confirming.partition().clone();
        let (_, mut confirmation) =
            states.remove(&1).unwrap().confirm(&partition, network.identity(1)).unwrap();
        change(&mut confirmation);
        confirmation.signature = signed(&confirmation, network.identity(who));
        let result = confirming.add(&confirmation);
        assert_eq!(confirming.confirmed().count(), usize::from(result.is_ok()));
        result
    };
    assert_eq!(confirm(1, &|_| {}), Ok(()));
    assert_eq!(confirm(2, &|_| {}), Err(Error::Signature { what, site: site.clone() }));
    let refused = confirm(3, &|confirmation| confirmation.origin.site = 3);
    assert_eq!(refused, Err(Error::NoSurvivor { what, site: "site-3".into() }));
    let refused = confirm(1, &|confirmation| confirmation.partition = Digest::of(b"other"));
    assert_eq!(refused, Err(Error::Invalid { what, site: site.clone() }));
    let refused = confirm(1, &|confirmation| confirmation.cohort = Digest::of(b"other"));
    assert_eq!(refused, Err(Error::Invalid { what, site: site.clone() }));
    let refused = confirm(1, &|confirmation| confirmation.origin.round = Digest::of(b"other"));
    assert_eq!(refused, Err(Error::AnotherRound { what, site }));
}

/// Answers of `sites`, of whom some lie, in a round of seven (t = 5) from which site 6 vanished.
fn answers(
    sites: &[u32],
    lie: impl Fn(u32, &mut UnmaskShares),
) -> (Unmasking, Vec<Result<(), Error>>) {
    let mut network = Network::new(7, 0);
    let context = network.context();
    let (states, mut unmasking) = network.confirm(&context, &[], &[6]);
    let request = unmasking.request().clone();
    let mut results = Vec::new();
    for (site, state) in states.into_iter().filter(|(site, _)| sites.contains(site)) {
        let (_, mut shares) = state.unmask(&request, network.identity(site)).unwrap();
        lie(site, &mut shares);
        if shares.origin.site < 7 {
            let signer = network.identity(shares.origin.site);
            shares.signature = signed(&shares, signer);
        }
        results.push(unmasking.add(&sent(&shares)));
    }
    (unmasking, results)
}

#[test]
fn answers_are_of_survivors_for_this_partition_and_of_the_agreed_lengths() {
    let (what, site) = ("answer", "site-1".to_owned());
    let one =
        |lie: &dyn Fn(&mut UnmaskShares)| answers(&[1], |_, shares| lie(shares)).1.pop().unwrap();
    assert_eq!(one(&|_| {}), Ok(()));
    let length = |expected, got| Err(Error::Length { what, site: "site-1".into(), expected, got });
    assert_eq!(one(&|shares| shares.self_masks.truncate(5)), length(6, 5));
    assert_eq!(one(&|shares| shares.self_masks.push([0; 40])), length(6, 7));
    assert_eq!(one(&|shares| shares.backup_keys.clear()), length(1, 0));
    let refused = one(&|shares| shares.self_masks[2] = [0xff; 40]);
    assert_eq!(refused, Err(Error::Invalid { what, site: site.clone() }));
    let refused = one(&|shares| shares.partition = Digest::of(b"other"));
    assert_eq!(refused, Err(Error::Invalid { what, site: site.clone() }));
    let refused = one(&|shares| shares.origin.round = Digest::of(b"other"));
    assert_eq!(refused, Err(Error::AnotherRound { what, site }));
    let refused = one(&|shares| shares.origin.site = 6);
    assert_eq!(refused, Err(Error::NoSurvivor { what, site: "site-6".into() }));
    let refused = one(&|shares| shares.origin.site = 7);
    assert_eq!(refused, Err(Error::UnknownSite { position: 7, sites: 7 }));
}

#[test]
fn a_second_answer_of_one_site_is_refused() {
    let mut network = Network::new(3, 0);
    let context = network.context();
    let (mut states, mut unmasking) = network.confirm(&context, &[], &[]);
    let request = unmasking.request().clone();
    let (_, mut shares) = states.remove(&1).unwrap().unmask(&request, network.identity(1)).unwrap();
    unmasking.add(&shares).unwrap();
    unmasking.add(&shares).unwrap();
    shares.self_masks[0] = [0; 40];
    shares.signature = signed(&shares, network.identity(1));
    let refused = unmasking.add(&shares).unwrap_err();
    assert_eq!(refused, Error::Duplicate { what: "answer", site: "site-1".into() });
    assert_eq!(unmasking.answered().collect::<Vec<_>>(), [1]);
    let refused = unmasking.seeds(&mut rng()).unwrap_err();
    assert_eq!(refused, Error::TooFewSites { what: "answers to the request", got: 1, need: 3 });
}

/// Seven sites, t = 5, six answers: one wrong share is seen, and none can be located; a round of
/// nine, t = 7, with nine answers locates one.
#[test]
fn a_garbage_share_is_seen_and_the_dealer_and_the_holders_are_named() {
    let all = [0, 1, 2, 3, 4, 5];
    let (unmasking, results) = answers(&all, |site, shares| {
        if site == 2 {
            shares.backup_keys[0] = [1; 40];
        }
    });
    assert!(results.iter().all(Result::is_ok));
    let refused = unmasking.seeds(&mut rng()).unwrap_err();
    let holders: Vec<_> = all.iter().map(|site| name(*site)).collect();
    let (what, dealer) = ("backup key", "site-6".to_owned());
    assert_eq!(refused, Error::Unrecoverable { what, dealer, holders });
    assert_eq!(refused.culprits().len(), 7);
}

/// What nine sites (t = 7), of whom the first `count` answer, give when `liar` has wrong shares of
/// two dealers: one element, and all of it.
fn disputes(liar: u32, count: usize) -> Vec<Dispute> {
    let mut network = Network::new(9, 0);
    let context = network.context();
    let (states, mut unmasking) = network.confirm(&context, &[], &[]);
    let request = unmasking.request().clone();
    for (site, state) in states.into_iter().take(count) {
        let (_, mut shares) = state.unmask(&request, network.identity(site)).unwrap();
        if site == liar {
            shares.self_masks[4][9] ^= 1;
            shares.self_masks[7] = [3; 40];
            shares.signature = signed(&shares, network.identity(liar));
        }
        unmasking.add(&shares).unwrap();
    }
    let seeds = unmasking.seeds(&mut rng()).unwrap();
    let sum = unmasking.unmask(seeds);
    assert_eq!(sum.values, plain(&(0..9).collect(), LEN));
    sum.disputes
}

#[test]
fn garbage_shares_are_located_when_two_more_than_t_have_answered() {
    // Also of sites beyond the first seven, whose shares the sum does not need.
    for holder in 0..9 {
        let dispute = |dealer| Dispute { dealer, holder, secret: Secret::SelfMask };
        assert_eq!(disputes(holder, 9), [dispute(4), dispute(7)]);
    }
    // One more than seven shows that a share is wrong, and not which.
    assert_eq!(disputes(7, 8), []);
}
