//! The same model fitted to real and to virtual patients: a forest plot with two rows a covariate.

use haima_fl_core::results::Term;
use haima_fl_core::synth::metrics::fits::{Pair, compare};
use maud::{Markup, html};

use super::super::numbers;
use super::super::page::{class_badge, scroll};
use super::super::plot::{self, Scale, Size, stroke, unit};
use super::super::words::{self, Ratio};
use super::{RatioPair, SyntheticReport};
use crate::report::model::{Class, Wording};

/// Ratios are drawn inside these ends.
const ENDS: (f64, f64) = plot::RATIOS;

/// The section's body.
pub(super) fn body(report: &SyntheticReport) -> Markup {
    html! {
        @for pair in &report.ratios { (of_pair(pair, &report.wording)) }
        p.note {
            "Overlap: the common part of the two 95% intervals, as a share of each, on average: 100% for equal ones, none for "
            "intervals apart. Intervals of virtual patients know their rows alone, not the making of the generator, and shrink with "
            "every row drawn. In the table, ratios of numbers are for one unit more. Associations, not causes."
            @if report.min_cell > 1 && report.ratios.iter().any(|pair| pair.class == Class::Exact) {
                " Without noise, coefficients have three digits, and those of a category or flag are left out where a level "
                "of it is hidden, or where fewer than " (report.min_cell) " events could give their standard error."
            }
        }
    }
}

fn of_pair(pair: &RatioPair, wording: &Wording) -> Markup {
    let ratio = Ratio::of(&pair.real);
    let pairs = compare(&pair.real, &pair.synthetic);
    let rows: Vec<Row> = pairs.iter().filter_map(|both| Row::of(both, wording)).collect();
    // What a ratio is not has no place on a log axis.
    let drawn = pair.real.model != "linear" && !rows.is_empty();
    html! {
        h3 { (pair.title) " " (class_badge(&pair.class)) }
        @if drawn {
            figure {
                (plot::both(|size| draw(&rows, &ratio, size)))
                figcaption { "Upper mark: real patients. Lower mark: virtual patients. Lines: 95% intervals." }
            }
        }
        @if pairs.is_empty() {
            p { "No coefficient of both is shown." }
        } @else {
            (table(&pairs, &ratio, wording))
        }
    }
}

/// A ratio with its ends.
#[derive(Clone, Copy)]
struct Mark {
    ratio: f64,
    lo: f64,
    hi: f64,
}

impl Mark {
    fn of(term: &Term, wording: &Wording) -> Option<Self> {
        let (ratio, lo, hi) = words::scaled(term, wording);
        (ratio.is_finite() && ratio > 0.0).then_some(Self { ratio, lo, hi })
    }
}

struct Row {
    label: String,
    marks: [Mark; 2],
}

impl Row {
    fn of(pair: &Pair<'_>, wording: &Wording) -> Option<Self> {
        let marks = [Mark::of(pair.real, wording)?, Mark::of(pair.synthetic, wording)?];
        Some(Self { label: words::term(wording, &pair.real.name), marks })
    }
}

fn draw(rows: &[Row], ratio: &Ratio, size: Size) -> Markup {
    let (left, right, row_height) = match size {
        Size::Page => (220.0, size.width() - 20.0, 38.0),
        Size::Phone => (12.0, size.width() - 12.0, 58.0),
    };
    let marks = rows.iter().flat_map(|row| row.marks);
    let ratios = marks.flat_map(|mark| [mark.lo, mark.ratio, mark.hi]);
    let ((lo, hi), ticks) = plot::ratio_axis(ratios, size.ticks(6, 5));
    let x = Scale::new((lo.ln(), hi.ln()), (left, right));
    let bottom = 8.0 + row_height * rows.len() as f64;
    html! {
        svg class=(size.class()) data-figure="ratios" viewBox=(format!("0 0 {} {}", size.width(), unit(bottom + 52.0)))
            role="img" aria-label=(alternative(rows, ratio)) {
            line.one x1=(x.text(0.0)) x2=(x.text(0.0)) y1="8" y2=(unit(bottom)) {}
            @for (index, row) in rows.iter().enumerate() {
                @let at = 8.0 + row_height * index as f64;
                @let middle = at + row_height - 19.0;
                @match size {
                    Size::Page => text.label x="0" y=(unit(middle + 4.0)) { (words::shorten(&row.label, 32)) },
                    Size::Phone => text.label.strong x="0" y=(unit(at + 13.0)) { (words::shorten(&row.label, 44)) },
                }
                @for (which, mark) in row.marks.iter().enumerate() {
                    (whisker(mark, which, &x, middle - 7.0 + 14.0 * which as f64))
                }
            }
            line.axis x1=(unit(left)) x2=(unit(right)) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 4.0)) {}
            @for tick in ticks {
                line.axis x1=(x.text(tick.ln())) x2=(x.text(tick.ln())) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 9.0)) {}
                text.tick x=(x.text(tick.ln())) y=(unit(bottom + 23.0)) text-anchor="middle" { (plot::tick_text(tick)) }
            }
            text.label x=(unit((left + right) / 2.0)) y=(unit(bottom + 43.0)) text-anchor="middle" {
                (ratio.long) " (log scale)"
            }
        }
    }
}

/// Interval and estimate at height `y`: real ones filled, virtual ones hollow.
fn whisker(mark: &Mark, which: usize, x: &Scale, y: f64) -> Markup {
    let (colour, dash) = stroke(which);
    let ends = mark.lo.is_finite() && mark.hi.is_finite() && mark.lo > 0.0;
    let [lo, hi] = [mark.lo, mark.hi].map(|end| end.clamp(ENDS.0, ENDS.1).ln());
    html! {
        @if ends {
            line x1=(x.text(lo)) x2=(x.text(hi)) y1=(unit(y)) y2=(unit(y)) stroke=(colour) stroke-width="1.8" stroke-dasharray=(dash) {}
        }
        rect x=(unit(x.at(mark.ratio.ln()) - 4.5)) y=(unit(y - 4.5)) width="9" height="9"
            fill=(if which == 0 { colour } else { "#fff" }) stroke=(colour) stroke-width="1.8" {}
    }
}

fn table(pairs: &[Pair<'_>], ratio: &Ratio, wording: &Wording) -> Markup {
    let text = |term: &Term| {
        let (estimate, interval) = ratio.text(term.hr, term.lo, term.hi);
        format!("{estimate} ({interval})")
    };
    let percent = |share: Option<f64>| match share {
        Some(share) if share > 0.0 => numbers::percent(share),
        Some(_) => "none".to_owned(),
        None => "–".to_owned(),
    };
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Covariate" }
                th.num scope="col" { (ratio.short) " of real patients (95% CI)" }
                th.num scope="col" { "of virtual ones" }
                th.num scope="col" { "Overlap" }
                th.num scope="col" { "Apart, in standard errors" }
            } }
            tbody {
                @for pair in pairs {
                    tr {
                        th scope="row" { (words::column(wording, &pair.real.name)) }
                        td.num { (text(pair.real)) }
                        td.num { (text(pair.synthetic)) }
                        td.num { (percent(pair.overlap)) }
                        td.num { (pair.shift.map_or_else(|| "–".to_owned(), |shift| numbers::decimal(shift, 1))) }
                    }
                }
            }
        }
    };
    scroll("Coefficients of both", &body)
}

/// What the drawing says, for readers who cannot see it.
fn alternative(rows: &[Row], ratio: &Ratio) -> String {
    let text = |mark: &Mark| {
        let (estimate, interval) = ratio.text(mark.ratio, mark.lo, mark.hi);
        format!("{estimate} ({interval})")
    };
    let each: Vec<String> = rows
        .iter()
        .map(|row| {
            format!("{}: real {}, virtual {}", row.label, text(&row.marks[0]), text(&row.marks[1]))
        })
        .collect();
    format!(
        "Forest plot, {} of real and of virtual patients. {}.",
        ratio.long.to_lowercase(),
        each.join("; ")
    )
}
