//! Strict quotes for tables that are read record by record, watched byte by byte before the CSV reader
//! gets them.
//!
//! The `csv` crate ends an open quote at the end of the file without a word, so that all rows behind it
//! become part of one field, and reads `"1"2` as 12. Intake refuses both, and so does whatever makes a
//! table for it. Grammar: RFC 4180, section 2, with LF as well as CR LF. It knows no bounds: whoever
//! reads sets them.

use std::io::{self, Read};

/// Bytes on their way to the CSV reader, which stop at the first quote that nobody can have meant.
pub(super) struct Strict<R> {
    inner: R,
    place: Place,
    line: u64,
    /// Line in which the last field in quotes began.
    opened: u64,
    is_start_of_file: bool,
    /// What is told once the bytes before it are used up, so that faults come in the file's order.
    broken: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    StartOfField,
    Unquoted,
    Quoted,
    QuoteInQuoted,
}

impl<R> Strict<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            place: Place::StartOfField,
            line: 1,
            opened: 1,
            is_start_of_file: true,
            broken: None,
        }
    }

    pub(super) fn inner(&self) -> &R {
        &self.inner
    }

    pub(super) fn inner_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Goes past a byte; whether it may stand there.
    fn watch(&mut self, byte: u8) -> bool {
        if self.is_start_of_file && matches!(byte, 0xEF | 0xBB | 0xBF) {
            return true; // A byte order mark, which the CSV reader strips.
        }
        self.is_start_of_file = false;
        self.place = match (self.place, byte) {
            (Place::Quoted, b'"') => Place::QuoteInQuoted,
            (Place::Quoted, _) => Place::Quoted,
            (Place::QuoteInQuoted, b'"') => Place::Quoted,
            (Place::StartOfField, b'"') => {
                self.opened = self.line;
                Place::Quoted
            }
            (Place::Unquoted, b'"') => return false,
            (_, b',' | b'\r' | b'\n') => Place::StartOfField,
            (Place::QuoteInQuoted, _) => return false,
            (Place::StartOfField | Place::Unquoted, _) => Place::Unquoted,
        };
        self.line += u64::from(byte == b'\n');
        true
    }
}

impl<R: Read> Read for Strict<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(problem) = &self.broken {
            return Err(io::Error::other(problem.clone()));
        }
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.place == Place::Quoted {
            let line = self.opened;
            return Err(io::Error::other(format!(
                "line {line}: a quote opens a field and nothing closes it; close it, or write a quote \
                 that is part of a field twice, in a field in quotes"
            )));
        }
        let odd = buffer.iter().take(count).position(|byte| !self.watch(*byte));
        if let Some(position) = odd {
            let problem = format!(
                "line {}: a quote stands within a field; put the field in quotes and write that quote \
                 twice, or close the one that an earlier line left open",
                self.line
            );
            self.broken = Some(problem.clone());
            return if position == 0 { Err(io::Error::other(problem)) } else { Ok(position) };
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Vec<String>>, String> {
        let mut reader = csv::Reader::from_reader(Strict::new(text.as_bytes()));
        let rows = reader.records().map(|row| {
            let row = row.map_err(|error| error.to_string())?;
            Ok(row.iter().map(str::to_owned).collect())
        });
        rows.collect()
    }

    #[test]
    fn an_open_quote_does_not_take_the_rows_behind_it() {
        let said = read("id,mean,note\n1,2,a\n2,3,\"b\n3,4,c\n").unwrap_err();
        assert!(said.starts_with("line 3: a quote opens a field and nothing closes it"), "{said}");
        // Where a later row has a quote, that one closes it, and what follows tells.
        let said = read("id,note\n1,\"a\n2,\"b\"\n").unwrap_err();
        assert!(said.starts_with("line 3: a quote stands within a field"), "{said}");
        let said = read("id,note\r\n1,6\" film\r\n").unwrap_err();
        assert!(said.starts_with("line 2: a quote stands within a field"), "{said}");
    }

    #[test]
    fn quotes_as_the_standard_has_them_pass() {
        let text = "\u{feff}\"id\",note\r\n1,\"a, \"\"b\"\"\nc\"\r\n\r\n2,\"\"\n3,";
        let rows = read(text).unwrap();
        assert_eq!(rows, [["1", "a, \"b\"\nc"], ["2", ""], ["3", ""]]);
    }
}
