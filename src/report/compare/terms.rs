//! Coefficients of the same model in several reports, and how far they are apart.

use haima_fl_core::results::{Fit, Term};
use serde::Serialize;

use crate::report::model::Wording;
use crate::report::result::StepResult;
use crate::report::words::{self, Ratio};

/// Coefficients that are compared.
const MOST: usize = 1_000;

/// A coefficient, by report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TermRow {
    /// Its name.
    pub term: String,
    /// In words of the first report.
    pub label: String,
    /// By report; `None` where the model has it not.
    pub values: Vec<Option<Estimate>>,
    /// From the first report, by report; `None` of the first, where one of the two is missing, and
    /// where the models may not be compared.
    pub differences: Vec<Option<Difference>>,
}

/// An estimate in the units of the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Coefficient.
    pub coef: f64,
    /// Standard error; `null` under noise.
    pub se: f64,
    /// Ratio; in a linear model the coefficient.
    pub ratio: f64,
    /// Lower end of the ratio's 95 % interval.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// Two-sided p value.
    pub p: f64,
}

/// How far an estimate is from that of the first report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Of the coefficients: other less first.
    pub coef: f64,
    /// The same in standard errors of the first report's; `None` without one.
    pub in_se: Option<f64>,
    /// Whether the intervals have a point in common; `None` where one has none.
    pub overlap: Option<bool>,
}

/// What a ratio of these results is; `None` where they have no coefficients.
pub(super) fn ratio(results: &[Option<&StepResult>]) -> Option<Ratio> {
    match results.iter().flatten().next()? {
        StepResult::Meta(meta) => {
            Some(Ratio::of(&Fit { model: meta.model.clone(), ..Fit::default() }))
        }
        result => result.fit().map(Ratio::of),
    }
}

/// A row a coefficient, in the order in which the reports name them.
pub(super) fn rows(
    results: &[Option<&StepResult>],
    wording: Option<&Wording>,
    may: bool,
) -> Vec<TermRow> {
    let terms: Vec<Vec<&Term>> =
        results.iter().map(|result| result.map(of).unwrap_or_default()).collect();
    let mut names: Vec<&str> = Vec::new();
    for term in terms.iter().flatten().filter(|term| term.name != "(Intercept)") {
        if !names.contains(&term.name.as_str()) && names.len() < MOST {
            names.push(&term.name);
        }
    }
    names.into_iter().map(|name| row(name, &terms, wording, may)).collect()
}

/// The coefficients of a result: of a meta-analysis, the random effects.
fn of(result: &StepResult) -> Vec<&Term> {
    match result {
        StepResult::Meta(meta) => meta.terms.iter().map(|term| &term.random).collect(),
        result => result.fit().map(|fit| fit.terms.iter().collect()).unwrap_or_default(),
    }
}

fn row(name: &str, terms: &[Vec<&Term>], wording: Option<&Wording>, may: bool) -> TermRow {
    let own = |terms: &Vec<&Term>| {
        let term = terms.iter().find(|term| term.name == name)?;
        let Term { coef, se, hr, lo, hi, p, .. } = **term;
        Some(Estimate { coef, se, ratio: hr, lo, hi, p })
    };
    let values: Vec<Option<Estimate>> = terms.iter().map(own).collect();
    let first = values.first().copied().flatten().filter(|_| may);
    let mut differences = vec![None];
    for value in values.iter().skip(1) {
        differences.push(first.zip(*value).map(|(first, other)| difference(first, other)));
    }
    TermRow {
        term: name.to_owned(),
        label: wording.map_or_else(|| name.to_owned(), |wording| words::column(wording, name)),
        values,
        differences,
    }
}

fn difference(first: Estimate, other: Estimate) -> Difference {
    let coef = other.coef - first.coef;
    let ends = [first.lo, first.hi, other.lo, other.hi];
    Difference {
        coef,
        in_se: Some(coef / first.se).filter(|number| number.is_finite()),
        overlap: (!ends.iter().any(|end| end.is_nan()))
            .then_some(first.lo <= other.hi && other.lo <= first.hi),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(coef: f64, se: f64, name: &str) -> StepResult {
        let term = Term {
            name: name.into(),
            coef,
            se,
            hr: coef.exp(),
            lo: (coef - 1.96 * se).exp(),
            hi: (coef + 1.96 * se).exp(),
            z: coef / se,
            p: 0.1,
        };
        StepResult::Fit(Fit { model: "cox".into(), terms: vec![term], ..Fit::default() })
    }

    #[test]
    fn a_difference_is_in_the_first_ones_errors_and_needs_both() {
        let (a, b, c) = (fit(0.5, 0.1, "age"), fit(0.7, 0.2, "age"), fit(0.7, 0.2, "sex"));
        let found = rows(&[Some(&a), Some(&b), Some(&c), None], None, true);
        assert_eq!(found.iter().map(|row| row.term.as_str()).collect::<Vec<_>>(), ["age", "sex"]);
        let apart = found[0].differences[1].unwrap();
        assert!((apart.coef - 0.2).abs() < 1e-12 && (apart.in_se.unwrap() - 2.0).abs() < 1e-9);
        assert_eq!(apart.overlap, Some(true));
        assert_eq!(found[0].differences[2..], [None, None]);
        assert!(found[1].differences.iter().all(Option::is_none));
        let forbidden = rows(&[Some(&a), Some(&b)], None, false);
        assert_eq!(forbidden[0].differences, [None, None]);
        assert_eq!(ratio(&[Some(&a)]).unwrap().short, "HR");
    }

    #[test]
    fn without_an_error_there_is_a_difference_and_no_measure_of_it() {
        let (a, b) = (fit(0.5, f64::NAN, "age"), fit(0.7, 0.2, "age"));
        let apart = rows(&[Some(&a), Some(&b)], None, true)[0].differences[1].unwrap();
        assert_eq!((apart.in_se, apart.overlap), (None, None));
    }
}
