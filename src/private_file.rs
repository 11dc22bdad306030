//! Files and folders that tell of single patients: nobody but their owner reads them, whatever the
//! umask says.
//!
//! A file is written under a name that nobody can guess, opened only if nothing of that name is there
//! (so no link is followed), flushed, and then given its own name: it is there whole or not at all.
//! Whoever may write in the folder can still take it away or put another in its place.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rand::TryRng as _;
use rand::rngs::SysRng;

use crate::Error;

/// Writes a file of mode 0600, in place of one that is there.
///
/// # Errors
/// When it cannot be written; then nothing is left of it.
pub(crate) fn whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if path.file_name().is_none() {
        return Err(Error::config(path, "is the name of no file"));
    }
    let fault = |error| Error::file(path, error);
    let unfinished = beside(path).map_err(fault)?;
    let mut file = create(&unfinished).map_err(fault)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.and_then(|()| std::fs::rename(&unfinished, path)).map_err(|error| {
        // The reason to report is the first one.
        let _ = std::fs::remove_file(&unfinished);
        fault(error)
    })
}

/// Makes a folder and those above it, each of mode 0700; one that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn folder(path: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| Error::file(path, error))
}

/// A name in the same folder, of 128 bits from the system.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut bits = [0; 16];
    SysRng.try_fill_bytes(&mut bits).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(path.with_file_name(format!(".{:032x}.part", u128::from_le_bytes(bits))))
}

/// Makes a file that is not there yet.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        let meta = std::fs::metadata(path).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777
    }

    #[test]
    fn only_its_owner_reads_a_file_and_nothing_is_left_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("patients.csv");
        // One that everybody reads is replaced, not written into.
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .unwrap();
        whole(&path, b"id,age\n").unwrap();
        assert_eq!(
            (std::fs::read(&path).unwrap().as_slice(), mode(&path)),
            (&b"id,age\n"[..], 0o600)
        );
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_what_it_points_to_stays() {
        let root = tempfile::tempdir().unwrap();
        let (path, other) = (root.path().join("patients.csv"), root.path().join("other"));
        std::fs::write(&other, "another's").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        whole(&path, b"rows").unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "another's");
        assert!(!path.is_symlink() && std::fs::read(&path).unwrap() == b"rows");
    }

    #[test]
    fn the_unfinished_file_has_another_name_each_time_and_takes_no_place() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("patients.csv");
        let (one, two) = (beside(&path).unwrap(), beside(&path).unwrap());
        assert!(one != two && one.parent() == path.parent() && two.parent() == path.parent());
        std::os::unix::fs::symlink(root.path().join("elsewhere"), &one).unwrap();
        assert_eq!(create(&one).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!root.path().join("elsewhere").exists());
    }

    #[test]
    fn what_cannot_be_placed_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("patients.csv");
        std::fs::create_dir(&path).unwrap();
        assert!(whole(&path, b"rows").is_err());
        assert!(whole(Path::new("/"), b"rows").is_err());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_made_is_its_owners() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/packets");
        folder(&path).unwrap();
        folder(&path).unwrap();
        assert_eq!((mode(&path), mode(&root.path().join("a"))), (0o700, 0o700));
    }
}
