//! A file of patients and the schema by which it is read, as the commands of `haima data` name them.

use std::path::Path;

use haima_fl_core::schema::{PatientKey, Schema};

use super::source::Source;
use crate::Error;
use crate::model_file::patients::Patients;

/// A file and the schema by which it is read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The schema; a pooled file's column of hospitals is ignored in it.
    pub schema: Schema,
    /// Names of the file's header, in its order; none where it has no header that can be read.
    pub header: Vec<String>,
    /// Of a pooled file: the column that names the hospital.
    pub pooled: Option<String>,
    /// Whether lines are rows of a Parquet file.
    pub parquet: bool,
}

impl Reading {
    /// Of a file of patients and a file of the schema alone, or a study or manifest that has it as
    /// `[schema]`. `site` names a pooled file's column of hospitals; without it that is the study's
    /// `site_column`, where the file has it.
    ///
    /// # Errors
    /// When the schema cannot be read, the file is not there or is a Parquet file that cannot be
    /// read, or has no column `site`.
    pub fn of(data: &Path, schema: &Path, site: Option<&str>) -> Result<Self, Error> {
        let (mut schema, site_column) = schema_of(schema)?;
        let source = Source::open(data)?;
        let parquet = source.is_parquet();
        // What has no header that can be read has that as its fault, for whoever reads on.
        let header = Patients::of(data, source);
        let header = header.map_or(Vec::new(), |file| file.names().to_vec());
        let there = |column: &str| header.iter().any(|name| name == column);
        if let Some(column) = site
            && !header.is_empty()
            && !there(column)
        {
            let names: Vec<&str> = header.iter().take(50).map(String::as_str).collect();
            let problem = format!("no column {column:?} (--site); it has {}", names.join(", "));
            return Err(Error::data(data, problem));
        }
        let pooled = site.map(str::to_owned).or(site_column);
        let pooled = pooled.filter(|column| there(column) && !is_named(&schema, column));
        schema.ignore.extend(pooled.clone());
        Ok(Self { schema, header, pooled, parquet })
    }
}

/// The schema of a file, and the column by which a study's template splits a pooled file.
fn schema_of(path: &Path) -> Result<(Schema, Option<String>), Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| Error::config(path, error.to_string()))?;
    let own = table.get("schema").and_then(toml::Value::as_table);
    // A training's task file says what is trained, and nothing of columns.
    if own.is_none() && !table.contains_key("column") && table.contains_key("model") {
        let problem = "is a task file, not a schema; give the schema of its columns, or a study's \
                       template or manifest that has one";
        return Err(Error::config(path, problem));
    }
    let schema = Schema::from_toml(own.unwrap_or(&table));
    let schema = schema.map_err(|error| Error::config(path, error.to_string()))?;
    let site_column = own.and_then(|_| table.get("site_column")?.as_str());
    Ok((schema, site_column.map(str::to_owned)))
}

/// Whether a schema says anything of a column.
fn is_named(schema: &Schema, name: &str) -> bool {
    matches!(&schema.patient, PatientKey::Column(key) if key == name)
        || schema.columns.iter().any(|column| column.name == name)
        || schema.ignore.iter().any(|ignored| ignored == name)
}
