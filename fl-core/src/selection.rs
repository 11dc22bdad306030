//! Which patients a task is about: inclusion and exclusion as typed predicates on schema columns.
//!
//! A selection is public. It stands in the task's parameters, so the manifest's signatures cover
//! it, and its canonical text is part of every query and its digest (rule X2): a site that is asked
//! about other patients than it signed for sees another digest.
//!
//! A predicate looks at one patient's row alone, so a selection changes no bound and no sensitivity. A
//! comparison with a missing value is never true: such a patient is not included by it, and not
//! excluded by it.
//!
//! # Differencing
//! Two exact sums over nearly the same patients give away their difference. [`Selection::differ`]
//! counts the patients that two selections disagree on; a site compares every exact task with those
//! before it in the manifest, and answers zero where the difference is not empty and below its
//! floor. Sums over three or more cohorts can be combined too; against that stands the policy's
//! cap on cohorts, and the noised class.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::{Column, Kind, Schema};

/// Key of a task's parameters under which its selection stands.
pub const KEY: &str = "cohort";
const MOST_PREDICATES: usize = 64;
const LONGEST: usize = 1024;

/// A patient is selected when every `include` holds and no `exclude` does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    include: Vec<Predicate>,
    exclude: Vec<Predicate>,
}

/// A condition on one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    column: String,
    test: Test,
}

/// What is asked of a column's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// Order against a number; flags compare as 0 and 1.
    Number(Comparison, f64),
    /// One of these levels, by index, with their names.
    Levels(Vec<(usize, String)>),
    Missing,
    Known,
}

/// Order of a value against a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Below,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    Above,
}

/// Longest first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    ("=", Comparison::Equal),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
}

impl Selection {
    /// Reads the key [`KEY`] of a task's parameters; without it, all patients are selected.
    ///
    /// # Errors
    /// [`Error::Cohort`] with the predicate and what is possible, or [`Error::UnknownColumn`].
    pub fn of_params(params: &toml::Table, schema: &Schema) -> Result<Self, Error> {
        let Some(value) = params.get(KEY) else { return Ok(Self::default()) };
        let raw: Raw = value.clone().try_into().map_err(|error: toml::de::Error| {
            refuse("", format!("{}; give `include` and `exclude`", error.message()))
        })?;
        if raw.include.len() + raw.exclude.len() > MOST_PREDICATES {
            return Err(refuse("", format!("at most {MOST_PREDICATES} predicates")));
        }
        let parse = |texts: &[String]| {
            texts.iter().map(|text| Predicate::parse(text, schema)).collect::<Result<Vec<_>, _>>()
        };
        let include = parse(&raw.include)?;
        for (predicate, text) in include.iter().zip(&raw.include) {
            predicate.check_range(text, schema)?;
        }
        Ok(Self { include, exclude: parse(&raw.exclude)? })
    }

    /// What is included, and what is excluded.
    pub(crate) fn parts(&self) -> (&[Predicate], &[Predicate]) {
        (&self.include, &self.exclude)
    }

    /// Whether all patients are selected, whoever they are.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether a patient is selected.
    #[must_use]
    pub fn takes(&self, cohort: &Cohort, patient: usize) -> bool {
        self.include.iter().all(|predicate| predicate.holds(cohort, patient))
            && !self.exclude.iter().any(|predicate| predicate.holds(cohort, patient))
    }

    /// Number of patients of whom exactly one of two selections takes a row (rule S1: rows of one
    /// key are one patient).
    #[must_use]
    pub fn differ(&self, other: &Self, cohort: &Cohort) -> usize {
        let rows = (0..cohort.len()).filter(|&i| self.takes(cohort, i) != other.takes(cohort, i));
        rows.map(|i| cohort.key(i)).collect::<BTreeSet<&str>>().len()
    }

    /// Number of patients with a row that is selected.
    #[must_use]
    pub fn patients(&self, cohort: &Cohort) -> usize {
        let rows = (0..cohort.len()).filter(|&i| self.takes(cohort, i));
        rows.map(|i| cohort.key(i)).collect::<BTreeSet<&str>>().len()
    }
}

/// The canonical text: one predicate a line, as it was read. Empty when all are selected.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for predicate in &self.include {
            writeln!(f, "include {predicate}")?;
        }
        for predicate in &self.exclude {
            writeln!(f, "exclude {predicate}")?;
        }
        Ok(())
    }
}

impl Predicate {
    /// Reads `COLUMN OP VALUE` with OP one of `< <= = != >= >`, `COLUMN in [A, B]`,
    /// `COLUMN is missing` or `COLUMN is known`. Categories know `=`, `!=` and `in`; the value of a
    /// flag is 0 or 1. `!=` on a category means any other level, so it is false where missing.
    ///
    /// # Errors
    /// [`Error::Cohort`], or [`Error::UnknownColumn`].
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, Error> {
        if text.len() > LONGEST {
            return Err(refuse("", format!("a predicate has at most {LONGEST} bytes")));
        }
        let bad = |reason: &str| refuse(text, reason);
        let trimmed = text.trim();
        let end = trimmed.find(|c: char| c.is_whitespace() || "<>=!".contains(c));
        let (name, rest) = trimmed.split_at(end.unwrap_or(trimmed.len()));
        let rest = rest.trim_start();
        let column = schema.column(name)?;
        let test = match rest {
            "is missing" => Test::Missing,
            "is known" => Test::Known,
            _ => {
                if let Some(list) = rest.strip_prefix("in ") {
                    let inside = list.trim().strip_prefix('[').and_then(|l| l.strip_suffix(']'));
                    let inside = inside.ok_or_else(|| bad("write `in [A, B]`"))?;
                    Test::Levels(levels(column, inside.split(',').map(str::trim), text)?)
                } else {
                    let found = COMPARISONS.iter().find_map(|(sign, comparison)| {
                        rest.strip_prefix(sign).map(|value| (*comparison, value.trim()))
                    });
                    let (comparison, value) = found.ok_or_else(|| {
                        bad("write COLUMN OP VALUE with OP one of < <= = != >= >, \
                             `in [A, B]`, `is missing` or `is known`")
                    })?;
                    compare(column, comparison, value, text)?
                }
            }
        };
        Ok(Self { column: column.name.clone(), test })
    }

    /// The column, and what is asked of it.
    pub(crate) fn parts(&self) -> (&str, &Test) {
        (&self.column, &self.test)
    }

    /// Refuses a comparison that no number of the public range meets: nobody would be selected.
    fn check_range(&self, text: &str, schema: &Schema) -> Result<(), Error> {
        let (low, high) = match &schema.column(&self.column)?.kind {
            Kind::Numeric { range, .. } => *range,
            Kind::Flag => (0.0, 1.0),
            Kind::Category { .. } => return Ok(()),
        };
        let Test::Number(comparison, bound) = self.test else { return Ok(()) };
        let met = match comparison {
            Comparison::Below => low < bound,
            Comparison::AtMost => low <= bound,
            Comparison::Equal => (low..=high).contains(&bound),
            Comparison::NotEqual => low < high || low != bound,
            Comparison::AtLeast => high >= bound,
            Comparison::Above => high > bound,
        };
        if met {
            return Ok(());
        }
        let column = &self.column;
        let reason =
            format!("no value of `{column}` meets it; its public range is {low} to {high}");
        Err(refuse(text, reason))
    }

    fn holds(&self, cohort: &Cohort, patient: usize) -> bool {
        self.test.holds(cohort.value(&self.column, patient))
    }
}

impl Test {
    /// Whether a value meets it; `None` is missing.
    pub(crate) fn holds(&self, value: Option<f64>) -> bool {
        match (self, value) {
            (Self::Missing, value) => value.is_none(),
            (Self::Known, value) => value.is_some(),
            (_, None) => false,
            (Self::Levels(levels), Some(value)) => {
                levels.iter().any(|(index, _)| *index as f64 == value)
            }
            (Self::Number(comparison, bound), Some(value)) => match comparison {
                Comparison::Below => value < *bound,
                Comparison::AtMost => value <= *bound,
                Comparison::Equal => value == *bound,
                Comparison::NotEqual => value != *bound,
                Comparison::AtLeast => value >= *bound,
                Comparison::Above => value > *bound,
            },
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.column)?;
        match &self.test {
            Test::Missing => write!(f, "is missing"),
            Test::Known => write!(f, "is known"),
            Test::Levels(levels) => {
                // A name with a comma is quoted, so that no two selections have one text.
                let shown = |name: &String| match name.contains([',', ']', '"']) {
                    true => format!("{name:?}"),
                    false => name.clone(),
                };
                let names: Vec<String> = levels.iter().map(|(_, name)| shown(name)).collect();
                write!(f, "in [{}]", names.join(", "))
            }
            Test::Number(comparison, value) => {
                let sign = COMPARISONS.iter().find(|(_, c)| c == comparison).map_or("", |(s, _)| s);
                write!(f, "{sign} {value}")
            }
        }
    }
}

fn compare(
    column: &Column,
    comparison: Comparison,
    value: &str,
    text: &str,
) -> Result<Test, Error> {
    match &column.kind {
        Kind::Category { levels: all } => match comparison {
            Comparison::Equal => Ok(Test::Levels(levels(column, std::iter::once(value), text)?)),
            Comparison::NotEqual => {
                let not = levels(column, std::iter::once(value), text)?;
                let others = all.iter().filter(|level| not.iter().all(|(_, name)| name != *level));
                Ok(Test::Levels(levels(column, others.map(String::as_str), text)?))
            }
            _ => Err(refuse(text, format!("`{}` has levels without an order", column.name))),
        },
        Kind::Flag if value != "0" && value != "1" => {
            Err(refuse(text, format!("`{}` is a flag: compare it with 0 or 1", column.name)))
        }
        Kind::Flag | Kind::Numeric { .. } => {
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
            let number = number.ok_or_else(|| refuse(text, format!("`{value}` is no number")))?;
            Ok(Test::Number(comparison, number))
        }
    }
}

/// Indices and names of levels, in the schema's order and each once.
fn levels<'a>(
    column: &Column,
    names: impl Iterator<Item = &'a str>,
    text: &str,
) -> Result<Vec<(usize, String)>, Error> {
    let no_levels = || refuse(text, format!("`{}` is a number; compare it", column.name));
    let all = column.levels().ok_or_else(no_levels)?;
    let mut found = Vec::new();
    for name in names {
        let index = all.iter().position(|level| level == name).ok_or_else(|| {
            refuse(
                text,
                format!("`{}` has no level `{name}`; it has {}", column.name, all.join(", ")),
            )
        })?;
        found.push((index, name.to_owned()));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// A refusal of a predicate.
pub(crate) fn refuse(expression: &str, reason: impl Into<String>) -> Error {
    Error::Cohort { expression: expression.escape_debug().to_string(), reason: reason.into() }
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
            range = [0, 100]
            missing = true
            [[column]]
            name = "transplanted"
            kind = "flag"
            [[column]]
            name = "genotype"
            kind = "category"
            levels = ["SS", "SC", "Sbeta0"]
            missing = true
        "#;
        Schema::from_toml(&text.parse().unwrap()).unwrap()
    }

    fn cohort() -> Cohort {
        let csv = "age,transplanted,genotype\n0.5,0,SS\n1,0,SC\n1.5,1,SS\n40,0,\n,0,Sbeta0\n";
        Cohort::from_reader("site.csv", csv.as_bytes(), &schema()).unwrap()
    }

    fn selection(params: &str) -> Result<Selection, Error> {
        Selection::of_params(&params.parse().unwrap(), &schema())
    }

    fn taken(params: &str) -> Vec<usize> {
        let (selection, cohort) = (selection(params).unwrap(), cohort());
        (0..cohort.len()).filter(|&i| selection.takes(&cohort, i)).collect()
    }

    #[test]
    fn every_operator_selects_whom_it_says() {
        let one = |predicate: &str| taken(&format!("cohort = {{ include = [\"{predicate}\"] }}"));
        assert_eq!(one("age > 1"), [2, 3]);
        assert_eq!(one("age >= 1"), [1, 2, 3]);
        assert_eq!(one("age<1"), [0]);
        assert_eq!(one("age <= 1"), [0, 1]);
        assert_eq!(one("age = 40"), [3]);
        assert_eq!(one("age != 40"), [0, 1, 2], "a missing age is not another age");
        assert_eq!(one("age is missing"), [4]);
        assert_eq!(one("genotype is known"), [0, 1, 2, 4]);
        assert_eq!(one("genotype = SS"), [0, 2]);
        assert_eq!(one("genotype != SS"), [1, 4]);
        assert_eq!(one("genotype in [Sbeta0, SC]"), [1, 4]);
        assert_eq!(one("transplanted in [1]"), [2]);
    }

    #[test]
    fn the_sickle_cell_cohort_is_children_over_one_without_a_transplant() {
        let scd = r#"cohort = { include = ["age > 1"], exclude = ["transplanted = 1"] }"#;
        assert_eq!(taken(scd), [3]);
        assert_eq!(taken("x = 1"), [0, 1, 2, 3, 4]);
        // Unknown is not true: a missing age is not excluded.
        assert_eq!(taken(r#"cohort = { exclude = ["age > 1"] }"#), [0, 1, 4]);
    }

    #[test]
    fn the_canonical_text_reads_back_and_does_not_depend_on_spelling() {
        let loose = selection(
            r#"cohort = { include = ["  age>  1.0", "genotype in [SC,SS]"], exclude = ["age is missing"] }"#,
        )
        .unwrap();
        let text = loose.to_string();
        assert_eq!(text, "include age > 1\ninclude genotype in [SS, SC]\nexclude age is missing\n");
        for predicate in loose.include.iter().chain(&loose.exclude) {
            assert_eq!(&Predicate::parse(&predicate.to_string(), &schema()).unwrap(), predicate);
        }
        assert_eq!(Selection::default().to_string(), "");
    }

    #[test]
    fn the_patients_that_two_selections_disagree_on_are_counted() {
        let all = Selection::default();
        let over_one = selection(r#"cohort = { include = ["age > 1"] }"#).unwrap();
        assert_eq!(all.differ(&over_one, &cohort()), 3);
        assert_eq!(over_one.differ(&all, &cohort()), 3);
        assert_eq!(over_one.differ(&over_one, &cohort()), 0);
    }

    /// S1: of a patient with many rows, one that differs is one patient that differs.
    #[test]
    fn rows_of_one_patient_count_once() {
        let text =
            "patient = \"id\"\nrows_per_patient = 3\n[[column]]\nname = \"x\"\nkind = \"flag\"\n";
        let schema = Schema::from_toml(&text.parse().unwrap()).unwrap();
        let csv = "id,x\na,0\nb,1\nb,1\nb,1\nc,0\n";
        let cohort = Cohort::from_reader("site.csv", csv.as_bytes(), &schema).unwrap();
        let params = "cohort = { exclude = [\"x = 1\"] }".parse().unwrap();
        let healthy = Selection::of_params(&params, &schema).unwrap();
        assert_eq!(healthy.differ(&Selection::default(), &cohort), 1);
        assert_eq!((healthy.patients(&cohort), cohort.patients(), cohort.len()), (2, 3, 5));
    }

    #[test]
    fn nobody_is_included_by_a_number_beyond_the_public_range_so_it_is_refused() {
        for predicate in ["age > 100", "age >= 101", "age < 0", "age = -1", "transplanted > 1"] {
            let error = selection(&format!("cohort = {{ include = [{predicate:?}] }}"));
            let error = error.expect_err(predicate).to_string();
            assert!(error.contains("public range is 0 to 1"), "{predicate}: {error}");
        }
        for predicate in ["age >= 100", "age <= 0", "age != 0", "transplanted < 1", "age < 500"] {
            selection(&format!("cohort = {{ include = [{predicate:?}] }}")).expect(predicate);
        }
        // To exclude nobody does no harm.
        assert!(selection("cohort = { exclude = [\"age > 100\"] }").is_ok());
    }

    #[test]
    fn what_is_no_predicate_is_refused_with_what_is_possible() {
        for (predicate, says) in [
            ("weight > 1", "it has age, transplanted, genotype"),
            ("age", "COLUMN OP VALUE"),
            ("age ~ 1", "COLUMN OP VALUE"),
            ("age > old", "no number"),
            ("age > inf", "no number"),
            ("age in [1, 2]", "is a number"),
            ("genotype < SS", "without an order"),
            ("genotype = AA", "it has SS, SC, Sbeta0"),
            ("genotype in SS", "in [A, B]"),
            ("transplanted = yes", "0 or 1"),
            ("", "no column"),
        ] {
            let error = selection(&format!("cohort = {{ include = [{predicate:?}] }}"));
            let error = error.expect_err(predicate).to_string();
            assert!(error.contains(says), "{predicate}: {error}");
        }
        assert!(selection("cohort = { only = [] }").is_err());
        assert!(selection("cohort = 3").is_err());
        let many = vec!["\"age > 1\""; MOST_PREDICATES + 1].join(",");
        assert!(selection(&format!("cohort = {{ include = [{many}] }}")).is_err());
    }
}
