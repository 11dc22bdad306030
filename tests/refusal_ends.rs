//! A hospital's refusal ends a step at once where no attempt can have a sum without it, and costs no
//! spare attempt; one that holds a round back for now does not.

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{BMT, Running, Setup, Timing, bmt_hazard, eventually, program, repository, task};
use haima::coordinator::events::Event;
use haima::site::{Approval, Every, Policy};

const SITE: &str = "hospital-ohio-state";

fn exact() -> Setup {
    let tasks = [
        task("who", "table1", 1, "columns = [\"patient_age\"]"),
        task("again", "table1", 1, "columns = [\"donor_age\"]"),
    ];
    let mut setup = Setup::new(&[BMT, &tasks.concat()].concat(), "data/bmt_klein.csv");
    setup.nodes = 2;
    // Far longer than anything here may take.
    setup.timing = Timing { round_ms: 60_000, grace_ms: 10_000, tick_ms: 20 };
    setup
}

fn write_policy(running: &Running, site: &str, policy: &Policy) {
    let path = running.network.folder(site).unwrap().join("policy.toml");
    std::fs::write(path, toml::to_string(policy).unwrap()).unwrap();
}

/// Attempts that were opened at a task's step.
fn opened(running: &Running, task: &str, step: u32) -> Vec<u32> {
    let opened = running.seen.iter().filter_map(|event| match event {
        Event::Opened(round) if round.task == task && round.step == step => Some(round.attempt),
        _ => None,
    });
    opened.collect()
}

fn allow(folder: &Path, task: &str) {
    let words = ["site", "allow", task, "1", "--config", "site.toml"];
    let output = Command::new(program()).args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_policys_refusal_ends_the_study_at_once_by_name_and_mended_the_same_round_goes_on() {
    let setup = exact();
    let mut running = setup.make();
    // X2: it is in the first exact sum, so it has to be in all of them.
    let policy = Policy { exact_tasks: vec!["who".into()], ..setup.policy.clone() };
    write_policy(&running, SITE, &policy);
    running.network.start_all().unwrap();
    running.start_coordinator();
    running.until_open("again", 0);
    let begun = Instant::now();
    let error = running.follow_to_error();
    assert!(begun.elapsed() < Duration::from_secs(30), "nobody waited for the deadline");
    for words in ["E-08", "task again, step 0", SITE, "policy does not allow again", "exact_tasks"]
    {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert_eq!(opened(&running, "again", 0), [0]);
    // The study has not ended: hospitals wait, and keep what they made for the open round.
    std::thread::sleep(Duration::from_secs(1));
    for site in running.network.site_names() {
        assert!(!running.network.is_down(&site), "{site}: {}", running.logs());
    }

    write_policy(&running, SITE, &setup.policy);
    running.network.kill(SITE);
    running.network.start(SITE).unwrap();
    let told = running.seen.len();
    running.start_coordinator();
    running.follow_to_end();
    let released = running.seen[told..].iter().filter_map(|event| match event {
        Event::Released { round, accepted, .. } => {
            Some((round.task.as_str(), round.attempt, accepted.len()))
        }
        _ => None,
    });
    // The attempt that was open, with all; `who` was told before.
    assert_eq!(released.collect::<Vec<_>>(), [("again", 0, 4)], "{}", running.logs());
    // The no is on record, and the round that went on is no failed attempt.
    let report = running.network.folder("coordinator").unwrap().join("out/report.json");
    let report = std::fs::read_to_string(report).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let rounds = report["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2, "{rounds:?}");
    assert!(rounds[0].get("stops").is_none(), "{rounds:?}");
    let stop = rounds[1]["stops"][0].as_str().unwrap();
    assert!(stop.contains(SITE) && stop.contains("exact_tasks"), "{stop}");
    assert_eq!(report["steps"][1]["attempts_failed"], 0);
}

#[test]
fn a_budget_that_does_not_reach_is_told_at_the_start_and_ends_the_study_with_task_and_step() {
    let study = [BMT.to_owned(), bmt_hazard("hazard", 2, Some((3.0, 1e-5)))].concat();
    let mut setup = Setup::new(&study, "data/bmt_klein.csv");
    setup.nodes = 2;
    setup.timing = Timing { round_ms: 60_000, grace_ms: 10_000, tick_ms: 20 };
    setup.policy.epsilon = 0.5;
    let mut running = setup.start();
    running.until_open("hazard", 0);
    let begun = Instant::now();
    let error = running.follow_to_error();
    assert!(begun.elapsed() < Duration::from_secs(30), "nobody waited for the deadline");
    // All four refuse within a moment, and all are named.
    for site in running.network.site_names() {
        assert!(error.contains(&format!("{site} (task hazard, step 0: study")), "{error}");
        assert!(running.log_says(&site, "the task hazard does not fit"), "{}", running.logs());
        assert!(running.log_says(&site, "need epsilon 3.000"), "{}", running.logs());
    }
    // What people read has no sixteen digits.
    let figures = error.split("asks for rho ").skip(1);
    let figures: Vec<&str> = figures.filter_map(|rest| rest.split(' ').next()).collect();
    assert!(figures.len() == 4 && figures.iter().all(|figure| figure.len() <= 9), "{figures:?}");
    assert_eq!(opened(&running, "hazard", 0), [0]);
}

#[test]
fn masked_mode_ends_below_its_threshold_without_further_attempts() {
    let setup = exact().masked();
    let mut running = setup.make();
    let policy = Policy { exact_tasks: vec![], ..setup.policy.clone() };
    let refusing = [SITE, "hospital-alfred-melbourne"];
    for site in refusing {
        write_policy(&running, site, &policy);
    }
    running.network.start_all().unwrap();
    running.start_coordinator();
    let error = running.follow_to_error();
    for words in refusing.into_iter().chain(["E-08", "task who, step 0", "exact_tasks"]) {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert_eq!(opened(&running, "who", 0), [0]);
}

/// Whoever starts the coordinator again, a service manager above all, has changed nothing by that.
#[test]
fn a_refusal_outlasts_the_rounds_deadline_until_somebody_says_that_it_changed() {
    let mut setup = exact();
    setup.timing.round_ms = 5000;
    setup.timing.grace_ms = 1000;
    let mut running = setup.make();
    let policy = Policy { exact_tasks: vec!["who".into()], ..setup.policy.clone() };
    write_policy(&running, SITE, &policy);
    running.network.start_all().unwrap();
    running.start_coordinator();
    let first = running.follow_to_error();
    assert!(first.contains("E-08") && first.contains("task again, step 0"), "{first}");
    // Past the deadline, and what nodes have after it.
    std::thread::sleep(Duration::from_secs(8));
    for start in 0..3 {
        running.start_coordinator();
        let error = running.follow_to_error();
        for words in ["E-08", SITE, "exact_tasks", "refused.txt"] {
            assert!(error.contains(words), "start {start}: {words}: {error}");
        }
    }
    // A start past the deadline hears how the round ended; no other attempt is opened.
    let attempts = opened(&running, "again", 0);
    assert!(attempts.iter().all(|attempt| *attempt == 0), "{attempts:?}: {}", running.logs());
}

/// A refusal is a person's to hear of; 8 is how the coordinator ends with one.
#[test]
fn the_shipped_unit_starts_no_coordinator_again_that_was_refused() {
    let refused = haima::Error::Withheld {
        task: "who".into(),
        step: 0,
        refusals: "north (exact_tasks)".into(),
    };
    let unit = repository("deploy/haima-coordinator.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let prevented = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus="));
    let code = refused.code().to_string();
    assert!(prevented.unwrap().split(' ').any(|other| other == code), "{prevented:?}");
}

/// Who holds a round back has not refused it: the others of masked mode wait, as nodes do.
#[test]
fn a_round_that_a_hospital_holds_back_goes_on_when_it_says_yes() {
    let mut setup = exact().masked();
    setup.timing.round_ms = 60_000;
    let mut running = setup.make();
    let tasks = Approval::Tasks(vec!["who".into()]);
    let policy = Policy { manual_approval: Some(tasks), ..setup.policy.clone() };
    write_policy(&running, SITE, &policy);
    running.network.start_all().unwrap();
    running.start_coordinator();
    running.until_open("who", 0);
    let told = || running.log_says("coordinator", "a site holds a round back");
    eventually(Duration::from_secs(15), "the coordinator knows that it waits", told);
    // Longer than it is asked who has gone.
    std::thread::sleep(Duration::from_secs(1));
    allow(running.network.folder(SITE).unwrap(), "who");
    running.follow_to_end();
    let sums = running.seen.iter().filter_map(|event| match event {
        Event::Released { accepted, .. } => Some(accepted.len()),
        Event::Failed { reason, .. } => panic!("{reason}"),
        _ => None,
    });
    assert_eq!(sums.collect::<Vec<_>>(), [4, 4]);
}

/// A yes that does not come in time would not come for the next attempt either.
#[test]
fn a_round_that_was_held_back_to_its_end_costs_no_further_attempt() {
    let mut setup = exact();
    setup.timing.round_ms = 6000;
    setup.policy.manual_approval = Some(Approval::Every(Every::All));
    let mut running = setup.start();
    let error = running.follow_to_error();
    assert!(error.contains("E-08") && error.contains("who/1 waits for a yes"), "{error}");
    assert_eq!(opened(&running, "who", 0), [0]);
}
