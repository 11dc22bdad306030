//! What a mechanism does to the data, as a tree: the unit that accountants compose and that a
//! ledger is charged in.
//!
//! Rules X1, N1, L1. An event holds what its cost follows from, never the cost itself, so that any
//! accountant can charge the same history by its own theorem: composition is of events, not of
//! epsilons. Anybody may build any tree, to plan or to compare. What may be *charged* is a
//! [`Release`], and only [`crate::sampler::PoissonSampler`] makes one that sampling amplifies.
//!
//! Scales are relative to what adding or removing one patient moves (see
//! [`crate::units::Adjacency`]).

use std::num::NonZeroU64;

use crate::noise::{Noise, rho_of_sigma, rho_of_sum};
use crate::units::{Epsilon, Rate, Rho, Sensitivity, Sigma};
use crate::{Error, Result};

/// One mechanism, or several together.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A release without noise: infinite, counted apart, "without any privacy guarantee" (X1).
    Exact,
    /// Real Gaussian noise.
    Gaussian {
        /// Standard deviation over the L2 sensitivity.
        sigma: Sigma,
    },
    /// N_Z(0, s^2) on each coordinate of an integer vector (Canonne, Kamath, Steinke 2020).
    DiscreteGaussian {
        /// Scale s, in grid steps.
        s: Sigma,
        /// L2 sensitivity, in grid steps.
        sensitivity: Sensitivity,
        /// Coordinates.
        dimension: NonZeroU64,
    },
    /// The sum of several parties' independent N_Z(0, s^2) (Kairouz, Liu, Steinke 2021).
    DiscreteGaussianSum {
        /// Honest parties, at least one.
        parties: u32,
        /// Scale of each party's noise, in grid steps.
        s: Sigma,
        /// L2 sensitivity, in grid steps.
        sensitivity: Sensitivity,
        /// Coordinates.
        dimension: NonZeroU64,
    },
    /// The difference of two Poisson variables on each coordinate (Agarwal, Kairouz, Liu 2021).
    Skellam {
        /// Variance in all, in squared grid steps.
        variance: Sigma,
        /// L2 sensitivity, in grid steps; the L1 sensitivity is at most its square.
        sensitivity: Sensitivity,
        /// Coordinates.
        dimension: NonZeroU64,
    },
    /// Real Laplace noise.
    Laplace {
        /// Scale b over the L1 sensitivity.
        scale: Sigma,
    },
    /// P(x) proportional to exp(-|x|/t) on the integers.
    DiscreteLaplace {
        /// Scale t, in grid steps.
        scale: Sigma,
        /// L1 sensitivity, in grid steps.
        sensitivity: Sensitivity,
    },
    /// k-ary randomised response: with probability `noise` a uniform answer, else the true one.
    /// Defined under [`crate::units::Adjacency::ReplaceOne`] alone.
    RandomisedResponse {
        /// Probability of a uniform answer, above zero.
        noise: Rate,
        /// Possible answers, at least two.
        buckets: u32,
    },
    /// The exponential mechanism, bounded in range by epsilon (Dong, Durfee, Rogers 2020).
    Exponential {
        /// Its epsilon.
        epsilon: Epsilon,
    },
    /// Anything that is known to be rho-zCDP (Bun and Steinke 2016).
    Zcdp {
        /// Its rho.
        rho: Rho,
    },
    /// Each patient takes part with probability q, independently; who did stays secret.
    Poisson {
        /// The probability q.
        q: Rate,
        /// What is done to those who take part.
        event: Box<Event>,
    },
    /// Poisson sampling of a cohort whose batch is cut at random to a largest size, then Gaussian
    /// noise.
    TruncatedPoisson {
        /// Patients in the cohort.
        patients: u64,
        /// The probability q.
        q: Rate,
        /// Largest batch, at least one.
        batch: u64,
        /// Standard deviation over the L2 sensitivity.
        sigma: Sigma,
    },
    /// A uniform batch of fixed size, without replacement.
    /// Defined under [`crate::units::Adjacency::ReplaceOne`] alone.
    WithoutReplacement {
        /// Patients in the cohort.
        patients: u64,
        /// Patients in the batch, at most all.
        batch: u64,
        /// What is done to them.
        event: Box<Event>,
    },
    /// Binary-tree aggregation of a stream of sums with Gaussian noise on each node of the tree
    /// (Dwork et al. 2010); each patient is in one leaf an epoch.
    Tree {
        /// Standard deviation over the L2 sensitivity of one node of the tree.
        sigma: Sigma,
        /// Leaves of the largest tree, at least one.
        steps: u64,
        /// Epochs, at least one.
        epochs: u32,
    },
    /// A mechanism run a random number of times, and the best run released (Papernot and Steinke
    /// 2022).
    RepeatAndSelect {
        /// One run.
        event: Box<Event>,
        /// Expected number of runs, at least one.
        mean: Sigma,
        /// Distribution of the number of runs.
        shape: Shape,
    },
    /// One after the other, each chosen in the light of the ones before.
    Composed(Vec<Event>),
    /// The same, a number of times.
    SelfComposed {
        /// The event.
        event: Box<Event>,
        /// How often.
        count: u64,
    },
}

/// How many times a mechanism of [`Event::RepeatAndSelect`] runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Truncated negative binomial of shape eta > -1 (1: geometric; 0: logarithmic).
    NegativeBinomial(f64),
    /// Poisson.
    Poisson,
}

/// Deepest tree that is accepted.
pub(crate) const MAX_DEPTH: usize = 8;
/// Most events of a tree, a self-composed one counted once.
pub(crate) const MAX_EVENTS: usize = 4096;

impl Event {
    /// Gaussian noise of standard deviation `sigma` times the L2 sensitivity.
    ///
    /// # Errors
    /// [`Error::NotPositive`].
    pub fn gaussian(sigma: f64) -> Result<Self> {
        Ok(Self::Gaussian { sigma: Sigma::new(sigma)? })
    }

    /// Noise on `dimension` coordinates of a sum: one node's (rule N1), or that of several sites
    /// (rule M2).
    pub fn discrete_gaussian(
        noise: impl Into<Noise>,
        sensitivity: Sensitivity,
        dimension: NonZeroU64,
    ) -> Self {
        let Noise { draws, s } = noise.into();
        let s = s.as_sigma();
        match draws.get() {
            1 => Self::DiscreteGaussian { s, sensitivity, dimension },
            parties => Self::DiscreteGaussianSum { parties, s, sensitivity, dimension },
        }
    }

    /// Each patient takes part with probability `q`.
    ///
    /// # Errors
    /// [`Error::NotARate`].
    pub fn poisson(self, q: f64) -> Result<Self> {
        Ok(Self::Poisson { q: Rate::new(q)?, event: Box::new(self) })
    }

    /// `count` times.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self::SelfComposed { event: Box::new(self), count }
    }

    /// The event's name, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exact => "an exact release",
            Self::Gaussian { .. } => "Gaussian noise",
            Self::DiscreteGaussian { .. } => "discrete Gaussian noise",
            Self::DiscreteGaussianSum { .. } => "a sum of discrete Gaussians",
            Self::Skellam { .. } => "Skellam noise",
            Self::Laplace { .. } => "Laplace noise",
            Self::DiscreteLaplace { .. } => "discrete Laplace noise",
            Self::RandomisedResponse { .. } => "randomised response",
            Self::Exponential { .. } => "the exponential mechanism",
            Self::Zcdp { .. } => "a zCDP mechanism",
            Self::Poisson { .. } => "Poisson sampling",
            Self::TruncatedPoisson { .. } => "truncated Poisson sampling",
            Self::WithoutReplacement { .. } => "sampling without replacement",
            Self::Tree { .. } => "tree aggregation",
            Self::RepeatAndSelect { .. } => "repeat and select",
            Self::Composed(_) | Self::SelfComposed { .. } => "a composition",
        }
    }

    /// Checks what the parts' types do not: counts, shapes, depth and size of the tree.
    ///
    /// # Errors
    /// [`Error::BadEvent`], naming event and figure.
    pub fn checked(self) -> Result<Self> {
        self.checked_ref()?;
        Ok(self)
    }

    pub(crate) fn checked_ref(&self) -> Result<()> {
        self.check(0, &mut 0)
    }

    fn check(&self, depth: usize, events: &mut usize) -> Result<()> {
        let bad = |what: String| Err(Error::BadEvent { event: self.name(), what });
        *events += 1;
        if depth > MAX_DEPTH || *events > MAX_EVENTS {
            return bad(format!("more than {MAX_DEPTH} levels or {MAX_EVENTS} parts"));
        }
        match self {
            Self::DiscreteGaussianSum { parties: 0, .. } => bad("no honest party".into()),
            Self::DiscreteGaussianSum { s, .. } if s.get() < 0.5 => {
                bad(format!("a scale of {s} steps; its bound holds from 0.5"))
            }
            Self::RandomisedResponse { noise, buckets } if noise.get() == 0.0 || *buckets < 2 => {
                bad(format!("noise {noise} over {buckets} answers"))
            }
            Self::TruncatedPoisson { patients, batch, .. }
                if *batch == 0 || *patients == 0 || *patients > 1 << 32 =>
            {
                bad(format!("batches of {batch} of {patients} patients"))
            }
            Self::WithoutReplacement { patients, batch, event } => {
                if *batch == 0 || batch > patients {
                    return bad(format!("batches of {batch} of {patients} patients"));
                }
                event.check(depth + 1, events)
            }
            Self::Tree { steps, epochs, .. } if *steps == 0 || *epochs == 0 => {
                bad(format!("{steps} steps in {epochs} epochs"))
            }
            Self::RepeatAndSelect { event, mean, shape } => {
                if mean.get() < 1.0 {
                    return bad(format!("an expected {mean} runs"));
                }
                if let Shape::NegativeBinomial(eta) = shape
                    && !(eta.is_finite() && *eta > -1.0 && (mean.get() > 1.0))
                {
                    return bad(format!("shape {eta} with an expected {mean} runs"));
                }
                event.check(depth + 1, events)
            }
            Self::Poisson { event, .. } | Self::SelfComposed { event, .. } => {
                event.check(depth + 1, events)
            }
            Self::Composed(parts) => {
                parts.iter().try_for_each(|part| part.check(depth + 1, events))
            }
            _ => Ok(()),
        }
    }

    /// The event's parts with how often each happens, compositions taken apart. Counts saturate.
    pub(crate) fn parts(&self) -> Vec<(&Event, u64)> {
        let mut parts = Vec::new();
        self.collect_parts(1, &mut parts);
        parts
    }

    fn collect_parts<'a>(&'a self, times: u64, parts: &mut Vec<(&'a Event, u64)>) {
        match self {
            Self::Composed(events) => {
                events.iter().for_each(|event| event.collect_parts(times, parts));
            }
            Self::SelfComposed { event, count } => {
                event.collect_parts(times.saturating_mul(*count), parts);
            }
            _ if times == 0 => {}
            _ => match parts.iter_mut().find(|(known, _)| *known == self) {
                Some((_, count)) => *count = count.saturating_add(times),
                None => parts.push((self, times)),
            },
        }
    }

    /// The zCDP charge of a single release as a ledger makes it; sampling counts for nothing. `None`
    /// for what no rho covers.
    pub fn rho(&self) -> Option<Rho> {
        match self {
            Self::DiscreteGaussian { s, sensitivity, .. } => Some(rho_of_sigma(*sensitivity, *s)),
            Self::DiscreteGaussianSum { parties, s, sensitivity, dimension } => {
                // Truncation makes a scale smaller, and the bound larger.
                Some(rho_of_sum(*sensitivity, s.get() as u64, *parties, dimension.get()))
            }
            Self::Zcdp { rho } => Some(*rho),
            Self::Poisson { event, .. } => event.rho(),
            _ => None,
        }
    }
}

/// An event that a ledger may be charged with: what one round really releases.
///
/// Without sampling anybody builds one; one that is sampled comes from a
/// [`crate::sampler::PoissonSampler`], which also draws the sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Release(pub(crate) Event);

impl Release {
    /// A sum without noise (rule X1).
    pub fn exact() -> Self {
        Self(Event::Exact)
    }

    /// A sum of all patients under the noise that no coalition takes off it: one node's N_Z(0, s^2)
    /// (rule N1), or that of t - c sites (rule M2).
    pub fn noised(
        noise: impl Into<Noise>,
        sensitivity: Sensitivity,
        dimension: NonZeroU64,
    ) -> Self {
        Self(Event::discrete_gaussian(noise, sensitivity, dimension))
    }

    /// What is charged.
    pub fn event(&self) -> &Event {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{NoiseScale, coalition_rho};
    use std::num::NonZeroU32;

    fn noised(s: u64, d: u64) -> Event {
        let one = NonZeroU64::new(1).unwrap();
        let (s, d) = (NoiseScale::new(s).unwrap(), Sensitivity::new(d).unwrap());
        Event::discrete_gaussian(s, d, one)
    }

    /// X1: an exact release has no figure, not the figure zero.
    #[test]
    fn an_exact_release_has_no_figure() {
        assert_eq!(Event::Exact.rho(), None);
    }

    /// N1: the charge is the coalition's figure, not the public's; zCDP knows no amplification.
    #[test]
    fn noise_is_charged_as_the_coalition_sees_it() {
        let expected = Some(coalition_rho(Sensitivity::new(3).unwrap(), 12));
        assert_eq!(noised(12, 3).rho(), expected);
        assert_eq!(noised(12, 3).poisson(0.01).unwrap().rho(), expected);
    }

    /// M2: the noise of h sites is charged by their sum, with the term that makes up for its not
    /// being a discrete Gaussian itself.
    #[test]
    fn the_noise_of_several_sites_is_charged_as_their_sum() {
        let d = Sensitivity::new(3).unwrap();
        let sum = |draws, s, dimension| {
            let (draws, s) = (NonZeroU32::new(draws).unwrap(), NoiseScale::new(s).unwrap());
            let dimension = NonZeroU64::new(dimension).unwrap();
            Event::discrete_gaussian(Noise { draws, s }, d, dimension)
        };
        let rho = |event: Event| event.rho().unwrap().get();
        assert_eq!(
            sum(1, 12, 7),
            Event::discrete_gaussian(NoiseScale::new(12).unwrap(), d, NonZeroU64::new(7).unwrap())
        );
        // D^2 / (2 h s^2) = 9 / (2 4 144) = 1/128, and no less.
        assert!((1.0 / 128.0..1.0 / 128.0 * (1.0 + 1e-12)).contains(&rho(sum(4, 12, 7))));
        assert_eq!(sum(4, 12, 7).poisson(0.1).unwrap().rho(), sum(4, 12, 7).rho());
    }

    #[test]
    fn compositions_come_apart_into_counted_parts() {
        let (a, b) = (noised(4, 1), noised(8, 1));
        let tree =
            Event::Composed(vec![a.clone().times(3), b.clone(), a.clone().times(2)]).times(10);
        assert_eq!(tree.parts(), [(&a, 50), (&b, 10)]);
        assert_eq!(a.clone().times(0).parts(), []);
        assert_eq!(a.clone().times(u64::MAX).times(3).parts(), [(&a, u64::MAX)]);
    }

    #[test]
    fn trees_that_no_mechanism_has_are_refused() {
        let mut deep = noised(4, 1);
        for _ in 0..=MAX_DEPTH {
            deep = deep.times(1);
        }
        let sigma = Sigma::new(1.0).unwrap();
        let bad = [
            deep,
            Event::Composed(vec![noised(4, 1); MAX_EVENTS]),
            Event::RandomisedResponse { noise: Rate::new(0.0).unwrap(), buckets: 2 },
            Event::RandomisedResponse { noise: Rate::ALL, buckets: 1 },
            Event::Tree { sigma, steps: 0, epochs: 1 },
            Event::WithoutReplacement { patients: 3, batch: 4, event: Box::new(noised(4, 1)) },
            Event::TruncatedPoisson { patients: 3, q: Rate::ALL, batch: 0, sigma },
            Event::RepeatAndSelect {
                event: Box::new(noised(4, 1)),
                mean: Sigma::new(0.5).unwrap(),
                shape: Shape::Poisson,
            },
        ];
        for event in bad {
            assert!(matches!(event.clone().checked(), Err(Error::BadEvent { .. })), "{event:?}");
        }
        assert!(noised(4, 1).times(1 << 40).checked().is_ok());
    }
}
