//! A draft of a schema from a file of patients, for a person to edit.
//!
//! A schema is public and stands in the signed manifest, so nothing of it may come from the data of a
//! study (rule S4). A draft does: its ranges and levels are those of the file, and it says so beside
//! each. It saves the typing of names and kinds; whoever edits it puts in what is plausible for the
//! disease before it leaves the hospital.

mod column;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use haima_fl_core::schema::Schema;
use serde::Serialize;

use super::dates::written;
use super::guess::{is_key, is_stay};
use super::look::{Odd, What, odd};
use super::source::name_of;
use crate::Error;
use crate::pooled::Table;
use column::Told;
pub use column::{Column, Guess, Why};
pub(crate) use column::{named, proper};
pub(crate) use write::{comment, number, quoted};

/// Value of `schema`.
pub const SCHEMA: &str = "haima.data-draft/1";

/// What a file looks like.
///
/// # Security
/// Tells of patients; it belongs to the site.
#[derive(Clone, Debug, Serialize)]
pub struct Draft {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The file's name.
    pub file: String,
    /// Rows below the header.
    pub rows: usize,
    /// Of a pooled file: the column that names the hospital, which the schema leaves out.
    pub site: Option<String>,
    /// The column that tells patients apart; without one each row is a patient.
    pub patient: Option<String>,
    /// Most rows with one value of it.
    pub rows_per_patient: usize,
    /// Other columns in which no value stands twice.
    pub other_keys: Vec<String>,
    /// The other columns, in the file's order.
    pub columns: Vec<Column>,
}

impl Draft {
    /// Looks at a file. `site` is a pooled file's column of hospitals.
    ///
    /// # Errors
    /// When the file cannot be read, has a column twice, has no column `site`, or none that a schema
    /// can name.
    pub fn of(path: &Path, site: Option<&str>) -> Result<Self, Error> {
        let table = Table::read(path)?;
        let headers: Vec<&str> = table.headers().collect();
        let mut seen = BTreeSet::new();
        if let Some(twice) = headers.iter().find(|header| !seen.insert(**header)) {
            let problem = format!("line 1: two columns are called {twice:?}; rename one");
            return Err(Error::data(path, problem));
        }
        if let Some(site) = site {
            table.has(site)?;
        }
        if let ([only], None) = (headers.as_slice(), site) {
            return Err(Error::data(path, format!("has the one column {only:?}")));
        }
        let others = || headers.iter().copied().filter(move |header| Some(*header) != site);
        let (patient, mut other_keys) = keys(&table, others())?;
        let rows_per_patient = match patient {
            Some(key) => most_rows(&table, key)?,
            None => 1,
        };
        other_keys.retain(|key| Some(key.as_str()) != patient);
        // The key is read as it is called.
        let mut names: BTreeSet<String> = patient.iter().map(|key| (*key).to_owned()).collect();
        let mut columns = Vec::new();
        for header in others().filter(|header| Some(*header) != patient) {
            let told = Told::of(header, &mut names);
            let texts: Vec<&str> = table.column(header)?.collect();
            let mut column = Column::of(told, &texts);
            if !matches!(column.guess, Guess::Left { .. }) {
                let odd = odd(&column.column, &texts).into_iter();
                // Other spellings of a missing value have their own place.
                let odd = odd.filter(|odd| odd.what != What::MissingWord);
                column.odd = odd.map(|odd| said(&table, &column.column, &odd)).next();
            }
            columns.push(column);
        }
        let draft = Self {
            schema: SCHEMA,
            file: name_of(path).into_owned(),
            rows: table.len(),
            site: site.map(str::to_owned),
            patient: patient.map(str::to_owned),
            rows_per_patient,
            other_keys,
            columns,
        };
        if draft.read().count() == 0 {
            let problem = "has no column that a schema can have: each is empty, has one value, names \
                           people, or holds dates or free text";
            return Err(Error::data(path, problem));
        }
        Ok(draft)
    }

    /// Columns that the schema reads.
    pub fn read(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !matches!(column.guess, Guess::Left { .. }))
    }

    /// Columns that it leaves out.
    pub fn left(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| matches!(column.guess, Guess::Left { .. }))
    }

    /// The draft as TOML with a comment on each line that needs one: a study's `[schema]`.
    ///
    /// # Errors
    /// When it is no schema, which would be a fault of this program.
    pub fn toml(&self) -> Result<String, Error> {
        let text = write::text(self);
        let fault = |problem: String| Error::Stopped { party: "the draft".into(), reason: problem };
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| fault(error.to_string()))?;
        let own = table.get("schema").and_then(toml::Value::as_table);
        Schema::from_toml(own.unwrap_or(&table)).map_err(|error| fault(error.to_string()))?;
        Ok(text)
    }

    /// What has to be done to the file before any schema fits it.
    #[must_use]
    pub fn to_do(&self) -> Vec<String> {
        let renamed = self.columns.iter().filter_map(|column| {
            let new = column.rename.as_deref()?;
            Some(format!("call the column {:?} {new:?}", column.header))
        });
        let spelt = self.columns.iter().filter(|column| !column.missing_spellings.is_empty());
        let spelt = spelt.map(|column| {
            let spellings: Vec<String> =
                column.missing_spellings.keys().map(|text| format!("`{text}`")).collect();
            format!("empty the fields of `{}` that say {}", column.column, spellings.join(" or "))
        });
        let odd = self.columns.iter().filter_map(|column| {
            let said = column.odd.as_ref()?;
            Some(format!("look at `{}`: {said}", column.column))
        });
        renamed.chain(spelt).chain(odd).collect()
    }
}

/// What is odd, with its line.
fn said(table: &Table, column: &str, odd: &Odd) -> String {
    format!("line {}: {}", table.place(odd.row).1, odd.says(column))
}

/// The column that tells patients apart, and all in which no value stands twice.
fn keys<'a>(
    table: &Table,
    headers: impl Iterator<Item = &'a str>,
) -> Result<(Option<&'a str>, Vec<String>), Error> {
    let (mut usual, mut likely, mut unique) = (None, None, Vec::new());
    for header in headers {
        let lower = header.to_lowercase();
        let complete = table.column(header)?.all(|value| !value.is_empty());
        if !complete || !column::is_name(header) {
            continue;
        }
        if usual.is_none() && is_key(header) {
            usual = Some(header);
        }
        let mut seen = BTreeSet::new();
        let values: Vec<&str> = table.column(header)?.collect();
        // Measured numbers and dates may all differ, and tell nobody apart.
        let measured = |value: &&str| value.contains(['.', ',']) || written(value).is_some();
        if !values.iter().any(measured) && values.into_iter().all(|value| seen.insert(value)) {
            let so = lower.ends_with("_id") || lower.contains("patient") || is_stay(header);
            if likely.is_none() && so {
                likely = Some(header);
            }
            unique.push(header.to_owned());
        }
    }
    Ok((usual.or(likely), unique))
}

/// Most rows that share a value.
fn most_rows(table: &Table, key: &str) -> Result<usize, Error> {
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for value in table.column(key)? {
        *rows.entry(value).or_insert(0) += 1;
    }
    Ok(rows.into_values().max().unwrap_or(1))
}

#[cfg(test)]
mod tests;
