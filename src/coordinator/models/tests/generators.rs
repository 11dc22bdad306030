//! A study's generators: what manifest, log and later results make of a task `synthesize`.

use super::*;
use crate::card::GeneratorCard;

/// A generator with a promise, one without, and what judges the first and the second.
const TASKS: &str = r#"
[[task]]
id = "rows"
task = "synthesize"
version = 1
title = "rows"
max_steps = 4
spare_attempts = 1
privacy = { epsilon = 2.0, delta = 1e-5 }
params = { method = "mst", rounds = 4, release = "noised", columns = ["age"], bins = { age = 4 }, survival = [{ time = "days", event = "dead", cuts = 4 }], cohort = { include = ["age > 18"] } }

[[task]]
id = "plain"
task = "synthesize"
version = 1
title = "plain"
max_steps = 2
spare_attempts = 1
params = { method = "mst", columns = ["age", "dead"], bins = { age = 4 } }

[[task]]
id = "like"
task = "fidelity"
version = 1
title = "like"
max_steps = 1
spare_attempts = 1
params = { of = "rows", rows = 100, seed = 1, conditions = ["dead = 1"], cohort = { include = ["age > 18", "dead = 1"] } }

[[task]]
id = "other"
task = "fidelity"
version = 1
title = "other"
max_steps = 1
spare_attempts = 1
params = { of = "plain", rows = 100, seed = 1 }
"#;

fn left() -> Left {
    let (head, _) = STUDY.split_once("[[task]]").unwrap();
    let manifest = manifest(&toml::from_str(&format!("{head}{TASKS}")).unwrap());
    let row = |i: u32| format!("{},{},{}\n", 25 * i, i % 2, 20 + 7 * i % 80);
    let patients = format!("days,dead,age\n{}", (0..40).map(row).collect::<String>());
    let order = |degree: u64, tv: f64| json!({ "degree": degree, "tv": tv, "chance": 0.03 });
    let judged = |orders: Value| {
        json!({
            "schema": "haima.fidelity/1", "n": 20.4, "sites": 4, "subset": "all",
            "workload": orders, "nearest": { "auc": null },
        })
    };
    let mut rows = made(&manifest, "rows", &patients);
    // The sums of this test have no noise; the result says that they have that of the manifest.
    let noise = manifest.task("rows").unwrap().noise.unwrap();
    for table in rows["measured"].as_array_mut().unwrap() {
        let sd = table["sd"].as_f64().unwrap() * noise.s as f64 / f64::from(1 << 20);
        table["sd"] = json!(sd);
    }
    let results = [
        ("rows", rows),
        ("plain", made(&manifest, "plain", &patients)),
        ("like", judged(json!([order(1, 0.02), order(2, 0.08)]))),
        ("other", judged(json!([order(1, 0.5)]))),
    ];
    let failed = Event::Failed { round: round("rows", false), seconds: 1.0, reason: "late".into() };
    Left {
        about: About { subject: "the old".into(), ..About::default() },
        results: results.map(|(id, result)| (id.to_owned(), result)).into(),
        log: vec![released("rows", false, &SITES), failed, released("like", true, &SITES)],
        committed: committed(&manifest),
        manifest,
    }
}

/// The file of a task, as a reader finds it.
fn read(left: &Left, id: &str) -> (SynthFile, String) {
    let out = tempfile::tempdir().unwrap();
    left.ended().write(out.path()).unwrap();
    SynthFile::read(&out.path().join(format!("models/{id}.haima"))).unwrap()
}

fn card(left: &Left, id: &str) -> GeneratorCard {
    let (file, digest) = read(left, id);
    GeneratorCard::of(&file, &digest).unwrap()
}

#[test]
fn a_generator_gets_a_file_that_tells_the_promise_of_the_manifest() {
    let left = left();
    let (file, _) = read(&left, "rows");
    assert_eq!(file.generator, left.results["rows"]);
    assert_eq!((file.study.as_str(), &file.study_schema), ("unit", &left.manifest.schema));
    let noise = left.manifest.task("rows").unwrap().noise.unwrap();
    let Provenance { privacy, data, notes, figures, journal, .. } = file.provenance;
    let Guarantee::Dp { epsilon, unit, adjacency, adversary, noise: own, simulated, .. } = privacy
    else {
        panic!("it is private")
    };
    assert!((1.8..=2.0).contains(&epsilon) && !simulated, "{epsilon}");
    assert_eq!((own.s, own.sensitivity, own.attempts), (noise.s, noise.sensitivity, 5));
    assert_eq!(unit, "patient");
    assert!(adjacency.ends_with("at up to 2 hospitals"), "{adjacency}");
    assert!(adversary.starts_with("all nodes but one"), "{adversary}");
    assert_eq!((data.hospitals, data.patients), (4, None));
    assert_eq!(data.cohort, "include age > 18\n");
    for note in ["task rows of the study unit", "1 attempt failed, each charged as a release is"] {
        assert!(says(&notes, note), "{note}: {notes:?}");
    }
    let bins = figures.iter().find(|figure| figure.name == "bins of age").unwrap();
    assert_eq!(bins.value, "0, 27.5, 55, 82.5, 110");
    assert!(figures.iter().all(|figure| figure.origin.starts_with("public: ")), "{figures:?}");
    assert_eq!(journal, Some(Digest::of(b"the last record").to_string()));
}

#[test]
fn what_later_tasks_found_of_a_generator_is_its_metrics_and_what_of_another_is_not() {
    let metrics = read(&left(), "rows").0.provenance.metrics;
    let found: Vec<_> = metrics.iter().map(|own| (own.name.as_str(), own.value)).collect();
    let [one, two] = ["tables of 1 column", "tables of 2 columns"].map(|tables| {
        ["mean total variation", "the same by chance alone"].map(|own| format!("{own}, {tables}"))
    });
    let expected = [(&one[0], 0.02), (&one[1], 0.03), (&two[0], 0.08), (&two[1], 0.03)];
    assert_eq!(found, expected.map(|(name, value)| (name.as_str(), value)));
    for part in ["20 patients of 4 hospitals", "all patients", "exact sums, task like", "dead = 1"]
    {
        assert!(metrics[0].over.contains(part), "{part}: {}", metrics[0].over);
    }
}

#[test]
fn its_metrics_have_the_digits_of_the_page_and_no_small_number_of_patients() {
    let mut left = left();
    let judged = left.results.get_mut("like").unwrap();
    judged["n"] = json!(3);
    judged["workload"][0]["tv"] = json!(0.186_809_523_8);
    let metrics = read(&left, "rows").0.provenance.metrics;
    assert_eq!(metrics[0].value, 0.187);
    assert!(metrics[0].over.starts_with("<5 patients of 4 hospitals"), "{}", metrics[0].over);
}

#[test]
fn no_generator_of_an_earlier_run_stays_beside_the_report() {
    let (mut left, out) = (left(), tempfile::tempdir().unwrap());
    let file = |id: &str| out.path().join(format!("models/{id}.haima"));
    left.ended().write(out.path()).unwrap();
    assert!(file("rows").exists() && file("plain").exists());
    left.results.remove("rows");
    left.ended().write(out.path()).unwrap();
    assert!(!file("rows").exists() && file("plain").exists());
}

#[test]
fn a_generator_that_is_not_what_the_manifest_promises_gets_no_file() {
    let (mut left, out) = (left(), tempfile::tempdir().unwrap());
    left.results.get_mut("rows").unwrap()["release"] = json!("exact");
    left.ended().write(out.path()).unwrap();
    assert!(!out.path().join("models/rows.haima").exists());
    assert!(out.path().join("models/plain.haima").exists());
}

#[test]
fn its_card_says_what_it_is_what_it_promises_and_how_rows_are_drawn_from_it() {
    let left = left();
    let page = card(&left, "rows").markdown();
    for part in [
        "# Generator card: unit",
        "`age`: numbers from 0 to 110 in 4 bins",
        "`days x dead`: days from 0 to 1000 in 4 bins, and how it ended (dead): 0, 1",
        "haima synth sample",
        "decision about a patient",
        "subject: the old",
        "differential privacy of one patient",
        "- against all nodes but one",
        "| mean total variation, tables of 2 columns | 0.080 |",
        "public: the manifest",
        "of the coordinator's log",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("may hold what is true of single patients"), "{page}");
}

#[test]
fn the_card_of_one_without_noise_warns_of_its_rows_and_promises_nothing() {
    let mut left = left();
    left.results.remove("other");
    let (file, digest) = read(&left, "plain");
    assert_eq!(file.provenance.privacy, Guarantee::exact());
    assert!(says(&file.provenance.notes, "floor of rows adds zeros"));
    let page = GeneratorCard::of(&file, &digest).unwrap().markdown();
    for part in ["exact: no differential privacy", "true of single patients", "Not compared"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("differential privacy of one"), "{page}");
}
