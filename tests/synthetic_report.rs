//! Claims about the report on virtual patients, made on the rows of `tests/oracles/synthetic.json` and
//! on `data/leuksurv.csv`, whose men stand for virtual women.

use std::fs;
use std::path::Path;

use haima::model_file::{Guarantee, Provenance};
use haima::report::synthetic::{
    Membership, RatioPair, SCHEMA, Sample, SurvivalPair, SyntheticReport, Utility, render, write,
};
use haima::report::{Class, Wording};
use haima_fl_core::results::fidelity::Fidelity;
use haima_fl_core::results::validation::Share;
use haima_fl_core::results::{Curve, Curves, Fit};
use haima_fl_core::stat::wald;
use haima_fl_core::synth::domain::{Attribute, Domain, Kind};
use haima_fl_core::synth::metrics::summary::{Asked, pooled};
use haima_fl_core::synth::metrics::workload::Workload;
use serde_json::json;

fn repository(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

fn fidelity() -> Fidelity {
    let oracle: serde_json::Value =
        serde_json::from_str(&repository("tests/oracles/synthetic.json")).unwrap();
    let rows =
        |name: &str| -> Vec<Vec<u16>> { serde_json::from_value(oracle[name].clone()).unwrap() };
    let levels = |levels: &[&str]| Kind::Levels {
        levels: levels.iter().map(|level| (*level).to_owned()).collect(),
        flag: false,
        ordered: false,
    };
    let attribute = |name: &str, missing, kind| Attribute { name: name.to_owned(), kind, missing };
    let edges = vec![20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0];
    let time = Kind::Survival {
        time: "time".to_owned(),
        event: "event".to_owned(),
        edges: vec![0.0, 10.0, 20.0, 30.0],
        events: vec!["alive".to_owned(), "dead".to_owned()],
        decimals: 0,
    };
    let domain = Domain {
        attributes: vec![
            attribute("age", true, Kind::Number { edges, decimals: 0 }),
            attribute("group", false, levels(&["a", "b", "c", "<d>"])),
            attribute("flag", false, levels(&["0", "1"])),
            attribute("time x event", false, time),
        ],
        impossible: Vec::new(),
    };
    let workload = Workload::new(&domain.sizes(), 3, 100_000, 1).unwrap();
    let real = rows("real").into_iter().enumerate().map(|(i, row)| (row, i % 4 == 0));
    let asked = Asked {
        of: "net".to_owned(),
        seed: 5,
        conditions: vec!["age >= 60".to_owned()],
        subset: "holdout".to_owned(),
    };
    pooled(asked, &domain, &workload, &real.collect::<Vec<_>>(), &rows("synthetic"))
}

/// Survival of women, or of men.
fn curves(male: &str) -> Curves {
    let mut patients: Vec<(u64, bool)> = repository("data/leuksurv.csv")
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|fields| fields[5] == male)
        .map(|fields| (fields[1].parse().unwrap(), fields[2] == "1"))
        .collect();
    patients.sort_unstable();
    let n = patients.len() as u64;
    let mut curve = Curve {
        group: "all".to_owned(),
        n,
        time: Vec::new(),
        n_risk: Vec::new(),
        n_event: Vec::new(),
        n_censor: Vec::new(),
        surv: Vec::new(),
        se: Vec::new(),
        lo: Vec::new(),
        hi: Vec::new(),
        median: Some(200.0),
        median_lo: None,
        median_hi: None,
        rmst: None,
    };
    let (mut at_risk, mut height) = (n, 1.0);
    for same in patients.chunk_by(|a, b| a.0 == b.0) {
        let deaths = same.iter().filter(|(_, death)| *death).count() as u64;
        height *= 1.0 - deaths as f64 / at_risk as f64;
        curve.time.push(same[0].0 as f64);
        curve.n_risk.push(at_risk);
        curve.n_event.push(deaths);
        curve.n_censor.push(same.len() as u64 - deaths);
        curve.surv.push(height);
        curve.se.push(0.02);
        curve.lo.push((height - 0.04).max(0.0));
        curve.hi.push((height + 0.04).min(1.0));
        at_risk -= same.len() as u64;
    }
    Curves {
        schema: "haima.km/1".to_owned(),
        formula: "Surv(time_days, death) ~ 1".to_owned(),
        grid: 1.0,
        n,
        events: curve.n_event.iter().sum(),
        sites: 24,
        curves: vec![curve],
        logrank: None,
    }
}

fn fit(age: f64, sex: f64) -> Fit {
    let terms = vec![wald("age", age, 0.002), wald("male", sex, 0.07)];
    Fit { schema: "haima.fit/1".to_owned(), model: "cox".to_owned(), terms, ..Fit::default() }
}

fn share(value: f64) -> Share {
    Share { value, se: Some(0.01), lo: Some(value - 0.02), hi: Some(value + 0.02) }
}

fn promised(simulated: bool) -> serde_json::Value {
    json!({
        "class": "dp", "epsilon": 1.0, "delta": 1e-5, "unit": "patient",
        "adjacency": "with and without one patient, at one hospital",
        "adversary": "all nodes but one together with the coordinator",
        "accountant": "zero-concentrated differential privacy",
        "noise": { "s": 5_161_000, "draws": 1, "sensitivity": 1_048_576, "sampling": 1.0, "attempts": 12, "order": null },
        "simulated": simulated, "note": "All sums of the generator."
    })
}

fn provenance(privacy: &serde_json::Value) -> Provenance {
    serde_json::from_value(json!({
        "schema": "haima.provenance/1",
        "task": { "name": "synthesize", "version": 1 },
        "mode": "secret shares among 3 nodes",
        "data": { "hospitals": 24, "excluded": [], "patients": 1043, "cohort": "", "schema_digest": "ab12", "schema_inferred": false },
        "privacy": privacy,
        "figures": [{ "name": "epsilon", "value": "1", "origin": "public: the manifest" }]
    }))
    .unwrap()
}

fn example() -> SyntheticReport {
    let labels = [("age", "Age"), ("male", "Men")];
    SyntheticReport {
        schema: SCHEMA.to_owned(),
        title: "Leukaemia & virtual patients".to_owned(),
        sample: Sample {
            method: "aim".to_owned(),
            model_digest: "0123abcd".to_owned(),
            rows: 300,
            seed: 5,
            conditions: vec!["age >= 60".to_owned()],
        },
        provenance: provenance(&promised(false)),
        fidelity: Some(fidelity()),
        survival: vec![SurvivalPair {
            title: "Overall survival".to_owned(),
            class: Class::Exact,
            real: curves("0"),
            synthetic: curves("1"),
        }],
        ratios: vec![RatioPair {
            title: "Cox model".to_owned(),
            class: Class::Exact,
            real: fit(0.03, 0.05),
            synthetic: fit(0.027, 0.11),
        }],
        utility: vec![Utility {
            outcome: "Death".to_owned(),
            model: "Cox model of age and sex".to_owned(),
            measure: "C-index".to_owned(),
            higher_is_better: true,
            judged_on: "209 held-out patients".to_owned(),
            class: Class::Exact,
            synthetic: share(0.661),
            real: share(0.675),
            tolerance: Some(0.03),
        }],
        membership: Some(Membership {
            attack: "Likelihood ratio of shadow models.".to_owned(),
            refits: 500,
            auc: share(0.507),
            power: "An AUC of 0.56 would have been found in 8 of 10 cases.".to_owned(),
            positive_control: Some(share(0.83)),
        }),
        wording: Wording {
            time_unit: "days".to_owned(),
            labels: labels.map(|(key, text)| (key.to_owned(), text.to_owned())).into(),
            ..Wording::default()
        },
        min_cell: 5,
        warnings: Vec::new(),
    }
}

#[test]
fn the_page_is_self_contained_and_draws_all_that_there_is() {
    let report = example();
    let page = render(&report);
    for outside in ["http", "src=", "@import", "url(", "<script", "<link", "<iframe", "<img"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for wrong in ["NaN", ">inf", "not estimated", "<d>"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    for expected in [
        "Leukaemia &amp; virtual patients",
        "ε = 1.00, δ = 10⁻⁵",
        "all nodes but one together with the coordinator",
        "zero-concentrated differential privacy",
        "Tables of",
        "Distance of each table of two columns",
        "Cramér’s V",
        "Told apart by trees (AUC)",
        "follow-up ended by dead",
        "&lt;d&gt;",
        "Divergence",
        "Log-rank p",
        "Upper mark: real patients",
        "Fitted to virtual",
        "yes: at most 0.030",
        "Membership attack (AUC, 95% CI)",
        "0.507 (0.487 to 0.527)",
        "No better than a guess",
        "Exact copies",
        "What this does not show.",
        "Seed of the rows",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    // A list of which nothing may be shown is not there.
    let worst = "Where the fit is worst";
    let open = SyntheticReport { min_cell: 1, ..report.clone() };
    assert!(!page.contains(worst) && render(&open).contains(worst));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("synthetic");
    let path = write(&dir, &report).unwrap();
    let json = fs::read_to_string(path.with_file_name("report.json")).unwrap();
    assert_eq!(render(&serde_json::from_str(&json).unwrap()), page);
}

#[test]
fn the_guarantee_stands_before_every_figure() {
    let page = render(&example());
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    let order = [
        "id=\"guarantee\"",
        "id=\"fidelity\"",
        "id=\"columns\"",
        "id=\"survival\"",
        "id=\"ratios\"",
        "id=\"utility\"",
        "id=\"checks\"",
        "id=\"origin\"",
    ]
    .map(place);
    assert!(order.is_sorted());
    // e, and (e + delta) / (1 + e).
    let said = &page[order[0]..order[1]];
    assert!(said.contains("more than 2.72 times as likely"), "{said}");
    assert!(said.contains("right at most 73 times in 100"), "{said}");
    // What is exact on the page is told apart from what is promised.
    assert!(said.contains("outside the guarantee: tables and distances, real patients"), "{said}");
}

#[test]
fn without_noise_or_in_a_simulation_nothing_is_promised() {
    let exact = json!({ "class": "exact", "note": "exact: no differential privacy" });
    let page = render(&SyntheticReport { provenance: provenance(&exact), ..example() });
    assert!(page.contains("There is no formal guarantee.") && !page.contains("ε = "));
    assert!(page.contains("There is no guarantee, and nothing here takes its place"));

    let simulated = provenance(&promised(true));
    assert!(matches!(simulated.privacy, Guarantee::Dp { simulated: true, .. }));
    let page = render(&SyntheticReport { provenance: simulated, ..example() });
    let cards = &page[..page.find("<nav").unwrap()];
    assert!(page.contains("A simulation.") && !cards.contains("ε = 1.00"));
}

#[test]
fn what_is_not_there_has_no_section() {
    let report = SyntheticReport {
        fidelity: None,
        survival: Vec::new(),
        ratios: Vec::new(),
        utility: Vec::new(),
        membership: None,
        ..example()
    };
    let page = render(&report);
    assert_eq!(page.matches("<section").count(), 2);
    assert!(!page.contains("outside the guarantee"));
}

/// So many of 180 patients are copies; the others are close.
fn copied(report: &mut SyntheticReport, copies: f64) {
    let training = &mut report.fidelity.as_mut().unwrap().nearest.training;
    training.copies = copies;
    training.distances.fill(0.0);
    (training.distances[0], training.distances[1]) = (copies, 180.0 - copies);
}

/// A report as it is written.
fn as_json(report: &SyntheticReport) -> serde_json::Value {
    serde_json::to_value(report).unwrap()
}

#[test]
fn few_real_patients_have_no_bar_and_no_count() {
    let bars = |page: &str| page.matches("real not shown").count();
    let mut report = example();
    let column = &mut report.fidelity.as_mut().unwrap().columns[1];
    column.real = vec![3.0, 20.0, 20.0, 17.0];
    // The small one, and one from which it could be worked out; at two sizes.
    let hidden = bars(&render(&report));
    report.fidelity.as_mut().unwrap().columns[1].real = vec![15.0, 15.0, 15.0, 15.0];
    let open = bars(&render(&report));
    assert_eq!(hidden - open, 4);
    report.min_cell = 0;
    assert_eq!(bars(&render(&report)), 0);

    // Copies: neither a small number of them is printed nor one of the others.
    report.min_cell = 5;
    for (copies, shown) in [(3.0, "&lt;5 of 180"), (177.0, "≥5 of 180"), (90.0, "90 (50%) of 180")]
    {
        copied(&mut report, copies);
        let expected = format!("{shown} among patients it was made from");
        assert!(render(&report).contains(&expected), "{expected}");
    }
}

#[test]
fn a_column_with_a_hidden_level_has_no_number_that_gives_it_away() {
    let mut report = with_a_secret();
    report.fidelity.as_mut().unwrap().columns[1].tv = 54_321.0;
    let (page, found) = (render(&report), as_json(&report));
    assert!(!page.contains("98765") && page.contains("54321.000"));
    assert!(page.contains("flag: –, by chance –") && page.contains("A dash stands for"));
    assert!(!found.to_string().contains("98765"), "{found}");
    let flag = &found["fidelity"]["columns"][2];
    assert_eq!((&flag["real"], &flag["tv"], &flag["ks"]), (&json!([null, null]), &NULL, &NULL));
    let pairs = found["fidelity"]["pairs"].as_array().unwrap();
    for pair in pairs.iter().filter(|pair| pair["a"] == "flag" || pair["b"] == "flag") {
        assert_eq!((&pair["tv"], &pair["association"]), (&NULL, &json!([null, 0.5])), "{pair}");
    }
    assert!(pairs.iter().any(|pair| pair["tv"].is_f64()), "{pairs:?}");
    assert_eq!(found["fidelity"]["workload"][0]["tv"], NULL);
    // The card at the top has the mean of the last order.
    let orders = report.fidelity.as_ref().unwrap().workload.clone();
    report.fidelity.as_mut().unwrap().workload.truncate(1);
    let page = render(&report);
    assert!(!page.contains("98765") && !page.contains("Distance from real patients"));

    // Without a hidden level, or under noise, all stand there.
    report.fidelity.as_mut().unwrap().workload = orders;
    let open = SyntheticReport { min_cell: 0, ..report.clone() };
    report.fidelity.as_mut().unwrap().noise = Some(1.0);
    for report in [open, report] {
        let page = render(&report);
        assert!(page.contains("98765.432") && !page.contains("A dash stands for"));
        assert!(as_json(&report).to_string().contains("98765.4321"));
    }
}

const NULL: serde_json::Value = serde_json::Value::Null;

/// A report whose flag has a small level, and distances that would give it away.
fn with_a_secret() -> SyntheticReport {
    const SECRET: f64 = 98_765.432_1;
    let mut report = example();
    let found = report.fidelity.as_mut().unwrap();
    for column in &mut found.columns {
        column.real.fill(20.0);
    }
    // Of two levels: the public side and a distance give the real one.
    let flag = &mut found.columns[2];
    flag.real = vec![3.0, 57.0];
    (flag.tv, flag.chance, flag.ks) = (SECRET, SECRET, Some(SECRET));
    for pair in found.pairs.iter_mut().filter(|pair| pair.a == "flag" || pair.b == "flag") {
        (pair.tv, pair.chance) = (SECRET, SECRET);
        (pair.association, pair.correlation) = (Some((SECRET, 0.5)), Some((SECRET, 0.5)));
    }
    for order in &mut found.workload {
        for table in order.worst.iter_mut().filter(|table| table.columns.contains(&"flag".into())) {
            (table.tv, table.chance) = (SECRET, SECRET);
        }
    }
    // One column of four is hidden: a mean would give its distance by subtraction.
    (found.workload[0].tv, found.workload[0].chance) = (SECRET, SECRET);
    report
}

#[test]
fn page_and_json_hide_the_same() {
    let mut report = with_a_secret();
    report.provenance.data.patients = Some(3);
    copied(&mut report, 3.0);
    report.survival.push(SurvivalPair { real: few_women(), ..report.survival[0].clone() });
    let page = render(&report);
    let found = as_json(&report);
    let read: SyntheticReport = serde_json::from_value(found.clone()).unwrap();
    assert_eq!(render(&read), page, "the page needs nothing that the JSON lacks");
    assert_eq!(as_json(&read), found, "what is hidden once stays as it is");

    assert_eq!(found["provenance"]["data"]["patients"], NULL);
    let training = &found["fidelity"]["nearest"]["training"];
    assert_eq!((&training["copies"], &training["distances"][0]), (&NULL, &json!(0.0)));
    for (at, curves) in [(0, 1), (1, 0)] {
        let real = &found["survival"][at]["real"];
        assert_eq!(real["curves"].as_array().unwrap().len(), curves);
        for curve in real["curves"].as_array().unwrap() {
            let at_risk = curve["n_risk"].as_array().unwrap().last().unwrap();
            assert!(at_risk.as_u64().unwrap() >= 5, "{at_risk}");
        }
    }
    assert!(
        page.contains("No group has enough real patients and events"),
        "one of two groups is small"
    );
    // All of them are few.
    report.fidelity.as_mut().unwrap().n = 3.0;
    assert_eq!(as_json(&report)["fidelity"]["n"], NULL);
    assert!(render(&report).contains("&lt;5 real patients of 1 hospital"));
}

/// Curves of two groups, one of them of four patients.
fn few_women() -> Curves {
    let mut curves = curves("0");
    let few = Curve { group: "few".to_owned(), n: 4, ..curves.curves[0].clone() };
    curves.curves.push(few);
    curves
}

#[test]
fn a_column_with_hidden_levels_is_compared_with_these_as_one() {
    let mut report = example();
    let found = report.fidelity.as_mut().unwrap();
    for column in &mut found.columns {
        column.real.fill(20.0);
    }
    let column = &mut found.columns[1];
    (column.tv, column.chance, column.ks) = (54_321.5, 0.5, None);
    column.real = vec![30.0, 18.0, 9.0, 3.0];
    column.synthetic = vec![60.0, 90.0, 120.0, 30.0];
    (found.n, found.rows) = (60.0, 300);
    let shown = as_json(&report)["fidelity"].clone();
    // Shares of 0.5, 0.3 and 0.2 beside 0.2, 0.3 and 0.5.
    assert_eq!(shown["columns"][1]["tv"], 0.3);
    assert_eq!(shown["columns"][1]["real"], json!([30.0, 18.0, null, null]));
    let page = render(&report);
    assert!(page.contains("≥0.300") && !page.contains("54321"));
    // The mean over columns is that of what the columns show.
    let tv = |column: &serde_json::Value| column["tv"].as_f64().unwrap();
    let columns = shown["columns"].as_array().unwrap();
    let mean = columns.iter().map(tv).sum::<f64>() / columns.len() as f64;
    assert!((tv(&shown["workload"][0]) - mean).abs() < 6e-4, "{mean} {}", shown["workload"][0]);
    assert_eq!(shown["workload"][0]["worst"].as_array().unwrap().len(), columns.len());
    assert!(!shown.to_string().contains("54321"), "{shown}");
}

#[test]
fn distances_have_no_more_digits_than_the_page() {
    let mut report = example();
    let found = report.fidelity.as_mut().unwrap();
    for column in &mut found.columns {
        column.real.fill(20.0);
        column.tv = 0.123_456_7;
    }
    let of = |report: &SyntheticReport| as_json(report)["fidelity"]["columns"][0]["tv"].clone();
    assert_eq!(of(&report), 0.123);
    report.min_cell = 0;
    assert_eq!(of(&report), 0.123_456_7);
}

#[test]
fn what_passes_the_agreed_tolerance_says_so() {
    let mut report = example();
    report.utility[0].synthetic = share(0.64);
    let page = render(&report);
    assert!(page.contains("no: more than 0.030") && page.contains("0.035"));
    // Of an error, less is better.
    report.utility[0].higher_is_better = false;
    assert!(render(&report).contains("yes: at most 0.030"));
}

#[test]
fn an_attack_that_works_is_called_so() {
    let mut report = example();
    report.membership.as_mut().unwrap().auc = share(0.64);
    let page = render(&report);
    assert!(page.contains("Better than a guess") && !page.contains("No better than a guess"));
}
