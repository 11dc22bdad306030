//! A study's models without a network: what manifest, log and later results make of a training.

mod generators;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use haima_fl_core::sum::{PlainSum, drive};
use haima_smpc_node::masking::Mode;
use serde_json::json;

use super::*;
use crate::coordinator::events::Round;
use crate::model_file::{Guarantee, Provenance};
use crate::provision::{Study, Timing, make_party};
use crate::report::Best;

const STUDY: &str = r#"
study = "unit"
site_column = "site"
site_prefix = "site"
min_sites = 2
max_patients = 50
max_dimension = 10_000
hospitals_per_patient = 2

[schema]
one_row_per_patient = true
column = [
    { name = "days", kind = "numeric", unit = "days", range = [0, 1000] },
    { name = "dead", kind = "flag" },
    { name = "age", kind = "numeric", unit = "years", range = [0, 110] },
]

[[task]]
id = "net"
task = "train"
version = 1
title = "net"
max_steps = 2
spare_attempts = 1
privacy = { epsilon = 2.0, delta = 1e-5 }
params = { model = { name = "logistic", columns = ["age"], outcome = "dead" }, expected_patients = 20, seed = 1, steps = 2, holdout = 0.25 }

[[task]]
id = "heads"
task = "train"
version = 1
title = "heads"
max_steps = 2
spare_attempts = 1
params = { model = { name = "logistic", columns = ["age"], outcome = "dead" }, strategy = { name = "fedper" }, seed = 1, steps = 2 }

[[task]]
id = "check"
task = "validate"
version = 1
title = "check"
max_steps = 5
spare_attempts = 1
params = { model = "net", outcome = "dead", cohort = { include = ["age > 30"] } }

[[task]]
id = "ranks"
task = "concordance"
version = 1
title = "ranks"
max_steps = 1
spare_attempts = 1
params = { model = "net", time = "days", event = "dead", subset = "all" }

[[task]]
id = "other"
task = "validate"
version = 1
title = "other"
max_steps = 5
spare_attempts = 1
params = { model = "heads", outcome = "dead" }
"#;

const PATIENTS: &str = "days,dead,age\n10,1,60\n20,0,50\n30,1,70\n40,1,81\n50,0,44\n60,1,66\n\
                        70,1,59\n80,0,33\n90,1,72\n100,1,64\n110,0,51\n120,1,77\n";

const SITES: [&str; 4] = ["site-a", "site-b", "site-c", "site-d"];

/// A study's manifest among these sites.
fn manifest(study: &Study) -> Manifest {
    let folder = tempfile::tempdir().unwrap();
    let party = |name: &str| make_party(folder.path(), name, name, "127.0.0.1:1").unwrap().party;
    let nodes = if study.mode == Mode::Nodes { &["node-1", "node-2"][..] } else { &[] };
    let nodes = nodes.iter().copied().map(party).collect();
    let timing = Timing { round_ms: 10_000, grace_ms: 1000, tick_ms: 10 };
    study.manifest(party("coordinator"), nodes, SITES.map(party).into(), timing).unwrap()
}

/// What its private tasks cost together.
fn committed(manifest: &Manifest) -> Committed {
    let best = Best { epsilon: 1.5, method: "Renyi".into() };
    let digest = manifest.plan.clone();
    Committed { digest, delta: 1e-5, best_coalition: best.clone(), best_public: best }
}

/// What a study of four sites left.
struct Left {
    manifest: Manifest,
    about: About,
    results: BTreeMap<String, Value>,
    log: Vec<Event>,
    committed: Committed,
}

impl Left {
    fn new(mode: Mode, private: bool) -> Self {
        let mut study: Study = toml::from_str(STUDY).unwrap();
        study.mode = mode;
        if !private {
            study.tasks[0].privacy = None;
        }
        let manifest = manifest(&study);
        let trained = made(&manifest, "net", PATIENTS);
        let mut heads = trained.clone();
        heads["strategy"] = json!({ "name": "fedper" });
        let area = |value: f64| json!({ "value": value, "lo": 0.6, "hi": 0.8 });
        let validation =
            |value: f64| json!({ "n": 9, "sites": 4, "binary": { "auc": area(value) } });
        let results = [
            ("net", trained),
            ("heads", heads),
            ("check", validation(0.75)),
            ("ranks", json!({ "n": 12, "c_index": 0.625, "subset": "all" })),
            ("other", validation(0.5)),
        ];
        let failed =
            Event::Failed { round: round("net", false), seconds: 1.0, reason: "late".into() };
        Self {
            about: About { subject: "the old".into(), data: "made up".into(), ..About::default() },
            results: results.map(|(id, result)| (id.to_owned(), result)).into(),
            log: vec![
                released("net", !private, &["site-a", "site-b"]),
                failed,
                released("net", !private, &["site-a", "site-b", "site-d"]),
                released("check", true, &SITES),
            ],
            committed: committed(&manifest),
            manifest,
        }
    }

    fn ended(&self) -> Ended<'_> {
        Ended {
            manifest: &self.manifest,
            about: &self.about,
            results: &self.results,
            log: &self.log,
            mode: "as it was",
            committed: Some(&self.committed),
            journal: Digest::of(b"the last record"),
        }
    }

    fn model(&self) -> ModelFile {
        let entry = self.manifest.task("net").unwrap();
        match self.ended().file(entry, &self.results["net"]).unwrap() {
            Some(File::Model(model)) => model,
            Some(File::Generator(_)) | None => panic!("a training leaves a model"),
        }
    }

    fn provenance(&self) -> Provenance {
        self.model().provenance
    }
}

/// A task's result, over one hospital in this process.
fn made(manifest: &Manifest, id: &str, patients: &str) -> Value {
    let schema = Schema::from_toml(&manifest.schema).unwrap();
    let entry = manifest.task(id).unwrap();
    let cohorts = [Cohort::from_reader("site-a", patients.as_bytes(), &schema).unwrap()];
    let finished = BTreeMap::new();
    let open = || {
        let (task, version) = (&entry.task, entry.version);
        haima_fl_core::registry::open(task, version, &entry.params, &schema, &finished)
    };
    let mut run = open().unwrap();
    let mut sums = PlainSum::new(&cohorts, 50, 1, rand::rng(), open).unwrap();
    drive(run.as_mut(), &mut sums).unwrap()
}

fn round(task: &str, exact: bool) -> Round {
    let (task, digest) = (task.to_owned(), "00".to_owned());
    Round { number: 1, task, step: 0, attempt: 0, digest, exact, dimension: 3 }
}

/// A sum of these sites; the proof of site-c failed where it is not among them.
fn released(task: &str, exact: bool, accepted: &[&str]) -> Event {
    let refused = match accepted.contains(&"site-c") {
        true => Vec::new(),
        false => vec!["site-c".to_owned()],
    };
    Event::Released {
        round: round(task, exact),
        accepted: accepted.iter().map(|name| (*name).to_owned()).collect(),
        left_out: refused.clone(),
        refused,
        seconds: 1.0,
        bytes_released: 100,
    }
}

fn says(notes: &[String], text: &str) -> bool {
    notes.iter().any(|note| note.contains(text))
}

#[test]
fn a_whole_model_gets_a_file_and_one_whose_head_stayed_away_does_not() {
    let (left, out) = (Left::new(Mode::Nodes, true), tempfile::tempdir().unwrap());
    left.ended().write(out.path()).unwrap();
    let model = ModelFile::read(&out.path().join("models/net.haima")).unwrap();
    assert_eq!(model.network, left.results["net"]);
    assert_eq!(model.study_schema, left.manifest.schema);
    assert_eq!(model.provenance, left.provenance());
    assert!(!out.path().join("models/heads.haima").exists());
    let card = crate::card::Card::of(&model).unwrap().markdown();
    let head = Digest::of(b"the last record");
    assert!(card.contains(&format!("journal: head digest {head} of")), "{card}");
    assert!(card.contains("subject: the old"), "{card}");
}

#[test]
fn a_study_without_a_training_leaves_no_folder_of_models() {
    let (mut left, out) = (Left::new(Mode::Nodes, true), tempfile::tempdir().unwrap());
    left.results.retain(|id, _| id != "net");
    left.ended().write(out.path()).unwrap();
    assert!(!out.path().join("models").exists());
}

#[test]
fn no_model_of_an_earlier_run_stays_beside_the_report() {
    let (mut left, out) = (Left::new(Mode::Nodes, true), tempfile::tempdir().unwrap());
    let file = |name: &str| out.path().join("models").join(name);
    left.ended().write(out.path()).unwrap();
    assert!(file("net.haima").exists());
    for old in ["heads.haima", "mine.haima"] {
        std::fs::write(file(old), "of another run").unwrap();
    }
    left.results.remove("net");
    left.ended().write(out.path()).unwrap();
    let stay = ["net.haima", "heads.haima", "mine.haima"].map(|name| file(name).exists());
    // What no training of the study is called by is not its own to remove.
    assert_eq!(stay, [false, false, true]);
}

#[cfg(feature = "demo")]
#[test]
fn a_copy_of_the_models_holds_none_of_an_earlier_run() {
    let left = Left::new(Mode::Nodes, true);
    let (made, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = |name: &str| out.path().join("models").join(name);
    std::fs::create_dir(out.path().join("models")).unwrap();
    std::fs::write(file("heads.haima"), "of another run").unwrap();
    copy(&left.manifest, made.path(), out.path()).unwrap();
    assert!(!file("heads.haima").exists());
    left.ended().write(made.path()).unwrap();
    copy(&left.manifest, made.path(), out.path()).unwrap();
    assert_eq!(ModelFile::read(&file("net.haima")).unwrap().provenance, left.provenance());
}

#[test]
fn figures_without_a_charge_are_said_beside_the_promise() {
    let uncharged = "inputs use figures of task means, released without noise";
    let mut left = Left::new(Mode::Nodes, true);
    let limits = |left: &Left| crate::card::Card::of(&left.model()).unwrap().limitations;
    assert!(!says(&left.provenance().notes, "released without noise"));
    assert!(!says(&limits(&left), "uncharged_figures"));
    let network = left.results.get_mut("net").unwrap();
    network["uncharged_figures"] = json!(true);
    network["model"]["terms"][0]["figures"] = json!([{ "task": "means", "class": "exact" }]);
    let notes = left.provenance().notes;
    assert!(says(&notes, uncharged) && says(&notes, "promise does not cover them"), "{notes:?}");
    let limits = limits(&left);
    assert!(says(&limits, "`uncharged_figures`"), "{limits:?}");
}

#[test]
fn the_promise_is_that_of_the_manifest_with_its_adversary() {
    for (mode, adversary) in [
        (Mode::Nodes, "all nodes but one together with the coordinator"),
        (Mode::Masked, "the coordinator with up to 1 other hospitals"),
    ] {
        let left = Left::new(mode, true);
        let noise = left.manifest.task("net").unwrap().noise.unwrap();
        let Guarantee::Dp { epsilon, delta, adversary: said, adjacency, noise: own, .. } =
            left.provenance().privacy
        else {
            panic!("it is private")
        };
        assert!(said.starts_with(adversary), "{said}");
        assert!((1.8..=2.0).contains(&epsilon) && delta == 1e-5, "{epsilon} {delta}");
        assert!(adjacency.ends_with("at up to 2 hospitals"), "{adjacency}");
        assert_eq!((own.s, own.draws, own.sensitivity), (noise.s, noise.draws, noise.sensitivity));
        assert_eq!((own.attempts, own.sampling), (3, 1.0));
    }
}

#[test]
fn hospitals_are_those_of_the_trainings_own_sums() {
    let provenance = Left::new(Mode::Nodes, true).provenance();
    let data = &provenance.data;
    assert_eq!((data.hospitals, data.patients), (3, None));
    assert_eq!((data.excluded.len(), data.excluded[0].site.as_str()), (1, "site-c"));
    assert!(data.excluded[0].reason.contains("2 of 2 sums"), "{}", data.excluded[0].reason);
    let failed = "1 attempt failed, each charged as a release is";
    for note in ["2 to 3 hospitals each", failed, "data: made up", "study unit"] {
        assert!(says(&provenance.notes, note), "{note}: {:?}", provenance.notes);
    }
}

#[test]
fn every_number_of_the_manifest_is_on_the_card_as_public() {
    let figures = Left::new(Mode::Nodes, true).provenance().figures;
    for (name, value) in [
        ("steps", "2"),
        ("max_patients", "50"),
        ("hospitals_per_patient", "2"),
        ("holdout", "0.25"),
    ] {
        let is_there = |figure: &Figure| {
            (figure.name.as_str(), figure.value.as_str()) == (name, value)
                && figure.origin == "public: the manifest"
        };
        assert!(figures.iter().any(is_there), "{name}: {figures:?}");
    }
    assert!(figures.iter().any(|figure| figure.name == "input age"));
}

#[test]
fn later_tasks_over_the_model_are_its_metrics_and_those_over_another_are_not() {
    let metrics = Left::new(Mode::Nodes, true).provenance().metrics;
    let [area, rank] = metrics.as_slice() else { panic!("{metrics:?}") };
    assert_eq!(
        (area.name.as_str(), area.value, area.lo, area.hi),
        ("AUC", 0.75, Some(0.6), Some(0.8))
    );
    for part in ["9 patients of 4 hospitals", "held-out", "exact sums", "task check", "age > 30"] {
        assert!(area.over.contains(part), "{part}: {}", area.over);
    }
    assert_eq!((rank.name.as_str(), rank.value, rank.lo), ("C-index", 0.625, None));
    assert!(rank.over.starts_with("12 patients, all patients"), "{}", rank.over);
}

#[test]
fn what_the_rest_of_the_study_released_is_said_beside_the_promise() {
    let notes = Left::new(Mode::Nodes, true).provenance().notes;
    assert!(says(&notes, "together: epsilon 1.500 at delta"), "{notes:?}");
    assert!(says(&notes, "the study released 1 exact sum"), "{notes:?}");
    let exact = Left::new(Mode::Nodes, false).provenance();
    assert_eq!(exact.privacy, Guarantee::exact());
    assert!(says(&exact.notes, "floor of rows adds zeros"), "{:?}", exact.notes);
    assert!(!says(&exact.notes, "epsilon"), "{:?}", exact.notes);
    assert!(says(&exact.notes, "1 attempt failed"), "{:?}", exact.notes);
    assert!(!says(&exact.notes, "charged"), "{:?}", exact.notes);
}
