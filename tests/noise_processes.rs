//! The noise of 200 private rounds between real processes, as the public sees it: the released sums
//! less the plain sums that this test computes from the same cohorts at the released iterates.
//!
//! Left is the sum of k nodes' noise, of variance k s^2 (rule N1), fresh in every round (rule N3); or in
//! masked mode that of all sites' (rule M2).
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
use haima::sum::release::Release;
use haima_crypto::encode::{Canonical, Digest, from_hex};
use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::task::{Site, SiteState};
use haima_smpc_node::bundle::{Bundle, Part};
use haima_smpc_node::manifest::Manifest;
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

/// Noise of a scale in the releases of a study, round by round: what is left of each sum after the
/// contributions that this test computes from the same cohorts at the released iterates.
fn noise_of(setup: &Setup, manifest: &Manifest, releases: Vec<Release>) -> (Vec<Vec<i64>>, u64) {
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
    for release in releases {
        let RoundEvent::DiscreteGaussian { s: scale, .. } = release.spec.event else {
            panic!("a private round")
        };
        s = scale;
        let query = run.query().unwrap();
        assert_eq!(release.spec.query, query_digest(&query), "the plain run follows the real one");
        let mut left = release.integers.clone();
        for name in &release.accepted {
            let (cohort, min_local_rows) = (&cohorts[name.as_str()], setup.policy.min_local_rows);
            let max_patients = setup.study.max_patients;
            let site = Site { cohort, capacity: 0, max_patients, min_local_rows };
            let state = states.entry(name.clone()).or_default();
            let answer = run.contribute(&site, state, &mut rand::rng()).unwrap();
            left.iter_mut().zip(answer.values.iter()).for_each(|(x, v)| *x -= i128::from(*v));
        }
        noise.push(left.iter().map(|x| i64::try_from(*x).unwrap()).collect::<Vec<i64>>());
        run.absorb(&absorbable(&query, release).unwrap()).unwrap();
    }
    assert_eq!(noise.len(), ROUNDS as usize);
    (noise, s)
}

/// The noise is that of so many independent draws of scale s in each round, fresh in every round; and
/// these checks can fail.
fn check(mut noise: Vec<Vec<i64>>, s: u64, draws: u64) {
    let all = noise.concat();
    let ratio = checks::variance(&all, s, draws).unwrap();
    checks::rounds_share_nothing(&noise, s, draws).unwrap();
    let over_rounds = |noise: &[Vec<i64>], extra: &[i64]| -> Vec<i64> {
        let columns = (0..extra.len()).map(|at| noise.iter().map(|r| r[at] + extra[at]).sum());
        columns.collect()
    };
    let variance_of_sums = draws * u64::from(ROUNDS);
    let sums = over_rounds(&noise, &vec![0; noise[0].len()]);
    println!(
        "{ROUNDS} rounds of {} coordinates, s = {s}: variance over {draws} s^2 is {ratio:.4}; of \
         the sums over all rounds, over {variance_of_sums} s^2, {:.2}",
        noise[0].len(),
        checks::variance(&sums, s, variance_of_sums).unwrap()
    );

    // The checks can fail: a draw less, one party that repeats itself, a round's noise used twice.
    checks::variance(&all, s, draws - 1).unwrap_err();
    checks::variance(&over_rounds(&noise, &noise[0]), s, variance_of_sums).unwrap_err();
    noise[1] = noise[0].clone();
    checks::rounds_share_nothing(&noise, s, draws).unwrap_err();
}

fn setup() -> Setup {
    let study = [BMT.to_owned(), bmt_hazard("hazard", ROUNDS, Some((3.0, 1e-5)))].concat();
    Setup { nodes: NODES, ..Setup::new(&study, "data/bmt_klein.csv") }
}

fn rounds(running: &Running) -> impl Iterator<Item = &str> {
    running.seen.iter().filter_map(|event| match event {
        Event::Released { round, .. } => Some(round.digest.as_str()),
        _ => None,
    })
}

#[tokio::test]
#[ignore = "200 rounds over real processes: cargo test --test noise_processes -- --ignored --nocapture"]
async fn two_hundred_rounds_of_real_processes_carry_the_noise_of_all_nodes() {
    let setup = setup();
    let mut running = setup.start();
    running.follow_to_end();
    let stores = stores(&running).await;
    let manifest = &running.network.manifest;
    let mut releases = vec![];
    for round in rounds(&running) {
        let bundle = bundle(&stores, &Digest::from_bytes(from_hex(round).unwrap())).await;
        releases.push(Release::read(&bundle.to_bytes(), manifest).unwrap());
    }
    let (noise, s) = noise_of(&setup, manifest, releases);
    check(noise, s, NODES as u64);
}

/// M2: in masked mode every one of the four hospitals adds a draw, of a variance that the h = t - c = 2
/// which are counted on make up for.
#[test]
fn two_hundred_rounds_in_masked_mode_carry_the_noise_of_all_hospitals() {
    let setup = setup().masked();
    let mut running = setup.start();
    running.follow_to_end();
    let manifest = &running.network.manifest;
    let sums = running.network.folder("coordinator").unwrap().join("out/masked");
    let read = |round: &str| {
        let bytes = std::fs::read(sums.join(format!("{round}.sum"))).unwrap();
        Release::read(&bytes, manifest).unwrap()
    };
    let (noise, s) = noise_of(&setup, manifest, rounds(&running).map(read).collect());
    check(noise, s, 4);
    let noise = manifest.task("hazard").unwrap().noise.unwrap();
    assert_eq!((noise.s, noise.draws), (s, 2));
    let by_nodes = scale_of_a_node();
    // s^2 / (t - c) of a node's, but for whole steps.
    assert!(s.abs_diff((by_nodes as f64 / 2f64.sqrt()).ceil() as u64) <= 1, "{s} {by_nodes}");
}

/// The scale of a node's noise for the same target.
fn scale_of_a_node() -> u64 {
    setup().study.plan(4).unwrap().tasks[0].noise.s
}
