//! What a site offers: a population, how many patients it may speak of, and the variables of a public
//! schema. No range enters: a range may have been observed. Levels are those that a schema declares, and a
//! draft that was made from patients is refused.

use std::path::Path;

use haima_crypto::encode::Encoder;
use haima_fl_core::schema::{Kind, Schema};
use serde::{Deserialize, Serialize};

use super::check::{self, LINE, NAME};
use super::size::Size;
use crate::Error;
use crate::model_file::making::schema_digest;

/// Variables of an entry.
pub(super) const MOST_VARIABLES: usize = 4096;
/// Levels of a variable.
const MOST_LEVELS: usize = 1024;
/// Bytes of a schema's file.
const MOST_SCHEMA: u64 = 4 << 20;
/// What `haima data infer` writes beside all that tells of patients, and at the head.
const DRAFT: [&str; 2] = ["from the data", "draft of a schema, made from"];

/// A site's offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Name of the population, as the site's policy and ledger have it (rule L3).
    pub population: String,
    /// How many patients.
    pub size: Size,
    /// Digest of the schema, as provenances of models have it.
    pub schema_digest: String,
    /// What is known of a patient.
    pub variables: Vec<Variable>,
}

/// A variable, as a schema declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Name of the column.
    pub name: String,
    /// For readers.
    pub label: String,
    /// What it holds.
    pub of: Of,
    /// Whether it may be missing.
    pub missing: bool,
}

/// What a variable holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Of {
    /// A number.
    Number {
        /// Its unit; may be empty.
        unit: String,
    },
    /// Yes or no.
    Flag,
    /// One of several levels.
    Category {
        /// Their names.
        levels: Vec<String>,
    },
}

/// Variables of a schema and its digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Digest of the schema.
    pub schema_digest: String,
    /// In the schema's order; the patient key is none.
    pub variables: Vec<Variable>,
}

impl Described {
    /// Of a schema, as a file or a manifest has it.
    ///
    /// # Errors
    /// When it is none, or has more than an entry may.
    pub fn of(table: &toml::Table) -> Result<Self, Error> {
        let schema = Schema::from_toml(table)?;
        let described = Self {
            schema_digest: schema_digest(table)?,
            variables: schema.columns.iter().map(Variable::of).collect(),
        };
        check_variables(&described.variables)
            .map_err(|problem| Error::Config { file: "the schema".into(), problem })?;
        Ok(described)
    }

    /// Of a file of the schema alone, or a study or manifest that has it as `[schema]`.
    ///
    /// # Errors
    /// When it cannot be read, is a draft that was made from patients, or as [`Described::of`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = crate::model_file::bounded(path, MOST_SCHEMA)?;
        let text =
            String::from_utf8(bytes).map_err(|_| Error::config(path, "is no text in UTF-8"))?;
        if let Some(line) = drafted(&text) {
            let problem = format!(
                "line {line}: a draft that `haima data infer` made from patients: its levels are \
                 theirs. Put in what is plausible for the disease, take the remarks of the draft out, \
                 and offer that (rules S4, S6)"
            );
            return Err(Error::config(path, problem));
        }
        let table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| Error::config(path, e.to_string()))?;
        let own = table.get("schema").and_then(toml::Value::as_table);
        Self::of(own.unwrap_or(&table)).map_err(|error| Error::config(path, error.to_string()))
    }

    /// The same with the named variables alone.
    ///
    /// # Errors
    /// When one is not there.
    pub fn only(mut self, names: &[String]) -> Result<Self, String> {
        if names.is_empty() {
            return Ok(self);
        }
        let has = |name: &&String| self.variables.iter().any(|own| own.name == **name);
        if let Some(name) = names.iter().find(|name| !has(name)) {
            return Err(format!("the schema has no column {:?}", check::cut(name, NAME)));
        }
        self.variables.retain(|own| names.contains(&own.name));
        Ok(self)
    }
}

/// The line of a schema's text that says that it was made from patients.
fn drafted(text: &str) -> Option<usize> {
    let remark = |line: &str| line.split_once('#').map(|(_, remark)| remark.to_lowercase());
    let says = |line| remark(line).is_some_and(|r| DRAFT.iter().any(|words| r.contains(words)));
    text.lines().position(says).map(|at| at + 1)
}

impl Variable {
    fn of(column: &haima_fl_core::schema::Column) -> Self {
        let of = match &column.kind {
            Kind::Numeric { unit, .. } => Of::Number { unit: check::cut(unit, NAME) },
            Kind::Flag => Of::Flag,
            Kind::Category { levels } => {
                Of::Category { levels: levels.iter().map(|own| check::cut(own, NAME)).collect() }
            }
        };
        let (name, label) = (column.name.clone(), check::cut(&column.label, LINE));
        Self { name, label, of, missing: column.missing }
    }

    fn encode(&self, to: &mut Encoder) {
        to.str(&self.name).str(&self.label).u8(u8::from(self.missing));
        match &self.of {
            Of::Number { unit } => {
                to.u8(0).str(unit);
            }
            Of::Flag => {
                to.u8(1);
            }
            Of::Category { levels } => super::privacy::encode_texts(levels, to.u8(2)),
        }
    }

    fn check(&self) -> Result<(), String> {
        check::said("variable", &self.name, NAME)?;
        let within = |problem: String| format!("variable {}: {problem}", self.name);
        check::line("label", &self.label, LINE).map_err(within)?;
        match &self.of {
            Of::Number { unit } => check::line("unit", unit, NAME).map_err(within),
            Of::Flag => Ok(()),
            Of::Category { levels } => {
                check::few("levels", levels.len(), MOST_LEVELS).map_err(within)?;
                levels
                    .iter()
                    .try_for_each(|level| check::line("level", level, NAME))
                    .map_err(within)
            }
        }
    }
}

/// Checks a list of variables.
pub(super) fn check_variables(variables: &[Variable]) -> Result<(), String> {
    check::few("variables", variables.len(), MOST_VARIABLES)?;
    variables.iter().try_for_each(Variable::check)
}

/// Encodes a list of variables.
pub(super) fn encode_variables(variables: &[Variable], to: &mut Encoder) {
    to.count(variables.len());
    for variable in variables {
        variable.encode(to);
    }
}

impl Offer {
    pub(super) fn encode(&self, to: &mut Encoder) {
        to.str(&self.population).str(&self.schema_digest);
        self.size.encode(to);
        encode_variables(&self.variables, to);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check::said("population", &self.population, NAME)?;
        check::digest("schema_digest", &self.schema_digest)?;
        self.size.check()?;
        if self.variables.is_empty() {
            return Err("offers no variable; name some of the schema".into());
        }
        check_variables(&self.variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_told_by_its_remarks_and_a_schema_is_none_for_its_words() {
        assert_eq!(drafted("# From the data: the levels\n"), Some(1));
        assert_eq!(drafted("a = 1\nmissing = true # from the data: 1 row\n"), Some(2));
        assert_eq!(drafted("# Draft of a schema, made from a.csv (3 rows).\n"), Some(1));
        assert_eq!(drafted("label = \"days from the data lock\"\n# made by hand\n"), None);
        assert_eq!(drafted(crate::data::example::Disease::Aml.schema_text()), None);
    }
}
