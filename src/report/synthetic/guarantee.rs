//! What is promised to whom, against whom: before any figure that was measured.

use maud::{Markup, html};

use super::super::{numbers, page::class_badge};
use super::{SyntheticReport, facts};
use crate::model_file::Guarantee;
use crate::report::model::Class;

/// A figure for the cards, and what it is measured against.
pub(super) fn headline(privacy: &Guarantee) -> (String, String) {
    match privacy {
        Guarantee::Exact { .. } => {
            ("none".to_owned(), "made without noise: no differential privacy".to_owned())
        }
        Guarantee::Dp { simulated: true, .. } => {
            ("none".to_owned(), "a simulation on one machine, with a study's noise".to_owned())
        }
        Guarantee::Dp { epsilon, delta, unit, .. } => (
            format!("ε = {}", numbers::epsilon(*epsilon)),
            format!("δ = {}, for each {unit}", numbers::scientific(*delta)),
        ),
    }
}

/// The section's body.
pub(super) fn body(report: &SyntheticReport) -> Markup {
    html! {
        @match &report.provenance.privacy {
            Guarantee::Exact { note } => {
                p.warn {
                    b { "There is no formal guarantee." }
                    " The generator was made from sums without noise (" (note) "). Virtual patients can "
                    "give away facts about single real ones, and the checks further down cannot rule it out. "
                    "Treat this file like the data that it was made from."
                }
            }
            Guarantee::Dp { .. } => (of_noise(&report.provenance.privacy)),
        }
        (beside(report))
    }
}

fn of_noise(promised: &Guarantee) -> Markup {
    let Guarantee::Dp {
        epsilon,
        delta,
        unit,
        adjacency,
        adversary,
        accountant,
        noise,
        simulated,
        note,
    } = promised
    else {
        return html! {};
    };
    let rows = [
        (
            "ε and δ",
            format!("ε = {}, δ = {}", numbers::epsilon(*epsilon), numbers::scientific(*delta)),
            in_words(*epsilon, *delta),
        ),
        ("Whose part is hidden", unit.clone(), String::new()),
        (
            "Compared",
            adjacency.clone(),
            "The two data sets that no reader can tell apart better than ε and δ say.".to_owned(),
        ),
        (
            "Against whom",
            adversary.clone(),
            "Whatever else they know of the patient, and whatever they compute.".to_owned(),
        ),
        (
            "Counted by",
            accountant.clone(),
            format!(
                "Noise of scale {} grid steps in each of {}, where one patient moves a sum by at most {}; {} \
                 counted on. The whole plan, spare attempts included.",
                numbers::count(noise.s),
                numbers::counted(noise.attempts.into(), "release", "releases"),
                numbers::count(noise.sensitivity),
                numbers::counted(noise.draws.into(), "draw is", "draws are"),
            ),
        ),
    ];
    html! {
        @if *simulated {
            p.warn {
                b { "A simulation." }
                " All rows were on one machine, whose owner sees them. A study with this noise would promise what follows."
            }
        }
        p {
            "Every number that the generator was made from carries noise, so it is almost as likely with as "
            "without any one patient. This holds for the generator, for these virtual patients, and for any "
            "number of others drawn from it: nothing that is done with them can weaken it."
        }
        (facts("The formal guarantee", &rows))
        @if !note.is_empty() { p.note { (note) } }
    }
}

/// What epsilon says to somebody who has never met it.
fn in_words(epsilon: f64, delta: f64) -> String {
    let likely = epsilon.exp();
    if !likely.is_finite() || !(0.0..1.0).contains(&delta) {
        return "No protection that could be put in words.".to_owned();
    }
    // Kairouz, Oh, Viswanath 2015: the best guess of one bit with even odds.
    let right = 100.0 * (likely + delta) / (1.0 + likely);
    format!(
        "No conclusion about a patient becomes more than {} times as likely, or as unlikely, because \
         the patient was in the data, but for a chance of {}. Who has to guess whether a patient was in, \
         with even odds, is right at most {} times in 100, whatever the method.",
        numbers::significant(likely),
        numbers::scientific(delta),
        numbers::decimal(right.min(100.0), 0),
    )
}

/// What stands on this page besides, outside the generator's guarantee.
fn beside(report: &SyntheticReport) -> Markup {
    let exact = |class: &Class| *class == Class::Exact;
    let mut parts = Vec::new();
    if report.fidelity.as_ref().is_some_and(|one| one.noise.is_none()) {
        parts.push("tables and distances");
    }
    if report.survival.iter().any(|one| exact(&one.class)) {
        parts.push("real patients' curves");
    }
    if report.ratios.iter().any(|one| exact(&one.class)) {
        parts.push("real patients' models");
    }
    if report.utility.iter().any(|one| exact(&one.class)) {
        parts.push("judgements on real patients");
    }
    html! {
        @if !parts.is_empty() {
            p.note {
                (class_badge(&Class::Exact)) " The comparisons on this page are not the virtual patients. Those without "
                "noise are sums over hospitals, outside the guarantee: " (parts.join(", ")) "."
            }
        }
    }
}
