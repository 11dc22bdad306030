//! A group's counts on the grid, and the curve that they make.

use crate::results::{Curve, Rmst};
use crate::stat::Z_975;
use crate::tasks::layout;

/// The counts of a group at each grid time, as a sum (or a site) has them.
pub(super) struct Table {
    pub(super) events: Vec<f64>,
    pub(super) censored: Vec<f64>,
    /// At risk just before each grid time.
    pub(super) at_risk: Vec<f64>,
    patients: f64,
}

/// What is counted of a patient, in this order: the place of a count is its group, its grid time,
/// then this.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Event = 0,
    Censored = 1,
    /// Only under left truncation: when the patient came under observation.
    Entry = 2,
}

impl Table {
    /// Reads a group's counts, of which each grid time has `kinds`, 2 or 3.
    pub(super) fn new(counts: &[f64], kinds: usize) -> Self {
        let pick = |kind: Kind| -> Vec<f64> {
            counts.iter().copied().skip(kind as usize).step_by(kinds).collect()
        };
        let (events, censored) = (pick(Kind::Event), pick(Kind::Censored));
        let entries = if kinds > 2 { pick(Kind::Entry) } else { Vec::new() };
        let patients: f64 = events.iter().chain(&censored).sum();
        // At risk at a grid time: entered before it, and not left before it.
        let mut present = patients - entries.iter().sum::<f64>();
        let mut at_risk = Vec::with_capacity(events.len());
        for (bin, (event, censored)) in events.iter().zip(&censored).enumerate() {
            at_risk.push(present);
            present += entries.get(bin).unwrap_or(&0.0) - event - censored;
        }
        Self { events, censored, at_risk, patients }
    }

    pub(super) fn patients(&self) -> f64 {
        self.patients
    }

    /// Survival by the product limit, with Greenwood's standard error and R's default interval
    /// on the log scale. Once nobody is left (survival 0) they are not numbers, as in R.
    pub(super) fn curve(&self, name: &str, grid: f64, tau: Option<f64>) -> Curve {
        let mut curve = self.empty(name);
        let (mut surv, mut greenwood) = (1.0, 0.0);
        let counts = self.events.iter().zip(&self.censored).zip(&self.at_risk);
        for (bin, ((&events, &censored), &at_risk)) in counts.enumerate() {
            if events == 0.0 && censored == 0.0 {
                continue;
            }
            // Nobody at risk and yet an event: only in a sum that no honest sites made.
            if events > 0.0 {
                surv *= 1.0 - events / at_risk;
                greenwood += events / (at_risk * (at_risk - events));
            }
            let log_se = if surv > 0.0 { f64::sqrt(greenwood) } else { f64::NAN };
            curve.time.push(bin as f64 * grid);
            curve.n_risk.push(layout::whole(at_risk));
            curve.n_event.push(layout::whole(events));
            curve.n_censor.push(layout::whole(censored));
            curve.surv.push(surv);
            curve.se.push(surv * log_se);
            curve.lo.push(surv * libm::exp(-Z_975 * log_se));
            let hi = surv * libm::exp(Z_975 * log_se);
            curve.hi.push(if hi > 1.0 { 1.0 } else { hi });
        }
        curve.median = crossing(&curve.time, &curve.surv);
        curve.median_lo = crossing(&curve.time, &curve.lo);
        curve.median_hi = crossing(&curve.time, &curve.hi);
        curve.rmst = tau.map(|tau| restricted_mean(&curve, tau));
        curve
    }

    /// The curve of noised counts: the product limit of the counts as they are, then cut to [0, 1]
    /// and kept from rising. Counts that noise made negative are printed as 0. Greenwood's error knows
    /// nothing of the noise, so no interval is given.
    pub(super) fn noised_curve(&self, name: &str, grid: f64, tau: Option<f64>) -> Curve {
        let mut curve = self.empty(name);
        let (mut product, mut lowest) = (1.0, 1.0);
        let counts = self.events.iter().zip(&self.censored).zip(&self.at_risk);
        for (bin, ((&events, &censored), &at_risk)) in counts.enumerate() {
            // Where noise has used the patients up there is nothing left to estimate from.
            if at_risk < 1.0 {
                break;
            }
            product *= (1.0 - events / at_risk).max(0.0);
            lowest = product.min(lowest);
            curve.time.push(bin as f64 * grid);
            curve.n_risk.push(layout::whole(at_risk.round()));
            curve.n_event.push(layout::whole(events.round()));
            curve.n_censor.push(layout::whole(censored.round()));
            curve.surv.push(lowest);
        }
        let unknown = vec![f64::NAN; curve.time.len()];
        (curve.se, curve.lo, curve.hi) = (unknown.clone(), unknown.clone(), unknown);
        curve.median = crossing(&curve.time, &curve.surv);
        curve.rmst = tau.map(|tau| Rmst { se: f64::NAN, ..restricted_mean(&curve, tau) });
        curve
    }

    fn empty(&self, name: &str) -> Curve {
        Curve {
            group: name.to_owned(),
            n: layout::whole(self.patients().round()),
            time: Vec::new(),
            n_risk: Vec::new(),
            n_event: Vec::new(),
            n_censor: Vec::new(),
            surv: Vec::new(),
            se: Vec::new(),
            lo: Vec::new(),
            hi: Vec::new(),
            median: None,
            median_lo: None,
            median_hi: None,
            rmst: None,
        }
    }
}

/// Where a falling curve crosses 1/2 by R's rule (`survival:::survmean`): the first time at which it
/// is at most 1/2; where it rests on 1/2, the middle of that stretch.
fn crossing(times: &[f64], survival: &[f64]) -> Option<f64> {
    let tolerance = f64::EPSILON.sqrt();
    let mut low = times.iter().zip(survival).filter(|(_, s)| **s < 0.5 + tolerance);
    let (first, level) = low.next()?;
    let next = low.find(|(_, s)| *s < level).map(|(time, _)| time);
    match next {
        Some(next) if (level - 0.5).abs() < tolerance => Some((first + next) / 2.0),
        _ => Some(*first),
    }
}

/// The area under a curve up to `tau`, with its standard error (Klein and Moeschberger 1997, section
/// 4.5; R: `print(survfit, rmean = tau)`).
fn restricted_mean(curve: &Curve, tau: f64) -> Rmst {
    let inside = curve.time.iter().take_while(|time| **time < tau).count();
    // Areas from each time to tau, from the last one back.
    let mut areas = vec![0.0; inside];
    let mut right = tau;
    let mut area = 0.0;
    for i in (0..inside).rev() {
        area += curve.surv[i] * (right - curve.time[i]);
        areas[i] = area;
        right = curve.time[i];
    }
    let mut variance = 0.0;
    for i in 0..inside {
        let (events, at_risk) = (curve.n_event[i] as f64, curve.n_risk[i] as f64);
        if at_risk > events {
            variance += areas[i] * areas[i] * events / (at_risk * (at_risk - events));
        }
    }
    Rmst { tau, mean: area + right, se: variance.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_that_rests_on_a_half_has_its_median_in_the_middle() {
        assert_eq!(crossing(&[1.0, 2.0, 4.0], &[0.75, 0.5, 0.25]), Some(3.0));
        assert_eq!(crossing(&[1.0, 2.0], &[0.75, 0.5]), Some(2.0));
        assert_eq!(crossing(&[1.0, 2.0], &[0.75, 0.4]), Some(2.0));
        assert_eq!(crossing(&[1.0, 2.0], &[0.9, 0.8]), None);
    }

    #[test]
    fn the_area_ends_at_tau() {
        // Four patients: events at 1 and 3, censored at 2 and 5.
        let counts = [0., 0., 1., 0., 0., 1., 1., 0., 0., 0., 0., 1.];
        let area = |tau| Table::new(&counts, 2).curve("all", 1.0, Some(tau)).rmst.unwrap().mean;
        assert_eq!(area(1.0), 1.0);
        assert_eq!(area(2.0), 1.75);
        assert_eq!(area(4.0), 1.0 + 0.75 * 2.0 + 0.375);
    }

    #[test]
    fn who_enters_late_is_at_risk_from_the_next_time_on() {
        // Enters at 1 and dies at 2; enters at 0 and is censored at 3.
        let counts = [0., 0., 1., 0., 0., 1., 1., 0., 0., 0., 1., 0.];
        assert_eq!(Table::new(&counts, 3).at_risk, [0.0, 1.0, 2.0, 1.0]);
    }
}
