//! Every other figure of a task: the rows of its tables, matched by their words.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;

use crate::report::export::tables::{Cell, Table, of_result};
use crate::report::model::{Floors, StudyReport, Wording};
use crate::report::numbers;
use crate::report::result::StepResult;

/// Figures of one task that are compared.
const MOST: usize = 5_000;
/// Tables whose rows stand among the coefficients and curves.
const ELSEWHERE: [&str; 5] = ["coefficients", "meta", "survival-at", "incidence-at", "states"];
/// Columns of figures that say which row it is.
const KEYS: [&str; 9] =
    ["time", "from", "to", "component", "cluster", "at", "figure", "mutated_genes", "tau"];
/// Columns of Table 1 that are read off a histogram.
const QUARTILES: [&str; 3] = ["q1", "median", "q3"];
/// Columns of words that are no part of what a row is about.
const REMARKS: [&str; 5] = ["label", "unit", "note", "reason", "public"];

/// One figure, by report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FigureRow {
    /// The table.
    pub table: String,
    /// What the row is about.
    pub row: String,
    /// The column.
    pub figure: String,
    /// By report, as it is printed; empty where there is none.
    pub texts: Vec<String>,
    /// From the first report, by report; `None` of the first, and where one of the two is no number.
    pub differences: Vec<Option<f64>>,
}

/// Where a figure stands: table, row, column.
type Place = (String, String, &'static str);
/// Figures in their order, and by their places.
type Found = (Vec<Place>, BTreeMap<Place, Cell>);

/// A row a figure of the first report that another has as well, and how many there was no room for.
pub(super) fn rows(
    results: &[Option<&StepResult>],
    reports: &[&StudyReport],
    floors: &Floors,
    may: bool,
) -> (Vec<FigureRow>, u64) {
    let neutral = Wording::default();
    let sides: Vec<Found> = results
        .iter()
        .enumerate()
        .map(|(place, result)| {
            let wording = reports.get(place).map_or(&neutral, |report| &report.wording);
            let tables = result.map(|result| of_result(result, wording, floors));
            cells(&tables.unwrap_or_default())
        })
        .collect();
    let Some(((order, _), others)) = sides.split_first() else { return (Vec::new(), 0) };
    let shared: Vec<&Place> = order
        .iter()
        .filter(|place| others.iter().any(|(_, cells)| cells.contains_key(*place)))
        .collect();
    let rows = shared.iter().take(MOST).map(|place| row(place, &sides, may)).collect();
    (rows, shared.len().saturating_sub(MOST) as u64)
}

fn row(place: &Place, sides: &[Found], may: bool) -> FigureRow {
    let cells: Vec<Option<&Cell>> = sides.iter().map(|(_, cells)| cells.get(place)).collect();
    let number = |cell: &Option<&Cell>| match cell {
        Some(Cell::Number(value)) => Some(*value).filter(|value| value.is_finite()),
        Some(Cell::Count(count)) => Some(*count as f64),
        _ => None,
    };
    let first = cells.first().and_then(number).filter(|_| may);
    let apart = |cell: &Option<&Cell>| number(cell).zip(first).map(|(own, first)| own - first);
    FigureRow {
        table: place.0.clone(),
        row: place.1.clone(),
        figure: place.2.to_owned(),
        texts: cells
            .iter()
            .map(|cell| cell.map_or_else(String::new, |own| text(place, own)))
            .collect(),
        differences: std::iter::once(None).chain(cells.iter().skip(1).map(apart)).collect(),
    }
}

/// A figure as it is printed. What is read off a histogram has no more digits than about three.
fn text((table, _, figure): &Place, cell: &Cell) -> String {
    match cell {
        Cell::Number(value) if table == "table1" && QUARTILES.contains(figure) => {
            numbers::significant(*value)
        }
        // The apostrophe is for spreadsheets.
        Cell::Between(_) => cell.text().trim_start_matches('\'').to_owned(),
        cell => cell.text(),
    }
}

/// The figures of tables, in their order and by their places. Of two at one place the first counts.
fn cells(tables: &[Table]) -> Found {
    let (mut order, mut found) = (Vec::new(), BTreeMap::new());
    for table in tables.iter().filter(|table| !ELSEWHERE.contains(&table.name.as_str())) {
        for cells in &table.rows {
            let named = || table.columns.iter().copied().zip(cells);
            let about: Vec<String> =
                named().filter(|own| is_key(*own)).map(|(_, cell)| cell.text()).collect();
            let about: Vec<&str> =
                about.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
            let about = about.join(", ");
            for (column, cell) in named().filter(|own| is_figure(*own)) {
                let place = (table.name.clone(), about.clone(), column);
                if let Entry::Vacant(slot) = found.entry(place) {
                    order.push(slot.key().clone());
                    slot.insert(cell.clone());
                }
            }
        }
    }
    (order, found)
}

fn is_key((column, cell): (&str, &Cell)) -> bool {
    match cell {
        Cell::Words(_) => !REMARKS.contains(&column),
        Cell::Number(_) | Cell::Count(_) => KEYS.contains(&column),
        _ => false,
    }
}

fn is_figure((column, cell): (&str, &Cell)) -> bool {
    match cell {
        Cell::Number(value) => !value.is_nan() && !KEYS.contains(&column),
        Cell::Count(_) | Cell::Below(_) | Cell::AtLeast(_) | Cell::Between(_) => {
            !KEYS.contains(&column)
        }
        Cell::Words(_) | Cell::Empty => false,
    }
}

#[cfg(test)]
mod tests {
    use haima_fl_core::results::quartiles::QuartileBins;
    use haima_fl_core::results::{Cells, Concordance, Table1, TableRow};

    use super::*;

    fn ranks(c_index: f64, n: u64) -> StepResult {
        StepResult::Concordance(Concordance {
            schema: "haima.concordance/1".into(),
            n,
            events: 20,
            comparable: 100.0,
            c_index,
            subset: "all".into(),
        })
    }

    #[test]
    fn figures_are_matched_by_their_row_and_a_hidden_one_has_no_difference() {
        let (a, b) = (ranks(0.7, 100), ranks(0.75, 3));
        let report = StudyReport::new("x");
        let floors = Floors::default();
        let sides = [Some(&a), Some(&b)];
        let (rows, left_out) = rows(&sides, &[&report, &report], &floors, true);
        let of = |figure: &str| rows.iter().find(|row| row.figure == figure).unwrap();
        assert!((of("c_index").differences[1].unwrap() - 0.05).abs() < 1e-12);
        assert_eq!(of("patients").texts, ["100", "<5"]);
        assert_eq!((of("patients").differences[1], left_out), (None, 0));
        assert_eq!(of("c_index").row, "all");
    }

    /// Quartiles of 287 patients, of bins of this width.
    fn described(width: f64) -> StepResult {
        let bin = |value: f64| {
            let low = (value / width).floor() * width;
            [low, low + width]
        };
        StepResult::Table1(Table1 {
            schema: "haima.table1/1".into(),
            sites: 3,
            groups: vec!["all".into()],
            n: vec![287],
            rows: vec![TableRow {
                column: "wbc".into(),
                label: "White cells".into(),
                unit: String::new(),
                missing: vec![0],
                cells: Cells::Numeric {
                    mean: vec![30.25],
                    sd: vec![20.0],
                    q1: vec![8.077_75],
                    median: vec![20.125],
                    q3: vec![39.0],
                    quartile_bins: vec![Some(QuartileBins {
                        q1: bin(8.077_75),
                        median: bin(20.125),
                        q3: bin(39.0),
                    })],
                },
            }],
        })
    }

    #[test]
    fn a_quartile_between_bounds_has_no_difference_and_a_figure_about_three_digits() {
        let (a, b) = (described(5.0), described(50.0));
        let report = StudyReport::new("x");
        let sides = [Some(&a), Some(&b)];
        let (rows, _) = rows(&sides, &[&report, &report], &Floors::default(), true);
        let of = |figure: &str| rows.iter().find(|row| row.figure == figure).unwrap();
        assert_eq!(of("q1").texts, ["8.08", "0 to 50"]);
        assert_eq!(of("median").texts, ["20.1", "0 to 50"]);
        assert_eq!(of("q1").differences, [None, None]);
        assert_eq!(of("mean").differences, [None, Some(0.0)], "one row: the note is no part of it");
    }
}
