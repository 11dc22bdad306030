//! The first hour as a script: a coordinator, nodes and hospitals from nothing to a first round by
//! `haima init` alone; and the page that tells people so has the script's own commands.
#![cfg(unix)]

mod common;

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{program, repository};

const SCRIPT: &str = "tests/first_hour.sh";
const PAGE: &str = "docs/first-hour.md";
/// Longer than the script allows itself.
const LONGEST: Duration = Duration::from_secs(330);

#[test]
fn three_kinds_of_parties_come_from_nothing_to_a_first_round() {
    let started = Instant::now();
    let mut child = Command::new("bash")
        .arg(repository(SCRIPT))
        .env("HAIMA", program())
        .env_remove("FOLDER")
        .env_remove("HAIMA_LOG")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let group = format!("-{}", child.id());
    // They end when the last process of the script has: none is left behind.
    let (mut output, mut errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        text
    });
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).unwrap();
        text
    });
    while !(reader.is_finished() && complaints.is_finished()) && started.elapsed() < LONGEST {
        std::thread::sleep(Duration::from_millis(50));
    }
    if !(reader.is_finished() && complaints.is_finished()) {
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }
    let (text, complaints) = (reader.join().unwrap(), complaints.join().unwrap());
    let status = child.wait().unwrap();
    assert!(status.success(), "{status} after {:?}\n{text}\n{complaints}", started.elapsed());
    // Each step with its seconds, and all of them at the end.
    println!("{text}");
    let steps: Vec<&str> = text.lines().filter(|line| line.contains(" s  ")).collect();
    assert!(steps.len() >= 8, "{text}");
    assert!(steps.last().is_some_and(|line| line.contains("from nothing to a first round")));
}

/// Commands of a text as the page has them, in its order: a command a line, addresses and files as a
/// reader would write them; and the loops that they stand in.
fn commands(text: &str) -> Vec<String> {
    let mut text = text.replace("\\\n", " ").replace("\"$data/", "data/");
    text = text.replace(".toml\"", ".toml").replace(".csv\"", ".csv");
    for (name, address) in [
        ("$centre", "127.0.0.1:7443"),
        ("$north", "127.0.0.1:7444"),
        ("$south", "127.0.0.1:7445"),
        ("$west", "127.0.0.1:7446"),
    ] {
        text = text.replace(name, address);
    }
    let clean = |line: &str| {
        let line = line.trim().trim_start_matches("waits ").trim_start_matches("ready ");
        let line = line.trim_end_matches(" &");
        let line = line.split(" 2>").next().unwrap_or(line).trim_start_matches("timeout 180 ");
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let begins = ["haima ", "smpc-node ", "cp ", "sed ", "awk -F, ", "chmod 640 ", "for name in "];
    text.lines()
        .map(clean)
        .filter(|line| begins.iter().any(|word| line.starts_with(word)))
        .collect()
}

#[test]
fn the_page_has_the_scripts_own_commands() {
    let page = std::fs::read_to_string(repository(PAGE)).unwrap();
    let script = std::fs::read_to_string(repository(SCRIPT)).unwrap();
    let blocks: String =
        page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let (told, mut run) = (commands(&blocks), commands(&script));
    // What the script looks at when all is done.
    run.retain(|line| !line.starts_with("haima audit "));
    assert_eq!(told, run, "who pastes the page does what the script does, and no more");
    assert!(told.len() >= 30, "{told:#?}");
    // All parties are played: a page that follows one of each kind comes to no round.
    for name in ["north", "south", "west", "alder", "birch", "cedar"] {
        let own = |line: &&String| line.starts_with("for name in ") && line.contains(name);
        assert!(told.iter().filter(own).count() >= 5, "{name}: {told:#?}");
    }
}
