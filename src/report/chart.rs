//! A chart of lines: probabilities over time, calibration, net benefit.
//!
//! The legend stands above the area, a line each, so that nothing covers a curve.

use maud::{Markup, html};

use super::plot::{self, Scale, Size, stroke, unit};
use super::{numbers, words};

/// How the points of a line are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Constant from each point to the next, starting at the origin of the axes.
    Steps,
    /// Straight from point to point.
    Straight,
    /// Straight, with a mark on every point.
    Marked,
}

/// One line.
pub(super) struct Line {
    /// In the legend.
    pub(super) name: String,
    /// Where a stepped line is at time 0.
    pub(super) start: f64,
    /// `(x, y)`.
    pub(super) points: Vec<(f64, f64)>,
    /// Ends of the interval at each point, or nothing.
    pub(super) band: Vec<(f64, f64)>,
    /// How points are joined.
    pub(super) shape: Shape,
}

/// An axis.
pub(super) struct Axis {
    /// What it shows.
    pub(super) label: String,
    /// First and last value.
    pub(super) ends: (f64, f64),
    /// Whether values are shares, printed as percentages.
    pub(super) percent: bool,
}

/// A chart.
pub(super) struct Chart {
    /// What it is, in a word, for the name of its file.
    pub(super) name: &'static str,
    /// Lines, in the order of their colours.
    pub(super) lines: Vec<Line>,
    /// To the right.
    pub(super) x: Axis,
    /// Upwards.
    pub(super) y: Axis,
    /// A broken line from one point to another, e.g. of perfect calibration.
    pub(super) guide: Option<((f64, f64), (f64, f64))>,
    /// What the drawing says, for readers who cannot see it.
    pub(super) alternative: String,
}

/// Where things go, drawing units.
struct Layout {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Scale,
    y: Scale,
}

impl Chart {
    /// The figure at both sizes.
    pub(super) fn figure(&self) -> Markup {
        plot::both(|size| self.draw(size))
    }

    /// The drawing at one size.
    pub(super) fn draw(&self, size: Size) -> Markup {
        let legend = 20.0 * self.lines.len() as f64;
        let (left, right, height) = match size {
            Size::Page => (70.0, size.width() - 30.0, 290.0),
            Size::Phone => (46.0, size.width() - 14.0, 240.0),
        };
        let top = legend + 34.0;
        let bottom = top + height;
        let (x, y) =
            (Scale::new(self.x.ends, (left, right)), Scale::new(self.y.ends, (bottom, top)));
        let layout = Layout { left, right, top, bottom, x, y };
        html! {
            svg class=(size.class()) data-figure=(self.name) viewBox=(format!("0 0 {} {}", size.width(), unit(bottom + 48.0)))
                role="img" aria-label=(self.alternative) {
                (self.axes(size, &layout))
                @for (index, line) in self.lines.iter().enumerate() { (drawn(line, index, &layout)) }
                @for (index, line) in self.lines.iter().enumerate() {
                    @let (colour, dash) = stroke(index);
                    @let at = 12.0 + 20.0 * index as f64;
                    line.curve x1=(unit(layout.left)) x2=(unit(layout.left + 30.0)) y1=(unit(at)) y2=(unit(at))
                        stroke=(colour) stroke-dasharray=(dash) {}
                    text.label x=(unit(layout.left + 38.0)) y=(unit(at + 4.0)) {
                        (words::shorten(&line.name, size.ticks(80, 36)))
                    }
                }
            }
        }
    }

    fn axes(&self, size: Size, layout: &Layout) -> Markup {
        let Layout { left, right, top, bottom, x, y } = layout;
        html! {
            text.tick x="0" y=(unit(top - 10.0)) { (self.y.label) }
            @for tick in self.y.ticks(5) {
                line.grid x1=(unit(*left)) x2=(unit(*right)) y1=(y.text(tick)) y2=(y.text(tick)) {}
                text.tick x=(unit(left - 8.0)) y=(unit(y.at(tick) + 4.0)) text-anchor="end" { (self.y.text(tick)) }
            }
            @if let Some(((x1, y1), (x2, y2))) = self.guide {
                line.one x1=(x.text(x1)) x2=(x.text(x2)) y1=(y.text(y1)) y2=(y.text(y2)) {}
            }
            @for tick in self.x.ticks(size.ticks(8, 4)) {
                line.axis x1=(x.text(tick)) x2=(x.text(tick)) y1=(unit(*bottom)) y2=(unit(bottom + 5.0)) {}
                text.tick x=(x.text(tick)) y=(unit(bottom + 19.0)) text-anchor="middle" { (self.x.text(tick)) }
            }
            line.axis x1=(unit(*left)) x2=(unit(*right)) y1=(unit(*bottom)) y2=(unit(*bottom)) {}
            text.label x=(unit((left + right) / 2.0)) y=(unit(bottom + 40.0)) text-anchor="middle" { (self.x.label) }
        }
    }
}

impl Axis {
    /// Round values between the ends.
    fn ticks(&self, most: usize) -> Vec<f64> {
        let (from, to) = self.ends;
        let Some(step) = plot::ticks(to - from, most).get(1).copied() else { return vec![from] };
        let first = (from / step - 1e-9).ceil() as i64;
        let last = (to / step + 1e-9).floor() as i64;
        (first..=last).map(|index| index as f64 * step).collect()
    }

    fn text(&self, tick: f64) -> String {
        if self.percent {
            numbers::percent(tick)
        } else {
            plot::tick_text(tick).replace('-', "−")
        }
    }
}

/// A line with its band.
fn drawn(line: &Line, index: usize, layout: &Layout) -> Markup {
    let Layout { x, y, .. } = layout;
    let (colour, dash) = stroke(index);
    let at = |&(a, b): &(f64, f64)| format!("{} {}", x.text(a), y.text(b));
    let known = || line.points.iter().filter(|(_, b)| b.is_finite());
    let path = match line.shape {
        Shape::Steps => {
            let start = format!("M{} {}", x.text(0.0), y.text(line.start));
            let steps = known().map(|(a, b)| format!("H{}V{}", x.text(*a), y.text(*b)));
            std::iter::once(start).chain(steps).collect::<String>()
        }
        Shape::Straight | Shape::Marked => {
            let points: Vec<String> = known().map(at).collect();
            if points.is_empty() { String::new() } else { format!("M{}", points.join("L")) }
        }
    };
    html! {
        @if !line.band.is_empty() {
            path d=(band(line, x, y)) fill=(colour) fill-opacity="0.13" {}
        }
        path.curve d=(path) stroke=(colour) stroke-dasharray=(dash) {}
        @if line.shape == Shape::Marked {
            @for (a, b) in known() {
                circle cx=(x.text(*a)) cy=(y.text(*b)) r="4" fill=(colour) {}
            }
        }
    }
}

/// The area between the ends of the intervals of a stepped line.
fn band(line: &Line, x: &Scale, y: &Scale) -> String {
    let start = format!("{} {}", x.text(0.0), y.text(line.start));
    let (mut upper, mut lower) = (format!("M{start}"), vec![format!("L{start}")]);
    let mut before = line.start;
    for ((time, value), (lo, hi)) in line.points.iter().zip(&line.band) {
        // Where there is no interval its ends are the value.
        let [lo, hi] = [*lo, *hi].map(|end| if end.is_finite() { end } else { *value });
        let at = x.text(*time);
        upper.push_str(&format!("H{at}V{}", y.text(hi)));
        lower.push(format!("L{at} {}L{at} {}", y.text(lo), y.text(before)));
        before = lo;
    }
    lower.reverse();
    format!("{upper}{}Z", lower.concat())
}
