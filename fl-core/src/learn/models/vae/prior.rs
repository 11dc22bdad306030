//! The distribution p(z) of the latent numbers: a standard normal, or a mixture that is learned.
//!
//! One component is N(0, I), without weights, and a patient's divergence is KL(q(z | x) || N(0, I)) in
//! closed form (Kingma and Welling, appendix B). With more,
//!
//! ```text
//! p(z) = sum_k w_k N(z; m_k, diag s_k^2),   w = softmax(prior.weights)
//! ```
//!
//! and the divergence is its estimate by one draw, log q(z | x) - log p(z), at the z that the decoder
//! reads (their equation 6). A normal prior has draws between any two groups of patients; a mixture
//! need not.
//!
//! Priors of several modes are those of Dilokthanakul et al. (arXiv:1611.02648) and of Tomczak and
//! Welling's `VampPrior` (arXiv:1705.07120). Ours is simpler: m_k and s_k are weights of their own.
//! They are no network's outputs as in the first, and no posteriors of learned pseudo-patients as in
//! the second; the component is summed out, not inferred. s_k is bounded away from 0 as a column's
//! spread is (`mixed`), so that no component's density grows without bound.

use burn::tensor::{Tensor, activation};

use super::levels;
use super::mixed::{log_spread, log_spreads};
use crate::error::Error;
use crate::learn::model::Layer;
use crate::nn::ghost::{GhostOffset, Tape};
use crate::nn::{SplitMix64, mix};
use crate::tasks::layout::refuse;

const MOST_COMPONENTS: usize = 32;
/// The weight at which a component's standard deviation is 1.
const START_SPREAD: f64 = 2.948_930_819_057_298;
/// Parts the stream of the places from those of encoder and decoder.
const PLACES: u64 = 0x706c_6163_6573;

/// The shape of a prior.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    components: usize,
    latent: usize,
}

/// The weights of a mixture: w before softmax, `[components]`, then m and s, `[components, latent]`.
#[derive(Clone, Copy)]
struct Mixture<'w> {
    weights: &'w [f64],
    means: &'w [f64],
    spreads: &'w [f64],
}

impl Prior {
    /// A prior of `components` over `latent` numbers.
    ///
    /// # Errors
    /// When there are too many components, or none.
    pub(super) fn new(task: &str, components: usize, latent: usize) -> Result<Self, Error> {
        if !(1..=MOST_COMPONENTS).contains(&components) {
            return Err(refuse(task, format!("`components` must be 1 to {MOST_COMPONENTS}")));
        }
        Ok(Self { components, latent })
    }

    /// Number of weights.
    pub(super) fn parameters(self) -> usize {
        if self.is_mixture() { self.components * (1 + 2 * self.latent) } else { 0 }
    }

    /// Its parts, in the order of the weights.
    pub(super) fn layers(self) -> Vec<Layer> {
        if !self.is_mixture() {
            return Vec::new();
        }
        let part = |what: &str, shape| Layer { name: format!("prior.{what}"), shape, head: true };
        let each = vec![self.components, self.latent];
        vec![
            part("weights", vec![self.components]),
            part("means", each.clone()),
            part("spreads", each),
        ]
    }

    /// Weights before training (rule N4): equal shares of unit spread, at places that are drawn from a
    /// standard normal, so that no two components learn the same.
    pub(super) fn initial(self, seed: u64) -> Vec<f64> {
        if !self.is_mixture() {
            return Vec::new();
        }
        let each = self.components * self.latent;
        let mut random = SplitMix64::new(mix(seed ^ PLACES));
        let mut weights = vec![0.0; self.components];
        weights.extend((0..each).map(|_| random.normal()));
        weights.extend(std::iter::repeat_n(START_SPREAD, each));
        weights
    }

    fn is_mixture(self) -> bool {
        self.components > 1
    }

    fn mixture(self, own: &[f64]) -> Option<Mixture<'_>> {
        let (weights, rest) = own.split_at_checked(self.components)?;
        let (means, spreads) = rest.split_at_checked(self.components * self.latent)?;
        (spreads.len() == means.len()).then_some(Mixture { weights, means, spreads })
    }

    /// The divergence of a patient's q = N(mean, diag exp(`log_variance`)), for z = mean +
    /// exp(`log_variance` / 2) eps. `None` when the number of weights is wrong.
    pub(super) fn divergence(
        self,
        own: &[f64],
        (mean, log_variance): (&[f64], &[f64]),
        (z, eps): (&[f64], &[f64]),
    ) -> Option<f64> {
        let mut divergence = 0.0;
        if !self.is_mixture() {
            for (mu, v) in mean.iter().zip(log_variance) {
                divergence += 0.5 * (mu * mu + libm::exp(*v) - 1.0 - v);
            }
            return Some(divergence);
        }
        // Of log q and of each log density, -latent log(2 pi) / 2 is left out: it cancels.
        for (v, eps) in log_variance.iter().zip(eps) {
            divergence -= 0.5 * (v + eps * eps);
        }
        let Mixture { weights, means, spreads } = self.mixture(own)?;
        let total = levels::log_sum(weights);
        let parts = means.chunks(self.latent).zip(spreads.chunks(self.latent)).zip(weights);
        let log_densities: Vec<f64> = parts
            .map(|((means, spreads), weight)| {
                let mut log_density = weight - total;
                for ((z, mean), spread) in z.iter().zip(means).zip(spreads) {
                    let s = log_spread(*spread);
                    let off = (z - mean) * libm::exp(-s);
                    log_density -= s + 0.5 * off * off;
                }
                log_density
            })
            .collect();
        Some(divergence - levels::log_sum(&log_densities))
    }

    /// z, drawn; `None` when the number of weights is wrong.
    pub(super) fn draw(self, own: &[f64], random: &mut SplitMix64) -> Option<Vec<f64>> {
        if !self.is_mixture() {
            return Some((0..self.latent).map(|_| random.normal()).collect());
        }
        let Mixture { weights, means, spreads } = self.mixture(own)?;
        let component = levels::draw(weights, random);
        let mean = means.chunks(self.latent).nth(component)?;
        let spread = spreads.chunks(self.latent).nth(component)?;
        let drawn = |(mean, s): (&f64, &f64)| mean + libm::exp(log_spread(*s)) * random.normal();
        Some(mean.iter().zip(spread).map(drawn).collect())
    }

    /// The prior at given weights, in burn; `None` when their number is wrong.
    pub(super) fn layer(self, own: &[f64]) -> Option<PriorLayer> {
        if !self.is_mixture() {
            return own.is_empty().then_some(PriorLayer { prior: self, mixture: None });
        }
        let Mixture { weights, means, spreads } = self.mixture(own)?;
        let mixture = [weights, means, spreads].map(|part| GhostOffset::new(part, 1.0));
        Some(PriorLayer { prior: self, mixture: Some(mixture) })
    }
}

/// A prior in burn.
pub(super) struct PriorLayer {
    prior: Prior,
    /// Weights, means and spreads.
    mixture: Option<[GhostOffset; 3]>,
}

impl PriorLayer {
    /// Every row's divergence, `[rows, 1]`: mean, log variance, z and eps are `[rows, latent]`, and
    /// `zeros` is `[rows, 1]`.
    pub(super) fn divergence(
        &self,
        (mean, log_variance): (Tensor<2>, Tensor<2>),
        (z, eps): (Tensor<2>, Tensor<2>),
        zeros: &Tensor<2>,
        tape: &mut Tape,
    ) -> Tensor<2> {
        let Some([weights, means, spreads]) = &self.mixture else {
            let divergence = mean.powi_scalar(2) + log_variance.clone().exp() - log_variance;
            return divergence.sub_scalar(1.0).sum_dim(1).mul_scalar(0.5);
        };
        let Prior { components, latent } = self.prior;
        let [rows, _] = z.dims();
        // In the order of the weights, which is that of the tape.
        let log_weights = activation::log_softmax(weights.forward(zeros.clone(), tape), 1);
        let means = means.forward(zeros.clone(), tape);
        let s = log_spreads(spreads.forward(zeros.clone(), tape));
        let means: Tensor<3> = means.reshape([rows, components, latent]);
        let s: Tensor<3> = s.reshape([rows, components, latent]);
        let z: Tensor<3> = z.reshape([rows, 1, latent]);
        let off = (z - means) * s.clone().mul_scalar(-1.0).exp();
        let each = (off.powi_scalar(2).mul_scalar(0.5) + s).sum_dim(2);
        let each: Tensor<2> = each.reshape([rows, components]);
        let log_posterior = (log_variance + eps.powi_scalar(2)).sum_dim(1).mul_scalar(-0.5);
        log_posterior - log_sum(log_weights - each)
    }
}

/// log of the sum of a row's exponentials, `[rows, 1]`, without overflow.
fn log_sum(terms: Tensor<2>) -> Tensor<2> {
    let largest = terms.clone().without_autodiff().max_dim(1);
    (terms - largest.clone()).exp().sum_dim(1).log() + largest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prior(components: usize) -> Prior {
        Prior::new("train", components, 2).unwrap()
    }

    /// Mean divergence of a q over many draws of eps.
    fn mean_divergence(prior: Prior, own: &[f64]) -> f64 {
        let (mean, log_variance): ([f64; 2], [f64; 2]) = ([0.5, -1.0], [-0.5, 0.3]);
        let (draws, mut random) = (20_000, SplitMix64::new(3));
        let one = |_| {
            let eps = [random.normal(), random.normal()];
            let z = [0, 1].map(|d: usize| mean[d] + (log_variance[d] / 2.0).exp() * eps[d]);
            prior.divergence(own, (&mean, &log_variance), (&z, &eps)).unwrap()
        };
        (0..draws).map(one).sum::<f64>() / f64::from(draws)
    }

    #[test]
    fn a_mixture_whose_components_are_standard_normal_diverges_as_one_on_average() {
        let closed = mean_divergence(prior(1), &[]);
        let mut own = prior(3).initial(1);
        own[3..9].fill(0.0);
        let estimate = mean_divergence(prior(3), &own);
        assert!((closed - estimate).abs() < 0.05, "{closed} in closed form, {estimate} by draws");
        // Elsewhere it is another prior.
        own[3..9].fill(2.0);
        assert!(mean_divergence(prior(3), &own) > closed + 1.0);
    }

    #[test]
    fn a_z_far_from_every_component_has_a_finite_divergence() {
        let mut own = prior(3).initial(1);
        // The least spread that there is.
        own[9..].fill(-1e6);
        let z = [1e3, -1e3];
        let code: (&[f64], &[f64]) = (&z, &[0.0; 2]);
        let divergence = prior(3).divergence(&own, code, (&z, &[0.0; 2])).unwrap();
        assert!(divergence.is_finite() && divergence > 1e6, "{divergence}");
    }

    /// N4: the start is a function of the seed.
    #[test]
    fn components_start_apart_at_places_of_the_seed_alone() {
        let starts = prior(32).initial(1);
        assert_eq!(starts.len(), prior(32).parameters());
        assert_eq!(starts, prior(32).initial(1));
        assert_ne!(starts, prior(32).initial(2));
        let means: Vec<&[f64]> = starts[32..96].chunks(2).collect();
        for (k, one) in means.iter().enumerate() {
            for other in &means[..k] {
                let apart = (one[0] - other[0]).hypot(one[1] - other[1]);
                assert!(apart > 1e-3, "{one:?} {other:?}");
            }
        }
        assert!(starts[96..].iter().all(|s| log_spread(*s).abs() < 1e-12));
    }

    #[test]
    fn draws_have_the_weights_the_places_and_the_spreads_of_the_components() {
        // Shares of 1 and 3, at (-5, 0) and (5, 0), the second of the least spread.
        let own = [0.0, 3f64.ln(), -5.0, 0.0, 5.0, 0.0, START_SPREAD, START_SPREAD, -1e6, -1e6];
        let mut random = SplitMix64::new(9);
        let drawn: Vec<Vec<f64>> =
            (0..4000).map(|_| prior(2).draw(&own, &mut random).unwrap()).collect();
        let (low, high): (Vec<_>, Vec<_>) = drawn.into_iter().partition(|z| z[0] < 0.0);
        assert!((2850..3150).contains(&high.len()), "{}", high.len());
        let spread = |zs: &[Vec<f64>], middle: f64| {
            let squares: f64 = zs.iter().map(|z| (z[0] - middle).powi(2)).sum();
            (squares / zs.len() as f64).sqrt()
        };
        assert!((spread(&low, -5.0) - 1.0).abs() < 0.1);
        assert!((spread(&high, 5.0) - 0.05).abs() < 0.01);
        assert!(prior(2).draw(&own[1..], &mut random).is_none());
        assert!(prior(2).layer(&own[1..]).is_none());
    }
}
