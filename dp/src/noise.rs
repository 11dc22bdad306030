//! The noise of a round: its generator, its scale, who is protected by how much, and its room.
//!
//! Rule N1: each of the k nodes adds N_Z(0, s^2) at *full* variance to the sum.
//! - Against a coalition of k-1 nodes and all other sites one node's noise is left, an exact
//!   discrete Gaussian: rho = D^2 / (2 s^2) (Canonne, Kamath, Steinke 2020, Theorem 4). This is
//!   the figure that noise is calibrated to and that is printed first.
//! - The public sees the sum of k discrete Gaussians, which is none itself but close to one:
//!   rho = D^2 / (2 k s^2) + d tau with tau = 10 sum_{j=1}^{k-1} exp(-2 pi^2 s^2 j/(j+1)), for
//!   s >= 1/2 and d coordinates (Kairouz, Liu, Steinke 2021, Prop. 14). From s = 4, which
//!   [`NoiseScale`] demands, tau is below 10^-67.
//!
//! Masked mode (rule M2): each of n sites adds N_Z(0, s^2), and against a coalition of c of them at
//! least h = t - c draws are left in any sum of t survivors or more, who ever they are: the second
//! figure with h for k ([`Noise`]).
//!
//! Rule N5: a spec is refused unless the noised sum fits the field ([`fits`]).
//!
//! Assumes that the seed is fresh for each (round, accepted set), as rule N3 derives it: the same
//! seed gives the same noise, which is what makes a re-send identical, and a second sum under one
//! seed would cancel the noise out.

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroU32;

use chacha20::ChaCha20Rng;
use rand_core::{SeedableRng, TryCryptoRng, TryRng};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::gauss::DiscreteGaussian;
use crate::rounding::{add_up, div_up, integer_up, mul_up, ratio_up};
use crate::units::{Rho, Sensitivity, Sigma};
use crate::{Error, Result};

/// A noise scale s that the accounting of sums of nodes' noise covers: 4..=2^40 grid steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoiseScale(DiscreteGaussian);

impl NoiseScale {
    /// The smallest scale: below it the sum of nodes' noise is not close enough to a Gaussian.
    pub const LEAST: u64 = 4;

    /// Checks `s`.
    ///
    /// # Errors
    /// [`Error::NoiseScaleOutOfRange`] outside 4..=2^40.
    pub fn new(s: u64) -> Result<Self> {
        match DiscreteGaussian::new(s) {
            Ok(sampler) if s >= Self::LEAST => Ok(Self(sampler)),
            _ => Err(Error::NoiseScaleOutOfRange {
                scale: s,
                least: Self::LEAST,
                most: DiscreteGaussian::MAX_SCALE,
            }),
        }
    }

    /// The scale s, in grid steps.
    pub fn get(self) -> u64 {
        self.0.scale()
    }

    /// The same as the scale of an event: an integer below 2^53, so nothing is rounded.
    pub fn as_sigma(self) -> Sigma {
        Sigma::of_scale(self.get())
    }

    /// The distribution of one node's noise.
    pub fn sampler(self) -> DiscreteGaussian {
        self.0
    }

    /// One node's noise for a vector of `len` coordinates, in grid steps: the draws of
    /// [`noise_stream`] in the order of the coordinates.
    ///
    /// # Security
    /// Stays in the node, like the seed it comes from: whoever knows it subtracts it. The vector is
    /// erased on drop.
    pub fn draw(self, seed: &[u8; 32], len: usize) -> Zeroizing<Vec<i64>> {
        let mut noise = Zeroizing::new(vec![0; len]);
        self.0.fill(&mut noise_stream(seed), &mut noise);
        noise
    }
}

/// Noise that the adversary in question cannot take off a sum: some independent draws of one scale,
/// at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    /// How many draws.
    pub draws: NonZeroU32,
    /// Scale of each.
    pub s: NoiseScale,
}

impl From<NoiseScale> for Noise {
    /// One draw.
    fn from(s: NoiseScale) -> Self {
        Self { draws: NonZeroU32::MIN, s }
    }
}

/// The generator that a node draws a round's noise from: ChaCha20 under the round's noise seed.
///
/// Not `Clone`: two copies would give the same noise to two sums.
///
/// # Security
/// Stays in the node. Key and buffered keystream are erased on drop.
pub struct NoiseRng(ChaCha20Rng);

/// The noise generator of a round, from its 32-byte seed (rule N3).
pub fn noise_stream(seed: &[u8; 32]) -> NoiseRng {
    NoiseRng(ChaCha20Rng::from_seed(*seed))
}

impl TryRng for NoiseRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(out)
    }
}

impl TryCryptoRng for NoiseRng {}

impl fmt::Debug for NoiseRng {
    /// Nothing of the state: it is as secret as the noise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoiseRng(<redacted>)")
    }
}

impl ZeroizeOnDrop for NoiseRng {}

/// rho of one release against k-1 nodes and all other sites: D^2 / (2 s^2), rounded up (rule N1).
///
/// [`Rho::MAX`] for s = 0, which is no noise.
pub fn coalition_rho(sensitivity: Sensitivity, s: u64) -> Rho {
    shared_rho(sensitivity, s, 1)
}

/// rho = D^2 / (2 s^2), rounded up, for any scale s of a discrete Gaussian.
pub(crate) fn rho_of_sigma(sensitivity: Sensitivity, s: Sigma) -> Rho {
    let s = s.get();
    if s.fract() == 0.0 && s <= DiscreteGaussian::MAX_SCALE as f64 {
        return coalition_rho(sensitivity, s as u64);
    }
    let ratio = div_up(integer_up(u128::from(sensitivity.get())), s);
    Rho::at_least(mul_up(ratio, ratio) / 2.0)
}

/// rho of one release of `dimension` coordinates against whoever faces `draws` independent draws of
/// noise: D^2 / (2 k s^2) + d tau, rounded up. With nodes, readers of the released sum (rule N1); in
/// masked mode the coalition too (rule M2).
///
/// [`Rho::MAX`] without noise.
pub fn rho_of_sum(sensitivity: Sensitivity, s: u64, draws: u32, dimension: u64) -> Rho {
    let main = shared_rho(sensitivity, s, draws).get();
    let rounding = mul_up(integer_up(u128::from(dimension)), tau(s as f64, draws));
    Rho::at_least(add_up(main, rounding))
}

/// D^2 / (2 k s^2), rounded up.
fn shared_rho(sensitivity: Sensitivity, s: u64, nodes: u32) -> Rho {
    // A scale beyond every sampler is taken as 2^45, on the safe side: then 2 k s^2 < 2^123.
    let s = u128::from(s.min(1 << 45));
    let denominator = 2 * u128::from(nodes) * s * s;
    if denominator == 0 {
        return Rho::MAX;
    }
    Rho::at_least(ratio_up(u128::from(sensitivity.get()).pow(2), denominator))
}

/// tau = 10 sum_{j=1}^{k-1} exp(-2 pi^2 s^2 j/(j+1)), rounded up; what k discrete Gaussians differ
/// from one by, for each coordinate.
pub(crate) fn tau(s: f64, nodes: u32) -> f64 {
    /// Terms summed one by one; the rest are no larger than the last of them.
    const ONE_BY_ONE: u32 = 64;
    /// Covers the errors of the exponent (745 * 2^-50 at most before `exp` underflows) and of
    /// `exp` itself (one unit in the last place).
    const MARGIN: f64 = 1.0 + 1e-9;
    let term = |j: u32| {
        let j = f64::from(j);
        let exponent = -2.0 * std::f64::consts::PI.powi(2) * s * s * (j / (j + 1.0));
        mul_up(libm::exp(exponent).max(f64::MIN_POSITIVE), MARGIN)
    };
    let others = nodes.saturating_sub(1);
    let summed = others.min(ONE_BY_ONE);
    let mut sum = (1..=summed).fold(0.0, |sum, j| add_up(sum, term(j)));
    if others > summed {
        sum = add_up(sum, mul_up(f64::from(others - summed), term(summed)));
    }
    mul_up(10.0, sum)
}

/// Rule N5: whether n_sites * B + k * 40 * s < p/2, so that a noised sum cannot wrap around.
///
/// `bound` is B, a site's bound on any coordinate, in grid steps. One node's noise passes 40 s with
/// probability below exp(-799) a coordinate.
pub fn fits(n_sites: u64, bound: u64, nodes: u64, s: u64, field_modulus: u128) -> bool {
    let sum = u128::from(n_sites) * u128::from(bound);
    let noise = (u128::from(nodes) * u128::from(s)).checked_mul(40);
    noise
        .and_then(|noise| noise.checked_add(sum))
        .and_then(|reach| reach.checked_mul(2))
        .is_some_and(|twice| twice < field_modulus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(steps: u64) -> Sensitivity {
        Sensitivity::new(steps).unwrap()
    }

    /// N3: a re-send is the same, whichever crate draws: the stream is that of another ChaCha20.
    #[test]
    fn the_stream_is_that_of_another_chacha20() {
        use rand_core::Rng as _;
        let (mut ours, mut other) =
            (noise_stream(&[7; 32]), rand_chacha::ChaCha20Rng::from_seed([7; 32]));
        for round in 0..300 {
            assert_eq!(ours.next_u32(), other.next_u32());
            assert_eq!(ours.next_u64(), other.next_u64());
            let (mut a, mut b) = (vec![0; round], vec![0; round]);
            ours.fill_bytes(&mut a);
            other.fill_bytes(&mut b);
            assert_eq!(a, b);
        }
    }

    /// N1: the coalition figure is D^2/(2 s^2), and never below it.
    #[test]
    fn the_coalition_figure_counts_one_nodes_noise() {
        assert_eq!(coalition_rho(d(1), 4).get(), 1.0 / 32.0);
        assert_eq!(coalition_rho(d(1 << 20), 1 << 22).get(), 1.0 / 32.0);
        let third = coalition_rho(d(1), 6).get();
        assert!(third >= 1.0 / 72.0 && third <= (1.0f64 / 72.0).next_up());
        assert_eq!(coalition_rho(d(5), 0), Rho::MAX);
        assert!(coalition_rho(d(Sensitivity::MAX), 1).get().is_finite());
        assert!(coalition_rho(d(1), u64::MAX).get() > 0.0);
    }

    /// N1: the public enjoys s sqrt(k), plus d tau, and never less than is true.
    #[test]
    fn the_public_figure_counts_every_nodes_noise_and_the_rounding_term() {
        for (s, k, dim) in [(4, 2, 1), (4, 5, 1_000_000), (1024, 3, 1 << 40), (4, u32::MAX, 7)] {
            let coalition = coalition_rho(d(9), s).get();
            let public = rho_of_sum(d(9), s, k, dim).get();
            assert!(public > coalition / f64::from(k), "s {s} k {k}");
            assert!(public < coalition / f64::from(k) * (1.0 + 1e-9), "s {s} k {k}");
        }
        assert_eq!(rho_of_sum(d(9), 16, 1, 1 << 30), coalition_rho(d(9), 16));
        assert_eq!(rho_of_sum(d(9), 16, 0, 1), Rho::MAX);
        assert_eq!(rho_of_sum(d(9), 0, 3, 1), Rho::MAX);
    }

    /// N1: figures of tau for small scales, computed elsewhere: s = 1, k = 2 gives 5.2e-4.
    #[test]
    fn the_rounding_term_agrees_with_published_figures() {
        assert!((tau(1.0, 2) / (10.0 * (-std::f64::consts::PI.powi(2)).exp()) - 1.0).abs() < 1e-8);
        assert!((4e-4..7e-4).contains(&tau(1.0, 5)));
        assert!((5e-17..1e-16).contains(&tau(2.0, 5)));
        assert!((1e-68..5e-68).contains(&tau(4.0, 5)));
        assert_eq!(tau(4.0, 1), 0.0);
        assert!(tau((1u64 << 40) as f64, 2) > 0.0);
    }

    /// N1: tau by its sum, also where only the first terms are summed one by one and the rest is bounded.
    #[test]
    fn the_rounding_term_is_its_sum_or_a_little_more() {
        for (s, k) in [(1.0, 2), (1.0, 3), (1.25, 64), (1.0, 65), (1.0, 66), (0.5, 200)] {
            let term = |j: u32| {
                let j = f64::from(j);
                (-2.0 * std::f64::consts::PI.powi(2) * s * s * j / (j + 1.0)).exp()
            };
            let sum = 10.0 * (1..k).map(term).sum::<f64>();
            let found = tau(s, k);
            assert!((sum..sum * 1.1).contains(&found), "s {s} k {k}: {found} for {sum}");
            assert!(k > 65 || found < sum * (1.0 + 1e-8), "s {s} k {k}: {found} for {sum}");
        }
    }

    /// A scale that no sampler draws has its rho too, by the same formula.
    #[test]
    fn the_rho_of_any_scale_is_the_formulas() {
        let most = DiscreteGaussian::MAX_SCALE as f64;
        for s in [4.0, 10.5, 0.25, 1e6, most, most + 1.0, 2.0 * most] {
            let expected = 81.0 / (2.0 * s * s);
            let found = rho_of_sigma(d(9), Sigma::new(s).unwrap()).get();
            assert!((expected * (1.0 - 1e-15)..expected * (1.0 + 1e-14)).contains(&found), "{s}");
        }
    }

    /// N1: scales whose sum of nodes' noise is not covered are refused.
    #[test]
    fn a_scale_below_four_steps_is_refused() {
        for s in [0, 3, (1 << 40) + 1] {
            assert_eq!(
                NoiseScale::new(s),
                Err(Error::NoiseScaleOutOfRange { scale: s, least: 4, most: 1 << 40 })
            );
        }
        assert_eq!(NoiseScale::new(4).unwrap().get(), 4);
    }

    /// N5: n_sites * B + k * 40 * s < p/2, at the edge and beyond 128 bits.
    #[test]
    fn a_sum_that_could_wrap_around_is_refused() {
        // 3 * 100 + 2 * 40 * 5 = 700
        assert!(fits(3, 100, 2, 5, 1401));
        assert!(!fits(3, 100, 2, 5, 1400));
        assert!(!fits(u64::MAX, u64::MAX, u64::MAX, u64::MAX, u128::MAX));
        assert!(!fits(u64::MAX, u64::MAX, 1, 1, u128::MAX));
        assert!(fits(200, 1 << 40, 3, 1 << 20, (1 << 64) - (1 << 32) + 1));
        assert!(!fits(200, 1 << 56, 3, 1 << 20, (1 << 64) - (1 << 32) + 1));
        assert!(fits(0, 0, 0, 0, 1));
    }

    /// N3: one seed gives one noise, another seed another.
    #[test]
    fn the_seed_alone_decides_the_noise() {
        let scale = NoiseScale::new(1000).unwrap();
        let noise = scale.draw(&[1; 32], 50);
        assert_eq!(*noise, *scale.draw(&[1; 32], 50));
        assert_ne!(*noise, *scale.draw(&[2; 32], 50));
        // A longer vector begins with the same noise: the order of draws is the order of coordinates.
        assert_eq!(noise[..], scale.draw(&[1; 32], 80)[..50]);
    }

    #[test]
    fn the_generator_does_not_print_its_state() {
        assert_eq!(format!("{:?}", noise_stream(&[7; 32])), "NoiseRng(<redacted>)");
    }
}
