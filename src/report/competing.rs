//! Competing risks: the cumulative incidence of each cause, at round times too, and Gray's tests.
//!
//! Display rules as for survival curves: a curve ends where few remain at risk, and events of the
//! causes are hidden together where one of them is small.

use haima_fl_core::results::competing::{CauseCurve, Incidence, IncidenceGroup};
use maud::{Markup, html};

use super::cells::{Shown, suppress};
use super::curves::TimeAxis;
use super::incidence::{self, Groups, rows_shown};
use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::{numbers, words};

/// The part of one step.
pub(super) fn section(
    step: &Step,
    result: &Incidence,
    wording: &Wording,
    floors: &Floors,
) -> Markup {
    let min_cell = floors.min_cell;
    let groups = Groups::new(result, min_cell);
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        @match &groups {
            None => p { "No group has enough patients to draw a curve." },
            Some(groups) => {
                figure {
                    (groups.chart(wording).figure())
                    figcaption { (caption(result, wording, min_cell)) }
                }
                (table(result, &TimeAxis::until(groups.end(), wording), wording, min_cell))
                (tests(result, wording))
            }
        }
    }
}

fn caption(result: &Incidence, wording: &Wording, min_cell: u64) -> Markup {
    html! {
        "Cumulative incidence of each cause (Aalen-Johansen) with pointwise 95% confidence bands: "
        (numbers::counted_cell(result.n, min_cell, "patient", "patients")) ", "
        (numbers::counted_cell(result.events, min_cell, "event", "events")) " of any cause, "
        (numbers::counted(result.sites, "hospital", "hospitals")) ". "
        "Who had an event of one cause can have none of another; such patients are not counted as censored. "
        @if min_cell > 1 { "A curve ends where fewer than " (min_cell) " remain at risk. " }
        "Times were rounded up to a public grid of " (words::time(result.grid, wording)) "."
    }
}

/// Events by cause and group, suppressed together: a cause's groups add up to all patients', a
/// group's causes and censored to its patients.
pub(super) fn events(result: &Incidence, min_cell: u64) -> Vec<Vec<Shown>> {
    let causes = result.curves.first().map_or(0, |group| group.causes.len());
    let of = |group: &IncidenceGroup, cause: usize| -> u64 {
        let censored = || group.n_censor.iter().sum();
        group.causes.get(cause).map_or_else(censored, |cause| cause.n_event.iter().sum())
    };
    let line = |cause: usize| result.curves.iter().map(|group| of(group, cause)).collect();
    suppress(&(0..=causes).map(line).collect::<Vec<Vec<u64>>>(), true, min_cell)
}

fn table(result: &Incidence, axis: &TimeAxis, wording: &Wording, min_cell: u64) -> Markup {
    let marks = axis.marks();
    let events = events(result, min_cell);
    let sizes = incidence::sizes(result, min_cell);
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Cause" }
                th scope="col" { "Group" }
                th.num scope="col" { "Patients" }
                th.num scope="col" { "Events" }
                @for mark in &marks {
                    th.num scope="col" { "By " (axis.mark(*mark)) " (95% CI)" }
                }
            } }
            tbody {
                @for (index, cause) in result.curves.iter().flat_map(|group| group.causes.iter()).enumerate()
                    .take(events.len().saturating_sub(1)) {
                    @for (place, group) in result.curves.iter().enumerate() {
                        @if let Some(curve) = group.causes.get(index) {
                            tr {
                                th scope="row" { (words::capital(&words::term(wording, &cause.cause))) }
                                td { (words::group(wording, &group.group)) }
                                td.num { @if let Some(size) = sizes.get(place) { (size.text(min_cell, None)) } }
                                td.num {
                                    @if let Some(cell) = events.get(index).and_then(|line| line.get(place)) {
                                        (cell.text(min_cell, None))
                                    }
                                }
                                @for mark in &marks {
                                    td.num { (at(group, curve, mark * axis.divisor, min_cell)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    scroll("Cumulative incidence at round times", &body)
}

/// Incidence by `time` with the ends of its interval, while the curve is drawn.
pub(super) fn value_at(
    group: &IncidenceGroup,
    curve: &CauseCurve,
    time: f64,
    min_cell: u64,
) -> Option<(f64, f64, f64)> {
    let shown = rows_shown(group, min_cell);
    let last = shown.checked_sub(1).and_then(|last| group.time.get(last));
    if group.n < min_cell || last.is_none_or(|last| *last < time) {
        return None;
    }
    let before = group.time.iter().take_while(|t| **t <= time).count();
    let Some(row) = before.checked_sub(1) else { return Some((0.0, f64::NAN, f64::NAN)) };
    let value = |list: &[f64]| list.get(row).copied().unwrap_or(f64::NAN);
    Some((value(&curve.cif), value(&curve.lo), value(&curve.hi)))
}

/// The same as text.
fn at(group: &IncidenceGroup, curve: &CauseCurve, time: f64, min_cell: u64) -> String {
    match value_at(group, curve, time, min_cell) {
        None => "–".to_owned(),
        Some((share, lo, hi)) => numbers::percent_interval(share, lo, hi),
    }
}

fn tests(result: &Incidence, wording: &Wording) -> Markup {
    html! {
        @for test in &result.tests {
            p.note {
                "Gray's test of " (words::term(wording, &test.cause)) " between groups: χ²="
                (numbers::decimal(test.chisq, 2)) " on "
                (numbers::counted(test.df.into(), "degree", "degrees")) " of freedom, "
                b { (numbers::p_value(test.p)) } "."
            }
        }
    }
}
