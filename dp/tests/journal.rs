//! The journal under crashes, damage, two writers and unwilling disks.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use common::process;
use haima_dp::Error;
use haima_dp::journal::{Journal, MAX_PAYLOAD};
use proptest::prelude::*;
use tempfile::TempDir;

const LABEL: &str = "test/1";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("journal")
    }
}

fn payloads() -> Vec<Vec<u8>> {
    vec![b"first".to_vec(), vec![], vec![0; 40], b"the last record".to_vec()]
}

/// A journal of `payloads`, closed; returns where each record ends, the header's end first.
fn written(path: &Path, payloads: &[Vec<u8>]) -> Vec<usize> {
    let length = || fs::metadata(path).unwrap().len() as usize;
    let (mut journal, replayed) = Journal::open(path, LABEL).unwrap();
    assert!(replayed.is_empty() && journal.is_empty());
    let mut ends = vec![length()];
    for (sequence, payload) in (0..).zip(payloads) {
        assert_eq!(journal.append(payload), Ok(sequence));
        ends.push(length());
    }
    ends
}

fn replay(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    Journal::open(path, LABEL).map(|(_, payloads)| payloads)
}

#[test]
fn records_come_back_in_order_with_the_same_head() {
    let folder = Folder::new();
    written(&folder.file(), &payloads());
    let (mut journal, replayed) = Journal::open(folder.file(), LABEL).unwrap();
    assert_eq!(replayed, payloads());
    assert_eq!((journal.len(), journal.torn_bytes(), journal.label()), (4, 0, LABEL));
    let before = journal.head();
    assert_eq!(journal.append(b"more"), Ok(4));
    assert_ne!(journal.head(), before);
    let verified = Journal::verify(folder.file(), LABEL).unwrap();
    assert_eq!((verified.records, verified.head, verified.torn_bytes), (5, journal.head(), 0));
}

/// The head covers the label, the order and every payload: nothing can be swapped.
#[test]
fn the_head_depends_on_everything_before_it() {
    let head = |label: &str, payloads: &[&[u8]]| {
        let folder = Folder::new();
        let (mut journal, _) = Journal::open(folder.file(), label).unwrap();
        for payload in payloads {
            journal.append(payload).unwrap();
        }
        journal.head()
    };
    let base = head("a", &[b"x", b"y"]);
    assert_eq!(base, head("a", &[b"x", b"y"]));
    for other in [
        head("b", &[b"x", b"y"]),
        head("a", &[b"y", b"x"]),
        head("a", &[b"xy"]),
        head("a", &[b"x", b"y", b""]),
        head("a", &[]),
    ] {
        assert_ne!(base, other);
    }
}

/// The bytes on disk are a format: a change of them is a new version in the header.
#[test]
fn the_bytes_of_a_journal_are_as_they_were() {
    let folder = Folder::new();
    written(&folder.file(), &[b"abc".to_vec()]);
    let bytes = fs::read(folder.file()).unwrap();
    assert_eq!(&bytes[..23], b"haima.journal/1\n\x06test/1");
    assert_eq!(bytes.len(), 23 + 32 + 4 + 8 + 3 + 32 + 8);
    assert_eq!(&bytes[55..59], [3, 0, 0, 0]);
    assert_eq!(&bytes[67..70], b"abc");
    let head = Journal::verify(folder.file(), LABEL).unwrap().head;
    assert_eq!(bytes[70..102], head);
    let hex: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN_HEAD);
}

const GOLDEN_HEAD: &str = "4124f069e4038f6e3195ba93f0f6282804ece0d21477ca8beeb39f1c7dbc21fd";

/// L1: a crash while the last record is appended leaves the others, whatever part of it was
/// written, and whether the rest of its room is missing or zeros.
#[test]
fn every_torn_tail_is_repaired() {
    let folder = Folder::new();
    let path = folder.file();
    let ends = written(&path, &payloads());
    let whole = fs::read(&path).unwrap();
    let (committed, end) = (ends[ends.len() - 2], ends[ends.len() - 1]);
    for cut in committed..end {
        for zeros_up_to in [cut, end - 1, end, end + 4096] {
            let mut torn = whole[..cut].to_vec();
            torn.resize(zeros_up_to.max(cut), 0);
            fs::write(&path, &torn).unwrap();
            let verified = Journal::verify(&path, LABEL).unwrap();
            assert_eq!(fs::read(&path).unwrap(), torn, "verifying changes nothing");
            let (mut journal, replayed) = Journal::open(&path, LABEL)
                .unwrap_or_else(|e| panic!("cut at {cut}, zeros up to {zeros_up_to}: {e}"));
            assert_eq!((verified.records, verified.head), (journal.len(), journal.head()));
            assert_eq!(verified.torn_bytes, journal.torn_bytes());
            // With only the end mark torn the record's hash proves it whole, and it is kept.
            let kept = if cut >= end - 8 && zeros_up_to >= end { 4 } else { 3 };
            assert_eq!(replayed, payloads()[..kept], "cut at {cut}, zeros up to {zeros_up_to}");
            assert_eq!(fs::metadata(&path).unwrap().len() as usize, ends[kept]);
            // Shorter than what was torn: nothing of that may be left behind it.
            journal.append(b"").unwrap();
            drop(journal);
            assert_eq!(replay(&path).unwrap().len(), kept + 1);
        }
    }
}

/// L1: no committed record is lost by one changed byte, be it the last one: the journal is refused,
/// or (where the changed byte is the end mark's last and turned to zero) every record is still there.
#[test]
fn no_changed_byte_loses_a_record() {
    let folder = Folder::new();
    let path = folder.file();
    written(&path, &payloads());
    let whole = fs::read(&path).unwrap();
    let mut kept_whole = 0;
    for at in 0..whole.len() {
        for value in [whole[at] ^ 1, whole[at] ^ 0x80, !whole[at], 0, 0xff] {
            if value == whole[at] {
                continue;
            }
            let mut changed = whole.clone();
            changed[at] = value;
            fs::write(&path, &changed).unwrap();
            match replay(&path) {
                Ok(replayed) => {
                    assert_eq!(replayed, payloads(), "byte {at} set to {value:#x}");
                    assert_eq!((at, value), (whole.len() - 1, 0));
                    assert_eq!(fs::read(&path).unwrap(), whole, "the end mark is completed");
                    kept_whole += 1;
                }
                Err(Error::Damaged { .. } | Error::BadHeader { .. }) => {
                    assert_eq!(fs::read(&path).unwrap(), changed, "a refused file is not touched");
                }
                Err(other) => panic!("byte {at} set to {value:#x}: {other}"),
            }
        }
    }
    assert_eq!(kept_whole, 1);
}

/// Up to seven bytes of a committed tail turned to zero are damage or harmless, never a lost record.
#[test]
fn zeros_over_part_of_the_last_record_lose_nothing() {
    let folder = Folder::new();
    let path = folder.file();
    let ends = written(&path, &payloads());
    let whole = fs::read(&path).unwrap();
    for at in ends[3]..whole.len() {
        for count in 2..=7 {
            let mut changed = whole.clone();
            let to = (at + count).min(whole.len());
            changed[at..to].fill(0);
            fs::write(&path, &changed).unwrap();
            match replay(&path) {
                Ok(replayed) => assert_eq!(replayed, payloads()),
                Err(refused) => assert!(matches!(refused, Error::Damaged { .. }), "{refused}"),
            }
        }
    }
}

/// Damage is reported with the file, the record's number and its byte.
#[test]
fn damage_is_named() {
    let folder = Folder::new();
    let path = folder.file();
    let ends = written(&path, &payloads());
    let whole = fs::read(&path).unwrap();
    let damaged = |record: usize, at: usize, what| {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        fs::write(&path, &changed).unwrap();
        let offset = ends[record] as u64;
        let expected = Error::Damaged { path: path.clone(), record: record as u64, offset, what };
        assert_eq!(replay(&path), Err(expected.clone()));
        assert_eq!(Journal::verify(&path, LABEL), Err(expected));
    };
    damaged(0, ends[0], "its length fails its check");
    damaged(2, ends[2] + 5, "its length fails its check");
    damaged(2, ends[2] + 12, "its hash does not fit its payload and the record before");
    damaged(3, ends[4] - 9, "its hash does not fit its payload and the record before");
    damaged(3, ends[4] - 1, "its end mark is not one");
}

/// A record moved, repeated or left out breaks the chain.
#[test]
fn records_cannot_be_moved_repeated_or_left_out() {
    let folder = Folder::new();
    let path = folder.file();
    let ends = written(&path, &[b"aaa".to_vec(), b"bbb".to_vec(), b"ccc".to_vec()]);
    let whole = fs::read(&path).unwrap();
    let record = |n: usize| &whole[ends[n]..ends[n + 1]];
    for order in [[1, 0, 2].as_slice(), &[0, 2], &[0, 0, 1, 2], &[1, 2], &[0, 1, 2, 2]] {
        let mut changed = whole[..ends[0]].to_vec();
        order.iter().for_each(|&n| changed.extend_from_slice(record(n)));
        fs::write(&path, &changed).unwrap();
        assert!(matches!(replay(&path), Err(Error::Damaged { .. })), "{order:?}");
    }
}

/// A length is believed only once it is checked: a huge one in a small file allocates nothing.
#[test]
fn a_huge_length_is_damage_not_an_allocation() {
    let folder = Folder::new();
    let path = folder.file();
    let ends = written(&path, &payloads());
    let mut changed = fs::read(&path).unwrap();
    changed[ends[0]..ends[0] + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&path, &changed).unwrap();
    assert!(matches!(replay(&path), Err(Error::Damaged { record: 0, .. })));
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_alone() {
    let folder = Folder::new();
    let path = folder.file();
    // An existing empty file is a journal that lost everything, not a new one.
    for other in [b"".to_vec(), b"haima.journ".to_vec(), vec![0; 100], vec![b'x'; 100]] {
        fs::write(&path, &other).unwrap();
        assert!(matches!(replay(&path), Err(Error::BadHeader { .. })));
        assert_eq!(fs::read(&path).unwrap(), other);
    }
}

#[test]
fn a_journal_of_another_label_is_refused() {
    let folder = Folder::new();
    written(&folder.file(), &payloads());
    let refused = Journal::open(folder.file(), "test/2").unwrap_err();
    let (expected, found) = ("test/2".to_owned(), LABEL.to_owned());
    assert_eq!(refused, Error::WrongLabel { path: folder.file(), expected, found });
    for len in [0, 256] {
        let label = "x".repeat(len);
        assert_eq!(
            Journal::open(folder.file(), &label).map(|_| ()),
            Err(Error::LabelLength { len })
        );
    }
}

/// One writer: a second handle is refused, in this process and in another, until the first is gone.
#[test]
fn two_opens_at_once_are_refused() {
    let folder = Folder::new();
    let (mut journal, _) = Journal::open(folder.file(), LABEL).unwrap();
    let locked = Error::Locked { path: folder.file() };
    assert_eq!(replay(&folder.file()), Err(locked.clone()));
    assert_eq!(
        process::run_here("another_process_opens_the_journal", &folder.file()),
        locked.to_string()
    );
    journal.append(b"still mine").unwrap();
    assert_eq!(Journal::verify(folder.file(), LABEL).unwrap().records, 1, "reading needs no lock");
    drop(journal);
    assert_eq!(process::run_here("another_process_opens_the_journal", &folder.file()), "1 records");
}

/// Not a test by itself: the other process of `two_opens_at_once_are_refused`.
#[test]
fn another_process_opens_the_journal() {
    process::child(|path| match replay(path) {
        Ok(payloads) => format!("{} records", payloads.len()),
        Err(e) => e.to_string(),
    });
}

/// L1: killed at any moment, a writer has lost nothing that it was told is on disk.
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = Folder::new();
    for round in 1..=3 {
        let acknowledged = process::kill_after("a_process_appends", &folder.file(), 20);
        let replayed = replay(&folder.file()).unwrap();
        assert!(acknowledged >= 20 * round);
        assert!(replayed.len() >= acknowledged, "{} of {acknowledged}", replayed.len());
        assert!((0u64..).zip(&replayed).all(|(n, payload)| *payload == n.to_le_bytes()));
    }
}

/// Not a test by itself: the process that `what_was_acknowledged_survives_a_kill` kills.
#[test]
fn a_process_appends() {
    process::child_forever(|path, acknowledge| {
        let (mut journal, _) = Journal::open(path, LABEL).unwrap();
        loop {
            let sequence = journal.len();
            journal.append(&sequence.to_le_bytes()).unwrap();
            acknowledge(sequence + 1);
        }
    });
}

/// A leftover of a creation that crashed is no obstacle and no journal.
#[test]
fn a_creation_that_crashed_is_done_again() {
    let folder = Folder::new();
    let beside = folder.0.path().join("journal.new");
    fs::write(&beside, b"haima.jour and more than a header would need .............").unwrap();
    written(&folder.file(), &payloads());
    assert!(!beside.exists());
    assert_eq!(replay(&folder.file()).unwrap(), payloads());
}

#[test]
fn a_folder_that_cannot_hold_a_journal_is_an_error() {
    let folder = Folder::new();
    fs::write(folder.file(), b"a file").unwrap();
    for path in [folder.file().join("below a file"), folder.0.path().join("no/such/folder")] {
        assert!(matches!(Journal::open(path, LABEL), Err(Error::Io { .. })));
    }
    assert!(matches!(Journal::open(folder.0.path(), LABEL), Err(Error::Io { .. })), "a folder");
    let nothing = folder.0.path().join("nothing");
    assert!(matches!(Journal::verify(&nothing, LABEL), Err(Error::Io { .. })));
    assert!(!nothing.exists(), "verifying creates nothing");
}

#[test]
fn the_largest_record_comes_back_and_a_larger_one_is_refused() {
    let folder = Folder::new();
    let (mut journal, _) = Journal::open(folder.file(), LABEL).unwrap();
    let largest = vec![0xa5; MAX_PAYLOAD];
    assert_eq!(journal.append(&largest), Ok(0));
    let too_large = Error::RecordTooLarge { len: MAX_PAYLOAD + 1, most: MAX_PAYLOAD };
    assert_eq!(journal.append(&vec![0; MAX_PAYLOAD + 1]), Err(too_large));
    assert_eq!(journal.append(b"small"), Ok(1));
    drop(journal);
    assert_eq!(replay(&folder.file()).unwrap(), [largest, b"small".to_vec()]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to the bytes, opening gives a prefix of the records or refuses; it neither
    /// panics nor makes records up.
    #[test]
    fn no_damage_makes_up_a_record(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let folder = Folder::new();
            written(&folder.file(), &payloads());
            fs::read(folder.file()).unwrap()
        });
        let folder = Folder::new();
        let path = folder.file();
        let mut bytes = WHOLE.clone();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        bytes.extend(tail);
        fs::write(&path, &bytes).unwrap();
        if let Ok(replayed) = replay(&path) {
            prop_assert!(payloads().starts_with(&replayed));
        }
    }
}

/// Records of one call are as if appended one by one, in order.
#[test]
fn records_appended_together_are_the_same_as_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let [one, all] = ["one", "all"].map(|name| folder.path().join(name));
    let (mut a, _) = Journal::open(&one, "test").unwrap();
    let (mut b, _) = Journal::open(&all, "test").unwrap();
    for payload in [&b"x"[..], b"", b"zz"] {
        a.append(payload).unwrap();
    }
    assert_eq!(b.append_all(&[b"x"]), Ok(0));
    assert_eq!(b.append_all(&[b"", b"zz"]), Ok(1));
    assert_eq!((a.head(), a.len()), (b.head(), b.len()));
    assert_eq!(fs::read(one).unwrap(), fs::read(all).unwrap());
}
