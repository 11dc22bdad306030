//! A pooled CSV or Parquet file, dealt out to local hospitals as text: for the demonstration and for
//! statistics over hospitals that one machine plays. Fields stay as they are; intake checks them.
//!
//! Several files, a hospital each, may be one table, too. A row remembers its line and its file as
//! the position of its record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Position, StringRecord};
use haima_fl_core::error::IntakeProblem;
use haima_fl_core::quality::records;

use crate::Error;
use crate::data::source::{Source, name_of};

/// A table in memory.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    /// Further files, whose rows follow.
    others: Vec<PathBuf>,
    /// As the files' headers have them.
    headers: StringRecord,
    /// By place of the header: a file that has no such column.
    lacking: BTreeMap<usize, PathBuf>,
    rows: Vec<StringRecord>,
}

/// Deals a file out by a column: one CSV text a value, without that column.
///
/// # Errors
/// As [`Table::read`] and [`Table::split`].
pub fn split(path: &Path, column: &str) -> Result<BTreeMap<String, String>, Error> {
    Table::read(path)?
        .split(column)?
        .into_iter()
        .map(|(site, part)| Ok((site, part.text()?)))
        .collect()
}

/// Name and unit of a header such as `hb [g/dL]`, as intake reads it.
pub(crate) fn told(header: &str) -> (&str, Option<&str>) {
    let told = header.strip_suffix(']').and_then(|rest| rest.split_once(" ["));
    told.map_or((header, None), |(name, unit)| (name, Some(unit)))
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, is neither CSV nor Parquet, or has no row; names file, line and
    /// column.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fault = |problem: String| Error::data(path, problem);
        let found = records(&name_of(path), Source::open(path)?, b',');
        let found = found.map_err(|error| match error {
            // Of a Parquet file, say, what is wrong inside.
            haima_fl_core::Error::Intake {
                problem: IntakeProblem::Unreadable { reason }, ..
            } => fault(reason),
            error => error.into(),
        })?;
        let mut records = found.into_iter();
        let Some(headers) = records.next() else {
            return Err(fault(IntakeProblem::EmptyFile.to_string()));
        };
        let headers = as_text(path, headers, None)?;
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            if record.len() != headers.len() {
                let (expected, got) = (headers.len(), record.len());
                let problem = IntakeProblem::Ragged { expected, got };
                return Err(fault(format!("line {}: {problem}", line(record.position()))));
            }
            rows.push(as_text(path, record, Some(&headers))?);
        }
        let (others, lacking) = (Vec::new(), BTreeMap::new());
        let table = Self { path: path.to_owned(), others, headers, lacking, rows };
        if table.rows.is_empty() {
            return Err(table.fault("no patients in it"));
        }
        Ok(table)
    }

    /// Adds another file's rows, column by column. A column that one of the files lacks can be asked
    /// for nowhere.
    pub fn append(&mut self, other: Self) {
        let before = self.headers.len();
        let mut places: Vec<usize> = Vec::with_capacity(other.headers.len());
        for header in &other.headers {
            let own = self.headers.iter().enumerate();
            let mut own = own.filter(|(at, name)| *name == header && !places.contains(at));
            let found = own.next().map(|(at, _)| at);
            places.push(found.unwrap_or_else(|| {
                self.headers.push_field(header);
                self.headers.len() - 1
            }));
        }
        for at in before..self.headers.len() {
            self.lacking.insert(at, self.path.clone());
            self.rows.iter_mut().for_each(|row| row.push_field(""));
        }
        for at in (0..before).filter(|at| !places.contains(at)) {
            self.lacking.entry(at).or_insert_with(|| other.path.clone());
        }
        self.others.push(other.path);
        let file = self.others.len() as u64;
        for row in other.rows {
            let mut fields = vec![""; self.headers.len()];
            for (at, field) in places.iter().zip(&row) {
                if let Some(place) = fields.get_mut(*at) {
                    *place = field;
                }
            }
            let mut moved = StringRecord::from(fields);
            let mut position = Position::new();
            position.set_line(line(row.position())).set_record(file);
            moved.set_position(Some(position));
            self.rows.push(moved);
        }
    }

    /// Where it came from; of several files, the first.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All files that it came from.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.path).chain(&self.others).map(PathBuf::as_path)
    }

    /// File and line of a row.
    #[must_use]
    pub fn place(&self, row: usize) -> (&Path, u64) {
        let position = self.rows.get(row).and_then(StringRecord::position);
        let file = position.map_or(0, Position::record);
        let file = usize::try_from(file).unwrap_or(usize::MAX);
        (self.paths().nth(file).unwrap_or(&self.path), line(position))
    }

    /// Names of the columns, without the unit that a header may add (`hb [g/dL]`).
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|header| told(header).0)
    }

    /// Headers as they stand in the file.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Fields of a column, in the order of the rows. The name may have the header's unit or not.
    ///
    /// # Errors
    /// When there is no such column, or two are called so; names those that there are.
    pub fn column(&self, name: &str) -> Result<impl Iterator<Item = &str>, Error> {
        let at = self.position(name)?;
        Ok(self.fields(at))
    }

    /// Fields of the column in that place.
    pub fn fields(&self, at: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row.get(at).unwrap_or_default())
    }

    /// Checks that there is a column.
    ///
    /// # Errors
    /// When there is none; names those that there are.
    pub fn has(&self, name: &str) -> Result<(), Error> {
        if self.places(name).next().is_some() { Ok(()) } else { Err(self.no_column(name)) }
    }

    /// One table a value of `column`, keyed by value; `column` itself is left out.
    ///
    /// # Errors
    /// When there is no such column, or a row has no value in it.
    pub fn split(&self, column: &str) -> Result<BTreeMap<String, Self>, Error> {
        let at = self.position(column)?;
        let without = |record: &StringRecord| -> StringRecord {
            let others = record.iter().enumerate().filter(|(i, _)| *i != at);
            let mut record_of_part: StringRecord = others.map(|(_, field)| field).collect();
            record_of_part.set_position(record.position().cloned());
            record_of_part
        };
        let mut parts: BTreeMap<String, Self> = BTreeMap::new();
        for row in &self.rows {
            let value = row.get(at).unwrap_or_default().trim();
            if value.is_empty() {
                let line = line(row.position());
                return Err(self.fault(&format!("line {line}: no value in column {column:?}")));
            }
            let part = parts
                .entry(value.to_owned())
                .or_insert_with(|| Self { headers: without(&self.headers), ..self.empty() });
            part.rows.push(without(row));
        }
        Ok(parts)
    }

    /// The same with a further column.
    #[must_use]
    pub fn with_column<'a>(&self, name: &str, values: impl Iterator<Item = &'a str>) -> Self {
        let mut table = self.clone();
        table.headers.push_field(name);
        for (row, value) in table.rows.iter_mut().zip(values) {
            row.push_field(value);
        }
        table
    }

    /// The same with other headers, for those that `name` gives one; none where it gives none.
    #[must_use]
    pub fn renamed(&self, name: impl Fn(usize, &str) -> Option<String>) -> Option<Self> {
        let of = |(at, header): (usize, &str)| name(at, header);
        let names: Vec<Option<String>> = self.headers.iter().enumerate().map(of).collect();
        if names.iter().all(Option::is_none) {
            return None;
        }
        let headers = self.headers.iter().zip(&names);
        let headers = headers.map(|(header, name)| name.as_deref().unwrap_or(header)).collect();
        Some(Self { headers, ..self.clone() })
    }

    /// Those rows whose position `takes`.
    #[must_use]
    pub fn select(&self, takes: impl Fn(usize) -> bool) -> Self {
        let rows =
            self.rows.iter().enumerate().filter(|(i, _)| takes(*i)).map(|(_, row)| row.clone());
        Self { rows: rows.collect(), ..self.empty() }
    }

    /// The table as CSV.
    ///
    /// # Errors
    /// When it cannot be written, which no table that was read is.
    pub fn text(&self) -> Result<String, Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for record in std::iter::once(&self.headers).chain(&self.rows) {
            writer.write_record(record).map_err(|e| self.fault(&e.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|e| self.fault(&e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| self.fault(&e.to_string()))
    }

    /// The table without rows.
    fn empty(&self) -> Self {
        Self {
            path: self.path.clone(),
            others: self.others.clone(),
            headers: self.headers.clone(),
            lacking: self.lacking.clone(),
            rows: Vec::new(),
        }
    }

    /// Places of the columns of a name, with the header's unit or without.
    fn places<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> {
        let is = move |header: &str| header == name || told(header).0 == name;
        self.headers.iter().enumerate().filter(move |(_, header)| is(header)).map(|(at, _)| at)
    }

    fn position(&self, name: &str) -> Result<usize, Error> {
        let mut places = self.places(name);
        let at = match (places.next(), places.next()) {
            (Some(at), None) => at,
            (Some(one), Some(other)) => {
                let header = |at: usize| self.headers.get(at).unwrap_or_default();
                let (one, other) = (header(one), header(other));
                let problem = format!(
                    "line 1: two columns are called {name:?}: {one:?} and {other:?}; rename one, and \
                     write a column's unit alike in all files"
                );
                return Err(self.fault(&problem));
            }
            (None, _) => return Err(self.no_column(name)),
        };
        match self.lacking.get(&at) {
            Some(file) => {
                let all: Vec<&str> = self.headers().collect();
                let problem = format!("no column {name:?}, which another file has; all have: ");
                let common =
                    all.iter().enumerate().filter(|(at, _)| !self.lacking.contains_key(at));
                let common: Vec<&str> = common.map(|(_, name)| *name).collect();
                Err(Error::data(file, problem + &common.join(", ")))
            }
            None => Ok(at),
        }
    }

    fn no_column(&self, name: &str) -> Error {
        let columns: Vec<&str> = self.headers().collect();
        let hint = if columns.len() < 2 { "; is it separated by commas?" } else { "" };
        self.fault(&format!("no column {name:?}; it has {}{hint}", columns.join(", ")))
    }

    fn fault(&self, problem: &str) -> Error {
        Error::data(&self.path, problem)
    }
}

/// A record as text; of a row, with the header's name of the field that is none.
fn as_text(
    path: &Path,
    record: ByteRecord,
    headers: Option<&StringRecord>,
) -> Result<StringRecord, Error> {
    StringRecord::from_byte_record(record).map_err(|error| {
        let at = error.utf8_error().field();
        let record = error.into_byte_record();
        let name = headers.and_then(|headers| headers.get(at)).map(str::to_owned);
        let name = name.unwrap_or_else(|| {
            String::from_utf8_lossy(record.get(at).unwrap_or_default()).into_owned()
        });
        let problem = format!(
            "line {}, `{name}`: not UTF-8 text; save the file as \"CSV UTF-8\", or let `haima data clean \
             {} --encoding windows-1252 --out CLEAN.csv` do so",
            line(record.position()),
            path.display()
        );
        Error::data(path, problem)
    })
}

fn line(position: Option<&Position>) -> u64 {
    position.map_or(0, Position::line)
}

/// `district-07` of prefix, value and the width of the longest value: a party's name. `Köln` is `koeln`.
pub(crate) fn site_name(prefix: &str, value: &str, width: usize) -> String {
    // Umlauts of one letter, and of a letter with a mark behind it, as some systems write files' names.
    const SPELT: [(&str, &str); 7] = [
        ("a\u{308}", "ae"),
        ("o\u{308}", "oe"),
        ("u\u{308}", "ue"),
        ("\u{e4}", "ae"),
        ("\u{f6}", "oe"),
        ("\u{fc}", "ue"),
        ("\u{df}", "ss"),
    ];
    let value = match value.parse::<u64>() {
        Ok(number) => format!("{number:0width$}"),
        Err(_) => value.to_owned(),
    };
    let lower = format!("{prefix}-{value}").to_lowercase();
    SPELT
        .iter()
        .fold(lower, |name, (letter, spelt)| name.replace(*letter, spelt))
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '-' })
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(texts: &[&str]) -> Result<Table, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = |at: usize| folder.path().join(format!("{at}.csv"));
        let paths: Vec<PathBuf> = (0..texts.len()).map(path).collect();
        for (path, text) in paths.iter().zip(texts) {
            std::fs::write(path, text).unwrap();
        }
        let mut all = Table::read(&paths[0])?;
        for path in &paths[1..] {
            all.append(Table::read(path)?);
        }
        Ok(all)
    }

    #[test]
    fn a_party_has_the_letters_of_its_hospital() {
        for (value, name) in [
            ("7", "zentrum-07"),
            ("K\u{f6}ln", "zentrum-koeln"),
            ("M\u{fc}nster", "zentrum-muenster"),
            ("Mu\u{308}nster", "zentrum-muenster"),
            ("\u{c4}rztehaus Gie\u{df}en", "zentrum-aerztehaus-giessen"),
            ("Besan\u{e7}on", "zentrum-besan-on"),
        ] {
            assert_eq!(site_name("Zentrum", value, 2), name);
        }
    }

    fn said(texts: &[&str]) -> String {
        tables(texts).unwrap_err().to_string()
    }

    #[test]
    fn a_column_is_found_with_its_unit_and_without() {
        let table = tables(&["id,Hb [g/dL],age\n1,12,60\n"]).unwrap();
        for name in ["Hb", "Hb [g/dL]"] {
            assert_eq!(table.column(name).unwrap().collect::<Vec<_>>(), ["12"], "{name}");
        }
        assert!(table.column("Hb [g/L]").is_err() && table.column("H").is_err());
        assert_eq!(table.columns().collect::<Vec<_>>(), ["id", "Hb", "age"]);
        assert!(table.text().unwrap().starts_with("id,Hb [g/dL],age\n"));
    }

    #[test]
    fn of_two_columns_of_one_name_none_is_taken() {
        let table = tables(&["id,age,age\n1,60,61\n"]).unwrap();
        let said = table.column("age").err().unwrap().to_string();
        assert!(said.contains("line 1: two columns are called \"age\""), "{said}");
        assert!(table.column("id").is_ok());
        let units = tables(&["Hb [g/L]\n120\n", "Hb [g/dL]\n12\n"]).unwrap();
        let said = units.column("Hb").err().unwrap().to_string();
        assert!(said.contains("\"Hb [g/L]\" and \"Hb [g/dL]\""), "{said}");
    }

    #[test]
    fn faults_have_their_line_with_carriage_returns_and_blank_lines_too() {
        let ragged = said(&["id,age\r\n1,60\r\n\r\n2,7,5\r\n"]);
        assert!(ragged.contains("0.csv: line 4: 3 fields where the header has 2"), "{ragged}");
        assert!(ragged.contains("decimal comma"), "{ragged}");
        assert!(said(&["id;age\n1;60\n"]).contains("haima data clean"));
        assert!(said(&["id,age\n"]).contains("no patients in it"));
        let empty = said(&[""]);
        assert!(empty.contains("0.csv: the file is empty") && !empty.contains("line 0"), "{empty}");
    }

    #[test]
    fn letters_of_windows_are_told_with_line_and_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.csv");
        std::fs::write(&path, b"id,Ort\n1,Ulm\n2,K\xF6ln\n").unwrap();
        let said = Table::read(&path).unwrap_err().to_string();
        assert!(said.contains("line 3, `Ort`: not UTF-8"), "{said}");
        assert!(said.contains("--encoding windows-1252"), "{said}");
    }

    #[test]
    fn files_of_one_kind_are_one_table_and_rows_know_theirs() {
        let table = tables(&["id,age,x\n1,60,a\n", "age,id\n70,2\n\n80,3\n"]).unwrap();
        assert_eq!(table.column("age").unwrap().collect::<Vec<_>>(), ["60", "70", "80"]);
        let place = |row: usize| {
            let (path, line) = table.place(row);
            (path.file_name().unwrap().to_string_lossy().into_owned(), line)
        };
        assert_eq!(place(0), ("0.csv".to_owned(), 2));
        assert_eq!(place(2), ("1.csv".to_owned(), 4));
        // What one of them lacks is missing in no row: nobody can ask for it.
        let said = table.column("x").err().unwrap().to_string();
        assert!(said.contains("1.csv: no column \"x\"") && said.contains("all have: id, age"));
        assert_eq!(table.text().unwrap().lines().count(), 4);
    }
}
