//! S2, first form: D covers what rounding does to a sum of doubles that is truncated once.

use haima_dp::fixed::Grid;
use haima_dp::units::Sensitivity;
use proptest::prelude::*;

fn bound(clip: f64, frac_bits: u8, dimension: usize, patients: usize) -> u64 {
    let grid = Grid::new(frac_bits).expect("a grid");
    Sensitivity::of_float_sum(clip, grid, dimension as u64, patients as u64).expect("a bound").get()
}

/// Clipped as the book-keeping sum clips: a factor in doubles on every coordinate.
fn add(sum: &mut [f64], vector: &[f64], clip: f64) {
    let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    let factor = if norm > clip { clip / norm } else { 1.0 };
    sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += factor * x);
}

fn truncated(sum: &[f64], frac_bits: u8) -> Vec<i128> {
    sum.iter().map(|x| (x * 2f64.powi(i32::from(frac_bits))) as i128).collect()
}

/// Whether two vectors are at most `bound` apart, in whole numbers.
fn within(one: &[i128], two: &[i128], bound: u64) -> bool {
    let square: i128 = one.iter().zip(two).map(|(a, b)| (a - b) * (a - b)).sum();
    square <= i128::from(bound) * i128::from(bound)
}

/// ceil((1 + (d + 8) u) (1 + 2 gamma n) C/g + sqrt(d)) in exact fractions, by hand (Python's
/// `fractions`).
#[test]
fn the_bound_is_the_hand_computed_one() {
    assert_eq!(bound(1.0, 16, 100, 10), 65_547);
    assert_eq!(bound(1.0, 16, 2, 1), 65_538);
    assert_eq!(bound(0.5, 20, 33, 1_000), 524_294);
    // 10^-12 of it, which covers the computation, is 1.1 here, and 0.003 in the next.
    let exact = 1_099_514_069_333;
    assert!((exact..=exact + 2).contains(&bound(1.0, 40, 10_000, 100_000)));
    assert!((0..=1).contains(&(bound(3.0, 30, 1 << 20, 100_000) - 3_221_233_650)));
}

#[test]
fn nothing_is_claimed_where_nothing_is_proven() {
    let grid = Grid::new(16).expect("a grid");
    for (dimension, patients) in [(1, 1 << 52), (1, u64::MAX), (1 << 52, 1), (u64::MAX, 1)] {
        assert!(Sensitivity::of_float_sum(1.0, grid, dimension, patients).is_err());
    }
    for clip in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX] {
        assert!(Sensitivity::of_float_sum(clip, grid, 1, 1).is_err());
    }
}

/// A patient of norm below 1 who moves a large sum by more than 1: both coordinates are rounded up.
/// C/g + sqrt(d) alone would not cover it.
#[test]
fn rounding_a_large_sum_moves_it_by_more_than_the_clip_norm() {
    let large: f64 = 1000.0;
    let ulp = 2f64.powi(-43);
    assert_eq!(large + 0.4 * ulp, large);
    let up = |x: f64| (large + x) - large - x;
    let patient = (1..10_000).find_map(|k| {
        let x = 0.7 + 0.55 * ulp + f64::from(k) * 1e-6;
        // Just over half a unit in the last place, so that it is rounded up.
        let x = (x / ulp).floor() * ulp + 0.51 * ulp;
        let y = (1.0 - x * x).sqrt() * (1.0 - 2f64.powi(-52));
        (up(y) > 0.45 * ulp).then_some([x, y])
    });
    let patient = patient.expect("one of them is rounded up twice");
    assert!(patient.iter().map(|x| x * x).sum::<f64>() <= 1.0);
    let (with, without) = ([large + patient[0], large + patient[1]], [large; 2]);
    let (with, without) = (truncated(&with, 52), truncated(&without, 52));
    let naive = (2f64.powi(52) + 2f64.sqrt()).ceil() as u64;
    assert!(!within(&with, &without, naive));
    assert!(within(&with, &without, bound(1.0, 52, 2, 1001)));
}

/// 100,000 patients pull the same way; one less moves the sum by no more than D.
#[test]
fn a_hundred_thousand_patients_stay_within_the_bound() {
    let patients = 100_000;
    let sum = |left_out: usize| {
        let mut sum = [0.0; 3];
        for i in (0..patients).filter(|i| *i != left_out) {
            let tilt = 1.0 + f64::from(i as u32 % 7);
            add(&mut sum, &[tilt, 1.0 / tilt, -0.3], 0.1);
        }
        truncated(&sum, 50)
    };
    let all = sum(patients);
    for left_out in [0, 1, 50_000, 99_999] {
        assert!(within(&all, &sum(left_out), bound(0.1, 50, 3, patients)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Patients who cancel each other all but for their last bits, of any size before they are
    /// clipped, in any order; added one by one and in groups. One is left out.
    #[test]
    fn cancelling_patients_in_any_order_stay_within_the_bound(
        shapes in prop::collection::vec(
            (prop::collection::vec(-1.0..1.0f64, 5), -30..30i32, any::<bool>()),
            1..60,
        ),
        clip in 1e-3..10.0f64,
        frac_bits in 8..52u8,
        left_out in any::<prop::sample::Index>(),
        group in 1..9usize,
    ) {
        // Every patient is followed by the opposite, a little off.
        let mut patients: Vec<Vec<f64>> = Vec::new();
        for (direction, exponent, nudge) in &shapes {
            let scaled = |factor: f64| direction.iter().map(|x| x * factor).collect::<Vec<f64>>();
            let size = 2f64.powi(*exponent);
            patients.push(scaled(size));
            patients.push(scaled(-size * if *nudge { 1.0 + 1e-15 } else { 1.0 - 1e-7 }));
        }
        let left_out = left_out.index(patients.len());
        let sum = |group: usize, take: &dyn Fn(usize) -> bool| {
            let mut total = vec![0.0; 5];
            let own: Vec<&Vec<f64>> =
                patients.iter().enumerate().filter(|(i, _)| take(*i)).map(|(_, v)| v).collect();
            for group in own.chunks(group) {
                let mut part = vec![0.0; 5];
                group.iter().for_each(|vector| add(&mut part, vector, clip));
                total.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
            truncated(&total, frac_bits)
        };
        let bound = bound(clip, frac_bits, 5, patients.len());
        let all = sum(group, &|_| true);
        // The neighbour is grouped otherwise too: chunks shift when a patient leaves.
        for group in [group, 1] {
            prop_assert!(within(&all, &sum(group, &|i| i != left_out), bound));
        }
    }
}
