//! The columns of an export: which tell patients and scanners, which are features, and which of these
//! are kept.

use std::path::Path;

use haima_fl_core::schema::check_name;

use super::feature::{Name, fits, tells_of_making};
use super::records::Records;
use super::{Asked, Only};
use crate::Error;
use crate::convert::fault::quoted;

/// Features of a table: a schema has 4,096 columns.
const MOST_FEATURES: usize = 4_000;
/// Columns by which the makings of two rows are held against each other.
const WAYS: [&str; 5] = [
    "diagnostics_Versions_PyRadiomics",
    "diagnostics_Configuration_Settings",
    "diagnostics_Configuration_EnabledImageTypes",
    "general_info_Version",
    "general_info_GeneralSettings",
];

/// Places of the columns that are read.
pub(super) struct Columns {
    pub(super) patient: usize,
    /// In the export.
    pub(super) scanner: Option<usize>,
    /// Whether the table has a column of scanners.
    pub(super) has_scanner: bool,
    pub(super) features: Vec<(usize, String)>,
    pub(super) only: Vec<(usize, String)>,
    pub(super) ways: Vec<(usize, String)>,
    /// Columns that are neither features nor tell how these were made, and are not asked for.
    pub(super) others: Vec<String>,
}

impl Columns {
    pub(super) fn of(export: &Path, records: &Records, asked: &Asked) -> Result<Self, Error> {
        let fault = |problem: String| Error::data(export, problem);
        let patient = records.place(&asked.patient, "--patient")?;
        let scanner = match (&asked.scanner, &asked.scanners) {
            (Some(name), None) => Some(records.place(name, "--scanner")?),
            _ => None,
        };
        let mut only = Vec::new();
        for Only { column, value } in &asked.only {
            only.push((records.place(column, "--where")?, value.clone()));
        }
        let mut used: Vec<usize> = only.iter().map(|(place, _)| *place).collect();
        used.extend([patient].into_iter().chain(scanner));
        let (mut features, mut ways, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let mut fitting = vec![false; asked.features.len()];
        for (place, header) in records.header.iter().enumerate() {
            if WAYS.contains(&header) {
                ways.push((place, header.to_owned()));
            }
            if tells_of_making(header) || used.contains(&place) {
                continue;
            }
            if Name::of(header).is_none() {
                others.push(header.to_owned());
                continue;
            }
            let mut kept = asked.features.is_empty();
            for (pattern, fit) in asked.features.iter().zip(&mut fitting) {
                if fits(pattern, header) {
                    (kept, *fit) = (true, true);
                }
            }
            if kept {
                check_name(header).map_err(|error| fault(format!("line 1: {error}")))?;
                features.push((place, header.to_owned()));
            }
        }
        let idle = asked.features.iter().zip(&fitting).find(|(_, fit)| !**fit);
        if let Some((pattern, _)) = idle {
            return Err(fault(format!(
                "no feature is called as {} (--features) says; features are called as \
                 original_firstorder_Mean, and `*` stands for any letters",
                quoted(pattern)
            )));
        }
        if features.is_empty() {
            return Err(fault(
                "has no column that is called as a feature, such as original_firstorder_Mean; give the \
                 wide table of pyradiomics, a row an image"
                    .into(),
            ));
        }
        if features.len() > MOST_FEATURES {
            let count = features.len();
            return Err(fault(format!(
                "{count} features are too many: a table has {MOST_FEATURES}; choose by --features, as \
                 --features 'original_*'"
            )));
        }
        let has_scanner = scanner.is_some() || asked.scanners.is_some();
        Ok(Self { patient, scanner, has_scanner, features, only, ways, others })
    }

    /// Columns of the table.
    pub(super) fn width(&self) -> usize {
        self.features.len() + 2
    }
}
