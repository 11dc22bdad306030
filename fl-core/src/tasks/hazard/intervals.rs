//! Times as intervals, and which of them a patient's likelihood counts.
//!
//! Interval j runs from cut j-1 (exclusive, 0 before the first) to cut j (inclusive). A patient
//! whose event falls into interval j was at risk in 1..=j and had the event in j (Tutz and Schmid
//! 2016, section 3.4). A patient censored at t was at risk, without event, in every interval whose
//! midpoint is at most t: an interval survived past its middle counts as survived, a shorter stay
//! does not count (Gensheimer and Narasimhan 2019, section "Loss function"; without the former,
//! hazards are biased upwards). Who is followed past the last cut survived every interval.

use crate::error::Error;
use crate::tasks::layout::refuse;

const MOST_INTERVALS: usize = 1024;

/// A public grid of time intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervals {
    cuts: Vec<f64>,
}

impl Intervals {
    /// Intervals by their right edges.
    ///
    /// # Errors
    /// Unless the cuts are 1 to 1024 finite ascending numbers above 0.
    pub fn new(task: &str, cuts: &[f64]) -> Result<Self, Error> {
        let ascending = cuts.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        let proper = cuts.iter().all(|cut| cut.is_finite() && *cut > 0.0);
        if ascending && proper && (1..=MOST_INTERVALS).contains(&cuts.len()) {
            Ok(Self { cuts: cuts.to_vec() })
        } else {
            Err(refuse(task, "`cuts` must be 1 to 1024 ascending finite times above 0"))
        }
    }

    /// Number of intervals J.
    #[must_use]
    pub fn count(&self) -> usize {
        self.cuts.len()
    }

    /// Appends 2 J numbers: whether the patient was at risk in each interval, then whether the
    /// event fell into it.
    pub fn encode(&self, time: f64, event: bool, out: &mut Vec<f32>) {
        let left = |right: usize| match right {
            0 => 0.0,
            right => self.cuts.get(right - 1).copied().unwrap_or(0.0),
        };
        let indicator = |holds: bool| f32::from(u8::from(holds));
        let at_risk = |(j, &cut): (usize, &f64)| {
            // The first interval includes time 0, so an event there counts.
            let reached =
                if event { j == 0 || left(j) < time } else { (left(j) + cut) / 2.0 <= time };
            indicator(reached)
        };
        out.extend(self.cuts.iter().enumerate().map(at_risk));
        let happened = |(j, &cut): (usize, &f64)| {
            indicator(event && time <= cut && (j == 0 || left(j) < time))
        };
        out.extend(self.cuts.iter().enumerate().map(happened));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(time: f64, event: bool) -> (Vec<f32>, Vec<f32>) {
        let mut out = Vec::new();
        Intervals::new("hazard", &[10.0, 20.0, 40.0]).unwrap().encode(time, event, &mut out);
        let events = out.split_off(3);
        (out, events)
    }

    #[test]
    fn an_event_counts_in_every_interval_up_to_its_own() {
        assert_eq!(encode(0.0, true), (vec![1., 0., 0.], vec![1., 0., 0.]));
        assert_eq!(encode(10.0, true), (vec![1., 0., 0.], vec![1., 0., 0.]));
        assert_eq!(encode(10.5, true), (vec![1., 1., 0.], vec![0., 1., 0.]));
        assert_eq!(encode(40.0, true), (vec![1., 1., 1.], vec![0., 0., 1.]));
    }

    #[test]
    fn an_event_after_the_last_cut_is_survival_of_all_intervals() {
        assert_eq!(encode(41.0, true), (vec![1., 1., 1.], vec![0., 0., 0.]));
    }

    #[test]
    fn a_censored_patient_gets_credit_from_the_midpoint_on() {
        assert_eq!(encode(0.0, false), (vec![0.; 3], vec![0.; 3]));
        assert_eq!(encode(14.9, false), (vec![1., 0., 0.], vec![0.; 3]));
        assert_eq!(encode(15.0, false), (vec![1., 1., 0.], vec![0.; 3]));
        assert_eq!(encode(30.0, false), (vec![1., 1., 1.], vec![0.; 3]));
    }

    #[test]
    fn cuts_that_do_not_ascend_are_refused() {
        for cuts in [&[][..], &[0.0], &[2.0, 2.0], &[1.0, f64::NAN], &[1.0, f64::INFINITY]] {
            assert!(matches!(Intervals::new("hazard", cuts), Err(Error::Params { .. })));
        }
    }
}
