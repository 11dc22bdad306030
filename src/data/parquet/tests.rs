use std::io::Write as _;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::*;

fn field(name: &str, of: Physical, logical: Option<LogicalType>, optional: bool) -> Arc<Type> {
    let repetition = if optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let field = Type::primitive_type_builder(name, of).with_logical_type(logical);
    Arc::new(field.with_repetition(repetition).build().unwrap())
}

/// Two row groups of three patients each: a key, an optional number, a date and an optional time.
fn file(version: WriterVersion) -> Vec<u8> {
    let moment = LogicalType::timestamp(true, TimeUnit::MILLIS);
    let fields = vec![
        field("id", Physical::BYTE_ARRAY, Some(LogicalType::String), false),
        field("hb [g/dL]", Physical::DOUBLE, None, true),
        field("born", Physical::INT32, Some(LogicalType::Date), false),
        field("seen", Physical::INT64, Some(moment), true),
    ];
    let schema = Type::group_type_builder("rows").with_fields(fields).build().unwrap();
    let properties = WriterProperties::builder().set_writer_version(version).build();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).unwrap();
    for group in 0..2_i32 {
        let mut rows = writer.next_row_group().unwrap();
        let ids: Vec<ByteArray> =
            (1..4).map(|at| ByteArray::from(format!("p, {}", 3 * group + at).as_str())).collect();
        let mut column = rows.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&ids, None, None).unwrap();
        column.close().unwrap();
        let mut column = rows.next_column().unwrap().unwrap();
        let there = Some(&[1_i16, 0, 1][..]);
        column.typed::<DoubleType>().write_batch(&[13.5, f64::NAN], there, None).unwrap();
        column.close().unwrap();
        let mut column = rows.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&[0, -1, 18_717], None, None).unwrap();
        column.close().unwrap();
        let mut column = rows.next_column().unwrap().unwrap();
        let there = Some(&[0_i16, 0, 1][..]);
        column.typed::<Int64Type>().write_batch(&[1_617_148_801_000], there, None).unwrap();
        column.close().unwrap();
        rows.close().unwrap();
    }
    writer.into_inner().unwrap()
}

/// The file as CSV, or why it is refused.
fn read(bytes: &[u8]) -> Result<String, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut text = String::new();
    let mut rows = AsCsv::open(file)?;
    rows.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

#[test]
fn rows_of_all_groups_are_read_and_null_is_empty() {
    let rows = "\"p, 1\",13.5,1970-01-01,\n\"p, 2\",,1969-12-31,\n\
                \"p, 3\",,2021-03-31,2021-03-31T00:00:01Z\n";
    let further = rows.replace("p, 3", "p, 6").replace("p, 2", "p, 5").replace("p, 1", "p, 4");
    let expected = format!("id,hb [g/dL],born,seen\n{rows}{further}");
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        assert_eq!(read(&file(version)).unwrap(), expected);
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let whole = file(WriterVersion::PARQUET_1_0);
    for end in 0..whole.len() {
        let said = read(&whole[..end]).unwrap_err();
        assert!(said.contains("is damaged") || said.contains("is encrypted"), "{end}: {said}");
    }
}

#[test]
fn a_file_with_any_byte_changed_ends_in_rows_or_words() {
    let whole = file(WriterVersion::PARQUET_2_0);
    for at in 0..whole.len() {
        for by in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= by;
            if let Err(said) = read(&bytes) {
                assert!(!said.is_empty(), "{at}");
            }
        }
    }
}
