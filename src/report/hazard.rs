//! The hazard network: what it is, how well it ranks patients, and what it must not be used for.

use haima_fl_core::results::{Concordance, HazardModel};
use maud::{Markup, html};

use super::model::{Class, Comparison, Step, StudyReport, Wording};
use super::numbers;
use super::page::{class_badge, scroll};
use super::plot::{self, Scale, Size, unit};
use super::result::StepResult;
use super::words;

/// The part of one training step.
pub(super) fn section(step: &Step, model: &HazardModel, wording: &Wording) -> Markup {
    let cuts: Vec<String> = model.cuts.iter().map(|cut| plot::tick_text(*cut)).collect();
    let body = html! {
        table.facts { tbody {
            tr { th scope="row" { "Formula" } td { code { (model.formula) } } }
            tr { th scope="row" { "Inputs" } td { code { (model.inputs.join(", ")) } } }
            tr { th scope="row" { "Network" } td {
                (numbers::counted(model.hidden.into(), "hidden unit", "hidden units")) ", "
                (numbers::counted(model.weights.len() as u64, "weight", "weights"))
            } }
            tr { th scope="row" { "Time intervals end at" } td {
                (cuts.join(", ")) " " (words::or(&wording.time_unit, "time units"))
            } }
            tr { th scope="row" { "Training" } td {
                (numbers::counted(model.steps.into(), "step", "steps")) ", one secure sum each, "
                (numbers::duration(step.seconds))
            } }
            tr { th scope="row" { "Privacy of the weights" } td { (privacy(step)) } }
        } }
    };
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        (scroll("The hazard network", &body))
    }
}

fn privacy(step: &Step) -> Markup {
    html! {
        @match &step.class {
            Class::Exact => "exact: no differential privacy",
            Class::Private(privacy) => {
                "ε=" (numbers::epsilon(privacy.epsilon_coalition)) ", δ=" (numbers::scientific(privacy.delta))
                " a " (privacy.unit) " (" (privacy.adjacency) ")"
            },
        }
    }
}

/// One mark of the drawing.
struct Mark<'a> {
    label: String,
    concordance: &'a Concordance,
    filled: bool,
}

/// How well risk scores rank patients: every concordance of the study, and the price of noise.
pub(super) fn concordances(report: &StudyReport) -> Markup {
    let mut marks: Vec<Mark<'_>> = Vec::new();
    if let Some(both) = &report.comparison {
        marks.push(Mark {
            label: "With noise".to_owned(),
            concordance: &both.with_noise,
            filled: true,
        });
        let label = "Without noise (simulated)".to_owned();
        marks.push(Mark { label, concordance: &both.without_noise, filled: false });
    }
    for step in &report.steps {
        let Some(StepResult::Concordance(concordance)) = &step.result else { continue };
        let shown = report.comparison.as_ref().is_some_and(|both| both.with_noise == *concordance);
        if !shown {
            marks.push(Mark { label: step.title.clone(), concordance, filled: true });
        }
    }
    html! {
        @if !marks.is_empty() {
            h3 {
                "How well it ranks patients"
                @for step in &report.steps {
                    @if let Some(StepResult::Concordance(_)) = &step.result { " " (class_badge(&step.class)) }
                }
            }
            figure {
                (plot::both(|size| draw(&marks, size)))
                figcaption {
                    "C-index (Harrell): the share of comparable pairs of patients whom the model puts in the right order, "
                    "ties in the binned score counting a half. 0.5 is chance, 1 is perfect. "
                    @for mark in &marks { (sentence(mark, report.floors.min_cell)) " " }
                }
            }
            @if let Some(both) = &report.comparison { (price(both)) }
        }
    }
}

fn sentence(mark: &Mark<'_>, min_cell: u64) -> String {
    let Concordance { n, events, comparable, subset, .. } = mark.concordance;
    let whom = match subset.as_str() {
        "holdout" => "patients held out from training",
        "all" => "all patients, those trained on included",
        other => other,
    };
    format!(
        "{}: {} {whom}, {} events, {} comparable pairs.",
        mark.label,
        numbers::cell(*n, min_cell),
        numbers::cell(*events, min_cell),
        numbers::count(comparable.max(0.0) as u64),
    )
}

fn price(both: &Comparison) -> Markup {
    let lost = both.without_noise.c_index - both.with_noise.c_index;
    let verdict = match lost {
        lost if !lost.is_finite() => "The price of noise could not be computed.".to_owned(),
        lost if lost.abs() < 0.005 => "Noise changed the C-index by less than 0.01.".to_owned(),
        lost if lost > 0.0 => format!("Noise cost {} of the C-index.", numbers::decimal(lost, 2)),
        _ => "The model with noise ranked no worse.".to_owned(),
    };
    html! { p.note { b { (verdict) } " " (both.note) } }
}

fn draw(marks: &[Mark<'_>], size: Size) -> Markup {
    let width = size.width();
    // On a telephone the label stands above its mark, and the line of chance stays out of it.
    let (left, right, top, row_height, half) = match size {
        Size::Page => (230.0, 660.0, 10.0, 34.0, 17.0),
        Size::Phone => (12.0, width - 52.0, 4.0, 52.0, 10.0),
    };
    let values = marks.iter().map(|mark| mark.concordance.c_index).filter(|c| c.is_finite());
    let lo = values.fold(0.5_f64, f64::min);
    let from = if lo < 0.5 { 0.0 } else { 0.5 };
    let x = Scale::new((from, 1.0), (left, right));
    let bottom = top + row_height * marks.len() as f64;
    let ticks = (0..=10).map(|tenth| f64::from(tenth) / 10.0).filter(|tick| *tick >= from);
    let each: Vec<String> = marks
        .iter()
        .map(|mark| format!("{}: {}", mark.label, numbers::decimal(mark.concordance.c_index, 3)))
        .collect();
    html! {
        svg class=(size.class()) data-figure="c-index" viewBox=(format!("0 0 {width} {}", bottom + 48.0)) role="img"
            aria-label=(format!("C-index. {}.", each.join("; "))) {
            @for (index, mark) in marks.iter().enumerate() {
                @let at = top + row_height * index as f64;
                @let (label_y, y) = match size {
                    Size::Page => (at + 21.0, at + 17.0),
                    Size::Phone => (at + 14.0, at + 34.0),
                };
                line.one x1=(x.text(0.5)) x2=(x.text(0.5)) y1=(unit(y - half)) y2=(unit(y + half)) {}
                text.label x="0" y=(unit(label_y)) { (words::shorten(&mark.label, 36)) }
                @if mark.concordance.c_index.is_finite() {
                    line.grid x1=(x.text(from)) x2=(x.text(mark.concordance.c_index)) y1=(unit(y)) y2=(unit(y)) {}
                    circle.dot.hollow[!mark.filled]
                        cx=(x.text(mark.concordance.c_index)) cy=(unit(y)) r="6" {}
                }
                text.label.strong x=(unit(x.at(mark.concordance.c_index) + 14.0)) y=(unit(y + 4.0)) {
                    (numbers::decimal(mark.concordance.c_index, 3))
                }
            }
            line.axis x1=(unit(left)) x2=(unit(right)) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 4.0)) {}
            @for tick in ticks {
                line.axis x1=(x.text(tick)) x2=(x.text(tick)) y1=(unit(bottom + 4.0)) y2=(unit(bottom + 9.0)) {}
                text.tick x=(x.text(tick)) y=(unit(bottom + 23.0)) text-anchor="middle" { (plot::tick_text(tick)) }
            }
            text.label x=(unit((left + right) / 2.0)) y=(unit(bottom + 42.0)) text-anchor="middle" {
                "C-index (0.5: chance)"
            }
        }
    }
}

/// What a reader must not do with the model.
pub(super) fn limits() -> Markup {
    html! {
        h3 { "Limits" }
        ul {
            li { "It was tested on patients of the same hospitals only; nothing is known about others." }
            li { "A C-index says how patients are ranked, not whether predicted probabilities are right." }
            li { "It is a research result. It must not guide the care of any patient." }
        }
    }
}
