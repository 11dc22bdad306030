//! What a card says of the numbers that inputs are standardised by.

use haima_fl_core::learn::inputs::{Source, Term};
use haima_fl_core::schema::{Kind, Schema};

use crate::model_file::Figure;

/// How the name of an input's figure begins.
const INPUT: &str = "input ";
/// How far figures may be from those of the schema's range, in halves of it.
const NEAR: f64 = 1e-9;

/// Says the figures of inputs, which stand in the order of `terms`, for people.
pub(super) fn show(figures: &mut [Figure], terms: &[Term], schema: &Schema) {
    let own = figures.iter_mut().filter(|figure| figure.name.starts_with(INPUT));
    for (figure, term) in own.zip(terms) {
        if figure.name.strip_prefix(INPUT) == Some(term.name.as_str()) {
            figure.value = said(term, schema);
        }
    }
}

/// The schema's range where an input stands on it, else what is subtracted and divided by.
fn said(term: &Term, schema: &Schema) -> String {
    let Some((low, high)) = range(term, schema) else {
        let missing = term.missing.map(|value| format!(", missing is {}", rounded(value)));
        let (center, scale) = (rounded(term.center), rounded(term.scale));
        return format!("center {center}, scale {scale}{}", missing.unwrap_or_default());
    };
    let log = term.source == Source::Log1p;
    let how = if log { ", as log(1 + x)" } else { "" };
    let missing = term.missing.map(|value| {
        let value = term.center + value * term.scale;
        let value = if log { value.exp_m1() } else { value };
        format!(", a missing value counts as {}", rounded(value))
    });
    format!("{} to {}{how}{}", rounded(low), rounded(high), missing.unwrap_or_default())
}

/// The public range that an input is brought to [-1, 1] by.
fn range(term: &Term, schema: &Schema) -> Option<(f64, f64)> {
    let Kind::Numeric { range: (low, high), .. } = schema.column(&term.column).ok()?.kind else {
        return None;
    };
    let (from, to) = match term.source {
        Source::Value => (low, high),
        Source::Log1p => (low.ln_1p(), high.ln_1p()),
        Source::Level(_) | Source::Missing => return None,
    };
    let half = (to - from) / 2.0;
    let near = |a: f64, b: f64| (a - b).abs() <= NEAR * half;
    let is_public = term.figures.is_empty() && term.adjust.is_none();
    let stands_on_it = near(term.center, from + half) && near(term.scale, half);
    (is_public && stands_on_it).then_some((low, high))
}

/// A number to six significant digits.
fn rounded(value: f64) -> String {
    let cut: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    cut.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "one_row_per_patient = true\n\
        [[column]]\nname = \"wbc\"\nkind = \"numeric\"\nrange = [0, 500]\nmissing = true\n\
        [[column]]\nname = \"male\"\nkind = \"flag\"\n";

    fn term(column: &str, source: Source, center: f64, scale: f64) -> Term {
        Term {
            name: column.into(),
            column: column.into(),
            source,
            center,
            scale,
            missing: None,
            figures: Vec::new(),
            adjust: None,
        }
    }

    fn schema() -> Schema {
        Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_public_range_is_said_as_such_and_other_figures_are_rounded() {
        let half = 501f64.ln() / 2.0;
        let gap = Term { missing: Some(0.0), ..term("wbc", Source::Value, 250.0, 250.0) };
        for (term, expected) in [
            (term("wbc", Source::Value, 250.0, 250.0), "0 to 500"),
            (gap, "0 to 500, a missing value counts as 250"),
            (term("wbc", Source::Log1p, half, half), "0 to 500, as log(1 + x)"),
            (
                term("wbc", Source::Value, 13.273_456_789, 1.0 / 3.0),
                "center 13.2735, scale 0.333333",
            ),
            (term("male", Source::Value, 0.0, 1.0), "center 0, scale 1"),
        ] {
            assert_eq!(said(&term, &schema()), expected);
        }
    }

    #[test]
    fn only_the_figures_of_inputs_are_said_anew() {
        let figure = |name: &str| Figure {
            name: name.into(),
            value: "as it was".into(),
            origin: "public: the task file".into(),
        };
        let mut figures = [figure("steps"), figure("input wbc"), figure("input other")];
        let terms =
            [term("wbc", Source::Value, 250.0, 250.0), term("male", Source::Value, 0.0, 1.0)];
        show(&mut figures, &terms, &schema());
        let values = figures.map(|figure| figure.value);
        assert_eq!(values, ["as it was", "0 to 500", "as it was"]);
    }
}
