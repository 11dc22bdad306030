//! What the drawings share: scales, ticks, colours, and two sizes of everything.
//!
//! Text in a scaled SVG shrinks with it, so each figure is drawn twice, once for a page and once
//! for a telephone, and the style sheet shows one of them. Colours are those of Okabe and Ito
//! (2008), told apart by colour-blind readers; dash patterns carry the same difference without
//! colour.

use maud::{Markup, html};

/// Which of the two drawings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// For paper and screens: 760 units wide.
    Page,
    /// For telephones: 360 units wide.
    Phone,
}

impl Size {
    /// Width of the viewBox.
    pub(super) fn width(self) -> f64 {
        match self {
            Self::Page => 760.0,
            Self::Phone => 360.0,
        }
    }

    /// Class by which the style sheet picks it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Page => "fig-page",
            Self::Phone => "fig-phone",
        }
    }

    /// The larger of two numbers of ticks fits the page.
    pub(crate) fn ticks(self, page: usize, phone: usize) -> usize {
        match self {
            Self::Page => page,
            Self::Phone => phone,
        }
    }
}

/// Draws a figure at both sizes.
pub(super) fn both(draw: impl Fn(Size) -> Markup) -> Markup {
    html! { (draw(Size::Page)) (draw(Size::Phone)) }
}

/// Line colour and dash pattern of the group at `index`.
pub(super) fn stroke(index: usize) -> (&'static str, &'static str) {
    const COLOURS: [&str; 6] = ["#0072b2", "#c65500", "#00785a", "#a8508a", "#3d3d3d", "#9a6b00"];
    const DASHES: [&str; 6] = ["none", "7 4", "2 3", "10 3 2 3", "4 2", "1 4"];
    (COLOURS[index % COLOURS.len()], DASHES[index % DASHES.len()])
}

/// A linear map from data to drawing units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Maps `from..to` onto `start..end`; a range without width is given one.
    pub(super) fn new((from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { from, to, start, end }
    }

    /// Position of a value, kept inside the drawing.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        self.start + share * (self.end - self.start)
    }

    /// The same as text, to a tenth of a unit.
    pub(super) fn text(&self, value: f64) -> String {
        unit(self.at(value))
    }
}

/// A length in drawing units, to a tenth.
pub(super) fn unit(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Round values from 0 up to `max`, at most `most` steps of 1, 2, 4 or 5 times a power of ten.
pub(crate) fn ticks(max: f64, most: usize) -> Vec<f64> {
    if !max.is_finite() || max <= 0.0 {
        return vec![0.0];
    }
    let step = nice_step(max / most.max(1) as f64, &[1.0, 2.0, 4.0, 5.0]);
    let count = (max / step + 1e-9).floor() as usize;
    (0..=count).map(|index| index as f64 * step).collect()
}

/// Ratios are drawn inside these ends.
pub(super) const RATIOS: (f64, f64) = (0.05, 20.0);

/// The log axis of some ratios: its ends, around all of them and 1, and its ticks. A short axis has even
/// steps and a little room; a longer one doubles from tick to tick, and the longest has 1, 2 and 5 of
/// each decade. These begin and end with a tick, so that no ratio stands beyond the last one.
pub(super) fn ratio_axis(ratios: impl Iterator<Item = f64>, most: usize) -> ((f64, f64), Vec<f64>) {
    let (lo, hi) = ratios
        .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
        .map(|ratio| ratio.clamp(RATIOS.0, RATIOS.1))
        .fold((1.0_f64, 1.0_f64), |(lo, hi), ratio| (lo.min(ratio), hi.max(ratio)));
    if hi / lo < 4.0 {
        let room = (hi / lo).powf(0.06).max(1.02);
        let (lo, hi) = (lo / room, hi * room);
        let step = nice_step((hi - lo) / most.max(1) as f64, &[1.0, 2.0, 5.0]);
        let (first, last) = ((lo / step).ceil() as i64, (hi / step).floor() as i64);
        let mut ticks: Vec<f64> = (first..=last).map(|index| index as f64 * step).collect();
        if !ticks.iter().any(|tick| (tick - 1.0).abs() < 1e-9) {
            ticks.push(1.0);
            ticks.sort_by(f64::total_cmp);
        }
        return ((lo, hi), ticks);
    }
    let mut ticks: Vec<f64> = match hi / lo <= 16.0 {
        true => (-4..=4).map(|power| 2_f64.powi(power)).collect(),
        false => vec![0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0],
    };
    let from = ticks.iter().copied().filter(|tick| *tick <= lo).fold(RATIOS.0, f64::max);
    let to = ticks.iter().copied().filter(|tick| *tick >= hi).fold(RATIOS.1, f64::min);
    ticks.retain(|tick| (from..=to).contains(tick));
    ((from, to), ticks)
}

/// The least of the digits times a power of ten that is at least `raw`.
fn nice_step(raw: f64, digits: &[f64]) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let lead = raw / power;
    let digit = digits.iter().find(|digit| lead <= **digit + 1e-9).unwrap_or(&10.0);
    digit * power
}

/// A tick value with just the decimals it needs.
pub(crate) fn tick_text(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(13.6, 8), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(ticks(0.0, 8), [0.0]);
        assert_eq!(ticks(f64::NAN, 8), [0.0]);
    }

    #[test]
    fn an_axis_of_ratios_holds_them_all_and_a_long_one_begins_and_ends_with_a_tick() {
        let of = |ratios: &[f64]| {
            let ((lo, hi), ticks) = ratio_axis(ratios.iter().copied(), 6);
            let inside = |ratio: &f64| !ratio.is_finite() || (lo..=hi).contains(ratio);
            assert!(ratios.iter().all(inside) && (lo..=hi).contains(&1.0), "{ratios:?}");
            ticks.into_iter().map(tick_text).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&[0.9, 1.45, f64::NAN]), "1 1.2 1.4");
        assert_eq!(of(&[0.4, 1.7]), "0.25 0.5 1 2");
        assert_eq!(of(&[0.5, 0.9, 2.0]), "0.5 1 2");
        assert_eq!(of(&[1.1, 15.0]), "1 2 4 8 16");
        assert_eq!(of(&[0.15, 6.0]), "0.1 0.2 0.5 1 2 5 10");
        assert!(of(&[]).split(' ').any(|tick| tick == "1"));
        let (ends, ticks) = ratio_axis([1e-9, 1e9].into_iter(), 6);
        assert_eq!((ends, ticks.len()), (RATIOS, 9), "an interval without an end ends at the axis");
    }

    #[test]
    fn a_scale_never_leaves_the_drawing() {
        let scale = Scale::new((0.0, 10.0), (40.0, 100.0));
        assert_eq!([scale.at(-5.0), scale.at(5.0), scale.at(50.0)], [40.0, 70.0, 100.0]);
        assert_eq!(Scale::new((1.0, 1.0), (0.0, 1.0)).at(1.0), 0.0);
    }
}
