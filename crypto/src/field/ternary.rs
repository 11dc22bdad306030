//! Inner products with rows of a public pseudorandom matrix over {-1, 0, 1}: the wrap-around
//! checks of PINE (arXiv 2311.10237, section 3; draft-chen-cfrg-vdaf-pine, PoC `vdaf_pine.py`).
//!
//! S_k = sum_i R\[k\]\[i\] x_i. The matrix is read from a stream, one byte for 4 entries, 2 bits
//! each from the least significant: 00 is -1, 01 and 10 are 0, 11 is +1, that is b0 + b1 - 1.
//! Every row starts on a fresh byte. The rows are public, the values secret: branches and indices
//! depend on the rows and on lengths alone.

use zeroize::Zeroizing;

use super::Field;
use crate::xof::ByteStream;

/// Bytes of the stream read at a time.
const CHUNK: usize = 1024;

/// The inner products of `values` with `rows` rows of the stream.
#[must_use]
pub fn dots<F: Field, S: ByteStream>(
    values: &[F],
    rows: usize,
    stream: &mut S,
) -> Zeroizing<Vec<F>> {
    let mut sums = Zeroizing::new(vec![F::ZERO; rows]);
    each_entry(values.len(), rows, stream, |row, index, entry| {
        if let (Some(sum), Some(value)) = (sums.get_mut(row), values.get(index)) {
            match entry {
                -1 => *sum -= *value,
                1 => *sum += *value,
                _ => {}
            }
        }
    });
    sums
}

/// The same for plain integers, exactly.
#[must_use]
pub fn dots_integers<S: ByteStream>(
    values: &[i64],
    rows: usize,
    stream: &mut S,
) -> Zeroizing<Vec<i128>> {
    let mut sums = Zeroizing::new(vec![0; rows]);
    each_entry(values.len(), rows, stream, |row, index, entry| {
        if let (Some(sum), Some(value)) = (sums.get_mut(row), values.get(index)) {
            *sum += i128::from(entry) * i128::from(*value);
        }
    });
    sums
}

/// Reads the matrix row by row and calls `take(row, column, entry)`.
fn each_entry<S: ByteStream>(
    len: usize,
    rows: usize,
    stream: &mut S,
    mut take: impl FnMut(usize, usize, i8),
) {
    let mut buffer = [0; CHUNK];
    for row in 0..rows {
        let mut start = 0;
        while start < len {
            let count = (len - start).min(4 * CHUNK);
            let Some(bytes) = buffer.get_mut(..count.div_ceil(4)) else { return };
            stream.fill(bytes);
            for offset in 0..count {
                let bits = bytes.get(offset / 4).map_or(0, |byte| byte >> (2 * (offset % 4)));
                take(row, start + offset, (bits & 1) as i8 + (bits >> 1 & 1) as i8 - 1);
            }
            start += count;
        }
    }
}
