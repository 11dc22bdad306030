//! Coefficients of several reports under one another: a forest plot with a mark a report.

use maud::{Markup, html};

use super::terms::{Estimate, TermRow};
use crate::report::numbers;
use crate::report::plot::{self, Scale, Size, stroke, unit};
use crate::report::words::shorten;

/// Ratios are drawn inside these ends.
const ENDS: (f64, f64) = plot::RATIOS;
/// Coefficients that are drawn; the table has the others.
const MOST: usize = 40;

/// The figure at both sizes; nothing where no coefficient can stand on a log axis.
pub(super) fn figure(terms: &[TermRow], letters: &[char], name: &str) -> Markup {
    let drawn: Vec<&TermRow> =
        terms.iter().filter(|row| marks(row).next().is_some()).take(MOST).collect();
    html! { @if !drawn.is_empty() { (plot::both(|size| draw(&drawn, letters, name, size))) } }
}

/// The estimates of a row that have a place on a log axis, with the place of their report.
fn marks(row: &TermRow) -> impl Iterator<Item = (usize, Estimate)> + '_ {
    let known = row.values.iter().enumerate().filter_map(|(side, value)| Some((side, (*value)?)));
    known.filter(|(_, own)| own.ratio.is_finite() && own.ratio > 0.0)
}

fn draw(rows: &[&TermRow], letters: &[char], name: &str, size: Size) -> Markup {
    let sides = letters.len() as f64;
    let (left, right, label) = match size {
        Size::Page => (220.0, size.width() - 20.0, 0.0),
        Size::Phone => (12.0, size.width() - 12.0, 20.0),
    };
    let (legend, row_height) = (30.0, label + 12.0 + 14.0 * sides);
    let ratios = rows.iter().flat_map(|row| marks(row));
    let ratios = ratios.flat_map(|(_, own)| [own.lo, own.ratio, own.hi]);
    let ((lo, hi), ticks) = plot::ratio_axis(ratios, size.ticks(6, 5));
    let x = Scale::new((lo.ln(), hi.ln()), (left, right));
    let bottom = legend + row_height * rows.len() as f64;
    html! {
        svg class=(size.class()) data-figure="comparison"
            viewBox=(format!("0 0 {} {}", size.width(), unit(bottom + 52.0)))
            role="img" aria-label=(alternative(rows, letters, name)) {
            @for (side, letter) in letters.iter().enumerate() {
                @let at = left + 60.0 * side as f64;
                rect x=(unit(at)) y="6" width="10" height="10" fill=(fill(side)) stroke=(stroke(side).0)
                    stroke-width="1.8" {}
                text.label x=(unit(at + 16.0)) y="15" { (letter) }
            }
            line.one x1=(x.text(0.0)) x2=(x.text(0.0)) y1=(unit(legend)) y2=(unit(bottom)) {}
            @for (index, row) in rows.iter().enumerate() {
                @let top = legend + row_height * index as f64;
                @match size {
                    Size::Page => text.label x="0" y=(unit(top + row_height / 2.0 + 4.0)) { (shorten(&row.label, 32)) },
                    Size::Phone => text.label.strong x="0" y=(unit(top + 15.0)) { (shorten(&row.label, 44)) },
                }
                @for (side, own) in marks(row) {
                    (whisker(own, side, &x, top + label + 13.0 + 14.0 * side as f64))
                }
            }
            line.axis x1=(unit(left)) x2=(unit(right)) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 4.0)) {}
            @for tick in ticks {
                line.axis x1=(x.text(tick.ln())) x2=(x.text(tick.ln())) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 9.0)) {}
                text.tick x=(x.text(tick.ln())) y=(unit(bottom + 23.0)) text-anchor="middle" { (plot::tick_text(tick)) }
            }
            text.label x=(unit((left + right) / 2.0)) y=(unit(bottom + 43.0)) text-anchor="middle" {
                (name) " per unit of the column (log scale)"
            }
        }
    }
}

/// Marks of the first report are filled, of the others hollow.
fn fill(side: usize) -> &'static str {
    if side == 0 { stroke(0).0 } else { "#fff" }
}

fn whisker(own: Estimate, side: usize, x: &Scale, y: f64) -> Markup {
    let (colour, dash) = stroke(side);
    let ends = own.lo.is_finite() && own.hi.is_finite() && own.lo > 0.0;
    let [lo, hi] = [own.lo, own.hi].map(|end| end.clamp(ENDS.0, ENDS.1).ln());
    html! {
        @if ends {
            line x1=(x.text(lo)) x2=(x.text(hi)) y1=(unit(y)) y2=(unit(y)) stroke=(colour) stroke-width="1.8"
                stroke-dasharray=(dash) {}
        }
        rect x=(unit(x.at(own.ratio.ln()) - 4.5)) y=(unit(y - 4.5)) width="9" height="9"
            fill=(fill(side)) stroke=(colour) stroke-width="1.8" {}
    }
}

/// What the drawing says, for readers who cannot see it.
fn alternative(rows: &[&TermRow], letters: &[char], name: &str) -> String {
    let one = |(side, own): (usize, Estimate)| {
        let letter = letters.get(side).copied().unwrap_or('?');
        let (estimate, interval) = numbers::ratio(own.ratio, own.lo, own.hi);
        format!("{letter} {estimate} ({interval})")
    };
    let each: Vec<String> = rows
        .iter()
        .map(|row| format!("{}: {}", row.label, marks(row).map(one).collect::<Vec<_>>().join(", ")))
        .collect();
    format!("{name} of each report. {}.", each.join("; "))
}
