//! A study set up by hand, as its parties would: keys, requests, a draft, approvals; then run by
//! real processes to its report, and amended.

mod common;
#[path = "provision/hand.rs"]
mod hand;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{program, repository};
use haima_smpc_node::manifest::Manifest;
use hand::{Hand, Processes, haima, ok, refused, said, text};

/// Runs a study of these parties to its report.
fn run(hand: &Hand) -> serde_json::Value {
    let (manifest, said) = hand.draft("study", None, &[]);
    for word in ["sum needs", "EXACT, without differential privacy", "compare each fingerprint"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    hand.sign(&manifest, &hand.names());
    hand.configure();
    let mut running = Processes(vec![]);
    for name in hand.names().into_iter().skip(1) {
        running.0.push(hand.start(name));
    }
    let mut coordinator = hand.start("centre");
    let until = Instant::now() + Duration::from_secs(120);
    let status = loop {
        if let Some(status) = coordinator.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < until, "{}", hand.log("centre"));
        std::thread::sleep(Duration::from_millis(50));
    };
    let logs: Vec<String> = hand.names().iter().map(|name| hand.log(name)).collect();
    assert!(status.success(), "{}", logs.join("\n---\n"));
    // Who reads a log follows the study.
    for (name, line) in [("centre", "round released"), ("ohio-state", "submitted")] {
        assert!(hand.log(name).contains(line), "{name}: {}", hand.log(name));
    }
    drop(running);
    let report = std::fs::read_to_string(hand.path("centre").join("out/report.json")).unwrap();
    serde_json::from_str(&report).unwrap()
}

#[test]
fn a_study_set_up_by_hand_runs_to_its_report() {
    let hand = Hand::new();
    let report = run(&hand);
    assert!(report["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
    assert_eq!(report["excluded"], serde_json::json!([]));

    cross_check(&hand);
}

/// Two hospitals of the study run its two nodes: results are the same, and the report says whose
/// contributions no proof bounds.
#[test]
fn two_providers_run_both_nodes_and_are_sites_too() {
    let hand = Hand::operated(|name| match name {
        "north" => "ohio-state".into(),
        "south" => "alfred-melbourne".into(),
        other => other.into(),
    });
    let providers = run(&hand);
    let (_, shown) = hand.draft("again", None, &[]);
    assert_eq!(shown.matches("runs a node too").count(), 2, "{shown}");
    let promises = providers.to_string();
    for operator in ["ohio-state", "alfred-melbourne"] {
        assert!(promises.contains(operator), "{operator} is named in the report");
    }
    let independent = run(&Hand::new());
    let first = |report: &serde_json::Value| report["steps"][0]["result"].clone();
    assert!(first(&providers).is_object(), "{promises}");
    assert_eq!(first(&providers), first(&independent), "who runs the nodes changes no number");
}

/// All parties' journals agree; a cut one and a false one are named.
fn cross_check(hand: &Hand) {
    let manifest = hand.path("centre").join("manifest.toml");
    let journal = |name: &str, role: &str| match role {
        "coordinator" => hand.path(name).join("out/audit.log"),
        "node" => hand.path(name).join("audit.log"),
        _ => hand.path(name).join("state/audit.log"),
    };
    let verify = |of: &dyn Fn(&str, PathBuf) -> PathBuf| {
        let mut words = vec!["audit".to_owned(), "verify".into(), "--manifest".into()];
        words.push(text(&manifest).to_owned());
        for (name, role, _) in &hand.parties {
            let path = of(name, journal(name, role));
            words.extend(["--journal".into(), format!("{name}={}", text(&path))]);
        }
        let output = haima(&words.iter().map(String::as_str).collect::<Vec<_>>());
        (output.status.success(), said(&output))
    };
    let unknown =
        refused(&["audit", "verify", "--manifest", text(&manifest), "--journal", "nord=x"]);
    assert!(unknown.contains("no party \"nord\"") && unknown.contains("ohio-state"), "{unknown}");
    let (agree, told) = verify(&|_, path| path);
    assert!(agree && told.contains("the 7 journals agree"), "{told}");
    // The payloads stay as their party signed them; the chain anybody can make.
    let changed = hand.path("changed.log");
    let rewrite = |from: &Path, keep: &dyn Fn(usize, usize) -> bool| {
        let label = haima_smpc_node::audit::LABEL;
        let entries = haima_dp::journal::Journal::read(from, label).unwrap();
        let _ = std::fs::remove_file(&changed);
        let (mut journal, _) = haima_dp::journal::Journal::open(&changed, label).unwrap();
        for (i, entry) in entries.iter().enumerate() {
            if keep(i, entries.len()) {
                journal.append(entry).unwrap();
            }
        }
    };
    for party in ["north", "ohio-state"] {
        let (_, role, _) = hand.parties.iter().find(|(name, ..)| name == party).unwrap();
        rewrite(&journal(party, role), &|i, len| i < len / 2);
        let (agree, told) =
            verify(&|name, path| if name == party { changed.clone() } else { path });
        assert!(!agree && told.contains(party) && told.contains("cut off"), "{told}");
    }
    // One byte of a record inside.
    let mut bytes = std::fs::read(journal("south", "node")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&changed, bytes).unwrap();
    let (agree, told) = verify(&|name, path| if name == "south" { changed.clone() } else { path });
    assert!(!agree && told.contains("changed.log"), "{told}");
}

/// What a draft can know it says before anybody signs; a study by hand needs no column of hospitals.
#[test]
fn a_study_that_must_fail_is_refused_when_it_is_drafted() {
    let hand = Hand::new();
    let template = std::fs::read_to_string(repository("data/bmt_klein.study.toml")).unwrap();
    let lines = template.lines().filter(|line| !line.starts_with("site_"));
    let template = lines.collect::<Vec<_>>().join("\n");
    let requests: Vec<PathBuf> = hand.names().iter().map(|name| hand.request(name)).collect();
    let file = hand.path("study.toml");
    let draft = |out: &str, max_steps: u32, delta: &str, more: &str| {
        let task = format!(
            "\n[[task]]\nid = \"net\"\ntask = \"train\"\nversion = 1\ntitle = \"net\"\n\
             max_steps = {max_steps}\nspare_attempts = 1\n\
             privacy = {{ epsilon = 3.0, delta = {delta} }}\n\
             params = {{ model = {{ name = \"logistic\", columns = [\"patient_age\"], outcome = \
             \"dfs_event\" }}, expected_patients = 100, seed = 1, steps = 20 }}\n{more}"
        );
        std::fs::write(&file, format!("{template}{task}")).unwrap();
        let out = hand.path(out);
        let mut words = vec!["package", "draft", "--study", text(&file), "--out", text(&out)];
        words.extend(requests.iter().map(|path| text(path)));
        haima(&words)
    };
    let validate = |params: &str| {
        format!(
            "[[task]]\nid = \"check\"\ntask = \"validate\"\nversion = 1\ntitle = \"check\"\n\
             max_steps = 80\nspare_attempts = 1\nparams = {{ {params} }}\n"
        )
    };
    let long = "model = \"net\", time = \"dfs_days\", event = \"dfs_event\", bins = 500";
    let unknown = "model = \"netwrk\", outcome = \"dfs_event\"";
    for (max_steps, delta, more, expected) in [
        (8, "1e-5", String::new(), "task net: `max_steps` = 8 is too small"),
        (20, "1e-2", String::new(), "task net: `privacy.delta`"),
        (20, "1e-5", validate(unknown), "task check: `model` names `netwrk`"),
        (20, "1e-5", validate(long), "`max_dimension` = 100000 is too small"),
    ] {
        let output = draft("refused", max_steps, delta, &more);
        let told = said(&output);
        assert!(!output.status.success() && told.contains(expected), "{expected}: {told}");
        assert!(!hand.path("refused").exists(), "{expected}");
    }
    let good = validate("model = \"net\", outcome = \"dfs_event\"");
    let output = draft("study", 20, "1e-5", &good);
    assert!(output.status.success(), "{}", said(&output));
    let told = said(&draft("study", 20, "1e-5", &good));
    assert!(told.contains("exists already") && told.contains("another folder"), "{told}");
}

#[test]
fn a_reader_that_goes_away_ends_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let (data, study) = (repository("data/bmt_klein.csv"), repository("data/bmt_klein.study.toml"));
    for words in [
        ["keygen", "--name", "north", "--out", text(&keys)],
        ["check", text(&data), "--schema", text(&study), "--all"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(program());
        let output = command.args(words).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        assert!(!said(&output).contains("panicked"), "{}", said(&output));
    }
    assert!(keys.join("identity.key").is_file(), "what was begun is finished");
}

#[test]
fn whoever_has_not_signed_keeps_a_study_from_starting() {
    let hand = Hand::new();
    let (manifest, _) = hand.draft("study", None, &[]);
    let all = hand.names();
    let approvals = hand.approve(&manifest, &all[1..]);
    let mut words = vec!["package", "signed", "--manifest", text(&manifest)];
    words.extend(approvals.iter().map(|path| text(path)));
    let told = refused(&words);
    assert!(
        told.contains("not approved yet by centre") && told.contains("haima approve"),
        "{told}"
    );
    // A node that is given the manifest all the same does not start, nor does a site.
    for name in &all {
        std::fs::copy(&manifest, hand.path(name).join("manifest.toml")).unwrap();
    }
    hand.configure();
    for name in ["north", "ohio-state", "centre"] {
        let status = hand.start(name).wait().unwrap();
        assert!(!status.success());
        assert!(hand.log(name).contains("manifest.sig is missing"), "{}", hand.log(name));
    }
    // One signature short.
    let some = std::fs::read_to_string(&approvals[0]).unwrap();
    std::fs::write(hand.path("north").join("manifest.sig"), some).unwrap();
    let status = hand.start("north").wait().unwrap();
    assert!(!status.success());
    assert!(hand.log("north").contains("has not signed this manifest"), "{}", hand.log("north"));
}

#[test]
fn requests_and_approvals_that_were_changed_are_refused_by_name() {
    let hand = Hand::new();
    let request = hand.request("north");
    let good = std::fs::read_to_string(&request).unwrap();
    let (_, _, address) = &hand.parties[1];
    std::fs::write(&request, good.replace(address, "203.0.113.5:1")).unwrap();
    let study = repository("data/bmt_klein.study.toml");
    let mut words = vec!["package", "draft", "--study", text(&study), "--out"];
    let out = hand.path("changed");
    words.push(text(&out));
    let requests: Vec<PathBuf> = hand.names().iter().map(|name| hand.request(name)).collect();
    words.extend(requests.iter().map(|path| text(path)));
    let said = refused(&words);
    assert!(said.contains("not signed by its own identity key"), "{said}");
    std::fs::write(&request, good).unwrap();

    let (manifest, said) = hand.draft("study", None, &[]);
    let [reading, signing] =
        ["--keys FOLDER\n", "--keys FOLDER --sign\n"].map(|end| said.find(end).unwrap());
    assert!(reading < signing, "{said}");
    // Shown, not signed, without --sign; and no other party's keys will do.
    let keys = hand.path("ohio-state");
    let words = ["approve", "--manifest", text(&manifest), "--keys", text(&keys)];
    assert!(ok(&words).contains("not signed: if this is what ohio-state agrees to"));
    let stranger = hand.path("stranger");
    ok(&["keygen", "--name", "ohio-state", "--out", text(&stranger)]);
    let words = ["approve", "--manifest", text(&manifest), "--keys", text(&stranger), "--sign"];
    assert!(refused(&words).contains("does not have this identity key"));
    // The stolen identity beside another TLS key.
    std::fs::copy(keys.join("identity.key"), stranger.join("identity.key.2")).unwrap();
    std::fs::rename(stranger.join("identity.key.2"), stranger.join("identity.key")).unwrap();
    assert!(refused(&words).contains("another TLS key"));

    // An approval of another draft.
    let approvals = hand.approve(&manifest, &hand.names());
    let changed =
        std::fs::read_to_string(&manifest).unwrap().replacen("min_sites = 3", "min_sites = 4", 1);
    std::fs::write(&manifest, changed).unwrap();
    let mut words = vec!["package", "signed", "--manifest", text(&manifest)];
    words.extend(approvals.iter().map(|path| text(path)));
    let said = refused(&words);
    assert!(said.contains("one of the two files was changed"), "{said}");
}

#[test]
fn an_amendment_shows_what_it_changes_and_issues_nobodys_keys_anew() {
    let hand = Hand::new();
    let (first, _) = hand.draft("first", None, &["st-vincent"]);
    let (second, said) = hand.draft("second", Some("first"), &[]);
    assert!(said.contains("changes to revision 1"), "{said}");
    assert!(said.contains("the site st-vincent joins"), "{said}");
    assert!(said.contains(&format!("--amends {}", text(&first))), "{said}");
    let [old, new] = [&first, &second].map(|path| Manifest::read(path).unwrap());
    assert_eq!(new.amends, Some(old.digest().to_string()));
    for (name, identity, tls) in old.parties() {
        assert!(new.parties().any(|party| party == (name, identity, tls)), "{name}");
    }
    let keys = hand.path("north");
    let shown = ok(&[
        "approve",
        "--manifest",
        text(&second),
        "--amends",
        text(&first),
        "--keys",
        text(&keys),
    ]);
    assert!(shown.contains("the site st-vincent joins"), "{shown}");
    let wrong = refused(&[
        "approve",
        "--manifest",
        text(&second),
        "--amends",
        text(&second),
        "--keys",
        text(&keys),
    ]);
    assert!(wrong.contains("does not amend"), "{wrong}");
}
