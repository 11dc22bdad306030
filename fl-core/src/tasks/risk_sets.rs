//! Risk sets that span hospitals, from moments in bins of a public time grid.
//!
//! The *marks* are the grid times at which a risk set is asked for; they are public from the
//! counts of an earlier sum. At an iterate beta each patient adds the moments `r`, `r z` and the
//! upper triangle of `r z z'` to the *single* mark that its time reaches last, where
//! `r = exp(eta - highest)` and `highest` is the highest linear predictor that the public ranges
//! allow ([`crate::design::Design::highest`]). The sums over all at risk at a mark are then the
//! sums over it and all later ones, which the coordinator adds up; no site ever sees another's.
//! WebDISCO (Lu et al., *JAMIA* 2015;22:1212) sends each site's moments at each event time in the
//! clear instead.
//!
//! # Bounds
//! `r <= 1` and `|z_j| <= 1`, so the moments of a patient have a norm of at most
//! `sqrt(1 + p + p (p + 1) / 2)`: [`patient_norm`].

use super::layout::{self, unfit};
use super::newton::{self, Evaluation};
use crate::design::Design;
use crate::error::Error;
use crate::linalg::{Symmetric, triangle};
use crate::task::Query;

/// Numbers in the moments of `p` covariates.
pub(super) fn width(p: usize) -> usize {
    1 + p + triangle(p)
}

/// L2 bound on the moments of a patient; proven in the head of this file.
pub(super) fn patient_norm(p: usize) -> f64 {
    (width(p) as f64).sqrt()
}

/// How many marks lie at or before a grid time.
pub(super) fn reached(marks: &[usize], bin: usize) -> usize {
    marks.partition_point(|mark| *mark <= bin)
}

/// Weighs patients at a public iterate.
pub(super) struct Weights<'a> {
    beta: &'a [f64],
    /// What is taken off every linear predictor.
    pub(super) highest: f64,
}

impl<'a> Weights<'a> {
    /// `None` where the iterate passes the public cap or is not a number.
    pub(super) fn new(design: &Design, beta: &'a [f64]) -> Option<Self> {
        newton::within_cap(beta).then(|| Self { beta, highest: design.highest(beta) })
    }

    /// `r = exp(eta - highest)`, at most 1.
    pub(super) fn of(&self, z: &[f64]) -> f64 {
        let eta: f64 = z.iter().zip(self.beta).map(|(z, b)| z * b).sum();
        libm::exp(eta - self.highest).min(1.0)
    }
}

/// Moments at each mark, mark by mark.
pub(super) struct Moments {
    width: usize,
    pub(super) values: Vec<f64>,
}

impl Moments {
    /// None yet.
    pub(super) fn new(p: usize, marks: usize) -> Self {
        Self { width: width(p), values: vec![0.0; marks * width(p)] }
    }

    /// Those that a sum says.
    pub(super) fn summed(p: usize, values: Vec<f64>) -> Self {
        Self { width: width(p), values }
    }

    /// The moments at a mark; empty past the last.
    pub(super) fn at(&self, mark: usize) -> &[f64] {
        self.values.get(mark * self.width..(mark + 1) * self.width).unwrap_or(&[])
    }

    /// Adds a patient of weight `r` to the last of the first `reached` marks; to none when there
    /// are none.
    pub(super) fn add(&mut self, reached: usize, r: f64, z: &[f64]) {
        let Some(mark) = reached.checked_sub(1) else { return };
        let start = mark * self.width;
        let Some(place) = self.values.get_mut(start..start + self.width) else { return };
        let mut places = place.iter_mut();
        let mut put = |value: f64| {
            if let Some(place) = places.next() {
                *place += value;
            }
        };
        put(r);
        z.iter().for_each(|z_j| put(r * z_j));
        for (j, z_j) in z.iter().enumerate() {
            z.iter().skip(j).for_each(|z_k| put(r * z_j * z_k));
        }
    }

    /// Makes the moments at each mark those of all marks from it on.
    pub(super) fn accumulate(&mut self) {
        for place in (self.width..self.values.len()).rev() {
            self.values[place - self.width] += self.values[place];
        }
    }
}

/// What a query carries: the iterate, then the marks.
pub(super) fn to_bytes(beta: &[f64], marks: &[usize]) -> Vec<u8> {
    let marks = marks.iter().map(|mark| *mark as f64);
    layout::to_bytes(&beta.iter().copied().chain(marks).collect::<Vec<f64>>())
}

/// Reads the iterate of `p` coefficients and the marks.
pub(super) fn from_bytes(query: &Query, p: usize) -> Result<(Vec<f64>, Vec<usize>), Error> {
    let mut beta = layout::from_bytes(query, p.max(query.bytes.len() / 8))?;
    let marks = beta.split_off(p).into_iter().map(|mark| mark as usize).collect();
    Ok((beta, marks))
}

/// The log partial likelihood with its derivatives, as risk sets are taken out one by one.
pub(super) struct Partial {
    loglik: f64,
    gradient: Vec<f64>,
    information: Vec<f64>,
    /// What truncation to the grid can have moved `loglik` by.
    truncation: f64,
    /// Increments of the cumulative hazard of a patient with `r = 1`, one a risk set.
    pub(super) hazard: Vec<f64>,
}

impl Partial {
    /// The events' own share: the sum `z` of their covariates.
    pub(super) fn new(beta: &[f64], z: &[f64]) -> Self {
        Self {
            loglik: beta.iter().zip(z).map(|(b, z)| b * z).sum(),
            gradient: z.to_vec(),
            information: vec![0.0; triangle(z.len())],
            truncation: 0.0,
            hazard: Vec::new(),
        }
    }

    /// Takes out the risk set of `events` events at one time, whose weight may be off by `error`.
    /// `tied` holds the moments of the patients with an event then, for Efron's approximation;
    /// Breslow's has none. Therneau and Grambsch 2000, section 3.3.
    pub(super) fn take_out(
        &mut self,
        task: &str,
        highest: f64,
        events: usize,
        at_risk: &[f64],
        tied: &[f64],
        error: f64,
    ) -> Result<(), Error> {
        let p = self.gradient.len();
        let mut hazard = 0.0;
        for l in 0..events {
            let share = l as f64 / events as f64;
            let left: Vec<f64> = if tied.is_empty() {
                at_risk.to_vec()
            } else {
                at_risk.iter().zip(tied).map(|(all, dead)| all - share * dead).collect()
            };
            let Some((&total, moments)) = left.split_first().filter(|(total, _)| **total > 0.0)
            else {
                return Err(unfit(
                    task,
                    "a risk set has no weight: the hazards of patients lie too far apart for the \
                     grid of the sums; narrow the columns' ranges or leave out the covariate with \
                     the largest coefficient",
                ));
            };
            self.loglik -= libm::log(total) + highest;
            self.truncation += error / total;
            hazard += 1.0 / total;
            let (first, second) = moments.split_at(p.min(moments.len()));
            let mean: Vec<f64> = first.iter().map(|sum| sum / total).collect();
            self.gradient.iter_mut().zip(&mean).for_each(|(g, mean)| *g -= mean);
            let mut pairs = self.information.iter_mut().zip(second);
            for (j, mean_j) in mean.iter().enumerate() {
                for (mean_k, (place, sum)) in mean[j..].iter().zip(pairs.by_ref()) {
                    *place += sum / total - mean_j * mean_k;
                }
            }
        }
        self.hazard.push(hazard);
        Ok(())
    }

    /// For Newton's method.
    pub(super) fn evaluation(&self, task: &str) -> Result<Evaluation, Error> {
        let information = Symmetric::new(self.gradient.len(), self.information.clone())
            .ok_or_else(|| unfit(task, "an information of wrong size"))?;
        Ok(Evaluation {
            loglik: self.loglik,
            gradient: self.gradient.clone(),
            information,
            truncation: self.truncation,
            spread: None,
        })
    }
}

/// Counts that add up to `total`, as whole numbers. A sum that no honest sites made is refused
/// here, before anything loops over its events.
pub(super) fn whole_counts(task: &str, counts: &[f64], total: u64) -> Result<Vec<usize>, Error> {
    const MOST: f64 = 1e7;
    let proper = counts.iter().all(|count| (0.0..=MOST).contains(count));
    let sum: f64 = counts.iter().sum();
    if proper && sum <= MOST && layout::whole(sum) == total {
        Ok(counts.iter().map(|count| *count as usize).collect())
    } else {
        Err(unfit(task, "the counts do not add up; some party broke the protocol"))
    }
}

/// Refuses a sum over other sites or rows than the first one's.
pub(super) fn same_rows(
    task: &str,
    first: &layout::Counts,
    now: &layout::Counts,
) -> Result<(), Error> {
    let of = |counts: &layout::Counts| (counts.sites, counts.patients, counts.events);
    if of(first) == of(now) {
        Ok(())
    } else {
        Err(unfit(
            task,
            format!(
                "{} sites with {} patients answered where {} with {} had before; run it again \
                 with a fixed roster",
                now.sites, now.patients, first.sites, first.patients
            ),
        ))
    }
}
