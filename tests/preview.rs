//! `haima site preview`: what would leave, before anything does, and that looking leaves no trace.

mod common;

use std::path::Path;
use std::process::Command;

use common::{BMT, Running, Setup, bmt_hazard, program, task};
use haima_fl_core::tasks::vector_sum;
use haima_smpc_node::manifest::Manifest;
use serde_json::Value;

const SITE: &str = "hospital-ohio-state";

/// A study with an exact and two noised tasks, the last of vectors; nobody runs.
fn made(masked: bool) -> Running {
    let table = task("who", "table1", 1, "columns = [\"patient_age\", \"disease_group\"]");
    let noised = "dimension = 3\nbound = 1.0\nrounds = 2\nrelease = \"noised\"";
    let privacy = "privacy = { epsilon = 1.0, delta = 1e-5 }\n[task.params]";
    let vectors = task("vectors", "vector-sum", 2, noised).replace("[task.params]", privacy);
    let hazard = bmt_hazard("hazard", 2, Some((2.0, 1e-5)));
    let setup =
        Setup::new(&[BMT.to_owned(), table, hazard, vectors].concat(), "data/bmt_klein.csv");
    if masked { setup.masked().make() } else { setup.make() }
}

/// Runs `haima site preview` in a folder: exit code, standard output, standard error.
fn preview(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(program());
    let output =
        command.args(["site", "preview"]).args(words).current_dir(folder).output().unwrap();
    let [out, log] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(!log.contains("panicked"), "{log}");
    (output.status.code().unwrap(), out, log)
}

fn object(folder: &Path, task: &str) -> Value {
    let (code, text, log) = preview(folder, &[task, "--config", "site.toml", "--json"]);
    assert_eq!(code, 0, "{log}");
    assert_eq!(text.lines().count(), 1, "one object: {text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_task_is_shown_in_numbers_bytes_and_budget_and_nothing_is_left_behind() {
    let running = made(false);
    let folder = running.network.folder(SITE).unwrap();
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries.map(|path| (std::fs::read(&path).ok(), path)).collect();
        found.sort();
        found
    };
    let before = files(folder);
    let noised = object(folder, "hazard");
    assert_eq!(noised["schema"], "haima.site.preview/1");
    assert_eq!((&noised["class"], &noised["allowed"]), (&"private".into(), &true.into()));
    let parts = noised["leaves"].as_array().unwrap();
    let bytes = |part: &Value| part["bytes"].as_u64().unwrap();
    assert_eq!(parts.len(), 3, "one for each node");
    assert_eq!(parts.iter().map(bytes).sum::<u64>(), noised["bytes"].as_u64().unwrap());
    let numbers = noised["numbers"].as_u64().unwrap();
    assert!(bytes(&parts[0]) > 8 * numbers, "every number has a share of 8 bytes");
    assert!(bytes(&parts[1]) < 3000, "the others' are expanded from seeds");
    let blocks = noised["blocks"].as_array().unwrap();
    let of = |block: &Value| block["numbers"].as_u64().unwrap();
    assert_eq!(blocks.iter().map(of).sum::<u64>(), numbers);
    assert!(noised["noise"]["scale"].as_u64().unwrap() > 0);
    assert_eq!(noised["noise"]["hides"], "one patient added or removed");
    // Two steps and four spare attempts fit the hospital's budget of 3, and one of them costs a sixth.
    let (one, all) = (&noised["charge"]["cost"], &noised["charge"]["all_attempts"]);
    assert!((all.as_f64().unwrap() / one.as_f64().unwrap() - 6.0).abs() < 1e-6, "{one} {all}");
    assert!(all.as_f64().unwrap() < noised["ledger"]["left"].as_f64().unwrap());
    assert_eq!(noised["ledger"]["opened"], false);
    let later = noised["later"].as_str().unwrap();
    assert!(later.contains("sums released before"), "{later}");
    // The task states no bound on its later questions, and the first one's size is none.
    let most = Manifest::read(&folder.join("manifest.toml")).unwrap().max_dimension;
    assert!(later.contains(&format!("the study allows {most}")), "{later}");
    assert!(!later.contains("up to"), "{later}");

    let exact = object(folder, "who");
    assert_eq!((&exact["noise"], &exact["charge"]["cost"]), (&Value::Null, &Value::Null));
    assert_eq!(exact["later"], Value::Null);
    assert!(exact["learned"].as_str().unwrap().contains("without any privacy guarantee"));
    assert_eq!(object(folder, "vectors")["noise"]["hides"], vector_sum::ADJACENCY);

    let (code, said, _) = preview(folder, &["hazard"]);
    assert_eq!(code, 0);
    for words in [
        "Nothing was computed, sent or charged.".to_owned(),
        format!("what leaves in a round: {} bytes", noised["bytes"]),
        format!("the vector: {numbers} whole numbers"),
        "to node-2".into(),
        "what the coordinator learns at most".into(),
        "for all its attempts".into(),
        // Nobody reads a part of the unit in which charges add up as a part of epsilon.
        "nothing is used; all of epsilon 3 at delta ".into(),
        "0 exact releases so far; it is opened by the first round".into(),
        "this site would answer it now".into(),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    assert!(!said.contains(" 1 numbers") && !said.contains(" 1 such draws"), "{said}");
    assert_eq!(files(folder), before, "who looks changes nothing");
}

/// S5: what is shown is of the question; other patients show the same.
#[test]
fn a_preview_shows_nothing_of_patients() {
    let running = made(false);
    let folder = running.network.folder(SITE).unwrap();
    let shown = |task: &str| preview(folder, &[task]).1;
    let before = ["who", "hazard", "vectors"].map(shown);
    let data = folder.join("cohort.csv");
    let text = std::fs::read_to_string(&data).unwrap();
    let few: Vec<&str> = text.lines().take(4).collect();
    std::fs::write(&data, few.join("\n") + "\n").unwrap();
    assert_eq!(["who", "hazard", "vectors"].map(shown), before);
    std::fs::remove_file(&data).unwrap();
    assert_eq!(["who", "hazard", "vectors"].map(shown), before, "the file need not be there yet");
}

#[test]
fn what_policy_would_refuse_or_hold_back_is_said_with_its_field() {
    let running = made(false);
    let folder = running.network.folder(SITE).unwrap();
    let path = folder.join("policy.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, list, words) in [
        ("exact_tasks = [\"who\"]", "exact_tasks = []", "refused", "(exact_tasks)"),
        ("epsilon = 3.0", "epsilon = 3.0\nmax_elements = 1", "refused", "(max_elements)"),
        ("epsilon = 3.0", "epsilon = 3.0\nmanual_approval = \"all\"", "held", "(manual_approval)"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}: {text}");
        std::fs::write(&path, changed).unwrap();
        let shown = object(folder, "who");
        assert_eq!(shown["allowed"], false);
        let reasons = shown[list].as_array().unwrap();
        assert!(reasons.iter().any(|why| why.as_str().unwrap().contains(words)), "{shown}");
    }
    assert!(!folder.join("state").exists(), "who looks waits for no yes");
    // The budget: one attempt of six costs more than a hundredth of the target.
    let small = text.replacen("epsilon = 3.0", "epsilon = 0.02", 1);
    std::fs::write(&path, small).unwrap();
    let shown = object(folder, "hazard");
    assert!(shown["refused"][0].as_str().unwrap().contains("budget does not suffice"), "{shown}");
}

#[test]
fn without_nodes_the_masked_vector_goes_to_the_coordinator() {
    let running = made(true);
    let folder = running.network.folder(SITE).unwrap();
    let shown = object(folder, "hazard");
    let parts = shown["leaves"].as_array().unwrap();
    assert_eq!((parts.len(), &parts[0]["to"]), (1, &"coordinator".into()));
    let bits = parts[0]["element_bits"].as_u64().unwrap() * shown["numbers"].as_u64().unwrap();
    assert_eq!(shown["bytes"].as_u64().unwrap(), bits.div_ceil(8));
    assert_eq!(shown["bound_is_proved"], false);
    assert_eq!(shown["noise"]["adds"], "each site");
}

#[test]
fn a_task_that_cannot_be_shown_is_named_with_the_reason() {
    let times = "time = \"dfs_days\"\nevent = \"dfs_event\"\n";
    let fit = task("fit", "cox", 20, &format!("{times}covariates = [\"patient_age\"]"));
    let on_it = format!("model = \"fit\"\n{times}horizons = [200, 500]\nbins = 8");
    let after = task("after", "validate", 5, &on_it);
    let running = Setup::new(&[BMT, &fit, &after].concat(), "data/bmt_klein.csv").make();
    let folder = running.network.folder(SITE).unwrap();
    let (code, _, log) = preview(folder, &["after"]);
    assert!(code == 3 && log.contains("made from the result of fit"), "{log}");
    let (code, _, log) = preview(folder, &["nothing"]);
    assert!(code == 3 && log.contains("no task \"nothing\""), "{log}");
    let (code, _, log) = preview(folder, &["fit", "--config", "none.toml"]);
    assert!(code == 9 && log.contains("none.toml"), "{log}");
}

/// Who signs, who reports and who looks say the same of the unit: two crates have the words.
#[test]
fn the_unit_of_vectors_is_a_site_in_every_word() {
    let running = made(false);
    let folder = running.network.folder(SITE).unwrap();
    let manifest = Manifest::read(&folder.join("manifest.toml")).unwrap();
    let words = haima_smpc_node::provision::in_words(&manifest, None).unwrap();
    let line = |id: &str| {
        let start = format!("  {id}: ");
        words.lines().find(|line| line.starts_with(&start)).unwrap().to_owned()
    };
    assert!(line("vectors").ends_with(vector_sum::ADJACENCY), "{words}");
    assert!(line("hazard").ends_with("one patient added or removed"), "{words}");
    let simulated = Command::new(program())
        .args(["budget", "simulate", "--noise-multiplier", "2", "--steps", "3", "--delta", "1e-5"])
        .args(["--unit", "site", "--json"])
        .output()
        .unwrap();
    let simulated: Value = serde_json::from_slice(&simulated.stdout).unwrap();
    assert_eq!(
        (&simulated["unit"], &simulated["adjacency"]),
        (&vector_sum::UNIT.into(), &vector_sum::ADJACENCY.into())
    );
    let sampled = Command::new(program())
        .args(["budget", "simulate", "--noise-multiplier", "2", "--steps", "3", "--delta", "1e-5"])
        .args(["--unit", "site", "--rate", "0.5"])
        .output()
        .unwrap();
    assert_eq!(sampled.status.code(), Some(2), "no site is left out by sampling");
}
