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
    /// Letters of a group's name under the axis that do not reach the first numbers.
    room: usize,
}

/// Letters of what stands under the axis, at most.
struct Widths {
    name: usize,
    /// Numbers at the first tick.
    first: usize,
    /// Numbers at the last one.
    last: usize,
}

/// Width of a small letter, drawing units; digits and bold ones are the widest of many.
const LETTER: f64 = 6.7;
/// Where a group's name begins under the axis, behind its mark.
const NAME: f64 = 13.0;
/// In the place of numbers behind the end of a curve that was cut off.
const BEYOND: &str = "–";
/// Between a name and the numbers.
const GAP: f64 = 9.0;

impl Layout {
    fn new(size: Size, axis_end: f64, ticks: Vec<f64>, widths: &Widths) -> Self {
        let width = size.width();
        let [first, last] =
            [widths.first, widths.last].map(|letters| letters as f64 * LETTER / 2.0);
        let beside = NAME + LETTER * widths.name as f64 + GAP + first;
        // Numbers stand in the middle under their ticks, the last ones at the edge of the drawing. On a
        // telephone names have lines of their own.
        let (left, right, top, height) = match size {
            Size::Page => (beside.clamp(150.0, 300.0), width - last.max(30.0), 14.0, 290.0),
            Size::Phone => (first.max(40.0), width - last.max(26.0), 12.0, 240.0),
        };
        let end = match size {
            Size::Page => left - first - GAP,
            Size::Phone => width,
        };
        let bottom = top + height;
        Self {
            size,
            left,
            right,
            top,
            bottom,
            x: Scale::new((0.0, axis_end), (left, right)),
            y: Scale::new((0.0, 1.0), (bottom, top)),
            ticks,
            room: ((end - NAME) / LETTER + 1e-6).max(1.0) as usize,
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
        let all: Vec<String> =
            self.curves.iter().map(|own| words::group(self.wording, &own.curve.group)).collect();
        let (by, names) = words::apart(&all);
        let layout = self.layout(size, &names);
        let height = layout.table_top() + 8.0 + layout.row() * self.curves.len() as f64;
        html! {
            svg class=(size.class()) data-figure="survival" viewBox=(format!("0 0 {} {height}", size.width()))
                role="img" aria-label=(self.alternative()) {
                (self.axes(&layout))
                @for (index, own) in self.curves.iter().enumerate() {
                    (self.steps(own.curve, index, &layout))
                }
                (self.legend(by.as_deref(), &names, &layout))
                text.small x="0" y=(unit(layout.table_top() - 4.0)) { "At risk (censored)" }
                @for (index, (own, name)) in self.curves.iter().zip(&names).enumerate() {
                    (self.at_risk_row(own, name, index, &layout))
                }
            }
        }
    }

    fn layout(&self, size: Size, names: &[String]) -> Layout {
        let ticks = plot::ticks(self.axis.end, size.ticks(8, 4));
        let letters = |tick: Option<&f64>| {
            let of = |own: &Seen<'_>| {
                let (risk, censored) = self.numbers(own, *tick?);
                Some(risk.chars().count() + censored.map_or(0, |text| text.chars().count()))
            };
            self.curves.iter().filter_map(of).max().unwrap_or(0)
        };
        let widths = Widths {
            name: names.iter().map(|name| name.chars().count()).max().unwrap_or(0),
            first: letters(ticks.first()),
            last: letters(ticks.last()),
        };
        Layout::new(size, self.axis.end, ticks, &widths)
    }

    /// Who is at risk at a tick, and how many were censored before, in brackets.
    fn numbers(&self, own: &Seen<'_>, tick: f64) -> (String, Option<String>) {
        let time = tick * self.axis.divisor;
        if self.is_cut && own.curve.time.last().is_none_or(|last| *last < time) {
            return (BEYOND.to_owned(), None);
        }
        let (risk, censored) = own.at_risk(time, self.min_cell);
        let censored = censored.map(|cell| format!(" ({})", cell.text(self.min_cell, None)));
        (risk.text(self.min_cell, None), censored)
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
    fn legend(&self, by: Option<&str>, names: &[String], layout: &Layout) -> Markup {
        let events = words::or(&self.wording.events, "events");
        // Long names of events would leave the drawing; the table has the numbers.
        let with_events = layout.is_page() && !self.is_cut && events.chars().count() <= 12;
        let (start, gap) = match layout.size {
            Size::Page => (layout.right - 300.0, 22.0),
            Size::Phone => (layout.right - 190.0, 20.0),
        };
        let top = layout.top + 18.0;
        let first = if by.is_some() { top + gap } else { top };
        html! {
            @if let Some(by) = by {
                text.label x=(unit(start)) y=(unit(top)) { (words::shorten(by, 30)) }
            }
            @for (index, (own, name)) in self.curves.iter().zip(names).enumerate() {
                @let (colour, dash) = stroke(index);
                @let at = first + gap * index as f64;
                line.curve x1=(unit(start)) x2=(unit(start + 30.0)) y1=(unit(at - 4.0)) y2=(unit(at - 4.0))
                    stroke=(colour) stroke-dasharray=(dash) {}
                text.label x=(unit(start + 38.0)) y=(unit(at)) {
                    tspan.strong { (words::shorten(name, 22)) }
                    ", n" @if own.patients.is_printed() { "=" }
                    (own.patients.text(self.min_cell, None))
                    @if with_events { ", " (own.events.text(self.min_cell, None)) " " (events) }
                }
            }
        }
    }

    /// Numbers of one group under the ticks; on a telephone its name has a line of its own.
    fn at_risk_row(&self, own: &Seen<'_>, name: &str, index: usize, layout: &Layout) -> Markup {
        let (colour, _) = stroke(index);
        let name_y = layout.table_top() + 16.0 + layout.row() * index as f64;
        let numbers_y = if layout.is_page() { name_y } else { name_y + 16.0 };
        html! {
            rect x="0" y=(unit(name_y - 9.0)) width="8" height="9" fill=(colour) {}
            text.small x=(unit(NAME)) y=(unit(name_y)) { (words::shorten(name, layout.room)) }
            @for tick in &layout.ticks {
                @let (risk, censored) = self.numbers(own, *tick);
                text.small x=(layout.x.text(*tick)) y=(unit(numbers_y)) text-anchor="middle" {
                    @if risk == BEYOND {
                        (risk)
                    } @else {
                        tspan.strong { (risk) }
                        @if let Some(censored) = censored { (censored) }
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
            "{}, Kaplan-Meier curves. {}. Numbers at risk stand below the curves.",
            words::outcome(self.wording),
            each.join("; ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_under_the_axis_is_whole_and_inside_the_drawing() {
        for size in [Size::Page, Size::Phone] {
            for name in [4, 26, 60] {
                let widths = Widths { name, first: 13, last: 13 };
                let half = 13.0 * LETTER / 2.0;
                let layout = Layout::new(size, 10.0, vec![0.0, 5.0, 10.0], &widths);
                assert!(layout.x.at(10.0) + half <= size.width() + 1e-9, "{size:?} {name}");
                assert!(layout.x.at(0.0) - half >= -1e-9, "{size:?} {name}");
                let end = NAME + LETTER * layout.room as f64 - 1e-3;
                assert!(!layout.is_page() || end <= layout.left - half, "{name}: {end}");
                assert!(layout.room >= name.min(30), "{size:?} {name}: {}", layout.room);
            }
        }
    }

    #[test]
    fn groups_are_named_by_what_tells_them_apart() {
        let curve = |group: &str| Curve {
            group: group.to_owned(),
            n: 1043,
            time: vec![5.0, 10.0],
            n_risk: vec![1043, 500],
            n_event: vec![243, 100],
            n_censor: vec![300, 400],
            surv: vec![0.8, 0.6],
            se: vec![0.01, 0.02],
            lo: vec![0.75, 0.55],
            hi: vec![0.85, 0.65],
            median: None,
            median_lo: None,
            median_hi: None,
            rmst: None,
        };
        let curves = ["Risiko=intermediär", "Risiko=ungünstig, mit Knochenmark"].map(curve);
        let seen = curves.each_ref().map(|curve| Seen::alone(curve, 5));
        let wording = Wording::default();
        let axis = TimeAxis::until(10.0, &wording);
        let figure =
            Figure { curves: &seen, axis: &axis, wording: &wording, min_cell: 5, is_cut: false };
        let drawn = figure.draw(Size::Page).into_string();
        assert_eq!(drawn.matches(">Risiko<").count(), 1, "{drawn}");
        assert_eq!(drawn.matches(">intermediär<").count(), 2, "legend and numbers: {drawn}");
        assert!(drawn.contains(">ungünstig, mit Knochenmark</text>"), "{drawn}");
    }
}
