//! The ledger as a site uses it: charges that survive, budgets that hold, names that do not matter.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use common::process;
use haima_dp::Error;
use haima_dp::event::Release;
use haima_dp::journal::Journal;
use haima_dp::ledger::{Budget, JOURNAL_LABEL, Ledger, Limit};
use haima_dp::noise::NoiseScale;
use haima_dp::units::{Delta, Epsilon, Rate, Rho, Sensitivity};
use haima_dp::zcdp;
use tempfile::TempDir;

const POPULATION: &str = "MDS patients, Freiburg";

struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    fn open(&self, budget: impl Into<Budget>) -> Ledger {
        Ledger::open(self.file(), POPULATION, budget).unwrap()
    }
}

fn limit(epsilon: f64) -> Limit {
    Limit::zcdp(Epsilon::new(epsilon).unwrap(), Delta::new(1e-6).unwrap())
}

/// A budget with exact releases and a limit of its own for the study "small".
fn budget() -> Budget {
    Budget {
        overall: limit(3.0),
        per_study: BTreeMap::from([("small".to_owned(), limit(1.0))]),
        allow_exact: true,
    }
}

fn key(n: u32) -> [u8; 32] {
    let mut key = [0xee; 32];
    key[..4].copy_from_slice(&n.to_le_bytes());
    key
}

fn noise(s: u64, steps: u64) -> Release {
    let (s, sensitivity) = (NoiseScale::new(s).unwrap(), Sensitivity::new(steps).unwrap());
    Release::noised(s, sensitivity, NonZeroU64::MIN)
}

/// An event of which `rounds` fill the limit.
fn part_of(limit: Limit, rounds: u32) -> Release {
    let steps = 1 << 20;
    let sensitivity = Sensitivity::new(steps).unwrap();
    let s = limit.noise_for(rounds, sensitivity, NonZeroU64::MIN, Rate::ALL).unwrap();
    noise(s.get(), steps)
}

/// L1: the charge is on disk before `charge` returns; nothing that happens after takes it back.
#[test]
fn a_charge_survives_a_crash_before_sending() {
    let site = Site::new();
    let event = part_of(limit(3.0), 10);
    let mut ledger = site.open(budget());
    let charged = ledger.charge("survival", key(1), &event).unwrap();
    // As a kill would leave it: no drop, no flush, and the lock gone with the process.
    let as_left = fs::read(site.file()).unwrap();
    drop(ledger);
    fs::write(site.file(), as_left).unwrap();
    let ledger = site.open(budget());
    assert!(ledger.contains(&key(1)) && !ledger.contains(&key(2)));
    assert_eq!(ledger.spent("survival").rho(), event.event().rho());
    assert_eq!(ledger.head(), (charged.sequence, charged.head));
}

/// L1: the same, with a real kill: what was charged before it is charged after it.
#[test]
fn charges_survive_a_kill() {
    let site = Site::new();
    let charged = process::kill_after("a_process_charges", &site.file(), 15);
    let ledger = site.open(limit(1000.0));
    assert!((0..charged as u32).all(|n| ledger.contains(&key(n))));
}

/// Not a test by itself: the process that `charges_survive_a_kill` kills.
#[test]
fn a_process_charges() {
    process::child_forever(|path, acknowledge| {
        let mut ledger = Ledger::open(path, POPULATION, limit(1000.0)).unwrap();
        for n in 0.. {
            let _ = ledger.charge("survival", key(n), &noise(1000, 10)).unwrap();
            acknowledge(u64::from(n) + 1);
        }
    });
}

/// L1: a round is charged once, however often it is asked for; its digest is good for nothing else.
#[test]
fn a_round_is_charged_once() {
    let site = Site::new();
    let event = part_of(limit(3.0), 10);
    let mut ledger = site.open(budget());
    let first = ledger.charge("survival", key(1), &event).unwrap();
    let _ = ledger.charge("survival", key(2), &event).unwrap();
    let (spent, head) = (ledger.spent_total(), ledger.head());
    for _ in 0..2 {
        let again = ledger.charge("survival", key(1), &event).unwrap();
        assert!(again.repeated && !first.repeated);
        assert_eq!((again.sequence, again.cost), (first.sequence, first.cost));
        let reused = Err(Error::KeyReused {
            key: format!("01000000{}", "ee".repeat(28)),
            sequence: first.sequence,
        });
        assert_eq!(ledger.charge("another", key(1), &event), reused);
        assert_eq!(ledger.charge("survival", key(1), &noise(1 << 30, 1)), reused);
        assert_eq!(ledger.charge("survival", key(1), &Release::exact()), reused);
        assert_eq!((ledger.spent_total(), ledger.head()), (spent, head));
        // And so it is after a restart.
        drop(ledger);
        ledger = site.open(budget());
    }
}

/// L2: what nothing was spent of is told as the least figure, under either filter.
#[test]
fn a_new_ledger_has_spent_the_least_figure() {
    let order = haima_dp::units::Order::new(8).unwrap();
    let renyi = Limit::renyi(Epsilon::new(3.0).unwrap(), Delta::new(1e-6).unwrap(), order);
    for limit in [limit(3.0), renyi] {
        let ledger = Site::new().open(limit);
        assert_eq!(ledger.epsilon_spent(limit.delta), Epsilon::LEAST);
    }
}

/// L1: a plan of T + R attempts calibrated to the limit is admitted whole; one more is not.
#[test]
fn a_calibrated_plan_fits_the_limit_exactly() {
    for (epsilon, rounds) in [(0.5, 8), (3.0, 25)] {
        let site = Site::new();
        let mut ledger = site.open(limit(epsilon));
        let event = part_of(limit(epsilon), rounds);
        for n in 0..rounds {
            let _ = ledger.charge(["a", "b"][n as usize % 2], key(n), &event).unwrap();
        }
        assert!(ledger.spent_total() <= limit(epsilon).room());
        assert!(ledger.epsilon_spent(limit(epsilon).delta) <= limit(epsilon).epsilon);
        let over = ledger.charge("a", key(rounds), &event);
        assert!(matches!(over, Err(Error::Overspend { .. })), "{over:?}");
    }
}

/// An overspend is refused with both figures, and leaves nothing changed: not the file either.
#[test]
fn an_overspend_is_refused_and_leaves_nothing_changed() {
    let site = Site::new();
    let mut ledger = site.open(budget());
    let _ = ledger.charge("survival", key(0), &part_of(limit(3.0), 2)).unwrap();
    let before = (ledger.spent_total(), ledger.remaining(), ledger.head());
    let bytes = fs::read(site.file()).unwrap();
    let whole = part_of(limit(3.0), 1);
    let Err(Error::Overspend { study, scope, asked, left, delta, .. }) =
        ledger.charge("survival", key(1), &whole)
    else {
        panic!("an overspend was admitted")
    };
    assert_eq!((study.as_str(), scope, delta), ("survival", "the population's limit", 1e-6));
    assert_eq!((asked.rho(), left), (whole.event().rho(), ledger.remaining()));
    assert!(!ledger.contains(&key(1)));
    assert_eq!((ledger.spent_total(), ledger.remaining(), ledger.head()), before);
    assert_eq!(fs::read(site.file()).unwrap(), bytes);
    // What is left can still be spent.
    let _ = ledger.charge("survival", key(1), &part_of(limit(3.0), 2)).unwrap();
}

/// L3: budgets add. What studies spend comes from one limit, and a study's own limit lies within.
#[test]
fn studies_share_the_populations_budget() {
    let site = Site::new();
    let mut ledger = site.open(budget());
    let part = part_of(limit(1.0), 2);
    for n in 0..2 {
        let _ = ledger.charge("small", key(n), &part).unwrap();
    }
    let Err(Error::Overspend { scope, .. }) = ledger.charge("small", key(2), &part) else {
        panic!("a study passed its own limit")
    };
    assert_eq!(scope, "the study's limit");
    let _ = ledger.charge("large", key(2), &part).unwrap();
    let one = part.event().rho().unwrap();
    assert_eq!(ledger.spent("small").rho(), Some(zcdp::compose([one, one])));
    assert_eq!(ledger.spent_total().rho(), Some(zcdp::compose([one, one, one])));
    assert_eq!(ledger.spent("unknown").rho(), Some(Rho::ZERO));
    let (small, large) = (ledger.remaining_for("small"), ledger.remaining_for("large"));
    assert!(small.own.unwrap() < ledger.remaining());
    assert_eq!(large.own, None);
    assert_eq!((small.overall, large.overall), (ledger.remaining(), ledger.remaining()));
    assert_eq!(ledger.studies().collect::<Vec<_>>(), ["large", "small"]);
    // The population's limit binds a study that has none.
    let mut n = 3;
    while ledger.charge("large", key(n), &part).is_ok() {
        n += 1;
    }
    assert!(ledger.spent_total() <= limit(3.0).room());
}

/// L3: the budget belongs to the population. The same patients under another file name have spent
/// what they have spent, and another population's ledger cannot be passed off as theirs.
#[test]
fn renaming_a_data_set_opens_no_new_budget() {
    let site = Site::new();
    // A data set's name and version are no input: only the population it declares is.
    let ledger_of = |_data_set: &str, population: &str| {
        let path = site.folder.path().join(Ledger::file_name(population).unwrap());
        Ledger::open(path, population, limit(1.0)).unwrap()
    };
    let event = part_of(limit(1.0), 1);
    let mut ledger = ledger_of("mds-2025.csv", POPULATION);
    let _ = ledger.charge("a", key(1), &event).unwrap();
    drop(ledger);
    let mut renamed = ledger_of("mds-2025-copy.csv", POPULATION);
    assert!(matches!(renamed.charge("b", key(2), &event), Err(Error::Overspend { .. })));
    assert_ne!(Ledger::file_name("AML"), Ledger::file_name(POPULATION));
    assert!(Ledger::file_name("AML ").is_err(), "a blank makes no second population");
}

/// L3: a ledger is opened for the population that it records.
#[test]
fn a_ledger_of_another_population_is_refused() {
    let site = Site::new();
    drop(site.open(budget()));
    let wrong = Error::WrongPopulation {
        path: site.file(),
        recorded: POPULATION.to_owned(),
        asked: "AML".to_owned(),
    };
    assert_eq!(Ledger::open(site.file(), "AML", budget()).unwrap_err(), wrong);
    assert_eq!(Ledger::reopen(site.file(), "AML").unwrap_err(), wrong);
}

/// A policy file cannot raise a limit in silence: a change is an entry, with a reason.
#[test]
fn a_changed_limit_is_an_entry_of_its_own() {
    let site = Site::new();
    let event = part_of(limit(1.0), 1);
    let mut ledger = site.open(limit(1.0));
    let _ = ledger.charge("a", key(1), &event).unwrap();
    drop(ledger);
    let raised = limit(2.0);
    let refused = Ledger::open(site.file(), POPULATION, raised).unwrap_err();
    assert_eq!(refused, Error::BudgetChanged { path: site.file() });

    let mut ledger = Ledger::reopen(site.file(), POPULATION).unwrap();
    assert_eq!(*ledger.budget(), limit(1.0).into());
    assert!(ledger.charge("a", key(2), &event).is_err());
    assert!(ledger.amend(raised, "").is_err(), "without a reason");
    ledger.amend(raised, "ethics board, 12 May 2026").unwrap();
    assert_eq!(ledger.head().0, 2);
    let _ = ledger.charge("a", key(2), &event).unwrap();
    // A cut below what is spent admits nothing more, and forgets nothing.
    ledger.amend(limit(0.5), "withdrawn").unwrap();
    assert_eq!(ledger.remaining().get(), 0.0);
    assert!(ledger.charge("a", key(3), &noise(1 << 40, 1)).is_err());
    let spent = ledger.spent_total();
    drop(ledger);
    assert!(Ledger::open(site.file(), POPULATION, raised).is_err());
    assert_eq!(site.open(limit(0.5)).spent_total(), spent);
}

/// X1: an exact release is counted apart, never as "epsilon = 0" and never in a sum.
#[test]
fn exact_releases_are_counted_apart() {
    let site = Site::new();
    let mut ledger = site.open(budget());
    for n in 0..3 {
        let charged = ledger.charge("curves", key(n), &Release::exact()).unwrap();
        assert_eq!(charged.cost, None);
    }
    assert!(ledger.charge("curves", key(0), &Release::exact()).unwrap().repeated);
    drop(ledger);
    let ledger = site.open(budget());
    assert_eq!((ledger.exact_releases("curves"), ledger.exact_releases("other")), (3, 0));
    assert_eq!((ledger.spent("curves").get(), ledger.spent_total().get()), (0.0, 0.0));
    assert_eq!(ledger.studies().collect::<Vec<_>>(), ["curves"]);
}

/// X1: without the policy's permission an exact release is refused.
#[test]
fn an_exact_release_needs_the_policys_permission() {
    let site = Site::new();
    let mut ledger = site.open(limit(1.0));
    let refused = ledger.charge("curves", key(0), &Release::exact());
    assert_eq!(refused, Err(Error::ExactNotAllowed { study: "curves".into() }));
    assert_eq!((ledger.exact_releases("curves"), ledger.head().0), (0, 0));
}

/// Threads that share the ledger behind a lock charge every round once and no limit twice.
#[test]
fn threads_cannot_overspend_together() {
    let site = Site::new();
    let event = part_of(limit(3.0), 20);
    let ledger = Mutex::new(site.open(budget()));
    let admitted: usize = std::thread::scope(|scope| {
        let charge = |thread: u32| {
            let (ledger, event) = (&ledger, &event);
            let rounds = move || {
                let round =
                    |n: &u32| ledger.lock().unwrap().charge("a", key(100 * thread + n), event);
                (0..8).filter(|n| round(n).is_ok()).count()
            };
            scope.spawn(rounds)
        };
        let threads: Vec<_> = (0..4).map(charge).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 20);
    assert!(ledger.lock().unwrap().spent_total() <= limit(3.0).room());
    assert_eq!(Journal::verify(site.file(), JOURNAL_LABEL).unwrap().records, 21);
}

/// Two processes cannot both charge: the second one is refused until the first has ended.
#[test]
fn a_second_process_is_refused() {
    let site = Site::new();
    let ledger = site.open(budget());
    let locked = Error::Locked { path: site.file() }.to_string();
    assert_eq!(process::run_here("another_process_opens_the_ledger", &site.file()), locked);
    drop(ledger);
    assert_eq!(process::run_here("another_process_opens_the_ledger", &site.file()), "opened");
}

/// Not a test by itself: the other process of `a_second_process_is_refused`.
#[test]
fn another_process_opens_the_ledger() {
    process::child(|path| match Ledger::open(path, POPULATION, budget()) {
        Ok(_) => "opened".to_owned(),
        Err(e) => e.to_string(),
    });
}

/// A ledger with a changed byte is refused: it would forget or misremember what was spent.
#[test]
fn a_corrupted_ledger_is_refused() {
    let site = Site::new();
    let mut ledger = site.open(limit(1.0));
    for n in 0..2 {
        let _ = ledger.charge("a", key(n), &part_of(limit(1.0), 2)).unwrap();
    }
    drop(ledger);
    let whole = fs::read(site.file()).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        fs::write(site.file(), changed).unwrap();
        let refused = Ledger::open(site.file(), POPULATION, limit(1.0)).unwrap_err();
        assert!(matches!(refused, Error::Damaged { .. } | Error::BadHeader { .. }), "byte {at}");
    }
}

/// An intact journal whose records are no ledger's is refused, with the record's number.
#[test]
fn a_journal_that_is_no_ledger_is_refused() {
    let opened = {
        let site = Site::new();
        drop(site.open(limit(1.0)));
        Journal::open(site.file(), JOURNAL_LABEL).unwrap().1.remove(0)
    };
    let charge = {
        let site = Site::new();
        let mut ledger = site.open(limit(1.0));
        let _ = ledger.charge("a", key(0), &noise(1 << 30, 1)).unwrap();
        drop(ledger);
        Journal::open(site.file(), JOURNAL_LABEL).unwrap().1.remove(1)
    };
    let mut longer = charge.clone();
    longer.push(0);
    let cases: [(&[&[u8]], u64, &str); 5] = [
        (&[&charge], 0, "it does not open a ledger"),
        (&[&opened, &opened], 1, "the ledger is opened a second time"),
        (&[&opened, &charge, &charge], 2, "a round is charged a second time"),
        (&[&opened, &longer], 1, "bytes are left over"),
        (&[&opened, b"\x09"], 1, "its kind is unknown"),
    ];
    for (records, record, what) in cases {
        let site = Site::new();
        let (mut journal, _) = Journal::open(site.file(), JOURNAL_LABEL).unwrap();
        for bytes in records {
            journal.append(bytes).unwrap();
        }
        drop(journal);
        let refused = Ledger::open(site.file(), POPULATION, limit(1.0)).unwrap_err();
        assert_eq!(refused, Error::BadEntry { path: site.file(), record, what });
    }
}

/// L1: where nothing can be written, there is no ledger to charge.
#[test]
fn an_unwritable_place_gives_an_error() {
    let site = Site::new();
    fs::write(site.file(), b"a file").unwrap();
    let below_a_file = site.file().join("ledger");
    assert!(matches!(Ledger::open(below_a_file, POPULATION, limit(1.0)), Err(Error::Io { .. })));
    let absent = site.folder.path().join("absent");
    assert!(matches!(Ledger::reopen(&absent, POPULATION), Err(Error::Io { .. })));
    assert!(!absent.exists(), "reopening creates nothing");
}

/// A ledger created by a process that died before its first entry is opened as new.
#[test]
fn a_ledger_without_its_first_entry_is_new() {
    let site = Site::new();
    drop(Journal::open(site.file(), JOURNAL_LABEL).unwrap());
    assert!(matches!(
        Ledger::reopen(site.file(), POPULATION),
        Err(Error::BadEntry { record: 0, .. })
    ));
    assert_eq!(site.open(limit(1.0)).head().0, 0);
}

#[test]
fn unusable_names_are_refused() {
    let site = Site::new();
    let mut ledger = site.open(limit(1.0));
    for name in ["", " a", "a\tb", &"x".repeat(201)] {
        let bad = |what| Error::BadName { what, name: name.to_owned() };
        assert_eq!(ledger.charge(name, key(0), &noise(1 << 30, 1)), Err(bad("study")));
        let refused = Ledger::open(Path::new("unused"), name, limit(1.0)).unwrap_err();
        assert_eq!(refused, bad("population"));
    }
    assert_eq!(ledger.head().0, 0);
}
