//! Claims about the report on virtual patients, made on the rows of `tests/oracles/synthetic.json` and
//! on `data/leuksurv.csv`, whose men stand for virtual women.

#[path = "synthetic_report/hidden.rs"]
mod hidden;

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
        cohort: Default::default(),
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
            least: Some(0.56),
            limit: Some(0.64),
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
        "Same bins in every column",
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
        "id=\"survival\"",
        "id=\"ratios\"",
        "id=\"utility\"",
        "id=\"fidelity\"",
        "id=\"columns\"",
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

#[test]
fn an_attack_that_could_see_nothing_is_no_good_news() {
    let mut report = example();
    let found = report.membership.as_mut().unwrap();
    (found.refits, found.least, found.limit) = (20, Some(0.871), Some(0.57));
    let page = render(&report);
    assert!(page.contains("20 generators cannot tell."), "no such verdict");
    assert!(!page.contains("better than a guess"));
}

#[test]
fn the_page_opens_with_curves_and_ratios_and_says_what_chance_is_not() {
    let page = render(&example());
    let cards = &page[..page.find("<nav").unwrap()];
    for said in
        ["mean distance of virtual from real, 0 to 1: Overall survival", "with columns shuffled"]
    {
        assert!(cards.contains(said), "{said}");
    }
    // Of age 0.027 is within 0.03 +- 0.0039, of sex 0.11 within 0.05 +- 0.14.
    assert!(cards.contains("2 of 2") && page.contains("Columns shuffled"));
    // Those who were kept out are nobody whom the generator has seen.
    let seen = "it has seen their own chance";
    assert!(!page.contains(seen));
    let mut report = example();
    report.fidelity.as_mut().unwrap().subset = "all".to_owned();
    assert!(render(&report).contains(seen));
}

#[test]
fn the_page_speaks_the_language_of_the_study() {
    let mut report = example();
    assert!(render(&report).contains("follow-up ended by dead"));
    let said = [("event=dead", "Died"), ("flag=1", "Carrier")];
    let labels = said.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
    report.speak(&Wording { labels, events: "deaths".to_owned(), ..Wording::default() });
    let page = render(&report);
    assert!(page.contains("time x event – Died") && !page.contains("follow-up ended by dead"));
    assert!(page.contains("Carrier: real") && page.contains("deaths"));
    assert_eq!(report.wording.time_unit, "days", "what the study does not say stays");
}

#[test]
fn rows_of_a_generator_without_noise_are_not_called_nobodys() {
    let exact = json!({ "class": "exact", "note": "exact: no differential privacy" });
    let page = render(&SyntheticReport { provenance: provenance(&exact), ..example() });
    assert!(!page.contains("No row belongs to a person"));
    assert!(page.contains("a row can hold what is true of a single one of them"));
    assert!(render(&example()).contains("No row belongs to a person"));
}

#[test]
fn a_curve_says_nothing_of_what_comes_after_its_end() {
    let mut report = example();
    let mut pair = report.survival[0].clone();
    let mut short = curves("0").curves.remove(0);
    // Twenty patients, all of them gone long before the others.
    short.group = "short".to_owned();
    let rows = short.time.len();
    (short.n, short.n_risk) =
        (20, (0..rows).map(|row| 20_u64.saturating_sub(row as u64)).collect());
    short.n_event = (0..rows).map(|row| u64::from(row < 20)).collect();
    short.n_censor = vec![0; rows];
    pair.real.curves = vec![short];
    (pair.real.n, pair.real.events) = (20, 20);
    pair.synthetic.curves[0].group = "short".to_owned();
    (report.survival, report.fidelity) = (vec![pair], None);
    let page = render(&report);
    assert!(page.contains("20 patients with 20 events, those after a curve"), "totals are whole");
    // The events of the curve's own part would be too few.
    assert!(!page.contains("15 events") && !page.contains(">0</tspan>"));
    assert!(page.contains(">–</text>"));
}
