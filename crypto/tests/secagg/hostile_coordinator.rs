//! A coordinator that may do anything: each site refuses by itself, with the refusal's name.

use haima_crypto::encode::Digest;
use haima_crypto::identity::IdentityKey;
use haima_crypto::secagg::*;

use super::network::*;

fn set(sites: &[u32]) -> std::collections::BTreeSet<u32> {
    sites.iter().copied().collect()
}

fn partition(absent: &[u32], vanished: &[u32], survivors: &[u32]) -> Partition {
    Partition { absent: set(absent), vanished: set(vanished), survivors: set(survivors) }
}

/// What site 0 of four says to a partition; site 3 shared and then vanished, if `gone`.
fn confirm(partition: &Partition, absent: &[u32], gone: &[u32]) -> Result<(), Error> {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let (mut states, _) = network.mask(&context, absent, gone);
    let state = states.remove(&0).unwrap();
    state.confirm(partition, network.identity(0)).map(|_| ())
}

#[test]
fn a_site_both_survivor_and_vanished_would_be_unmasked_and_is_refused() {
    assert_eq!(confirm(&partition(&[], &[3], &[0, 1, 2]), &[], &[3]), Ok(()));
    let twice = [
        partition(&[], &[3, 1], &[0, 1, 2]),
        partition(&[1], &[3], &[0, 1, 2]),
        partition(&[1], &[3, 1], &[0, 2]),
    ];
    for twice in twice {
        let refused = confirm(&twice, &[], &[3]).unwrap_err();
        assert_eq!(refused, Error::Overlap { site: "site-1".into() });
        assert_eq!(refused.culprits(), [Party::Coordinator]);
    }
}

#[test]
fn a_partition_covers_the_roster_and_names_nobody_else() {
    let refused = confirm(&partition(&[], &[], &[0, 1, 2]), &[], &[3]);
    assert_eq!(refused, Err(Error::Uncovered { site: "site-3".into() }));
    for stranger in [4, u32::MAX] {
        for strange in [
            partition(&[], &[3], &[0, 1, 2, stranger]),
            partition(&[], &[3, stranger], &[0, 1, 2]),
            partition(&[stranger], &[3], &[0, 1, 2]),
        ] {
            let refused = confirm(&strange, &[], &[3]);
            assert_eq!(refused, Err(Error::UnknownSite { position: stranger, sites: 4 }));
        }
    }
}

#[test]
fn the_sharers_of_the_partition_are_those_under_whose_masks_the_vector_is() {
    let refused = confirm(&partition(&[3], &[], &[0, 1, 2]), &[], &[3]);
    assert_eq!(refused, Err(Error::OtherSharers { site: "site-3".into() }));
    let refused = confirm(&partition(&[], &[3], &[0, 1, 2]), &[3], &[]);
    assert_eq!(refused, Err(Error::OtherSharers { site: "site-3".into() }));
    assert_eq!(confirm(&partition(&[3], &[], &[0, 1, 2]), &[3], &[]), Ok(()));
}

#[test]
fn a_site_that_sent_its_vector_is_not_told_that_it_vanished() {
    let refused = confirm(&partition(&[], &[0], &[1, 2, 3]), &[], &[]);
    assert_eq!(refused, Err(Error::NotASurvivor));
}

#[test]
fn survivors_below_the_threshold_or_the_floor_are_refused() {
    let refused = confirm(&partition(&[], &[2, 3], &[0, 1]), &[], &[]);
    assert_eq!(refused, Err(Error::TooFewSites { what: "survivors", got: 2, need: 3 }));

    let mut network = Network::new(4, 0);
    let context = network.context_of(Terms { min_sites: 4, ..network.terms() });
    let (mut states, _) = network.mask(&context, &[], &[]);
    let refused = states
        .remove(&0)
        .unwrap()
        .confirm(&partition(&[], &[3], &[0, 1, 2]), network.identity(0))
        .unwrap_err();
    assert_eq!(refused, Error::TooFewSites { what: "survivors", got: 3, need: 4 });
}

#[test]
fn a_delivery_of_too_few_sharers_is_refused() {
    for (min_sites, left, need) in [(2, 2, 3), (4, 3, 4)] {
        let mut network = Network::new(4, 0);
        let context = network.context_of(Terms { min_sites, ..network.terms() });
        let (mut states, relaying) = network.share(&context, &[]);
        let mut delivery = relaying.unwrap().delivery(0).unwrap();
        delivery.headers.truncate(left);
        delivery.envelopes.truncate(left - 1);
        let refused = states.remove(&0).unwrap().receive(&delivery).unwrap_err();
        assert_eq!(refused, Error::TooFewSites { what: "sites have shared", got: left, need });
    }
}

/// Sites 0, 1, 2 are told that 3 vanished, and sites 3, 4, 5 that 0 did: n = 6, t = 5.
#[test]
fn two_partitions_for_two_groups_of_sites_unmask_nothing() {
    let [one, two] =
        [partition(&[], &[3], &[0, 1, 2, 4, 5]), partition(&[], &[0], &[1, 2, 3, 4, 5])];
    for victim in 0..3 {
        let mut network = Network::new(6, 0);
        let context = network.context();
        let (states, _) = network.mask(&context, &[], &[]);
        let mut confirmed = Vec::new();
        let (mut of_one, mut of_two) = (Vec::new(), Vec::new());
        for (site, state) in states {
            let identity = network.identity(site);
            let (partition, signatures) =
                if site < 3 { (&one, &mut of_one) } else { (&two, &mut of_two) };
            let (state, confirmation) = state.confirm(partition, identity).unwrap();
            signatures.push((site, confirmation.signature));
            confirmed.push(state);
        }
        let state = confirmed.swap_remove(victim);
        let identity = network.identity(victim as u32);
        let ask = |state: Confirmed, partition: &Partition, confirmations: &[_]| {
            let request = UnmaskRequest {
                partition: partition.clone(),
                confirmations: confirmations.to_vec(),
            };
            state.unmask(&request, identity).unwrap_err()
        };
        let refused = match victim {
            0 => (ask(state, &one, &of_one), Error::TooFewConfirmations { got: 3, need: 5 }),
            1 => {
                let mixed = [&of_one[..], &of_two[1..]].concat();
                let (what, site) = ("confirmation", "site-4".into());
                (ask(state, &one, &mixed), Error::Signature { what, site })
            }
            _ => (ask(state, &two, &of_two), Error::AnotherPartition),
        };
        assert_eq!(refused.0, refused.1);
    }
}

/// What site 0 of four answers to a request changed from the honest one; site 3 has vanished.
fn unmask(change: impl FnOnce(&mut UnmaskRequest, &Network)) -> Result<UnmaskShares, Error> {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let (mut states, unmasking) = network.confirm(&context, &[], &[3]);
    let mut request = unmasking.request().clone();
    change(&mut request, &network);
    let state = states.remove(&0).unwrap();
    state.unmask(&sent(&request), network.identity(0)).map(|(_, shares)| shares)
}

#[test]
fn a_site_gives_one_share_of_each_sharer_and_never_two() {
    let shares = unmask(|_, _| {}).unwrap();
    assert_eq!((shares.self_masks.len(), shares.backup_keys.len()), (3, 1));
}

#[test]
fn a_request_needs_t_different_survivors() {
    let refused = unmask(|request, _| request.confirmations.truncate(2)).unwrap_err();
    assert_eq!(refused, Error::TooFewConfirmations { got: 2, need: 3 });
    let refused =
        unmask(|request, _| request.confirmations[2] = request.confirmations[1]).unwrap_err();
    assert_eq!(refused, Error::Duplicate { what: "confirmation", site: "site-1".into() });
    let refused = unmask(|request, _| request.confirmations[2].0 = 3).unwrap_err();
    assert_eq!(refused, Error::NoSurvivor { what: "confirmation", site: "site-3".into() });
    let refused = unmask(|request, _| request.confirmations[2].0 = 77).unwrap_err();
    assert_eq!(refused, Error::NoSurvivor { what: "confirmation", site: "#77".into() });
    let refused = unmask(|request, network| {
        let forged = network.identity(3).sign(&Digest::of(b"yes"));
        request.confirmations[2].1 = forged;
    })
    .unwrap_err();
    assert_eq!(refused, Error::Signature { what: "confirmation", site: "site-2".into() });
}

/// Who reads a sum checks who is in it, with the roster and the cohort alone.
#[test]
fn a_reader_of_the_sum_refuses_a_partition_that_is_none_or_not_confirmed() {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let (_, unmasking) = network.confirm(&context, &[], &[3]);
    let cohort = unmasking.cohort();
    let verify = |change: &dyn Fn(&mut UnmaskRequest)| {
        let mut request = sent(unmasking.request());
        change(&mut request);
        request.verify(&context, cohort)
    };
    assert_eq!(verify(&|_| {}), Ok(()));
    let twice = verify(&|request| request.partition.vanished = set(&[1, 3]));
    assert_eq!(twice, Err(Error::Overlap { site: "site-1".into() }));
    let few = verify(&|request| request.partition = partition(&[], &[2, 3], &[0, 1]));
    assert_eq!(few, Err(Error::TooFewSites { what: "survivors", got: 2, need: 3 }));
    let refused = Err(Error::Signature { what: "confirmation", site: "site-0".into() });
    assert_eq!(unmasking.request().verify(&context, &Digest::of(b"other")), refused);
    let other = verify(&|request| request.partition = partition(&[3], &[], &[0, 1, 2]));
    assert_eq!(other, refused);
}

/// Confirmations of a round before, for the same partition.
#[test]
fn confirmations_of_another_round_are_void() {
    let mut network = Network::new(4, 0);
    let before = network.context();
    let (_, unmasking) = network.confirm(&before, &[], &[3]);
    let old = unmasking.request().clone();
    let context = network.context_of(Terms { round: Digest::of(b"next"), ..network.terms() });
    let (mut states, _) = network.confirm(&context, &[], &[3]);
    let refused = states.remove(&0).unwrap().unmask(&old, network.identity(0)).unwrap_err();
    assert_eq!(refused, Error::Signature { what: "confirmation", site: "site-0".into() });
}

#[test]
fn a_round_is_answered_once() {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let (mut states, unmasking) = network.confirm(&context, &[], &[]);
    let request = unmasking.request();
    let (answered, shares) =
        states.remove(&0).unwrap().unmask(request, network.identity(0)).unwrap();
    let stored = Answered::from_bytes(&answered.to_bytes()).unwrap();
    assert_eq!(stored.round(), &context.terms().round);
    use haima_crypto::encode::Canonical;
    assert_eq!(stored.again(request).unwrap().to_bytes(), shares.to_bytes());
    let mut other = request.clone();
    other.partition = partition(&[], &[3], &[0, 1, 2]);
    assert_eq!(stored.again(&other).unwrap_err(), Error::AnsweredAlready);
}

#[test]
fn a_round_is_begun_once_under_whatever_terms_and_after_a_restart() {
    let mut network = Network::new(4, 0);
    let context = network.context();
    drop(network.start(&context, 0));
    let mut again = |keys: &mut PairKeys, terms: Terms| {
        let context = RoundContext::new(network.roster.clone(), terms).unwrap();
        let identity = &network.identities[0];
        Shared::start(context, keys, identity, &mut network.rngs[0]).map(|_| ())
    };
    let terms = *context.terms();
    let refused = Err(Error::RoundAgain { round: terms.round.short() });
    let mut keys = PairKeys::from_bytes(&network.keys[0].to_bytes()).unwrap();
    assert_eq!(again(&mut keys, terms), refused);
    assert_eq!(again(&mut keys, Terms { min_sites: 4, ..terms }), refused);
    assert_eq!(again(&mut keys, Terms { round: Digest::of(b"next"), ..terms }), Ok(()));
    assert_eq!(
        again(&mut keys, Terms { round: Digest::of(b"next"), ..terms }),
        Err(Error::RoundAgain { round: Digest::of(b"next").short() })
    );
}

/// What site 0 says to a delivery in which the others' headers are of other terms.
fn deliver_under(change: impl Fn(&mut Terms)) -> Error {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let mut terms = network.terms();
    change(&mut terms);
    let others = network.context_of(terms);
    let (state, own) = network.start(&context, 0);
    let (mut headers, mut envelopes) = (vec![own.header], Vec::new());
    for site in 1..4 {
        let (_, message) = network.start(&others, site);
        headers.push(message.header);
        envelopes.push(message.envelopes[0].clone());
    }
    state.receive(&sent(&Delivery { headers, envelopes })).unwrap_err()
}

#[test]
fn shares_of_another_study_or_model_are_refused() {
    let (what, site) = ("header of shares", "site-1".to_owned());
    let refused =
        deliver_under(|terms| terms.round = Digest::of(b"another study, or another model"));
    assert_eq!(refused, Error::AnotherRound { what, site: site.clone() });
    let both = [Party::Coordinator, Party::Site(site)];
    assert_eq!(refused.culprits(), both);
}

#[test]
fn a_threshold_lowered_for_some_sites_is_noticed_by_the_others_as_is_any_other_term() {
    let refused = Error::OtherTerms { what: "header of shares", site: "site-1".into() };
    assert_eq!(deliver_under(|terms| terms.threshold = 4), refused);
    assert_eq!(deliver_under(|terms| terms.corrupt = 0), refused);
    assert_eq!(deliver_under(|terms| terms.min_sites = 1), refused);
    assert_eq!(deliver_under(|terms| terms.len = 6), refused);
    assert_eq!(deliver_under(|terms| terms.ring = Ring::new(33).unwrap()), refused);
    assert_eq!(deliver_under(|terms| terms.prg = Prg::ChaCha20), refused);
}

#[test]
fn a_roster_or_an_epoch_other_than_that_of_the_keys_is_refused() {
    let mut network = Network::new(4, 0);
    let larger = roster(&identities(5));
    let terms = Terms { threshold: 4, ..network.terms() };
    let mut start = |context: RoundContext, identity: &IdentityKey| {
        Shared::start(context, &mut network.keys[0], identity, &mut network.rngs[0])
            .map(|_| ())
            .unwrap_err()
    };
    let own = &network.identities[0];
    let context = RoundContext::new(larger, terms).unwrap();
    assert_eq!(start(context, own), Error::AnotherRoster);
    let epoch = Digest::of(b"another epoch");
    let context = RoundContext::new(network.roster.clone(), Terms { epoch, ..terms }).unwrap();
    assert_eq!(start(context, own), Error::AnotherKeys);
    let context = RoundContext::new(network.roster.clone(), terms).unwrap();
    assert_eq!(start(context.clone(), &network.identities[1]), Error::AnotherKeys);
    let stranger = IdentityKey::from_secret(&[99; 32]);
    let identity = stranger.public().fingerprint();
    assert_eq!(start(context, &stranger), Error::NotInRoster { identity });
}

/// What site 0 of four says to a delivery changed from the honest one.
fn receive(change: impl FnOnce(&mut Delivery, &mut Network, &RoundContext, &Relaying)) -> Error {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let (mut states, relaying) = network.share(&context, &[]);
    let relaying = relaying.unwrap();
    let mut delivery = relaying.delivery(0).unwrap();
    change(&mut delivery, &mut network, &context, &relaying);
    states.remove(&0).unwrap().receive(&sent(&delivery)).unwrap_err()
}

#[test]
fn a_share_of_one_site_does_not_reach_another() {
    let (what, from) = ("envelope", "site-2".to_owned());
    let refused = receive(|delivery, _, _, relaying| {
        // From site 2 to site 1, beside and then instead of the one to site 0.
        delivery.envelopes[1] = relaying.delivery(1).unwrap().envelopes[1].clone();
    });
    let to = "site-1".to_owned();
    assert_eq!(refused, Error::Misdirected { what, from: from.clone(), to });
    let refused = receive(|delivery, _, _, relaying| {
        delivery.envelopes[1] = relaying.delivery(1).unwrap().envelopes[1].clone();
        delivery.envelopes[1].to = 0;
    });
    assert_eq!(refused, Error::Signature { what, site: from.clone() });
    // Even signed by its dealer, it does not open at another site.
    let refused = receive(|delivery, network, context, relaying| {
        let envelope = &mut delivery.envelopes[1];
        *envelope = relaying.delivery(1).unwrap().envelopes[1].clone();
        envelope.to = 0;
        envelope.signature = signed_envelope(envelope, context, network.identity(2));
    });
    assert_eq!(refused, Error::Sealed { what, site: from.clone() });
    assert_eq!(refused.culprits(), [Party::Site(from)]);
}

#[test]
fn envelopes_and_headers_are_one_each_and_whole() {
    let (what, site) = ("envelope", "site-2".to_owned());
    let refused = receive(|delivery, _, _, _| delivery.envelopes.retain(|one| one.from != 2));
    assert_eq!(refused, Error::Missing { what, site: site.clone() });
    let refused =
        receive(|delivery, _, _, _| delivery.envelopes[2] = delivery.envelopes[1].clone());
    assert_eq!(refused, Error::Duplicate { what, site: site.clone() });
    let refused = receive(|delivery, _, _, _| delivery.envelopes[1].sealed[50] ^= 1);
    assert_eq!(refused, Error::Signature { what, site: site.clone() });
    let what = "header of shares";
    let refused = receive(|delivery, _, _, _| delivery.headers.retain(|one| one.origin.site != 2));
    assert_eq!(refused, Error::Missing { what, site: site.clone() });
    let refused = receive(|delivery, _, _, _| delivery.headers[1] = delivery.headers[2].clone());
    assert_eq!(refused, Error::Duplicate { what, site: site.clone() });
    let refused = receive(|delivery, _, _, _| delivery.headers[2].self_mask = Digest::of(b"other"));
    assert_eq!(refused, Error::Signature { what, site: site.clone() });
    let refused = receive(|delivery, _, _, _| delivery.headers[2].origin.site = 4);
    assert_eq!(refused, Error::UnknownSite { position: 4, sites: 4 });
}

#[test]
fn the_own_header_comes_back_as_it_was_sent() {
    let refused = receive(|delivery, _, _, _| delivery.headers.retain(|one| one.origin.site != 0));
    assert_eq!(refused, Error::Own { what: "header of shares" });
    // Even one that it might have signed.
    let refused = receive(|delivery, network, _, _| {
        let header = &mut delivery.headers[0];
        header.self_mask = Digest::of(b"other");
        header.signature = signed(header, network.identity(0));
    });
    assert_eq!(refused, Error::Own { what: "header of shares" });
}

/// A dealer that signs two headers: the envelope belongs to one of them.
#[test]
fn an_envelope_belongs_to_its_dealers_commitments() {
    let refused = receive(|delivery, network, _, _| {
        let header = &mut delivery.headers[2];
        header.backup_key = Digest::of(b"another commitment");
        header.signature = signed(header, network.identity(2));
    });
    assert_eq!(refused, Error::Sealed { what: "envelope", site: "site-2".into() });
}

/// Two sites get different headers of site 2; both would unmask, but not each other's request.
#[test]
fn sites_that_saw_other_headers_do_not_answer_each_other() {
    let mut network = Network::new(4, 0);
    let context = network.context();
    let (mut states, relaying) = network.share(&context, &[]);
    let relaying = relaying.unwrap();
    let mut confirm = |site: u32, change: bool| {
        let mut delivery = relaying.delivery(site).unwrap();
        if change {
            let header = &mut delivery.headers[2];
            header.backup = Digest::of(b"another backup");
            header.signature = signed(header, &network.identities[2]);
        }
        let identity = network.identity(site);
        let ready = states.remove(&site).unwrap().receive(&delivery).unwrap();
        let (masked, _) = ready.mask(&input(site, LEN), identity).unwrap();
        masked.confirm(&partition(&[], &[], &[0, 1, 2, 3]), identity).unwrap()
    };
    let (state, own) = confirm(0, false);
    let others = [confirm(1, true).1, confirm(3, true).1];
    let request = UnmaskRequest {
        partition: partition(&[], &[], &[0, 1, 2, 3]),
        confirmations: [own, others[0].clone(), others[1].clone()]
            .map(|one| (one.origin.site, one.signature))
            .to_vec(),
    };
    let refused = state.unmask(&request, network.identity(0)).unwrap_err();
    assert_eq!(refused, Error::Signature { what: "confirmation", site: "site-1".into() });
}
