//! Whom a file of patients would show, before it enters anything: rows that nobody else is like.
//!
//! Quasi-identifiers are what an outsider may know of a patient: age, sex, where they live. Rows that
//! agree on all of them are a class. k is the size of the smallest class (Sweeney, *International
//! Journal of Uncertainty, Fuzziness and Knowledge-Based Systems* 2002;10:557); l of a sensitive
//! column is the least number of different values that a class has in it (distinct l-diversity:
//! Machanavajjhala, Kifer, Gehrke and Venkitasubramaniam, *ACM Transactions on Knowledge Discovery from
//! Data* 2007;1:3). Both are shown as the file stands and under a generalisation that is public: bins
//! of a width, levels put together, a column left out.
//!
//! They describe a file; they are no guarantee. Whoever knows something more, or has another file,
//! may tell people apart within a class, which is why what leaves a hospital here rests on secure sums
//! and differential privacy instead.
//!
//! # Conventions
//! A missing quasi-identifier is a value of its own. Of a sensitive column only known values count, so
//! a class in which one value is known and the others are missing has l = 1; a class in which none is
//! known tells nothing and does not count. A generalisation of a sensitive column counts, too.

mod classes;
mod generalise;
mod show;
mod suggest;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use serde::Serialize;

use crate::Error;
use classes::Coded;
pub use classes::{Band, Diversity, Summary};
pub use generalise::Generalisation;
pub use show::show;
pub use suggest::Suggestion;

/// Value of `schema`.
pub const SCHEMA: &str = "haima.anonymity/1";
/// What a reader has to know of every report.
pub const NOTE: &str = "This report is about the patients of the file, some of whom it may be about \
                        alone: it belongs where the file is, and is no figure to publish. k and l \
                        describe a file; they are no guarantee as differential privacy is.";
/// Columns that may be asked about.
const MOST_COLUMNS: usize = 64;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// Columns that an outsider may know.
    pub quasi: Vec<String>,
    /// Columns that an outsider wants to know.
    pub sensitive: Vec<String>,
    /// What is made coarser, each a column's.
    pub generalised: Vec<Generalisation>,
}

/// Whom a file would show.
///
/// # Security
/// Tells of patients; it belongs to the site.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The file's name.
    pub file: String,
    /// Rows, each a patient.
    pub rows: u64,
    /// The quasi-identifiers.
    pub quasi: Vec<String>,
    /// The generalisation, as `--generalise` has it.
    pub generalised: Vec<String>,
    /// As the file stands.
    pub before: Summary,
    /// Under the generalisation, if there is one.
    pub after: Option<Summary>,
    /// What one column's generalisation would do beyond that, the column that helps most first.
    pub suggestions: Vec<Suggestion>,
    /// [`NOTE`].
    pub note: &'static str,
}

impl Report {
    /// Of a cohort that was read by the schema; `file` is its name.
    ///
    /// # Errors
    /// When a patient may have several rows, a column is not in the schema or named twice, or a
    /// generalisation does not fit its column.
    pub fn of(
        file: &str,
        cohort: &Cohort,
        schema: &Schema,
        question: &Question,
    ) -> Result<Self, Error> {
        question.check(schema)?;
        let coded = |name: &String, of: &[Generalisation]| Coded::of(name, cohort, schema, of);
        let all = |names: &[String], of: &[Generalisation]| {
            names.iter().map(|name| coded(name, of)).collect::<Result<Vec<Coded>, Error>>()
        };
        let under = question.generalised.as_slice();
        let (rows, none) = (cohort.len(), &[][..]);
        let before =
            Summary::of(rows, &all(&question.quasi, none)?, &all(&question.sensitive, none)?);
        let quasi = all(&question.quasi, under)?;
        let after = match under {
            [] => None,
            _ => Some(Summary::of(rows, &quasi, &all(&question.sensitive, under)?)),
        };
        let suggestions = suggest::suggestions(cohort, schema, question, &quasi)?;
        Ok(Self {
            schema: SCHEMA,
            file: file.to_owned(),
            rows: rows as u64,
            quasi: question.quasi.clone(),
            generalised: under.iter().map(ToString::to_string).collect(),
            before,
            after,
            suggestions,
            note: NOTE,
        })
    }
}

impl Question {
    fn check(&self, schema: &Schema) -> Result<(), Error> {
        let fault = |option: &str, problem: String| Error::Config { file: option.into(), problem };
        if schema.rows_per_patient > 1 {
            let problem = "a patient may have several rows by this schema (`rows_per_patient`), which \
                           would count as several patients: give a file with one row each, as of the \
                           first visit";
            return Err(fault("--schema", problem.into()));
        }
        if self.quasi.is_empty() {
            let problem = "name the columns that an outsider may know, as age,sex,district";
            return Err(fault("--quasi", problem.into()));
        }
        if self.quasi.len() + self.sensitive.len() > MOST_COLUMNS {
            return Err(fault("--quasi", format!("more than {MOST_COLUMNS} columns in all")));
        }
        let mut named: Vec<&String> = Vec::new();
        for (option, names) in [("--quasi", &self.quasi), ("--sensitive", &self.sensitive)] {
            for name in names {
                schema.column(name).map_err(|error| fault(option, error.to_string()))?;
                if named.contains(&name) {
                    let problem = format!(
                        "`{name}` is named twice; a column is either what an outsider knows or what one \
                         wants to know"
                    );
                    return Err(fault(option, problem));
                }
                named.push(name);
            }
        }
        let mut generalised: Vec<&str> = Vec::new();
        for own in &self.generalised {
            let name = own.column();
            if !named.iter().any(|known| *known == name) {
                let problem = format!("`{name}` is in neither --quasi nor --sensitive");
                return Err(fault("--generalise", problem));
            }
            if generalised.contains(&name) {
                return Err(fault("--generalise", format!("`{name}` is named twice")));
            }
            own.check(schema.column(name)?)
                .map_err(|problem| fault("--generalise", format!("{own}: {problem}")))?;
            generalised.push(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
