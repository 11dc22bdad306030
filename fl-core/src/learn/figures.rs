//! Figures of an earlier `prepare` task as a network's inputs use them, and where they come from.
//!
//! Rule S4: a private run uses no number derived from patients unless it is public or was charged.
//! Each input names the tasks behind its figures with their class ([`Used`]); [`check`] refuses the
//! rest.

use serde::{Deserialize, Serialize};

use super::inputs::{Inputs, Source, Term};
use super::strategies::Unit;
use crate::error::Error;
use crate::registry::Finished;
use crate::results::prepare::{Figures, Kind, Prepared, SCHEMA};
use crate::tasks::layout::{Release, refuse};

/// How the figures of a task left the sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Under noise, and charged to the budget that the task states.
    Charged,
    /// Without noise, in the exact class.
    Exact,
}

/// An earlier task whose figures an input uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Its manifest id.
    pub task: String,
    /// How its figures left.
    pub class: Class,
}

/// What stands in for a missing number; for a flag or a category it is the most frequent level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Impute {
    /// The mean.
    #[default]
    Mean,
    /// The median.
    Median,
}

/// The figures that the study's task `id` found.
///
/// # Errors
/// When there is no such result.
pub fn of_finished(task: &str, finished: &Finished, id: &str) -> Result<Prepared, Error> {
    let Some(result) = finished.get(id) else {
        return Err(refuse(task, format!("no earlier task `{id}` in this study has finished")));
    };
    serde_json::from_value(result.clone())
        .ok()
        .filter(|prepared: &Prepared| prepared.schema == SCHEMA)
        .ok_or_else(|| refuse(task, format!("the result of `{id}` is not one of `prepare`")))
}

/// Inputs by prepared figures: numbers are centred by the mean and divided by the standard deviation;
/// indicators stay 0 and 1; what stands in for a missing value is a prepared figure too.
///
/// # Errors
/// When the task did not describe a column, or not on the model's scale.
pub fn standardise(
    task: &str,
    mut terms: Vec<Term>,
    id: &str,
    prepared: &Prepared,
    impute: Impute,
) -> Result<Vec<Term>, Error> {
    let class = match prepared.release {
        Release::Exact => Class::Exact,
        Release::Noised => Class::Charged,
    };
    for term in &mut terms {
        if term.source == Source::Missing {
            continue;
        }
        let found = prepared.columns.iter().find(|figures| figures.column == term.column);
        let Some(Figures { of, .. }) = found else {
            let reason = format!("`{id}` did not describe `{}`; name it there too", term.column);
            return Err(refuse(task, reason));
        };
        let used = match (term.source, of) {
            (Source::Value, Kind::Numeric { log1p: false, .. })
            | (Source::Log1p, Kind::Numeric { log1p: true, .. }) => number(term, of, impute),
            (Source::Value, Kind::Levels { most_frequent, public, .. }) => {
                stands_in(term, f64::from(*most_frequent)) && !public
            }
            (Source::Level(level), Kind::Levels { most_frequent, public, .. }) => {
                stands_in(term, f64::from(u8::from(level == *most_frequent))) && !public
            }
            _ => {
                let reason = format!(
                    "`{id}` described `{}` on another scale; name it in `log1p` of both or of neither",
                    term.column
                );
                return Err(refuse(task, reason));
            }
        };
        if used {
            term.figures.push(Used { task: id.to_owned(), class });
        }
    }
    Ok(terms)
}

/// Centres a number; whether a figure was used that is not the schema's.
fn number(term: &mut Term, of: &Kind, impute: Impute) -> bool {
    let Kind::Numeric { mean, sd, median, public, .. } = of else { return false };
    (term.center, term.scale) = (*mean, *sd);
    term.missing = term.missing.map(|_| match impute {
        Impute::Mean => 0.0,
        Impute::Median => (median - mean) / sd,
    });
    !public
}

/// Sets what stands in for a missing level; whether anything does.
fn stands_in(term: &mut Term, value: f64) -> bool {
    term.missing = term.missing.map(|_| (value - term.center) / term.scale);
    term.missing.is_some()
}

/// Refuses a training that protects patients or sites by noise and uses figures that were released
/// without (rule S4), unless it is openly `allowed`; and one that protects patients and adjusts values
/// `by_site`, since a patient's vector would then depend on others (rule S2).
///
/// # Errors
/// [`Error::Params`] with what to do.
pub fn check(
    task: &str,
    inputs: &Inputs,
    unit: Unit,
    allowed: bool,
    by_site: bool,
) -> Result<(), Error> {
    if unit == Unit::Patient && by_site {
        let reason = "batch terms of the site make a patient's inputs depend on the site's other \
                      patients, which no noise for one patient hides (rule S2); use a `combat` by a \
                      column, or a strategy of another unit";
        return Err(refuse(task, reason));
    }
    let exact = inputs.figures().into_iter().find(|used| used.class == Class::Exact);
    match exact {
        Some(used) if unit != Unit::None && !allowed => {
            let reason = format!(
                "its inputs use figures of `{}`, which was released without noise: a private run uses \
                 no number derived from patients unless it is public or was charged (rule S4). Give \
                 `{0}` release = \"noised\" and a budget, leave it out, or say uncharged_figures = true, \
                 which the result then says",
                used.task
            );
            Err(refuse(task, reason))
        }
        _ => Ok(()),
    }
}
