//! The footer of a Parquet file, walked before the crate decodes it: its decoder allocates by the
//! counts that a footer states, and goes as deep as its schema is nested.
//!
//! The footer is one struct `FileMetaData` in Thrift's compact protocol (parquet-format, `README.md`
//! and `parquet.thrift`): field 2 the schema, a list of elements in depth-first order, field 4 the row
//! groups. Only these two are looked into.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use parquet::errors::ParquetError;

use super::damaged;

/// Bytes of a footer.
const MOST_FOOTER: u32 = 16 << 20;
/// Columns, as many as a schema has.
const MOST_COLUMNS: usize = 4096;
/// Row groups that the crate counts.
const MOST_GROUPS: usize = 32_767;
/// Structs within structs, of which the format has fewer.
const MOST_DEPTH: usize = 16;
/// Bytes of the footer's length and of the mark behind it.
const END: usize = 8;

/// Reads a footer that can be decoded within bounds.
///
/// # Errors
/// When the file is cut off, encrypted or damaged, or a column is no plain one, which is named.
pub(super) fn read(file: &File) -> Result<Vec<u8>, ParquetError> {
    let size = file.metadata()?.len();
    let mut file = file;
    let mut end = [0; END];
    if size < END as u64 {
        return Err(damaged("it is too short"));
    }
    file.seek(SeekFrom::End(-(END as i64)))?;
    file.read_exact(&mut end)?;
    let [a, b, c, d, mark @ ..] = end;
    match &mark {
        b"PAR1" => {}
        b"PARE" => {
            let problem = "is encrypted, which this program does not read; export it without";
            return Err(ParquetError::General(problem.into()));
        }
        _ => return Err(damaged("it does not end as a Parquet file does, so a part is missing")),
    }
    let length = u32::from_le_bytes([a, b, c, d]);
    // The mark at the file's beginning stands before all else.
    if length > MOST_FOOTER || u64::from(length) + END as u64 + 4 > size {
        return Err(damaged("its footer is longer than it can be"));
    }
    file.seek(SeekFrom::End(-(END as i64) - i64::from(length)))?;
    let mut footer = Vec::new();
    file.take(length.into()).read_to_end(&mut footer)?;
    check(&footer)?;
    Ok(footer)
}

/// Walks a footer.
fn check(footer: &[u8]) -> Result<(), ParquetError> {
    let mut walk = Walk { rest: footer };
    let mut last = 0;
    while let Some((id, kind)) = walk.field(&mut last)? {
        match (id, kind) {
            (2, Kind::List) => walk.schema()?,
            (4, Kind::List) => {
                let (size, of) = walk.list()?;
                if size > MOST_GROUPS {
                    return Err(damaged("it has more row groups than it can have"));
                }
                for _ in 0..size {
                    walk.skip_element(of, MOST_DEPTH)?;
                }
            }
            (2 | 4, _) => return Err(broken()),
            _ => walk.skip(kind, MOST_DEPTH)?,
        }
    }
    Ok(())
}

fn broken() -> ParquetError {
    damaged("its footer is not of the format")
}

/// What a field or an element holds.
#[derive(Clone, Copy)]
enum Kind {
    /// A field whose kind is its value.
    Truth,
    Byte,
    /// 16, 32 or 64 bits, packed.
    Integer,
    Double,
    Binary,
    List,
    Map,
    Struct,
    Uuid,
}

impl Kind {
    fn of(nibble: u8) -> Result<Self, ParquetError> {
        Ok(match nibble {
            1 | 2 => Self::Truth,
            3 => Self::Byte,
            4..=6 => Self::Integer,
            7 => Self::Double,
            8 => Self::Binary,
            9 | 10 => Self::List,
            11 => Self::Map,
            12 => Self::Struct,
            13 => Self::Uuid,
            _ => return Err(broken()),
        })
    }
}

struct Walk<'a> {
    rest: &'a [u8],
}

impl<'a> Walk<'a> {
    fn byte(&mut self) -> Result<u8, ParquetError> {
        let (first, rest) = self.rest.split_first().ok_or_else(broken)?;
        self.rest = rest;
        Ok(*first)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], ParquetError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(broken)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Seven bits a byte, the lowest first.
    fn varint(&mut self) -> Result<u64, ParquetError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(broken())
    }

    /// A signed number: 0, -1, 1, -2, ...
    fn integer(&mut self) -> Result<i64, ParquetError> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// A count of things that take a byte at least.
    fn count(&mut self) -> Result<usize, ParquetError> {
        let count = usize::try_from(self.varint()?)?;
        if count > self.rest.len() { Err(broken()) } else { Ok(count) }
    }

    /// Number and kind of a struct's next field; `None` at its end.
    fn field(&mut self, last: &mut i64) -> Result<Option<(i64, Kind)>, ParquetError> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let id = match head >> 4 {
            0 => self.integer()?,
            step => last.saturating_add(step.into()),
        };
        *last = id;
        Ok(Some((id, Kind::of(head & 0x0f)?)))
    }

    /// Size and kind of a list's elements.
    fn list(&mut self) -> Result<(usize, Kind), ParquetError> {
        let head = self.byte()?;
        // Some writers name no kind for the elements of an empty list.
        if head == 0 {
            return Ok((0, Kind::Byte));
        }
        let kind = Kind::of(head & 0x0f)?;
        let size = match head >> 4 {
            15 => self.count()?,
            few => few.into(),
        };
        if size > self.rest.len() { Err(broken()) } else { Ok((size, kind)) }
    }

    fn skip(&mut self, kind: Kind, depth: usize) -> Result<(), ParquetError> {
        let deeper = depth.checked_sub(1).ok_or_else(broken)?;
        match kind {
            Kind::Truth => {}
            Kind::Byte => {
                self.byte()?;
            }
            Kind::Integer => {
                self.varint()?;
            }
            Kind::Double => {
                self.bytes(8)?;
            }
            Kind::Uuid => {
                self.bytes(16)?;
            }
            Kind::Binary => {
                let count = self.count()?;
                self.bytes(count)?;
            }
            Kind::List => {
                let (size, of) = self.list()?;
                for _ in 0..size {
                    self.skip_element(of, deeper)?;
                }
            }
            Kind::Map => {
                let size = self.count()?;
                if size > 0 {
                    let kinds = self.byte()?;
                    let (key, value) = (Kind::of(kinds >> 4)?, Kind::of(kinds & 0x0f)?);
                    for _ in 0..size {
                        self.skip_element(key, deeper)?;
                        self.skip_element(value, deeper)?;
                    }
                }
            }
            Kind::Struct => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, deeper)?;
                }
            }
        }
        Ok(())
    }

    /// As [`Walk::skip`]; a truth has a byte of its own here.
    fn skip_element(&mut self, kind: Kind, depth: usize) -> Result<(), ParquetError> {
        match kind {
            Kind::Truth => self.byte().map(drop),
            other => self.skip(other, depth),
        }
    }

    /// The schema: a root, and below it nothing but columns.
    fn schema(&mut self) -> Result<(), ParquetError> {
        let (size, of) = self.list()?;
        let columns = size.checked_sub(1).ok_or_else(broken)?;
        if !matches!(of, Kind::Struct) {
            return Err(broken());
        }
        if columns == 0 || columns > MOST_COLUMNS {
            let problem = format!("has {columns} columns; a table here has 1 to {MOST_COLUMNS}");
            return Err(ParquetError::General(problem));
        }
        let mut below_root = 0;
        for element in 0..size {
            let (mut last, mut name, mut children) = (0, String::new(), 0);
            while let Some((id, kind)) = self.field(&mut last)? {
                match (id, kind) {
                    (4, Kind::Binary) => {
                        let length = self.count()?;
                        name = String::from_utf8_lossy(self.bytes(length)?).into_owned();
                    }
                    (5, Kind::Integer) => children = self.integer()?,
                    (4 | 5, _) => return Err(broken()),
                    _ => self.skip(kind, MOST_DEPTH)?,
                }
            }
            match (element, children) {
                (0, all) => below_root = all,
                (_, 0) => {}
                _ => {
                    let name: String = name.escape_debug().take(64).collect();
                    return Err(ParquetError::General(format!(
                        "column `{name}` holds lists or structures; a table has one value a field: \
                         export it flat, or leave the column out"
                    )));
                }
            }
        }
        if usize::try_from(below_root) == Ok(columns) { Ok(()) } else { Err(broken()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer of a version, a schema of so many elements, and row groups that a list's head states.
    fn footer(elements: &[(&str, u8)], groups: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, ((elements.len() as u8) << 4) | 12];
        for (name, children) in elements {
            bytes.extend([0x48, name.len() as u8]);
            bytes.extend(name.as_bytes());
            bytes.extend([0x15, children * 2, 0]);
        }
        bytes.push(0x29);
        bytes.extend(groups);
        bytes.push(0);
        bytes
    }

    fn says(footer: &[u8]) -> String {
        check(footer).err().map(super::super::said).unwrap_or_default()
    }

    #[test]
    fn a_flat_table_passes_and_a_nested_column_is_named() {
        assert_eq!(says(&footer(&[("root", 2), ("id", 0), ("age", 0)], &[0x0c])), "");
        let nested = footer(&[("root", 1), ("visits", 1), ("list", 0)], &[0x0c]);
        assert!(says(&nested).contains("column `visits` holds lists or structures"));
        assert!(says(&footer(&[("root", 0)], &[0x0c])).contains("has 0 columns"));
        // More children than elements, for which room would be made.
        assert!(says(&footer(&[("root", 63), ("id", 0)], &[0x0c])).contains("not of the format"));
    }

    #[test]
    fn a_count_that_is_larger_than_what_there_is_is_refused_before_room_is_made() {
        let table = [("root", 1), ("id", 0)];
        let many = footer(&table, &[0xfc, 0xff, 0xff, 0xff, 0xff, 0x07]);
        assert!(says(&many).contains("not of the format"), "{}", says(&many));
        let whole = footer(&table, &[0x1c, 0x00]);
        assert_eq!(says(&whole), "");
        for end in 0..whole.len() {
            assert!(says(&whole[..end]).contains("is damaged"), "{end}");
        }
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        // An unknown field that is a struct of a struct of a struct.
        let mut deep = vec![0x7c];
        deep.extend([0x1c; 1000]);
        deep.extend([0; 1001]);
        assert!(says(&deep).contains("not of the format"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_walk_panic(bytes: Vec<u8>) {
            let _ = check(&bytes);
        }
    }
}
