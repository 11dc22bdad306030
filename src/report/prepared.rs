//! Preprocessing: figures that standardise columns, and batch terms of scanners or hospitals.

use haima_fl_core::results::combat::Combat;
use haima_fl_core::results::prepare::{Figures, Kind, Prepared};
use maud::{Markup, html};

use super::cells::{Shown, suppress};
use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::{numbers, words};

/// The part of one `prepare`.
pub(super) fn figures(step: &Step, result: &Prepared, wording: &Wording) -> Markup {
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Column" }
                th.num scope="col" { "Missing" }
                th scope="col" { "Figures" }
            } }
            tbody {
                @for column in &result.columns {
                    tr {
                        th scope="row" { (words::column(wording, &column.column)) }
                        td.num { (numbers::percent(column.missing)) }
                        td { (of(column)) }
                    }
                }
            }
        }
    };
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        (scroll("Figures of the columns", &body))
        @if let Some(id) = &result.harmonised {
            p.note { "After the adjustment of " code { (id) } "." }
        }
    }
}

fn of(column: &Figures) -> Markup {
    let unit = |value: f64| match column.unit.as_str() {
        "" => numbers::significant(value),
        unit => format!("{} {unit}", numbers::significant(value)),
    };
    html! {
        @match &column.of {
            Kind::Numeric { log1p, mean, sd, median, public, .. } => {
                @if *log1p {
                    "log(1 + value): mean " (numbers::significant(*mean)) ", SD " (numbers::significant(*sd))
                } @else {
                    "mean " (unit(*mean)) ", SD " (unit(*sd)) ", median " (unit(*median))
                }
                @if *public { " (the public range: fewer than two patients are known)" }
            }
            Kind::Levels { levels, shares, public, .. } => {
                @for (i, (level, share)) in levels.iter().zip(shares).enumerate() {
                    @if i > 0 { ", " }
                    (level) " " (numbers::percent(*share))
                }
                @if *public { " (nobody is known)" }
            }
        }
    }
}

/// How the patients of each batch are printed: they add up to all, who are printed too.
pub(super) fn batch_sizes(result: &Combat, min_cell: u64) -> Vec<Shown> {
    let sizes = result.batches.iter().map(|batch| batch.n);
    let line = std::iter::once(result.n).chain(sizes).collect();
    suppress(&[line], false, min_cell).concat().into_iter().skip(1).collect()
}

/// The part of one `combat`.
pub(super) fn batches(step: &Step, result: &Combat, wording: &Wording, floors: &Floors) -> Markup {
    let name = |column: &str| words::column(wording, column);
    let sizes = batch_sizes(result, floors.min_cell);
    let regression = html! {
        table {
            thead { tr {
                th scope="col" { "Column" }
                th.num scope="col" { "Mean" }
                th.num scope="col" { "Residual SD" }
                @for (batch, size) in result.batches.iter().zip(&sizes) {
                    th.num scope="col" {
                        (batch.level) " (n " (size.text(floors.min_cell, None)) ")"
                    }
                }
            } }
            tbody {
                @for (i, feature) in result.features.iter().enumerate() {
                    tr {
                        th scope="row" { (name(&feature.column)) }
                        td.num { (numbers::significant(feature.mean)) }
                        td.num { (numbers::significant(feature.sd)) }
                        @for batch in &result.batches {
                            td.num {
                                (numbers::decimal(batch.gamma.get(i).copied().unwrap_or(f64::NAN), 2))
                                " × "
                                (numbers::decimal(batch.delta.get(i).map_or(f64::NAN, |d| d.sqrt()), 2))
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        (scroll("Batch terms", &regression))
        p.note {
            "Batches: "
            @if result.batches.is_empty() {
                "hospitals. What a hospital adds stays with it; the table is of all together. "
            } @else {
                (name(&result.batch)) ". Of each, its shift and its spread, in residual standard deviations. "
            }
            (numbers::counted_cell(result.n, floors.min_cell, "patient", "patients")) ", "
            (numbers::counted(result.sites, "hospital", "hospitals")) "."
        }
    }
}
