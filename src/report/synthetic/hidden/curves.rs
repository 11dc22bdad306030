//! Curves under the display rule: each ends where few remain at risk, and a group of few patients, or
//! of few events, which its steps would tell, has none. Nor has the smallest other group where they
//! could be found by subtraction from the curve of all; and a group ends before its time where, of
//! those that ended before it, few together could be found so. The virtual curve of a group that is not
//! drawn goes too where the generator may have been made without noise: it would be the real one's.
//!
//! What is drawn is drawn in full: its steps tell the events and the censored at each time, few as they
//! are, and so the levels of the time to event that the tables hide. The page says so. Totals are those
//! of all follow-up, so they tell how many had the event after the end.

use haima_fl_core::results::{Curve, Curves};

use super::super::super::cells::{Shown, suppress};
use super::super::SurvivalPair;
use crate::report::model::Class;

/// Leaves the curves that are drawn. Virtual ones end by the same rule, so that both are compared
/// while as many are at risk; `is_public` as in [`super::tables::fidelity`].
pub(super) fn hide(pair: &mut SurvivalPair, min_cell: u64, is_public: bool) {
    let exact = pair.class == Class::Exact;
    let SurvivalPair { real, synthetic, .. } = pair;
    if min_cell <= 1 {
        real.curves.retain(|curve| curve.n > 0);
        return;
    }
    // Read back, a pair has its curves cut, and their full counts no more.
    if exact && real.curves.iter().all(|curve| falls(&[curve], min_cell).is_infinite()) {
        return;
    }
    let many = open(&real.curves, |curve| curve.n, exact, min_cell);
    let told = open(&real.curves, |curve| curve.n_event.iter().sum(), exact, min_cell);
    let both = many.into_iter().zip(told).zip(&real.curves);
    let drawn: Vec<bool> =
        both.map(|((many, told), curve)| many && (told || !exact) && curve.n > 0).collect();
    if exact {
        of_drawn(real, &drawn);
    }
    cut(&mut real.curves, &drawn, exact, min_cell);
    leave(&mut real.curves, &drawn);
    let is_drawn = |own: &Curve| real.curves.iter().any(|curve| curve.group == own.group);
    let drawn: Vec<bool> = synthetic.curves.iter().map(is_drawn).collect();
    if exact && !is_public {
        of_drawn(synthetic, &drawn);
    }
    cut(&mut synthetic.curves, &drawn, exact, min_cell);
    if !is_public {
        leave(&mut synthetic.curves, &drawn);
    }
}

/// Which curves have a count that may be printed, of all that add up to the total.
fn open(curves: &[Curve], count: fn(&Curve) -> u64, exact: bool, min_cell: u64) -> Vec<bool> {
    let counts: Vec<Vec<u64>> = curves.iter().map(|curve| vec![count(curve)]).collect();
    suppress(&counts, exact, min_cell).concat().into_iter().map(Shown::is_printed).collect()
}

/// Makes totals those of the curves that are drawn, with all of their follow-up: what is left of others
/// would be the groups that are not.
fn of_drawn(curves: &mut Curves, drawn: &[bool]) {
    let shown = || curves.curves.iter().zip(drawn).filter(|(_, drawn)| **drawn);
    let n: u64 = shown().map(|(curve, _)| curve.n).sum();
    let events: u64 = shown().flat_map(|(curve, _)| &curve.n_event).sum();
    (curves.n, curves.events, curves.logrank) = (n, events, None);
}

/// Leaves those that are drawn.
fn leave(curves: &mut Vec<Curve>, drawn: &[bool]) {
    let mut drawn = drawn.iter();
    curves.retain(|_| drawn.next().copied().unwrap_or(false));
}

/// Cuts each curve off at its end.
fn cut(curves: &mut [Curve], drawn: &[bool], exact: bool, least: u64) {
    let ends = ends(curves, drawn, exact, least);
    for (curve, end) in curves.iter_mut().zip(ends) {
        end_before(curve, end);
    }
}

/// The time before which each curve ends: where fewer than so many of it remain, and, without noise,
/// where fewer remain of all groups together that are not drawn or ended earlier. So the second group
/// ends with the first.
fn ends(curves: &[Curve], drawn: &[bool], exact: bool, least: u64) -> Vec<f64> {
    let own = curves.iter().zip(drawn).enumerate();
    let mut ends: Vec<(bool, f64, usize)> =
        own.map(|(at, (curve, drawn))| (*drawn, falls(&[curve], least), at)).collect();
    // Those that are not drawn come first.
    ends.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut gone: Vec<&Curve> = Vec::new();
    for (is_drawn, end, at) in &mut ends {
        if exact && *is_drawn && !gone.is_empty() {
            *end = end.min(falls(&gone, least));
        }
        gone.extend(curves.get(*at).filter(|curve| curve.n > 0));
    }
    ends.sort_by_key(|(_, _, at)| *at);
    ends.into_iter().map(|(_, end, _)| end).collect()
}

/// The first time after which fewer than so many of all these groups together remain at risk; infinite
/// where that many remain to the end.
fn falls(curves: &[&Curve], least: u64) -> f64 {
    let mut times: Vec<f64> = curves.iter().flat_map(|curve| curve.time.iter().copied()).collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let few = |time: &f64| curves.iter().map(|curve| remain(curve, *time)).sum::<u64>() < least;
    times.into_iter().find(few).unwrap_or(f64::INFINITY)
}

/// Patients of a group at risk after a time.
fn remain(curve: &Curve, time: f64) -> u64 {
    let reached = curve.time.partition_point(|own| *own <= time);
    let Some(last) = reached.checked_sub(1) else { return curve.n };
    let count = |counts: &[u64]| counts.get(last).copied().unwrap_or(0);
    let left = count(&curve.n_event).saturating_add(count(&curve.n_censor));
    count(&curve.n_risk).saturating_sub(left)
}

/// Cuts a curve off before a time.
fn end_before(curve: &mut Curve, end: f64) {
    let kept = curve.time.partition_point(|time| *time < end);
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
    use haima_fl_core::results::Rmst;

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
        hide(&mut both, 5, true);
        for curve in both.real.curves.iter().chain(&both.synthetic.curves) {
            // Five remain after the last step; a sixth would leave four.
            assert_eq!((curve.time.len(), curve.n_risk.last()), (15, Some(&6)));
            assert_eq!((curve.hi.len(), curve.se.len(), curve.n_event.len()), (15, 15, 15));
            assert_eq!(
                (curve.median, curve.median_lo, curve.median_hi),
                (Some(10.0), Some(1.0), None)
            );
            assert!(curve.rmst.is_none());
        }
        assert_eq!((both.real.n, both.real.events), (20, 20), "totals stay what they are");
        let again = both.clone();
        hide(&mut both, 5, true);
        assert_eq!(both, again, "what is hidden once stays as it is");
        let mut open = pair(vec![curve("all", 20, 20)]);
        hide(&mut open, 0, true);
        assert_eq!(open.real.curves, pair(vec![curve("all", 20, 20)]).real.curves);
    }

    #[test]
    fn a_group_of_few_patients_is_not_found_by_subtraction() {
        let mut both = pair(vec![curve("a", 40, 30), curve("b", 30, 20), curve("c", 4, 4)]);
        hide(&mut both, 5, true);
        assert_eq!((drawn(&both), both.real.n), (vec!["a"], 40));
        let mut both = pair(vec![curve("a", 40, 30), curve("b", 30, 20)]);
        hide(&mut both, 5, true);
        assert_eq!(drawn(&both), ["a", "b"]);
    }

    #[test]
    fn a_group_that_is_not_drawn_has_no_virtual_curve_where_that_may_be_the_real_one() {
        let groups = || vec![curve("a", 40, 30), curve("b", 30, 20), curve("c", 4, 4)];
        let mut both = pair(groups());
        hide(&mut both, 5, true);
        assert_eq!((both.synthetic.curves.len(), both.synthetic.n), (3, 1000));
        let mut both = pair(groups());
        hide(&mut both, 5, false);
        assert_eq!((both.synthetic.curves.len(), both.synthetic.n), (1, 40));
        let again = both.clone();
        hide(&mut both, 5, false);
        assert_eq!(both, again, "what is hidden once stays as it is");
        let mut open = pair(groups());
        hide(&mut open, 0, false);
        assert_eq!((open.synthetic.curves.len(), open.synthetic.n), (3, 1000));
    }

    #[test]
    fn no_groups_that_ended_are_few_together_where_the_others_go_on() {
        let last = |groups: Vec<Curve>| -> Vec<f64> {
            let mut both = pair(groups);
            hide(&mut both, 5, true);
            both.real.curves.iter().map(|curve| *curve.time.last().unwrap()).collect()
        };
        // Alone, these end after 35 and 15 steps: the second ends with the first.
        assert_eq!(last(vec![curve("a", 40, 30), curve("b", 20, 20)]), [15.0, 15.0]);
        // Of both together 5 remain at 35, and the third group ends there: at 100 it would be 95.
        let three = vec![curve("c", 100, 90), curve("a", 40, 30), curve("b", 20, 20)];
        assert_eq!(last(three), [35.0, 15.0, 15.0]);
        // So it is with groups that are not drawn: of those two, 5 remain at 35.
        let hidden = vec![curve("c", 100, 90), curve("few", 4, 4), curve("a", 40, 30)];
        assert_eq!(last(hidden), [35.0]);
    }

    #[test]
    fn a_group_of_few_events_has_no_steps_that_tell_them() {
        let groups = || vec![curve("a", 40, 30), curve("b", 30, 2), curve("c", 30, 20)];
        let mut both = pair(groups());
        hide(&mut both, 5, true);
        assert_eq!((drawn(&both), both.real.events), (vec!["a"], 30));
        // No event at all is no small number of them.
        let mut both = pair(vec![curve("a", 40, 30), curve("b", 30, 0)]);
        hide(&mut both, 5, true);
        assert_eq!(drawn(&both), ["a", "b"]);
    }
}
