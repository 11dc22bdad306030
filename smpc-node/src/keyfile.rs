//! Private keys on disk: one file a key, readable by its owner alone, with a version line.
//!
//! Files are created with mode 0600 and never overwritten; reading refuses a file that others may
//! read. The epoch's keys (rules N3, R5, R6) have files of their own, apart from the database.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use haima_crypto::encode::{Digest, to_hex};
use haima_crypto::identity::IdentityKey;
use haima_crypto::secret::Seed;
use zeroize::Zeroizing;

use crate::Error;

const IDENTITY: &str = "haima identity key 1";
const NOISE: &str = "haima noise key 1";
const EPOCH: &str = "haima epoch key 1";

/// Writes an identity key to a new file.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn write_identity(path: &Path, key: &IdentityKey) -> Result<(), Error> {
    write(path, IDENTITY, &key.expose())
}

/// Reads an identity key.
///
/// # Errors
/// When the file is missing, readable by others, or not an identity key.
pub fn read_identity(path: &Path) -> Result<IdentityKey, Error> {
    Ok(IdentityKey::from_secret(read(path, IDENTITY)?.expose()))
}

/// Reads the epoch noise key, or draws a new one from the operating system where there is none.
///
/// # Errors
/// When the file cannot be written, is readable by others, or is not a noise key.
pub fn noise_or_new(path: &Path) -> Result<Seed, Error> {
    seed_or_new(path, NOISE)
}

/// Reads an epoch noise key that is there.
///
/// # Errors
/// When the file is missing, readable by others, or not a noise key.
pub fn read_noise(path: &Path) -> Result<Seed, Error> {
    read(path, NOISE)
}

/// Reads the epoch key, under which a node's sealing key and its part of the verify keys' secret
/// are derived, or draws a new one from the operating system where there is none.
///
/// # Errors
/// When the file cannot be written, is readable by others, or is not an epoch key.
pub fn epoch_or_new(path: &Path) -> Result<Seed, Error> {
    seed_or_new(path, EPOCH)
}

/// Reads an epoch key that is there.
///
/// # Errors
/// When the file is missing, readable by others, or not an epoch key.
pub fn read_epoch(path: &Path) -> Result<Seed, Error> {
    read(path, EPOCH)
}

/// The file of one epoch's key: `noise.key` of a manifest is `noise-<16 digits of its digest>.key`.
#[must_use]
pub fn of_epoch(path: &Path, manifest: &Digest) -> PathBuf {
    let [stem, extension] = [path.file_stem(), path.extension()]
        .map(|part| part.unwrap_or_default().to_string_lossy().into_owned());
    let digits: String = manifest.to_string().chars().take(16).collect();
    path.with_file_name(format!("{stem}-{digits}.{extension}"))
}

/// Destroys the keys of other epochs beside the one of `path`, a name that [`of_epoch`] gave:
/// overwrites, flushes and removes each. What a file system or a disk keeps of overwritten blocks is
/// beyond this; full-disk encryption helps.
///
/// # Errors
/// When one cannot be erased.
pub fn destroy_others(path: &Path) -> Result<(), Error> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let own = name(path);
    let Some((stem, digits)) = own.rsplit_once('-') else { return Ok(()) };
    let folder = folder_of(path);
    let entries = std::fs::read_dir(folder).map_err(|e| Error::file(folder, e))?;
    for other in entries.flatten().map(|entry| entry.path()) {
        let other_name = name(&other);
        let of_epoch = other_name.rsplit_once('-').is_some_and(|(other_stem, other_digits)| {
            other_stem == stem && other_digits.len() == digits.len()
        });
        if of_epoch && other_name != own {
            erase(&other)?;
        }
    }
    Ok(())
}

/// Destroys a small secret file, if it is there: overwrites, flushes and removes it. What a file
/// system or a disk keeps of overwritten blocks is beyond this.
///
/// # Errors
/// When it cannot be erased.
pub fn erase(path: &Path) -> Result<(), Error> {
    let erase = || {
        let length = std::fs::metadata(path)?.len();
        let zeros = vec![0; usize::try_from(length.min(1 << 16)).unwrap_or(0)];
        let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
        file.write_all(&zeros)?;
        file.sync_all()?;
        std::fs::remove_file(path)?;
        sync_folder_of(path)
    };
    match erase() {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, error)),
        _ => Ok(()),
    }
}

fn seed_or_new(path: &Path, version: &str) -> Result<Seed, Error> {
    if !path.exists() {
        let seed = Seed::random(&mut crate::randomness::system());
        write(path, version, seed.expose())?;
        return Ok(seed);
    }
    read(path, version)
}

/// Writes text to a new file that only its owner can read; the file and its name are on disk when
/// this returns.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn write_private(path: &Path, text: &[u8]) -> Result<(), Error> {
    create_private(path, text)?;
    sync_folder_of(path).map_err(|e| Error::file(folder_of(path), e))
}

/// The same, but for the name.
fn create_private(path: &Path, text: &[u8]) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|e| Error::file(path, e))?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(|e| Error::file(path, e))
}

/// Writes a file that only its owner can read in place of the one there, whole or not at all; it is
/// on disk when this returns.
///
/// # Errors
/// When it cannot be written.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let partial = path.with_extension("partial");
    remove(&partial)?;
    create_private(&partial, bytes)?;
    std::fs::rename(&partial, path).map_err(|e| Error::file(path, e))?;
    sync_folder_of(path).map_err(|e| Error::file(folder_of(path), e))
}

/// Flushes the names in a path's folder to disk: a flushed file without its name is lost.
fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Removes a file, if it is there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, error)),
        _ => Ok(()),
    }
}

/// Reads a small file that only its owner may read.
///
/// # Errors
/// When it cannot be read, is over 64 KiB, or has looser permissions.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    read_private_long(path, 1 << 16)
}

/// Bytes of a buffer beyond a file's length; with less, `read_to_end` may grow it.
const ROOM: usize = 64;

/// Reads at most so many bytes of a file that only its owner may read.
///
/// # Errors
/// When it cannot be read or has looser permissions.
pub fn read_private_long(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file = std::fs::File::open(path).map_err(|e| Error::file(path, e))?;
    #[cfg(unix)]
    {
        let meta = file.metadata().map_err(|e| Error::file(path, e))?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
        if mode & 0o077 != 0 {
            return Err(Error::Key {
                party: path.display().to_string(),
                problem: format!("mode {:o}; others can read it; run chmod 600", mode & 0o777),
            });
        }
    }
    let len = file.metadata().map_err(|e| Error::file(path, e))?.len().min(most);
    // Room for all of it, and to see that it ends: a buffer that grows leaves the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0) + ROOM));
    file.take(most).read_to_end(&mut bytes).map_err(|e| Error::file(path, e))?;
    Ok(bytes)
}

fn write(path: &Path, version: &str, secret: &[u8; 32]) -> Result<(), Error> {
    write_private(path, text(version, secret).as_bytes())
}

/// What is in a key's file, in one allocation.
fn text(version: &str, secret: &[u8; 32]) -> Zeroizing<String> {
    let hex = Zeroizing::new(to_hex(secret));
    let parts = [version, "\n", hex.as_str(), "\n"];
    let len = parts.iter().map(|part| part.len()).sum();
    let mut text = Zeroizing::new(String::with_capacity(len));
    parts.iter().for_each(|part| text.push_str(part));
    text
}

fn read(path: &Path, version: &str) -> Result<Seed, Error> {
    let fail = || Error::Key {
        party: path.display().to_string(),
        problem: format!("not a file of the form \"{version}\" and 64 hexadecimal digits"),
    };
    let bytes = read_private(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| fail())?;
    let mut lines = text.lines();
    if lines.next() != Some(version) {
        return Err(fail());
    }
    lines.next().and_then(|line| Seed::from_hex(line.as_bytes())).ok_or_else(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_private_versioned_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        let key = IdentityKey::from_secret(&[5; 32]);
        write_identity(&path, &key).unwrap();
        assert_eq!(read_identity(&path).unwrap().public(), key.public());
        assert!(write_identity(&path, &key).is_err(), "an existing key is never replaced");
        assert!(noise_or_new(&path).is_err(), "a key of another kind is refused");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            let error = read_identity(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }

    /// Fails where the folder is not flushed; not as root, who may open any folder.
    #[test]
    fn a_file_whose_name_cannot_be_flushed_is_an_error() {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let folder = tempfile::tempdir().unwrap();
            let allow = |mode| {
                let mode = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(folder.path(), mode).unwrap();
            };
            // Files can be made in it, but it cannot be opened, except by root.
            allow(0o300);
            let opens = std::fs::File::open(folder.path()).is_ok();
            let written = write_private(&folder.path().join("noise.key"), b"key");
            allow(0o700);
            assert_eq!(written.is_ok(), opens);
        }
    }

    #[test]
    fn a_key_is_read_in_either_case() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.key");
        let digits = "0123456789abcdef".repeat(4);
        for text in [format!("{digits}\n"), digits.to_uppercase(), format!("{digits}\r\n")] {
            replace_private(&path, format!("{NOISE}\n{text}").as_bytes()).unwrap();
            let seed = read_noise(&path).unwrap();
            assert_eq!(to_hex(seed.expose()), digits);
        }
    }

    /// Fails if an error quotes what was read, as that of text which anybody may see does.
    #[test]
    fn a_damaged_key_file_is_refused_without_repeating_its_digits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        let digits = "0123456789abcdef".repeat(4);
        let wrong = [
            "zz".repeat(32),
            digits[1..].to_owned(),
            format!("{digits}0"),
            format!("{digits}00"),
            format!("g{}", &digits[1..]),
            format!("{}g", &digits[1..]),
            format!("+{}", &digits[1..]),
            format!("{} {}", &digits[..32], &digits[33..]),
            format!("{}é{}", &digits[..32], &digits[34..]),
        ];
        for line in wrong {
            replace_private(&path, format!("{IDENTITY}\n{line}\n").as_bytes()).unwrap();
            let error = read_identity(&path).unwrap_err();
            let shown = format!("{error} {error:?}");
            for run in line.as_bytes().windows(8) {
                assert!(!shown.as_bytes().windows(8).any(|part| part == run), "{shown}");
            }
        }
    }

    /// What a buffer outgrew is freed as it is.
    #[test]
    fn no_buffer_with_a_key_grows() {
        let text = text(IDENTITY, &[0xab; 32]);
        assert_eq!(*text, format!("{IDENTITY}\n{}\n", "ab".repeat(32)));
        assert!(text.capacity() < text.len() + 8, "{} bytes", text.capacity());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        write_private(&path, &[7; 1100]).unwrap();
        let bytes = read_private(&path).unwrap();
        assert_eq!(*bytes, [7; 1100]);
        assert!(bytes.capacity() < 1100 + 2 * ROOM, "{} bytes", bytes.capacity());
        assert_eq!(read_private_long(&path, 100).unwrap().len(), 100);
    }

    /// R5, N3: an epoch's end takes its key along and no other file.
    #[test]
    fn keys_of_other_epochs_are_destroyed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("noise.key");
        let [old, new] = [b"old", b"new"].map(|m| of_epoch(&base, &Digest::of(m)));
        assert_ne!(old, new);
        let first = noise_or_new(&old).unwrap();
        assert!(first != noise_or_new(&new).unwrap());
        let others = ["noise.key", "epoch-0123456789abcdef.key", "noise-x.key", "node.db"];
        for other in others {
            std::fs::write(folder.path().join(other), "kept").unwrap();
        }
        destroy_others(&new).unwrap();
        assert!(!old.exists() && new.exists());
        for other in others {
            assert!(folder.path().join(other).exists(), "{other}");
        }
    }
}
