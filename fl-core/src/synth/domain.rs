//! The discrete domain of a synthetic cohort: which attributes a patient has and which levels each.
//!
//! Everything here is public: it follows from the schema and a task's parameters, never from patients
//! (rule S4). A number falls into public bins, a category and a flag into their levels. A time to
//! event is *one* attribute of (time bin x event): level = bin * events + event, so that a censored
//! time is never taken for an observed one. Where a column may be empty, missing is one more level,
//! the last.
//!
//! The statistical core ([`super::core`]) knows sizes only; names, values and their texts are here.
//! How parameters are read stands in `params`, how levels become values again in `decode`, what a
//! network makes of it in `network`, and what a cohort's predicates leave of it in
//! [`super::condition`].

mod decode;
mod network;
mod params;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::condition::Kept;
use super::core::{self, Order};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::{self, Column, PatientKey, Schema};
use crate::selection;
use crate::tasks::layout::refuse;
pub(super) use decode::{Grid, Span, inside, meet};
pub use params::check_keys;

/// The task whose parameters describe a domain; stands in errors.
pub(crate) const TASK: &str = "synthesize";
/// Keys of that task's parameters that [`Domain::of_params`] reads.
pub const KEYS: [&str; 7] =
    ["columns", "bins", "survival", "ordered", "impossible", "decimals", selection::KEY];
/// Attributes of a domain.
pub const MOST_ATTRIBUTES: usize = core::MOST_ATTRIBUTES;
/// Levels of one attribute, missing included.
pub const MOST_LEVELS: usize = core::MOST_LEVELS;
/// Levels of all attributes together: all one-way tables are one sum.
pub const MOST_TOTAL: usize = 1 << 15;
/// Pairs of levels that never occur together.
pub const MOST_IMPOSSIBLE: usize = 1 << 14;
/// Predicates of a cohort, where each level that is left out is one.
pub const MOST_KEPT: usize = 4096;
/// Decimals of a decoded number.
pub const MOST_DECIMALS: u8 = 6;

/// Attributes of a patient, and what never occurs together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The attributes, in the order of a row's levels.
    pub attributes: Vec<Attribute>,
    /// Structural zeros, for instance pregnancy and the male sex.
    #[serde(default)]
    pub impossible: Vec<Impossible>,
    /// What holds of every patient: the cohort's predicates on columns of the domain. Virtual patients
    /// keep to them ([`Domain::condition`]).
    #[serde(default, skip_serializing_if = "Kept::is_all")]
    pub cohort: Kept,
}

/// One column, or the two of a time to event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// The column's name; `TIME x EVENT` of a time to event.
    pub name: String,
    /// What its levels are.
    pub kind: Kind,
    /// Whether missing is one more level, the last.
    pub missing: bool,
}

/// What the levels of an attribute are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Kind {
    /// Bins `[e0, e1), [e1, e2), ...`, the last one closed; values have so many decimals.
    Number {
        /// One more than bins, ascending.
        edges: Vec<f64>,
        /// 0 for whole numbers.
        decimals: u8,
    },
    /// Names of levels.
    Levels {
        /// In the schema's order, which is that of a cohort's values.
        levels: Vec<String>,
        /// Whether they are the `0` and `1` of a flag.
        flag: bool,
        /// Whether only neighbours may be merged into a coarse group.
        ordered: bool,
    },
    /// A time to event: level = bin * events + event.
    Survival {
        /// Column of times.
        time: String,
        /// Column of what ended follow-up.
        event: String,
        /// One more than time bins, ascending.
        edges: Vec<f64>,
        /// Names of the ends of follow-up, in the order of the event column's values.
        events: Vec<String>,
        /// Decimals of a time.
        decimals: u8,
    },
}

/// Two levels that no patient has together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impossible {
    /// Attribute and level.
    pub left: (usize, u16),
    /// Another attribute and its level.
    pub right: (usize, u16),
}

impl Kind {
    /// Number of levels, missing aside.
    #[must_use]
    pub fn levels(&self) -> usize {
        match self {
            Self::Number { edges, .. } => edges.len().saturating_sub(1),
            Self::Levels { levels, .. } => levels.len(),
            Self::Survival { edges, events, .. } => {
                edges.len().saturating_sub(1).saturating_mul(events.len())
            }
        }
    }
}

impl Attribute {
    /// Number of levels, missing included.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.kind.levels() + usize::from(self.missing)
    }

    /// The level of a missing value, where there is one.
    #[must_use]
    pub fn missing_level(&self) -> Option<u16> {
        self.missing.then(|| u16::try_from(self.kind.levels()).unwrap_or(u16::MAX))
    }

    /// Columns of the cohort that the attribute stands for.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Number { .. } | Kind::Levels { .. } => vec![self.name.as_str()],
            Kind::Survival { time, event, .. } => vec![time.as_str(), event.as_str()],
        }
    }

    /// The level of a patient's values; `None` for one outside the domain.
    fn encode<'a>(&'a self, value: impl Fn(&'a str) -> Option<f64>) -> Option<u16> {
        let known = match &self.kind {
            Kind::Number { edges, .. } => value(&self.name).map(|x| bin(edges, x)),
            Kind::Levels { levels, .. } => value(&self.name).map(|x| index(levels.len(), x)),
            Kind::Survival { time, event, edges, events, .. } => {
                value(time).zip(value(event)).map(|(time, event)| {
                    Some(bin(edges, time)? * events.len() + index(events.len(), event)?)
                })
            }
        };
        match known {
            Some(level) => u16::try_from(level?).ok(),
            None => self.missing_level(),
        }
    }

    /// The attribute as the core sees it: how many levels, and which may be merged.
    fn for_core(&self) -> core::Attribute {
        let span = |levels: usize| -> Vec<u16> {
            (0..u16::try_from(levels).unwrap_or(u16::MAX)).collect()
        };
        let mut chains: Vec<Vec<u16>> = match &self.kind {
            Kind::Levels { ordered: false, .. } => {
                return core::Attribute { levels: self.levels(), order: Order::Nominal };
            }
            Kind::Number { .. } | Kind::Levels { .. } => vec![span(self.kind.levels())],
            Kind::Survival { events, .. } => {
                let all: Vec<u16> = span(self.kind.levels());
                let of = |event| all.iter().copied().skip(event).step_by(events.len().max(1));
                (0..events.len()).map(|event| of(event).collect()).collect()
            }
        };
        chains.extend(self.missing_level().map(|level| vec![level]));
        core::Attribute { levels: self.levels(), order: Order::Chains(chains) }
    }

    /// Columns of a schema under which decoded values read back.
    fn for_schema(&self) -> Vec<Column> {
        let column = |name: &str, kind| Column {
            name: name.to_owned(),
            label: name.to_owned(),
            kind,
            missing: self.missing,
            accepts: BTreeMap::new(),
            synonyms: BTreeMap::new(),
        };
        let numeric = |edges: &[f64]| {
            let range = edges.first().zip(edges.last()).map_or((0.0, 0.0), |(a, b)| (*a, *b));
            schema::Kind::Numeric { unit: String::new(), range, bins: edges.to_vec() }
        };
        let levels = |levels: &[String], flag: bool| match flag {
            true => schema::Kind::Flag,
            false => schema::Kind::Category { levels: levels.to_vec() },
        };
        match &self.kind {
            Kind::Number { edges, .. } => vec![column(&self.name, numeric(edges))],
            Kind::Levels { levels: own, flag, .. } => vec![column(&self.name, levels(own, *flag))],
            Kind::Survival { time, event, edges, events, .. } => vec![
                column(time, numeric(edges)),
                column(event, levels(events, events.iter().map(String::as_str).eq(["0", "1"]))),
            ],
        }
    }
}

/// The bin of a value; `None` outside all of them.
fn bin(edges: &[f64], value: f64) -> Option<usize> {
    let (first, last) = (edges.first()?, edges.last()?);
    if !(*first..=*last).contains(&value) {
        return None;
    }
    let above = edges.partition_point(|edge| *edge <= value);
    // The last bin is closed.
    Some(above.saturating_sub(1).min(edges.len().saturating_sub(2)))
}

/// The number of a level as a cohort's values have it.
fn index(levels: usize, value: f64) -> Option<usize> {
    let whole = value >= 0.0 && value < levels as f64 && value.fract() == 0.0;
    whole.then_some(value as usize)
}

impl Domain {
    /// Number of levels of each attribute, missing included.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        self.attributes.iter().map(Attribute::levels).collect()
    }

    /// The attributes as the core sees them.
    #[must_use]
    pub fn attributes(&self) -> Vec<core::Attribute> {
        self.attributes.iter().map(Attribute::for_core).collect()
    }

    /// The structural zeros as the core sees them.
    #[must_use]
    pub fn impossible(&self) -> Vec<core::Impossible> {
        let of = |pair: &Impossible| core::Impossible { left: pair.left, right: pair.right };
        self.impossible.iter().map(of).collect()
    }

    /// Names of attributes, for errors of the core, which knows their numbers.
    #[must_use]
    pub fn names(&self, attributes: &[usize]) -> String {
        let name = |at: &usize| self.attributes.get(*at).map_or("?", |own| own.name.as_str());
        attributes.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// A level in words, as `male = 1`, `age from 16.5 to 22` or `ecog is missing`, for errors.
    #[must_use]
    pub fn words(&self, (at, level): (usize, u16)) -> String {
        let Some(Attribute { name, kind, missing }) = self.attributes.get(at) else {
            return "?".to_owned();
        };
        let number = usize::from(level);
        if *missing && number == kind.levels() {
            return format!("{name} is missing");
        }
        let bin = |edges: &[f64], at: usize| {
            let end = |at: usize| edges.get(at).copied().map_or(f64::NAN, decode::shown);
            format!("from {} to {}", end(at), end(at + 1))
        };
        match kind {
            Kind::Number { edges, .. } => format!("{name} {}", bin(edges, number)),
            Kind::Levels { levels, .. } => {
                format!("{name} = {}", levels.get(number).map_or("?", String::as_str))
            }
            Kind::Survival { time, event, edges, events, .. } => {
                let of = events.len().max(1);
                let ended = events.get(number % of).map_or("?", String::as_str);
                format!("{time} {} with {event} = {ended}", bin(edges, number / of))
            }
        }
    }

    /// A patient's level of each attribute. `None`: a value outside the domain, or missing without a
    /// level for it.
    #[must_use]
    pub fn encode(&self, cohort: &Cohort, patient: usize) -> Option<Vec<u16>> {
        let value = |column: &str| cohort.value(column, patient);
        self.attributes.iter().map(|attribute| attribute.encode(value)).collect()
    }

    /// Names of the columns of decoded rows.
    #[must_use]
    pub fn header(&self) -> Vec<String> {
        let columns = self.attributes.iter().flat_map(Attribute::columns);
        columns.map(str::to_owned).collect()
    }

    /// A schema under which decoded rows read back as a cohort, one row a virtual patient. It has the
    /// bins of the domain, and neither labels nor units.
    #[must_use]
    pub fn schema(&self) -> Schema {
        Schema {
            patient: PatientKey::OneRow,
            rows_per_patient: 1,
            columns: self.attributes.iter().flat_map(Attribute::for_schema).collect(),
            ignore: Vec::new(),
        }
    }

    /// Checks a domain that came from a file or a result.
    ///
    /// # Errors
    /// [`Error::Params`] with the attribute and the limit.
    pub fn check(&self) -> Result<(), Error> {
        if self.attributes.is_empty() || self.attributes.len() > MOST_ATTRIBUTES {
            let found = self.attributes.len();
            return Err(fault(format!(
                "{found} attributes; a domain has 1 to {MOST_ATTRIBUTES}: name those that matter by \
                 `columns`"
            )));
        }
        let mut names = BTreeSet::new();
        for attribute in &self.attributes {
            check_attribute(attribute)?;
            for column in attribute.columns() {
                schema::check_name(column)?;
                if !names.insert(column) {
                    return Err(fault(format!("column `{column}` stands in two attributes")));
                }
            }
        }
        self.check_total()?;
        self.check_impossible()?;
        if self.cohort.len() > MOST_KEPT {
            let found = self.cohort.len();
            return Err(fault(format!("{found} predicates of its cohort, at most {MOST_KEPT}")));
        }
        self.condition(&[]).map(|_| ())
    }

    fn check_total(&self) -> Result<(), Error> {
        let total: usize = self.sizes().iter().sum();
        if total <= MOST_TOTAL {
            return Ok(());
        }
        let mut largest: Vec<&Attribute> = self.attributes.iter().collect();
        largest.sort_by_key(|attribute| std::cmp::Reverse(attribute.levels()));
        let named: Vec<String> = (largest.iter().take(3))
            .map(|attribute| format!("`{}` ({})", attribute.name, attribute.levels()))
            .collect();
        Err(fault(format!(
            "the domain has {total} levels over all columns, at most {MOST_TOTAL}; most are those of \
             {}; use fewer columns or bins",
            named.join(", ")
        )))
    }

    fn check_impossible(&self) -> Result<(), Error> {
        if self.impossible.len() > MOST_IMPOSSIBLE {
            let pairs = self.impossible.len();
            let reason =
                format!("`impossible`: {pairs} pairs of levels, at most {MOST_IMPOSSIBLE}");
            return Err(fault(reason));
        }
        let sizes = self.sizes();
        let there =
            |(at, level): (usize, u16)| sizes.get(at).is_some_and(|n| usize::from(level) < *n);
        let proper = |pair: &Impossible| {
            pair.left.0 != pair.right.0 && there(pair.left) && there(pair.right)
        };
        match self.impossible.iter().all(proper) {
            true => Ok(()),
            false => Err(fault("`impossible` names an attribute or a level that is not there")),
        }
    }
}

fn check_attribute(attribute: &Attribute) -> Result<(), Error> {
    let Attribute { name, kind, .. } = attribute;
    let name: String = name.escape_debug().take(64).collect();
    let (edges, decimals, levels) = match kind {
        Kind::Number { edges, decimals } => (Some(edges), *decimals, None),
        Kind::Levels { levels, .. } => (None, 0, Some(levels)),
        Kind::Survival { edges, decimals, events, .. } => (Some(edges), *decimals, Some(events)),
    };
    if attribute.levels() < 2 {
        let (has, give) = match kind {
            Kind::Number { .. } => ("bin", "two or more by `bins`"),
            Kind::Survival { .. } => ("bin and one end of follow-up", "two or more by `cuts`"),
            Kind::Levels { .. } => ("level", "another level in the schema"),
        };
        return Err(fault(format!(
            "`{name}` has one {has} only, so nothing can be learned of it; give it {give}, or leave \
             it out of `columns`"
        )));
    }
    if attribute.levels() > MOST_LEVELS {
        let found = attribute.levels();
        return Err(fault(format!(
            "`{name}` has {found} levels, at most {MOST_LEVELS}; use fewer bins, cuts or levels"
        )));
    }
    if let Some(edges) = edges {
        decode::check_edges(&name, edges, decimals)?;
    }
    let Some(levels) = levels else { return Ok(()) };
    let distinct: BTreeSet<&String> = levels.iter().collect();
    match distinct.len() == levels.len() && levels.iter().all(|level| level.len() <= 128) {
        true => Ok(()),
        false => Err(fault(format!("`{name}` has a level twice, or one longer than 128 bytes"))),
    }
}

/// A refusal of the domain's parameters.
pub(super) fn fault(reason: impl Into<String>) -> Error {
    refuse(TASK, reason)
}
