//! What is shown of a model and its figures, and what happens when nobody looks.

use std::process::{Command, Stdio};

use crate::common::{program, repository};
use crate::{DATA, DP_SGD, EXACT, LOGISTIC, PRIVATE, Task, haima, text};

/// Death within a year.
const HORIZON: &str = "model = { name = \"logistic\", columns = [\"age\", \"male\", \"wbc\", \"tpi\"], \
     time = \"time_days\", event = \"death\", horizon = 365 }";

#[test]
fn a_reader_who_goes_away_ends_no_command_in_panic() {
    let task = Task::new(LOGISTIC, DP_SGD, 2, EXACT);
    let path = task.model();
    for arguments in [vec!["predict", text(&path), "--data", DATA], vec!["card", text(&path)]] {
        let mut command = Command::new(program());
        command.current_dir(repository(".")).args(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !log.contains("panicked"), "{arguments:?}: {log}");
    }
}

#[test]
fn an_explained_file_has_a_column_an_input_and_adds_up() {
    let task = Task::new(LOGISTIC, DP_SGD, 20, EXACT);
    let (model, rows, out) = (task.model(), task.path("rows.csv"), task.path("out.csv"));
    std::fs::write(&rows, "age,wbc,tpi,male\n61,13.3,-1.96,0\n70,,1.0,1\n").unwrap();
    let predict = ["predict", text(&model), "--data", text(&rows), "--out", text(&out)];
    haima(&predict).succeeds();
    let plain = std::fs::read_to_string(&out).unwrap();
    assert!(!plain.contains("contribution"), "{plain}");
    haima(&[&predict[..], &["--explain"]].concat()).succeeds();
    let written = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<Vec<&str>> = written.lines().map(|line| line.split(',').collect()).collect();
    let head = ["explained", "explained_centre", "contribution_age", "contribution_male"];
    assert_eq!(lines[0][2..6], head, "{written}");
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{written}");
    let number = |at: usize| lines[1][at].parse::<f64>().unwrap();
    let sum: f64 = (3..lines[0].len()).map(number).sum();
    assert!((sum - (number(1) / (1.0 - number(1))).ln()).abs() < 1e-6, "{written}");
    assert!(lines[2][1..].iter().all(|cell| cell.is_empty()), "{written}");
}

#[test]
fn a_model_of_one_horizon_keeps_its_figures_when_others_are_asked() {
    let task = Task::new(HORIZON, DP_SGD, 40, EXACT);
    let model = task.model();
    let evaluate = ["evaluate", text(&model), "--data", DATA, "--site", "district", "--horizons"];
    for horizons in ["180", "365,180", "365"] {
        let said = haima(&[&evaluate[..], &[horizons]].concat());
        let note = "note: at 180 days: the model predicts the event by 365 alone";
        assert_eq!(said.log.contains(note), horizons.contains("180"), "{}", said.log);
        let table = said.succeeds();
        for own in ["Brier score", "Brier score of the null model", "mean prediction"] {
            assert!(table.contains(&format!("{own} at 365 days ")), "{own}: {table}");
        }
        assert_eq!(table.contains("AUC at 180 days "), horizons.contains("180"), "{table}");
        assert!(!table.contains("null model at 180"), "{table}");
    }
}

#[test]
fn predictions_that_are_off_are_told_on_screen_and_card() {
    // Hardly trained, it predicts one half for everybody; more of them have died.
    let task = Task::new(LOGISTIC, DP_SGD, 1, EXACT);
    let model = task.model();
    let evaluate = ["evaluate", text(&model), "--data", DATA, "--site", "district", "--card"];
    let said = haima(&evaluate);
    let is_told = said.log.contains("note: predicts ") && said.log.contains("too little");
    assert!(is_told, "{}", said.log);
    let card = haima(&["card", text(&model)]).succeeds();
    let line = card.lines().find(|line| line.starts_with("- it predicts ")).unwrap();
    assert!(line.contains("points too little, by more than chance explains"), "{line}");
    assert!(line.contains("(leuksurv)"), "{line}");
}

#[test]
fn whom_a_holdout_is_made_of_is_said_where_nobody_chose() {
    let task = Task::new(LOGISTIC, &format!("{DP_SGD}\nholdout = 0.3"), 5, EXACT);
    let model = task.model();
    let evaluate = ["evaluate", text(&model), "--data", DATA, "--site", "district"];
    let said = haima(&evaluate);
    let note = "the patients that the training's seed keeps out: ";
    let rest = said.log.split(note).nth(1).unwrap_or_else(|| panic!("{}", said.log));
    let held: usize = rest.split(' ').next().unwrap().parse().unwrap();
    assert!((200..450).contains(&held), "{rest}");
    assert!(rest.contains("of 1043 rows; for other patients than the training's say --subset all"));
    let all = haima(&[&evaluate[..], &["--subset", "all"]].concat());
    assert!(!all.log.contains(note), "{}", all.log);
}

#[test]
fn a_card_of_a_simulation_speaks_of_no_proofs() {
    let task = Task::new(LOGISTIC, DP_SGD, 2, EXACT);
    let card = haima(&["card", text(&task.model())]).succeeds();
    assert!(card.contains("no proofs were made") && !card.contains("proofs bound"), "{card}");
}

#[test]
fn a_card_says_who_was_left_out_of_training_and_what_inputs_and_times_are_in() {
    let task = Task::new(HORIZON, DP_SGD, 40, EXACT);
    let model = task.model();
    haima(&["evaluate", text(&model), "--data", DATA, "--site", "district", "--card"]).succeeds();
    let card = haima(&["card", text(&model)]).succeeds();
    for wanted in [
        "censored before 365 days were left out of training",
        "Only complete patients were trained on (`missing` is skip)",
        "| AUC at 365 days |",
        "| input wbc | 0 to 500 | public: ",
        "| input tpi | -10 to 12 | public: ",
    ] {
        assert!(card.contains(wanted), "{wanted}: {card}");
    }
    assert!(!card.contains("in words: "), "nothing is promised: {card}");
    let task = Task::new(LOGISTIC, DP_SGD, 2, PRIVATE);
    let card = haima(&["card", text(&task.model())]).succeeds();
    assert!(!card.contains("censored before"), "{card}");
    assert!(card.contains("in words: what anybody concludes of one patient"), "{card}");
}

#[test]
fn under_noise_early_stopping_gives_no_loss() {
    let early = format!("{DP_SGD}\nholdout = 0.3\nearly_stopping = {{ patience = 20 }}");
    let task = Task::new(LOGISTIC, &early, 4, PRIVATE);
    let out = task.path("model.haima");
    let summary = task.train(&["--out", text(&out)]).succeeds();
    let card = haima(&["card", text(&out)]).succeeds();
    for said in [&summary, &card] {
        assert!(!said.contains("least held-out loss"), "{said}");
        assert!(said.contains("by a noised figure") || said.contains("no held-out"), "{said}");
    }
}
