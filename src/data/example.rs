//! Ready schemas for two diseases, and artificial rows for them: something to try a study on before
//! anybody's patients are in it.
//!
//! The rows are made up by rules of this program and a seed (`aml`, `sickle_cell`). They are fitted
//! to nobody: dependence of age, risk, treatment and survival is plausible and no more. Virtual patients
//! that are like real ones come from [`crate::synth`], with a guarantee.

mod aml;
mod draw;
mod row;
mod sickle_cell;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use haima_fl_core::schema::{PatientKey, Schema};

use crate::Error;
use crate::model_file::whole;
use draw::Draw;
use row::Row;

/// Rows that may be asked for.
pub const MOST_ROWS: u32 = 100_000;

/// Diseases that there is an example of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disease {
    /// Acute myeloid leukaemia, in the shape that SYNTHEMA published.
    Aml,
    /// Sickle cell disease.
    SickleCell,
}

/// Files that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The schema, as a study's `[schema]`.
    pub schema: PathBuf,
    /// The rows.
    pub rows: PathBuf,
    /// What the rows are and are not.
    pub readme: PathBuf,
}

impl Disease {
    /// As files are called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aml => "aml",
            Self::SickleCell => "sickle-cell",
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Aml => "acute myeloid leukaemia",
            Self::SickleCell => "sickle cell disease",
        }
    }

    /// The ready schema with its comments and sources: a study's `[schema]`.
    #[must_use]
    pub fn schema_text(self) -> &'static str {
        match self {
            Self::Aml => include_str!("../../data/schemas/aml.toml"),
            Self::SickleCell => include_str!("../../data/schemas/sickle-cell.toml"),
        }
    }

    /// The same, read.
    ///
    /// # Errors
    /// None but for a fault of this program.
    pub fn schema(self) -> Result<Schema, Error> {
        let fault =
            |problem: String| Error::Stopped { party: "the example".into(), reason: problem };
        let table: toml::Table = (self.schema_text().parse())
            .map_err(|error: toml::de::Error| fault(error.to_string()))?;
        let own = table.get("schema").and_then(toml::Value::as_table);
        Ok(Schema::from_toml(own.unwrap_or(&table))?)
    }

    /// Artificial rows as CSV: the same of the same seed.
    ///
    /// # Errors
    /// For a number of rows outside 1 to [`MOST_ROWS`].
    pub fn rows(self, rows: u32, seed: u64) -> Result<Vec<u8>, Error> {
        if !(1..=MOST_ROWS).contains(&rows) {
            let problem = format!("{rows} rows; ask for 1 to {MOST_ROWS}");
            return Err(Error::Config { file: "--rows".into(), problem });
        }
        let schema = self.schema()?;
        let fault = |error: String| Error::Stopped { party: "the example".into(), reason: error };
        let key = match &schema.patient {
            PatientKey::Column(key) => key.as_str(),
            PatientKey::OneRow => "id",
        };
        let columns = || schema.columns.iter().map(|column| &column.name).chain(&schema.ignore);
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = std::iter::once(key).chain(columns().map(String::as_str));
        writer.write_record(header).map_err(|error| fault(error.to_string()))?;
        let mut draw = Draw::new(seed);
        for patient in 1..=rows {
            let mut row = Row::new(&schema);
            match self {
                Self::Aml => aml::fill(&mut draw, &mut row),
                Self::SickleCell => sickle_cell::fill(&mut draw, &mut row),
            }
            let id = format!("artificial-{patient}");
            let fields = std::iter::once(id.as_str()).chain(columns().map(|name| row.text(name)));
            writer.write_record(fields).map_err(|error| fault(error.to_string()))?;
        }
        writer.into_inner().map_err(|error| fault(error.to_string()))
    }

    /// Writes schema, rows and what they are into a folder, which is made where it is not there.
    ///
    /// # Errors
    /// For a number of rows outside 1 to [`MOST_ROWS`], or when a file is there already or cannot be
    /// written.
    pub fn write(self, rows: u32, seed: u64, folder: &Path) -> Result<Written, Error> {
        let csv = self.rows(rows, seed)?;
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        let name = self.name();
        let written = Written {
            schema: folder.join(format!("{name}.schema.toml")),
            rows: folder.join(format!("artificial-{name}.csv")),
            readme: folder.join(format!("artificial-{name}.README.md")),
        };
        for path in [&written.schema, &written.rows, &written.readme] {
            if path.exists() {
                return Err(Error::file(path, ErrorKind::AlreadyExists.into()));
            }
        }
        // First what says that they are artificial.
        whole(&written.readme, self.readme(rows, seed).as_bytes())?;
        whole(&written.schema, self.schema_text().as_bytes())?;
        whole(&written.rows, &csv)?;
        Ok(written)
    }

    fn readme(self, rows: u32, seed: u64) -> String {
        let (name, words, version) = (self.name(), self.words(), crate::version());
        format!(
            "# Artificial rows: no patient is in them\n\n\
             `artificial-{name}.csv` has {rows} made-up rows of {words}, `{name}.schema.toml` is the \
             schema that they fit. They were written by {version} from the seed {seed}: the same \
             command gives the same rows.\n\n\
             - Every number comes from rules in this program and from pseudo-random numbers. Nothing was \
             fitted to patients, so nothing can be learnt about any, or about {words}: no rate, no \
             survival, no association.\n\
             - Age, risk, treatment and survival depend on one another as is plausible, so that an \
             analysis has something to find. How strongly was chosen by hand.\n\
             - Ids are `artificial-1` to `artificial-{rows}`. Keep them, and the word in the file's name, \
             wherever the rows go.\n\
             - The schema is meant to be used, with ranges for real patients; its sources are in it.\n\n\
             Hold the rows against the schema:\n\n\
             ```\n\
             haima data check artificial-{name}.csv --schema {name}.schema.toml\n\
             ```\n\n\
             Virtual patients that are like real ones, under a guarantee for these, come from \
             `haima synth`.\n"
        )
    }
}

#[cfg(test)]
mod tests;
