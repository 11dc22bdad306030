//! A party's journal as pages read it. At each reading the chain of the whole file is checked, which is
//! quick; the signature of a record once, which is not: in a study of many rounds a new record costs
//! one signature, not all of them.

use std::path::Path;
use std::sync::Arc;

use haima_crypto::encode::Digest;
use haima_crypto::identity::IdentityPublic;
use haima_dp::journal::Journal;
use haima_smpc_node::audit::LABEL;
use haima_smpc_node::record::AuditRecord;

use crate::Error;

/// The records of a journal, verified.
#[derive(Clone, Default)]
pub(super) struct Log {
    /// In their order.
    pub(super) records: Arc<Vec<AuditRecord>>,
    /// Digest of the last record, which covers all before it; none where there is no journal.
    pub(super) head: Option<Digest>,
    /// Whose records.
    owner: Option<(String, IdentityPublic)>,
    /// Digest of each entry whose signature holds, in their order.
    entries: Arc<Vec<Digest>>,
}

impl Log {
    /// Reads a party's journal; an empty one where there is no file. Records that begin the one read
    /// before have their signatures checked already.
    ///
    /// # Errors
    /// When it is damaged or a record is not the party's.
    pub(super) fn read(
        path: &Path,
        party: &str,
        key: IdentityPublic,
        before: Option<&Self>,
    ) -> Result<Self, Error> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let owner = Some((party.to_owned(), key));
        let (verified, payloads) = Journal::snapshot(path, LABEL)?;
        let entries: Vec<Digest> = payloads.iter().map(|entry| Digest::of(entry)).collect();
        let begins = |log: &&Self| log.owner == owner && entries.starts_with(&log.entries);
        let mut log = before.filter(begins).cloned().unwrap_or_default();
        let new = payloads.iter().skip(log.entries.len());
        let new = new.map(|entry| AuditRecord::open(entry, party, &key));
        let new = new.collect::<Result<Vec<_>, _>>()?;
        if !new.is_empty() {
            Arc::make_mut(&mut log.records).extend(new);
        }
        log.entries = Arc::new(entries);
        log.head = Some(Digest::from_bytes(verified.head));
        log.owner = owner;
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use haima_crypto::identity::IdentityKey;
    use haima_smpc_node::audit::Audit;

    use super::*;

    fn key() -> IdentityKey {
        IdentityKey::generate(&mut rand::rng())
    }

    fn write(path: &Path, key: &IdentityKey, kinds: &[&str]) {
        let (audit, _) = Audit::open(path, "north", &key.public()).unwrap();
        let none = Digest::default();
        for kind in kinds {
            audit.write(key, kind, &none, "", &none, "").unwrap();
        }
    }

    fn kinds(log: &Log) -> Vec<&str> {
        log.records.iter().map(|record| record.kind.as_str()).collect()
    }

    #[test]
    fn a_journal_that_grows_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("audit.log"), key());
        let read = |before: Option<&Log>| Log::read(&path, "north", key.public(), before);
        let none = read(None).unwrap();
        assert!(none.records.is_empty() && none.head.is_none());
        write(&path, &key, &["a", "b"]);
        let two = read(Some(&none)).unwrap();
        assert_eq!(kinds(&two), ["a", "b"]);
        write(&path, &key, &["c"]);
        let three = read(Some(&two)).unwrap();
        assert_eq!(kinds(&three), ["a", "b", "c"]);
        assert_ne!(two.head, three.head);
        assert_eq!(read(Some(&three)).unwrap().head, three.head);
    }

    /// Seen by a record of a stranger's key, which passes only if its signature is not looked at.
    #[test]
    fn a_signature_is_checked_once_and_that_of_a_new_record_always() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key, other) = (folder.path().join("audit.log"), key(), key());
        write(&path, &other, &["a"]);
        let read = |before: Option<&Log>| Log::read(&path, "north", key.public(), before);
        assert!(read(None).is_err());
        let of_other = Log::read(&path, "north", other.public(), None).unwrap();
        assert!(read(Some(&of_other)).is_err(), "what another key signed does not count");
        let seen = Log { owner: Some(("north".into(), key.public())), ..of_other };
        assert_eq!(kinds(&read(Some(&seen)).unwrap()), ["a"]);
        write(&path, &other, &["b"]);
        assert!(read(Some(&seen)).is_err());
    }

    #[test]
    fn another_journal_in_the_place_of_one_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("audit.log"), key());
        let read = |before: Option<&Log>| Log::read(&path, "north", key.public(), before);
        write(&path, &key, &["a", "b"]);
        let old = read(None).unwrap();
        std::fs::remove_file(&path).unwrap();
        write(&path, &key, &["c", "d", "e"]);
        assert_eq!(kinds(&read(Some(&old)).unwrap()), ["c", "d", "e"]);
    }
}
