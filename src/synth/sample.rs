//! Rows of virtual patients from a generator. They keep to its cohort, which is part of its domain, as
//! far as it has the columns ([`not_kept`]).

use haima_fl_core::results::generator::{Generator, MOST_ROWS, Share};

use crate::Error;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Number of virtual patients.
    pub rows: usize,
    /// What has to hold of each, as `age >= 60` or `sex = F|M`; empty: patients of any kind.
    pub conditions: Vec<String>,
    /// Seed of the row sampler. The same model and seed give the same rows.
    pub seed: u64,
}

/// Virtual patients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Levels, `[rows, attributes]`.
    pub levels: Vec<Vec<u16>>,
    /// Values as texts, `[rows, columns]`; empty where missing.
    pub texts: Vec<Vec<String>>,
}

/// A seed for whoever names none: from the operating system, and short enough for every reader of
/// JSON.
///
/// # Errors
/// When the operating system has no randomness.
pub fn fresh_seed() -> Result<u64, Error> {
    use rand::TryRng as _;
    let drawn = rand::rngs::SysRng.try_next_u64().map_err(|error| Error::Stopped {
        party: "the operating system's randomness".into(),
        reason: error.to_string(),
    })?;
    Ok(drawn >> 11)
}

/// How many of the model's patients meet what was asked, among those of its cohort; `None` where
/// nothing was asked.
///
/// # Errors
/// As [`rows`].
pub fn share(generator: &Generator, asked: &Asked) -> Result<Option<Share>, Error> {
    if asked.conditions.is_empty() {
        return Ok(None);
    }
    let condition = generator.domain.condition(&asked.conditions)?;
    let found = generator.share(&condition);
    found.map(Some).map_err(|error| of_conditions(error, &asked.conditions))
}

/// What no virtual patient is held to: the predicates of the cohort (one a line, as a provenance has
/// it) on columns that the generator lacks.
#[must_use]
pub fn not_kept<'a>(generator: &Generator, cohort: &'a str) -> Vec<&'a str> {
    let header = generator.domain.header();
    // A generator of an earlier form has no cohort at all.
    let keeps = !generator.domain.cohort.is_all();
    let is_kept = |line: &str| {
        let column = line.split_whitespace().nth(1);
        keeps && column.is_some_and(|column| header.iter().any(|own| own == column))
    };
    cohort.lines().filter(|line| !is_kept(line)).collect()
}

/// A failure to draw, with the conditions that it is about.
fn of_conditions(error: haima_fl_core::Error, conditions: &[String]) -> Error {
    match error {
        haima_fl_core::Error::Fit { reason, .. } if !conditions.is_empty() => Error::Config {
            file: "--where".into(),
            problem: format!("{}: {reason}", conditions.join(", ")),
        },
        error => error.into(),
    }
}

/// Draws virtual patients.
///
/// # Errors
/// When a condition cannot be read or no patient of the model meets it, with the condition; or for a
/// number of rows outside 1 to [`MOST_ROWS`].
pub fn rows(generator: &Generator, asked: &Asked) -> Result<Rows, Error> {
    if !(1..=MOST_ROWS).contains(&asked.rows) {
        return Err(Error::Config {
            file: "--rows".into(),
            problem: format!("{} virtual patients; ask for 1 to {MOST_ROWS}", asked.rows),
        });
    }
    let condition = generator.domain.condition(&asked.conditions)?;
    let levels = generator
        .rows(asked.rows, &condition, asked.seed)
        .map_err(|error| of_conditions(error, &asked.conditions))?;
    let texts = generator.domain.texts(&levels, &condition, asked.seed);
    Ok(Rows { header: generator.domain.header(), levels, texts })
}

impl Rows {
    /// How a virtual patient is called, from 0.
    #[must_use]
    pub fn id(patient: usize) -> String {
        format!("synthetic-{}", patient + 1)
    }

    /// Header and rows as CSV, with a first column of ids where `key` names one.
    ///
    /// # Errors
    /// When a text cannot be written, which none is.
    pub fn csv(&self, key: Option<&str>) -> Result<Vec<u8>, Error> {
        let fault = |error: String| Error::Config { file: "the rows".into(), problem: error };
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = key.into_iter().chain(self.header.iter().map(String::as_str));
        writer.write_record(header).map_err(|error| fault(error.to_string()))?;
        for (patient, row) in self.texts.iter().enumerate() {
            let id = key.map(|_| Self::id(patient));
            let fields = id.iter().map(String::as_str).chain(row.iter().map(String::as_str));
            writer.write_record(fields).map_err(|error| fault(error.to_string()))?;
        }
        writer.into_inner().map_err(|error| fault(error.to_string()))
    }
}
