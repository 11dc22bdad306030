//! Every column's levels, real and virtual patients side by side.
//!
//! Exact counts of real patients fall under the display rule: a level with few of them has no bar of
//! theirs, nor has one that would give it away, and the column's distances take these as one level
//! ([`super::hidden`]). Virtual patients who may have the real shares have no bar there either.

use haima_fl_core::results::fidelity::{Column, Fidelity, Scale as Kind};
use maud::{Markup, html};

use super::super::page::scroll;
use super::super::plot::{self, Scale, Size, stroke, unit};
use super::super::table1::level_label;
use super::super::{numbers, words};
use super::hidden::{self, DASH};
use crate::report::model::Wording;

/// Levels that are drawn; a column with more has its distance in the table only.
const MOST_LEVELS: usize = 64;

/// The section's body.
pub(super) fn body(fidelity: &Fidelity, wording: &Wording, min_cell: u64) -> Markup {
    html! {
        (table(&fidelity.columns, wording))
        @if fidelity.noise.is_none() && min_cell > 1 {
            p.note {
                "A level with 1 to " (min_cell.saturating_sub(1)) " real patients has a dash for the bar, as has one from which it "
                "could be worked out. In a column with such levels the distances are those of its table with all of them "
                "together as one level, by chance too: they could be worked out from the whole distance, which is as large "
                "(≥) or larger."
                @if has_hidden_virtual(fidelity) {
                    " Virtual patients have a dash there too: those of a generator without noise have the shares of the real ones."
                }
            }
            @if fidelity.columns.iter().any(is_hidden_time) {
                p.note {
                    "In a time to event these dashes protect nobody where its curve is drawn: the steps of a curve tell how many "
                    "had the event or were censored at each time, so the hidden levels can be worked out."
                }
            }
        }
        @for column in &fidelity.columns {
            @for part in parts(column, fidelity, wording) {
                h3 { (words::column(wording, &column.name)) @if !part.of.is_empty() { " – " (part.of) } }
                figure { (plot::both(|size| draw(&part, size))) }
            }
        }
    }
}

fn has_hidden_virtual(fidelity: &Fidelity) -> bool {
    fidelity.columns.iter().any(|column| column.synthetic.iter().any(|count| count.is_nan()))
}

/// A time to event of which a level is hidden.
fn is_hidden_time(column: &Column) -> bool {
    column.scale == Kind::Survival && hidden::has_hidden(column)
}

fn table(columns: &[Column], wording: &Wording) -> Markup {
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Column" }
                th.num scope="col" { "Distance (total variation)" }
                th.num scope="col" { "By chance" }
                th.num scope="col" { "Largest gap of the curves (KS)" }
            } }
            tbody {
                @for column in columns {
                    tr {
                        th scope="row" { (words::column(wording, &column.name)) }
                        td.num { (hidden::at_least(hidden::has_hidden(column), column.tv, 3)) }
                        td.num { (hidden::decimal(column.chance, 3)) }
                        td.num { (hidden::decimal(column.ks.unwrap_or(f64::NAN), 3)) }
                    }
                }
            }
        }
    };
    html! {
        (scroll("Distance by column", &body))
        p.note { "KS: the Kolmogorov-Smirnov distance, for numbers and levels in an order; of the time in a survival column." }
    }
}

/// One drawing: a column, or one way in which follow-up ended.
struct Part {
    /// The end of follow-up, else empty.
    of: String,
    bars: Vec<Bar>,
    /// Highest share.
    most: f64,
}

struct Bar {
    label: String,
    /// `None` where the display rule hides it.
    real: Option<f64>,
    /// The same.
    synthetic: Option<f64>,
}

fn parts(column: &Column, fidelity: &Fidelity, wording: &Wording) -> Vec<Part> {
    if column.levels.len() > MOST_LEVELS {
        return Vec::new();
    }
    let (n, m) = (fidelity.n.max(1.0), fidelity.rows.max(1) as f64);
    let mut parts: Vec<Part> = Vec::new();
    let counts = column.real.iter().zip(&column.synthetic);
    for (name, (real, synthetic)) in column.levels.iter().zip(counts) {
        let (label, of) = match (column.scale, name.rsplit_once(", ")) {
            (Kind::Survival, Some((label, end))) => (label.to_owned(), ended(column, end, wording)),
            (Kind::Survival, None) => (name.clone(), name.clone()),
            _ => (level_label(&column.name, name, wording), String::new()),
        };
        let bar = Bar {
            label,
            real: (!real.is_nan()).then_some((real / n).max(0.0)),
            synthetic: (!synthetic.is_nan()).then_some(synthetic / m),
        };
        let at = parts.iter().position(|part| part.of == of).unwrap_or_else(|| {
            parts.push(Part { of, bars: Vec::new(), most: 0.0 });
            parts.len() - 1
        });
        if let Some(part) = parts.get_mut(at) {
            let shares = [bar.real, bar.synthetic];
            part.most = shares.into_iter().flatten().fold(part.most, f64::max);
            part.bars.push(bar);
        }
    }
    parts
}

/// How follow-up ended, in the words of the event's column.
fn ended(column: &Column, end: &str, wording: &Wording) -> String {
    let event = column.name.rsplit_once(" x ").map_or("", |(_, event)| event);
    match wording.labels.get(&format!("{event}={end}")) {
        Some(label) => label.clone(),
        None => format!("follow-up ended by {end}"),
    }
}

fn draw(part: &Part, size: Size) -> Markup {
    let longest = part.bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0).min(14);
    let (left, right) = match size {
        Size::Page => (60.0, size.width() - 20.0),
        Size::Phone => (44.0, size.width() - 10.0),
    };
    // Labels that do not fit beside one another lean, and the first then needs room at its left.
    let leans = 7.0 * longest as f64 > (right - left) / part.bars.len().max(1) as f64 - 6.0;
    let left = if leans { f64::max(left, 5.0 * longest as f64) } else { left };
    let (top, bottom) = (34.0, 194.0);
    let y = Scale::new((0.0, part.most.max(1e-3)), (bottom, top));
    let step = (right - left) / part.bars.len().max(1) as f64;
    let width = (step * 0.42).min(26.0);
    // Where there are many, only some are printed: leaning, each takes this much of the axis.
    let every = if leans { (22.0 / step).ceil().max(1.0) as usize } else { 1 };
    let height = bottom + if leans { 28.0 + 4.8 * longest as f64 } else { 26.0 };
    let heights = |share: f64| (y.text(share), unit(bottom - y.at(share)));
    let middle = |index: usize| left + step * (index as f64 + 0.5);
    html! {
        svg class=(size.class()) data-figure="levels" viewBox=(format!("0 0 {} {}", size.width(), unit(height))) role="img" aria-label=(alternative(part)) {
            @for (index, name) in ["real", "virtual"].into_iter().enumerate() {
                @let x = left + 90.0 * index as f64;
                rect x=(unit(x)) y="4" width="12" height="12" fill=(stroke(index).0) fill-opacity=(opacity(index)) {}
                text.label x=(unit(x + 18.0)) y="15" { (name) }
            }
            @for tick in plot::ticks(part.most, 4) {
                line.grid x1=(unit(left)) x2=(unit(right)) y1=(y.text(tick)) y2=(y.text(tick)) {}
                text.tick x=(unit(left - 8.0)) y=(unit(y.at(tick) + 4.0)) text-anchor="end" { (numbers::percent(tick)) }
            }
            @for (index, bar) in part.bars.iter().enumerate() {
                @for (side, share) in [bar.real, bar.synthetic].into_iter().enumerate() {
                    @let start = middle(index) - width * (1.0 - side as f64);
                    @if let Some(share) = share {
                        @let (at, tall) = heights(share);
                        rect x=(unit(start)) y=(at) width=(unit(width)) height=(tall)
                            fill=(stroke(side).0) fill-opacity=(opacity(side)) {}
                    } @else {
                        text.tick x=(unit(start + width / 2.0)) y=(unit(bottom - 4.0)) text-anchor="middle" { (DASH) }
                    }
                }
                @if index % every == 0 {
                    (label(&bar.label, (middle(index), bottom + 14.0), leans))
                }
            }
            line.axis x1=(unit(left)) x2=(unit(right)) y1=(unit(bottom)) y2=(unit(bottom)) {}
        }
    }
}

/// A level's name under its bars.
fn label(text: &str, (x, y): (f64, f64), leans: bool) -> Markup {
    let text = words::shorten(text, 14);
    let turn = format!("rotate(-40 {} {})", unit(x + 4.0), unit(y));
    html! {
        @if leans {
            text.tick x=(unit(x + 4.0)) y=(unit(y)) text-anchor="end" transform=(turn) { (text) }
        } @else {
            text.tick x=(unit(x)) y=(unit(y + 2.0)) text-anchor="middle" { (text) }
        }
    }
}

/// The second of the two is lighter, so that they differ without colour.
fn opacity(index: usize) -> &'static str {
    if index == 0 { "1" } else { "0.65" }
}

/// What the drawing says, for readers who cannot see it.
fn alternative(part: &Part) -> String {
    let each: Vec<String> = part
        .bars
        .iter()
        .map(|bar| {
            let text =
                |share: Option<f64>| share.map_or_else(|| "not shown".to_owned(), numbers::percent);
            format!("{}: real {}, virtual {}", bar.label, text(bar.real), text(bar.synthetic))
        })
        .collect();
    format!("Shares of patients by level. {}.", each.join("; "))
}
