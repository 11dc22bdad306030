//! The meta-analysis of the hospitals' own models: one figure with both estimates of each
//! coefficient, and how far hospitals differ.

use haima_fl_core::results::meta::{Meta, MetaTerm};
use haima_fl_core::results::{Fit, Term};
use maud::{Markup, html};

use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::words::{self, Ratio};
use super::{forest, numbers};

/// The part of one step.
pub(super) fn section(step: &Step, result: &Meta, wording: &Wording, floors: &Floors) -> Markup {
    let drawn = both_effects(result, wording);
    let name = Ratio::of(&drawn);
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        figure {
            (forest::figure(&drawn, wording))
            figcaption {
                (name.long) "s over "
                (numbers::counted(result.sites, "hospital", "hospitals"))
                ", each of which fitted its own "
                @match result.model.as_str() { "cox" => "Cox model", "logistic" => "logistic model", other => (other) }
                " (" (numbers::counted_cell(result.n, floors.min_cell, "complete case", "complete cases")) ", "
                (words::events(wording, result.events, floors.min_cell)) "). "
                b { "There is no row for a hospital: " }
                "a hospital's own estimate is what the secure sums keep from everybody, so only what all have "
                "in common can be drawn."
            }
        }
        (table(result, &name, wording))
        p.note {
            "Random effects by DerSimonian and Laird. τ²: variance of the coefficient between hospitals. "
            "I²: share of the variance that lies between hospitals. Q: Cochran's test that they do not differ. "
            "The prediction interval is where the " (name.long.to_lowercase())
            " of a further hospital is expected. Ratios as in the figure; τ² per one unit of the column."
        }
    }
}

/// A row for each coefficient's random effect, and one for its fixed effect, in the multiple that the
/// wording asks for.
fn both_effects(result: &Meta, wording: &Wording) -> Fit {
    let row = |term: &Term, effect: &str| {
        let (hr, lo, hi) = words::scaled(term, wording);
        let label = words::term(wording, &term.name);
        Term { name: format!("{label}, {effect}"), hr, lo, hi, ..term.clone() }
    };
    let rows = |term: &MetaTerm| [row(&term.random, "random"), row(&term.fixed, "fixed")];
    Fit {
        model: result.model.clone(),
        terms: result.terms.iter().flat_map(rows).collect(),
        ..Fit::default()
    }
}

fn table(result: &Meta, name: &Ratio, wording: &Wording) -> Markup {
    let ratio = |(hr, lo, hi): (f64, f64, f64)| {
        let (estimate, interval) = numbers::ratio(hr, lo, hi);
        format!("{estimate} ({interval})")
    };
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Covariate" }
                th.num scope="col" { "Random " (name.short) " (95% CI)" }
                th.num scope="col" { "Prediction interval" }
                th.num scope="col" { "Fixed " (name.short) " (95% CI)" }
                th.num scope="col" { "τ²" }
                th.num scope="col" { "I²" }
                th.num scope="col" { "Q (df), p" }
            } }
            tbody {
                @for term in &result.terms {
                    @let per = words::per(&term.random.name, wording);
                    @let (_, prediction) = numbers::ratio(
                        term.random.hr.powf(per), term.pi_lo.powf(per), term.pi_hi.powf(per)
                    );
                    tr {
                        th scope="row" { (words::term(wording, &term.random.name)) }
                        td.num { (ratio(words::scaled(&term.random, wording))) }
                        td.num { (prediction) }
                        td.num { (ratio(words::scaled(&term.fixed, wording))) }
                        td.num { (numbers::significant(term.tau2)) }
                        td.num { (numbers::decimal(term.i2, 0)) "%" }
                        td.num { (numbers::decimal(term.q, 2)) " (" (term.df) "), " (numbers::p_cell(term.q_p)) }
                    }
                }
            }
        }
    };
    scroll("Meta-analysis", &body)
}
