//! How far tables of one, two and three columns are from those of real patients, and whether trees
//! can tell the two apart.

use haima_fl_core::results::fidelity::{Fidelity, Pair, Workload};
use maud::{Markup, html};

use super::super::{numbers, page::scroll, words};
use super::hidden::{self, DASH};
use super::{facts, heat};
use crate::report::model::Wording;

/// Pairs that are printed.
const MOST_PAIRS: usize = 12;

/// The section's body.
pub(super) fn body(fidelity: &Fidelity, wording: &Wording, min_cell: u64) -> Markup {
    html! {
        p {
            "A distance of two tables is the share of patients who would have to be moved to another cell to make "
            "them equal: 0 for the same table, 1 for nothing in common. Two groups of real patients differ as well; "
            "“by chance” is the mean distance if real and virtual patients were of one kind"
            @if fidelity.noise.is_some() { ", with the noise on the real counts" }
            ". “Columns shuffled” is that of the same virtual patients with each column shuffled by itself: with every column "
            "as it was, and nothing that goes together. Only what lies well below it is a sign that associations were kept."
        }
        @if !is_of_others(fidelity) {
            p.note {
                "Where these are the patients whom the generator was made from, it has seen their own chance: a distance below "
                "“by chance” is then no sign of a good generator. Patients who were kept out of its making (`holdout`) show how "
                "near it is to others."
            }
        }
        p.note {
            (real_patients(fidelity, min_cell)) " beside " (numbers::counted(fidelity.rows, "virtual patient", "virtual patients")) ". "
            @if let Some(noise) = fidelity.noise {
                "Each real count is off by noise of standard deviation " (numbers::significant(noise)) "."
            }
        }
        @if hidden::any(fidelity) {
            p.note {
                "A dash stands for a number from which a level with few real patients could be worked out. Of single columns "
                "the mean takes such levels of a column as one; the whole one is as large (≥) or larger."
            }
        }
        (orders(fidelity))
        (heat::figure(fidelity, wording))
        (worst(&fidelity.workload, wording))
        (pairs(&fidelity.pairs, wording))
        (trees(fidelity, min_cell))
    }
}

/// Whether the real patients are known to be others than those of the generator's making.
fn is_of_others(fidelity: &Fidelity) -> bool {
    fidelity.subset == "holdout"
}

fn real_patients(fidelity: &Fidelity, min_cell: u64) -> Markup {
    let noun = if fidelity.n.round() == 1.0 { "real patient" } else { "real patients" };
    let of_whom = match fidelity.subset.as_str() {
        "holdout" => ", kept out of the generator's making,",
        "training" => ", all of the generator's making,",
        _ => "",
    };
    html! {
        @if fidelity.noise.is_some() { "About " }
        (hidden::patients(fidelity.n, min_cell)) " " (noun) " of "
        (numbers::counted(fidelity.sites, "hospital", "hospitals")) (of_whom)
    }
}

fn orders(fidelity: &Fidelity) -> Markup {
    let shuffled = fidelity.workload.iter().any(|order| order.shuffled.is_some());
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Tables of" }
                th.num scope="col" { "Tables" }
                th.num scope="col" { "Mean distance" }
                th.num scope="col" { "By chance" }
                @if shuffled { th.num scope="col" { "Columns shuffled" } }
            } }
            tbody {
                @for order in &fidelity.workload {
                    @let joined = order.degree == 1 && hidden::any(fidelity);
                    tr {
                        th scope="row" { (numbers::counted(order.degree, "column", "columns")) }
                        td.num {
                            (numbers::count(order.tables))
                            @if order.tables < order.of { " of " (numbers::count(order.of)) }
                        }
                        td.num { (hidden::at_least(joined, order.tv, 3)) }
                        td.num { (hidden::decimal(order.chance, 3)) }
                        @if shuffled { td.num { (hidden::decimal(order.shuffled.unwrap_or(f64::NAN), 3)) } }
                    }
                }
            }
        }
    };
    scroll("Mean distances by order", &body)
}

fn worst(workload: &[Workload], wording: &Wording) -> Markup {
    let Some(order) = workload.iter().rev().find(|order| order.degree > 1) else { return html! {} };
    let shown: Vec<_> = order.worst.iter().filter(|table| table.tv.is_finite()).collect();
    if shown.is_empty() {
        return html! {};
    }
    html! {
        h3 { "Where the fit is worst" }
        ul {
            @for table in shown {
                @let names: Vec<String> = table.columns.iter().map(|name| words::column(wording, name)).collect();
                li {
                    (names.join(", ")) ": " (hidden::decimal(table.tv, 2)) ", by chance "
                    (hidden::decimal(table.chance, 2))
                }
            }
        }
    }
}

/// Those of which the strength differs most; those that are not printed come last.
fn pairs(pairs: &[Pair], wording: &Wording) -> Markup {
    let gap = |pair: &Pair| match pair.association {
        Some((real, virtual_)) if !real.is_nan() => (real - virtual_).abs(),
        _ => -1.0,
    };
    let is_shown = |pair: &&Pair| {
        let both = [pair.association, pair.correlation];
        pair.association.is_some() && both.iter().flatten().any(|(real, _)| real.is_finite())
    };
    let mut known: Vec<&Pair> = pairs.iter().filter(is_shown).collect();
    let hidden = pairs.iter().filter(|pair| pair.association.is_some()).count() - known.len();
    known.sort_by(|a, b| gap(b).total_cmp(&gap(a)));
    let left_out = known.len().saturating_sub(MOST_PAIRS);
    known.truncate(MOST_PAIRS);
    let rank = |pair: &Pair, of: fn((f64, f64)) -> f64| {
        let of = |both| hidden::decimal(of(both), 2);
        pair.correlation.map_or_else(|| DASH.to_owned(), of)
    };
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Columns" }
                th.num scope="col" { "Association, real" }
                th.num scope="col" { "virtual" }
                th.num scope="col" { "Rank correlation, real" }
                th.num scope="col" { "virtual" }
            } }
            tbody {
                @for pair in &known {
                    @if let Some((real, virtual_)) = pair.association {
                        tr {
                            th scope="row" { (words::column(wording, &pair.a)) " and " (words::column(wording, &pair.b)) }
                            td.num { (hidden::decimal(real, 2)) }
                            td.num { (numbers::decimal(virtual_, 2)) }
                            td.num { (rank(pair, |both| both.0)) }
                            td.num { (rank(pair, |both| both.1)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        @if !known.is_empty() || hidden > 0 {
            h3 { "How columns go together" }
        }
        @if hidden > 0 {
            p.note {
                "Of " (numbers::counted(hidden as u64, "pair", "pairs")) " the real side is not shown: a level with few real patients could be worked out."
            }
        }
        @if !known.is_empty() {
            (scroll("Association of columns", &body))
            p.note {
                "Association: Cramér’s V, 0 for none and 1 where one column gives the other. Those of which it differs most"
                @if left_out > 0 { "; " (numbers::counted(left_out as u64, "more pair stands", "more pairs stand")) " in report.json" }
                "."
            }
        }
    }
}

fn trees(fidelity: &Fidelity, min_cell: u64) -> Markup {
    let Some(found) = &fidelity.c2st else { return html! {} };
    let judged = format!("{} real patients", hidden::patients(found.n, min_cell));
    // Simulated: forests of two samples of one kind scatter by 0.55 over the root of their number.
    let scatter = numbers::decimal(1.1 / found.n.max(1.0).sqrt(), 2);
    let row = (
        "Told apart by trees (AUC)",
        numbers::decimal(found.auc, 3),
        format!(
            "Chance that a forest of decision trees, trained to tell them apart, ranks a real patient before \
             a virtual one: 0.5 when it cannot, by chance give or take about {scatter}; 1 when it always can. \
             Mean over hospitals, {judged}. Each hospital compares with its own patients, so what is special to a hospital counts too."
        ),
    );
    html! { h3 { "Can they be told apart?" } (facts("Classifier two-sample test", &[row])) }
}
