//! Radiomics features to a table of patients with the scanner of each, so that the task `combat` can
//! take out what scanners add.
//!
//! Read is a wide export as pyradiomics writes it (van Griethuysen et al., Cancer Res 2017;77:e104): a
//! row an image and mask, a column a feature, beside columns that say how it was made, and whatever
//! columns the list of images had. Features are numbers, or missing where the field is empty or `nan`.
//! Nothing is averaged and no row is chosen here: where a patient has several, whoever asks says which
//! count.
//!
//! | module | what it is for |
//! |---|---|
//! | `columns` | the columns of an export, and which features are kept |
//! | `rows` | its rows, checked |
//! | `notes` | what is odd without being a fault |
//! | `feature` | names of features, and ranges that follow from their definitions |
//! | `records` | rows of a file, none without bound |
//! | `scanners` | a second file that says whose scanner is which |
//! | `draft` | the schema's part, for a person to edit |

mod columns;
mod draft;
mod feature;
mod notes;
mod records;
mod rows;
mod scanners;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use csv::StringRecord;

use super::table::{MOST_PATIENTS, Table};
use crate::Error;
use columns::Columns;
use feature::Name;
use records::Records;
use rows::Rows;

/// Name of the table's key.
const PATIENT: &str = "patient";
/// Name of the table's column of scanners, and of a second file's where none is given.
const SCANNER: &str = "scanner";
/// Cells of a table.
const MOST_CELLS: usize = 40_000_000;

/// What is asked of an export.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The column that tells patients apart.
    pub patient: String,
    /// The column that names the scanner: of the export, or of the second file.
    pub scanner: Option<String>,
    /// A second file with a column of patients, called as in the export, and one of scanners.
    pub scanners: Option<PathBuf>,
    /// Patterns of features to keep, with `*` for any letters; all where there is none.
    pub features: Vec<String>,
    /// What a row has to have to count.
    pub only: Vec<Only>,
}

/// A column and the value that it has to have: `Label=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    column: String,
    value: String,
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((column, value)) if !column.is_empty() => {
                Ok(Self { column: column.to_owned(), value: value.trim().to_owned() })
            }
            _ => Err("is no COLUMN=VALUE, such as Label=1".to_owned()),
        }
    }
}

/// A table of features.
///
/// # Security
/// Tells of patients; it belongs to the site, and so does its draft of a schema.
#[derive(Clone, Debug)]
pub struct Radiomics {
    /// The key, the scanner where it is known, and the features.
    pub table: Table,
    /// Patients by scanner; none where no scanner was asked for.
    pub scanners: BTreeMap<String, usize>,
    /// Rows that do not have what they had to have.
    pub passed_over: usize,
    /// Name of the export.
    pub file: String,
}

impl Radiomics {
    /// A draft of the schema of these columns (TOML), for a person to edit.
    ///
    /// # Errors
    /// When it is no schema, which would be a fault of this program.
    pub fn draft(&self) -> Result<String, Error> {
        draft::text(self)
    }

    /// Kept features by the image that they are of.
    #[must_use]
    pub fn images(&self) -> BTreeMap<&str, usize> {
        let mut images = BTreeMap::new();
        for name in self.table.header.iter().filter_map(|header| Name::of(header)) {
            *images.entry(name.image).or_insert(0) += 1;
        }
        images
    }
}

/// A table of an export, one row a patient.
///
/// # Errors
/// When a file cannot be read, has no column of a name that is asked for, or no feature is kept; or
/// with all faults of all rows: line, what to do.
pub fn table(export: &Path, asked: &Asked) -> Result<Radiomics, Error> {
    let of = match &asked.scanners {
        Some(file) => {
            let column = asked.scanner.as_deref().unwrap_or(SCANNER);
            Some(scanners::read(file, &asked.patient, column)?)
        }
        None => None,
    };
    let mut records = Records::open(export)?;
    let columns = Columns::of(export, &records, asked)?;
    let mut rows = Rows::default();
    let mut record = StringRecord::new();
    while let Some(line) = records.read(&mut record)? {
        let counts = |(place, value): &(usize, String)| {
            record.get(*place).unwrap_or_default().trim() == value
        };
        if !columns.only.iter().all(counts) {
            rows.passed_over += 1;
            continue;
        }
        let at = records.at(line);
        if rows.cells.len() == MOST_PATIENTS || rows.cells.len() * columns.width() > MOST_CELLS {
            return Err(at.fault("a table takes no more rows; keep fewer features").into());
        }
        rows.add(&record, line, &at, &columns, of.as_ref());
    }
    rows.finish(export, columns)
}
