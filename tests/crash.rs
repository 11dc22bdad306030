//! Sites and the coordinator end at each of their crash points, before and after every durable
//! write and every message of the coordinator, and are started again: the study's result is the one
//! without a crash.
//!
//! `cargo test -p haima --features failpoints --test crash`

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use common::{BMT, Setup, Timing, task};
use prost::Message as _;

const SITE: &str = "hospital-ohio-state";

fn setup(masked: bool) -> Setup {
    let cox = "time = \"dfs_days\"\nevent = \"dfs_event\"\ncovariates = [\"patient_age\"]\n";
    let study = [BMT.to_owned(), task("cox", "cox", 12, cox)].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv");
    setup.nodes = 2;
    setup.timing = Timing { round_ms: 6_000, grace_ms: 3_000, tick_ms: 20 };
    if masked { setup.masked() } else { setup }
}

/// Names given to `durable::write` in this package's sources.
fn writes(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            writes(&path, into);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("durable::write") {
                into.insert(text[at..].split('"').nth(1).unwrap().to_owned());
            }
        }
    }
}

/// Party and point: all that a study with nodes comes by, or in masked mode.
fn points(masked: bool) -> Vec<(&'static str, String)> {
    let mut names = BTreeSet::from(["journal".to_owned()]);
    writes(&common::repository("src"), &mut names);
    assert!(names.len() >= 9, "{names:?}");
    names.retain(|name| match name.as_str() {
        "site.outbox" => !masked,
        // Only beside a framework of somebody else: tests/sum.rs ends a site around it.
        "site.standing" => false,
        name => masked || !name.contains("masked"),
    });
    let mut points = vec![];
    for name in names {
        for when in ["before", "after"] {
            let point = format!("{name}.{when}");
            if !name.starts_with("site") {
                points.push(("coordinator", point.clone()));
            }
            if !name.starts_with("coordinator") {
                points.push((SITE, point));
            }
        }
    }
    let set = prost_types::FileDescriptorSet::decode(haima::proto::DESCRIPTION).unwrap();
    for service in set.file.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            if !masked && ["Put", "Take"].contains(&method.name()) {
                continue;
            }
            let path = format!("/haima.coordinator.v1.{}/{}", service.name(), method.name());
            points.extend([("coordinator", format!("{path}.in"))]);
            points.extend([("coordinator", format!("{path}.out"))]);
        }
    }
    points
}

fn coefficient(result: &serde_json::Value) -> f64 {
    result["terms"][0]["coef"].as_f64().unwrap()
}

/// The same without a site: what the first exact sum is when that site has charged and lost its
/// bytes (rule R5).
fn without() -> f64 {
    let mut setup = setup(false);
    setup.cohorts.remove(SITE).unwrap();
    coefficient(&setup.results()["cox"])
}

/// The study's result with a crash of a party at a point.
fn survive(masked: bool, party: &str, point: &str) -> f64 {
    let mut running = setup(masked).make();
    running.network.crash_at(party, point);
    running.network.start_all().unwrap();
    running.start_coordinator();
    let mut crashes = 0;
    loop {
        if party != "coordinator" && crashes == 0 && running.network.is_down(party) {
            crashes += 1;
            running.network.start(party).unwrap();
        }
        match running.next_within(Duration::from_millis(50)) {
            Some(Some(haima::coordinator::events::Event::TaskDone { result, .. })) => {
                assert_eq!(crashes, 1, "{party} never came to {point}");
                return coefficient(&result);
            }
            Some(None) => {
                // The coordinator has gone.
                assert!(party == "coordinator" && crashes == 0, "{point}: {}", running.logs());
                crashes += 1;
                running.start_coordinator();
            }
            _ => {}
        }
    }
}

#[test]
fn sites_and_coordinator_survive_a_crash_at_every_point() {
    crash_at_every_point(false);
}

#[test]
fn sites_and_coordinator_of_masked_mode_survive_a_crash_at_every_point() {
    crash_at_every_point(true);
}

fn crash_at_every_point(masked: bool) {
    let expected = [coefficient(&setup(masked).results()["cox"]), without()];
    let only = std::env::var("HAIMA_CRASH_POINT").ok();
    let points = points(masked);
    let points: Vec<_> = points
        .iter()
        .filter(|(_, point)| only.as_ref().is_none_or(|o| point.contains(o)))
        .collect();
    println!("{} crash points", points.len());
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((party, point)) =
                    points.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    let got = survive(masked, party, point);
                    let right = expected.iter().take(if *party == SITE { 2 } else { 1 });
                    let right = right.copied().any(|expected| (got - expected).abs() < 1e-9);
                    assert!(right, "{party} {point}: {got} {expected:?}");
                }
            });
        }
    });
}

/// The coordinator killed at a random moment of every step or two: it takes up what it asked.
#[test]
fn a_coordinator_killed_at_random_moments_comes_to_the_same_result() {
    let expected = coefficient(&setup(false).results()["cox"]);
    for round in 0..4 {
        // A round takes a tick at least: a killed coordinator has not ended the study.
        let mut setup = setup(round % 2 == 1);
        setup.timing.tick_ms = 250;
        let mut running = setup.start();
        let mut kills = 0;
        let got = loop {
            match running.next_within(Duration::from_secs(60)) {
                Some(Some(haima::coordinator::events::Event::TaskDone { result, .. })) => {
                    break coefficient(&result);
                }
                Some(Some(haima::coordinator::events::Event::Opened(_))) if kills < 4 => {
                    std::thread::sleep(Duration::from_millis(rand::random_range(0..200)));
                    running.kill_coordinator();
                    running.start_coordinator();
                    kills += 1;
                }
                Some(None) => panic!("the coordinator ended; {}", running.logs()),
                _ => {}
            }
        };
        assert!(kills >= 2 && (got - expected).abs() < 1e-12, "{kills} kills: {got} {expected}");
    }
}

/// Shamir release: a node is lost for good when it has committed and released; the coordinator comes
/// to the sum without it, and also when it is stopped and started meanwhile.
#[test]
fn a_study_ends_although_a_node_is_lost_after_its_commitment() {
    let km = "time = \"dfs_days\"\nevent = \"dfs_event\"\ngrid = 1.0\n";
    let study = [BMT.to_owned(), task("km", "km", 1, km)].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv");
    setup.study.release_quorum = Some(2);
    setup.timing = Timing { round_ms: 6_000, grace_ms: 3_000, tick_ms: 20 };
    let expected = &setup.results()["km"];
    for stop in [false, true] {
        let mut running = setup.make();
        running.network.crash_at("node-3", "store.release.after");
        running.network.start_all().unwrap();
        running.start_coordinator();
        let mut stopped = !stop;
        let got = loop {
            if !stopped && running.network.is_down("node-3") {
                stopped = true;
                running.kill_coordinator();
                running.start_coordinator();
            }
            match running.next_within(Duration::from_millis(50)) {
                Some(Some(haima::coordinator::events::Event::TaskDone { result, .. })) => {
                    break result;
                }
                Some(None) => panic!("the coordinator ended; {}", running.logs()),
                _ => {}
            }
        };
        assert!(stopped && running.network.is_down("node-3"), "node-3 was never lost");
        assert_eq!(&got, expected);
    }
}
