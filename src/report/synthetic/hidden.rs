//! Which columns have a level that the display rule hides.
//!
//! The virtual side of every table is public, so the exact distance of its real side, and what chance
//! makes of that, can be solved for a hidden level. Neither is printed of a table with such a column,
//! nor a mean in which that table alone is not printed.

use std::collections::BTreeSet;

use haima_fl_core::results::fidelity::{Column, Fidelity, Workload};

use super::super::cells::{Shown, suppress};
use super::super::numbers;

/// What stands for a number that is not printed.
pub(super) const DASH: &str = "–";

/// How the levels of a column are shown.
pub(super) fn levels(column: &Column, min_cell: u64) -> Vec<Shown> {
    let whole: Vec<Vec<u64>> =
        column.real.iter().map(|count| vec![count.round().max(0.0) as u64]).collect();
    suppress(&whole, true, min_cell).concat()
}

/// Columns with a hidden level.
pub(super) struct Hidden<'a> {
    columns: BTreeSet<&'a str>,
}

impl<'a> Hidden<'a> {
    /// Those of a comparison; under noise there are none.
    pub(super) fn of(fidelity: &'a Fidelity, min_cell: u64) -> Self {
        let min_cell = if fidelity.noise.is_some() { 0 } else { min_cell };
        let has_hidden =
            |column: &&Column| levels(column, min_cell).iter().any(|level| !level.is_printed());
        let columns = fidelity.columns.iter().filter(has_hidden);
        Self { columns: columns.map(|column| column.name.as_str()).collect() }
    }

    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Whether one of a table's columns is among them.
    pub(super) fn covers<S: AsRef<str>>(&self, table: &[S]) -> bool {
        table.iter().any(|name| {
            let name: &str = name.as_ref();
            self.columns.contains(name)
        })
    }

    /// Whether a mean over tables could be solved for the only one that is not printed.
    pub(super) fn covers_mean(&self, order: &Workload, fidelity: &Fidelity) -> bool {
        let tables = match order.degree {
            1 => self.columns.len(),
            2 => fidelity.pairs.iter().filter(|pair| self.covers(&[&pair.a, &pair.b])).count(),
            _ => order.worst.iter().filter(|table| self.covers(&table.columns)).count(),
        };
        tables == 1
    }
}

/// The number, or a dash for one that is not printed.
pub(super) fn decimal(is_hidden: bool, value: f64, digits: usize) -> String {
    if is_hidden { DASH.to_owned() } else { numbers::decimal(value, digits) }
}
