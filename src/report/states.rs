//! The illness-death model: the probability of each state over time, and how many moved.

use haima_fl_core::results::multistate::MultiState;
use maud::{Markup, html};

use super::cells::{Shown, suppress};
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
pub(super) fn rows_shown(result: &MultiState, min_cell: u64) -> usize {
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
        name: "states",
        lines: result.states.iter().enumerate().map(line).collect(),
        x: Axis { label, ends: (0.0, axis.end), percent: false },
        y: Axis { label: "Probability of the state".to_owned(), ends: (0.0, 1.0), percent: true },
        guide: None,
        alternative: "Probability of each state over time. The table gives the numbers.".to_owned(),
    }
}

/// The probability of the state at `place` at a time, of the rows that are drawn.
pub(super) fn probability(result: &MultiState, place: usize, time: f64, shown: usize) -> f64 {
    let before = result.time.iter().take(shown).take_while(|own| **own <= time).count();
    // Everybody starts in the first state.
    let start = if place == 0 { 1.0 } else { 0.0 };
    let state = result.states.get(place);
    let value = before
        .checked_sub(1)
        .map_or(Some(start), |row| state.and_then(|state| state.pstate.get(row)).copied());
    value.unwrap_or(f64::NAN)
}

/// Probabilities at round times.
fn occupation(result: &MultiState, shown: usize, axis: &TimeAxis, wording: &Wording) -> Markup {
    let marks = axis.marks();
    let at = |place: usize, mark: f64| {
        numbers::percent(probability(result, place, mark * axis.divisor, shown))
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
                            td.num { (at(index, *mark)) }
                        }
                    }
                }
            }
        }
    };
    scroll("Probability of each state at round times", &body)
}

/// How many moved from state to state, a number a transition. Both ways of dying add up to the
/// deaths, which are printed.
pub(super) fn moved(result: &MultiState, min_cell: u64) -> Vec<Shown> {
    let counts: Vec<u64> =
        result.transitions.iter().map(|transition| transition.n_event.iter().sum()).collect();
    let is_death = |place: &usize| {
        result.transitions.get(*place).is_some_and(|transition| transition.to == "dead")
    };
    let deaths: Vec<usize> = (0..counts.len()).filter(is_death).collect();
    let count = |place: &usize| counts.get(*place).copied();
    let line = std::iter::once(result.events).chain(deaths.iter().filter_map(count)).collect();
    let printed = suppress(&[line], false, min_cell).concat();
    let mut cells: Vec<Shown> = counts
        .iter()
        .map(|count| match numbers::is_small(*count, min_cell) {
            true => Shown::Small,
            false => Shown::Count(*count),
        })
        .collect();
    for (place, shown) in deaths.iter().zip(printed.iter().skip(1)) {
        if let Some(cell) = cells.get_mut(*place) {
            *cell = *shown;
        }
    }
    cells
}

fn transitions(result: &MultiState, wording: &Wording, min_cell: u64) -> Markup {
    let cells = moved(result, min_cell);
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
                        td.num { (cell.text(min_cell, None)) }
                    }
                }
            }
        }
    };
    scroll("Transitions", &body)
}
