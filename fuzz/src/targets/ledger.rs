//! What a ledger and an audit log make of records that are whole, but not theirs
//! (`haima_dp::ledger`, `haima_smpc_node::{audit, crosscheck}`).

use std::num::NonZeroU64;
use std::path::Path;

use haima_crypto::encode::{Canonical, Digest};
use haima_dp::event::Release;
use haima_dp::journal::Journal;
use haima_dp::ledger::{self, Budget, JOURNAL_LABEL, Ledger, Limit};
use haima_dp::noise::NoiseScale;
use haima_dp::units::{Delta, Epsilon, Sensitivity};
use haima_smpc_node::record::AuditRecord;
use haima_smpc_node::{audit, crosscheck};

use super::fixture::{self, node_key};
use super::tools::{Cut, folder, joined, tagged};

const POPULATION: &str = "patients";
const PARTY: &str = "node-1";

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let tag = cut.byte();
    let payloads = cut.pieces();
    let folder = folder();
    let path = folder.path().join("file");
    match tag % 3 {
        0 => {
            write(&path, JOURNAL_LABEL, &payloads);
            entries(&path);
        }
        1 => {
            write(&path, audit::LABEL, &payloads);
            let _ = audit::read(&path, PARTY, &node_key(1).public());
        }
        _ => {
            let signed: Vec<Vec<u8>> = payloads.iter().map(|body| signed(body)).collect();
            write(&path, audit::LABEL, &signed);
            let key = node_key(1).public();
            if let Ok(records) = audit::read(&path, PARTY, &key) {
                assert_eq!(records.len(), payloads.len());
                let own = crosscheck::Journal { party: PARTY.into(), records };
                let other = crosscheck::Journal { party: "node-2".into(), ..own.clone() };
                let manifest = fixture::manifest(2, 2);
                let _ = crosscheck::first_disagreement(&manifest, &[own, other]);
            }
        }
    }
}

fn write<P: AsRef<[u8]>>(path: &Path, label: &str, payloads: &[P]) {
    let (mut journal, _) = Journal::open(path, label).expect("a new journal");
    let payloads: Vec<&[u8]> = payloads.iter().map(AsRef::as_ref).collect();
    journal.append_all(&payloads).expect("records");
}

/// Every way to read a ledger takes the same entries; one that is taken takes a charge too, and
/// reads it back.
fn entries(path: &Path) {
    let summary = ledger::summary(path, POPULATION);
    let (export, standing) = (ledger::export(path, POPULATION), ledger::standing(path, POPULATION));
    let Ok(mut ledger) = Ledger::reopen(path, POPULATION) else { return };
    assert!(summary.is_ok() && export.is_ok() && standing.is_ok(), "it opens, but is not read");
    let (len, head) = ledger.head();
    let spent = ledger.spent_total();
    if let Ok(charged) = ledger.charge("another study", [0xee; 32], &noised()) {
        assert!(charged.sequence == len + 1 || charged.repeated);
        assert!(charged.repeated || charged.head != head);
        assert!(ledger.spent_total().get() >= spent.get(), "a charge gave budget back");
        let spent = ledger.spent_total();
        drop(ledger);
        let again = Ledger::reopen(path, POPULATION).expect("what was charged is read");
        assert_eq!(again.spent_total(), spent);
    }
}

fn noised() -> Release {
    let noise = NoiseScale::new(1 << 12).unwrap();
    Release::noised(noise, Sensitivity::new(4).unwrap(), NonZeroU64::new(4).unwrap())
}

/// Whatever a party signed.
fn signed(body: &[u8]) -> Vec<u8> {
    let signature = node_key(1).sign(&Digest::of(body));
    [body, &signature.as_bytes()[..]].concat()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let folder = folder();
    let path = folder.path().join("file");
    let limit = Limit::zcdp(Epsilon::new(8.0).unwrap(), Delta::new(1e-6).unwrap());
    let budget = Budget { allow_exact: true, ..limit.into() };
    let mut ledger = Ledger::open(&path, POPULATION, budget.clone()).unwrap();
    let _ = ledger.charge("a study", [1; 32], &noised()).unwrap();
    let _ = ledger.charge("a study", [2; 32], &Release::exact()).unwrap();
    ledger.amend(Budget { allow_exact: false, ..budget }, "a reason").unwrap();
    drop(ledger);
    let entries = Journal::read(&path, JOURNAL_LABEL).unwrap();
    let record = |kind: &str, number: u8| AuditRecord {
        party: PARTY.into(),
        at_ms: u64::from(number),
        kind: kind.into(),
        round: Digest::of(b"round"),
        subject: "site-a".into(),
        digest: Digest::of(&[number]),
        text: String::new(),
    };
    let records = [record("accepted", 1), record("agreed", 2), record("released", 3)];
    let sealed = records.each_ref().map(|record| record.seal(&node_key(1)));
    vec![
        tagged(0, &joined(&entries)),
        tagged(1, &joined(&sealed)),
        tagged(2, &joined(&records.each_ref().map(Canonical::to_bytes))),
    ]
}
