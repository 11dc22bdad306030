//! crypto/src/secagg: the steps of a masked round after its first message, and an epoch's keys.
//!
//! Public: what is sent; which random words are thrown away, that shares are canonical, that
//! integers fit the ring, that tags and commitments are right; that a site finds its own header and
//! its own key among those that it is shown; and the digest that an answer's signature is over.

use std::convert::identity;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::secagg::{
    Advertising, Agreeing, Collecting, Confirmed, EpochContext, PairKeys, RoundContext, Shared,
    Terms, UnmaskShares, Unmasking,
};
use haima_proofs_ct::memcheck::{make_secret, publics, secret, secrets};
use haima_proofs_ct::setting::{self, SecretRng, public_rng};
use rand_core::CryptoRng;

const SITES: u32 = 4;

/// Each site takes its envelopes, masks its vector, and answers. Pair keys, seeds, shares and
/// vectors of all are secret. The last site vanishes after it has shared.
pub(crate) fn site() {
    let (confirmed, unmasking) = confirmed(3, secret, SecretRng::new, secrets);
    let answers: Vec<UnmaskShares> = answers(confirmed, &unmasking).iter().map(sent).collect();
    assert_eq!(unmasked(unmasking, &answers), [6, -21, 0, 3000]);
}

/// The coordinator with as many answers as are needed, and a backup to open.
pub(crate) fn sum() {
    coordinator(3, &[6, -21, 0, 3000]);
}

/// The coordinator with one answer more, so that it looks for wrong shares.
pub(crate) fn spare() {
    coordinator(4, &[10, -28, 0, 4000]);
}

/// The shares in answers are secret, and what is made of them.
fn coordinator(survivors: u32, sum: &[i64]) {
    let (confirmed, unmasking) = confirmed(survivors, identity, public_rng, <[i64]>::to_vec);
    let mut answers = answers(confirmed, &unmasking);
    for answer in &mut answers {
        make_secret(&mut answer.self_masks);
        make_secret(&mut answer.backup_keys);
    }
    assert_eq!(unmasked(unmasking, &answers), sum);
}

/// A message as it comes.
fn sent<M: Canonical>(message: &M) -> M {
    M::from_bytes(&publics(&message.to_bytes())).expect("a message")
}

/// Three of the sites reconstruct.
fn context() -> RoundContext {
    let roster = setting::roster(SITES);
    let terms = Terms { threshold: 3, ..*setting::round(&roster).terms() };
    RoundContext::new(roster, terms).expect("a round")
}

/// A round until its survivors, the first so many sites, have confirmed. The functions make secrets
/// of pair keys, randomness and vectors, or do not.
fn confirmed<R: CryptoRng>(
    survivors: u32,
    key: fn([u8; 32]) -> [u8; 32],
    rng: fn(u8) -> R,
    vector: fn(&[i64]) -> Vec<i64>,
) -> (Vec<Confirmed>, Unmasking) {
    let (context, roster) = (context(), setting::roster(SITES));
    let (mut collecting, mut shared) = (Collecting::new(context.clone()), Vec::new());
    for site in 0..SITES {
        let pair = |other: u32| key([(1_u8 << site) | (1_u8 << other); 32]);
        let bytes = setting::pair_keys(&roster, site, pair);
        let mut keys = PairKeys::from_bytes(&bytes).expect("pair keys");
        let (identity, rng) = (setting::identity(site), &mut rng(20 + site as u8));
        let started = Shared::start(context.clone(), &mut keys, &identity, rng);
        let (state, message) = started.expect("a round");
        collecting.add(sent(&message)).expect("shares");
        shared.push(state);
    }
    let relaying = collecting.close().expect("enough shares");
    let mut ready = Vec::new();
    for (site, state) in (0..survivors).zip(shared) {
        let delivery = relaying.delivery(site).expect("a sharer");
        ready.push(state.receive(&delivery).expect("a delivery"));
    }
    let (mut summing, mut masked) = (relaying.sum(), Vec::new());
    for (site, state) in (0..survivors).zip(ready) {
        let values = vector(&[i64::from(site) + 1, -7, 0, 1000]);
        let (state, input) = state.mask(&values, &setting::identity(site)).expect("a vector");
        summing.add(&sent(&input)).expect("a masked vector");
        masked.push(state);
    }
    let (mut confirming, mut confirmed) = (summing.close().expect("enough vectors"), Vec::new());
    let partition = confirming.partition().clone();
    for (site, state) in (0..survivors).zip(masked) {
        let answer = state.confirm(&partition, &setting::identity(site));
        let (state, confirmation) = answer.expect("a partition");
        confirming.add(&sent(&confirmation)).expect("a confirmation");
        confirmed.push(state);
    }
    (confirmed, confirming.close().expect("enough confirmations"))
}

fn answers(confirmed: Vec<Confirmed>, unmasking: &Unmasking) -> Vec<UnmaskShares> {
    let answer = |(site, state): (u32, Confirmed)| {
        let answered = state.unmask(unmasking.request(), &setting::identity(site));
        answered.expect("a request").1
    };
    (0..).zip(confirmed).map(answer).collect()
}

/// The sum, which is released.
fn unmasked(mut unmasking: Unmasking, answers: &[UnmaskShares]) -> Vec<i64> {
    for answer in answers {
        unmasking.add(answer).expect("an answer");
    }
    let seeds = unmasking.seeds(&mut public_rng(30)).expect("enough answers");
    publics(&unmasking.unmask(seeds).values)
}

/// Three sites agree on keys. Of each its seed is secret, so its X-Wing key and what it seals, and
/// the randomness that it seals with.
pub(crate) fn epoch() {
    let context = EpochContext::new(&Digest::of(b"manifest"), setting::roster(3), 1);
    let (mut advertising, mut all) = (Vec::new(), Vec::new());
    for site in 0..3 {
        let (identity, rng) = (setting::identity(site), &mut SecretRng::new(40 + site as u8));
        let started = Advertising::start(context.clone(), &identity, rng);
        let (state, advertisement) = started.expect("a site");
        advertising.push(state);
        all.push(sent(&advertisement));
    }
    let (mut agreeing, mut agreements) = (Vec::new(), Vec::new());
    for (site, state) in (0..3).zip(advertising) {
        let (identity, rng) = (setting::identity(site), &mut SecretRng::new(50 + site as u8));
        let (state, sealed) = state.agree(&all, &identity, rng).expect("advertisements");
        agreeing.push(state);
        agreements.extend(sealed.iter().map(sent));
    }
    let finish = |(site, state): (u32, Agreeing)| {
        let to = agreements.iter().filter(|agreement| agreement.to == site).cloned();
        let keys = state.finish(&to.collect::<Vec<_>>()).expect("agreements");
        publics(&keys.to_bytes())
    };
    let keys: Vec<Vec<u8>> = (0..).zip(agreeing).map(finish).collect();
    // A key of 32 bytes after each of the two others' numbers; then four bytes, for no rounds.
    let key = |site: usize, place: usize| {
        let bytes = &keys[site];
        &bytes[bytes.len() - 72 + 36 * place..][..32]
    };
    assert_eq!([key(0, 0), key(0, 1), key(1, 1)], [key(1, 0), key(2, 0), key(2, 1)]);
}
