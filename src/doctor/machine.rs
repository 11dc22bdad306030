//! What holds for every party: the program, the clock, disk and folders.

use std::fs::File;
use std::path::{Path, PathBuf};

use haima_smpc_node::{PROTOCOL, unix_millis};

use super::Check;

/// Before this no version of the program was made: 1 January 2026, Unix milliseconds.
const EARLIEST_MS: u64 = 1_767_225_600_000;
/// No study lasts until then: 1 January 2100.
const LATEST_MS: u64 = 4_102_444_800_000;
/// With less than this nothing can be relied on, in bytes.
const LEAST: u64 = 64 << 20;
/// With less than this somebody should look.
const LITTLE: u64 = 1 << 30;

pub(super) fn program() -> Check {
    let (version, os, arch) = (crate::version(), std::env::consts::OS, std::env::consts::ARCH);
    Check::ok("program", &format!("{version}, protocol {PROTOCOL}, {os} {arch}"))
}

/// Whether the clock can be right at all; [`super::network`] holds it against the peers'.
pub(super) fn clock() -> Check {
    let now = unix_millis();
    let seconds = i64::try_from(now / 1000).unwrap_or(0);
    let time = prost_types::Timestamp { seconds, nanos: 0 };
    if (EARLIEST_MS..LATEST_MS).contains(&now) {
        Check::ok("clock", &format!("{time}; parties' clocks may differ by 30 s"))
    } else {
        let remedy = "which cannot be; set it, and keep it in step (NTP)";
        Check::fail("clock", &format!("{time}, {remedy}"))
    }
}

/// Free room where a party writes, held against what its largest round takes, in bytes.
pub(super) fn disk(folder: &Path, round: u64) -> Check {
    let there = existing(folder);
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let at = there.display();
    match fs4::available_space(&there) {
        Err(error) => Check::fail("disk", &format!("{at}: {error}; choose another folder")),
        Ok(free) if free < LEAST.max(round) => {
            let need = mib(LEAST.max(round));
            Check::fail("disk", &format!("{at}: {} MiB free; make room for {need}", mib(free)))
        }
        Ok(free) if free < LITTLE.max(round.saturating_mul(2)) => {
            Check::warn("disk", &format!("{at}: {} MiB free; make room soon", mib(free)))
        }
        Ok(free) => Check::ok("disk", &format!("{at}: {} MiB free", mib(free))),
    }
}

/// Whether a folder, or the one in which it will be made, takes a file, which is removed again.
pub(super) fn takes_files(what: &str, folder: &Path) -> Check {
    let there = existing(folder);
    let probe = there.join(format!(".doctor-{}", std::process::id()));
    let probed = File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe));
    match probed {
        Err(error) => {
            let at = there.display();
            Check::fail(what, &format!("{at}: {error}; let this user write there"))
        }
        Ok(()) if there == folder => Check::ok(what, &format!("{} takes writes", folder.display())),
        Ok(()) => {
            let (folder, there) = (folder.display(), there.display());
            Check::ok(what, &format!("{folder} will be made; {there} takes writes"))
        }
    }
}

/// Rights that users other than owner and group have to a file; `None` where they have none, or the
/// system knows of no such rights.
pub(super) fn open_to_all(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        let meta = std::fs::metadata(path).ok()?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
        (mode & 0o007 != 0).then_some(mode & 0o777)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// What to do about a pipe, a device or a folder that stands where a file should.
pub(super) const NO_FILE: &str = "is no file but a pipe, a device or a folder; name a file";

/// A failed check for each named path that is there and no file: reading a pipe would have no end.
pub(super) fn no_files(named: &[(&str, &Path)]) -> Vec<Check> {
    let odd = named.iter().filter(|(_, path)| path.exists() && !path.is_file());
    let told = odd.map(|(field, path)| {
        Check::fail("configuration", &format!("`{field}`: {} {NO_FILE}", path.display()))
    });
    told.collect()
}

/// The folder, or the nearest one above it that is there.
fn existing(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|folder| folder.is_dir());
    there.map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_folder_that_takes_files_is_left_as_it_was_and_one_that_does_not_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (here, later) = (folder.path().to_owned(), folder.path().join("a/b"));
        for path in [&here, &later] {
            assert_eq!(takes_files("state", path).level, Level::Ok);
        }
        assert!(std::fs::read_dir(&here).unwrap().next().is_none(), "who only looks makes nothing");
        let nowhere = takes_files("state", Path::new("/proc/nothing"));
        assert_eq!(nowhere.level, Level::Fail);
        assert!(nowhere.finding.contains("/proc"), "{}", nowhere.finding);
    }

    #[test]
    fn a_disk_that_is_too_small_for_a_round_fails() {
        let folder = tempfile::tempdir().unwrap();
        assert_ne!(disk(folder.path(), 0).level, Level::Fail);
        let check = disk(folder.path(), u64::MAX);
        assert!(check.level == Level::Fail && check.finding.contains("make room"), "{check}");
    }

    #[test]
    fn the_clock_of_this_machine_can_be_right() {
        assert_eq!(clock().level, Level::Ok, "{}", clock());
    }
}
