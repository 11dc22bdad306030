//! Tables of outcomes over time: survival, cumulative incidence, states.

use haima_fl_core::results::competing::Incidence;
use haima_fl_core::results::multistate::MultiState;
use haima_fl_core::results::{Curve, Curves};

use super::cell::row;
use super::{Cell, Of, Table};
use crate::report::curves::{TimeAxis, seen, survival_at};
use crate::report::incidence::{self, Groups};
use crate::report::{competing, plot, states, words};

/// Header of what stands at round times.
const AT: [&str; 3] = ["group", "time", "unit"];

/// Medians and restricted means, survival at round times, numbers at risk, the log-rank test. Times in
/// the unit of the data.
pub(super) fn curves(result: &Curves, of: Of<'_>) -> Vec<Table> {
    let Of { wording, min_cell } = of;
    let seen = seen(result, min_cell);
    let drawn: Vec<&Curve> = seen.iter().map(|own| own.curve).collect();
    let axis = TimeAxis::new(&drawn, wording, min_cell);
    let ticks = plot::ticks(axis.end, 8);
    let mut medians = Table::new(
        "survival",
        &[
            "group",
            "patients",
            "events",
            "median",
            "median_lo",
            "median_hi",
            "unit",
            "tau",
            "restricted_mean",
            "restricted_mean_se",
        ],
    );
    let mut at = Table::new("survival-at", &[AT[0], AT[1], AT[2], "survival", "lo", "hi"]);
    let mut risk = Table::new("at-risk", &[AT[0], AT[1], AT[2], "at_risk", "censored"]);
    let unit = words::or(&wording.time_unit, "time units");
    for own in &seen {
        let curve = own.curve;
        // Patients less those at risk are events and censored ones, and survival with all its digits
        // says which of the few ways to part them it is.
        let few = ticks.iter().any(|tick| {
            let (left, censored) = own.at_risk(tick * axis.divisor, min_cell);
            !left.is_printed() || censored.is_none_or(|cell| !cell.is_printed())
        });
        let mean = curve.rmst.as_ref();
        medians.rows.push(row![
            &curve.group,
            Cell::shown(Some(&own.patients), min_cell),
            Cell::shown(Some(&own.events), min_cell),
            curve.median,
            curve.median_lo,
            curve.median_hi,
            unit,
            mean.map(|one| one.tau),
            mean.map(|one| Cell::share(one.mean, few)),
            mean.map(|one| one.se),
        ]);
        for mark in axis.marks() {
            let time = mark * axis.divisor;
            if let Some((share, lo, hi)) = survival_at(curve, time, min_cell) {
                let [share, lo, hi] = [share, lo, hi].map(|value| Cell::share(value, few));
                at.rows.push(row![&curve.group, time, unit, share, lo, hi]);
            }
        }
        for tick in &ticks {
            let time = tick * axis.divisor;
            let (left, censored) = own.at_risk(time, min_cell);
            let [left, censored] =
                [Some(left), censored].map(|cell| Cell::shown(cell.as_ref(), min_cell));
            risk.rows.push(row![&curve.group, time, unit, left, censored]);
        }
    }
    let mut test = Table::new("log-rank", &["chisq", "df", "p"]);
    if let Some(own) = &result.logrank {
        test.rows.push(row![own.chisq, own.df, own.p]);
    }
    vec![medians, at, risk, test]
}

/// Patients and events by cause, incidence at round times, Gray's tests.
pub(super) fn incidence(result: &Incidence, of: Of<'_>) -> Vec<Table> {
    let Of { wording, min_cell } = of;
    let mut totals = Table::new("incidence", &["cause", "group", "patients", "events"]);
    let mut at =
        Table::new("incidence-at", &["cause", AT[0], AT[1], AT[2], "incidence", "lo", "hi"]);
    let mut tests = Table::new("gray", &["cause", "chisq", "df", "p"]);
    for own in &result.tests {
        tests.rows.push(row![&own.cause, own.chisq, own.df, own.p]);
    }
    let Some(groups) = Groups::new(result, min_cell) else { return vec![totals, at, tests] };
    let axis = TimeAxis::until(groups.end(), wording);
    let events = competing::events(result, min_cell);
    let sizes = incidence::sizes(result, min_cell);
    let unit = words::or(&wording.time_unit, "time units");
    for (place, group) in result.curves.iter().enumerate() {
        for (index, cause) in group.causes.iter().enumerate() {
            let count = events.get(index).and_then(|line| line.get(place));
            let hidden = count.is_some_and(|count| !count.is_printed());
            totals.rows.push(row![
                &cause.cause,
                &group.group,
                Cell::shown(sizes.get(place), min_cell),
                Cell::shown(count, min_cell),
            ]);
            for mark in axis.marks() {
                let time = mark * axis.divisor;
                let Some((share, lo, hi)) = competing::value_at(group, cause, time, min_cell)
                else {
                    continue;
                };
                let [share, lo, hi] = [share, lo, hi].map(|value| Cell::share(value, hidden));
                at.rows.push(row![&cause.cause, &group.group, time, unit, share, lo, hi]);
            }
        }
    }
    vec![totals, at, tests]
}

/// Probabilities of the states at round times, and how many moved.
pub(super) fn states(result: &MultiState, of: Of<'_>) -> Vec<Table> {
    let Of { wording, min_cell } = of;
    let shown = states::rows_shown(result, min_cell);
    let end = shown.checked_sub(1).and_then(|last| result.time.get(last)).copied().unwrap_or(0.0);
    let axis = TimeAxis::until(end, wording);
    let moved = states::moved(result, min_cell);
    let hidden = moved.iter().any(|cell| !cell.is_printed());
    let unit = words::or(&wording.time_unit, "time units");
    let mut at = Table::new("states", &["state", "time", "unit", "probability"]);
    let mut moves = Table::new("transitions", &["from", "to", "patients"]);
    if shown == 0 {
        return vec![at, moves];
    }
    for (place, state) in result.states.iter().enumerate() {
        for mark in axis.marks() {
            let time = mark * axis.divisor;
            let share = states::probability(result, place, time, shown);
            at.rows.push(row![&state.state, time, unit, Cell::share(share, hidden)]);
        }
    }
    for (transition, cell) in result.transitions.iter().zip(&moved) {
        let cell = Cell::shown(Some(cell), min_cell);
        moves.rows.push(row![&transition.from, &transition.to, cell]);
    }
    vec![at, moves]
}
