//! A coordinator that lies, in masked mode, against real sites: the test itself plays it, with the
//! coordinator's own keys, and deviates from an honest round at one place.
//!
//! That each message is refused is tested in the library (`crypto/tests/secagg`); here, that a site's
//! daemon refuses with a reason, answers nothing, charges nothing before it is asked for its vector, and
//! lives on.

mod common;
#[path = "common/played.rs"]
mod played;
#[path = "lying_masked/sums.rs"]
mod sums;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use haima::coordinator::board::Step;
use haima::sum::masked::{ADVERTISEMENTS, AGREEMENTS, epoch_context, write_list};
use haima::sum::plan::query_bytes;
use haima_crypto::encode::{Canonical, Digest, Encoder};
use haima_crypto::identity::IdentityKey;
use haima_crypto::seal::SealingKey;
use haima_crypto::secagg::{Advertisement, Delivery, Error, Partition, Relaying};
use haima_smpc_node::masking::{MaskSpec, Masking};
use haima_smpc_node::spec::{Hiding, RoundSpec, ShareSpec};
use haima_smpc_node::unix_millis;
use played::{ALL, Played};

fn partition(absent: &[u32], vanished: &[u32], survivors: &[u32]) -> Partition {
    let list = |sites: &[u32]| sites.iter().copied().collect::<BTreeSet<_>>();
    let (absent, vanished) = (list(absent), list(vanished));
    Partition { absent, vanished, survivors: list(survivors) }
}

fn changed(of: &Relaying, site: u32, change: impl FnOnce(&mut Delivery)) -> Delivery {
    let mut delivery = of.delivery(site).unwrap();
    change(&mut delivery);
    delivery
}

/// X2: the difference of two exact sums would be a hospital's; a restart forgets nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exact_sum_over_other_sites_than_the_one_before_is_refused() {
    let mut played = Played::new().await;
    let before = [0, 1, 2];
    let sum = played.honest(0, 0, &before).await;
    played.release(&sum);
    for attempt in 0..2 {
        let round = played.begin(1, attempt);
        round.until_partition(&ALL).await;
        played.refused(&round, &before, "rule X2").await;
        played.close();
        if attempt == 0 {
            played.restart();
        }
    }
    let sum = played.honest(1, 2, &before).await;
    assert!(sum.request.partition.survivors.iter().eq(&before), "over the same sites it goes on");
}

/// X2: another run may begin over other sites where a policy says so, and keeps to them then; no approval
/// lets a run that has begun go over to others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approved_run_begins_over_other_sites_and_keeps_to_them() {
    for approved in [false, true] {
        let mut played = Played::new().await;
        let few = [0, 1, 2];
        played.honest(0, 0, &few).await;
        played.hub.add_query("cox", 2, 0, query_bytes(&played.query));
        let again = |played: &mut Played, attempt| RoundSpec { run: 2, ..played.spec(0, attempt) };
        let spec = again(&mut played, 0);
        played.approve(&spec, approved).await;
        let spec = again(&mut played, 0);
        if !approved {
            let round = played.start(&spec);
            round.until_partition(&ALL).await;
            played.refused(&round, &few, "approved_other_sites").await;
            continue;
        }
        played.honest_round(&spec, &ALL).await;
        for restart in [false, true] {
            if restart {
                played.restart();
            }
            let attempt = 1 + u32::from(restart);
            let spec = again(&mut played, attempt);
            let round = played.start(&spec);
            round.until_partition(&few).await;
            played.refused(&round, &few, "exact sums before: their difference").await;
            played.close();
            let round = played.begin(0, attempt);
            round.until_partition(&ALL).await;
            played.refused(&round, &few, "of this run").await;
            played.close();
        }
    }
}

/// L1, L2: a run has as many attempts as its plan, whatever the coordinator says of those before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_has_no_more_attempts_than_its_plan() {
    let mut played = Played::new().await;
    for attempt in 0..2 {
        played.honest(0, attempt, &ALL).await;
    }
    for restart in [false, true] {
        if restart {
            played.restart();
        }
        let spec = played.spec(1, 0);
        let third = RoundSpec { plan_index: 1, previous: Digest::of(b"sum"), ..spec };
        let text = "plan index 1; this site has begun 2 attempts of the run (rule L1)";
        played.all_refuse(&third, text).await;
    }
}

/// R8: one round for one step and attempt, each round once, and later ones with higher numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_round_for_one_attempt_is_refused() {
    let mut played = Played::new().await;
    let first = played.spec(0, 0);
    let round = played.start(&first);
    round.shared(&ALL).await;
    played.close();
    let second = played.spec(0, 0);
    played.all_refuse(&second, "another round was begun for this step and attempt (rule R8)").await;
    let back = RoundSpec { number: first.number, ..played.spec(0, 1) };
    played.all_refuse(&back, "its number 1 is not above 1").await;

    played.restart();
    played.all_refuse(&first, "it was begun before").await;
    let second = played.spec(0, 0);
    played.all_refuse(&second, "rule R8").await;
    let back = RoundSpec { number: 0, ..played.spec(0, 1) };
    played.all_refuse(&back, "its number 0 is not above 1").await;
    played.charged(0).await;
    played.honest(0, 2, &ALL).await;
}

/// One partition a round: the request again is answered by the bytes that were answered before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answered_round_is_answered_for_no_other_partition() {
    let mut played = Played::new().await;
    let round = played.begin(0, 0);
    let spec = round.spec.clone();
    let confirming = round.until_partition(&ALL).await;
    let unmasking = round.confirmed(confirming, &ALL).await;
    round.post(Step::Confirmation, None, unmasking.request());
    let answers = round.scope.gather(Step::Answer, &ALL).await;
    for restart in [false, true] {
        if restart {
            played.restart();
        } else {
            let round = played.start(&spec);
            round.request(None, &partition(&[], &[3], &[0, 1, 2]), &[]);
            let text = "this round was answered, and another request is not";
            played.refused_afterwards(&ALL, text).await;
        }
        let round = played.start(&spec);
        round.post(Step::Confirmation, None, unmasking.request());
        assert_eq!(round.scope.gather(Step::Answer, &ALL).await, answers);
    }
    played.charged(1).await;
}

/// Who is survivor and who has vanished: nobody both, nobody neither, no stranger, enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_partition_of_the_sharers_is_not_confirmed() {
    let mut played = Played::new().await;
    let lies = [
        (partition(&[], &[3], &ALL), &ALL[..], "is in the partition twice"),
        (partition(&[3], &[], &ALL), &ALL, "is in the partition twice"),
        (partition(&[], &[], &[0, 1, 2]), &ALL, "is in no list of the partition"),
        (partition(&[], &[], &[0, 1, 2, 3, 4]), &ALL, "the manifest has 4; it was not admitted"),
        (partition(&[], &[2, 3], &[0, 1]), &ALL, "a sum over 2 operators' sites; the floor is 3"),
        (partition(&[3], &[], &[0, 1, 2]), &ALL, "unlike this round's shares"),
        (partition(&[], &[3], &[0, 1, 2]), &[3], "does not have this site among the survivors"),
    ];
    let rounds = lies.len();
    for (attempt, (lie, sites, text)) in (0..).zip(lies) {
        let round = played.begin(0, attempt);
        round.until_vectors(&ALL).await;
        round.post(Step::Vector, None, &lie);
        played.refused(&round, sites, text).await;
        played.close();
    }
    // Their vectors are out, and charged for (rule L1).
    played.charged(rounds as u64).await;
    played.honest(0, rounds as u32, &ALL).await;
}

/// What is confirmed is what is answered, and only with t signatures of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_partitions_of_one_round_are_never_both_answered() {
    let mut played = Played::new().await;
    let (all, other) = (partition(&[], &[], &ALL), partition(&[], &[0], &[1, 2, 3]));

    // All confirm the one and are asked for the other.
    let round = played.begin(0, 0);
    round.until_partition(&ALL).await;
    let confirmations = round.confirmations(&ALL).await;
    round.request(None, &other, &confirmations);
    played.refused(&round, &ALL, "not the one that this site confirmed").await;

    // Each half is shown another: neither has three signatures.
    let round = played.begin(0, 1);
    let mut confirming = round.until_vectors(&ALL).await;
    for site in ALL {
        round.post(Step::Vector, Some(site), if site < 2 { &all } else { &other });
    }
    let confirmations = round.confirmations(&ALL).await;
    let halves = confirmations.split_at(2);
    for confirmation in halves.0 {
        confirming.add(confirmation).unwrap();
    }
    for confirmation in halves.1 {
        let refused = confirming.add(confirmation).unwrap_err();
        assert!(matches!(refused, Error::Invalid { what: "confirmation", .. }), "{refused}");
    }
    let few = confirming.close().unwrap_err();
    assert_eq!(few, Error::TooFewConfirmations { got: 2, need: 3 });
    // The one half gets its own two and the others' as well, the other half its own two alone.
    for site in ALL {
        let signed = if site < 2 { &confirmations[..] } else { halves.1 };
        round.request(Some(site), if site < 2 { &all } else { &other }, signed);
    }
    played.refused(&round, &[0, 1], "over its confirmation does not verify").await;
    played.refused(&round, &[2, 3], "2 confirmations of the partition, and 3").await;

    // One signature three times is one.
    let round = played.begin(0, 2);
    round.until_partition(&ALL).await;
    let one = round.confirmations(&ALL).await[0].clone();
    round.request(None, &all, &[one.clone(), one.clone(), one]);
    played.refused(&round, &ALL, "has more than one confirmation").await;
    played.charged(3).await;
}

/// A round is what the manifest allows and the sums before lead to; nothing is begun before that is sure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spec_of_other_terms_study_or_roster_is_refused() {
    let mut played = Played::new().await;
    let honest = played.spec(0, 0);
    let masks = honest.masks().unwrap();
    let terms = |threshold, corrupt| {
        let masking = Masking { threshold, corrupt, ..masks.masking };
        Hiding::Masks(MaskSpec { masking, ..masks })
    };
    let ring = Hiding::Masks(MaskSpec { bits: masks.bits - 1, ..masks });
    let shares = ShareSpec::new(honest.dimension(), honest.bound, 3).unwrap();
    let other = || Digest::of(b"another");
    let of = || honest.clone();
    let lies = [
        (RoundSpec { hiding: terms(2, 1), ..of() }, "its threshold"),
        (RoundSpec { hiding: terms(3, 0), ..of() }, "its threshold, corrupt sites"),
        (RoundSpec { hiding: ring, ..of() }, "rule N5"),
        (RoundSpec { hiding: Hiding::Shares(shares), ..of() }, "its mode, nodes or masks"),
        (RoundSpec { min_sites: 2, ..of() }, "floor 2; at least 3"),
        (RoundSpec { min_sites: 4, ..of() }, "floors are not those of its query"),
        (RoundSpec { roster: other(), ..of() }, "its roster is not that of the manifest"),
        (RoundSpec { study: "another".into(), ..of() }, "another manifest or study"),
        (RoundSpec { manifest: other(), ..of() }, "another manifest or study"),
        (RoundSpec { query: other(), ..of() }, "rule X3"),
        (RoundSpec { deadline_ms: unix_millis() - 1, ..of() }, "its deadline is -"),
        (RoundSpec { step: 1, plan_index: 1, ..of() }, "only step 0 builds on no release"),
        (RoundSpec { epoch: other(), ..of() }, "epoch is not that of this site's pair keys"),
    ];
    for (lie, text) in lies {
        played.all_refuse(&lie, text).await;
    }
    played.hub.add_query("cox", 1, 0, b"another model".to_vec());
    let spec = played.spec(0, 1);
    played.all_refuse(&spec, "the query served is not the one that follows").await;
    played.charged(0).await;

    // Signed by anybody else it is no spec, and nobody reports on it.
    let spec = played.spec(0, 2);
    let stranger = IdentityKey::generate(&mut rand::rng());
    played.hub.start_round(&spec, &stranger.sign(&spec.digest()));
    played.logged(&ALL, &["notice refused"]).await;
    assert!(played.hub.round_reports(&spec.digest()).1.is_empty());

    played.hub.add_query("cox", 1, 0, query_bytes(&played.query));
    played.honest(0, 2, &ALL).await;
}

/// A site's key is the one that it signed, for this epoch, and a pair's secret is for one site.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_its_site_did_not_sign_for_the_epoch_is_refused() {
    let mut played = Played::joined(|_| {}).await;
    let last = played.sites[3].clone();
    let (mut scope, first) = played.advertised(1).await;
    // The coordinator's own, in the place of a site, or of one more.
    let own = |site| {
        let (epoch, key) = (first[0].epoch, SealingKey::generate(&mut rand::rng()).public());
        let mut to = Encoder::new("haima secagg advertisement signed 1");
        to.digest(&epoch).u32(site).bytes(&key.to_bytes());
        let signature = played.key.sign(&Digest::of(&to.finish()));
        Advertisement { epoch, site, key, signature }
    };
    let lies = [
        ([&first[..3], &[own(3)]].concat(), format!("the signature of {last} over its advert")),
        ([&first[..], &[own(4)]].concat(), "the manifest has 4; it was not admitted".into()),
        (first[..3].to_vec(), format!("the advertisement of {last} is missing")),
    ];
    for (keys, text) in lies {
        scope.post(Step::Keys, None, write_list(ADVERTISEMENTS, &keys));
        played.logged(&ALL, &[&text]).await;
        // Asked again for the same number, no site draws another key.
        let (again, keys) = played.advertised(1).await;
        assert_eq!(keys, first);
        scope = again;
    }
    let (scope, mut keys) = played.advertised(2).await;
    assert_ne!(keys[3].key, first[3].key);
    keys[3] = first[3].clone();
    scope.post(Step::Keys, None, write_list(ADVERTISEMENTS, &keys));
    played.logged(&ALL, &[&format!("the advertisement of {last} is of another epoch")]).await;

    let (scope, keys) = played.advertised(3).await;
    scope.post(Step::Keys, None, write_list(ADVERTISEMENTS, &keys));
    let of_last = &scope.pairs().await[3];
    scope.post(Step::Pairs, None, write_list(AGREEMENTS, of_last));
    let text = format!("the pair key of {} is for {last}", played.sites[0]);
    played.logged(&[0, 1, 2], &[&text]).await;

    played.epoch(4).await;
    played.honest(0, 0, &ALL).await;
}

/// Numbers of epochs are used once, and are the coordinator's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_epoch_or_one_that_the_coordinator_did_not_sign_is_refused() {
    let mut played = Played::joined(|_| {}).await;
    played.epoch(7).await;

    let told = played.announce(6).gather(Step::Ready, &ALL).await;
    assert!(told.values().all(|text| !text.is_empty()));
    played.logged(&ALL, &["epoch 6 is not after epoch 7"]).await;
    // It would be the last number ever.
    played.announce(unix_millis() + 2 * 86_400_000);
    played.logged(&ALL, &["over a day ahead of this site's clock"]).await;
    // The keys of this number are there: no site advertises, all say that they are ready.
    let scope = played.announce(7);
    scope.gather(Step::Ready, &ALL).await;

    let stranger = IdentityKey::generate(&mut rand::rng());
    let digest = *epoch_context(&played.manifest, 8).unwrap().digest();
    played.hub.start_epoch(8, &stranger.sign(&digest));
    played.logged(&ALL, &["epoch of keys"]).await;

    // The same over a restart, and rounds go on with the keys that are on disk.
    played.restart();
    played.announce(5);
    played.logged(&ALL, &["epoch 5 is not after epoch 7"]).await;
    played.honest(0, 0, &ALL).await;
}

/// Shares go to the one that they are for, in the round that they are of, from enough sites.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_for_another_site_or_of_another_round_is_refused() {
    let mut played = Played::new().await;
    let round = played.begin(0, 0);
    let before = round.shared(&ALL).await;
    // What a site is delivered, of this round's shares and of those of the round before.
    type Lie = fn(u32, &Relaying, &Relaying) -> Delivery;
    let lies: [(&str, Lie); 7] = [
        (" is for hospital-", |site, now, _| {
            let envelopes = now.delivery((site + 1) % 4).unwrap().envelopes;
            changed(now, site, |to| to.envelopes = envelopes)
        }),
        ("is of another round", |site, _, before| changed(before, site, |_| ())),
        // Another round, and so another model, for one site alone.
        ("is of another round", |site, now, before| {
            let (of, other) = (before.delivery(site).unwrap(), (site as usize + 1) % 4);
            changed(now, site, |to| to.headers[other] = of.headers[other].clone())
        }),
        ("over its envelope does not verify", |site, now, _| {
            changed(now, site, |to| to.envelopes[0].sealed[0] ^= 1)
        }),
        ("2 sites have shared: this round needs 3", |site, now, _| {
            let two = [site, (site + 1) % 4];
            changed(now, site, |to| to.headers.retain(|one| two.contains(&one.origin.site)))
        }),
        ("the envelope of", |site, now, _| changed(now, site, |to| to.envelopes.truncate(2))),
        ("own header of shares came back changed", |site, now, _| {
            changed(now, site, |to| to.headers.retain(|one| one.origin.site != site))
        }),
    ];
    let rounds = lies.len() as u32;
    for (attempt, (text, lie)) in (1..).zip(lies) {
        let round = played.begin(0, attempt);
        let relaying = round.shared(&ALL).await;
        round.deliver(|site| lie(site, &relaying, &before));
        played.refused(&round, &ALL, text).await;
    }
    played.charged(0).await;
    played.honest(0, rounds + 1, &ALL).await;
}

/// What decodes as nothing, at each step of a round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_message_end_the_round_and_no_site() {
    let mut played = Played::new().await;
    let junk = || vec![0xff; 100];
    for (attempt, step) in (0..).zip([Step::Shares, Step::Vector, Step::Confirmation]) {
        let round = played.begin(0, attempt);
        match step {
            Step::Shares => drop(round.shared(&ALL).await),
            Step::Vector => drop(round.until_vectors(&ALL).await),
            _ => {
                round.until_partition(&ALL).await;
                round.confirmations(&ALL).await;
            }
        }
        round.scope.post(step, None, junk());
        played.refused(&round, &ALL, "see the site's own log").await;
    }
    let sum = played.honest(0, 3, &ALL).await;
    played.release(&sum);
    played.hub.add_release("cox", 1, 0, junk());
    let spec = played.spec(1, 0);
    played.all_refuse(&spec, "see the site's own log").await;
    played.serve(0, &sum);
    played.honest(1, 1, &ALL).await;
}

/// S5: a vector is sent at a multiple of the tick after the notice, however much sooner it is made and
/// wanted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vector_waits_for_the_tick() {
    const TICK: Duration = Duration::from_millis(2000);
    let mut played = Played::with(|setup| setup.timing.tick_ms = 2000).await;
    let begun = Instant::now();
    let round = played.begin(0, 0);
    let relaying = round.shared(&ALL).await;
    round.deliver(|site| relaying.delivery(site).unwrap());
    round.summed(relaying.sum(), &ALL).await;
    assert!(begun.elapsed() >= TICK, "{:?}", begun.elapsed());
}
