//! Principal components: how much of the variance each explains, what it is made of, and the
//! correlations of the columns.

use haima_fl_core::results::pca::Pca;
use maud::{Markup, html};

use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::plot::{self, Scale, Size, unit};
use super::{numbers, words};

/// Components and columns that are printed.
const MOST: usize = 8;

/// The part of one step.
pub(super) fn section(step: &Step, result: &Pca, wording: &Wording, floors: &Floors) -> Markup {
    let names: Vec<String> =
        result.columns.iter().map(|column| words::column(wording, column)).collect();
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        figure {
            (plot::both(|size| shares(result, size)))
            figcaption {
                "Share of the variance that each principal component explains, and of all up to it. Components of the "
                @if result.scale { "correlation" } @else { "covariance" } " matrix of "
                (numbers::counted(names.len() as u64, "column", "columns")) ": "
                (numbers::counted_cell(result.n, floors.min_cell, "patient", "patients"))
                " with all columns known, " (numbers::counted(result.sites, "hospital", "hospitals")) "."
            }
        }
        (loadings(result, &names))
        (correlations(result, &names))
    }
}

fn shares(result: &Pca, size: Size) -> Markup {
    let width = size.width();
    let (left, right, row) = (52.0, width - size.ticks(130, 108) as f64, 26.0);
    let shown = result.explained.len().min(MOST);
    let x = Scale::new((0.0, 1.0), (left, right));
    let mut sum = 0.0;
    let rows: Vec<(f64, f64)> = result
        .explained
        .iter()
        .take(shown)
        .map(|share| {
            sum += share;
            (*share, sum)
        })
        .collect();
    let each: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(i, (share, _))| format!("PC{} {}", i + 1, numbers::percent(*share)))
        .collect();
    html! {
        svg class=(size.class()) data-figure="components" viewBox=(format!("0 0 {width} {}", unit(row * shown as f64 + 4.0))) role="img"
            aria-label=(format!("Variance explained: {}.", each.join(", "))) {
            @for (index, (share, sum)) in rows.iter().enumerate() {
                @let y = row * index as f64 + 4.0;
                text.label x="0" y=(unit(y + 14.0)) { "PC" (index + 1) }
                rect.rail x=(unit(left)) y=(unit(y)) width=(unit(right - left)) height="18" {}
                rect.estimate x=(unit(left)) y=(unit(y)) width=(unit(x.at(*share) - left)) height="18" {}
                text.label x=(unit(right + 8.0)) y=(unit(y + 14.0)) {
                    tspan.strong { (numbers::percent(*share)) } ", all " (numbers::percent(*sum))
                }
            }
        }
    }
}

fn loadings(result: &Pca, names: &[String]) -> Markup {
    let shown = result.loadings.len().min(MOST);
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Loading" }
                @for component in 1..=shown { th.num scope="col" { "PC" (component) } }
            } }
            tbody {
                @for (column, name) in names.iter().enumerate() {
                    tr {
                        th scope="row" { (name) }
                        @for component in result.loadings.iter().take(shown) {
                            td.num { (numbers::decimal(component.get(column).copied().unwrap_or(f64::NAN), 2)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        (scroll("Loadings of the principal components", &body))
        p.note {
            "Each component is a unit vector of loadings; its sign is a convention: the largest is positive."
            @if result.loadings.len() > shown { " Further components stand in report.json." }
        }
    }
}

fn correlations(result: &Pca, names: &[String]) -> Markup {
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Correlation" }
                @for name in names { th.num scope="col" { (name) } }
            } }
            tbody {
                @for (row, name) in result.correlation.iter().zip(names) {
                    tr {
                        th scope="row" { (name) }
                        @for value in row { td.num { (numbers::decimal(*value, 2)) } }
                    }
                }
            }
        }
    };
    html! {
        details.print {
            summary { "Correlations (Pearson)" }
            (scroll("Correlations of the columns", &body))
        }
    }
}
