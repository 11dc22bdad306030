//! The largest distance of the same curve in several reports, over the time in which both are drawn.

use serde::Serialize;

use crate::report::curves::drawn;
use crate::report::incidence::rows_shown;
use crate::report::result::StepResult;
use crate::report::states;

/// Curves that are compared.
const MOST: usize = 200;

/// A curve, by report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CurveRow {
    /// Its group, cause or state.
    pub curve: String,
    /// From the first report's curve, by report; `None` of the first, and where one of the two is not
    /// drawn.
    pub distances: Vec<Option<Distance>>,
}

/// Two step functions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Distance {
    /// Other less first, where they are farthest apart.
    pub largest: f64,
    /// The time of it, in the unit of the data.
    pub at: f64,
    /// The last time at which both are drawn.
    pub until: f64,
}

/// A step function: its height before the first time, then after each.
#[derive(Clone, Debug, PartialEq)]
struct Steps {
    name: String,
    start: f64,
    points: Vec<(f64, f64)>,
}

/// A row a curve of the first report.
pub(super) fn rows(results: &[Option<&StepResult>], min_cell: u64) -> Vec<CurveRow> {
    let all: Vec<Vec<Steps>> = results
        .iter()
        .map(|result| result.map(|result| steps(result, min_cell)).unwrap_or_default())
        .collect();
    let Some((first, others)) = all.split_first() else { return Vec::new() };
    let of = |own: &Steps| {
        let mut distances = vec![None];
        for other in others {
            let partner = other.iter().find(|other| other.name == own.name);
            distances.push(partner.and_then(|partner| distance(own, partner)));
        }
        CurveRow { curve: own.name.clone(), distances }
    };
    first.iter().take(MOST).map(of).collect()
}

/// What the page draws of a result's curves.
fn steps(result: &StepResult, min_cell: u64) -> Vec<Steps> {
    match result {
        StepResult::Curves(own) => own
            .curves
            .iter()
            .filter(|curve| curve.n >= min_cell.max(1))
            .map(|curve| Steps {
                name: curve.group.clone(),
                start: 1.0,
                points: drawn(curve, min_cell).map(|row| (row.time, row.surv)).collect(),
            })
            .collect(),
        StepResult::Incidence(own) => own
            .curves
            .iter()
            .filter(|group| group.n >= min_cell.max(1))
            .flat_map(|group| {
                let shown = rows_shown(group, min_cell);
                let times = move || group.time.iter().copied().take(shown);
                group.causes.iter().map(move |cause| Steps {
                    name: format!("{}, {}", cause.cause, group.group),
                    start: 0.0,
                    points: times().zip(cause.cif.iter().copied()).collect(),
                })
            })
            .collect(),
        StepResult::States(own) => {
            let shown = states::rows_shown(own, min_cell);
            let place = own.states.iter().enumerate();
            let one = |(place, state): (usize, &haima_fl_core::results::multistate::StateCurve)| {
                let times = own.time.iter().copied().take(shown);
                Steps {
                    name: state.state.clone(),
                    start: if place == 0 { 1.0 } else { 0.0 },
                    points: times.zip(state.pstate.iter().copied()).collect(),
                }
            };
            place.map(one).collect()
        }
        _ => Vec::new(),
    }
}

/// The largest distance; `None` where one of them has no point.
fn distance(first: &Steps, other: &Steps) -> Option<Distance> {
    let until = first.points.last()?.0.min(other.points.last()?.0);
    let mut times: Vec<f64> =
        first.points.iter().chain(&other.points).map(|(time, _)| *time).collect();
    times.retain(|time| *time <= until);
    times.sort_by(f64::total_cmp);
    let (mut left, mut right) = (first.points.as_slice(), other.points.as_slice());
    let (mut height, mut beside) = (first.start, other.start);
    let mut found = Distance { largest: other.start - first.start, at: 0.0, until };
    for time in times {
        after(&mut left, &mut height, time);
        after(&mut right, &mut beside, time);
        let apart = beside - height;
        if apart.abs() > found.largest.abs() {
            (found.largest, found.at) = (apart, time);
        }
    }
    Some(found)
}

/// Goes on to the height after a time.
fn after(points: &mut &[(f64, f64)], height: &mut f64, time: f64) {
    while let Some(((_, next), rest)) = points.split_first().filter(|((own, _), _)| *own <= time) {
        *height = *next;
        *points = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(f64, f64)]) -> Steps {
        Steps { name: "all".into(), start: 1.0, points: points.to_vec() }
    }

    #[test]
    fn the_largest_distance_is_found_between_the_steps_of_both() {
        let first = curve(&[(1.0, 0.9), (4.0, 0.5), (9.0, 0.1)]);
        let other = curve(&[(2.0, 0.8), (5.0, 0.45)]);
        let found = distance(&first, &other).unwrap();
        assert!((found.largest - 0.3).abs() < 1e-12, "{found:?}");
        assert_eq!((found.at, found.until), (4.0, 5.0), "not what only one of them has");
        assert_eq!(distance(&first, &first).unwrap().largest, 0.0);
        assert_eq!(distance(&first, &curve(&[])), None);
    }

    #[test]
    fn times_out_of_order_end() {
        let odd = curve(&[(f64::NAN, 0.5), (1.0, 0.4)]);
        assert!(distance(&odd, &odd).is_some());
    }
}
