//! Records of a table that somebody else's program wrote, none without bound.

use std::collections::HashSet;
use std::io::{Read as _, Take};
use std::path::Path;
use std::sync::Arc;

use csv::StringRecord;

use crate::Error;
use crate::convert::fault::{At, quoted};
use crate::convert::quotes::Strict;
use crate::data::source::Source;

/// Bytes of a record.
const MOST_RECORD: u64 = 16 << 20;
/// Bytes of a table.
const MOST_BYTES: u64 = 4 << 30;
/// Columns that an error names.
const NAMED: usize = 20;

/// A table that is read record by record.
pub(super) struct Records {
    file: Arc<Path>,
    reader: csv::Reader<Strict<Take<Source>>>,
    pub(super) header: StringRecord,
}

impl Records {
    /// Opens a table and reads its header, in which no name may stand twice.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let fault = |problem: String| Error::data(path, problem);
        let bytes = Source::open(path)?.take(MOST_RECORD);
        let mut reader = csv::Reader::from_reader(Strict::new(bytes));
        let header = reader.headers().cloned();
        if reader.get_ref().inner().limit() == 0 {
            return Err(fault(too_long()));
        }
        let header = header.map_err(|error| fault(error.to_string()))?;
        let mut names = HashSet::new();
        if let Some(twice) = header.iter().find(|name| !names.insert(*name)) {
            let problem = format!("line 1: two columns are called {}; rename one", quoted(twice));
            return Err(fault(problem));
        }
        if header.len() == 1 && header.iter().any(|name| name.contains([';', '\t'])) {
            return Err(fault(
                "has one column; separate columns by commas, not by `;` or tabs".into(),
            ));
        }
        Ok(Self { file: Arc::from(path), reader, header })
    }

    /// Place of a column; `option` is what names it.
    pub(super) fn place(&self, name: &str, option: &str) -> Result<usize, Error> {
        let place = self.header.iter().position(|own| own == name);
        place.ok_or_else(|| {
            let others: Vec<String> = self.header.iter().take(NAMED).map(quoted).collect();
            let more = if self.header.len() > NAMED { ", ..." } else { "" };
            let others = others.join(", ");
            let problem = format!("no column {} ({option}); it has {others}{more}", quoted(name));
            Error::data(&self.file, problem)
        })
    }

    /// The next record, and the line that it begins in.
    pub(super) fn read(&mut self, record: &mut StringRecord) -> Result<Option<u64>, Error> {
        self.reader.get_mut().inner_mut().set_limit(MOST_RECORD);
        let read = self.reader.read_record(record);
        if self.reader.get_ref().inner().limit() == 0 {
            return Err(Error::data(&self.file, too_long()));
        }
        if self.reader.position().byte() > MOST_BYTES {
            return Err(Error::data(&self.file, format!("has more than {MOST_BYTES} bytes")));
        }
        let more = read.map_err(|error| Error::data(&self.file, error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        Ok(more.then_some(line))
    }

    /// A line of the table.
    pub(super) fn at(&self, line: u64) -> At {
        At::new(&self.file, format!("line {line}"))
    }
}

fn too_long() -> String {
    format!("has a line of more than {MOST_RECORD} bytes; is a quote left open?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_a_bound_and_so_has_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let long = "x".repeat(17 << 20);
        std::fs::write(&path, format!("{long},b\n")).unwrap();
        let said = Records::open(&path).err().unwrap().to_string();
        assert!(said.contains("a line of more than"), "{}", said.len());
        std::fs::write(&path, format!("a,b\n1,2\n\"{long}")).unwrap();
        let mut records = Records::open(&path).unwrap();
        let mut record = StringRecord::new();
        assert_eq!(records.read(&mut record).unwrap(), Some(2));
        let said = records.read(&mut record).unwrap_err().to_string();
        assert!(said.contains("is a quote left open?"), "{}", said.len());
    }

    #[test]
    fn a_header_that_cannot_be_meant_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for (text, says) in [
            ("a,b,a\n", "two columns are called `a`"),
            ("a;b\n1;2\n", "separate columns by commas"),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = Records::open(&path).err().unwrap().to_string();
            assert!(said.contains(says), "{said}");
        }
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let said = Records::open(&path).unwrap().place("c", "--patient").unwrap_err().to_string();
        assert!(said.contains("no column `c` (--patient); it has `a`, `b`"), "{said}");
    }
}
