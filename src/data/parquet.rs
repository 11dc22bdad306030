//! A Parquet file as the CSV that it would be, by the low-level reader and without arrow.
//!
//! Flat tables only: a column that holds lists or structures is refused with its name. Null and a
//! number that is none (NaN) are empty fields, true and false 1 and 0, dates and times are written as
//! ISO 8601 has them. Pages may be plain or packed by Snappy or gzip.
//!
//! A file may come from anywhere: sizes that it states are held against what there is before anything
//! is allocated ([`footer`], [`pages`]), what it unpacks to is bounded, and a panic of the decoders
//! below is an error.

mod footer;
mod pages;
mod values;

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use pages::Unpacked;
use values::Column;

/// Rows of a file, as at intake.
const MOST_ROWS: u64 = 10_000_000;
/// Bytes of a field, as at intake.
const MOST_FIELD: usize = 4096;
/// Fields that are read at a time.
const BATCH: usize = 1 << 16;
/// Bytes of CSV that a file may come to.
const MOST_TEXT: u64 = 4 << 30;

/// The rows of a file, read as CSV with a header.
pub(super) struct AsCsv {
    file: Arc<File>,
    metadata: ParquetMetaData,
    /// Row groups that were begun.
    begun: usize,
    /// Columns of the row group that is being read.
    columns: Vec<Column>,
    /// Rows of it that are left.
    left: usize,
    /// Rows that were read, in all.
    rows: u64,
    unpacked: Unpacked,
    /// CSV that nobody has read yet, from `at` on.
    text: Vec<u8>,
    at: usize,
    /// Bytes of CSV so far.
    written: u64,
}

impl AsCsv {
    /// Opens a file and reads what it says of itself.
    ///
    /// # Errors
    /// What is wrong with it, in words; whoever knows its path adds it.
    pub(super) fn open(file: File) -> Result<Self, String> {
        let footer = footer::read(&file).map_err(said)?;
        let metadata = caught(|| ParquetMetaDataReader::decode_metadata(&footer)).map_err(said)?;
        let described = metadata.file_metadata().schema_descr().columns();
        for column in described {
            values::check(column).map_err(said)?;
        }
        let mut rows = 0_u64;
        for group in metadata.row_groups() {
            let own = u64::try_from(group.num_rows()).ok();
            rows = own.and_then(|own| rows.checked_add(own)).unwrap_or(u64::MAX);
            if rows > MOST_ROWS {
                return Err(format!(
                    "says that it has more than {MOST_ROWS} rows; split the cohort"
                ));
            }
            if group.num_columns() != described.len() {
                return Err(said(damaged("a row group has other columns than the file")));
            }
        }
        let mut header = csv::Writer::from_writer(Vec::new());
        let names = described.iter().map(|column| column.name());
        header.write_record(names).map_err(|error| error.to_string())?;
        let text = header.into_inner().map_err(|error| error.to_string())?;
        let written = text.len() as u64;
        Ok(Self {
            file: Arc::new(file),
            metadata,
            begun: 0,
            columns: Vec::new(),
            left: 0,
            rows: 0,
            unpacked: Unpacked::default(),
            text,
            at: 0,
            written,
        })
    }

    /// The next rows as CSV; false where there are none.
    fn fill(&mut self) -> Result<bool, ParquetError> {
        while self.left == 0 {
            let Some(group) = self.metadata.row_groups().get(self.begun) else {
                return Ok(false);
            };
            self.left = usize::try_from(group.num_rows())?;
            self.columns = self.columns_of(group)?;
            self.begun += 1;
        }
        let rows = self.left.min((BATCH / self.columns.len().max(1)).max(1));
        let first = self.rows;
        let mut texts = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            texts.push(column.texts(rows, first)?);
        }
        let mut writer = csv::Writer::from_writer(std::mem::take(&mut self.text));
        let broken = |error: csv::Error| ParquetError::General(error.to_string());
        for row in 0..rows {
            for column in &texts {
                writer.write_field(column.of(row)).map_err(broken)?;
            }
            writer.write_record(None::<&[u8]>).map_err(broken)?;
        }
        self.text =
            writer.into_inner().map_err(|error| ParquetError::General(error.to_string()))?;
        self.left -= rows;
        self.rows += rows as u64;
        self.written = self.written.saturating_add(self.text.len() as u64);
        if self.written > MOST_TEXT {
            let problem = format!("comes to more than {MOST_TEXT} bytes of text; split the cohort");
            return Err(ParquetError::General(problem));
        }
        Ok(true)
    }

    fn columns_of(&self, group: &RowGroupMetaData) -> Result<Vec<Column>, ParquetError> {
        let described = self.metadata.file_metadata().schema_descr().columns();
        let columns = described.iter().zip(group.columns()).map(|(described, chunk)| {
            let pages =
                pages::Pages::open(&self.file, described, chunk, self.left, &self.unpacked)?;
            Column::new(described, pages)
        });
        columns.collect()
    }
}

impl Read for AsCsv {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.text.len() {
            self.text.clear();
            self.at = 0;
            if !caught(|| self.fill()).map_err(|error| io::Error::other(said(error)))? {
                return Ok(0);
            }
        }
        let mut rest = self.text.get(self.at..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// What a decoder says, or that it gave up: those of the crate panic on some damaged pages.
fn caught<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged("it cannot be decoded")))
}

/// A file that contradicts itself.
fn damaged(how: &str) -> ParquetError {
    ParquetError::General(format!("is damaged: {how}; export it again"))
}

/// An error's words, without those of the crate's own for its kind.
fn said(error: ParquetError) -> String {
    match error {
        ParquetError::General(problem) | ParquetError::NYI(problem) => problem,
        ParquetError::EOF(problem) => format!("ends too early: {problem}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
