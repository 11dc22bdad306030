//! The study report: one self-contained HTML page, drawn from one value.
//!
//! The page needs no other file: style and figures stand in it, it holds no program and loads
//! nothing, so it can be mailed, archived and printed (A4). All text from a study is escaped.
//! Numbers appear as clinical papers print them, small cells are hidden by a display rule
//! (`min_cell`), and what carries no differential privacy says so (rule X1).

pub(crate) mod association;
mod bars;
#[cfg(feature = "cli")]
pub(crate) mod budget_figure;
pub(crate) mod cells;
mod chart;
mod clusters;
#[cfg(feature = "cli")]
pub mod compare;
mod competing;
mod components;
mod comutation;
pub(crate) mod curves;
mod explain;
#[cfg(feature = "cli")]
pub mod export;
mod fits;
mod forest;
mod hazard;
pub(crate) mod incidence;
pub(crate) mod labels;
mod meta;
mod model;
mod network;
pub(crate) mod numbers;
pub(crate) mod page;
pub(crate) mod plot;
mod prepared;
mod privacy;
mod promises;
#[cfg(feature = "cli")]
pub mod read;
mod record;
mod result;
pub(crate) mod scan;
#[cfg(feature = "cli")]
pub(crate) mod standalone;
mod states;
mod style;
mod survival_figure;
pub mod synthetic;
pub(crate) mod table1;
mod validation;
pub(crate) mod words;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub use model::{
    Best, Check, Class, Committed, Comparison, Excluded, Floors, Holds, MaskedTerms, Party,
    Privacy, Promise, Role, RoundClass, RoundRow, RoundStatus, SCHEMA, SiteLedger, Step,
    StudyReport, Wording,
};
pub use promises::{masked_mode, node_mode};
pub use result::StepResult;
#[cfg(feature = "web")]
pub(crate) use style::STYLE;

/// The page.
#[must_use]
pub fn render(report: &StudyReport) -> String {
    page::page(report).into_string()
}

/// Writes `index.html` and `report.json` into `dir`, which is made if it is missing, and returns
/// the path of the page. Each file is complete on disk before it gets its name.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path, report: &StudyReport) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let json = serde_json::to_vec_pretty(report).map_err(io::Error::other)?;
    place(dir, "report.json", &json)?;
    place(dir, "index.html", render(report).as_bytes())
}

/// Writes beside the final name, then renames.
pub(crate) fn place(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let unfinished = dir.join(format!(".{name}.{}.part", std::process::id()));
    let path = dir.join(name);
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    match written.and_then(|()| fs::rename(&unfinished, &path)) {
        Ok(()) => Ok(path),
        Err(error) => {
            // The reason to report is the first one; what is left over has a name of its own.
            let _ = fs::remove_file(&unfinished);
            Err(error)
        }
    }
}
