//! Sites' sums over patients' vectors: as shipped, and with a planted fault.
//!
//! A vector is cut into blocks, and every block has patients of its own: so one round holds
//! thousands of pairs of neighbouring data sets, each moved by one patient.

use haima_dp::fixed::{ClippedSum, Grid};

/// The sum of one block's patients in grid steps, on the grid of so many bits.
pub(crate) type Encoder = fn(&[Vec<f64>], u8) -> Vec<i64>;

/// Coordinates of a block.
pub(crate) const BLOCK: usize = 16;
/// Every patient's vector is clipped to this norm.
const CLIP: f64 = 1.0;
/// Bits after the binary point in all rounds.
pub(crate) const FRAC_BITS: u8 = 20;
/// D = C/g of those rounds.
pub(crate) const SENSITIVITY: u64 = 1 << FRAC_BITS;

/// As shipped: every patient is clipped and truncated alone, and added in integers.
pub(crate) fn shipped(patients: &[Vec<f64>], frac_bits: u8) -> Vec<i64> {
    let mut sum = ClippedSum::new(CLIP, Grid::new(frac_bits).unwrap(), BLOCK).unwrap();
    assert_eq!(sum.sensitivity().get(), 1 << frac_bits);
    patients.iter().for_each(|patient| sum.add(patient));
    sum.finish().to_vec()
}

/// Planted: clipping left out.
pub(crate) fn unclipped(patients: &[Vec<f64>], frac_bits: u8) -> Vec<i64> {
    let grid = Grid::new(frac_bits).unwrap();
    let steps = |at: usize| patients.iter().map(move |patient| grid.truncate(patient[at]));
    (0..BLOCK).map(|at| steps(at).sum::<Result<i64, _>>().unwrap()).collect()
}

/// Planted: patients, all within the clip norm, are added as reals, and the sum is truncated.
pub(crate) fn truncated_late(patients: &[Vec<f64>], frac_bits: u8) -> Vec<i64> {
    let grid = Grid::new(frac_bits).unwrap();
    let sum = |at: usize| patients.iter().map(|patient| patient[at]).sum::<f64>();
    (0..BLOCK).map(|at| grid.truncate(sum(at)).unwrap()).collect()
}

/// A patient of norm `norm`, all coordinates equal but for signs, which differ from block to block.
pub(crate) fn patient(norm: f64, block: usize) -> Vec<f64> {
    let size = norm / (BLOCK as f64).sqrt();
    (0..BLOCK).map(|at| if (block >> (at % 8)) & 1 == 0 { size } else { -size }).collect()
}

/// Sums of all blocks of a vector.
pub(crate) fn encode(encoder: Encoder, blocks: &[Vec<Vec<f64>>]) -> Vec<i64> {
    blocks.iter().flat_map(|patients| encoder(patients, FRAC_BITS)).collect()
}
