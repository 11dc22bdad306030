//! A party's audit log: signed records in a hash-chained journal.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use haima_crypto::encode::Digest;
use haima_crypto::identity::{IdentityKey, IdentityPublic};
use haima_dp::journal::Journal;

use crate::record::AuditRecord;
use crate::{Error, durable, unix_millis};

/// Label of every audit journal.
pub const LABEL: &str = "haima audit log 1";

/// Appends signed records.
#[derive(Debug)]
pub struct Audit {
    journal: Mutex<Journal>,
    party: String,
}

impl Audit {
    /// Opens a party's journal, verifying the chain and this party's signature on every record;
    /// returns the records so far.
    ///
    /// # Errors
    /// When it is damaged or in use by another process.
    pub fn open(
        path: &Path,
        party: &str,
        key: &IdentityPublic,
    ) -> Result<(Self, Vec<AuditRecord>), Error> {
        let (journal, entries) = Journal::open(path, LABEL)?;
        let records = entries
            .iter()
            .map(|entry| AuditRecord::open(entry, party, key))
            .collect::<Result<_, _>>()?;
        Ok((Self { journal: Mutex::new(journal), party: party.to_owned() }, records))
    }

    /// Appends one record; it is on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(
        &self,
        key: &IdentityKey,
        kind: &str,
        round: &Digest,
        subject: &str,
        digest: &Digest,
        text: &str,
    ) -> Result<(), Error> {
        self.write_all(key, &[Event { kind, round, subject, digest, text }])
    }

    /// Appends records with one sync of the disk; they are on it when this returns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_all(&self, key: &IdentityKey, events: &[Event<'_>]) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        #[cfg(feature = "failpoints")]
        for event in events {
            crate::crash::full(event.kind)?;
        }
        let at_ms = unix_millis();
        let record = |event: &Event<'_>| {
            AuditRecord {
                party: self.party.clone(),
                at_ms,
                kind: event.kind.to_owned(),
                round: *event.round,
                subject: event.subject.to_owned(),
                digest: *event.digest,
                text: event.text.chars().take(1000).collect(),
            }
            .seal(key)
        };
        let records: Vec<Vec<u8>> = events.iter().map(record).collect();
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        durable::write_now("journal", || journal.append_all(&records))?;
        Ok(())
    }

    /// Digest of the last record, which covers all before it.
    #[must_use]
    pub fn head(&self) -> Digest {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        Digest::from_bytes(journal.head())
    }
}

/// What a party writes down of a round.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// `opened`, `accepted`, ...
    pub kind: &'a str,
    /// Round; zero where none is concerned.
    pub round: &'a Digest,
    /// Site or node concerned; may be empty.
    pub subject: &'a str,
    /// Digest of what was accepted, signed or released.
    pub digest: &'a Digest,
    /// Public reason, never about data.
    pub text: &'a str,
}

/// The records of a journal, read without changing it: the chain is checked, and this party's
/// signature on every record. Records cut off at the end cannot be noticed without the peers'
/// journals.
///
/// # Errors
/// When it is damaged or a record is not the party's.
pub fn read(path: &Path, party: &str, key: &IdentityPublic) -> Result<Vec<AuditRecord>, Error> {
    read_with_head(path, party, key).map(|(records, _)| records)
}

/// [`read`], with the digest of the last record, which covers all before it.
///
/// # Errors
/// As [`read`].
pub fn read_with_head(
    path: &Path,
    party: &str,
    key: &IdentityPublic,
) -> Result<(Vec<AuditRecord>, Digest), Error> {
    let (verified, entries) = Journal::snapshot(path, LABEL)?;
    let records = entries.iter().map(|entry| AuditRecord::open(entry, party, key));
    Ok((records.collect::<Result<_, _>>()?, Digest::from_bytes(verified.head)))
}

/// [`read`], counted.
///
/// # Errors
/// As [`read`].
pub fn verify(path: &Path, party: &str, key: &IdentityPublic) -> Result<usize, Error> {
    read(path, party, key).map(|records| records.len())
}
