//! What a file of `--schema` says: the schema and, where it is a study's template, how a pooled file
//! is split and whom the study is about.

use std::path::Path;

use super::Sites;
use crate::Error;

/// A schema alone, or a study's template or manifest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    /// The schema.
    pub(crate) schema: toml::Table,
    /// Column of a pooled file that names the hospital, where the study says one.
    pub(crate) site_column: Option<String>,
    /// Whom the study is about, where it says so.
    pub(crate) subject: Option<String>,
}

impl Template {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or does not parse.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        let file: toml::Table =
            text.parse().map_err(|e: toml::de::Error| Error::config(path, e.to_string()))?;
        Ok(Self::of(file))
    }

    fn of(mut file: toml::Table) -> Self {
        let Some(toml::Value::Table(schema)) = file.remove("schema") else {
            return Self { schema: file, ..Self::default() };
        };
        let text = |value: Option<&toml::Value>| value?.as_str().map(str::to_owned);
        let site_column = text(file.get("site_column"));
        let subject = text(file.get("about").and_then(|about| about.get("subject")));
        Self { schema, site_column, subject: subject.filter(|subject| !subject.is_empty()) }
    }

    /// The schema for a pooled file that is split so. Where the study's own column of hospitals does
    /// not split it, the column is there all the same, and is not read.
    pub(crate) fn schema_for(&self, sites: &Sites) -> toml::Table {
        let mut schema = self.schema.clone();
        let splits = |column: &str| matches!(sites, Sites::Column(own) if own == column);
        if let Some(column) = &self.site_column
            && !splits(column)
            && !names(&schema, column)
        {
            let ignore = schema.entry("ignore").or_insert_with(|| toml::Value::Array(Vec::new()));
            if let toml::Value::Array(ignore) = ignore {
                ignore.push(column.as_str().into());
            }
        }
        schema
    }
}

/// Whether a schema says anything of a column.
fn names(schema: &toml::Table, column: &str) -> bool {
    let is = |value: Option<&toml::Value>| value.and_then(toml::Value::as_str) == Some(column);
    let list = |key: &str| schema.get(key).and_then(toml::Value::as_array).into_iter().flatten();
    is(schema.get("patient"))
        || list("ignore").any(|name| is(Some(name)))
        || list("column").any(|own| is(own.get("name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "patient = \"id\"\n[[schema.column]]\nname = \"age\"\n";

    fn ignored(text: &str, sites: &Sites) -> Option<toml::Value> {
        Template::of(text.parse().unwrap()).schema_for(sites).get("ignore").cloned()
    }

    #[test]
    fn the_studys_column_of_hospitals_is_not_read_where_it_splits_nothing() {
        let text = format!("site_column = \"district\"\n[schema]\n{SCHEMA}");
        let district = Some(toml::Value::from(vec!["district"]));
        assert_eq!(ignored(&text, &Sites::Deal(3)), district);
        assert_eq!(ignored(&text, &Sites::Column("ward".into())), district);
        assert_eq!(ignored(&text, &Sites::Column("district".into())), None);
    }

    #[test]
    fn what_the_schema_reads_stays() {
        let text = format!("site_column = \"age\"\n[schema]\n{SCHEMA}");
        assert_eq!(ignored(&text, &Sites::Deal(3)), None);
        let alone = "site_column = \"age\"\npatient = \"id\"\n";
        assert_eq!(ignored(alone, &Sites::Deal(3)), None);
    }

    #[test]
    fn a_template_says_whom_the_study_is_about() {
        let text = format!("[about]\nsubject = \"adults\"\n[schema]\n{SCHEMA}");
        assert_eq!(Template::of(text.parse().unwrap()).subject.as_deref(), Some("adults"));
        assert_eq!(Template::of(SCHEMA.parse().unwrap()).subject, None);
    }
}
