//! Kaplan-Meier curves: median, survival and patients at risk at a few round times, and the
//! log-rank test.

use std::fmt::Write as _;

use haima_fl_core::results::{Curve, Curves, LogRank};
use haima_fl_core::stat::Z_975;
use serde_json::Value;

use crate::report::cells::suppress;
use crate::report::curves::{self as drawn, Seen, TimeAxis};
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
    // Groups add up to the numbers above: one that is hidden must not be what is left of the others.
    let seen = drawn::all_seen(result, min_cell);
    for Seen { curve, patients, events } in &seen {
        rows.push(vec![
            words::group(wording, &curve.group),
            patients.text(min_cell, None),
            events.text(min_cell, None),
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
        shown.push_str(&at_marks(&seen, &axis, answer));
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

fn at_marks(seen: &[Seen<'_>], axis: &TimeAxis, answer: &Answer) -> String {
    let (marks, min_cell) = (axis.marks(), answer.min_cell);
    let heading = marks.iter().map(|mark| plot::tick_text(*mark));
    let mut rows = vec![std::iter::once(String::new()).chain(heading).collect::<Vec<_>>()];
    for own in seen {
        let mut survival = vec![words::group(&answer.wording, &own.curve.group)];
        let mut at_risk = vec!["  at risk".to_owned()];
        for time in marks.iter().map(|mark| mark * axis.divisor) {
            survival.push(drawn::survival(own.curve, time, min_cell));
            at_risk.push(own.at_risk(time, min_cell).0.text(min_cell, None));
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
    let events = test.observed.iter().map(|events| *events as u64);
    let line = std::iter::once(count("events")).chain(events).collect();
    let observed = suppress(&[line], false, answer.min_cell).concat();
    let groups = test.groups.iter().zip(observed.iter().skip(1)).zip(&test.expected);
    for ((group, observed), expected) in groups {
        let group = words::group(&answer.wording, group);
        let observed = observed.text(answer.min_cell, None);
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

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::report::Wording;

    fn answer(result: Value) -> Answer {
        let Value::Object(result) = result else { unreachable!("an object") };
        Answer { result, wording: Wording::default(), min_cell: 5 }
    }

    /// The cells of a line that begins with a name.
    fn line<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("{name}: {text}")).split_whitespace().skip(1).collect()
    }

    #[test]
    fn a_small_count_of_a_group_is_not_what_the_others_leave_of_all() {
        let curve = |group: &str, n: u64, events: u64| Curve {
            group: group.to_owned(),
            n,
            time: vec![1.0, 2.0],
            n_risk: vec![n, n - events],
            n_event: vec![events, 0],
            n_censor: vec![0, n - events],
            surv: vec![0.5, 0.5],
            se: vec![0.1, 0.1],
            lo: vec![0.4, 0.4],
            hi: vec![0.6, 0.6],
            median: Some(1.0),
            median_lo: None,
            median_hi: None,
            rmst: None,
        };
        let result = Curves {
            schema: "haima.km/1".into(),
            formula: "Surv(time, event) ~ g".into(),
            grid: 1.0,
            n: 170,
            events: 33,
            sites: 3,
            curves: vec![curve("g=a", 50, 3), curve("g=b", 40, 20), curve("g=c", 80, 10)],
            logrank: None,
        };
        let none = Answer { result: Map::new(), wording: Wording::default(), min_cell: 5 };
        let text = show(&result, &none);
        // 33 - 20 - 10 would be the 3 of the first group.
        assert_eq!(line(&text, "g=a")[..2], ["50", "<5"], "{text}");
        assert_eq!(line(&text, "g=c")[..2], ["80", "≥5"], "{text}");
        assert_eq!(line(&text, "g=b")[..2], ["40", "20"], "{text}");
        // Small groups: 170 - 166 patients.
        let mut small = result;
        small.curves = vec![curve("g=a", 4, 0), curve("g=b", 66, 20), curve("g=c", 100, 13)];
        let text = show(&small, &none);
        assert_eq!(line(&text, "g=a")[0], "<5", "{text}");
        assert_eq!(line(&text, "g=b")[0], "≥5", "{text}");
        assert!(!text.contains("66"), "at the start all of them are at risk: {text}");
    }

    #[test]
    fn observed_events_of_the_test_alone_follow_the_same_rule() {
        let answer = answer(json!({
            "schema": "haima.logrank/1", "formula": "Surv(time, event) ~ g", "n": 200, "events": 33,
            "sites": 3, "groups": ["g=a", "g=b", "g=c"], "observed": [3.0, 20.0, 10.0],
            "expected": [9.0, 12.0, 12.0], "chisq": 9.0, "df": 2, "p": 0.01,
        }));
        let text = show_test(&answer).unwrap();
        assert_eq!(line(&text, "g=a")[0], "<5", "{text}");
        assert_eq!(line(&text, "g=b")[0], "20", "{text}");
        assert_eq!(line(&text, "g=c")[0], "≥5", "{text}");
    }
}
