//! Columns that are used as numbers, none of them being an outcome.

use super::layout::refuse;
use crate::design::Design;
use crate::error::Error;
use crate::schema::{Kind, Schema};

/// The design of numeric columns and flags; a category has no place on a number line.
pub(super) fn numbers(task: &str, schema: &Schema, columns: &[String]) -> Result<Design, Error> {
    if columns.is_empty() {
        return Err(refuse(task, "`columns` is empty; name at least one"));
    }
    for name in columns {
        if matches!(schema.column(name)?.kind, Kind::Category { .. }) {
            return Err(refuse(
                task,
                format!("`{name}` is a category; name numeric columns and flags only"),
            ));
        }
    }
    Design::new(schema, columns)
}
