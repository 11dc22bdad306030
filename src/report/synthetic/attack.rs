//! Checks of privacy that were tried, each with what it does not show: equal bins, distances, and
//! an attack that guesses who was in the data.
//!
//! Display rules of an exact group ([`super::hidden`]): copies are printed where neither they nor the
//! others are few, and the curve of distances is in multiples of `min_cell` patients.

use haima_fl_core::results::fidelity::{Fidelity, Group, Nearest};
use maud::{Markup, html};

use super::super::cells::Shown;
use super::super::chart::{Axis, Chart, Line, Shape};
use super::super::numbers;
use super::{Membership, SyntheticReport, facts, hidden, share};
use crate::model_file::Guarantee;

/// The section's body.
pub(super) fn body(report: &SyntheticReport) -> Markup {
    let promised = matches!(report.provenance.privacy, Guarantee::Dp { simulated: false, .. });
    html! {
        p.warn {
            "These are checks, not proofs. "
            @if promised { "What protects patients is the guarantee above; " } @else { "There is no guarantee, and nothing here takes its place; " }
            "a check that finds something is a reason to look, and one that finds nothing shows only that this way of looking found nothing."
        }
        @if let Some(found) = &report.membership { (membership(found)) }
        @if let Some(fidelity) = &report.fidelity { (distances(fidelity, report.min_cell)) }
    }
}

fn membership(found: &Membership) -> Markup {
    let (lo, hi) = (found.auc.lo.unwrap_or(f64::NAN), found.auc.hi.unwrap_or(f64::NAN));
    let refits = numbers::count(found.refits);
    let verdict = if found.is_blind() {
        // Whatever came out: what could be there is smaller than what would be seen.
        format!("{refits} generators cannot tell.")
    } else if lo <= 0.5 && 0.5 <= hi {
        format!("No better than a guess, as far as {refits} generators can tell.")
    } else if lo > 0.5 {
        "Better than a guess: the attack learns something of who was in the data.".to_owned()
    } else {
        "A guess gives 0.5.".to_owned()
    };
    let mut rows = vec![(
        "Membership attack (AUC, 95% CI)",
        share(&found.auc),
        format!("{verdict} {} {}", found.attack, found.power),
    )];
    rows.push((
        "Generators fitted for it",
        refits,
        "Each on a random half of the patients, so that it is known who was in.".to_owned(),
    ));
    if let Some(control) = &found.positive_control {
        rows.push((
            "The same attack where it must work",
            share(control),
            "On generators of the same kind without noise: it shows that the attack can find something.".to_owned(),
        ));
    }
    html! { h3 { "Guessing who was in the data" } (facts("Membership inference", &rows)) }
}

/// Equal bins and distances, with what they do not show.
pub(super) fn distances(fidelity: &Fidelity, min_cell: u64) -> Markup {
    let nearest = &fidelity.nearest;
    let exact = fidelity.noise.is_none();
    let mut rows =
        vec![("Same bins in every column", copies(nearest, min_cell), equal_bins(nearest))];
    if let Some(auc) = &nearest.auc {
        rows.push((
            "Closeness as a sign of membership (AUC, 95% CI)",
            share(auc),
            "Chance that a patient of the making is closer to the virtual patients than one who was kept out: 0.5 where closeness tells nothing.".to_owned(),
        ));
    }
    let middle = |group: &Group| {
        median(&group.ratios).map_or_else(|| "–".to_owned(), |ratio| numbers::decimal(ratio, 2))
    };
    let ratio = match &nearest.holdout {
        Some(out) => {
            format!(
                "{} among patients it was made from, {} among those kept out",
                middle(&nearest.training),
                middle(out)
            )
        }
        None => middle(&nearest.training),
    };
    rows.push((
        "Closest over second closest, median (NNDR)",
        ratio,
        "Near 0 for a patient who has one virtual patient suspiciously to themselves; near 1 where the closest is one of many.".to_owned(),
    ));
    let lines: Vec<Line> = lines(nearest);
    let chart = Chart {
        name: "distances",
        alternative: alternative(&lines),
        lines,
        x: Axis {
            label: "Distance to the closest virtual patient (0 to 1)".to_owned(),
            ends: (0.0, 0.5),
            percent: false,
        },
        y: Axis { label: "Patients at most that far".to_owned(), ends: (0.0, 1.0), percent: true },
        guide: None,
    };
    html! {
        h3 { "Equal bins and distances" }
        (facts("Equal bins and distances", &rows))
        figure {
            (chart.figure())
            figcaption {
                "How close the closest virtual patient is (DCR). A generator that copies brings the patients of its making closer than those who were kept out."
                @if nearest.holdout.is_none() { " Nobody was kept out of the making, so there is nothing to compare with: closeness alone says little." }
                @if exact && min_cell > 1 { " Rounded to " (min_cell) " patients; fewer are none." }
            }
        }
        p.note {
            b { "What this does not show. " }
            "Sets of virtual patients that pass all tests of distance have been found to give away who was in their data to a better attack, and a patient "
            "with common values is close to somebody in any set. Distances are on the generator’s bins: values within a bin count as equal. Patients of "
            "both groups are measured against the same virtual ones, so their numbers need not be equal."
        }
    }
}

fn copies(nearest: &Nearest, min_cell: u64) -> String {
    let of = |group: &Group| {
        let [copies, n] = [group.copies, group.n].map(|count| count.round().max(0.0) as u64);
        // The first bin has the copies, few as none.
        let few = group.distances.first().is_none_or(|first| *first <= 0.0);
        let shown = match (group.copies.is_nan(), few) {
            (false, _) => Shown::Count(copies),
            (true, true) => Shown::Small,
            (true, false) => Shown::Protecting,
        };
        let copies = shown.text(min_cell, Some(n));
        format!("{copies} of {}", hidden::patients(group.n, min_cell))
    };
    match &nearest.holdout {
        Some(out) => format!(
            "{} among patients it was made from; {} among those kept out",
            of(&nearest.training),
            of(out)
        ),
        None => of(&nearest.training),
    }
}

fn equal_bins(nearest: &Nearest) -> String {
    let compare = match nearest.holdout {
        Some(_) => " The share among those who were kept out is what chance gives.",
        None => "",
    };
    format!(
        "Real patients who have the same level, or bin of a number, as a virtual one in every column, which few columns and wide bins make common. Within a bin their numbers may differ.{compare}"
    )
}

/// Middle of a histogram over bins of equal width from 0 to 1.
fn median(counts: &[f64]) -> Option<f64> {
    let total: f64 = counts.iter().map(|count| count.max(0.0)).sum();
    let mut before = 0.0;
    for (bin, count) in counts.iter().map(|count| count.max(0.0)).enumerate() {
        if count > 0.0 && before + count >= total / 2.0 {
            return Some((bin as f64 + (total / 2.0 - before) / count) / counts.len() as f64);
        }
        before += count;
    }
    None
}

fn lines(nearest: &Nearest) -> Vec<Line> {
    let line = |name: &str, group: &Group| {
        let (start, points) = cumulative(group, &nearest.distance_edges);
        Line { name: name.to_owned(), start, points, band: Vec::new(), shape: Shape::Steps }
    };
    match &nearest.holdout {
        Some(out) => vec![line("made from", &nearest.training), line("kept out", out)],
        None => vec![line("real patients", &nearest.training)],
    }
}

/// Share at distance 0, and `(distance, share at most that far)`.
fn cumulative(group: &Group, edges: &[f64]) -> (f64, Vec<(f64, f64)>) {
    let n = group.n.max(1.0);
    let mut sum = 0.0;
    let shares: Vec<f64> = group
        .distances
        .iter()
        .map(|count| {
            sum += count;
            (sum / n).clamp(0.0, 1.0)
        })
        .collect();
    let start = shares.first().copied().unwrap_or(0.0);
    (start, edges.iter().copied().zip(shares).skip(1).collect())
}

fn alternative(lines: &[Line]) -> String {
    let at = |line: &Line, distance: f64| {
        let reached = line.points.iter().take_while(|(own, _)| *own <= distance + 1e-9).last();
        numbers::percent(reached.map_or(line.start, |(_, share)| *share))
    };
    let each: Vec<String> = lines
        .iter()
        .map(|line| {
            format!("{}: {} within 0.1, {} within 0.2", line.name, at(line, 0.1), at(line, 0.2))
        })
        .collect();
    format!("Patients by distance to the closest virtual patient. {}.", each.join("; "))
}
