//! What a file holds in one column.

use std::collections::BTreeMap;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::IntakeProblem as Problem;
use crate::schema::{Column, Kind};

/// Unknown spellings of a level that are kept; more are counted as faults only.
const MOST_SPELLINGS: usize = 100;
/// Numbers below which a unit is not judged.
const FEWEST_FOR_A_UNIT: usize = 5;
/// Factors between units that are commonly mistaken for one another.
const POWERS: [f64; 6] = [10.0, 100.0, 1000.0, 0.1, 0.01, 0.001];

/// A column of the schema as the file has it.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnReport {
    /// Name in the schema.
    pub column: String,
    /// Name in the header, with a unit where it says one; none where the file lacks the column.
    pub header: Option<String>,
    /// What values were multiplied with.
    pub factor: f64,
    /// Fields with a value, right or wrong.
    pub present: u64,
    /// Empty fields.
    pub missing: u64,
    /// Share of rows in which it is empty, 0 to 1.
    pub missing_share: f64,
    /// Values that are no number, flag or level.
    pub unreadable: u64,
    /// Whether all its values, two at least, are equal.
    pub constant: bool,
    /// What numbers it has; none for a flag or a category.
    pub numbers: Option<Numbers>,
    /// How often each level, or 0 and 1 of a flag, stands in the file; empty for a number.
    pub levels: BTreeMap<String, u64>,
    /// Spellings that are no level, the first 100, with how often they stand.
    pub unknown: BTreeMap<String, u64>,
    /// Why its unit looks wrong.
    pub unit: Option<Unit>,
}

/// Numbers of a column, in the schema's unit; those outside the range are among them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Numbers {
    /// Least.
    pub min: f64,
    /// Median.
    pub median: f64,
    /// Largest.
    pub max: f64,
    /// Values outside the public range.
    pub outside: u64,
    /// Values at one of its ends.
    pub at_ends: u64,
}

/// A unit that looks wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unit {
    /// What most values would have to be multiplied with to lie within the range.
    pub factor: f64,
    /// A unit of the schema's `accepts` with this factor.
    pub unit: Option<String>,
}

/// A column while the file is read.
pub(super) struct Tally<'a> {
    column: &'a Column,
    header: Option<String>,
    factor: f64,
    present: u64,
    missing: u64,
    unreadable: u64,
    values: Zeroizing<Vec<f64>>,
    levels: Vec<u64>,
    unknown: BTreeMap<String, u64>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(column: &'a Column) -> Self {
        Self {
            column,
            header: None,
            factor: 1.0,
            present: 0,
            missing: 0,
            unreadable: 0,
            values: Zeroizing::default(),
            levels: vec![0; column.levels().map_or(0, |levels| levels.len())],
            unknown: BTreeMap::new(),
        }
    }

    /// The header has the column.
    pub(super) fn found(&mut self, header: &str, factor: f64) {
        (self.header, self.factor) = (Some(header.to_owned()), factor);
    }

    /// A field: what intake says of it, and the number that it is.
    pub(super) fn add(&mut self, value: &Result<f64, Problem>, raw: Option<f64>) {
        match value {
            Err(Problem::Empty) => self.missing += 1,
            Ok(value) if value.is_nan() => self.missing += 1,
            Ok(value) => {
                self.present += 1;
                if let Some(count) = self.levels.get_mut(*value as usize) {
                    *count += 1;
                }
            }
            Err(problem) => {
                self.present += 1;
                if let Problem::UnknownLevel { text, .. } | Problem::NotAFlag { text } = problem
                    && (self.unknown.len() < MOST_SPELLINGS || self.unknown.contains_key(text))
                {
                    *self.unknown.entry(text.clone()).or_insert(0) += 1;
                }
                self.unreadable += u64::from(!matches!(problem, Problem::OutOfRange { .. }));
            }
        }
        self.values.extend(raw);
    }

    pub(super) fn report(mut self, rows: u64) -> ColumnReport {
        self.values.sort_by(f64::total_cmp);
        let numbers = self.numbers();
        let used = self.levels.iter().filter(|count| **count > 0).count();
        let constant = self.unreadable == 0
            && self.present >= 2
            && numbers.map_or(used == 1, |numbers| numbers.min == numbers.max);
        let names = self.column.levels().unwrap_or_default();
        ColumnReport {
            column: self.column.name.clone(),
            unit: self.unit(),
            header: self.header,
            factor: self.factor,
            present: self.present,
            missing: self.missing,
            missing_share: if rows > 0 { self.missing as f64 / rows as f64 } else { 0.0 },
            unreadable: self.unreadable,
            constant,
            numbers,
            levels: names.into_iter().zip(self.levels).collect(),
            unknown: self.unknown,
        }
    }

    fn numbers(&self) -> Option<Numbers> {
        let Kind::Numeric { range: (low, high), .. } = &self.column.kind else { return None };
        let count =
            |of: &dyn Fn(f64) -> bool| self.values.iter().filter(|x| of(**x)).count() as u64;
        Some(Numbers {
            min: *self.values.first()?,
            median: median(&self.values)?,
            max: *self.values.last()?,
            outside: count(&|x| !(*low..=*high).contains(&x)),
            at_ends: count(&|x| x == *low || x == *high),
        })
    }

    /// A factor that brings nearly all values into the range, where most of them are outside as they
    /// are; or, where all lie within it, one by which all are further from its middle than ten times.
    fn unit(&self) -> Option<Unit> {
        let Kind::Numeric { range: (low, high), .. } = &self.column.kind else { return None };
        let all = self.values.len();
        let (least, most) = (*self.values.first()?, *self.values.last()?);
        if all < FEWEST_FOR_A_UNIT {
            return None;
        }
        let inside = |factor: f64| {
            self.values.iter().filter(|x| (*low..=*high).contains(&(**x * factor))).count()
        };
        let middle = low + (high - low) / 2.0;
        let factor = if inside(1.0) * 2 < all {
            let known = self.column.accepts.values().copied();
            known.chain(POWERS).find(|factor| inside(*factor) * 10 >= all * 9)?
        } else if least > 0.0 && most * 10.0 <= middle && most * 10.0 <= *high {
            // The power of ten that comes nearest to the middle.
            let off = (middle / median(&self.values)?).log10().round();
            10f64.powi(off as i32)
        } else {
            return None;
        };
        let unit = self.column.accepts.iter().find(|(_, known)| **known == factor);
        Some(Unit { factor, unit: unit.map(|(unit, _)| unit.clone()) })
    }
}

fn median(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(half.checked_sub(1)?)?;
    Some(lower + (upper - lower) / 2.0)
}
