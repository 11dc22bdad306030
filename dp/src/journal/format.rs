//! The bytes of a journal, and the one reader that decides between whole, torn and damaged.
//!
//! ```text
//! header   "haima.journal/1\n" | label length u8 | label | SHA3-256 of all that
//! record   length u32 | length check [8] | payload | chain hash [32] | end mark [8]
//! ```
//!
//! Integers are little-endian. The chain hash is SHA3-256 over (domain, label, sequence, previous
//! hash, payload), each of fixed length or preceded by it; the previous hash of the first record is
//! the header's. The length check is the first 8 bytes of SHA3-256 over (domain, previous hash,
//! sequence, length).
//!
//! # Torn or damaged
//!
//! A crash leaves a prefix of the last record, possibly followed by zeros up to the length that the
//! file system had already granted. Nothing else is torn:
//! - fewer bytes than a length and its check, or than a *checked* length demands;
//! - a length check that fails, with nothing but zeros after it;
//! - a chain hash that fails, with nothing but zeros from the end mark on.
//!
//! A committed record ends in eight bytes none of which is zero, so no fewer than eight changed
//! bytes make it look torn. A record whose hash holds is kept even if its end mark is torn. A crash
//! of a file system that writes a record's blocks out of order may leave what looks like damage; it
//! is refused, and an operator decides.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha3::{Digest, Sha3_256};

use crate::{Error, Result};

/// The largest payload of a record, in bytes.
pub const MAX_PAYLOAD: usize = 16 << 20;

const MAGIC: &[u8; 16] = b"haima.journal/1\n";
const END_MARK: [u8; 8] = *b"\xe5end/rec";
const PREFIX_BYTES: usize = 4 + 8;
const SUFFIX_BYTES: usize = 32 + 8;

pub(super) type Hash = [u8; 32];

pub(super) fn label_checked(label: &str) -> Result<()> {
    match label.len() {
        1..=255 => Ok(()),
        len => Err(Error::LabelLength { len }),
    }
}

fn header_start(label: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    // `label_checked` bounds it.
    bytes.push(label.len() as u8);
    bytes.extend_from_slice(label.as_bytes());
    bytes
}

/// The header's hash: what the first record follows.
fn genesis(label: &str) -> Hash {
    Sha3_256::digest(header_start(label)).into()
}

pub(super) fn write_header(mut file: &File, label: &str) -> io::Result<()> {
    // An attempt that crashed may have left some bytes.
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header_start(label))?;
    file.write_all(&genesis(label))?;
    file.sync_all()
}

fn length_check(previous: &Hash, sequence: u64, length: [u8; 4]) -> [u8; 8] {
    let mut hash = Sha3_256::new();
    hash.update(b"haima.journal/1 length");
    hash.update(previous);
    hash.update(sequence.to_le_bytes());
    hash.update(length);
    let digest: Hash = hash.finalize().into();
    let mut check = [0; 8];
    check.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    check
}

fn chain_hash(label: &str, sequence: u64, previous: &Hash, payload: &[u8]) -> Hash {
    let mut hash = Sha3_256::new();
    hash.update(b"haima.journal/1 record");
    hash.update((label.len() as u64).to_le_bytes());
    hash.update(label);
    hash.update(sequence.to_le_bytes());
    hash.update(previous);
    hash.update((payload.len() as u64).to_le_bytes());
    hash.update(payload);
    hash.finalize().into()
}

/// A record's bytes and its hash. `payload` is at most [`MAX_PAYLOAD`] bytes.
pub(super) fn record(
    label: &str,
    sequence: u64,
    previous: &Hash,
    payload: &[u8],
) -> (Vec<u8>, Hash) {
    let length = (payload.len() as u32).to_le_bytes();
    let hash = chain_hash(label, sequence, previous, payload);
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + payload.len() + SUFFIX_BYTES);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&length_check(previous, sequence, length));
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&hash);
    bytes.extend_from_slice(&END_MARK);
    (bytes, hash)
}

/// What reading a whole journal found.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) records: u64,
    pub(super) head: Hash,
    /// Where the next record goes.
    pub(super) end: u64,
    /// Bytes from `end` on, all of a torn tail.
    pub(super) torn_bytes: u64,
    /// The last record is whole, but for its end mark.
    end_mark_torn: bool,
}

impl Scan {
    /// Reads the journal from its start; hands each payload to `keep`.
    pub(super) fn of(
        file: &mut File,
        path: &Path,
        label: &str,
        keep: impl FnMut(Vec<u8>),
    ) -> Result<Self> {
        let failed = |e: io::Error| Error::io(path, "read it", &e);
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        // A writer may be appending: what lies beyond this length is not looked at.
        let length = file.metadata().map_err(failed)?.len();
        let mut reader = Reader { inner: BufReader::new(file), path, left: length };
        let header_bytes = reader.header(label)?;
        let mut scan = Self {
            records: 0,
            head: genesis(label),
            end: header_bytes,
            torn_bytes: 0,
            end_mark_torn: false,
        };
        scan.records(&mut reader, label, keep)?;
        Ok(scan)
    }

    fn records(
        &mut self,
        reader: &mut Reader<'_, impl Read>,
        label: &str,
        mut keep: impl FnMut(Vec<u8>),
    ) -> Result<()> {
        while reader.left > 0 {
            let (record, offset) = (self.records, self.end);
            let damaged = |what| {
                Err(Error::Damaged { path: reader.path.to_path_buf(), record, offset, what })
            };
            self.torn_bytes = reader.left;
            if reader.left < PREFIX_BYTES as u64 {
                return Ok(());
            }
            let length: [u8; 4] = reader.array()?;
            let check: [u8; 8] = reader.array()?;
            if check != length_check(&self.head, record, length) {
                return if reader.only_zeros_left()? {
                    Ok(())
                } else {
                    damaged("its length fails its check")
                };
            }
            let length = u32::from_le_bytes(length);
            if length as usize > MAX_PAYLOAD {
                return damaged("its length is above the limit");
            }
            let body = u64::from(length) + SUFFIX_BYTES as u64;
            if reader.left < body {
                return Ok(());
            }
            // The length is checked, bounded, and there in the file: now it may be allocated.
            let mut payload = vec![0; length as usize];
            reader.fill(&mut payload)?;
            let stored: Hash = reader.array()?;
            let mark: [u8; 8] = reader.array()?;
            let hash = chain_hash(label, record, &self.head, &payload);
            if stored != hash {
                return if mark == [0; 8] && reader.only_zeros_left()? {
                    Ok(())
                } else {
                    damaged("its hash does not fit its payload and the record before")
                };
            }
            // Looking for zeros uses up what is left, so it is noted before.
            self.torn_bytes = reader.left;
            if mark != END_MARK {
                if !is_torn(mark) || !reader.only_zeros_left()? {
                    return damaged("its end mark is not one");
                }
                self.end_mark_torn = true;
            }
            self.records += 1;
            self.head = hash;
            self.end += PREFIX_BYTES as u64 + body;
            keep(payload);
        }
        Ok(())
    }

    /// Cuts a torn tail off and completes a torn end mark; returns how many bytes went.
    pub(super) fn repair(&self, file: &mut File, path: &Path) -> Result<u64> {
        let failed = |e: io::Error| Error::io(path, "repair its torn tail", &e);
        if self.end_mark_torn {
            file.seek(SeekFrom::Start(self.end - END_MARK.len() as u64)).map_err(failed)?;
            file.write_all(&END_MARK).map_err(failed)?;
        }
        if self.torn_bytes > 0 {
            file.set_len(self.end).map_err(failed)?;
        }
        if self.end_mark_torn || self.torn_bytes > 0 {
            file.sync_all().map_err(failed)?;
        }
        Ok(self.torn_bytes)
    }
}

/// Whether the bytes are a prefix of the end mark, then zeros: none of the mark's bytes is zero.
fn is_torn(mark: [u8; 8]) -> bool {
    let written = mark.iter().zip(&END_MARK).take_while(|(a, b)| a == b).count();
    mark.iter().skip(written).all(|&byte| byte == 0)
}

/// Reads the file as it was long at the start, and knows how much of that is left.
struct Reader<'a, R> {
    inner: R,
    path: &'a Path,
    left: u64,
}

impl<R: Read> Reader<'_, R> {
    fn fill(&mut self, to: &mut [u8]) -> Result<()> {
        self.inner.read_exact(to).map_err(|e| Error::io(self.path, "read it", &e))?;
        self.left = self.left.saturating_sub(to.len() as u64);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn only_zeros_left(&mut self) -> Result<bool> {
        let mut chunk = [0; 4096];
        while self.left > 0 {
            let size = self.left.min(chunk.len() as u64) as usize;
            let (part, _) = chunk.split_at_mut(size);
            self.fill(part)?;
            if part.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads and checks the header; returns its length.
    fn header(&mut self, label: &str) -> Result<u64> {
        let bad = |path: &Path, what| Err(Error::BadHeader { path: path.to_path_buf(), what });
        let before = self.left;
        if self.left < MAGIC.len() as u64 + 1 {
            return bad(self.path, "it is too short");
        }
        let magic: [u8; 16] = self.array()?;
        if magic != *MAGIC {
            return bad(self.path, "it does not begin with haima.journal/1");
        }
        let [label_bytes] = self.array()?;
        if self.left < u64::from(label_bytes) + 32 {
            return bad(self.path, "it is too short");
        }
        let mut found = vec![0; usize::from(label_bytes)];
        self.fill(&mut found)?;
        let stored: Hash = self.array()?;
        let Some(found) = String::from_utf8(found).ok().filter(|l| genesis(l) == stored) else {
            return bad(self.path, "its hash does not fit its label");
        };
        if found != label {
            let (path, expected) = (self.path.to_path_buf(), label.to_owned());
            return Err(Error::WrongLabel { path, expected, found });
        }
        Ok(before - self.left)
    }
}
