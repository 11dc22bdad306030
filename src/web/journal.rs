//! A party's journal as pages read it. At each reading the chain of the whole file is checked, which is
//! quick; the signature of a record once, which is not: in a study of many rounds a new record costs
//! one signature, not all of them. A journal only grows: one that no longer begins with what was read of
//! it before has lost records, which the chain of what is left cannot show.

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
    /// Digest of each entry of the longest journal that was read of this owner, in their order.
    longest: Arc<Vec<Digest>>,
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
        let owner = Some((party.to_owned(), key));
        let seen = before.filter(|log| log.owner == owner);
        let longest = seen.map(|log| Arc::clone(&log.longest)).unwrap_or_default();
        let told = seen.is_some_and(|log| log.lost().is_some());
        if !path.exists() {
            let log = if longest.is_empty() {
                Self::default()
            } else {
                Self { owner, longest, ..Self::default() }
            };
            log.warn(path, told);
            return Ok(log);
        }
        let (verified, payloads) = Journal::snapshot(path, LABEL)?;
        let entries: Vec<Digest> = payloads.iter().map(|entry| Digest::of(entry)).collect();
        let begins = |log: &&Self| entries.starts_with(&log.entries);
        let mut log = seen.filter(begins).cloned().unwrap_or_default();
        let new = payloads.iter().skip(log.entries.len());
        let new = new.map(|entry| AuditRecord::open(entry, party, &key));
        let new = new.collect::<Result<Vec<_>, _>>()?;
        if !new.is_empty() {
            Arc::make_mut(&mut log.records).extend(new);
        }
        log.entries = Arc::new(entries);
        log.longest =
            if log.entries.starts_with(&longest) { Arc::clone(&log.entries) } else { longest };
        log.head = Some(Digest::from_bytes(verified.head));
        log.owner = owner;
        log.warn(path, told);
        Ok(log)
    }

    /// That records are gone which were read before, in words; none where the journal only grew.
    pub(super) fn lost(&self) -> Option<String> {
        if self.entries.starts_with(&self.longest) {
            return None;
        }
        let agree = self.entries.iter().zip(self.longest.iter()).take_while(|(is, was)| is == was);
        Some(format!(
            "it had {} records when this page read it before, and has {} now, of which the first {} are \
             the same. A journal only grows: it was cut, put back from a copy, or replaced. Compare it \
             with the other parties' by haima audit verify",
            self.longest.len(),
            self.entries.len(),
            agree.count()
        ))
    }

    /// Says it in this program's log, once.
    fn warn(&self, path: &Path, told: bool) {
        if let Some(lost) = self.lost().filter(|_| !told) {
            tracing::error!(journal = %path.display(), "{lost}");
        }
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
        let other = read(Some(&old)).unwrap();
        assert_eq!(kinds(&other), ["c", "d", "e"]);
        let lost = other.lost().unwrap();
        assert!(lost.contains("had 2 records") && lost.contains("the first 0 are"), "{lost}");
    }

    #[test]
    fn a_journal_that_lost_its_end_is_told_of_until_it_has_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("audit.log"), key());
        let read = |before: Option<&Log>| Log::read(&path, "north", key.public(), before).unwrap();
        write(&path, &key, &["a", "b"]);
        let short = std::fs::read(&path).unwrap();
        write(&path, &key, &["c"]);
        let (whole, log) = (std::fs::read(&path).unwrap(), read(None));
        assert_eq!(log.lost(), None, "nothing was read before");
        std::fs::write(&path, short).unwrap();
        let cut = read(Some(&log));
        assert_eq!(kinds(&cut), ["a", "b"]);
        let lost = cut.lost().unwrap();
        assert!(lost.contains("had 3 records") && lost.contains("has 2 now"), "{lost}");
        // Neither a new record nor a reading makes that good, nor does a journal that is gone.
        write(&path, &key, &["d"]);
        let grown = read(Some(&cut));
        assert!(grown.lost().is_some_and(|lost| lost.contains("the first 2 are")));
        std::fs::remove_file(&path).unwrap();
        let gone = read(Some(&grown));
        assert!(gone.records.is_empty() && gone.lost().is_some());
        std::fs::write(&path, whole).unwrap();
        assert_eq!(read(Some(&gone)).lost(), None);
    }
}
