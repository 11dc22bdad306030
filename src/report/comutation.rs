//! Mutations: how often each gene has one, how many a patient has, and which come together.
//!
//! Display rules. Carriers of a gene and the others add up to the patients of their group, so either
//! may be the small cell. Of a pair the numbers of carriers are printed already, so its four counts
//! are hidden together where one is small, and with them odds ratio and p value, which would give
//! them away.

use haima_fl_core::results::comutation::{Comutation, GenePair};
use maud::{Markup, html};

use super::bars::{Bar, Bars};
use super::cells::{Shown, suppress};
use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::{numbers, words};

/// Pairs that are printed.
const MOST: usize = 20;

/// The part of one step.
pub(super) fn section(
    step: &Step,
    result: &Comutation,
    wording: &Wording,
    floors: &Floors,
) -> Markup {
    let min_cell = floors.min_cell;
    let counts = counts(result, min_cell);
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        p.note {
            (numbers::counted_cell(result.n, min_cell, "patient", "patients")) " in whom all of "
            (numbers::counted(result.genes.len() as u64, "gene", "genes")) " are known, "
            (numbers::counted(result.sites, "hospital", "hospitals")) "."
        }
        (frequency(result, &counts, wording))
        (by_gene(result, &counts, wording, min_cell))
        (pairs(result, &counts, wording, min_cell))
    }
}

/// Carriers `[gene][group]` as they are printed.
pub(super) fn counts(result: &Comutation, min_cell: u64) -> Vec<Vec<Shown>> {
    let of_gene = |gene: usize| {
        let groups = || result.groups.iter();
        let carriers = |group: &haima_fl_core::results::comutation::MutationGroup| {
            group.counts.get(gene).copied().unwrap_or(0)
        };
        let with: Vec<u64> = groups().map(carriers).collect();
        let without = groups().map(|group| group.n.saturating_sub(carriers(group))).collect();
        suppress(&[with, without], true, min_cell).into_iter().next().unwrap_or_default()
    };
    (0..result.genes.len()).map(of_gene).collect()
}

/// Genes that are drawn; the table has the others.
const MOST_BARS: usize = 30;

/// How often each gene is mutated among all patients, of those whose number is printed.
fn frequency(result: &Comutation, counts: &[Vec<Shown>], wording: &Wording) -> Markup {
    let all = result.groups.first().map_or(0, |group| group.n);
    let share = |cells: &Vec<Shown>| match cells.first() {
        Some(Shown::Count(count)) if all > 0 => Some(*count as f64 / all as f64),
        _ => None,
    };
    let mut bars: Vec<Bar> = result
        .genes
        .iter()
        .zip(counts)
        .filter_map(|(gene, cells)| {
            let value = share(cells)?;
            Some(Bar { label: words::term(wording, gene), value, interval: None })
        })
        .collect();
    bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    let left_out = result.genes.len().saturating_sub(bars.len().min(MOST_BARS));
    bars.truncate(MOST_BARS);
    if bars.is_empty() {
        return html! {};
    }
    let drawing =
        Bars { name: "mutations", label: "Patients with a mutation", bars, percent: true };
    html! {
        figure {
            (drawing.figure())
            figcaption {
                "How often each gene is mutated, in all patients. "
                @if left_out > 0 {
                    (numbers::counted(left_out as u64, "gene is", "genes are"))
                    " not drawn: too many, or of a number that is not shown."
                }
            }
        }
    }
}

fn by_gene(result: &Comutation, counts: &[Vec<Shown>], wording: &Wording, min_cell: u64) -> Markup {
    let sizes: Vec<u64> = result.groups.iter().map(|group| group.n).collect();
    let shown_sizes = suppress(std::slice::from_ref(&sizes), false, min_cell).concat();
    let most = result.groups.iter().map(|group| group.burden.len()).max().unwrap_or(0);
    let burden: Vec<Vec<u64>> = (0..most)
        .map(|k| result.groups.iter().map(|g| g.burden.get(k).copied().unwrap_or(0)).collect())
        .collect();
    let burden_shown = suppress(&burden, true, min_cell);
    let lines = |cells: &[Shown]| {
        html! {
            @for (cell, n) in cells.iter().zip(&sizes) { td.num { (cell.text(min_cell, Some(*n))) } }
        }
    };
    let body = html! {
        table.table1 {
            thead { tr {
                th scope="col" { "Mutated" }
                @for (group, size) in result.groups.iter().zip(&shown_sizes) {
                    th.num scope="col" {
                        (words::group(wording, &group.group)) br; span.quiet { "n=" (size.text(min_cell, None)) }
                    }
                }
            } }
            tbody {
                tr { th scope="rowgroup" colspan=(sizes.len() + 1) { "Gene" } }
                @for (gene, cells) in result.genes.iter().zip(counts) {
                    tr { th.level scope="row" { (words::term(wording, gene)) } (lines(cells)) }
                }
            }
            tbody {
                tr { th scope="rowgroup" colspan=(sizes.len() + 1) { "Mutated genes a patient" } }
                @for (k, cells) in burden_shown.iter().enumerate()
                    .filter(|(k, _)| burden.get(*k).is_some_and(|line| line.iter().any(|n| *n > 0))) {
                    tr { th.level scope="row" { (k) } (lines(cells)) }
                }
            }
        }
    };
    scroll("Mutations by gene and group", &body)
}

/// A pair with what may be printed of it.
pub(super) struct Row<'a> {
    pub(super) pair: &'a GenePair,
    pub(super) both: Shown,
    /// Whether its other counts, and so its statistics, may be printed.
    pub(super) open: bool,
}

/// The pairs among all patients, in the order of the genes.
pub(super) fn rows<'a>(
    result: &'a Comutation,
    counts: &[Vec<Shown>],
    min_cell: u64,
) -> Vec<Row<'a>> {
    let printed = |gene: &String| {
        let place = result.genes.iter().position(|name| name == gene);
        place.and_then(|place| counts.get(place)?.first()).is_some_and(|cell| cell.is_printed())
    };
    let pairs = result.groups.first().map(|all| all.pairs.as_slice()).unwrap_or_default();
    pairs
        .iter()
        .map(|pair| {
            let table = [vec![pair.both, pair.only_a], vec![pair.only_b, pair.neither]];
            let shown = suppress(&table, true, min_cell).concat();
            Row {
                pair,
                both: shown.first().copied().unwrap_or(Shown::Small),
                open: shown.iter().all(|cell| cell.is_printed())
                    && printed(&pair.a)
                    && printed(&pair.b),
            }
        })
        .collect()
}

fn pairs(result: &Comutation, counts: &[Vec<Shown>], wording: &Wording, min_cell: u64) -> Markup {
    if result.groups.is_empty() {
        return html! {};
    }
    let mut rows = rows(result, counts, min_cell);
    // Hidden ones last: their order would tell of their p values.
    rows.sort_by(|a, b| {
        (!a.open).cmp(&!b.open).then(match a.open {
            true => a.pair.p.total_cmp(&b.pair.p),
            false => std::cmp::Ordering::Equal,
        })
    });
    let hidden = rows.iter().filter(|row| !row.open).count();
    let left_out = rows.len().saturating_sub(MOST);
    rows.truncate(MOST);
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Pair" }
                th.num scope="col" { "Both" }
                th.num scope="col" { "Odds ratio (95% CI)" }
                th.num scope="col" { "p (Fisher)" }
                th scope="col" { "Tendency" }
            } }
            tbody {
                @for Row { pair, both, open } in &rows {
                    tr {
                        th scope="row" { (words::term(wording, &pair.a)) " and " (words::term(wording, &pair.b)) }
                        td.num { (both.text(min_cell, None)) }
                        @if *open {
                            td.num { (odds(pair)) }
                            td.num { (numbers::p_cell(pair.p)) }
                            td { (pair.tendency) }
                        } @else {
                            td.num { span.quiet { "not shown" } }
                            td.num { span.quiet { "not shown" } }
                            td { "–" }
                        }
                    }
                }
            }
        }
    };
    html! {
        h3 { "Pairs of mutations" }
        (scroll("Pairs of mutations", &body))
        p.note {
            "All patients; p values are of single pairs, not corrected for their number. "
            @if left_out > 0 { (numbers::counted(left_out as u64, "more pair stands", "more pairs stand")) " in report.json. " }
            @if hidden > 0 {
                "Of " (numbers::counted(hidden as u64, "pair", "pairs"))
                " nothing else is shown: a count from 1 to " (min_cell.saturating_sub(1)) " could be worked out from it."
            }
        }
    }
}

fn odds(pair: &GenePair) -> String {
    match (pair.odds_ratio, pair.se) {
        (Some(odds), Some(se)) => {
            let width = 1.96 * se;
            let (estimate, interval) =
                numbers::ratio(odds, odds * f64::exp(-width), odds * f64::exp(width));
            format!("{estimate} ({interval})")
        }
        (Some(odds), None) => numbers::significant(odds),
        _ => "no finite ratio".to_owned(),
    }
}
