//! Coefficients under the display rule, where the sums are exact.
//!
//! The standard error of a level's coefficient is never below `1 / sqrt(events)` of that level, nor of
//! the level that it is compared with: each event adds at most 1 to the information. So:
//!
//! - where a category or flag has a hidden level, none of its coefficients is shown;
//! - nor is one, but for those of numbers, whose error fewer than `min_cell` events can give;
//! - what is left has three digits, and ratios, intervals and tests are made of these.

use haima_fl_core::results::fidelity::{Column, Scale};
use haima_fl_core::results::{Fit, Term};
use haima_fl_core::stat::wald;

use super::super::RatioPair;
use super::has_hidden;
use crate::report::model::Class;

/// Leaves the coefficients that are shown; `columns` have their hidden levels already, and `is_public`
/// is as in [`super::tables::fidelity`].
pub(super) fn hide(pair: &mut RatioPair, columns: &[Column], min_cell: u64, is_public: bool) {
    if pair.class != Class::Exact || min_cell <= 1 {
        return;
    }
    let RatioPair { real, synthetic, .. } = pair;
    let has_events = real.model != "linear";
    real.terms.retain(|term| !tells(term, columns, min_cell, has_events));
    cut(real);
    if !is_public {
        synthetic.terms.retain(|own| real.terms.iter().any(|term| term.name == own.name));
        // In the order of all terms.
        synthetic.naive_se = None;
    }
}

/// Whether a coefficient tells of a hidden level, or of few events.
fn tells(term: &Term, columns: &[Column], min_cell: u64, has_events: bool) -> bool {
    let is_number = |own: &Column| own.scale == Scale::Number && own.name == term.name;
    if term.name == "(Intercept)" || columns.iter().any(is_number) {
        return false;
    }
    let is_category = |own: &Column| matches!(own.scale, Scale::Levels | Scale::Ordered);
    // A term is named after its column, with the level behind it.
    let is_hidden =
        |own: &Column| is_category(own) && has_hidden(own) && term.name.starts_with(&own.name);
    let of_few = has_events && (term.se.is_nan() || term.se * term.se * min_cell as f64 > 1.0);
    of_few || columns.iter().any(is_hidden)
}

/// Leaves three digits of all that a fit says.
fn cut(fit: &mut Fit) {
    let is_linear = fit.model == "linear";
    for term in &mut fit.terms {
        if is_linear {
            let Term { coef, se, hr, lo, hi, z, p, .. } = term;
            for number in [coef, se, hr, lo, hi, z, p] {
                *number = significant(*number);
            }
        } else {
            *term = wald(&term.name, significant(term.coef), significant(term.se));
        }
    }
    for number in [&mut fit.loglik, &mut fit.loglik_null]
        .into_iter()
        .chain(&mut fit.deviance)
        .chain(&mut fit.dispersion)
    {
        *number = significant(*number);
    }
    fit.naive_se = None;
}

/// Three significant digits of a number.
fn significant(number: f64) -> f64 {
    format!("{number:.2e}").parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, scale: Scale, real: &[f64]) -> Column {
        Column {
            name: name.into(),
            scale,
            levels: vec![String::new(); real.len()],
            missing: false,
            real: real.to_vec(),
            synthetic: real.to_vec(),
            tv: 0.1,
            chance: 0.1,
            ks: None,
        }
    }

    fn pair(terms: Vec<Term>) -> RatioPair {
        let real = Fit { model: "cox".into(), loglik: -1234.567, terms, ..Fit::default() };
        RatioPair { title: String::new(), class: Class::Exact, synthetic: real.clone(), real }
    }

    fn names(fit: &Fit) -> Vec<&str> {
        fit.terms.iter().map(|term| term.name.as_str()).collect()
    }

    #[test]
    fn no_coefficient_tells_of_a_hidden_level_or_of_few_events() {
        let columns = [
            column("sub", Scale::Levels, &[140.0, f64::NAN, f64::NAN]),
            column("sex", Scale::Levels, &[100.0, 140.0]),
            column("age", Scale::Number, &[f64::NAN, f64::NAN, 200.0]),
        ];
        // Four events of a level give at least 0.5; five at least 0.447.
        let terms = || {
            vec![
                wald("age", 0.031_234_5, 0.9),
                wald("subB", 0.2, 0.1),
                wald("subC", 0.2, 0.7),
                wald("sex", 0.2, 0.44),
                wald("stageII", 0.2, 0.5),
            ]
        };
        let mut both = pair(terms());
        hide(&mut both, &columns, 5, true);
        assert_eq!((names(&both.real), names(&both.synthetic).len()), (vec!["age", "sex"], 5));
        assert_eq!((both.real.terms[0].coef, both.real.loglik), (0.0312, -1230.0));
        assert_eq!(both.real.terms[0].hr, wald("age", 0.0312, 0.9).hr);
        hide(&mut both, &columns, 5, false);
        assert_eq!(names(&both.synthetic), ["age", "sex"]);
        let again = both.clone();
        hide(&mut both, &columns, 5, false);
        assert_eq!(format!("{both:?}"), format!("{again:?}"), "hidden once, it stays as it is");
        let mut open = pair(terms());
        hide(&mut open, &columns, 0, false);
        assert_eq!(format!("{open:?}"), format!("{:?}", pair(terms())));
    }
}
