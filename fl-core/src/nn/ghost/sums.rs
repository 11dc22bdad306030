//! Sums of outer products in doubles: sum_r c_r a_r b_r^T, the product that book-keeping ends with.
//!
//! The sum of each coordinate is the plain one over its rows, in order (no Strassen), which is what
//! the bound of rule S2 counts on ([`haima_dp::units::Sensitivity::of_float_sum`]). Rows are packed
//! into panels so that a block of sums stays in registers; the vector instructions of the machine are
//! chosen at run time.

/// Columns of a block of sums, and its rows.
const WIDE: usize = 16;
const HIGH: usize = 4;

/// Squared L2 norm.
pub(super) fn square(values: &[f32]) -> f64 {
    let (lanes, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for lane in lanes {
        sums.iter_mut().zip(lane).for_each(|(sum, x)| *sum += f64::from(*x) * f64::from(*x));
    }
    let rest: f64 = rest.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Adds sum_r c_r (a_r, 1) b_r^T to `sum`, `[inputs (+ 1 with a bias), outputs]` by rows, where a is
/// `[rows, inputs]` and b `[rows, outputs]`. A row with c_r = 0 adds nothing, whatever it holds.
pub(super) fn add_outer(
    factors: &[f64],
    (a, inputs): (&[f32], usize),
    (b, outputs): (&[f32], usize),
    bias: bool,
    sum: &mut [f64],
) {
    let rows = factors.len();
    if rows == 0 || outputs == 0 {
        return;
    }
    let left = panels::<HIGH>((a, inputs), bias, factors, |value, _| value);
    let right = panels::<WIDE>((b, outputs), false, factors, |value, factor| factor * value);
    pulp::Arch::new().dispatch(Blocks { left: &left, right: &right, rows, outputs, sum });
}

/// The product of panels, added to the sums.
struct Blocks<'a> {
    left: &'a [[f64; HIGH]],
    right: &'a [[f64; WIDE]],
    rows: usize,
    outputs: usize,
    sum: &'a mut [f64],
}

impl pulp::WithSimd for Blocks<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { left, right, rows, outputs, sum } = self;
        for (left, sums) in left.chunks(rows).zip(sum.chunks_mut(HIGH * outputs)) {
            for (index, right) in right.chunks(rows).enumerate() {
                let mut block = [[0.0; WIDE]; HIGH];
                multiply(simd, left, right, &mut block);
                for (block, sums) in block.iter().zip(sums.chunks_mut(outputs)) {
                    let places = sums.iter_mut().skip(index * WIDE);
                    places.zip(block).for_each(|(sum, value)| *sum += value);
                }
            }
        }
    }
}

/// One block of sums: two vectors of each of its rows at a time, kept in registers. A product is
/// rounded before it is added, so every machine's vectors give the same sums.
#[inline(always)]
fn multiply<S: pulp::Simd>(
    simd: S,
    left: &[[f64; HIGH]],
    right: &[[f64; WIDE]],
    block: &mut [[f64; WIDE]; HIGH],
) {
    let (right, _) = S::as_simd_f64s(right.as_flattened());
    let vectors = WIDE / S::F64_LANES;
    for first in (0..vectors).step_by(2) {
        let mut sums = [[simd.splat_f64s(0.0); 2]; HIGH];
        for (a, b) in left.iter().zip(right.chunks_exact(vectors)) {
            let Some(&[low, high]) = b.get(first..first + 2) else { return };
            for (sums, a) in sums.iter_mut().zip(a) {
                let a = simd.splat_f64s(*a);
                let [below, above] = sums;
                *below = simd.add_f64s(*below, simd.mul_f64s(a, low));
                *above = simd.add_f64s(*above, simd.mul_f64s(a, high));
            }
        }
        for (block, sums) in block.iter_mut().zip(sums) {
            let (block, _) = S::as_mut_simd_f64s(block);
            block.iter_mut().skip(first).zip(sums).for_each(|(place, sum)| *place = sum);
        }
    }
}

/// `[columns / N, rows, N]`, padded by zeros, with a column of ones behind where `one` says so; rows
/// with factor 0 are zeros.
fn panels<const N: usize>(
    (values, width): (&[f32], usize),
    one: bool,
    factors: &[f64],
    scaled: impl Fn(f64, f64) -> f64,
) -> Vec<[f64; N]> {
    let rows = factors.len();
    let mut panels = vec![[0.0; N]; (width + usize::from(one)).div_ceil(N) * rows];
    for (row, factor) in factors.iter().enumerate() {
        // Not skipped: the time must not tell how many rows there are (rule S5).
        let value = |value: f64| if *factor == 0.0 { 0.0 } else { scaled(value, *factor) };
        let own = values.get(row * width..(row + 1) * width).unwrap_or_default();
        for (panel, part) in panels.iter_mut().skip(row).step_by(rows).zip(own.chunks(N)) {
            panel.iter_mut().zip(part).for_each(|(place, part)| *place = value(f64::from(*part)));
        }
        if one && let Some(panel) = panels.get_mut(width / N * rows + row) {
            panel[width % N] = value(1.0);
        }
    }
    panels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::SplitMix64;

    #[test]
    fn the_blocks_give_the_sum_of_outer_products_at_every_size() {
        let mut random = SplitMix64::new(7);
        let mut draw =
            |len: usize| -> Vec<f32> { (0..len).map(|_| random.symmetric() as f32).collect() };
        for (rows, inputs, outputs, bias) in [
            (1, 1, 1, true),
            (5, 3, 2, false),
            (64, 32, 64, true),
            (7, 0, 17, true),
            (3, 9, 33, true),
        ] {
            let (a, b) = (draw(rows * inputs), draw(rows * outputs));
            let factors: Vec<f64> = draw(rows).iter().map(|c| f64::from(*c)).collect();
            let high = inputs + usize::from(bias);
            let (mut sum, mut plain) = (vec![1.0; high * outputs], vec![1.0; high * outputs]);
            add_outer(&factors, (&a, inputs), (&b, outputs), bias, &mut sum);
            for (row, factor) in factors.iter().enumerate() {
                for i in 0..high {
                    let a = if i < inputs { f64::from(a[row * inputs + i]) } else { 1.0 };
                    for j in 0..outputs {
                        let b = f64::from(b[row * outputs + j]);
                        plain[i * outputs + j] += factor * a * b;
                    }
                }
            }
            for (ours, plain) in sum.iter().zip(plain) {
                assert!((ours - plain).abs() < 1e-13, "{rows} {inputs} {outputs}: {ours} {plain}");
            }
        }
    }

    #[test]
    fn a_row_of_factor_zero_adds_nothing_whatever_it_holds() {
        let mut sum = [0.0; 2];
        add_outer(&[0.0, 0.5], (&[f32::NAN, 2.0], 1), (&[f32::INFINITY, 3.0], 1), true, &mut sum);
        assert_eq!(sum, [3.0, 1.5]);
        add_outer(&[], (&[], 1), (&[], 1), true, &mut sum);
        assert_eq!(sum, [3.0, 1.5]);
    }

    #[test]
    fn squares_are_added_at_every_length() {
        for n in [0u16, 1, 7, 8, 9, 30] {
            let values: Vec<f32> = (0..n).map(f32::from).collect();
            let n = f64::from(n);
            assert_eq!(square(&values), n * (n - 1.0) * (2.0 * n - 1.0) / 6.0);
        }
    }
}
