//! An append-only, fsynced, hash-chained file of byte records.
//!
//! Rules L1 and L4: the ledger and every audit log are records in it. What it promises:
//! - **On disk before return.** [`Journal::append`] writes and fsyncs before it returns; creating a
//!   journal fsyncs the file, then its folder. The bytes are laid out in `format.rs`.
//! - **A crash costs at most the record that was being appended**, for which no `append` had
//!   returned. Killed at any instant, the file is: whole; or with a torn tail, which the next open
//!   cuts off; or with the record complete, which the next open keeps. The order is: one write at
//!   the end of the file, fsync, and only then the new head in memory.
//! - **Damage is refused, not repaired.** A torn tail is an incomplete last record, or zeros to the
//!   end of the file, and nothing else. A record's length has a check of its own, and a record ends
//!   in eight fixed bytes after its hash, so that a flipped bit cannot make a committed record look
//!   torn: that takes eight bytes turned to zero, or a file cut short from outside.
//! - **One writer.** An advisory lock is held from open to drop, across processes and handles.
//! - **After a failed write** the file is cut back to the last good record and the journal goes on;
//!   if cutting fails, or an fsync failed (after which no later fsync can be believed), it takes no
//!   more records until it is opened anew. A record whose fsync failed may come back on that open:
//!   for a ledger the safe side, a charge without a release.
//!
//! What it does not promise: a file that was cut at a record's end, replaced by an older copy, or
//! deleted, is intact by itself. Only somebody who remembers the head sees that (rule L4), which is
//! why [`Journal::verify`] reports it. On a network file system locks and fsync are the server's.

mod appender;
mod format;
mod locked;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::{Error, Result};
use appender::Appender;
use format::{Scan, label_checked};
use locked::LockedFile;

pub use format::MAX_PAYLOAD;

/// An open journal: the only handle through which its file grows.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    label: String,
    appender: Appender<LockedFile>,
    torn_bytes: u64,
}

/// What [`Journal::verify`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many records are intact: all of them, up to a torn tail.
    pub records: u64,
    /// The hash of the last record; of the header while there is none. Compare it with what others
    /// saw: alone it is no check of the tail (rule L4).
    pub head: [u8; 32],
    /// Bytes after the last record that a crash left behind, or that a writer is just appending.
    pub torn_bytes: u64,
}

impl Journal {
    /// Opens the journal at `path`, creates it if there is none, and replays its payloads in order.
    ///
    /// `label` says what the journal is for; a journal of another label is refused. A torn tail is
    /// cut off (see [`Journal::torn_bytes`]).
    ///
    /// # Errors
    /// [`Error::Locked`] while another handle is open; [`Error::Damaged`], [`Error::BadHeader`] and
    /// [`Error::WrongLabel`] for a file that is not an intact journal of this label;
    /// [`Error::LabelLength`]; [`Error::Io`].
    pub fn open(path: impl AsRef<Path>, label: &str) -> Result<(Self, Vec<Vec<u8>>)> {
        let path = path.as_ref();
        label_checked(label)?;
        let mut file = LockedFile::open_or_create(path, label)?;
        let mut payloads = Vec::new();
        let scan = Scan::of(&mut file, path, label, |payload| payloads.push(payload))?;
        let torn_bytes = scan.repair(&mut file, path)?;
        let appender = Appender::new(file, label, scan.end, scan.records, scan.head);
        let journal =
            Self { path: path.to_path_buf(), label: label.to_owned(), appender, torn_bytes };
        Ok((journal, payloads))
    }

    /// Appends a record, and returns its sequence number, from 0, once it is on disk.
    ///
    /// # Errors
    /// [`Error::RecordTooLarge`] above [`MAX_PAYLOAD`]; [`Error::Io`] when the disk refuses, after
    /// which the record counts as not appended; [`Error::Closed`] when an earlier refusal could not
    /// be undone.
    pub fn append(&mut self, payload: &[u8]) -> Result<u64> {
        self.appender.append(&[payload], &self.path)
    }

    /// Appends records in their order with one write and one fsync, and returns the sequence number
    /// of the first once all are on disk. A crash meanwhile may keep some first ones of them.
    ///
    /// # Errors
    /// As [`Journal::append`]; then none of them counts as appended.
    pub fn append_all(&mut self, payloads: &[&[u8]]) -> Result<u64> {
        self.appender.append(payloads, &self.path)
    }

    /// The hash of the last record, which covers all before it; of the header while there is none.
    pub fn head(&self) -> [u8; 32] {
        self.appender.head()
    }

    /// How many records it holds.
    pub fn len(&self) -> u64 {
        self.appender.records()
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the journal is for.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of a torn tail that opening cut off.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// Payloads of the journal at `path`, every record checked, without changing or locking it.
    ///
    /// # Errors
    /// As [`Journal::verify`].
    pub fn read(path: impl AsRef<Path>, label: &str) -> Result<Vec<Vec<u8>>> {
        Self::snapshot(path, label).map(|(_, payloads)| payloads)
    }

    /// Checks every record of the journal at `path` without changing or locking it.
    ///
    /// # Errors
    /// As [`Journal::open`], and [`Error::Io`] when there is no file.
    pub fn verify(path: impl AsRef<Path>, label: &str) -> Result<Verified> {
        scan(path.as_ref(), label, drop)
    }

    /// [`Journal::verify`] and [`Journal::read`] of the same instant.
    ///
    /// # Errors
    /// As [`Journal::verify`].
    pub fn snapshot(path: impl AsRef<Path>, label: &str) -> Result<(Verified, Vec<Vec<u8>>)> {
        let mut payloads = Vec::new();
        let verified = scan(path.as_ref(), label, |payload| payloads.push(payload))?;
        Ok((verified, payloads))
    }
}

fn scan(path: &Path, label: &str, keep: impl FnMut(Vec<u8>)) -> Result<Verified> {
    label_checked(label)?;
    let mut file = File::open(path).map_err(|e| Error::io(path, "open it", &e))?;
    let scan = Scan::of(&mut file, path, label, keep)?;
    Ok(Verified { records: scan.records, head: scan.head, torn_bytes: scan.torn_bytes })
}
