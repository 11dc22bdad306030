//! What is wrong with a hospital's file, all of it, for the hospital's own eyes.
//!
//! Intake stops at the first fault, since a study may not begin with any. Whoever puts the file in order
//! wants them all, and what intake cannot refuse: constant columns, values at the ends of a range, a
//! unit that looks wrong, patients who look like the same. The report quotes fields and is made to be
//! read at the site; nothing here is sent.

use std::collections::BTreeMap;
use std::collections::hash_map::{HashMap, RandomState};
use std::hash::BuildHasher;
use std::io::Read;

use csv::ByteRecord;
use serde::Serialize;
use zeroize::Zeroizing;

use super::guard::{Guard, Starts};
use super::{
    Problem, Role, Seen, check_key, check_value, converted, needed, quoted, role, stopped,
};
use crate::schema::{Column, Kind, PatientKey, Schema};

mod columns;
pub use super::records::records;
pub use columns::{ColumnReport, Numbers, Unit};

/// Value of `schema`.
pub const SCHEMA: &str = "haima.quality/1";

/// Faults and pairs that are listed; more are counted.
const MOST_LISTED: usize = 10_000;
/// Columns that must be known, two of them numbers, before equal values make two rows look alike.
const FEWEST_ALIKE: usize = 4;

/// What was found in a file.
///
/// # Security
/// Quotes fields; it belongs to the site.
#[derive(Clone, Debug, Serialize)]
pub struct Quality {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The file's name.
    pub file: String,
    /// Rows below the header, the ragged ones among them.
    pub rows: u64,
    /// Patients: different keys, or rows in a file without keys.
    pub patients: u64,
    /// Whether intake would take the file.
    pub accepted: bool,
    /// One a column of the schema, in its order.
    pub columns: Vec<ColumnReport>,
    /// Faults for which intake refuses the file, in the file's order, the first 10,000.
    pub faults: Vec<Fault>,
    /// Faults in all.
    pub fault_count: u64,
    /// Rows that look like another patient's, the first 10,000. Intake takes them.
    pub alike: Vec<Alike>,
    /// Such rows in all.
    pub alike_count: u64,
}

/// A fault of a line or a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Line, the header being 1; 0 for the file as a whole.
    pub line: u64,
    /// Name in the header; empty for a whole line.
    pub field: String,
    /// What is wrong and what to do.
    pub problem: String,
}

/// A row that looks like an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Alike {
    /// Its line.
    pub line: u64,
    /// Line of the earlier one.
    pub first: u64,
    /// In what.
    pub by: By,
}

/// In what two rows look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// All values of columns are equal, the keys are not.
    Values,
    /// The keys are equal but for case, blanks or leading zeros.
    Key,
}

/// Looks at a file; `name` stands in the report. It never fails: what cannot be read is a fault.
#[must_use]
pub fn check(name: &str, reader: impl Read, schema: &Schema) -> Quality {
    let mut check = Check::new(name, schema);
    check.read(reader);
    check.finish()
}

struct Check<'a> {
    schema: &'a Schema,
    report: Quality,
    seen: Seen,
    keys: HashMap<String, (u64, String)>,
    values: HashMap<u64, u64>,
    hasher: RandomState,
    /// The columns' values so far, by name.
    columns: BTreeMap<&'a str, columns::Tally<'a>>,
}

impl<'a> Check<'a> {
    fn new(name: &str, schema: &'a Schema) -> Self {
        let columns = schema.columns.iter();
        Self {
            schema,
            report: Quality {
                schema: SCHEMA,
                file: name.to_owned(),
                rows: 0,
                patients: 0,
                accepted: false,
                columns: Vec::new(),
                faults: Vec::new(),
                fault_count: 0,
                alike: Vec::new(),
                alike_count: 0,
            },
            seen: Seen::default(),
            keys: HashMap::new(),
            values: HashMap::new(),
            hasher: RandomState::new(),
            columns: columns.map(|c| (c.name.as_str(), columns::Tally::new(c))).collect(),
        }
    }

    fn fault(&mut self, line: u64, field: &str, problem: &Problem) {
        self.report.fault_count += 1;
        if self.report.faults.len() < MOST_LISTED {
            let (field, problem) = (field.to_owned(), problem.to_string());
            self.report.faults.push(Fault { line, field, problem });
        }
    }

    fn alike(&mut self, line: u64, first: u64, by: By) {
        self.report.alike_count += 1;
        if self.report.alike.len() < MOST_LISTED {
            self.report.alike.push(Alike { line, first, by });
        }
    }

    fn read(&mut self, reader: impl Read) {
        let starts = Starts::default();
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(Guard::new(reader, starts.clone()));
        let mut layout: Option<Vec<(String, Option<Role<'a>>)>> = None;
        let mut row = ByteRecord::new();
        loop {
            match rows.read_byte_record(&mut row) {
                Ok(true) => {}
                Ok(false) => break,
                // Quotes that do not close: where the next field begins is anybody's guess.
                Err(error) => {
                    self.broken(error, layout.as_deref().unwrap_or_default());
                    break;
                }
            }
            let line = starts.next();
            match &layout {
                None => layout = Some(self.header(&row, line)),
                Some(layout) => self.row(&row, line, layout),
            }
        }
        match layout {
            None if self.report.fault_count == 0 => self.fault(0, "", &Problem::EmptyFile),
            Some(_) if self.report.rows == 0 => self.fault(0, "", &Problem::NoRows),
            _ => {}
        }
    }

    fn broken(&mut self, error: csv::Error, layout: &[(String, Option<Role<'a>>)]) {
        let (line, field, problem) = stopped(error);
        let name = field.and_then(|field| layout.get(field));
        self.fault(line, name.map_or("", |(name, _)| name.as_str()), &problem);
    }

    fn header(&mut self, row: &ByteRecord, line: u64) -> Vec<(String, Option<Role<'a>>)> {
        let mut layout: Vec<(String, Option<Role<'a>>)> = Vec::new();
        let mut named: Vec<String> = Vec::new();
        for field in row {
            let shown = quoted(field);
            let found = std::str::from_utf8(field).map_err(|_| Problem::NotUtf8);
            let found = found.and_then(|name| Ok((role(self.schema, name)?, name)));
            let role = match found {
                Ok((role, name)) if named.iter().any(|known| known == role.column(name)) => {
                    self.fault(line, &shown, &Problem::RepeatedColumn);
                    None
                }
                Ok((role, name)) => {
                    named.push(role.column(name).to_owned());
                    Some(role)
                }
                Err(problem) => {
                    // A column in an unknown unit is there, though it cannot be read.
                    if matches!(problem, Problem::UnknownUnit { .. })
                        && let Some((name, _)) = shown.split_once(" [")
                    {
                        named.push(name.to_owned());
                    }
                    self.fault(line, &shown, &problem);
                    None
                }
            };
            if let Some(Role::Value(column, factor)) = role
                && let Some(tally) = self.columns.get_mut(column.name.as_str())
            {
                tally.found(&shown, factor);
            }
            layout.push((shown, role));
        }
        for needed in needed(self.schema) {
            if !named.contains(needed) {
                self.fault(line, needed, &Problem::MissingColumn);
            }
        }
        layout
    }

    fn row(&mut self, row: &ByteRecord, line: u64, layout: &[(String, Option<Role<'a>>)]) {
        self.report.rows += 1;
        if row.len() != layout.len() {
            let problem = Problem::Ragged { expected: layout.len(), got: row.len() };
            return self.fault(line, "", &problem);
        }
        let mut values: Zeroizing<Vec<u64>> = Zeroizing::new(Vec::with_capacity(layout.len()));
        let (mut known, mut numbers) = (0, 0);
        for ((name, role), field) in layout.iter().zip(row) {
            match role {
                None | Some(Role::Ignored) => {}
                Some(Role::Key) => self.key(field, line, name),
                Some(Role::Value(column, factor)) => {
                    let value = check_value(column, *factor, field);
                    if let Some(tally) = self.columns.get_mut(column.name.as_str()) {
                        tally.add(&value, raw(column, *factor, field));
                    }
                    match value {
                        Ok(value) => {
                            known += usize::from(!value.is_nan());
                            let number = matches!(column.kind, Kind::Numeric { .. });
                            numbers += usize::from(number && !value.is_nan());
                            values.push(value.to_bits());
                        }
                        Err(problem) => {
                            self.fault(line, name, &problem);
                            values.push(self.hasher.hash_one(field));
                        }
                    }
                }
            }
        }
        if self.schema.patient == PatientKey::OneRow {
            self.report.patients += 1;
            if let Some(first) = self.seen.row(row, line) {
                return self.fault(line, "", &Problem::IdenticalRow { first });
            }
        }
        if known >= FEWEST_ALIKE && numbers >= 2 && self.schema.rows_per_patient == 1 {
            let first = *self.values.entry(self.hasher.hash_one(&*values)).or_insert(line);
            if first != line {
                self.alike(line, first, By::Values);
            }
        }
    }

    fn key(&mut self, field: &[u8], line: u64, name: &str) {
        let key = match check_key(field) {
            Ok(key) => key,
            Err(problem) => return self.fault(line, name, &problem),
        };
        let (first, rows) = self.seen.key(key, line);
        let max = self.schema.rows_per_patient;
        if rows == 1 {
            self.report.patients += 1;
            let plain = key.trim().to_lowercase();
            let plain = plain.trim_start_matches('0').to_owned();
            let known = self.keys.entry(plain).or_insert_with(|| (line, key.to_owned()));
            if known.1 != key {
                let first = known.0;
                self.alike(line, first, By::Key);
            }
        } else if rows > max {
            let problem = match max {
                1 => Problem::DuplicateKey { first },
                max => Problem::TooManyRowsOfPatient { max, first },
            };
            self.fault(line, name, &problem);
        }
    }

    fn finish(mut self) -> Quality {
        let mut columns = self.columns;
        self.report.columns = self
            .schema
            .columns
            .iter()
            .filter_map(|column| columns.remove(column.name.as_str()))
            .map(|tally| tally.report(self.report.rows))
            .collect();
        self.report.accepted = self.report.fault_count == 0;
        self.report
    }
}

/// A number as it stands in the file, in the schema's unit, within the range or not.
fn raw(column: &Column, factor: f64, field: &[u8]) -> Option<f64> {
    let Kind::Numeric { range, .. } = &column.kind else { return None };
    let value: f64 = std::str::from_utf8(field).ok()?.parse().ok()?;
    value.is_finite().then(|| converted(value, factor, *range))
}
