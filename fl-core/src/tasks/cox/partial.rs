//! One site's log partial likelihood with its derivatives, in one pass over each stratum from the
//! latest time to the earliest.
//!
//! Therneau and Grambsch 2000, section 3.1 and 3.3: with S0, S1, S2 the sums over the risk set of
//! r, r z and r z z' (r = exp(eta)), and D0, D1, D2 those over the d events at a time, Efron's
//! approximation takes out `S - l/d D` for l = 0 .. d - 1, and Breslow's takes out S each time. With
//! weights r is w exp(eta), and what is taken out counts as often as the events' mean weight.

use super::Ties;
use crate::linalg::triangle;

/// A complete row.
pub(super) struct Patient {
    pub(super) time: f64,
    /// At risk after this time only.
    pub(super) entry: Option<f64>,
    pub(super) event: bool,
    pub(super) stratum: usize,
    pub(super) row: usize,
    /// Number of the patient among the site's; rows of one patient share it.
    pub(super) subject: usize,
    /// 1 without weights.
    pub(super) weight: f64,
}

/// A site's complete rows, by stratum and then from the latest time to the earliest.
pub(super) struct Rows {
    pub(super) width: usize,
    /// Standardised covariates, row by row.
    pub(super) z: Vec<f64>,
    pub(super) patients: Vec<Patient>,
}

/// One site's share in the three sums.
pub(super) struct Partial {
    pub(super) events: usize,
    pub(super) loglik: f64,
    pub(super) gradient: Vec<f64>,
    pub(super) information: Vec<f64>,
}

impl Rows {
    pub(super) fn row(&self, patient: &Patient) -> &[f64] {
        &self.z[patient.row * self.width..(patient.row + 1) * self.width]
    }

    pub(super) fn eta(&self, patient: &Patient, beta: &[f64]) -> f64 {
        self.row(patient).iter().zip(beta).map(|(z, b)| z * b).sum()
    }

    /// Log partial likelihood, gradient and information at `beta`. O(n p^2); with left truncation
    /// O(n p^2) an event time, since a risk set that also loses members is added up anew:
    /// subtracting would cancel.
    pub(super) fn partial_likelihood(&self, beta: &[f64], ties: Ties) -> Partial {
        let p = self.width;
        let mut out = Partial {
            events: 0,
            loglik: 0.0,
            gradient: vec![0.0; p],
            information: vec![0.0; triangle(p)],
        };
        self.each_event_time(beta, |tied, at_risk, events| {
            let number = tied.iter().filter(|patient| patient.event).count();
            for patient in tied.iter().filter(|patient| patient.event) {
                out.loglik += patient.weight * self.eta(patient, beta);
                let gradient = out.gradient.iter_mut().zip(self.row(patient));
                gradient.for_each(|(g, z)| *g += patient.weight * z);
            }
            out.events += number;
            out.take_out(at_risk, events, number, ties);
        });
        out
    }

    /// Visits the event times of each stratum, from the latest to the earliest: who left at that
    /// time, with the moments of the risk set and those of the events.
    pub(super) fn each_event_time<'a>(
        &'a self,
        beta: &[f64],
        mut visit: impl FnMut(&'a [Patient], &Moments, &Moments),
    ) {
        let truncated = self.patients.iter().any(|patient| patient.entry.is_some());
        for stratum in self.patients.chunk_by(|a, b| a.stratum == b.stratum) {
            let mut at_risk = Moments::new(self.width);
            let mut seen = 0;
            for tied in stratum.chunk_by(|a, b| a.time == b.time) {
                let mut events = Moments::new(self.width);
                for patient in tied {
                    let (z, r) = (self.row(patient), self.risk(patient, beta));
                    at_risk.add(r, z);
                    if patient.event {
                        events.add(r, z);
                        events.events += patient.weight;
                    }
                }
                seen += tied.len();
                if tied.iter().any(|patient| patient.event) {
                    if truncated {
                        at_risk = self.risk_set(&stratum[..seen], tied[0].time, beta);
                    }
                    visit(tied, &at_risk, &events);
                }
            }
        }
    }

    fn risk(&self, patient: &Patient, beta: &[f64]) -> f64 {
        patient.weight * libm::exp(self.eta(patient, beta))
    }

    /// Those of `candidates` who entered before `time`.
    fn risk_set(&self, candidates: &[Patient], time: f64, beta: &[f64]) -> Moments {
        let mut at_risk = Moments::new(self.width);
        for patient in candidates {
            if patient.entry.is_none_or(|entry| entry < time) {
                at_risk.add(self.risk(patient, beta), self.row(patient));
            }
        }
        at_risk
    }
}

impl Partial {
    /// The risk sets' share in the three sums, at one event time with `number` events.
    fn take_out(&mut self, at_risk: &Moments, events: &Moments, number: usize, ties: Ties) {
        let times = events.events / number as f64;
        for l in 0..number {
            let share = ties.share(l, number);
            let (total, mean) = at_risk.less(events, share);
            self.loglik -= times * libm::log(total);
            self.gradient.iter_mut().zip(&mean).for_each(|(g, mean)| *g -= times * mean);
            let mut second = at_risk.second.iter().zip(&events.second);
            let mut places = self.information.iter_mut();
            for (j, mean_j) in mean.iter().enumerate() {
                for (mean_k, ((all, dead), place)) in
                    mean[j..].iter().zip(second.by_ref().zip(places.by_ref()))
                {
                    *place += times * ((all - share * dead) / total - mean_j * mean_k);
                }
            }
        }
    }
}

/// Sums of r, r z and r z z' (upper triangle) over a risk set or the events at a time.
pub(super) struct Moments {
    weight: f64,
    first: Vec<f64>,
    second: Vec<f64>,
    /// Sum of the events' weights (of the moments of events).
    pub(super) events: f64,
}

impl Moments {
    fn new(p: usize) -> Self {
        Self { weight: 0.0, first: vec![0.0; p], second: vec![0.0; triangle(p)], events: 0.0 }
    }

    /// Total and mean covariates of the risk set less a share of the events.
    pub(super) fn less(&self, events: &Self, share: f64) -> (f64, Vec<f64>) {
        let total = self.weight - share * events.weight;
        let mean = self.first.iter().zip(&events.first);
        (total, mean.map(|(all, dead)| (all - share * dead) / total).collect())
    }

    fn add(&mut self, weight: f64, z: &[f64]) {
        self.weight += weight;
        let mut places = self.second.iter_mut();
        for (j, (first, z_j)) in self.first.iter_mut().zip(z).enumerate() {
            *first += weight * z_j;
            for (z_k, place) in z[j..].iter().zip(places.by_ref()) {
                *place += weight * z_j * z_k;
            }
        }
    }
}
