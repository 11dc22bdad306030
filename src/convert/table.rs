//! A table of patients as it grows: one row a patient, one key each, cells as texts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::fault::{At, Fault, Faults};
use super::mapping::{Column, Id, Kind, Mapping};
use super::record::Record;
use super::value::cell;
use crate::Error;

/// Patients of a table.
pub(crate) const MOST_PATIENTS: usize = 100_000;
/// Bytes of a key.
const MOST_KEY: usize = 128;

/// A table of patients.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names of the columns, the patient's key first.
    pub header: Vec<String>,
    /// Cells, `[patients, columns]`; empty where missing.
    pub rows: Vec<Vec<String>>,
    /// Files or bundles that were read.
    pub files: usize,
    /// Rows that are virtual patients, by what their packets say.
    pub synthetic: usize,
    /// What whoever made it should look at.
    pub notes: Vec<String>,
    /// Kinds of the columns behind the key.
    pub(crate) kinds: Vec<Kind>,
}

/// How far a column is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled<'a> {
    /// Name of the column.
    pub name: &'a str,
    /// Kind, as the mapping names it.
    pub kind: &'static str,
    /// Rows with a value.
    pub present: usize,
    /// Rows without.
    pub missing: usize,
}

impl Table {
    /// Header and rows as CSV.
    ///
    /// # Errors
    /// When a text cannot be written, which none is.
    pub fn csv(&self) -> Result<Vec<u8>, Error> {
        let fault = |problem: String| Error::Data { file: "the table".into(), problem };
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in std::iter::once(&self.header).chain(&self.rows) {
            writer.write_record(row).map_err(|error| fault(error.to_string()))?;
        }
        writer.into_inner().map_err(|error| fault(error.to_string()))
    }

    /// How far each column behind the key is filled.
    #[must_use]
    pub fn filled(&self) -> Vec<Filled<'_>> {
        let columns = self.header.iter().skip(1).zip(&self.kinds).enumerate();
        let filled = columns.map(|(at, (name, kind))| {
            let full = |row: &&Vec<String>| row.get(at + 1).is_some_and(|own| !own.is_empty());
            let present = self.rows.iter().filter(full).count();
            let kind =
                Kind::NAMES.iter().find(|(_, own)| own == kind).map_or("", |(name, _)| *name);
            Filled { name, kind, present, missing: self.rows.len() - present }
        });
        filled.collect()
    }
}

/// Whether a text can tell a patient from others.
pub(super) fn check_key(key: &str, at: &At) -> Result<(), Fault> {
    if key.is_empty() || key.len() > MOST_KEY || key.contains(char::is_control) {
        return Err(
            at.fault(format!("its id has to have 1 to {MOST_KEY} bytes and no control character"))
        );
    }
    Ok(())
}

/// A table that is being made.
pub(crate) struct Builder<'a> {
    mapping: &'a Mapping,
    columns: Vec<&'a Column>,
    keys: HashMap<String, At>,
    rows: Vec<Vec<String>>,
    synthetic: usize,
    pub(crate) notes: Vec<String>,
    pub(crate) faults: Faults,
}

impl<'a> Builder<'a> {
    /// A table without rows, of these columns of a mapping; `what` they stand in, for an error.
    pub(crate) fn new(
        mapping: &'a Mapping,
        columns: Vec<&'a Column>,
        what: &str,
    ) -> Result<Self, Error> {
        if columns.is_empty() {
            let problem = format!("no [[column]] of it is read from {what}");
            return Err(Error::Config { file: "the mapping".into(), problem });
        }
        let (keys, rows, notes, faults) =
            (HashMap::new(), Vec::new(), Vec::new(), Faults::default());
        Ok(Self { mapping, columns, keys, rows, synthetic: 0, notes, faults })
    }

    /// Columns of the table, without the key.
    pub(crate) fn columns(&self) -> &[&'a Column] {
        &self.columns
    }

    /// One more patient.
    pub(crate) fn record(&mut self, record: &Record) {
        let key = match self.mapping.id {
            Id::Subject => &record.subject,
            Id::Packet => &record.packet,
        };
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let found = cell(column, self.mapping, record);
            cells.push(self.faults.take(found).unwrap_or_default());
        }
        self.synthetic += usize::from(record.synthetic);
        self.row(key, &record.at, cells);
    }

    /// One more row.
    pub(crate) fn row(&mut self, key: &str, at: &At, cells: Vec<String>) {
        let checked = self.check(key, at);
        if self.faults.take(checked).is_some() {
            self.rows.push(std::iter::once(key.to_owned()).chain(cells).collect());
        }
    }

    fn check(&mut self, key: &str, at: &At) -> Result<(), Fault> {
        check_key(key, at)?;
        if self.rows.len() >= MOST_PATIENTS {
            return Err(at.fault(format!("a table takes at most {MOST_PATIENTS} patients")));
        }
        match self.keys.entry(key.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(at.clone());
                Ok(())
            }
            Entry::Occupied(place) => Err(at.fault(format!(
                "has the id of {}; a patient has one row, so take one of them out, or say by `id` \
                 in the mapping which id tells patients apart",
                place.get().file.display()
            ))),
        }
    }

    /// The table, unless there was any fault.
    pub(crate) fn finish(self, files: usize) -> Result<Table, Error> {
        let columns = self.columns.iter().map(|column| column.name.clone());
        let header = std::iter::once(self.mapping.patient.clone()).chain(columns).collect();
        let kinds = self.columns.iter().map(|column| column.kind).collect();
        self.faults.none()?;
        let (rows, synthetic, notes) = (self.rows, self.synthetic, self.notes);
        Ok(Table { header, rows, files, synthetic, notes, kinds })
    }
}
