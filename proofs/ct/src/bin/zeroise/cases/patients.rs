//! Cases of dp: noise, samples, and sums over patients.

use std::hint::black_box;

use haima_dp::clipping::{AdaptiveClip, AdaptiveSum, Rule};
use haima_dp::fixed::{ClippedSum, Grid};
use haima_dp::noise::NoiseScale;
use haima_dp::sampler::{Batch, PoissonSampler};
use haima_dp::units::{Rate, Sensitivity};
use zeroize::Zeroizing;

use super::{Value, Weak, little_endian};

pub(super) fn noise() -> Zeroizing<Vec<i64>> {
    NoiseScale::new(1 << 40).expect("a scale").draw(&[9; 32], 8)
}

pub(super) fn sampler() -> PoissonSampler {
    PoissonSampler::new(Rate::new(0.5).expect("a rate"), &mut Weak(1))
}

pub(super) fn batch() -> Batch {
    sampler().draw(64, 100)
}

/// Who takes part, a byte a patient.
pub(super) fn taken() -> Vec<u8> {
    let batch = batch();
    (0..64).map(|patient| u8::from(batch.takes(patient))).collect()
}

pub(super) const PATIENT: [f64; 3] = [1234.567_89, -9876.543_21, 55.443_322];

/// A site's sum over two patients.
pub(super) fn clipped_sum() -> ClippedSum {
    let grid = Grid::new(20).expect("a grid");
    let mut sum = ClippedSum::new(30_000.0, grid, PATIENT.len()).expect("a sum");
    sum.add(&black_box([1.0, 2.0, 3.0]));
    sum.add(&black_box(PATIENT));
    sum
}

/// The sum, in steps, as it lies in memory.
pub(super) fn steps() -> Vec<u8> {
    clipped_sum().finish().iter().flat_map(|sum| i128::from(*sum).to_le_bytes()).collect()
}

/// The same two patients under a clip norm that adapts.
pub(super) fn adaptive_sum() -> AdaptiveSum {
    let rule = Rule {
        quantile: Rate::new(0.5).expect("a quantile"),
        rate: 0.2,
        weight: Sensitivity::new(1 << 10).expect("a weight"),
        expected: 2.0,
        least: 1.0,
        most: 30_000.0,
        grid: Grid::new(20).expect("a grid"),
    };
    let clip = AdaptiveClip::start(rule, 30_000.0).expect("a clip norm");
    let mut sum = clip.sum(PATIENT.len()).expect("a sum");
    sum.add(&black_box([1.0, 2.0, 3.0]));
    sum.add(&black_box(PATIENT));
    sum
}

/// The sum without the count.
pub(super) fn adaptive_steps() -> Vec<u8> {
    little_endian(&clipped_sum().finish())
}

/// The answer, which wipes itself: a vector that grew for the count would be left.
pub(super) fn adaptive_finish() -> Value {
    Some(Box::new(adaptive_sum().finish()))
}
