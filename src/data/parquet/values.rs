//! The values of a column as texts.

use std::io::Write as _;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

use super::pages::Pages;
use super::{MOST_FIELD, damaged};
use crate::data::dates::civil;

/// Bytes of a whole number with a decimal point in it, that are read.
const MOST_DECIMAL: usize = 16;
/// Most digits behind a point.
const MOST_SCALE: i32 = 38;
const NANOS: i64 = 1_000_000_000;

/// What a column's values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Numbers as they are, texts as they are, true and false as 1 and 0.
    Plain,
    /// Whole numbers from 0.
    Unsigned,
    /// Whole numbers with so many digits behind the point.
    Decimal(u32),
    /// Days since 1970.
    Date,
    /// Time of day, in parts of so many to a second.
    Time(i64),
    /// Time since 1970, in parts of so many to a second, of this clock or of Greenwich's.
    Moment { parts: i64, utc: bool },
    /// Sixteen bytes of a UUID.
    Uuid,
}

impl Form {
    fn of(column: &ColumnDescriptor) -> Option<Self> {
        let parts = |unit: &TimeUnit| match unit {
            TimeUnit::MILLIS => 1_000,
            TimeUnit::MICROS => 1_000_000,
            TimeUnit::NANOS => NANOS,
        };
        let decimal = |scale: i32| {
            let scale = u32::try_from(scale).ok().filter(|_| scale <= MOST_SCALE);
            scale.map(Self::Decimal)
        };
        let moment = |parts: i64| Some(Self::Moment { parts, utc: true });
        let of_type = match (column.logical_type_ref(), column.converted_type()) {
            (Some(LogicalType::Decimal(own)), _) => decimal(own.scale)?,
            (Some(LogicalType::Date), _) => Self::Date,
            (Some(LogicalType::Time(own)), _) => Self::Time(parts(&own.unit)),
            (Some(LogicalType::Timestamp(own)), _) => {
                Self::Moment { parts: parts(&own.unit), utc: own.is_adjusted_to_u_t_c }
            }
            (Some(LogicalType::Integer(own)), _) if !own.is_signed => Self::Unsigned,
            (Some(LogicalType::Uuid), _) => Self::Uuid,
            (
                Some(
                    LogicalType::Integer(_)
                    | LogicalType::String
                    | LogicalType::Enum
                    | LogicalType::Json
                    | LogicalType::Unknown,
                ),
                _,
            ) => Self::Plain,
            // Half-precision numbers, places on earth, and what is newer than this program.
            (Some(_), _) => return None,
            (None, ConvertedType::DECIMAL) => decimal(column.type_scale())?,
            (None, ConvertedType::DATE) => Self::Date,
            (None, ConvertedType::TIME_MILLIS) => Self::Time(1_000),
            (None, ConvertedType::TIME_MICROS) => Self::Time(1_000_000),
            (None, ConvertedType::TIMESTAMP_MILLIS) => moment(1_000)?,
            (None, ConvertedType::TIMESTAMP_MICROS) => moment(1_000_000)?,
            (
                None,
                ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64,
            ) => Self::Unsigned,
            (None, ConvertedType::INTERVAL | ConvertedType::BSON) => return None,
            (None, _) => Self::Plain,
        };
        let fits = match (column.physical_type(), of_type) {
            (Type::BOOLEAN | Type::FLOAT | Type::DOUBLE, form) => form == Self::Plain,
            (Type::INT32, Self::Plain | Self::Unsigned | Self::Date | Self::Time(_))
            | (Type::INT64, Self::Plain | Self::Unsigned | Self::Time(_) | Self::Moment { .. })
            | (Type::INT32 | Type::INT64, Self::Decimal(_))
            | (Type::INT96, Self::Plain)
            | (Type::BYTE_ARRAY, Self::Plain | Self::Decimal(_)) => true,
            (Type::FIXED_LEN_BYTE_ARRAY, Self::Decimal(_)) => {
                usize::try_from(column.type_length()).is_ok_and(|length| length <= MOST_DECIMAL)
            }
            (Type::FIXED_LEN_BYTE_ARRAY, Self::Uuid) => column.type_length() == 16,
            _ => false,
        };
        fits.then_some(of_type)
    }

    /// Writes a whole number.
    fn whole(self, value: i64, to: &mut Vec<u8>) {
        match self {
            Self::Decimal(scale) => decimal(value.into(), scale, to),
            Self::Date => date(value, to),
            Self::Time(parts) => clock(value.rem_euclid(86_400 * parts) * (NANOS / parts), to),
            Self::Moment { parts, utc } => moment(value, parts, utc, to),
            Self::Unsigned => put(value.cast_unsigned(), to),
            Self::Plain | Self::Uuid => put(value, to),
        }
    }

    /// Writes bytes.
    fn bytes(self, value: &[u8], to: &mut Vec<u8>) -> Result<(), ParquetError> {
        match self {
            Self::Decimal(scale) => {
                if value.len() > MOST_DECIMAL {
                    return Err(ParquetError::General("holds a number of too many digits".into()));
                }
                // Two's complement, the highest byte first.
                let negative = value.first().is_some_and(|byte| byte & 0x80 != 0);
                let start = if negative { -1_i128 } else { 0 };
                let number = value.iter().fold(start, |all, byte| (all << 8) | i128::from(*byte));
                decimal(number, scale, to);
            }
            Self::Uuid => {
                for (at, byte) in value.iter().enumerate() {
                    let dash = if [4, 6, 8, 10].contains(&at) { "-" } else { "" };
                    put(format_args!("{dash}{byte:02x}"), to);
                }
            }
            _ => to.extend_from_slice(value),
        }
        Ok(())
    }
}

fn put(value: impl std::fmt::Display, to: &mut Vec<u8>) {
    // A vector takes all that is written.
    let _ = write!(to, "{value}");
}

/// `13.3` of 1330 with two digits behind the point: without zeros at the end, as a number is written.
fn decimal(value: i128, scale: u32, to: &mut Vec<u8>) {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs().to_string();
    let scale = scale as usize;
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = padded.split_at(padded.len() - scale);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    put(format_args!("{sign}{whole}{point}{part}"), to);
}

fn date(days: i64, to: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    put(format_args!("{year:04}-{month:02}-{day:02}"), to);
}

/// Time of day, of nanoseconds since midnight.
fn clock(nanos: i64, to: &mut Vec<u8>) {
    let (seconds, part) = (nanos / NANOS, nanos % NANOS);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    put(format_args!("{hour:02}:{minute:02}:{second:02}"), to);
    if part > 0 {
        let part = format!("{part:09}");
        put(format_args!(".{}", part.trim_end_matches('0')), to);
    }
}

/// A date, and a time of day behind it unless that is midnight.
fn moment(value: i64, parts: i64, utc: bool, to: &mut Vec<u8>) {
    let a_day = 86_400 * parts;
    let (days, rest) = (value.div_euclid(a_day), value.rem_euclid(a_day));
    date(days, to);
    if rest > 0 {
        to.push(b'T');
        clock(rest * (NANOS / parts), to);
        if utc {
            to.push(b'Z');
        }
    }
}

/// Whether a column can be read.
///
/// # Errors
/// When its values have no text of one field here; names the column.
pub(super) fn check(column: &ColumnDescriptor) -> Result<(), ParquetError> {
    if column.max_rep_level() == 0 && column.max_def_level() <= 1 && Form::of(column).is_some() {
        return Ok(());
    }
    let name: String = column.name().escape_debug().take(64).collect();
    Err(ParquetError::General(format!(
        "column `{name}` is of a type that this program does not read; export it as numbers or text, or \
         leave it out"
    )))
}

/// A column of a row group that is being read.
pub(super) struct Column {
    name: String,
    form: Form,
    optional: bool,
    values: ColumnReader,
}

/// Texts of some rows, one behind the other.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    /// The text of a row; empty where null.
    pub(super) fn of(&self, row: usize) -> &[u8] {
        let end = |row: usize| self.ends.get(row).copied();
        let start = row.checked_sub(1).map_or(Some(0), end);
        start.zip(end(row)).and_then(|(start, end)| self.bytes.get(start..end)).unwrap_or_default()
    }
}

impl Column {
    pub(super) fn new(described: &ColumnDescPtr, pages: Pages) -> Result<Self, ParquetError> {
        let form = Form::of(described).ok_or_else(|| damaged("a column changes its type"))?;
        Ok(Self {
            name: described.name().to_owned(),
            form,
            optional: described.max_def_level() > 0,
            values: get_column_reader(ColumnDescPtr::clone(described), Box::new(pages)),
        })
    }

    /// The texts of so many more rows; `first` rows of the file were read before them.
    pub(super) fn texts(&mut self, rows: usize, first: u64) -> Result<Texts, ParquetError> {
        let (form, asked) = (self.form, Asked { optional: self.optional, rows });
        let read = match &mut self.values {
            ColumnReader::BoolColumnReader(own) => asked.of(own, |value, to| {
                to.push(if *value { b'1' } else { b'0' });
                Ok(())
            }),
            ColumnReader::Int32ColumnReader(own) => asked.of(own, |value, to| {
                let value = match form {
                    Form::Unsigned => i64::from(value.cast_unsigned()),
                    _ => i64::from(*value),
                };
                form.whole(value, to);
                Ok(())
            }),
            ColumnReader::Int64ColumnReader(own) => asked.of(own, |value, to| {
                form.whole(*value, to);
                Ok(())
            }),
            ColumnReader::Int96ColumnReader(own) => asked.of(own, |value, to| {
                moment(value.to_micros(), 1_000_000, false, to);
                Ok(())
            }),
            ColumnReader::FloatColumnReader(own) => asked.of(own, |value, to| {
                if !value.is_nan() {
                    put(value, to);
                }
                Ok(())
            }),
            ColumnReader::DoubleColumnReader(own) => asked.of(own, |value, to| {
                if !value.is_nan() {
                    put(value, to);
                }
                Ok(())
            }),
            ColumnReader::ByteArrayColumnReader(own) => {
                asked.of(own, |value, to| form.bytes(value.data(), to))
            }
            ColumnReader::FixedLenByteArrayColumnReader(own) => {
                asked.of(own, |value, to| form.bytes(value.data(), to))
            }
        };
        read.map_err(|fault| match fault {
            Fault::Row(row, problem) => {
                let name: String = self.name.escape_debug().take(64).collect();
                let row = first + row as u64 + 1;
                ParquetError::General(format!("row {row}, column `{name}`: {problem}"))
            }
            Fault::File(error) => error,
        })
    }
}

/// Why texts cannot be had: of a row among those asked for, from 0, or of the file.
enum Fault {
    Row(usize, String),
    File(ParquetError),
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        Self::File(error)
    }
}

struct Asked {
    optional: bool,
    rows: usize,
}

impl Asked {
    /// Reads values and writes each as a text.
    fn of<T: DataType>(
        &self,
        reader: &mut ColumnReaderImpl<T>,
        write: impl Fn(&T::T, &mut Vec<u8>) -> Result<(), ParquetError>,
    ) -> Result<Texts, Fault> {
        let (mut there, mut values): (Vec<i16>, Vec<T::T>) = (Vec::new(), Vec::new());
        let levels = self.optional.then_some(&mut there);
        let (read, _, _) = reader.read_records(self.rows, levels, None, &mut values)?;
        if read != self.rows {
            return Err(damaged("a column has fewer fields than rows").into());
        }
        let mut values = values.iter();
        let mut texts = Texts::default();
        for row in 0..self.rows {
            let start = texts.bytes.len();
            if !self.optional || there.get(row) == Some(&1) {
                let value = values.next();
                let value =
                    value.ok_or_else(|| damaged("a column has fewer values than fields"))?;
                write(value, &mut texts.bytes)?;
            }
            if texts.bytes.len() - start > MOST_FIELD {
                let problem = format!("longer than {MOST_FIELD} bytes; leave free text out");
                return Err(Fault::Row(row, problem));
            }
            texts.ends.push(texts.bytes.len());
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn decimals_are_written_as_numbers() {
        for (value, scale, expected) in [
            (1330, 2, "13.3"),
            (1300, 2, "13"),
            (-5, 3, "-0.005"),
            (0, 2, "0"),
            (7, 0, "7"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ] {
            assert_eq!(text(|to| decimal(value, scale, to)), expected);
        }
        let of = |bytes: &[u8]| text(|to| Form::Decimal(1).bytes(bytes, to).unwrap());
        assert_eq!([of(&[0x05]), of(&[0xff, 0xfb]), of(&[])], ["0.5", "-0.5", "0"]);
        assert!(Form::Decimal(1).bytes(&[0; 17], &mut Vec::new()).is_err());
    }

    #[test]
    fn moments_are_dates_where_they_are_midnight() {
        let of = |value, parts, utc| text(|to| moment(value, parts, utc, to));
        assert_eq!(of(1_617_148_800_000, 1_000, true), "2021-03-31");
        assert_eq!(of(1_617_148_801_500, 1_000, true), "2021-03-31T00:00:01.5Z");
        assert_eq!(of(-1, NANOS, false), "1969-12-31T23:59:59.999999999");
        let _ = (of(i64::MIN, 1_000, true), of(i64::MAX, NANOS, true));
        assert_eq!(text(|to| Form::Time(1_000).whole(3_661_000, to)), "01:01:01");
        assert_eq!(text(|to| Form::Date.whole(18_717, to)), "2021-03-31");
        assert_eq!(text(|to| Form::Unsigned.whole(-1, to)), u64::MAX.to_string());
    }

    #[test]
    fn a_uuid_is_written_as_one() {
        let bytes: Vec<u8> = (0..16).collect();
        let uuid = text(|to| Form::Uuid.bytes(&bytes, to).unwrap());
        assert_eq!(uuid, "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
