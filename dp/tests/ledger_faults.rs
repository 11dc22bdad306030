//! The ledger when something goes wrong: two processes at once, a full disk, a damaged file.

mod common;

use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::process;
use haima_dp::Error;
use haima_dp::event::Release;
use haima_dp::journal::Journal;
use haima_dp::ledger::{self, JOURNAL_LABEL, Ledger, Limit};
use haima_dp::units::{Delta, Epsilon, Order, Rate, Sensitivity};
use tempfile::TempDir;

const POPULATION: &str = "MDS patients, Freiburg";
/// The plan that fills [`limit`].
const ROUNDS: u32 = 200;

fn limit() -> Limit {
    let (epsilon, delta) = (Epsilon::new(3.0).unwrap(), Delta::new(1e-6).unwrap());
    Limit::renyi(epsilon, delta, Order::new(12).unwrap())
}

/// One of [`ROUNDS`] releases that fill the limit.
fn part() -> Release {
    let d = Sensitivity::new(1 << 20).unwrap();
    let s = limit().noise_for(ROUNDS, d, NonZeroU64::MIN, Rate::ALL).unwrap();
    Release::noised(s, d, NonZeroU64::MIN)
}

fn key(n: u32) -> [u8; 32] {
    let mut key = [0xee; 32];
    key[..4].copy_from_slice(&n.to_le_bytes());
    key
}

fn open(path: &Path) -> Result<Ledger, Error> {
    Ledger::open(path, POPULATION, limit())
}

fn place(folder: &TempDir) -> PathBuf {
    folder.path().join("ledger")
}

/// Opens, charges one round and closes, over and over, until the limit is reached. Returns how many
/// rounds were admitted.
fn hammer(path: &Path, part: &Release, first_key: u32) -> u32 {
    let mut admitted = 0;
    loop {
        let charged = match open(path) {
            Ok(mut ledger) => ledger.charge("a", key(first_key + admitted), part).map(drop),
            Err(error) => Err(error),
        };
        match charged {
            Ok(()) => admitted += 1,
            Err(Error::Locked { .. }) => {}
            Err(Error::Overspend { .. }) => return admitted,
            Err(other) => panic!("{other}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Two processes that both charge as fast as they can never pass the limit together.
#[test]
fn two_processes_cannot_overspend_together() {
    let folder = TempDir::new().unwrap();
    let (path, part) = (place(&folder), part());
    let (here, there) = std::thread::scope(|scope| {
        let there = scope.spawn(|| process::run_here("the_other_process_hammers", &path));
        // The other one creates it, so that both are running.
        while !path.exists() && !there.is_finished() {
            std::thread::yield_now();
        }
        let here = hammer(&path, &part, 0);
        (here, there.join().unwrap().parse::<u32>().unwrap())
    });
    assert_eq!(here + there, ROUNDS);
    assert!(here > 0 && there > 0, "{here} here and {there} there");
    assert!(open(&path).unwrap().spent_total() <= limit().room());
    assert_eq!(
        Journal::verify(&path, JOURNAL_LABEL).unwrap().records,
        u64::from(ROUNDS) + 1,
        "every admitted round is on disk once"
    );
}

/// Not a test by itself: the other process of `two_processes_cannot_overspend_together`.
#[test]
fn the_other_process_hammers() {
    process::child(|path| hammer(path, &part(), 1 << 16).to_string());
}

/// While one process holds the ledger another one is told so, by the file's name; reading goes on.
#[test]
fn a_held_ledger_is_named_to_whoever_opens_it() {
    let folder = TempDir::new().unwrap();
    let path = place(&folder);
    let ledger = open(&path).unwrap();
    let says = open(&path).unwrap_err().to_string();
    assert!(says.contains(path.to_str().unwrap()) && says.contains("in use"), "{says}");
    let held = Error::Locked { path: path.clone() };
    assert_eq!(Ledger::reopen(&path, POPULATION).unwrap_err(), held);
    assert!(ledger::export(&path, POPULATION).is_ok());
    drop(ledger);
    assert!(open(&path).is_ok());
}

/// L1: on a full disk the release is refused, and nothing that was charged is lost.
#[cfg(unix)]
#[test]
fn a_full_disk_refuses_the_release_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let path = place(&folder);
    let said = process::run_on_a_small_disk("a_process_fills_the_disk", &path, 8);
    let admitted: u32 = said.parse().unwrap_or_else(|_| panic!("{said}"));
    assert!((5..ROUNDS).contains(&admitted), "{admitted}");
    let mut ledger = open(&path).unwrap();
    for n in 0..admitted {
        assert!(ledger.charge("a", key(n), &part()).unwrap().repeated, "round {n}");
    }
    assert!(!ledger.contains(&key(admitted)));
    // With room on the disk the rest of the plan fits as before.
    for n in admitted..ROUNDS {
        assert!(!ledger.charge("a", key(n), &part()).unwrap().repeated);
    }
    assert!(matches!(ledger.charge("a", key(ROUNDS), &part()), Err(Error::Overspend { .. })));
}

/// Not a test by itself: the process of `a_full_disk_refuses_the_release_and_loses_nothing`.
#[test]
fn a_process_fills_the_disk() {
    process::child(|path| {
        let mut ledger = open(path).unwrap();
        let mut admitted = 0;
        let refused = loop {
            match ledger.charge("a", key(admitted), &part()) {
                Ok(_) => admitted += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, Error::Io { action: "append a record", .. }), "{refused}");
        // It is no charge, and stays none.
        assert_eq!(ledger.head().0, u64::from(admitted));
        assert!(!ledger.contains(&key(admitted)));
        assert!(ledger.charge("a", key(admitted), &part()).is_err());
        assert_eq!(ledger.head().0, u64::from(admitted));
        admitted.to_string()
    });
}

/// A damaged ledger is refused, with the record, by whoever opens and by whoever reads; what a
/// crash can leave behind is not damage, and is seen by the head (rule L4).
#[test]
fn a_damaged_ledger_is_refused_with_the_record() {
    let folder = TempDir::new().unwrap();
    let path = place(&folder);
    let mut ends = Vec::new();
    let mut ledger = open(&path).unwrap();
    for n in 0..4 {
        ends.push(fs::metadata(&path).unwrap().len() as usize);
        let _ = ledger.charge("a", key(n), &part()).unwrap();
    }
    let head = ledger.head();
    drop(ledger);
    let whole = fs::read(&path).unwrap();
    let refusals = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let read = ledger::export(&path, POPULATION).unwrap_err();
        assert_eq!(open(&path).unwrap_err(), read, "opening and reading agree");
        assert_eq!(fs::read(&path).unwrap(), bytes, "it is left alone");
        read
    };
    // Records 1 to 4 are the charges; number 0 opened it.
    for (record, &start) in (1..).zip(&ends) {
        let mut changed = whole.clone();
        changed[start + 20] ^= 1;
        let refused = refusals(&changed);
        assert!(matches!(refused, Error::Damaged { record: r, .. } if r == record), "{refused}");
        assert!(refused.to_string().contains(&format!("record {record}")), "{refused}");
    }
    let without_the_second = [&whole[..ends[1]], &whole[ends[2]..]].concat();
    let refused = refusals(&without_the_second);
    assert!(matches!(refused, Error::Damaged { record: 2, .. }), "{refused}");
    let in_the_header = refusals(&whole[..20]);
    assert!(matches!(in_the_header, Error::BadHeader { .. }), "{in_the_header}");
    // Cut in the last record, as a crash would.
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let cut = open(&path).unwrap();
    assert!(cut.contains(&key(2)) && !cut.contains(&key(3)));
    assert!(cut.head().0 < head.0 && cut.head().1 != head.1);
}
