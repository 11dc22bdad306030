//! Dense tables, row-major with the last attribute fastest, and the maps between them.

/// Number of cells; `None` past `limit`.
pub(crate) fn cells(sizes: impl IntoIterator<Item = usize>, limit: usize) -> Option<usize> {
    sizes.into_iter().try_fold(1, usize::checked_mul).filter(|cells| *cells <= limit)
}

/// The cell of a small table for every cell of a large one: the sum, over the large table's
/// attributes, of what each level adds (`offsets`, one list a dimension; zeros where the small table
/// does not have the attribute).
pub(crate) fn map(offsets: &[Vec<u32>]) -> Vec<u32> {
    let mut cells = vec![0u32];
    for levels in offsets {
        let mut next = Vec::with_capacity(cells.len() * levels.len());
        for cell in &cells {
            next.extend(levels.iter().map(|offset| cell + offset));
        }
        cells = next;
    }
    cells
}

/// What each level of `large`'s attributes adds to the cell of a table over `small`, whose sizes are
/// `sizes` and whose levels are `level(attribute, level of the large table)`.
pub(crate) fn offsets(
    large: &[usize],
    large_sizes: &[usize],
    small: &[usize],
    sizes: &[usize],
    level: impl Fn(usize, usize) -> usize,
) -> Vec<Vec<u32>> {
    let of =
        |(&attribute, &size): (&usize, &usize)| match small.iter().position(|s| *s == attribute) {
            None => vec![0; size],
            Some(place) => {
                let stride: usize = sizes.iter().skip(place + 1).product();
                (0..size).map(|l| (level(place, l) * stride) as u32).collect()
            }
        };
    large.iter().zip(large_sizes).map(of).collect()
}

/// The map from a table over `large` to one over its subset `small`, both on the levels of `sizes`.
pub(crate) fn projection(large: &[usize], small: &[usize], sizes: &[usize]) -> Vec<u32> {
    let of = |attributes: &[usize]| {
        attributes.iter().filter_map(|a| sizes.get(*a).copied()).collect::<Vec<_>>()
    };
    map(&offsets(large, &of(large), small, &of(small), |_, level| level))
}

/// Sums a table along a map.
pub(crate) fn sum(values: &[f64], map: &[u32], cells: usize) -> Vec<f64> {
    let mut sums = vec![0.0; cells];
    for (value, &cell) in values.iter().zip(map) {
        sums[cell as usize] += value;
    }
    sums
}

/// Subtracts the mean along every dimension: what is left is the pure interaction, orthogonal to
/// every function of fewer attributes.
#[cfg(test)]
pub(crate) fn centre(values: &mut [f64], sizes: &[usize]) {
    for (place, &size) in sizes.iter().enumerate() {
        let stride: usize = sizes.iter().skip(place + 1).product();
        let block = stride * size;
        if block == 0 {
            return;
        }
        for chunk in values.chunks_mut(block) {
            for first in 0..stride {
                let line = || (first..chunk.len()).step_by(stride);
                let mean = line().map(|cell| chunk[cell]).sum::<f64>() / size as f64;
                for cell in (first..block.min(chunk.len())).step_by(stride) {
                    chunk[cell] -= mean;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_centred_table_has_no_mean_along_any_dimension() {
        let sizes = [2, 3, 4];
        let mut values: Vec<f64> = (0..24).map(|i| f64::from(i * i % 17)).collect();
        centre(&mut values, &sizes);
        for kept in [[0usize, 1], [0, 2], [1, 2]] {
            let map = projection(&[0, 1, 2], &kept, &sizes);
            let cells = kept.iter().map(|k| sizes[*k]).product();
            assert!(sum(&values, &map, cells).iter().all(|s| s.abs() < 1e-12));
        }
        assert!(values.iter().any(|v| v.abs() > 1.0));
    }

    #[test]
    fn a_projection_finds_the_cell_of_a_subset_in_another_order() {
        let map = projection(&[0, 1, 2], &[2, 0], &[2, 3, 4]);
        // Cell (1, 2, 3) of the large table is cell (3, 1) of the small one.
        assert_eq!(map[12 + 2 * 4 + 3], 3 * 2 + 1);
    }

    #[test]
    fn a_product_past_the_limit_is_none() {
        assert_eq!(cells([10, 10], 100), Some(100));
        assert_eq!(cells([10, 11], 100), None);
        assert_eq!(cells([usize::MAX, 2], usize::MAX), None);
    }
}
