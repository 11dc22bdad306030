//! A hospital that answers nothing before somebody there says yes, in a network of processes.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{BMT, Running, Setup, eventually, program, task};
use haima::coordinator::events::Event;
use haima::site::{Approval, Every};
use haima_smpc_node::manifest::Manifest;
use serde_json::Value;

const SITE: &str = "hospital-ohio-state";

fn setup() -> Setup {
    let tasks = [
        task("who", "table1", 1, "columns = [\"patient_age\"]"),
        task("again", "table1", 1, "columns = [\"donor_age\"]"),
    ];
    let mut setup = Setup::new(&[BMT, &tasks.concat()].concat(), "data/bmt_klein.csv");
    setup.nodes = 2;
    setup.policy.manual_approval = Some(Approval::Every(Every::All));
    setup
}

/// Runs `haima site WORDS` in a folder: exit code, standard output, standard error.
fn site(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(program());
    let output = command.arg("site").args(words).current_dir(folder).output().unwrap();
    let [out, log] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(!log.contains("panicked"), "{log}");
    (output.status.code().unwrap(), out, log)
}

fn folders(running: &Running) -> Vec<PathBuf> {
    let folder = |name: String| running.network.folder(&name).unwrap().to_owned();
    running.network.site_names().map(folder).collect()
}

fn waiting(folder: &Path) -> Vec<String> {
    let (code, out, log) = site(folder, &["approvals", "--json"]);
    assert_eq!(code, 0, "{log}");
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(object["schema"], "haima.site.approvals/1");
    let waiting = object["waiting"].as_array().unwrap().iter();
    waiting
        .map(|run| format!("{}/{}", run["task"].as_str().unwrap(), run["run"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_study_goes_on_when_people_have_said_yes_and_no_attempt_is_lost_to_the_wait() {
    let mut running = setup().start();
    let folders = folders(&running);
    let asked = || folders.iter().all(|folder| waiting(folder) == ["who/1", "again/1"]);
    eventually(Duration::from_secs(60), "every site asks its people ahead", asked);
    running.until_open("who", 0);
    let told = || running.log_says(SITE, "round held back");
    eventually(Duration::from_secs(30), "the site says that it waits", told);
    assert!(running.log_says(SITE, "who/1 waits for a yes"), "{}", running.logs());
    let journal = folders[0].join("state/audit.log");
    let before = std::fs::read(&journal).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(std::fs::read(&journal).unwrap(), before, "nothing is charged meanwhile");
    for folder in &folders {
        for task in ["who", "again"] {
            let (code, out, log) = site(folder, &["allow", task, "1", "--config", "site.toml"]);
            assert!(code == 0 && out.contains("is allowed"), "{log}");
        }
        assert!(waiting(folder).is_empty());
    }
    running.follow_to_end();
    let failed = running.seen.iter().any(|event| matches!(event, Event::Failed { .. }));
    assert!(!failed, "the round waited: {:?}", running.seen);
    let accepted = running.seen.iter().filter_map(|event| match event {
        Event::Released { accepted, .. } => Some(accepted.len()),
        _ => None,
    });
    assert_eq!(accepted.collect::<Vec<_>>(), [4, 4]);
}

#[test]
fn decisions_on_the_command_line_are_listed_and_unknown_runs_are_refused() {
    let running = setup().make();
    let folder = running.network.folder(SITE).unwrap();
    let (code, out, _) = site(folder, &["approvals"]);
    assert_eq!((code, out.as_str()), (0, "no run waits\n"), "before anything ran");
    let (code, _, log) = site(folder, &["allow", "who", "1"]);
    assert!(code == 3 && log.contains("no run 1 of the task who"), "{log}");
    assert!(!folder.join("state").exists(), "and nothing is made");
    let (code, _, log) = site(folder, &["allow", "who", "first"]);
    assert!(code == 2 && log.contains("first"), "{log}");

    let state = folder.join("state");
    std::fs::create_dir(&state).unwrap();
    let consents = haima::site::Consents::open(&state).unwrap();
    let manifest = Manifest::read(&folder.join("manifest.toml")).unwrap().digest();
    consents.ask(&manifest, "who", 1, "what is asked", 0).unwrap();
    let (_, out, _) = site(folder, &["approvals"]);
    let line = format!("haima site allow who 1 {}\n", &manifest.to_string()[..32]);
    for words in ["waits    who 1, since 1 January 1970", "what is asked", line.as_str()] {
        assert!(out.contains(words), "{words}: {out}");
    }
    // What was listed of another manifest, and a digest that is too short.
    let other = haima_crypto::encode::Digest::of(b"other").to_string();
    for digest in [&other[..32], &manifest.to_string()[..8]] {
        let (code, _, log) = site(folder, &["allow", "who", "1", digest]);
        assert!(code == 3 && log.contains("another manifest"), "{log}");
    }
    assert_eq!(waiting(folder), ["who/1"]);
    let words: Vec<&str> = line.split_whitespace().skip(2).collect();
    let (code, out, _) = site(folder, &words);
    assert!(code == 0 && out.contains("is allowed"), "as it was listed: {out}");
    let (code, out, _) = site(folder, &["refuse", "who", "1", "--json"]);
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &object["schema"]), (0, &"haima.site.decision/1".into()));
    assert_eq!((&object["allowed"], &object["run"]), (&false.into(), &"1".into()));
    let (_, out, _) = site(folder, &["approvals"]);
    assert!(out.contains("refused  who 1, "), "{out}");
    let (code, _, _) = site(folder, &["allow", "who", "1"]);
    assert_eq!(code, 0, "a decision can be changed");
    // What waits now is of another manifest than the one that the site is configured with.
    let amended = haima_crypto::encode::Digest::of(b"amended");
    consents.ask(&amended, "who", 1, "something else", 0).unwrap();
    let (code, _, log) = site(folder, &["allow", "who", "1"]);
    assert!(code == 3 && log.contains("another manifest"), "{log}");
    assert_eq!(waiting(folder), ["who/1"]);
}

/// A misspelt id would be answered without a yes, so nothing is answered.
#[test]
fn a_site_does_not_start_when_what_waits_for_a_yes_is_no_task_of_the_study() {
    let mut setup = setup();
    setup.policy.manual_approval = Some(Approval::Tasks(vec!["who".into(), "whoo".into()]));
    let running = setup.make();
    let folder = running.network.folder(SITE).unwrap();
    let (code, _, log) = site(folder, &["run", "--config", "site.toml"]);
    assert!(code == 3 && log.contains("policy.toml"), "{log}");
    assert!(log.contains("`manual_approval` names whoo, which the study does not have"), "{log}");
    let (_, out, _) = site(folder, &["preview", "again"]);
    assert!(out.contains("would REFUSE it") && out.contains("`manual_approval` names"), "{out}");
    assert!(!folder.join("state").exists(), "and nothing is made");
}
