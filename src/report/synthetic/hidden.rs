//! What the display rule hides, taken out of the data. Page and JSON are made of what is left, so
//! neither has a number that the other hides.
//!
//! A hidden number is NaN: a dash on the page, `null` in JSON. Rows of a curve and whole models are
//! left out. Hiding is done once: a report that is read back from its JSON has nothing more to hide.
//!
//! Counts of tables and distances are hidden in [`tables`], curves in [`curves`], coefficients in
//! [`fits`]. Under noise a count is no patient's own, and only small numbers of patients are hidden.
//! Virtual patients of a generator without noise have the shares of the real ones: what is hidden of
//! these is hidden of them.

mod curves;
mod fits;
mod tables;

use haima_fl_core::results::Fit;
use haima_fl_core::results::fidelity::{Column, Fidelity};

use super::super::numbers;
use super::SyntheticReport;
use crate::model_file::Guarantee;
pub(super) use tables::fidelity;

/// What stands for a number that is not printed.
pub(super) const DASH: &str = "–";

/// A report without what its display rule (`min_cell`) hides.
pub(super) fn without(report: &SyntheticReport) -> SyntheticReport {
    let min_cell = report.min_cell;
    let is_public = matches!(report.provenance.privacy, Guarantee::Dp { .. });
    let mut shown = report.clone();
    let patients = &mut shown.provenance.data.patients;
    *patients = patients.filter(|count| !numbers::is_small(*count, min_cell));
    if min_cell > 1 {
        let reasons = shown.provenance.data.excluded.iter_mut().map(|out| &mut out.reason);
        reasons.chain(&mut shown.provenance.notes).chain(&mut shown.warnings).for_each(uncounted);
    }
    shown.fidelity = report.fidelity.as_ref().map(|one| fidelity(one, min_cell, is_public));
    for pair in &mut shown.survival {
        curves::hide(pair, min_cell, is_public);
    }
    let of_many = |fit: &Fit| {
        [fit.n, fit.events].into_iter().all(|count| !numbers::is_small(count, min_cell))
    };
    shown.ratios.retain(|pair| of_many(&pair.real));
    let columns = shown.fidelity.as_ref().map(|one| one.columns.as_slice()).unwrap_or_default();
    for pair in &mut shown.ratios {
        fits::hide(pair, columns, min_cell, is_public);
    }
    shown
}

/// Takes the number of its rows off the reason why a hospital is left out: `... (3 rows in all)`, as
/// a file may still have it.
fn uncounted(reason: &mut String) {
    if reason.ends_with(" in all)")
        && let Some(end) = reason.rfind(" (")
    {
        reason.truncate(end);
    }
}

/// Whether a level of a column is hidden; its distances are then those of the table in which all of
/// these are one level.
pub(super) fn has_hidden(column: &Column) -> bool {
    column.real.iter().any(|count| count.is_nan())
}

/// Whether a level of any column is hidden.
pub(super) fn any(fidelity: &Fidelity) -> bool {
    fidelity.columns.iter().any(has_hidden)
}

/// A number, or a dash for one that is hidden.
pub(super) fn decimal(value: f64, digits: usize) -> String {
    if value.is_nan() { DASH.to_owned() } else { numbers::decimal(value, digits) }
}

/// The same, marked where the whole distance is as large or larger.
pub(super) fn at_least(joined: bool, value: f64, digits: usize) -> String {
    let sign = if joined && !value.is_nan() { "≥" } else { "" };
    format!("{sign}{}", decimal(value, digits))
}

/// A number of patients; under noise an estimate.
pub(super) fn patients(count: f64, min_cell: u64) -> String {
    match count.is_nan() {
        true => format!("<{min_cell}"),
        false => numbers::count(whole(count)),
    }
}

fn whole(count: f64) -> u64 {
    count.round().max(0.0) as u64
}
