//! The section on Kaplan-Meier curves: the figure, the log-rank test, medians and survival at
//! round times.
//!
//! Display rules (`min_cell`): a curve ends where fewer patients than that remain at risk, a group
//! smaller than that is not drawn, and single censored patients are not marked.

use haima_fl_core::results::{Curve, Curves, Rmst};
use maud::{Markup, html};

use super::cells::{Shown, suppress};
use super::model::{Class, Floors, Step, Wording};
use super::numbers;
use super::page::{class_badge, scroll};
use super::plot;
use super::survival_figure::Figure;
use super::words;

/// Times in the unit of the axis.
pub(crate) struct TimeAxis {
    /// Data units in one axis unit.
    pub(crate) divisor: f64,
    /// Name of the axis unit, plural.
    pub(crate) unit: String,
    /// Last time drawn, axis units.
    pub(crate) end: f64,
}

impl TimeAxis {
    pub(crate) fn new(curves: &[&Curve], wording: &Wording, min_cell: u64) -> Self {
        let last = |curve: &&Curve| drawn(curve, min_cell).last().map(|row| row.time);
        Self::until(curves.iter().filter_map(last).fold(0.0, f64::max), wording)
    }

    /// The axis of times up to `end`, in data units.
    pub(crate) fn until(end: f64, wording: &Wording) -> Self {
        let (divisor, unit) = match wording.time_unit.as_str() {
            "days" if end > 900.0 => (365.25, "years"),
            "months" if end > 36.0 => (12.0, "years"),
            "" => (1.0, "time units"),
            unit => (1.0, unit),
        };
        Self { divisor, unit: unit.to_owned(), end: end / divisor }
    }

    /// A time on the axis, e.g. `2 years`.
    pub(super) fn mark(&self, mark: f64) -> String {
        let unit = if mark == 1.0 { self.unit.trim_end_matches('s') } else { &self.unit };
        format!("{} {unit}", plot::tick_text(mark))
    }

    /// Round times for a table, in axis units.
    pub(crate) fn marks(&self) -> Vec<f64> {
        if self.unit == "years" {
            return [1.0, 2.0, 5.0, 10.0].into_iter().filter(|mark| *mark <= self.end).collect();
        }
        plot::ticks(self.end, 4).into_iter().skip(1).collect()
    }
}

/// One row of a curve.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// Time, data units.
    pub(crate) time: f64,
    at_risk: u64,
    censored: u64,
    /// Survival after `time`.
    pub(super) surv: f64,
    /// Its 95 % interval.
    pub(super) lo: f64,
    /// Its 95 % interval.
    pub(super) hi: f64,
}

/// Rows of a curve; cut to the shortest vector, since a report may come from a file.
fn rows(curve: &Curve) -> impl Iterator<Item = Row> + '_ {
    let counts = curve.n_risk.iter().zip(&curve.n_censor);
    let band = curve.surv.iter().zip(curve.lo.iter().zip(&curve.hi));
    curve.time.iter().zip(counts).zip(band).map(
        |((&time, (&at_risk, &censored)), (&surv, (&lo, &hi)))| Row {
            time,
            at_risk,
            censored,
            surv,
            lo,
            hi,
        },
    )
}

/// The rows that are drawn.
pub(crate) fn drawn(curve: &Curve, min_cell: u64) -> impl Iterator<Item = Row> + '_ {
    rows(curve).take_while(move |row| row.at_risk >= min_cell.max(1))
}

/// Patients at risk just before `time`, and censored earlier.
fn at_risk(curve: &Curve, time: f64) -> (u64, u64) {
    let censored = rows(curve).take_while(|row| row.time < time).map(|row| row.censored).sum();
    let next = rows(curve).find(|row| row.time >= time);
    (next.map_or(0, |row| row.at_risk), censored)
}

/// A curve that is drawn, and how its numbers are printed.
pub(crate) struct Seen<'a> {
    pub(crate) curve: &'a Curve,
    /// Its patients. Where they are hidden, so is who is at risk at the start.
    pub(crate) patients: Shown,
    /// Its events.
    pub(crate) events: Shown,
}

impl<'a> Seen<'a> {
    /// A curve whose numbers add up to no printed one.
    pub(crate) fn alone(curve: &'a Curve, min_cell: u64) -> Self {
        let shown = |count: u64| match numbers::is_small(count, min_cell) {
            true => Shown::Small,
            false => Shown::Count(count),
        };
        Self { curve, patients: shown(curve.n), events: shown(events(curve)) }
    }

    /// Patients at risk just before `time`, and those censored earlier where they may be told: with
    /// those at risk they would give a hidden number of events or patients away.
    pub(crate) fn at_risk(&self, time: f64, min_cell: u64) -> (Shown, Option<Shown>) {
        let (left, censored) = at_risk(self.curve, time);
        let left = match left {
            left if numbers::is_small(left, min_cell) => Shown::Small,
            // At the start that is all patients.
            left if left > 0 && !self.patients.is_printed() => Shown::Protecting,
            left => Shown::Count(left),
        };
        let censored = match numbers::is_small(censored, min_cell) {
            true => Shown::Small,
            false => Shown::Count(censored),
        };
        let may = self.patients.is_printed() && self.events.is_printed();
        (left, may.then_some(censored))
    }
}

/// The curves that are drawn.
pub(crate) fn seen(result: &Curves, min_cell: u64) -> Vec<Seen<'_>> {
    let all = all_seen(result, min_cell).into_iter();
    all.filter(|own| own.curve.n >= min_cell.max(1)).collect()
}

/// All curves, those that are too small to be drawn among them. Groups add up to the patients and
/// events of the result, which are printed: what is hidden of one must not be what is left of the
/// others.
pub(crate) fn all_seen(result: &Curves, min_cell: u64) -> Vec<Seen<'_>> {
    let shown = |total: u64, of: fn(&Curve) -> u64| {
        let line = std::iter::once(total).chain(result.curves.iter().map(of)).collect();
        suppress(&[line], false, min_cell).concat()
    };
    let (patients, events) = (shown(result.n, |curve| curve.n), shown(result.events, events));
    let groups = patients.into_iter().zip(events).skip(1);
    let all = result.curves.iter().zip(groups);
    all.map(|(curve, (patients, events))| Seen { curve, patients, events }).collect()
}

fn events(curve: &Curve) -> u64 {
    curve.n_event.iter().sum()
}

/// Survival at `time` with the ends of its interval, while the curve is drawn.
pub(super) fn survival_at(curve: &Curve, time: f64, min_cell: u64) -> Option<(f64, f64, f64)> {
    let reached = drawn(curve, min_cell).last().is_some_and(|last| last.time >= time);
    let row = rows(curve).take_while(|row| row.time <= time).last();
    // Before the first row all live, and there is no interval.
    reached.then(|| row.map_or((1.0, f64::NAN, f64::NAN), |row| (row.surv, row.lo, row.hi)))
}

/// The same as text.
pub(crate) fn survival(curve: &Curve, time: f64, min_cell: u64) -> String {
    match survival_at(curve, time, min_cell) {
        None => "–".to_owned(),
        Some((share, lo, hi)) => numbers::percent_interval(share, lo, hi),
    }
}

/// The part of one step.
pub(super) fn section(step: &Step, result: &Curves, wording: &Wording, floors: &Floors) -> Markup {
    let min_cell = floors.min_cell;
    let seen = seen(result, min_cell);
    let curves: Vec<&Curve> = seen.iter().map(|own| own.curve).collect();
    let axis = TimeAxis::new(&curves, wording, min_cell);
    let figure = Figure { curves: &seen, axis: &axis, wording, min_cell, is_cut: false };
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        @if curves.is_empty() {
            p { "No group has enough patients to draw a curve." }
        } @else {
            figure {
                (plot::both(|size| figure.draw(size)))
                figcaption { (caption(result, step.class != Class::Exact, wording, min_cell)) }
            }
            (summary(&seen, &axis, wording, min_cell))
            (restricted_means(&curves, wording))
        }
    }
}

fn caption(result: &Curves, noised: bool, wording: &Wording, min_cell: u64) -> Markup {
    if noised {
        return html! {
            (words::outcome(wording)) " (Kaplan-Meier) of noised counts, on a public grid of "
            (words::time(result.grid, wording)) ". Noise is not in any interval, so none is given, and "
            "the numbers at risk need not add up."
        };
    }
    html! {
        (words::outcome(wording)) " (Kaplan-Meier) with pointwise 95% confidence bands: "
        (numbers::counted_cell(result.n, min_cell, "patient", "patients")) ", "
        (words::events(wording, result.events, min_cell)) ". "
        @if let Some(test) = &result.logrank {
            "Log-rank test: χ²=" (numbers::decimal(test.chisq, 2)) " on "
            (numbers::counted(test.df.into(), "degree", "degrees")) " of freedom, "
            b { (numbers::p_value(test.p)) } ". "
        }
        "Under the axis: patients still at risk (and censored so far). "
        @if min_cell > 1 { "A curve ends where fewer than " (min_cell) " remain at risk. " }
        @if result.grid > 0.0 {
            "Times were rounded up to a public grid of " (words::time(result.grid, wording)) ". "
        }
    }
}

/// Mean survival times up to a time that the study names.
fn restricted_means(curves: &[&Curve], wording: &Wording) -> Markup {
    let means: Vec<(&Curve, &Rmst)> =
        curves.iter().filter_map(|curve| Some((*curve, curve.rmst.as_ref()?))).collect();
    let Some((_, first)) = means.first() else { return html! {} };
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Group" }
                th.num scope="col" { "Mean up to " (words::time(first.tau, wording)) " (95% CI)" }
            } }
            tbody {
                @for (curve, mean) in &means {
                    tr {
                        th scope="row" { (words::group(wording, &curve.group)) }
                        td.num { (restricted_mean(mean)) }
                    }
                }
            }
        }
    };
    html! {
        (scroll("Restricted mean survival", &body))
        p.note { "Restricted mean: the area under the curve up to that time, which is the time lived until then on average." }
    }
}

/// A mean with its interval, which lies between nothing and the whole time.
fn restricted_mean(rmst: &Rmst) -> String {
    let width = 1.959_963_984_540_054 * rmst.se;
    if !width.is_finite() {
        return numbers::significant(rmst.mean);
    }
    let (lo, hi) = ((rmst.mean - width).max(0.0), (rmst.mean + width).min(rmst.tau));
    let (mean, interval) = numbers::difference(rmst.mean, lo, hi);
    format!("{mean} ({interval})")
}

/// Median and survival at round times.
fn summary(seen: &[Seen<'_>], axis: &TimeAxis, wording: &Wording, min_cell: u64) -> Markup {
    let marks = axis.marks();
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Group" }
                th.num scope="col" { "Patients" }
                th.num scope="col" { (words::capital(words::or(&wording.events, "events"))) }
                th.num scope="col" { "Median (95% CI)" }
                @for mark in &marks {
                    th.num scope="col" { "At " (axis.mark(*mark)) " (CI)" }
                }
            } }
            tbody {
                @for Seen { curve, patients, events } in seen {
                    tr {
                        th scope="row" { (words::group(wording, &curve.group)) }
                        td.num { (patients.text(min_cell, None)) }
                        td.num { (events.text(min_cell, None)) }
                        td.num { (words::median(curve, wording, "")) }
                        @for mark in &marks {
                            td.num { (survival(curve, mark * axis.divisor, min_cell)) }
                        }
                    }
                }
            }
        }
    };
    scroll("Median and survival at round times", &body)
}
