//! The report on a set of virtual patients: one self-contained HTML page, drawn from one value.
//!
//! What is promised comes first: of all that can be said of such a set, the formal guarantee alone
//! holds against whatever a reader knows. Then what they are good for: curves, ratios and models beside
//! those of real patients; how like these they are, table by table; and checks of privacy with what
//! these do not show. Real patients appear as sums
//! over hospitals, under the display rule (`min_cell`) where a sum is exact: what it hides is taken out
//! of the data first (`hidden`), for the page and for its JSON alike.

mod attack;
mod columns;
mod guarantee;
mod heat;
mod hidden;
mod model;
mod origin;
mod overlay;
mod ratios;
mod tables;
mod tiles;
mod utility;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use haima_fl_core::results::fidelity::Fidelity;
use haima_fl_core::results::generator::Generator;
use haima_fl_core::results::validation::Share;
use haima_fl_core::synth::rounds::Measured;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::style::STYLE;
use super::{numbers, place, words};
use crate::model_file::Guarantee;
pub use model::{Membership, RatioPair, SCHEMA, Sample, SurvivalPair, SyntheticReport, Utility};

/// The page as text.
#[must_use]
pub fn render(report: &SyntheticReport) -> String {
    page(report).into_string()
}

/// Writes `index.html` and `report.json` into `dir`, which is made if it is missing, and returns
/// the path of the page.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path, report: &SyntheticReport) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let json = serde_json::to_vec_pretty(report).map_err(io::Error::other)?;
    place(dir, "report.json", &json)?;
    place(dir, "index.html", render(report).as_bytes())
}

/// A comparison under the display rule, as a study's report shows it. It does not know how its
/// generator was made, which may be without noise.
pub(super) fn shown(result: &Fidelity, min_cell: u64) -> Fidelity {
    hidden::fidelity(result, min_cell, false)
}

/// A report without what its display rule hides.
#[cfg(feature = "cli")]
pub(super) fn without(report: &SyntheticReport) -> SyntheticReport {
    hidden::without(report)
}

/// Anchor, title and body of each section.
#[cfg(feature = "cli")]
pub(super) fn parts(report: &SyntheticReport) -> Vec<(&'static str, &'static str, Markup)> {
    let own = sections(&hidden::without(report));
    own.into_iter().map(|section| (section.id, section.title, section.body)).collect()
}

/// The part of one step of a study's report.
pub(super) fn section(
    step: &Step,
    result: &Fidelity,
    wording: &Wording,
    floors: &Floors,
) -> Markup {
    let (shown, min_cell) = (shown(result, floors.min_cell), floors.min_cell);
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        (tables::body(&shown, wording, min_cell))
        (columns::body(&shown, wording, min_cell))
        (attack::distances(&shown, min_cell))
    }
}

/// A generator as one step of a study's report: what it was made from, and where it is.
pub(super) fn generator(step: &Step, made: &Generator) -> Markup {
    let attributes = made.domain.attributes.len();
    let of = match made.network() {
        Some(network) => {
            let weights = numbers::counted(network.weights.len() as u64, "weight", "weights");
            format!("a network of {weights}, trained in")
        }
        None => {
            let several = |table: &&Measured| table.attributes.len() > 1;
            let tables = made.measured.iter().filter(several).count();
            let tables = numbers::counted(tables as u64, "table", "tables");
            format!("from {tables} of several attributes in")
        }
    };
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        p {
            "A generator of virtual patients (" (made.method) ") over "
            (numbers::counted(attributes as u64, "attribute", "attributes")) ", " (of) " "
            (numbers::counted(made.rounds.into(), "secure sum", "secure sums"))
            @if made.holdout > 0.0 {
                ", with " (numbers::percent(made.holdout)) " of patients kept out to judge it by"
            }
            ". It stands in report.json; nobody of the patients does."
        }
    }
}

/// A section with its anchor.
struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

/// The whole document.
#[must_use]
pub fn page(report: &SyntheticReport) -> Markup {
    let report = &hidden::without(report);
    let name = words::or(&report.title, "Virtual patients");
    let sections = sections(report);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (name) " – virtual patients" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(report, name))
                nav aria-label="Sections" {
                    @for section in &sections { a href=(format!("#{}", section.id)) { (section.title) } }
                }
                main {
                    @for section in &sections {
                        section id=(section.id) aria-labelledby=(format!("{}-title", section.id)) {
                            h2 id=(format!("{}-title", section.id)) { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer {
                    "haima " (env!("CARGO_PKG_VERSION")) " · " (words::or(&report.schema, "no schema"))
                    " · virtual patients; not for the care of patients"
                }
            }
        }
    }
}

fn sections(report: &SyntheticReport) -> Vec<Section> {
    let mut sections = vec![Section {
        id: "guarantee",
        title: "What is guaranteed",
        body: guarantee::body(report),
    }];
    let mut add = |id, title, body: Option<Markup>| {
        sections.extend(body.map(|body| Section { id, title, body }));
    };
    let (wording, min_cell) = (&report.wording, report.min_cell);
    let fidelity = report.fidelity.as_ref();
    let any = |there: bool, body: fn(&SyntheticReport) -> Markup| there.then(|| body(report));
    add("survival", "Survival", any(!report.survival.is_empty(), overlay::body));
    add("ratios", "Associations", any(!report.ratios.is_empty(), ratios::body));
    add(
        "utility",
        "Learning from virtual patients",
        any(!report.utility.is_empty(), utility::body),
    );
    add(
        "fidelity",
        "How like real patients",
        fidelity.map(|one| tables::body(one, wording, min_cell)),
    );
    add("columns", "Column by column", fidelity.map(|one| columns::body(one, wording, min_cell)));
    let checked = fidelity.is_some() || report.membership.is_some();
    add("checks", "Checks of privacy", any(checked, attack::body));
    add("origin", "Where they come from", Some(origin::body(report)));
    sections
}

fn header(report: &SyntheticReport, name: &str) -> Markup {
    let (sample, data) = (&report.sample, &report.provenance.data);
    let (guaranteed, against) = guarantee::headline(&report.provenance.privacy);
    let card = |title: &str, value: &str, detail: Markup| {
        html! { div.card { dt { (title) } dd.value { (value) } dd.detail { (detail) } } }
    };
    let like = match data.patients {
        Some(patients) => numbers::cell(patients, report.min_cell),
        None => "not released".to_owned(),
    };
    let last = report.fidelity.as_ref().and_then(|one| Some((one, one.workload.last()?)));
    let distance = last.filter(|(_, order)| !order.tv.is_nan());
    html! {
        header {
            p.brand {
                svg viewBox="0 0 16 20" width="16" height="20" aria-hidden="true" {
                    path d="M8 1C8 1 2 8.6 2 12.6a6 6 0 0 0 12 0C14 8.6 8 1 8 1Z" fill="#a3273a" {}
                }
                "haima report on virtual patients"
            }
            h1 { (name) }
            p.lead {
                (numbers::counted(sample.rows, "virtual patient", "virtual patients"))
                @if !sample.conditions.is_empty() { ", " (sample.conditions.join(", ")) }
            }
            p.meta {
                "Drawn from a statistical model of "
                (numbers::counted(data.hospitals, "hospital's patients", "hospitals' patients"))
                @match &report.provenance.privacy {
                    Guarantee::Dp { .. } => { ". No row belongs to a person." }
                    Guarantee::Exact { .. } => { ", without noise: a row can hold what is true of a single one of them." }
                }
                " For planning, teaching and trying methods out; what is found on virtual patients has to be confirmed on real ones."
            }
            @for warning in &report.warnings { p.warn { (warning) } }
            dl.cards {
                (card("Virtual patients", &numbers::count(sample.rows), html! { "generator: " (sample.method) }))
                (card("Like the patients of", &numbers::counted(data.hospitals, "hospital", "hospitals"),
                    html! { "patients: " (like) }))
                (card("Guarantee", &guaranteed, html! { (against) }))
                @if let Some(apart) = tiles::curves(report) { (card("Survival curves", &apart.value, apart.detail)) }
                @if let Some(met) = tiles::ratios(report) { (card("Hazard ratios", &met.value, met.detail)) }
                @if let Some((one, order)) = distance {
                    @let joined = order.degree == 1 && hidden::any(one);
                    (card("Distance from real patients", &hidden::at_least(joined, order.tv, 2), html! {
                        "mean over tables of " (numbers::counted(order.degree, "column", "columns")) ", 0 to 1; by chance "
                        (numbers::decimal(order.chance, 2))
                        @if let Some(shuffled) = order.shuffled { ", with columns shuffled " (numbers::decimal(shuffled, 2)) }
                    }))
                }
                @if let Some(found) = &report.membership {
                    (card("Membership attack", &share(&found.auc), html! {
                        "AUC; 0.5 is a guess"
                        @if found.is_blind() { "; " (numbers::count(found.refits)) " generators cannot tell" }
                    }))
                }
            }
        }
    }
}

/// `0.71 (0.66 to 0.76)`.
fn share(share: &Share) -> String {
    let value = numbers::decimal(share.value, 3);
    match (share.lo, share.hi) {
        (Some(lo), Some(hi)) => {
            format!("{value} ({} to {})", numbers::decimal(lo, 3), numbers::decimal(hi, 3))
        }
        _ => value,
    }
}

/// A table of facts: what, how much, and what it means.
fn facts(label: &str, rows: &[(&str, String, String)]) -> Markup {
    let body = html! {
        table.facts { tbody {
            @for (what, value, meaning) in rows {
                tr {
                    th scope="row" { (what) }
                    td { b { (value) } @if !meaning.is_empty() { br; span.quiet { (meaning) } } }
                }
            }
        } }
    };
    scroll(label, &body)
}
