//! The validation of a prediction: how well it ranks, whether its probabilities are right, and what
//! deciding by it would bring.
//!
//! Display rules: patients of a calibration bin add up to all patients and their events to all
//! events, so both are suppressed over the bins; a bin of which either is hidden has no share, in
//! the table or in the figure.

use haima_fl_core::results::validation::{
    Binary, CalibrationBin, Classes, Decision, Horizon, Probability, Share, Survival, Validation,
};
use maud::{Markup, html};

use super::cells::{Shown, suppress};
use super::chart::{Axis, Chart, Line, Shape};
use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::{numbers, words};

/// The part of one step.
pub(super) fn section(
    step: &Step,
    result: &Validation,
    wording: &Wording,
    floors: &Floors,
) -> Markup {
    let min_cell = floors.min_cell;
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        p.note {
            "Prediction: " code { (result.score) } "; outcome: " code { (result.formula) } ". "
            (numbers::counted_cell(result.n, min_cell, "complete case", "complete cases")) ", "
            @if result.classes.is_none() { (words::events(wording, result.events, min_cell)) ", " }
            (numbers::counted(result.sites, "hospital", "hospitals")) "; ranked in "
            (numbers::counted(result.bins, "public bin", "public bins"))
            ", patients of one bin counting as ties."
        }
        @if let Some(binary) = &result.binary { (of_binary(binary, min_cell)) }
        @if let Some(classes) = &result.classes { (of_classes(classes)) }
        @if let Some(survival) = &result.survival { (of_survival(survival, wording, min_cell)) }
    }
}

/// `0.71 (0.66 to 0.76)`.
fn share(share: &Share) -> String {
    let value = numbers::decimal(share.value, 3);
    match (share.lo, share.hi) {
        (Some(lo), Some(hi)) => {
            format!("{value} ({} to {})", numbers::decimal(lo, 3), numbers::decimal(hi, 3))
        }
        _ => value,
    }
}

fn or_dash(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| numbers::decimal(value, digits))
}

/// A table of facts: what, how much, and what it means.
fn facts(label: &str, rows: &[(&str, String, &str)]) -> Markup {
    let body = html! {
        table.facts { tbody {
            @for (what, value, meaning) in rows {
                tr {
                    th scope="row" { (what) }
                    td { b { (value) } @if !meaning.is_empty() { br; span.quiet { (meaning) } } }
                }
            }
        } }
    };
    scroll(label, &body)
}

fn of_binary(binary: &Binary, min_cell: u64) -> Markup {
    let auc = (
        "AUC (95% CI)",
        share(&binary.auc),
        "Chance that a patient with the outcome has the higher score; 0.5 is chance (DeLong's error).",
    );
    let Some(probability) = &binary.probability else {
        return html! {
            (facts("Discrimination", &[auc]))
            p.note { "The score is no probability, so calibration has no meaning." }
        };
    };
    let mut rows = vec![auc];
    rows.push((
        "Brier score",
        format!(
            "{} (without a model {})",
            numbers::decimal(probability.brier, 3),
            numbers::decimal(probability.brier_null, 3)
        ),
        "Mean squared error of the probability; smaller is better.",
    ));
    rows.push((
        "Index of accuracy",
        numbers::percent(probability.ipa),
        "By how much the Brier score is better than without a model; below 0 it is worse.",
    ));
    rows.push((
        "Observed, predicted",
        format!(
            "{}, {}",
            numbers::percent(probability.observed),
            numbers::percent(probability.predicted)
        ),
        "Share with the outcome, and mean predicted probability.",
    ));
    let estimate = |one: &haima_fl_core::results::validation::Estimate| {
        let (lo, hi) = (one.coef - 1.96 * one.se, one.coef + 1.96 * one.se);
        let (text, interval) = numbers::difference(one.coef, lo, hi);
        format!("{text} ({interval})")
    };
    if let Some(large) = &probability.in_the_large {
        rows.push((
            "Calibration in the large",
            estimate(large),
            "0 is perfect; above 0 risks are predicted too low.",
        ));
    }
    if let Some(both) = &probability.recalibration {
        rows.push((
            "Calibration slope",
            estimate(&both.slope),
            "1 is perfect; below 1 predictions are too extreme.",
        ));
    }
    let bins = bins(&probability.calibration, min_cell);
    html! {
        (facts("Discrimination and calibration", &rows))
        @for note in &probability.notes { p.note { (note) } }
        (calibration(&bins, min_cell))
        (decisions(probability))
    }
}

/// A bin with what may be printed of it.
pub(super) struct Bin<'a> {
    pub(super) bin: &'a CalibrationBin,
    pub(super) n: Shown,
    pub(super) observed: Option<f64>,
}

/// Bins of a calibration under the display rule.
pub(super) fn bins(calibration: &[CalibrationBin], min_cell: u64) -> Vec<Bin<'_>> {
    let events = |bin: &CalibrationBin| (bin.n as f64 * bin.observed).round().max(0.0) as u64;
    let outcomes: Vec<Vec<u64>> = calibration
        .iter()
        .map(|bin| vec![events(bin), bin.n.saturating_sub(events(bin))])
        .collect();
    let sizes: Vec<Vec<u64>> = calibration.iter().map(|bin| vec![bin.n]).collect();
    let outcomes = suppress(&outcomes, true, min_cell);
    let sizes = suppress(&sizes, true, min_cell);
    let shown = calibration.iter().zip(sizes.iter().zip(&outcomes));
    shown
        .map(|(bin, (size, outcome))| {
            let n = size.first().copied().unwrap_or(Shown::Small);
            let is_open = n.is_printed() && outcome.iter().all(|cell| cell.is_printed());
            Bin { bin, n, observed: is_open.then_some(bin.observed) }
        })
        .collect()
}

fn calibration(bins: &[Bin<'_>], min_cell: u64) -> Markup {
    let drawn = bins.iter().filter_map(|one| Some((one.bin.predicted, one.observed?)));
    let points: Vec<(f64, f64)> = drawn.collect();
    let axis = |label: &str| Axis { label: label.to_owned(), ends: (0.0, 1.0), percent: true };
    let each: Vec<String> = points
        .iter()
        .map(|(a, b)| {
            format!("predicted {}, observed {}", numbers::percent(*a), numbers::percent(*b))
        })
        .collect();
    let chart = Chart {
        name: "calibration",
        lines: vec![Line {
            name: "Patients by predicted probability".to_owned(),
            start: 0.0,
            points,
            band: Vec::new(),
            shape: Shape::Marked,
        }],
        x: axis("Predicted probability"),
        y: axis("Observed"),
        guide: Some(((0.0, 0.0), (1.0, 1.0))),
        alternative: format!("Calibration: {}.", each.join("; ")),
    };
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Predicted probability" }
                th.num scope="col" { "Patients" }
                th.num scope="col" { "Mean predicted" }
                th.num scope="col" { "Observed" }
            } }
            tbody {
                @for Bin { bin, n, observed } in bins {
                    tr {
                        th scope="row" { (numbers::percent(bin.from)) " to " (numbers::percent(bin.to)) }
                        td.num { (n.text(min_cell, None)) }
                        td.num {
                            @if n.is_printed() { (numbers::percent(bin.predicted)) } @else { span.quiet { "not shown" } }
                        }
                        td.num {
                            @match observed {
                                Some(share) => (numbers::percent(*share)),
                                None => span.quiet { "not shown" },
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        figure {
            (chart.figure())
            figcaption {
                "Calibration: on the broken line as many patients have the outcome as were predicted to."
                @if min_cell > 1 {
                    " Bins in which fewer than " (min_cell) " patients have the outcome, or do not have it, are not drawn, "
                    "nor those that would give them away."
                }
            }
        }
        (scroll("Calibration by predicted probability", &body))
    }
}

/// Areas and the share of right ones; who was taken for whom holds small cells, and is not printed.
fn of_classes(classes: &Classes) -> Markup {
    let mut rows = vec![
        (
            "Macro AUC (95% CI)".to_owned(),
            share(&classes.macro_auc),
            "Mean of the classes' areas; its interval holds however they go together.",
        ),
        (
            "Right".to_owned(),
            numbers::percent(classes.accuracy),
            "Patients whose most probable class is theirs.",
        ),
    ];
    for class in &classes.classes {
        let area = class.auc.as_ref().map_or_else(|| "–".to_owned(), share);
        rows.push((format!("AUC of {}", class.name), area, "Against all other classes."));
    }
    let rows: Vec<(&str, String, &str)> = rows
        .iter()
        .map(|(what, value, meaning)| (what.as_str(), value.clone(), *meaning))
        .collect();
    facts("Discrimination", &rows)
}

fn decisions(probability: &Probability) -> Markup {
    let decision = &probability.decision;
    if decision.len() < 2 {
        return html! {};
    }
    let line = |name: &str, value: fn(&Decision) -> f64| Line {
        name: name.to_owned(),
        start: 0.0,
        points: decision.iter().map(|one| (one.threshold, value(one))).collect(),
        band: Vec::new(),
        shape: Shape::Straight,
    };
    let high = decision.iter().flat_map(|one| [one.model, one.all]).fold(0.05, f64::max) * 1.05;
    // Treating all of many healthy is as bad as one likes; what matters lies near 0.
    let low = decision.iter().map(|one| one.model).fold(-0.25 * high, f64::min);
    let inside = |mut line: Line| {
        line.points.retain(|(_, value)| *value >= low);
        line
    };
    let ends = (
        decision.iter().map(|one| one.threshold).fold(f64::INFINITY, f64::min),
        decision.iter().map(|one| one.threshold).fold(0.0, f64::max),
    );
    let chart = Chart {
        name: "decision",
        lines: vec![
            inside(line("Treat by the prediction", |one| one.model)),
            inside(line("Treat all", |one| one.all)),
            inside(line("Treat none", |one| one.none)),
        ],
        x: Axis { label: "Probability from which a patient is treated".to_owned(), ends, percent: true },
        y: Axis { label: "Net benefit".to_owned(), ends: (low, high), percent: false },
        guide: None,
        alternative: "Decision curve: net benefit of treating by the prediction, of treating all and of treating none.".to_owned(),
    };
    html! {
        figure {
            (chart.figure())
            figcaption {
                "Decision curve (Vickers and Elkin 2006): treated patients with the outcome a patient, less those without, "
                "weighed by the odds of the threshold. The prediction helps where its line is the highest."
            }
        }
    }
}

fn of_survival(survival: &Survival, wording: &Wording, min_cell: u64) -> Markup {
    let mut rows = vec![(
        "C-index (95% CI)",
        share(&survival.c_index),
        "Share of comparable pairs of patients in the right order; 0.5 is chance (Harrell).",
    )];
    if let Some(brier) = survival.integrated_brier {
        rows.push((
            "Integrated Brier score",
            format!(
                "{} (without a model {})",
                numbers::decimal(brier, 3),
                or_dash(survival.integrated_brier_null, 3)
            ),
            "Mean over the horizons; smaller is better.",
        ));
    }
    html! {
        (facts("Discrimination", &rows))
        @if !survival.horizons.is_empty() { (horizons(&survival.horizons, wording, min_cell)) }
    }
}

/// Whether the events of a horizon are not printed. Those at a later one include those before: the
/// differences are cells too.
pub(super) fn is_few(horizons: &[Horizon], index: usize, min_cell: u64) -> bool {
    let events = |i: usize| horizons.get(i).map_or(0, |one| one.events);
    let since = events(index).saturating_sub(index.checked_sub(1).map_or(0, events));
    numbers::is_small(since, min_cell) || numbers::is_small(events(index), min_cell)
}

fn horizons(horizons: &[Horizon], wording: &Wording, min_cell: u64) -> Markup {
    let percent = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), numbers::percent);
    let is_small = |index: usize| is_few(horizons, index, min_cell);
    let predicts = horizons.iter().any(|one| one.predicted.is_some());
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "By" }
                th.num scope="col" { "Events" }
                th.num scope="col" { "Observed" }
                th.num scope="col" { "AUC" }
                @if predicts {
                    th.num scope="col" { "Predicted" }
                    th.num scope="col" { "Brier score" }
                    th.num scope="col" { "Without a model" }
                    th.num scope="col" { "Index of accuracy" }
                }
            } }
            tbody {
                @for (index, one) in horizons.iter().enumerate() {
                    tr {
                        th scope="row" { (words::time(one.time, wording)) }
                        td.num {
                            @if is_small(index) { span.quiet { "not shown" } } @else { (numbers::count(one.events)) }
                        }
                        td.num { (numbers::percent(one.observed)) }
                        td.num { (or_dash(one.auc, 3)) }
                        @if predicts {
                            td.num { (percent(one.predicted)) }
                            td.num { (or_dash(one.brier, 3)) }
                            td.num { (or_dash(one.brier.and(one.brier_null), 3)) }
                            td.num { (percent(one.ipa)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        (scroll("Validation at each horizon", &body))
        p.note {
            "Observed: 1 less Kaplan-Meier. AUC " @if predicts { "and Brier score weigh" } @else { "weighs" }
            " patients by the inverse probability of not being censored."
            @if !predicts { " The score predicts no probabilities, so there is no Brier score." }
            @for one in horizons { @if let Some(note) = &one.note { " At " (words::time(one.time, wording)) ": " (note) "." } }
        }
    }
}
