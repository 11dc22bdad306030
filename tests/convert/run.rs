//! A folder in which `haima convert` runs.

use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{program, repository};

/// What a run left.
pub(crate) struct Output {
    success: bool,
    pub(crate) out: String,
    pub(crate) log: String,
}

impl Output {
    pub(crate) fn succeeds(self) -> Self {
        assert!(self.success, "{}", self.log);
        self
    }

    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.succeeds().out).unwrap()
    }

    /// What a refusal says.
    pub(crate) fn refusal(self) -> String {
        assert!(!self.success && self.out.is_empty(), "{}", self.out);
        assert!(!self.log.contains("panicked"), "{}", self.log);
        self.log
    }
}

/// A folder of its own.
pub(crate) struct Folder {
    root: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs `haima convert` in the folder.
    pub(crate) fn convert(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program());
        let command = command.current_dir(self.root.path()).arg("convert").args(arguments);
        let output = command.output().unwrap();
        Output {
            success: output.status.success(),
            out: String::from_utf8(output.stdout).unwrap(),
            log: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The table that a way leads to, header first.
    pub(crate) fn table(&self, way: &str, from: &[&str], mapping: &str) -> Vec<String> {
        let to = ["--mapping", mapping, "--out", "table.csv"];
        self.convert(&[&[way][..], from, &to].concat()).succeeds();
        self.read("table.csv").lines().map(str::to_owned).collect()
    }

    /// What is said where a way leads nowhere; no table is left.
    pub(crate) fn refused(&self, way: &str, from: &[&str], mapping: &str) -> String {
        let to = ["--mapping", mapping, "--out", "none.csv"];
        let said = self.convert(&[&[way][..], from, &to].concat()).refusal();
        assert!(!self.path("none.csv").exists(), "{said}");
        said
    }
}

/// A file or folder beside the tests.
pub(crate) fn fixture(path: &str) -> String {
    repository("tests/fixtures").join(path).to_str().unwrap().to_owned()
}

/// The real packets, or `None` with a printed line where they are missing.
pub(crate) fn real_packets() -> Option<PathBuf> {
    const PATH: &str = "data/phenopackets";
    let shared =
        std::env::var_os("HAIMA_SHARED").map_or_else(|| repository("../shared"), PathBuf::from);
    let folder = shared.join(PATH);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("ORACLE absent: {PATH}");
    None
}
