//! A site written in Python from docs/protocol.md (`masked_site.py`) takes part in a masked study
//! beside real sites, over the real coordinator: their sums are those of the same hospitals in this
//! process. With one byte flipped, what it sends is refused, and it refuses what it is sent.
//!
//! Needs Python 3.11 with grpcio and cryptography, in `HAIMA_PYTHON` or as `python3`; says so where
//! it is missing.

#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::{BMT, Running, Setup, Timing, repository, task};
use haima::coordinator::events::Event;
use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use serde_json::Value;

/// Second of the four: it opens an agreement and makes two.
const PYTHON: &str = "hospital-hahnemann-philadelphia";
/// The sites after it in the roster.
const AFTER: [&str; 2] = ["hospital-ohio-state", "hospital-st-vincents-sydney"];
/// What a site puts in a round.
const MESSAGES: [&str; 4] = ["shares", "vector", "confirmation", "answer"];

fn here(name: &str) -> PathBuf {
    repository("tests/interop").join(name)
}

/// Python with what the site needs; `None`, with a line that says so, where there is none.
fn python() -> Option<String> {
    let program = std::env::var("HAIMA_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = "import tomllib, grpc; from cryptography.hazmat.primitives.asymmetric import mlkem";
    let there = Command::new(&program).args(["-c", probe]).output();
    if there.is_ok_and(|output| output.status.success()) {
        Some(program)
    } else {
        println!(
            "PYTHON absent: {program} is not 3.11 with grpcio and cryptography; see smpc-node's \
             requirements.txt"
        );
        None
    }
}

/// Curves and a Cox model, without noise, of four hospitals in masked mode.
fn study() -> Setup {
    let survival = "time = \"dfs_days\"\nevent = \"dfs_event\"\n";
    let covariates = "covariates = [\"patient_age\", \"fab_4_5_aml\"]\n";
    let km = format!("{survival}by = \"disease_group\"\ngrid = 1.0");
    let cox = format!("{survival}{covariates}");
    let study = [BMT.to_owned(), task("km", "km", 1, &km), task("cox", "cox", 25, &cox)];
    Setup::new(&study.concat(), "data/bmt_klein.csv").masked()
}

/// The same, with rounds that do not wait long for what does not come.
fn hasty() -> Setup {
    Setup { timing: Timing { round_ms: 5000, grace_ms: 3000, tick_ms: 20 }, ..study() }
}

/// The results over the plain integer sum in this process, where one hospital adds zeros.
fn plain(setup: &Setup) -> BTreeMap<String, Value> {
    let schema = Schema::from_toml(&setup.study.schema).unwrap();
    let read = |(name, text): (&String, &String)| {
        let cohort = Cohort::from_reader(name, text.as_bytes(), &schema).unwrap();
        if name == PYTHON { cohort.select(|_| false) } else { cohort }
    };
    let cohorts: Vec<Cohort> = setup.cohorts.iter().map(read).collect();
    let mut finished = BTreeMap::new();
    for task in &setup.study.tasks {
        let open = || registry::open(&task.task, 1, &task.params, &schema, &finished);
        let (limit, floor) = (setup.study.max_patients, setup.policy.min_local_rows);
        let mut sums = PlainSum::new(&cohorts, limit, floor, rand::rng(), open).unwrap();
        let result = drive(open().unwrap().as_mut(), &mut sums).unwrap();
        drop(sums);
        finished.insert(task.id.clone(), result);
    }
    finished
}

/// A network in which a program in Python is one of the sites.
struct Mixed {
    running: Running,
    site: Child,
}

impl Mixed {
    fn start(python: &str, setup: &Setup, mode: &str) -> Self {
        let mut running = setup.make();
        running.start_coordinator();
        for name in running.network.site_names().filter(|name| name != PYTHON) {
            running.network.start(&name).unwrap();
        }
        let folder = running.network.folder(PYTHON).unwrap();
        let file = |name: &str| File::create(folder.join(name)).unwrap();
        let site = Command::new(python)
            .arg(here("masked_site.py"))
            .arg(mode)
            .arg(folder)
            .arg(PYTHON)
            .stdin(Stdio::null())
            .stdout(file("told"))
            .stderr(file("log"))
            .spawn()
            .unwrap();
        Self { running, site }
    }

    fn log(&self, name: &str) -> String {
        let folder = self.running.network.folder(name).unwrap();
        std::fs::read_to_string(folder.join("log")).unwrap()
    }

    /// To the end of the study: its results, who was in each sum, and what the Python site tells.
    fn finish(&mut self) -> (BTreeMap<String, Value>, Vec<Sum>, Value) {
        self.running.follow_to_end();
        let status = self.site.wait().unwrap();
        assert!(status.success(), "{}", self.log(PYTHON));
        let folder = self.running.network.folder(PYTHON).unwrap();
        let told = std::fs::read_to_string(folder.join("told")).unwrap();
        let (mut results, mut sums) = (BTreeMap::new(), Vec::new());
        for event in &self.running.seen {
            match event.clone() {
                Event::TaskDone { task, result } => {
                    results.insert(task, result);
                }
                Event::Released { round, accepted, left_out, .. } => {
                    sums.push(Sum { task: round.task, step: round.step, accepted, left_out });
                }
                Event::Failed { reason, .. } => panic!("{reason}; {}", self.running.logs()),
                _ => {}
            }
        }
        (results, sums, serde_json::from_str(&told).unwrap())
    }
}

impl Drop for Mixed {
    fn drop(&mut self) {
        let _ = self.site.kill();
        let _ = self.site.wait();
    }
}

/// Who was in a sum.
struct Sum {
    task: String,
    step: u32,
    accepted: Vec<String>,
    left_out: Vec<String>,
}

#[test]
fn a_site_in_python_takes_part_in_a_masked_study() {
    let Some(python) = python() else { return };
    let setup = study();
    let (results, sums, told) = Mixed::start(&python, &setup, "run").finish();
    // Its four sites are in every sum, as the site in Python has it from what is signed.
    let rounds = told["rounds"].as_array().unwrap();
    assert!(sums.len() > 3, "curves, and steps of a Cox model");
    assert_eq!(rounds.len(), sums.len(), "it took part to the end of each");
    for (sum, round) in sums.iter().zip(rounds) {
        let (task, step) = (&sum.task, sum.step);
        assert!(sum.left_out.is_empty(), "{task}, step {step}: without {:?}", sum.left_out);
        assert_eq!(round["task_id"], task.as_str());
        assert_eq!(round["step"], step);
        assert_eq!(round["sites"], serde_json::to_value(&sum.accepted).unwrap());
    }
    // Equal JSON means equal bits.
    assert_eq!(results, plain(&setup));
}

#[test]
fn in_a_round_every_message_with_one_byte_flipped_is_refused_on_either_side() {
    let Some(python) = python() else { return };
    let setup = study();
    let mut mixed = Mixed::start(&python, &setup, "flips");
    let (results, sums, told) = mixed.finish();
    let refused = told["refused"].as_object().unwrap();
    let log = mixed.log("coordinator");
    for (what, answers) in refused {
        let answers: Vec<&str> =
            answers.as_array().unwrap().iter().map(|answer| answer.as_str().unwrap()).collect();
        println!("{what}: {} times {}", answers.len(), answers.last().unwrap());
        assert!(answers.iter().all(|answer| answer.starts_with("refused")), "{what}: {answers:?}");
        if !MESSAGES.contains(&what.as_str()) {
            continue;
        }
        // The last byte is of a signature.
        assert!(answers.last().unwrap().contains(PYTHON), "{what}: {answers:?}");
        let of = |line: &&str| line.contains(PYTHON) && line.to_lowercase().contains(what);
        let lines = log.lines().filter(|line| line.contains("message is refused")).filter(of);
        assert_eq!(lines.count(), answers.len(), "{what} by name in the coordinator's log: {log}");
    }
    for what in ["manifest", "version", "unknown field"].iter().chain(&MESSAGES) {
        assert!(refused.contains_key(*what), "{what} was not tried");
    }
    // What it was sent, it refused as well.
    let found = told["found"].as_object().unwrap();
    println!("{found:?}");
    let sent = ["epoch", "advertisements", "agreements", "signature", "spec", "query", "sum"];
    for what in sent.iter().chain(&["delivery", "partition", "request"]) {
        assert!(found[*what].as_u64() >= Some(8), "{what}: {found:?}");
    }
    // The right ones, which came after, count.
    assert!(sums.iter().all(|sum| sum.left_out.is_empty()));
    assert_eq!(results, plain(&setup));
}

#[test]
fn an_advertisement_with_one_byte_flipped_ends_the_epoch_by_name() {
    let Some(python) = python() else { return };
    refused_in_the_epoch(&python, "advertisement", "advertisement");
}

#[test]
fn an_agreement_with_one_byte_flipped_ends_the_epoch_by_name() {
    let Some(python) = python() else { return };
    refused_in_the_epoch(&python, "agreement", "pair key");
}

/// The coordinator refuses it when it comes, and goes no further without that site.
fn refused_in_the_epoch(python: &str, mode: &str, what: &str) {
    let mut mixed = Mixed::start(python, &hasty(), mode);
    let error = mixed.running.follow_to_error();
    println!("{error}");
    assert!(error.contains(PYTHON) && error.contains("must be there"), "{error}");
    let log = mixed.log("coordinator");
    let named = |line: &str| {
        line.contains("message is refused") && line.contains(PYTHON) && line.contains(what)
    };
    assert!(log.lines().any(named), "{log}");
}

/// The coordinator cannot see it: the header binds the flipped byte.
#[test]
fn an_envelope_with_one_byte_flipped_is_refused_by_its_holder_by_name() {
    let Some(python) = python() else { return };
    let mut mixed = Mixed::start(&python, &hasty(), "envelope");
    let event = mixed.running.until(|event| matches!(event, Event::Released { .. }));
    let Event::Released { left_out, .. } = event else { unreachable!() };
    let [_, holder] = AFTER;
    let log = mixed.log(holder);
    let line = log.lines().find(|line| line.contains("envelope")).unwrap_or(&log);
    println!("{line}");
    assert!(line.contains(PYTHON), "{log}");
    assert_eq!(left_out, [holder], "who holds it has left the round");
}
