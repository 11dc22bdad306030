//! What a file of `--schema` says: the schema and, where it is a study's template, how a pooled file
//! is split, whom the study is about, and the public numbers that a promise to its patients rests on.

use std::path::Path;

use super::Sites;
use crate::Error;
use crate::model_file::{Figure, making};

/// Most patients of a hospital that a manifest takes.
const MOST_PATIENTS: u64 = 1_000_000_000;
/// Most hospitals of a patient that a manifest takes.
const MOST_HOSPITALS: u64 = 100;

/// The public numbers of a study, as far as its template says them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Public {
    /// Cap on the patients of each hospital; `None` where nothing public says one.
    pub(crate) max_patients: Option<u64>,
    /// Hospitals at which one patient may have rows (rule S1).
    pub(crate) hospitals_per_patient: u32,
}

impl Default for Public {
    fn default() -> Self {
        Self { max_patients: None, hospitals_per_patient: 1 }
    }
}

impl Public {
    /// For a card (rule S4).
    pub(crate) fn figures(self) -> Vec<Figure> {
        const STANDS_IN: &str = "the study's template";
        let mut figures = Vec::new();
        if let Some(cap) = self.max_patients {
            figures.push(making::public("max_patients", cap.to_string(), STANDS_IN));
        }
        if let most @ 2.. = self.hospitals_per_patient {
            figures.push(making::public("hospitals_per_patient", most.to_string(), STANDS_IN));
        }
        figures
    }

    /// Of a template, or of a manifest, which has a cap for each hospital.
    fn of(file: &toml::Table) -> Result<Self, String> {
        let sites = file.get("site").and_then(toml::Value::as_array).into_iter().flatten();
        let mut caps = Vec::new();
        let of_sites = sites.filter_map(|site| site.get("max_patients"));
        for cap in of_sites.chain(file.get("max_patients")) {
            caps.push(whole("max_patients", cap, MOST_PATIENTS)?);
        }
        let hospitals_per_patient = match file.get("hospitals_per_patient") {
            Some(most) => whole("hospitals_per_patient", most, MOST_HOSPITALS)?,
            None => 1,
        };
        Ok(Self {
            max_patients: caps.into_iter().max(),
            hospitals_per_patient: u32::try_from(hospitals_per_patient).unwrap_or(u32::MAX),
        })
    }
}

/// A whole number from 1.
fn whole(key: &str, value: &toml::Value, most: u64) -> Result<u64, String> {
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| format!("`{key}` must be a whole number, 1 to {most}"))
}

/// A schema alone, or a study's template or manifest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    /// The schema.
    pub(crate) schema: toml::Table,
    /// Column of a pooled file that names the hospital, where the study says one.
    pub(crate) site_column: Option<String>,
    /// Whom the study is about, where it says so.
    pub(crate) subject: Option<String>,
    /// What a promise to the study's patients rests on.
    pub(crate) public: Public,
}

impl Template {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or does not parse, or a public number of the study is none.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        let file: toml::Table =
            text.parse().map_err(|e: toml::de::Error| Error::config(path, e.to_string()))?;
        Self::of(file).map_err(|problem| Error::config(path, problem))
    }

    fn of(mut file: toml::Table) -> Result<Self, String> {
        let Some(toml::Value::Table(schema)) = file.remove("schema") else {
            return Ok(Self { schema: file, ..Self::default() });
        };
        let public = Public::of(&file)?;
        let text = |value: Option<&toml::Value>| value?.as_str().map(str::to_owned);
        let site_column = text(file.get("site_column"));
        let subject = text(file.get("about").and_then(|about| about.get("subject")));
        let subject = subject.filter(|subject| !subject.is_empty());
        Ok(Self { schema, site_column, subject, public })
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
        Template::of(text.parse().unwrap()).unwrap().schema_for(sites).get("ignore").cloned()
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
        let of = |text: &str| Template::of(text.parse().unwrap()).unwrap().subject;
        assert_eq!(of(&text).as_deref(), Some("adults"));
        assert_eq!(of(SCHEMA), None);
    }

    #[test]
    fn a_study_says_its_public_numbers_and_a_schema_alone_says_none() {
        let of = |head: &str| {
            let text = format!("{head}\n[schema]\n{SCHEMA}");
            Template::of(text.parse().unwrap()).map(|template| template.public)
        };
        let public = |max_patients, hospitals_per_patient| {
            Ok::<_, String>(Public { max_patients, hospitals_per_patient })
        };
        assert_eq!(of("max_patients = 120\nhospitals_per_patient = 2"), public(Some(120), 2));
        assert_eq!(of("max_patients = 120"), public(Some(120), 1));
        assert_eq!(of(""), public(None, 1));
        // A manifest has a cap for each hospital.
        let manifest = "hospitals_per_patient = 3\n[[site]]\nmax_patients = 50\n[[site]]\n\
                        max_patients = 80\n";
        assert_eq!(of(manifest), public(Some(80), 3));
        let alone = Template::of(SCHEMA.parse().unwrap()).unwrap();
        assert_eq!(alone.public, Public::default());
        for wrong in ["hospitals_per_patient = 0", "hospitals_per_patient = 101"] {
            assert!(of(wrong).unwrap_err().contains("`hospitals_per_patient` must be"), "{wrong}");
        }
        for wrong in ["max_patients = 0", "max_patients = \"120\""] {
            assert!(of(wrong).unwrap_err().contains("`max_patients` must be"), "{wrong}");
        }
    }
}
