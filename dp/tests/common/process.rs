//! Other processes: a test runs itself again, as the child that another test talks to.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Set for a child: the file that it works on. Without it a child's test does nothing.
const FILE: &str = "HAIMA_DP_TEST_FILE";

/// What a child says to its parent begins so, among the lines of the test harness.
const SAYS: &str = "child says: ";

fn start(test: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn sayings(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .map_while(Result::ok)
        .filter_map(|line| line.split_once(SAYS).map(|(_, said)| said.to_owned()))
}

/// Runs `test` in another process on `path`, and returns what it said.
pub(crate) fn run_here(test: &str, path: &Path) -> String {
    let mut child = start(test, path);
    let said = sayings(&mut child).last();
    child.wait().unwrap();
    said.unwrap_or_else(|| panic!("{test} said nothing"))
}

/// As [`run_here`], in a process that cannot make a file longer than `blocks` of 512 bytes: a disk
/// that is full after that many.
#[cfg(unix)]
pub(crate) fn run_on_a_small_disk(test: &str, path: &Path, blocks: u64) -> String {
    // The signal that comes with the refusal is ignored, and stays so in the child.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = sayings(&mut child).last();
    child.wait().unwrap();
    said.unwrap_or_else(|| panic!("{test} said nothing"))
}

/// Runs `test` on `path`, kills it after `count` acknowledgements, and returns the last one.
pub(crate) fn kill_after(test: &str, path: &Path, count: usize) -> usize {
    let mut child = start(test, path);
    let mut said = sayings(&mut child);
    let mut last = said.by_ref().nth(count - 1).expect("the child acknowledges");
    child.kill().unwrap();
    child.wait().unwrap();
    // What was in the pipe was acknowledged before the kill.
    last = said.last().unwrap_or(last);
    last.parse().unwrap()
}

/// The child's side of [`run_here`].
pub(crate) fn child(work: impl FnOnce(&Path) -> String) {
    if let Some(path) = std::env::var_os(FILE) {
        println!("{SAYS}{}", work(Path::new(&path)));
    }
}

/// The child's side of [`kill_after`]: `work` acknowledges what it has done until it is killed.
pub(crate) fn child_forever(work: impl FnOnce(&Path, &dyn Fn(u64))) {
    if let Some(path) = std::env::var_os(FILE) {
        work(Path::new(&path), &|done| {
            println!("{SAYS}{done}");
            std::io::stdout().flush().unwrap();
        });
    }
}
