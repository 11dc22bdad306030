//! A file of patients as the bytes of a CSV, whatever its form: the one place that tells CSV from
//! Parquet. Everything that reads a table reads it through here.
//!
//! The rows of a Parquet file count as lines below a header: its first row is line 2.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Chain, Cursor, Read, Seek as _, SeekFrom};
use std::path::Path;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;

use super::form;
#[cfg(feature = "cli")]
use super::parquet::AsCsv;
use crate::Error;

/// What every Parquet file begins and ends with.
const MAGIC: &[u8] = b"PAR1";
/// Endings of names that say Parquet.
const ENDINGS: [&str; 2] = ["parquet", "pq"];

/// A file of patients: CSV as it stands, or Parquet as the CSV that it would be.
pub struct Source(Form);

enum Form {
    Csv(Chain<Cursor<Vec<u8>>, File>),
    #[cfg(feature = "cli")]
    Parquet(Box<AsCsv>),
}

impl Source {
    /// Opens a file. What it is, its first bytes say.
    ///
    /// # Errors
    /// When it cannot be read, or is a Parquet file that this program does not read, with the reason;
    /// when it is no CSV (a workbook, an archive), or semicolons or tabs separate its fields.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let fault = |error: io::Error| Error::file(path, error);
        let mut file = File::open(path).map_err(fault)?;
        let mut start = Vec::new();
        file.by_ref().take(form::HEAD as u64).read_to_end(&mut start).map_err(fault)?;
        let named = is_named_parquet(path);
        let read = start.len() as u64;
        if start.starts_with(MAGIC) && (named || ends_so(&mut file, read).map_err(fault)?) {
            return Self::parquet(path, file);
        }
        if named {
            let problem = "is no Parquet file, whatever its name: it does not begin as one; export it \
                           again, or call it .csv if it is one";
            return Err(Error::data(path, problem));
        }
        if let Some(problem) = form::no_text(&start) {
            return Err(Error::data(path, problem));
        }
        if let Some(separator) = form::foreign(&start) {
            let problem = match separator {
                // A line `sep=,` alone is in the way.
                b',' => "line 1: says what separates columns; the header has to be the first line"
                    .to_owned(),
                other => format!(
                    "line 1: separate columns by commas, not by {}, and write decimal points",
                    form::named(other)
                ),
            };
            let remedy = format!("`haima data clean {} --out CLEAN.csv`", path.display());
            return Err(Error::data(path, format!("{problem}: {remedy} makes such a file")));
        }
        Ok(Self(Form::Csv(Cursor::new(start).chain(file))))
    }

    #[cfg(feature = "cli")]
    fn parquet(path: &Path, file: File) -> Result<Self, Error> {
        let rows = AsCsv::open(file).map_err(|problem| Error::data(path, problem))?;
        Ok(Self(Form::Parquet(Box::new(rows))))
    }

    #[cfg(not(feature = "cli"))]
    fn parquet(path: &Path, _: File) -> Result<Self, Error> {
        let problem = "is a Parquet file, which this build does not read; export it as CSV";
        Err(Error::data(path, problem))
    }

    /// Whether its lines are rows of a Parquet file.
    #[must_use]
    pub fn is_parquet(&self) -> bool {
        match &self.0 {
            Form::Csv(_) => false,
            #[cfg(feature = "cli")]
            Form::Parquet(_) => true,
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Csv(file) => file.read(buffer),
            #[cfg(feature = "cli")]
            Form::Parquet(rows) => rows.read(buffer),
        }
    }
}

/// Reads a hospital's patients by the schema: [`Cohort::read_csv`], of Parquet as well.
///
/// # Errors
/// When the file cannot be read, or a field does not fit the schema; says where.
pub fn cohort(path: &Path, schema: &Schema) -> Result<Cohort, Error> {
    Ok(Cohort::from_reader(&name_of(path), Source::open(path)?, schema)?)
}

/// A file's text as CSV.
///
/// # Errors
/// When it cannot be read or is not UTF-8.
pub fn text(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let read = Source::open(path)?.read_to_string(&mut text);
    read.map_err(|error| Error::file(path, error))?;
    Ok(text)
}

/// A file's name without its folder, for messages.
pub(crate) fn name_of(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

fn is_named_parquet(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Whether a file ends as a Parquet file does; a pipe, which has no end yet, does not. Reading goes on
/// behind the bytes that were `read`.
fn ends_so(file: &mut File, read: u64) -> io::Result<bool> {
    let back = -(MAGIC.len() as i64);
    if file.seek(SeekFrom::End(back)).is_err() {
        return Ok(false);
    }
    let mut end = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut end)?;
    file.seek(SeekFrom::Start(read))?;
    Ok(end == MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_that_begins_like_a_parquet_file_is_a_csv() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genes.csv");
        // PAR1 is a gene, too.
        std::fs::write(&path, "PAR1,id\n0,a\n").unwrap();
        assert!(!Source::open(&path).unwrap().is_parquet());
        assert_eq!(text(&path).unwrap(), "PAR1,id\n0,a\n");
        std::fs::write(&path, "a").unwrap();
        assert_eq!(text(&path).unwrap(), "a");
    }

    #[test]
    fn a_longer_file_is_read_whole_behind_what_was_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.csv");
        let long = format!("PAR1,id\n{}", "0,a\n".repeat(form::HEAD / 3));
        std::fs::write(&path, &long).unwrap();
        assert_eq!(text(&path).unwrap(), long);
    }

    #[test]
    fn another_separator_and_a_workbook_are_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let said = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            Source::open(&path).err().unwrap().to_string()
        };
        let semicolons = said("a.csv", b"id;gew\n1;7,5\n");
        assert!(semicolons.contains("not by semicolons"), "{semicolons}");
        assert!(semicolons.contains("haima data clean ") && semicolons.contains("a.csv: line 1"));
        let line = said("s.csv", b"sep=,\nid,gew\n1,7.5\n");
        assert!(line.contains("the header has to be the first line: `haima data clean"), "{line}");
        assert!(!line.contains("not by"), "{line}");
        let workbook = said("m.csv", b"PK\x03\x04\x14\x00\x06\x00");
        assert!(workbook.contains("Excel") && workbook.contains("CSV UTF-8"), "{workbook}");
    }

    #[test]
    fn a_file_that_is_not_what_its_name_says_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        std::fs::write(&path, "id,age\n1,60\n").unwrap();
        let said = Source::open(&path).err().unwrap().to_string();
        assert!(said.contains("is no Parquet file, whatever its name"), "{said}");
        let said = Source::open(&folder.path().join("none.csv")).err().unwrap().to_string();
        assert!(said.contains("No such file"), "{said}");
    }
}
