//! The encoding of patients' vectors: what one patient can move a sum by.

use haima_dp::fixed::{ClippedSum, Grid};
use haima_dp::norms::{Norm, norm_squared};
use proptest::prelude::*;

fn sum_of(clip: f64, bits: u8, len: usize, patients: &[Vec<f64>]) -> Vec<i64> {
    let mut sum = ClippedSum::new(clip, Grid::new(bits).unwrap(), len).unwrap();
    for patient in patients {
        sum.add(patient);
    }
    sum.finish().to_vec()
}

fn steps_allowed(clip: f64, bits: u8) -> u128 {
    u128::from(ClippedSum::new(clip, Grid::new(bits).unwrap(), 0).unwrap().sensitivity().get())
}

/// Asserts, for every patient in turn, that the data sets with and without differ by at most D.
fn assert_neighbours_are_within(clip: f64, bits: u8, len: usize, patients: &[Vec<f64>]) {
    let d = steps_allowed(clip, bits);
    let all = sum_of(clip, bits, len, patients);
    for left_out in 0..patients.len() {
        let mut others = patients.to_vec();
        others.remove(left_out);
        let without = sum_of(clip, bits, len, &others);
        let difference: Vec<i64> = all
            .iter()
            .zip(&without)
            .map(|(a, b)| i64::try_from(i128::from(*a) - i128::from(*b)).unwrap())
            .collect();
        assert!(
            norm_squared(&difference) <= d * d,
            "patient {left_out} moves the sum by more than {d}: {difference:?}"
        );
    }
}

/// Coordinates of all sizes: ordinary, on the grid, huge, tiny, and not a number.
fn coordinate() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -3.0..3.0f64,
        2 => (-4096_i32..4096).prop_map(|x| f64::from(x) / 1024.0),
        1 => any::<f64>(),
        1 => prop_oneof![Just(f64::MAX), Just(f64::MIN_POSITIVE), Just(-0.0), Just(f64::NAN)],
    ]
}

fn cohort() -> impl Strategy<Value = (usize, Vec<Vec<f64>>)> {
    (1usize..12).prop_flat_map(|len| {
        let patient = prop::collection::vec(coordinate(), len);
        (Just(len), prop::collection::vec(patient, 1..6))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// S1, S2: in each norm, removing a patient moves the sum by at most D in that norm.
    #[test]
    fn no_patient_moves_the_sum_further_in_any_norm(
        (len, patients) in cohort(),
        clip in 0.01..4.0f64,
        bits in 0..20u8,
    ) {
        for norm in [Norm::L1, Norm::L2, Norm::Linf] {
            let sum = |patients: &[Vec<f64>]| {
                let grid = Grid::new(bits).unwrap();
                let mut sum = ClippedSum::in_norm(norm, clip, grid, len).unwrap();
                patients.iter().for_each(|patient| sum.add(patient));
                (sum.sensitivity(), sum.finish().to_vec())
            };
            let (d, all) = sum(&patients);
            for left_out in 0..patients.len() {
                let mut others = patients.clone();
                others.remove(left_out);
                let without = sum(&others).1;
                let moved: Vec<i64> = all.iter().zip(&without).map(|(a, b)| a - b).collect();
                prop_assert!(norm.is_within(&moved, d), "{norm:?}: {moved:?} past {d:?}");
            }
        }
    }

    /// S2: the integer L2 distance of neighbouring data sets never exceeds the D that is charged.
    #[test]
    fn no_random_patient_moves_the_sum_by_more_than_the_sensitivity(
        (len, patients) in cohort(),
        clip in prop_oneof![0.01..10.0f64, Just(1.0), Just(2.5), 1e-6..1e-3f64, 1e3..1e6f64],
        bits in 0u8..=40,
    ) {
        assert_neighbours_are_within(clip, bits, len, &patients);
    }

    /// S2: a patient's integers are the same alone, in any batch and in any order.
    #[test]
    fn a_sum_is_the_sum_of_its_patients_in_any_order(
        (len, mut patients) in cohort(),
        bits in 0u8..=30,
    ) {
        let together = sum_of(1.5, bits, len, &patients);
        let mut one_by_one = vec![0_i64; len];
        for patient in &patients {
            let alone = sum_of(1.5, bits, len, std::slice::from_ref(patient));
            one_by_one.iter_mut().zip(alone).for_each(|(sum, x)| *sum += x);
        }
        prop_assert_eq!(&together, &one_by_one);
        patients.reverse();
        prop_assert_eq!(&together, &sum_of(1.5, bits, len, &patients));
    }

    /// S2: truncation alone never lengthens a vector, and a vector within the clip is kept.
    #[test]
    fn a_short_vector_is_only_truncated(v in prop::collection::vec(-0.3..0.3f64, 1..10)) {
        let grid = Grid::new(20).unwrap();
        let kept = sum_of(1.0, 20, v.len(), std::slice::from_ref(&v));
        let truncated: Vec<i64> = v.iter().map(|&x| grid.truncate(x).unwrap()).collect();
        prop_assert_eq!(kept, truncated);
    }
}

/// S2: crafted neighbours, each aimed at one way in which doubles or integers could go wrong.
#[test]
fn no_crafted_patient_moves_the_sum_by_more_than_the_sensitivity() {
    let two_30 = f64::from(1 << 30);
    let cases: Vec<(&str, f64, u8, Vec<Vec<f64>>)> = vec![
        // 2^60 + 1 rounds to 2^60: the doubles say "norm 2^30", the integers say more.
        ("a norm that doubles round down to the clip", two_30, 0, vec![vec![two_30, 1.0]]),
        ("many coordinates a hair below a step", 1.0, 8, vec![vec![0.999_999 / 256.0; 70_000]]),
        ("squares that overflow", 1.0, 10, vec![vec![f64::MAX; 64], vec![-1e200; 64]]),
        ("squares that underflow", 1e-3, 40, vec![vec![f64::MIN_POSITIVE; 64]]),
        ("one NaN", 1.0, 10, vec![vec![0.5, f64::NAN], vec![0.5, 0.5]]),
        ("infinities of both signs", 1.0, 10, vec![vec![f64::INFINITY, f64::NEG_INFINITY]]),
        ("the clip itself, between two grid points", 0.999, 3, vec![vec![0.999], vec![-0.999]]),
        ("all at the clip, the same way", 2.0, 12, vec![vec![2.0, 0.0, 0.0]; 9]),
    ];
    for (name, clip, bits, patients) in cases {
        println!("{name}");
        assert_neighbours_are_within(clip, bits, patients[0].len(), &patients);
    }
}

/// S2: a large cohort of vectors whose doubles sit exactly at the clip.
#[test]
fn long_vectors_on_the_sphere_stay_within_the_sensitivity() {
    for len in [1_000usize, 100_000] {
        for clip in [1.0, 3.7, two_pow(20)] {
            let patient: Vec<f64> = (0..len).map(|i| ((i * 7919) % 1013) as f64 - 500.0).collect();
            assert_neighbours_are_within(clip, 30, len, &[patient]);
        }
    }
}

fn two_pow(exponent: i32) -> f64 {
    2.0f64.powi(exponent)
}

/// S5: nothing in the data makes adding fail; what is unusable counts as zero.
#[test]
fn unusable_vectors_count_as_zero_and_are_counted_locally() {
    let mut sum = ClippedSum::new(1.0, Grid::new(10).unwrap(), 2).unwrap();
    sum.add(&[f64::NAN, 0.0]);
    sum.add(&[0.0, f64::NEG_INFINITY]);
    sum.add(&[0.1]);
    sum.add(&[]);
    sum.add(&[3.0, 4.0]);
    assert_eq!((sum.left_out(), sum.clipped()), (4, 1));
    assert_eq!(*sum.finish(), [614, 819]);
}

/// S2, S5: sums beyond 64 bits are clamped once, so they come no further apart and forget nothing.
#[test]
fn a_sum_beyond_64_bits_keeps_its_sensitivity() {
    let clip = two_pow(61);
    let huge = vec![clip, 0.0];
    let mut patients = vec![huge; 9];
    patients.push(vec![0.0, clip]);
    assert_neighbours_are_within(clip, 0, 2, &patients);
    assert_eq!(sum_of(clip, 0, 2, &patients), vec![i64::MAX, 1 << 61]);
    // What overshoots on the way comes back: the clamp is at the end, not at every step.
    let mut back = patients[..9].to_vec();
    back.extend(vec![vec![-clip, 0.0]; 9]);
    assert_eq!(sum_of(clip, 0, 2, &back), vec![0, 0]);
}

#[test]
fn an_empty_cohort_sums_to_zero() {
    assert_eq!(sum_of(1.0, 10, 3, &[]), vec![0, 0, 0]);
}
