//! The discrete Gaussian sampler against exact probabilities and against other implementations.
//!
//! Our own draws come from fixed seeds, so each of these tests passes always or never; a fresh seed
//! would fail one with the probability stated as `FALSE_ALARM`, 10^-7. opendp's sampler takes no
//! seed, so its comparisons are drawn anew each time and do fail with that probability.

mod common;

use common::statistics::{
    FALSE_ALARM, chi_square, chi_square_two_samples, kolmogorov_smirnov, normal_cdf, upper_gamma,
};
use haima_dp::gauss::DiscreteGaussian;
use haima_dp::noise::{NoiseRng, noise_stream};
use rand::rand_core::{TryCryptoRng, TryRng};

fn draws(s: u64, seed: u8, count: usize) -> Vec<i64> {
    let mut out = vec![0; count];
    DiscreteGaussian::new(s).unwrap().fill(&mut noise_stream(&[seed; 32]), &mut out);
    out
}

/// P[X = x] for X ~ N_Z(0, s^2), by summing until nothing is added.
fn pmf(s: u64, x: i64) -> f64 {
    let weight = |x: i64| (-0.5 * (x as f64 / s as f64).powi(2)).exp();
    let reach = 40 * s as i64;
    let total: f64 = 1.0 + 2.0 * (1..=reach).rev().map(weight).sum::<f64>();
    weight(x) / total
}

/// Counts in bins of `width` integers centred on zero; what lies outside goes to the last bins.
fn histogram(draws: &[i64], width: i64, bins_each_side: i64) -> Vec<u64> {
    let mut counts = vec![0; (2 * bins_each_side + 1) as usize];
    for &x in draws {
        counts[bin_of(x, width, bins_each_side)] += 1;
    }
    counts
}

fn bin_of(x: i64, width: i64, bins_each_side: i64) -> usize {
    let bin = (x + width / 2).div_euclid(width);
    (bin.clamp(-bins_each_side, bins_each_side) + bins_each_side) as usize
}

fn expected(s: u64, width: i64, bins_each_side: i64) -> Vec<f64> {
    let mut shares = vec![0.0; (2 * bins_each_side + 1) as usize];
    // What lies beyond weighs less than exp(-50).
    let reach = 10 * s as i64;
    let weight = |x: i64| (-0.5 * (x as f64 / s as f64).powi(2)).exp();
    for x in -reach..=reach {
        shares[bin_of(x, width, bins_each_side)] += weight(x);
    }
    let total: f64 = shares.iter().sum();
    shares.iter().map(|share| share / total).collect()
}

/// N1: the sampler draws from N_Z(0, s^2), by chi-square against its exact probabilities.
#[test]
fn draws_have_the_exact_probabilities() {
    for (s, width, bins) in [
        (1, 1, 4),
        (2, 1, 7),
        (4, 1, 15),
        (10, 1, 40),
        (20, 5, 14),
        (100, 9, 40),
        (333, 31, 40),
        (1000, 101, 35),
        (1 << 20, 100_003, 42),
    ] {
        let p = chi_square(
            &histogram(&draws(s, 42, 1_000_000), width, bins),
            &expected(s, width, bins),
        );
        println!("s = {s}: p = {p:.4}");
        assert!(p > FALSE_ALARM, "s = {s}: p = {p:e}");
    }
}

/// Mean, variance, skewness and kurtosis. Those of N_Z(0, s^2) with s >= 2 are 0, 1, 0
/// and 3, in scales, within 10^-28; each bound is 5.5 standard errors, passed by a correct sampler with a
/// fresh seed once in 10^7 tests or less.
#[test]
fn moments_are_those_of_the_normal() {
    const COUNT: usize = 1_000_000;
    for (s, seed) in [(2, 30), (10, 31), (1000, 32), (1 << 20, 33), (1 << 40, 34)] {
        let draws = draws(s, seed, COUNT);
        let moment = |n: i32| {
            draws.iter().map(|&x| (x as f64 / s as f64).powi(n)).sum::<f64>() / COUNT as f64
        };
        let error = |variance: f64| 5.5 * (variance / COUNT as f64).sqrt();
        for (n, value, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let found = moment(n);
            assert!((found - value).abs() < error(variance), "s = {s}, moment {n}: {found}");
        }
    }
}

/// Each magnitude has either sign alike: the counts of x and -x are two samples of one size.
#[test]
fn draws_are_symmetric() {
    for (s, width, bins) in [(1, 1, 4), (4, 1, 15), (1000, 101, 35)] {
        let counts = histogram(&draws(s, 21, 1_000_000), width, bins);
        let statistic: f64 = (1..=bins as usize)
            .map(|i| {
                let (low, high) = (counts[bins as usize - i], counts[bins as usize + i]);
                (low as f64 - high as f64).powi(2) / (low + high) as f64
            })
            .sum();
        let p = upper_gamma(bins as f64 / 2.0, statistic / 2.0);
        assert!(p > FALSE_ALARM, "s = {s}: p = {p:e}");
    }
}

/// A generator that counts the words drawn from it.
struct Counting(NoiseRng, u64);

impl TryRng for Counting {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("the sampler draws words of 64 bits")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.1 += 1;
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
        unreachable!("the sampler draws words of 64 bits")
    }
}

impl TryCryptoRng for Counting {}

/// What takes time says nothing about the value: draws at the first trial, at the second and later
/// ones have one distribution.
#[test]
fn the_number_of_trials_is_independent_of_the_value() {
    for (s, width, bins) in [(1, 1, 3), (4, 1, 12), (1000, 101, 30)] {
        let sampler = DiscreteGaussian::new(s).unwrap();
        let mut rng = Counting(noise_stream(&[55; 32]), 0);
        let mut by_trials = [const { Vec::new() }; 3];
        for _ in 0..500_000 {
            let before = rng.1;
            let x = sampler.sample(&mut rng);
            let words = rng.1 - before;
            assert_eq!(words % 3, 0, "no draw of this seed needs the exact path");
            by_trials[(words / 3).min(3) as usize - 1].push(x);
        }
        // sqrt(pi / 2) / sum_{i >= 0} exp(-i^2 / 2) = 0.71484 of the trials succeed.
        let mean = rng.1 as f64 / 1.5e6;
        assert!((mean - 1.0 / 0.714_84).abs() < 0.006, "{mean} trials a draw");
        let [first, second, later] = by_trials.map(|draws| histogram(&draws, width, bins));
        for other in [second, later] {
            let p = chi_square_two_samples(&first, &other);
            assert!(p > FALSE_ALARM, "s = {s}: p = {p:e}");
        }
    }
}

/// The low bits of wide noise are what hides a sum's low bits: they are as uniform as they must be.
#[test]
fn the_low_bits_of_wide_noise_are_uniform() {
    for s in [1 << 12, 1_000_003, 1 << 40] {
        let mut counts = vec![0; 64];
        for x in draws(s, 5, 200_000) {
            counts[x.rem_euclid(64) as usize] += 1;
        }
        let p = chi_square(&counts, &[1.0 / 64.0; 64]);
        assert!(p > FALSE_ALARM, "s = {s}: p = {p:e}");
    }
}

/// At large scales, where no sum over all integers is possible, the shape is the normal's.
#[test]
fn wide_noise_has_the_normal_shape() {
    for (s, seed) in [(1 << 16, 9), (1 << 24, 10), (123_456_789, 13), (1 << 40, 14)] {
        let mut scaled: Vec<f64> =
            draws(s, seed, 100_000).iter().map(|&x| x as f64 / s as f64).collect();
        let p = kolmogorov_smirnov(&mut scaled, normal_cdf);
        println!("s = {s}: p = {p:.4}");
        assert!(p > FALSE_ALARM, "s = {s}: p = {p:e}");
    }
}

#[test]
fn draws_do_not_depend_on_the_one_before() {
    let draws = draws(50, 3, 300_000);
    // Quadrants of successive pairs, by sign and by size.
    let class = |x: i64| usize::from(x > 0) + 2 * usize::from(x.abs() > 34);
    let share: Vec<f64> = (0..4)
        .map(|c| draws.iter().filter(|&&x| class(x) == c).count() as f64 / draws.len() as f64)
        .collect();
    let mut counts = vec![0; 16];
    for pair in draws.chunks_exact(2) {
        counts[4 * class(pair[0]) + class(pair[1])] += 1;
    }
    let expected: Vec<f64> = (0..16).map(|i| share[i / 4] * share[i % 4]).collect();
    let p = chi_square(&counts, &expected);
    assert!(p > FALSE_ALARM, "p = {p:e}");
}

/// Differential test: opendp 0.16's `sample_discrete_gaussian`, which draws rationals by dashu.
#[test]
fn draws_are_distributed_as_opendps() {
    use opendp::traits::samplers::sample_discrete_gaussian;
    for (s, width, bins) in [(4_u64, 1, 12), (50, 9, 15)] {
        let theirs: Vec<i64> = (0..15_000)
            .map(|_| {
                let scale = dashu::rational::RBig::from(s);
                i64::try_from(sample_discrete_gaussian(scale).unwrap()).unwrap()
            })
            .collect();
        let ours = draws(s, 11, 60_000);
        let p = chi_square_two_samples(
            &histogram(&ours, width, bins),
            &histogram(&theirs, width, bins),
        );
        println!("s = {s}: p = {p:.4}");
        assert!(p > FALSE_ALARM, "s = {s}: p = {p:e}");
    }
}

/// Differential test: prio 0.18's `DiscreteGaussian`, seeded.
#[test]
fn draws_are_distributed_as_prios() {
    use prio::dp::{Rational, distributions::DiscreteGaussian as Theirs};
    use rand::distr::Distribution;
    for (s, width, bins) in [(4_u64, 1, 12), (50, 9, 15)] {
        let sampler = Theirs::new(Rational::from_unsigned(s, 1u64).unwrap()).unwrap();
        let mut rng = noise_stream(&[23; 32]);
        let theirs: Vec<i64> =
            (0..15_000).map(|_| sampler.sample(&mut rng).to_string().parse().unwrap()).collect();
        let ours = draws(s, 12, 60_000);
        let p = chi_square_two_samples(
            &histogram(&ours, width, bins),
            &histogram(&theirs, width, bins),
        );
        println!("s = {s}: p = {p:.4}");
        assert!(p > FALSE_ALARM, "s = {s}: p = {p:e}");
    }
}

/// The tests above notice a sampler that is wrong by little: a scale off by 2 in a hundred, and
/// noise rounded from a continuous normal.
#[test]
fn the_tests_notice_a_slightly_wrong_sampler() {
    let (width, bins) = (5, 14);
    let p =
        chi_square(&histogram(&draws(51, 42, 1_000_000), width, bins), &expected(50, width, bins));
    assert!(p < FALSE_ALARM, "a scale of 51 passes for 50: p = {p}");
    // N_Z(0, 1) against the rounding of N(0, 1): variances 1 and 1 + 1/12.
    let rounded: Vec<f64> = (-4..=4_i32)
        .map(|x| match x {
            -4 => normal_cdf(-3.5),
            4 => 1.0 - normal_cdf(3.5),
            x => normal_cdf(f64::from(x) + 0.5) - normal_cdf(f64::from(x) - 0.5),
        })
        .collect();
    let p = chi_square(&histogram(&draws(1, 42, 1_000_000), 1, 4), &rounded);
    assert!(p < FALSE_ALARM, "a rounded normal passes for the discrete Gaussian: p = {p}");
}

#[test]
fn the_probabilities_used_here_sum_to_one() {
    assert!((pmf(1, 0) - 0.398_942_278_3).abs() < 1e-10);
    assert!((expected(20, 5, 14).iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

/// Determinism: a seed fixes every draw, on every machine. A change of these figures is a change of
/// what a node's stored noise means, and needs a new protocol version.
#[test]
fn a_seed_fixes_every_draw() {
    assert_eq!(draws(4, 7, 8), GOLDEN_4);
    assert_eq!(draws(1000, 7, 8), GOLDEN_1000);
    assert_eq!(draws(1 << 40, 7, 4), GOLDEN_2_40);
}

const GOLDEN_4: [i64; 8] = [5, 4, -2, -4, 4, -5, 3, -2];
const GOLDEN_1000: [i64; 8] = [1439, -135, 1241, -729, 1217, -55, -1357, -684];
const GOLDEN_2_40: [i64; 4] =
    [1_582_589_783_226, -148_652_472_795, 1_364_826_264_020, -802_394_995_554];

#[test]
fn p_values_agree_with_tables() {
    // Chi-square tables: 5 % points of 1, 10 and 100 degrees; 0.1 % of 10.
    for (freedom, point, p) in [
        (1.0, 3.841_459, 0.05),
        (10.0, 18.307_04, 0.05),
        (100.0, 124.342_1, 0.05),
        (10.0, 29.588_3, 0.001),
    ] {
        assert!((upper_gamma(freedom / 2.0, point / 2.0) - p).abs() < 1e-6);
    }
    assert!((normal_cdf(1.959_964) - 0.975).abs() < 1e-7);
    assert!((normal_cdf(-5.0) / 2.866_515_7e-7 - 1.0).abs() < 1e-6);
}
