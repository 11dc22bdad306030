//! Kaplan-Meier curves: median, survival and patients at risk at a few round times, and the
//! log-rank test.

use std::fmt::Write as _;

use haima_fl_core::results::{Curve, Curves, LogRank};
use haima_fl_core::stat::Z_975;
use serde_json::Value;

use crate::report::curves::{self as drawn, TimeAxis};
use crate::report::{numbers, plot, words};
use crate::stats::Answer;
use crate::text;

pub(super) fn show(result: &Curves, answer: &Answer) -> String {
    let (wording, min_cell) = (&answer.wording, answer.min_cell);
    let mut shown = format!("Kaplan-Meier: {}\n", result.formula);
    let _ = writeln!(
        shown,
        "{}, {}, {}; times on a grid of {}\n",
        numbers::counted_cell(result.n, min_cell, "patient", "patients"),
        numbers::counted_cell(result.events, min_cell, "event", "events"),
        numbers::counted(result.sites, "hospital", "hospitals"),
        words::time(result.grid, wording),
    );
    let mut rows = vec![text::row(["", "Patients", "Events", "Median (95% CI)"])];
    for curve in &result.curves {
        rows.push(vec![
            words::group(wording, &curve.group),
            numbers::cell(curve.n, min_cell),
            drawn::events_cell(curve, min_cell),
            match numbers::is_small(curve.n, min_cell) {
                true => "–".to_owned(),
                false => words::median(curve, wording, ""),
            },
        ]);
    }
    shown.push_str(&text::columns(&rows));
    shown.push_str(&restricted_means(result, answer));
    let curves: Vec<&Curve> = result.curves.iter().collect();
    let axis = TimeAxis::new(&curves, wording, min_cell);
    if !axis.marks().is_empty() {
        let _ =
            writeln!(shown, "\nSurvival (95% CI), and patients still at risk, by {}:", axis.unit);
        shown.push_str(&at_marks(&curves, &axis, answer));
    }
    if let Some(test) = &result.logrank {
        let _ = writeln!(shown, "\n{}", verdict(test));
    }
    if min_cell > 1 {
        let _ = writeln!(
            shown,
            "Nothing is shown of a curve where fewer than {min_cell} remain at risk (--min-cell)."
        );
    }
    shown
}

/// Mean survival up to the `tau` that was asked for, with its interval; nothing where none was.
fn restricted_means(result: &Curves, answer: &Answer) -> String {
    let mut rows = Vec::new();
    let mut tau = None;
    for curve in &result.curves {
        let Some(rmst) = &curve.rmst else { continue };
        tau = Some(rmst.tau);
        let shown = match numbers::is_small(curve.n, answer.min_cell) {
            true => "–".to_owned(),
            false => {
                let reach = Z_975 * rmst.se;
                let [mean, lo, hi] = [rmst.mean, rmst.mean - reach, rmst.mean + reach]
                    .map(|time| numbers::decimal(time, 1));
                format!("{mean} ({lo} to {hi})")
            }
        };
        rows.push(vec![words::group(&answer.wording, &curve.group), shown]);
    }
    tau.map_or_else(String::new, |tau| {
        let heading = words::time(tau, &answer.wording);
        format!("\nMean survival up to {heading} (95% CI):\n{}", text::columns(&rows))
    })
}

fn at_marks(curves: &[&Curve], axis: &TimeAxis, answer: &Answer) -> String {
    let marks = axis.marks();
    let heading = marks.iter().map(|mark| plot::tick_text(*mark));
    let mut rows = vec![std::iter::once(String::new()).chain(heading).collect::<Vec<_>>()];
    for curve in curves {
        let mut survival = vec![words::group(&answer.wording, &curve.group)];
        let mut at_risk = vec!["  at risk".to_owned()];
        for time in marks.iter().map(|mark| mark * axis.divisor) {
            survival.push(drawn::survival(curve, time, answer.min_cell));
            at_risk.push(numbers::cell(drawn::at_risk(curve, time).0, answer.min_cell));
        }
        rows.extend([survival, at_risk]);
    }
    text::columns(&rows)
}

/// The test alone, as `haima stats logrank` has it.
pub(super) fn show_test(answer: &Answer) -> Option<String> {
    let test: LogRank = super::read(answer)?;
    let word = |key: &str| answer.result.get(key).and_then(Value::as_str).unwrap_or("");
    let count = |key: &str| answer.result.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut shown = format!("Log-rank test: {}\n", word("formula"));
    let _ = writeln!(
        shown,
        "{}, {}, {}\n",
        numbers::counted_cell(count("n"), answer.min_cell, "patient", "patients"),
        numbers::counted_cell(count("events"), answer.min_cell, "event", "events"),
        numbers::counted(count("sites"), "hospital", "hospitals"),
    );
    let mut rows = vec![text::row(["", "Observed", "Expected"])];
    for ((group, observed), expected) in test.groups.iter().zip(&test.observed).zip(&test.expected)
    {
        let group = words::group(&answer.wording, group);
        let observed = numbers::cell(*observed as u64, answer.min_cell);
        rows.push(vec![group, observed, numbers::decimal(*expected, 1)]);
    }
    shown.push_str(&text::columns(&rows));
    let _ = writeln!(shown, "\n{}", verdict(&test));
    Some(shown)
}

fn verdict(test: &LogRank) -> String {
    format!(
        "Log-rank test: χ²={} on {}, {}.",
        numbers::decimal(test.chisq, 2),
        numbers::counted(test.df.into(), "degree of freedom", "degrees of freedom"),
        numbers::p_value(test.p)
    )
}
