//! A study over real processes leaves a file for each model that it trained: one that every command
//! takes, whose card says what the manifest, the record and the coordinator's log say.

mod common;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use common::{BMT, Running, Setup, program, repository, task};
use haima::model_file::ModelFile;
use serde_json::Value;

const LOGISTIC: &str = "model = { name = \"logistic\", columns = [\"patient_age\", \"fab_4_5_aml\"], \
                        outcome = \"dfs_event\" }\nexpected_patients = 100\nseed = 1\nsteps = 3\n";
const HEADS: &str = "model = { name = \"mlp\", columns = [\"patient_age\"], hidden = [2], \
                     outcome = \"dfs_event\" }\nstrategy = { name = \"fedper\" }\nseed = 1\nsteps = 2\n";

/// A private training with what judges it, an exact one, and one whose heads stay at the hospitals.
fn study() -> Setup {
    let private = task("network", "train", 3, &format!("{LOGISTIC}holdout = 0.3"))
        .replace("[task.params]", "privacy = { epsilon = 2.0, delta = 1e-5 }\n[task.params]");
    let study = [
        BMT.to_owned(),
        private,
        task("exact", "train", 3, LOGISTIC),
        task("heads", "train", 2, HEADS),
        task("check", "validate", 25, "model = \"network\"\noutcome = \"dfs_event\"\nbins = 16"),
        task(
            "ranks",
            "concordance",
            1,
            "model = \"network\"\ntime = \"dfs_days\"\nevent = \"dfs_event\"\nsubset = \"all\"",
        ),
    ];
    Setup::new(&study.concat(), "data/bmt_klein.csv")
}

/// Standard output of a command that succeeds.
fn haima(arguments: &[&str]) -> String {
    let mut command = Command::new(program());
    let output = command.current_dir(repository(".")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn coordinator(running: &Running, file: &str) -> PathBuf {
    running.network.folder("coordinator").unwrap().join(file)
}

#[test]
fn a_study_leaves_its_models_as_files_with_their_cards() {
    let mut running = study().start();
    running.follow_to_end();
    let results = running.ended();
    let file = |id: &str| coordinator(&running, &format!("out/models/{id}.haima"));

    let model = ModelFile::read(&file("network")).unwrap();
    assert_eq!(model.network, results["network"], "the result to the bit");
    assert!(!file("heads").exists() && running.log_says("coordinator", "leaves no model file"));

    let card: Value = haima(&["card", text(&file("network")), "--json"]).parse().unwrap();
    let made = &card["provenance"];
    assert_eq!(made["mode"], "3 SMPC nodes, additive shares");
    assert_eq!((&made["data"]["hospitals"], &made["data"]["patients"]), (&4.into(), &Value::Null));
    let noise = running.network.manifest.task("network").unwrap().noise.unwrap();
    let privacy = &made["privacy"];
    assert_eq!((&privacy["class"], &privacy["simulated"]), (&"dp".into(), &false.into()));
    assert!(privacy["adversary"].as_str().unwrap().starts_with("all nodes but one"), "{privacy}");
    assert_eq!(
        (&privacy["noise"]["s"], &privacy["noise"]["attempts"]),
        (&noise.s.into(), &7.into())
    );
    for figure in made["figures"].as_array().unwrap() {
        assert!(figure["origin"].as_str().unwrap().starts_with("public: "), "{figure}");
    }

    let [area, .., rank] = made["metrics"].as_array().unwrap().as_slice() else {
        panic!("{}", made["metrics"])
    };
    let judged = &results["check"]["binary"]["auc"];
    assert_eq!([&area["value"], &area["lo"]], [&judged["value"], &judged["lo"]]);
    assert_eq!(rank["value"], results["ranks"]["c_index"]);
    for (metric, task) in [(area, "held-out patients, exact sums, task check"), (rank, "ranks")] {
        assert!(metric["over"].as_str().unwrap().contains(task), "{metric}");
    }

    // The digest of the card is that of the coordinator's log, as its owner verifies it.
    let [manifest, log] = ["manifest.toml", "out/audit.log"].map(|f| coordinator(&running, f));
    let log = format!("coordinator={}", text(&log));
    let verified = haima(&["audit", "verify", "--manifest", text(&manifest), "--journal", &log]);
    let head = made["journal"].as_str().unwrap();
    assert!(head.len() == 64 && verified.contains(&format!("head {head}")), "{verified}");
    let page = haima(&["card", text(&file("network"))]);
    assert!(page.contains(&format!("journal: head digest {head} of")), "{page}");

    let page = haima(&["card", text(&file("exact"))]);
    assert!(page.contains("exact: no differential privacy"), "{page}");
    assert!(page.contains("Not evaluated"), "{page}");
    let data = "data/bmt_klein.csv";
    let found = haima(&["predict", text(&file("exact")), "--data", data, "--json"]);
    let found: Value = found.parse().unwrap();
    assert_eq!(found["rows"].as_array().unwrap().len(), 137);
}
