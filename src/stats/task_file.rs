//! A task as a file: what a study's manifest embeds, and what the command line makes of options.

use std::path::Path;

use serde::Deserialize;

use crate::Error;

/// Key of the parameters under which the cohort's predicates stand.
const COHORT: &str = "cohort";

/// A task and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Registered name.
    pub name: String,
    /// Version.
    pub version: u32,
    /// Parameters, the cohort's predicates among them.
    pub params: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    task: Head,
    #[serde(default)]
    params: toml::Table,
    cohort: Option<toml::Table>,
    privacy: Option<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: String,
    version: u32,
}

impl Task {
    /// Reads `[task] name, version`, `[params]` and `[cohort] include, exclude`.
    ///
    /// # Errors
    /// When the file cannot be read, does not parse, or asks for noise.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let (task, privacy) = Self::read_with_privacy(path)?;
        if privacy.is_some() {
            let problem = "[privacy]: `haima stats` runs tasks without noise; take it out, or put \
                           the task into a study";
            return Err(Error::config(path, problem));
        }
        Ok(task)
    }

    /// The task, and what stands under `[privacy]`.
    ///
    /// # Errors
    /// When the file cannot be read or does not parse.
    pub(crate) fn read_with_privacy(path: &Path) -> Result<(Self, Option<toml::Table>), Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        let file: File = toml::from_str(&text).map_err(|e| Error::config(path, e.to_string()))?;
        let mut task =
            Self { name: file.task.name, version: file.task.version, params: file.params };
        if let Some(cohort) = file.cohort {
            task.params.insert(COHORT.into(), toml::Value::Table(cohort));
        }
        Ok((task, file.privacy))
    }

    /// Restricts the task to patients for whom every `include` holds and no `exclude` does.
    pub fn restrict(&mut self, include: &[String], exclude: &[String]) {
        let lists = [("include", include), ("exclude", exclude)];
        let given = lists.into_iter().filter(|(_, predicates)| !predicates.is_empty());
        let cohort: toml::Table =
            given.map(|(key, predicates)| (key.to_owned(), predicates.to_vec().into())).collect();
        if !cohort.is_empty() {
            self.params.insert(COHORT.into(), cohort.into());
        }
    }

    /// A text parameter.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.params.get(key)?.as_str()
    }

    /// Whether a parameter names the column, or a predicate of the cohort does.
    pub(super) fn names(&self, column: &str) -> bool {
        self.params.iter().any(|(key, value)| mentions(value, column, key == COHORT))
    }
}

/// Whether a text in the value is the column's name, or has it as a word.
fn mentions(value: &toml::Value, column: &str, as_word: bool) -> bool {
    match value {
        toml::Value::String(text) if as_word => has_word(text, column),
        toml::Value::String(text) => text == column,
        toml::Value::Array(values) => values.iter().any(|value| mentions(value, column, as_word)),
        toml::Value::Table(table) => table.values().any(|value| mentions(value, column, as_word)),
        _ => false,
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.split(|c| !part(c)).any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_in_parameters_and_in_predicates() {
        let mut task = Task { name: "cox".into(), version: 1, params: toml::Table::new() };
        task.params.insert("covariates".into(), vec!["age", "wbc_2"].into());
        task.restrict(&["age>1".into()], &["transplanted = 1".into()]);
        let named = ["age", "wbc_2", "transplanted"].map(|column| task.names(column));
        assert_eq!(named, [true; 3]);
        assert!(!task.names("wbc") && !task.names("1x"));
    }
}
