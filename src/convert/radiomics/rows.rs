//! The rows of an export, checked: one a patient, of numbers, each with its scanner.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::Path;

use csv::StringRecord;

use super::columns::Columns;
use super::{PATIENT, Radiomics, SCANNER, notes, scanners};
use crate::Error;
use crate::convert::fault::{At, Fault, Faults, quoted};
use crate::convert::mapping::Kind;
use crate::convert::table::{Table, check_key};
use crate::data::source::name_of;

/// Scanners, as levels of a schema.
const MOST_SCANNERS: usize = 1_024;
/// Ways in which features were made, beyond which they are not counted.
const MOST_WAYS: usize = 100;

/// Rows as they are read.
#[derive(Default)]
pub(super) struct Rows {
    /// Cells of the table, `[patients, columns]`.
    pub(super) cells: Vec<Vec<String>>,
    /// Line of each patient.
    lines: HashMap<String, u64>,
    scanners: BTreeMap<String, usize>,
    /// Line of the first row with these features.
    alike: HashMap<u64, u64>,
    /// Lines of rows that have all features of an earlier one.
    pub(super) same: Vec<(u64, u64)>,
    /// Fields that say `nan`.
    pub(super) undefined: usize,
    /// Hashes of the ways in which features were made, by column.
    pub(super) ways: BTreeMap<String, HashSet<u64>>,
    pub(super) passed_over: usize,
    faults: Faults,
}

impl Rows {
    /// One more row of the export.
    pub(super) fn add(
        &mut self,
        record: &StringRecord,
        line: u64,
        at: &At,
        columns: &Columns,
        of: Option<&HashMap<String, String>>,
    ) {
        let field = |place: usize| record.get(place).unwrap_or_default().trim();
        let key = field(columns.patient);
        let checked = check_key(key, at).and_then(|()| self.is_new(key, line, at, columns));
        let is_new = self.faults.take(checked).is_some();
        let scanner = match (columns.scanner, of) {
            (Some(place), _) => Some(scanners::name(field(place), at)),
            (None, Some(of)) => Some(of.get(key).map(String::as_str).ok_or_else(|| {
                let what = "has no row in the file of --scanners; add one";
                at.fault(format!("patient {} {what}", quoted(key)))
            })),
            (None, None) => None,
        };
        let mut cells = vec![key.to_owned()];
        if let Some(found) = scanner
            && let Some(name) = self.faults.take(found)
        {
            *self.scanners.entry(name.to_owned()).or_insert(0) += 1;
            cells.push(name.to_owned());
        }
        for (place, name) in &columns.features {
            let found = cell(name, field(*place), at);
            let found = self.faults.take(found).unwrap_or_default();
            self.undefined += usize::from(found.is_none());
            cells.push(found.unwrap_or_default().to_owned());
        }
        if !is_new {
            return;
        }
        for (place, name) in &columns.ways {
            let ways = self.ways.entry(name.clone()).or_default();
            if ways.len() < MOST_WAYS {
                ways.insert(hash(field(*place)));
            }
        }
        let features = cells.get(cells.len() - columns.features.len()..).unwrap_or_default();
        if features.len() > 2 && features.iter().all(|own| !own.is_empty()) {
            let first = *self.alike.entry(hash(features)).or_insert(line);
            if first != line {
                self.same.push((first, line));
            }
        }
        self.cells.push(cells);
    }

    /// A patient has one row.
    fn is_new(&mut self, key: &str, line: u64, at: &At, columns: &Columns) -> Result<(), Fault> {
        let first = *self.lines.entry(key.to_owned()).or_insert(line);
        if first == line {
            return Ok(());
        }
        let others = notes::some(&columns.others);
        Err(at.fault(format!(
            "patient {} has a row already, in line {first}; say by --where COLUMN=VALUE which image \
             and mask count ({})",
            quoted(key),
            if others.is_empty() { "the export has no column for that" } else { others.as_str() }
        )))
    }

    /// The table, unless there was any fault.
    pub(super) fn finish(self, export: &Path, columns: Columns) -> Result<Radiomics, Error> {
        let notes = notes::of_rows(&self, &columns);
        let Self { cells, scanners, passed_over, faults, .. } = self;
        faults.none()?;
        if cells.is_empty() {
            return Err(Error::data(export, format!("no row is left of {passed_over}")));
        }
        if scanners.len() > MOST_SCANNERS {
            let problem = format!("{} scanners; a schema takes {MOST_SCANNERS}", scanners.len());
            return Err(Error::data(export, format!("{problem}. Does the column name scanners?")));
        }
        let mut header = vec![PATIENT.to_owned()];
        let mut kinds = vec![Kind::Numeric; columns.features.len()];
        if columns.has_scanner {
            header.push(SCANNER.to_owned());
            kinds.insert(0, Kind::Category);
        }
        header.extend(columns.features.into_iter().map(|(_, name)| name));
        let table = Table { header, rows: cells, files: 1, synthetic: 0, notes, kinds };
        let file = name_of(export).into_owned();
        let mut found = Radiomics { table, scanners, passed_over, file };
        let more = notes::of_table(&found);
        found.table.notes.extend(more);
        Ok(found)
    }
}

/// A feature's field: a number as it is written, `""` where it is empty, or `None` where it is `nan`.
fn cell<'a>(name: &str, text: &'a str, at: &At) -> Result<Option<&'a str>, Fault> {
    if text.eq_ignore_ascii_case("nan") {
        return Ok(None);
    }
    if text.is_empty() || text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Ok(Some(text));
    }
    let comma = text.replacen(',', ".", 1).parse::<f64>().is_ok();
    let hint = if comma { "write a decimal point" } else { "empty the field if it is missing" };
    Err(at.fault(format!("column `{name}`: {} is no finite number; {hint}", quoted(text))))
}

fn hash(of: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
