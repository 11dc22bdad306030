use std::io::Write as _;
use std::sync::Arc;

use parquet::basic::{Encoding, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
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

/// A file of one column that is written by this encoding, without a dictionary.
fn encoded<T: DataType>(field: Type, encoding: Encoding, values: &[T::T]) -> Vec<u8> {
    let fields = vec![Arc::new(field)];
    let schema = Type::group_type_builder("rows").with_fields(fields).build().unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_dictionary_enabled(false)
        .set_encoding(encoding)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, None, None).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn texts_of_an_encoding_whose_decoder_has_no_bound_are_refused_by_their_column() {
    let ids = ["p1", "p2", "p3"].map(ByteArray::from);
    let of = |encoding| {
        let text = Some(LogicalType::String);
        let field = Type::primitive_type_builder("id", Physical::BYTE_ARRAY)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(text);
        read(&encoded::<ByteArrayType>(field.build().unwrap(), encoding, &ids))
    };
    assert_eq!(of(Encoding::PLAIN).unwrap(), "id\np1\np2\np3\n");
    for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
        let said = of(encoding).unwrap_err();
        let told = format!("column `id` is encoded by {encoding}, which is not read");
        assert!(said.contains(&told), "{encoding}: {said}");
    }
}

/// A page of 64 bytes that says of itself that it has millions of texts: room for all of them would be
/// made before the first is read. (Written plain, its bytes being those of the other encoding, of
/// which its header then speaks.)
#[test]
fn a_page_that_says_that_it_has_more_texts_than_bytes_is_refused_before_it_is_decoded() {
    // Blocks of 128 lengths in 4 parts, 2^24 in all, the first 0; then nothing but zeros.
    let mut page = [0; 64];
    page[..7].copy_from_slice(&[0x80, 0x01, 0x04, 0x80, 0x80, 0x80, 0x08]);
    let values: Vec<FixedLenByteArray> =
        page.chunks(16).map(|own| ByteArray::from(own.to_vec()).into()).collect();
    let field = Type::primitive_type_builder("id", Physical::FIXED_LEN_BYTE_ARRAY)
        .with_length(16)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::Uuid))
        .build()
        .unwrap();
    let mut bytes = encoded::<FixedLenByteArrayType>(field, Encoding::PLAIN, &values);
    assert_eq!(read(&bytes).unwrap().lines().count(), 5);
    // The page's header: four values, the encoding (0, plain), that of the levels twice.
    let header = [0x2c, 0x15, 0x08, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06];
    let at = bytes.windows(header.len()).position(|own| own == header).unwrap();
    // Its number, of which the format writes the double: no other than the plain one is read here.
    let others = [
        (3, "RLE"),
        (4, "BIT_PACKED"),
        (5, "DELTA_BINARY_PACKED"),
        (6, "DELTA_LENGTH_BYTE_ARRAY"),
        (7, "DELTA_BYTE_ARRAY"),
        (9, "BYTE_STREAM_SPLIT"),
    ];
    for (number, name) in others {
        bytes[at + 4] = 2 * number;
        let said = read(&bytes).unwrap_err();
        assert!(said.contains(&format!("column `id` is encoded by {name}, which")), "{said}");
    }
}

#[test]
fn numbers_of_encodings_whose_decoders_are_bounded_are_read() {
    let of = |physical| {
        let field = Type::primitive_type_builder("n", physical);
        field.with_repetition(Repetition::REQUIRED).build().unwrap()
    };
    for encoding in [Encoding::PLAIN, Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT] {
        let whole = encoded::<Int64Type>(of(Physical::INT64), encoding, &[-1, 0, 1 << 40]);
        assert_eq!(read(&whole).unwrap(), "n\n-1\n0\n1099511627776\n", "{encoding}");
    }
    for encoding in [Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT] {
        let number = encoded::<DoubleType>(of(Physical::DOUBLE), encoding, &[0.5, -2.25]);
        assert_eq!(read(&number).unwrap(), "n\n0.5\n-2.25\n", "{encoding}");
    }
}
