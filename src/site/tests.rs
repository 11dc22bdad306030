//! A hospital's own checks, without a network: rules that hold whoever asks.

mod cohorts;
mod consent;
mod policy;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::field::{Field, Field64, Field128};
use haima_crypto::secret::Seed;
use haima_crypto::share::{Aggregate, combine};
use haima_dp::ledger::Ledger;
use haima_dp::units::Rate;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::task::{Query, Run, Site as SiteView, SiteState};
use haima_smpc_node::audit::Audit;
use haima_smpc_node::epoch::{Epoch, Keys, Record};
use haima_smpc_node::header::Header;
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::{FieldKind, RoundEvent, RoundSpec};
use haima_smpc_node::submission::{Submission, associated};
use haima_smpc_node::{keyfile, proof, unix_millis};

use super::answer::Hospital;
use super::consent::Consents;
use super::memory::Memory;
use super::outbox::Outbox;
use super::policy::Policy;
use crate::provision::{Study, Timing, make_party};
use crate::sum::plan::{Place, open_run, plan};

const STUDY: &str = r#"
study = "unit"
site_column = "site"
site_prefix = "site"
min_sites = 2
max_patients = 50
max_dimension = 10_000

[schema]
one_row_per_patient = true
column = [
    { name = "days", kind = "numeric", unit = "days", range = [0, 1000] },
    { name = "dead", kind = "flag" },
    { name = "age", kind = "numeric", unit = "years", range = [0, 110] },
]

[[task]]
id = "cox"
task = "cox"
version = 1
title = "cox"
max_steps = 20
spare_attempts = 3
params = { time = "days", event = "dead", covariates = ["age"] }

[[task]]
id = "older"
task = "cox"
version = 1
title = "cox of those over 50"
max_steps = 20
spare_attempts = 3
params = { time = "days", event = "dead", covariates = ["age"], cohort = { include = ["age > 50"] } }

[[task]]
id = "table"
task = "table1"
version = 1
title = "table"
max_steps = 1
spare_attempts = 3
params = { columns = ["age"], cohort = { include = ["age > 75"] } }

[[task]]
id = "scan"
task = "scan"
version = 1
title = "scan"
max_steps = 20
spare_attempts = 3
params = { outcome = "age", variants = ["dead"] }

[[task]]
id = "hazard"
task = "hazard"
version = 1
title = "hazard"
max_steps = 4
spare_attempts = 1
privacy = { epsilon = 1.0, delta = 1e-5 }
params = { time = "days", event = "dead", covariates = ["age"], cuts = [100, 500], expected_patients = 50, seed = 1, steps = 4 }

[[task]]
id = "sampled"
task = "hazard"
version = 1
title = "hazard on samples"
max_steps = 4
spare_attempts = 4
privacy = { epsilon = 1.0, delta = 1e-5 }
params = { time = "days", event = "dead", covariates = ["age"], cuts = [100, 500], expected_patients = 50, seed = 1, steps = 4, sample_rate = 0.5, holdout = 0.0 }
"#;

const PATIENTS: &str = "days,dead,age\n10,1,60\n20,0,50\n30,1,70\n40,1,81\n50,0,44\n60,1,66\n\
                        70,1,59\n80,0,33\n90,1,72\n100,1,64\n110,0,51\n120,1,77\n";
/// The same number of patients; nobody dies, all are of one age, times at the end of the range.
const STILL: &str = "days,dead,age\n1000,0,60\n999,0,60\n998,0,60\n997,0,60\n996,0,60\n995,0,60\n\
                     994,0,60\n993,0,60\n992,0,60\n991,0,60\n990,0,60\n989,0,60\n";

struct Fixture {
    folder: tempfile::TempDir,
    manifest: Arc<Manifest>,
    /// The nodes' keys, which this test has instead of nodes.
    nodes: Vec<Keys>,
    epoch: Epoch,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let party =
            |name: &str| make_party(folder.path(), name, name, "127.0.0.1:1").unwrap().party;
        let study: Study = toml::from_str(STUDY).unwrap();
        let timing = Timing { round_ms: 10_000, grace_ms: 1000, tick_ms: 10 };
        let manifest = study
            .manifest(
                party("coordinator"),
                vec![party("node-1"), party("node-2")],
                vec![party("site-a"), party("site-b")],
                timing,
            )
            .unwrap();
        let nodes = [1, 2].map(|i| Keys::new(&Seed::from_bytes([i; 32])).unwrap());
        let offers = nodes.iter().zip(&manifest.nodes).map(|(keys, node)| {
            let identity = folder.path().join(&node.name).join("identity.key");
            let identity = keyfile::read_identity(&identity).unwrap();
            keys.offer(&manifest.digest(), &node.name, &identity)
        });
        let epoch = Record(offers.collect()).verify(&manifest).unwrap();
        Self { folder, manifest: Arc::new(manifest), nodes: nodes.into(), epoch }
    }

    fn policy() -> Policy {
        Policy {
            default_population: "unit".into(),
            epsilon: 1.0,
            delta: Some(1e-5),
            order: None,
            allow_large_delta: false,
            exact_tasks: ["cox", "older", "table", "scan"].map(String::from).into(),
            row_revealing_tasks: vec![],
            trust_coordinator_sums: true,
            approved_reruns: vec![],
            approved_other_sites: vec![],
            approved_cohorts: vec![],
            max_cohorts: 8,
            min_local_rows: 10,
            min_sites: 2,
            amendment: None,
            max_attempts_a_day: 1000,
            ..Policy::new("unit", 1.0)
        }
    }

    /// The hospital `site-a` with a state folder that outlives it.
    fn hospital(&self, policy: Policy, data: &str) -> Hospital {
        let state = self.folder.path().join("site-a/state");
        std::fs::create_dir_all(&state).unwrap();
        self.hospital_at(&state, policy, data)
    }

    fn hospital_at(&self, state: &Path, policy: Policy, data: &str) -> Hospital {
        let key = keyfile::read_identity(&self.folder.path().join("site-a/identity.key")).unwrap();
        let schema = Schema::from_toml(&self.manifest.schema).unwrap();
        let budget = policy.budget(&self.manifest).unwrap();
        let (audit, records) =
            Audit::open(&state.join("audit.log"), "site-a", &key.public()).unwrap();
        Hospital {
            name: "site-a".into(),
            manifest: Arc::clone(&self.manifest),
            manifest_digest: self.manifest.digest(),
            key,
            cohort: Cohort::from_reader("test", data.as_bytes(), &schema).unwrap(),
            data: Digest::of(data.as_bytes()),
            ledger: Ledger::open(state.join("ledger"), &policy.default_population, budget).unwrap(),
            outbox: Outbox::open(state.join("outbox")).unwrap(),
            audit,
            charged: records.into_iter().filter(|r| r.kind.starts_with("charged")).collect(),
            memory: Memory::open(state.join("kept")).unwrap(),
            offered: None,
            consents: Consents::open(state).unwrap(),
            policy,
        }
    }

    fn run(&self, task: &str) -> Box<dyn Run> {
        open_run(&self.manifest, self.manifest.task(task).unwrap(), &BTreeMap::new()).unwrap()
    }

    fn spec(&self, task: &str, query: &Query, number: u64) -> RoundSpec {
        let place = Place {
            number,
            run: 1,
            step: 0,
            attempt: 0,
            plan_index: 0,
            previous: Digest::default(),
            epoch: self.epoch.digest,
            deadline_ms: unix_millis() + 5000,
        };
        let entry = self.manifest.task(task).unwrap();
        plan(&self.manifest, self.manifest.digest(), entry, query, &place).unwrap()
    }
}

impl Fixture {
    /// What a submission's shares add up to, opened with the keys of both nodes.
    fn open(&self, spec: &RoundSpec, submission: &Submission) -> Vec<i64> {
        match spec.shares().unwrap().field {
            FieldKind::Bits64 => self.open_in::<Field64>(spec, submission),
            FieldKind::Bits128 => self.open_in::<Field128>(spec, submission),
        }
    }

    fn open_in<F: Field>(&self, spec: &RoundSpec, submission: &Submission) -> Vec<i64> {
        let header = Header::from_bytes(&submission.header.bytes).unwrap();
        let mut sums = vec![];
        for (position, (keys, sealed)) in self.nodes.iter().zip(&submission.sealed).enumerate() {
            let node = (position, self.manifest.nodes[position].name.as_str());
            let (round, public) = (spec.digest(), &header.public_share);
            let aad = associated(spec, &round, "site-a", node, header.nonce, public);
            let share = keys.sealing.open(&aad, sealed).unwrap();
            let mut sum = Aggregate::<F>::new(position, spec.dimension());
            proof::accumulate(spec, 2, position, &share, &mut sum).unwrap();
            sums.push(sum.to_bytes());
        }
        let released: Vec<&[u8]> = sums.iter().map(Vec::as_slice).collect();
        let sum = combine::<F>(&released, spec.dimension()).unwrap();
        sum.into_iter().map(|value| i64::try_from(value).unwrap()).collect()
    }
}

fn refused(result: Result<(), crate::Error>) -> String {
    result.unwrap_err().to_string()
}

/// The entry of `approved_reruns` that a refusal prints.
fn entry(refusal: &str) -> String {
    let (_, rest) = refusal.split_once("add \"").unwrap();
    rest.strip_suffix("\" to approved_reruns").unwrap().to_owned()
}

/// X3: a coordinator cannot choose beta. With beta = 50 the spec is not what follows.
#[test]
fn an_iterate_that_the_coordinator_chose_is_refused() {
    let fixture = Fixture::new();
    let hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    let query = fixture.run("cox").query().unwrap();
    hospital.check_question(&fixture.spec("cox", &query, 1), &query).unwrap();
    let mut chosen = query.clone();
    let at = chosen.bytes.len() - 8;
    chosen.bytes[at..].copy_from_slice(&50f64.to_le_bytes());
    let error = refused(hospital.check_question(&fixture.spec("cox", &chosen, 1), &query));
    assert!(error.contains("X3"), "{error}");
}

/// R1: every field of the spec that a charge depends on is recomputed.
#[test]
fn a_spec_that_differs_from_its_query_is_refused() {
    let fixture = Fixture::new();
    let hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    let query = fixture.run("hazard").query().unwrap();
    let good = fixture.spec("hazard", &query, 1);
    hospital.check_question(&good, &query).unwrap();
    for (what, change) in [
        ("sensitivity", |s: &mut RoundSpec| s.sensitivity -= 1),
        ("bound", |s| s.bound += 1),
        ("grid", |s| s.blocks[0].frac_bits += 1),
        ("length", |s| s.blocks[0].len += 1),
        ("version", |s| s.task_version += 1),
        ("floor", |s| s.min_sites -= 1),
    ] as [(&str, fn(&mut RoundSpec)); 6]
    {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(hospital.check_question(&bad, &query).is_err(), "{what}");
    }
    let mut noisier = good.clone();
    let RoundEvent::DiscreteGaussian { s, q } = good.event else { panic!("a private task") };
    noisier.event = RoundEvent::DiscreteGaussian { s: s + 1, q };
    hospital.check_question(&noisier, &query).expect("more noise is welcome");
    noisier.event = RoundEvent::DiscreteGaussian { s: s - 1, q };
    assert!(hospital.check(&noisier).is_err(), "less is refused by the manifest's cap");
    // The rate is neither raised, which would cost more, nor lowered, which the divisor forbids.
    let query = fixture.run("sampled").query().unwrap();
    let good = fixture.spec("sampled", &query, 1);
    hospital.check_question(&good, &query).unwrap();
    for rate in [0.25, 0.75, 1.0] {
        let q = Rate::new(rate).unwrap();
        let event = RoundEvent::DiscreteGaussian { s, q };
        let other = RoundSpec { event, ..good.clone() };
        assert!(refused(hospital.check_question(&other, &query)).contains("rate"), "{rate}");
    }
}

/// X2: without noise only what policy names, and once unless approved, whatever the data.
#[test]
fn an_exact_task_is_answered_once() {
    let fixture = Fixture::new();
    let query = fixture.run("cox").query().unwrap();
    let first = fixture.spec("cox", &query, 1);
    {
        let closed = Policy { exact_tasks: vec![], ..Fixture::policy() };
        let state = fixture.folder.path().join("closed");
        std::fs::create_dir(&state).unwrap();
        let hospital = fixture.hospital_at(&state, closed, PATIENTS);
        assert!(refused(hospital.check(&first)).contains("exact_tasks"));
    }
    let mut hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    hospital.check(&first).unwrap();
    hospital.submission(&first, &fixture.epoch, fixture.run("cox").as_ref()).unwrap();
    hospital
        .check(&RoundSpec { step: 1, plan_index: 1, previous: Digest::of(b"r"), ..first.clone() })
        .expect("the same run goes on");
    let second = RoundSpec { run: 2, number: 9, ..first.clone() };
    let error = refused(hospital.check(&second));
    assert!(error.contains("X2") && entry(&error).starts_with("cox/2@"), "{error}");
    drop(hospital);
    // A restart forgets nothing; only an approval makes it possible.
    let hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    assert!(hospital.check(&second).is_err());
    drop(hospital);
    let approved = Policy { approved_reruns: vec![entry(&error)], ..Fixture::policy() };
    fixture.hospital(approved, PATIENTS).check(&second).unwrap();
    let other_data = fixture.hospital(Fixture::policy(), STILL);
    assert!(other_data.check(&first).is_err(), "one changed row could be told from the difference");
}

/// L1, R5: a charge without bytes is a lost attempt; bytes that are there are sent again as they
/// were.
#[test]
fn a_crash_between_charge_and_bytes_loses_the_attempt_but_not_the_charge() {
    let fixture = Fixture::new();
    let run = fixture.run("hazard");
    let spec = fixture.spec("hazard", &run.query().unwrap(), 1);
    let mut hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    let made = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap().to_bytes();
    let spent = hospital.ledger.spent_total();
    drop(hospital);
    let mut hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    assert_eq!(hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap().to_bytes(), made);
    assert_eq!(hospital.ledger.spent_total(), spent, "charged once");
    hospital.outbox.erase_except(None).unwrap();
    drop(hospital);
    let mut hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    let error = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap_err().to_string();
    assert!(error.contains("R5"), "{error}");
    assert_eq!(hospital.ledger.spent_total(), spent);
    let retry = RoundSpec { number: 2, attempt: 1, plan_index: 1, ..spec };
    hospital.submission(&retry, &fixture.epoch, run.as_ref()).unwrap();
    assert!(hospital.ledger.spent_total() > spent, "a retry is a new charge");
}

/// L1: the plan's T + R attempts fit the budget; the site refuses the next, whoever asks.
#[test]
fn an_overspending_round_is_refused_and_changes_nothing() {
    let fixture = Fixture::new();
    let run = fixture.run("hazard");
    let query = run.query().unwrap();
    let mut hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    for number in 1..=5 {
        let spec = fixture.spec("hazard", &query, number);
        hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
    }
    let (spent, length) = (hospital.ledger.spent_total(), hospital.ledger.head());
    let sixth = fixture.spec("hazard", &query, 6);
    let error = hospital.submission(&sixth, &fixture.epoch, run.as_ref()).unwrap_err().to_string();
    assert!(error.contains("left"), "it says what is left: {error}");
    assert_eq!((hospital.ledger.spent_total(), hospital.ledger.head()), (spent, length));
    assert!(hospital.outbox.get(&sixth.digest()).unwrap().is_none());
}

/// L1: attempts are capped a day.
#[test]
fn attempts_are_capped_a_day() {
    let fixture = Fixture::new();
    let run = fixture.run("hazard");
    let query = run.query().unwrap();
    let policy = Policy { max_attempts_a_day: 1, ..Fixture::policy() };
    let mut hospital = fixture.hospital(policy, PATIENTS);
    let spec = fixture.spec("hazard", &query, 1);
    hospital.check(&spec).unwrap();
    hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
    let error = refused(hospital.check(&fixture.spec("hazard", &query, 2)));
    assert!(error.contains("24 hours"), "{error}");
}

/// S5: two data sets, one without any event and with a constant column, give the same messages
/// outside the shares: same shape, same charge, same lengths. So do two samples of one data set.
#[test]
fn what_leaves_has_the_same_shape_whatever_the_data() {
    let fixture = Fixture::new();
    for task in ["cox", "hazard", "sampled"] {
        let run = fixture.run(task);
        let spec = fixture.spec(task, &run.query().unwrap(), 1);
        let shapes: Vec<_> = [PATIENTS, STILL, PATIENTS, PATIENTS]
            .iter()
            .enumerate()
            .map(|(i, data)| {
                let state = fixture.folder.path().join(format!("{task}-{i}"));
                std::fs::create_dir(&state).unwrap();
                let mut hospital = fixture.hospital_at(&state, Fixture::policy(), data);
                hospital.check(&spec).unwrap();
                let submission = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
                let header = Header::from_bytes(&submission.header.bytes).unwrap();
                let lengths: Vec<usize> = submission.sealed.iter().map(Vec::len).collect();
                let Header { round, site, ledger_len, ledger_head, .. } = header;
                let length = (submission.header.bytes.len(), submission.public.len());
                (round, site, ledger_len, ledger_head, length, lengths)
            })
            .collect();
        assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{task}: {shapes:?}");
    }
}

/// S4, S5: what a sampled round answers is the exact sum over some of the patients, no one else's,
/// and a retry of the same step is over a fresh sample. That 8 samples of 12 patients at rate 1/2
/// are all alike has probability 2^-84.
#[test]
fn a_sampled_round_is_an_exact_sum_over_a_fresh_sample() {
    let fixture = Fixture::new();
    let run = fixture.run("sampled");
    let query = run.query().unwrap();
    let mut hospital = fixture.hospital(Fixture::policy(), PATIENTS);
    let alone: Vec<Vec<i64>> = (0..hospital.cohort.len())
        .map(|patient| {
            let cohort = &hospital.cohort.select(|i| i == patient);
            let site = SiteView { cohort, capacity: 0, max_patients: 50, min_local_rows: 0 };
            let answer = run.contribute(&site, &mut SiteState::default(), &mut rand::rng());
            answer.unwrap().values.to_vec()
        })
        .collect();
    let samples: BTreeSet<u32> = (1..=8)
        .map(|number| {
            let spec = RoundSpec {
                attempt: number as u32 - 1,
                plan_index: number as u32 - 1,
                ..fixture.spec("sampled", &query, number)
            };
            let submission = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
            let sum = fixture.open(&spec, &submission);
            let of = |sample: u32, at: usize| -> i64 {
                let taken = (0..alone.len()).filter(|patient| sample >> patient & 1 == 1);
                taken.map(|patient| alone[patient][at]).sum()
            };
            (0..1 << alone.len())
                .find(|&sample| (0..sum.len()).all(|at| of(sample, at) == sum[at]))
                .expect("the sum over some of the patients")
        })
        .collect();
    assert!(samples.len() > 1, "each attempt has a sample of its own");
}

/// S5, X1: below the hospital's own floor the shares are shares of zero.
#[test]
fn below_the_local_floor_the_contribution_is_zero() {
    let fixture = Fixture::new();
    let run = fixture.run("cox");
    let spec = fixture.spec("cox", &run.query().unwrap(), 1);
    let few: String = PATIENTS.lines().take(6).map(|line| format!("{line}\n")).collect();
    let mut hospital = fixture.hospital(Fixture::policy(), &few);
    let submission = hospital.submission(&spec, &fixture.epoch, run.as_ref()).unwrap();
    assert_eq!(fixture.open(&spec, &submission), vec![0; spec.dimension()]);
}

/// L3: a ledger belongs to its population.
#[test]
fn another_population_does_not_open_the_same_ledger() {
    let fixture = Fixture::new();
    drop(fixture.hospital(Fixture::policy(), PATIENTS));
    let state = fixture.folder.path().join("site-a/state/ledger");
    let budget = Fixture::policy().budget(&fixture.manifest).unwrap();
    assert!(Ledger::open(&state, "another", budget).is_err());
}
