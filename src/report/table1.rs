//! Table 1: the cohort, described as clinical papers do it, small cells hidden.

use haima_fl_core::results::quartiles::Quartile;
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
                        (words::group(wording, group)) br;
                        span.quiet {
                            @if step.class == Class::Exact { "n=" } @else { "n about " }
                            (size.text(min_cell, None))
                        }
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
        @if let Some(note) = wide_bins(&wide(table, min_cell)) { p.note { (note) } }
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
        Cells::Numeric { mean, sd, .. } => {
            let shown = known_and_missing(row, table, min_cell);
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
                                    (row.cells.quartiles(group).map_or_else(String::new, |own| quartiles(own, digits)))
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

/// Known and missing values of a numeric row, by group. They add up to n, so both are decided together.
fn known_and_missing(row: &TableRow, table: &Table1, min_cell: u64) -> Vec<Vec<Shown>> {
    let missing = row.missing.iter().chain(std::iter::repeat(&0));
    let known = table.n.iter().zip(missing).map(|(n, missing)| n.saturating_sub(*missing));
    suppress(&[known.collect(), row.missing.clone()], true, min_cell)
}

/// `7.9 (1.8 to 39.0)`: median and quartiles. One whose bin is too wide for a figure is the bin's
/// bounds, and then a semicolon parts the two quartiles: `0 to 50 (0 to 50; 50 to 100)`.
pub(crate) fn quartiles([q1, median, q3]: [Quartile; 3], digits: usize) -> String {
    let is_bin = |own: &Quartile| matches!(own, Quartile::Within(_));
    let between = if [q1, q3].iter().any(is_bin) { ";" } else { " to" };
    let [q1, median, q3] = [q1, median, q3].map(|own| match own {
        Quartile::At(value) => numbers::decimal(value, digits),
        Quartile::Within([low, high]) => format!("{} to {}", edge(low), edge(high)),
    });
    format!("{median} ({q1}{between} {q3})")
}

/// An edge of a bin with the decimals that it has, without those of binary fractions.
fn edge(value: f64) -> String {
    let is_enough = |digits: &usize| {
        let steps = 10_f64.powi(*digits as i32);
        ((value * steps).round() / steps - value).abs() <= 1e-6 * value.abs()
    };
    numbers::decimal(value, (0..9).find(is_enough).unwrap_or(9))
}

/// Rows of which a quartile is printed as the bounds of its bin.
pub(crate) fn wide(table: &Table1, min_cell: u64) -> Vec<&TableRow> {
    let is_wide = |row: &&TableRow| {
        let shown = known_and_missing(row, table, min_cell);
        let known: &[Shown] = shown.first().map_or(&[], Vec::as_slice);
        let of = |group| row.cells.quartiles(group).filter(|_| prints_statistics(known, group));
        (0..table.groups.len())
            .filter_map(of)
            .flatten()
            .any(|own| matches!(own, Quartile::Within(_)))
    };
    table.rows.iter().filter(is_wide).collect()
}

/// Columns that the footnote names.
const MOST_NAMED: usize = 8;

/// The footnote under bounds: which columns' bins to set, and how; `None` without such columns.
pub(crate) fn wide_bins(rows: &[&TableRow]) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    // By the label that the table has, and by the name that the schema has.
    let named = |row: &&TableRow| match row.label.as_str() {
        label if label.is_empty() || label == row.column => format!("`{}`", row.column),
        label => format!("{label} (`{}`)", row.column),
    };
    let mut names: Vec<String> = rows.iter().take(MOST_NAMED).map(named).collect();
    let more = rows.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let names = names.join(", ");
    Some(format!(
        "A median or quartile that is printed as two bounds, as 0 to 50, lies somewhere between them: the \
         histogram is too coarse to say more of {names}. For figures, set `bins` of the column in the \
         schema: ascending edges from the low to the high end of its `range`, close together where most \
         patients are."
    ))
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

/// `Men` for `male=1` where the wording says so; without the words of its column, which stand above.
pub(super) fn level_label(column: &str, level: &str, wording: &Wording) -> String {
    let Some(label) = wording.labels.get(&format!("{column}={level}")) else {
        return level.to_owned();
    };
    let of_column = format!("{}: ", words::column(wording, column));
    label.strip_prefix(&of_column).unwrap_or(label).to_owned()
}

/// Decimals that a standard deviation of this size deserves.
pub(crate) fn decimals(sd: &[f64]) -> usize {
    match sd.iter().copied().filter(|sd| sd.is_finite() && *sd > 0.0).fold(f64::MAX, f64::min) {
        sd if sd >= 1.0 => 1,
        sd if sd >= 0.1 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use haima_fl_core::results::quartiles::QuartileBins;

    use super::*;

    fn table(bins: Vec<Option<QuartileBins>>) -> Table1 {
        Table1 {
            schema: "haima.table1/1".into(),
            sites: 3,
            groups: vec!["all".into()],
            n: vec![287],
            rows: vec![TableRow {
                column: "wbc".into(),
                label: "White cells".into(),
                unit: "10⁹/L".into(),
                missing: vec![0],
                cells: Cells::Numeric {
                    mean: vec![30.0],
                    sd: vec![20.0],
                    q1: vec![15.3],
                    median: vec![30.5],
                    q3: vec![45.8],
                    quartile_bins: bins,
                },
            }],
        }
    }

    fn one_bin() -> Table1 {
        let bin = [0.0, 50.0];
        table(vec![Some(QuartileBins { q1: bin, median: bin, q3: bin })])
    }

    #[test]
    fn quartiles_of_one_bin_are_printed_as_its_bounds_with_a_footnote() {
        let own = one_bin();
        let row = &own.rows[0];
        let body = body_of(row, &own, &Wording::default(), 5).into_string();
        assert!(body.contains("0 to 50 (0 to 50; 0 to 50)") && !body.contains("30.5"), "{body}");
        let note = wide_bins(&wide(&own, 5)).unwrap();
        assert!(note.contains("too coarse to say more of White cells (`wbc`)."), "{note}");
        assert!(note.contains("lies somewhere between") && note.contains("ascending"), "{note}");
        assert!(wide(&own, 500).is_empty(), "what is not printed has no footnote");
    }

    #[test]
    fn a_report_without_bins_has_figures_and_no_footnote() {
        let own = table(Vec::new());
        let body = body_of(&own.rows[0], &own, &Wording::default(), 5).into_string();
        assert!(body.contains("30.5 (15.3 to 45.8)"), "{body}");
        assert_eq!(wide_bins(&wide(&own, 5)), None);
    }

    #[test]
    fn a_level_does_not_repeat_its_column() {
        let of = |wording: &Wording| level_label("sex", "w", wording);
        let mut wording = Wording::default();
        assert_eq!(of(&wording), "w");
        wording.labels.insert("sex".into(), "Geschlecht".into());
        wording.labels.insert("sex=w".into(), "Geschlecht: weiblich".into());
        assert_eq!(of(&wording), "weiblich");
        wording.labels.insert("sex=w".into(), "Women".into());
        assert_eq!(of(&wording), "Women");
    }

    #[test]
    fn edges_have_the_decimals_that_they_have() {
        let edges = [0.0, 50.0, 0.1 + 0.2, 92.0 / 20.0 * 3.0, -8.9, 1500.0].map(edge);
        assert_eq!(edges, ["0", "50", "0.3", "13.8", "−8.9", "1500"]);
        let mixed = [Quartile::At(1.5), Quartile::At(5.0), Quartile::Within([10.0, 60.0])];
        assert_eq!(quartiles(mixed, 1), "5.0 (1.5; 10 to 60)");
    }
}
