//! `haima data` as a hospital's IT runs it, on the files of this repository and on made-up ones.

#[path = "../common/mod.rs"]
mod common;

mod anonymity;
mod check;
mod documents;
mod example;
mod infer;
mod parquet;

use std::path::Path;

use assert_cmd::Command;
use common::repository;
use serde_json::Value;

const DATA: &str = "data/leuksurv.csv";
const STUDY: &str = "data/leuksurv.study.toml";
/// A hospital's own file does not have the column of hospitals, which this schema ignores.
const SCHEMA: &str = "tests/train_cli/leuksurv.toml";

/// What a run left.
struct Output {
    code: i32,
    out: String,
    log: String,
}

impl Output {
    fn succeeds(self) -> String {
        assert!(self.code == 0, "{}", self.log);
        self.out
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.succeeds()).unwrap()
    }

    /// What a refusal with this code says.
    fn refusal(self, code: i32) -> String {
        assert!(
            self.code == code && self.out.is_empty(),
            "{}: {}{}",
            self.code,
            self.out,
            self.log
        );
        assert!(!self.log.contains("panicked"), "{}", self.log);
        self.log
    }
}

/// The program in a folder.
fn haima_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(common::program());
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    Output {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        log: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The program in the repository's folder.
fn haima(arguments: &[&str]) -> Output {
    haima_in(&repository("."), arguments)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
