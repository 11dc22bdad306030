//! The discrete Laplace sampler against exact probabilities and against other implementations.
//!
//! Fixed seeds, as in the tests of the Gaussian: a fresh seed would fail a test once in 10^7 times,
//! and the comparison with opendp, which takes no seed, does.

mod common;

use common::statistics::{FALSE_ALARM, chi_square, chi_square_two_samples, kolmogorov_smirnov};
use haima_dp::Error;
use haima_dp::laplace::DiscreteLaplace;
use haima_dp::noise::noise_stream;

fn draws(t: u64, seed: u8, count: usize) -> Vec<i64> {
    let mut out = vec![0; count];
    DiscreteLaplace::new(t).unwrap().fill(&mut noise_stream(&[seed; 32]), &mut out);
    out
}

/// Counts in bins of `width` integers, an odd number, centred on zero; the last bins are open.
fn histogram(draws: &[i64], width: i64, bins: i64) -> Vec<u64> {
    let mut counts = vec![0; (2 * bins + 1) as usize];
    for &x in draws {
        let bin = (x + width / 2).div_euclid(width).clamp(-bins, bins);
        counts[(bin + bins) as usize] += 1;
    }
    counts
}

/// The exact share of each bin: P(X >= a) = exp(-a/t) / (1 + exp(-1/t)) for a >= 1.
fn expected(t: u64, width: i64, bins: i64) -> Vec<f64> {
    let at_least = |a: i64| (-(a as f64) / t as f64).exp() / (1.0 + (-1.0 / t as f64).exp());
    let side: Vec<f64> = (1..=bins)
        .map(|bin| {
            let first = bin * width - width / 2;
            at_least(first) - if bin < bins { at_least(first + width) } else { 0.0 }
        })
        .collect();
    let centre = 1.0 - 2.0 * at_least(width / 2 + 1);
    side.iter().rev().copied().chain([centre]).chain(side.iter().copied()).collect()
}

#[test]
fn draws_have_the_exact_probabilities() {
    for (t, width, bins) in
        [(1, 1, 9), (2, 1, 18), (4, 1, 35), (10, 1, 80), (1000, 101, 85), (1 << 20, 100_003, 90)]
    {
        let p = chi_square(
            &histogram(&draws(t, 42, 1_000_000), width, bins),
            &expected(t, width, bins),
        );
        println!("t = {t}: p = {p:.4}");
        assert!(p > FALSE_ALARM, "t = {t}: p = {p:e}");
    }
}

/// The test above notices a scale that is off by two in a hundred.
#[test]
fn the_test_notices_a_slightly_wrong_scale() {
    for t in [98, 102] {
        let p = chi_square(&histogram(&draws(t, 42, 1_000_000), 11, 70), &expected(100, 11, 70));
        assert!(p < FALSE_ALARM, "a scale of {t} passes for 100: p = {p}");
    }
}

/// Mean 0, variance 2 t^2 (1 - 1/(12 t^2) + ...), kurtosis 6, within 5.5 standard errors.
#[test]
fn moments_are_those_of_the_laplace() {
    const COUNT: usize = 1_000_000;
    for (t, seed) in [(1000, 30), (1 << 20, 31), (1 << 40, 32)] {
        let draws = draws(t, seed, COUNT);
        // Even moments are n!; the variance of x^n is (2n)! - (n!)^2.
        for (n, value, variance) in
            [(1, 0.0, 2.0), (2, 2.0, 20.0), (3, 0.0, 720.0), (4, 24.0, 40_320.0 - 576.0)]
        {
            let found =
                draws.iter().map(|&x| (x as f64 / t as f64).powi(n)).sum::<f64>() / COUNT as f64;
            let error = 5.5 * (variance / COUNT as f64).sqrt();
            assert!((found - value).abs() < error, "t = {t}, moment {n}: {found}");
        }
    }
}

#[test]
fn wide_noise_has_the_laplace_shape_and_uniform_low_bits() {
    for (t, seed) in [(1 << 24, 10), (123_456_789, 13), (1 << 40, 14)] {
        let draws = draws(t, seed, 200_000);
        let mut scaled: Vec<f64> = draws.iter().map(|&x| x as f64 / t as f64).collect();
        let cdf = |x: f64| if x < 0.0 { 0.5 * x.exp() } else { 1.0 - 0.5 * (-x).exp() };
        let p = kolmogorov_smirnov(&mut scaled, cdf);
        assert!(p > FALSE_ALARM, "t = {t}: p = {p:e}");
        let mut counts = vec![0; 64];
        for x in draws {
            counts[x.rem_euclid(64) as usize] += 1;
        }
        let p = chi_square(&counts, &[1.0 / 64.0; 64]);
        assert!(p > FALSE_ALARM, "t = {t}: low bits, p = {p:e}");
    }
}

/// Differential test: opendp 0.16's `sample_discrete_laplace`.
#[test]
fn draws_are_distributed_as_opendps() {
    use opendp::traits::samplers::sample_discrete_laplace;
    for (t, width, bins) in [(4_u64, 1, 25), (50, 9, 30)] {
        let theirs: Vec<i64> = (0..15_000)
            .map(|_| {
                let scale = dashu::rational::RBig::from(t);
                i64::try_from(sample_discrete_laplace(scale).unwrap()).unwrap()
            })
            .collect();
        let p = chi_square_two_samples(
            &histogram(&draws(t, 11, 60_000), width, bins),
            &histogram(&theirs, width, bins),
        );
        println!("t = {t}: p = {p:.4}");
        assert!(p > FALSE_ALARM, "t = {t}: p = {p:e}");
    }
}

/// Differential test: prio 0.18's `DiscreteLaplace`, seeded.
#[test]
fn draws_are_distributed_as_prios() {
    use prio::dp::{Rational, distributions::DiscreteLaplace as Theirs};
    use rand::distr::Distribution;
    for (t, width, bins) in [(4_u64, 1, 25), (50, 9, 30)] {
        let sampler = Theirs::new(Rational::from_unsigned(t, 1u64).unwrap()).unwrap();
        let mut rng = noise_stream(&[23; 32]);
        let theirs: Vec<i64> =
            (0..15_000).map(|_| sampler.sample(&mut rng).to_string().parse().unwrap()).collect();
        let p = chi_square_two_samples(
            &histogram(&draws(t, 12, 60_000), width, bins),
            &histogram(&theirs, width, bins),
        );
        println!("t = {t}: p = {p:.4}");
        assert!(p > FALSE_ALARM, "t = {t}: p = {p:e}");
    }
}

#[test]
fn scales_outside_the_range_are_refused() {
    let most = DiscreteLaplace::MAX_SCALE;
    for scale in [0, most + 1] {
        let refused = Err(Error::NoiseScaleOutOfRange { scale, least: 1, most });
        assert_eq!(DiscreteLaplace::new(scale), refused);
    }
    assert_eq!(DiscreteLaplace::new(most).unwrap().scale(), most);
}

/// Determinism, as for the Gaussian.
#[test]
fn a_seed_fixes_every_draw() {
    assert_eq!(draws(4, 7, 8), GOLDEN_4);
    assert_eq!(draws(1 << 40, 7, 4), GOLDEN_2_40);
}

const GOLDEN_4: [i64; 8] = [5, 0, -2, -4, 4, 3, -1, 2];
const GOLDEN_2_40: [i64; 4] =
    [1_582_589_783_226, -148_652_472_795, 265_314_636_244, 1_338_797_891_038];
