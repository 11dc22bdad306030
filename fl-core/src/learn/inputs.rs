//! A patient as the inputs of a network: columns, standardised by public figures.
//!
//! A [`Term`] is one input: a number of a column, or the indicator of one of its levels, or of its
//! being missing. What it is centred and scaled by comes from the schema's public range, or from an
//! earlier task whose sums were charged or released exactly (rule S4); either way it is a number that
//! stands in the result of the training, so a trained model needs nothing else to be used.
//!
//! Names follow R's `model.matrix`: the column, or the column followed by the level, the first level
//! being the reference. `PREFIX*` stands for all of the schema's columns that begin so.
//!
//! Inputs may fall into branches of which a patient may lack some ([`Inputs::with_branches`]).

use serde::{Deserialize, Serialize};

use super::figures::{Class, Used};
use super::harmonise::{Adjust, Harmonise};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::{Column, Kind, Schema};
use crate::tasks::layout::refuse;

/// Standardised values are cut to this size, so that a figure that fits a column badly (a standard
/// deviation of next to nothing) cannot make an input huge.
pub(crate) const LIMIT: f64 = 10.0;

/// What an input is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The column's number.
    Value,
    /// log(1 + x) of the column's number.
    Log1p,
    /// 1 at this level, else 0.
    Level(u32),
    /// 1 where the column is missing, else 0.
    Missing,
}

/// One input of a network: `(x - center) / scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// Readable name: `age`, `sexM`, `ldh:missing`.
    pub name: String,
    /// The column.
    pub column: String,
    /// What of it.
    pub source: Source,
    /// What is subtracted.
    pub center: f64,
    /// What is divided by, above 0.
    pub scale: f64,
    /// The standardised value where the column is missing; without one, a patient in whom it is
    /// missing is not taken.
    pub missing: Option<f64>,
    /// Which earlier tasks the figures come from; none where all are the schema's (rule S4).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Used>,
    /// How the column is freed of batch effects before all this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjust: Option<Box<Adjust>>,
}

/// What is done with a missing value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The patient is not taken: complete cases.
    #[default]
    Skip,
    /// The center stands in: the middle of the public range, or the prepared figure.
    Center,
    /// The center stands in, and an input more says so.
    Indicator,
}

/// The inputs of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    terms: Vec<Term>,
    /// Terms of each branch, in order; empty where all terms are needed.
    branches: Vec<usize>,
}

impl Inputs {
    /// Inputs standardised by the schema's public ranges to [-1, 1]. Columns in `log1p` enter as
    /// log(1 + x).
    ///
    /// # Errors
    /// When a column does not exist, is named twice, or its logarithm has no range.
    pub fn of_schema(
        task: &str,
        schema: &Schema,
        columns: &[String],
        log1p: &[String],
        missing: Missing,
    ) -> Result<Self, Error> {
        let columns = expand(task, schema, columns)?;
        if let Some(name) = log1p.iter().find(|name| !columns.iter().any(|c| c.name == **name)) {
            return Err(refuse(task, format!("`log1p` names `{name}`, which is no input")));
        }
        let mut terms = Vec::new();
        for column in columns {
            terms.extend(of_column(task, column, log1p.contains(&column.name), missing)?);
        }
        Self::of_terms(task, schema, terms)
    }

    /// Inputs as a trained model or an earlier task has them.
    ///
    /// # Errors
    /// When a term belongs to no column of the schema, or a figure cannot be used.
    pub fn of_terms(task: &str, schema: &Schema, terms: Vec<Term>) -> Result<Self, Error> {
        for term in &terms {
            let column = schema.column(&term.column)?;
            let level = match term.source {
                Source::Level(level) => {
                    column.levels().is_some_and(|levels| (level as usize) < levels.len())
                }
                Source::Log1p => {
                    matches!(column.kind, Kind::Numeric { range: (low, _), .. } if low > -1.0)
                }
                Source::Value => !matches!(column.kind, Kind::Category { .. }),
                Source::Missing => true,
            };
            let finite = term.center.is_finite()
                && term.scale.is_finite()
                && term.scale > 0.0
                && term.missing.is_none_or(f64::is_finite);
            if let Some(adjust) = &term.adjust {
                adjust.check(task, schema, &term.column)?;
            }
            if !(level && finite) {
                let reason = format!(
                    "input `{}` does not fit column `{}`, or has a figure that is no number",
                    term.name, term.column
                );
                return Err(refuse(task, reason));
            }
        }
        Ok(Self { terms, branches: Vec::new() })
    }

    /// The same terms in branches of these lengths, in order. A branch with a missing value is zeros;
    /// behind all terms stands a flag a branch, 1 where the patient has it. A patient needs one.
    #[must_use]
    pub fn with_branches(self, branches: Vec<usize>) -> Self {
        Self { branches, ..self }
    }

    /// The same inputs, with columns that a `combat` task named adjusted by what it found.
    ///
    /// # Errors
    /// When it named none of them.
    pub fn harmonised(mut self, task: &str, id: &str, by: &Harmonise) -> Result<Self, Error> {
        let mut any = false;
        for term in self.terms.iter_mut().filter(|term| term.source != Source::Missing) {
            if let Some(adjust) = by.of(&term.column) {
                term.adjust = Some(Box::new(adjust.clone()));
                term.figures.push(Used { task: id.to_owned(), class: Class::Exact });
                any = true;
            }
        }
        match any {
            true => Ok(self),
            false => Err(refuse(task, format!("`{id}` adjusted none of the model's columns"))),
        }
    }

    /// The earlier tasks whose figures are in use, each once.
    #[must_use]
    pub fn figures(&self) -> Vec<&Used> {
        let mut figures: Vec<&Used> = Vec::new();
        for used in self.terms.iter().flat_map(|term| &term.figures) {
            if !figures.contains(&used) {
                figures.push(used);
            }
        }
        figures
    }

    /// Number of inputs.
    #[must_use]
    pub fn width(&self) -> usize {
        self.terms.len() + self.branches.len()
    }

    /// The inputs made of columns, in order; flags of branches come after them.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The columns behind the inputs, each once, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        for term in &self.terms {
            if columns.last() != Some(&term.column.as_str()) {
                columns.push(&term.column);
            }
        }
        columns
    }

    /// Appends a patient's inputs; false, with nothing appended, where a value that is needed is
    /// missing.
    #[must_use]
    pub fn encode(&self, cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool {
        if self.branches.is_empty() {
            return encode_all(&self.terms, cohort, patient, out);
        }
        let before = out.len();
        let (mut rest, mut flags) =
            (self.terms.as_slice(), Vec::with_capacity(self.branches.len()));
        for length in &self.branches {
            let (own, tail) = rest.split_at((*length).min(rest.len()));
            rest = tail;
            let present = encode_all(own, cohort, patient, out);
            if !present {
                out.extend(std::iter::repeat_n(0.0, own.len()));
            }
            flags.push(f32::from(u8::from(present)));
        }
        if flags.iter().all(|present| *present == 0.0) {
            out.truncate(before);
            return false;
        }
        out.extend(flags);
        true
    }
}

/// Appends a value a term; false, with nothing appended, where one is missing.
fn encode_all(terms: &[Term], cohort: &Cohort, patient: usize, out: &mut Vec<f32>) -> bool {
    let before = out.len();
    for term in terms {
        match term.of(term.value(cohort, patient)) {
            Some(value) => out.push(value as f32),
            None => {
                out.truncate(before);
                return false;
            }
        }
    }
    true
}

impl Term {
    /// The column's value in a patient, freed of batch effects where the term says so.
    #[must_use]
    pub fn value(&self, cohort: &Cohort, patient: usize) -> Option<f64> {
        match &self.adjust {
            None => cohort.value(&self.column, patient),
            Some(adjust) => adjust.value(&self.column, cohort, patient),
        }
    }

    /// The standardised value of a column's value, `None` being missing.
    #[must_use]
    pub fn of(&self, value: Option<f64>) -> Option<f64> {
        let raw = match (self.source, value) {
            (Source::Missing, value) => f64::from(u8::from(value.is_none())),
            (_, None) => return self.missing,
            (Source::Value, Some(x)) => x,
            // An adjusted value may have none: it is cut below.
            (Source::Log1p, Some(x)) => libm::log1p(x.max(-1.0)),
            (Source::Level(level), Some(x)) => f64::from(u8::from(x == f64::from(level))),
        };
        Some(((raw - self.center) / self.scale).clamp(-LIMIT, LIMIT))
    }
}

/// Columns by name or `PREFIX*`, each once.
pub(crate) fn expand<'a>(
    task: &str,
    schema: &'a Schema,
    names: &[String],
) -> Result<Vec<&'a Column>, Error> {
    let mut columns: Vec<&Column> = Vec::new();
    for name in names {
        let found: Vec<&Column> = match name.strip_suffix('*') {
            Some(prefix) => {
                schema.columns.iter().filter(|column| column.name.starts_with(prefix)).collect()
            }
            None => vec![schema.column(name)?],
        };
        if found.is_empty() {
            return Err(refuse(task, format!("no column of the schema begins as `{name}` says")));
        }
        for column in found {
            if columns.iter().any(|known| known.name == column.name) {
                let reason = format!("column `{}` is named twice; keep one", column.name);
                return Err(refuse(task, reason));
            }
            columns.push(column);
        }
    }
    if columns.is_empty() {
        return Err(refuse(task, "a network needs at least one column"));
    }
    Ok(columns)
}

fn of_column(
    task: &str,
    column: &Column,
    log1p: bool,
    missing: Missing,
) -> Result<Vec<Term>, Error> {
    let stands_in = (missing != Missing::Skip).then_some(0.0);
    let term = |name: String, source, center: f64, scale: f64, missing| Term {
        name,
        column: column.name.clone(),
        source,
        center,
        scale,
        missing,
        figures: Vec::new(),
        adjust: None,
    };
    let mut terms = match &column.kind {
        Kind::Numeric { range: (low, high), .. } => {
            let (source, low, high) = if log1p {
                if *low <= -1.0 {
                    let reason = format!("`{}`: log(1 + x) needs a range above -1", column.name);
                    return Err(refuse(task, reason));
                }
                (Source::Log1p, libm::log1p(*low), libm::log1p(*high))
            } else {
                (Source::Value, *low, *high)
            };
            let half = (high - low) / 2.0;
            vec![term(column.name.clone(), source, low + half, half, stands_in)]
        }
        Kind::Flag => vec![term(column.name.clone(), Source::Value, 0.0, 1.0, stands_in)],
        Kind::Category { levels } => (1u32..)
            .zip(levels.iter().skip(1))
            .map(|(level, name)| {
                let name = format!("{}{name}", column.name);
                term(name, Source::Level(level), 0.0, 1.0, stands_in)
            })
            .collect(),
    };
    if missing == Missing::Indicator && column.missing {
        let name = format!("{}:missing", column.name);
        terms.push(term(name, Source::Missing, 0.0, 1.0, None));
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let text = r#"
            one_row_per_patient = true
            [[column]]
            name = "age"
            kind = "numeric"
            range = [20, 100]
            missing = true
            [[column]]
            name = "wbc"
            kind = "numeric"
            range = [0, 500]
            [[column]]
            name = "sex"
            kind = "category"
            levels = ["F", "M", "X"]
            missing = true
        "#;
        Schema::from_toml(&text.parse().unwrap()).unwrap()
    }

    fn encode(missing: Missing, csv: &str) -> Vec<Option<Vec<f32>>> {
        let (schema, columns) = (schema(), ["age", "wbc", "sex"].map(str::to_owned));
        let inputs =
            Inputs::of_schema("t", &schema, &columns, &["wbc".to_owned()], missing).unwrap();
        let cohort = Cohort::from_reader("site", csv.as_bytes(), &schema).unwrap();
        (0..cohort.len())
            .map(|i| {
                let mut row = Vec::new();
                inputs.encode(&cohort, i, &mut row).then_some(row)
            })
            .collect()
    }

    #[test]
    fn numbers_lie_in_their_public_range_and_levels_are_indicators() {
        let rows = encode(Missing::Skip, "age,wbc,sex\n20,0,F\n100,500,M\n60,0,X\n");
        assert_eq!(rows[0], Some(vec![-1.0, -1.0, 0.0, 0.0]));
        assert_eq!(rows[1], Some(vec![1.0, 1.0, 1.0, 0.0]));
        assert_eq!(rows[2], Some(vec![0.0, -1.0, 0.0, 1.0]));
    }

    #[test]
    fn a_missing_value_skips_stands_in_or_says_so() {
        let csv = "age,wbc,sex\n,0,F\n60,0,\n";
        assert_eq!(encode(Missing::Skip, csv), [None, None]);
        let rows = encode(Missing::Center, csv);
        assert_eq!(rows[0], Some(vec![0.0, -1.0, 0.0, 0.0]));
        let rows = encode(Missing::Indicator, csv);
        assert_eq!(rows[0], Some(vec![0.0, 1.0, -1.0, 0.0, 0.0, 0.0]));
        assert_eq!(rows[1], Some(vec![0.0, 0.0, -1.0, 0.0, 0.0, 1.0]));
    }

    #[test]
    fn a_prefix_names_all_columns_that_begin_so_and_none_comes_twice() {
        let names = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
            expand("t", &schema(), &patterns)
                .map(|found| found.iter().map(|c| c.name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(names(&["*"]).unwrap(), ["age", "wbc", "sex"]);
        assert!(names(&["a*", "age"]).is_err());
        assert!(names(&["z*"]).is_err());
        assert!(names(&[]).is_err());
    }

    #[test]
    fn figures_that_are_no_numbers_and_foreign_terms_are_refused() {
        let term = |column: &str, source, scale| Term {
            name: "x".into(),
            column: column.into(),
            source,
            center: 0.0,
            scale,
            missing: None,
            figures: Vec::new(),
            adjust: None,
        };
        for bad in [
            term("age", Source::Value, 0.0),
            term("age", Source::Value, f64::NAN),
            term("sex", Source::Value, 1.0),
            term("sex", Source::Level(3), 1.0),
            term("weight", Source::Value, 1.0),
        ] {
            assert!(Inputs::of_terms("t", &schema(), vec![bad.clone()]).is_err(), "{bad:?}");
        }
    }
}
