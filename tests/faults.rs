//! Parties that die: the round goes on without a site; a node resumes before the deadline; after
//! it the round fails with a clear error and the next attempt works.

mod common;

use std::time::Duration;

use common::{BMT, Running, Setup, Timing, bmt_hazard};
use haima::coordinator::events::Event;

fn private_study(steps: u32) -> Setup {
    let study = [BMT.to_owned(), bmt_hazard("hazard", steps, Some((3.0, 1e-5)))].concat();
    Setup::new(&study, "data/bmt_klein.csv")
}

fn released(running: &mut Running, step: u32) -> (Vec<String>, u32) {
    let event =
        running.until(|event| matches!(event, Event::Released { round, .. } if round.step == step));
    let Event::Released { left_out, round, .. } = event else { unreachable!() };
    (left_out, round.attempt)
}

#[test]
fn a_round_goes_on_without_a_site_that_was_killed() {
    let mut setup = private_study(4);
    setup.timing = Timing { round_ms: 3000, grace_ms: 3000, tick_ms: 1000 };
    let mut running = setup.start();
    assert!(released(&mut running, 0).0.is_empty());
    running.until_open("hazard", 1);
    // The tick of one second leaves time to kill it after it heard of the round.
    running.network.kill("hospital-ohio-state");
    let (left_out, attempt) = released(&mut running, 1);
    assert_eq!((left_out, attempt), (vec!["hospital-ohio-state".to_owned()], 0));
    // Back again, it takes part again: it replays what it missed.
    running.network.start("hospital-ohio-state").unwrap();
    running.follow_to_end();
    let last = running.seen.iter().rev().find_map(|event| match event {
        Event::Released { left_out, round, .. } => Some((left_out.clone(), round.step)),
        _ => None,
    });
    assert_eq!(last, Some((vec![], 3)), "{}", running.logs());
}

/// R5, L1: a site killed in a round and started again sends what it made before, and is accepted.
#[test]
fn a_site_killed_after_charging_sends_the_same_bytes_when_it_is_back() {
    let mut setup = private_study(2);
    setup.timing = Timing { round_ms: 15_000, grace_ms: 5000, tick_ms: 3000 };
    let mut running = setup.start();
    running.until_open("hazard", 0);
    let name = "hospital-alfred-melbourne";
    let outbox = running.network.folder(name).unwrap().join("state/outbox");
    let made = || {
        let mut files = std::fs::read_dir(&outbox).ok()?.flatten();
        files.find(|f| f.path().extension().is_none()).and_then(|f| std::fs::read(f.path()).ok())
    };
    common::eventually(Duration::from_secs(3), "the site has made its shares", || made().is_some());
    let before = made().unwrap();
    running.network.kill(name);
    running.network.start(name).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(made().unwrap(), before, "made once, kept as it was");
    let (left_out, attempt) = released(&mut running, 0);
    assert_eq!((left_out, attempt), (vec![], 0), "{}", running.logs());
    running.follow_to_end();
}

/// R9, N3: a node killed in a round resumes it from its store.
#[test]
fn a_node_that_is_back_before_the_deadline_resumes_the_round() {
    let mut setup = private_study(3);
    setup.timing = Timing { round_ms: 20_000, grace_ms: 5000, tick_ms: 1000 };
    let mut running = setup.start();
    assert!(released(&mut running, 0).0.is_empty());
    running.until_open("hazard", 1);
    running.network.kill("node-2");
    std::thread::sleep(Duration::from_millis(500));
    running.network.start("node-2").unwrap();
    let (left_out, attempt) = released(&mut running, 1);
    assert_eq!((left_out, attempt), (vec![], 0), "{}", running.logs());
    running.follow_to_end();
}

/// The study's times are its own, not those of the process that ends it.
#[test]
fn a_coordinator_that_is_started_again_reports_from_the_beginning_and_tells_nothing_twice() {
    let mut setup = private_study(3);
    setup.timing = Timing { round_ms: 20_000, grace_ms: 5000, tick_ms: 500 };
    let mut running = setup.start();
    assert!(released(&mut running, 0).0.is_empty());
    running.kill_coordinator();
    std::thread::sleep(Duration::from_secs(3));
    let digests = |events: &[Event]| -> Vec<String> {
        let released = events.iter().filter_map(|event| match event {
            Event::Released { round, .. } => Some(round.digest.clone()),
            _ => None,
        });
        released.collect()
    };
    let told = running.seen.len();
    running.start_coordinator();
    running.follow_to_end();
    let (before, after) = (digests(&running.seen[..told]), digests(&running.seen[told..]));
    assert!(!before.is_empty() && !after.is_empty(), "{}", running.logs());
    assert!(!after.iter().any(|digest| before.contains(digest)), "{before:?} {after:?}");
    assert!(running.log_says("coordinator", "rounds are taken up from rounds.log"));

    let report = running.network.folder("coordinator").unwrap().join("out/report.json");
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    let (started, finished) = (report["started"].as_u64(), report["finished"].as_u64());
    assert!(finished.unwrap() - started.unwrap() >= 3, "{started:?} to {finished:?}");
    let rounds = report["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 3, "{rounds:?}");
    // Every round waited for its tick, the one from before the stop too.
    assert!(rounds.iter().all(|round| round["seconds"].as_f64().unwrap() > 0.3), "{rounds:?}");
    let sum: f64 = rounds.iter().map(|round| round["seconds"].as_f64().unwrap()).sum();
    assert!(report["steps"][0]["seconds"].as_f64().unwrap() >= 0.999 * sum, "{report}");
}

/// R9, L1: without the node the attempt fails by name, and a new attempt works when it is back.
#[test]
fn a_node_that_stays_away_fails_the_round_and_the_next_attempt_works() {
    let mut setup = private_study(3);
    setup.timing = Timing { round_ms: 4000, grace_ms: 1500, tick_ms: 1000 };
    let mut running = setup.start();
    assert!(released(&mut running, 0).0.is_empty());
    running.until_open("hazard", 1);
    running.network.kill("node-3");
    let failed = running.until(|event| matches!(event, Event::Failed { .. }));
    let Event::Failed { reason, round, .. } = failed else { unreachable!() };
    assert!(reason.contains("node-3"), "the error names the node: {reason}");
    assert_eq!((round.step, round.attempt), (1, 0));
    running.network.start("node-3").unwrap();
    let (left_out, attempt) = released(&mut running, 1);
    assert!(left_out.is_empty() && attempt >= 1, "{}", running.logs());
    running.follow_to_end();
    // L1: every attempt was charged, the failed one too.
    let report = running.network.folder("coordinator").unwrap().join("out/report.json");
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    let (spent, limit) = (&report["ledger"][0]["cost_spent"], &report["ledger"][0]["cost_limit"]);
    let share = spent.as_f64().unwrap() / limit.as_f64().unwrap();
    // The plan has 3 steps and 4 spare attempts, noise is calibrated to 7; 4 or more were charged.
    assert!(share > 3.9 / 7.0 && share < 1.0, "{share}");
}
