//! Two platforms with separate registries and separate parties, as their people would make them: requests,
//! a registry each, offers, a study, a model, a report; search across one, refusal across the other; and
//! copies that are passed around.

mod common;

use std::path::Path;

use assert_cmd::Command;
use common::{program, repository};
use haima::report::{Party, Role, StudyReport};
use haima_smpc_node::keyfile;
use serde_json::Value;
use tempfile::TempDir;

/// A folder in which all commands run.
struct Desk(TempDir);

struct Said {
    code: i32,
    out: String,
    log: String,
}

impl Desk {
    fn run(&self, words: &[&str]) -> Said {
        let output =
            Command::new(program()).current_dir(self.0.path()).args(words).output().unwrap();
        let [out, log] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(!log.contains("panicked"), "{words:?}: {log}");
        Said { code: output.status.code().unwrap(), out, log }
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.code, 0, "{words:?}: {}{}", said.out, said.log);
        said.out
    }

    /// A result for programs.
    #[track_caller]
    fn json(&self, words: &[&str]) -> Value {
        let text = self.ok(&[words, &["--json"]].concat());
        assert_eq!(text.lines().count(), 1, "{words:?}: {text}");
        let object: Value = serde_json::from_str(&text).unwrap();
        let form = object["schema"].as_str().unwrap();
        assert!(form.starts_with("haima.registry."), "{form}");
        object
    }

    #[track_caller]
    fn refused(&self, code: i32, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.code, code, "{words:?}: {}{}", said.out, said.log);
        said.log
    }

    /// Keys and a request.
    fn party(&self, name: &str, role: &str) {
        self.ok(&["keygen", "--name", name, "--out", name]);
        let file = format!("{name}.request.toml");
        let operator = format!("{name} trust");
        let mut words = vec!["request", "--keys", name, "--name", name, "--role", role];
        words.extend(["--operator", &operator, "--out", &file]);
        if role != "site" {
            words.extend(["--address", "127.0.0.1:17443"]);
        }
        self.ok(&words);
    }

    fn new_registry(&self, name: &str, platform: &str, keeper: &str, parties: &[&str]) -> Value {
        let requests: Vec<String> =
            parties.iter().map(|name| format!("{name}.request.toml")).collect();
        let mut words = vec!["registry", "new", "--name", name, "--platform", platform];
        words.extend(["--keys", keeper, "--out", name]);
        words.extend(requests.iter().map(String::as_str));
        self.json(&words)
    }

    fn ids(&self, words: &[&str]) -> Vec<String> {
        let object = self.json(words);
        let (list, inner) = match object.get("hits") {
            Some(hits) => (hits, true),
            None => (&object["entries"], false),
        };
        let id = |one: &Value| {
            let entry = if inner { &one["entry"] } else { one };
            entry["id"].as_str().unwrap().to_owned()
        };
        list.as_array().unwrap().iter().map(id).collect()
    }

    /// The whole folder of a registry, again.
    fn copy(&self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|name| self.0.path().join(name));
        std::fs::create_dir_all(to.join("entries")).unwrap();
        std::fs::copy(from.join("registry.toml"), to.join("registry.toml")).unwrap();
        for entry in std::fs::read_dir(from.join("entries")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join("entries").join(path.file_name().unwrap())).unwrap();
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Two platforms: `cancers` kept by `onco`, `anaemias` kept by `benign`.
fn platforms() -> Desk {
    let desk = Desk(tempfile::tempdir().unwrap());
    for (name, role) in [
        ("onco", "coordinator"),
        ("north", "node"),
        ("south", "node"),
        ("alfred", "site"),
        ("ohio", "site"),
        ("vincent", "site"),
        ("benign", "coordinator"),
        ("lagos", "site"),
    ] {
        desk.party(name, role);
    }
    let made = desk.new_registry("cancers", "oncological", "onco", &["onco", "alfred", "ohio"]);
    assert_eq!(made["platform"], "oncological");
    assert_eq!(made["revision"], 1);
    assert_eq!(made["parties"].as_array().unwrap().len(), 3);
    assert_eq!(made["parties"][1]["fingerprint"].as_str().unwrap().len(), 29);
    desk.new_registry("anaemias", "non-oncological", "benign", &["benign", "lagos"]);
    desk
}

/// A hospital's offer of a ready schema.
fn offer<'a>(registry: &'a str, who: &'a str, name: &'a str, schema: &'a str) -> Vec<&'a str> {
    let mut words = vec!["registry", "offer", "--registry", registry, "--keys", who];
    words.extend(["--name", name, "--population", name, "--schema", schema]);
    words
}

#[test]
fn two_platforms_have_registries_and_parties_of_their_own() {
    let desk = platforms();
    let [aml, sickle] =
        ["aml", "sickle-cell"].map(|of| repository(&format!("data/schemas/{of}.toml")));
    let sized = ["--patients", "120", "--grain", "10", "--about", "Adults with leukaemia"];
    let added = desk.json(&[&offer("cancers", "alfred", "aml", text(&aml))[..], &sized].concat());
    assert_eq!(added["id"], "site/alfred/aml");
    assert_eq!(added["version"], 1);
    let stored =
        std::fs::read_to_string(desk.0.path().join("cancers/entries/site@alfred@aml@1.json"));
    let stored = stored.unwrap();
    assert!(stored.contains("\"who_2022\"") && !stored.contains("\"range\""), "{stored}");
    desk.ok(&offer("anaemias", "lagos", "scd", text(&sickle)));

    // A party of one is nobody in the other, and nor is what it signed.
    let told = desk.refused(10, &offer("anaemias", "alfred", "aml", text(&aml)));
    assert!(told.contains("no party of the registry anaemias"), "{told}");
    let entry = "entries/site@alfred@aml@1.json";
    let [from, to] = ["cancers", "anaemias"].map(|name| desk.0.path().join(name).join(entry));
    std::fs::copy(from, &to).unwrap();
    let said = desk.run(&["registry", "verify", "--registry", "anaemias"]);
    assert_eq!(said.code, 12, "{}", said.log);
    assert!(said.out.contains("an entry of one is void in another"), "{}", said.out);
    assert_eq!(desk.ids(&["registry", "list", "--registry", "anaemias"]), ["site/lagos/scd"]);
    std::fs::remove_file(to).unwrap();
    let told = desk.refused(3, &["registry", "merge", "--registry", "anaemias", "cancers"]);
    assert!(told.contains("is another registry"), "{told}");

    // Search across one, across both, and across the platform that is asked for.
    let across = ["registry", "search", "--registry", "cancers", "--registry", "anaemias"];
    let search = |more: &[&str]| desk.ids(&[&across[..], more].concat());
    assert_eq!(search(&["leukaemia"]), ["site/alfred/aml"]);
    assert_eq!(search(&["--platform", "non-oncological"]), ["site/lagos/scd"]);
    assert_eq!(search(&["--platform", "non-oncological", "leukaemia"]), Vec::<String>::new());
    assert_eq!(search(&["--variable", "WHO_2022"]), ["site/alfred/aml"]);
    assert_eq!(search(&["--party", "lagos"]), ["site/lagos/scd"]);
    let alone = ["registry", "search", "--registry", "cancers", "--platform", "non-oncological"];
    assert!(desk.refused(2, &alone).contains("no registry that was given"));
    for registry in ["cancers", "anaemias"] {
        let found = desk.json(&["registry", "verify", "--registry", registry]);
        assert_eq!(found["holds"], true, "{found}");
        assert_eq!(found["entries"], 1, "{found}");
    }
}

#[test]
fn what_was_counted_in_patients_does_not_enter() {
    let desk = platforms();
    let schema = repository("data/schemas/aml.toml");
    let good = offer("cancers", "alfred", "aml", text(&schema));
    for (patients, grain) in [("137", "10"), ("137", "137"), ("40", "5")] {
        let sized = ["--patients", patients, "--grain", grain];
        let told = desk.refused(2, &[&good[..], &sized].concat());
        assert!(told.contains("(rule S6)"), "{told}");
    }
    desk.refused(2, &[&good[..], &["--patients", "120"]].concat());
    let data = repository("data/leuksurv.csv");
    desk.ok(&["data", "infer", text(&data), "--site", "district", "--out", "draft.toml"]);
    let told = desk.refused(3, &offer("cancers", "alfred", "aml", "draft.toml"));
    assert!(told.contains("made from patients"), "{told}");
    assert_eq!(desk.ids(&["registry", "list", "--registry", "cancers"]), Vec::<String>::new());
}

#[test]
fn a_study_its_model_and_its_report_are_entered_found_shown_and_withdrawn() {
    let desk = platforms();
    let by = |keys: &'static str| ["--registry", "cancers", "--keys", keys];
    // A study, by its coordinator alone.
    let template = repository("data/bmt_klein.study.toml");
    let mut draft = vec!["package", "draft", "--study", text(&template), "--out", "study"];
    let requests = ["onco", "north", "south", "alfred", "ohio", "vincent"];
    let requests = requests.map(|name| format!("{name}.request.toml"));
    draft.extend(requests.iter().map(String::as_str));
    desk.ok(&draft);
    let study = ["--manifest", "study/manifest.toml", "--state", "planned"];
    let about = ["--about", "Relapse after transplantation"];
    let words = [&["registry", "add", "study"][..], &by("onco"), &study, &about].concat();
    let added = desk.json(&words);
    assert_eq!(added["id"], "study/onco/bmt-demo");
    let tasks = added["entry"]["content"]["study"]["tasks"].as_array().unwrap().clone();
    assert!(
        tasks.iter().any(|task| task["task"] == "cox" && task["privacy"] == "exact"),
        "{tasks:?}"
    );
    let words = [&["registry", "add", "study"][..], &by("alfred"), &study].concat();
    assert!(desk.refused(10, &words).contains("by its own coordinator"));
    let running = ["--manifest", "study/manifest.toml", "--state", "running"];
    let words = [&["registry", "add", "study"][..], &by("onco"), &running].concat();
    assert!(desk.refused(10, &words).contains("manifest.sig"), "not signed by all yet");

    // A model, from its file.
    let task = "[task]\nname = \"train\"\nversion = 1\n\n[params]\nsteps = 2\nseed = 7\n\
                expected_patients = 1000\nmodel = { name = \"logistic\", columns = [\"age\", \"wbc\"], \
                outcome = \"death\" }\nstrategy = { name = \"dp-sgd\", clip = 1.0, learning_rate = 0.5 \
                }\n\n[privacy]\nepsilon = 3.0\ndelta = 1e-5\n";
    std::fs::write(desk.0.path().join("task.toml"), task).unwrap();
    let [data, schema] = ["data/leuksurv.csv", "data/leuksurv.study.toml"].map(repository);
    let mut train = vec!["train", "task.toml", "--data", text(&data), "--site", "district"];
    train.extend(["--schema", text(&schema), "--out", "m.haima"]);
    desk.ok(&train);
    let words =
        [&["registry", "add", "model", "m.haima", "--name", "death"][..], &by("onco")].concat();
    let model = desk.json(&words)["entry"]["content"]["model"].clone();
    assert_eq!(model["title"], "logistic 1");
    assert_eq!(model["simulated"], true);
    assert_eq!(model["columns"], serde_json::json!(["age", "wbc"]));
    assert!(model["privacy"]["private"]["epsilon"].as_f64().unwrap() <= 3.0 + 1e-6, "{model}");
    for part in ["title", "mode", "cohort", "promise", "figures", "limits"] {
        let said = model[part].to_string();
        assert!(!said.contains("1043") && !said.contains("1,043"), "{part}: {said}");
    }

    // A report, of a study with this party.
    let keys = desk.0.path().join("onco");
    let identity = keyfile::read_identity(&keys.join("identity.key")).unwrap().public();
    let certificate = std::fs::read_to_string(keys.join("tls.crt")).unwrap();
    let pin = haima_smpc_node::tls::pin_of_pem("onco", &certificate).unwrap();
    let own = (identity.to_string(), pin.to_string());
    let fingerprint = haima_smpc_node::manifest::fingerprint(&own.0, &own.1).unwrap();
    let party = |role| Party {
        name: "onco".into(),
        role,
        operator: "onco trust".into(),
        fingerprint: fingerprint.clone(),
        note: String::new(),
    };
    let mut report = StudyReport::new("bmt-demo");
    report.manifest_digest = "ab".repeat(32);
    report.parties = vec![party(Role::Coordinator)];
    let path = desk.0.path().join("report.json");
    std::fs::write(path, serde_json::to_vec(&report).unwrap()).unwrap();
    let add = ["registry", "add", "report", "report.json", "--name", "bmt"];
    desk.ok(&[&add[..], &by("onco")].concat());
    let words = [&add[..], &by("ohio")].concat();
    assert!(desk.refused(10, &words).contains("a party of its study"));

    // Found, shown, on the page, withdrawn.
    let search = ["registry", "search", "--registry", "cancers"];
    let found = |more: &[&str]| desk.ids(&[&search[..], more].concat());
    assert_eq!(found(&["--task", "cox"]), ["study/onco/bmt-demo"]);
    assert_eq!(found(&["--variable", "wbc", "--kind", "model"]), ["model/onco/death"]);
    assert_eq!(found(&["transplantation"]), ["study/onco/bmt-demo"]);
    assert_eq!(found(&["bmt"]).len(), 2, "the study and its report");
    let shown = desk.ok(&["registry", "show", "--registry", "cancers", "study/onco/bmt-demo"]);
    for part in ["Relapse after transplantation", "exact: no differential privacy", "alfred"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    desk.json(&["registry", "page", "--registry", "cancers", "--out", "page.html"]);
    let page = std::fs::read_to_string(desk.0.path().join("page.html")).unwrap();
    assert!(page.contains("study/onco/bmt-demo") && !page.contains("<script"), "{page}");
    let withdraw = ["registry", "withdraw", "model/onco/death"];
    let told = desk.refused(3, &[&withdraw[..], &by("alfred")].concat());
    assert!(told.contains("alfred cannot take it back"), "{told}");
    let entry = desk.json(&[&withdraw[..], &by("onco"), &["--about", "superseded"]].concat());
    assert_eq!(entry["version"], 2);
    assert_eq!(entry["entry"]["content"], "withdrawn");
    assert_eq!(found(&["--kind", "model"]), Vec::<String>::new());
    let old = ["registry", "show", "--registry", "cancers", "model/onco/death", "--at", "1"];
    assert_eq!(desk.json(&old)["versions"], 2);
}

#[test]
fn copies_are_merged_and_nothing_goes_back() {
    let desk = platforms();
    let schema = repository("data/schemas/aml.toml");
    desk.ok(&offer("cancers", "alfred", "aml", text(&schema)));
    desk.copy("cancers", "at-ohio");
    // Each goes on by itself.
    let again = ["--about", "since May"];
    desk.ok(&[&offer("cancers", "alfred", "aml", text(&schema))[..], &again].concat());
    desk.ok(&offer("at-ohio", "ohio", "aml", text(&schema)));
    let admit = ["registry", "admit", "--registry", "cancers", "--keys", "onco"];
    let admitted = desk.json(&[&admit[..], &["vincent.request.toml"]].concat());
    assert_eq!(admitted["revision"], 2);
    assert_eq!(admitted["parties"].as_array().unwrap().len(), 4);
    desk.copy("cancers", "kept");

    let taken = desk.json(&["registry", "merge", "--registry", "at-ohio", "cancers"]);
    assert_eq!(taken["parties"], true);
    assert_eq!(taken["entries"], serde_json::json!(["site@alfred@aml@2.json"]));
    let taken = desk.json(&["registry", "merge", "--registry", "cancers", "at-ohio"]);
    assert_eq!(taken["entries"], serde_json::json!(["site@ohio@aml@1.json"]));
    let list = |name| desk.ids(&["registry", "list", "--registry", name]);
    assert_eq!(list("cancers"), ["site/alfred/aml", "site/ohio/aml"]);
    assert_eq!(list("at-ohio"), list("cancers"));

    // An older state of the folder is told beside a copy that was kept.
    let verify = ["registry", "verify", "--registry", "cancers", "--against", "kept"];
    assert_eq!(desk.json(&verify)["holds"], true);
    let newest = desk.0.path().join("cancers/entries/site@alfred@aml@2.json");
    std::fs::remove_file(newest).unwrap();
    assert_eq!(desk.json(&verify[..4])["holds"], true, "alone nobody sees it");
    let said = desk.run(&verify);
    assert_eq!(said.code, 12);
    assert!(said.out.contains("site/alfred/aml") && said.out.contains("went back"), "{}", said.out);
    desk.ok(&["registry", "merge", "--registry", "cancers", "kept"]);
    assert_eq!(desk.json(&verify)["holds"], true);

    // Who leaves is not shown any more.
    desk.ok(&[&admit[..], &["--leave", "alfred"]].concat());
    assert_eq!(list("cancers"), ["site/ohio/aml"]);
    let stranger =
        ["registry", "admit", "--registry", "cancers", "--keys", "ohio", "--leave", "alfred"];
    desk.refused(10, &stranger);
}
