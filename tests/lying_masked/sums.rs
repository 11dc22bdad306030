//! Sums that the coordinator signed, and that are not the ones that came out.

use haima::sum::masked::MaskedSum;
use haima::sum::plan::query_bytes;
use haima_crypto::encode::Digest;
use haima_smpc_node::spec::RoundSpec;

use crate::partition;
use crate::played::{ALL, Played, signed_again};

/// X3: the sums that an exact task goes on from are the coordinator's word, which is policy's to take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_exact_step_is_refused_by_a_policy_that_trusts_no_sums() {
    let mut played = Played::with(|setup| setup.policy.trust_coordinator_sums = false).await;
    let sum = played.honest(0, 0, &ALL).await;
    played.release(&sum);
    let spec = played.spec(1, 0);
    played.all_refuse(&spec, "trust_coordinator_sums").await;
    played.charged(1).await;
}

/// X3: where policy takes the coordinator's word, what it signed is what follows, and t sites have
/// signed who is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_no_signed_sum_leads_to_is_refused() {
    let mut played = Played::new().await;
    let sum = played.honest(0, 0, &ALL).await;
    let signed = |change: &dyn Fn(&mut MaskedSum)| {
        let mut lie = sum.clone();
        change(&mut lie);
        signed_again(&lie, &played.key)
    };
    assert_eq!(signed(&|_| ()).signature, sum.signature);
    let mut unsigned = sum.clone();
    unsigned.values[0] += 1;
    let lies = [
        (unsigned, "masked sum does not verify"),
        (signed(&|lie| lie.request.confirmations.truncate(2)), "2 confirmations of the partition"),
        (
            signed(&|lie| lie.request.partition = partition(&[], &[3], &[0, 1, 2])),
            "does not verify",
        ),
        (signed(&|lie| lie.cohort = Digest::of(b"another")), "over its confirmation does not"),
        (signed(&|lie| lie.values.truncate(1)), "a sum of 1 numbers"),
        (signed(&|lie| lie.spec.study = "another".into()), "over its confirmation does not"),
        (signed(&|lie| lie.spec.manifest = Digest::of(b"another")), "over its confirmation does"),
        (signed(&|lie| lie.spec.min_sites = 1), "over its confirmation does not verify"),
    ];
    let honest = sum.clone();
    played.release(&honest);
    for (attempt, (lie, text)) in (0..).zip(&lies) {
        played.serve(0, lie);
        let spec = played.spec(1, attempt);
        played.all_refuse_in_log(&spec, text).await;
    }
    played.serve(0, &honest);

    let mut chosen = played.query.clone();
    let at = chosen.bytes.len() - 8;
    chosen.bytes[at..].copy_from_slice(&50f64.to_le_bytes());
    let follows = std::mem::replace(&mut played.query, chosen);
    played.hub.add_query("cox", 1, 1, query_bytes(&played.query));
    let spec = played.spec(1, 10);
    played.all_refuse(&spec, "not the one that follows from the released sums (rule X3)").await;
    played.query = follows;
    let spec = RoundSpec { previous: Digest::of(b"another"), ..played.spec(1, 11) };
    played.all_refuse(&spec, "it builds on another release").await;
    played.charged(1).await;
    played.hub.add_query("cox", 1, 1, query_bytes(&played.query));
    played.honest(1, 12, &ALL).await;
}

/// Whatever numbers the coordinator signs, no site falls over them, and a site that starts again goes on
/// from the right ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_sum_of_absurd_numbers_ends_no_site() {
    let mut played = Played::new().await;
    let sum = played.honest(0, 0, &ALL).await;
    played.release(&sum);
    for (attempt, value) in (0..).zip([0, i64::MIN, i64::MAX]) {
        let lie = MaskedSum { values: vec![value; sum.values.len()], ..sum.clone() };
        played.serve(0, &signed_again(&lie, &played.key));
        let spec = played.spec(1, attempt);
        played.all_refuse(&spec, "").await;
        assert!(played.running.network.fallen().is_none(), "{}", played.running.logs());
        played.restart();
    }
    played.serve(0, &sum);
    played.honest(1, 3, &ALL).await;
}

/// A sum that the task can make nothing of is not absorbed: the study goes on from the right one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_sum_that_no_task_can_use_ends_the_round_and_not_the_study() {
    let mut played = Played::new().await;
    let sum = played.honest(0, 0, &ALL).await;
    played.release(&sum);
    let lie = MaskedSum { values: vec![0; sum.values.len()], ..sum.clone() };
    played.serve(0, &signed_again(&lie, &played.key));
    let spec = played.spec(1, 0);
    played.all_refuse_in_log(&spec, "there is nothing to fit").await;
    played.serve(0, &sum);
    played.honest(1, 1, &ALL).await;
}

/// X3: a site that went on from one sum of a step goes on from no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sum_of_one_step_is_refused() {
    let mut played = Played::new().await;
    let sum = played.honest(0, 0, &ALL).await;
    let mut other = sum.clone();
    *other.values.last_mut().unwrap() = 1;
    played.release(&sum);
    played.honest(1, 0, &ALL).await;
    played.restart();
    // The step again, but at beta = 64.
    played.go_back();
    played.release(&signed_again(&other, &played.key));
    let spec = played.spec(1, 1);
    played.all_refuse(&spec, "X3").await;
}
