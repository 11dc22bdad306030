//! The ledger in words: what an auditor reads, to the letter.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU64;

use haima_dp::Error;
use haima_dp::event::Release;
use haima_dp::ledger::{Budget, Ledger, Limit, export};
use haima_dp::noise::NoiseScale;
use haima_dp::sampler::PoissonSampler;
use haima_dp::units::{Delta, Epsilon, Order, Rate, Sensitivity};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tempfile::TempDir;

const POPULATION: &str = "MDS patients, Freiburg";

fn limit(epsilon: f64) -> Limit {
    Limit::zcdp(Epsilon::new(epsilon).unwrap(), Delta::new(1e-6).unwrap())
}

fn renyi(limit: Limit, order: u32) -> Limit {
    Limit::renyi(limit.epsilon, limit.delta, Order::new(order).unwrap())
}

/// The first is opened with, the second amended to: one with a study's own filter.
fn budgets() -> (Budget, Budget) {
    let per_study = BTreeMap::from([("network".to_owned(), renyi(limit(1.0), 32))]);
    (limit(2.0).into(), Budget { overall: limit(3.0), per_study, allow_exact: true })
}

fn noise(s: u64) -> Release {
    Release::noised(NoiseScale::new(s).unwrap(), Sensitivity::new(3).unwrap(), NonZeroU64::MIN)
}

fn sampled(s: u64) -> Release {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let sampler = PoissonSampler::new(Rate::new(0.25).unwrap(), &mut rng);
    let (s, d) = (NoiseScale::new(s).unwrap(), Sensitivity::new(3).unwrap());
    sampler.release(s, d, NonZeroU64::new(500).unwrap())
}

fn written(folder: &TempDir) -> Ledger {
    let (first, second) = budgets();
    let mut ledger = Ledger::open(folder.path().join("ledger"), POPULATION, first).unwrap();
    let mut key = 0;
    let mut charge = |ledger: &mut Ledger, study: &str, release: &Release| {
        key += 1;
        let _ = ledger.charge(study, [key; 32], release).unwrap();
    };
    charge(&mut ledger, "survival", &noise(96));
    ledger.amend(second, "ethics board, 12 May 2026").unwrap();
    charge(&mut ledger, "network", &sampled(48));
    charge(&mut ledger, "curves", &Release::exact());
    ledger
}

const EXPORT: &str = r#"Privacy ledger of population "MDS patients, Freiburg"
Last entry 4, head 1d8a02956c2c145d4de21ffda7ffd9bc3f449e686bb44ac7bfe63ff4bbb997c3
No tail check: compare number and head with what the nodes saw last.

What is hidden: one patient added or removed.
From whom: from everybody but one node and the patient's own hospital, even
if all other nodes and all other hospitals work together.

Budget in force since entry 2
  all studies: epsilon 3 at delta 1e-6, by zCDP: at most rho 0.18506984065339846
  study "network": epsilon 1 at delta 1e-6, by a Renyi filter: at most Renyi divergence 0.6978849997608759 of order 32
  exact releases: admitted

Entries; costs are those of the filters in force now
  0 opened
    all studies: epsilon 2 at delta 1e-6, by zCDP: at most rho 0.08815268837994474
    exact releases: refused
  1 charged to "survival", round 0101010101010101
    discrete Gaussian noise of scale 96 on a sum of sensitivity 3, in grid steps; coordinates: 1
    costs rho 0.00048828125
  2 amended: "ethics board, 12 May 2026"
    all studies: epsilon 3 at delta 1e-6, by zCDP: at most rho 0.18506984065339846
    study "network": epsilon 1 at delta 1e-6, by a Renyi filter: at most Renyi divergence 0.6978849997608759 of order 32
    exact releases: admitted
  3 charged to "network", round 0202020202020202
    discrete Gaussian noise of scale 48 on a sum of sensitivity 3, in grid steps; coordinates: 500; each patient sampled with probability 0.25
    costs rho 0.001953125; of the study's own limit Renyi divergence 0.004001974241751416 of order 32
  4 charged to "curves", round 0303030303030303
    exact release, without any privacy guarantee

Used of the limits; the guarantee is the limit, not what was used
  all studies: used rho 0.00244140625 (epsilon 0.29378101100335646 of 3 at delta 1e-6), left rho 0.18262843440339846
    by study "curves": rho 0
    by study "network": rho 0.001953125
    by study "survival": rho 0.00048828125
  study "network", of its own limit: used Renyi divergence 0.004001974241751416 of order 32 (epsilon 0.30611697448087044 of 1 at delta 1e-6), left Renyi divergence 0.6938830255191245 of order 32

Exact releases, without any privacy guarantee: 1
  by study "curves": 1
No figure above covers them.
"#;

#[test]
fn the_export_says_what_was_spent_under_which_promise() {
    let folder = TempDir::new().unwrap();
    let ledger = written(&folder);
    let mut words = String::new();
    ledger.export(&mut words).unwrap();
    assert_eq!(words, EXPORT);
}

/// Of a ledger without charges nothing is said that is of charges: no figure above zero, no releases
/// that figures do not cover.
#[test]
fn the_export_of_a_new_ledger_says_that_nothing_was_spent() {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(folder.path().join("ledger"), POPULATION, limit(2.0)).unwrap();
    let mut words = String::new();
    ledger.export(&mut words).unwrap();
    assert!(words.contains("any privacy guarantee: 0\n"), "{words}");
    assert!(!words.contains("No figure above covers them"), "{words}");
    assert!(words.contains("(epsilon 0 of 2 "), "{words}");
}

/// Reading needs no lock, changes nothing, and says the same.
#[test]
fn a_ledger_that_somebody_holds_is_read_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    let held = written(&folder);
    let before = fs::read(&path).unwrap();
    assert_eq!(export(&path, POPULATION).unwrap(), EXPORT);
    assert_eq!(fs::read(&path).unwrap(), before);
    drop(held);
    assert_eq!(export(&path, POPULATION).unwrap(), EXPORT);
    // A writer at work, or a crash: said, and left alone.
    let mut torn = before.clone();
    torn.extend_from_slice(&before[before.len() - 100..][..5]);
    fs::write(&path, &torn).unwrap();
    let words = export(&path, POPULATION).unwrap();
    assert_eq!(words.replace("5 bytes of an unfinished entry follow.\n", ""), EXPORT);
    assert_eq!(fs::read(&path).unwrap(), torn);
}

/// After a restart the same entries give the same sums, words and head.
#[test]
fn a_replayed_ledger_says_the_same() {
    let folder = TempDir::new().unwrap();
    drop(written(&folder));
    let (_, second) = budgets();
    let ledger = Ledger::open(folder.path().join("ledger"), POPULATION, second).unwrap();
    let mut words = String::new();
    ledger.export(&mut words).unwrap();
    assert_eq!(words, EXPORT);
}

#[test]
fn what_is_not_there_or_not_this_populations_is_not_exported() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    assert!(matches!(export(&path, POPULATION), Err(Error::Io { .. })));
    assert!(!path.exists(), "reading creates nothing");
    drop(written(&folder));
    assert!(matches!(export(&path, "AML"), Err(Error::WrongPopulation { .. })));
    assert!(matches!(export(&path, " "), Err(Error::BadName { .. })));
}

/// The policy's filter is part of what was agreed: another one is another budget.
#[test]
fn another_filter_is_another_budget() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger");
    drop(Ledger::open(&path, POPULATION, renyi(limit(1.0), 16)).unwrap());
    for other in [limit(1.0), renyi(limit(1.0), 17)] {
        let refused = Ledger::open(&path, POPULATION, other).unwrap_err();
        assert_eq!(refused, Error::BudgetChanged { path: path.clone() });
    }
    let mut ledger = Ledger::reopen(&path, POPULATION).unwrap();
    let _ = ledger.charge("a", [1; 32], &sampled(200)).unwrap();
    assert!(ledger.epsilon_spent(limit(1.0).delta) <= limit(1.0).epsilon);
    ledger.amend(renyi(limit(1.0), 17), "the plan was cut before it began").unwrap();
    let spent = ledger.spent_total();
    drop(ledger);
    let ledger = Ledger::open(&path, POPULATION, renyi(limit(1.0), 17)).unwrap();
    assert_eq!(ledger.spent_total(), spent);
    assert_eq!(Some(spent), renyi(limit(1.0), 17).filter.cost(sampled(200).event()));
}
