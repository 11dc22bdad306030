//! Conditions on virtual patients: `age >= 60`, `npm1 = 1`, `sex = F|M`.
//!
//! The words are those of a cohort's predicates ([`crate::selection`]), so a cohort of real patients
//! and one of virtual ones are asked for alike; and `COLUMN = A|B` is short for `COLUMN in [A, B]`. All
//! conditions hold together. A comparison is never true of a missing value.
//!
//! A condition becomes, for each attribute that it speaks of, the share of every level that meets it.
//! A bin that is cut by the bound has a share between 0 and 1: the fraction of its numbers
//! ([`super::domain`]) beyond the bound. So a sampler weighs levels by the shares, and
//! [`super::domain::Domain::decode_within`] draws from what is left of the bin.
//!
//! The cohort of a generator is public, and so part of its domain ([`Kept`]): every condition has it
//! within. So virtual patients keep to the cohort whoever draws them, whatever noise or a bin that is
//! cut by a bound put outside of it. A predicate on a column that the domain lacks cannot be kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::domain::{Attribute, Domain, Grid, Kind, Span, inside, meet};
use crate::error::Error;
use crate::schema::Schema;
use crate::selection::{Comparison, Predicate, Selection, Test, refuse};

/// All numbers.
const ALL: Span = i64::MIN..i64::MAX;

/// The predicates of a cohort on columns of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// All of these hold.
    #[serde(default)]
    pub include: BTreeSet<String>,
    /// None of these does. A missing value meets none of them but `is missing`.
    #[serde(default)]
    pub exclude: BTreeSet<String>,
}

impl Kept {
    /// Whether every patient of the domain is in the cohort.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.len() == 0
    }

    /// Number of predicates.
    pub(super) fn len(&self) -> usize {
        self.include.len() + self.exclude.len()
    }

    /// Those of a selection that speak of these columns.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`] where the selection is of another schema.
    pub(super) fn of(
        selection: &Selection,
        columns: &[String],
        schema: &Schema,
    ) -> Result<Self, Error> {
        let mut kept = Self::default();
        let (include, exclude) = selection.parts();
        let all = include.iter().map(|own| (own, true));
        for (predicate, holds) in all.chain(exclude.iter().map(|own| (own, false))) {
            let (column, test) = predicate.parts();
            if !columns.iter().any(|own| own == column) {
                continue;
            }
            match (schema.column(column)?.levels(), test) {
                // One level at a time: a list cannot hold every name, and the domain alone cannot
                // tell a flag from a category of `0` and `1`.
                (Some(levels), Test::Number(..) | Test::Levels(_)) => {
                    if holds {
                        kept.include.insert(format!("{column} is known"));
                    }
                    for (at, level) in levels.iter().enumerate() {
                        if test.holds(Some(at as f64)) != holds {
                            kept.exclude.insert(format!("{column} = {level}"));
                        }
                    }
                }
                _ => {
                    let of = if holds { &mut kept.include } else { &mut kept.exclude };
                    of.insert(predicate.to_string());
                }
            }
        }
        Ok(kept)
    }
}

/// What is asked of virtual patients; of all of them by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// Share of each level that is allowed, in [0, 1], by the attributes that are spoken of. None has
    /// zeros only.
    pub allowed: BTreeMap<usize, Vec<f64>>,
    limits: BTreeMap<usize, Limits>,
}

/// What is left of an attribute.
#[derive(Clone, Debug, PartialEq)]
struct Limits {
    /// Numbers that are allowed, where they are limited at all.
    spans: Option<Vec<Span>>,
    /// Levels that are allowed, whatever their numbers.
    levels: Vec<bool>,
}

impl Condition {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.allowed.is_empty()
    }

    /// The numbers that are allowed of an attribute; `None`: all.
    pub(super) fn within(&self, attribute: usize) -> Option<&[Span]> {
        self.limits.get(&attribute)?.spans.as_deref()
    }
}

impl Domain {
    /// Reads conditions, all of which have to hold, together with the cohort.
    ///
    /// # Errors
    /// [`Error::Cohort`] with the condition and what is possible, also where no value of the domain
    /// meets it together with the cohort and those before it; [`Error::UnknownColumn`].
    pub fn condition(&self, texts: &[String]) -> Result<Condition, Error> {
        let schema = self.schema();
        let mut condition = Condition::default();
        let Kept { include, exclude } = &self.cohort;
        let all = include.iter().map(|text| (text, true));
        for (text, holds) in all.chain(exclude.iter().map(|text| (text, false))) {
            self.narrow(&mut condition.limits, &schema, text, holds)?;
        }
        // Once an attribute: what a file of a stranger excludes may be long.
        for (at, limits) in &condition.limits {
            let Some(attribute) = self.attributes.get(*at) else { continue };
            let shares = limits.shares(attribute);
            if is_nothing(&shares) {
                return Err(refuse(&attribute.name, "the cohort leaves no value of it"));
            }
            condition.allowed.insert(*at, shares);
        }
        for text in texts {
            let spelled = spelled_out(text, &schema);
            let (at, column) = self.narrow(&mut condition.limits, &schema, &spelled, true)?;
            let limits = self.attributes.get(at).zip(condition.limits.get(&at));
            let Some((attribute, limits)) = limits else { continue };
            let shares = limits.shares(attribute);
            if is_nothing(&shares) {
                let reason = format!("no value of `{column}` meets it{}", possible(attribute));
                return Err(refuse(text, reason));
            }
            condition.allowed.insert(at, shares);
        }
        Ok(condition)
    }

    /// Takes away what a predicate forbids, or where it must not `hold`, what meets it. Gives its
    /// attribute and its column.
    fn narrow(
        &self,
        limits: &mut BTreeMap<usize, Limits>,
        schema: &Schema,
        text: &str,
        holds: bool,
    ) -> Result<(usize, String), Error> {
        let predicate = Predicate::parse(text, schema)?;
        let (column, test) = predicate.parts();
        let mut owners = self.attributes.iter().enumerate();
        let owner = owners.find(|(_, own)| own.columns().contains(&column));
        let Some((at, attribute)) = owner else {
            return Err(refuse(text, format!("the domain has no column `{column}`")));
        };
        limits
            .entry(at)
            .or_insert_with(|| Limits { spans: None, levels: vec![true; attribute.levels()] })
            .narrow(attribute, column, test, holds);
        Ok((at, column.to_owned()))
    }
}

/// Whether nothing of an attribute is left.
fn is_nothing(shares: &[f64]) -> bool {
    shares.iter().all(|share| *share == 0.0)
}

impl Domain {
    /// A condition as a predicate of a cohort ([`crate::selection`]), for the real patients beside the
    /// virtual ones.
    #[must_use]
    pub fn as_predicate(&self, text: &str) -> String {
        spelled_out(text, &self.schema())
    }
}

/// What a known number meets exactly where it does not meet a comparison.
fn opposite(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Below => Comparison::AtLeast,
        Comparison::AtMost => Comparison::Above,
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::AtLeast => Comparison::Below,
        Comparison::Above => Comparison::AtMost,
    }
}

/// `sex in [F, M]` for `sex = F|M`, unless a level has that very name.
fn spelled_out(text: &str, schema: &Schema) -> String {
    let parts = text.split_once('=').map(|(column, value)| (column.trim(), value.trim()));
    let Some((column, value)) = parts.filter(|(_, value)| value.contains('|')) else {
        return text.to_owned();
    };
    let levels = schema.column(column).ok().and_then(crate::schema::Column::levels);
    match levels.is_some_and(|levels| !levels.iter().any(|level| level == value)) {
        true => format!("{column} in [{}]", value.replace('|', ",")),
        false => text.to_owned(),
    }
}

/// What else has to hold.
const BESIDE: &str = " (with what else is asked, and in the cohort)";

/// What there is, for an error.
fn possible(attribute: &Attribute) -> String {
    match &attribute.kind {
        Kind::Number { edges, .. } | Kind::Survival { edges, .. } => {
            match (edges.first(), edges.last()) {
                (Some(low), Some(high)) => {
                    format!("{BESIDE}; its public range is {low} to {high}")
                }
                _ => String::new(),
            }
        }
        Kind::Levels { levels, .. } => {
            format!("{BESIDE}; its levels are {}", levels.join(", "))
        }
    }
}

impl Limits {
    /// Takes away what a test on one of the attribute's columns forbids; where it must not `hold`, what
    /// meets it.
    fn narrow(&mut self, attribute: &Attribute, column: &str, test: &Test, holds: bool) {
        let missing = attribute.missing_level().map(usize::from);
        for (level, keeps) in self.levels.iter_mut().enumerate() {
            let is_missing = missing == Some(level);
            *keeps &= match test {
                Test::Missing => is_missing == holds,
                Test::Known => is_missing != holds,
                // No comparison is true of a missing value.
                Test::Number(..) | Test::Levels(_) => !(is_missing && holds),
            };
        }
        match (&attribute.kind, test) {
            (_, Test::Missing | Test::Known) => {}
            (Kind::Number { edges, decimals }, Test::Number(comparison, bound)) => {
                let comparison = if holds { *comparison } else { opposite(*comparison) };
                self.numbers(Grid::new(*decimals), edges, comparison, *bound);
            }
            (Kind::Survival { time, edges, decimals, .. }, Test::Number(comparison, bound))
                if time == column =>
            {
                let comparison = if holds { *comparison } else { opposite(*comparison) };
                self.numbers(Grid::new(*decimals), edges, comparison, *bound);
            }
            (Kind::Survival { events, .. }, _) => self.names(events.len(), attribute, test, holds),
            (Kind::Levels { levels, .. }, _) => self.names(levels.len(), attribute, test, holds),
            // A number has no names, so none of them is the one that is asked for.
            (Kind::Number { .. }, Test::Levels(_)) if holds => self.levels.fill(false),
            (Kind::Number { .. }, Test::Levels(_)) => {}
        }
    }

    /// Of levels that repeat every `of`, keeps those whose name meets the test, or does not.
    fn names(&mut self, of: usize, attribute: &Attribute, test: &Test, holds: bool) {
        let known = attribute.kind.levels();
        for (level, keeps) in self.levels.iter_mut().enumerate().take(known) {
            *keeps &= test.holds(Some((level % of.max(1)) as f64)) == holds;
        }
    }

    fn numbers(&mut self, grid: Grid, edges: &[f64], comparison: Comparison, bound: f64) {
        let (low, high) = edges.first().zip(edges.last()).map_or((0.0, 0.0), |(a, b)| (*a, *b));
        // Nothing lies further out, and a bound without end is no number of steps.
        let bound = bound.clamp(low - 1.0, high + 1.0);
        let (from, after) = (grid.reaching(bound), grid.above(bound));
        let (below, at, above) = (ALL.start..from, from..after, after..ALL.end);
        let spans: &[Span] = match comparison {
            Comparison::Below => &[below],
            Comparison::AtMost => &[below, at],
            Comparison::Equal => &[at],
            Comparison::NotEqual => &[below, above],
            Comparison::AtLeast => &[at, above],
            Comparison::Above => &[above],
        };
        let before = self.spans.take().unwrap_or_else(|| Vec::from(&[ALL]));
        self.spans = Some(meet(&before, spans));
    }

    /// The share of each level that is left.
    fn shares(&self, attribute: &Attribute) -> Vec<f64> {
        let (edges, decimals, of) = match &attribute.kind {
            Kind::Number { edges, decimals } => (edges.as_slice(), *decimals, 1),
            Kind::Survival { edges, decimals, events, .. } => {
                (edges.as_slice(), *decimals, events.len().max(1))
            }
            Kind::Levels { .. } => (&[][..], 0, 1),
        };
        let bins = Grid::new(decimals).bins(edges);
        let share = |(level, keeps): (usize, &bool)| {
            let numbers = self.spans.as_deref().zip(bins.get(level / of));
            match (*keeps, numbers) {
                (false, _) => 0.0,
                (true, None) => 1.0,
                (true, Some((spans, bin))) => {
                    let bin = std::slice::from_ref(bin);
                    inside(&meet(bin, spans)) as f64 / inside(bin).max(1) as f64
                }
            }
        };
        self.levels.iter().enumerate().map(share).collect()
    }
}

#[cfg(test)]
mod tests;
