//! The end of a journal: writes a record, syncs it, and undoes what failed.
//!
//! Apart from the file, so that disks which fail in the middle can be tried out.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::DerefMut;
use std::path::Path;

use super::format::{Hash, MAX_PAYLOAD, record};
use crate::{Error, Result};

/// What a journal is written to.
pub(super) trait Medium {
    /// Writes all of `bytes` at `offset`, or fails having written any part of them.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns once everything written is durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Forgets everything from `length` on.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl<F: DerefMut<Target = File>> Medium for F {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        // Also writes the new length: that is metadata needed to read the data back.
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

#[derive(Debug)]
pub(super) struct Appender<M> {
    medium: M,
    label: String,
    end: u64,
    records: u64,
    head: Hash,
    /// What lies behind `end` is unknown: no record may be written there any more.
    closed: bool,
}

impl<M: Medium> Appender<M> {
    /// A journal whose next record, number `records`, goes to byte `end`.
    pub(super) fn new(medium: M, label: &str, end: u64, records: u64, head: Hash) -> Self {
        Self { medium, label: label.to_owned(), end, records, head, closed: false }
    }

    pub(super) fn head(&self) -> Hash {
        self.head
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Appends records with one write and one sync; returns the sequence number of the first.
    pub(super) fn append(&mut self, payloads: &[&[u8]], path: &Path) -> Result<u64> {
        if self.closed {
            return Err(Error::Closed { path: path.to_path_buf() });
        }
        if let Some(large) = payloads.iter().find(|payload| payload.len() > MAX_PAYLOAD) {
            return Err(Error::RecordTooLarge { len: large.len(), most: MAX_PAYLOAD });
        }
        let (mut bytes, mut head, mut records) = (Vec::new(), self.head, self.records);
        for payload in payloads {
            let (one, next) = record(&self.label, records, &head, payload);
            bytes.extend_from_slice(&one);
            (head, records) = (next, records + 1);
        }
        // Until the last line nothing in memory says that the records exist.
        if let Err(e) = self.medium.write_at(self.end, &bytes) {
            self.closed = self.medium.cut(self.end).and_then(|()| self.medium.sync()).is_err();
            return Err(Error::io(path, "append a record", &e));
        }
        if let Err(e) = self.medium.sync() {
            // The system may have dropped the pages and call the next sync a success: only
            // reading the file anew tells what it holds.
            self.closed = true;
            let _ = self.medium.cut(self.end);
            return Err(Error::io(path, "sync a record", &e));
        }
        let sequence = self.records;
        self.end += bytes.len() as u64;
        (self.records, self.head) = (records, head);
        Ok(sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    /// A disk that fails when told, after writing half.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        write_fails: bool,
        sync_fails: bool,
        cut_fails: bool,
    }

    fn failing(fails: bool) -> io::Result<()> {
        if fails { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    impl Medium for Disk {
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            let written = if self.write_fails { bytes.len() / 2 } else { bytes.len() };
            self.bytes.truncate(offset as usize);
            self.bytes.extend_from_slice(&bytes[..written]);
            failing(self.write_fails)
        }

        fn sync(&mut self) -> io::Result<()> {
            failing(self.sync_fails)
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            failing(self.cut_fails)?;
            self.bytes.truncate(length as usize);
            Ok(())
        }
    }

    fn appender() -> Appender<Disk> {
        Appender::new(Disk::default(), "test", 0, 0, [7; 32])
    }

    fn path() -> &'static Path {
        Path::new("journal")
    }

    #[test]
    fn a_failed_write_is_cut_back_and_the_journal_goes_on() {
        let mut journal = appender();
        journal.append(&[b"one"], path()).unwrap();
        let (good, head) = (journal.medium.bytes.clone(), journal.head());
        journal.medium.write_fails = true;
        assert!(matches!(journal.append(&[b"two"], path()), Err(Error::Io { .. })));
        assert_eq!((&journal.medium.bytes, journal.head(), journal.records()), (&good, head, 1));
        journal.medium.write_fails = false;
        assert_eq!(journal.append(&[b"two"], path()), Ok(1));
    }

    #[test]
    fn a_failed_write_that_cannot_be_cut_back_closes_the_journal() {
        let mut journal = appender();
        journal.medium.write_fails = true;
        journal.medium.cut_fails = true;
        assert!(matches!(journal.append(&[b"one"], path()), Err(Error::Io { .. })));
        journal.medium = Disk::default();
        assert_eq!(journal.append(&[b"two"], path()), Err(Error::Closed { path: path().into() }));
        assert_eq!(journal.records(), 0);
    }

    #[test]
    fn a_failed_sync_closes_the_journal() {
        let mut journal = appender();
        journal.medium.sync_fails = true;
        assert!(matches!(journal.append(&[b"one"], path()), Err(Error::Io { .. })));
        journal.medium.sync_fails = false;
        assert_eq!(journal.append(&[b"two"], path()), Err(Error::Closed { path: path().into() }));
        assert_eq!((journal.records(), journal.head()), (0, [7; 32]));
    }

    #[test]
    fn a_record_above_the_limit_is_refused_before_it_is_written() {
        let mut journal = appender();
        let payload = vec![0; MAX_PAYLOAD + 1];
        assert_eq!(
            journal.append(&[&payload], path()),
            Err(Error::RecordTooLarge { len: MAX_PAYLOAD + 1, most: MAX_PAYLOAD })
        );
        assert!(journal.medium.bytes.is_empty());
    }

    /// L1: a full disk gives an error, never a record that only memory knows of.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_refuses_the_record() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut journal = Appender::new(Box::new(full), "test", 0, 0, [0; 32]);
        let refused = journal.append(&[b"charge"], path()).unwrap_err();
        assert!(
            matches!(&refused, Error::Io { kind, .. } if *kind == io::ErrorKind::StorageFull),
            "{refused}"
        );
        assert_eq!((journal.records(), journal.head()), (0, [0; 32]));
        assert!(journal.append(&[b"charge"], path()).is_err());
    }
}
