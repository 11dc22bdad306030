//! Trained networks in the tasks that evaluate predictions.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::registry::{self, Finished};
use haima_fl_core::results::Concordance;
use haima_fl_core::results::validation::Validation;
use haima_fl_core::sum::{PlainSum, drive};
use serde::de::DeserializeOwned;

use crate::common::{rng, schema, table};
use crate::planted::{SCHEMA, hospital, square, train};

fn hospitals() -> Vec<Cohort> {
    (1..=3).map(|seed| hospital(seed, 200, square, |a, b| 2.0 * a - b)).collect()
}

fn finished(model: &str) -> Finished {
    let params = format!(
        "seed = 1\nholdout = 0.4\nexpected_patients = 360\nsteps = 150\n\
         strategy = {{ clip = 10.0, learning_rate = 0.5 }}\nmodel = {model}"
    );
    let network = train(&params, &schema(SCHEMA), &hospitals());
    Finished::from([("net".to_owned(), serde_json::to_value(network).expect("JSON"))])
}

fn ask<T: DeserializeOwned>(task: &str, params: &str, finished: &Finished) -> T {
    let (schema, hospitals) = (schema(SCHEMA), hospitals());
    let open = || registry::open(task, 1, &table(params), &schema, finished);
    let mut run = open().expect("task");
    let mut sums = PlainSum::new(&hospitals, 1000, 1, rng(), open).expect("sums");
    serde_json::from_value(drive(run.as_mut(), &mut sums).expect("result")).expect("its form")
}

/// Predictions and outcomes of the patients of a subset, read without the task.
fn by_hand(finished: &Finished, held_out: bool) -> Vec<(Vec<f64>, f64)> {
    let network = serde_json::from_value(finished["net"].clone()).expect("a network");
    let trained =
        haima_fl_core::learn::trained::Trained::new("t", &schema(SCHEMA), &network).expect("opens");
    let mut all = Vec::new();
    for cohort in hospitals() {
        for i in (0..cohort.len()).filter(|i| trained.holds_out(&cohort, *i) == held_out) {
            let predicted = trained.predict(&cohort, i).expect("complete");
            all.push((predicted, cohort.value("ill", i).expect("known")));
        }
    }
    all
}

#[test]
fn a_networks_probability_is_validated_on_the_held_out_by_default() {
    let finished = finished("{ name = \"logistic\", columns = [\"a\", \"b\"], outcome = \"ill\" }");
    let found: Validation = ask("validate", "model = \"net\"\noutcome = \"ill\"", &finished);
    let held_out = by_hand(&finished, true);
    let binary = found.binary.expect("binary");
    let probability = binary.probability.expect("a probability");
    let n = held_out.len() as f64;
    let brier: f64 = held_out.iter().map(|(p, y)| (p[0] - y) * (p[0] - y)).sum::<f64>() / n;
    assert_eq!(found.n, held_out.len() as u64);
    assert!((probability.brier - brier).abs() < 1e-6, "{} {brier}", probability.brier);
    let (mut won, mut pairs) = (0.0, 0.0);
    for (p, _) in held_out.iter().filter(|(_, y)| *y == 1.0) {
        for (q, _) in held_out.iter().filter(|(_, y)| *y == 0.0) {
            pairs += 1.0;
            won += if p[0] > q[0] { 1.0 } else { 0.0 };
        }
    }
    assert!((binary.auc.value - won / pairs).abs() < 2e-3, "{} {}", binary.auc.value, won / pairs);
    assert!(binary.auc.value > 0.75 && binary.auc.se.is_some_and(|se| se > 0.0));
    assert!(!probability.decision.is_empty() && probability.recalibration.is_some());

    let params = "model = \"net\"\noutcome = \"ill\"\nsubset = \"training\"";
    let others: Validation = ask("validate", params, &finished);
    assert_eq!(others.n + found.n, 600);
}

#[test]
fn a_survival_network_is_ranked_and_its_risk_by_a_horizon_is_scored() {
    let finished = finished(
        "{ name = \"deepsurv\", columns = [\"a\", \"b\"], time = \"time\", event = \"died\", \
         cuts = [5, 10, 20, 40, 60, 100], hidden = [4] }",
    );
    let survival = "model = \"net\"\ntime = \"time\"\nevent = \"died\"\n";
    let c: Concordance =
        ask("concordance", &format!("{survival}grid = 0.5\nbins = 100\ngrowth = 0.1"), &finished);
    let params = format!("{survival}horizons = [10, 30]\ngrid = 0.5");
    let found: Validation = ask("validate", &params, &finished);
    let own = found.survival.expect("survival");
    assert!(c.c_index > 0.7, "{}", c.c_index);
    assert!((own.c_index.value - c.c_index).abs() < 0.01, "{} {}", own.c_index.value, c.c_index);
    assert_eq!((c.n, found.n, c.subset.as_str()), (found.n, found.n, "holdout"));
    for row in &own.horizons {
        let (brier, null) = (row.brier.expect("brier"), row.brier_null.expect("null"));
        assert!(brier < 0.9 * null, "{row:?}");
        let predicted = row.predicted.expect("predicted");
        assert!((predicted - row.observed).abs() < 0.08, "{row:?}");
        assert!(row.auc.is_some_and(|auc| auc > 0.7), "{row:?}");
    }
}

#[test]
fn a_network_of_one_horizon_is_scored_there_whatever_else_is_asked() {
    let finished = finished(
        "{ name = \"logistic\", columns = [\"a\", \"b\"], time = \"time\", event = \"died\", \
         horizon = 20 }",
    );
    let survival = "model = \"net\"\ntime = \"time\"\nevent = \"died\"\ngrid = 0.5\n";
    let rows = |horizons: &str| {
        let params = format!("{survival}horizons = {horizons}");
        let found: Validation = ask("validate", &params, &finished);
        found.survival.expect("survival").horizons
    };
    let alone = rows("[20]");
    let all = rows("[10, 20, 30]");
    let [early, own, late] = all.as_slice() else { panic!("three") };
    assert!(own.brier.is_some_and(|brier| brier < own.brier_null.expect("null")), "{own:?}");
    assert!(own.predicted.is_some() && own.note.is_none(), "{own:?}");
    // What stands beside it changes nothing but the grid that the weights are rounded to.
    let near = |a: Option<f64>, b: Option<f64>| (a.expect("a") - b.expect("b")).abs() < 1e-4;
    assert!(near(own.brier, alone[0].brier) && near(own.predicted, alone[0].predicted), "{own:?}");
    for row in [early, late] {
        assert!(row.auc.is_some() && row.brier.is_none() && row.predicted.is_none(), "{row:?}");
        let note = row.note.as_deref().unwrap_or_default();
        assert!(note.contains("predicts the event by 20 alone"), "{row:?}");
    }
    let elsewhere = rows("[10]");
    assert!(elsewhere[0].note.is_some() && elsewhere[0].brier.is_none(), "{elsewhere:?}");
}

/// S4: weights that nobody was charged for do not enter a charged table.
#[test]
fn a_noised_concordance_refuses_a_network_that_protects_nobody() {
    let model = "{ name = \"deepsurv\", columns = [\"a\"], time = \"time\", event = \"died\", \
        cuts = [20, 100], hidden = [2] }";
    let mut finished = finished(model);
    let open = |finished: &Finished, rest: &str| {
        let params =
            format!("model = \"net\"\ntime = \"time\"\nevent = \"died\"\nbins = 4\n{rest}");
        registry::open("concordance", 1, &table(&params), &schema(SCHEMA), finished).map(|_| ())
    };
    open(&finished, "release = \"noised\"").expect("charged");
    finished.get_mut("net").expect("a network")["unit"] = "none".into();
    let error = open(&finished, "release = \"noised\"").expect_err("refused").to_string();
    assert!(error.contains("rule S4") && error.contains("dp-sgd"), "{error}");
    open(&finished, "").expect("exact");
}

/// Of the three classes one follows the first column, one the second, and one neither.
#[test]
fn several_classes_are_validated_each_against_the_rest_and_on_average() {
    const CLASSES: &str = r#"
        patient = "id"
        [[column]]
        name = "a"
        kind = "numeric"
        range = [-1, 1]
        [[column]]
        name = "b"
        kind = "numeric"
        range = [-1, 1]
        [[column]]
        name = "kind"
        kind = "category"
        levels = ["X", "Y", "Z"]
    "#;
    let schema = schema(CLASSES);
    let text = |seed: usize| {
        let row = |i: usize| {
            let at = |k: usize| ((i * k + seed * 31) % 97) as f64 / 48.0 - 1.0;
            let (a, b) = (at(29), at(53));
            let kind = if a > 0.2 {
                "X"
            } else if b > 0.0 {
                "Y"
            } else {
                "Z"
            };
            let kind = if (i + seed).is_multiple_of(7) { "Z" } else { kind };
            format!("{seed}-{i},{a},{b},{kind}\n")
        };
        format!("id,a,b,kind\n{}", (0..200).map(row).collect::<String>())
    };
    let cohorts: Vec<Cohort> =
        (1..=3).map(|seed| crate::common::cohort(&schema, &text(seed))).collect();
    let params = "seed = 1\nexpected_patients = 600\nsteps = 200\n\
        strategy = { clip = 10.0, learning_rate = 0.5 }\n\
        model = { name = \"mlp\", columns = [\"a\", \"b\"], outcome = \"kind\", hidden = [6] }";
    let network = serde_json::to_value(train(params, &schema, &cohorts)).expect("JSON");
    let finished = Finished::from([("net".to_owned(), network)]);
    let ask = |params: &str| -> Validation {
        let open = || registry::open("validate", 1, &table(params), &schema, &finished);
        let mut run = open().expect("task");
        let mut sums = PlainSum::new(&cohorts, 1000, 1, rng(), open).expect("sums");
        serde_json::from_value(drive(run.as_mut(), &mut sums).expect("result")).expect("its form")
    };
    let found = ask("model = \"net\"\noutcome = \"kind\"").classes.expect("classes");
    let areas: Vec<f64> =
        found.classes.iter().map(|c| c.auc.as_ref().expect("area").value).collect();
    assert!((found.macro_auc.value - areas.iter().sum::<f64>() / 3.0).abs() < 1e-12);
    assert!(found.macro_auc.value > 0.85 && found.accuracy > 0.7, "{found:?}");
    assert_eq!(found.confusion.iter().flatten().sum::<u64>(), 600);
    // One class, validated alone, is the same area.
    let alone = ask("model = \"net\"\noutcome = \"kind\"\nclass = \"Y\"\nbins = 500");
    assert_eq!(alone.formula, "kindY ~ net");
    assert_eq!(alone.binary.expect("binary").auc.value, areas[1]);
}
