//! What a promise to patients rests on, and what it may not say of them.

use serde_json::Value;

use crate::common::repository;
use crate::{DATA, DP_SGD, EXACT, LOGISTIC, Output, PRIVATE, SCHEMA, Task, haima, text};

/// The columns without a study.
const COLUMNS: &str = "tests/train_cli/leuksurv.toml";
const DP_FEDAVG: &str = "strategy = { name = \"dp-fedavg\", sites = 24 }";

/// `haima train` over the districts, by a schema of one's own.
fn train(task: &Task, schema: &str) -> Output {
    let file = task.path("task.toml");
    let arguments = ["train", text(&file), "--data", DATA, "--site", "district", "--schema"];
    haima(&[&arguments[..], &[schema, "--json"]].concat())
}

fn with_delta(delta: &str) -> String {
    format!("[privacy]\nepsilon = 3.0\ndelta = {delta}\n")
}

/// The study's template, with a line of its own.
fn template(task: &Task, line: &str) -> String {
    let whole = std::fs::read_to_string(repository(SCHEMA)).unwrap();
    let path = task.path("study.toml");
    std::fs::write(&path, format!("{line}\n{whole}")).unwrap();
    text(&path).to_owned()
}

const AGE: &str = "patient = \"id\"\n\
    [[column]]\nname = \"age\"\nkind = \"numeric\"\nrange = [0, 110]\nmissing = true\n\
    [[column]]\nname = \"death\"\nkind = \"flag\"\n";

/// Provenance of a private training over four wards of so many patients, whose ages are known in the
/// first `complete` wards; everybody died.
fn provenance(strategy: &str, delta: &str, patients: usize, complete: usize) -> Value {
    let task = Task::of(&format!(
        "[task]\nname = \"train\"\nversion = 1\n\n[params]\nsteps = 2\nseed = 7\n\
         model = {{ name = \"logistic\", columns = [\"age\"], outcome = \"death\" }}\n{strategy}\n\
         {}",
        with_delta(delta)
    ));
    let row = |i: usize| {
        let (ward, age) = (i / patients, if i / patients < complete { "70" } else { "" });
        format!("{i},{age},1,{ward}\n")
    };
    let rows: String = (0..4 * patients).map(row).collect();
    let [data, schema, out] = ["a.csv", "a.toml", "a.haima"].map(|name| task.path(name));
    std::fs::write(&data, format!("id,age,death,ward\n{rows}")).unwrap();
    std::fs::write(&schema, AGE).unwrap();
    let file = task.path("task.toml");
    let train = ["train", text(&file), "--data", text(&data), "--site", "ward"];
    let options = ["--schema", text(&schema), "--out", text(&out)];
    haima(&[&train[..], &options].concat()).succeeds();
    haima(&["card", text(&out), "--json"]).json()["provenance"].clone()
}

#[test]
fn a_hospital_whose_update_overflows_is_left_out_of_no_private_card() {
    let wild = "strategy = { name = \"dp-fedavg\", sites = 4, learning_rate = 1e300, epochs = 3, \
                batch = 16 }";
    let [calm, one, all] = [0, 1, 4].map(|complete| provenance(wild, "1e-5", 6, complete));
    assert_eq!((&one, &all), (&calm, &calm));
    assert_eq!(calm["data"]["hospitals"], 4);
    assert_eq!(calm["data"]["excluded"], serde_json::json!([]));
    let few = Task::new(LOGISTIC, DP_SGD, 2, PRIVATE).train(&["--min-sites", "30", "--json"]);
    let said = few.refusal();
    assert!(said.contains("a sum needs 30 hospitals (--min-sites), and there are 24"), "{said}");
}

#[test]
fn a_card_has_no_number_of_patients_that_came_from_rows() {
    let own = "strategy = { name = \"dp-fedavg\", sites = 4 }";
    let [few, many] = [6, 30].map(|patients| provenance(own, "4e-4", patients, 4));
    assert_eq!(few["notes"], many["notes"]);
    let notes = few["notes"].to_string();
    assert!(notes.contains("no public number of patients"), "{notes}");
    // What the template says is public, and stands there.
    let task = Task::new(LOGISTIC, DP_SGD, 2, PRIVATE);
    let notes = train(&task, SCHEMA).json()["notes"].to_string();
    assert!(notes.contains("for n = 2880 patients"), "{notes}");
}

#[test]
fn a_small_guess_of_the_patients_loosens_no_delta() {
    let guess = |strategy: &str, guess: u32, delta: &str, schema: &str| {
        let task = Task::of(&format!(
            "[task]\nname = \"train\"\nversion = 1\n\n[params]\n{LOGISTIC}\n{strategy}\nsteps = 2\n\
             seed = 7\nexpected_patients = {guess}\n\n{}",
            with_delta(delta)
        ));
        train(&task, schema)
    };
    // 24 hospitals of at most 120 patients, by the template.
    let said = guess(DP_SGD, 1, "1e-3", SCHEMA).refusal();
    assert!(said.contains("1/(10 n)"), "{said}");
    let said = guess(DP_SGD, 100_000, "1e-5", SCHEMA).refusal();
    assert!(said.contains("1/(10 n)"), "a larger guess counts: {said}");
    // Nothing is divided by it, so nothing says that it is meant.
    let said = guess(DP_FEDAVG, 1, "1e-3", COLUMNS).refusal();
    assert!(said.contains("1/(10 n)"), "{said}");
    guess(DP_SGD, 1000, "5e-5", COLUMNS).succeeds();
}

#[test]
fn a_study_of_two_hospitals_a_patient_has_twice_the_sensitivity_and_says_so() {
    let task = Task::new(LOGISTIC, DP_SGD, 2, PRIVATE);
    let privacy = |line: &str| train(&task, &template(&task, line)).json()["privacy"].clone();
    let (one, two) = (privacy(""), privacy("hospitals_per_patient = 2"));
    let of = |privacy: &Value| privacy["noise"]["sensitivity"].as_u64().unwrap();
    assert_eq!(of(&two), 2 * of(&one));
    let said = two["adjacency"].as_str().unwrap();
    assert!(said.ends_with("one patient, at up to 2 hospitals"), "{said}");
    let said = train(&task, &template(&task, "hospitals_per_patient = 0")).refusal();
    assert!(said.contains("study.toml: `hospitals_per_patient` must be"), "{said}");
}

#[test]
fn a_hospital_over_the_studys_cap_is_refused_under_a_promise() {
    let task = Task::new(LOGISTIC, DP_SGD, 2, PRIVATE);
    let file = task.path("task.toml");
    let arguments = ["train", text(&file), "--data", DATA, "--deal", "3", "--schema", SCHEMA];
    let said = haima(&[&arguments[..], &["--json"]].concat()).refusal();
    assert!(said.contains("more patients than the 120"), "{said}");
    assert!(said.contains("(`max_patients`)"), "{said}");
}

#[test]
fn a_patient_in_two_files_is_refused_under_a_promise_and_said_without_one() {
    let task = Task::new(LOGISTIC, DP_SGD, 2, PRIVATE);
    let table = std::fs::read_to_string(repository(DATA)).unwrap();
    let without_district = |row: &str| {
        let fields = row.split(',').enumerate().filter(|(at, _)| *at != 3);
        fields.map(|(_, field)| field).collect::<Vec<_>>().join(",") + "\n"
    };
    let lines: Vec<String> = table.lines().map(without_district).collect();
    // One of the first file is in the second, too.
    let key = "key-of-one";
    let moved = lines[1].replacen('1', key, 1);
    let rows = [
        moved.clone() + &lines[2..40].concat(),
        lines[40..80].concat() + &moved,
        lines[80..120].concat(),
    ];
    let files = ["a.csv", "b.csv", "c.csv"].map(|name| task.path(name));
    for (file, rows) in files.iter().zip(rows) {
        std::fs::write(file, format!("{}{rows}", lines[0])).unwrap();
    }
    let over_files = |task: &Task, schema: &str| {
        let file = task.path("task.toml");
        let mut arguments = vec!["train", text(&file), "--schema", schema, "--json"];
        arguments.extend(files.iter().flat_map(|file| ["--data", text(file)]));
        haima(&arguments)
    };
    let said = over_files(&task, SCHEMA).refusal();
    assert!(said.contains("a.csv and b.csv: rows of one patient stand in each"), "{said}");
    assert!(said.contains("`hospitals_per_patient`") && !said.contains(key), "{said}");
    over_files(&task, &template(&task, "hospitals_per_patient = 2")).succeeds();
    let exact = over_files(&Task::new(LOGISTIC, DP_SGD, 2, EXACT), SCHEMA);
    let note = "note: rows of one patient stand in a.csv and b.csv";
    assert!(exact.log.contains(note) && !exact.log.contains(key), "{}", exact.log);
    exact.succeeds();
}
