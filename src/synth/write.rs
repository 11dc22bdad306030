//! Virtual patients as files: CSV, Parquet, or a folder of Phenopackets, each with its provenance.
//!
//! `NAME.provenance.json` stands beside a file `NAME`, `provenance.json` in a folder of Phenopackets;
//! a Parquet file has it as metadata as well, a Phenopacket its main points in `metaData`.

mod parquet;
mod phenopackets;

use std::path::{Path, PathBuf};

use haima_crypto::encode::Digest;
use haima_fl_core::results::generator::Generator;

use super::cohort::{VirtualCohort, key};
use super::file::SynthFile;
use super::sample::Rows;
use crate::Error;
use crate::private_file::whole;

/// Phenopackets that a folder may get.
pub const MOST_PHENOPACKETS: usize = 100_000;

/// Forms of a file of virtual patients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma separated values with a header, as intake reads them.
    Csv,
    /// Apache Parquet: whole numbers, doubles and texts, missing as null.
    Parquet,
    /// A folder of GA4GH Phenopackets, version 2, one a virtual patient.
    Phenopackets,
}

impl Format {
    /// The form that a name says: by its ending, or a folder.
    ///
    /// # Errors
    /// When it says none.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            None => Ok(Self::Phenopackets),
            Some(_) if path.is_dir() => Ok(Self::Phenopackets),
            Some(other) => Err(Error::config(
                path,
                format!(
                    "a file of virtual patients ends in .csv or .parquet, and Phenopackets go to a \
                     folder; .{other} is none of these (or name the form by --format)"
                ),
            )),
        }
    }
}

/// Writes virtual patients and their provenance, and returns the path of the latter.
///
/// # Errors
/// When a file cannot be written, there are too many rows for its form, or a folder has Phenopackets
/// or a provenance already.
pub fn write(
    path: &Path,
    format: Format,
    file: &SynthFile,
    generator: &Generator,
    rows: &Rows,
    provenance: &VirtualCohort,
) -> Result<PathBuf, Error> {
    let key = key(file)?;
    let (bytes, beside) = match format {
        Format::Csv => (rows.csv(key.as_deref())?, beside(path)),
        Format::Parquet => {
            let text = json(path, provenance)?;
            let bytes = parquet::bytes(&generator.domain, key.as_deref(), rows, &text)
                .map_err(|error| Error::config(path, error.to_string()))?;
            (bytes, beside(path))
        }
        Format::Phenopackets => {
            return phenopackets::write(path, file, generator, rows, provenance);
        }
    };
    // Of the bytes alone, so that any program can compare it.
    let digest = Digest::of(&bytes).to_string();
    let provenance = VirtualCohort { digest: Some(digest), ..provenance.clone() };
    // First what says that they are virtual.
    whole(&beside, json(path, &provenance)?.as_bytes())?;
    whole(path, &bytes)?;
    Ok(beside)
}

/// `NAME.provenance.json` of `NAME`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".provenance.json");
    path.with_file_name(name)
}

fn json(path: &Path, provenance: &VirtualCohort) -> Result<String, Error> {
    serde_json::to_string_pretty(provenance).map_err(|error| Error::config(path, error.to_string()))
}
