//! Patients' files for a model that is there: columns that nobody asks for are not read, whatever
//! their names; those that are read may say their unit (`hb [g/L]`), as at intake.

use std::io::{Cursor, Read};
use std::path::Path;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::{PatientKey, Schema};

use crate::Error;
use crate::data::source::{Source, name_of};

/// Bytes that a header may have.
const MOST_HEADER: u64 = 1 << 20;

/// A file whose header has been read.
pub(crate) struct Patients<'a, R> {
    path: &'a Path,
    /// In the file's order.
    names: Vec<String>,
    /// Lines above the header's last.
    above: usize,
    /// Bytes that end the header's line.
    end: Vec<u8>,
    /// What has been read behind it, and what has not.
    behind: Vec<u8>,
    rest: R,
}

impl<'a> Patients<'a, Source> {
    /// Opens a CSV or Parquet file and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, or has no header of a usual length.
    pub(crate) fn open(path: &'a Path) -> Result<Self, Error> {
        Self::of(path, Source::open(path)?)
    }
}

impl<'a, R: Read> Patients<'a, R> {
    /// The same of anything that yields bytes; `path` stands in errors.
    ///
    /// # Errors
    /// As [`Patients::open`].
    pub(crate) fn of(path: &'a Path, mut rest: R) -> Result<Self, Error> {
        let fault = |problem: String| Error::data(path, problem);
        let mut head = Vec::new();
        let read = rest.by_ref().take(MOST_HEADER).read_to_end(&mut head);
        read.map_err(|error| Error::file(path, error))?;
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&*head);
        let mut header = csv::ByteRecord::new();
        let found = reader.read_byte_record(&mut header).map_err(|e| fault(e.to_string()))?;
        if !found {
            return Err(fault("is empty; it needs a header and a row a patient".into()));
        }
        let size = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        drop(reader);
        let size = size.min(head.len());
        if size as u64 == MOST_HEADER {
            return Err(fault(format!("its header is longer than {MOST_HEADER} bytes")));
        }
        let names = header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let behind = head.split_off(size);
        let end: Vec<u8> = head.pop_if(|last| matches!(last, b'\r' | b'\n')).into_iter().collect();
        let above = head.iter().filter(|byte| **byte == b'\n').count();
        Ok(Self { path, names, above, end, behind, rest })
    }

    /// Names of the header, in its order.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a column of that name is there, in whatever unit.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.names.iter().any(|name| name == column || without_unit(name) == Some(column))
    }

    /// Reads the patients by a schema, and nothing else of the file.
    ///
    /// # Errors
    /// When a column of the schema is not there, or a field does not fit it; says where.
    pub(crate) fn read(self, schema: &Schema) -> Result<Cohort, Error> {
        let key = match &schema.patient {
            PatientKey::Column(key) => Some(key.as_str()),
            PatientKey::OneRow => None,
        };
        let columns = || schema.columns.iter().map(|column| column.name.as_str());
        for column in key.into_iter().chain(columns()) {
            if !self.has(column) {
                let there: Vec<&str> = self.names.iter().take(50).map(String::as_str).collect();
                let hint = if there.len() < 2 { "; is it separated by commas?" } else { "" };
                let problem = format!("no column {column:?}; it has {}{hint}", there.join(", "));
                return Err(Error::data(self.path, problem));
            }
        }
        let is_read = |name: &str| {
            key == Some(name) || columns().any(|own| own == name || without_unit(name) == Some(own))
        };
        // What is not read gets a name of its own that no column can have, for its blank.
        let mut own = schema.clone();
        own.ignore.clear();
        let mut writer = csv::Writer::from_writer(Vec::new());
        for (at, name) in self.names.iter().enumerate() {
            let name = match is_read(name) {
                true => name.clone(),
                false => {
                    own.ignore.push(format!("not read {at}"));
                    format!("not read {at}")
                }
            };
            writer.write_field(name).map_err(|e| Error::data(self.path, e.to_string()))?;
        }
        let written = writer.into_inner().map_err(|e| Error::data(self.path, e.to_string()))?;
        // As many lines as before, so that a fault is told with its line in this file.
        let mut header = vec![b'\n'; self.above];
        header.extend(written);
        header.extend(self.end);
        let name = name_of(self.path);
        let bytes = Cursor::new(header).chain(Cursor::new(self.behind)).chain(self.rest);
        Ok(Cohort::from_reader(&name, bytes, &own)?)
    }
}

/// `hb` of `hb [g/L]`.
fn without_unit(header: &str) -> Option<&str> {
    header.strip_suffix(']')?.split_once(" [").map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Cohort, Error> {
        let schema = "patient = \"id\"\n[[column]]\nname = \"hb\"\nkind = \"numeric\"\n\
                      unit = \"g/dL\"\nrange = [3, 22]\naccepts = { \"g/L\" = 0.1 }\n";
        let schema = Schema::from_toml(&schema.parse().unwrap()).unwrap();
        Patients::of(Path::new("a.csv"), text.as_bytes())?.read(&schema)
    }

    #[test]
    fn what_is_not_asked_for_is_not_read_whatever_its_name() {
        for end in ["\n", "\r\n"] {
            let text = ["note,Date of birth,id,hb [g/L],note", "x,\"1, 2\",p,130,y", ""].join(end);
            let cohort = read(&text).unwrap();
            assert_eq!((cohort.len(), cohort.value("hb", 0)), (1, Some(13.0)));
        }
    }

    #[test]
    fn faults_are_told_with_their_line_and_column() {
        let said = |text: &str| read(text).err().unwrap().to_string();
        assert!(said("id,hb [g/dL]\np,12\nq,99\n").contains("line 3"));
        assert!(said("\"a\nb\",id,hb\n,p,99\n").contains("line 3"));
        assert!(said("id,hb [mmol]\np,12\n").contains("mmol"));
        assert!(said("id,Hb\np,12\n").contains("no column \"hb\"; it has id, Hb"));
        assert!(said("").contains("is empty"));
        assert!(said("id,hb,hb [g/L]\np,12,120\n").contains("hb"));
        assert!(said(&"x".repeat(1 << 20)).contains("longer than"));
    }
}
