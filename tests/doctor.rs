//! `haima doctor` as a person runs it: over the folders of a network's parties.

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{BMT, Running, Setup, bmt_hazard, eventually, program, task};
use haima::coordinator::events::Event;
use haima_dp::ledger::{Ledger, Limit};
use haima_dp::units::{Delta, Epsilon};
use serde_json::Value;

const HOSPITAL: &str = "hospital-ohio-state";

fn made() -> Running {
    let table = task("who", "table1", 1, "columns = [\"patient_age\"]");
    let study = [BMT.to_owned(), bmt_hazard("hazard", 2, Some((3.0, 1e-5))), table].concat();
    Setup::new(&study, "data/bmt_klein.csv").make()
}

/// Runs the doctor in a folder: exit code, standard output, standard error.
fn doctor(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(program());
    command.arg("doctor").args(words).current_dir(folder);
    let output = command.output().unwrap();
    let [out, log] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(!log.contains("panicked"), "{log}");
    (output.status.code().unwrap(), out, log)
}

/// What the doctor says of one thing: its level and finding, of the first line about it.
fn of<'a>(said: &'a str, what: &str) -> (&'a str, &'a str) {
    let about = format!("  {what}: ");
    let found = said.lines().find_map(|line| line.split_once(&about));
    let (level, finding) = found.unwrap_or_else(|| panic!("nothing of {what} in {said}"));
    (level.trim(), finding)
}

fn mode(path: &Path, mode: u32) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, mode).unwrap();
}

#[test]
fn a_site_hears_of_peers_that_are_away_and_that_all_is_well_once_they_run() {
    let mut running = made();
    let folder = running.network.folder(HOSPITAL).unwrap().to_owned();
    mode(&folder.join("cohort.csv"), 0o640);
    let (code, said, _) = doctor(&folder, &[]);
    assert_eq!(code, 0, "who has to be first is told by warnings alone: {said}");
    for (what, level, words) in [
        ("program", "ok", "protocol"),
        ("clock", "ok", "30 s"),
        ("configuration", "ok", HOSPITAL),
        ("study", "ok", "signed by the coordinator, 3 nodes and 4 sites"),
        ("identity key", "ok", "private"),
        ("certificate", "ok", "it does not expire"),
        ("state", "ok", "will be made"),
        ("disk", "ok", "MiB free"),
        ("tasks", "ok", "all 2 can be asked"),
        ("data", "ok", "fits the study's schema"),
        ("policy", "ok", "refuses no task"),
        ("ledger", "ok", "none yet"),
        ("budget", "ok", "need epsilon 3.000 of epsilon 3 at delta 1e-5 by zCDP"),
        ("journal", "ok", "none yet"),
        ("coordinator", "warn", "cannot be reached"),
        ("node node-1", "warn", "it may not run yet"),
    ] {
        let (found, finding) = of(&said, what);
        // A disk that is almost full is one of this machine.
        assert!(found == level || what == "disk", "{what}: {said}");
        assert!(finding.contains(words), "{what}: {finding}");
    }
    assert!(!folder.join("state").exists(), "who only looks makes nothing");

    for node in running.network.node_names() {
        running.network.start(&node).unwrap();
    }
    running.start_coordinator();
    let all_well = || {
        let (code, said, _) = doctor(&folder, &[]);
        let well = |what: &&str| of(&said, what).0 == "ok";
        code == 0 && ["coordinator", "node node-1", "node node-3"].iter().all(well)
    };
    eventually(Duration::from_secs(30), "the parties answer", all_well);
    // To look is not to take part.
    let joined = |event: &Event| matches!(event, Event::Joined { sites, .. } if *sites > 0);
    while let Some(Some(_)) = running.next_within(Duration::from_millis(500)) {}
    assert!(!running.seen.iter().any(joined), "{:?}", running.seen);

    // The coordinator's own address is taken, by itself; its nodes answer it.
    let folder = running.network.folder("coordinator").unwrap();
    let (code, said, _) = doctor(folder, &["--config", "coordinator.toml"]);
    assert_eq!((code, of(&said, "address").0, of(&said, "node node-2").0), (0, "warn", "ok"));
}

#[test]
fn each_fault_of_a_site_is_named_with_what_to_do_and_ends_as_found() {
    let running = made();
    let folder = running.network.folder(HOSPITAL).unwrap();
    let other = running.network.folder("hospital-alfred-melbourne").unwrap();
    let fails = |what: &str, words: &[&str]| {
        let (code, said, log) = doctor(folder, &["--config", "site.toml"]);
        assert!(code == 12 && log.starts_with("haima: E-12: doctor: "), "{said}{log}");
        let (level, finding) = of(&said, what);
        assert_eq!(level, "fail", "{said}");
        for word in words {
            assert!(said.contains(word), "{word}: {finding}");
        }
        said
    };
    let keep = |name: &str| (folder.join(name), std::fs::read(folder.join(name)).unwrap());
    let restore =
        |(path, bytes): &(std::path::PathBuf, Vec<u8>)| std::fs::write(path, bytes).unwrap();

    let key = keep("identity.key");
    mode(&key.0, 0o644);
    fails("identity key", &["chmod 600"]);
    mode(&key.0, 0o600);
    std::fs::copy(other.join("identity.key"), &key.0).unwrap();
    fails("identity key", &["not the key that the manifest has for hospital-ohio-state"]);
    restore(&key);
    let certificate = keep("tls.crt");
    std::fs::copy(other.join("tls.crt"), &certificate.0).unwrap();
    fails("certificate", &["not the key of the certificate", "put the two of one party there"]);
    restore(&certificate);

    let manifest = keep("manifest.toml");
    let text = String::from_utf8(manifest.1.clone()).unwrap();
    std::fs::write(&manifest.0, text.replacen("min_sites = 3", "min_sites = 2", 1)).unwrap();
    fails("study", &["one of the two files was changed", "whoever drafted the study"]);
    restore(&manifest);

    // Where it is and how to see it, and not what a patient's field holds.
    let data = keep("cohort.csv");
    let text = String::from_utf8(data.1.clone()).unwrap();
    std::fs::write(&data.0, text.replacen("AML_low_risk", "AML_lowish", 1)).unwrap();
    let said = fails("data", &["field `disease_group`", "haima check"]);
    assert!(!said.contains("AML_lowish"), "{said}");
    // Without a header the first patient's values stand in its place.
    std::fs::write(&data.0, text.split_once('\n').unwrap().1).unwrap();
    let said = fails("data", &["cannot be used", "haima check"]);
    assert!(!said.contains(", line ") && !said.contains("field `"), "{said}");
    restore(&data);

    let policy = keep("policy.toml");
    std::fs::write(&policy.0, "epsilon = 3.0\n").unwrap();
    fails("policy", &["default_population", "docs/guides"]);
    restore(&policy);

    let state = folder.join("state");
    std::fs::create_dir_all(&state).unwrap();
    let path = state.join(Ledger::file_name("test").unwrap());
    let limit = Limit::zcdp(Epsilon::new(1.0).unwrap(), Delta::new(1e-6).unwrap());
    drop(Ledger::open(&path, "test", limit).unwrap());
    fails(
        "ledger",
        &["population test: entry 0", "another budget", "amendment = { epsilon = 3.0, "],
    );
    std::fs::write(&path, "this is no journal at all").unwrap();
    fails("ledger", &["no intact journal header", "never delete"]);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(state.join("audit.log"), "this is no journal at all").unwrap();
    fails("journal", &["no intact journal header"]);
}

#[test]
fn a_policy_that_will_refuse_rounds_is_a_warning_before_anybody_asks() {
    let running = made();
    let folder = running.network.folder(HOSPITAL).unwrap();
    let path = folder.join("policy.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, words) in [
        ("exact_tasks = [\"who\"]", "exact_tasks = [\"whoo\"]", "names whoo, which"),
        ("exact_tasks = [\"who\"]", "exact_tasks = []", "who will be refused"),
        ("min_sites = 3", "min_sites = 4", "every round will be refused"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}: {text}");
        std::fs::write(&path, changed).unwrap();
        let (code, said, _) = doctor(folder, &[]);
        let (level, _) = of(&said, "policy");
        assert!(code == 0 && level == "warn" && said.contains(words), "{words}: {said}");
    }
    mode(&folder.join("cohort.csv"), 0o644);
    let (_, said, _) = doctor(folder, &[]);
    assert!(of(&said, "data").1.contains("mode 644, everybody here can read it"), "{said}");
}

/// The guide's `site.toml` is whole: no field that is required lacks.
#[test]
fn the_configuration_of_the_guide_is_one() {
    let guide = std::fs::read_to_string(common::repository("docs/guides/site.md")).unwrap();
    let blocks = guide.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let whole = blocks.filter(|block| block.starts_with("name = ")).collect::<Vec<_>>();
    let [text] = whole.as_slice() else { panic!("{whole:?}") };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, text).unwrap();
    let config = haima::site::Config::read(&path).unwrap();
    assert_eq!(config.state, folder.path().join("state"));
}

/// What all private tasks cost together is public from the beginning.
#[test]
fn a_budget_that_does_not_reach_fails_with_the_first_task_that_does_not_fit() {
    let running = made();
    let folder = running.network.folder(HOSPITAL).unwrap();
    mode(&folder.join("cohort.csv"), 0o640);
    let path = folder.join("policy.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let with = |epsilon: &str| {
        let changed = text.replacen("\nepsilon = 3.0", &format!("\nepsilon = {epsilon}"), 1);
        assert_ne!(changed, text, "{text}");
        std::fs::write(&path, changed).unwrap();
        let (code, said, _) = doctor(folder, &[]);
        let (level, finding) = of(&said, "budget");
        (code, level.to_owned(), finding.to_owned())
    };
    let (code, level, finding) = with("0.5");
    assert_eq!((code, level.as_str()), (12, "fail"), "{finding}");
    for words in [
        "the task hazard does not fit, and is refused after 0 of its 2 steps",
        "raise `epsilon` to 3.0",
        "amendment = { epsilon = 3.0, delta = 1e-5, reason = \"...\" }",
    ] {
        assert!(finding.contains(words), "{words}: {finding}");
    }
    // Both steps fit, and not all four spare attempts.
    let (code, level, finding) = with("2.0");
    assert_eq!((code, level.as_str()), (0, "warn"), "{finding}");
    assert!(finding.contains("the task hazard is refused if spare attempts are used up"));
    assert_eq!(with("3.5").1, "ok");
}

#[test]
fn a_node_is_told_by_its_preflight_and_a_coordinator_of_a_start_that_is_too_early() {
    let running = made();
    let node = running.network.folder("node-1").unwrap();
    let (code, said, _) = doctor(node, &["--json"]);
    let object: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &object["schema"]), (0, &Value::from("haima.doctor/1")));
    assert_eq!(object["party"], "node");
    assert_eq!(object["level"], "warn", "the other nodes do not run");
    let checks = object["checks"].as_array().unwrap();
    for (what, level) in [("manifest", "ok"), ("store", "ok"), ("node node-2", "warn")] {
        let check = checks.iter().find(|check| check["what"] == what).unwrap();
        assert_eq!(check["level"], level, "{check}");
    }
    mode(&node.join("identity.key"), 0o640);
    let (code, said, _) = doctor(node, &[]);
    assert!(code == 12 && of(&said, "keys").0 == "fail", "{said}");

    let centre = running.network.folder("coordinator").unwrap();
    let config = centre.join("coordinator.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("wait_sites = 2\n{text}")).unwrap();
    let (code, said, _) = doctor(centre, &[]);
    assert!(
        code == 0 && said.contains("`wait_sites` = 2 starts before a sum can be made"),
        "{said}"
    );
    assert_eq!((of(&said, "out").0, of(&said, "address").0), ("ok", "ok"), "{said}");
}

/// Findings are pasted into messages: no form of them holds a key or a password.
#[test]
fn nothing_secret_is_printed() {
    let running = made();
    let folder = running.network.folder(HOSPITAL).unwrap();
    let config = folder.join("site.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let mut all = String::new();
    let mut look = || {
        let plain: &[&str] = &[];
        for words in [plain, &["--json"]] {
            let (_, said, log) = doctor(folder, words);
            all += &said;
            all += &log;
        }
    };
    look();
    // What a parser repeats of a line.
    std::fs::write(&config, format!("prox = \"http://haima:s3cret@proxy:3128\"\n{text}")).unwrap();
    look();
    // What is quoted without a scheme, of a line that does not parse, with blanks, as a parameter.
    for line in [
        "proxy = \"haima:s3cret@proxy\"",
        "proxy = \"haima:s3cret@proxy",
        "proxy = haima:s3cret@proxy",
        "prox = \"postgres://haima:a s3cret@db\"",
        "prox = \"postgres://db/x?password=s3cret\"",
        "password = s3cret",
    ] {
        std::fs::write(&config, format!("{line}\n{text}")).unwrap();
        look();
    }
    let node = running.network.folder("node-1").unwrap();
    let own = node.join("node.toml");
    let node_text = std::fs::read_to_string(&own).unwrap();
    for line in ["proxy = \"haima:s3cret@proxy\"", "proxy = \"haima:s3cret@proxy"] {
        std::fs::write(&own, format!("{line}\n{node_text}")).unwrap();
        let (_, said, log) = doctor(node, &[]);
        assert!(!format!("{said}{log}").contains("s3cret"), "{said}{log}");
    }
    std::fs::write(&own, &node_text).unwrap();
    // Keys that are none.
    std::fs::write(&config, &text).unwrap();
    let mut secrets = vec!["s3cret".to_owned()];
    for file in ["identity.key", "tls.key"] {
        let path = folder.join(file);
        let key = std::fs::read_to_string(&path).unwrap();
        let damaged = key.replace(['a', 'b'], "z");
        for key in [&key, &damaged] {
            secrets.extend(key.lines().skip(1).filter(|line| line.len() > 20).map(str::to_owned));
        }
        std::fs::write(&path, damaged).unwrap();
    }
    look();
    assert!(secrets.len() > 4 && all.contains("unknown field `prox`"), "{all}");
    for secret in secrets {
        assert!(!all.contains(&secret), "{secret} is in {all}");
    }
}

/// A pipe has no size and no end: whoever reads it waits for somebody to write.
#[test]
fn a_pipe_in_place_of_a_file_is_told_and_not_waited_for() {
    let running = made();
    let folder = running.network.folder(HOSPITAL).unwrap().to_owned();
    let pipe = |name: &str| {
        let path = folder.join(name);
        let _ = std::fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    };
    let within = |words: &'static [&'static str]| {
        let (tell, told) = std::sync::mpsc::channel();
        let folder = folder.clone();
        std::thread::spawn(move || tell.send(doctor(&folder, words)));
        told.recv_timeout(Duration::from_secs(60)).expect("the doctor waits for a pipe")
    };
    pipe("pipe.toml");
    let (code, said, _) = within(&["--config", "pipe.toml"]);
    assert!(code == 12 && of(&said, "configuration").1.contains("is no file but a pipe"), "{said}");
    pipe("policy.toml");
    let (code, said, _) = within(&["--config", "site.toml"]);
    assert!(code == 12 && said.contains("`policy`: ") && said.contains("is no file"), "{said}");
}

#[test]
fn without_a_configuration_the_machine_is_looked_at_and_a_strange_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said, _) = doctor(folder.path(), &[]);
    assert!(code == 0 && of(&said, "configuration").1.starts_with("none here"), "{said}");
    for (text, words) in [
        ("study = \"x\"\n", "is no configuration of a site"),
        ("policy = \n", "TOML parse error"),
        ("policy = \"p\"\n", "missing field"),
    ] {
        std::fs::write(folder.path().join("a.toml"), text).unwrap();
        let (code, said, _) = doctor(folder.path(), &["--config", "a.toml"]);
        assert!(code == 12 && said.contains(words), "{text}: {said}");
        assert_eq!(of(&said, "configuration").0, "fail");
    }
}
