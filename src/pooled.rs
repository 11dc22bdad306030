//! A pooled CSV or Parquet file, dealt out to local hospitals as text: for the demonstration and for
//! statistics over hospitals that one machine plays. Fields stay as they are; intake checks them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use crate::Error;
use crate::data::source::Source;

/// A table in memory.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    columns: StringRecord,
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

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, is neither CSV nor Parquet, or has no row; names file and line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fault = |e: csv::Error| Error::data(path, e.to_string());
        let mut reader = csv::ReaderBuilder::new().from_reader(Source::open(path)?);
        let columns = reader.headers().map_err(fault)?.clone();
        let rows = reader.records().collect::<Result<Vec<_>, _>>().map_err(fault)?;
        let table = Self { path: path.to_owned(), columns, rows };
        if table.rows.is_empty() {
            return Err(table.fault("no patients in it"));
        }
        Ok(table)
    }

    /// Where it came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter()
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

    /// Fields of a column, in the order of the rows.
    ///
    /// # Errors
    /// When there is no such column; names those that there are.
    pub fn column(&self, name: &str) -> Result<impl Iterator<Item = &str>, Error> {
        let at = self.position(name)?;
        Ok(self.rows.iter().map(move |row| row.get(at).unwrap_or_default()))
    }

    /// Checks that there is a column.
    ///
    /// # Errors
    /// As [`Table::column`].
    pub fn has(&self, name: &str) -> Result<(), Error> {
        self.position(name).map(drop)
    }

    /// One table a value of `column`, keyed by value; `column` itself is left out.
    ///
    /// # Errors
    /// When there is no such column, or a row has no value in it.
    pub fn split(&self, column: &str) -> Result<BTreeMap<String, Self>, Error> {
        let at = self.position(column)?;
        let without = |record: &StringRecord| -> StringRecord {
            record.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, field)| field).collect()
        };
        let mut parts: BTreeMap<String, Self> = BTreeMap::new();
        for row in &self.rows {
            let value = row.get(at).unwrap_or_default().trim();
            if value.is_empty() {
                let line = row.position().map_or(0, csv::Position::line);
                return Err(self.fault(&format!("line {line}: no value in column {column:?}")));
            }
            let part = parts.entry(value.to_owned()).or_insert_with(|| Self {
                path: self.path.clone(),
                columns: without(&self.columns),
                rows: Vec::new(),
            });
            part.rows.push(without(row));
        }
        Ok(parts)
    }

    /// The same with a further column.
    #[must_use]
    pub fn with_column<'a>(&self, name: &str, values: impl Iterator<Item = &'a str>) -> Self {
        let mut table = self.clone();
        table.columns.push_field(name);
        for (row, value) in table.rows.iter_mut().zip(values) {
            row.push_field(value);
        }
        table
    }

    /// Those rows whose position `takes`.
    #[must_use]
    pub fn select(&self, takes: impl Fn(usize) -> bool) -> Self {
        let rows =
            self.rows.iter().enumerate().filter(|(i, _)| takes(*i)).map(|(_, row)| row.clone());
        Self { path: self.path.clone(), columns: self.columns.clone(), rows: rows.collect() }
    }

    /// The table as CSV.
    ///
    /// # Errors
    /// When it cannot be written, which no table that was read is.
    pub fn text(&self) -> Result<String, Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for record in std::iter::once(&self.columns).chain(&self.rows) {
            writer.write_record(record).map_err(|e| self.fault(&e.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|e| self.fault(&e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| self.fault(&e.to_string()))
    }

    fn position(&self, name: &str) -> Result<usize, Error> {
        self.columns.iter().position(|column| column == name).ok_or_else(|| {
            let columns: Vec<&str> = self.columns().collect();
            let hint = if columns.len() < 2 { "; is it separated by commas?" } else { "" };
            self.fault(&format!("no column {name:?}; it has {}{hint}", columns.join(", ")))
        })
    }

    fn fault(&self, problem: &str) -> Error {
        Error::data(&self.path, problem)
    }
}

/// `district-07` of prefix, value and the width of the longest value: a party's name.
pub(crate) fn site_name(prefix: &str, value: &str, width: usize) -> String {
    let value = match value.parse::<u64>() {
        Ok(number) => format!("{number:0width$}"),
        Err(_) => value.to_owned(),
    };
    format!("{prefix}-{value}")
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '-' })
        .take(64)
        .collect()
}
