//! The file under every ledger and audit log (`haima_dp::journal`): any bytes, and files that were
//! whole before some of their bytes changed.

use haima_dp::journal::Journal;

use super::tools::{Cut, folder, joined, tagged, with_file};

const LABEL: &str = "fuzz";

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    if cut.byte().is_multiple_of(2) { any_file(cut.0) } else { damaged(cut) }
}

/// What is intact can be opened and goes on; reading changes nothing.
fn any_file(bytes: &[u8]) {
    with_file(bytes, |path| {
        let verified = Journal::verify(path, LABEL);
        assert!(std::fs::read(path).unwrap() == bytes, "reading changed the file");
        let Ok(verified) = verified else { return };
        let (mut journal, payloads) = Journal::open(path, LABEL).expect("it was intact");
        assert_eq!((payloads.len() as u64, journal.head()), (verified.records, verified.head));
        journal.append(b"more").expect("an open journal takes records");
        drop(journal);
        let after = Journal::verify(path, LABEL).expect("it is intact still");
        assert_eq!((after.records, after.torn_bytes), (verified.records + 1, 0));
    });
}

/// A whole journal, one byte of it changed or its end cut off: refused, or a prefix of the records.
fn damaged(mut cut: Cut<'_>) {
    let at = usize::from(u16::from_le_bytes([cut.byte(), cut.byte()]));
    let (change, cuts) = (cut.byte(), cut.byte().is_multiple_of(2));
    let payloads = cut.pieces();
    let folder = folder();
    let path = folder.path().join("file");
    let (mut journal, _) = Journal::open(&path, LABEL).expect("a new journal");
    journal.append_all(&payloads).expect("records");
    drop(journal);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = at % bytes.len();
    if cuts {
        bytes.truncate(at);
    } else {
        bytes[at] ^= change;
    }
    std::fs::write(&path, &bytes).unwrap();
    let Ok(read) = Journal::read(&path, LABEL) else { return };
    assert!(read.len() <= payloads.len(), "more records than were written");
    assert!(read.iter().zip(&payloads).all(|(read, written)| read == written), "another record");
    // One changed byte takes no record away: only eight could.
    assert!(cuts || read.len() == payloads.len(), "a changed byte made a record look torn");
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let folder = folder();
    let path = folder.path().join("file");
    let (mut journal, _) = Journal::open(&path, LABEL).unwrap();
    journal.append_all(&[&b"one"[..], b"two", b""]).unwrap();
    drop(journal);
    let records = joined(&[&b"one"[..], b"two", b"three"]);
    vec![
        tagged(0, &std::fs::read(&path).unwrap()),
        tagged(1, &[&[70, 0, 1, 1][..], &records].concat()),
        tagged(1, &[&[90, 0, 0, 0][..], &records].concat()),
    ]
}
