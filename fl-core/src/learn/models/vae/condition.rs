//! The outcome that a model is conditional on (Sohn, Lee and Yan, NeurIPS 2015).
//!
//! A flag or a category, whose indicators, one a level, stand before all other inputs and are read by
//! encoder and decoder. Their model takes the condition as given; a patient that is drawn needs one,
//! so its distribution is learned beside: p(c) is a softmax of weights, one a level, and -log p(c) is a
//! part of the patient's loss.

use super::levels;
use crate::error::Error;
use crate::learn::inputs::{Source, Term, expand};
use crate::schema::Schema;
use crate::tasks::layout::refuse;

/// The outcome's column.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    column: String,
    terms: Vec<Term>,
}

impl Condition {
    /// The outcome of that name.
    ///
    /// # Errors
    /// When it does not exist or is numeric.
    pub(super) fn new(task: &str, schema: &Schema, column: &str) -> Result<Self, Error> {
        let Some(levels) = schema.column(column)?.levels() else {
            let reason = format!(
                "`outcome` names `{column}`, which is numeric; take a flag or a category, or leave \
                 `{column}` among `columns`"
            );
            return Err(refuse(task, reason));
        };
        let term = |(level, name): (u32, &String)| Term {
            name: format!("{column}{name}"),
            column: column.to_owned(),
            source: Source::Level(level),
            center: 0.0,
            scale: 1.0,
            missing: None,
            adjust: None,
            figures: Vec::new(),
        };
        let terms = (0u32..).zip(&levels).map(term).collect();
        Ok(Self { column: column.to_owned(), terms })
    }

    /// The names of `columns` without the outcome, which only a `PREFIX*` may stand for.
    ///
    /// # Errors
    /// When they name it, cannot be used, or name nothing else.
    pub(super) fn others(
        &self,
        task: &str,
        schema: &Schema,
        columns: &[String],
    ) -> Result<Vec<String>, Error> {
        let own = &self.column;
        if columns.contains(own) {
            let reason = format!("`{own}` is named twice, in `columns` and by `outcome`; keep one");
            return Err(refuse(task, reason));
        }
        let found = expand(task, schema, columns)?;
        let others: Vec<String> = found
            .into_iter()
            .map(|column| column.name.clone())
            .filter(|name| name != own)
            .collect();
        if others.is_empty() {
            return Err(refuse(
                task,
                "`columns` has nothing but the outcome; name what follows it",
            ));
        }
        Ok(others)
    }

    /// The indicators, one a level.
    pub(super) fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Number of levels, and of weights.
    pub(super) fn levels(&self) -> usize {
        self.terms.len()
    }
}

/// -log p(c) of the level that `own` is the indicator of; 0 where there is no outcome.
pub(super) fn surprise(own: &[f64], logits: &[f64]) -> f64 {
    if logits.is_empty() { 0.0 } else { levels::surprise(own, logits) }
}
