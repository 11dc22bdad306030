//! The noise of 200 private rounds between real processes, as the public sees it: the released sums
//! less the plain sums that this test computes from the same cohorts at the released iterates.
//!
//! Left is the sum of k nodes' noise, of variance k s^2 (rule N1), fresh in every round (rule N3).
//! Keys are fresh on every run, so false alarms count: 3 10^-12 of the variance, whose limit is
//! seven standard errors; 10^-6 of the rounds' independence; below 6 10^-6 of the sums over rounds,
//! which are what shows one node of three that repeats itself. A round has 35 coordinates, too few
//! for the correlation of a single pair to tell: there the repeated draws do.

#[path = "../smpc-node/tests/noise_audit/checks.rs"]
#[allow(dead_code, reason = "two of the audit's checks hold for what the public sees")]
mod checks;
mod common;

use std::collections::BTreeMap;

use common::{BMT, Running, Setup, bmt_hazard};
use haima::coordinator::events::Event;
use haima::sum::plan::{absorbable, open_run, query_digest};
use haima_crypto::encode::{Digest, from_hex};
use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::task::{Site, SiteState};
use haima_smpc_node::bundle::{Bundle, Part};
use haima_smpc_node::server::Store;
use haima_smpc_node::spec::RoundEvent;

const ROUNDS: u32 = 200;
const NODES: usize = 3;

/// The bundle of a released round, from the nodes' own stores.
async fn bundle(stores: &[Store], round: &Digest) -> Bundle {
    let (mut spec, mut parts) = (None, vec![]);
    for store in stores {
        let stored = store.round(round).await.unwrap().unwrap();
        let release = stored.release.unwrap();
        let mut sum = vec![];
        while let Some(chunk) = store.sum_chunk(round, 0, (sum.len() >> 20) as u32).await.unwrap() {
            sum.extend(chunk);
            if sum.len() % (1 << 20) != 0 {
                break;
            }
        }
        parts.push(Part { accepted: stored.accepted.unwrap(), release, sum: Some(sum) });
        spec = Some(stored.spec);
    }
    Bundle { spec: spec.unwrap(), parts }
}

async fn stores(running: &Running) -> Vec<Store> {
    let mut stores = vec![];
    for node in running.network.node_names() {
        let home = running.network.folder(&node).unwrap();
        stores.push(Store::open(home.join("node.db").to_str().unwrap()).await.unwrap());
    }
    stores
}

#[tokio::test]
#[ignore = "200 rounds over real processes: cargo test --test noise_processes -- --ignored --nocapture"]
async fn two_hundred_rounds_of_real_processes_carry_the_noise_of_all_nodes() {
    let study = [BMT.to_owned(), bmt_hazard("hazard", ROUNDS, Some((3.0, 1e-5)))].concat();
    let setup = Setup { nodes: NODES, ..Setup::new(&study, "data/bmt_klein.csv") };
    let mut running = setup.start();
    running.follow_to_end();
    let stores = stores(&running).await;

    let manifest = &running.network.manifest;
    let schema = Schema::from_toml(&manifest.schema).unwrap();
    let cohorts: BTreeMap<&str, Cohort> = setup
        .cohorts
        .iter()
        .map(|(name, text)| {
            (name.as_str(), Cohort::from_reader(name, text.as_bytes(), &schema).unwrap())
        })
        .collect();
    let mut states: BTreeMap<String, SiteState> = BTreeMap::new();
    let mut run = open_run(manifest, manifest.task("hazard").unwrap(), &BTreeMap::new()).unwrap();
    let (mut noise, mut s) = (vec![], 0);
    for event in &running.seen {
        let Event::Released { round, .. } = event else { continue };
        let bundle = bundle(&stores, &Digest::from_bytes(from_hex(&round.digest).unwrap())).await;
        let RoundEvent::DiscreteGaussian { s: scale, .. } = bundle.spec.event else {
            panic!("a private round")
        };
        s = scale;
        let query = run.query().unwrap();
        assert_eq!(bundle.spec.query, query_digest(&query), "the plain run follows the real one");
        let verified = bundle.verify(manifest).unwrap();
        let mut left = verified.integers.clone();
        for name in verified.accepted.headers.sites() {
            let (cohort, min_local_rows) = (&cohorts[name], setup.policy.min_local_rows);
            let max_patients = setup.study.max_patients;
            let site = Site { cohort, capacity: 0, max_patients, min_local_rows };
            let state = states.entry(name.to_owned()).or_default();
            let answer = run.contribute(&site, state, &mut rand::rng()).unwrap();
            left.iter_mut().zip(answer.values.iter()).for_each(|(x, v)| *x -= i128::from(*v));
        }
        noise.push(left.iter().map(|x| i64::try_from(*x).unwrap()).collect::<Vec<i64>>());
        run.absorb(&absorbable(&query, verified).unwrap()).unwrap();
    }
    assert_eq!(noise.len(), ROUNDS as usize);
    let all = noise.concat();
    let ratio = checks::variance(&all, s, NODES as u64).unwrap();
    checks::rounds_share_nothing(&noise, s, NODES as u64).unwrap();
    let over_rounds = |extra: &[i64]| -> Vec<i64> {
        let columns = (0..extra.len()).map(|at| noise.iter().map(move |r| r[at] + extra[at]).sum());
        columns.collect()
    };
    let variance_of_sums = NODES as u64 * u64::from(ROUNDS);
    let sums = checks::variance(&over_rounds(&vec![0; noise[0].len()]), s, variance_of_sums);
    println!(
        "{ROUNDS} rounds of {} coordinates, s = {s}: variance over {NODES} s^2 is {ratio:.4}; of \
         the sums over all rounds, over {variance_of_sums} s^2, {:.2}",
        noise[0].len(),
        sums.unwrap()
    );

    // The checks can fail: a node less, one node that repeats itself, a round's noise used twice.
    checks::variance(&all, s, NODES as u64 - 1).unwrap_err();
    checks::variance(&over_rounds(&noise[0]), s, variance_of_sums).unwrap_err();
    noise[1] = noise[0].clone();
    checks::rounds_share_nothing(&noise, s, NODES as u64).unwrap_err();
}
