//! Masked aggregation in Python, written from docs/protocol.md alone (`secagg.py`), makes every
//! message of `vectors/secagg.json` from the seeds, reads all of them to the sum, and finds each
//! flipped byte.
//!
//! Needs Python with cryptography, in `HAIMA_PYTHON` or as `python3`; says so where it is missing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haima_crypto::encode::to_hex;
use serde_json::Value;

fn tests(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The rounds of the vectors.
fn rounds() -> Vec<Value> {
    let text = std::fs::read_to_string(tests("vectors/secagg.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Python with what the implementation needs; `None`, with a line that says so, without one.
fn python() -> Option<String> {
    let program = std::env::var("HAIMA_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = "from cryptography.hazmat.primitives.asymmetric import mlkem";
    let there = Command::new(&program).args(["-c", probe]).output();
    if there.is_ok_and(|output| output.status.success()) {
        Some(program)
    } else {
        println!("PYTHON absent: {program} lacks cryptography; see smpc-node's requirements.txt");
        None
    }
}

/// What it says of each round.
fn run(python: &str, command: &str, rounds: &[Value]) -> Vec<String> {
    let mut child = Command::new(python)
        .arg(tests("interop/secagg_vectors.py"))
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let rounds_text = serde_json::to_vec(rounds).unwrap();
    // All of it is read before anything is printed.
    let written = child.stdin.take().unwrap().write_all(&rounds_text);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    written.unwrap();
    let said: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(Into::into).collect();
    assert_eq!(said.len(), rounds.len(), "{said:?}");
    said
}

/// Hexadecimal with the lowest bit of one byte flipped.
fn flip(text: &mut Value, at: impl Fn(usize) -> usize) {
    let hex = text.as_str().unwrap();
    let digits = 2 * at(hex.len() / 2)..;
    let byte = u8::from_str_radix(&hex[digits.clone()][..2], 16).unwrap() ^ 1;
    let mut flipped = hex.to_owned();
    flipped.replace_range(digits.start..digits.start + 2, &to_hex(&[byte]));
    *text = flipped.into();
}

fn messages(round: &Value) -> &Vec<Value> {
    round["messages"].as_array().unwrap()
}

#[test]
fn python_makes_every_message_from_the_seeds_and_reads_all_to_the_sum() {
    let Some(python) = python() else { return };
    let rounds = rounds();
    for command in ["make", "verify"] {
        for (said, round) in run(&python, command, &rounds).iter().zip(&rounds) {
            let count = messages(round).len();
            assert_eq!(*said, format!("{count} messages as written"), "{command}");
        }
    }
}

#[test]
fn python_refuses_every_message_with_one_byte_flipped() {
    let Some(python) = python() else { return };
    let places: [fn(usize) -> usize; 4] = [|_| 0, |len| len / 3, |len| len / 2, |len| len - 1];
    for round in rounds() {
        let (mut flipped, mut expected) = (Vec::new(), Vec::new());
        for (at, message) in messages(&round).iter().enumerate() {
            for place in places {
                let mut round = round.clone();
                flip(&mut round["messages"][at]["bytes"], place);
                flipped.push(round);
                expected.push(format!("refused at {at}, {}", message["message"].as_str().unwrap()));
            }
        }
        for command in ["make", "verify"] {
            for (said, expected) in run(&python, command, &flipped).iter().zip(&expected) {
                assert!(said.starts_with(expected), "{command}: {said}, not {expected}");
            }
        }
    }
}

#[test]
fn python_makes_other_messages_from_other_seeds() {
    let Some(python) = python() else { return };
    let (mut flipped, mut expected) = (Vec::new(), Vec::new());
    for round in rounds() {
        for path in [
            "/manifest",
            "/round",
            "/sites/0/identity_secret",
            "/sites/0/epoch_seed",
            "/sites/2/draws/b",
            "/sites/2/draws/a",
            "/sites/2/draws/b_shares/0",
            "/sites/2/draws/a_shares/1",
        ] {
            let mut round = round.clone();
            flip(round.pointer_mut(path).unwrap(), |len| len / 2);
            flipped.push(round);
            expected.push(path);
        }
    }
    for (said, path) in run(&python, "make", &flipped).iter().zip(&expected) {
        assert!(said.starts_with("refused"), "{path}: {said}");
    }
}
