//! `haima train`, `predict`, `evaluate` and `card` as a user runs them, on 1,043 patients with acute
//! leukaemia in 24 districts.

#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod promise;
mod resume;
mod shown;
mod told;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use common::repository;
use serde_json::Value;
use tempfile::TempDir;

const DATA: &str = "data/leuksurv.csv";
const SCHEMA: &str = "data/leuksurv.study.toml";
const LOGISTIC: &str = "model = { name = \"logistic\", columns = [\"age\", \"male\", \"wbc\", \"tpi\"], outcome = \"death\" }";
const MLP: &str = "model = { name = \"mlp\", columns = [\"age\", \"male\", \"wbc\", \"tpi\"], \
     outcome = \"death\", hidden = [6] }";
const DP_SGD: &str = "strategy = { name = \"dp-sgd\", clip = 1.0, learning_rate = 0.5 }";

/// A task file of a training in a folder of its own.
struct Task {
    folder: TempDir,
}

impl Task {
    fn new(model: &str, strategy: &str, steps: u32, privacy: &str) -> Self {
        let text = format!(
            "[task]\nname = \"train\"\nversion = 1\n\n[params]\n{model}\n{strategy}\n\
             steps = {steps}\nseed = 7\nexpected_patients = 1000\n\n{privacy}"
        );
        Self::of(&text)
    }

    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("task.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `haima train` over the districts, with further options.
    fn train(&self, options: &[&str]) -> Output {
        let task = self.path("task.toml");
        let mut arguments = vec!["train", task.to_str().unwrap(), "--data", DATA];
        arguments.extend(["--site", "district", "--schema", SCHEMA]);
        arguments.extend(options);
        haima(&arguments)
    }

    /// A trained model's file.
    fn model(&self) -> PathBuf {
        let out = self.path("model.haima");
        self.train(&["--out", out.to_str().unwrap()]).succeeds();
        out
    }
}

/// What a run left.
struct Output {
    success: bool,
    out: String,
    log: String,
}

impl Output {
    fn succeeds(self) -> String {
        assert!(self.success, "{}", self.log);
        self.out
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.succeeds()).unwrap()
    }

    /// What a refusal says.
    fn refusal(self) -> String {
        assert!(!self.success && self.out.is_empty(), "{}", self.out);
        assert!(!self.log.contains("panicked"), "{}", self.log);
        self.log
    }
}

/// The program in the repository's folder.
fn haima(arguments: &[&str]) -> Output {
    let mut command = Command::new(common::program());
    let output = command.current_dir(repository(".")).args(arguments).output().unwrap();
    Output {
        success: output.status.success(),
        out: String::from_utf8(output.stdout).unwrap(),
        log: String::from_utf8(output.stderr).unwrap(),
    }
}

fn weights(network: &Value) -> Vec<f64> {
    network["weights"].as_array().unwrap().iter().map(|w| w.as_f64().unwrap()).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const EXACT: &str = "[privacy]\nexact = true\n";
const PRIVATE: &str = "[privacy]\nepsilon = 3.0\ndelta = 1e-5\n";

#[test]
fn a_model_is_trained_used_and_described() {
    let task = Task::new(LOGISTIC, DP_SGD, 40, EXACT);
    let out = task.path("model.haima");
    let said = task.train(&["--out", text(&out)]);
    assert!(said.log.contains("simulation: plain sums in one process"), "{}", said.log);
    assert!(said.log.contains("round 40 of 40: 24 hospitals"), "{}", said.log);
    let summary = said.succeeds();
    assert!(summary.contains("exact: no differential privacy"), "{summary}");

    let found = haima(&["predict", text(&out), "--data", DATA, "--json"]).json();
    assert_eq!(found["rows"].as_array().unwrap().len(), 1043);
    let mean = |wanted: &str| {
        let table = std::fs::read_to_string(repository(DATA)).unwrap();
        let died = table.lines().skip(1).map(|row| row.split(',').nth(2) == Some(wanted));
        let figures = found["rows"].as_array().unwrap().iter().map(|row| &row["figures"][0]);
        let of: Vec<f64> =
            figures.zip(died).filter(|(_, is)| *is).map(|(f, _)| f.as_f64().unwrap()).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    // Not trained, all would be one half.
    assert!(mean("1") > mean("0") + 0.02, "{} {}", mean("1"), mean("0"));

    let card = haima(&["card", text(&out)]).succeeds();
    for wanted in [
        "# Model card: logistic 1",
        "hospitals: 24",
        "exact: no differential privacy",
        "Not evaluated",
    ] {
        assert!(card.contains(wanted), "{wanted}: {card}");
    }
    let json = haima(&["card", text(&out), "--json"]).json();
    assert_eq!(json["schema"], "haima.card/1");
    let figures = json["provenance"]["figures"].as_array().unwrap();
    let public = |figure: &Value| figure["origin"].as_str().unwrap().starts_with("public: ");
    assert!(figures.iter().all(public) && figures.iter().any(|f| f["name"] == "input age"));
}

#[test]
fn noise_is_calibrated_as_a_study_does_and_drawn_anew() {
    let task = Task::new(LOGISTIC, DP_SGD, 20, PRIVATE);
    let [one, other] = [(); 2].map(|()| task.train(&["--json"]).json());
    assert_ne!(weights(&one), weights(&other), "the noise is the same twice");
    let privacy = &one["privacy"];
    let epsilon = privacy["epsilon"].as_f64().unwrap();
    assert!((2.9..=3.0).contains(&epsilon), "{privacy}");
    assert_eq!((&privacy["class"], &privacy["unit"]), (&"dp".into(), &"patient".into()));
    assert_eq!(privacy["noise"]["attempts"], 25);
    assert_eq!(privacy["simulated"], true);
    // zCDP: rho = attempts D^2 / (2 s^2), and epsilon is at most rho + 2 sqrt(rho ln(1 / delta)).
    let of = |key: &str| privacy["noise"][key].as_f64().unwrap();
    let rho = of("attempts") * (of("sensitivity") / of("s")).powi(2) / 2.0;
    let classic = rho + 2.0 * (rho * (1e5_f64).ln()).sqrt();
    assert!((epsilon..epsilon * 1.35).contains(&classic), "{epsilon} {classic}");

    let exact = Task::new(LOGISTIC, DP_SGD, 20, EXACT);
    let [one, other] = [(); 2].map(|()| exact.train(&["--json"]).json());
    assert_eq!(weights(&one), weights(&other));
}

#[test]
fn a_private_card_says_who_is_protected_and_counts_no_patients() {
    let card = haima(&["card", text(&Task::new(LOGISTIC, DP_SGD, 5, PRIVATE).model())]).succeeds();
    for wanted in [
        "differential privacy of one patient",
        "all nodes but one",
        "zero-concentrated",
        "simulated: ",
        "rows at them: not released",
    ] {
        assert!(card.contains(wanted), "{wanted}: {card}");
    }
}

#[test]
fn hundreds_of_hospitals_fit_in_one_process() {
    // The template allows 36,000 patients in so many.
    let task = Task::new(LOGISTIC, DP_SGD, 10, &PRIVATE.replace("1e-5", "1e-6"));
    let (path, started) = (task.path("task.toml"), std::time::Instant::now());
    let arguments = ["train", text(&path), "--data", DATA, "--deal", "300", "--schema", SCHEMA];
    let network = haima(&[&arguments[..], &["--json"]].concat()).json();
    assert_eq!(network["sites"], 300);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn no_model_is_exact_by_silence() {
    let silent = Task::new(LOGISTIC, DP_SGD, 5, "");
    let said = silent.train(&["--json"]).refusal();
    assert!(
        said.contains("task.toml: has no [privacy]") && said.contains("exact = true"),
        "{said}"
    );
    let both = Task::new(LOGISTIC, DP_SGD, 5, &format!("{EXACT}epsilon = 1.0\n"));
    assert!(both.train(&["--json"]).refusal().contains("`exact = true` alone"));
    let fedavg = Task::new(LOGISTIC, "strategy = { name = \"fedavg\" }", 5, PRIVATE);
    assert!(fedavg.train(&["--json"]).refusal().contains("bounds no patient"));
    let private = Task::new(LOGISTIC, DP_SGD, 5, PRIVATE);
    let file = private.path("task.toml");
    let said =
        haima(&["train", text(&file), "--data", DATA, "--site", "district", "--json"]).refusal();
    assert!(said.contains("give a public --schema"), "{said}");
}

#[test]
fn what_is_wrong_in_a_task_file_is_told_with_file_and_key() {
    let unknown = Task::new(LOGISTIC, DP_SGD, 5, &format!("{EXACT}epsilom = 1.0\n"));
    let said = unknown.train(&["--json"]).refusal();
    assert!(said.contains("task.toml") && said.contains("epsilom"), "{said}");
    let unknown = Task::new(LOGISTIC, &format!("{DP_SGD}\nstepps = 4"), 5, EXACT);
    let said = unknown.train(&["--json"]).refusal();
    assert!(said.contains("task.toml") && said.contains("stepps"), "{said}");
    let large = MLP.replace("[6]", "[4000, 4000]");
    let said = Task::new(&large, DP_SGD, 5, EXACT).train(&["--json"]).refusal();
    assert!(said.contains("task.toml") && said.contains("at most"), "{said}");
    let task = Task::of("[task]\nname = \"cox\"\nversion = 1\n[privacy]\nexact = true\n");
    assert!(task.train(&["--json"]).refusal().contains("is no training"));
}

#[test]
fn rows_that_cannot_be_predicted_are_named() {
    let task = Task::new(LOGISTIC, DP_SGD, 5, EXACT);
    let (model, rows) = (task.model(), task.path("rows.csv"));
    std::fs::write(&rows, "age,wbc,tpi,male\n61,13.3,-1.96,0\n70,,1.0,1\n").unwrap();
    let said = haima(&["predict", text(&model), "--data", text(&rows)]);
    assert!(said.log.contains("no prediction for row 2: no value of wbc"), "{}", said.log);
    assert_eq!(said.succeeds().lines().count(), 2);
    let json = haima(&["predict", text(&model), "--data", text(&rows), "--json"]).json();
    assert_eq!(json["missing"][0]["columns"], serde_json::json!(["wbc"]));
    std::fs::write(&rows, "age,wbc,tpi,male\n161,13.3,-1.96,0\n").unwrap();
    let said = haima(&["predict", text(&model), "--data", text(&rows)]).refusal();
    assert!(["rows.csv", "line 2", "age", "161"].iter().all(|part| said.contains(part)), "{said}");
    std::fs::write(&rows, "age,wbc,male\n61,13.3,0\n").unwrap();
    let said = haima(&["predict", text(&model), "--data", text(&rows)]).refusal();
    assert!(said.contains("no column \"tpi\""), "{said}");
}

#[test]
fn an_evaluation_is_a_sum_over_hospitals_and_stands_in_the_card() {
    let holdout = format!("{DP_SGD}\nholdout = 0.3");
    let task = Task::new(LOGISTIC, &holdout, 60, EXACT);
    let model = task.model();
    let found = haima(&[
        "evaluate",
        text(&model),
        "--data",
        DATA,
        "--site",
        "district",
        "--min-local-rows",
        "1",
        "--card",
        "--json",
    ])
    .json();
    let n = found["n"].as_u64().unwrap();
    assert!((200..450).contains(&n), "{n} of 1,043 are not three in ten");
    let auc = found["binary"]["auc"]["value"].as_f64().unwrap();
    assert!((0.55..0.9).contains(&auc), "{auc}");
    // Of all patients it is the area over the rows in one place, from the model's own predictions.
    let all = evaluated(&model, &["--subset", "all", "--card"]);
    let of_all = all["binary"]["auc"]["value"].as_f64().unwrap();
    let found = haima(&["predict", text(&model), "--data", DATA, "--json"]).json();
    let figures = found["rows"].as_array().unwrap().iter();
    let figures = figures.map(|row| row["figures"][0].as_f64().unwrap());
    let died = column("death");
    let (yes, no): (Vec<_>, Vec<_>) = figures.zip(&died).partition(|(_, died)| **died == 1.0);
    let pairs = yes.iter().flat_map(|(a, _)| no.iter().map(move |(b, _)| (a, b)));
    let above: f64 = pairs.map(|(a, b)| f64::from(a > b) + 0.5 * f64::from(a == b)).sum();
    let own = above / (yes.len() * no.len()) as f64;
    assert!((of_all - own).abs() < 0.01, "{of_all} {own}");
    let card = haima(&["card", text(&model)]).succeeds();
    for (auc, whom) in [(auc, "held-out patients"), (of_all, "all patients")] {
        let line = card.lines().find(|line| line.starts_with(&format!("| AUC | {auc:.3} |")));
        assert!(line.is_some_and(|line| line.contains(whom)), "{whom}: {card}");
    }
}

/// `haima evaluate` over the districts, with further options.
fn evaluated(model: &Path, options: &[&str]) -> Value {
    let arguments = ["evaluate", text(model), "--data", DATA, "--site", "district"];
    haima(&[&arguments[..], &["--min-local-rows", "1", "--json"], options].concat()).json()
}

/// A column of the file.
fn column(name: &str) -> Vec<f64> {
    let table = std::fs::read_to_string(repository(DATA)).unwrap();
    let at = table.lines().next().unwrap().split(',').position(|own| own == name).unwrap();
    table.lines().skip(1).map(|row| row.split(',').nth(at).unwrap().parse().unwrap()).collect()
}

#[test]
fn a_model_of_a_cohort_is_judged_on_that_cohort() {
    let cohort = format!("{EXACT}\n[cohort]\ninclude = [\"age > 60\"]\n");
    let task = Task::new(LOGISTIC, DP_SGD, 5, &cohort);
    let out = task.path("model.haima");
    task.train(&["--min-local-rows", "1", "--out", text(&out)]).succeeds();
    let older = column("age").into_iter().filter(|age| *age > 60.0).count();
    assert_eq!(evaluated(&out, &[])["n"], older);
    let said = haima(&["predict", text(&out), "--data", DATA, "--json"]);
    assert!(said.log.contains("trained on patients with"), "{}", said.log);
    assert!(said.json()["trained_on"].as_str().unwrap().contains("age"));
}

#[test]
fn columns_that_a_model_does_not_read_may_have_any_name() {
    let task = Task::new(LOGISTIC, DP_SGD, 5, EXACT);
    let (model, rows) = (task.model(), task.path("rows.csv"));
    let text_of =
        "note,Date of birth,age [years],wbc,tpi,male,note\nx,\"1, 2\",61,13.3,-1.96,0,y\n";
    std::fs::write(&rows, text_of).unwrap();
    let found = haima(&["predict", text(&model), "--data", text(&rows), "--json"]).json();
    assert_eq!(found["rows"].as_array().unwrap().len(), 1);
    let table = std::fs::read_to_string(repository(DATA)).unwrap();
    let mut lines = table.lines();
    let head = lines.next().unwrap().replace("age", "age [years]");
    let wider = lines.map(|row| format!("{row},x,y\n")).collect::<String>();
    std::fs::write(&rows, format!("{head},Date of birth,Date of birth\n{wider}")).unwrap();
    let arguments = ["evaluate", text(&model), "--data", text(&rows), "--site", "district"];
    let found = haima(&[&arguments[..], &["--json"]].concat()).json();
    assert!(found["n"].as_u64().unwrap() > 900, "{found}");
}

#[test]
fn the_protocol_trains_under_noise_and_says_against_whom() {
    for (sum, hospitals, against) in [
        ("nodes", "3", "against all nodes but one"),
        ("masked", "5", "against the coordinator with up to "),
    ] {
        let task = Task::new(LOGISTIC, DP_SGD, 2, PRIVATE);
        let (path, out) = (task.path("task.toml"), task.path("model.haima"));
        let arguments = ["train", text(&path), "--data", DATA, "--deal", hospitals, "--sum", sum];
        let schema = ["--schema", "tests/train_cli/leuksurv.toml", "--out", text(&out)];
        let said = haima(&[&arguments[..], &schema].concat());
        assert!(said.log.contains(&format!("sum 1: {hospitals} sites")), "{}", said.log);
        let summary = said.succeeds();
        assert!(summary.contains("differential privacy of one patient"), "{summary}");
        assert!(summary.contains(against) && !summary.contains("simulated"), "{summary}");
    }
}

#[test]
fn a_training_whose_heads_stay_at_home_writes_no_model() {
    let task = Task::new(MLP, "strategy = { name = \"fedper\" }", 2, EXACT);
    let out = task.path("model.haima");
    assert!(task.train(&["--out", text(&out)]).refusal().contains("head stays there"));
    assert!(!out.exists());
}

#[test]
fn an_explanation_adds_up_to_the_prediction() {
    let model = Task::new(LOGISTIC, DP_SGD, 20, EXACT);
    let path = model.model();
    let found = haima(&["predict", text(&path), "--data", DATA, "--explain", "--json"]).json();
    for row in found["rows"].as_array().unwrap().iter().take(50) {
        let of = |key: &str| row["explanation"][key].as_f64().unwrap();
        let parts = row["explanation"]["contributions"].as_array().unwrap();
        let sum: f64 = parts.iter().map(|part| part[1].as_f64().unwrap()).sum();
        let p = row["figures"][0].as_f64().unwrap();
        assert!((of("centre") + sum - (p / (1.0 - p)).ln()).abs() < 1e-6, "{row}");
        assert!(sum.abs() > 1e-3, "{row}");
    }
    let table = haima(&["predict", text(&path), "--data", DATA, "--explain"]).succeeds();
    assert!(table.lines().next().unwrap().contains("moved most"), "{table}");
}

/// From the names of the layers, the inputs' figures in the manifest and numpy alone.
const PYTHON: &str = r#"
import csv, json, sys, zipfile, numpy, safetensors.numpy
zip = zipfile.ZipFile(sys.argv[1])
manifest = json.loads(zip.read("manifest.json"))
layers = safetensors.numpy.load(zip.read("weights.safetensors"))
for row in csv.DictReader(open(sys.argv[2])):
    x = numpy.array([(float(row[t["column"]]) - t["center"]) / t["scale"]
                     for t in manifest["network"]["model"]["terms"]])
    x = numpy.tanh(x @ layers["body.0.weight"] + layers["body.0.bias"])
    z = x @ layers["body.1.weight"] + layers["body.1.bias"]
    print(repr(float(1 / (1 + numpy.exp(-z[0])))))
"#;

#[test]
fn another_program_reads_the_weights_and_predicts_the_same() {
    let python = std::env::var("HAIMA_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import numpy, safetensors.numpy"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("PYTHON absent: {python} has no numpy and safetensors; see requirements.txt");
        return;
    }
    let task = Task::new(MLP, DP_SGD, 5, EXACT);
    let model = task.model();
    let data = repository(DATA);
    let output =
        Command::new(&python).args(["-c", PYTHON, text(&model), text(&data)]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs = String::from_utf8(output.stdout).unwrap();
    let ours = haima(&["predict", text(&model), "--data", DATA, "--json"]).json();
    let ours = ours["rows"].as_array().unwrap();
    assert_eq!((ours.len(), theirs.lines().count()), (1043, 1043));
    for (row, theirs) in ours.iter().zip(theirs.lines()) {
        let (a, b) = (row["figures"][0].as_f64().unwrap(), theirs.parse::<f64>().unwrap());
        assert!((a - b).abs() < 1e-6, "{a} and {b}");
    }
}
