//! The calculator's pages: the list of models, a model's form, and what it says.

use std::sync::Arc;

use haima_fl_core::learn::explanation::Explanation;
use haima_fl_core::learn::model::Kind as Predicts;
use haima_fl_core::schema::{Column, Kind};
use maud::{Markup, html};

use super::figure::{Curve, figure, push};
use super::patient::{self, Wrong, field, unit_field};
use super::{Answer, Calculator, Refusal};
use crate::Error;
use crate::report::numbers;
use crate::report::page::scroll;
use crate::report::plot::tick_text;
use crate::web::document::{Visitor, printable, problem, token};
use crate::web::form::Fields;
use crate::web::parts::bar;

/// Contributions that are shown.
const MOST_SHOWN: usize = 8;

/// All models.
pub(in crate::web) fn list(models: &[Arc<Calculator>]) -> Markup {
    html! {
        (not_a_device())
        @if models.is_empty() {
            p { "No model was given. Start the page with " code { "--model FILE.haima" } "." }
        } @else {
            ul {
                @for (model, number) in models.iter().zip(1_usize..) {
                    li {
                        a href=(format!("/calculator/{number}")) { (printable(&model.name)) }
                        ": " (predicts(model))
                    }
                }
            }
        }
    }
}

fn not_a_device() -> Markup {
    html! {
        p.warn {
            b { "Not a medical device." }
            " An estimate for research from a model of this network. No decision about a patient may rest on it."
        }
    }
}

fn predicts(model: &Calculator) -> String {
    let words = model.outcome.as_ref().map(crate::card::Outcome::in_words);
    printable(&words.unwrap_or_else(|| "see its card".to_owned()))
}

/// A model's form.
pub(in crate::web) fn form(model: &Calculator, number: usize, visitor: &Visitor) -> Markup {
    filled(model, number, visitor, None, &[])
}

/// A model's form, filled in with what was sent.
fn filled(
    model: &Calculator,
    number: usize,
    visitor: &Visitor,
    sent: Option<&Fields>,
    wrong: &[Wrong],
) -> Markup {
    html! {
        (not_a_device())
        p { b { (printable(&model.name)) } " predicts: " (predicts(model)) "." }
        @if let Some(cohort) = &model.trained_on {
            p.warn { "Trained on patients with " (printable(cohort)) ". For others it is no estimate." }
        }
        @if !wrong.is_empty() {
            div.bad role="alert" {
                p { b { "Nothing was calculated." } }
                ul { @for one in wrong { li { (said(model, one)) } } }
            }
        }
        p.note {
            "What is entered stays in this machine's memory while it is calculated: it is not stored, not \
             logged and not sent on. Enter no name and no number of the patient."
        }
        form method="post" action=(format!("/calculator/{number}")) autocomplete="off" {
            (token(visitor))
            div.fields {
                @for (place, column) in model.schema.columns.iter().enumerate() {
                    (input(model, place, column, sent, wrong))
                }
            }
            button type="submit" { "Calculate" }
        }
        details {
            summary { "What this model is: its card" }
            pre.words { (printable(&model.card)) }
        }
    }
}

/// A fault, with a link to its field.
fn said(model: &Calculator, wrong: &Wrong) -> Markup {
    let column = wrong.column.and_then(|place| Some((place, model.schema.columns.get(place)?)));
    html! {
        @match column {
            Some((place, column)) => {
                a href=(format!("#{}", field(place))) { (printable(&column.label)) } " " (printable(&wrong.text))
            }
            None => (printable(&wrong.text)),
        }
    }
}

fn input(
    model: &Calculator,
    place: usize,
    column: &Column,
    sent: Option<&Fields>,
    wrong: &[Wrong],
) -> Markup {
    let (name, unit) = (field(place), unit_field(place));
    let value = sent.map_or("", |fields| fields.text(&name));
    let chosen = sent.map_or("", |fields| fields.text(&unit));
    let fault = wrong.iter().any(|wrong| wrong.column == Some(place)).then_some("true");
    let hint = format!("{name}-hint");
    html! {
        div.field {
            label for=(name) {
                (printable(&column.label))
                span.hint id=(hint) { (hinted(column, model.needs(&column.name))) }
            }
            @match &column.kind {
                Kind::Numeric { unit: own, .. } => {
                    input id=(name) name=(name) type="text" inputmode="decimal" maxlength="40" value=(value)
                        aria-describedby=(hint) aria-invalid=[fault];
                    @if column.accepts.is_empty() {
                        " " (printable(own))
                    } @else {
                        " "
                        select.unit name=(unit) aria-label=(format!("Unit of {}", printable(&column.label))) {
                            (choice("0", own, chosen))
                            @for (number, other) in (1..).zip(column.accepts.keys()) {
                                (choice(&format!("{number}"), other, chosen))
                            }
                        }
                    }
                }
                Kind::Flag => {
                    select id=(name) name=(name) aria-describedby=(hint) aria-invalid=[fault] {
                        (choice("", "not known", value))
                        (choice("0", "no", value))
                        (choice("1", "yes", value))
                    }
                }
                Kind::Category { levels } => {
                    select id=(name) name=(name) aria-describedby=(hint) aria-invalid=[fault] {
                        (choice("", "not known", value))
                        @for (number, level) in levels.iter().enumerate() {
                            (choice(&number.to_string(), level, value))
                        }
                    }
                }
            }
        }
    }
}

fn choice(value: &str, text: &str, chosen: &str) -> Markup {
    html! { option value=(value) selected[value == chosen] { (printable(text)) } }
}

/// What may be entered.
fn hinted(column: &Column, needed: bool) -> String {
    let range = match &column.kind {
        Kind::Numeric { range: (low, high), unit, .. } => format!("{low} to {high} {unit}"),
        Kind::Flag | Kind::Category { .. } => String::new(),
    };
    let needed = if needed { "needed" } else { "may be left blank" };
    let parts = [range.trim(), needed];
    printable(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
}

/// Calculates, away from the thread that answers.
pub(in crate::web) async fn calculate(
    model: Arc<Calculator>,
    number: usize,
    visitor: &Visitor,
    fields: Arc<Fields>,
) -> Result<Markup, Error> {
    let (own, sent) = (Arc::clone(&model), Arc::clone(&fields));
    let answer = tokio::task::spawn_blocking(move || {
        let cohort = patient::cohort(&own.schema, &sent).map_err(Refusal::Wrong)?;
        own.answer(&cohort)
    });
    let answer = answer.await.map_err(|error| Error::Stopped {
        party: "the calculator".into(),
        reason: error.to_string(),
    })?;
    let again = |wrong: &[Wrong]| filled(&model, number, visitor, Some(&fields), wrong);
    Ok(match answer {
        Err(Refusal::Wrong(wrong)) => again(&wrong),
        Err(Refusal::Missing(columns)) => html! {
            (problem("No prediction.", &format!("This model needs: {}.", columns.join(", "))))
            (again(&[]))
        },
        Ok(answer) => html! {
            section #result aria-labelledby="result-title" {
                h2 #result-title { "Result" }
                (result(&model, &answer))
            }
            h2 { "Ask again" }
            (again(&[]))
        },
    })
}

fn result(model: &Calculator, answer: &Answer) -> Markup {
    html! {
        @match model.trained.model().kind() {
            Predicts::Binary => (binary(model, answer)),
            Predicts::Survival => (survival(model, answer)),
            Predicts::Competing => (competing(model, answer)),
            Predicts::Classes | Predicts::Reconstruction => (classes(answer)),
        }
        p.note {
            b { "No interval. " }
            "The model file holds one set of weights and no measure of how sure they are, so none can be given \
             for this patient. How well the model does among patients stands on its card."
        }
        @if let Some(explanation) = &answer.explanation { (contributions(model, explanation)) }
    }
}

fn binary(model: &Calculator, answer: &Answer) -> Markup {
    let share = answer.figures.first().map_or(f64::NAN, |(_, share)| *share);
    html! {
        dl.cards {
            div.card {
                dt { "Probability" }
                dd.value { (numbers::percent(share)) }
                dd.detail { (predicts(model)) }
            }
        }
        (bar("Probability", share, &numbers::percent(share)))
    }
}

/// The figures whose names begin so, with the number that ends them.
fn by_time(answer: &Answer, prefix: &str) -> Vec<(f64, f64)> {
    let of = |(name, share): &(String, f64)| {
        let time = name.strip_prefix(prefix)?.parse::<f64>().ok()?;
        Some((time, *share))
    };
    answer.figures.iter().filter_map(of).collect()
}

fn times(curves: &[Curve], what: &str, unit: &str) -> Markup {
    let Some(first) = curves.first() else { return html! {} };
    let table = html! {
        table {
            thead { tr {
                th.num scope="col" { "By " @if unit.is_empty() { "time" } @else { (printable(unit)) } }
                @for curve in curves { th.num scope="col" { (printable(&curve.name)) } }
            } }
            tbody { @for (place, (time, _)) in first.points.iter().enumerate() { tr {
                th.num scope="row" { (tick_text(*time)) }
                @for curve in curves {
                    td.num { (curve.points.get(place).map_or("–".to_owned(), |(_, share)| numbers::percent(*share))) }
                }
            } } }
        }
    };
    scroll(what, &table)
}

fn survival(model: &Calculator, answer: &Answer) -> Markup {
    let curves = [Curve { name: "Survival".into(), points: by_time(answer, "survival_") }];
    let risk = answer.figures.iter().find(|(name, _)| name == "risk").map(|(_, risk)| *risk);
    html! {
        (figure(&curves, 1.0, "Survival of this patient by the model", model.unit()))
        (times(&curves, "Survival of this patient", model.unit()))
        @if let Some(risk) = risk {
            p {
                "Risk score " b { (numbers::significant(risk)) }
                ": it orders patients, a higher one means a higher hazard; it is no probability."
            }
        }
    }
}

fn competing(model: &Calculator, answer: &Answer) -> Markup {
    let causes = model.outcome.as_ref().map_or(&[][..], |outcome| outcome.levels.as_slice());
    let curves: Vec<Curve> = causes
        .iter()
        .map(|cause| Curve {
            name: cause.clone(),
            points: by_time(answer, &format!("incidence_{cause}_")),
        })
        .collect();
    html! {
        (figure(&curves, 0.0, "Cumulative incidence of each cause by the model", model.unit()))
        (times(&curves, "Cumulative incidence of each cause", model.unit()))
    }
}

fn classes(answer: &Answer) -> Markup {
    let table = html! {
        table {
            thead { tr { th scope="col" { "Class" } th.num scope="col" { "Probability" } } }
            tbody { @for (name, share) in &answer.figures { tr {
                th scope="row" { (printable(name)) }
                td.num { (numbers::percent(*share)) }
            } } }
        }
    };
    scroll("Classes", &table)
}

/// What moves the prediction most.
fn contributions(model: &Calculator, explanation: &Explanation) -> Markup {
    let mut parts: Vec<&(String, f64)> = explanation.contributions.iter().collect();
    parts.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    let largest = parts.first().map_or(0.0, |(_, by)| by.abs());
    let rest: f64 = parts.iter().skip(MOST_SHOWN).map(|(_, by)| by).sum();
    let scale = if explanation.log_odds { "log-odds" } else { "risk score" };
    let table = html! {
        table {
            thead { tr {
                th scope="col" { "Input" }
                th.num scope="col" { "Moves the " (scale) " by" }
                th scope="col" { "Down or up" }
            } }
            tbody {
                @for (name, by) in parts.iter().take(MOST_SHOWN) { tr {
                    th scope="row" { (printable(&model.label(name))) }
                    td.num { (numbers::significant(*by)) }
                    td { (push(*by, largest)) }
                } }
                @if parts.len() > MOST_SHOWN { tr {
                    th scope="row" { "All " (parts.len() - MOST_SHOWN) " others" }
                    td.num { (numbers::significant(rest)) }
                    td {}
                } }
            }
        }
    };
    html! {
        h3 { "What moves it most" }
        p {
            "Of " code { (printable(&explanation.output)) } ", on the scale of the " (scale) ": "
            (numbers::significant(explanation.effect)) " for this patient, "
            (numbers::significant(explanation.centre))
            " at the public centre of all inputs. The parts below add up to the difference. They say what the \
             model goes by, not what causes the outcome."
        }
        (scroll("Contributions", &table))
    }
}
