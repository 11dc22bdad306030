//! What the page opens with beside the guarantee: how far the first curves are apart, and how many
//! ratios are met.

use haima_fl_core::synth::metrics::{fits, survival};
use maud::{Markup, html};

use super::super::numbers;
use super::super::words::Ratio;
use super::SyntheticReport;

/// A figure and what it is.
pub(super) struct Tile {
    pub(super) value: String,
    pub(super) detail: Markup,
}

/// Mean distance of the first two curves.
pub(super) fn curves(report: &SyntheticReport) -> Option<Tile> {
    let pair = report.survival.first()?;
    let real = pair.real.curves.first()?;
    let synthetic = pair.synthetic.curves.iter().find(|own| own.group == real.group)?;
    let found = survival::compare(real, synthetic)?;
    Some(Tile {
        value: numbers::decimal(found.divergence, 3),
        detail: html! { "mean distance of virtual from real, 0 to 1: " (pair.title) },
    })
}

/// How many of the ratios of the first model are within the real ones' intervals.
pub(super) fn ratios(report: &SyntheticReport) -> Option<Tile> {
    let pair = report.ratios.first()?;
    let both = fits::compare(&pair.real, &pair.synthetic);
    let met = both.iter().filter(|both| {
        let (real, virtual_) = (both.real, both.synthetic.hr);
        real.lo <= virtual_ && virtual_ <= real.hi
    });
    (!both.is_empty()).then(|| Tile {
        value: format!("{} of {}", met.count(), both.len()),
        detail: html! {
            "virtual " (Ratio::of(&pair.real).short) " within the 95% interval of real patients: " (pair.title)
        },
    })
}
