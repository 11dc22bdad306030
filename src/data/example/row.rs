//! One artificial patient, column by column.

use std::collections::BTreeMap;

use haima_fl_core::schema::{Kind, Schema};

/// A row that is being filled; what nobody sets is missing.
pub(super) struct Row<'a> {
    schema: &'a Schema,
    texts: BTreeMap<String, String>,
}

impl<'a> Row<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        Self { schema, texts: BTreeMap::new() }
    }

    pub(super) fn set(&mut self, column: &str, text: &str) {
        self.texts.insert(column.to_owned(), text.to_owned());
    }

    pub(super) fn flag(&mut self, column: &str, is: bool) {
        self.set(column, if is { "1" } else { "0" });
    }

    /// A number with so many decimals, within the column's range.
    pub(super) fn number(&mut self, column: &str, value: f64, decimals: usize) {
        let value = match self.schema.column(column).map(|own| &own.kind) {
            Ok(Kind::Numeric { range: (low, high), .. }) => value.clamp(*low, *high),
            _ => value,
        };
        self.set(column, &format!("{value:.decimals$}"));
    }

    /// Makes a column missing.
    pub(super) fn forget(&mut self, column: &str) {
        self.texts.remove(column);
    }

    /// What a column holds; empty where missing.
    pub(super) fn text(&self, column: &str) -> &str {
        self.texts.get(column).map_or("", String::as_str)
    }

    /// Names of the schema's columns that begin so.
    pub(super) fn columns(&self, prefix: &str) -> Vec<String> {
        let names = self.schema.columns.iter().map(|column| &column.name);
        names.filter(|name| name.starts_with(prefix)).cloned().collect()
    }
}
