//! The public description of a cohort: columns, ranges, levels and the patient key.
//!
//! A schema is agreed by the network before any data are read and stands in the signed manifest.
//! Everything that scales, centres or bins a patient's values comes from here and never from the
//! data (rule S4), so two sites with different patients encode them alike.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::Error;

/// Bins of a numeric column's histogram where the schema names none.
const DEFAULT_BINS: u32 = 20;
const MAX_COLUMNS: usize = 4096;
const MAX_ROWS_PER_PATIENT: u32 = 1000;
const MAX_LEVELS: usize = 1024;
const MAX_EDGES: usize = 10_001;
const MAX_NAME: usize = 128;
/// Further units or synonyms that a column may declare.
const MAX_RULES: usize = 1024;

/// What a row of the cohort is (rule S1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatientKey {
    /// A column identifies the patient.
    Column(String),
    /// The site declares that each row is another patient.
    OneRow,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A number within a public range.
    Numeric {
        /// Unit, possibly empty.
        unit: String,
        /// Lowest and highest value that intake accepts.
        range: (f64, f64),
        /// Edges of the public histogram, ascending, from one end of the range to the other.
        bins: Vec<f64>,
    },
    /// 0 or 1; numeric in models, groups `name=0` and `name=1` elsewhere.
    Flag,
    /// One of several levels, the first being the reference.
    Category {
        /// Names of the levels.
        levels: Vec<String>,
    },
}

/// A column of the cohort.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name in the file's header.
    pub name: String,
    /// Readable label; the name when the schema gives none.
    pub label: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether an empty field is allowed.
    pub missing: bool,
    /// Units in which a file may hold a numeric column, by what their values are multiplied with to
    /// come to the schema's own. A header says so: `hb [g/L]`.
    pub accepts: BTreeMap<String, f64>,
    /// Other spellings of a category's levels, with the number of the level meant.
    pub synonyms: BTreeMap<String, u32>,
}

impl Column {
    /// Names of the groups that the column splits a cohort into, in order of the values
    /// `0, 1, ...` of [`crate::cohort::Cohort::values`]; `None` for a numeric column.
    #[must_use]
    pub fn levels(&self) -> Option<Vec<String>> {
        match &self.kind {
            Kind::Numeric { .. } => None,
            Kind::Flag => Some(vec!["0".to_owned(), "1".to_owned()]),
            Kind::Category { levels } => Some(levels.clone()),
        }
    }

    /// Unit of a numeric column, else empty.
    #[must_use]
    pub fn unit(&self) -> &str {
        match &self.kind {
            Kind::Numeric { unit, .. } => unit,
            Kind::Flag | Kind::Category { .. } => "",
        }
    }
}

/// All that a network knows about its cohorts beforehand.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// How patients are told apart.
    pub patient: PatientKey,
    /// Most rows that a patient may have: 1, or more under a key, for covariates that change with
    /// time (start-stop rows). All rows of a key are one patient (rule S1).
    pub rows_per_patient: u32,
    /// The columns, in the schema's order.
    pub columns: Vec<Column>,
    /// Columns that a file may have and that are never read.
    pub ignore: Vec<String>,
}

impl Schema {
    /// Reads and checks a schema.
    ///
    /// # Errors
    /// [`Error::Schema`] with what is wrong and what to do.
    pub fn from_toml(table: &toml::Table) -> Result<Self, Error> {
        let raw: RawSchema =
            table.clone().try_into().map_err(|e: toml::de::Error| refuse(e.message()))?;
        let patient = match (raw.patient, raw.one_row_per_patient) {
            (Some(column), false) => PatientKey::Column(column),
            (None, true) => PatientKey::OneRow,
            (Some(_), true) => {
                return Err(refuse("both `patient` and `one_row_per_patient`; keep one"));
            }
            (None, false) => {
                return Err(refuse(
                    "name the patient key by `patient = \"...\"`, or declare \
                     `one_row_per_patient = true` (rule S1)",
                ));
            }
        };
        let rows_per_patient = raw.rows_per_patient.unwrap_or(1);
        if !(1..=MAX_ROWS_PER_PATIENT).contains(&rows_per_patient) {
            return Err(refuse(format!("`rows_per_patient` must be 1 to {MAX_ROWS_PER_PATIENT}")));
        }
        if rows_per_patient > 1 && patient == PatientKey::OneRow {
            return Err(refuse("`rows_per_patient` needs a patient key (`patient = \"...\"`)"));
        }
        if raw.column.is_empty() || raw.column.len() > MAX_COLUMNS {
            return Err(refuse(format!("between 1 and {MAX_COLUMNS} [[column]] entries")));
        }
        let columns: Vec<Column> =
            raw.column.into_iter().map(RawColumn::check).collect::<Result<_, _>>()?;

        let mut names = BTreeSet::new();
        let key = match &patient {
            PatientKey::Column(key) => Some(key),
            PatientKey::OneRow => None,
        };
        for name in key.into_iter().chain(columns.iter().map(|c| &c.name)).chain(&raw.ignore) {
            check_name(name)?;
            if !names.insert(name) {
                return Err(refuse(format!("`{name}` stands twice; name each column once")));
            }
        }
        Ok(Self { patient, rows_per_patient, columns, ignore: raw.ignore })
    }

    /// The column of that name.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] with the names that there are.
    pub fn column(&self, name: &str) -> Result<&Column, Error> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
            Error::UnknownColumn { column: name.to_owned(), known: known.join(", ") }
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSchema {
    patient: Option<String>,
    #[serde(default)]
    one_row_per_patient: bool,
    rows_per_patient: Option<u32>,
    #[serde(default)]
    ignore: Vec<String>,
    column: Vec<RawColumn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawColumn {
    name: String,
    kind: RawKind,
    label: Option<String>,
    #[serde(default)]
    missing: bool,
    unit: Option<String>,
    range: Option<(f64, f64)>,
    bins: Option<Vec<f64>>,
    levels: Option<Vec<String>>,
    #[serde(default)]
    accepts: BTreeMap<String, f64>,
    #[serde(default)]
    synonyms: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Numeric,
    Flag,
    Category,
}

impl RawColumn {
    fn check(self) -> Result<Column, Error> {
        let name = self.name;
        let mut texts = (self.label.iter().chain(&self.unit))
            .chain(self.levels.iter().flatten())
            .chain(self.accepts.keys())
            .chain(self.synonyms.keys());
        if texts.any(|text| text.contains(char::is_control)) {
            return Err(refuse(format!(
                "column `{name}`: a label, unit or level holds a control character (a line's end, a \
                 tab, an escape); take it out"
            )));
        }
        let numeric = self.kind == RawKind::Numeric;
        if !numeric && (self.unit.is_some() || self.range.is_some() || self.bins.is_some()) {
            return Err(refuse(format!(
                "column `{name}`: `unit`, `range` and `bins` belong to numeric columns"
            )));
        }
        if self.kind != RawKind::Category && (self.levels.is_some() || !self.synonyms.is_empty()) {
            let reason = format!("column `{name}`: `levels` and `synonyms` belong to categories");
            return Err(refuse(reason));
        }
        check_accepts(&name, self.unit.as_deref(), &self.accepts)?;
        let synonyms = check_synonyms(&name, self.levels.as_deref(), self.synonyms)?;
        let kind = match self.kind {
            RawKind::Numeric => {
                let range = self.range.ok_or_else(|| {
                    refuse(format!("column `{name}`: a numeric column needs `range = [low, high]`"))
                })?;
                Kind::Numeric {
                    unit: self.unit.unwrap_or_default(),
                    range: check_range(&name, range)?,
                    bins: check_bins(&name, range, self.bins)?,
                }
            }
            RawKind::Flag => Kind::Flag,
            RawKind::Category => Kind::Category { levels: check_levels(&name, self.levels)? },
        };
        let label = self.label.unwrap_or_else(|| name.clone());
        Ok(Column { name, label, kind, missing: self.missing, accepts: self.accepts, synonyms })
    }
}

fn check_range(name: &str, (low, high): (f64, f64)) -> Result<(f64, f64), Error> {
    // Half the width must be a normal number, since covariates are divided by it.
    if low.is_finite() && high.is_finite() && low < high && ((high - low) / 2.0).is_normal() {
        Ok((low, high))
    } else {
        Err(refuse(format!("column `{name}`: `range` must be two finite ascending numbers")))
    }
}

fn check_bins(
    name: &str,
    (low, high): (f64, f64),
    bins: Option<Vec<f64>>,
) -> Result<Vec<f64>, Error> {
    let bins = bins.unwrap_or_else(|| {
        // Multiplied first: edges between whole numbers then are whole where they should be.
        let share = |k: u32| low + (high - low) * f64::from(k) / f64::from(DEFAULT_BINS);
        (0..DEFAULT_BINS).map(share).chain([high]).collect()
    });
    let ascending = bins.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    if ascending
        && (2..=MAX_EDGES).contains(&bins.len())
        && bins.first() == Some(&low)
        && bins.last() == Some(&high)
    {
        Ok(bins)
    } else {
        Err(refuse(format!(
            "column `{name}`: `bins` must ascend from {low} to {high}, at most {MAX_EDGES} edges"
        )))
    }
}

fn check_levels(name: &str, levels: Option<Vec<String>>) -> Result<Vec<String>, Error> {
    let levels = levels.unwrap_or_default();
    let distinct: BTreeSet<&String> = levels.iter().collect();
    let proper = levels.iter().all(|level| !level.is_empty() && level.len() <= MAX_NAME);
    if proper && distinct.len() == levels.len() && (2..=MAX_LEVELS).contains(&levels.len()) {
        Ok(levels)
    } else {
        Err(refuse(format!(
            "column `{name}`: a category needs 2 to {MAX_LEVELS} distinct `levels`, none empty"
        )))
    }
}

fn check_accepts(
    name: &str,
    own: Option<&str>,
    accepts: &BTreeMap<String, f64>,
) -> Result<(), Error> {
    if accepts.is_empty() {
        return Ok(());
    }
    let Some(own) = own.filter(|unit| !unit.is_empty()) else {
        let reason = format!("column `{name}`: `accepts` converts to the column's `unit`; name it");
        return Err(refuse(reason));
    };
    let proper = |(unit, factor): (&String, &f64)| {
        !unit.is_empty()
            && unit.len() <= MAX_NAME
            && unit != own
            && !unit.contains(['[', ']'])
            && factor.is_normal()
            && *factor > 0.0
    };
    if accepts.len() <= MAX_RULES && accepts.iter().all(proper) {
        Ok(())
    } else {
        Err(refuse(format!(
            "column `{name}`: `accepts` names units other than `{own}`, without brackets, each with a \
             finite factor above 0 (`accepts = {{ \"g/L\" = 0.1 }}`), at most {MAX_RULES}"
        )))
    }
}

fn check_synonyms(
    name: &str,
    levels: Option<&[String]>,
    synonyms: BTreeMap<String, String>,
) -> Result<BTreeMap<String, u32>, Error> {
    let levels = levels.unwrap_or_default();
    let number = |level: &String| (0u32..).zip(levels).find(|(_, known)| *known == level);
    let mut numbers = BTreeMap::new();
    for (synonym, level) in synonyms {
        let proper = !synonym.is_empty() && synonym.len() <= MAX_NAME && !levels.contains(&synonym);
        match number(&level) {
            Some((number, _)) if proper && numbers.len() < MAX_RULES => {
                numbers.insert(synonym, number);
            }
            _ => {
                return Err(refuse(format!(
                    "column `{name}`: `synonyms` names other spellings, none of them a level, each \
                     with a level of the column (`synonyms = {{ \"male\" = \"M\" }}`), at most \
                     {MAX_RULES}"
                )));
            }
        }
    }
    Ok(numbers)
}

/// Checks a column's name: 1 to 128 bytes of letters, digits, `_`, `.` and `-`.
///
/// # Errors
/// [`Error::Schema`] with the name.
pub fn check_name(name: &str) -> Result<(), Error> {
    let proper = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(proper) {
        Ok(())
    } else {
        Err(refuse(format!(
            "`{}`: a name has 1 to {MAX_NAME} bytes of letters, digits, `_`, `.` and `-`",
            name.escape_debug().take(MAX_NAME).collect::<String>()
        )))
    }
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Schema { reason: reason.into() }
}
