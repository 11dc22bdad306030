//! What `haima synth` says where cohort, conditions or parameters cannot be kept, on 1,043 patients with
//! acute leukaemia in 24 districts: refused with what is wrong, or made with a warning, never silently.

mod common;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use common::repository;
use serde_json::Value;
use tempfile::TempDir;

const FIT: [&str; 8] = [
    "synth",
    "fit",
    "--data",
    "data/leuksurv.csv",
    "--site",
    "district",
    "--schema",
    "data/leuksurv.study.toml",
];
const PRIVATE: [&str; 4] = ["--epsilon", "3", "--delta", "1e-5"];

/// What a run said.
struct Output {
    success: bool,
    out: String,
    log: String,
}

impl Output {
    /// Standard output and log.
    fn succeeds(self) -> (String, String) {
        assert!(self.success, "{}", self.log);
        (self.out, self.log)
    }

    fn refusal(self) -> String {
        assert!(!self.success && self.out.is_empty(), "{}", self.out);
        assert!(!self.log.contains("panicked"), "{}", self.log);
        self.log
    }
}

fn haima(arguments: &[&str]) -> Output {
    let mut command = Command::new(common::program());
    let output = command.current_dir(repository(".")).args(arguments).output().unwrap();
    Output {
        success: output.status.success(),
        out: String::from_utf8(output.stdout).unwrap(),
        log: String::from_utf8(output.stderr).unwrap(),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn fit(&self, options: &[&str]) -> Output {
        let out = self.path("model.haima");
        haima(&[&FIT[..], options, &["--out", text(&out)]].concat())
    }

    /// A fit by a task file.
    fn task(&self, params: &str, privacy: &str) -> Output {
        let path = self.path("task.toml");
        let task = format!(
            "[task]\nname = \"synthesize\"\nversion = 1\n\n[params]\n{params}\n\n\
             [privacy]\n{privacy}\n"
        );
        std::fs::write(&path, task).unwrap();
        self.fit(&["--task", text(&path)])
    }

    fn sample(&self, options: &[&str]) -> Output {
        let (model, out) = (self.path("model.haima"), self.path("virtual.csv"));
        let own = ["synth", "sample", text(&model), "--seed", "1", "--out", text(&out)];
        haima(&[&own[..], options].concat())
    }

    fn column(&self, name: &str) -> Vec<f64> {
        let mut reader = csv::Reader::from_path(self.path("virtual.csv")).unwrap();
        let at = reader.headers().unwrap().iter().position(|own| own == name).unwrap();
        reader.records().map(|row| row.unwrap()[at].parse().unwrap()).collect()
    }

    fn wrote(&self) -> bool {
        self.path("model.haima").exists()
    }
}

#[test]
fn a_pair_that_cuts_a_bin_is_refused_with_its_edges() {
    let folder = Folder::new();
    let pair = "impossible = [[{ age = \"< 18\" }, { wbc = \">= 100\" }]]";
    let said = folder.task(pair, "exact = true").refusal();
    assert!(said.contains("`age < 18` cuts the bin from 16.5 to 22"), "{said}");
    assert!(said.contains("task.toml") && !folder.wrote(), "{said}");
    // By an edge it holds of every row.
    let edges =
        format!("bins = {{ age = [18, 40, 60], wbc = [10, 100] }}\n{pair}\nmethod = \"mst\"");
    folder.task(&edges, "epsilon = 3.0\ndelta = 1e-5").succeeds();
    folder.sample(&["--rows", "3000", "--where", "age < 40"]).succeeds();
    let mut rows = folder.column("age").into_iter().zip(folder.column("wbc"));
    assert!(!rows.any(|(age, wbc)| age < 18.0 && wbc >= 100.0));
}

#[test]
fn an_exact_fit_names_the_pair_that_its_patients_contradict() {
    let folder = Folder::new();
    let params = "columns = [\"age\", \"male\"]\nimpossible = [[{ age = \"< 22\" }, { male = 1 }]]";
    let said = folder.task(params, "exact = true").refusal();
    assert!(said.contains("age from 1") && said.contains("male = 1 never go together"), "{said}");
    assert!(!folder.wrote());
}

#[test]
fn nobody_or_next_to_nobody_leaves_no_generator() {
    let folder = Folder::new();
    let said = folder.fit(&[&PRIVATE[..], &["--include", "age > 200"]].concat()).refusal();
    assert!(said.contains("public range is 0 to 110"), "{said}");
    for _ in 0..4 {
        let said = folder.fit(&[&PRIVATE[..], &["--include", "age > 109"]].concat()).refusal();
        assert!(said.contains("a generator takes at least"), "{said}");
        assert!(!said.contains("about -"), "{said}");
    }
    // All 1,043 patients, and noise of some thousands.
    let said = folder.fit(&["--epsilon", "0.01", "--delta", "1e-5"]).refusal();
    assert!(said.contains("larger epsilon") && !folder.wrote(), "{said}");
}

#[test]
fn a_poor_generator_and_one_that_cannot_count_come_with_a_warning() {
    let folder = Folder::new();
    let few = ["--epsilon", "1", "--delta", "1e-5", "--include", "age >= 70", "--json"];
    let (out, log) = folder.fit(&few).succeeds();
    let found: Value = serde_json::from_str(&out).unwrap();
    // 407 patients, and noise of about 50: more than a tenth of them but where the draw is far out.
    let tables = found["measured"].as_array().unwrap();
    let mut of_all = tables.iter().filter(|own| own["attributes"].as_array().unwrap().is_empty());
    let noise = of_all.next().unwrap()["sd"].as_f64().unwrap();
    assert!((30.0..80.0).contains(&noise), "{noise}");
    let warnings = found["warnings"].as_array().unwrap();
    assert_eq!(
        !warnings.is_empty(),
        noise > 0.1 * found["total"].as_f64().unwrap(),
        "{warnings:?}"
    );
    for said in warnings.iter().map(|own| own.as_str().unwrap()) {
        assert!(said.contains("the noise on the number of patients alone is"), "{said}");
        assert!(log.contains(said), "{log}");
    }
    let (_, log) = folder.fit(&["--exact", "--method", "mst"]).succeeds();
    assert!(!log.contains("warning"), "{log}");

    let network = "method = \"vae\"\nnetwork = { hidden = [4], latent = 1, components = 1 }\n\
                   training = { steps = 2, expected_patients = 1000 }";
    let (_, log) = folder.task(network, "epsilon = 3.0\ndelta = 1e-5").succeeds();
    assert!(log.contains("cannot tell whether there were any"), "{log}");
}

#[test]
fn virtual_patients_keep_to_the_cohort_as_far_as_they_have_its_columns() {
    let folder = Folder::new();
    let cohort = ["--include", "male = 1", "--include", "age >= 60", "--exclude", "tpi > 4"];
    let columns = ["--columns", "male,age,wbc", "--method", "mst"];
    let (_, log) = folder.fit(&[&PRIVATE[..], &cohort, &columns].concat()).succeeds();
    let warned = "not held to the cohort's `exclude tpi > 4`";
    assert!(log.contains(warned) && !log.contains("`include"), "{log}");
    let (_, log) = folder.sample(&["--rows", "5000"]).succeeds();
    assert!(log.contains(warned), "{log}");
    assert!(folder.column("male").iter().all(|male| *male == 1.0));
    let ages = folder.column("age");
    assert!(ages.len() == 5000 && ages.iter().all(|age| *age >= 60.0));
    let said = folder.sample(&["--where", "male = 0"]).refusal();
    assert!(said.contains("male = 0") && said.contains("in the cohort"), "{said}");
}

#[test]
fn a_condition_that_hardly_anybody_meets_is_warned_of_and_one_of_nobody_refused_by_name() {
    let folder = Folder::new();
    folder.fit(&["--exact", "--method", "mst"]).succeeds();
    // Of a wide bin with few patients, one number.
    let (out, log) = folder.sample(&["--where", "wbc > 499", "--rows", "10"]).succeeds();
    assert!(out.contains("wbc > 499: <0.05% of the model's patients"), "{out}");
    assert!(log.contains("fewer than one of those it was made from"), "{log}");
    assert!(log.contains("warning: <0.05% of the model's patients"), "{log}");
    let provenance = std::fs::read(folder.path("virtual.csv.provenance.json")).unwrap();
    let provenance: Value = serde_json::from_slice(&provenance).unwrap();
    let share = provenance["share"].as_f64().unwrap();
    assert!(share > 0.0 && share < 0.0005, "{share}");
    let (_, log) = folder.sample(&["--where", "age >= 60", "--rows", "10"]).succeeds();
    assert!(!log.contains("warning"), "{log}");

    let nobody = ["--where", "wbc > 450", "--where", "age < 5"];
    let said = folder.sample(&nobody).refusal();
    assert!(said.contains("wbc > 450, age < 5") && said.contains("on age, wbc"), "{said}");
}

#[test]
fn a_parameter_of_another_name_or_method_is_told_with_what_there_is() {
    let folder = Folder::new();
    for (params, says) in [
        ("bin = { age = 3 }", "there is no parameter `bin`"),
        ("bin = { age = 3 }", "columns, bins, survival, ordered, impossible, decimals"),
        ("network = { latent = 2 }", "`network` belongs to method = \"vae\""),
        ("method = \"mst\"\ntraining = { steps = 3 }", "`training` belongs to method = \"vae\""),
        ("bins = { age = 1 }", "`age` has one bin only"),
    ] {
        let said = folder.task(params, "exact = true").refusal();
        assert!(said.contains(says) && said.contains("task.toml"), "{params}: {said}");
    }
}
