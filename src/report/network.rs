//! A trained network: what it reads and predicts, how it was trained, and whom noise protected.

use haima_fl_core::learn::figures;
use haima_fl_core::learn::inputs::{Source, Term};
use haima_fl_core::learn::strategies::Unit;
use haima_fl_core::results::network::{EarlyStopping, Network};
use maud::{Markup, html};

use super::chart::{Axis, Chart, Line, Shape};
use super::model::{Class, Step, Wording};
use super::numbers;
use super::page::{class_badge, scroll};
use super::words;

/// The part of one training.
pub(super) fn section(step: &Step, network: &Network, wording: &Wording) -> Markup {
    let model = &network.model;
    let text = |table: &toml::Table, key: &str, fallback: &str| {
        table.get(key).and_then(toml::Value::as_str).unwrap_or(fallback).to_owned()
    };
    let version = model.params.get("version").and_then(toml::Value::as_integer).unwrap_or(1);
    let target: Vec<String> = ["outcome", "time", "event"]
        .iter()
        .filter_map(|key| model.params.get(*key)?.as_str())
        .map(|column| words::column(wording, column))
        .collect();
    let body = html! {
        table.facts { tbody {
            tr { th scope="row" { "Model" } td {
                code { (text(&model.params, "name", "network")) } " version " (version) ", "
                (numbers::counted(network.weights.len() as u64, "weight", "weights"))
            } }
            @if !target.is_empty() { tr { th scope="row" { "Learned from" } td { (target.join(", ")) } } }
            tr { th scope="row" { "Predicts" } td { (model.outputs.join(", ")) } }
            tr { th scope="row" { "Training" } td {
                code { (text(&network.strategy, "name", "dp-sgd")) } ", "
                (numbers::counted(network.steps.into(), "round", "rounds")) ", one secure sum each, "
                (numbers::duration(step.seconds))
            } }
            tr { th scope="row" { "Held out" } td {
                @if network.holdout > 0.0 {
                    "about " (numbers::percent(network.holdout)) " of patients, who did not train"
                } @else { "nobody: figures on these patients flatter the model" }
            } }
            tr { th scope="row" { "Privacy of the weights" } td { (privacy(step, network.unit)) } }
        } }
    };
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        (scroll("The trained network", &body))
        @if let Some(seen) = &network.early_stopping { (stopping(seen)) }
        details.print {
            summary { "Inputs, and the figures that standardise them (" (model.terms.len()) ")" }
            (scroll(&format!("Inputs of {}", step.title), &inputs(&model.terms, wording)))
            p.note { "An input is its value less the centre, over the scale, cut to 10 in size." }
        }
    }
}

fn privacy(step: &Step, unit: Unit) -> Markup {
    html! {
        @match (&step.class, unit) {
            (Class::Exact, _) => "exact: no differential privacy",
            (Class::Private(privacy), unit) => {
                "ε=" (numbers::epsilon(privacy.epsilon_coalition)) ", δ=" (numbers::scientific(privacy.delta))
                @match unit {
                    Unit::Site => { " (" (unit.in_words()) ")" }
                    Unit::Patient | Unit::None => { " a " (privacy.unit) " (" (privacy.adjacency) ")" }
                }
            },
        }
    }
}

/// Where an input's figures come from (rule S4).
fn figures(term: &Term) -> Markup {
    html! {
        @if term.figures.is_empty() { "public: the schema" }
        @for (i, used) in term.figures.iter().enumerate() {
            @if i > 0 { "; " }
            @match used.class {
                figures::Class::Charged => "charged: ",
                figures::Class::Exact => "exact, not charged: ",
            }
            code { (used.task) }
        }
    }
}

/// The loss of held-out patients, round by round, where the training watched it.
fn stopping(seen: &EarlyStopping) -> Markup {
    let points: Vec<(f64, f64)> = (1..)
        .zip(&seen.history)
        .filter_map(|(figure, loss)| Some((f64::from(figure), (*loss)?)))
        .collect();
    let highest = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let last = points.last().map_or(1.0, |point| point.0).max(2.0);
    let best = seen.best.map(|best| best + 1);
    html! {
        @if points.len() > 1 && highest > 0.0 {
            figure { (Chart {
                name: "early-stopping",
                lines: vec![Line {
                    name: "mean loss of held-out patients".into(),
                    start: 0.0,
                    points,
                    band: Vec::new(),
                    shape: Shape::Marked,
                }],
                x: Axis { label: "figure".into(), ends: (1.0, last), percent: false },
                y: Axis { label: "loss".into(), ends: (0.0, highest), percent: false },
                guide: None,
                alternative: "Loss of held-out patients over the training".into(),
            }.figure()) }
        }
        p.note {
            @match best {
                Some(best) => { "The weights are those of figure " (best) ". " }
                None => "No figure could be had, so the weights are the last. ",
            }
            @if seen.stopped { "It ended before its last round; the privacy stated is that of all rounds." }
        }
    }
}

fn inputs(terms: &[Term], wording: &Wording) -> Markup {
    let what = |term: &Term| match term.source {
        Source::Value => "value",
        Source::Log1p => "log(1 + value)",
        Source::Level(_) => "level: 1 or 0",
        Source::Missing => "missing: 1 or 0",
    };
    html! {
        table {
            thead { tr {
                th scope="col" { "Input" }
                th scope="col" { "What" }
                th.num scope="col" { "Centre" }
                th.num scope="col" { "Scale" }
                th scope="col" { "Where missing" }
                th scope="col" { "Figures" }
            } }
            tbody {
                @for term in terms {
                    tr {
                        th scope="row" {
                            code { (term.name) }
                            @if wording.labels.contains_key(&term.column) { br; span.quiet { (words::column(wording, &term.column)) } }
                        }
                        td { (what(term)) }
                        td.num { (numbers::significant(term.center)) }
                        td.num { (numbers::significant(term.scale)) }
                        td {
                            @match term.missing {
                                None if term.source == Source::Missing => "is what it says",
                                None => "patient not taken",
                                Some(0.0) => "centre stands in",
                                Some(value) => { (numbers::significant(value)) " stands in" }
                            }
                        }
                        td { (figures(term)) }
                    }
                }
            }
        }
    }
}
