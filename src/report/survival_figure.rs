//! The drawing of Kaplan-Meier curves: steps, bands, legend, and the numbers under the axis.
//!
//! The numbers follow Morris et al. 2019 ("Proposals on Kaplan-Meier plots in medical research",
//! BMJ Open 9:e030215): who is still at risk and who was censored belong under every tick. Events
//! are left out of them, since the three together would give a small cell away.

use haima_fl_core::results::Curve;
use maud::{Markup, html};

use super::curves::{Seen, TimeAxis, drawn};
use super::model::Wording;
use super::numbers;
use super::plot::{self, Scale, Size, stroke, unit};
use super::words;

/// What is drawn.
pub(super) struct Figure<'a> {
    pub(super) curves: &'a [Seen<'a>],
    pub(super) axis: &'a TimeAxis,
    pub(super) wording: &'a Wording,
    pub(super) min_cell: u64,
    /// Whether curves were cut off: of what comes after its end, a curve says nothing.
    pub(super) is_cut: bool,
}

/// Where it goes, drawing units.
struct Layout {
    size: Size,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Scale,
    y: Scale,
    ticks: Vec<f64>,
}

impl Layout {
    fn new(size: Size, end: f64) -> Self {
        let width = size.width();
        let (left, right, top, height) = match size {
            Size::Page => (150.0, width - 30.0, 14.0, 290.0),
            Size::Phone => (40.0, width - 26.0, 12.0, 240.0),
        };
        let bottom = top + height;
        Self {
            size,
            left,
            right,
            top,
            bottom,
            x: Scale::new((0.0, end), (left, right)),
            y: Scale::new((0.0, 1.0), (bottom, top)),
            ticks: plot::ticks(end, size.ticks(8, 4)),
        }
    }

    fn is_page(&self) -> bool {
        self.size == Size::Page
    }

    /// Height of the numbers of one group.
    fn row(&self) -> f64 {
        if self.is_page() { 20.0 } else { 36.0 }
    }

    /// Where the numbers start.
    fn table_top(&self) -> f64 {
        self.bottom + 62.0
    }
}

impl Figure<'_> {
    /// The drawing at one size.
    pub(super) fn draw(&self, size: Size) -> Markup {
        let layout = Layout::new(size, self.axis.end);
        let height = layout.table_top() + 8.0 + layout.row() * self.curves.len() as f64;
        html! {
            svg class=(size.class()) data-figure="survival" viewBox=(format!("0 0 {} {height}", size.width()))
                role="img" aria-label=(self.alternative()) {
                (self.axes(&layout))
                @for (index, own) in self.curves.iter().enumerate() {
                    (self.steps(own.curve, index, &layout))
                }
                (self.legend(&layout))
                text.small x="0" y=(unit(layout.table_top() - 4.0)) { "At risk (censored)" }
                @for (index, own) in self.curves.iter().enumerate() {
                    (self.at_risk_row(own, index, &layout))
                }
            }
        }
    }

    fn axes(&self, layout: &Layout) -> Markup {
        let Layout { left, right, top, bottom, x, y, .. } = layout;
        let label = match self.wording.origin.as_str() {
            "" => words::capital(&self.axis.unit),
            origin => format!("{} since {origin}", words::capital(&self.axis.unit)),
        };
        let turn =
            format!("translate({} {}) rotate(-90)", unit(left - 52.0), unit((top + bottom) / 2.0));
        html! {
            @for level in [0.0, 0.25, 0.5, 0.75, 1.0] {
                line.grid x1=(unit(*left)) x2=(unit(*right)) y1=(y.text(level)) y2=(y.text(level)) {}
                text.tick x=(unit(left - 8.0)) y=(unit(y.at(level) + 4.0)) text-anchor="end" {
                    (numbers::percent(level))
                }
            }
            @for tick in &layout.ticks {
                line.axis x1=(x.text(*tick)) x2=(x.text(*tick)) y1=(unit(*bottom)) y2=(unit(bottom + 5.0)) {}
                text.tick x=(x.text(*tick)) y=(unit(bottom + 19.0)) text-anchor="middle" {
                    (plot::tick_text(*tick))
                }
            }
            line.axis x1=(unit(*left)) x2=(unit(*right)) y1=(unit(*bottom)) y2=(unit(*bottom)) {}
            text.label x=(unit((left + right) / 2.0)) y=(unit(bottom + 38.0)) text-anchor="middle" { (label) }
            @if layout.is_page() {
                text.label x="0" y="0" text-anchor="middle" transform=(turn) {
                    (words::outcome(self.wording))
                }
            }
        }
    }

    /// One curve: its band, then its steps.
    fn steps(&self, curve: &Curve, index: usize, layout: &Layout) -> Markup {
        let Layout { x, y, .. } = layout;
        let (colour, dash) = stroke(index);
        let start = format!("{} {}", x.text(0.0), y.text(1.0));
        let mut line = format!("M{start}");
        let mut upper = line.clone();
        let mut lower = vec![format!("L{start}")];
        let mut before = 1.0;
        // Where survival is 0 the log-scale interval does not exist, and the band ends.
        let mut has_band = true;
        for row in drawn(curve, self.min_cell) {
            let at = x.text(row.time / self.axis.divisor);
            line.push_str(&format!("H{at}V{}", y.text(row.surv)));
            has_band = has_band && row.lo.is_finite() && row.hi.is_finite();
            if has_band {
                upper.push_str(&format!("H{at}V{}", y.text(row.hi)));
                lower.push(format!("L{at} {}L{at} {}", y.text(row.lo), y.text(before)));
                before = row.lo;
            }
        }
        lower.reverse();
        html! {
            path d=(format!("{upper}{}Z", lower.concat())) fill=(colour) fill-opacity="0.13" {}
            path.curve d=(line) stroke=(colour) stroke-dasharray=(dash) {}
        }
    }

    /// Names of the curves, upper right, where survival curves leave room.
    fn legend(&self, layout: &Layout) -> Markup {
        let events = words::or(&self.wording.events, "events");
        // Long names of events would leave the drawing; the table has the numbers.
        let with_events = layout.is_page() && !self.is_cut && events.chars().count() <= 12;
        let (start, gap) = match layout.size {
            Size::Page => (layout.right - 300.0, 22.0),
            Size::Phone => (layout.right - 190.0, 20.0),
        };
        html! {
            @for (index, own) in self.curves.iter().enumerate() {
                @let (colour, dash) = stroke(index);
                @let at = layout.top + 18.0 + gap * index as f64;
                line.curve x1=(unit(start)) x2=(unit(start + 30.0)) y1=(unit(at - 4.0)) y2=(unit(at - 4.0))
                    stroke=(colour) stroke-dasharray=(dash) {}
                text.label x=(unit(start + 38.0)) y=(unit(at)) {
                    tspan.strong { (words::shorten(&words::group(self.wording, &own.curve.group), 22)) }
                    ", n" @if own.patients.is_printed() { "=" }
                    (own.patients.text(self.min_cell, None))
                    @if with_events { ", " (own.events.text(self.min_cell, None)) " " (events) }
                }
            }
        }
    }

    /// Numbers of one group under the ticks; on a telephone its name has a line of its own.
    fn at_risk_row(&self, own: &Seen<'_>, index: usize, layout: &Layout) -> Markup {
        let (colour, _) = stroke(index);
        let name_y = layout.table_top() + 16.0 + layout.row() * index as f64;
        let numbers_y = if layout.is_page() { name_y } else { name_y + 16.0 };
        let name = words::group(self.wording, &own.curve.group);
        let room = layout.size.ticks(14, 44);
        html! {
            rect x="0" y=(unit(name_y - 9.0)) width="8" height="9" fill=(colour) {}
            text.small x="13" y=(unit(name_y)) { (words::shorten(&name, room)) }
            @for tick in &layout.ticks {
                @let time = tick * self.axis.divisor;
                @let (risk, censored) = own.at_risk(time, self.min_cell);
                @let is_beyond = self.is_cut && own.curve.time.last().is_none_or(|last| *last < time);
                text.small x=(layout.x.text(*tick)) y=(unit(numbers_y)) text-anchor="middle" {
                    @if is_beyond {
                        "–"
                    } @else {
                        tspan.strong { (risk.text(self.min_cell, None)) }
                        @if let Some(censored) = censored {
                            " (" (censored.text(self.min_cell, None)) ")"
                        }
                    }
                }
            }
        }
    }

    /// What the drawing says, for readers who cannot see it.
    fn alternative(&self) -> String {
        let each: Vec<String> = self
            .curves
            .iter()
            .map(|own| {
                let curve = own.curve;
                let name = words::group(self.wording, &curve.group);
                let median = match curve.median {
                    None if self.is_cut => "not in what is drawn".to_owned(),
                    _ => words::median(curve, self.wording, "95% interval "),
                };
                format!(
                    "{name}: {} patients, median {median}",
                    own.patients.text(self.min_cell, None)
                )
            })
            .collect();
        format!(
            "{}, Kaplan-Meier curves. {}. The table below gives the numbers.",
            words::outcome(self.wording),
            each.join("; ")
        )
    }
}
