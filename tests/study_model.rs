//! A study over real processes leaves a file for each model that it trained, and for each generator of
//! virtual patients: one that every command takes, whose card says what the manifest, the record and the
//! coordinator's log say.

mod common;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use common::{BMT, Running, Setup, program, repository, task};
use haima::model_file::{Guarantee, ModelFile};
use haima::synth::file::SynthFile;
use serde_json::Value;

const LOGISTIC: &str = "model = { name = \"logistic\", columns = [\"patient_age\", \"fab_4_5_aml\"], \
                        outcome = \"dfs_event\" }\nexpected_patients = 100\nseed = 1\nsteps = 3\n";
const HEADS: &str = "model = { name = \"mlp\", columns = [\"patient_age\"], hidden = [2], \
                     outcome = \"dfs_event\" }\nstrategy = { name = \"fedper\" }\nseed = 1\nsteps = 2\n";

const GENERATOR: &str = "method = \"mst\"\nrounds = 3\nrelease = \"noised\"\n\
                         columns = [\"patient_age\", \"patient_male\"]\nbins = { patient_age = 4 }\n\
                         survival = [{ time = \"dfs_days\", event = \"dfs_event\", cuts = 3 }]";

/// A private training with what judges it, an exact one, one whose heads stay at the hospitals, and a
/// private generator with what judges it.
fn study() -> Setup {
    let private = |task: String, epsilon: f64| {
        let privacy = format!("privacy = {{ epsilon = {epsilon:?}, delta = 1e-5 }}");
        task.replace("[task.params]", &format!("{privacy}\n[task.params]"))
    };
    let network = task("network", "train", 3, &format!("{LOGISTIC}holdout = 0.3"));
    let study = [
        BMT.to_owned(),
        private(network, 2.0),
        // So little noise that 137 patients leave a generator in every run.
        private(task("virtual", "synthesize", 3, GENERATOR), 50.0),
        task("like", "fidelity", 1, "of = \"virtual\"\nrows = 100\nseed = 1\nc2st = false"),
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
    let mut setup = Setup::new(&study.concat(), "data/bmt_klein.csv");
    setup.policy.epsilon = 100.0;
    setup
}

fn output(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(program());
    command.current_dir(repository(".")).args(arguments).output().unwrap()
}

/// Standard output of a command that succeeds.
fn haima(arguments: &[&str]) -> String {
    let output = output(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command says that does not succeed.
fn refusal(arguments: &[&str]) -> String {
    let output = output(arguments);
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?} was done");
    String::from_utf8(output.stderr).unwrap()
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
    let mut less = model.clone();
    match &mut less.provenance.privacy {
        Guarantee::Dp { epsilon, .. } => *epsilon /= 2.0,
        Guarantee::Exact { .. } => panic!("it is private"),
    }
    let said = less.open().err().unwrap().to_string();
    assert!(said.contains("its own noise gives"), "{said}");
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

    its_generator_is_a_file_from_which_rows_are_drawn(
        &running,
        &results["virtual"],
        &results["like"],
    );
}

fn its_generator_is_a_file_from_which_rows_are_drawn(
    running: &Running,
    made: &Value,
    judged: &Value,
) {
    let path = coordinator(running, "out/models/virtual.haima");
    let (file, digest) = SynthFile::read(&path).unwrap();
    assert_eq!((&file.generator, file.study.as_str()), (made, "bmt-test"));
    let noise = running.network.manifest.task("virtual").unwrap().noise.unwrap();
    let Guarantee::Dp { epsilon, noise: own, simulated, .. } = &file.provenance.privacy else {
        panic!("it is private")
    };
    assert!((45.0..=50.0).contains(epsilon) && !simulated, "{epsilon}");
    assert_eq!((own.s, own.attempts), (noise.s, 7));
    let metrics = &file.provenance.metrics;
    assert_eq!(metrics[0].name, "mean total variation, tables of 1 column");
    let found = judged["workload"][0]["tv"].as_f64().unwrap();
    assert_eq!((found * 1000.0).round() / 1000.0, metrics[0].value);

    let page = haima(&["card", text(&path)]);
    for part in ["# Generator card: bmt-test", &digest, "- against all nodes but one", "task like"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let data = ["--data", "data/bmt_klein.csv"];
    let evaluate = ["evaluate", text(&path), "--site", "hospital"];
    for command in [&["predict", text(&path)][..], &evaluate] {
        let said = refusal(&[command, &data].concat());
        assert!(said.contains("is a generator of virtual patients"), "{said}");
        assert!(said.contains("haima synth sample"), "{said}");
    }

    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("virtual.csv");
    let asked = ["--rows", "20", "--seed", "1", "--out", text(&rows)];
    haima(&[&["synth", "sample", text(&path)][..], &asked].concat());
    assert_eq!(std::fs::read_to_string(&rows).unwrap().lines().count(), 21);
    let network = coordinator(running, "out/models/network.haima");
    let said = refusal(&[&["synth", "sample", text(&network)][..], &asked].concat());
    assert!(said.contains("is a trained model"), "{said}");
}
