//! A training that stops goes on where it was, and nowhere else.

use std::path::{Path, PathBuf};

use haima::model_file::ModelFile;
use haima::report::Floors;
use haima::stats::{Sites, Summing};
use haima::train::{Progress, Request, run};

use crate::common::repository;
use crate::{DP_SGD, EXACT, LOGISTIC, PRIVATE, SCHEMA, Task, text};

const DATA: &str = "data/leuksurv.csv";
const SCAFFOLD: &str =
    "strategy = { name = \"scaffold\", epochs = 1, batch = 16, learning_rate = 0.2 }";

fn request(task: &Task, checkpoint: Option<PathBuf>, resume: Option<PathBuf>) -> Request {
    Request {
        task: task.path("task.toml"),
        data: vec![repository(DATA)],
        sites: Some(Sites::Column("district".into())),
        schema: Some(repository(SCHEMA)),
        floors: Floors { min_sites: 3, min_local_rows: 10, min_cell: 0 },
        summing: Summing::Plain,
        nodes: 3,
        checkpoint,
        resume,
    }
}

/// Trains to the end; the checkpoint after each round but the last is kept beside.
fn every_checkpoint(task: &Task) -> (ModelFile, Vec<PathBuf>) {
    let current = task.path("checkpoint.json");
    let mut kept = Vec::new();
    let mut keep = |at: Progress| {
        // The file of the round before, since this one's is not yet written.
        if at.round > 1 {
            let copy = task.path(&format!("after-{}.json", at.round - 1));
            std::fs::copy(&current, &copy).unwrap();
            kept.push(copy);
        }
    };
    let model = run(&request(task, Some(current.clone()), None), &mut keep).unwrap();
    (model, kept)
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_to_the_bit_at_every_round() {
    for strategy in [SCAFFOLD, DP_SGD, "strategy = { name = \"fedadam\" }"] {
        let task = Task::new(LOGISTIC, strategy, 4, EXACT);
        let (whole, checkpoints) = every_checkpoint(&task);
        assert_eq!(checkpoints.len(), 3);
        for (done, checkpoint) in checkpoints.iter().enumerate() {
            let mut rounds = Vec::new();
            let resumed = run(&request(&task, None, Some(checkpoint.clone())), &mut |at| {
                rounds.push(at.round);
            });
            assert_eq!(resumed.unwrap().network, whole.network, "{strategy} after {}", done + 1);
            assert_eq!(rounds.first(), Some(&(done as u32 + 2)));
        }
    }
}

#[test]
fn what_hospitals_keep_between_rounds_is_part_of_a_checkpoint() {
    let task = Task::new(LOGISTIC, SCAFFOLD, 4, EXACT);
    let (whole, checkpoints) = every_checkpoint(&task);
    let mut file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&checkpoints[1]).unwrap()).unwrap();
    for site in file["kept"].as_array_mut().unwrap() {
        assert!(!site.as_object().unwrap().is_empty());
        *site = serde_json::json!({});
    }
    std::fs::write(&checkpoints[1], file.to_string()).unwrap();
    let forgot = run(&request(&task, None, Some(checkpoints[1].clone())), &mut |_| {}).unwrap();
    assert_ne!(forgot.network, whole.network);
}

fn refusal(task: &Task, checkpoint: &Path) -> String {
    task.train(&["--resume", text(checkpoint), "--json"]).refusal()
}

#[test]
fn a_checkpoint_of_something_else_is_refused() {
    let task = Task::new(LOGISTIC, DP_SGD, 3, EXACT);
    let (_, checkpoints) = every_checkpoint(&task);
    let own = &checkpoints[0];
    let other = Task::new(LOGISTIC, DP_SGD, 4, EXACT);
    assert!(refusal(&other, own).contains("other parameters, privacy, floors or schema"));
    let private = Task::new(LOGISTIC, DP_SGD, 3, PRIVATE);
    assert!(refusal(&private, own).contains("other parameters, privacy"));

    let changed = task.path("changed.json");
    let change = |from: &str, to: &str| {
        let whole = std::fs::read_to_string(own).unwrap();
        assert!(whole.contains(from), "{from}");
        std::fs::write(&changed, whole.replacen(from, to, 1)).unwrap();
        refusal(&task, &changed)
    };
    let said = change("haima.checkpoint/1", "haima.checkpoint/9");
    assert!(said.contains("a checkpoint of form haima.checkpoint/9"), "{said}");
    let said = change(concat!("haima ", env!("CARGO_PKG_VERSION")), "haima 0.0.7");
    assert!(said.contains("made by haima 0.0.7"), "{said}");
    assert!(change("\"train 1\"", "\"train 9\"").contains("a checkpoint of task train 9"));
    assert!(change("\"weights\":[", "\"weights\":[1.0,").contains("none of this task's"));
    assert!(change("{", "").contains("is no checkpoint"));
    let whole = std::fs::read(own).unwrap();
    for left in [0, 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&changed, &whole[..left]).unwrap();
        let said = refusal(&task, &changed);
        assert!(said.contains(&format!("is cut short: it ends after {left} bytes")), "{said}");
    }
    for round in ["2", "3", "4294967295"] {
        let said = change("\"round\":1", &format!("\"round\":{round}"));
        assert!(said.contains("is not that of its state"), "{said}");
    }

    let rows = std::fs::read_to_string(repository(DATA)).unwrap();
    let fewer = task.path("fewer.csv");
    std::fs::write(&fewer, rows.lines().take(1000).collect::<Vec<_>>().join("\n")).unwrap();
    let mut with = request(&task, None, Some(own.clone()));
    with.data = vec![fewer];
    assert!(run(&with, &mut |_| {}).unwrap_err().to_string().contains("other data"));
}

#[test]
fn a_study_of_processes_has_its_own_record() {
    let task = Task::new(LOGISTIC, DP_SGD, 3, EXACT);
    let said = task.train(&["--sum", "nodes", "--checkpoint", "x.json", "--json"]).refusal();
    assert!(said.contains("coordinator keeps every released sum"), "{said}");
}

#[test]
fn a_private_training_goes_on_as_often_as_its_noise_allows_and_says_so() {
    let task = Task::new(LOGISTIC, DP_SGD, 3, PRIVATE);
    let (_, checkpoints) = every_checkpoint(&task);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(task.path("checkpoint.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = || run(&request(&task, None, Some(checkpoints[0].clone())), &mut |_| {});
    for time in 1..=5 {
        let notes = again().unwrap().provenance.notes;
        assert!(notes.iter().any(|note| note.ends_with(&format!("times: {time}"))), "{notes:?}");
    }
    assert!(again().unwrap_err().to_string().contains("start the training anew"));
}
