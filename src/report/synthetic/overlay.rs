//! Kaplan-Meier curves of real and of virtual patients, group by group, with how far they are apart.

use haima_fl_core::results::Curve;
use haima_fl_core::synth::metrics::survival::{Comparison, compare, logrank};
use maud::{Markup, html};

use super::super::curves::{Seen, TimeAxis};
use super::super::page::{class_badge, scroll};
use super::super::survival_figure::Figure;
use super::super::{numbers, plot, words};
use super::{SurvivalPair, SyntheticReport};
use crate::report::model::{Class, Wording};

/// The section's body.
pub(super) fn body(report: &SyntheticReport) -> Markup {
    html! {
        @for pair in &report.survival { (of_pair(pair, &report.wording, report.min_cell)) }
        dl.explain {
            dt { "Divergence" } dd { "Mean distance of the two curves over all of the follow-up that is drawn, whichever is higher." }
            dt { "Optimism" } dd { "Mean height of the virtual curve above the real one: above 0, virtual patients live longer." }
            dt { "Short-sightedness" } dd { "By how much of the follow-up the virtual curve ends before the real one; below 0 it goes on longer." }
            dt { "Log-rank test" } dd {
                "Whether the two differ by more than chance, over all that is drawn. It hardly sees a difference of curves that "
                "cross: more events early and fewer later cancel. And it grows with the number of virtual patients, which is "
                "free: read it beside the distance, not alone."
            }
        }
    }
}

/// The two curves of one group.
struct Group<'a> {
    name: String,
    real: &'a Curve,
    synthetic: &'a Curve,
}

fn groups<'a>(pair: &'a SurvivalPair, wording: &Wording) -> Vec<Group<'a>> {
    let of = |real: &'a Curve| {
        let synthetic = pair.synthetic.curves.iter().find(|own| own.group == real.group)?;
        Some(Group { name: words::group(wording, &real.group), real, synthetic })
    };
    pair.real.curves.iter().filter_map(of).collect()
}

fn of_pair(pair: &SurvivalPair, wording: &Wording, min_cell: u64) -> Markup {
    let groups = groups(pair, wording);
    html! {
        h3 { (pair.title) " " (class_badge(&pair.class)) }
        @if groups.is_empty() {
            p { "No group has enough real patients and events to draw a curve." }
        } @else {
            @for group in &groups { (figure(group, groups.len() > 1, wording, min_cell)) }
            (table(&groups, pair, min_cell))
            p.note {
                (totals(pair, wording, min_cell)) " "
                "Bands: pointwise 95% intervals. That of the virtual curve knows its rows alone, not the making of the generator. "
                @if pair.class != Class::Exact { "Noise is in no interval." }
                @if min_cell > 1 {
                    " A curve ends before fewer than " (min_cell) " of it remain at risk, and earlier where the rest of another "
                    "group could be found by subtraction: of two groups, both end together. Groups of fewer patients or events, "
                    "and those from which they could be worked out, have none. Each step of one that is drawn tells how many "
                    "had the event or were censored there, few as they are."
                }
            }
        }
    }
}

/// Patients and events of the real curves that are drawn, to the end of follow-up.
fn totals(pair: &SurvivalPair, wording: &Wording, min_cell: u64) -> String {
    format!(
        "Real curves: {} with {}, those after a curve's end among them.",
        numbers::counted_cell(pair.real.n, min_cell, "patient", "patients"),
        words::events(wording, pair.real.events, min_cell),
    )
}

fn figure(group: &Group<'_>, is_named: bool, wording: &Wording, min_cell: u64) -> Markup {
    let named = |curve: &Curve, name: &str| Curve { group: name.to_owned(), ..curve.clone() };
    let curves = [named(group.real, "Real"), named(group.synthetic, "Virtual")];
    let both: [&Curve; 2] = curves.each_ref();
    let axis = TimeAxis::new(&both, wording, min_cell);
    // What groups add up to was looked at before they came here.
    let seen = both.map(|curve| Seen::alone(curve, min_cell));
    let figure = Figure { curves: &seen, axis: &axis, wording, min_cell, is_cut: min_cell > 1 };
    html! {
        figure {
            @if is_named { figcaption { b { (group.name) } } }
            (plot::both(|size| figure.draw(size)))
        }
    }
}

fn table(groups: &[Group<'_>], pair: &SurvivalPair, min_cell: u64) -> Markup {
    // Of noised counts the statistic has another distribution.
    let tested = pair.class == Class::Exact;
    let figure = |of: Option<Comparison>, one: fn(Comparison) -> f64| {
        of.map_or_else(|| "–".to_owned(), |found| numbers::decimal(one(found), 3))
    };
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Group" }
                th.num scope="col" { "Real" }
                th.num scope="col" { "Virtual" }
                th.num scope="col" { "Divergence" }
                th.num scope="col" { "Optimism" }
                th.num scope="col" { "Short-sightedness" }
                @if tested { th.num scope="col" { "Log-rank p" } }
            } }
            tbody {
                @for group in groups {
                    @let found = compare(group.real, group.synthetic);
                    tr {
                        th scope="row" { (group.name) }
                        td.num { (numbers::cell(group.real.n, min_cell)) }
                        td.num { (numbers::count(group.synthetic.n)) }
                        td.num { (figure(found, |found| found.divergence)) }
                        td.num { (figure(found, |found| found.optimism)) }
                        td.num { (figure(found, |found| found.short_sightedness)) }
                        @if tested { td.num { (numbers::p_cell(logrank(group.real, group.synthetic).p)) } }
                    }
                }
            }
        }
    };
    scroll("Distance of the curves", &body)
}
