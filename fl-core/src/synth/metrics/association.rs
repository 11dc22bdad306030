//! How strongly two columns go together, from their table of counts.

/// Cramer's V of a table of `rows` x `columns` counts, row-major, with Bergsma's correction for its
/// bias in small samples (*J. Korean Stat. Soc.* 2013;42:323): 0 for columns without any relation, 1
/// where each gives the other. `None` where a column has one level only.
#[must_use]
pub fn cramers_v(table: &[f64], rows: usize, columns: usize) -> Option<f64> {
    let (across, down) = margins(table, rows, columns)?;
    let n: f64 = across.iter().sum();
    let mut squares = 0.0;
    for (line, row) in table.chunks_exact(columns).zip(&across) {
        for (cell, column) in line.iter().zip(&down) {
            let expected = row * column / n;
            if expected > 0.0 {
                squares += (cell - expected) * (cell - expected) / expected;
            }
        }
    }
    let levels = |margin: &[f64]| margin.iter().filter(|count| **count > 0.0).count() as f64;
    let (r, c) = (levels(&across), levels(&down));
    if r < 2.0 || c < 2.0 || n < 2.0 {
        return None;
    }
    let corrected = |levels: f64| levels - (levels - 1.0) * (levels - 1.0) / (n - 1.0);
    let of_table = (squares / n - (r - 1.0) * (c - 1.0) / (n - 1.0)).max(0.0);
    let most = corrected(r).min(corrected(c)) - 1.0;
    (most > 0.0).then(|| (of_table / most).sqrt().min(1.0))
}

/// Spearman's rank correlation of two columns with ordered levels, patients of one level sharing
/// its middle rank. `None` where a column has one level only.
#[must_use]
pub fn rank_correlation(table: &[f64], rows: usize, columns: usize) -> Option<f64> {
    let (across, down) = margins(table, rows, columns)?;
    let n: f64 = across.iter().sum();
    // Middle ranks, less their mean n / 2.
    let centred = |margin: &[f64]| -> Vec<f64> {
        let mut before = 0.0;
        let rank = |count: &f64| {
            before += count;
            before - count / 2.0 - n / 2.0
        };
        margin.iter().map(rank).collect()
    };
    let (left, right) = (centred(&across), centred(&down));
    let spread = |ranks: &[f64], margin: &[f64]| -> f64 {
        ranks.iter().zip(margin).map(|(rank, count)| count * rank * rank).sum()
    };
    let product = spread(&left, &across) * spread(&right, &down);
    let mut together = 0.0;
    for (line, a) in table.chunks_exact(columns).zip(&left) {
        together += line.iter().zip(&right).map(|(count, b)| count * a * b).sum::<f64>();
    }
    (product > 0.0).then(|| (together / product.sqrt()).clamp(-1.0, 1.0))
}

/// Row and column sums; `None` for a table of another size, with a negative cell or without patients.
fn margins(table: &[f64], rows: usize, columns: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let proper = columns > 0 && table.len() == rows * columns;
    if !proper || !table.iter().all(|cell| *cell >= 0.0 && cell.is_finite()) {
        return None;
    }
    let across: Vec<f64> = table.chunks_exact(columns).map(|line| line.iter().sum()).collect();
    let mut down = vec![0.0; columns];
    for line in table.chunks_exact(columns) {
        down.iter_mut().zip(line).for_each(|(sum, cell)| *sum += cell);
    }
    (across.iter().sum::<f64>() > 0.0).then_some((across, down))
}
