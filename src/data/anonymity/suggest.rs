//! Which single column's generalisation helps most.

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::{Kind, Schema};
use serde::Serialize;

use super::Question;
use super::classes::{Coded, alone, share};
use super::generalise::Generalisation;
use crate::Error;

/// Bins of a number's public range that are tried, the finest first.
const BINS: [f64; 4] = [40.0, 20.0, 10.0, 5.0];

/// What one column's generalisation does, beyond those that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// The column.
    pub column: String,
    /// As `--generalise` takes it.
    pub generalise: String,
    /// Rows that are alone then.
    pub unique_rows: u64,
    /// Their share of all rows, 0 to 1.
    pub unique_share: f64,
    /// Rows of the smallest class then.
    pub k: u64,
}

/// For each quasi-identifier some widths of its public range, and leaving it out. `quasi` are the
/// columns as they stand under the generalisation asked for. The column without which the fewest rows
/// are alone comes first, and of one column the finest width.
pub(super) fn suggestions(
    cohort: &Cohort,
    schema: &Schema,
    question: &Question,
    quasi: &[Coded],
) -> Result<Vec<Suggestion>, Error> {
    let rows = cohort.len();
    let mut of_columns: Vec<((u64, u64), Vec<Suggestion>)> = Vec::new();
    for (at, column) in quasi.iter().enumerate() {
        let name = column.name.as_str();
        let asked = question.generalised.iter().find(|own| own.column() == name);
        if asked.is_some_and(Generalisation::is_out) {
            continue;
        }
        let mut tried = Vec::new();
        let mut without = (u64::MAX, 0);
        for how in ways(schema, name, asked)? {
            let coarser = Coded::of(name, cohort, schema, std::slice::from_ref(&how))?;
            let columns: Vec<&Coded> = (quasi.iter().enumerate())
                .map(|(other, own)| if other == at { &coarser } else { own })
                .collect();
            let (unique_rows, k) = alone(rows, &columns);
            // Fewest rows alone first, then the largest k.
            without = (unique_rows, u64::MAX - k);
            tried.push(Suggestion {
                column: name.to_owned(),
                generalise: how.to_string(),
                unique_rows,
                unique_share: share(unique_rows, rows),
                k,
            });
        }
        of_columns.push((without, tried));
    }
    of_columns.sort_by_key(|(without, _)| *without);
    Ok(of_columns.into_iter().flat_map(|(_, tried)| tried).collect())
}

/// Widths that are coarser than what was asked, the finest first; at last to leave the column out.
fn ways(
    schema: &Schema,
    name: &str,
    asked: Option<&Generalisation>,
) -> Result<Vec<Generalisation>, Error> {
    let mut ways = Vec::new();
    if let Kind::Numeric { range: (low, high), .. } = &schema.column(name)?.kind {
        let finer = asked.and_then(Generalisation::width).unwrap_or(0.0);
        let mut last = 0.0;
        for bins in BINS {
            let width = round((high - low) / bins);
            if width > finer && width > last {
                ways.push(Generalisation::bins(name, width));
                last = width;
            }
        }
    }
    ways.push(Generalisation::out(name));
    Ok(ways)
}

/// The nearest of 1, 2 and 5 times a power of ten.
fn round(width: f64) -> f64 {
    let exponent = width.log10().floor() as i32;
    // A division by a power of ten is exact to the last digit, a product with a part of ten is not.
    let of = |digit: f64| match exponent {
        0.. => digit * 10_f64.powi(exponent),
        _ => digit / 10_f64.powi(-exponent),
    };
    let off = |digit: f64| (of(digit) / width).ln().abs();
    let digits = [1.0, 2.0, 5.0, 10.0];
    of(digits.into_iter().min_by(|a, b| off(*a).total_cmp(&off(*b))).unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_round() {
        assert_eq!(
            [2.75, 5.5, 11.0, 22.0, 0.3, 125.0].map(round),
            [2.0, 5.0, 10.0, 20.0, 0.2, 100.0]
        );
    }
}
