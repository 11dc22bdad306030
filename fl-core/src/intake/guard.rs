//! Bounds and strict quoting for the CSV reader, byte by byte, before it stores anything.
//!
//! The `csv` crate by itself accepts a record of any length and a quote anywhere, reads `"1"2` as
//! 12, and is a line behind where lines end in CR LF or follow blank ones. A patient file gets
//! none of that benefit of doubt. Grammar: RFC 4180, section 2, with LF as well as CR LF.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Read;
use std::rc::Rc;

use crate::error::IntakeProblem as Problem;

const MAX_FIELD: usize = 4096;
const MAX_RECORD: usize = 1 << 22;

/// Lines on which records start, from the guard, which runs ahead, to the reader of rows.
#[derive(Clone, Default)]
pub(super) struct Starts(Rc<RefCell<VecDeque<u64>>>);

impl Starts {
    fn push(&self, line: u64) {
        self.0.borrow_mut().push_back(line);
    }

    /// The line of the next record that was not yet asked for.
    pub(super) fn next(&self) -> u64 {
        self.0.borrow_mut().pop_front().unwrap_or(0)
    }
}

/// Watches the bytes on their way to the CSV reader and stops it at the first fault.
pub(super) struct Guard<R> {
    inner: R,
    separator: u8,
    place: Place,
    line: u64,
    field: usize,
    field_len: usize,
    record_len: usize,
    starts: Starts,
    at_start_of_file: bool,
    /// What to report once the bytes before it are used up, so that the first fault of a file is
    /// the one reported.
    broken: Option<Broken>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    BetweenRecords,
    StartOfField,
    Unquoted,
    Quoted,
    QuoteInQuoted,
}

/// Why the guard stopped the reader.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(super) struct Broken {
    pub(super) line: u64,
    pub(super) field: usize,
    pub(super) problem: Problem,
}

impl<R> Guard<R> {
    pub(super) fn new(inner: R, starts: Starts) -> Self {
        Self {
            inner,
            separator: b',',
            place: Place::BetweenRecords,
            line: 1,
            field: 0,
            field_len: 0,
            record_len: 0,
            starts,
            at_start_of_file: true,
            broken: None,
        }
    }

    /// The same for fields that another byte than a comma separates.
    pub(super) fn separated(self, separator: u8) -> Self {
        Self { separator, ..self }
    }

    fn watch(&mut self, byte: u8) -> Result<(), Problem> {
        if self.at_start_of_file && matches!(byte, 0xEF | 0xBB | 0xBF) {
            return Ok(()); // A byte order mark, which the CSV reader strips.
        }
        self.at_start_of_file = false;
        if self.place == Place::BetweenRecords && !matches!(byte, b'\r' | b'\n') {
            self.starts.push(self.line);
            (self.place, self.field) = (Place::StartOfField, 0);
            (self.field_len, self.record_len) = (0, 0);
        }
        self.field_len += 1;
        self.record_len += 1;
        self.place = match (self.place, byte) {
            (Place::BetweenRecords, _) => Place::BetweenRecords,
            (Place::Quoted, b'"') => Place::QuoteInQuoted,
            (Place::Quoted, _) => Place::Quoted,
            (Place::StartOfField | Place::QuoteInQuoted, b'"') => Place::Quoted,
            (Place::Unquoted, b'"') => return Err(Problem::StrayQuote),
            (_, byte) if byte == self.separator => {
                self.field += 1;
                self.field_len = 0;
                Place::StartOfField
            }
            (_, b'\r' | b'\n') => Place::BetweenRecords,
            (Place::QuoteInQuoted, _) => return Err(Problem::StrayQuote),
            (Place::StartOfField | Place::Unquoted, _) => Place::Unquoted,
        };
        if byte == b'\n' {
            self.line += 1;
        }
        if self.place == Place::BetweenRecords {
            return Ok(());
        }
        // Two bytes more for the quotes around a field.
        if self.field_len > MAX_FIELD + 2 {
            Err(Problem::FieldTooLong { max: MAX_FIELD })
        } else if self.record_len > MAX_RECORD {
            Err(Problem::FieldTooLong { max: MAX_RECORD })
        } else {
            Ok(())
        }
    }

    fn stop(&self, problem: Problem) -> Broken {
        Broken { line: self.line, field: self.field, problem }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if let Some(broken) = self.broken.take() {
            return Err(std::io::Error::other(broken));
        }
        let count = self.inner.read(buffer)?;
        if count == 0 && self.place == Place::Quoted {
            return Err(std::io::Error::other(self.stop(Problem::OpenQuote)));
        }
        for (position, &byte) in buffer.iter().take(count).enumerate() {
            if let Err(problem) = self.watch(byte) {
                let broken = self.stop(problem);
                if position == 0 {
                    return Err(std::io::Error::other(broken));
                }
                self.broken = Some(broken);
                return Ok(position);
            }
        }
        Ok(count)
    }
}
