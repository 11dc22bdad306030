//! The forest plot: hazard or odds ratios on a log axis with their 95 % intervals.

use haima_fl_core::results::Fit;
use maud::{Markup, html};

use super::model::Wording;
use super::numbers;
use super::plot::{self, Scale, Size, unit};
use super::words::{self, Ratio};

/// One row, ready to draw.
struct Row {
    label: String,
    ratio: f64,
    lo: f64,
    hi: f64,
    text: String,
    p: String,
}

/// Ratios are drawn inside these ends; an interval that leaves them ends in an arrow.
const ENDS: (f64, f64) = (0.05, 20.0);

/// The figure, both sizes; nothing when no coefficient was estimated.
pub(super) fn figure(fit: &Fit, wording: &Wording) -> Markup {
    let rows = rows(fit, wording);
    let name = Ratio::of(fit);
    html! { @if !rows.is_empty() { (plot::both(|size| draw(&rows, &name, size))) } }
}

/// The figure for a page; `None` when no coefficient was estimated.
#[cfg(feature = "demo")]
pub(super) fn page(fit: &Fit, wording: &Wording) -> Option<Markup> {
    let rows = rows(fit, wording);
    (!rows.is_empty()).then(|| draw(&rows, &Ratio::of(fit), Size::Page))
}

fn rows(fit: &Fit, wording: &Wording) -> Vec<Row> {
    words::covariates(fit)
        .map(|term| {
            let (ratio, lo, hi) = words::scaled(term, wording);
            let (estimate, interval) = numbers::ratio(ratio, lo, hi);
            Row {
                label: words::term(wording, &term.name),
                ratio,
                lo,
                hi,
                text: format!("{estimate} ({interval})"),
                p: numbers::p_cell(term.p),
            }
        })
        .filter(|row| row.ratio.is_finite() && row.ratio > 0.0)
        .collect()
}

fn draw(rows: &[Row], name: &Ratio, size: Size) -> Markup {
    let width = size.width();
    // On a telephone the text stands above its whisker, and the line at 1 stays out of it.
    let (left, right, top, row_height, half) = match size {
        Size::Page => (210.0, 520.0, 34.0, 34.0, 17.0),
        Size::Phone => (12.0, width - 12.0, 4.0, 72.0, 11.0),
    };
    let (lo, hi) = range(rows);
    let x = Scale::new((lo.ln(), hi.ln()), (left, right));
    let bottom = top + row_height * rows.len() as f64;
    html! {
        svg class=(size.class()) data-figure="forest" viewBox=(format!("0 0 {width} {}", bottom + 52.0)) role="img"
            aria-label=(alternative(rows, name)) {
            @if size == Size::Page {
                text.small x="0" y="16" { "Covariate" }
                text.small x=(unit(width - 62.0)) y="16" text-anchor="end" { (name.short) " (95% CI)" }
                text.small x=(unit(width)) y="16" text-anchor="end" { "p" }
                line.axis x1="0" x2=(unit(width)) y1="24" y2="24" {}
            }
            @for (index, row) in rows.iter().enumerate() {
                @let at = top + row_height * index as f64;
                @let y = if size == Size::Page { at + 17.0 } else { at + 50.0 };
                line.one x1=(x.text(0.0)) x2=(x.text(0.0)) y1=(unit(y - half)) y2=(unit(y + half)) {}
                (whisker(row, &x, y))
                @match size {
                    Size::Page => {
                        text.label x="0" y=(unit(at + 21.0)) { (words::shorten(&row.label, 32)) }
                        text.label x=(unit(width - 62.0)) y=(unit(at + 21.0)) text-anchor="end" { (row.text) }
                        text.label x=(unit(width)) y=(unit(at + 21.0)) text-anchor="end" { (row.p) }
                    },
                    Size::Phone => {
                        text.label.strong x="0" y=(unit(at + 14.0)) { (words::shorten(&row.label, 40)) }
                        text.label x="0" y=(unit(at + 32.0)) {
                            (name.short) " " (row.text) ", p" @if row.p.starts_with(char::is_numeric) { "=" } (row.p)
                        }
                    },
                }
            }
            line.axis x1=(unit(left)) x2=(unit(right)) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 4.0)) {}
            @for tick in plot::log_ticks(lo, hi, size.ticks(6, 5)) {
                line.axis x1=(x.text(tick.ln())) x2=(x.text(tick.ln())) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 9.0)) {}
                text.tick x=(x.text(tick.ln())) y=(unit(bottom + 23.0)) text-anchor="middle" { (plot::tick_text(tick)) }
            }
            text.label x=(unit((left + right) / 2.0)) y=(unit(bottom + 43.0)) text-anchor="middle" {
                (name.long) " (log scale)"
            }
        }
    }
}

/// Interval and estimate at height `y`.
fn whisker(row: &Row, x: &Scale, y: f64) -> Markup {
    let lo = row.lo.max(ENDS.0);
    let hi = row.hi.min(ENDS.1);
    let arrow = |at: f64, out: f64| {
        format!(
            "M{} {}L{} {}L{} {}",
            unit(at - out),
            unit(y - 5.0),
            unit(at),
            unit(y),
            unit(at - out),
            unit(y + 5.0)
        )
    };
    let ends = lo.is_finite() && hi.is_finite() && lo > 0.0;
    html! {
        @if ends {
            line.whisker x1=(x.text(lo.ln())) x2=(x.text(hi.ln())) y1=(unit(y)) y2=(unit(y)) {}
            @if row.lo < ENDS.0 { path.whisker d=(arrow(x.at(lo.ln()), -6.0)) fill="none" {} }
            @else { line.whisker x1=(x.text(lo.ln())) x2=(x.text(lo.ln())) y1=(unit(y - 5.0)) y2=(unit(y + 5.0)) {} }
            @if row.hi > ENDS.1 { path.whisker d=(arrow(x.at(hi.ln()), 6.0)) fill="none" {} }
            @else { line.whisker x1=(x.text(hi.ln())) x2=(x.text(hi.ln())) y1=(unit(y - 5.0)) y2=(unit(y + 5.0)) {} }
        }
        rect.estimate x=(unit(x.at(row.ratio.ln()) - 5.0)) y=(unit(y - 5.0)) width="10" height="10" {}
    }
}

/// Ends of the axis: all intervals and 1, with a little room.
fn range(rows: &[Row]) -> (f64, f64) {
    let ends = rows.iter().flat_map(|row| [row.lo, row.ratio, row.hi]);
    let (lo, hi) = ends
        .filter(|value| value.is_finite() && *value > 0.0)
        .map(|value| value.clamp(ENDS.0, ENDS.1))
        .fold((1.0_f64, 1.0_f64), |(lo, hi), value| (lo.min(value), hi.max(value)));
    let room = (hi / lo).powf(0.06).max(1.02);
    (lo / room, hi * room)
}

/// What the drawing says, for readers who cannot see it.
fn alternative(rows: &[Row], name: &Ratio) -> String {
    let each: Vec<String> = rows
        .iter()
        .map(|row| format!("{}: {} {}, p {}", row.label, name.short, row.text, row.p))
        .collect();
    format!(
        "Forest plot, {} with 95% confidence intervals. {}.",
        name.long.to_lowercase(),
        each.join("; ")
    )
}
