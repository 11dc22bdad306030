//! What a user is told: what a model predicts, who is left out, what a promise is worth, what to do.

use crate::common::repository;
use crate::{DATA, DP_SGD, EXACT, LOGISTIC, PRIVATE, SCHEMA, Task, haima, text};

/// Death within a year.
const HORIZON: &str = "model = { name = \"logistic\", columns = [\"age\", \"male\", \"wbc\", \"tpi\"], \
     time = \"time_days\", event = \"death\", horizon = 365 }";

fn with_holdout(steps: u32) -> Task {
    Task::new(HORIZON, &format!("{DP_SGD}\nholdout = 0.3"), steps, EXACT)
}

#[test]
fn a_model_and_its_card_say_what_is_predicted_and_of_whom() {
    let task = Task::new(HORIZON, DP_SGD, 2, EXACT);
    let out = task.path("model.haima");
    let summary = task.train(&["--out", text(&out)]).succeeds();
    let predicts = "Died within 365 days (event `death`, time `time_days`: Follow-up)";
    assert!(summary.contains(&format!("predicts {predicts}\n")), "{summary}");
    assert!(summary.contains("of       patients with acute myeloid leukaemia\n"), "{summary}");
    let card = haima(&["card", text(&out)]).succeeds();
    assert!(card.contains(&format!("- predicts: {predicts}\n")), "{card}");
    assert!(card.contains("- subject: patients with acute myeloid leukaemia\n"), "{card}");
    let json = haima(&["card", text(&out), "--json"]).json();
    let outcome = &json["model"]["outcome"];
    assert_eq!(outcome["horizon"], 365.0);
    assert_eq!(
        (&outcome["column"]["name"], &outcome["time"]["unit"]),
        (&"death".into(), &"days".into())
    );
}

#[test]
fn hospitals_left_out_of_an_evaluation_are_named_on_screen_and_card() {
    let task = with_holdout(5);
    let model = task.model();
    let arguments = ["evaluate", text(&model), "--data", DATA, "--site", "district"];
    for _ in 0..2 {
        let said = haima(&[&arguments[..], &["--card"]].concat());
        // Of whose patients three are held out; how many it has is not said.
        let named = "hospital 6: fewer held-out patients than the floor of 10";
        assert!(said.log.contains(named) && !said.log.contains("in all)"), "{}", said.log);
        assert!(said.succeeds().contains(" left out\n"));
    }
    let card = haima(&["card", text(&model)]).succeeds();
    assert!(!card.contains("- note: evaluated on"), "{card}");
    let (_, below) = card.split_once("## How well it does").unwrap();
    let lines: Vec<&str> = below.lines().filter(|line| line.contains("left out: ")).collect();
    let [line] = lines.as_slice() else { panic!("{card}") };
    let (hospitals, reason) = line.split_once("; ").unwrap();
    let hospitals = hospitals.strip_prefix("- 9 hospitals left out: ").unwrap();
    let hospitals: Vec<&str> = hospitals.split(", ").collect();
    assert!(hospitals.len() == 9 && hospitals.contains(&"6"), "{line}");
    let floor = "fewer held-out patients than the floor of 10 (over ";
    assert!(reason.starts_with(floor), "{line}");
    let row = card.lines().find(|line| line.starts_with("| C-index")).unwrap();
    assert!(row.contains("held-out patients, exact sums, 9 left out"), "{row}");
    let few = haima(&[&arguments[..], &["--min-local-rows", "1000"]].concat()).refusal();
    assert!(few.contains("fewer held-out patients than the floor of 1000"), "{few}");
}

#[test]
fn figures_and_notes_of_other_data_stay_on_the_card() {
    let task = with_holdout(5);
    let (model, other) = (task.model(), task.path("elsewhere.csv"));
    std::fs::copy(repository(DATA), &other).unwrap();
    let evaluate = |data: &str, options: &[&str]| {
        let arguments = ["evaluate", text(&model), "--data", data, "--site", "district", "--card"];
        haima(&[&arguments[..], options].concat()).succeeds();
    };
    evaluate(DATA, &[]);
    // As many patients of as many hospitals.
    evaluate(text(&other), &[]);
    // The same patients, but more hospitals: what was said of fewer stands by its figures.
    evaluate(DATA, &["--min-local-rows", "5"]);
    let card = haima(&["card", text(&model)]).succeeds();
    let count = |parts: &[&str]| {
        card.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    };
    for data in ["(leuksurv)", "(elsewhere)"] {
        let rows = count(&["| C-index", data, ", 9 left out |"]);
        let notes = count(&["- 9 hospitals left out: ", data, ", 9 left out)"]);
        assert_eq!((rows, notes), (1, 1), "{data}: {card}");
    }
    assert_eq!(count(&["| C-index", "(leuksurv)"]), 2, "{card}");
}

#[test]
fn an_evaluation_shows_scores_beside_what_they_are_held_against() {
    let task = with_holdout(40);
    let model = task.model();
    let arguments = ["evaluate", text(&model), "--data", DATA, "--site", "district"];
    let found = haima(&[&arguments[..], &["--json"]].concat()).json();
    let table = haima(&arguments).succeeds();
    let value = |name: &str| {
        let rest = table.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let horizon = &found["survival"]["horizons"][0];
    for (name, key) in [
        ("Brier score at 365 days ", "brier"),
        ("Brier score of the null model at 365 days ", "brier_null"),
        ("mean prediction at 365 days ", "predicted"),
        ("observed share at 365 days ", "observed"),
    ] {
        assert_eq!(value(name), format!("{:.3}", horizon[key].as_f64().unwrap()), "{table}");
    }
    let c_index = table.lines().find(|line| line.starts_with("C-index")).unwrap();
    assert!(c_index.contains("95% interval 0."), "{table}");
}

const ENDINGS: &str = "patient = \"id\"\n\
    [[column]]\nname = \"age\"\nkind = \"numeric\"\nrange = [0, 110]\n\
    [[column]]\nname = \"months\"\nkind = \"numeric\"\nunit = \"months\"\nrange = [0, 60]\n\
    [[column]]\nname = \"ending\"\nkind = \"category\"\nlevels = [\"none\", \"relapse\", \"death\"]\n";

#[test]
fn a_model_of_competing_risks_is_not_judged_and_what_to_use_is_said() {
    let model = "model = { name = \"competing\", columns = [\"age\"], hidden = [], \
                 time = \"months\", event = \"ending\", cuts = [12, 24] }";
    let task = Task::new(model, DP_SGD, 2, EXACT);
    let row = |i: usize| {
        format!("{i},{},{},{}\n", 40 + i % 40, 1 + i % 30, ["none", "relapse", "death"][i % 3])
    };
    let rows: String = (0..60).map(row).collect();
    let (data, schema, out) = (task.path("a.csv"), task.path("a.toml"), task.path("a.haima"));
    std::fs::write(&data, format!("id,age,months,ending\n{rows}")).unwrap();
    std::fs::write(&schema, ENDINGS).unwrap();
    let (file, deal) = (task.path("task.toml"), ["--deal", "3"]);
    let train = ["train", text(&file), "--data", text(&data), "--schema", text(&schema)];
    haima(&[&train[..], &deal, &["--out", text(&out)]].concat()).succeeds();
    let evaluate = ["evaluate", text(&out), "--data", text(&data)];
    let said = haima(&[&evaluate[..], &deal].concat()).refusal();
    assert!(said.contains("a.haima: predicts competing risks"), "{said}");
    assert!(said.contains("`class` one of risk_relapse, risk_death"), "{said}");
    let card = haima(&["card", text(&out)]).succeeds();
    let predicts = "ending over time, by cause: relapse, death, until 24 months (event `ending`, \
                    time `months`)";
    assert!(card.contains(predicts), "{card}");
}

#[test]
fn a_strangers_words_move_nothing_on_a_screen() {
    let model =
        "model = { name = \"mlp\", columns = [\"age\"], hidden = [2], outcome = \"ending\" }";
    let task = Task::new(model, DP_SGD, 2, EXACT);
    let row = |i: usize| {
        format!("{i},{},{},{}\n", 40 + i % 40, i % 30, ["none", "re\u{202e}lapse", "death"][i % 3])
    };
    let rows: String = (0..60).map(row).collect();
    let schema =
        ENDINGS.replace("[[column]]", "[[schema.column]]").replace("relapse", "re\u{202e}lapse");
    let template = format!("[about]\nsubject = \"ad\\u001B[2Jults\\nwritten\"\n[schema]\n{schema}");
    let (data, file, out) = (task.path("a.csv"), task.path("a.toml"), task.path("a.haima"));
    std::fs::write(&data, format!("id,age,months,ending\n{rows}")).unwrap();
    std::fs::write(&file, template).unwrap();
    let (own, deal) = (task.path("task.toml"), ["--deal", "3"]);
    let train = ["train", text(&own), "--data", text(&data), "--schema", text(&file)];
    let summary = haima(&[&train[..], &deal, &["--out", text(&out)]].concat()).succeeds();
    let predicted = haima(&["predict", text(&out), "--data", text(&data)]).succeeds();
    let evaluate = ["evaluate", text(&out), "--data", text(&data)];
    let evaluated = haima(&[&evaluate[..], &deal].concat()).succeeds();
    for (said, wanted) in [
        (&summary, "of       ad [2Jults written\n"),
        (&summary, "gives    none, re lapse, death\n"),
        (&predicted, "re lapse"),
        (&evaluated, "AUC of re lapse"),
    ] {
        assert!(said.contains(wanted), "{said:?}");
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    }
}

#[test]
fn a_templates_column_of_hospitals_splits_a_pooled_file_or_is_left_out() {
    let task = Task::new(LOGISTIC, DP_SGD, 2, EXACT);
    let file = task.path("task.toml");
    let train = ["train", text(&file), "--data", DATA, "--json", "--schema"];
    let said = haima(&[&train[..], &[SCHEMA]].concat());
    assert!(said.log.contains("note: hospitals by `district`"), "{}", said.log);
    assert_eq!(said.json()["sites"], 24);
    let dealt = haima(&[&train[..], &[SCHEMA, "--deal", "5"]].concat()).json();
    assert_eq!(dealt["sites"], 5);
    let alone = haima(&[&train[..], &["tests/train_cli/leuksurv.toml"]].concat()).refusal();
    assert!(alone.contains("one file is a hospital") && alone.contains("--site"), "{alone}");
    let mut rows = std::fs::read_to_string(repository(DATA)).unwrap();
    rows = rows.replacen("district", "ward", 1);
    std::fs::write(task.path("wards.csv"), rows).unwrap();
    let wards = task.path("wards.csv");
    let other = ["train", text(&file), "--data", text(&wards), "--schema", SCHEMA, "--json"];
    let said = haima(&other).refusal();
    assert!(said.contains("no column \"district\"") && said.contains("by --site"), "{said}");
}

#[test]
fn a_pooled_file_is_checked_without_its_column_of_hospitals() {
    let said = haima(&["check", DATA, "--schema", SCHEMA]);
    assert!(said.log.contains("`district` names the hospital of each row"), "{}", said.log);
    assert!(said.succeeds().contains("each site takes its rows of this file, without `district`"));
    let plain = haima(&["check", DATA, "--schema", "tests/train_cli/leuksurv.toml"]);
    assert!(!plain.log.contains("note: "), "{}", plain.log);
    assert!(plain.succeeds().contains("No faults: a site takes this file."));
    let said = haima(&["check", DATA, "--schema", SCHEMA, "--site", "ward"]);
    assert!(!said.success && said.log.contains("no column \"ward\" (--site)"), "{}", said.log);
}

#[test]
fn a_promise_that_is_worth_little_is_refused_or_said() {
    let private = |section: &str| {
        let task = Task::new(LOGISTIC, DP_SGD, 2, &format!("[privacy]\n{section}"));
        let output = task.train(&["--out", text(&task.path("model.haima"))]);
        (task, output)
    };
    let (_, output) = private("epsilon = 3.0\ndelta = 0.01\n");
    let said = output.refusal();
    assert!(said.contains("1/(10 n)") && said.contains("allow_large_delta = true"), "{said}");
    assert!(!said.contains("simulation:"), "{said}");
    let section = "epsilon = 20.0\ndelta = 0.01\nallow_large_delta = true\n";
    let (task, output) = private(section);
    for note in ["delta 1e-2 is above 1/(100 n)", "epsilon 20 is above 10"] {
        assert!(output.log.contains(&format!("note: {note}")), "{}", output.log);
        let card = haima(&["card", text(&task.path("model.haima"))]).succeeds();
        assert!(card.contains(&format!("- note: {note}")), "{card}");
    }
    let small = PRIVATE.replace("1e-5", "1e-6");
    let usual = Task::new(LOGISTIC, DP_SGD, 2, &small).train(&["--json"]);
    assert!(!usual.log.contains("note: "), "{}", usual.log);
    let nodes = Task::new(LOGISTIC, DP_SGD, 2, &format!("[privacy]\n{section}"));
    let said = nodes.train(&["--sum", "nodes", "--json"]).refusal();
    assert!(said.contains("`allow_large_delta` is for simulations"), "{said}");
}

#[test]
fn whether_early_stopping_stopped_is_said() {
    let stops = |strategy: &str, patience: u32, steps: u32| {
        let early =
            format!("{strategy}\nholdout = 0.3\nearly_stopping = {{ patience = {patience} }}");
        let task = Task::new(LOGISTIC, &early, steps, EXACT);
        let out = task.path("model.haima");
        let summary = task.train(&["--out", text(&out)]).succeeds();
        let model = haima(&["card", text(&out), "--json"]).json()["model"].clone();
        (summary, haima(&["card", text(&out)]).succeeds(), model)
    };
    // Steps so long that the loss soon rises.
    let wild = "strategy = { name = \"dp-sgd\", clip = 1.0, learning_rate = 100.0 }";
    let (summary, card, model) = stops(wild, 1, 60);
    assert_eq!(model["early_stopping"]["stopped"], true, "{model}");
    let said = format!("early stopping ended the training after {} rounds of 60", model["steps"]);
    assert!(summary.contains(&said), "{summary}");
    assert!(card.contains(&said.replacen("stopping", "stopping:", 1)), "{card}");
    let (summary, card, model) = stops(DP_SGD, 9, 3);
    assert_eq!(model["early_stopping"]["stopped"], false, "{model}");
    let said = "did not end the training, which ran all of its 3 rounds";
    assert!(summary.contains(said) && card.contains(said), "{summary}{card}");
}

#[test]
fn a_short_error_says_the_key_and_what_to_do() {
    let of = |params: &str| {
        Task::of(&format!("[task]\nname = \"train\"\nversion = 1\n\n[params]\n{params}\n{EXACT}"))
    };
    let rest = format!("{LOGISTIC}\nseed = 7");
    let said = of(&format!("steps = \"10\"\nexpected_patients = 1000\n{rest}"));
    let said = said.train(&["--json"]).refusal();
    assert!(said.contains("task.toml: `steps`: invalid type"), "{said}");
    assert!(!said.contains("simulation:"), "{said}");
    let said = of(&format!("steps = 10\n{rest}")).train(&["--json"]).refusal();
    assert!(said.contains("the strategy dp-sgd needs it: a public guess"), "{said}");
    let said = Task::new(LOGISTIC, DP_SGD, 2, EXACT).train(&[]).refusal();
    assert!(said.contains("neither --out nor --json"), "{said}");
}
