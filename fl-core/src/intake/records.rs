//! The records of a file before any schema is held against it: for whoever puts a hospital's export in
//! order, or describes columns of which nothing is known yet. Bounds, quoting and lines are intake's.

use std::io::Read;

use csv::{ByteRecord, Position};

use super::guard::{Guard, Starts};
use super::{MAX_ROWS, Problem, stopped};
use crate::error::Error;

/// Records of a file whose fields `separator` separates, the header first, in the file's order. Each
/// has its line as [`ByteRecord::position`]; blank lines are no records. `name` stands in errors.
///
/// # Errors
/// [`Error::Intake`] with line and field: what cannot be read, quotes that do not follow RFC 4180, a
/// field or a file beyond intake's bounds.
pub fn records(name: &str, reader: impl Read, separator: u8) -> Result<Vec<ByteRecord>, Error> {
    let starts = Starts::default();
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(Guard::new(reader, starts.clone()).separated(separator));
    let fault =
        |line, field, problem| Error::Intake { file: name.to_owned(), line, field, problem };
    let mut records: Vec<ByteRecord> = Vec::new();
    let mut record = ByteRecord::new();
    loop {
        match rows.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(records),
            Err(error) => {
                let (line, field, problem) = stopped(error);
                let field = field.and_then(|field| records.first()?.get(field));
                let field = field.map(|name| String::from_utf8_lossy(name).into_owned());
                return Err(fault(line, field.unwrap_or_default(), problem));
            }
        }
        let line = starts.next();
        if records.len() > MAX_ROWS {
            return Err(fault(line, String::new(), Problem::TooManyRows { max: MAX_ROWS }));
        }
        // The reader's own is behind after blank lines and with CR LF.
        let mut position = Position::new();
        position.set_line(line);
        record.set_position(Some(position));
        records.push(record.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, separator: u8) -> Result<Vec<(u64, Vec<String>)>, String> {
        let found = records("a.csv", text.as_bytes(), separator).map_err(|e| e.to_string())?;
        let line = |record: &ByteRecord| record.position().map_or(0, Position::line);
        let fields = |record: &ByteRecord| {
            record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
        };
        Ok(found.iter().map(|record| (line(record), fields(record))).collect())
    }

    #[test]
    fn fields_of_semicolons_have_the_lines_on_which_they_stand() {
        let text = "\u{feff}id;gew\r\n\r\n1;\"7,5\"\r\n2;\"a;\nb\"\r\n3;8\r\n";
        let found = lines(text, b';').unwrap();
        let at: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(at, [1, 3, 4, 6]);
        assert_eq!(found[0].1, ["id", "gew"]);
        assert_eq!(found[1].1, ["1", "7,5"]);
        assert_eq!(found[2].1, ["2", "a;\nb"]);
        // Commas are no separators here, nor semicolons elsewhere.
        assert_eq!(lines("a;b\n", b',').unwrap()[0].1, ["a;b"]);
    }

    #[test]
    fn quotes_are_as_strict_as_at_intake() {
        let said = lines("id;name\n1;\"a\"b\n", b';').unwrap_err();
        assert!(said.starts_with("a.csv, line 2, field `name`: a quote"), "{said}");
        let said = lines("id;name\n1;\"a\n", b';').unwrap_err();
        assert!(said.contains("close the quote"), "{said}");
        assert!(lines("", b';').unwrap().is_empty());
    }

    #[test]
    fn what_concerns_the_whole_file_names_no_line_and_no_field() {
        let whole = |line, field: &str| {
            let (file, field) = ("a.csv".to_owned(), field.to_owned());
            Error::Intake { file, line, field, problem: Problem::EmptyFile }.to_string()
        };
        assert!(whole(0, "").starts_with("a.csv: the file is empty;"));
        assert!(whole(3, "").starts_with("a.csv, line 3: the file"));
        assert!(whole(3, "hb").starts_with("a.csv, line 3, field `hb`: the file"));
    }
}
