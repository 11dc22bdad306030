//! Curves under the display rule: each ends where few remain at risk, and a group of few patients, or
//! of few events, which its steps would tell, has none. Nor has the smallest other group where they
//! could be found by subtraction from the curve of all.

use haima_fl_core::results::Curve;

use super::super::super::cells::{Shown, suppress};
use super::super::SurvivalPair;
use crate::report::model::Class;

/// Leaves the curves that are drawn. Virtual ones end by the same rule, so that both are compared
/// while as many are at risk.
pub(super) fn hide(pair: &mut SurvivalPair, min_cell: u64) {
    for curve in pair.real.curves.iter_mut().chain(&mut pair.synthetic.curves) {
        end(curve, min_cell.max(1));
    }
    let exact = pair.class == Class::Exact;
    let real = &mut pair.real;
    let many = open(&real.curves, |curve| curve.n, exact, min_cell);
    let told = open(&real.curves, |curve| curve.n_event.iter().sum(), exact, min_cell);
    let mut drawn = many.into_iter().zip(told).map(|(many, told)| many && (told || !exact));
    real.curves.retain(|curve| drawn.next().unwrap_or(false) && curve.n > 0);
    if exact && min_cell > 1 {
        // What is left of totals would be the groups that are not drawn.
        real.n = real.curves.iter().map(|curve| curve.n).sum();
        real.events = real.curves.iter().flat_map(|curve| &curve.n_event).sum();
        real.logrank = None;
    }
}

/// Which curves have a count that may be printed, of all that add up to the total.
fn open(curves: &[Curve], count: fn(&Curve) -> u64, exact: bool, min_cell: u64) -> Vec<bool> {
    let counts: Vec<Vec<u64>> = curves.iter().map(|curve| vec![count(curve)]).collect();
    suppress(&counts, exact, min_cell).concat().into_iter().map(Shown::is_printed).collect()
}

/// Cuts a curve off where fewer than so many remain at risk.
fn end(curve: &mut Curve, least: u64) {
    let kept = curve.n_risk.iter().take_while(|at_risk| **at_risk >= least).count();
    if kept >= curve.time.len() {
        return;
    }
    for counts in [&mut curve.n_risk, &mut curve.n_event, &mut curve.n_censor] {
        counts.truncate(kept);
    }
    for numbers in [&mut curve.time, &mut curve.surv, &mut curve.se, &mut curve.lo, &mut curve.hi] {
        numbers.truncate(kept);
    }
    let last = curve.time.last().copied().unwrap_or(0.0);
    for time in [&mut curve.median, &mut curve.median_lo, &mut curve.median_hi] {
        *time = time.filter(|time| *time <= last);
    }
    curve.rmst = curve.rmst.take().filter(|mean| mean.tau <= last);
}

#[cfg(test)]
mod tests {
    use haima_fl_core::results::{Curves, Rmst};

    use super::*;

    /// A group of so many patients, of whom one after the other has the event.
    fn curve(group: &str, n: u64, events: u64) -> Curve {
        let rows = 0..n;
        let surv: Vec<f64> = rows.clone().map(|row| 1.0 - (row + 1) as f64 / n as f64).collect();
        Curve {
            group: group.into(),
            n,
            time: rows.clone().map(|row| row as f64 + 1.0).collect(),
            n_risk: rows.clone().map(|row| n - row).collect(),
            n_event: rows.clone().map(|row| u64::from(row < events)).collect(),
            n_censor: rows.map(|row| u64::from(row >= events)).collect(),
            se: vec![0.1; surv.len()],
            lo: surv.clone(),
            hi: surv.clone(),
            surv,
            median: Some(n as f64 / 2.0),
            median_lo: Some(1.0),
            median_hi: Some(n as f64),
            rmst: Some(Rmst { tau: n as f64, mean: 1.0, se: 0.1 }),
        }
    }

    fn pair(curves: Vec<Curve>) -> SurvivalPair {
        let real = Curves {
            schema: "haima.km/1".into(),
            formula: String::new(),
            grid: 1.0,
            n: 1000,
            events: 1000,
            sites: 3,
            curves,
            logrank: None,
        };
        SurvivalPair { title: String::new(), class: Class::Exact, synthetic: real.clone(), real }
    }

    fn drawn(pair: &SurvivalPair) -> Vec<&str> {
        pair.real.curves.iter().map(|curve| curve.group.as_str()).collect()
    }

    #[test]
    fn a_curve_ends_where_few_remain_at_risk_and_its_figures_with_it() {
        let mut both = pair(vec![curve("all", 20, 20)]);
        hide(&mut both, 5);
        for curve in both.real.curves.iter().chain(&both.synthetic.curves) {
            assert_eq!((curve.time.len(), curve.n_risk.last()), (16, Some(&5)));
            assert_eq!((curve.hi.len(), curve.se.len(), curve.n_event.len()), (16, 16, 16));
            assert_eq!(
                (curve.median, curve.median_lo, curve.median_hi),
                (Some(10.0), Some(1.0), None)
            );
            assert!(curve.rmst.is_none());
        }
        assert_eq!((both.real.n, both.real.events), (20, 16));
        let again = both.clone();
        hide(&mut both, 5);
        assert_eq!(both, again, "what is hidden once stays as it is");
        let mut open = pair(vec![curve("all", 20, 20)]);
        hide(&mut open, 0);
        assert_eq!(open.real.curves, pair(vec![curve("all", 20, 20)]).real.curves);
    }

    #[test]
    fn a_group_of_few_patients_is_not_found_by_subtraction() {
        let mut both = pair(vec![curve("a", 40, 30), curve("b", 30, 20), curve("c", 4, 4)]);
        hide(&mut both, 5);
        assert_eq!((drawn(&both), both.real.n), (vec!["a"], 40));
        let mut both = pair(vec![curve("a", 40, 30), curve("b", 30, 20)]);
        hide(&mut both, 5);
        assert_eq!(drawn(&both), ["a", "b"]);
    }

    #[test]
    fn a_group_of_few_events_has_no_steps_that_tell_them() {
        let groups = || vec![curve("a", 40, 30), curve("b", 30, 2), curve("c", 30, 20)];
        let mut both = pair(groups());
        hide(&mut both, 5);
        assert_eq!((drawn(&both), both.real.events), (vec!["a"], 30));
        // No event at all is no small number of them.
        let mut both = pair(vec![curve("a", 40, 30), curve("b", 30, 0)]);
        hide(&mut both, 5);
        assert_eq!(drawn(&both), ["a", "b"]);
    }
}
