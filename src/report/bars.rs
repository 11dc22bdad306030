//! Horizontal bars from 0, a row a thing: importance of columns, frequency of mutations.

use maud::{Markup, html};

use super::numbers;
use super::plot::{self, Scale, Size, stroke, unit};
use super::words;

/// One bar.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    /// Ends of the 95 % interval.
    pub(super) interval: Option<(f64, f64)>,
}

/// A drawing of bars.
pub(super) struct Bars {
    /// What it is, in a word, for the name of its file.
    pub(super) name: &'static str,
    /// What the bars show, under their axis.
    pub(super) label: &'static str,
    /// From the top.
    pub(super) bars: Vec<Bar>,
    /// Whether values are shares, printed as percentages.
    pub(super) percent: bool,
}

impl Bars {
    /// The figure at both sizes.
    pub(super) fn figure(&self) -> Markup {
        plot::both(|size| self.draw(size))
    }

    fn text(&self, value: f64) -> String {
        if self.percent { numbers::percent(value) } else { numbers::decimal(value, 3) }
    }

    fn tick(&self, value: f64) -> String {
        if self.percent { numbers::percent(value) } else { plot::tick_text(value) }
    }

    fn draw(&self, size: Size) -> Markup {
        let width = size.width();
        // On a telephone the label stands above its bar.
        let (left, right, row_height, down) = match size {
            Size::Page => (230.0, 660.0, 30.0, 15.0),
            Size::Phone => (12.0, width - 62.0, 48.0, 32.0),
        };
        let ends = self.bars.iter().flat_map(|bar| {
            let (lo, hi) = bar.interval.unwrap_or((bar.value, bar.value));
            [lo, hi, bar.value]
        });
        let (lo, hi) = ends
            .filter(|value| value.is_finite())
            .fold((0.0_f64, 0.0_f64), |(lo, hi), value| (lo.min(value), hi.max(value)));
        let hi = if hi > 0.0 { hi } else { 1.0 };
        let x = Scale::new((lo, hi), (left, right));
        let bottom = row_height * self.bars.len() as f64 + 4.0;
        let each: Vec<String> = self
            .bars
            .iter()
            .map(|bar| format!("{}: {}", bar.label, self.text(bar.value)))
            .collect();
        html! {
            svg class=(size.class()) data-figure=(self.name)
                viewBox=(format!("0 0 {width} {}", unit(bottom + 44.0))) role="img"
                aria-label=(format!("{}. {}.", self.label, each.join("; "))) {
                @for (index, bar) in self.bars.iter().enumerate() {
                    @let at = row_height * index as f64;
                    @let y = at + down;
                    @let label_y = if size == Size::Page { y + 4.0 } else { at + 16.0 };
                    @let (from, to) = (x.at(bar.value.min(0.0)), x.at(bar.value.max(0.0)));
                    text.label x="0" y=(unit(label_y)) { (words::shorten(&bar.label, size.ticks(34, 44))) }
                    rect x=(unit(from)) y=(unit(y - 7.0)) width=(unit(to - from)) height="14"
                        fill=(stroke(0).0) fill-opacity="0.75" {}
                    @if let Some((low, high)) = bar.interval {
                        line.whisker x1=(x.text(low)) x2=(x.text(high)) y1=(unit(y)) y2=(unit(y)) {}
                    }
                    text.label.strong x=(unit(right + 10.0)) y=(unit(y + 4.0)) { (self.text(bar.value)) }
                }
                line.one x1=(x.text(0.0)) x2=(x.text(0.0)) y1="0" y2=(unit(bottom)) {}
                line.axis x1=(unit(left)) x2=(unit(right)) y1=(unit(bottom)) y2=(unit(bottom)) {}
                @for tick in plot::ticks(hi, size.ticks(5, 3)) {
                    line.axis x1=(x.text(tick)) x2=(x.text(tick)) y1=(unit(bottom)) y2=(unit(bottom + 5.0)) {}
                    text.tick x=(x.text(tick)) y=(unit(bottom + 19.0)) text-anchor="middle" { (self.tick(tick)) }
                }
                text.label x=(unit((left + right) / 2.0)) y=(unit(bottom + 38.0)) text-anchor="middle" { (self.label) }
            }
        }
    }
}
