//! A journal's file under its lock, and how it comes into being.
//!
//! The lock is advisory (`flock`, or `LockFileEx`), held by the open file and released when the
//! handle is dropped. It is released by name, not by closing: a child process that another thread
//! is just starting holds copies of all descriptors for an instant, and the lock would live on
//! with them.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};

use super::format;
use crate::{Error, Result};

/// An open file that nobody else has locked.
#[derive(Debug)]
pub(super) struct LockedFile(File);

impl LockedFile {
    /// The locked file at `path`, with a header.
    ///
    /// A journal appears under its name whole: it is written beside it and renamed, so that an
    /// existing file without a header is always damage. Whoever holds the lock on the new file is
    /// the only one creating, and the lock stays with the file through the rename.
    pub(super) fn open_or_create(path: &Path, label: &str) -> Result<Self> {
        if let Some(file) = Self::open_existing(path)? {
            return Ok(file);
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let new = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&beside)
            .map_err(|e| Error::io(&beside, "create it", &e))?;
        let new = Self::lock(new, path)?;
        if let Some(file) = Self::open_existing(path)? {
            // Another process was first.
            return Ok(file);
        }
        format::write_header(&new, label)
            .map_err(|e| Error::io(&beside, "write its header", &e))?;
        std::fs::rename(&beside, path).map_err(|e| Error::io(path, "create it", &e))?;
        sync_folder_of(path)?;
        Ok(new)
    }

    fn open_existing(path: &Path) -> Result<Option<Self>> {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Self::lock(file, path).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(path, "open it", &e)),
        }
    }

    fn lock(file: File, path: &Path) -> Result<Self> {
        match FileExt::try_lock(&file) {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: path.to_path_buf() }),
            Err(TryLockError::Error(e)) => Err(Error::io(path, "lock it", &e)),
        }
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // A failure leaves the release to the closing of the file.
        let _ = FileExt::unlock(&self.0);
    }
}

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for LockedFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

/// Makes the file's name durable: without it a crash may leave a synced file under no name.
fn sync_folder_of(path: &Path) -> Result<()> {
    // Folders cannot be opened as files on Windows, where renaming is durable by itself.
    if cfg!(unix) {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| Error::io(folder, "sync the folder", &e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second descriptor of the same open file, as a child between fork and exec has one, does
    /// not keep the lock alive.
    #[test]
    fn the_lock_ends_with_its_handle_even_if_the_file_is_still_open_elsewhere() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("journal");
        let first = LockedFile::open_or_create(&path, "test").unwrap();
        let _copy = first.try_clone().unwrap();
        assert!(LockedFile::open_or_create(&path, "test").is_err());
        drop(first);
        assert!(LockedFile::open_or_create(&path, "test").is_ok());
    }
}
