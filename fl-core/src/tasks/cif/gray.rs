//! Gray's k-sample test for the cumulative incidence of one cause.
//!
//! Gray, *Ann Statist* 1988;16:1141, with rho = 0, as R's `cmprsk::cuminc` prints it. In group k
//! let n be the number at risk, S the probability of no event and F that of an event of the cause,
//! all just before a time; `h = n / S` stands for those who would be at risk without other causes,
//! and `R = h (1 - F)` for the risk set of the subdistribution. The score compares each group's
//! events with its share in the sum of R; its variance propagates the error of every event, as if
//! all groups had the pooled subdistribution F0.

use super::Table;
use crate::linalg::Symmetric;
use crate::results::competing::GrayTest;
use crate::stat::chi_square_upper;

/// A pivot of the variance below this share of its diagonal counts as zero.
const SINGULAR: f64 = 1e-12;

/// Where a group stands.
#[derive(Clone)]
struct Group {
    surv: f64,
    cif: f64,
    next: usize,
}

/// What an event time adds to the variance, once the coefficients at the end are known.
struct Error {
    group: usize,
    /// Its variance.
    variance: f64,
    /// `(1 - F0) / S` or `1 - (1 - F0) / S`.
    weight: f64,
    /// What the score of each group moves by directly.
    direct: Vec<f64>,
    /// The coefficients up to now, for this group.
    so_far: Vec<f64>,
}

/// The test of a cause; `None` with fewer than two groups with patients, without any event of the
/// cause, or with a singular variance.
pub(super) fn test(name: &str, cause: usize, tables: &[Table]) -> Option<GrayTest> {
    let tables: Vec<&Table> = tables.iter().filter(|table| table.patients() > 0.0).collect();
    let k = tables.len();
    let df = k.checked_sub(1).filter(|df| *df > 0)?;
    let mut groups = vec![Group { surv: 1.0, cif: 0.0, next: 0 }; k];
    let mut pooled = 0.0;
    let mut score = vec![0.0; k];
    // [group whose error][score that it moves]
    let mut coefficients = vec![vec![0.0; k]; k];
    let mut errors: Vec<Error> = Vec::new();

    let mut bins: Vec<usize> =
        tables.iter().flat_map(|table| table.rows.iter().map(|row| row.bin)).collect();
    bins.sort_unstable();
    bins.dedup();
    for bin in bins {
        let row = |g: usize| tables[g].rows.get(groups[g].next);
        let at_risk: Vec<f64> = (0..k).map(|g| row(g).map_or(0.0, |row| row.at_risk)).collect();
        let events = |g: usize| row(g).filter(|row| row.bin == bin).map(|row| &row.events);
        let all: Vec<f64> = (0..k).map(|g| events(g).map_or(0.0, |e| e.iter().sum())).collect();
        let of_cause: Vec<f64> =
            (0..k).map(|g| events(g).and_then(|e| e.get(cause)).copied().unwrap_or(0.0)).collect();
        let total: f64 = of_cause.iter().sum();

        let h: Vec<f64> = (0..k)
            .map(|g| if at_risk[g] > 0.0 { at_risk[g] / groups[g].surv } else { 0.0 })
            .collect();
        let h_total: f64 = h.iter().sum();
        let r = |g: usize| h[g] * (1.0 - groups[g].cif);
        let r_total: f64 = (0..k).map(r).sum();
        if total > 0.0 {
            for g in 0..k {
                score[g] += of_cause[g] - total * r(g) / r_total;
            }
        }
        let before = groups.clone();
        for g in (0..k).filter(|&g| at_risk[g] > 0.0) {
            groups[g].cif += before[g].surv * of_cause[g] / at_risk[g];
            groups[g].surv *= 1.0 - all[g] / at_risk[g];
        }
        let after = pooled + if total > 0.0 { total / h_total } else { 0.0 };
        for g in (0..k).filter(|&g| at_risk[g] > 0.0) {
            let n = at_risk[g];
            let direct: Vec<f64> =
                (0..k).map(|j| h[g] * (f64::from(u8::from(g == j)) - h[j] / h_total)).collect();
            if total > 0.0 {
                for (sum, direct) in coefficients[g].iter_mut().zip(&direct) {
                    *sum += direct * total / (h_total * (1.0 - pooled));
                }
                let ties = if total > 1.0 {
                    1.0 - (total - 1.0) / (h_total * before[g].surv - 1.0)
                } else {
                    1.0
                };
                let gone = if groups[g].surv > 0.0 { (1.0 - after) / groups[g].surv } else { 0.0 };
                errors.push(Error {
                    group: g,
                    variance: ties * before[g].surv * total / (h_total * n),
                    weight: 1.0 - gone,
                    direct,
                    so_far: coefficients[g].clone(),
                });
            }
            let others = all[g] - of_cause[g];
            if others > 0.0 && groups[g].surv > 0.0 {
                let ties = if others > 1.0 { (n - others) / (n - 1.0) } else { 1.0 };
                errors.push(Error {
                    group: g,
                    variance: ties * before[g].surv * before[g].surv * others / (n * n),
                    weight: -(1.0 - after) / groups[g].surv,
                    direct: vec![0.0; k],
                    so_far: coefficients[g].clone(),
                });
            }
        }
        pooled = after;
        for g in 0..k {
            if tables[g].rows.get(groups[g].next).is_some_and(|row| row.bin == bin) {
                groups[g].next += 1;
            }
        }
    }

    // The scores sum to 0: the last is left out.
    let mut variance = vec![vec![0.0; df]; df];
    for error in &errors {
        let moved: Vec<f64> = (0..df)
            .map(|j| {
                let later = coefficients[error.group][j] - error.so_far[j];
                error.direct[j] + error.weight * later
            })
            .collect();
        for (row, a) in variance.iter_mut().zip(&moved) {
            for (place, b) in row.iter_mut().zip(&moved) {
                *place += error.variance * a * b;
            }
        }
    }
    let upper = (0..df).flat_map(|j| variance[j][j..].to_vec()).collect();
    let factor = Symmetric::new(df, upper)?.cholesky(SINGULAR).ok()?;
    score.truncate(df);
    let chisq = factor.solve(&score).iter().zip(&score).map(|(a, b)| a * b).sum();
    let df = u32::try_from(df).ok()?;
    Some(GrayTest { cause: name.to_owned(), chisq, df, p: chi_square_upper(chisq, df) })
}
