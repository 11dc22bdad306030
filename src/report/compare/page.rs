//! A comparison as one page in the report's design; it loads nothing.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::words::{apart, cut, dash, estimate};
use super::{Comparison, Matched, Side, figure};
use crate::report::numbers;
use crate::report::page::scroll;
use crate::report::style::STYLE;

/// Rows of figures that are printed of a task; the JSON has all.
const MOST_ROWS: usize = 200;

/// The page as text.
#[must_use]
pub fn render(found: &Comparison) -> String {
    let title = found.sides.first().map_or("", |side| side.study.as_str());
    let letters: Vec<char> = found.sides.iter().map(|side| side.letter).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) " – haima comparison of reports" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.brand { "haima comparison of reports" }
                    h1 { "Reports side by side" }
                    @for warning in &found.warnings { p.warn { (warning) } }
                    (sides(&found.sides))
                    p.note {
                        "Differences are from A. They are no test: reports over the same patients are not independent, "
                        "and of reports over others nobody knows who is in both."
                    }
                }
                main {
                    @for (place, task) in found.tasks.iter().enumerate() {
                        section aria-labelledby=(format!("task-{place}")) {
                            h2 id=(format!("task-{place}")) { (task.title) }
                            (of_task(task, &letters))
                        }
                    }
                    @if !found.alone.is_empty() {
                        section aria-labelledby="alone" {
                            h2 id="alone" { "Not compared" }
                            ul {
                                @for own in &found.alone {
                                    li { b { (own.side) } " " (own.title) " (" code { (own.id) } "): " (own.reason) }
                                }
                            }
                        }
                    }
                }
                footer {
                    "haima " (env!("CARGO_PKG_VERSION")) " · " (found.schema) " · not a medical device; not for the care of patients"
                }
            }
        }
    };
    page.into_string()
}

fn sides(sides: &[Side]) -> Markup {
    let names = |names: &[String]| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Report" }
                th scope="col" { "Study" }
                th scope="col" { "Hospitals that took part" }
                th scope="col" { "Left out" }
                th.num scope="col" { "Private results" }
                th.num scope="col" { "Exact releases" }
            } }
            tbody {
                @for side in sides {
                    tr {
                        th scope="row" { (side.letter) br; span.quiet { code { (side.file) } } }
                        td {
                            (side.study)
                            @if !side.title.is_empty() { br; span.quiet { (side.title) } }
                            @if side.started > 0 { br; span.quiet { (numbers::utc(side.started)) } }
                            @if !side.mode.is_empty() { br; span.quiet { (side.mode) } }
                            @if !side.manifest.is_empty() { br; span.quiet { "manifest " code { (side.manifest.chars().take(16).collect::<String>()) } "…" } }
                        }
                        td { (numbers::count(side.hospitals.len() as u64)) br; span.quiet { (names(&side.hospitals)) } }
                        td { (names(&side.left_out)) }
                        td.num {
                            @match side.epsilon_limit {
                                Some(limit) => { "ε ≤ " (numbers::epsilon(limit)) },
                                None => "none charged",
                            }
                        }
                        td.num {
                            (numbers::count(side.exact_releases))
                            @if side.exact_releases > 0 { br; span.quiet { "no guarantee" } }
                        }
                    }
                }
            }
        }
    };
    scroll("The reports", &body)
}

fn of_task(task: &Matched, letters: &[char]) -> Markup {
    html! {
        @for why in &task.forbidden {
            p.warn { b { "May not be compared: " } (why) ". No difference is given." }
        }
        @if !task.cautions.is_empty() {
            p.note { b { "They differ in more than their results. " } "A difference means these too:" }
            ul { @for why in &task.cautions { li { (why) } } }
        }
        (asked(task, letters))
        @if !task.terms.is_empty() { (terms(task, letters)) }
        @if !task.curves.is_empty() { (curves(task, letters)) }
        @if !task.figures.is_empty() { (figures(task, letters)) }
    }
}

/// Whom each report asked, and what it cost.
fn asked(task: &Matched, letters: &[char]) -> Markup {
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Report" }
                th scope="col" { "Cohort" }
                th.num scope="col" { "Patients" }
                th.num scope="col" { "Events" }
                th.num scope="col" { "Hospitals in sums" }
                th scope="col" { "Privacy" }
            } }
            tbody {
                @for (letter, side) in letters.iter().zip(&task.sides) {
                    tr {
                        th scope="row" { (letter) }
                        @match side {
                            Some(side) => {
                                td { (side.cohort) br; span.quiet { code { (side.id) } } }
                                td.num { (side.patients) }
                                td.num { @if side.events.is_empty() { "–" } @else { (side.events) } }
                                td.num {
                                    @match side.hospitals { Some(count) => (numbers::count(count)), None => "–" }
                                }
                                td { (side.privacy) }
                            },
                            None => { td colspan="5" { span.quiet { "has no such task" } } },
                        }
                    }
                }
            }
        }
    };
    scroll(&format!("Whom each report asked: {}", task.title), &body)
}

fn terms(task: &Matched, letters: &[char]) -> Markup {
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Covariate" }
                @for letter in letters { th.num scope="col" { (task.ratio) " (95% CI), " (letter) } }
                @for letter in letters.iter().skip(1) { th.num scope="col" { "Coefficient, " (letter) " less A" } }
            } }
            tbody {
                @for row in &task.terms {
                    tr {
                        th scope="row" { (row.label) @if row.label != row.term { br; span.quiet { code { (row.term) } } } }
                        @for own in &row.values {
                            td.num { (own.map_or_else(dash, |own| estimate(&task.ratio, own))) }
                        }
                        @for own in row.differences.iter().skip(1) {
                            td.num {
                                (own.map_or_else(dash, apart))
                                @if own.and_then(|own| own.overlap) == Some(false) { br; b { "intervals apart" } }
                            }
                        }
                    }
                }
            }
        }
    };
    // Effects in different units share no axis.
    let is_ratio = task.ratio != "Effect";
    let drawing = figure::figure(&task.terms, letters, &task.ratio);
    html! {
        @if is_ratio && !drawing.0.is_empty() {
            figure {
                (drawing)
                figcaption { "One mark a report, with its 95% interval. Filled: A." }
            }
        }
        (scroll(&format!("Coefficients: {}", task.title), &body))
        p.note { "Per one unit of the column. In brackets: the difference in standard errors of A." }
    }
}

fn curves(task: &Matched, letters: &[char]) -> Markup {
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Curve" }
                @for letter in letters.iter().skip(1) { th.num scope="col" { "Largest distance, " (letter) " less A" } }
            } }
            tbody {
                @for row in &task.curves {
                    tr {
                        th scope="row" { (row.curve) }
                        @for own in row.distances.iter().skip(1) {
                            td.num {
                                @match own {
                                    Some(own) => {
                                        (numbers::decimal(own.largest, 3)) br;
                                        span.quiet { "at " (numbers::significant(own.at)) ", seen to " (numbers::significant(own.until)) }
                                    },
                                    None => "–",
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        (scroll(&format!("Distances of curves: {}", task.title), &body))
        p.note { "Of probabilities, 0 to 1, over the time in which both curves are drawn; times in the unit of the data." }
    }
}

fn figures(task: &Matched, letters: &[char]) -> Markup {
    let left_out = task.figures.len().saturating_sub(MOST_ROWS) as u64 + task.figures_left_out;
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Figure" }
                @for letter in letters { th.num scope="col" { (letter) } }
                @for letter in letters.iter().skip(1) { th.num scope="col" { (letter) " less A" } }
            } }
            tbody {
                @for row in task.figures.iter().take(MOST_ROWS) {
                    tr {
                        th scope="row" {
                            @if row.row.is_empty() { (row.table) } @else { (row.row) }
                            br; span.quiet { (row.figure) }
                        }
                        @for text in &row.texts { td.num { (cut(text)) } }
                        @for own in row.differences.iter().skip(1) {
                            td.num { (own.map_or_else(dash, numbers::significant)) }
                        }
                    }
                }
            }
        }
    };
    html! {
        details.print open[task.terms.is_empty() && task.curves.is_empty()] {
            summary { "Figures of the tables" }
            (scroll(&format!("Figures: {}", task.title), &body))
            @if left_out > 0 {
                p.note { (numbers::counted(left_out, "more figure stands", "more figures stand")) " in the JSON." }
            }
        }
    }
}
