//! A table as columns of text: what a row prepares, by public rules, before hospitals have it.

use std::path::Path;

use crate::Error;
use crate::pooled::Table;
use crate::report::Floors;
use crate::stats::{self, Request, Sites, Summing, Task};

/// Columns by name, each with a field a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Columns(Vec<(String, Vec<String>)>);

/// Rows of a table at hospitals, of which a task is asked.
pub(super) struct Study<'a> {
    pub(super) columns: &'a Columns,
    /// Rows that the hospitals have.
    pub(super) rows: &'a [bool],
    pub(super) sites: Sites,
    /// The public schema, as TOML; inferred without it.
    pub(super) schema: Option<&'a str>,
    pub(super) min_local_rows: u64,
    pub(super) summing: Summing,
}

impl Columns {
    /// Reads a CSV file.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let table = Table::read(path)?;
        let names: Vec<&str> = table.columns().collect();
        let column = |name: &&str| {
            let fields = table.column(name)?.map(str::to_owned).collect();
            Ok(((*name).to_owned(), fields))
        };
        names.iter().map(column).collect::<Result<_, _>>().map(Self)
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.0.first().map_or(0, |(_, fields)| fields.len())
    }

    /// Names of the columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The fields of a column.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn get(&self, name: &str) -> Result<&[String], Error> {
        let found = self.0.iter().find(|(of, _)| of == name);
        found.map(|(_, fields)| fields.as_slice()).ok_or_else(|| fault(name, "no such column"))
    }

    /// A column as numbers; NaN where it has none.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, Error> {
        Ok(self.get(name)?.iter().map(|field| field.parse().unwrap_or(f64::NAN)).collect())
    }

    /// Replaces a column, or adds it.
    pub(super) fn set(&mut self, name: &str, fields: Vec<String>) {
        match self.0.iter_mut().find(|(of, _)| of == name) {
            Some((_, old)) => *old = fields,
            None => self.0.push((name.to_owned(), fields)),
        }
    }

    /// Rewrites every field of a column.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(super) fn rewrite(
        &mut self,
        name: &str,
        with: impl Fn(&str) -> String,
    ) -> Result<(), Error> {
        let fields = self.get(name)?.iter().map(|field| with(field)).collect();
        self.set(name, fields);
        Ok(())
    }

    /// Keeps the columns of these names.
    pub(super) fn keep(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Some rows as CSV.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn csv(&self, takes: impl Fn(usize) -> bool) -> Result<String, Error> {
        let cannot = |e: String| fault("CSV", &e);
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.names()).map_err(|e| cannot(e.to_string()))?;
        for row in (0..self.len()).filter(|row| takes(*row)) {
            let fields =
                self.0.iter().map(|(_, fields)| fields.get(row).map_or("", String::as_str));
            writer.write_record(fields).map_err(|e| cannot(e.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|e| cannot(e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| cannot(e.to_string()))
    }
}

impl Study<'_> {
    /// The result of a task over the hospitals' rows.
    ///
    /// # Errors
    /// As [`stats::run`].
    pub(super) fn ask(
        &self,
        task: &str,
        params: toml::Table,
    ) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
        let folder = tempfile::Builder::new()
            .prefix("haima-reproduce-")
            .tempdir()
            .map_err(|e| Error::file(&std::env::temp_dir(), e))?;
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).map_err(|e| Error::file(&path, e)).map(|()| path)
        };
        let takes = |row: usize| self.rows.get(row).copied().unwrap_or(false);
        let request = Request {
            data: write("rows.csv", &self.columns.csv(takes)?)?,
            sites: self.sites.clone(),
            task: Task { name: task.into(), version: 1, params },
            exact_grid: false,
            schema: self.schema.map(|text| write("schema.toml", text)).transpose()?,
            categories: Vec::new(),
            floors: Floors { min_local_rows: self.min_local_rows, ..Floors::default() },
            summing: self.summing,
            pooled: false,
        };
        Ok(stats::run(&request)?.result)
    }
}

/// An error about a named thing.
pub(super) fn fault(of: &str, problem: &str) -> Error {
    Error::Config { file: of.to_owned(), problem: problem.to_owned() }
}
