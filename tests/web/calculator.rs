//! The risk calculator: the form of a model, its answers beside `haima predict`'s, and what it refuses.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use haima::web::calculator::Calculator;
use haima::web::site::{self, Options};
use serde_json::Value;

use super::browser::Browser;
use super::common::{program, repository};
use super::site::{config, network};

const DATA: &str = "data/leuksurv.csv";
const SCHEMA: &str = "data/leuksurv.study.toml";
/// A patient of no table.
const PATIENT: [(&str, &str); 4] = [("age", "61"), ("male", "1"), ("wbc", "12.5"), ("tpi", "-2")];

fn haima(arguments: &[&str]) -> String {
    let output =
        Command::new(program()).current_dir(repository(".")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A model of a few rounds.
fn train(folder: &Path, name: &str, model: &str) -> PathBuf {
    let (task, out) = (folder.join(format!("{name}.toml")), folder.join(format!("{name}.haima")));
    let text = format!(
        "[task]\nname = \"train\"\nversion = 1\n\n[params]\nmodel = {model}\n\
         strategy = {{ name = \"dp-sgd\", clip = 1.0, learning_rate = 0.5 }}\n\
         steps = 10\nseed = 7\nexpected_patients = 1000\n\n[privacy]\nexact = true\n"
    );
    std::fs::write(&task, text).unwrap();
    let [task, out] = [&task, &out].map(|path| path.to_str().unwrap());
    haima(&["train", task, "--data", DATA, "--site", "district", "--schema", SCHEMA, "--out", out]);
    out.into()
}

/// What `haima predict` says of the patient.
fn predicted(folder: &Path, model: &Path) -> Value {
    let data = folder.join("patient.csv");
    let [head, row] = [0, 1].map(|part| {
        let of = |(name, value): &(&'static str, &'static str)| [*name, *value][part];
        PATIENT.iter().map(of).collect::<Vec<_>>().join(",")
    });
    std::fs::write(&data, format!("{head}\n{row}\n")).unwrap();
    let [model, data] = [model, &data].map(|path| path.to_str().unwrap());
    serde_json::from_str(&haima(&["predict", model, "--data", data, "--explain", "--json"]))
        .unwrap()
}

/// The fields of the form for a patient's columns, found by their labels.
fn fields(page: &str, patient: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    let labels = [("age", "Age"), ("male", "Male sex"), ("wbc", "White"), ("tpi", "Townsend")];
    let of = |(column, value): &(&str, &'static str)| {
        let (_, label) = labels.iter().find(|(name, _)| name == column).unwrap();
        let at = page.find(&format!(">{label}")).unwrap_or_else(|| panic!("no {label}: {page}"));
        let (_, rest) = page[..at].rsplit_once("<label for=\"").unwrap();
        (rest.split('"').next().unwrap().to_owned(), *value)
    };
    patient.iter().map(of).collect()
}

async fn browser(models: &[PathBuf]) -> Browser {
    let network = network();
    let models = models.iter().map(|path| Calculator::read(path).unwrap()).collect();
    let options = Options { config: config(&network), draft: None, models, stop: None };
    Browser::signed_in(|door| site::pages(options, door).unwrap()).await
}

async fn ask(browser: &Browser, path: &str, patient: &[(&str, &'static str)]) -> String {
    let form = browser.get(path).await.page();
    let fields = fields(&form, patient);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, *value)).collect();
    browser.post(path, path, &fields).await.page()
}

/// As pages print a share: with a decimal near its ends.
fn percent(share: f64) -> String {
    let value = 100.0 * share;
    let is_near_end = (value > 0.0 && value < 1.0) || (value > 99.0 && value < 100.0);
    format!("{value:.*}%", usize::from(is_near_end))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_models_form_asks_for_its_inputs_and_answers_as_predict_does() {
    let folder = tempfile::tempdir().unwrap();
    let columns = "columns = [\"age\", \"male\", \"wbc\", \"tpi\"]";
    let logistic = format!("{{ name = \"logistic\", {columns}, outcome = \"death\" }}");
    let cox = format!(
        "{{ name = \"cox\", {columns}, time = \"time_days\", event = \"death\", \
         cuts = [90.0, 365.0, 1000.0] }}"
    );
    let models = [train(folder.path(), "logistic", &logistic), train(folder.path(), "cox", &cox)];
    let browser = browser(&models).await;
    let list = browser.get("/calculator").await.page();
    assert!(list.contains("Not a medical device") && list.contains("Died"), "{list}");
    assert_eq!(browser.get("/calculator/3").await.status, 404);

    let form = browser.get("/calculator/1").await.page();
    for part in ["0 to 110 years", "not known", "<option value=\"1\">yes", "Not a medical device"] {
        assert!(form.contains(part), "{part}: {form}");
    }
    let answer = ask(&browser, "/calculator/1", &PATIENT).await;
    let told = predicted(folder.path(), &models[0]);
    let probability = told["rows"][0]["figures"][0].as_f64().unwrap();
    let shown = format!("<dd class=\"value\">{}</dd>", percent(probability));
    assert!(answer.contains(&shown), "{shown}: {answer}");
    assert!(answer.contains("No interval.") && answer.contains("What moves it most"), "{answer}");
    let parts = told["rows"][0]["explanation"]["contributions"].as_array().unwrap();
    assert_eq!(answer.matches("preserveAspectRatio=\"none\" aria-hidden").count(), parts.len());

    let answer = ask(&browser, "/calculator/2", &PATIENT).await;
    let told = predicted(folder.path(), &models[1]);
    for (place, cut) in [(1, "90"), (2, "365"), (3, "1000")] {
        let survival = told["rows"][0]["figures"][place].as_f64().unwrap();
        let row = format!(
            "<th class=\"num\" scope=\"row\">{cut}</th><td class=\"num\">{}</td>",
            percent(survival)
        );
        assert!(answer.contains(&row), "{row}: {answer}");
    }
    assert!(answer.contains("<path class=\"curve\"") && answer.contains("days"), "{answer}");

    let unread = ask(&browser, "/calculator/1", &[("age", "61,5"), ("wbc", "9999")]).await;
    assert!(unread.contains("decimal point") && unread.contains("outside 0 to 500"), "{unread}");
    assert!(unread.contains("value=\"61,5\"") && unread.contains("aria-invalid=\"true\""));
    assert!(!unread.contains("id=\"result\""), "nothing was calculated");
    let lacking = ask(&browser, "/calculator/1", &[("age", "61")]).await;
    assert!(lacking.contains("This model needs: ") && lacking.contains("Male sex"), "{lacking}");
    let hostile = ask(&browser, "/calculator/1", &[("age", "\"><script>alert(1)</script>")]).await;
    assert!(!hostile.contains("<script>alert"), "{hostile}");
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.haima");
    std::fs::write(&path, "no zip").unwrap();
    assert!(Calculator::read(&path).is_err());
}
