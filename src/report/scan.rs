//! An association scan: Manhattan and QQ plot, and the variants with the smallest p values.

use haima_fl_core::results::scan::{Scan, VariantTest};
use maud::{Markup, html};

use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::{association, numbers, plot, words};

/// Variants that are printed.
const MOST: usize = 20;

/// The part of one step.
pub(super) fn section(step: &Step, result: &Scan, wording: &Wording, floors: &Floors) -> Markup {
    let min_cell = floors.min_cell;
    let (hidden, shown): (Vec<&VariantTest>, Vec<&VariantTest>) = result
        .variants
        .iter()
        .filter(|variant| variant.p.is_some())
        .partition(|variant| is_hidden(variant, min_cell));
    let tested = hidden.len() + shown.len();
    let threshold = 0.05 / tested.max(1) as f64;
    let passed = shown.iter().filter(|one| one.p.is_some_and(|p| p < threshold)).count();
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        figure {
            @if let Some(scan) = association::Scan::new(result, min_cell) {
                (plot::both(|size| association::draw(&scan, size)))
            }
            figcaption {
                "Score tests of single variants in a " (result.family) " model. Null model: "
                code { (result.formula) } "; "
                (numbers::counted_cell(result.n, min_cell, "patient", "patients"))
                @if result.family == "logistic" {
                    ", " (numbers::counted_cell(result.events, min_cell, "case", "cases"))
                }
                ", " (numbers::counted(result.sites, "hospital", "hospitals")) ", "
                (numbers::counted(result.iterations.into(), "secure sum", "secure sums")) ". "
                (numbers::counted(tested as u64, "variant", "variants")) " tested, "
                @if !hidden.is_empty() {
                    (numbers::count(hidden.len() as u64)) " of them with few carriers and not drawn, of the others "
                }
                b { (passed) " below 0.05 / " (tested) } " (Bonferroni). "
                @if let Some(lambda) = result.lambda {
                    "Genomic control: λ=" (numbers::decimal(lambda, 2))
                    ", the median χ² over that of chance; far above 1 it tells of structure between patients. "
                }
                "The band of the QQ plot holds 95% of p values by chance."
            }
        }
        (table(result, wording, min_cell))
    }
}

fn table(result: &Scan, wording: &Wording, min_cell: u64) -> Markup {
    let logistic = result.family == "logistic";
    let mut variants: Vec<&VariantTest> = result.variants.iter().collect();
    // The place of a hidden one would tell its p value.
    let p = |variant: &VariantTest| {
        variant.p.filter(|_| !is_hidden(variant, min_cell)).unwrap_or(f64::INFINITY)
    };
    variants.sort_by(|a, b| p(a).total_cmp(&p(b)));
    let left_out = variants.len().saturating_sub(MOST);
    variants.truncate(MOST);
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Variant" }
                th.num scope="col" { "Carriers" }
                th.num scope="col" { @if logistic { "OR" } @else { "Difference" } " a dose (95% CI)" }
                th.num scope="col" { "p" }
                th.num scope="col" { "p, genomic control" }
            } }
            tbody {
                @for variant in variants {
                    @let hidden = is_hidden(variant, min_cell);
                    tr {
                        th scope="row" {
                            (words::term(wording, &variant.name))
                            @if !variant.genes.is_empty() {
                                br; span.quiet { "burden of " (variant.genes.join(", ")) }
                            }
                        }
                        td.num { (carriers(variant, min_cell)) }
                        @match (variant.beta, variant.se) {
                            _ if hidden => {
                                td.num { span.quiet { "not shown" } }
                                td.num { "–" }
                                td.num { "–" }
                            }
                            (Some(beta), Some(se)) => {
                                td.num { (effect(beta, se, logistic)) }
                                td.num { (small(variant.p)) }
                                td.num { (small(variant.p_gc)) }
                            }
                            _ => {
                                td.num { span.quiet { (variant.reason.as_deref().unwrap_or("not tested")) } }
                                td.num { "–" }
                                td.num { "–" }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        (scroll("Variants with the smallest p values", &body))
        p.note {
            @if left_out > 0 {
                "The " (MOST) " smallest p values; " (numbers::counted(left_out as u64, "more variant stands", "more variants stand"))
                " in report.json. "
            }
            "The effect is one step from none towards the estimate, for each dose of the variant. "
            @if min_cell > 1 { "Effects of variants with fewer than " (min_cell) " carriers, or all but as few, are not shown." }
        }
    }
}

/// Carriers and the others add up to the printed number of patients, so either may be small.
pub(crate) fn is_hidden(variant: &VariantTest, min_cell: u64) -> bool {
    let others = variant.n.saturating_sub(variant.carriers);
    numbers::is_small(variant.carriers, min_cell) || numbers::is_small(others, min_cell)
}

/// Carriers under the display rule.
pub(crate) fn carriers(variant: &VariantTest, min_cell: u64) -> String {
    match is_hidden(variant, min_cell) && !numbers::is_small(variant.carriers, min_cell) {
        true => format!("≥{min_cell}"),
        false => numbers::cell(variant.carriers, min_cell),
    }
}

fn effect(beta: f64, se: f64, logistic: bool) -> String {
    let ends = [beta, beta - 1.96 * se, beta + 1.96 * se];
    let (estimate, interval) = match logistic {
        true => {
            let [estimate, lo, hi] = ends.map(f64::exp);
            numbers::ratio(estimate, lo, hi)
        }
        false => numbers::difference(ends[0], ends[1], ends[2]),
    };
    format!("{estimate} ({interval})")
}

/// A p value of one of many tests: with its exponent where it is small.
fn small(p: Option<f64>) -> String {
    match p {
        Some(p) if p > 0.0 && p < 0.001 => numbers::scientific(p),
        Some(p) => numbers::p_cell(p),
        None => "–".to_owned(),
    }
}
