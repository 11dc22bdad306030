//! The rows of `docs/results.md`: our figures beside those of others, made by running the analysis.
//!
//! A row is a line of the document's table, found by its id; [`write()`] replaces it and [`check`]
//! compares it. No figure in it is typed. To add rows, write a module like `survival` with a list
//! `ROWS`, and name it in [`rows`].

mod amlsg;
mod cells;
mod columns;
mod figure;
mod generators;
mod genes;
mod holdout;
mod models;
mod networks;
mod noised;
mod private_leukaemia;
mod public_bins;
mod simulated;
mod survival;
mod synthetic;
mod synthetic_cox;
mod synthetic_curves;
mod table;
mod yardsticks;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Error;
pub use figure::Figure;
pub use table::{check, write};

/// A line of the document: what was computed, from what, how, and whom it is held against.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name: `haima reproduce ID`.
    pub id: &'static str,
    /// What was computed.
    pub what: &'static str,
    /// From which data, and at how many hospitals.
    pub data: &'static str,
    /// How, in a line.
    pub method: &'static str,
    /// Whose figures stand beside ours.
    pub yardstick: &'static str,
    /// Whether it takes more than some twenty seconds without optimisation: left out of
    /// `haima reproduce all`, unless `--slow` says otherwise.
    pub slow: bool,
    /// Computes the figures.
    pub run: fn(&Context) -> Result<Vec<Figure>, Error>,
}

/// Where data and yardsticks are.
#[derive(Clone, Debug)]
pub struct Context {
    /// Folder of data that are not shipped, and of others' figures.
    pub shared: PathBuf,
}

/// All rows, in the order of the document.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    // A module's rows are added here.
    [
        survival::ROWS,
        models::ROWS,
        yardsticks::ROWS,
        noised::ROWS,
        amlsg::ROWS,
        cells::ROWS,
        private_leukaemia::ROWS,
        networks::ROWS,
        genes::ROWS,
        synthetic::ROWS,
        synthetic_cox::ROWS,
        synthetic_curves::ROWS,
    ]
    .into_iter()
    .flatten()
}

impl Context {
    /// A data file that is shipped with the sources.
    ///
    /// # Errors
    /// When it is not found.
    pub fn data(&self, name: &str) -> Result<PathBuf, Error> {
        crate::demo::run::shipped(&format!("data/{name}"))
    }

    /// A file of the shared folder.
    ///
    /// # Errors
    /// When it is not there.
    pub fn shared(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.shared.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::config(&path, "not there; name the folder by --shared DIR or HAIMA_SHARED"))
    }

    /// A part of a JSON file of the shared folder, by its path (`/cox/bmt_strat_efron`).
    ///
    /// # Errors
    /// When the file or the part is not there.
    pub fn truth(&self, name: &str, pointer: &str) -> Result<Value, Error> {
        let path = self.shared(name)?;
        let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
        let json: Value =
            serde_json::from_str(&text).map_err(|e| Error::config(&path, e.to_string()))?;
        let part = json.pointer(pointer).cloned();
        part.ok_or_else(|| Error::config(&path, format!("it has no {pointer}")))
    }
}

impl Row {
    /// The row's line of the document.
    ///
    /// # Errors
    /// When data or yardstick are not there, or the analysis fails.
    pub fn line(&self, context: &Context) -> Result<String, Error> {
        let figures = (self.run)(context)?;
        let cell = |of: fn(&Figure) -> &str| {
            let texts: Vec<String> = figures
                .iter()
                .filter(|figure| !of(figure).is_empty())
                .map(|figure| format!("{} {}", figure.name, of(figure)))
                .collect();
            texts.join("; ")
        };
        let (ours, theirs) = (cell(|figure| &figure.ours), cell(|figure| &figure.theirs));
        let Self { id, what, data, method, yardstick, .. } = self;
        Ok(format!(
            "| `{id}` | {what} | {data} | {method} | {ours} | {theirs}; {yardstick} | `haima reproduce {id}` |"
        ))
    }
}

/// The folder of a command line's `--shared`, else of the environment, else beside the sources.
#[must_use]
pub fn shared_folder(given: Option<&Path>) -> PathBuf {
    given
        .map(Path::to_owned)
        .or_else(|| std::env::var_os("HAIMA_SHARED").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("../shared"))
}
