//! Meta-analysis, principal components and cumulative incidence, read from their JSON: a line a
//! coefficient, a component or a cause.

use std::fmt::Write as _;

use haima_fl_core::results::Term;
use serde_json::Value;

use crate::report::cells::suppress;
use crate::report::curves::TimeAxis;
use crate::report::{numbers, plot, words};
use crate::stats::Answer;
use crate::text;

fn number(value: &Value, key: &str) -> f64 {
    value.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn list<'a>(answer: &'a Answer, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    answer.result.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn heading(answer: &Answer, name: &str) -> String {
    let count = |key: &str| answer.result.get(key).and_then(Value::as_u64);
    let formula = answer.result.get("formula").and_then(Value::as_str);
    let mut shown = formula.map_or_else(|| name.to_owned(), |formula| format!("{name}: {formula}"));
    shown.push('\n');
    let patients = count("n").unwrap_or(0);
    let mut parts = vec![numbers::counted_cell(patients, answer.min_cell, "patient", "patients")];
    if let Some(events) = count("events") {
        parts.push(numbers::counted_cell(events, answer.min_cell, "event", "events"));
    }
    parts.push(numbers::counted(count("sites").unwrap_or(0), "hospital", "hospitals"));
    let _ = writeln!(shown, "{}\n", parts.join(", "));
    shown
}

/// A random-effects meta-analysis: both estimates, and how far hospitals differ.
pub(super) fn show(answer: &Answer) -> Option<String> {
    let mut shown = heading(answer, "Meta-analysis of the hospitals' own models");
    let mut rows = vec![text::row([
        "",
        "Random effects (95% CI)",
        "p",
        "Fixed effect (95% CI)",
        "I²",
        "Q, p",
    ])];
    for one in list(answer, "terms") {
        let term = |key: &str| serde_json::from_value::<Term>(one.get(key)?.clone()).ok();
        let (random, fixed) = (term("random")?, term("fixed")?);
        let ratio = |term: &Term| {
            let (estimate, interval) = numbers::ratio(term.hr, term.lo, term.hi);
            format!("{estimate} ({interval})")
        };
        let i2 = format!("{}%", numbers::decimal(number(one, "i2"), 0));
        let p = numbers::p_cell(random.p);
        let q = numbers::p_cell(number(one, "q_p"));
        rows.push(text::row([&random.name, &ratio(&random), &p, &ratio(&fixed), &i2, &q]));
    }
    shown.push_str(&text::columns(&rows));
    shown.push_str(
        "\nRatios per unit of the column; I²: share of the variance that lies between hospitals.\n",
    );
    Some(shown)
}

/// Principal components: share of the variance, and loadings of the first ones.
pub(super) fn components(answer: &Answer) -> Option<String> {
    const SHOWN: usize = 6;
    let mut shown = heading(answer, "Principal components");
    let loadings: Vec<&Value> = list(answer, "loadings").take(SHOWN).collect();
    let mut rows = vec![vec![String::new()], vec!["variance explained".to_owned()]];
    let mut explained = list(answer, "explained");
    for i in 1..=loadings.len() {
        rows.first_mut()?.push(format!("PC{i}"));
        let share = explained.next().and_then(Value::as_f64).unwrap_or(f64::NAN);
        rows.get_mut(1)?.push(numbers::percent(share));
    }
    for (i, column) in list(answer, "columns").enumerate() {
        let mut row = vec![format!("  {}", column.as_str().unwrap_or_default())];
        row.extend(loadings.iter().map(|component| {
            let loading = component.get(i).and_then(Value::as_f64).unwrap_or(f64::NAN);
            numbers::decimal(loading, 3)
        }));
        rows.push(row);
    }
    shown.push_str(&text::columns(&rows));
    Some(shown)
}

/// Cumulative incidence: each group's curve of each cause at a few times, and Gray's tests.
pub(super) fn incidence(answer: &Answer) -> Option<String> {
    let mut shown = heading(answer, "Cumulative incidence (Aalen-Johansen)");
    let end = list(answer, "curves").filter_map(|curve| last_shown(curve, answer.min_cell));
    let end = end.fold(0.0, f64::max);
    let axis = TimeAxis::until(end, &answer.wording);
    let marks = axis.marks();
    let marks_text = marks.iter().map(|mark| plot::tick_text(*mark));
    let mut rows = vec![std::iter::once(String::new()).chain(marks_text).collect::<Vec<_>>()];
    let size = |curve: &Value| curve.get("n").and_then(Value::as_u64).unwrap_or(0);
    let sizes: Vec<u64> = list(answer, "curves").map(size).collect();
    // They add up to the patients above.
    let sizes = suppress(&[sizes], false, answer.min_cell).concat();
    for (curve, size) in list(answer, "curves").zip(sizes) {
        let group = curve.get("group").and_then(Value::as_str).unwrap_or_default();
        let name = words::group(&answer.wording, group);
        let is = if size.is_printed() { "=" } else { "" };
        rows.push(vec![format!("{name}, n{is}{}", size.text(answer.min_cell, None))]);
        let until = last_shown(curve, answer.min_cell).unwrap_or(0.0);
        for cause in curve.get("causes").and_then(Value::as_array).into_iter().flatten() {
            let mut row = vec![format!("  {}", cause.get("cause").and_then(Value::as_str)?)];
            row.extend(marks.iter().map(|mark| at(curve, cause, mark * axis.divisor, until)));
            rows.push(row);
        }
    }
    let _ = writeln!(shown, "Probability (95% CI), by {}:", axis.unit);
    shown.push_str(&text::columns(&rows));
    for test in list(answer, "tests") {
        let df = test.get("df").and_then(Value::as_u64).unwrap_or(0);
        let _ = writeln!(
            shown,
            "\nGray's test of {}: χ²={} on {}, {}.",
            test.get("cause").and_then(Value::as_str).unwrap_or_default(),
            numbers::decimal(number(test, "chisq"), 2),
            numbers::counted(df, "degree of freedom", "degrees of freedom"),
            numbers::p_value(number(test, "p")),
        );
    }
    Some(shown)
}

/// Last time at which as many patients as the display rule asks for are at risk.
fn last_shown(curve: &Value, min_cell: u64) -> Option<f64> {
    let column = |key: &str| curve.get(key).and_then(Value::as_array);
    let pairs = column("time")?.iter().zip(column("n_risk")?);
    let shown = pairs.take_while(|(_, risk)| risk.as_u64().unwrap_or(0) >= min_cell.max(1));
    shown.filter_map(|(time, _)| time.as_f64()).last()
}

fn at(curve: &Value, cause: &Value, time: f64, until: f64) -> String {
    if time > until {
        return "–".to_owned();
    }
    let times = curve.get("time").and_then(Value::as_array).into_iter().flatten();
    let before = times.take_while(|at| at.as_f64().is_some_and(|at| at <= time)).count();
    let Some(row) = before.checked_sub(1) else { return numbers::percent(0.0) };
    let value = |key: &str| cause.get(key).and_then(|list| list.get(row)).and_then(Value::as_f64);
    let share = numbers::percent(value("cif").unwrap_or(f64::NAN));
    match (value("lo"), value("hi")) {
        (Some(lo), Some(hi)) => {
            format!(
                "{share} ({} to {})",
                numbers::percent(lo).trim_end_matches('%'),
                numbers::percent(hi).trim_end_matches('%')
            )
        }
        _ => share,
    }
}
