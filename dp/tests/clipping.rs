//! The clip norm that follows a quantile: what it costs, where it goes, what it withstands.

use haima_dp::clipping::{AdaptiveClip, Rule};
use haima_dp::fixed::Grid;
use haima_dp::gauss::DiscreteGaussian;
use haima_dp::norms::norm_squared;
use haima_dp::units::{Rate, Sensitivity};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn rule() -> Rule {
    Rule {
        quantile: Rate::new(0.5).unwrap(),
        rate: 0.2,
        weight: Sensitivity::new(1 << 10).unwrap(),
        expected: 1000.0,
        least: 1e-3,
        most: 1e3,
        grid: Grid::new(16).unwrap(),
    }
}

/// Norms spread evenly in the logarithm from 0.1 to 10: the median is 1, the upper decile 6.3.
fn patients() -> Vec<Vec<f64>> {
    (0..1000).map(|i| vec![0.1 * 100_f64.powf(f64::from(i) / 999.0), 0.0]).collect()
}

/// Noise of a tenth of the sensitivity's 1000 patients moves the fraction by some per cent.
#[test]
fn the_norm_goes_to_the_quantile_under_noise_from_above_and_below() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for (quantile, expected) in [(0.5, 1.0), (0.9, 6.31)] {
        for start in [0.01, 100.0] {
            let rule = Rule { quantile: Rate::new(quantile).unwrap(), ..rule() };
            let mut clip = AdaptiveClip::start(rule, start).unwrap();
            for _ in 0..150 {
                let mut sum = clip.sum(2).unwrap();
                patients().iter().for_each(|patient| sum.add(patient));
                let noise = DiscreteGaussian::new(20 << 10).unwrap().sample(&mut rng);
                let released = i128::from(*sum.finish().last().unwrap()) + i128::from(noise);
                clip = clip.update(released).unwrap();
            }
            let factor = clip.clip() / expected;
            assert!((0.8..1.25).contains(&factor), "{quantile} from {start}: {}", clip.clip());
        }
    }
}

/// Without noise: all within moves the norm by exp(-eta (1 - gamma)), none by exp(eta gamma).
#[test]
fn a_step_is_the_papers() {
    let clip = AdaptiveClip::start(rule(), 1.0).unwrap();
    let all = clip.update(1000 << 10).unwrap().clip();
    let none = clip.update(-(1000 << 10)).unwrap().clip();
    assert!((all - (-0.1_f64).exp()).abs() < 1e-4 && (none - 0.1_f64.exp()).abs() < 1e-4);
    assert!((clip.update(0).unwrap().clip() - 1.0).abs() < 1e-12, "half of them is the median");
}

#[test]
fn no_released_sum_takes_the_norm_out_of_its_bounds() {
    for released in [i128::MIN, i128::MAX, -1, 0, 1] {
        let mut clip = AdaptiveClip::start(rule(), 1.0).unwrap();
        for _ in 0..200 {
            clip = clip.update(released).unwrap();
            assert!((1e-3..=1e3 + 1e-4).contains(&clip.clip()), "{}", clip.clip());
        }
    }
}

#[test]
fn a_rule_without_meaning_is_refused_by_name() {
    let bad = [
        (Rule { rate: f64::NAN, ..rule() }, "rate of the clip norm"),
        (Rule { rate: 0.0, ..rule() }, "rate of the clip norm"),
        (Rule { expected: 0.0, ..rule() }, "expected number"),
        (Rule { least: 0.0, ..rule() }, "least clip norm"),
        (Rule { least: 2.0, most: 1.0, ..rule() }, "range"),
        (Rule { most: f64::INFINITY, ..rule() }, "range"),
        (Rule { most: 1e300, ..rule() }, "sensitivity"),
    ];
    for (rule, name) in bad {
        let error = AdaptiveClip::start(rule, 1.0).unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

proptest! {
    /// S2: one patient more moves vector and count together by no more than what is charged.
    #[test]
    fn a_patient_moves_all_coordinates_by_at_most_the_sensitivity(
        others in prop::collection::vec(prop::collection::vec(-3.0..3.0_f64, 3), 0..5),
        patient in prop::collection::vec(prop_oneof![-3.0..3.0_f64, any::<f64>()], 3),
        start in 0.01..10.0_f64,
        weight in 1..100_000_u64,
    ) {
        let weight = Sensitivity::new(weight).unwrap();
        let clip = AdaptiveClip::start(Rule { weight, ..rule() }, start).unwrap();
        let sum = |patients: &[&Vec<f64>]| {
            let mut sum = clip.sum(3).unwrap();
            patients.iter().for_each(|patient| sum.add(patient));
            sum.finish().to_vec()
        };
        let without: Vec<&Vec<f64>> = others.iter().collect();
        let with: Vec<&Vec<f64>> = others.iter().chain([&patient]).collect();
        let moved: Vec<i64> =
            sum(&with).iter().zip(sum(&without)).map(|(a, b)| a - b).collect();
        let d = u128::from(clip.sensitivity().get());
        prop_assert!(norm_squared(&moved) <= d * d, "{moved:?}");
    }
}
