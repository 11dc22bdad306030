//! Inner products with rows of a public pseudorandom matrix over {-1, 0, 1}: the wrap-around
//! checks of PINE (arXiv 2311.10237, section 3; draft-chen-cfrg-vdaf-pine, PoC `vdaf_pine.py`).
//!
//! S_k = sum_i R\[k\]\[i\] x_i. The matrix is read from a stream, one byte for 4 entries, 2 bits
//! each from the least significant: 00 is -1, 01 and 10 are 0, 11 is +1, that is b0 + b1 - 1.
//! Every row starts on a fresh byte. The rows are public, the values secret: branches and indices
//! depend on the rows and on lengths alone.
//!
//! Values are cut into signed 16-bit digits, x = sum_j 2^(16 j) (y_j + bias_j), and
//! sum_i (b0 + b1) y_j is summed exactly in 32 and then 64 bits with the processor's multiply and
//! add of 16-bit pairs. Then S = sum_j 2^(16 j) (sum_i (r_i - 1) y_j + bias_j (sum_i r_i - n))
//! with r = b0 + b1. One reduction a row is left.
//!
//! A stream that can be read from any byte is read by blocks of columns, so that the digits of a
//! block are made once for all rows; memory is a fixed number of bytes a row.

mod kernel;

use zeroize::Zeroizing;

use self::kernel::{GROUP, Group, dot, ones};
use super::Field;
use crate::xof::ByteStream;

/// Groups of columns whose digits stay in the first cache while the rows pass.
const INNER: usize = 16;
/// Groups of columns for which the rows are read at once.
const OUTER: usize = 64;
/// Rows that are read at once.
const ROWS: usize = 128;

/// The inner products of `values` with `rows` rows of the stream.
#[must_use]
pub fn dots<F: Field, S: ByteStream>(
    values: &[F],
    rows: usize,
    stream: &mut S,
) -> Zeroizing<Vec<F>> {
    let word = |value: &F| value.to_u128();
    match F::BYTES.div_ceil(2) {
        0..=2 => elements(&sums::<F, S, 2>(values, rows, stream, word, [BIAS; 2])),
        3 => elements(&sums::<F, S, 3>(values, rows, stream, word, [BIAS; 3])),
        4 => elements(&sums::<F, S, 4>(values, rows, stream, word, [BIAS; 4])),
        _ => elements(&sums::<F, S, 8>(values, rows, stream, word, [BIAS; 8])),
    }
}

/// The same for plain integers, exactly.
#[must_use]
pub fn dots_integers<S: ByteStream>(
    values: &[i64],
    rows: usize,
    stream: &mut S,
) -> Zeroizing<Vec<i128>> {
    // The top digit is signed by itself.
    let word = |value: &i64| u128::from(*value as u64);
    let sums = sums::<i64, S, 4>(values, rows, stream, word, [BIAS, BIAS, BIAS, 0]);
    // Below 2^17 len 2^(16 j): no overflow for any length that fits memory.
    let total = |digits: &[i64; 4]| {
        digits.iter().rev().fold(0, |sum: i128, digit| (sum << 16) + i128::from(*digit))
    };
    Zeroizing::new(sums.iter().map(total).collect())
}

/// A sum a row and digit.
type Sums<const L: usize> = Zeroizing<Vec<[i64; L]>>;

/// What a digit of an unsigned word is lowered by to fit 16 signed bits.
const BIAS: u16 = 0x8000;

/// sum_j 2^(16 j) digit_j in the field, a row.
fn elements<F: Field, const L: usize>(rows: &[[i64; L]]) -> Zeroizing<Vec<F>> {
    let small = |value: u64| F::from_u64(value).unwrap_or_default();
    let shift = small(1 << 8) * small(1 << 8);
    let element = |value: i64| {
        let piece = |at: u32| small(value as u64 >> at & 0xffff);
        let top = F::from_i64(value >> 48).unwrap_or_default();
        [piece(32), piece(16), piece(0)].into_iter().fold(top, |sum, piece| sum * shift + piece)
    };
    let total = |digits: &[i64; L]| {
        digits.iter().rev().fold(F::ZERO, |sum, digit| sum * shift + element(*digit))
    };
    Zeroizing::new(rows.iter().map(total).collect())
}

/// sum_i R\[k\]\[i\] (digit j of value i), for each row k.
fn sums<T, S: ByteStream, const L: usize>(
    values: &[T],
    rows: usize,
    stream: &mut S,
    word: impl Fn(&T) -> u128,
    biases: [u16; L],
) -> Sums<L> {
    let row_bytes = values.len().div_ceil(4);
    let mut sums = Zeroizing::new(vec![[0; L]; rows]);
    if S::SEEKABLE {
        let mut scratch = Scratch::<L>::new(rows.min(ROWS));
        for (number, values) in values.chunks(OUTER * GROUP).enumerate() {
            let offset = number * OUTER * GROUP / 4;
            scratch.load(values, &word, biases);
            for (group, sums) in sums.chunks_mut(ROWS).enumerate() {
                for (row, bytes) in (group * ROWS..).zip(scratch.rows.iter_mut()).take(sums.len()) {
                    stream.seek((row * row_bytes + offset) as u64);
                    stream.fill(row_slice(bytes, values.len()));
                }
                scratch.add(sums, biases);
            }
        }
        stream.seek((rows * row_bytes) as u64);
        return sums;
    }
    let mut scratch = Scratch::<L>::new(1);
    for sum in sums.chunks_mut(1) {
        for values in values.chunks(OUTER * GROUP) {
            scratch.load(values, &word, biases);
            for bytes in &mut scratch.rows {
                stream.fill(row_slice(bytes, values.len()));
            }
            scratch.add(sum, biases);
        }
    }
    sums
}

/// The bytes of a row's block for `len` entries; what is behind them counts zeros.
fn row_slice(bytes: &mut [[u8; 32]; OUTER], len: usize) -> &mut [u8] {
    bytes.as_flattened_mut().get_mut(..len.div_ceil(4)).unwrap_or_default()
}

/// One block: digits of its values, and the rows.
struct Scratch<const L: usize> {
    groups: Zeroizing<Vec<Group<L>>>,
    totals: Zeroizing<Vec<[i64; L]>>,
    rows: Vec<[[u8; 32]; OUTER]>,
}

impl<const L: usize> Scratch<L> {
    fn new(rows: usize) -> Self {
        let rows = vec![[[0; 32]; OUTER]; rows];
        Self { groups: Zeroizing::default(), totals: Zeroizing::default(), rows }
    }

    /// Cuts values into digits, with zeros behind.
    fn load<T>(&mut self, values: &[T], word: impl Fn(&T) -> u128, biases: [u16; L]) {
        self.groups.resize(values.len().div_ceil(GROUP), [[[0; 16]; L]; 8]);
        for (group, values) in self.groups.iter_mut().zip(values.chunks(GROUP)) {
            kernel::digits(values, &word, biases, group);
        }
        // Every entry 1 in a row of alternating bits.
        let all_ones = [[0x55; 32]; INNER];
        self.totals.clear();
        self.totals.extend(self.groups.chunks(INNER).map(|groups| dot(&all_ones, groups)));
    }

    /// Adds each row's sums of this block.
    fn add(&self, sums: &mut [[i64; L]], biases: [u16; L]) {
        let blocks = self.groups.chunks(INNER).zip(self.totals.iter());
        for (number, (groups, total)) in blocks.enumerate() {
            for (sum, row) in sums.iter_mut().zip(&self.rows) {
                let start = number * INNER;
                let bytes = row.get(start..start + groups.len()).unwrap_or_default();
                let found = dot(bytes, groups);
                let surplus = ones(bytes) - (groups.len() * GROUP) as i64;
                for l in 0..L {
                    sum[l] += found[l] - total[l] + i64::from(biases[l]) * surplus;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
