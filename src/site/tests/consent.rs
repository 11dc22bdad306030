//! Runs that wait for a yes: what is written down, decided, bounded and found again.

use super::super::consent::Said;
use super::*;

const NOW: u64 = 1_767_571_200_000;

fn consents() -> (tempfile::TempDir, Consents) {
    let folder = tempfile::tempdir().unwrap();
    let consents = Consents::open(folder.path()).unwrap();
    (folder, consents)
}

#[test]
fn a_run_waits_until_somebody_decides_and_another_process_sees_it() {
    let (folder, consents) = consents();
    let manifest = Digest::of(b"manifest");
    assert!(consents.waiting().unwrap().is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "who looks makes nothing");
    consents.ask(&manifest, "cox", 1, "a line\u{1b}[31m\nof words", NOW).unwrap();
    consents.ask(&manifest, "cox", 1, "again", NOW + 5).unwrap();
    let other = Consents::open(folder.path()).unwrap();
    let waiting = other.waiting().unwrap();
    assert_eq!(waiting.len(), 1, "asked twice, written once");
    assert_eq!((waiting[0].task.as_str(), waiting[0].run.as_str()), ("cox", "1"));
    assert_eq!(waiting[0].since_ms, NOW);
    assert_eq!(waiting[0].words, "a line [31m of words", "no stranger's letter moves a cursor");
    assert_eq!(consents.said(&manifest, "cox", 1).unwrap(), Said::Nothing);

    assert_eq!(waiting[0].manifest, manifest.to_string());
    other.decide("cox", "1", waiting[0].shown(), true).unwrap();
    assert_eq!(consents.said(&manifest, "cox", 1).unwrap(), Said::Yes);
    assert_eq!(consents.said(&manifest, "cox", 2).unwrap(), Said::Nothing, "of this run alone");
    assert!(consents.waiting().unwrap().is_empty());
    consents.ask(&manifest, "cox", 1, "again", NOW).unwrap();
    assert!(consents.waiting().unwrap().is_empty(), "what is decided does not wait");
    other.decide("cox", "1", &manifest.to_string(), false).unwrap();
    assert_eq!(consents.said(&manifest, "cox", 1).unwrap(), Said::No, "a yes can be taken back");
    let decided = consents.decided().unwrap();
    assert_eq!((decided.len(), decided[0].allowed), (1, false));
}

#[test]
fn what_is_unknown_cannot_be_decided_about() {
    let (folder, consents) = consents();
    let manifest = Digest::of(b"m").to_string();
    let error = consents.decide("cox", "1", &manifest, true).unwrap_err().to_string();
    assert!(error.contains("run 1 of the task cox"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "and nothing is written");
    consents.ask(&Digest::of(b"m"), "cox", 1, "", NOW).unwrap();
    for (task, run) in [("cox", "2"), ("km", "1"), ("cox", "01")] {
        assert!(consents.decide(task, run, &manifest, true).is_err(), "{task} {run}");
    }
    // Less than what is listed could be of many manifests, and nothing of all.
    for shown in ["", &manifest[..31], &Digest::of(b"other").to_string()] {
        let error = consents.decide("cox", "1", shown, true).unwrap_err().to_string();
        assert!(error.contains("another manifest than the one that was read"), "{error}");
    }
    assert_eq!(consents.waiting().unwrap().len(), 1);
    consents.decide("cox", "1", &manifest[..32], true).unwrap();
}

/// A page that was loaded, or a line that was copied, before the study was amended allows nothing of it.
#[test]
fn what_was_read_of_one_manifest_allows_nothing_of_another() {
    let (_folder, consents) = consents();
    let [first, second] = [b"first", b"other"].map(|bytes| Digest::of(bytes));
    consents.ask(&first, "cox", 1, "private", NOW).unwrap();
    let listed = consents.waiting().unwrap().remove(0);
    consents.ask(&second, "cox", 1, "EXACT", NOW).unwrap();
    for shown in [listed.manifest.as_str(), listed.shown()] {
        assert!(consents.decide("cox", "1", shown, true).is_err());
    }
    for manifest in [&first, &second] {
        assert_eq!(consents.said(manifest, "cox", 1).unwrap(), Said::Nothing);
    }
    assert_eq!(consents.waiting().unwrap().len(), 1, "it waits as before");
    consents.decide("cox", "1", &second.to_string(), true).unwrap();
    assert_eq!(consents.said(&second, "cox", 1).unwrap(), Said::Yes);
}

#[test]
fn an_amended_study_is_asked_about_anew() {
    let (_folder, consents) = consents();
    let [first, second] = [b"first", b"other"].map(|bytes| Digest::of(bytes));
    consents.ask(&first, "cox", 1, "", NOW).unwrap();
    consents.decide("cox", "1", &first.to_string(), true).unwrap();
    consents.ask(&first, "km", 1, "", NOW).unwrap();
    assert_eq!(consents.said(&second, "cox", 1).unwrap(), Said::Nothing);
    consents.ask(&second, "cox", 1, "", NOW).unwrap();
    let waiting = consents.waiting().unwrap();
    assert_eq!(waiting.len(), 1, "runs of the manifest before wait no longer: {waiting:?}");
    consents.decide("cox", "1", &second.to_string(), false).unwrap();
    assert_eq!(consents.said(&second, "cox", 1).unwrap(), Said::No);
    assert_eq!(consents.said(&first, "cox", 1).unwrap(), Said::Yes, "each decision is of one");
}

#[test]
fn runs_that_a_coordinator_makes_up_fill_no_disk_and_keep_no_other_task_out() {
    let (folder, consents) = consents();
    let manifest = Digest::of(b"manifest");
    for run in 1..=40 {
        consents.ask(&manifest, "cox", run, &"x".repeat(100_000), NOW).unwrap();
    }
    let runs = || -> Vec<String> {
        consents.waiting().unwrap().into_iter().map(|waiting| waiting.run).collect()
    };
    // The one that was asked for ahead, and those that were announced last: a real one is among them.
    assert_eq!(runs(), ["1", "34", "35", "36", "37", "38", "39", "40"]);
    consents.ask(&manifest, "cox", 2, "", NOW).unwrap();
    assert_eq!(runs(), ["1", "35", "36", "37", "38", "39", "40", "2"], "asked again, listed again");
    consents.ask(&manifest, "km", 1, "", NOW).unwrap();
    assert!(consents.waiting().unwrap().iter().any(|waiting| waiting.task == "km"));
    for task in 0..400 {
        consents.ask(&manifest, &format!("task-{task}"), 1, "", NOW).unwrap();
    }
    assert_eq!(consents.waiting().unwrap().len(), 256);
    let size = std::fs::metadata(folder.path().join("consents.toml")).unwrap().len();
    assert!(size < 200_000, "{size} bytes");
}

#[test]
fn who_decides_at_the_same_time_loses_no_decision() {
    let (folder, consents) = consents();
    let manifest = Digest::of(b"manifest");
    for task in 0..16 {
        consents.ask(&manifest, &format!("task-{task}"), 1, "", NOW).unwrap();
    }
    std::thread::scope(|scope| {
        for task in 0..16 {
            let own = Consents::open(folder.path()).unwrap();
            scope.spawn(move || {
                let shown = manifest.to_string();
                own.decide(&format!("task-{task}"), "1", &shown, task % 2 == 0).unwrap();
            });
        }
    });
    assert!(consents.waiting().unwrap().is_empty());
    for task in 0..16 {
        let said = if task % 2 == 0 { Said::Yes } else { Said::No };
        assert_eq!(consents.said(&manifest, &format!("task-{task}"), 1).unwrap(), said, "{task}");
    }
}

#[test]
fn a_file_of_another_form_is_named_and_allows_nothing() {
    let (folder, consents) = consents();
    for text in ["version = 2\n", "version = 1\nallowed = \"all\"\n", "no table"] {
        std::fs::write(folder.path().join("consents.toml"), text).unwrap();
        let error = consents.said(&Digest::of(b"m"), "cox", 1).unwrap_err().to_string();
        assert!(error.contains("consents.toml") && error.contains("remove it"), "{error}");
        assert!(consents.waiting().is_err() && consents.decide("cox", "1", "", true).is_err());
    }
}
