//! Table 1, small cells hidden as in the report.

use haima_fl_core::results::{Cells, Table1, TableRow};

use crate::report::cells::{Shown, suppress};
use crate::report::table1::{decimals, prints_statistics, quartiles, wide, wide_bins};
use crate::report::{numbers, words};
use crate::stats::Answer;
use crate::text;

pub(super) fn show(table: &Table1, answer: &Answer) -> String {
    let min_cell = answer.min_cell;
    let sizes = suppress(std::slice::from_ref(&table.n), false, min_cell).concat();
    let groups = table.groups.iter().map(|group| words::group(&answer.wording, group));
    let sizes = sizes.iter().map(|size| format!("n={}", size.text(min_cell, None)));
    let mut rows: Vec<Vec<String>> = vec![
        std::iter::once(String::new()).chain(groups).collect(),
        std::iter::once(String::new()).chain(sizes).collect(),
    ];
    for row in &table.rows {
        rows.extend(lines(row, table, min_cell));
    }
    let mut shown = format!(
        "Table 1: {}, {}\n\n{}\nPercentages are of the known values; quartiles come from a histogram.\n",
        numbers::counted_cell(
            table.n.first().copied().unwrap_or(0),
            min_cell,
            "patient",
            "patients"
        ),
        numbers::counted(table.sites, "hospital", "hospitals"),
        text::columns(&rows)
    );
    if let Some(note) = wide_bins(&wide(table, min_cell)) {
        shown.push_str(&note);
        shown.push('\n');
    }
    if min_cell > 1 {
        shown.push_str(&format!(
            "Counts below {min_cell} are shown as <{min_cell}, and as ≥{min_cell} where a count would \
             give a small one away (--min-cell).\n"
        ));
    }
    shown
}

fn lines(row: &TableRow, table: &Table1, min_cell: u64) -> Vec<Vec<String>> {
    let unit = if row.unit.is_empty() { String::new() } else { format!(", {}", row.unit) };
    let mut lines = vec![vec![format!("{}{unit}", words::or(&row.label, &row.column))]];
    let mut counts: Vec<Vec<u64>> = match &row.cells {
        Cells::Categorical { counts, .. } => counts.clone(),
        Cells::Numeric { .. } => {
            let known = table.n.iter().zip(&row.missing).map(|(n, gone)| n.saturating_sub(*gone));
            vec![known.collect()]
        }
    };
    counts.push(row.missing.clone());
    let shown = suppress(&counts, true, min_cell);
    let groups = table.groups.len();
    match &row.cells {
        Cells::Numeric { mean, sd, .. } => {
            let digits = decimals(sd);
            let known: &[Shown] = shown.first().map_or(&[], Vec::as_slice);
            let each = |of: &dyn Fn(usize) -> Option<String>| -> Vec<String> {
                let cell = |group| match prints_statistics(known, group) {
                    true => of(group).unwrap_or_default(),
                    false => "not shown".to_owned(),
                };
                (0..groups).map(cell).collect()
            };
            let value = |of: &[f64], group: usize| {
                of.get(group).map(|value| numbers::decimal(*value, digits))
            };
            let mut about = vec!["  mean (SD)".to_owned()];
            about.extend(each(&|g| Some(format!("{} ({})", value(mean, g)?, value(sd, g)?))));
            let mut middle = vec!["  median (quartiles)".to_owned()];
            middle.extend(each(&|g| Some(quartiles(row.cells.quartiles(g)?, digits))));
            lines.extend([about, middle]);
        }
        Cells::Categorical { levels, counts } => {
            let total =
                |group: usize| -> u64 { counts.iter().filter_map(|line| line.get(group)).sum() };
            for (level, line) in levels.iter().zip(&shown) {
                let cells = line.iter().enumerate();
                // A share beside a hidden count would give its denominator away.
                let all = |group: usize| {
                    shown.iter().all(|line| line.get(group).is_none_or(|cell| cell.is_printed()))
                };
                let total = |group: usize| all(group).then(|| total(group));
                let cells = cells.map(|(group, cell)| cell.text(min_cell, total(group)));
                lines.push(std::iter::once(format!("  {level}")).chain(cells).collect());
            }
        }
    }
    if row.missing.iter().any(|count| *count > 0) {
        let cells = shown.last().into_iter().flatten().map(|cell| cell.text(min_cell, None));
        lines.push(std::iter::once("  missing".to_owned()).chain(cells).collect());
    }
    lines
}
