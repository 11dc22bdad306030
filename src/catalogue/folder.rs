//! A registry on disk: `registry.toml`, and a file for each version of each entry in `entries/`.
//!
//! Files are only ever added, but for a newer `registry.toml`. A file that is at fault is left out and
//! told of; the entries that are whole stand. Whoever can write the folder can take files away: what is
//! missing before a newer version shows, and what is missing at the end shows beside another copy.
//!
//! Bounds are a party's own, of versions, of bytes and of what is read under its name: who says too much
//! loses its own surplus and hides nothing of the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use haima_crypto::identity::IdentityKey;
use haima_smpc_node::provision::Request;
use serde::Serialize;

use super::charter::Charter;
use super::check;
use super::entry::{Entry, Id, Kind, New};
use crate::Error;
use crate::model_file::whole;

/// Folder of the entries.
pub const ENTRIES: &str = "entries";
/// Files of entries that are read.
pub const MOST_ENTRIES: usize = 100_000;
/// Versions of entries that one party may have, so that none fills the registry for the others. Versions
/// that take an entry back are counted by themselves, as many again: whoever has said all that it may
/// can still take back each of it.
pub const MOST_OF_PARTY: usize = 1_000;
/// Bytes of a file.
pub const MOST_BYTES: u64 = 1 << 20;
/// Bytes that a party's entries may have together. What takes one back is not among them, so that a party
/// that has said too much can still do so.
const MOST_BYTES_OF_PARTY: u64 = 4 << 20;
/// Bytes that are read of files that are named after a party, whether they hold or not.
const MOST_READ_OF_PARTY: u64 = 2 * MOST_BYTES_OF_PARTY;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its name.
    pub file: String,
    /// What, and what to do.
    pub problem: String,
}

/// What a party has of the registry.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// Versions of its entries that are no withdrawals.
    versions: usize,
    /// Withdrawals.
    withdrawals: usize,
    /// Bytes of those that are no withdrawals, as [`written`].
    bytes: u64,
}

impl Share {
    /// The share with one version more, of so many bytes.
    ///
    /// # Errors
    /// When that is more than a party may have.
    fn with(self, withdrawal: bool, bytes: u64) -> Result<Self, String> {
        if withdrawal {
            if self.withdrawals >= MOST_OF_PARTY {
                return Err(format!(
                    "has taken back {MOST_OF_PARTY} versions already, the most of a party"
                ));
            }
            return Ok(Self { withdrawals: self.withdrawals + 1, ..self });
        }
        if self.versions >= MOST_OF_PARTY {
            return Err(format!(
                "has {MOST_OF_PARTY} versions already, the most of a party; what it has can be taken \
                 back"
            ));
        }
        let bytes = self.bytes.saturating_add(bytes);
        if bytes > MOST_BYTES_OF_PARTY {
            return Err(format!(
                "would have entries of {bytes} bytes; a party has at most {MOST_BYTES_OF_PARTY}, all \
                 versions together"
            ));
        }
        Ok(Self { versions: self.versions + 1, bytes, ..self })
    }
}

/// A registry that was read: all that holds, and what does not.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: PathBuf,
    charter: Charter,
    /// All versions of each entry, the first one first.
    chains: BTreeMap<Id, Vec<Entry>>,
    /// What each party has.
    of_party: BTreeMap<String, Share>,
    faults: Vec<Fault>,
}

impl Registry {
    /// Makes a folder with a charter and no entry.
    ///
    /// # Errors
    /// When the folder exists, or cannot be written.
    pub fn create(folder: &Path, charter: Charter) -> Result<Self, Error> {
        std::fs::create_dir(folder).map_err(|error| Error::file(folder, error))?;
        let entries = folder.join(ENTRIES);
        std::fs::create_dir(&entries).map_err(|error| Error::file(&entries, error))?;
        charter.write(folder)?;
        Ok(Self::empty(folder, charter))
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// When it is no registry, its charter does not hold, or it has more than a registry may. Faults of
    /// single files are in [`Registry::faults`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let charter = Charter::read(folder)?;
        let names = names_in(&folder.join(ENTRIES))?;
        let mut registry = Self::empty(folder, charter);
        let (mut found, mut bytes) = (Vec::new(), BTreeMap::new());
        for name in names {
            match registry.read(&name, &mut bytes) {
                Ok(entry) => found.push(entry),
                Err(problem) => registry.fault(&name, &problem),
            }
        }
        // Versions as numbers: 10 stands behind 9.
        found.sort_by(|a, b| a.id().cmp(&b.id()).then(a.version().cmp(&b.version())));
        for entry in found {
            let name = entry.file();
            let length = written(&entry).map(|bytes| bytes.len() as u64);
            if let Err(problem) = length.and_then(|bytes| registry.append(entry, bytes)) {
                registry.fault(&name, &problem);
            }
        }
        Ok(registry)
    }

    fn empty(folder: &Path, charter: Charter) -> Self {
        Self {
            folder: folder.to_owned(),
            charter,
            chains: BTreeMap::new(),
            of_party: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, file: &str, problem: &str) {
        self.faults.push(Fault { file: check::cut(file, 250), problem: check::cut(problem, 1000) });
    }

    /// Reads and checks a file by itself. `read` has the bytes that were read under each party's name;
    /// all who are no parties are one.
    fn read(&self, name: &str, read: &mut BTreeMap<String, u64>) -> Result<Entry, String> {
        let party = name.split('@').nth(1).and_then(|named| self.charter.party(named));
        let party = party.map_or("", |party| party.name.as_str());
        let read = read.entry(party.to_owned()).or_default();
        if *read >= MOST_READ_OF_PARTY {
            let whose = if party.is_empty() { "no party" } else { party };
            return Err(format!(
                "is not read: those before it that are named after {whose} have {read} bytes"
            ));
        }
        let path = self.folder.join(ENTRIES).join(name);
        let bytes = check::plain_file(&path, MOST_BYTES).map_err(|error| error.to_string())?;
        *read += bytes.len() as u64;
        let entry: Entry = serde_json::from_slice(&bytes)
            .map_err(|error| format!("is no entry of a registry: {error}"))?;
        entry.check(&self.charter)?;
        if entry.file() != name {
            return Err(format!("should be called {}", entry.file()));
        }
        Ok(entry)
    }

    /// Takes a version that follows on those that are there, of so many bytes as [`written`].
    fn append(&mut self, entry: Entry, bytes: u64) -> Result<(), String> {
        let own = self.of_party.entry(entry.party().to_owned()).or_default();
        let more = own
            .with(entry.is_withdrawn(), bytes)
            .map_err(|problem| format!("{} {problem}", entry.party()))?;
        let id = entry.id();
        entry.follows(self.chains.get(&id).and_then(|chain| chain.last()))?;
        *own = more;
        self.chains.entry(id).or_default().push(entry);
        Ok(())
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who belongs to it.
    #[must_use]
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// Files that were left out, and why.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// All versions of each entry.
    pub(super) fn chains(&self) -> impl Iterator<Item = (&Id, &[Entry])> {
        self.chains.iter().map(|(id, chain)| (id, chain.as_slice()))
    }

    /// All versions of one entry, the first one first; none where there is none.
    #[must_use]
    pub fn versions(&self, id: &Id) -> &[Entry] {
        self.chains.get(id).map_or(&[], Vec::as_slice)
    }

    /// Versions of all entries.
    #[must_use]
    pub fn count(&self) -> usize {
        self.chains.values().map(Vec::len).sum()
    }

    /// What holds now: the newest version of each entry, but for those that were withdrawn and those of
    /// parties that have left.
    pub fn current(&self) -> impl Iterator<Item = &Entry> {
        let stays = move |entry: &&Entry| {
            let party = self.charter.party(entry.party());
            !entry.is_withdrawn() && party.is_some_and(|party| !party.left)
        };
        self.chains.values().filter_map(|chain| chain.last()).filter(stays)
    }

    /// The same of one kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.current().filter(move |entry| entry.kind() == kind)
    }

    /// Signs the next version of an entry with a party's key and writes it.
    ///
    /// # Errors
    /// When the key is of no party, the content may not enter, or the file cannot be written.
    pub fn add(&mut self, key: &IdentityKey, new: New) -> Result<Entry, Error> {
        let fault = |problem: String| Error::config(&self.folder, problem);
        let member = self.charter.member(&key.public());
        let member = member
            .ok_or_else(|| Error::key(&self.folder, super::entry::stranger(&self.charter)))?;
        let id = Id { kind: new.kind, party: member.name.clone(), name: new.name.clone() };
        let before = self.chains.get(&id).and_then(|chain| chain.last());
        let entry = Entry::sign(&self.charter, key, new, before).map_err(fault)?;
        self.keep(entry.clone())?;
        Ok(entry)
    }

    /// Checks, appends and writes a version.
    pub(super) fn keep(&mut self, entry: Entry) -> Result<(), Error> {
        let path = self.folder.join(ENTRIES).join(entry.file());
        let fault = |problem: String| Error::config(&path, problem);
        entry.check(&self.charter).map_err(fault)?;
        if self.count() + self.faults.len() >= MOST_ENTRIES {
            return Err(fault(format!("the registry has {MOST_ENTRIES} files, the most it may")));
        }
        let bytes = written(&entry).map_err(fault)?;
        if bytes.len() as u64 > MOST_BYTES {
            let bytes = bytes.len();
            return Err(fault(format!(
                "would have {bytes} bytes; an entry has at most {MOST_BYTES}"
            )));
        }
        if std::fs::symlink_metadata(&path).is_ok() {
            let problem = "is there and does not hold; see `haima registry verify`, and take it away \
                           or get it again";
            return Err(fault(problem.into()));
        }
        self.append(entry, bytes.len() as u64).map_err(fault)?;
        whole(&path, &bytes)
    }

    /// Takes another charter, which was checked.
    pub(super) fn replace(&mut self, charter: &Charter) -> Result<(), Error> {
        charter.write(&self.folder)?;
        // What was of nobody may be of somebody now.
        let folder = self.folder.clone();
        *self = Self::open(&folder)?;
        Ok(())
    }

    /// Changes the parties as the registry's keeper.
    ///
    /// # Errors
    /// As [`Charter::amended`], or when the file cannot be written.
    pub fn admit(
        &mut self,
        key: &IdentityKey,
        requests: Vec<Request>,
        leave: &[String],
    ) -> Result<(), Error> {
        let next = self.charter.amended(key, requests, leave)?;
        self.replace(&next)
    }
}

/// An entry as its file has it. A party's bytes are counted so, whatever blanks a copy has.
fn written(entry: &Entry) -> Result<Vec<u8>, String> {
    serde_json::to_vec_pretty(entry).map_err(|error| error.to_string())
}

/// Names of the files in a folder, sorted; those that begin with a dot are being written.
fn names_in(folder: &Path) -> Result<Vec<String>, Error> {
    let file = |error| Error::file(folder, error);
    if !std::fs::symlink_metadata(folder).map_err(file)?.is_dir() {
        let problem = "is a link or a file; the entries of a registry are a folder in it";
        return Err(Error::config(folder, problem));
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(file)? {
        let name = entry.map_err(file)?.file_name();
        // What is no UTF-8 is no name of ours, and is told of as a file of another name.
        let name = name.to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if names.len() >= MOST_ENTRIES {
            let problem =
                format!("has more than {MOST_ENTRIES} files, the most a registry may have");
            return Err(Error::config(folder, problem));
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_that_has_said_all_that_it_may_can_still_take_back_each_of_it() {
        let mut share = Share::default();
        for _ in 0..MOST_OF_PARTY {
            share = share.with(false, 1000).unwrap();
        }
        let said = share.with(false, 1000).unwrap_err();
        assert!(said.contains("has 1000 versions already"), "{said}");
        for _ in 0..MOST_OF_PARTY {
            share = share.with(true, 1000).unwrap();
        }
        assert_eq!(share.bytes, 1_000_000, "taking back is free");
        // Nor does it fill the registry by taking back without end.
        let said = share.with(true, 1000).unwrap_err();
        assert!(said.contains("has taken back 1000 versions already"), "{said}");
    }

    #[test]
    fn bytes_of_a_party_are_bounded_and_taking_back_is_not() {
        let full = Share::default().with(false, MOST_BYTES_OF_PARTY).unwrap();
        let said = full.with(false, 1).unwrap_err();
        assert!(said.contains("would have entries of 4194305 bytes"), "{said}");
        assert!(full.with(true, 500).is_ok());
    }
}
