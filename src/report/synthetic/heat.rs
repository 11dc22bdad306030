//! The distances of all tables of two columns, as a triangle of squares.

use haima_fl_core::results::fidelity::{Fidelity, Pair};
use maud::{Markup, html};

use super::super::plot::{self, Size, unit};
use super::super::{numbers, words};
use super::hidden::{self, DASH};
use crate::report::model::Wording;

/// Columns beyond which squares are too small to see.
const MOST: usize = 40;
/// Distance from which a square is at its darkest, unless all are below it.
const DARKEST: f64 = 0.2;

/// The figure at both sizes; nothing without pairs or with too many columns.
pub(super) fn figure(fidelity: &Fidelity, wording: &Wording) -> Markup {
    let names: Vec<&str> = fidelity.columns.iter().map(|column| column.name.as_str()).collect();
    if fidelity.pairs.is_empty() || names.len() > MOST {
        return html! {};
    }
    let squares: Vec<Square<'_>> = fidelity
        .pairs
        .iter()
        .filter_map(|pair| {
            let place = |name: &str| names.iter().position(|own| *own == name);
            let (a, b) = (place(&pair.a)?, place(&pair.b)?);
            Some(Square { pair, column: a.min(b), row: a.max(b) })
        })
        .collect();
    // Those that are hidden are no number, and `max` takes the other.
    let most = squares.iter().map(|square| square.pair.tv).fold(DARKEST, f64::max);
    let labels: Vec<String> = names.iter().map(|name| words::column(wording, name)).collect();
    html! {
        figure {
            (plot::both(|size| draw(&squares, &labels, most, size)))
            figcaption {
                "Distance of each table of two columns: the darker, the farther from real patients."
            }
        }
    }
}

struct Square<'a> {
    pair: &'a Pair,
    column: usize,
    row: usize,
}

impl Square<'_> {
    fn is_hidden(&self) -> bool {
        self.pair.tv.is_nan()
    }

    /// Its two columns in words.
    fn name(&self, labels: &[String]) -> String {
        let label = |at: usize| labels.get(at).map_or("", String::as_str);
        format!("{} and {}", label(self.column), label(self.row))
    }
}

fn draw(squares: &[Square<'_>], labels: &[String], most: f64, size: Size) -> Markup {
    let left = match size {
        Size::Page => 190.0,
        Size::Phone => 104.0,
    };
    // A row for each column but the first, a column for each but the last.
    let count = labels.len().saturating_sub(1).max(1) as f64;
    let side = ((size.width() - left - 40.0) / count).min(34.0);
    let bottom = 8.0 + side * count;
    // The longest label at its slant.
    let height = bottom + 104.0;
    let shade = |tv: f64| numbers::decimal((tv / most).clamp(0.0, 1.0), 3);
    html! {
        svg class=(size.class()) data-figure="pairs" viewBox=(format!("0 0 {} {}", size.width(), unit(height)))
            role="img" aria-label=(alternative(squares, labels)) {
            @for square in squares {
                @let x = left + side * square.column as f64;
                @let y = 8.0 + side * (square.row.saturating_sub(1)) as f64;
                rect.rail x=(unit(x)) y=(unit(y)) width=(unit(side - 2.0)) height=(unit(side - 2.0)) {}
                @let opacity = if square.is_hidden() { shade(0.0) } else { shade(square.pair.tv) };
                rect.used x=(unit(x)) y=(unit(y)) width=(unit(side - 2.0)) height=(unit(side - 2.0))
                    fill-opacity=(opacity) {
                    title {
                        (square.name(labels)) ": "
                        (hidden::decimal(square.pair.tv, 2)) ", by chance "
                        (hidden::decimal(square.pair.chance, 2))
                    }
                }
                @if square.is_hidden() {
                    text.tick x=(unit(x + side / 2.0 - 1.0)) y=(unit(y + side / 2.0 + 3.0)) text-anchor="middle" { (DASH) }
                }
            }
            @for (index, label) in labels.iter().enumerate().skip(1) {
                text.tick x=(unit(left - 8.0)) y=(unit(8.0 + side * (index as f64 - 0.5) + 3.0)) text-anchor="end" {
                    (words::shorten(label, size.ticks(26, 14)))
                }
            }
            @for (index, label) in labels.iter().enumerate().take(labels.len().saturating_sub(1)) {
                @let x = left + side * (index as f64 + 0.5);
                text.tick x=(unit(x)) y=(unit(bottom + 10.0)) text-anchor="end"
                    transform=(format!("rotate(-45 {} {})", unit(x), unit(bottom + 10.0))) {
                    (words::shorten(label, 14))
                }
            }
            (scale(left, size, most))
        }
    }
}

/// What the shades mean, in the empty corner.
fn scale(left: f64, size: Size, most: f64) -> Markup {
    let right = size.width() - 10.0;
    let width = 18.0;
    let start = (right - 5.0 * width).max(left);
    html! {
        @for step in 0..5 {
            @let share = f64::from(step) / 4.0;
            @let x = start + width * f64::from(step);
            rect.rail x=(unit(x)) y="8" width=(unit(width)) height="10" {}
            rect.used x=(unit(x)) y="8" width=(unit(width)) height="10" fill-opacity=(numbers::decimal(share, 2)) {}
        }
        text.tick x=(unit(start)) y="32" { "0" }
        text.tick x=(unit(right)) y="32" text-anchor="end" { (numbers::decimal(most, 2)) }
    }
}

/// What the drawing says, for readers who cannot see it.
fn alternative(squares: &[Square<'_>], labels: &[String]) -> String {
    let mut far: Vec<&Square<'_>> = squares.iter().filter(|square| !square.is_hidden()).collect();
    far.sort_by(|a, b| b.pair.tv.total_cmp(&a.pair.tv));
    let each: Vec<String> = far
        .iter()
        .take(5)
        .map(|square| format!("{} {}", square.name(labels), numbers::decimal(square.pair.tv, 2)))
        .collect();
    format!("Distances of tables of two columns; the farthest: {}.", each.join("; "))
}
