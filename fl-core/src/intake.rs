//! Reads a hospital's CSV file into a [`Cohort`], checking every field against the schema.
//!
//! The format is RFC 4180 with a header, in UTF-8; an empty field is a missing value. A header may say
//! in which unit a column is (`hb [g/L]`); where the schema accepts it, values are converted before
//! they are held against the range. Another spelling of a level is read where the schema names it. Both
//! rules are public and part of the schema. A file is
//! refused as a whole with the first fault's file, line and field, and with what to do: a patient
//! who is silently left out would change results unseen. Lengths are bounded before anything is
//! stored, since the file may come from another system.

mod guard;
pub mod quality;
mod records;

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap, RandomState};
use std::fs::File;
use std::hash::{BuildHasher, Hash};
use std::io::Read;
use std::path::Path;

use csv::ByteRecord;
use zeroize::Zeroizing;

use crate::cohort::Cohort;
use crate::error::{Error, IntakeProblem as Problem};
use crate::schema::{Column, Kind, PatientKey, Schema};
use guard::{Broken, Guard, Starts};

const MAX_ROWS: usize = 10_000_000;
/// Longest piece of a field that an error quotes.
const QUOTED: usize = 64;

impl Cohort {
    /// Reads a file of patients.
    ///
    /// # Errors
    /// [`Error::Intake`] with file, line, field and what to do. It quotes the field, so it
    /// belongs in the site's own log.
    pub fn read_csv(path: &Path, schema: &Schema) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let file = File::open(path).map_err(|error| Error::Intake {
            file: name.clone().into_owned(),
            line: 0,
            field: String::new(),
            problem: Problem::Unreadable { reason: error.to_string() },
        })?;
        Self::from_reader(&name, file, schema)
    }

    /// Reads patients from anything that yields bytes; `name` stands in errors.
    ///
    /// # Errors
    /// As [`Cohort::read_csv`].
    pub fn from_reader(name: &str, reader: impl Read, schema: &Schema) -> Result<Self, Error> {
        Intake::open(name, reader, schema)?.read_all()
    }
}

/// What a field of the file is for.
#[derive(Clone, Copy)]
enum Role<'a> {
    Key,
    /// A column, with the factor to its own unit.
    Value(&'a Column, f64),
    Ignored,
}

impl Role<'_> {
    /// The column that the header means, whatever unit it adds.
    fn column<'b>(&'b self, header: &'b str) -> &'b str {
        match self {
            Self::Value(column, _) => &column.name,
            Self::Key | Self::Ignored => header,
        }
    }
}

struct Intake<'a, R> {
    file: &'a str,
    rows: csv::Reader<Guard<R>>,
    starts: Starts,
    /// Name and role of each field, in the header's order.
    layout: Vec<(String, Role<'a>)>,
    one_row: bool,
    rows_per_patient: u32,
}

impl<'a, R: Read> Intake<'a, R> {
    /// Reads the header and gives each field its role.
    fn open(file: &'a str, reader: R, schema: &'a Schema) -> Result<Self, Error> {
        let starts = Starts::default();
        let rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(Guard::new(reader, starts.clone()));
        let one_row = schema.patient == PatientKey::OneRow;
        let rows_per_patient = schema.rows_per_patient;
        let mut intake = Self { file, rows, starts, layout: Vec::new(), one_row, rows_per_patient };

        let mut header = ByteRecord::new();
        let Some(line) = intake.next_row(&mut header)? else {
            return Err(intake.fault(0, "", Problem::EmptyFile));
        };
        for field in &header {
            let Ok(name) = std::str::from_utf8(field) else {
                return Err(intake.fault(line, &quoted(field), Problem::NotUtf8));
            };
            let role = role(schema, name)
                .map_err(|problem| intake.fault(line, &quoted(field), problem))?;
            if intake.has(role.column(name)) {
                return Err(intake.fault(line, name, Problem::RepeatedColumn));
            }
            intake.layout.push((name.to_owned(), role));
        }
        if let Some(needed) = needed(schema).find(|needed| !intake.has(needed)) {
            return Err(intake.fault(line, needed, Problem::MissingColumn));
        }
        Ok(intake)
    }

    /// Whether the header names a column so far.
    fn has(&self, column: &str) -> bool {
        self.layout.iter().any(|(header, role)| role.column(header) == column)
    }

    fn read_all(mut self) -> Result<Cohort, Error> {
        let layout = self.layout.clone();
        let mut keys: Vec<String> = Vec::new();
        let mut seen = Seen::default();
        let mut columns: Vec<Zeroizing<Vec<f64>>> = Vec::new();
        columns.resize_with(layout.len(), Zeroizing::default);

        let mut row = ByteRecord::new();
        while let Some(line) = self.next_row(&mut row)? {
            if keys.len() == MAX_ROWS {
                return Err(self.fault(line, "", Problem::TooManyRows { max: MAX_ROWS }));
            }
            if row.len() != layout.len() {
                let problem = Problem::Ragged { expected: layout.len(), got: row.len() };
                return Err(self.fault(line, "", problem));
            }
            for (((name, role), field), values) in layout.iter().zip(&row).zip(&mut columns) {
                match role {
                    Role::Ignored => {}
                    Role::Key => {
                        let key = check_key(field).map_err(|p| self.fault(line, name, p))?;
                        let (first, rows) = seen.key(key, line);
                        if rows > self.rows_per_patient {
                            let problem = match self.rows_per_patient {
                                1 => Problem::DuplicateKey { first },
                                max => Problem::TooManyRowsOfPatient { max, first },
                            };
                            return Err(self.fault(line, name, problem));
                        }
                        keys.push(key.to_owned());
                    }
                    Role::Value(column, factor) => values.push(
                        check_value(column, *factor, field)
                            .map_err(|p| self.fault(line, name, p))?,
                    ),
                }
            }
            if self.one_row {
                if let Some(first) = seen.row(&row, line) {
                    return Err(self.fault(line, "", Problem::IdenticalRow { first }));
                }
                keys.push((keys.len() + 1).to_string());
            }
        }
        if keys.is_empty() {
            return Err(self.fault(0, "", Problem::NoRows));
        }
        let named: BTreeMap<String, Zeroizing<Vec<f64>>> = layout
            .into_iter()
            .zip(columns)
            .filter_map(|((_, role), values)| match role {
                Role::Value(column, _) => Some((column.name.clone(), values)),
                Role::Key | Role::Ignored => None,
            })
            .collect();
        Ok(Cohort::from_checked(keys, named))
    }

    /// The next row that is not blank, with the line on which it starts.
    fn next_row(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, Error> {
        match self.rows.read_byte_record(row) {
            Ok(true) => Ok(Some(self.starts.next())),
            Ok(false) => Ok(None),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn broken(&self, error: csv::Error) -> Error {
        let (line, field, problem) = stopped(error);
        let name = field.and_then(|field| self.layout.get(field));
        self.fault(line, name.map_or("", |(name, _)| name.as_str()), problem)
    }

    fn fault(&self, line: u64, field: &str, problem: Problem) -> Error {
        Error::Intake { file: self.file.to_owned(), line, field: field.to_owned(), problem }
    }
}

/// Why the reader of rows stopped: line, place of the field where one is to blame, and problem.
fn stopped(error: csv::Error) -> (u64, Option<usize>, Problem) {
    let reason = error.to_string();
    if let csv::ErrorKind::Io(io) = error.into_kind()
        && let Some(broken) = io.get_ref().and_then(|inner| inner.downcast_ref::<Broken>())
    {
        return (broken.line, Some(broken.field), broken.problem.clone());
    }
    (0, None, Problem::Unreadable { reason })
}

/// The key and the columns that a header must name.
fn needed(schema: &Schema) -> impl Iterator<Item = &String> {
    let key = match &schema.patient {
        PatientKey::Column(key) => Some(key),
        PatientKey::OneRow => None,
    };
    key.into_iter().chain(schema.columns.iter().map(|column| &column.name))
}

fn role<'a>(schema: &'a Schema, header: &str) -> Result<Role<'a>, Problem> {
    if matches!(&schema.patient, PatientKey::Column(key) if key == header) {
        return Ok(Role::Key);
    }
    let of = |name: &str| schema.columns.iter().find(|column| column.name == name);
    if let Some(column) = of(header) {
        return Ok(Role::Value(column, 1.0));
    }
    if schema.ignore.iter().any(|ignored| ignored == header) {
        return Ok(Role::Ignored);
    }
    let named = header.strip_suffix(']').and_then(|rest| rest.split_once(" ["));
    match named.and_then(|(name, unit)| of(name).map(|column| (column, unit))) {
        Some((column, unit)) => Ok(Role::Value(column, factor(column, unit)?)),
        None => Err(Problem::ExtraColumn),
    }
}

/// What a column's values are multiplied with where the header says their unit.
fn factor(column: &Column, unit: &str) -> Result<f64, Problem> {
    let own = column.unit();
    if unit == own && !own.is_empty() {
        return Ok(1.0);
    }
    column.accepts.get(unit).copied().ok_or_else(|| {
        let known = std::iter::once(own).filter(|own| !own.is_empty());
        let known: Vec<&str> = known.chain(column.accepts.keys().map(String::as_str)).collect();
        let accepted = match known.is_empty() {
            true => "no unit for this column".to_owned(),
            false => known.join(", "),
        };
        Problem::UnknownUnit { unit: quoted(unit.as_bytes()), accepted }
    })
}

fn check_key(field: &[u8]) -> Result<&str, Problem> {
    match std::str::from_utf8(field) {
        Err(_) => Err(Problem::NotUtf8),
        Ok("") => Err(Problem::Empty),
        Ok(key) => Ok(key),
    }
}

fn check_value(column: &Column, factor: f64, field: &[u8]) -> Result<f64, Problem> {
    let text = std::str::from_utf8(field).map_err(|_| Problem::NotUtf8)?;
    if text.is_empty() {
        return if column.missing { Ok(f64::NAN) } else { Err(Problem::Empty) };
    }
    let number = || text.parse::<f64>().ok().filter(|value| value.is_finite());
    match &column.kind {
        Kind::Numeric { range: (low, high), .. } => {
            let value = number().ok_or_else(|| Problem::NotNumeric { text: quoted(field) })?;
            let value = converted(value, factor, (*low, *high));
            if (*low..=*high).contains(&value) {
                Ok(value)
            } else {
                let range = match factor == 1.0 {
                    true => format!("[{low}, {high}]"),
                    false => format!("[{low}, {high}] after conversion by {factor}"),
                };
                Err(Problem::OutOfRange { text: quoted(field), range })
            }
        }
        // "1.0" passes too: that is how common tools export a flag.
        Kind::Flag => match number() {
            Some(0.0) => Ok(0.0),
            Some(1.0) => Ok(1.0),
            _ => Err(Problem::NotAFlag { text: quoted(field) }),
        },
        Kind::Category { levels } => match levels.iter().position(|level| level == text) {
            Some(index) => Ok(index as f64),
            None => match column.synonyms.get(text) {
                Some(index) => Ok(f64::from(*index)),
                None => {
                    Err(Problem::UnknownLevel { text: quoted(field), levels: levels.join(", ") })
                }
            },
        },
    }
}

/// A value in the schema's unit. What the multiplication rounds past an end of the range lies on it.
fn converted(value: f64, factor: f64, (low, high): (f64, f64)) -> f64 {
    if factor == 1.0 {
        return value;
    }
    let value = value * factor;
    let near = |end: f64| (value - end).abs() <= 4.0 * f64::EPSILON * end.abs();
    if near(low) {
        low
    } else if near(high) {
        high
    } else {
        value
    }
}

/// A field's text as an error may show it: printable and short.
fn quoted(field: &[u8]) -> String {
    String::from_utf8_lossy(field).escape_debug().take(QUOTED).collect()
}

/// Lines on which keys, or whole rows of a file without keys, were first seen (rule S1).
#[derive(Default)]
struct Seen {
    /// The first line of a key, and how many rows it has.
    keys: HashMap<String, (u64, u32)>,
    /// Rows by two independently keyed 64-bit hashes, so that no row is stored twice in memory
    /// and a false match is as good as impossible.
    rows: HashMap<(u64, u64), u64>,
    hashers: (RandomState, RandomState),
}

impl Seen {
    fn key(&mut self, key: &str, line: u64) -> (u64, u32) {
        let seen = self.keys.entry(key.to_owned()).or_insert((line, 0));
        seen.1 += 1;
        *seen
    }

    fn row(&mut self, row: &ByteRecord, line: u64) -> Option<u64> {
        let fields = Fields(row);
        let hash = (self.hashers.0.hash_one(&fields), self.hashers.1.hash_one(&fields));
        first(self.rows.entry(hash), line)
    }
}

struct Fields<'a>(&'a ByteRecord);

impl Hash for Fields<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for field in self.0 {
            field.hash(state);
        }
    }
}

fn first<K>(entry: Entry<'_, K, u64>, line: u64) -> Option<u64> {
    match entry {
        Entry::Occupied(earlier) => Some(*earlier.get()),
        Entry::Vacant(place) => {
            place.insert(line);
            None
        }
    }
}
