//! Virtual patients as Apache Parquet, by the low-level writer: one row group, a column a type.
//!
//! Numbers without decimals and flags are INT64, other numbers DOUBLE, categories and ids UTF-8. A
//! column that may be missing is optional, and missing is null. Nothing is compressed.

use std::sync::Arc;

use haima_fl_core::synth::domain::{Domain, Kind};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use crate::synth::sample::Rows;

/// Key of the file's metadata that holds the provenance.
const KEY: &str = "haima.provenance";
/// Name of the schema.
const NAME: &str = "virtual_patients";

/// A column of the file.
struct Column {
    name: String,
    holds: Holds,
    optional: bool,
}

#[derive(Clone, Copy)]
enum Holds {
    Whole,
    Real,
    Text,
}

impl Column {
    fn new(name: &str, holds: Holds, optional: bool) -> Self {
        Self { name: name.to_owned(), holds, optional }
    }

    fn described(&self) -> Result<Type, ParquetError> {
        let (physical, logical) = match self.holds {
            Holds::Whole => (Physical::INT64, None),
            Holds::Real => (Physical::DOUBLE, None),
            Holds::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let repetition = if self.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        Type::primitive_type_builder(&self.name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical)
            .build()
    }

    /// Writes the texts of all rows; an empty one is null where the column is optional.
    fn write<'a>(
        &self,
        texts: impl Iterator<Item = &'a str>,
        mut to: SerializedColumnWriter<'_>,
    ) -> Result<(), ParquetError> {
        let (mut known, mut there) = (Vec::new(), Vec::new());
        for text in texts {
            let missing = self.optional && text.is_empty();
            there.push(i16::from(!missing));
            known.extend((!missing).then_some(text));
        }
        let there = self.optional.then_some(there.as_slice());
        let wrong = |text: &str| {
            ParquetError::General(format!("column {}: {text:?} is no number", self.name))
        };
        match self.holds {
            Holds::Whole => {
                let own = known.iter().map(|text| text.parse::<i64>().map_err(|_| wrong(text)));
                let own = own.collect::<Result<Vec<i64>, _>>()?;
                to.typed::<Int64Type>().write_batch(&own, there, None)?;
            }
            Holds::Real => {
                let own = known.iter().map(|text| text.parse::<f64>().map_err(|_| wrong(text)));
                let own = own.collect::<Result<Vec<f64>, _>>()?;
                to.typed::<DoubleType>().write_batch(&own, there, None)?;
            }
            Holds::Text => {
                let own: Vec<ByteArray> = known.into_iter().map(ByteArray::from).collect();
                to.typed::<ByteArrayType>().write_batch(&own, there, None)?;
            }
        }
        to.close()
    }
}

/// The columns of decoded rows, in their order.
fn columns(domain: &Domain) -> Vec<Column> {
    let number = |decimals: u8| if decimals == 0 { Holds::Whole } else { Holds::Real };
    let levels = |levels: &[String]| match levels.iter().map(String::as_str).eq(["0", "1"]) {
        true => Holds::Whole,
        false => Holds::Text,
    };
    let mut found = Vec::new();
    for attribute in &domain.attributes {
        let missing = attribute.missing;
        match &attribute.kind {
            Kind::Number { decimals, .. } => {
                found.push(Column::new(&attribute.name, number(*decimals), missing));
            }
            Kind::Levels { levels: own, .. } => {
                found.push(Column::new(&attribute.name, levels(own), missing));
            }
            Kind::Survival { time, event, events, decimals, .. } => {
                found.push(Column::new(time, number(*decimals), missing));
                found.push(Column::new(event, levels(events), missing));
            }
        }
    }
    found
}

/// The file, with the provenance as metadata.
pub(super) fn bytes(
    domain: &Domain,
    key: Option<&str>,
    rows: &Rows,
    provenance: &str,
) -> Result<Vec<u8>, ParquetError> {
    let ids: Vec<String> = match key {
        Some(_) => (0..rows.texts.len()).map(Rows::id).collect(),
        None => Vec::new(),
    };
    let key = key.map(|key| Column::new(key, Holds::Text, false));
    let columns = columns(domain);
    let fields = key.iter().chain(&columns).map(|column| column.described().map(Arc::new));
    let schema = Type::group_type_builder(NAME)
        .with_fields(fields.collect::<Result<Vec<_>, _>>()?)
        .build()?;
    let properties = WriterProperties::builder()
        .set_created_by(crate::version())
        .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), provenance.to_owned())]))
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    let short = || ParquetError::General("fewer columns than the schema has".into());
    if let Some(key) = &key {
        let to = group.next_column()?.ok_or_else(short)?;
        key.write(ids.iter().map(String::as_str), to)?;
    }
    for (at, column) in columns.iter().enumerate() {
        let to = group.next_column()?.ok_or_else(short)?;
        column.write(rows.texts.iter().map(|row| row.get(at).map_or("", String::as_str)), to)?;
    }
    group.close()?;
    writer.into_inner()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    fn domain() -> Domain {
        let schema = "patient = \"id\"\n[[column]]\nname = \"age\"\nkind = \"numeric\"\nrange = [0, 110]\n\
                      [[column]]\nname = \"hb\"\nkind = \"numeric\"\nrange = [3, 22]\nmissing = true\n\
                      [[column]]\nname = \"sex\"\nkind = \"category\"\nlevels = [\"F\", \"M\"]\n\
                      [[column]]\nname = \"npm1\"\nkind = \"flag\"\nmissing = true\n";
        let schema = haima_fl_core::schema::Schema::from_toml(&schema.parse().unwrap()).unwrap();
        Domain::of_params(&toml::Table::new(), &schema).unwrap()
    }

    #[test]
    fn values_nulls_and_provenance_read_back() {
        let domain = domain();
        let row = |texts: [&str; 4]| texts.map(str::to_owned).to_vec();
        let rows = Rows {
            header: domain.header(),
            levels: Vec::new(),
            texts: vec![row(["61", "9.5", "M", "1"]), row(["8", "", "F", ""])],
        };
        let bytes = bytes(&domain, Some("id"), &rows, "{\"synthetic\":true}").unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let metadata = reader.metadata().file_metadata();
        let kept = metadata.key_value_metadata().unwrap();
        assert_eq!(
            (kept[0].key.as_str(), kept[0].value.as_deref()),
            (KEY, Some("{\"synthetic\":true}"))
        );
        let found: Vec<Vec<(String, Field)>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| {
                row.unwrap().get_column_iter().map(|(k, v)| (k.clone(), v.clone())).collect()
            })
            .collect();
        let names: Vec<&str> = found[0].iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "age", "hb", "sex", "npm1"]);
        let values =
            |row: usize| found[row].iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let text = |text: &str| Field::Str(text.to_owned());
        assert_eq!(
            values(0),
            [text("synthetic-1"), Field::Long(61), Field::Double(9.5), text("M"), Field::Long(1)]
        );
        assert_eq!(
            values(1),
            [text("synthetic-2"), Field::Long(8), Field::Null, text("F"), Field::Null]
        );
    }
}
