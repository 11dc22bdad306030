//! Covariates as a design matrix, standardised by the *public* range of the schema (rule S4).
//!
//! A numeric column becomes `(x - middle) / half range`, so it lies in [-1, 1] for every patient
//! that intake accepts: the closed-form bounds of the regression tasks rest on that. Flags and the
//! one-hot levels of a category stay 0 or 1. Names follow R's `model.matrix`: the column, or the
//! column followed by the level, the first level being the reference.
//!
//! `a:b` is the interaction of two columns that are covariates themselves: the products of their
//! terms *in raw units*, each standardised by the public range of the product. So every term is an
//! affine function of a raw term, and the coefficients of main effects mean what R's mean: those
//! where the other column is 0.

use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::{Kind, Schema};

/// Covariates of a model and how a patient's row is made of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    names: Vec<String>,
    terms: Vec<Term>,
}

/// A product of one or two raw factors, less `middle`, by `half_range`.
#[derive(Clone, Debug, PartialEq)]
struct Term {
    factors: Vec<Factor>,
    middle: f64,
    half_range: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Factor {
    name: String,
    column: String,
    /// The indicator of this level, or else the value as it is.
    level: Option<usize>,
    values: Values,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Values {
    /// From the lowest to the highest.
    Range(f64, f64),
    /// 0 or 1, which is one of so many levels.
    Indicator(usize),
}

impl Factor {
    fn is_indicator(&self) -> bool {
        matches!(self.values, Values::Indicator(_))
    }
}

impl Design {
    /// The design of these covariates, in their order.
    ///
    /// # Errors
    /// [`Error::UnknownColumn`], or [`Error::Schema`] for a covariate that is named twice, an
    /// interaction of what is no covariate, or one of more than two columns.
    pub fn new(schema: &Schema, covariates: &[String]) -> Result<Self, Error> {
        let mut design = Self { names: Vec::new(), terms: Vec::new() };
        for (position, name) in covariates.iter().enumerate() {
            let refuse = |reason: String| Err(Error::Schema { reason });
            if covariates.iter().take(position).any(|earlier| earlier == name) {
                return refuse(format!("covariate `{name}` is named twice; keep one"));
            }
            let columns: Vec<&str> = name.split(':').collect();
            match columns.as_slice() {
                [column] => design.extend(factors(schema, column)?.into_iter().map(|f| vec![f]))?,
                [a, b] => {
                    let main = |column: &str| covariates.iter().any(|other| other == column);
                    if a == b || !main(a) || !main(b) {
                        return refuse(format!(
                            "`{name}`: an interaction needs two covariates; name `{a}` and `{b}` \
                             as well"
                        ));
                    }
                    let (first, second) = (factors(schema, a)?, factors(schema, b)?);
                    // R: the levels of the first column run fastest.
                    design.extend(second.iter().flat_map(|outer| {
                        first.iter().map(|inner| vec![inner.clone(), outer.clone()])
                    }))?;
                }
                _ => return refuse(format!("`{name}`: at most two columns interact")),
            }
        }
        Ok(design)
    }

    fn extend(&mut self, terms: impl Iterator<Item = Vec<Factor>>) -> Result<(), Error> {
        for factors in terms {
            let names: Vec<&str> = factors.iter().map(|factor| factor.name.as_str()).collect();
            let name = names.join(":");
            let (middle, half_range) = standard(&factors);
            if !(half_range.is_normal() && middle.is_finite()) {
                let reason = format!("`{name}`: the product's range is out of a double's");
                return Err(Error::Schema { reason });
            }
            if self.names.contains(&name) {
                let reason = format!("two terms are named `{name}`; rename a column or a level");
                return Err(Error::Schema { reason });
            }
            self.names.push(name);
            self.terms.push(Term { factors, middle, half_range });
        }
        Ok(())
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

    /// What is subtracted from term `j` (0 for flags, levels and their products).
    #[must_use]
    pub fn center(&self, j: usize) -> f64 {
        self.terms.get(j).map_or(0.0, |term| term.middle)
    }

    /// What term `j` is divided by (1 for flags, levels and their products).
    #[must_use]
    pub fn scale(&self, j: usize) -> f64 {
        self.terms.get(j).map_or(1.0, |term| term.half_range)
    }

    /// Where term `j` is 0 or 1 and nothing else: the share of ones if all levels were equally
    /// frequent, a public middle. `None` for other terms.
    #[must_use]
    pub fn even_share(&self, j: usize) -> Option<f64> {
        let factors = &self.terms.get(j)?.factors;
        factors.iter().try_fold(1.0, |share, factor| match factor.values {
            Values::Indicator(levels) => Some(share / levels as f64),
            Values::Range(..) => None,
        })
    }

    /// The highest linear predictor `sum_j beta_j z_j` that any patient within the public ranges
    /// can have; levels of a category exclude each other.
    #[must_use]
    pub fn highest(&self, beta: &[f64]) -> f64 {
        let mut highest = 0.0;
        let mut category = ("", 0.0);
        for (term, &b) in self.terms.iter().zip(beta) {
            highest += match term.factors.as_slice() {
                [Factor { level: Some(_), column, .. }] => {
                    if category.0 != column {
                        category = (column, 0.0);
                    }
                    let above = (b - category.1).max(0.0);
                    category.1 += above;
                    above
                }
                factors if factors.iter().all(Factor::is_indicator) => b.max(0.0),
                _ => b.abs(),
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
            let mut product = 1.0;
            for factor in &term.factors {
                let Some(value) = cohort.value(&factor.column, i) else { return false };
                product *= match factor.level {
                    Some(index) => f64::from(u8::from(value == index as f64)),
                    None => value,
                };
            }
            // The clamp only catches the last bit of the division.
            *place = ((product - term.middle) / term.half_range).clamp(-1.0, 1.0);
            true
        })
    }
}

/// The raw terms of a column.
fn factors(schema: &Schema, column: &str) -> Result<Vec<Factor>, Error> {
    let factor =
        |name: String, level, values| Factor { name, column: column.to_owned(), level, values };
    Ok(match &schema.column(column)?.kind {
        Kind::Numeric { range: (low, high), .. } => {
            vec![factor(column.to_owned(), None, Values::Range(*low, *high))]
        }
        Kind::Flag => vec![factor(column.to_owned(), None, Values::Indicator(2))],
        Kind::Category { levels } => {
            let indicator = |(index, level): (usize, &String)| {
                let values = Values::Indicator(levels.len());
                factor(format!("{column}{level}"), Some(index), values)
            };
            levels.iter().enumerate().skip(1).map(indicator).collect()
        }
    })
}

/// Middle and half range of a product; (0, 1) where it is 0 or 1.
fn standard(factors: &[Factor]) -> (f64, f64) {
    if factors.iter().all(Factor::is_indicator) {
        return (0.0, 1.0);
    }
    let (mut low, mut high): (f64, f64) = (1.0, 1.0);
    for factor in factors {
        let (a, b) = match factor.values {
            Values::Range(low, high) => (low, high),
            Values::Indicator(_) => (0.0, 1.0),
        };
        let ends = [low * a, low * b, high * a, high * b];
        low = ends.iter().copied().fold(f64::INFINITY, f64::min);
        high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    }
    let half_range = (high - low) / 2.0;
    (low + half_range, half_range)
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

    #[test]
    fn interactions_are_products_of_raw_terms_named_as_r_names_them() {
        let schema = schema();
        let names = covariates(&["age", "male", "group", "male:age", "group:male"]);
        let design = Design::new(&schema, &names).unwrap();
        assert_eq!(design.names()[4..], ["male:age", "groupAML:male", "groupMDS:male"]);
        assert_eq!((design.center(4), design.scale(4)), (50.0, 50.0));
        assert_eq!((design.center(5), design.scale(5)), (0.0, 1.0));
        let shares: Vec<Option<f64>> = (0..7).map(|j| design.even_share(j)).collect();
        let (half, third, sixth) = (Some(0.5), Some(1.0 / 3.0), Some(1.0 / 3.0 / 2.0));
        assert_eq!(shares, [None, half, third, third, None, sixth, sixth]);
        let csv = "age,male,group\n40,1,MDS\n100,0,ALL\n";
        let cohort = Cohort::from_reader("site.csv", csv.as_bytes(), &schema).unwrap();
        let mut row = [f64::NAN; 7];
        assert!(design.row(&cohort, 0, &mut row));
        assert_eq!(row[4..], [-0.2, 0.0, 1.0]);
        assert!(design.row(&cohort, 1, &mut row));
        assert_eq!(row[4..], [-1.0, 0.0, 0.0]);
        for bad in [&["age", "age:male"][..], &["age", "age:age"], &["age", "male", "age:male:age"]]
        {
            assert!(matches!(Design::new(&schema, &covariates(bad)), Err(Error::Schema { .. })));
        }
    }
}
