//! Fisher's exact test of a 2 x 2 table.

/// Relative room within which two tables count as equally probable, as in R's `fisher.test`.
const SAME: f64 = 1e-7;
/// Standard deviations and patients from the mean past which tables are skipped: their probability
/// is below e^-400 (Chernoff's bound).
const FAR: f64 = 40.0;
const FEW: f64 = 1000.0;

/// The two-sided p value of the table `[[a, b], [c, d]]`: the probability, given its margins, of all
/// tables that are no more probable than it. 1 for an empty margin.
///
/// Tables far in the tails, which add nothing that a double holds beside the rest, are skipped, so
/// that the work grows with the root of the number of patients.
#[must_use]
pub fn fisher_exact(a: u64, b: u64, c: u64, d: u64) -> f64 {
    let Some(n) = [b, c, d].into_iter().try_fold(a, u64::checked_add) else { return f64::NAN };
    let (row, column) = (a + b, a + c);
    let low = (row + column).saturating_sub(n);
    let high = row.min(column);
    // log of the hypergeometric probability, less what is common to all tables.
    let log_weight = |x: u64| {
        -(log_factorial(x)
            + log_factorial(row - x)
            + log_factorial(column - x)
            + log_factorial(n + x - row - column))
    };
    let seen = log_weight(a);
    let (mut total, mut extreme) = (0.0, 0.0);
    let (r, c, of) = (row as f64, column as f64, n as f64);
    let mean = r * c / of;
    let sd = (mean * (1.0 - r / of) * (of - c) / (of - 1.0).max(1.0)).sqrt();
    let room = FAR * sd + FEW;
    // A conversion of NaN, of an empty table, is 0.
    for x in low.max((mean - room).max(0.0) as u64)..=high.min((mean + room) as u64) {
        let relative = libm::exp(log_weight(x) - seen);
        total += relative;
        if relative <= 1.0 + SAME {
            extreme += relative;
        }
    }
    if total.is_finite() { (extreme / total).min(1.0) } else { 0.0 }
}

fn log_factorial(n: u64) -> f64 {
    libm::lgamma(n as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::fisher_exact;

    #[test]
    fn p_values_equal_r() {
        // R 4.2: fisher.test(matrix(c(a, c, b, d), 2))$p.value.
        for ((a, b, c, d), p) in [
            ((3, 1, 1, 3), 0.485_714_285_714_286),
            ((10, 2, 3, 15), 0.000_536_724_119_143_436),
            ((0, 12, 9, 40), 0.183_611_582_990_504),
            ((5, 0, 7, 0), 1.0),
            ((0, 0, 0, 0), 1.0),
        ] {
            let ours = fisher_exact(a, b, c, d);
            assert!((ours - p).abs() < 1e-12, "{a} {b} {c} {d}: {ours}");
        }
        assert!(fisher_exact(u64::MAX, 1, 0, 0).is_nan());
        assert!(fisher_exact(5000, 0, 0, 5000) < 1e-300);
        // A hundred million patients, in an instant.
        assert!((fisher_exact(25_000_000, 25_000_000, 25_000_000, 25_000_000) - 1.0).abs() < 1e-6);
    }
}
