//! Rows that agree on some columns, and what such classes tell.

use std::collections::HashMap;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::schema::Schema;
use serde::Serialize;

use super::generalise::{Generalisation, exact};
use crate::Error;

/// Code of a missing value.
const MISSING: u32 = 0;
/// Least sizes of the classes that are counted together.
const BANDS: [u64; 6] = [1, 2, 3, 5, 10, 20];

/// A column with a number for each of its values, in the order of the rows.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    pub(super) name: String,
    codes: Vec<u32>,
}

impl Coded {
    /// A cohort's column, under the generalisation that names it.
    ///
    /// # Errors
    /// When the schema does not have it.
    pub(super) fn of(
        name: &str,
        cohort: &Cohort,
        schema: &Schema,
        generalised: &[Generalisation],
    ) -> Result<Self, Error> {
        let column = schema.column(name)?;
        let how = generalised.iter().find(|own| own.column() == name);
        let mut known: HashMap<u64, u32> = HashMap::new();
        let values = cohort.values(name).unwrap_or_default();
        let code = |value: &f64| {
            if value.is_nan() && !how.is_some_and(Generalisation::is_out) {
                return MISSING;
            }
            let own = how.map_or_else(|| exact(*value), |how| how.of(*value, column));
            let next = known.len() as u32 + 1;
            *known.entry(own).or_insert(next)
        };
        let codes = values.iter().map(code).collect();
        Ok(Self { name: name.to_owned(), codes })
    }
}

/// Classes of rows.
struct Classes {
    /// Class of each row.
    of: Vec<u32>,
    sizes: Vec<u64>,
}

impl Classes {
    /// Of rows that agree on all of some columns.
    fn of(rows: usize, columns: &[&Coded]) -> Self {
        let mut of = vec![0_u32; rows];
        let mut number = u32::from(rows > 0);
        for column in columns {
            let mut known: HashMap<(u32, u32), u32> = HashMap::new();
            for (class, code) in of.iter_mut().zip(&column.codes) {
                let next = known.len() as u32;
                *class = *known.entry((*class, *code)).or_insert(next);
            }
            number = known.len() as u32;
        }
        let mut sizes = vec![0; number as usize];
        for class in &of {
            if let Some(size) = sizes.get_mut(*class as usize) {
                *size += 1;
            }
        }
        Self { of, sizes }
    }

    fn size(&self, class: u32) -> u64 {
        self.sizes.get(class as usize).copied().unwrap_or(0)
    }
}

/// What the classes of a file tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Classes of rows that agree on all quasi-identifiers.
    pub classes: u64,
    /// Rows that are alone in theirs.
    pub unique_rows: u64,
    /// Their share of all rows, 0 to 1.
    pub unique_share: f64,
    /// Rows of the smallest class; 0 without rows.
    pub k: u64,
    /// How many classes are of which size.
    pub sizes: Vec<Band>,
    /// What they tell of each sensitive column.
    pub diversity: Vec<Diversity>,
}

/// Classes of similar size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Band {
    /// Least rows of such a class.
    pub from: u64,
    /// Most rows; none of the last band.
    pub to: Option<u64>,
    /// Classes.
    pub classes: u64,
    /// Their rows.
    pub rows: u64,
}

/// What classes tell of a sensitive column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diversity {
    /// The column.
    pub column: String,
    /// Fewest different values that a class has; none where no value is known.
    pub l: Option<u64>,
    /// Rows in classes with one value: whoever knows the quasi-identifiers of such a patient knows it.
    pub told_rows: u64,
    /// Of these, rows in classes of two rows or more, which k alone does not show.
    pub told_rows_in_groups: u64,
}

impl Summary {
    /// Of so many rows.
    pub(super) fn of(rows: usize, quasi: &[Coded], sensitive: &[Coded]) -> Self {
        let classes = Classes::of(rows, &quasi.iter().collect::<Vec<_>>());
        let unique_rows = classes.sizes.iter().filter(|size| **size == 1).count() as u64;
        Self {
            classes: classes.sizes.len() as u64,
            unique_rows,
            unique_share: share(unique_rows, rows),
            k: classes.sizes.iter().copied().min().unwrap_or(0),
            sizes: bands(&classes.sizes),
            diversity: sensitive.iter().map(|column| Diversity::of(&classes, column)).collect(),
        }
    }
}

/// Rows that are alone, and the size of the smallest class, of columns one of which another replaces.
pub(super) fn alone(rows: usize, columns: &[&Coded]) -> (u64, u64) {
    let classes = Classes::of(rows, columns);
    let alone = classes.sizes.iter().filter(|size| **size == 1).count() as u64;
    (alone, classes.sizes.iter().copied().min().unwrap_or(0))
}

pub(super) fn share(part: u64, rows: usize) -> f64 {
    if rows == 0 { 0.0 } else { part as f64 / rows as f64 }
}

fn bands(sizes: &[u64]) -> Vec<Band> {
    let next = BANDS.iter().skip(1).map(|next| Some(next - 1)).chain([None]);
    let band = |(from, to): (&u64, Option<u64>)| {
        let within = |size: &&u64| **size >= *from && to.is_none_or(|to| **size <= to);
        let own = sizes.iter().filter(within);
        Band { from: *from, to, classes: own.clone().count() as u64, rows: own.sum() }
    };
    BANDS.iter().zip(next).map(band).collect()
}

impl Diversity {
    fn of(classes: &Classes, column: &Coded) -> Self {
        // Which values a class has: each pair once.
        let mut pairs: Vec<(u32, u32)> = classes
            .of
            .iter()
            .copied()
            .zip(column.codes.iter().copied())
            .filter(|(_, code)| *code != MISSING)
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let (mut l, mut told_rows, mut told_rows_in_groups) = (None, 0, 0);
        for class in pairs.chunk_by(|(one, _), (other, _)| one == other) {
            let values = class.len() as u64;
            l = Some(l.map_or(values, |least: u64| least.min(values)));
            if let [(class, _)] = class {
                let rows = classes.size(*class);
                told_rows += rows;
                told_rows_in_groups += if rows > 1 { rows } else { 0 };
            }
        }
        Self { column: column.name.clone(), l, told_rows, told_rows_in_groups }
    }
}
