//! Covariates as a design matrix, standardised by the *public* range of the schema (rule S4).
//!
//! A numeric column becomes `(x - middle) / half range`, so it lies in [-1, 1] for every patient
//! that intake accepts: the closed-form bounds of the Cox and logistic tasks rest on that. Flags
//! and the one-hot levels of a category stay 0 or 1. Names follow R's `model.matrix`: the column,
//! or the column followed by the level, the first level being the reference.

use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::{Kind, Schema};

/// Covariates of a model and how a patient's row is made of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    names: Vec<String>,
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq)]
struct Term {
    column: String,
    encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Encoding {
    Standardised { middle: f64, half_range: f64 },
    Flag,
    Level(usize),
}

impl Design {
    /// The design of these covariates, in their order.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`], or [`Error::Schema`] for a covariate that is named twice.
    pub fn new(schema: &Schema, covariates: &[String]) -> Result<Self, Error> {
        let mut design = Self { names: Vec::new(), terms: Vec::new() };
        for (position, name) in covariates.iter().enumerate() {
            if covariates.iter().take(position).any(|earlier| earlier == name) {
                return Err(Error::Schema {
                    reason: format!("covariate `{name}` is named twice; keep one"),
                });
            }
            match &schema.column(name)?.kind {
                Kind::Numeric { range: (low, high), .. } => {
                    let half_range = (high - low) / 2.0;
                    let encoding = Encoding::Standardised { middle: low + half_range, half_range };
                    design.push(name.clone(), name, encoding);
                }
                Kind::Flag => design.push(name.clone(), name, Encoding::Flag),
                Kind::Category { levels } => {
                    for (index, level) in levels.iter().enumerate().skip(1) {
                        design.push(format!("{name}{level}"), name, Encoding::Level(index));
                    }
                }
            }
        }
        Ok(design)
    }

    fn push(&mut self, name: String, column: &str, encoding: Encoding) {
        self.names.push(name);
        self.terms.push(Term { column: column.to_owned(), encoding });
    }

    /// Number of terms.
    #[must_use]
    pub fn width(&self) -> usize {
        self.terms.len()
    }

    /// Names of the terms.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What is subtracted from term `j` (0 for flags and levels).
    #[must_use]
    pub fn center(&self, j: usize) -> f64 {
        match self.terms.get(j).map(|term| term.encoding) {
            Some(Encoding::Standardised { middle, .. }) => middle,
            _ => 0.0,
        }
    }

    /// What term `j` is divided by (1 for flags and levels).
    #[must_use]
    pub fn scale(&self, j: usize) -> f64 {
        match self.terms.get(j).map(|term| term.encoding) {
            Some(Encoding::Standardised { half_range, .. }) => half_range,
            _ => 1.0,
        }
    }

    /// The highest linear predictor `sum_j beta_j z_j` that any patient within the public ranges
    /// can have; levels of a category exclude each other.
    #[must_use]
    pub fn highest(&self, beta: &[f64]) -> f64 {
        let mut highest = 0.0;
        let mut category = ("", 0.0);
        for (term, &b) in self.terms.iter().zip(beta) {
            highest += match term.encoding {
                Encoding::Standardised { .. } => b.abs(),
                Encoding::Flag => b.max(0.0),
                Encoding::Level(_) => {
                    if category.0 != term.column {
                        category = (&term.column, 0.0);
                    }
                    let above = (b - category.1).max(0.0);
                    category.1 += above;
                    above
                }
            };
        }
        highest
    }

    /// Writes patient `i`'s standardised terms, each in [-1, 1], into `out`, which has
    /// [`Design::width`] places. False, with `out` unspecified, when any covariate is missing.
    #[must_use]
    pub fn row(&self, cohort: &Cohort, i: usize, out: &mut [f64]) -> bool {
        debug_assert_eq!(out.len(), self.width());
        self.terms.iter().zip(out).all(|(term, place)| {
            let Some(value) = cohort.value(&term.column, i) else { return false };
            *place = match term.encoding {
                // The clamp only catches the last bit of the division.
                Encoding::Standardised { middle, half_range } => {
                    ((value - middle) / half_range).clamp(-1.0, 1.0)
                }
                Encoding::Flag => value,
                Encoding::Level(index) => f64::from(u8::from(value == index as f64)),
            };
            true
        })
    }
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
            [[column]]
            name = "male"
            kind = "flag"
            [[column]]
            name = "group"
            kind = "category"
            levels = ["ALL", "AML", "MDS"]
            missing = true
        "#;
        Schema::from_toml(&text.parse().unwrap()).unwrap()
    }

    fn covariates(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_follow_r_and_the_first_level_is_the_reference() {
        let design = Design::new(&schema(), &covariates(&["group", "male", "age"])).unwrap();
        assert_eq!(design.names(), ["groupAML", "groupMDS", "male", "age"]);
        assert_eq!((design.center(3), design.scale(3)), (60.0, 40.0));
        assert_eq!((design.center(0), design.scale(0), design.scale(2)), (0.0, 1.0, 1.0));
    }

    #[test]
    fn rows_are_standardised_by_the_public_range_and_refused_when_incomplete() {
        let schema = schema();
        let csv = "age,male,group\n20,1,MDS\n100,0,ALL\n60,0,\n";
        let cohort = Cohort::from_reader("site.csv", csv.as_bytes(), &schema).unwrap();
        let design = Design::new(&schema, &covariates(&["age", "male", "group"])).unwrap();
        let mut row = [f64::NAN; 4];
        assert!(design.row(&cohort, 0, &mut row));
        assert_eq!(row, [-1.0, 1.0, 0.0, 1.0]);
        assert!(design.row(&cohort, 1, &mut row));
        assert_eq!(row, [1.0, 0.0, 0.0, 0.0]);
        assert!(!design.row(&cohort, 2, &mut row), "a missing level");
        assert!(!design.row(&cohort, 3, &mut row), "no such patient");
    }

    #[test]
    fn the_highest_linear_predictor_takes_one_level_of_a_category() {
        let design = Design::new(&schema(), &covariates(&["age", "group", "male"])).unwrap();
        // Age -1, the better of two levels, and not male.
        assert_eq!(design.highest(&[-2.0, 0.5, 0.75, -4.0]), 2.75);
        assert_eq!(design.highest(&[2.0, 0.75, 0.5, 4.0]), 6.75);
        // Both levels below the reference.
        assert_eq!(design.highest(&[0.0, -1.0, -2.0, 0.0]), 0.0);
    }

    #[test]
    fn a_covariate_that_is_named_twice_or_unknown_is_refused() {
        let twice = Design::new(&schema(), &covariates(&["age", "age"]));
        assert!(matches!(twice, Err(Error::Schema { .. })));
        let unknown = Design::new(&schema(), &covariates(&["weight"]));
        assert!(matches!(unknown, Err(Error::UnknownColumn { column, .. }) if column == "weight"));
    }
}
