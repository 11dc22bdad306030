//! Times, events and groups as the survival tasks read them from a cohort.

use super::layout::refuse;
use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::{Kind, Schema};

/// A pair of columns: follow-up time and whether it ended in the event.
#[derive(Clone, Debug)]
pub(crate) struct Survival {
    pub(crate) time: String,
    pub(super) event: String,
    /// The public upper end of the time column's range.
    pub(crate) max_time: f64,
    /// Index and name of the level of `event` that counts; `None` where `event` is a flag.
    cause: Option<(usize, String)>,
}

impl Survival {
    /// Checks that `time` is a numeric column from 0 upwards and `event` a flag.
    pub(crate) fn new(task: &str, schema: &Schema, time: &str, event: &str) -> Result<Self, Error> {
        let max_time = check_time(task, schema, time)?;
        check_flag(task, schema, event)?;
        Ok(Self { time: time.to_owned(), event: event.to_owned(), max_time, cause: None })
    }

    /// As [`Survival::new`]; with a cause, `event` is a category as in [`check_outcomes`], and the
    /// event is that level alone: all other ends of follow-up count as censored.
    pub(super) fn of_cause(
        task: &str,
        schema: &Schema,
        time: &str,
        event: &str,
        cause: Option<&str>,
    ) -> Result<Self, Error> {
        let Some(cause) = cause else { return Self::new(task, schema, time, event) };
        let max_time = check_time(task, schema, time)?;
        let cause = Some((check_cause(task, schema, event, cause)?, cause.to_owned()));
        Ok(Self { time: time.to_owned(), event: event.to_owned(), max_time, cause })
    }

    /// The event as a formula names it: `death`, or `event == death`.
    pub(super) fn event_term(&self) -> String {
        match &self.cause {
            None => self.event.clone(),
            Some((_, level)) => format!("{} == {level}", self.event),
        }
    }

    /// Time and event of a patient; `None` when either is missing.
    pub(crate) fn of(&self, cohort: &Cohort, patient: usize) -> Option<(f64, bool)> {
        let time = cohort.value(&self.time, patient)?;
        let event = cohort.value(&self.event, patient)?;
        let event = match &self.cause {
            None => event > 0.5,
            Some((level, _)) => event as usize == *level,
        };
        Some((time, event))
    }
}

/// Checks that a column holds times and returns the largest that its range allows.
pub(crate) fn check_time(task: &str, schema: &Schema, name: &str) -> Result<f64, Error> {
    match &schema.column(name)?.kind {
        Kind::Numeric { range: (low, high), .. } if *low >= 0.0 => Ok(*high),
        _ => {
            Err(refuse(task, format!("`{name}` must be a numeric column whose range starts at 0")))
        }
    }
}

/// Checks that a column is a flag.
pub(crate) fn check_flag(task: &str, schema: &Schema, name: &str) -> Result<(), Error> {
    match &schema.column(name)?.kind {
        Kind::Flag => Ok(()),
        _ => Err(refuse(task, format!("`{name}` must be a column of kind flag"))),
    }
}

/// The levels of a column of outcomes: a category whose first level means censored, each other
/// level being a cause.
pub(crate) fn check_outcomes(
    task: &str,
    schema: &Schema,
    name: &str,
) -> Result<Vec<String>, Error> {
    match &schema.column(name)?.kind {
        Kind::Category { levels } => Ok(levels.clone()),
        _ => Err(refuse(
            task,
            format!(
                "`{name}` must be a category whose first level means censored and whose other \
                 levels are causes"
            ),
        )),
    }
}

/// The index of a cause among the levels of a column of outcomes, at least 1.
pub(super) fn check_cause(
    task: &str,
    schema: &Schema,
    event: &str,
    cause: &str,
) -> Result<usize, Error> {
    let levels = check_outcomes(task, schema, event)?;
    match levels.iter().position(|level| level == cause) {
        Some(level) if level > 0 => Ok(level),
        _ => {
            let causes: Vec<&str> = levels.iter().skip(1).map(String::as_str).collect();
            Err(refuse(
                task,
                format!("`{cause}` is no cause of `{event}`; it has {}", causes.join(", ")),
            ))
        }
    }
}

/// The split of a cohort by a flag or a category, or no split.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) column: Option<String>,
    /// `column=level`; the single name `all` without a split.
    pub(super) names: Vec<String>,
}

impl Groups {
    /// Checks that the column has levels.
    pub(super) fn new(task: &str, schema: &Schema, by: Option<&str>) -> Result<Self, Error> {
        let Some(name) = by else {
            return Ok(Self { column: None, names: vec!["all".to_owned()] });
        };
        let Some(levels) = schema.column(name)?.levels() else {
            return Err(refuse(task, format!("`{name}` must be a flag or a category to group by")));
        };
        let names = levels.iter().map(|level| format!("{name}={level}")).collect();
        Ok(Self { column: Some(name.to_owned()), names })
    }

    /// A patient's group; `None` when it is missing.
    pub(crate) fn of(&self, cohort: &Cohort, patient: usize) -> Option<usize> {
        match &self.column {
            None => Some(0),
            Some(column) => {
                let level = cohort.value(column, patient)? as usize;
                (level < self.names.len()).then_some(level)
            }
        }
    }
}
