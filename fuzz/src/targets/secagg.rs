//! Messages of the masked mode, and what a site stores of it (`haima_crypto::secagg`).

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::identity::IdentityKey;
use haima_crypto::secagg::{
    Advertisement, Advertising, Agreement, Answered, Collecting, Confirmation, Delivery, Envelope,
    EpochContext, Header, MaskedInput, Member, PairKeys, Partition, Prg, Ring, Roster,
    RoundContext, Shared, SharesMessage, Terms, UnmaskRequest, UnmaskShares,
};

use super::tools::{Cut, check, rng, tagged};

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    match tag % 13 {
        0 => check::<Advertisement>(bytes),
        1 => check::<Agreement>(bytes),
        2 => check::<Header>(bytes),
        3 => check::<Envelope>(bytes),
        4 => check::<SharesMessage>(bytes),
        5 => check::<Delivery>(bytes),
        6 => check::<MaskedInput>(bytes),
        7 => check::<Partition>(bytes),
        8 => check::<Confirmation>(bytes),
        9 => check::<UnmaskRequest>(bytes),
        10 => check::<UnmaskShares>(bytes),
        11 => {
            if let Ok(keys) = PairKeys::from_bytes(bytes) {
                assert!(**keys.to_bytes() == *bytes, "two encodings of pair keys");
            }
        }
        _ => {
            if let Ok(answered) = Answered::from_bytes(bytes) {
                assert!(**answered.to_bytes() == *bytes, "two encodings of an answer");
            }
        }
    }
}

/// The messages of a round of three sites.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let rng = &mut rng();
    let identities = [1, 2, 3].map(|site| IdentityKey::from_secret(&[site; 32]));
    let members = (0..).zip(&identities);
    let members = members.map(|(site, key): (u32, _)| Member {
        name: format!("site-{site}"),
        identity: key.public(),
    });
    let roster = Roster::new(members.collect()).unwrap();
    let context = EpochContext::new(&Digest::of(b"manifest"), roster.clone(), 7);

    let started = identities.each_ref().map(|key| Advertising::start(context.clone(), key, rng));
    let (states, advertisements): (Vec<_>, Vec<_>) =
        started.map(Result::unwrap).into_iter().unzip();
    seeds.push(tagged(0, &advertisements[0].to_bytes()));
    let epoch = context.close(&advertisements).unwrap();
    let (mut agreeing, mut agreements) = (Vec::new(), Vec::<Agreement>::new());
    for (state, key) in states.into_iter().zip(&identities) {
        let (state, said) = state.agree(&advertisements, key, rng).unwrap();
        agreeing.push(state);
        agreements.extend(said);
    }
    seeds.push(tagged(1, &agreements[0].to_bytes()));
    let finished = (0..).zip(agreeing).map(|(site, state): (u32, _)| {
        let to: Vec<_> = agreements.iter().filter(|it| it.to == site).cloned().collect();
        state.finish(&to).unwrap()
    });
    let mut keys: Vec<PairKeys> = finished.collect();
    seeds.push(tagged(11, &keys[0].to_bytes()));

    let terms = Terms {
        round: Digest::of(b"round"),
        epoch,
        threshold: 3,
        corrupt: 2,
        min_sites: 2,
        ring: Ring::new(32).unwrap(),
        prg: Prg::Aes128,
        len: 5,
    };
    let context = RoundContext::new(roster, terms).unwrap();
    let mut collecting = Collecting::new(context.clone());
    let mut states = Vec::new();
    for (keys, key) in keys.iter_mut().zip(&identities) {
        let (state, message) = Shared::start(context.clone(), keys, key, rng).unwrap();
        states.push(state);
        seeds.extend(
            [
                tagged(2, &message.header.to_bytes()),
                tagged(3, &message.envelopes[0].to_bytes()),
                tagged(4, &message.to_bytes()),
            ]
            .into_iter()
            .filter(|_| states.len() == 1),
        );
        collecting.add(message).unwrap();
    }
    let relaying = collecting.close().unwrap();
    seeds.push(tagged(5, &relaying.delivery(0).unwrap().to_bytes()));
    let ready = (0..)
        .zip(states)
        .map(|(site, state): (u32, _)| state.receive(&relaying.delivery(site).unwrap()).unwrap());
    let ready: Vec<_> = ready.collect();
    let (mut summing, mut masked) = (relaying.sum(), Vec::new());
    for (state, key) in ready.into_iter().zip(&identities) {
        let (state, input) = state.mask(&[1, -2, 3, -4, 5], key).unwrap();
        summing.add(&input).unwrap();
        seeds.extend(masked.is_empty().then(|| tagged(6, &input.to_bytes())));
        masked.push(state);
    }
    let mut confirming = summing.close().unwrap();
    let partition = confirming.partition().clone();
    seeds.push(tagged(7, &partition.to_bytes()));
    let mut confirmed = Vec::new();
    for (state, key) in masked.into_iter().zip(&identities) {
        let (state, confirmation) = state.confirm(&partition, key).unwrap();
        confirming.add(&confirmation).unwrap();
        seeds.extend(confirmed.is_empty().then(|| tagged(8, &confirmation.to_bytes())));
        confirmed.push(state);
    }
    let unmasking = confirming.close().unwrap();
    seeds.push(tagged(9, &unmasking.request().to_bytes()));
    let (answered, shares) =
        confirmed.swap_remove(0).unmask(unmasking.request(), &identities[0]).unwrap();
    seeds.push(tagged(10, &shares.to_bytes()));
    seeds.push(tagged(12, &answered.to_bytes()));
    seeds
}
