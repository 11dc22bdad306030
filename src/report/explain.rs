//! What a trained model goes by: importance, attributions, partial dependence, coefficients.

use haima_fl_core::results::explain::{Coefficients, Dependence, Explanation, Importance};
use maud::{Markup, html};

use super::bars::{Bar, Bars};
use super::model::{Floors, Step, Wording};
use super::page::{class_badge, scroll};
use super::plot::{self, Scale, Size, stroke, unit};
use super::{numbers, words};

/// Bars and curves that a figure holds; the rest stand in `report.json`.
const MOST_BARS: usize = 20;
const MOST_CURVES: usize = 12;

/// The part of one explanation.
pub(super) fn section(
    step: &Step,
    found: &Explanation,
    wording: &Wording,
    floors: &Floors,
) -> Markup {
    let whom = match found.subset.as_str() {
        "holdout" => "patients held out from training",
        "training" => "patients who trained it",
        _ => "patients, those who trained it included",
    };
    html! {
        h3 { (step.title) " " (class_badge(&step.class)) }
        p.note {
            "What the model " code { (found.model) } " (" (found.network) ") goes by when it predicts "
            (found.output) ", over "
            @if found.noised { "about " (numbers::count(found.n)) }
            @else { (numbers::cell(found.n, floors.min_cell)) }
            " " (whom) @if found.sites > 0 { " of " (numbers::counted(found.sites, "hospital", "hospitals")) }
            ". It describes the model, not causes of disease."
        }
        @if !found.importance.is_empty() { (importance(found, wording)) }
        @if !found.attributions.is_empty() { (attributions(found, wording)) }
        @if !found.dependence.is_empty() { (dependence(found, wording)) }
        @if let Some(own) = &found.coefficients { (coefficients(step, own, floors.min_cell)) }
        @for note in &found.notes { p.note { (note) } }
    }
}

fn importance(found: &Explanation, wording: &Wording) -> Markup {
    let mut rows: Vec<&Importance> = found.importance.iter().collect();
    rows.sort_by(|a, b| b.rise.total_cmp(&a.rise));
    let bars: Vec<Bar> = rows
        .iter()
        .take(MOST_BARS)
        .map(|row| Bar {
            label: words::column(wording, &row.column),
            value: row.rise,
            interval: row.se.map(|se| (row.rise - 1.96 * se, row.rise + 1.96 * se)),
        })
        .collect();
    let shown = bars.len();
    let drawing = Bars {
        name: "importance",
        label: "Rise of the mean loss without the column",
        bars,
        percent: false,
    };
    html! {
        figure {
            (drawing.figure())
            figcaption {
                "Permutation importance: how much worse the model fits when a column's values are "
                @if found.noised { "replaced by values drawn from its public range" }
                @else { "dealt anew among the patients of each hospital" }
                ". 0: the model does without it. "
                @if let Some(loss) = found.loss { "The loss is " (numbers::decimal(loss, 3)) " as it stands. " }
                @if !found.noised { "Lines: 95% intervals over patients, for this model. " }
                "Columns that go together share their importance."
                (left_out(rows.len(), shown))
            }
        }
    }
}

fn left_out(all: usize, drawn: usize) -> Markup {
    html! { @if all > drawn { " " (all - drawn) " more stand in " code { "report.json" } "." } }
}

fn attributions(found: &Explanation, wording: &Wording) -> Markup {
    let mut rows: Vec<_> = found.attributions.iter().collect();
    rows.sort_by(|a, b| b.mean_abs.total_cmp(&a.mean_abs));
    let shown = rows.iter().take(MOST_BARS);
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Input" }
                th.num scope="col" { "Mean size" }
                th.num scope="col" { "Mean" }
            } }
            tbody {
                @for row in shown {
                    tr {
                        th scope="row" { (words::term(wording, &row.input)) }
                        td.num { (numbers::decimal(row.mean_abs, 3)) }
                        td.num { (numbers::decimal(row.mean, 3)) }
                    }
                }
            }
        }
    };
    html! {
        details.print {
            summary { "What each input adds to predictions" }
            (scroll("Attributions", &body))
            p.note {
                "Integrated gradients from the centre of all inputs, in "
                @if found.log_odds { "log-odds of the predicted probability" } @else { "units of the risk score" }
                ": for each patient they add up to the prediction."
                (left_out(rows.len(), rows.len().min(MOST_BARS)))
            }
        }
    }
}

fn dependence(found: &Explanation, wording: &Wording) -> Markup {
    // The important ones first.
    let rise = |curve: &&Dependence| {
        let own = found.importance.iter().find(|row| row.column == curve.column);
        own.map_or(0.0, |row| row.rise)
    };
    let mut curves: Vec<&Dependence> = found.dependence.iter().collect();
    curves.sort_by(|a, b| rise(b).total_cmp(&rise(a)));
    let shown = curves.get(..MOST_CURVES).unwrap_or(&curves);
    html! {
        figure {
            (plot::both(|size| multiples(found, shown, wording, size)))
            figcaption {
                "Partial dependence: the mean prediction of " (found.output)
                " if all patients had this value of the one column and kept their own of all others. "
                "All panels have the same height of axis. Values that few patients have are drawn as any other."
                (left_out(curves.len(), shown.len()))
            }
        }
    }
}

/// A panel a column, on one vertical axis.
fn multiples(found: &Explanation, curves: &[&Dependence], wording: &Wording, size: Size) -> Markup {
    let (across, height) = match size {
        Size::Page => (3, 190.0),
        Size::Phone => (1, 190.0),
    };
    let pitch = size.width() / f64::from(across);
    let all = || curves.iter().flat_map(|curve| curve.predicted.iter().copied());
    let (lo, hi) = if found.log_odds {
        (0.0, (all().fold(0.0, f64::max) * 1.1).clamp(0.05, 1.0))
    } else {
        let lo = all().fold(f64::INFINITY, f64::min);
        let hi = all().fold(f64::NEG_INFINITY, f64::max);
        let room = (hi - lo).max(0.1) * 0.1;
        (lo - room, hi + room)
    };
    let rows = curves.len().div_ceil(across as usize);
    html! {
        svg class=(size.class()) data-figure="dependence" viewBox=(format!("0 0 {} {}", size.width(), unit(rows as f64 * height)))
            role="img" aria-label=(alternative(curves, wording)) {
            @for (index, curve) in curves.iter().enumerate() {
                @let corner = (
                    pitch * (index % across as usize) as f64,
                    height * (index / across as usize) as f64,
                );
                (panel(found, curve, wording, corner, (pitch, height), (lo, hi)))
            }
        }
    }
}

fn panel(
    found: &Explanation,
    curve: &Dependence,
    wording: &Wording,
    (left, top): (f64, f64),
    (width, height): (f64, f64),
    (lo, hi): (f64, f64),
) -> Markup {
    let (from, to) = (left + 40.0, left + width - 16.0);
    let (high, low) = (top + 28.0, top + height - 32.0);
    let y = Scale::new((lo, hi), (low, high));
    let ends = (
        curve.values.iter().copied().fold(f64::INFINITY, f64::min),
        curve.values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    );
    let is_level = curve.levels.is_some();
    let x = if is_level {
        Scale::new((ends.0 - 0.5, ends.1 + 0.5), (from, to))
    } else {
        Scale::new(ends, (from, to))
    };
    let points: Vec<String> = curve
        .values
        .iter()
        .zip(&curve.predicted)
        .map(|(value, predicted)| format!("{},{}", x.text(*value), y.text(*predicted)))
        .collect();
    let tick = |value: f64| {
        if found.log_odds { numbers::percent(value) } else { numbers::decimal(value, 1) }
    };
    html! {
        text.label.strong x=(unit(left)) y=(unit(top + 14.0)) {
            (words::shorten(&words::column(wording, &curve.column), 30))
        }
        @for value in [lo, (lo + hi) / 2.0, hi] {
            line.grid x1=(unit(from)) x2=(unit(to)) y1=(y.text(value)) y2=(y.text(value)) {}
            text.tick x=(unit(from - 5.0)) y=(unit(y.at(value) + 4.0)) text-anchor="end" { (tick(value)) }
        }
        @if is_level {
            @for (value, predicted) in curve.values.iter().zip(&curve.predicted) {
                circle.dot cx=(x.text(*value)) cy=(y.text(*predicted)) r="5" {}
                text.tick x=(x.text(*value)) y=(unit(low + 17.0)) text-anchor="middle" {
                    (level(curve, *value, wording))
                }
            }
        } @else {
            polyline.curve points=(points.join(" ")) fill="none" stroke=(stroke(0).0) {}
            text.tick x=(unit(from)) y=(unit(low + 17.0)) { (numbers::significant(ends.0)) }
            text.tick x=(unit(to)) y=(unit(low + 17.0)) text-anchor="end" { (numbers::significant(ends.1)) }
        }
        line.axis x1=(unit(from)) x2=(unit(to)) y1=(unit(low)) y2=(unit(low)) {}
    }
}

fn level(curve: &Dependence, value: f64, wording: &Wording) -> String {
    let levels = curve.levels.as_deref().unwrap_or_default();
    let name = levels.get(value as usize).map_or("", String::as_str);
    let text = match (levels, name) {
        ([no, yes], _) if no == "0" && yes == "1" => {
            (if value > 0.5 { "yes" } else { "no" }).to_owned()
        }
        _ => words::group(wording, &format!("{}={name}", curve.column)),
    };
    let room = if levels.len() > 2 { 10 } else { 16 };
    words::shorten(&text, room)
}

fn alternative(curves: &[&Dependence], wording: &Wording) -> String {
    let each: Vec<String> = curves
        .iter()
        .filter_map(|curve| {
            let (first, last) = (curve.predicted.first()?, curve.predicted.last()?);
            Some(format!(
                "{}: {} to {}",
                words::column(wording, &curve.column),
                numbers::decimal(*first, 2),
                numbers::decimal(*last, 2)
            ))
        })
        .collect();
    format!("Partial dependence, from the first to the last value. {}.", each.join("; "))
}

fn coefficients(step: &Step, found: &Coefficients, min_cell: u64) -> Markup {
    let body = html! {
        table {
            thead { tr {
                th scope="col" { "Term" }
                th.num scope="col" { "Coefficient" }
                th.num scope="col" { "SE" }
                th.num scope="col" { "Robust SE" }
                th.num scope="col" { "Ratio (95% CI)" }
                th.num scope="col" { "p" }
            } }
            tbody {
                @for (term, robust) in found.terms.iter().zip(&found.robust_se) {
                    @let (estimate, interval) = numbers::ratio(term.hr, term.lo, term.hi);
                    tr {
                        th scope="row" { code { (term.name) } }
                        td.num { (numbers::significant(term.coef)) }
                        td.num { (numbers::significant(term.se)) }
                        td.num { (numbers::significant(*robust)) }
                        td.num { @if term.name == "(Intercept)" { "–" } @else { (estimate) " (" (interval) ")" } }
                        td.num { (numbers::p_cell(term.p)) }
                    }
                }
            }
        }
    };
    html! {
        (scroll(&format!("Coefficients of {}", step.title), &body))
        p.note {
            "Coefficients in the units of the columns, over "
            (numbers::counted_cell(found.n, min_cell, "training patient", "training patients"))
            "; errors from the information matrix, robust ones from the sandwich; CI and p: Wald."
        }
    }
}
