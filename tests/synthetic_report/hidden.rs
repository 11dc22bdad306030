//! Claims about the display rule of the report on virtual patients: what it hides of real ones, and of
//! virtual ones who may be like these.

use super::*;

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

/// A generator without noise.
fn exact() -> Provenance {
    provenance(&json!({ "class": "exact", "note": "exact: no differential privacy" }))
}

#[test]
fn virtual_patients_of_an_exact_generator_give_no_hidden_level_away() {
    let mut report = with_a_secret();
    let column = &mut report.fidelity.as_mut().unwrap().columns[1];
    column.real = vec![30.0, 18.0, 9.0, 3.0];
    column.synthetic = vec![1111.0, 2222.0, 98_761.0, 98_762.0];
    let few = few_women();
    report.survival =
        vec![SurvivalPair { real: few.clone(), synthetic: few, ..report.survival[0].clone() }];
    // Of a generator under noise all virtual patients stand there.
    let found = as_json(&report);
    assert!(found.to_string().contains("98762.0") && render(&report).contains("real not shown"));
    assert!(!render(&report).contains("virtual not shown"));
    assert_eq!(found["survival"][0]["synthetic"]["curves"].as_array().unwrap().len(), 2);

    report.provenance = exact();
    let (page, found) = (render(&report), as_json(&report));
    for hidden in ["98761.0", "98762.0"] {
        assert!(!found.to_string().contains(hidden), "{found}");
    }
    let column = &found["fidelity"]["columns"][1];
    assert_eq!(column["synthetic"], json!([1111.0, 2222.0, null, null]));
    assert!(page.contains("real not shown, virtual not shown"));
    for pair in found["fidelity"]["pairs"].as_array().unwrap() {
        let is_hidden = pair["a"] == "flag" || pair["b"] == "flag";
        assert!(!is_hidden || pair["association"] == json!([null, null]), "{pair}");
    }
    let synthetic = &found["survival"][0]["synthetic"];
    assert_eq!((&synthetic["curves"], &synthetic["n"]), (&json!([]), &json!(0)));
    let read: SyntheticReport = serde_json::from_value(found.clone()).unwrap();
    assert_eq!(as_json(&read), found, "what is hidden once stays as it is");
    assert_eq!(render(&read), page);
    report.min_cell = 0;
    assert!(as_json(&report).to_string().contains("98762.0"));
}

#[test]
fn no_reason_tells_how_many_patients_a_hospital_has() {
    let mut report = example();
    let reason = "fewer complete rows than the site's floor of 10";
    let told = format!("{reason} (1 row in all)");
    let out = json!([{ "site": "21", "reason": told }]);
    report.provenance.data.excluded = serde_json::from_value(out).unwrap();
    report.provenance.notes = vec![told.clone()];
    report.warnings = vec![format!("21 is left out: {told}")];
    let (page, found) = (render(&report), as_json(&report));
    assert!(!page.contains("in all)") && !found.to_string().contains("in all)"), "{found}");
    assert_eq!(found["provenance"]["data"]["excluded"][0]["reason"], reason);
    assert_eq!(found["warnings"], json!([format!("21 is left out: {reason}")]));
    assert!(page.contains("floor of 10"));
}

#[test]
fn of_a_time_to_event_the_page_says_that_its_curve_tells_what_is_dashed() {
    let said = "these dashes protect nobody where its curve is drawn";
    let mut report = example();
    let time = &mut report.fidelity.as_mut().unwrap().columns[3];
    assert_eq!(time.name, "time x event");
    time.real.fill(20.0);
    assert!(!render(&report).contains(said));
    report.fidelity.as_mut().unwrap().columns[3].real[0] = 3.0;
    assert!(render(&report).contains(said));
    // It does: the JSON has every step.
    let found = as_json(&report);
    let events = found["survival"][0]["real"]["curves"][0]["n_event"].as_array().unwrap();
    assert!(events.iter().any(|count| (1..5).contains(&count.as_u64().unwrap())));
}

#[test]
fn no_coefficient_tells_of_a_hidden_level() {
    let mut report = example();
    report.fidelity.as_mut().unwrap().columns[1].real = vec![30.0, 18.0, 9.0, 3.0];
    let terms = [wald("groupb", 0.21, 0.1), wald("groupc", 0.22, 0.2), wald("rare", 0.23, 0.6)];
    report.ratios[0].real.terms.extend(terms.clone());
    report.ratios[0].synthetic.terms.extend(terms);
    report.ratios[0].real.terms[0] = wald("age", 0.031_234_5, 0.002_345_6);
    let names = |report: &SyntheticReport, side: &str| -> Vec<String> {
        let found = as_json(report)["ratios"][0][side]["terms"].clone();
        let name = |term: &serde_json::Value| term["name"].as_str().unwrap().to_owned();
        found.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(names(&report, "real"), ["age", "male"]);
    assert_eq!(names(&report, "synthetic").len(), 5, "they carry the generator's noise");
    let term = as_json(&report)["ratios"][0]["real"]["terms"][0].clone();
    assert_eq!((&term["coef"], &term["se"]), (&json!(0.0312), &json!(0.00235)));
    assert!(!render(&report).contains("groupb"));
    report.provenance = exact();
    assert_eq!(names(&report, "synthetic"), ["age", "male"]);
    report.min_cell = 0;
    assert_eq!(names(&report, "real").len(), 5);
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
