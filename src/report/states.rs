//! The illness-death model: the probability of each state over time, and how many moved.

use haima_fl_core::results::multistate::MultiState;
use maud::{Markup, html};

use super::cells::suppress;
use super::chart::{Axis, Chart, Line, Shape};
use super::curves::TimeAxis;
use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::{numbers, words};

/// The part of one step.
pub(super) fn section(
    step: &Step,
    result: &MultiState,
    wording: &Wording,
    floors: &Floors,
) -> Markup {
    let min_cell = floors.min_cell;
    let shown = rows_shown(result, min_cell);
    let end = shown.checked_sub(1).and_then(|last| result.time.get(last)).copied().unwrap_or(0.0);
    let axis = TimeAxis::until(end, wording);
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        @if shown == 0 {
            p { "There are not enough patients to draw the states." }
        } @else {
            figure {
                (chart(result, shown, &axis, wording).figure())
                figcaption {
                    "Probability of being in each state (Aalen-Johansen). Everybody starts "
                    (name("healthy", wording)) ": "
                    (numbers::counted_cell(result.n, min_cell, "patient", "patients")) ", "
                    (numbers::cell(result.events, min_cell)) " of them " (name("dead", wording))
                    " by the end of their follow-up, "
                    (numbers::counted(result.sites, "hospital", "hospitals")) ". "
                    @if min_cell > 1 { "Curves end where fewer than " (min_cell) " remain under observation. " }
                    "Times were rounded up to a public grid of " (words::time(result.grid, wording)) "."
                }
            }
            (occupation(result, shown, &axis, wording))
            (transitions(result, wording, min_cell))
        }
    }
}

fn name(state: &str, wording: &Wording) -> String {
    words::term(wording, state)
}

/// Rows before which enough patients are under observation, in all states together.
fn rows_shown(result: &MultiState, min_cell: u64) -> usize {
    let under = |row: usize| -> u64 {
        result.states.iter().filter_map(|state| state.n_risk.get(row)).sum()
    };
    (0..result.time.len()).take_while(|row| under(*row) >= min_cell.max(1)).count()
}

fn chart(result: &MultiState, shown: usize, axis: &TimeAxis, wording: &Wording) -> Chart {
    let line = |(index, state): (usize, &haima_fl_core::results::multistate::StateCurve)| {
        let times = result.time.iter().map(|time| time / axis.divisor).take(shown);
        Line {
            name: words::capital(&name(&state.state, wording)),
            start: if index == 0 { 1.0 } else { 0.0 },
            points: times.zip(state.pstate.iter().copied()).collect(),
            band: Vec::new(),
            shape: Shape::Steps,
        }
    };
    let label = match wording.origin.as_str() {
        "" => words::capital(&axis.unit),
        origin => format!("{} since {origin}", words::capital(&axis.unit)),
    };
    Chart {
        lines: result.states.iter().enumerate().map(line).collect(),
        x: Axis { label, ends: (0.0, axis.end), percent: false },
        y: Axis { label: "Probability of the state".to_owned(), ends: (0.0, 1.0), percent: true },
        guide: None,
        alternative: "Probability of each state over time. The table gives the numbers.".to_owned(),
    }
}

/// Probabilities at round times.
fn occupation(result: &MultiState, shown: usize, axis: &TimeAxis, wording: &Wording) -> Markup {
    let marks = axis.marks();
    let at = |state: &[f64], start: f64, mark: f64| {
        let within = result.time.iter().take(shown);
        let before = within.take_while(|time| **time <= mark * axis.divisor).count();
        let value = before.checked_sub(1).map_or(Some(start), |row| state.get(row).copied());
        numbers::percent(value.unwrap_or(f64::NAN))
    };
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "State" }
                @for mark in &marks { th.num scope="col" { "At " (axis.mark(*mark)) } }
            } }
            tbody {
                @for (index, state) in result.states.iter().enumerate() {
                    tr {
                        th scope="row" { (words::capital(&name(&state.state, wording))) }
                        @for mark in &marks {
                            td.num { (at(&state.pstate, if index == 0 { 1.0 } else { 0.0 }, *mark)) }
                        }
                    }
                }
            }
        }
    };
    scroll("Probability of each state at round times", &body)
}

/// How many moved from state to state. Both ways of dying add up to the deaths, which are printed.
fn transitions(result: &MultiState, wording: &Wording, min_cell: u64) -> Markup {
    let count = |to_dead: bool| -> Vec<(usize, u64)> {
        let all = result.transitions.iter().enumerate();
        let kept = all.filter(|(_, transition)| (transition.to == "dead") == to_dead);
        kept.map(|(index, transition)| (index, transition.n_event.iter().sum())).collect()
    };
    let deaths = count(true);
    let line: Vec<u64> =
        std::iter::once(result.events).chain(deaths.iter().map(|(_, count)| *count)).collect();
    let mut cells = vec![String::new(); result.transitions.len()];
    let shown = suppress(&[line], false, min_cell).concat();
    for ((index, _), shown) in deaths.iter().zip(shown.iter().skip(1)) {
        if let Some(cell) = cells.get_mut(*index) {
            *cell = shown.text(min_cell, None);
        }
    }
    for (index, count) in count(false) {
        if let Some(cell) = cells.get_mut(index) {
            *cell = numbers::cell(count, min_cell);
        }
    }
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Transition" }
                th.num scope="col" { "Patients" }
            } }
            tbody {
                @for (transition, cell) in result.transitions.iter().zip(&cells) {
                    tr {
                        th scope="row" {
                            (words::capital(&name(&transition.from, wording))) " → " (name(&transition.to, wording))
                        }
                        td.num { (cell) }
                    }
                }
            }
        }
    };
    scroll("Transitions", &body)
}
