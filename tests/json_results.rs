//! What commands print with `--json`: one object on one line, with its schema, that says what the files
//! say which they left.

mod common;

use std::num::NonZeroU64;
use std::path::Path;
use std::process::Command;

use common::{BMT, Setup, program, repository, task};
use haima_crypto::encode::Digest;
use haima_dp::event::Release;
use haima_dp::ledger::{Ledger, Limit};
use haima_dp::noise::NoiseScale;
use haima_dp::units::{Delta, Epsilon, Sensitivity};
use haima_smpc_node::audit::Audit;
use haima_smpc_node::keyfile;
use haima_smpc_node::manifest::Manifest;
use serde_json::Value;

/// Runs a command with `--json`: its exit code, and its object.
fn object(folder: &Path, words: &[&str]) -> (i32, Value) {
    let mut command = Command::new(program());
    let output = command.args(words).arg("--json").current_dir(folder).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{words:?}: one object: {text}{log}");
    let object: Value = serde_json::from_str(&text).unwrap();
    assert!(object["schema"].as_str().is_some_and(|form| form.starts_with("haima.")), "{text}");
    (output.status.code().unwrap(), object)
}

fn made(folder: &Path, words: &[&str]) -> Value {
    let (code, object) = object(folder, words);
    assert_eq!(code, 0, "{words:?}: {object}");
    object
}

const PARTIES: [(&str, &str, &str); 6] = [
    ("centre", "coordinator", "127.0.0.1:17443"),
    ("north", "node", "127.0.0.1:17444"),
    ("south", "node", "127.0.0.1:17445"),
    ("alfred", "site", ""),
    ("ohio", "site", ""),
    ("vincent", "site", ""),
];

/// Keys, requests, a draft and all signatures in a folder.
fn signed(folder: &Path) {
    let mut draft: Vec<String> =
        ["package", "draft", "--out", "study", "--study"].map(str::to_owned).to_vec();
    draft.push(repository("data/bmt_klein.study.toml").display().to_string());
    for (name, role, address) in PARTIES {
        let keys = made(folder, &["keygen", "--name", name, "--out", name]);
        assert_eq!((&keys["schema"], &keys["name"]), (&"haima.keygen/1".into(), &name.into()));
        let file = format!("{name}.request.toml");
        let mut words = vec!["request", "--keys", name, "--name", name, "--role", role];
        words.extend(["--operator", name, "--out", &file]);
        if !address.is_empty() {
            words.extend(["--address", address]);
        }
        let request = made(folder, &words);
        assert_eq!(request["fingerprint"], keys["fingerprint"], "the same keys");
        assert_eq!((&request["role"], &request["request"]), (&role.into(), &file.clone().into()));
        draft.push(file);
    }
    let words: Vec<&str> = draft.iter().map(String::as_str).collect();
    let drafted = made(folder, &words);
    let path = folder.join("study/manifest.toml");
    let manifest = Manifest::read(&path).unwrap();
    assert_eq!(drafted["digest"], manifest.digest().to_string());
    assert!(folder.join(drafted["plan"].as_str().unwrap()).is_file(), "{drafted}");
    assert!(drafted["words"].as_str().unwrap().contains("a sum needs"), "{drafted}");

    let mut collect: Vec<String> =
        ["package", "signed", "--manifest", "study/manifest.toml"].map(str::to_owned).to_vec();
    for (name, ..) in PARTIES {
        let mut words = vec!["approve", "--manifest", "study/manifest.toml", "--keys", name];
        let shown = made(folder, &words);
        assert_eq!((&shown["signed"], &shown["approval"]), (&false.into(), &Value::Null));
        words.push("--sign");
        let approved = made(folder, &words);
        assert_eq!((&approved["signed"], &approved["party"]), (&true.into(), &name.into()));
        assert_eq!(approved["words"], shown["words"]);
        collect.push(approved["approval"].as_str().unwrap().to_owned());
    }
    let words: Vec<&str> = collect.iter().map(String::as_str).collect();
    let collected = made(folder, &words);
    assert_eq!(collected["parties"].as_array().unwrap().len(), PARTIES.len());
}

#[test]
fn a_study_comes_to_be_and_its_journals_are_compared_by_objects_alone() {
    let folder = tempfile::tempdir().unwrap();
    signed(folder.path());
    let write = |party: &str, agreed: &[u8]| {
        let journal = folder.path().join(party).join("audit.log");
        let _ = std::fs::remove_file(&journal);
        let key = keyfile::read_identity(&folder.path().join(party).join("identity.key")).unwrap();
        let (audit, _) = Audit::open(&journal, party, &key.public()).unwrap();
        let (round, set) = (Digest::of(b"round"), Digest::of(agreed));
        audit.write(&key, "agreed", &round, "", &set, "").unwrap();
        audit.head().to_string()
    };
    let verify = |parties: &[&str]| {
        let mut words = vec!["audit", "verify", "--manifest", "study/manifest.toml"];
        let journals: Vec<String> =
            parties.iter().map(|party| format!("--journal={party}={party}/audit.log")).collect();
        words.extend(journals.iter().map(String::as_str));
        object(folder.path(), &words)
    };
    let (head, _) = (write("north", b"a set"), write("south", b"a set"));
    let (code, one) = verify(&["north"]);
    assert_eq!((code, &one["compared"], &one["disagreement"]), (0, &false.into(), &Value::Null));
    assert_eq!(one["journals"][0]["head"], head);
    assert_eq!(one["journals"][0]["records"], 1);
    let (code, both) = verify(&["north", "south"]);
    assert_eq!((code, &both["compared"], &both["disagreement"]), (0, &true.into(), &Value::Null));
    write("south", b"another set");
    let (code, apart) = verify(&["north", "south"]);
    let said = apart["disagreement"].as_str().unwrap();
    assert!(code == 12 && said.contains("agreed on"), "{apart}");
}

#[test]
fn a_ledger_is_an_object_with_limit_used_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.journal");
    let limit = Limit::zcdp(Epsilon::new(3.0).unwrap(), Delta::new(1e-5).unwrap());
    let mut ledger = Ledger::open(&path, "aml", limit).unwrap();
    let release = Release::noised(
        NoiseScale::new(1 << 20).unwrap(),
        Sensitivity::new(1 << 16).unwrap(),
        NonZeroU64::new(100).unwrap(),
    );
    let _charged = ledger.charge("study-one", [7; 32], &release).unwrap();
    // While its owner holds it.
    let shown = made(folder.path(), &["budget", "show", "--population", "aml", "ledger.journal"]);
    assert_eq!((&shown["charges"], &shown["last_entry"]), (&1.into(), &1.into()));
    assert_eq!(shown["limit"]["epsilon"], 3.0);
    assert_eq!(shown["limit"]["filter"], "zCDP");
    assert_eq!(shown["cost_spent"], ledger.spent_total().get());
    assert_eq!(shown["cost_left"], ledger.remaining().get());
    assert_eq!(shown["studies"][0]["study"], "study-one");
    let used = shown["epsilon_spent"].as_f64().unwrap();
    assert!(0.0 < used && used < 3.0, "{shown}");
}

#[test]
fn a_nodes_folder_and_the_manual_are_objects() {
    let folder = tempfile::tempdir().unwrap();
    let mut words = vec!["__node", "init", "--name", "north", "--operator", "North"];
    words.extend(["--address", "127.0.0.1:17444", "--out", "north"]);
    let node = made(folder.path(), &words);
    assert_eq!(node["fingerprint"].as_str().map(str::len), Some(29));
    for file in ["request", "configuration"] {
        let path = folder.path().join("north").join(node[file].as_str().unwrap());
        assert!(path.is_file(), "{file}");
    }
    let manual = made(folder.path(), &["man", "--out", "man1"]);
    let pages = manual["pages"].as_array().unwrap();
    for page in ["haima.1", "haima-budget-show.1", "smpc-node-preflight.1"] {
        assert!(pages.iter().any(|own| own == page), "{page} is not in {manual}");
        assert!(folder.path().join("man1").join(page).is_file());
    }
}

#[test]
fn a_coordinator_says_at_the_end_what_ran_and_where_the_report_is() {
    let study = [BMT.to_owned(), task("who", "table1", 1, "columns = [\"patient_age\"]")].concat();
    let mut running = Setup::new(&study, "data/bmt_klein.csv").make();
    running.network.start_all().unwrap();
    let folder = running.network.folder("coordinator").unwrap();
    let ended = made(folder, &["coordinator", "run", "--config", "coordinator.toml"]);
    assert_eq!((&ended["study"], &ended["excluded"]), (&"bmt-test".into(), &Value::Array(vec![])));
    assert_eq!(ended["tasks"][0]["id"], "who");
    assert_eq!(ended["tasks"][0]["finished"], true);
    for file in ["page", "report"] {
        assert!(folder.join(ended[file].as_str().unwrap()).is_file(), "{ended}");
    }
}
