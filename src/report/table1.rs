//! Table 1: the cohort, described as clinical papers do it, small cells hidden.

use haima_fl_core::results::{Cells, Table1, TableRow};
use maud::{Markup, html};

use super::cells::{Shown, suppress};
use super::model::{Class, Floors, Step, Wording};
use super::numbers;
use super::page::{class_badge, scroll};
use super::words;

/// The part of one step.
pub(super) fn section(step: &Step, table: &Table1, wording: &Wording, floors: &Floors) -> Markup {
    let min_cell = floors.min_cell;
    let sizes = suppress(std::slice::from_ref(&table.n), false, min_cell).concat();
    let body = html! {
        table.table1 {
            thead { tr {
                th scope="col" { "Characteristic" }
                @for (group, size) in table.groups.iter().zip(&sizes) {
                    th.num scope="col" {
                        (words::group(wording, group)) br; span.quiet { "n=" (size.text(min_cell, None)) }
                    }
                }
            } }
            @for row in &table.rows { (body_of(row, table, wording, min_cell)) }
        }
    };
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        (scroll("Table 1: description of the cohort", &body))
        p.note {
            @if step.class != Class::Exact {
                b { "Noised: " }
                "every number was computed from noised counts and sums, so counts need not add up. "
            }
            "SD: standard deviation. Quartiles come from a public histogram. Percentages are of the known values. "
            @if min_cell > 1 {
                "Counts from 1 to " (min_cell - 1) " are printed as <" (min_cell) ", and as ≥" (min_cell)
                " where a printed count would give a small one away. This is a rule of display, "
                "no promise against the coordinator, who holds the sums."
            }
        }
    }
}

fn body_of(row: &TableRow, table: &Table1, wording: &Wording, min_cell: u64) -> Markup {
    let label = words::or(&row.label, &row.column);
    let heading = html! {
        th scope="rowgroup" colspan=(table.groups.len() + 1) {
            (words::capital(label)) @if !row.unit.is_empty() { span.quiet { ", " (row.unit) } }
        }
    };
    match &row.cells {
        Cells::Numeric { mean, sd, q1, median, q3 } => {
            let known: Vec<u64> = table
                .n
                .iter()
                .zip(row.missing.iter().chain(std::iter::repeat(&0)))
                .map(|(n, missing)| n.saturating_sub(*missing))
                .collect();
            // Missing and known add up to n, so both lines are decided together.
            let shown = suppress(&[known, row.missing.clone()], true, min_cell);
            let printed = |group| shown.first().is_some_and(|line| prints_statistics(line, group));
            let digits = decimals(sd);
            let value = |values: &[f64], group: usize| {
                values.get(group).map_or_else(String::new, |value| numbers::decimal(*value, digits))
            };
            html! {
                tbody {
                    tr { (heading) }
                    tr {
                        th.level scope="row" { "Mean (SD)" }
                        @for group in 0..table.groups.len() {
                            td.num {
                                @if printed(group) { (value(mean, group)) " (" (value(sd, group)) ")" }
                                @else { (hidden()) }
                            }
                        }
                    }
                    tr {
                        th.level scope="row" { "Median (quartiles)" }
                        @for group in 0..table.groups.len() {
                            td.num {
                                @if printed(group) {
                                    (value(median, group)) " (" (value(q1, group)) " to " (value(q3, group)) ")"
                                } @else { (hidden()) }
                            }
                        }
                    }
                    (missing(row, shown.get(1), min_cell))
                }
            }
        }
        Cells::Categorical { levels, counts } => {
            let mut lines = counts.clone();
            lines.push(row.missing.clone());
            let shown = suppress(&lines, true, min_cell);
            // A share beside a hidden count would give its denominator away.
            let known = |group: usize| -> Option<u64> {
                let printed = |line: &Vec<Shown>| line.get(group).is_none_or(|c| c.is_printed());
                let sum = || counts.iter().filter_map(|line| line.get(group)).sum();
                shown.iter().all(printed).then(sum)
            };
            html! {
                tbody {
                    tr { (heading) }
                    @for (level, line) in levels.iter().zip(&shown) {
                        tr {
                            th.level scope="row" { (level_label(&row.column, level, wording)) }
                            @for (group, cell) in line.iter().enumerate() {
                                td.num { (cell.text(min_cell, known(group))) }
                            }
                        }
                    }
                    (missing(row, shown.get(counts.len()), min_cell))
                }
            }
        }
    }
}

/// Whether means and quartiles of a group are printed: not where it has no or few known values,
/// nor in the group beside a small one whose mean would give that one's away.
pub(crate) fn prints_statistics(known: &[Shown], group: usize) -> bool {
    match known.get(group) {
        None | Some(Shown::Small | Shown::Count(0)) => false,
        Some(Shown::Protecting) => !known.contains(&Shown::Small),
        Some(Shown::Count(_)) => true,
    }
}

fn missing(row: &TableRow, shown: Option<&Vec<Shown>>, min_cell: u64) -> Markup {
    html! {
        @if row.missing.iter().any(|count| *count > 0) {
            tr {
                th.level scope="row" { "Missing" }
                @for cell in shown.into_iter().flatten() { td.num { (cell.text(min_cell, None)) } }
            }
        }
    }
}

fn hidden() -> Markup {
    html! { span.quiet { "not shown" } }
}

/// `Men` for `male=1` where the wording says so.
fn level_label(column: &str, level: &str, wording: &Wording) -> String {
    let key = format!("{column}={level}");
    wording.labels.get(&key).cloned().unwrap_or_else(|| level.to_owned())
}

/// Decimals that a standard deviation of this size deserves.
pub(crate) fn decimals(sd: &[f64]) -> usize {
    match sd.iter().copied().filter(|sd| sd.is_finite() && *sd > 0.0).fold(f64::MAX, f64::min) {
        sd if sd >= 1.0 => 1,
        sd if sd >= 0.1 => 2,
        _ => 3,
    }
}
