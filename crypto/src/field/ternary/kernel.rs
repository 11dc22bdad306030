//! Sums of r_i y_i for r = b0 + b1 in {0, 1, 2} packed 2 bits each and signed 16-bit digits y:
//! one form for any processor, one for x86 with AVX2, with the same exact results.

use crate::field::vectorised;

/// Columns whose 2-bit entries fill 16 words of 16 bits.
pub(super) const GROUP: usize = 128;

/// Digits of 128 values: \[q\]\[j\]\[i\] is digit j of the value at column 8 i + q, which is where
/// word i has bits 2q and 2q + 1.
pub(super) type Group<const L: usize> = [[[i16; 16]; L]; 8];

/// Cuts at most 128 values into digits, each less its bias (0 or 2^15); zeros behind them.
pub(super) fn digits<T, const L: usize>(
    values: &[T],
    word: impl Fn(&T) -> u128,
    biases: [u16; L],
    group: &mut Group<L>,
) {
    for i in 0..16 {
        for q in 0..8 {
            let word = values.get(8 * i + q).map_or(0, &word);
            for j in 0..L {
                group[q][j][i] = ((word >> (16 * j)) as u16 ^ biases[j]) as i16;
            }
        }
    }
}

/// sum_i r_i.
pub(super) fn ones(row: &[[u8; 32]]) -> i64 {
    vectorised(|| {
        let words = row.as_flattened().chunks_exact(8);
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        words.map(|bytes| i64::from(word(bytes).count_ones())).sum()
    })
}

/// sum_i r_i y_i for each digit, over at most 64 groups.
pub(super) fn dot<const L: usize>(row: &[[u8; 32]], groups: &[Group<L>]) -> [i64; L] {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(|| dot_avx2(simd, row, groups));
    }
    dot_portable(row, groups)
}

/// The form for any processor. Sums stay below 64 * 128 * 2 * 2^15 = 2^29.
#[inline(always)]
pub(super) fn dot_portable<const L: usize>(row: &[[u8; 32]], groups: &[Group<L>]) -> [i64; L] {
    let mut sums = [[0i32; 16]; L];
    for (bytes, group) in row.iter().zip(groups) {
        let mut pairs = [0u16; 16];
        for (pair, bytes) in pairs.iter_mut().zip(bytes.chunks_exact(2)) {
            let word = u16::from_le_bytes([bytes[0], bytes[1]]);
            *pair = word - (word >> 1 & 0x5555);
        }
        for (q, digits) in group.iter().enumerate() {
            for (sums, digits) in sums.iter_mut().zip(digits) {
                for i in 0..16 {
                    sums[i] += i32::from((pairs[i] >> (2 * q) & 3) as i16) * i32::from(digits[i]);
                }
            }
        }
    }
    sums.map(|sums| sums.iter().map(|sum| i64::from(*sum)).sum())
}

/// The form for AVX2: products of 16 pairs are added two by two.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn dot_avx2<const L: usize>(
    simd: pulp::x86::V3,
    row: &[[u8; 32]],
    groups: &[Group<L>],
) -> [i64; L] {
    use std::arch::x86_64::__m256i;
    let avx2 = simd.avx2;
    let mut sums = [pulp::cast::<[i32; 8], __m256i>([0; 8]); L];
    let (odd, three) = (pulp::cast([0x5555u16; 16]), pulp::cast([3u16; 16]));
    for (bytes, group) in row.iter().zip(groups) {
        let words: __m256i = pulp::cast(*bytes);
        let halves = avx2._mm256_and_si256(avx2._mm256_srli_epi16::<1>(words), odd);
        let mut pairs = avx2._mm256_sub_epi16(words, halves);
        for digits in group {
            let r = avx2._mm256_and_si256(pairs, three);
            pairs = avx2._mm256_srli_epi16::<2>(pairs);
            for (sum, digits) in sums.iter_mut().zip(digits) {
                let products = avx2._mm256_madd_epi16(r, pulp::cast(*digits));
                *sum = avx2._mm256_add_epi32(*sum, products);
            }
        }
    }
    sums.map(|sum| pulp::cast::<__m256i, [i32; 8]>(sum).iter().map(|sum| i64::from(*sum)).sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_form_gives_the_same_sums(
            row in prop::collection::vec(any::<[u8; 32]>(), 0..5),
            digit: [i16; 7],
            extreme: bool,
        ) {
            let groups: Vec<Group<3>> = (0..row.len()).map(|at| {
                let mut group = [[[0; 16]; 3]; 8];
                for (i, y) in group.as_flattened_mut().as_flattened_mut().iter_mut().enumerate() {
                    *y = if extreme { i16::MIN } else { digit[i % 7].wrapping_mul((i + at) as i16) };
                }
                group
            }).collect();
            prop_assert_eq!(dot(&row, &groups), dot_portable(&row, &groups));
            let ones_digit = [[[[1i16; 16]; 3]; 8]; 4];
            prop_assert_eq!(dot_portable(&row, &ones_digit)[0], ones(&row));
        }
    }

    #[test]
    fn the_largest_block_does_not_overflow() {
        let groups = [[[[i16::MIN; 16]; 1]; 8]; 64];
        let row = [[0xff; 32]; 64];
        assert_eq!(dot(&row, &groups), [-(64 * 128) << 16]);
        assert_eq!(dot_portable(&row, &groups), [-(64 * 128) << 16]);
    }
}
