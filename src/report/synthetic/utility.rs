//! Train on virtual, test on real, beside train on real, test on real.

use maud::{Markup, html};

use super::super::{numbers, page::class_badge, page::scroll};
use super::{SyntheticReport, Utility, share};

/// The section's body.
pub(super) fn body(report: &SyntheticReport) -> Markup {
    let rows = &report.utility;
    let agreed = rows.iter().any(|row| row.tolerance.is_some());
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Prediction" }
                th scope="col" { "Figure" }
                th.num scope="col" { "Fitted to real" }
                th.num scope="col" { "Fitted to virtual" }
                th.num scope="col" { "Loss" }
                @if agreed { th scope="col" { "Within what was agreed" } }
            } }
            tbody { @for row in rows { (line(row, agreed)) } }
        }
    };
    html! {
        p {
            "The same model was fitted twice, to real and to virtual patients, and both were judged on the same real ones: "
            "what is lost is the price of learning from virtual patients."
        }
        (scroll("Models of virtual and of real patients", &body))
        p.note { "In brackets: 95% intervals, where the number of patients is known. Both figures rest on the same patients, so their intervals say little of the loss itself." }
    }
}

fn line(row: &Utility, agreed: bool) -> Markup {
    let gain = row.synthetic.value - row.real.value;
    let loss = if row.higher_is_better { -gain } else { gain };
    html! {
        tr {
            th scope="row" { (row.outcome) br; span.quiet { (row.model) "; judged on " (row.judged_on) } br; (class_badge(&row.class)) }
            td {
                (row.measure) br;
                span.quiet { @if row.higher_is_better { "more is better" } @else { "less is better" } }
            }
            td.num { (share(&row.real)) }
            td.num { (share(&row.synthetic)) }
            td.num { (numbers::decimal(loss, 3)) }
            @if agreed {
                td {
                    @match row.tolerance {
                        Some(most) if loss <= most => span.badge.yes { "yes: at most " (numbers::decimal(most, 3)) },
                        Some(most) => span.badge.no { "no: more than " (numbers::decimal(most, 3)) },
                        None => "–",
                    }
                }
            }
        }
    }
}
