//! The tables of a report as CSV (RFC 4180), made of its values: one row a thing, one column a figure,
//! headers that do not change, numbers with all their digits.
//!
//! A count that the page hides is hidden here: `<5`, or `>=5` where it protects another. A share or a
//! mean beside one has the digits of the page, since more of them could be solved for it. What the page
//! only draws (the points of curves, net benefit) is not here: it is in `report.json`.

mod cell;
mod described;
mod explained;
mod models;
mod outcomes;
mod real_and_virtual;
mod study;
mod validated;

use std::io;
use std::path::Path;

pub use cell::Cell;
use serde::Serialize;

use super::Names;
use crate::report::model::{Floors, Step, Wording};
use crate::report::read::Report;
use crate::report::{StepResult, StudyReport, place};

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Name of its file, without an ending: the step's id and what the table is.
    pub name: String,
    /// Id of the step; `study` for what is of the whole study.
    pub step: String,
    /// Header.
    pub columns: Vec<&'static str>,
    /// Rows, each as wide as the header.
    #[serde(skip)]
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    fn new(what: &'static str, columns: &[&'static str]) -> Self {
        let columns = columns.to_vec();
        Self { name: what.to_owned(), step: String::new(), columns, rows: Vec::new() }
    }

    /// The file.
    ///
    /// # Errors
    /// When a row is not as wide as the header.
    pub fn csv(&self) -> io::Result<Vec<u8>> {
        let mut to =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        to.write_record(&self.columns).map_err(io::Error::other)?;
        for row in &self.rows {
            to.write_record(row.iter().map(Cell::text)).map_err(io::Error::other)?;
        }
        to.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }
}

/// What a table is made in the light of.
#[derive(Clone, Copy)]
struct Of<'a> {
    wording: &'a Wording,
    min_cell: u64,
}

/// All tables of a report that have rows, at most [`super::MOST_FILES`].
#[must_use]
pub fn tables(report: &Report) -> Vec<Table> {
    let mut names = Names::default();
    let mut tables = Vec::new();
    for (step, own) in by_step(report) {
        for mut table in own {
            if table.rows.is_empty() || tables.len() == super::MOST_FILES {
                continue;
            }
            table.name = names.of(&step, &table.name);
            table.step.clone_from(&step);
            tables.push(table);
        }
    }
    tables
}

/// Writes tables into a folder that is there, each whole or not at all, and returns their names.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path, tables: &[Table]) -> io::Result<Vec<String>> {
    let one = |table: &Table| {
        let name = format!("{}.csv", table.name);
        place(dir, &name, &table.csv()?).map(|_| name)
    };
    tables.iter().map(one).collect()
}

fn by_step(report: &Report) -> Vec<(String, Vec<Table>)> {
    match report {
        Report::Study(report) => of_study(report),
        Report::Virtual(report) => vec![("virtual".to_owned(), real_and_virtual::of(report))],
    }
}

fn of_study(report: &StudyReport) -> Vec<(String, Vec<Table>)> {
    let of = |step: &Step| {
        let result = step.result.as_ref()?;
        Some((step.id.clone(), of_result(result, &report.wording, &report.floors)))
    };
    let mut all: Vec<(String, Vec<Table>)> = report.steps.iter().filter_map(of).collect();
    all.push(("study".to_owned(), study::of(report)));
    all
}

/// The tables of one result, by their own names.
pub(in crate::report) fn of_result(
    result: &StepResult,
    wording: &Wording,
    floors: &Floors,
) -> Vec<Table> {
    let of = Of { wording, min_cell: floors.min_cell };
    match result {
        StepResult::Table1(one) => vec![described::table1(one, of)],
        StepResult::Comutation(one) => described::comutation(one, of),
        StepResult::Pca(one) => described::components(one),
        StepResult::Clusters(one) => vec![described::clusters(one, of)],
        StepResult::Prepared(one) => vec![described::prepared(one, of)],
        StepResult::Batches(one) => vec![described::batches(one, of)],
        StepResult::Curves(one) => outcomes::curves(one, of),
        StepResult::Incidence(one) => outcomes::incidence(one, of),
        StepResult::States(one) => outcomes::states(one, of),
        StepResult::Fit(one) => models::fit(one, of),
        StepResult::GriddedFit(one) => models::fit(&one.fit, of),
        StepResult::Subdistribution(one) => models::subdistribution(one, of),
        StepResult::Meta(one) => vec![models::meta(one, of)],
        StepResult::Scan(one) => vec![models::scan(one, of)],
        StepResult::Hazard(one) => vec![explained::hazard(one)],
        StepResult::Network(one) => explained::network(one),
        StepResult::Explanation(one) => explained::explanation(one, of),
        StepResult::Concordance(one) => vec![validated::concordance(one, of)],
        StepResult::Validation(one) => validated::validation(one, of),
        StepResult::Generator(one) => vec![real_and_virtual::generator(one)],
        StepResult::Fidelity(one) => real_and_virtual::study(one, of),
        // May hold small cells that nothing here knows of: report.json has it.
        StepResult::Other(_) => Vec::new(),
    }
}
