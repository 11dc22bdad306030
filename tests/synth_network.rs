//! `haima synth` with `--method vae` as a user runs it, and a generator of either family in a draft.

mod common;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use common::repository;
use haima::model_file::Guarantee;
use haima::provision::{Study, Timing, check, make_party};
use haima::synth::file::SynthFile;
use serde_json::{Value, json};
use tempfile::TempDir;

const DATA: [&str; 4] = ["--data", "data/leuksurv.csv", "--deal", "3"];
const SCHEMA: [&str; 2] = ["--schema", "tests/train_cli/leuksurv.toml"];

/// What a run says, or why it ends.
fn haima(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(common::program());
    let output = command.current_dir(repository(".")).args(arguments).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!log.contains("panicked"), "{log}");
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(log),
    }
}

fn fit(options: &[&str]) -> Result<String, String> {
    haima(&[&["synth", "fit"][..], &DATA, &SCHEMA, options].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder with a task file and what comes of it.
struct Folder(TempDir);

impl Folder {
    /// A generator by a task of few steps.
    fn fitted(training: &str, privacy: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let task = format!(
            "[task]\nname = \"synthesize\"\nversion = 1\n\n[params]\nmethod = \"vae\"\n\
             bins = {{ age = 8 }}\nsurvival = [{{ time = \"time_days\", event = \"death\" }}]\n\
             impossible = [[{{ male = 1 }}, {{ age = \"< 55\" }}]]\n\
             network = {{ hidden = [6], latent = 2, components = 2, log1p = [\"wbc\"] }}\n\
             training = {{ {training} }}\n\n[privacy]\n{privacy}\n"
        );
        std::fs::write(folder.path("task.toml"), task).unwrap();
        let (task, out) = (folder.path("task.toml"), folder.path("model.haima"));
        let said = fit(&["--task", text(&task), "--out", text(&out)]).unwrap();
        assert!(said.contains("a network of"), "{said}");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self) -> SynthFile {
        SynthFile::read(&self.path("model.haima")).unwrap().0
    }

    fn sample(&self, name: &str, options: &[&str]) -> Result<String, String> {
        let (model, out) = (self.path("model.haima"), self.path(name));
        let own = ["synth", "sample", text(&model), "--out", text(&out)];
        haima(&[&own[..], options].concat())
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

/// Rows of a CSV as texts, by the names of some columns.
fn rows(bytes: &[u8], names: [&str; 2]) -> Vec<[String; 2]> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().unwrap().clone();
    let at = names.map(|name| header.iter().position(|own| own == name).unwrap());
    reader.records().map(|row| row.unwrap()).map(|row| at.map(|at| row[at].to_owned())).collect()
}

const SAMPLED: &str = "steps = 4, expected_patients = 1000, sample_rate = 0.5";
const PRIVATE: &str = "epsilon = 3.0\ndelta = 1e-5";

#[test]
fn a_private_network_is_charged_as_a_training_and_draws_virtual_patients() {
    let folder = Folder::fitted(SAMPLED, PRIVATE);
    let file = folder.file();
    let generator = file.open().unwrap();
    assert_eq!((generator.method.as_str(), generator.rounds), ("vae", 4));
    assert!(generator.is_charged() && generator.measured.is_empty());
    let Guarantee::Dp { epsilon, accountant, noise, simulated, unit, .. } =
        &file.provenance.privacy
    else {
        panic!("a private fit has no promise")
    };
    assert!((2.5..=3.0).contains(epsilon) && *simulated && unit == "patient", "{epsilon}");
    // Four steps and five spare attempts, each over half of the patients.
    assert_eq!((noise.attempts, noise.sampling), (9, 0.5));
    assert!(accountant.starts_with("Renyi"), "{accountant}");

    // More sums than were charged.
    let mut long = file;
    for (steps, fits) in [(9, true), (10, false)] {
        long.generator["rounds"] = json!(steps);
        long.generator["model"]["steps"] = json!(steps);
        match long.open() {
            Ok(_) => assert!(fits, "{steps}"),
            Err(error) => assert!(error.to_string().contains("charges 9") && !fits, "{error}"),
        }
    }

    // Every row meets the condition, and no man is below 55.
    let asked = ["--rows", "200", "--seed", "7", "--where", "age >= 50"];
    let said = folder.sample("a.csv", &asked).unwrap();
    assert!(said.contains("of 10,000 patients drawn from the model"), "{said}");
    for [age, male] in rows(&folder.read("a.csv"), ["age", "male"]) {
        let age: f64 = age.parse().unwrap();
        assert!(age >= 50.0 && (male == "0" || age >= 55.0), "{age} {male}");
    }
    folder.sample("b.csv", &asked).unwrap();
    assert_eq!(folder.read("a.csv"), folder.read("b.csv"));
    let other = ["--rows", "200", "--seed", "8", "--where", "age >= 50"];
    folder.sample("c.csv", &other).unwrap();
    assert_ne!(folder.read("a.csv"), folder.read("c.csv"));
    let beside: Value = serde_json::from_slice(&folder.read("a.csv.provenance.json")).unwrap();
    assert_eq!((&beside["model"]["method"], &beside["row_seed"]), (&json!("vae"), &json!(7)));
    let nobody = ["--where", "age < 50", "--where", "male = 1"];
    let refused = folder.sample("d.csv", &nobody).unwrap_err();
    assert!(refused.contains("age, male"), "{refused}");
}

#[test]
fn an_exact_network_counts_its_patients_says_so_and_is_compared_with_them() {
    let folder = Folder::fitted("steps = 3", "exact = true");
    let file = folder.file();
    assert_eq!(
        file.provenance.task["params"]["training"]["expected_patients"].as_integer(),
        Some(1043)
    );
    assert!(file.provenance.notes.iter().any(|note| note.contains("1043")));
    let divisor = "training.expected_patients";
    let figure = file.provenance.figures.iter().find(|figure| figure.name == divisor).unwrap();
    assert!(figure.origin.starts_with("local"), "{}", figure.origin);

    let model = folder.path("model.haima");
    let own = ["synth", "report", text(&model), DATA[0], DATA[1], DATA[2], DATA[3]];
    let options = ["--rows", "150", "--seed", "5", "--covariates", "age,male", "--json"];
    let options = [&options[..], &["--attack", "20"]].concat();
    let found: Value =
        serde_json::from_str(&haima(&[&own[..], &options].concat()).unwrap()).unwrap();
    assert_eq!(
        (&found["sample"]["method"], &found["fidelity"]["n"]),
        (&json!("vae"), &json!(1043.0))
    );
    assert_eq!(found["survival"][0]["synthetic"]["n"], 150);
    assert_eq!(found["membership"], Value::Null);
    assert!(found["warnings"].to_string().contains("a network is not fitted anew"), "{found}");
}

/// What follows where nothing is said but a target, a time to event and a public number.
#[test]
fn a_private_network_needs_a_public_number_and_has_defaults_for_all_else() {
    let options = ["--method", "vae", "--epsilon", "3", "--delta", "1e-5", "--json"];
    let survival = ["--survival", "time_days,death"];
    let refused = fit(&[&options[..], &survival].concat()).unwrap_err();
    assert!(
        refused.contains("--expected-patients N") && refused.contains("do not count"),
        "{refused}"
    );
    let expected = ["--expected-patients", "1000"];
    let refused = fit(&["--exact", "--json", expected[0], expected[1]]).unwrap_err();
    assert!(refused.contains("only --method vae"), "{refused}");
    let found: Value =
        serde_json::from_str(&fit(&[&options[..], &survival, &expected].concat()).unwrap())
            .unwrap();
    assert_eq!((&found["method"], &found["rounds"]), (&json!("vae"), &json!(200)));
    assert_eq!((&found["total"], &found["measured"]), (&Value::Null, &json!([])));
    assert!(found["weights"].as_u64().unwrap() > 300);
    let noise = &found["privacy"]["noise"];
    assert_eq!((&noise["attempts"], &noise["sampling"]), (&json!(205), &json!(1.0)));
}

const HEAD: &str = r#"
study = "unit"
min_sites = 2
max_patients = 50
max_dimension = 10000

[schema]
one_row_per_patient = true
column = [
    { name = "days", kind = "numeric", unit = "days", range = [0, 1000] },
    { name = "dead", kind = "flag" },
    { name = "age", kind = "numeric", unit = "years", range = [0, 110] },
]
"#;

const PARAMS: &str =
    "bins = { age = 4 }, survival = [{ time = \"days\", event = \"dead\", cuts = 4 }]";
const NETWORK: &str = "method = \"vae\", network = { hidden = [3], latent = 1 }, \
                       training = { steps = 5, expected_patients = 80 }";

/// A task with a budget.
fn private(id: &str, task: &str, steps: u32, params: &str) -> String {
    format!(
        "[[task]]\nid = \"{id}\"\ntask = \"{task}\"\nversion = 1\ntitle = \"{id}\"\n\
         max_steps = {steps}\nspare_attempts = 1\nprivacy = {{ epsilon = 1.0, delta = 1e-5 }}\n\
         params = {{ {params} }}\n"
    )
}

/// A study of a generator and of a comparison under noise.
fn drafted(made: &str, steps: u32) -> Result<(), String> {
    let noised = |params: &str| format!("release = \"noised\", {params}");
    study(&[
        private("rows", "synthesize", steps, &noised(&format!("{PARAMS}, {made}"))),
        private("like", "fidelity", 1, &noised("of = \"rows\", rows = 20, seed = 1")),
    ])
}

/// What is said of a study of these tasks before it begins.
fn study(tasks: &[String]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let party = |name: &str| make_party(folder.path(), name, name, "127.0.0.1:1").unwrap().party;
    let study: Study = toml::from_str(&format!("{HEAD}\n{}", tasks.concat())).unwrap();
    let manifest = study.manifest(
        party("coordinator"),
        vec![party("node-1"), party("node-2")],
        ["site-a", "site-b"].map(party).into(),
        Timing { round_ms: 10_000, grace_ms: 1000, tick_ms: 10 },
    );
    let manifest = manifest.map_err(|error| error.to_string())?;
    check(&manifest, false).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn a_noised_comparison_is_drafted_before_there_is_a_generator() {
    assert_eq!(drafted("method = \"mst\"", 4), Ok(()));
    assert_eq!(drafted(NETWORK, 5), Ok(()));
    let refused = drafted(NETWORK, 4).unwrap_err();
    assert!(refused.contains("raise max_steps to 5"), "{refused}");
    let large = NETWORK.replace("[3]", "[1000]");
    let refused = drafted(&large, 5).unwrap_err();
    assert!(refused.contains("max_dimension"), "{refused}");
}

/// Its noise would be charged, and the generator would say that there was none.
#[test]
fn a_budget_for_a_generator_that_is_to_be_exact_is_refused() {
    for made in [NETWORK, "method = \"mst\""] {
        for release in ["", ", release = \"exact\""] {
            let params = format!("{PARAMS}, {made}{release}");
            let refused = study(&[private("rows", "synthesize", 5, &params)]).unwrap_err();
            assert!(
                refused.contains("task rows") && refused.contains("cannot be private"),
                "{refused}"
            );
            assert!(refused.contains("release = \"noised\""), "{refused}");
        }
    }
}

#[test]
fn pairs_that_leave_nobody_are_told_before_a_budget_is_spent() {
    let nobody =
        "impossible = [[{ dead = 0 }, { age = \">= 0\" }], [{ dead = 1 }, { age = \">= 0\" }]]";
    let made = format!("bins = {{ age = 4 }}, {nobody}");
    for method in [NETWORK, "method = \"mst\""] {
        let params = format!("release = \"noised\", {made}, {method}");
        let refused = study(&[private("rows", "synthesize", 5, &params)]).unwrap_err();
        assert!(refused.contains("leaves nobody"), "{refused}");
    }
}

/// A guess that is too small divides the sums and makes no delta smaller than the patients allow.
#[test]
fn a_small_guess_of_the_patients_loosens_no_delta() {
    let options = ["--method", "vae", "--epsilon", "3", "--delta", "9e-3", "--json"];
    let refused = fit(&[&options[..], &["--expected-patients", "10"]].concat()).unwrap_err();
    assert!(refused.contains("1/(10 n)"), "{refused}");
}
