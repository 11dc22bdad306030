//! Validation of predictions, against R's survival, riskRegression and pROC
//! (`tests/oracles/validation.R`).

use std::collections::BTreeMap;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry;
use haima_fl_core::results::validation::{Binary, Probability, Share, Survival, Validation};
use haima_fl_core::sum::{PlainSum, drive};
use haima_fl_core::{Error, schema::Schema};
use serde_json::{Value, json};

use crate::common::{LEUKSURV, close, cohort, cohorts, data, numbers, rng, schema, split, table};

const TIME: &str = "time = \"time_days\"\nevent = \"death\"\n";

fn validation_r() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracles/validation.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("oracle")).expect("JSON")
}

/// The schema of leuksurv with more numeric columns.
fn wider(columns: &[(String, f64, f64)]) -> Schema {
    let mut text = LEUKSURV.to_owned();
    for (name, low, high) in columns {
        text.push_str(&format!(
            "[[column]]\nname = \"{name}\"\nkind = \"numeric\"\nrange = [{low}, {high}]\n"
        ));
    }
    schema(&text)
}

/// A file with one more column.
fn with_column(text: &str, name: &str, values: impl IntoIterator<Item = f64>) -> String {
    let mut lines = text.lines();
    let header = lines.next().expect("header");
    let rows = lines.zip(values).map(|(line, value)| format!("{line},{value}\n"));
    format!("{header},{name}\n{}", rows.collect::<String>())
}

fn column(text: &str, name: &str) -> Vec<f64> {
    crate::common::records(text).iter().map(|row| row[name].parse().expect("number")).collect()
}

/// R's coefficients as the result of an earlier task.
pub(crate) fn fit(model: &str, terms: &Value) -> BTreeMap<String, Value> {
    let names = terms["name"].as_array().expect("names").iter();
    let term = |(name, coef): (&Value, f64)| {
        json!({ "name": name, "coef": coef, "se": 1.0, "hr": 1.0, "lo": 1.0, "hi": 1.0, "z": 0.0,
            "p": 1.0 })
    };
    let terms: Vec<Value> = names.zip(numbers(&terms["coef"])).map(term).collect();
    let fit = json!({
        "schema": "haima.fit/1", "model": model, "formula": "", "n": 1, "events": 1, "sites": 1,
        "ties": "", "strata": "", "terms": terms, "loglik": 0.0, "loglik_null": 0.0,
        "iterations": 1,
    });
    BTreeMap::from([("fit".to_owned(), fit)])
}

/// The linear predictor of R's coefficients.
fn predictor(text: &str, terms: &Value) -> Vec<f64> {
    let coef = numbers(&terms["coef"]);
    let mut sum = vec![0.0; text.lines().count() - 1];
    for (name, coef) in terms["name"].as_array().expect("names").iter().zip(coef) {
        let name = name.as_str().expect("name");
        let values = match name {
            "(Intercept)" => vec![1.0; sum.len()],
            _ => column(text, name),
        };
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += coef * value);
    }
    sum
}

fn run(
    params: &str,
    schema: &Schema,
    finished: &BTreeMap<String, Value>,
    cohorts: &[Cohort],
) -> Result<Validation, Error> {
    let open = || registry::open("validate", 1, &table(params), schema, finished);
    let mut own = open()?;
    let mut sums = PlainSum::new(cohorts, 100_000, 1, rng(), open)?;
    let value = drive(own.as_mut(), &mut sums)?;
    Ok(serde_json::from_value(value).expect("haima.validation/1"))
}

fn binary(validation: Validation) -> (Binary, Probability) {
    let binary = validation.binary.expect("binary");
    let probability = binary.probability.clone().expect("a probability");
    (binary, probability)
}

fn se(share: &Share) -> f64 {
    share.se.expect("a standard error")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("number")
}

/// All that does not depend on the bins.
fn exact_equals_r(what: &str, ours: &Probability, r: &Value) {
    for (key, value, tolerance) in [
        ("brier", ours.brier, 1e-9),
        ("brier_se", ours.brier_se.expect("se"), 1e-9),
        ("observed", ours.observed, 1e-12),
        ("predicted", ours.predicted, 1e-9),
    ] {
        close(&format!("{what} {key}"), &[value], &[number(&r[key])], tolerance);
    }
    let both = ours.recalibration.expect("recalibrated");
    for (key, values) in [
        ("coef", [both.intercept.coef, both.slope.coef]),
        ("se", [both.intercept.se, both.slope.se]),
    ] {
        let worst = close(what, &values, &numbers(&r["recalibration"][key]), 1e-5);
        eprintln!("{what} recalibration {key}: {worst:.1e}");
    }
    let large = ours.in_the_large.expect("in the large");
    close(what, &[large.coef, large.se], &numbers(&r["in_the_large"]), 1e-5);
    let rows = r["calibration"].as_object().expect("rows");
    assert_eq!(ours.calibration.len(), rows.len());
    for row in &ours.calibration {
        let theirs = numbers(&rows[&format!("{}", (row.from * 10.0).round())]);
        close(what, &[row.n as f64, row.observed, row.predicted], &theirs, 1e-9);
        assert!((row.to - row.from - 0.1).abs() < 1e-12);
    }
    let column = |of: fn(&haima_fl_core::results::validation::Decision) -> f64| {
        ours.decision.iter().map(of).collect::<Vec<f64>>()
    };
    close(what, &column(|row| row.model), &numbers(&r["net_benefit"]), 1e-9);
    close(what, &column(|row| row.all), &numbers(&r["treat_all"]), 1e-9);
    assert!(ours.decision.iter().all(|row| row.none == 0.0));
    assert_eq!(ours.notes, Vec::<String>::new());
}

fn area_equals_r(what: &str, ours: &Share, r: &Value, tolerance: f64) {
    let worst = close(what, &[ours.value], &[number(&r["auc"])], tolerance);
    close(what, &[se(ours)], &[number(&r["auc_se"])], tolerance);
    let ends = [ours.lo.expect("lo"), ours.hi.expect("hi")];
    close(what, &ends, &numbers(&r["auc_ci"]), 2.0 * tolerance);
    eprintln!("{what} AUC: {worst:.1e}");
}

#[test]
fn a_logistic_model_validates_as_in_r() {
    let r = validation_r();
    let r = &r["binary"];
    let schema = schema(LEUKSURV);
    let sites = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    let params = "model = \"fit\"\noutcome = \"death\"";
    let ours = run(params, &schema, &fit("logistic", &r["terms"]), &sites).expect("validation");
    assert_eq!((ours.n, ours.events, ours.sites, ours.bins), (1043, 879, 24, 2000));
    assert_eq!(
        (ours.formula.as_str(), ours.schema.as_str()),
        ("death ~ fit", "haima.validation/1")
    );
    let (binary, probability) = binary(ours);
    area_equals_r("model", &binary.auc, &r["fine"], 1e-3);
    exact_equals_r("model", &probability, &r["fine"]);
}

#[test]
fn a_column_of_few_probabilities_in_bins_of_their_own_validates_as_in_r_to_the_last_digits() {
    let r = validation_r();
    let r = &r["binary"];
    let text = data("leuksurv.csv");
    let coarse = predictor(&text, &r["terms"]).into_iter().map(|eta| {
        let p: f64 = 1.0 / (1.0 + (-eta).exp());
        ((p.min(0.999) * 20.0).floor() + 0.5) / 20.0
    });
    let text = with_column(&text, "p", coarse);
    let schema = wider(&[("p".to_owned(), 0.0, 1.0)]);
    let sites = cohorts(&schema, &split(&text, "district"));
    let params = "score = \"p\"\noutcome = \"death\"\nbins = 20";
    let ours = run(params, &schema, &BTreeMap::new(), &sites).expect("validation");
    let (binary, probability) = binary(ours);
    area_equals_r("column", &binary.auc, &r["coarse"], 1e-9);
    exact_equals_r("column", &probability, &r["coarse"]);
}

#[test]
fn a_score_that_is_no_probability_has_its_area_alone() {
    let schema = schema(LEUKSURV);
    let sites = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    let ours = run("score = \"age\"\noutcome = \"death\"", &schema, &BTreeMap::new(), &sites);
    let binary = ours.expect("validation").binary.expect("binary");
    assert!(binary.auc.value > 0.6 && binary.probability.is_none());
}

fn horizons(r: &Value) -> String {
    let horizons = numbers(&r["horizons"]);
    format!("horizons = {horizons:?}\n")
}

fn survival(validation: Validation) -> Survival {
    validation.survival.expect("survival")
}

fn concordance_equals_r(what: &str, ours: &Survival, r: &Value, tolerance: f64) {
    let worst = close(what, &[ours.c_index.value], &[number(&r["c"])], tolerance);
    close(what, &[se(&ours.c_index)], &[number(&r["se"])], tolerance);
    eprintln!("{what} C: {worst:.1e}");
}

/// Everything at the horizons; `tolerance` for the areas alone.
fn horizons_equal_r(what: &str, ours: &Survival, r: &Value, rows: &str, tolerance: f64) {
    let rows = r[rows].as_array().expect("rows");
    assert_eq!(ours.horizons.len(), rows.len());
    for (ours, theirs) in ours.horizons.iter().zip(rows) {
        let what = format!("{what} at {}", ours.time);
        assert_eq!(Some(ours.n_after), theirs["n_after"].as_u64(), "{what}");
        assert_eq!(Some(ours.events), theirs["events"].as_u64(), "{what}");
        let auc = ours.auc.expect("area");
        let worst = close(&what, &[auc], &[number(&theirs["auc"])], tolerance);
        eprintln!("{what} AUC: {worst:.1e}");
        for (key, value) in [
            ("brier", ours.brier),
            ("brier_null", ours.brier_null),
            ("observed", Some(ours.observed)),
            ("predicted", ours.predicted),
            ("uncensored", Some(ours.uncensored)),
        ] {
            close(&what, &[value.expect(key)], &[number(&theirs[key])], 1e-9);
        }
        let gain = 1.0 - number(&theirs["brier"]) / number(&theirs["brier_null"]);
        close(&what, &[ours.ipa.expect("ipa")], &[gain], 1e-8);
        assert_eq!(ours.note, None);
    }
    for (ours, key) in
        [(ours.integrated_brier, "integrated"), (ours.integrated_brier_null, "integrated_null")]
    {
        close(what, &[ours.expect(key)], &[number(&r[key])], 1e-9);
    }
}

#[test]
fn a_cox_model_with_its_baseline_validates_as_in_r() {
    let r = validation_r();
    let r = &r["survival"];
    let schema = schema(LEUKSURV);
    let sites = cohorts(&schema, &split(&data("leuksurv.csv"), "district"));
    let steps: Vec<Vec<f64>> =
        r["baseline"].as_array().expect("steps").iter().map(numbers).collect();
    let params = format!("model = \"fit\"\n{TIME}{}baseline = {steps:?}", horizons(r));
    let ours = run(&params, &schema, &fit("cox", &r["terms"]), &sites).expect("validation");
    assert_eq!((ours.n, ours.events, ours.sites), (1043, 879, 24));
    assert_eq!(ours.formula, "Surv(time_days, death) ~ fit");
    let ours = survival(ours);
    concordance_equals_r("Cox model", &ours, &r["concordance"]["fine"], 1e-3);
    horizons_equal_r("Cox model", &ours, r, "fine", 1e-3);
    for (key, of) in [("brier", 0), ("brier_null", 1)] {
        let values = ours.horizons.iter().map(|row| [row.brier, row.brier_null][of].expect(key));
        let values: Vec<f64> = values.collect();
        close("riskRegression", &values, &numbers(&r["risk_regression"][key]), 1e-9);
    }
}

#[test]
fn a_column_of_few_scores_on_the_grid_of_the_data_validates_as_in_r_to_the_last_digits() {
    let r = validation_r();
    let r = &r["survival"];
    let mut text = data("leuksurv.csv");
    let eta = predictor(&text, &r["terms"]);
    text = with_column(&text, "group", numbers(&r["group"]));
    let mut columns = vec![("group".to_owned(), 0.0, 10.0)];
    let steps: Vec<Vec<f64>> =
        r["baseline"].as_array().expect("steps").iter().map(numbers).collect();
    for (k, horizon) in numbers(&r["horizons"]).into_iter().enumerate() {
        let hazard = steps.iter().rfind(|step| step[0] <= horizon).map(|step| step[1]);
        let risk = eta.iter().map(|eta| 1.0 - (-hazard.unwrap_or(0.0) * eta.exp()).exp());
        text = with_column(&text, &format!("risk{k}"), risk);
        columns.push((format!("risk{k}"), 0.0, 1.0));
    }
    let schema = wider(&columns);
    let sites = cohorts(&schema, &split(&text, "district"));
    let names: Vec<&String> = columns.iter().skip(1).map(|column| &column.0).collect();
    let params = format!(
        "score = \"group\"\nbins = 8\nrange = [0.5, 8.5]\ngrowth = 0\n{TIME}{}predictions = {names:?}",
        horizons(r)
    );
    let ours = survival(run(&params, &schema, &BTreeMap::new(), &sites).expect("validation"));
    concordance_equals_r("groups", &ours, &r["concordance"]["group"], 1e-9);
    assert_eq!(ours.comparable, number(&r["concordance"]["group"]["pairs"]));
    horizons_equal_r("groups", &ours, r, "coarse", 1e-9);
    let areas: Vec<f64> = ours.horizons.iter().map(|row| row.auc.expect("area")).collect();
    close("riskRegression", &areas, &numbers(&r["risk_regression"]["auc_group"]), 1e-9);
}

/// A hospital of leuksurv's columns: (time, death, age, p).
pub(crate) fn hospital(schema: &Schema, rows: &[(u32, bool, f64, f64)]) -> Cohort {
    let mut text = "patient,time_days,death,age,male,wbc,tpi,p\n".to_owned();
    for (i, (time, death, age, p)) in rows.iter().enumerate() {
        text.push_str(&format!("{i},{time},{},{age},0,10,0,{p}\n", u8::from(*death)));
    }
    cohort(schema, &text)
}

pub(crate) fn with_p() -> Schema {
    wider(&[("p".to_owned(), 0.0, 1.0)])
}

#[test]
fn a_hospital_of_one_class_or_without_events_counts_and_all_of_one_class_are_refused() {
    let schema = with_p();
    let mixed = [(10, true, 60.0, 0.9), (20, false, 50.0, 0.2), (30, true, 70.0, 0.3)];
    let none = [(40, false, 40.0, 0.6), (50, false, 45.0, 0.1)];
    let sites = [hospital(&schema, &mixed), hospital(&schema, &none)];
    let flag = "score = \"p\"\noutcome = \"death\"";
    let ours = run(flag, &schema, &BTreeMap::new(), &sites).expect("validation");
    assert_eq!((ours.n, ours.events, ours.sites), (5, 2, 2));
    // Of the pairs (0.9, 0.3) x (0.2, 0.6, 0.1) one is lost.
    close("area", &[binary(ours).0.auc.value], &[5.0 / 6.0], 1e-12);
    let times = format!("score = \"p\"\n{TIME}");
    let ours = run(&times, &schema, &BTreeMap::new(), &sites).expect("validation");
    assert_eq!((ours.n, ours.events, ours.sites), (5, 2, 2));
    // 0.9 before all four; 0.3 before 0.6 and 0.1.
    close("C", &[survival(ours).c_index.value], &[5.0 / 6.0], 1e-12);
    let alone = &sites[1..];
    for params in [flag, &times] {
        let error = run(params, &schema, &BTreeMap::new(), alone).expect_err("one class");
        assert!(matches!(&error, Error::Fit { .. }), "{error}");
    }
}

#[test]
fn equal_scores_rank_nobody_and_have_no_slope() {
    let schema = with_p();
    let rows: Vec<_> = (0..40).map(|i| (10 + i, i % 4 == 0, 60.0, 0.25)).collect();
    let sites = [hospital(&schema, &rows)];
    let ours = run("score = \"p\"\noutcome = \"death\"", &schema, &BTreeMap::new(), &sites);
    let (own, probability) = binary(ours.expect("validation"));
    assert_eq!(own.auc.value, 0.5);
    assert_eq!((probability.recalibration, probability.notes.len()), (None, 1));
    assert!(probability.notes[0].contains("logit(p)"), "{}", probability.notes[0]);
    assert!(probability.in_the_large.expect("in the large").coef.abs() < 1e-9);
    assert!(probability.ipa.abs() < 1e-9);
    let ours = run(&format!("score = \"p\"\n{TIME}"), &schema, &BTreeMap::new(), &sites);
    assert_eq!(survival(ours.expect("validation")).c_index.value, 0.5);
}

#[test]
fn a_perfect_score_has_an_area_of_one_and_says_why_it_has_no_slope() {
    let schema = with_p();
    let rows: Vec<_> = (0..40).map(|i| (10, i >= 20, 60.0, 0.01 * f64::from(i))).collect();
    let ours = run(
        "score = \"p\"\noutcome = \"death\"",
        &schema,
        &BTreeMap::new(),
        &[hospital(&schema, &rows)],
    );
    let (own, probability) = binary(ours.expect("validation"));
    assert_eq!(own.auc.value, 1.0);
    assert_eq!((probability.recalibration, probability.notes.len()), (None, 1));
    let why = &probability.notes[0];
    assert!(why.contains("without a mistake") && !why.contains("ridge"), "{why}");
}

#[test]
fn a_horizon_by_which_nearly_all_are_censored_is_left_out_with_a_note() {
    let schema = with_p();
    let mut rows: Vec<_> = (0..400).map(|i| (100 + i, false, 60.0, 0.3)).collect();
    rows.extend([(50, true, 60.0, 0.8), (499, true, 50.0, 0.1), (600, true, 50.0, 0.2)]);
    let params = format!(
        "score = \"p\"\n{TIME}horizons = [20, 60, 550]\npredictions = [\"p\", \"p\", \"p\"]"
    );
    let ours = run(&params, &schema, &BTreeMap::new(), &[hospital(&schema, &rows)]);
    let ours = survival(ours.expect("validation"));
    let [none, good, late] = ours.horizons.as_slice() else { panic!("three") };
    assert_eq!((none.auc, none.brier.is_some(), none.note.is_some()), (None, true, true));
    assert!((good.auc.expect("area") - 1.0).abs() < 1e-12 && good.note.is_none());
    assert!(late.auc.is_none() && late.brier.is_none() && late.note.is_some(), "{late:?}");
    assert_eq!(ours.integrated_brier, None);
}

#[test]
fn what_cannot_be_validated_is_refused() {
    let schema = with_p();
    let flag = "outcome = \"death\"";
    let horizons = format!("score = \"p\"\n{TIME}horizons");
    let mut finished = fit("cox", &json!({ "name": ["age"], "coef": [0.1] }));
    finished.insert("curve".to_owned(), json!({ "schema": "haima.km/1", "n": 3 }));
    for params in [
        flag.to_owned(),
        format!("score = \"p\"\nmodel = \"fit\"\n{flag}"),
        format!("model = \"absent\"\n{flag}"),
        format!("model = \"curve\"\n{flag}"),
        format!("score = \"male\"\n{flag}"),
        format!("score = \"p\"\n{flag}\n{TIME}"),
        "score = \"p\"\ntime = \"time_days\"".to_owned(),
        format!("score = \"p\"\n{flag}\nhorizons = [3]"),
        format!("score = \"p\"\n{TIME}thresholds = [0.5]"),
        format!("score = \"p\"\n{flag}\nthresholds = [0.5, 1.0]"),
        format!("score = \"p\"\n{flag}\nthresholds = [0.0]"),
        format!("score = \"p\"\n{flag}\nthresholds = []"),
        format!("score = \"p\"\n{flag}\nthresholds = [nan]"),
        format!("score = \"p\"\n{flag}\nbins = 0"),
        format!("score = \"p\"\n{flag}\nbins = 1000000"),
        format!("score = \"p\"\n{flag}\nrange = [1, 1]"),
        format!("score = \"p\"\n{flag}\ncalibration_bins = 0"),
        format!("score = \"p\"\n{TIME}bins = 100000"),
        format!("score = \"p\"\n{TIME}grid = 0.0"),
        format!("score = \"p\"\n{TIME}grid = nan"),
        format!("score = \"p\"\n{TIME}growth = -1.0"),
        format!("score = \"time_days\"\n{TIME}"),
        format!("{horizons} = [5000]"),
        format!("{horizons} = [0.5]"),
        format!("{horizons} = [20, 10]"),
        format!("{horizons} = [10]\npredictions = []"),
        format!("{horizons} = [10]\npredictions = [\"age\"]"),
        format!("{horizons} = [10]\nbaseline = [[1, 0.1]]"),
        format!("model = \"fit\"\n{TIME}horizons = [10]\nbaseline = [[2, 0.1], [1, 0.2]]"),
        format!("model = \"fit\"\n{TIME}horizons = [10]\nbaseline = []"),
    ] {
        let error = run(&params, &schema, &finished, &[]).expect_err(&params);
        assert!(matches!(error, Error::Params { .. }), "{params}: {error}");
    }
}
